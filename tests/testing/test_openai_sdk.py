"""The official SDK, unmodified, as a client of the local server; each answer is checked against the description of the API."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchfiles.api.batch import Batch
from batchfiles.api.file import FileObject
from batchfiles.client import Client
from batchfiles.testing import Server
from tests.canary import CANARY
from tests.testing.conftest import CHAT, START, chat_line, described, write_lines

openai = pytest.importorskip("openai")


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    """Return the SDK's client without retries, so that an error is raised at once."""
    http = getattr(openai, "DefaultHttpx2Client", openai.DefaultHttpxClient)(
        trust_env=False, verify=False, event_hooks={"response": [described]}
    )
    with openai.OpenAI(api_key=CANARY, base_url=server.base_url, max_retries=0, http_client=http) as sdk:
        yield sdk


def uploaded(sdk: openai.OpenAI, path: Path) -> str:
    """Upload a file for a batch."""
    return sdk.files.create(file=path, purpose="batch").id


def test_a_file_is_made_found_read_and_deleted(sdk: openai.OpenAI, requests: Path) -> None:
    """Its bytes are returned unchanged."""
    made = sdk.files.create(file=requests, purpose="batch")
    assert (made.filename, made.bytes, made.purpose, made.status) == (
        "requests.jsonl",
        requests.stat().st_size,
        "batch",
        "processed",
    )
    assert made.expires_at == START + 2_592_000
    assert sdk.files.retrieve(made.id) == made
    assert sdk.files.content(made.id).read() == requests.read_bytes()
    assert [file.id for file in sdk.files.list(purpose="batch")] == [made.id]
    assert [file.id for file in sdk.files.list(purpose="evals")] == []
    assert sdk.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(made.id)


def test_a_file_lives_as_long_as_it_was_asked_to(sdk: openai.OpenAI, server: Server, requests: Path) -> None:
    """`expires_after` is counted from the creation of the file."""
    made = sdk.files.create(file=requests, purpose="batch", expires_after={"anchor": "created_at", "seconds": 3_600})
    assert made.expires_at == START + 3_600
    server.service.clock.turn(3_599)
    sdk.files.retrieve(made.id)
    server.service.clock.turn(1)
    with pytest.raises(openai.NotFoundError):
        sdk.files.content(made.id)


def test_files_are_listed_in_pages_in_both_orders(sdk: openai.OpenAI, requests: Path) -> None:
    """The SDK follows the pages."""
    made = [uploaded(sdk, requests) for _ in range(5)]
    assert [file.id for file in sdk.files.list(limit=2, order="asc")] == made
    assert [file.id for file in sdk.files.list(limit=2)] == made[::-1]
    page = sdk.files.list(limit=2, after=made[3])
    assert [file.id for file in page.data] == [made[2], made[1]]
    assert page.has_more


def test_a_batch_goes_through_its_stages_with_the_clock(sdk: openai.OpenAI, server: Server, requests: Path) -> None:
    """And reports its progress; its results are read by their file ids."""
    made = sdk.batches.create(
        input_file_id=uploaded(sdk, requests),
        endpoint=CHAT,
        completion_window="24h",
        metadata={"night": "1"},
        output_expires_after={"anchor": "created_at", "seconds": 7_200},
    )
    assert (made.status, made.model, made.metadata, made.expires_at) == ("validating", None, {"night": "1"}, START + 86_400)
    assert made.request_counts is not None
    assert made.request_counts.total == 0
    seen = []
    for seconds in (9, 1, 8, 2, 9, 1):
        server.service.clock.turn(seconds)
        found = sdk.batches.retrieve(made.id)
        assert found.request_counts is not None
        seen.append((found.status, found.request_counts.completed, found.request_counts.total))
    assert seen == [
        ("validating", 0, 0),
        ("in_progress", 0, 4),
        ("in_progress", 3, 4),
        ("finalizing", 4, 4),
        ("finalizing", 4, 4),
        ("completed", 4, 4),
    ]
    assert (found.in_progress_at, found.finalizing_at, found.completed_at) == (START + 10, START + 20, START + 30)
    assert (found.model, found.error_file_id) == ("gpt-4o-mini", None)
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.input_tokens + found.usage.output_tokens > 0
    assert found.output_file_id is not None
    output = sdk.files.retrieve(found.output_file_id)
    assert (output.purpose, output.expires_at) == ("batch_output", START + 30 + 7_200)
    assert sdk.files.content(output.id).text.count("\n") == 4


def test_batches_are_listed_in_pages_newest_first(sdk: openai.OpenAI, requests: Path) -> None:
    """The SDK follows the pages."""
    file_id = uploaded(sdk, requests)
    made = [sdk.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h").id for _ in range(5)]
    assert [batch.id for batch in sdk.batches.list(limit=2)] == made[::-1]
    page = sdk.batches.list(limit=2, after=made[4])
    assert [batch.id for batch in page.data] == [made[3], made[2]]
    assert page.has_more


def test_a_cancelled_batch_keeps_what_was_answered(sdk: openai.OpenAI, server: Server, requests: Path) -> None:
    """Cancelled requests count as neither completed nor failed; a second cancel is accepted, but not after completion."""
    made = sdk.batches.create(input_file_id=uploaded(sdk, requests), endpoint=CHAT, completion_window="24h")
    server.service.clock.turn(15)
    assert sdk.batches.cancel(made.id).status == "cancelling"
    server.service.clock.turn(10)
    found = sdk.batches.cancel(made.id)
    assert (found.status, found.cancelling_at, found.cancelled_at) == ("cancelled", START + 15, START + 25)
    assert found.request_counts is not None
    assert (found.request_counts.total, found.request_counts.completed, found.request_counts.failed) == (4, 2, 0)
    assert found.output_file_id is not None
    assert found.error_file_id is not None
    assert sdk.files.content(found.output_file_id).text.count("\n") == 2
    assert sdk.files.content(found.error_file_id).text.count("batch_cancelled") == 2
    done = sdk.batches.create(input_file_id=made.input_file_id, endpoint=CHAT, completion_window="24h")
    server.service.clock.turn(30)
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
        sdk.batches.cancel(done.id)


def test_a_failed_batch_names_its_lines(sdk: openai.OpenAI, server: Server, tmp_path: Path) -> None:
    """As objects of the SDK."""
    path = write_lines(tmp_path / "bad.jsonl", chat_line("a"), chat_line("a"), chat_line("b", method=None))
    made = sdk.batches.create(input_file_id=uploaded(sdk, path), endpoint=CHAT, completion_window="24h")
    server.service.clock.turn(10)
    found = sdk.batches.retrieve(made.id)
    assert (found.status, found.failed_at, found.output_file_id) == ("failed", START + 10, None)
    assert found.errors is not None
    assert [(error.code, error.param, error.line) for error in found.errors.data or []] == [
        ("duplicate_custom_id", "custom_id", 2),
        ("missing_required_parameter", "method", 3),
    ]


def test_refusals_are_the_sdks_own_exceptions(sdk: openai.OpenAI, requests: Path) -> None:
    """With the code and the parameter of the service."""
    file_id = uploaded(sdk, requests)
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.batches.create(input_file_id=file_id, endpoint="/v1/audio", completion_window="24h")  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.param) == ("invalid_value", "endpoint")
    with pytest.raises(openai.BadRequestError, match="Cannot find file file-none"):
        sdk.batches.create(input_file_id="file-none", endpoint=CHAT, completion_window="24h")
    with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_none'"):
        sdk.batches.retrieve("batch_none")
    with pytest.raises(openai.BadRequestError, match=r"Must be \.jsonl"):
        sdk.files.create(file=("requests.json", requests.read_bytes()), purpose="batch")


def test_the_objects_of_the_sdk_and_ours_agree_field_by_field(sdk: openai.OpenAI, server: Server, client: Client) -> None:
    """Batches in every status, and all their files."""
    content = "".join(json.dumps(chat_line(name)) + "\n" for name in "ab")
    good = sdk.files.create(file=("good.jsonl", content.encode()), purpose="batch").id
    bad = sdk.files.create(file=("bad.jsonl", b"{}\n"), purpose="batch").id
    server.service.quirks.failing["a"] = 400

    def create(file_id: str) -> str:
        return sdk.batches.create(input_file_id=file_id, endpoint=CHAT, completion_window="24h", metadata={"k": "v"}).id

    create(good)
    sdk.batches.cancel(create(good))
    server.service.clock.turn(12)
    create(bad)
    server.service.clock.turn(12)
    sdk.batches.cancel(create(good))
    create(good)
    theirs = list(sdk.batches.list())
    assert sorted(batch.status for batch in theirs) == [
        "cancelled",
        "cancelling",
        "failed",
        "finalizing",
        "validating",
    ]
    server.service.clock.turn(10)
    theirs += list(sdk.batches.list())
    ours = [Batch.from_dict(batch.to_dict()) for batch in theirs]
    assert [batch.to_dict() for batch in client.batches.list()] == [batch.to_dict() for batch in ours[len(ours) // 2 :]]
    for mine, other in zip(ours, theirs, strict=True):
        said = mine.to_dict()
        assert said["errors"] == (None if other.errors is None else other.errors.to_dict())
        for name in set(type(other).model_fields) - {"errors", "request_counts", "usage"}:
            assert said[name] == getattr(other, name), name
        assert other.request_counts is not None
        assert said["request_counts"] == other.request_counts.to_dict()
        assert said["usage"] == (None if other.usage is None else other.usage.to_dict())
    for file in sdk.files.list():
        mine = FileObject.from_dict(file.to_dict())
        for name in type(file).model_fields:
            if name != "object":
                assert getattr(mine, name) == getattr(file, name), name


def test_the_sdk_parses_what_a_model_of_pydantic_asks_for(server: Server, sdk: openai.OpenAI) -> None:
    """Its schemas, with references, unions, enums and dates, in Chat Completions and Responses; and arguments of a tool."""
    pydantic = pytest.importorskip("pydantic")

    class Kind(enum.StrEnum):
        NOVEL = "novel"
        ATLAS = "atlas"

    class Author(pydantic.BaseModel):
        name: str
        born: dt.date | None

    class Book(pydantic.BaseModel):
        title: str
        kind: Kind
        pages: int = pydantic.Field(ge=1, le=2000)
        price: float
        authors: list[Author] = pydantic.Field(min_length=1)
        sequel: Book | None
        lent: dt.datetime

    Book.model_rebuild(_types_namespace=locals())
    messages = [{"role": "user", "content": "Which book?"}]
    chat = sdk.chat.completions.parse(model="m", messages=messages, response_format=Book, n=2)  # type: ignore[arg-type]
    assert [type(choice.message.parsed) for choice in chat.choices] == [Book, Book]
    assert isinstance(sdk.responses.parse(model="m", input="Which book?", text_format=Book).output_parsed, Book)
    tool = openai.pydantic_function_tool(Author)
    called = sdk.chat.completions.parse(model="m", messages=messages, tools=[tool], tool_choice="required")  # type: ignore[arg-type]
    assert isinstance(called.choices[0].message.tool_calls[0].function.parsed_arguments, Author)
    with pytest.raises(openai.LengthFinishReasonError):
        sdk.chat.completions.parse(model="m", messages=messages, response_format=Book, max_tokens=3)  # type: ignore[arg-type]
