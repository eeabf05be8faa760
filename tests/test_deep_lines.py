"""Lines that are nested more deeply than Python's stack: orjson reads 1,024 levels, and one such line ended a whole join."""

import json
import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

import batchfiles

DEEP = int(os.environ.get("BATCHFILES_TEST_DEPTH", "1010"))
"""Levels; Python 3.11 has a stack of 1,000 calls."""

URL = "/v1/chat/completions"
MESSAGES = '[{"role": "user", "content": "x"}]'
ANSWER = '{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}'


def nested(kind, depth=DEEP):
    """Return the text of a value that is nested so deeply."""
    if kind == "lists":
        return "[" * depth + "]" * depth
    if kind == "bodies":
        return '{"body":' * depth + "1" + "}" * depth
    return '{"type":"object","properties":{"a":' * (depth // 2) + "{}" + "}}" * (depth // 2)


def requests_of(deep):
    """Return requests that hold a deep value where a body may hold one."""
    keys = ("metadata", "tools", "response_format", "messages", "input", "body", "model", "unheard_of")
    for key in keys:
        yield f'"method": "POST", "url": "{URL}", "body": {{"model": "m", "messages": {MESSAGES}, "{key}": {deep}}}'
    yield f'"method": "POST", "url": "{URL}", "body": {{"messages": {deep}, "n": NaN}}'
    yield f'"method": "POST", "url": "{URL}", "body": {{"model": "m", "messages": [{{"role": "user", "content": {deep}}}]}}'
    schema = f'{{"type": "json_schema", "json_schema": {{"name": "n", "strict": true, "schema": {deep}}}}}'
    yield f'"method": "POST", "url": "{URL}", "body": {{"model": "m", "messages": {MESSAGES}, "response_format": {schema}}}'
    yield f'"method": {deep}, "url": {deep}, "body": {{}}'
    yield f'"method": "POST", "url": "{URL}", "body": {{}}, "body": {{"model": "m", "messages": {deep}, "body": 1}}'


def bodies_of(deep):
    """Return response bodies that hold a deep value."""
    yield deep
    yield f'{{"error": {deep}}}'
    yield f'{{"error": {{"code": {deep}, "message": {deep}, "type": {deep}}}}}'
    yield f'{{"choices": {deep}, "usage": {deep}}}'
    yield f'{{"choices": [{{"index": 0, "finish_reason": "stop", "message": {deep}}}]}}'
    yield f'{{"choices": [{ANSWER}], "body": 1, "error": null, "deep": {deep}}}'
    yield f'{{"choices": [{ANSWER}], "torn": "\\ud800", "deep": {deep}}}'
    yield f'{{"object": "response", "output": {deep}, "error": null}}'
    yield f'{{"object": "list", "data": [{{"index": 0, "embedding": {deep}}}]}}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Requests and results, each result twice; the first and the last are ordinary ones."""
    folder = tmp_path_factory.mktemp("deep")
    ordinary = f'"method": "POST", "url": "{URL}", "body": {{"model": "m", "messages": {MESSAGES}}}'
    success = f'{{"status_code": 200, "request_id": "r", "body": {{"choices": [{ANSWER}]}}}}, "error": null'
    requests, results = [ordinary], [success]
    for kind in ("lists", "bodies", "schema"):
        deep = nested(kind)
        for request in requests_of(deep):
            requests.append(request)
            results.append(success)
        for body in bodies_of(deep):
            for status, error in ((200, "null"), (400, f'{{"code": {deep}, "message": {deep}}}'), (deep, "null")):
                requests.append(ordinary)
                results.append(f'{{"status_code": {status}, "request_id": "r", "body": {body}}}, "error": {error}')
    requests.append(ordinary)
    results.append(success)
    lines = [f'{{"custom_id": "r-{number}", {text}}}\n' for number, text in enumerate(requests)]
    (folder / "requests.jsonl").write_text("".join(lines))
    lines = [f'{{"id": "x", "custom_id": "r-{number}", "response": {text}}}\n' * 2 for number, text in enumerate(results)]
    (folder / "results.jsonl").write_text("".join(lines))
    table = [f'{{"id": "t{number}", "value": {nested(kind)}}}\n' for number, kind in enumerate(("lists", "schema"))]
    (folder / "table.jsonl").write_text("".join(table))
    return folder


COMMANDS = {
    "validate": "validate requests.jsonl",
    "join": "join requests.jsonl results.jsonl -o t.parquet --force --rejects rejects.jsonl",
    "join in workers": "join requests.jsonl results.jsonl -o t.parquet --force --workers 2",
    "join to CSV": "join requests.jsonl results.jsonl -o t.csv --force --bodies all",
    "export": "export results.jsonl -o e.parquet --force",
    "export of vectors": "export results.jsonl -o e.jsonl --force --table embeddings",
    "retry": "retry requests.jsonl results.jsonl -o retry.jsonl --force",
    "retry with a change": 'retry requests.jsonl results.jsonl -o retry.jsonl --force --set body.model="m"',
    "stats": "stats requests.jsonl results.jsonl",
    "errors": "errors results.jsonl",
    "get": "get --id r-7 requests.jsonl results.jsonl",
    "split": "split requests.jsonl -o parts --by model",
    "merge": "merge results.jsonl -o merged.jsonl --force --on-duplicate last",
    "edit": "edit requests.jsonl -o edited.jsonl --force --unset body.unheard_of",
    "show": "show requests.jsonl -n 100",
    "show as JSON": "show table.jsonl --json",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_deep_line_ends_no_command(folder, name):
    """Two equal successes that hold a thousand brackets ended join, export and retry with a RecursionError, exit 70."""
    code = "import sys; from batchfiles.cli.main import run; sys.argv[0] = 'batchfiles'; run()"
    words = COMMANDS[name].split()
    found = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert found.returncode == (1 if name == "validate" else 0), found.stderr
    assert "ecursion" not in found.stderr


def test_every_request_keeps_its_row_and_equal_deep_answers_do_not_conflict(folder):
    """The good lines around a deep one are read as ever."""
    joined = batchfiles.join(str(folder / "requests.jsonl"), str(folder / "results.jsonl"))
    rows = list(joined)
    assert len(rows) == joined.summarize().inputs == len((folder / "requests.jsonl").read_text().splitlines())
    assert [rows[number]["outcome"] for number in (0, -1)] == ["succeeded"] * 2
    assert joined.summarize().conflicting == 0
    assert joined.summarize().missing == 0


def test_deep_answers_that_differ_conflict(tmp_path):
    """At their innermost place."""
    lines = []
    for value in "12":
        body = f'{{"choices": [{ANSWER}], "deep": {"[" * DEEP}{value}{"]" * DEEP}}}'
        lines.append(f'{{"custom_id": "a", "response": {{"status_code": 200, "body": {body}}}, "error": null}}\n')
    (tmp_path / "results.jsonl").write_text("".join(lines))
    request = {"custom_id": "a", "method": "POST", "url": URL, "body": {"model": "m"}}
    (tmp_path / "requests.jsonl").write_text(json.dumps(request) + "\n")
    report = batchfiles.join(str(tmp_path)).to_parquet(tmp_path / "t.parquet")
    assert (report.conflicting, report.superseded) == (1, 1)
    assert pq.read_table(tmp_path / "t.parquet")["outcome"].to_pylist() == ["succeeded"]
