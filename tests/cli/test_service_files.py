"""`batchfiles files`."""

from __future__ import annotations

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


@pytest.fixture
def uploaded(server: Server, ask: Ask, requests_file: RequestsFile) -> str:
    """Upload a file; returns its id."""
    return ask("files", "upload", requests_file())[1].strip()


def test_an_uploaded_file_is_known_by_its_id(ask: Ask, uploaded: str) -> None:
    """With its name, its size and its age."""
    size = Path("requests.jsonl").stat().st_size
    code, out, _ = ask("files", "get", uploaded)
    assert code == 0
    assert out.splitlines()[:4] == [
        f"file      {uploaded}",
        "name      requests.jsonl",
        "purpose   batch",
        f"size      {size} B",
    ]
    assert " ago)" in out


def test_several_files_are_uploaded_in_their_order(
    server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile
) -> None:
    """An id a line; with `--json` an object a line."""
    one, two = requests_file("one.jsonl"), requests_file("two.jsonl")
    ids = ask("files", "upload", one, two)[1].split()
    assert [each["id"] for each in objects("files", "get", *ids)] == ids
    assert [each["filename"] for each in objects("files", "upload", two, one)] == ["two.jsonl", "one.jsonl"]


def test_a_file_may_expire(server: Server, objects: Objects, requests_file: RequestsFile) -> None:
    """Seconds from its making, from an hour on."""
    (file,) = objects("files", "upload", requests_file(), "--expires-after", "3600")
    assert file["expires_at"] - file["created_at"] == 3600


def test_a_life_that_the_service_would_refuse_is_wrong_usage(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """LabeledText before anything is sent."""
    assert ask("files", "upload", requests_file(), "--expires-after", "60")[0] == 2
    assert server.faults.seen["files.create"] == 0


def test_what_the_service_refuses_is_a_sentence(server: Server, ask: Ask, tmp_path: Path) -> None:
    """In its own words, with exit code 3."""
    (tmp_path / "letter.txt").write_text("Dear all\n")
    code, out, err = ask("files", "upload", "letter.txt")
    assert (code, out) == (3, "")
    assert "status 400" in err
    assert err.count("\n") == 1


def test_files_are_listed_newest_first(server: Server, ask: Ask, objects: Objects, requests_file: RequestsFile) -> None:
    """As many as were asked for, or all; by purpose."""
    ids = [ask("files", "upload", requests_file(f"{number}.jsonl"))[1].strip() for number in range(3)]
    code, out, err = ask("files", "list", "--limit", "2")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ids[:0:-1]
    assert "--all" in err
    assert [each["id"] for each in objects("files", "list", "--all")] == ids[::-1]
    assert ask("files", "list", "--purpose", "batch_output") == (0, "", "no files\n")


def test_the_bytes_come_back_as_they_went(ask: Ask, uploaded: str) -> None:
    """Into a file that is not there yet."""
    assert ask("files", "download", uploaded, "-o", "copy.jsonl") == (0, "", "")
    assert Path("copy.jsonl").read_bytes() == Path("requests.jsonl").read_bytes()


def test_a_file_that_is_there_is_replaced_only_by_force(ask: Ask, uploaded: str) -> None:
    """And only when the new one is whole."""
    Path("copy.jsonl").write_text("precious")
    assert ask("files", "download", uploaded, "-o", "copy.jsonl")[0] == 2
    assert ask("files", "download", "file-unknown", "-o", "copy.jsonl", "--force")[0] == 3
    assert Path("copy.jsonl").read_text() == "precious"
    assert ask("files", "download", uploaded, "-o", "copy.jsonl", "--force")[0] == 0
    assert Path("copy.jsonl").read_bytes() == Path("requests.jsonl").read_bytes()


def test_the_bytes_go_down_a_pipe(ask: Ask, uploaded: str) -> None:
    """With - for standard output, and nothing else there."""
    assert ask("files", "download", uploaded, "-o", "-") == (0, (request("a") + request("b")).decode(), "")


def test_a_deleted_file_is_gone(ask: Ask, objects: Objects, uploaded: str) -> None:
    """Deleting it again is an error."""
    assert ask("files", "delete", uploaded) == (0, "", f"{uploaded}: deleted\n")
    code, _, err = ask("files", "get", uploaded)
    assert code == 3
    assert "status 404" in err
    assert ask("files", "delete", uploaded)[0] == 3


def test_json_says_what_was_deleted(ask: Ask, uploaded: str) -> None:
    """The service's own object."""
    assert json.loads(ask("files", "delete", uploaded, "--json")[1]) == {"id": uploaded, "object": "file", "deleted": True}


def test_without_a_command_the_help_is_shown(ask: Ask) -> None:
    """As for `batchfiles` alone: wrong usage."""
    code, out, err = ask("files")
    assert (code, out) == (2, "")
    assert err.startswith("Usage: batchfiles files ")
    assert "  upload " in err
    code, _, err = ask("files", "uplod")
    assert code == 2
    assert "No such command 'uplod'" in err


@pytest.mark.parametrize("command", ["upload", "list", "get", "download", "delete"])
def test_every_command_has_help_with_examples(ask: Ask, command: str) -> None:
    """`batchfiles files COMMAND -h` needs no manual."""
    code, out, _ = ask("files", command, "-h")
    assert code == 0
    assert f"batchfiles files {command}" in out
    assert "Examples:" in out
    assert "Exit codes:" in out
