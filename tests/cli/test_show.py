"""`batchfiles show`: the text output."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchfiles.cli.main import exit_code
from batchfiles.cli.row_layout import lay_out
from batchfiles.errors import FileError
from batchfiles.io.sources import Source
from batchfiles.layout import width_of
from batchfiles.table.open import open_table
from batchfiles.table.rows import schema

FIXTURES = Path(__file__).parents[2] / "fixtures"

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run `batchfiles show` at a width; returns exit code, standard output and standard error."""

    def run(*arguments: object, width: int = 100) -> Outcome:
        monkeypatch.setenv("COLUMNS", str(width))
        code = exit_code(["show", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def rows_of(count: int) -> list[dict[str, Any]]:
    """Make rows of an ordinary table."""
    return [
        {
            "custom_id": f"request-{number}",
            "outcome": "succeeded",
            "status_code": 200,
            "model": "gpt-4o-mini",
            "text": f"The answer to question {number} is rather long. " * 5,
            "total_tokens": number,
        }
        for number in range(count)
    ]


def table_in(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows to a file of any format."""
    batch = pa.record_batch([pa.array([row.get(field.name) for row in rows], field.type) for field in schema()], schema=schema())
    with open_table(path, schema()) as table:
        table.write(batch)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "jsonl", "csv", "jsonl.gz", "csv.zst"])
def test_every_format_is_shown(ask: Callable[..., Outcome], tmp_path: Path, suffix: str) -> None:
    """The same rows, whatever the file."""
    code, out, err = ask(table_in(tmp_path / f"t.{suffix}", rows_of(5)), "-n", 3)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("request-")] == [
        [f"request-{number}", "succeeded"] for number in range(3)
    ]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "jsonl", "csv", "csv.gz"])
def test_an_empty_text_is_not_a_null(ask: Callable[..., Outcome], tmp_path: Path, suffix: str) -> None:
    """In our own CSV a null is nothing, and an empty text is two quotes: both were shown as null."""
    rows = [
        {"custom_id": "a", "outcome": "succeeded", "text": ""},
        {"custom_id": "b", "outcome": "missing", "text": None},
        {"custom_id": "c", "outcome": "succeeded", "text": 'two\nlines, and "quotes"', "error_message": ""},
    ]
    path = table_in(tmp_path / f"t.{suffix}", rows)
    code, out, _ = ask(path, "--json", "-c", "custom_id,text,error_message", "-q")
    assert (code, [tuple(json.loads(line).values()) for line in out.splitlines()]) == (
        0,
        [("a", "", None), ("b", None, None), ("c", 'two\nlines, and "quotes"', "")],
    )
    assert '"b"' in ask(path, "--json", "-c", "custom_id", "--where", "text is null", "-q")[1]


def test_the_header_says_what_the_file_is(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Name, format, rows, columns, size and the version of the schema."""
    path = table_in(tmp_path / "t.parquet", rows_of(50))
    header = ask(path, width=400)[1].splitlines()[0]
    assert header.startswith(f"{path}: Parquet, 10 of 50 rows, 38 columns, ")
    assert header.endswith(" kB, schema version 2")


@pytest.mark.parametrize("width", [10, 20, 40, 60, 72, 80, 100, 132, 200, 400])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_no_line_is_wider_than_the_terminal(ask: Callable[..., Outcome], tmp_path: Path, width: int, count: int) -> None:
    """At any width, with any number of rows."""
    rows = [*rows_of(8), {"custom_id": "日本語" * 20, "text": "日本語" * 100}, {"error_message": "😀" * 90}]
    out = ask(table_in(tmp_path / "t.parquet", rows), "-n", count, width=width)[1]
    assert all(width_of(line) <= width for line in out.splitlines())


def test_columns_of_nulls_are_hidden_and_named(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Thirty empty columns are a line at the end."""
    out = ask(table_in(tmp_path / "t.parquet", rows_of(5)), width=150)[1]
    head = out.splitlines()[2].split()
    assert head == ["custom_id", "outcome", "status_code", "model", "text", "total_tokens"]
    assert "null in these 5 rows: error_code, error_type" in out


def test_what_does_not_fit_is_named(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Where room is short, repetition goes first, then the less important columns; all are named."""
    rows = [{**row, "request_id": f"req_{row['total_tokens']:030d}", "response_id": "x" * 30} for row in rows_of(5)]
    out = ask(table_in(tmp_path / "t.parquet", rows), width=80)[1]
    assert out.splitlines()[2].split() == ["custom_id", "outcome", "text", "total_tokens"]
    assert "the same in these 5 rows: status_code 200, model gpt-4o-mini, response_id\nxxx" in out
    assert "not enough width for: request_id" in out


def test_few_rows_are_records(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """One row is a list of names and values, long ones over a few lines."""
    out = ask(table_in(tmp_path / "t.parquet", rows_of(1)))[1]
    assert "custom_id     request-0\n" in out
    assert "text          The answer to question 0 is rather long." in out


def test_a_narrow_terminal_gets_records(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Sixty columns hold no table."""
    out = ask(table_in(tmp_path / "t.parquet", rows_of(3)), width=60)[1]
    assert out.count("── row ") == 3


def test_columns_are_shown_as_asked(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """In the order asked for, empty ones too."""
    out = ask(table_in(tmp_path / "t.parquet", rows_of(3)), "--columns", "text, custom_id,error_code")[1]
    assert out.splitlines()[2].split() == ["text", "custom_id", "error_code"]
    one = ask(tmp_path / "t.parquet", "-n", 1, "-c", "error_code,custom_id")[1]
    assert one.splitlines()[-2:] == ["error_code", "custom_id   request-0"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows", "jsonl", "csv"])
def test_a_column_that_is_not_there_is_wrong_usage(ask: Callable[..., Outcome], tmp_path: Path, suffix: str) -> None:
    """The sentence says which there are."""
    code, out, err = ask(table_in(tmp_path / f"t.{suffix}", rows_of(1)), "-c", "nope")
    assert (code, out) == (2, "")
    assert "unknown column 'nope'; expected custom_id, outcome" in err


def test_json_is_whole_rows_and_nothing_else(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Nothing is cut, nothing is hidden, only ASCII is printed."""
    rows = [{**rows_of(1)[0], "text": "é\x1b[31m\u009b" + "x" * 5000, "texts": ["a", "b"], "category_scores": [("hate", 0.5)]}]
    code, out, _ = ask(table_in(tmp_path / "t.parquet", rows), "--json")
    assert code == 0
    assert out.isascii()
    found = json.loads(out)
    assert list(found) == schema().names
    assert found["text"] == rows[0]["text"]
    assert found["category_scores"] == {"hate": 0.5}
    assert list(json.loads(ask(tmp_path / "t.parquet", "--json", "-c", "text,outcome")[1])) == ["text", "outcome"]


def test_json_has_no_nan(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Other people's tables hold what JSON can't say."""
    batch = pa.record_batch({"a": [float("nan"), 1.0], "b": [[float("inf"), 2.0], None], "c": pa.array([b"x", None])})
    with open_table(tmp_path / "t.parquet", batch.schema) as table:
        table.write(batch)
    out = ask(tmp_path / "t.parquet", "--json")[1]
    assert json.loads(out.splitlines()[0]) == {"a": None, "b": [None, 2.0], "c": "eA=="}
    assert ask(tmp_path / "t.parquet")[0] == 0


def test_escape_sequences_never_reach_the_terminal(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """In cells, in names of columns and in names of files."""
    path = tmp_path / "t\x1b[2J.jsonl"
    path.write_text(json.dumps({"a\x1b]0;title\x07": "\x1b[31m\x9b31m\u202e\u2028\n", "b": ["\x1b"]}) + "\n")
    for arguments in ([], ["--json"], ["-c", "nope"]):
        _, out, err = ask(path, *arguments)
        assert all(text.replace("\n", "").isprintable() for text in (out, err))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/*.jsonl")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_batch_file_of_the_fixtures_can_be_looked_at(ask: Callable[..., Outcome], path: Path) -> None:
    """Raw batch files, damaged ones too; their objects are shown key by key."""
    for width in (60, 120):
        code, out, err = ask(path, width=width)
        assert (code, err) == (0, "")
        assert "JSONL" in out
        assert all(width_of(line) <= width for line in out.splitlines())


def test_the_objects_of_a_batch_file_are_opened(ask: Callable[..., Outcome]) -> None:
    """The answer's model and choices are columns; with --json the line is as it was."""
    path = next(FIXTURES.glob("chat_completions/*_output.jsonl"))
    assert "response.body.choices" in ask(path)[1]
    assert set(json.loads(ask(path, "-n", 1, "--json")[1])) == {"id", "custom_id", "response", "error"}


def test_a_folder_of_parts_is_one_table(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Rows come from as many parts as needed, in the order of their names."""
    for number in range(3):
        table_in(tmp_path / f"part-{number}.parquet", [{"custom_id": f"p{number}-{row}"} for row in range(2)])
    out = ask(tmp_path, "-n", 3, "-c", "custom_id", width=200)[1]
    assert "3 Parquet files, 3 of 6 rows" in out
    assert out.splitlines()[-3:] == ["p0-0", "p0-1", "p1-0"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "arrows", "jsonl.gz"])
def test_standard_input_is_shown(
    ask: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """A pipe that gives single bytes is read to the rows that are needed."""

    class Pipe(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 100))

    class Stdin:
        buffer = Pipe(table_in(tmp_path / f"t.{suffix}", rows_of(20)).read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin())
    code, out, _ = ask("-", "-n", 3, "-c", "custom_id")
    assert code == 0
    assert out.splitlines()[-3:] == ["request-0", "request-1", "request-2"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_formats_that_need_a_file_are_refused_on_standard_input(
    ask: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Their table of contents is at the end."""

    class Stdin:
        buffer = io.BytesIO(table_in(tmp_path / f"t.{suffix}", rows_of(1)).read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin())
    code, _, err = ask("-")
    assert code == 2
    assert "name the file" in err


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "arrows"])
def test_a_file_cut_anywhere_is_an_error_or_shown(ask: Callable[..., Outcome], tmp_path: Path, suffix: str) -> None:
    """Never a traceback, never half of the rows; only the end of a stream may be missing, which has no rows."""
    whole = table_in(tmp_path / f"whole.{suffix}", rows_of(3)).read_bytes()
    for length in range(0, len(whole), 97):
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(whole[:length])
        code, out, err = ask(path)
        assert code == 3 or (suffix == "arrows" and "3 rows" in out), (length, out)
        assert code == 0 or "cut." in err


@pytest.mark.parametrize(
    ("name", "content", "expected", "words"),
    [
        ("nothing", None, 3, "no such file"),
        ("t.bin", b"\x00\x01\x02", 2, "table"),
        ("t.bin", b"\xff\xfe\x00", 2, "table"),
        ("t.parquet", b"hello", 3, "does not begin as its name says"),
        ("t.jsonl.gz", b"\x1f\x8b\x08broken", 3, "damaged"),
        ("t.csv", b'"a\n', 0, "CSV"),
        ("t.csv", b"a\n1\rb\n", 3, "the CSV can't be read"),
        ("t.jsonl", b"", 0, "0 rows"),
        ("t.csv", b"", 0, "0 rows"),
        ("t.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n", 0, "a  1"),
        ("t", b"", 0, "0 rows"),
        ("t", b'{"a": 1}', 0, "a  1"),
        ("t", b"a,b\n1,2\n", 0, "a  1"),
        ("t.jsonl", b"not json\n", 0, "(malformed)"),
    ],
)
def test_odd_files_are_told_clearly(
    ask: Callable[..., Outcome], tmp_path: Path, name: str, content: bytes | None, expected: int, words: str
) -> None:
    """Missing, damaged, empty, no table at all."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, out, err = ask(tmp_path / name, width=400)
    assert code == expected, err
    assert words in out + err


def test_an_empty_folder_is_told(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """A folder is a table only if it holds tables."""
    code, _, err = ask(tmp_path)
    assert code == 3
    assert "the folder holds no table" in err


def test_a_long_path_keeps_its_end(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """The name of the file matters more than the folders above it."""
    folder = tmp_path / ("deep" * 20)
    folder.mkdir()
    header = ask(table_in(folder / "t.parquet", rows_of(1)), width=80)[1].splitlines()[0]
    assert header.startswith("…")
    assert "deep/t.parquet: Parquet, 1 row, 38 columns" in header


def test_a_table_of_an_older_version_is_shown_with_its_own(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Version 1 had a column less; a folder with parts of both is shown by its first."""
    new = pa.Table.from_pylist([{"custom_id": "a", "outcome": "succeeded"}], schema=schema())
    old = new.drop_columns(["cache_write_tokens"]).replace_schema_metadata({"batchfiles.schema_version": "1"})
    (tmp_path / "parts").mkdir()
    pq.write_table(old, tmp_path / "parts" / "part-00001.parquet")
    pq.write_table(new, tmp_path / "parts" / "part-00002.parquet")
    assert "37 columns" in ask(tmp_path / "parts" / "part-00001.parquet")[1]
    code, out, err = ask(tmp_path / "parts")
    assert (code, err) == (0, "")
    assert "2 rows" in out


def test_zero_rows_name_the_columns(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """An empty table still has a schema."""
    out = ask(table_in(tmp_path / "t.parquet", []))[1]
    assert "0 rows, 38 columns" in out
    assert "columns: custom_id, outcome" in out


def test_rows_of_nothing_are_told(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """A table of nulls has rows and nothing to show of them."""
    out = ask(table_in(tmp_path / "t.parquet", [{}, {}, {}]))[1]
    assert ": Parquet, 3 rows, 38 columns" in out
    assert out.splitlines()[1:3] == [
        "",
        "null in these 3 rows: custom_id, outcome, status_code, error_code, error_type, error_param,",
    ]


def test_columns_too_wide_for_a_table_are_records() -> None:
    """A table of one column would hide too much."""
    rows = [{name * 30: f"{name}{number}" for name in "abc"} for number in range(3)]
    assert lay_out(list(rows[0]), rows, 72).lines[0].startswith("── row 1")


@pytest.mark.parametrize(
    ("error", "words"), [(OSError(5, "Input/output error"), "input/output error"), (FileError("gone"), "gone")]
)
def test_a_disk_that_fails_is_no_damaged_file(
    ask: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    """What the system says is passed on."""

    class Failing(io.BytesIO):
        def seek(self, *_: int) -> int:
            raise error

        def read(self, *_: int | None) -> bytes:
            raise error

    path = table_in(tmp_path / "t.parquet", rows_of(1))
    monkeypatch.setattr(Source, "open_raw", lambda _: Failing())
    code, _, err = ask(path)
    assert code == 3
    assert words in err
    assert "damaged" not in err


def test_a_cell_of_20_mb_is_cut_quickly() -> None:
    """No more of a cell is looked at than a terminal shows."""
    layout = lay_out(["a"], [{"a": "x" * 20_000_000}, {"a": list(range(1_000_000))}], 80)
    assert all(len(line) <= 80 for line in layout.lines)


@pytest.fixture
def joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Join the example files."""
    path = tmp_path / "joined.parquet"
    assert exit_code(["join", str(FIXTURES / "chat_completions"), "-o", str(path), "-q"]) == 0
    capsys.readouterr()
    return path


def test_rows_of_a_condition_are_shown(ask: Callable[..., Outcome], joined: Path) -> None:
    """The question was 'which rows failed?', and there was no answer to it."""
    code, out, err = ask(joined, "--where", "outcome = 'failed' and status_code != 429", "--columns", "custom_id,error_code")
    assert (code, err) == (0, "")
    assert "2 rows where outcome = 'failed' and status_code != 429" in " ".join(out.split())
    assert "── row 11 " in out
    assert "context_length_exceeded" in out
    code, out, err = ask(joined, "--where", "retryable", "--json", "-n", 2)
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["no_response", "expired"]


def test_a_condition_of_a_batch_file_names_paths(ask: Callable[..., Outcome]) -> None:
    """The lines have objects in them."""
    file = next((FIXTURES / "chat_completions").glob("*_error.jsonl"))
    code, out, _ = ask(file, "--where", "response.body.error.code like '%exceeded'", "--json")
    assert code == 0
    assert [json.loads(line)["custom_id"] for line in out.splitlines()] == ["ticket-0012"]


def test_a_wrong_condition_is_pointed_at(ask: Callable[..., Outcome], joined: Path) -> None:
    """The mark is below the place; control characters are escaped."""
    code, out, err = ask(joined, "--where", "retryable and outcom = 'failed'")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "batchfiles: error: --where: unknown column 'outcom'; did you mean 'outcome'?",
        "    retryable and outcom = 'failed'",
        "                  ^",
        "See 'batchfiles show -h'.",
    ]
    code, out, err = ask(joined, "--where", "\x1b[31m" * 30 + " = 1")
    assert code == 2
    assert "\x1b" not in err


def test_an_outcome_that_is_none_is_suggested(ask: Callable[..., Outcome], joined: Path) -> None:
    """A misspelt value is not wrong: it only finds nothing."""
    code, out, err = ask(joined, "--where", "outcome = 'faild'")
    assert (code, err) == (0, "'faild' is not an outcome; did you mean 'failed'?\n")
    assert "0 rows where" in out
    assert ask(joined, "--where", "outcome = 'cancelled'")[2] == ""


def test_one_row_is_request_and_answer(ask: Callable[..., Outcome], joined: Path) -> None:
    """By its id or its number; texts are whole, JSON is indented, and facts follow."""
    code, out, _ = ask(joined, "--id", "ticket-0003", width=80)
    assert code == 0
    assert out == ask(joined, "--row", "3", width=80)[1]
    lines = out.splitlines()
    assert lines[:2] == ["ticket-0003", "outcome  succeeded"]
    at = lines.index("user:")
    assert lines[at + 1] == '    Is "The Salt Road" at the south branch, or else at the river branch?'
    assert '    find_book({"title":"The Salt Road","branch":"south"})' in lines
    assert "tokens   97 input, 0 cached, 51 output, 0 reasoning" in lines
    assert json.loads(ask(joined, "--id", "ticket-0003", "--json")[1])["custom_id"] == "ticket-0003"


def test_one_line_of_a_batch_file_is_request_or_answer(ask: Callable[..., Outcome]) -> None:
    """The answer is read as join reads it."""
    folder = FIXTURES / "chat_completions"
    assert "user:" in ask(folder / "requests.jsonl", "--id", "ticket-0003")[1]
    out = ask(next(folder.glob("*_error.jsonl")), "--id", "ticket-0012")[1]
    assert "outcome  failed" in out
    assert "status   400, context_length_exceeded" in out


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/*.jsonl")), ids=lambda path: f"{path.parent.name}/{path.name[:12]}")
def test_every_line_of_the_fixtures_is_shown_alone(ask: Callable[..., Outcome], path: Path) -> None:
    """Whatever the endpoint and the service."""
    code, out, err = ask(path, "--row", 1, width=80)
    assert code == (1 if not path.stat().st_size else 0), err
    assert ("place" in out) == (code == 0)


def test_a_row_that_is_not_there_is_reported(ask: Callable[..., Outcome], joined: Path) -> None:
    """With the exit code of `get`."""
    assert ask(joined, "--id", "nope")[::2] == (1, f"batchfiles: {joined} has no row with the custom_id 'nope'\n")
    assert ask(joined, "--row", "17")[::2] == (1, f"batchfiles: {joined} has no row 17\n")
    assert ask(joined, "--row", "1", "--where", "retryable")[0] == 2


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "jsonl", "csv"])
def test_one_row_is_shown_the_same_from_every_format(ask: Callable[..., Outcome], tmp_path: Path, suffix: str) -> None:
    """In CSV, the text `false` of retryable was taken for true, and tool calls were JSON."""
    table = tmp_path / f"joined.{suffix}"
    assert exit_code(["join", str(FIXTURES / "chat_completions"), "-o", str(table), "-q"]) == 0
    code, out, _ = ask(table, "--id", "ticket-0003")
    assert code == 0
    assert "sent again" not in out
    assert '    find_book({"title":"The Salt Road","branch":"south"})\n' in out
    assert "may succeed if sent again" in ask(table, "--id", "ticket-0014")[1]


def test_a_path_that_no_line_has_is_reported(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Nothing said why a condition with a misspelt path found no row."""
    requests = FIXTURES / "chat_completions" / "requests.jsonl"
    code, _, err = ask(requests, "--where", "body.modle = 'x'")
    assert (code, err) == (0, "no row has 'body.modle'\n")
    assert ask(requests, "--where", "body.model = 'x'")[2] == ""

    for name, line in (("1.jsonl", {"a": {"b": 1}}), ("2.jsonl", {"a": {"c": 1}})):
        (tmp_path / name).write_text(json.dumps(line))
    assert ask(tmp_path, "--where", "a.b = 5 and a.c = 5 and a.d = 5")[2] == "no row has 'a.d'\n"
