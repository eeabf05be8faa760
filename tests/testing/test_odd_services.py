"""Every odd service, and who goes the whole circle against it: upload, make a batch, wait, download, join.

Both of our clients must get through, or say what is wrong. The official SDK is run as its documentation has it; where it ends
otherwise, `sdk` of the case says how.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

import batchfiles
from batchfiles.client import AsyncClient, Client, asynchronous, synchronous
from batchfiles.errors import APIError, NotFoundError, StillRunningError
from batchfiles.testing import QUIRKS, Clock, Fault, Faults, Quirks, Server, Service
from tests.canary import CANARY
from tests.client.drivers import Awaited, Turned
from tests.testing.conftest import CHAT, START, chat_line, write_lines

openai = pytest.importorskip("openai")

COUNT = 40
ALL = {"succeeded": COUNT}
ONE_FAILED = {"succeeded": COUNT - 1, "failed": 1}
SEARCH_PAUSES = 12
"""The number of checks after which a script of the SDK gives up: a batch is done after three."""


@dataclass
class Case:
    """An odd service.

    Args:
        quirks: What is odd.
        faults: What goes wrong: calls, their numbers (None for all), and the fault.
        outcomes: What the join of each client's files says.
        needs: What a client must be given: `headers`, `query`.
        window: The completion window that is asked for.
        ours: The error with which our clients end; None where they get through.
        sdk: What the SDK says in the end; None where it gets through as ours do.
    """

    quirks: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[str, range | None, Fault]] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=lambda: ALL)
    needs: dict[str, dict[str, str]] = field(default_factory=dict)
    window: str = "24h"
    ours: str | None = None
    sdk: str | None = None


NEVER = "never ends: "

CASES: dict[str, Case] = {
    "none": Case(),
    "fail, expire and drop": Case(
        {"fail": 0.2, "expire": 0.1, "drop": 0.1, "seed": 4},
        outcomes={"succeeded": 21, "failed": 8, "expired": 6, "missing": 5},
    ),
    "delay": Case({"delay": 0.01}),
    "expire_after": Case({"expire_after": 10}, outcomes={"succeeded": 10, "expired": 30}),
    "missing": Case({"missing": {"r1"}}, outcomes={"succeeded": 39, "missing": 1}),
    "duplicates": Case({"duplicates": {"r1"}}),
    "failing": Case({"failing": {"r1": 429}}, outcomes=ONE_FAILED),
    "no_response": Case({"no_response": {"r1"}}, outcomes={"succeeded": 39, "no_response": 1}),
    "empty_ids": Case({"empty_ids": True}),
    "empty_error_file": Case({"empty_error_file": True}),
    "one_file": Case({"one_file": True, "failing": {"r1": 400}}, outcomes=ONE_FAILED),
    "no_last_newline": Case({"no_last_newline": True, "failing": {"r1": 400}}, outcomes=ONE_FAILED),
    "late_files": Case({"late_files": 45}, sdk="no files"),
    "gone_files": Case(
        {"gone_files": {"error"}, "failing": {"r1": 400}}, outcomes={"succeeded": 39, "missing": 1}, sdk="NotFoundError"
    ),
    "new_file_pause": Case({"new_file_pause": 5}, sdk="BadRequestError: Cannot find file"),
    "pending_files": Case({"pending_files": 45}),
    "broken_files": Case({"broken_files": True}, ours="could not process the file", sdk="BadRequestError: 'processed' state"),
    "list_lag": Case({"list_lag": 5}),
    "ignore_after": Case({"ignore_after": True}),
    "enqueued_requests": Case({"enqueued_requests": COUNT}),
    "unknown_status": Case({"unknown_status": "thinking"}),
    "status_key": Case({"status_key": "state"}, sdk=f"{NEVER}None"),
    "odd_values": Case({"odd_values": True}),
    "completion_windows": Case({"completion_windows": {"24h", "7d"}}, window="7d"),
    "required_headers": Case({"required_headers": {"X-Team": "atlas"}}, needs={"headers": {"X-Team": "atlas"}}),
    "required_query": Case({"required_query": {"api-version": "preview"}}, needs={"query": {"api-version": "preview"}}),
    "strict_accept": Case({"strict_accept": True}, sdk="APIStatusError: application/octet-stream"),
    "504 while it waits": Case(
        faults=[("batches.retrieve", range(1, 6), Fault("html", status=504))], sdk="InternalServerError: 504"
    ),
    "413 from something in between": Case(
        faults=[("files.create", None, Fault("html", status=413))], ours="too large", sdk="APIStatusError: 413"
    ),
    "redirect of a batch": Case(
        faults=[("batches.retrieve", None, Fault("html", status=302, headers={"location": "https://other.example/v1"}))],
        ours="redirect",
        sdk="APIConnectionError",
    ),
    "a head that drips": Case(faults=[("files.content", range(1, 3), Fault("drip_head", pause=0.0))]),
    "hints before the answer": Case(faults=[("batches.retrieve", range(1, 4), Fault("hints", after=20, pause=0.0))]),
    **{
        f"completed is {word}": Case({"statuses": {"completed": word}}, sdk=f"{NEVER}{word}")
        for word in (
            "succeeded",
            "complete",
            "ended",
            "done",
            "completed_with_errors",
            "COMPLETED",
            "PartiallyCompleted",
            "JOB_STATE_SUCCEEDED",
            "BATCH_STATE_SUCCEEDED",
            "BATCH_STATUS_COMPLETED",
            "STATE_COMPLETED",
        )
    },
    **{
        f"expired is {word}": Case(
            {"statuses": {"expired": word}, "expire_after": 10},
            outcomes={"succeeded": 10, "expired": 30},
            sdk=f"{NEVER}{word}",
        )
        for word in ("EARLY_STOPPED", "Stopped", "timeout_exceeded", "JOB_STATE_EXPIRED")
    },
    "a final word that nobody knows": Case({"statuses": {"completed": "pondered"}}, ours="pondered", sdk=f"{NEVER}pondered"),
    **{f"contents by {status}": Case({"redirect_contents": status}) for status in (301, 302, 303, 307, 308)},
    **{
        f"errors as {form}": Case({"error_form": form})
        for form in ("detail", "detail_list", "message", "error_text", "errors", "fault", "problem", "text")
    },
}

Circle = Callable[[], Counter[str]]


@pytest.fixture
def turned(server: Server, monkeypatch: pytest.MonkeyPatch) -> Turned:
    """Replace real sleeps: time passes for the clients and the server without waiting."""
    clock = Turned(server.service.clock.turn)
    clock.time = clock.monotonic  # type: ignore[attr-defined] - what the SDK asks for
    for module in (synchronous, asynchronous, openai._base_client):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(asynchronous.asyncio, "sleep", clock.sleep_async)
    monkeypatch.setattr("time.sleep", clock.sleep)
    return clock


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """Write a valid request file."""
    return write_lines(tmp_path / "requests.jsonl", *(chat_line(f"r{number}") for number in range(COUNT)))


@contextlib.contextmanager
def ours(kind: str, server: Server, case: Case) -> Iterator[Any]:
    """Open one of our clients."""
    http: Any = (httpx2.Client if kind == "sync" else httpx2.AsyncClient)(trust_env=False, verify=False)
    made = (Client if kind == "sync" else AsyncClient)(CANARY, base_url=server.base_url, http=http, **case.needs)
    made._owned = True
    with made if isinstance(made, Client) else Awaited(made) as client:
        yield client


@contextlib.contextmanager
def official(server: Server, case: Case) -> Iterator[openai.OpenAI]:
    """Open the SDK with its default retries."""
    kind = getattr(openai, "DefaultHttpx2Client", openai.DefaultHttpxClient)
    more = {"default_headers": case.needs.get("headers"), "default_query": case.needs.get("query")}
    with openai.OpenAI(
        api_key=CANARY, base_url=server.base_url, http_client=kind(trust_env=False, verify=False), **more
    ) as client:
        yield client


def our_circle(client: Any, requests: Path, folder: Path, case: Case) -> Counter[str]:
    """Upload, create, wait, download and join with one of our clients."""
    batch = client.submit(requests, CHAT, completion_window=case.window)
    batch = client.wait(batch.id, timeout=600)
    while not batch.result_file_ids and case.quirks.get("late_files"):
        batch = client.batches.retrieve(batch.id)
        synchronous.time.sleep(10)
    assert (batch.request_counts.total, batch.endpoint) == (COUNT, None if case.quirks.get("odd_values") else CHAT)
    return Counter(row["outcome"] for row in batchfiles.join(requests, *client.download(batch, folder)))


def official_circle(sdk: openai.OpenAI, server: Server, requests: Path, folder: Path, case: Case) -> Counter[str]:
    """Upload, create, wait and download with the SDK, as in its documentation."""
    file = sdk.files.create(file=requests, purpose="batch")
    file = sdk.files.wait_for_processing(file.id)
    window: Any = case.window
    batch = sdk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window=window)
    for _ in range(SEARCH_PAUSES):
        server.service.clock.turn(10)
        batch = sdk.batches.retrieve(batch.id)
        if batch.status in ("completed", "failed", "expired", "cancelled"):
            break
    else:
        raise TimeoutError(f"{NEVER}{batch.status}")
    files = []
    for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
        files.append(folder / f"{len(files)}.jsonl")
        sdk.files.content(file_id).write_to_file(files[-1])
    if not files:
        raise LookupError("no files")
    return Counter(row["outcome"] for row in batchfiles.join(requests, *files))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, server: Server) -> Case:
    """Set the quirks of the server."""
    found = CASES[request.param]
    server.service.quirks = Quirks(**found.quirks)
    server.faults = Faults()
    for call, numbers, fault in found.faults:
        if numbers is None:
            server.faults.always(call, fault)
        for number in numbers or ():
            server.faults.at(call, number, fault)
    return found


@pytest.mark.usefixtures("turned")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_our_clients_go_the_whole_circle(kind: str, case: Case, server: Server, requests: Path, tmp_path: Path) -> None:
    """Every request is accounted for, or the error reports the problem."""
    with ours(kind, server, case) as client:
        if case.ours is None:
            assert our_circle(client, requests, tmp_path / "results", case) == case.outcomes
            return
        with pytest.raises((APIError, StillRunningError), match=case.ours):
            our_circle(client, requests, tmp_path / "results", case)


@pytest.mark.usefixtures("turned")
def test_the_official_sdk_goes_it_or_ends_as_we_say(case: Case, server: Server, requests: Path, tmp_path: Path) -> None:
    """Exceptions are in the case and on the page docs/testing.md."""
    with official(server, case) as sdk:
        if case.sdk is None:
            assert official_circle(sdk, server, requests, tmp_path, case) == case.outcomes
            return
        with pytest.raises((openai.APIError, TimeoutError, LookupError)) as error:
            official_circle(sdk, server, requests, tmp_path, case)
    # Old releases of the SDK leave the status out of their words.
    said = f"{type(error.value).__name__}: {getattr(error.value, 'status_code', '')} {error.value}"
    for words in case.sdk.split(": ", 1) if not case.sdk.startswith(NEVER) else [case.sdk]:
        assert words in said


def test_every_quirk_has_a_case() -> None:
    """Each quirk has a case here."""
    assert set(QUIRKS) - {name for case in CASES.values() for name in case.quirks} == {"seed"} - {"seed"}


@pytest.mark.parametrize("form", [name for name in CASES if name.startswith("errors as")])
def test_the_words_of_a_refusal_are_found_in_every_form(form: str, server: Server, requests: Path) -> None:
    """Our clients read all formats; the SDK's exception has the message only in some."""
    case = CASES[form]
    server.service.quirks = Quirks(**case.quirks)
    for kind in ("sync", "async"):
        with ours(kind, server, case) as client, pytest.raises(NotFoundError, match="No batch found with id 'batch_none'"):
            client.batches.retrieve("batch_none")
    with official(server, case) as sdk, pytest.raises(openai.NotFoundError) as error:
        sdk.batches.retrieve("batch_none")
    assert "No batch found with id 'batch_none'" in error.value.response.text


@pytest.mark.usefixtures("turned")
def test_a_batch_whose_final_word_nobody_knows_can_be_downloaded(server: Server, requests: Path, tmp_path: Path) -> None:
    """The file has the status `error`, which the client reports."""
    case = CASES["a final word that nobody knows"]
    server.service.quirks = Quirks(**case.quirks)
    with ours("sync", server, case) as client:
        batch = client.submit(requests, CHAT)
        server.service.clock.turn(30)
        found = client.batches.retrieve(batch.id)
        assert (found.status, found.is_terminal) == ("pondered", False)
        files = client.download(found, tmp_path / "results")
    assert Counter(row["outcome"] for row in batchfiles.join(requests, *files)) == ALL


@pytest.mark.usefixtures("turned")
def test_a_list_that_ignores_the_cursor_ends_in_ours_and_not_in_the_sdk(server: Server, requests: Path) -> None:
    """The SDK requests the same page endlessly."""
    server.service.quirks = Quirks(ignore_after=True)
    case = Case()
    with official(server, case) as sdk:
        file = sdk.files.create(file=requests, purpose="batch")
        for _ in range(3):
            sdk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        assert len({batch.id for batch in islice(sdk.batches.list(limit=2), 20)}) == 2
        for kind in ("sync", "async"):
            with ours(kind, server, case) as client:
                assert len(client.batches.list()) == 3
        for _ in range(98):
            sdk.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    for kind in ("sync", "async"):
        with ours(kind, server, case) as client, pytest.raises(APIError, match="returns the same page again"):
            client.batches.list()


def test_the_values_of_an_odd_service_are_as_said(server: Server, http: httpx2.Client, requests: Path) -> None:
    """In the raw JSON."""
    server.service.quirks = Quirks(odd_values=True)
    with requests.open("rb") as file:
        made = httpx2.post(
            f"{server.base_url}/files",
            files={"file": file},
            data={"purpose": "batch"},
            headers={"Authorization": "Bearer k"},
            trust_env=False,
            verify=False,
        ).json()
    assert (made["bytes"], made["created_at"], made["expires_at"]) == (str(requests.stat().st_size), START + 0.5, "")
    batch = server.service.create_batch({"input_file_id": made["id"], "endpoint": CHAT, "completion_window": "24h"})
    found = httpx2.get(
        f"{server.base_url}/batches/{batch.id}", headers={"Authorization": "Bearer k"}, trust_env=False, verify=False
    ).json()
    assert found["request_counts"] == {"total": "0", "completed": "0", "failed": "0"}
    assert (found["created_at"], found["endpoint"], found["completion_window"]) == (START + 0.5, [CHAT], 86_400)
    assert found["error_file_id"] == {}


def test_the_storage_takes_no_key(server: Server, requests: Path) -> None:
    """Cloud storage refuses two ways to authenticate, so a client that sends its key fails."""
    server.service.quirks = Quirks(redirect_contents=307)
    with ours("sync", server, Case()) as client:
        file_id = client.files.create(requests).id
    with httpx2.Client(trust_env=False, verify=False) as http:
        led = http.get(f"{server.base_url}/files/{file_id}/content", headers={"Authorization": "Bearer k"})
        place = led.headers["location"]
        assert (led.status_code, place.startswith(server.base_url.removesuffix("/v1"))) == (307, False)
        assert http.get(place).content == requests.read_bytes()
        for name in ("Authorization", "api-key", "OpenAI-Organization", "Cookie"):
            assert http.get(place, headers={name: "x"}).status_code == 400


def test_shares_are_about_so_many_and_repeat_with_the_seed(requests: Path, tmp_path: Path) -> None:
    """Another seed selects other requests, and so does another batch of the same file."""
    path = write_lines(tmp_path / "many.jsonl", *(chat_line(f"r{number}") for number in range(1_000)))

    def circle(seed: int) -> tuple[list[str], list[str]]:
        with (
            Server(Service(clock=Clock(START), quirks=Quirks(fail=0.1, expire=0.05, drop=0.05, seed=seed))) as server,
            ours("sync", server, Case()) as client,
        ):
            made = [client.submit(path, CHAT, again=True) for _ in range(2)]
            folders = [tmp_path / f"{seed}-{number}-{len(list(tmp_path.iterdir()))}" for number in range(2)]
            files = [client.download(each, folder) for each, folder in zip(made, folders, strict=True)]
            assert {client.batches.retrieve(each.id).status for each in made} == {"expired"}
        first, second = ([row["outcome"] for row in batchfiles.join(path, *each)] for each in files)
        return first, second

    first, second = circle(1)
    counts = Counter(first)
    assert 70 <= counts["failed"] <= 130
    assert 30 <= counts["expired"] <= 75
    assert 30 <= counts["missing"] <= 75
    assert (first, second) == circle(1)
    assert first != second
    assert first != circle(2)[0]
