"""`batchfiles join`: the same rows in every format, the words beside them, and the exit codes."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.cli import table_command
from batchfiles.cli.main import exit_code
from batchfiles.layout import width_of
from batchfiles.outcome import OUTCOMES
from batchfiles.summary import note_lines as format_note
from batchfiles.table.parquet import HAS_LATE_METADATA
from tests.jobs.test_campaign_join import simple

FIXTURES = Path(__file__).parents[2] / "fixtures"
CHAT = FIXTURES / "chat_completions"
REQUESTS = CHAT / "requests.jsonl"
OUTPUT = next(CHAT.glob("*_output.jsonl"))
ERRORS = next(CHAT.glob("*_error.jsonl"))
PROGRAM = [sys.executable, "-c", "from batchfiles.cli.main import run; run()"]

Outcome = tuple[int, str, str]
Row = dict[str, Any]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `batchfiles join` in this process; returns exit code, standard output and standard error."""

    def run(*arguments: object, width: int = 100) -> Outcome:
        monkeypatch.setenv("COLUMNS", str(width))
        code = exit_code(["join", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def expected() -> list[Row]:
    """Return the rows as Python makes them."""
    rows: list[Row] = batchfiles.join(CHAT).to_arrow().to_pylist()
    return rows


def program(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run `batchfiles join` as its own process."""
    return subprocess.run([*PROGRAM, "join", *map(str, arguments)], capture_output=True, check=False, **options)


def request(custom_id: str, **body: object) -> bytes:
    """Make a request line."""
    line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", **body}}
    return json.dumps(line).encode() + b"\n"


def result(custom_id: str, text: str = "Hi", status: int = 200, created: int = 1) -> bytes:
    """Make a result line."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body: dict[str, Any] = {"id": "c", "object": "chat.completion", "created": created, "model": "m", "choices": [choice]}
    if status != 200:
        body = {"error": {"message": text}}
    answer = {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": "b", "custom_id": custom_id, "response": answer, "error": None}).encode() + b"\n"


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """Make a folder of files in which everything happens that a join counts."""
    folder = tmp_path / "campaign"
    folder.mkdir()
    inputs = [request(name) for name in ("a", "b", "c", "d", "a")]
    (folder / "requests.jsonl").write_bytes(b"".join(inputs) + b"not json\n")
    results = [
        result("a"),
        result("a", "something else", created=2),
        result("b", "no", 400),
        result("x"),
        b'{"custom_id": "c", "response": {"sta\n',
        b"???\n",
    ]
    (folder / "results.jsonl").write_bytes(b"".join(results))
    return folder


# --- the table ---------------------------------------------------------------------------------------------------------------


def binary_rows(path: Path) -> list[Row]:
    """Read the formats that keep every type."""
    if path.suffix == ".arrow":
        table = pa.ipc.open_file(path).read_all()
    elif path.suffix == ".arrows":
        table = pa.ipc.open_stream(path).read_all()
    else:
        table = ds.dataset(path, format="parquet").to_table()
    rows: list[Row] = table.to_pylist()
    return rows


def unpacked(path: Path) -> str:
    """Read a text file, compressed or not."""
    opened = pa.input_stream(str(path), compression="detect").read()
    return bytes(opened).decode()


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.arrows", "parts", "parts.parquet/"])
def test_the_binary_formats_hold_the_rows_that_python_gives(
    ask: Callable[..., Outcome], tmp_path: Path, expected: list[Row], name: str
) -> None:
    """Whatever the format, the rows are the same, in the order of the requests."""
    code, out, _ = ask(CHAT, "-o", f"{tmp_path}/{name}")
    assert (code, out) == (0, "")
    assert binary_rows(tmp_path / name) == expected


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"])
def test_jsonl_holds_the_same_rows(ask: Callable[..., Outcome], tmp_path: Path, expected: list[Row], name: str) -> None:
    """Times are text in JSON; everything else is the same."""
    assert ask(CHAT, "-o", tmp_path / name)[0] == 0
    rows = [json.loads(line) for line in unpacked(tmp_path / name).split("\n")[:-1]]
    as_json = json.loads(json.dumps([row | {"created_at": None} for row in expected], default=str))
    assert [row | {"created_at": None, "category_scores": None} for row in rows] == as_json


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.csv.zst"])
def test_csv_holds_the_same_texts_and_numbers(
    ask: Callable[..., Outcome], tmp_path: Path, expected: list[Row], name: str
) -> None:
    """Null is an empty cell there."""
    assert ask(CHAT, "-o", tmp_path / name)[0] == 0
    rows = list(csv.DictReader(io.StringIO(unpacked(tmp_path / name), newline="")))
    for column in ("custom_id", "outcome", "text", "total_tokens", "request_body", "response_body", "input_line_number"):
        assert [row[column] for row in rows] == ["" if row[column] is None else str(row[column]) for row in expected]


def test_csv_safe_disarms_formulas(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """A model's answer must not run in a spreadsheet."""
    (tmp_path / "in.jsonl").write_bytes(request("a"))
    (tmp_path / "out.jsonl").write_bytes(result("a", "=1+1"))
    files = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    assert ask(*files, "-o", tmp_path / "t.csv", "--csv-safe")[0] == 0
    assert ask(*files, "-o", tmp_path / "plain.csv")[0] == 0
    cells = [next(csv.DictReader(io.StringIO((tmp_path / name).read_text())))["text"] for name in ("t.csv", "plain.csv")]
    assert cells == ["'=1+1", "=1+1"]


@pytest.mark.parametrize("safe", [False, True])
def test_cells_that_a_spreadsheet_would_run_are_counted(ask: Callable[..., Outcome], tmp_path: Path, safe: bool) -> None:
    """The file holds each text as it is unless `--csv-safe` is given, and formulas were not reported."""
    texts = {"a": "=1+1", "b": "@SUM(A1)", "c": "fine", "-d": "-1"}
    (tmp_path / "in.jsonl").write_bytes(b"".join(map(request, texts)))
    (tmp_path / "out.jsonl").write_bytes(b"".join(result(name, text) for name, text in texts.items()))
    files = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    code, out, err = ask(*files, "-o", tmp_path / "t.csv", "--json", *(["--csv-safe"] if safe else []))
    assert code == 0
    assert json.loads(out)["formula_cells"] == 4
    assert "4 cells that a spreadsheet would run as formulas" in err
    assert ("prefixed with '" in err) is safe
    assert ("--csv-safe prefixes" in err) is not safe
    code, out, err = ask(*files, "-o", tmp_path / "t.parquet", "--json")
    assert json.loads(out)["formula_cells"] == 0
    assert "run as formulas" not in err


@pytest.mark.parametrize(("words", "code"), [("2kB", 0), ("200MB", 0), ("1_000_000", 0), ("1 MiB", 0), ("0", 2), ("many", 2)])
def test_the_longest_line_is_a_size(ask: Callable[..., Outcome], tmp_path: Path, words: str, code: int) -> None:
    """`--max-line-bytes 200MB` was refused, where `--max-bytes 200MB` works."""
    found, _, err = ask(CHAT, "-o", tmp_path / "t.parquet", "--max-line-bytes", words)
    assert found == code, err


@pytest.mark.parametrize("name", ["parquet", "arrow", "arrows", "jsonl", "csv"])
def test_standard_output_gets_what_a_file_would(tmp_path: Path, name: str) -> None:
    """The table goes to standard output, the words to standard error, and they don't mix."""
    answer = program(CHAT, "-o", "-", "--format", name)
    assert answer.returncode == 0
    assert b"standard output: 16 rows" in answer.stderr
    program(CHAT, "-o", tmp_path / f"t.{name}")
    if name in ("jsonl", "csv"):
        assert answer.stdout == (tmp_path / f"t.{name}").read_bytes()
    else:
        (tmp_path / f"piped.{name}").write_bytes(answer.stdout)
        assert binary_rows(tmp_path / f"piped.{name}") == binary_rows(tmp_path / f"t.{name}")


def test_the_format_may_be_said_where_the_name_is_silent(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """A name without a suffix is a folder of parts, unless there is a --format."""
    assert ask(CHAT, "-o", tmp_path / "rows", "--format", "csv")[0] == 0
    assert (tmp_path / "rows").read_text().startswith('"custom_id","outcome"')


def test_the_options_reach_the_table(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """--bodies, --request-bodies, --table and --dimensions do what they do in Python."""
    target = tmp_path / "t.parquet"
    assert ask(CHAT, "-o", target, "--bodies", "none", "--request-bodies", "none")[0] == 0
    table = pq.read_table(target)
    assert table["response_body"].null_count == table["request_body"].null_count == 16
    assert ask(CHAT, "-o", target, "--bodies", "all", "--force")[0] == 0
    assert pq.read_table(target)["response_body"].null_count < 4
    assert ask(FIXTURES / "embeddings", "-o", tmp_path / "t.arrow", "--dimensions", "8")[0] == 0
    assert pa.ipc.open_file(tmp_path / "t.arrow").schema.field("embedding").type.list_size == 8
    code, _, err = ask(FIXTURES / "embeddings", "-o", target, "--force", "--table", "requests")
    assert (code, pq.read_schema(target).names) == (0, batchfiles.schema().names)
    assert "--table embeddings writes a row for each vector" in " ".join(err.split())


def test_a_vector_of_another_length_is_named_with_its_line(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """And nothing appears: exit code 3."""
    code, _, err = ask(FIXTURES / "embeddings", "-o", tmp_path / "t.parquet", "--dimensions", "7")
    assert code == 3
    assert "_output.jsonl:5: the vector has 8 dimensions and not 7" in err
    assert list(tmp_path.iterdir()) == []


def test_workers_make_the_same_table(tmp_path: Path, expected: list[Row]) -> None:
    """One process or two."""
    assert program(CHAT, "-o", tmp_path / "t.parquet", "--workers", "2").returncode == 0
    assert binary_rows(tmp_path / "t.parquet") == expected


def test_a_line_above_the_cap_is_malformed(ask: Callable[..., Outcome], tmp_path: Path, campaign: Path) -> None:
    """It has a row anyway."""
    code, out, _ = ask(campaign, "-o", tmp_path / "t.parquet", "--max-line-bytes", "50", "--json")
    report = json.loads(out)
    assert (code, report["malformed_inputs"], report["rows"]) == (0, 6, 6)
    assert {finding["code"] for finding in report["findings"]} >= {"line_too_long"}


# --- what is read ------------------------------------------------------------------------------------------------------------


def test_standard_input_may_be_one_of_the_files(tmp_path: Path, expected: list[Row]) -> None:
    """Results from a pipe, requests from a file."""
    results = OUTPUT.read_bytes() + ERRORS.read_bytes()
    answer = program("-", REQUESTS, "-o", tmp_path / "t.parquet", input=results)
    assert answer.returncode == 0
    kept = [row | {"result_source": None, "result_line_number": None, "batch_id": None} for row in expected]
    rows = binary_rows(tmp_path / "t.parquet")
    assert {row["result_source"] for row in rows} == {"<stdin>", None}
    both = zip([row | {"result_source": None, "result_line_number": None, "batch_id": None} for row in rows], kept, strict=True)
    assert all(row == wanted for row, wanted in both if wanted["input_source"] == row["input_source"])


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (bz2.compress, ".bz2")])
def test_compressed_files_are_read(
    ask: Callable[..., Outcome], tmp_path: Path, pack: Callable[[bytes], bytes], suffix: str
) -> None:
    """By a copy in the folder for temporary files, which is gone at the end."""
    packed, temporary = tmp_path / "packed", tmp_path / "temporary"
    packed.mkdir()
    temporary.mkdir()
    for file in (REQUESTS, OUTPUT, ERRORS):
        (packed / (file.name + suffix)).write_bytes(pack(file.read_bytes()))
    code, out, _ = ask(packed, "-o", tmp_path / "t.parquet", "--temp-dir", temporary, "--json")
    assert code == 0
    assert json.loads(out)["outcomes"]["succeeded"] == 8
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ((OUTPUT, "-i", ERRORS), "holds results, and was given as requests"),
        ((OUTPUT, REQUESTS, "-i", FIXTURES / "responses" / "requests.jsonl"), "holds requests, and was given as results"),
        ((OUTPUT, ERRORS), "no file holds requests"),
        ((FIXTURES / "other_providers" / "anthropic_requests.jsonl", OUTPUT), "Anthropic"),
    ],
)
def test_files_that_do_not_go_together_are_wrong_usage(
    ask: Callable[..., Outcome], tmp_path: Path, files: tuple[object, ...], words: str
) -> None:
    """LabeledText before any work: nothing is written."""
    code, out, err = ask(*files, "-o", tmp_path / "t.parquet", "--report", tmp_path / "r.json", "--rejects", tmp_path / "x.jsonl")
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_input_may_lie_in_the_folder_of_the_results(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """`-i` names it, and the folder is read without it."""
    code, out, _ = ask(CHAT, "-i", REQUESTS, "-o", tmp_path / "t.parquet", "--json")
    assert (code, json.loads(out)["inputs"]) == (0, 16)


def test_a_file_that_is_not_there_could_not_be_done(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Exit code 3, with the name."""
    code, _, err = ask(tmp_path / "none.jsonl", "-o", tmp_path / "t.parquet")
    assert code == 3
    assert "none.jsonl: no such file" in err


# --- what is written ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taken", ["t.parquet", "r.json", "x.jsonl"])
def test_a_target_that_exists_is_refused_before_any_work(ask: Callable[..., Outcome], tmp_path: Path, taken: str) -> None:
    """Exit code 2, the file is as it was, and no other appears; --force replaces it."""
    (tmp_path / taken).write_text("precious")
    targets = "-o", tmp_path / "t.parquet", "--report", tmp_path / "r.json", "--rejects", tmp_path / "x.jsonl"
    code, _, err = ask(CHAT, *targets)
    assert code == 2
    assert f"{taken}: exists already" in err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(taken, "precious")]
    assert ask(CHAT, *targets, "--force")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.json", "t.parquet", "x.jsonl"]
    assert (tmp_path / taken).read_bytes() != b"precious"


def test_a_folder_with_something_in_it_is_refused(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """An empty one is taken, and --force replaces the parts of last time."""
    parts = tmp_path / "parts"
    parts.mkdir()
    assert ask(CHAT, "-o", parts)[0] == 0
    code, _, err = ask(CHAT, "-o", parts)
    assert code == 2
    assert "exists already" in err
    (parts / "part-00007.parquet").write_text("old")
    assert ask(CHAT, "-o", parts, "--force")[0] == 0
    assert [path.name for path in parts.iterdir()] == ["part-00000.parquet"]


@pytest.mark.parametrize("name", ["thesis.txt", "part-1.parquet", "part-00000.parquet.gz", "manifest.json"])
def test_a_folder_with_files_of_others_is_kept_even_by_force(
    ask: Callable[..., Outcome], tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them is named before any work, and what can be done."""
    parts = tmp_path / "df"
    assert ask(CHAT, "-o", parts)[0] == 0
    (parts / name).write_text("precious")
    monkeypatch.setattr(table_command.TableCommand, "write", None)
    code, out, err = ask(CHAT, "-o", parts, "--force", width=300)
    assert (code, out) == (3, "")
    assert (
        f"df: holds files that are not ours to delete, {name} for one: choose another folder, or remove this one yourself" in err
    )
    assert (parts / name).read_text() == "precious"
    assert len(list(parts.iterdir())) == 2


@pytest.mark.skipif(not HAS_LATE_METADATA, reason="this pyarrow can't add metadata after the rows")
def test_resume_continues_the_folder_of_a_campaign(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """What is there and whole is kept; without --resume or --force it is refused, and a single table can't be continued."""
    folder = simple(tmp_path / "c")
    assert ask("-o", tmp_path / "t", folder, "--min-file-bytes", 0)[0] == 0
    (tmp_path / "t" / "part-1.parquet").unlink()
    (tmp_path / "t" / "part-2.parquet").write_bytes(b"PAR1")
    before = (tmp_path / "t" / "part-0.parquet").stat().st_mtime_ns
    code, _, err = ask("-o", tmp_path / "t", folder, width=300)
    assert code == 2
    assert "exists already: choose another name, continue the folder of a campaign with --resume, or use --force" in err
    code, _, err = ask(
        "-o", tmp_path / "t", folder, "--resume", "--report", tmp_path / "r.json", "--min-file-bytes", 0, width=300
    )
    assert code == 0
    assert "t: 12 rows, 3 Parquet files, 1 part kept, " in err
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["missing"], report["kept_parts"]) == (3, 1)
    assert (tmp_path / "t" / "part-0.parquet").stat().st_mtime_ns == before
    code, _, err = ask("-o", tmp_path / "t.parquet", folder, "--resume")
    assert (code, "use --resume only for a folder of Parquet parts" in err) == (2, True)
    code, _, err = ask("-o", tmp_path / "t.parquet", folder, "--min-file-bytes", 0)
    assert (code, "--min-file-bytes needs a folder" in err) == (2, True)
    assert ask("-o", tmp_path / "t2", folder)[0] == 0
    assert sorted(path.name for path in (tmp_path / "t2").iterdir()) == ["_SUCCESS", "part-0_to_part-2.parquet"]


def test_no_target_is_a_file_that_is_read_not_even_by_force(ask: Callable[..., Outcome], tmp_path: Path, campaign: Path) -> None:
    """A slip of the finger must not cost the results that were paid for."""
    before = {path.name: path.read_bytes() for path in campaign.iterdir()}
    for target, name in (("results.jsonl", "jsonl"), (".", "parquet"), ("../campaign/requests.jsonl", "jsonl")):
        code, _, err = ask(campaign, "-o", campaign / target, "--format", name, "--force")
        assert code == 2
        assert "an input file" in err
    for option in ("--rejects", "--report"):
        code, _, err = ask(campaign, "-o", tmp_path / "t.parquet", option, campaign / "results.jsonl", "--force")
        assert code == 2
        assert f"{option} names an input file" in err
    assert {path.name: path.read_bytes() for path in campaign.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "Missing option '-o'"),
        (("-o", "-"), 2, "-o - needs a --format"),
        (("-o", "-", "--format", "jsonl", "--json"), 2, "both write to standard output"),
        (("-o", "t.xlsx"), 2, "can't tell the format of 't.xlsx'"),
        (("-o", "t.parquet", "--format", "csv"), 2, "'t.parquet' is the name of another format than csv"),
        (("-o", "t.parquet", "--csv-safe"), 2, "--csv-safe needs CSV"),
        (("-o", "t.parquet", "--table", "requests", "--dimensions", "8"), 2, "--dimensions needs --table embeddings"),
        (("-o", "t.parquet", "--dimensions", "8"), 2, "dimensions are for the embeddings table"),
        (("-o", "t.parquet", "--dimensions", "0"), 2, "'--dimensions'"),
        (("-o", "t.parquet", "--workers", "0"), 2, "'--workers'"),
        (("-o", "t.parquet", "--bodies", "some"), 2, "'some' is not one of 'auto', 'all', 'none'"),
        (("-o", "t.parquet", "--temp-dir", "nowhere"), 2, "'nowhere' does not exist"),
        (("-o", "t.jsonl", "--rejects", "t.jsonl"), 2, "-o and --rejects name the same file"),
        (("-o", "t.jsonl", "--rejects", "-"), 2, "--rejects needs a file"),
        (("-o", "t.jsonl", "--report", "-"), 2, "--report needs a file"),
        (("-o", "nowhere/t.parquet"), 3, "there is no folder"),
        (("-o", "t.parquet", "--report", "nowhere/r.json"), 3, "there is no folder"),
        (("-o", "t.parquet", "--report", "."), 3, "is a folder"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_sentence(
    ask: Callable[..., Outcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    """Before any work; nothing is written."""
    monkeypatch.chdir(tmp_path)
    found, out, err = ask(CHAT, *arguments)
    assert (found, out) == (code, "")
    assert words in err
    assert len(err.splitlines()) <= 2
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_no_parquet(ask: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can read it there, and it may confuse the terminal."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    code, _, err = ask(CHAT, "-o", "-", "--format", "parquet")
    assert code == 2
    assert "a terminal can't show parquet" in err


def test_rejects_are_the_very_bytes_of_what_is_not_in_the_table(
    ask: Callable[..., Outcome], tmp_path: Path, campaign: Path
) -> None:
    """Superseded, unknown and malformed ones, in the order of the file."""
    assert ask(campaign, "-o", tmp_path / "t.parquet", "--rejects", tmp_path / "x.jsonl")[0] == 0
    lines = (campaign / "results.jsonl").read_bytes().split(b"\n")
    assert (tmp_path / "x.jsonl").read_bytes() == b"".join(lines[number] + b"\n" for number in (0, 3, 4, 5))
    assert ask(campaign, "-o", tmp_path / "t.parquet", "--rejects", tmp_path / "x.jsonl.gz", "--force")[0] == 0
    assert gzip.decompress((tmp_path / "x.jsonl.gz").read_bytes()) == (tmp_path / "x.jsonl").read_bytes()


def test_report_and_json_hold_the_same_counts(ask: Callable[..., Outcome], tmp_path: Path, campaign: Path) -> None:
    """One JSON object, and its counts add up."""
    code, out, err = ask(campaign, "-o", tmp_path / "t.parquet", "--report", tmp_path / "r.json", "--json")
    report = json.loads(out)
    assert code == 0
    assert json.loads((tmp_path / "r.json").read_bytes()) == report
    assert report["inputs"] == sum(report["outcomes"].values()) == report["rows"] == 6
    rest = report["superseded"] + report["unknown"] + report["malformed_unmatched"]
    assert report["result_lines"] == report["used"] + rest == 6
    assert (report["unknown"], report["superseded"], report["conflicting"], report["duplicate_inputs"]) == (1, 1, 1, 1)
    assert err.startswith("outcome")


@pytest.mark.parametrize("workers", [1, 2])
def test_names_that_are_no_utf8_can_be_reported(ask: Callable[..., Outcome], tmp_path: Path, workers: int) -> None:
    """A file name is bytes; invalid UTF-8 in it is escaped."""
    (tmp_path / "other.jsonl").write_bytes(request("b"))
    name = os.fsdecode(b"caf\xe9.jsonl")
    try:
        (tmp_path / name).write_bytes(request("a"))
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    (tmp_path / "out.jsonl").write_bytes(result("a"))
    code, out, _ = ask(tmp_path, "-o", tmp_path / "t.arrow", "--json", "--workers", workers)
    report = json.loads(out)
    assert (code, report["outcomes"]["succeeded"]) == (0, 1)
    rows = binary_rows(tmp_path / "t.arrow")
    assert {row["input_source"] for row in rows} == {f"{tmp_path}/caf\\udce9.jsonl", f"{tmp_path}/other.jsonl"}


# --- --on-duplicate and --fail-on --------------------------------------------------------------------------------------------


def test_two_results_for_one_request_may_be_refused(ask: Callable[..., Outcome], tmp_path: Path, campaign: Path) -> None:
    """Both places are named, and nothing is written."""
    code, _, err = ask(campaign, "-o", tmp_path / "t.parquet", "--on-duplicate", "error")
    assert code == 3
    assert "there are 2 results for one request" in err
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ("missing", 1),
        ("unknown", 1),
        ("superseded", 1),
        ("conflicting", 1),
        ("duplicate", 1),
        ("malformed", 1),
        ("failed", 1),
        ("expired", 0),
        ("expired,cancelled,incomplete,no_response", 0),
        ("expired,missing", 1),
        ("expired, failed > 0", 1),
        ("failed>1", 0),
        ("malformed>2", 1),
        ("malformed>3", 0),
        ("failed>16.6%", 1),
        ("failed>16.7%", 0),
        ("succeeded>33.3%", 1),
        ("succeeded>33.4 %", 0),
    ],
)
def test_fail_on_exits_with_1_if_a_condition_holds(
    ask: Callable[..., Outcome], tmp_path: Path, campaign: Path, conditions: str, code: int
) -> None:
    """The table is written in any case: 2 of 6 succeeded, 1 failed, 2 malformed (3 lines in all), 1 is missing."""
    found, _, err = ask(campaign, "-o", tmp_path / "t.parquet", "--fail-on", conditions)
    assert found == code
    assert ("fail-on" in err) == bool(code)
    assert (tmp_path / "t.parquet").exists()


def test_fail_on_may_be_said_twice(ask: Callable[..., Outcome], tmp_path: Path, campaign: Path) -> None:
    """All the lists count."""
    assert ask(campaign, "-o", tmp_path / "t.csv", "--fail-on", "missing", "--fail-on", "expired")[0] == 1


def test_every_outcome_can_be_asked_for(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """The names are those of the column."""
    assert ask(FIXTURES / "empty", "-o", tmp_path / "t.csv", "--fail-on", ",".join(OUTCOMES))[0] == 0


@pytest.mark.parametrize("conditions", ["", "misssing", "failed>", "failed>x", "failed<1", "failed>1%%", "missing,", "failed=1"])
def test_conditions_that_nobody_can_read_are_wrong_usage(ask: Callable[..., Outcome], tmp_path: Path, conditions: str) -> None:
    """Better than a check that never fires."""
    code, _, err = ask(CHAT, "-o", tmp_path / "t.csv", "--fail-on", conditions)
    assert code == 2
    assert "--fail-on" in err
    assert list(tmp_path.iterdir()) == []


# --- the words ---------------------------------------------------------------------------------------------------------------


def test_the_summary_is_a_table_of_what_occurs(
    ask: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts and shares, and where the table is."""
    monkeypatch.chdir(tmp_path)
    _, _, err = ask(CHAT, "-o", "t.parquet")
    assert [line.split() for line in err.splitlines()[:8]] == [
        ["outcome", "requests", "share"],
        ["succeeded", "8", "50.0%"],
        ["incomplete", "3", "18.8%"],
        ["failed", "2", "12.5%"],
        ["expired", "1", "6.2%"],
        ["no_response", "1", "6.2%"],
        ["missing", "1", "6.2%"],
        ["all", "16"],
    ]
    assert err.splitlines()[-1].startswith("t.parquet: 16 rows, ")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_summary_says_what_else_was_found_at_any_width(
    ask: Callable[..., Outcome], campaign: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Lines break between words; only a word that is too long, such as a path, is left whole to be copied."""
    monkeypatch.chdir(campaign.parent)
    _, _, err = ask("campaign", "-o", campaign.parent / "t.parquet", width=width)
    words = " ".join(err.split())
    for said in (
        "unknown 1 result without a request: campaign/results.jsonl:4",
        "superseded 1 result replaced by a better or later one",
        "conflicting 1 of them succeeded with a different answer: campaign/results.jsonl:1",
        "duplicate 1 request with the custom_id of an earlier one; all of them got the same result: campaign/requests",
        "malformed 1 request line that can't be read; each has a row",
        "malformed 2 result lines that can't be read: campaign/results.jsonl:5, campaign/results.jsonl:6; 1 of them without",
    ):
        assert said in words
    for line in err.splitlines()[:-1]:
        assert width_of(line) <= width or " " not in line.strip()


def test_a_file_name_can_not_play_with_the_terminal(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Escape sequences are written out."""
    (tmp_path / "in.jsonl").write_bytes(request("a"))
    (tmp_path / "\x1b[2Jout.jsonl").write_bytes(result("a") + result("b"))
    _, _, err = ask(tmp_path, "-o", tmp_path / "\x1b[3mt.csv")
    assert "\x1b" not in err
    assert r"\x1b[2Jout.jsonl:2" in err


@pytest.mark.parametrize(
    ("count", "total", "words"),
    [(0, 7, "0.0%"), (7, 7, "100.0%"), (1, 2000, "<0.1%"), (1999, 2000, ">99.9%"), (1, 8, "12.5%")],
)
def test_a_share_is_0_or_100_only_of_none_and_all(count: int, total: int, words: str) -> None:
    """One failure in 50,000 must not read as 100 % success."""
    from batchfiles.findings import share

    assert share(count, total) == words


class Bar:
    """Notes what a progress bar would show."""

    made: list[Bar]

    def __init__(self, label: str, *, quiet: bool) -> None:
        self.label, self.total, self.quiet = label, 0, quiet
        self.steps: list[int] = []
        self.closed = 0
        self.made.append(self)

    def update(self, done: int, total: int | None = None) -> None:
        """Note a step."""
        self.steps.append(done)
        self.total = total or 0

    def close(self) -> None:
        """Note the end."""
        self.closed += 1


@pytest.mark.parametrize("as_json", [False, True])
def test_the_progress_bar_reaches_the_end(
    ask: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """All bytes of all files; programs see none of it."""
    Bar.made = []
    monkeypatch.setattr(table_command, "Progress", Bar)
    ask(CHAT, "-o", tmp_path / "t.csv", *(["--json"] if as_json else []))
    (bar,) = Bar.made
    total = sum(path.stat().st_size for path in CHAT.iterdir())
    assert (bar.label, bar.total, bar.steps[-1], bar.quiet) == ("join", total, total, as_json)
    assert bar.closed
    assert bar.steps == sorted(bar.steps)


# --- interrupted -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make files that take some seconds: 100 MB of results."""
    folder = tmp_path_factory.mktemp("big")
    return joinable(folder, 50_000)


SOME = 4_000


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make files that take a moment."""
    return joinable(tmp_path_factory.mktemp("some"), SOME)


def joinable(folder: Path, count: int) -> Path:
    """Make a request file and a result file, with answers of some length."""
    body = "An answer of some length. " * 60
    (folder / "in.jsonl").write_bytes(b"".join(request(f"request-{number}") for number in range(count)))
    line = result("request-%d", body).decode()
    with (folder / "out.jsonl").open("w") as file:
        file.writelines(line % number for number in range(count))
    return folder


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Make a folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def until(what: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, while a process runs."""
    deadline = time.monotonic() + 30
    while not what():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def started(temporary: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `batchfiles join` in a process group of its own, as a shell does."""
    processes = []

    def start(*arguments: object) -> subprocess.Popen[bytes]:
        command = [*PROGRAM, "join", *map(str, arguments), "--temp-dir", str(temporary)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("target", ["t.parquet", "parts"])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_join_leaves_nothing_behind(
    started: Callable[..., subprocess.Popen[bytes]], big: Path, temporary: Path, number: int, code: int, target: str, workers: int
) -> None:
    """No table, no half of one, no temporary file, no worker, and one line of words at most."""
    folder = temporary.parent
    process = started(big, "-o", folder / target, "--workers", workers)
    until(lambda: any(path.name.endswith(".batchfiles-part") for path in folder.iterdir()), process)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.decode() in ("batchfiles: interrupted\n", "")
    assert sorted(folder.iterdir()) == [temporary]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("trial", range(int(os.environ.get("BATCHFILES_INTERRUPTIONS", "3"))))
def test_a_join_that_is_interrupted_at_a_random_moment_leaves_nothing_or_the_table(
    started: Callable[..., subprocess.Popen[bytes]], some: Path, temporary: Path, trial: int
) -> None:
    """While it scans, writes, finishes or cleans up: no table and exit code 130, or the whole one and 0."""
    random = Random(os.environ.get("BATCHFILES_SEED", "1") + f" {trial}")
    folder, target = temporary.parent, random.choice(("t.parquet", "t.csv.gz", "parts"))
    process = started(some, "-o", folder / target, "--workers", random.choice((1, 1, 2)))
    until(lambda: any(temporary.iterdir()), process)
    time.sleep(random.random() * 0.8)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert b"Traceback" not in err
    assert list(temporary.iterdir()) == []
    if process.returncode:
        assert (process.returncode, err.replace(b"batchfiles: interrupted\n", b"")) == (130, b"")
        assert sorted(folder.iterdir()) == [temporary]
    elif target != "t.csv.gz":
        assert ds.dataset(folder / target).count_rows() == SOME


def test_an_interrupted_copy_of_standard_input_leaves_nothing_behind(temporary: Path) -> None:
    """The copy in the folder for temporary files goes too."""
    command = [*PROGRAM, "join", "-", str(REQUESTS), "-o", str(temporary.parent / "t.parquet"), "--temp-dir", str(temporary)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(result("a"))
        process.stdin.flush()
        until(lambda: any(temporary.rglob("*source.jsonl")), process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"batchfiles: interrupted\n")
    assert list(temporary.iterdir()) == []


def test_a_killed_join_leaves_no_table(started: Callable[..., subprocess.Popen[bytes]], big: Path, temporary: Path) -> None:
    """Nobody can clean up after SIGKILL; but nothing has the name of the table, and the next call works."""
    target = temporary.parent / "t.parquet"
    process = started(big, "-o", target)
    until(lambda: any(path.name.endswith(".batchfiles-part") for path in temporary.parent.iterdir()), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert not target.exists()
    assert program(CHAT, "-o", target).returncode == 0


def test_a_reader_that_has_seen_enough_ends_the_join_quietly(big: Path) -> None:
    """As in `batchfiles join … -o - --format jsonl | head -1`."""
    command = [*PROGRAM, "join", str(big), "-o", "-", "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["custom_id"] == "request-0"
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")


def test_successes_without_a_word_are_counted(tmp_path: Path, ask: Callable[..., Outcome]) -> None:
    """An empty text is a success, but a thousand of them are worth a sentence, a number and an exit code."""
    (tmp_path / "requests.jsonl").write_bytes(request("a") + request("b") + request("c"))
    (tmp_path / "output.jsonl").write_bytes(result("a") + result("b", text="") + result("c", text=""))
    code, out, said = ask(tmp_path, "-o", tmp_path / "table.parquet", "--json", "--fail-on", "empty_text>1")
    assert code == 1
    assert json.loads(out)["empty_text"] == 2
    assert "empty_text   2 answers with an empty text, and with no refusal and no tool call\n" in said
    assert "fail-on      empty_text>1: 2 of 3 requests\n" in said
    report = batchfiles.join(tmp_path / "requests.jsonl", tmp_path / "output.jsonl").summarize()
    assert (report.empty_text, report.outcomes["succeeded"]) == (2, 3)


def test_a_long_label_keeps_its_distance_from_its_sentence() -> None:
    """`unknown_finish_reason 1 answer ended` read as one sentence."""
    note = ("unknown_finish_reason", "1 answer ended for a reason not known here: weird")
    assert format_note(note, 60) == ["unknown_finish_reason  1 answer ended for a reason not known", " " * 13 + "here: weird"]
