"""Tables fit terminals of 60, 80 and 120 columns: no line is wider, and ids and numbers are whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchfiles.cli.batches import batch_table
from batchfiles.cli.main import exit_code
from batchfiles.layout import Screen, text_table, width_of

if TYPE_CHECKING:
    from batchfiles.testing import Server

FIXTURES = Path(__file__).parents[2] / "fixtures"
LONG = "the_requests_of_the_second_quarter_with_a_very_long_name_2026-11-28.jsonl"
WIDTHS = 60, 80, 120

COMMANDS = (
    ("validate", LONG, "requests.jsonl"),
    ("join", ".", "-o", "joined.parquet", "--force"),
    ("export", "results.jsonl", "-o", "exported.parquet", "--force"),
    ("retry", ".", "-o", "retry.jsonl", "--force"),
    ("retry", LONG, "results.jsonl", "-o", "retry.jsonl", "--force"),
    ("split", LONG, "-o", "campaign", "--max-requests", "6", "--by", "model", "--force"),
    ("merge", LONG, "-o", "merged.jsonl", "--force"),
    ("edit", LONG, "-o", "edited.jsonl", "--set", "body.model=m", "--force"),
    ("stats", LONG, "results.jsonl", "--price", "gpt-4o-mini-2024-07-18=123456/654321"),
    ("stats", LONG),
    ("errors", "results.jsonl", "--ids"),
    ("show", "results.jsonl"),
    ("show", "results.jsonl", "-n", "2"),
    ("limits",),
    ("limits", "azure"),
    ("run", LONG, "-o", "run.parquet", "--dry-run", "--max-requests", "6"),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with requests of a long name, and results, and go there."""
    source = FIXTURES / "chat_completions"
    shutil.copy(source / "requests.jsonl", tmp_path / LONG)
    shutil.copy(source / "requests.jsonl", tmp_path / "requests.jsonl")
    results = b"".join(path.read_bytes() for path in sorted(source.glob("*_*.jsonl")))
    (tmp_path / "results.jsonl").write_bytes(results)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def too_wide(text: str, width: int) -> list[str]:
    """Return the lines that are wider than the terminal, except those of one long word such as a path."""
    return [line for line in text.splitlines() if width_of(line) > width and " " in line.strip()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_line_is_wider_than_the_terminal(
    command: tuple[str, ...], width: int, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long file name, model or code made rows wrap, and broke words."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    code = exit_code(command)
    out, err = capsys.readouterr()

    assert code in (0, 1), err
    assert too_wide(out + err, width) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_tables_of_the_service_fit(
    width: int, server: Server, ask: Callable[..., tuple[int, str, str]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids are whole, because they are copied from there."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(folder)
    ids = ask("submit", LONG)[1].split() + ask("submit", "requests.jsonl", "--again")[1].split()
    texts = {
        command: "".join(ask(*command)[1:])
        for command in (("list",), ("status", *ids), ("status", ids[0]), ("status", LONG), ("files", "list"), ("probe", LONG))
    }

    assert len(ids) == 2
    assert {command: too_wide(text, width) for command, text in texts.items()} == {command: [] for command in texts}
    assert all(each in texts["list",] and each in texts["status", *ids] for each in ids)
    assert all(len(each) > 10 for each in re.findall(r"^file-\S+", texts["files", "list"], re.MULTILINE))


@pytest.mark.parametrize("width", WIDTHS)
def test_ids_of_38_characters_fit(width: int) -> None:
    """The ids of OpenAI are longer than those of the local server."""
    from batchfiles.api.batch import Batch

    ids = [f"batch_{number:032x}" for number in range(3)]
    counts = {"total": 50_000, "completed": 49_990, "failed": 10}
    batches = [
        Batch.from_dict(
            {
                "id": each,
                "object": "batch",
                "endpoint": "/v1/chat/completions",
                "status": "in_progress",
                "created_at": 1_700_000_000,
                "input_file_id": "file-1",
                "completion_window": "24h",
                "request_counts": counts,
            }
        )
        for each in ids
    ]

    lines = batch_table(batches, {}, Screen(width))

    assert all(width_of(line) <= width for line in lines)
    for each, line in zip(ids, lines[1:], strict=False):
        assert line.startswith(f"{each}  in_progress")
        assert line.split()[-1] == "10"


@pytest.mark.parametrize("width", range(60, 140, 7))
def test_numbers_are_never_cut(width: int) -> None:
    """Texts are cut in the middle; columns that may be left out are named."""
    rows = [("a/" + "long" * 20 + ".jsonl", "1,234,567,890", "/v1/chat/completions", "987,654,321", "x" * 30)]
    lines = text_table(
        ("file", "tokens", "endpoint", "cost", "name"),
        rows,
        texts=("file", "endpoint", "name"),
        optional=("endpoint",),
        screen=Screen(width),
    )

    assert all(width_of(line) <= width for line in lines)
    assert "1,234,567,890" in lines[1]
    assert "987,654,321" in lines[1]
    assert ".jsonl  " in lines[1]
    assert len(lines) == 2 or lines[2] == "endpoint: /v1/chat/completions"


def test_columns_that_do_not_fit_are_named() -> None:
    """A column is not left out in silence."""
    lines = text_table(
        ("id", "one", "two"), [("i" * 38, "1" * 12, "2" * 12)] * 2, whole=("id",), optional=("one",), screen=Screen(60)
    )

    assert lines[0].split() == ["id", "two"]
    assert lines[-1] == "not enough width for: one"
