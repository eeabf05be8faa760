"""`batchfiles prepare` and `batchfiles join --with`: what they print where, and how they exit."""

import io
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchfiles.cli.main import exit_code

ROWS = [{"doc": "a", "n": 1, "text": "Hi"}, {"doc": "b", "n": None, "text": "Ho"}]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """A folder with a table and a template, which the commands run in."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.Table.from_pylist(ROWS), "t.parquet")
    (tmp_path / "body.json").write_text('{"model": "m", "max_output_tokens": "{{n}}", "input": "{{text}}!"}')
    return tmp_path


@pytest.fixture
def ask(capsys):
    """Run a command line in this process; returns exit code, standard output and standard error."""

    def run(*arguments):
        code = exit_code([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


PREPARE = ("prepare", "t.parquet", "-o", "r.jsonl", "--template", "body.json", "--url", "/v1/responses", "--id", "x-{{doc}}")


def test_a_request_file_is_made_and_told_of_on_standard_error(ask, files):
    """Standard output stays free for data."""
    code, out, err = ask(*PREPARE, "--null", "drop")
    assert (code, out) == (0, "")
    assert err.startswith("r.jsonl: 2 requests, ")
    assert ", 1 null, in " in err
    first, second = map(json.loads, (files / "r.jsonl").read_text().splitlines())
    assert first["body"] == {"model": "m", "max_output_tokens": 1, "input": "Hi!"}
    assert second["body"] == {"model": "m", "input": "Ho!"}


def test_json_prints_the_counts(ask):
    """For programs."""
    code, out, _ = ask(*PREPARE, "--null", "null", "--json")
    report = json.loads(out)
    assert (code, report["path"], report["requests"], report["nulls"]) == (0, "r.jsonl", 2, 1)
    assert report["tables"] == {"t.parquet": 2}


def test_a_row_that_cannot_become_a_request_exits_with_3_and_leaves_no_file(ask, files):
    """The sentence names table, row and column."""
    code, out, err = ask(*PREPARE)
    assert (code, out) == (3, "")
    hint = "use --null null to write null, or --null drop to leave out the key"
    assert err == f"batchfiles: error: t.parquet: row 2 has a null for 'n': {hint} (null_value)\n"
    assert not (files / "r.jsonl").exists()


def test_a_sample_to_standard_output_goes_down_a_pipe(capfdbinary):
    """Data there, words elsewhere."""
    arguments = ["-o", "-", "--sample", "1"]
    code = exit_code([*PREPARE[:2], *arguments, *PREPARE[4:]])
    out, err = capfdbinary.readouterr()
    assert code == 0
    assert [json.loads(line)["custom_id"] for line in out.splitlines()] == ["x-a"]
    assert err.startswith(b"standard output: 1 request, ")


def test_a_table_comes_from_standard_input():
    """CSV, as another program writes it."""
    command = [sys.executable, "-c", "from batchfiles.cli.main import run; run()"]
    arguments = ["prepare", "-", "-o", "-", "--template", "body.json", "--url", "/v1/responses", "--id", "{{doc}}"]
    arguments += ["--limits", "none"]
    found = subprocess.run([*command, *arguments], input=b"doc,n,text\nq,3,Hm\n", capture_output=True, check=True)
    assert json.loads(found.stdout)["body"]["max_output_tokens"] == "3"


def test_a_number_of_a_csv_is_a_text_that_the_service_refuses():
    """Every cell of CSV is text: the request would fail up to a day later."""
    command = [sys.executable, "-c", "from batchfiles.cli.main import run; run()"]
    arguments = ["prepare", "-", "-o", "-", "--template", "body.json", "--url", "/v1/responses", "--id", "{{doc}}"]
    found = subprocess.run([*command, *arguments], input=b"doc,n,text\nq,3,Hm\n", capture_output=True, check=False)
    assert (found.returncode, found.stdout) == (3, b"")
    assert b"row 1: Invalid type for 'body.max_output_tokens': expected an integer, but got a string" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "/v1/responses", "--id", "{{dok}}"], "did you mean {{doc}}?"),
        (["--url", "/v1/responses", "--id", "doc"], "names no column"),
        (["--id", "{{doc}}"], "openai wants a url in each line"),
        (["--url", "/v1/responses", "--id", "{{doc}}", "--null", "nil"], "'nil' is not one of"),
        (["--url", "/v1/responses", "--id", "{{doc}}", "--limits", "opnai"], "did you mean 'openai'?"),
        (["--url", "/v1/responses", "--id", "{{doc}}", "-o", "t.parquet"], "-o names an input file"),
        (["--url", "/v1/responses", "--id", "{{doc}}", "-o", "-", "--json"], "both write to standard output"),
        (["--url", "/v1/responses", "--id", "{{doc}}", "-o", "body.json"], "-o names an input file"),
    ],
)
def test_what_cannot_be_is_wrong_usage(ask, arguments, words):
    """Another command line would help."""
    code, out, err = ask("prepare", "t.parquet", "-o", "r.jsonl", "--template", "body.json", *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_json_in_place_of_a_file_is_named(ask):
    """It was a file that is not there, or has a name that is too long."""
    for template in ('{"model": "m"}', json.dumps({"model": "m", "messages": ["{{question}}"] * 50})):
        code, _, err = ask("prepare", "t.parquet", "-o", "r.jsonl", "--template", template, "--id", "{{doc}}")
        assert code == 3
        assert err.endswith(": is JSON, and the name of a file with it is needed\n")
        assert len(err) < 130


def test_a_file_that_is_there_is_refused_before_any_work(ask, files):
    """Unless forced."""
    (files / "r.jsonl").write_text("mine")
    assert ask(*PREPARE, "--null", "drop")[0] == 2
    assert (files / "r.jsonl").read_text() == "mine"
    assert ask(*PREPARE, "--null", "drop", "--force")[0] == 0


def test_too_many_requests_say_how_to_go_on(ask):
    """A table is often larger than a file may be."""
    code, _, err = ask(*PREPARE, "--null", "drop", "--max-requests", "1")
    assert code == 3
    assert "with the limits 'none' and split that" in err


@pytest.fixture
def answered(files):
    """A request file and a result for each of its lines."""
    exit_code([*PREPARE, "--null", "drop"])
    lines = [
        {"id": "r", "custom_id": f"x-{row['doc']}", "response": {"status_code": 200, "body": {"output": []}}, "error": None}
        for row in ROWS
    ]
    (files / "r_output.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return ("join", "r.jsonl", "r_output.jsonl", "-o", "-", "--format", "jsonl")


def test_join_with_a_table_puts_its_columns_behind(capfdbinary, answered):
    """With a prefix, where they would be called like columns of the results."""
    code = exit_code([*answered, "--with", "t.parquet", "--id", "x-{{doc}}", "--with-prefix", "my_"])
    out, _ = capfdbinary.readouterr()
    rows = [json.loads(line) for line in io.BytesIO(out)]
    assert code == 0
    assert [list(row)[-3:] for row in rows] == [["my_doc", "my_n", "my_text"]] * 2
    assert [row["my_text"] for row in rows] == ["Hi", "Ho"]


def test_requests_that_the_table_does_not_have_are_told_and_may_fail_the_job(capfdbinary, answered, files):
    """`--fail-on unmatched`."""
    (files / "t.csv").write_text("doc,label\na,good\n")
    code = exit_code([*answered, "--with", "t.csv", "--id", "x-{{doc}}", "--fail-on", "unmatched"])
    out, err = capfdbinary.readouterr()
    assert code == 1
    assert [json.loads(line)["label"] for line in out.splitlines()] == ["good", None]
    assert b"unmatched    1 row without a row in the table of --with" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--with", "t.parquet"], "--with and --id must be used together"),
        (["--id", "{{doc}}"], "--with and --id must be used together"),
        (["--with-prefix", "my_"], "--with-prefix needs --with"),
        (["--with", "t.parquet", "--id", "{{dok}}"], "did you mean {{doc}}?"),
        (["--with", "t.parquet", "--id", "{{doc}}"], "columns called 'text' too: use --with-prefix"),
    ],
)
def test_join_refuses_what_does_not_go_together(ask, answered, arguments, words):
    """Before the table is made."""
    code, out, err = ask(*answered, *arguments)
    assert (code, out) == (2, "")
    assert words in err
