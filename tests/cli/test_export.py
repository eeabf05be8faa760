"""`batchfiles export`: a row for each result, in every format; what it shares with `join` is tested there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

import batchfiles
from batchfiles.cli.main import exit_code

FIXTURES = Path(__file__).parents[2] / "fixtures"
CHAT = FIXTURES / "chat_completions"
OUTPUT = next(CHAT.glob("*_output.jsonl"))
ERRORS = next(CHAT.glob("*_error.jsonl"))
PROGRAM = [sys.executable, "-c", "from batchfiles.cli.main import run; run()"]

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `batchfiles export` in this process; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        code = exit_code(["export", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_every_format_holds_the_rows_that_python_gives(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """In the order of the files as they were named."""
    table = batchfiles.export(OUTPUT, ERRORS).to_arrow()
    for name in ("t.parquet", "t.arrow", "t.arrows", "parts", "t.jsonl", "t.csv"):
        assert ask(OUTPUT, ERRORS, "-o", tmp_path / name)[:2] == (0, "")
    assert ds.dataset(tmp_path / "t.parquet").to_table().to_pylist() == table.to_pylist()
    assert ds.dataset(tmp_path / "parts").to_table().to_pylist() == table.to_pylist()
    assert pa.ipc.open_file(tmp_path / "t.arrow").read_all().to_pylist() == table.to_pylist()
    assert pa.ipc.open_stream(tmp_path / "t.arrows").read_all().to_pylist() == table.to_pylist()
    texts = ["" if text is None else text for text in table["text"].to_pylist()]
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_bytes().splitlines()]
    assert [line["text"] or "" for line in lines] == texts
    cells = csv.DictReader(io.StringIO((tmp_path / "t.csv").read_bytes().decode(), newline=""))
    assert [row["text"] for row in cells] == texts


def test_the_columns_are_those_of_a_join(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Two tables of one work can be put under each other."""
    ask(OUTPUT, "-o", tmp_path / "t.arrow")
    assert pa.ipc.open_file(tmp_path / "t.arrow").schema.names == batchfiles.schema().names


def test_results_come_from_a_pipe_and_go_to_one() -> None:
    """`-` is standard input and standard output; compression is detected from the content."""
    command = [*PROGRAM, "export", "-", "-o", "-", "--format", "jsonl"]
    answer = subprocess.run(command, input=gzip.compress(OUTPUT.read_bytes()), capture_output=True, check=True)
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert len(rows) == 11
    assert {row["result_source"] for row in rows} == {"<stdin>"}
    assert b"standard output: 11 rows" in answer.stderr


def test_a_file_of_requests_is_wrong_usage(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """LabeledText before any work, with the command that takes both."""
    code, _, err = ask(CHAT, "-o", tmp_path / "t.parquet")
    assert code == 2
    assert "holds requests, and results were expected: `join` takes both" in err
    assert list(tmp_path.iterdir()) == []


def test_the_summary_counts_results(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Nobody can say what is missing."""
    code, out, err = ask(OUTPUT, ERRORS, "-o", tmp_path / "t.parquet", "--json", "--report", tmp_path / "r.json")
    report = json.loads(out)
    assert code == 0
    assert json.loads((tmp_path / "r.json").read_bytes()) == report
    assert report["rows"] == report["result_lines"] == sum(report["outcomes"].values()) == 15
    assert [line.split() for line in err.splitlines()[:2]] == [["outcome", "results", "share"], ["succeeded", "8", "53.3%"]]
    assert "missing" not in err


def test_a_line_that_can_not_be_read_has_its_row(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """And can be failed on; the finding names the line."""
    (tmp_path / "out.jsonl").write_bytes(OUTPUT.read_bytes() + b"not json\n")
    code, _, err = ask(tmp_path / "out.jsonl", "-o", tmp_path / "t.csv", "--fail-on", "malformed")
    assert code == 1
    words = " ".join(err.split())
    assert "malformed 1" in words
    assert "out.jsonl:12: error: not valid JSON" in words
    assert "fail-on malformed: 1 of 12 results" in words


@pytest.mark.parametrize(
    ("conditions", "code"),
    [("failed", 1), ("failed>13.3%", 1), ("failed>13.4%", 0), ("malformed", 0), ("missing", 2), ("unknown", 2)],
)
def test_fail_on_speaks_of_what_an_export_can_know(
    ask: Callable[..., Outcome], tmp_path: Path, conditions: str, code: int
) -> None:
    """2 of 15 failed; what only a join can know is wrong usage, and no check that never fires."""
    assert ask(OUTPUT, ERRORS, "-o", tmp_path / "t.csv", "--fail-on", conditions)[0] == code


def test_embeddings_choose_their_table(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """By the first success."""
    results = sorted((FIXTURES / "embeddings").glob("batch_*"))
    assert ask(*results, "-o", tmp_path / "t.arrow", "--dimensions", 8)[0] == 0
    assert pa.ipc.open_file(tmp_path / "t.arrow").schema.field("embedding").type.list_size == 8
    code, _, err = ask(OUTPUT, "-o", tmp_path / "u.arrow", "--dimensions", 8)
    assert code == 2
    assert "dimensions are for the embeddings table" in err
