"""`batchfiles submit`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Outcome, request

if TYPE_CHECKING:
    from batchfiles.testing import Server

Ask = Callable[..., Outcome]
Objects = Callable[..., list[dict[str, Any]]]
RequestsFile = Callable[..., str]

TWICE = (request("a"), request("b"), request("a"))
"""The service refuses the third line."""


def manifest(folder: str) -> list[dict[str, Any]]:
    """Return the parts of a campaign."""
    parts: list[dict[str, Any]] = json.loads(Path(folder, "manifest.json").read_text())["parts"]
    return parts


@pytest.fixture
def campaign(ask: Ask, requests_file: RequestsFile) -> str:
    """Make a campaign of three parts."""
    lines = tuple(request(f"r{number}", f"Question {number}") for number in range(5))
    assert ask("split", requests_file("all.jsonl", lines), "-o", "campaign", "--max-requests", "2")[0] == 0
    return "campaign"


def test_the_id_goes_to_standard_output(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """For `id=$(batchfiles submit …)`; messages go to standard error."""
    code, out, err = ask("submit", requests_file())
    (batch,) = objects("list")
    assert (code, out) == (0, f"{batch['id']}\n")
    assert "requests.jsonl: " in err
    assert batch["endpoint"] == "/v1/chat/completions"
    assert batch["request_counts"]["total"] == 2


def test_the_endpoint_is_the_url_of_the_first_request(
    server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile
) -> None:
    """Nobody needs to say it twice."""
    body = {"model": "text-embedding-3-small", "input": "Hello"}
    ask("submit", requests_file(lines=(request("a", url="/v1/embeddings", body=body),)))
    assert objects("list")[0]["endpoint"] == "/v1/embeddings"


def test_metadata_is_written_on_the_batch(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """Pairs, each with its own option; a value may hold an equals sign."""
    ask("submit", requests_file(), "--metadata", "project=atlas", "--metadata", "query=a=b")
    found = objects("list")[0]["metadata"]
    assert (found["project"], found["query"]) == ("atlas", "a=b")
    code, _, err = ask("submit", requests_file(), "--metadata", "project")
    assert code == 2
    assert "KEY=VALUE" in err


def test_a_file_with_errors_is_not_sent(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """The other named files are not sent either."""
    code, out, err = ask("submit", requests_file("good.jsonl"), requests_file("bad.jsonl", TWICE))
    assert (code, out) == (1, "")
    assert "bad.jsonl:3: error:" in err
    assert "duplicate_custom_id" in err
    assert "--no-validate" in err
    assert objects("files", "list") == []


def test_the_limits_may_be_those_of_another_service(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """As for `validate`."""
    assert ask("submit", requests_file(), "--max-requests", "1")[0] == 1
    assert ask("submit", requests_file(), "--limits", "vllm")[0] == 0


def test_without_validation_the_service_finds_the_errors(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """It names lines; the file is known, so the ids are named too."""
    code, out, _ = ask("submit", requests_file(lines=TWICE), "--no-validate", "--wait")
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("requests.jsonl:3: ")
    assert last.endswith("(duplicate_custom_id) [custom_id 'a']")


def test_the_same_bytes_are_not_sent_twice(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """Under whatever name; the batch they have is named, and the other files are sent."""
    first = ask("submit", requests_file("one.jsonl"))[1].strip()
    code, out, err = ask("submit", requests_file("two.jsonl"), requests_file("other.jsonl", (request("z"),)))
    assert code == 2
    assert len(out.split()) == 1
    assert f"two.jsonl: not sent: {first} has the same requests" in err
    assert len(objects("list")) == 2


def test_again_sends_the_same_bytes_twice(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """For who wants to pay twice."""
    ask("submit", requests_file())
    assert ask("submit", requests_file(), "--again")[0] == 0
    assert len(objects("list")) == 2


def test_a_batch_that_failed_is_no_reason_not_to_send(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """Nothing came of it, and nothing was paid."""
    assert ask("submit", requests_file(lines=TWICE), "--no-validate")[0] == 0
    assert ask("submit", requests_file(lines=TWICE), "--no-validate")[0] == 0


def test_a_compressed_file_and_standard_input_are_sent_plain(server: Server, ask: Ask, objects: Objects, tmp_path: Path) -> None:
    """Services take no other files; the bytes are the same, so they have one batch."""
    lines = request("a") + request("b")
    (tmp_path / "requests.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "copies").mkdir()
    assert ask("submit", "requests.jsonl.gz", "--temp-dir", "copies")[0] == 0
    assert list((tmp_path / "copies").iterdir()) == []
    assert objects("files", "list", "--purpose", "batch")[0]["filename"] == "requests.jsonl"
    assert ask("submit", "-", stdin=lines)[0] == 2


def test_json_is_the_batch_with_its_file(server: Server, objects: Objects, requests_file: RequestsFile) -> None:
    """One object a line."""
    found = objects("submit", requests_file("one.jsonl"), requests_file("two.jsonl", (request("z"),)))
    assert [each["file"] for each in found] == ["one.jsonl", "two.jsonl"]
    assert all(each["object"] == "batch" for each in found)


def test_wait_ends_with_how_the_batch_stands(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """As `batchfiles wait` does, each change on standard error."""
    server.service.stage_seconds = 100.0
    code, out, err = ask("submit", requests_file(), "--wait")
    assert code == 0
    assert "status    completed" in out
    told = [line.split()[1] for line in err.splitlines() if line.startswith("batch_")]
    assert list(dict.fromkeys(told)) == ["validating", "in_progress", "finalizing", "completed"]


def test_a_lost_answer_makes_no_second_batch(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """The batch is found in the list by its marker."""
    from batchfiles.testing import Fault, Faults

    server.faults = Faults().at("batches.create", 1, Fault("lost"))
    code, out, _ = ask("submit", requests_file())
    assert code == 0
    assert [batch["id"] for batch in objects("list")] == [out.strip()]


def test_a_campaign_is_sent_part_by_part_and_notes_its_batches(server: Server, ask: Ask, objects: Objects, campaign: str) -> None:
    """In the manifest, from where every other command knows them."""
    code, out, _ = ask("submit", campaign)
    assert code == 0
    assert [part["batches"] for part in manifest(campaign)] == [[each] for each in out.split()]
    assert len(objects("list")) == 3


def test_a_campaign_that_was_sent_is_not_sent_again(server: Server, ask: Ask, objects: Objects, campaign: str) -> None:
    """An interrupted `submit` is simply repeated: 0, and the same ids."""
    first = ask("submit", campaign)
    assert ask("submit", campaign)[:2] == first[:2]
    assert len(objects("list")) == 3


def test_a_batch_that_the_manifest_has_lost_is_found_by_its_bytes(
    server: Server, ask: Ask, objects: Objects, campaign: str
) -> None:
    """As after a crash between the making of the batch and the writing of the manifest."""
    before = Path(campaign, "manifest.json").read_bytes()
    first = ask("submit", campaign)[1]
    Path(campaign, "manifest.json").write_bytes(before)
    assert ask("submit", campaign)[:2] == (0, first)
    assert [part["batches"] for part in manifest(campaign)] == [[each] for each in first.split()]
    assert len(objects("list")) == 3


def test_a_part_whose_batch_was_cancelled_is_sent_again(server: Server, ask: Ask, objects: Objects, campaign: str) -> None:
    """And the manifest has both batches, in their order."""
    server.service.stage_seconds = 100.0
    first = ask("submit", campaign)[1].split()
    ask("cancel", first[1])
    second = ask("submit", campaign)[1].split()
    assert (second[0], second[2]) == (first[0], first[2])
    assert manifest(campaign)[1]["batches"] == [first[1], second[1]]
    assert len(objects("list")) == 4


def test_two_do_not_send_the_same_campaign_at_once(server: Server, ask: Ask, objects: Objects, campaign: str) -> None:
    """The second one, or a `run`, is refused with the name of the first."""
    from batchfiles.runner.journal import locked

    with locked(Path(campaign)):
        code, out, err = ask("submit", campaign)
    assert (code, out) == (3, "")
    assert "another run uses this campaign" in err
    assert objects("list") == []
    assert ask("submit", campaign, f"{campaign}/")[0] == 0


def test_a_compressed_campaign_is_sent_like_any_other(
    server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile
) -> None:
    """The parts' fingerprints are those of the plain bytes, so repeated it finds its batches."""
    ask("split", requests_file(), "-o", "campaign", "--max-requests", "1", "--compress", "gz")
    before = Path("campaign", "manifest.json").read_bytes()
    first = ask("submit", "campaign")
    assert first[0] == 0
    Path("campaign", "manifest.json").write_bytes(before)
    assert ask("submit", "campaign")[:2] == first[:2]
    assert len(objects("list")) == 2


def test_standard_input_is_known_while_the_command_lasts(server: Server, ask: Ask) -> None:
    """So that its lines can be named, too."""
    code, out, _ = ask("submit", "-", "--no-validate", "--wait", stdin=b"".join(TWICE))
    assert code == 1
    assert out.splitlines()[-1].startswith("<stdin>:3: ")
    assert out.splitlines()[-1].endswith("[custom_id 'a']")


def test_the_terms_of_each_batch_are_sent(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """The window in the words of the service, which alone knows them, and how long it keeps the results."""
    asked: list[dict[str, Any]] = []
    make = server.service.create_batch

    def watched(values: dict[str, Any]) -> Any:
        asked.append(dict(values))
        return make({**values, "completion_window": "24h"})

    server.service.create_batch = watched  # type: ignore[method-assign]
    terms = ("--completion-window", "7d", "--output-expires-after", "7200")
    assert ask("submit", requests_file(), *terms)[0] == 0
    assert ask("run", requests_file("two.jsonl", (request("z"),)), "-o", "table.jsonl", *terms)[0] == 0
    assert [each["completion_window"] for each in asked] == ["7d", "7d"]
    assert [each["output_expires_after"] for each in asked] == [{"anchor": "created_at", "seconds": 7200}] * 2
    for wrong in ("100", "9999999", "soon"):
        assert ask("submit", requests_file(), "--output-expires-after", wrong)[0] == 2


def test_a_file_that_is_pending_is_waited_for(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """As at Azure; one upload, one batch, for `submit` and `run`."""
    server.service.quirks.pending_files = 20.0
    code, _, err = ask("submit", requests_file(), "-v")
    assert (code, "is pending: waiting" in err) == (0, True)
    assert ask("run", requests_file("two.jsonl", (request("z"),)), "-o", "table.jsonl")[0] == 0
    server.service.quirks.pending_files = 0.0
    assert len(objects("files", "list", "--purpose", "batch")) == len(objects("list")) == 2
