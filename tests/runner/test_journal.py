"""The journal: complete records are kept, and incomplete ones ignored."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchfiles.errors import DataError
from batchfiles.runner.journal import JOURNAL, Journal, RunState, read_journal


def test_records_are_lines_of_json_with_their_time(tmp_path: Path) -> None:
    """As JSON lines."""
    journal = Journal(tmp_path, now=lambda: datetime(2026, 11, 1, 12, tzinfo=UTC))
    journal.write("split", parts=["ä.jsonl"])
    journal.close()
    text = (tmp_path / JOURNAL).read_text()
    assert text == '{"event": "split", "time": "2026-11-01T12:00:00.000+00:00", "parts": ["\\u00e4.jsonl"]}\n'


@pytest.mark.parametrize("torn", range(1, 60))
def test_a_torn_last_line_is_tolerated_wherever_it_was_torn(tmp_path: Path, torn: int) -> None:
    """A killed process leaves one; the next record starts on a new line."""
    journal = Journal(tmp_path)
    journal.write("split", parts=["a"])
    journal.write("uploaded", part="a", file_id="file-1")
    journal.close()
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-torn])
    assert [record["event"] for record in read_journal(tmp_path)] == ["split"]
    again = Journal(tmp_path)
    again.write("uploaded", part="a", file_id="file-2")
    again.close()
    assert [record.get("file_id") for record in read_journal(tmp_path)] == [None, "file-2"]


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[]\n", b"{\n", b'{"event": 1}\n', b"\xff\n"])
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes) -> None:
    """A wrong guess would cost money twice."""
    (tmp_path / JOURNAL).write_bytes(b'{"event": "split", "parts": []}\n' + line + b'{"event": "x"}\n')
    with pytest.raises(DataError, match="damaged") as caught:
        read_journal(tmp_path)
    assert caught.value.line_number == 2


@pytest.mark.parametrize("record", [{"event": "uploaded", "part": "b", "file_id": "f"}, {"event": "created", "part": "a"}])
def test_a_step_that_can_not_have_been_is_named(tmp_path: Path, record: dict[str, str]) -> None:
    """An unknown part, or a batch without an id."""
    with pytest.raises(DataError, match="not a valid step") as caught:
        RunState([{"event": "split", "parts": ["a"]}, record], tmp_path)
    assert caught.value.line_number == 2


def test_what_is_unknown_is_kept_and_passed_over(tmp_path: Path) -> None:
    """A later version may write more."""
    assert RunState([{"event": "sneezed"}, {"event": "split", "parts": ["a"], "new": 1}], tmp_path).parts.keys() == {"a"}


def test_there_is_no_journal_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """`plan_run` creates none."""
    assert read_journal(tmp_path / "none") == []


def test_a_journal_holds_what_is_written_when_write_returns(tmp_path: Path) -> None:
    """It is visible to another process at once."""
    journal = Journal(tmp_path)
    journal.write("creating", token="t")
    assert json.loads((tmp_path / JOURNAL).read_text())["token"] == "t"
    journal.close()
