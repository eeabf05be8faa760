"""What compiled code makes of a line is what Python makes of it. `docs/native.md` describes the lines that it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles import native
from batchfiles.ids.index import IndexEntries, digests_of_bytes
from batchfiles.inputs.local import ResultFile
from batchfiles.io.lines import Block
from batchfiles.io.texts import Text
from batchfiles.native import SWITCH
from batchfiles.outcome import read_result
from batchfiles.table.plain_rows import PlainRows, plain_reader
from batchfiles.table.rows import RequestRows, ResultRef, schema
from tests.native.mutations import compared
from tests.native.plain import FAILURES, NEAR, PLAIN, REQUESTS, RESULTS, TEXT, result

ROOT = Path(__file__).parents[2]
FILE = ResultFile("results.jsonl", "/nowhere", "batch_1", None)

compiled = pytest.mark.skipif(
    find_spec("batchfiles_native") is None, reason="batchfiles-native is not installed: pip install ./native"
)


@pytest.fixture(autouse=True)
def _is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")


def rows_of(lines: list[bytes], *, fast: bool, bodies: str = "auto") -> tuple[Any, object]:
    """Return the rows of result lines and what was counted, with compiled code or without."""
    reader = plain_reader([FILE], bodies=bodies) if fast else None
    columns = RequestRows(schema(), keep=bodies) if reader is None else PlainRows(schema(), keep=bodies, reader=reader)
    block = Block(FILE.name, 5, 100, lines)
    for others in columns.add_results(Text.of(block), 0) if isinstance(columns, PlainRows) else [block]:
        at = 100 + sum(len(line) + 1 for line in lines[: others.line_number - 5])
        assert others.byte_offset == at
        for number, line in enumerate(others.lines, others.line_number):
            value, outcome = read_result(line)
            if value is not None:
                columns.add(None, ResultRef(outcome, line, value, FILE.name, number, FILE.batch_id, None))
    return columns.flush(), (columns.counts, columns.conversion_errors, columns.examples)


@compiled
@pytest.mark.parametrize("line", [*PLAIN, *FAILURES[:5]])
def test_plain_results_are_taken(line: bytes) -> None:
    """If the grammar became narrower, only the time would show it."""
    reader = plain_reader([FILE], bodies="auto")
    assert reader is not None
    assert reader.add_results(line + b"\n", 0, 1) == []
    assert len(reader) == 1
    assert rows_of([line], fast=True) == rows_of([line], fast=False)


@compiled
@pytest.mark.parametrize("line", [*NEAR, *FAILURES[5:]])
def test_rows_of_other_results_come_from_python(line: bytes) -> None:
    """They are in the order of the lines."""
    lines = [RESULTS[0], line, RESULTS[3], b"{", line, line, FAILURES[0], line]
    assert rows_of(lines, fast=True) == rows_of(lines, fast=False)


@compiled
def test_the_bytes_of_a_body() -> None:
    """They are those of the line, also if other values are called body, a key has escapes, or the body is not the last value."""
    line = result(TEXT, metadata={"body": "}}"}, user="a")
    turned = json.loads(line)
    turned["response"] = dict(reversed(turned["response"].items()))
    lines = [
        line,
        line.replace(b', "error": null}', b"}"),
        line.replace(b'}}, "error": null}', b'} }\t, "error" : null } '),
        line.replace(b'"body": {"id"', b'"body" :  { "id"'),
        line.replace(b'"body": {"id"', b'"bod\\u0079": {"id"'),
        line.replace(b'"custom_id": "ID"', b'"custom_id": "body"'),
        line.replace(b'"custom_id": "ID"', b'"custom_id": "a\\"body"'),
        line.replace(b', "error": null}', b', "error": null, "id": null}').replace(b'"id": "batch_req_ID", ', b""),
        json.dumps(turned).encode(),
        json.dumps(dict(reversed(turned.items()))).encode(),
    ]
    assert rows_of(lines, fast=True, bodies="all") == rows_of(lines, fast=False, bodies="all")
    assert plain_reader([FILE], bodies="all").add_results(b"\n".join([*lines, b""]), 0, 1) == []


@compiled
def test_plain_requests_are_taken(tmp_path: Path) -> None:
    """A request for vectors is not plain, nor is one whose result is not plain."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(REQUESTS[0])
    index = {"path": path, "count": 0, "shift": 64, "starts": [0, 0]}
    reader = plain_reader([FILE], bodies="auto", index=index)
    assert reader is not None
    text, plain = b"\n".join([*REQUESTS, b""]), len(REQUESTS) - 1
    others, used = reader.add_requests(text, "requests.jsonl", 2, 7, 100, digests_of_bytes)
    assert (others, used) == ([(plain, text.rindex(REQUESTS[-1]), len(text) - 1, plain)], [])
    reader.set_digests(plain, [5])
    entries = IndexEntries.from_bytes(reader.take_entries())
    exact = IndexEntries()
    exact.add_lines([*digests_of_bytes([b"ID"] * plain), 5], 2, 100, list(map(len, REQUESTS)), 7)
    assert entries.to_bytes() == exact.to_bytes()
    assert reader.take_outcomes() == {"missing": plain}


@compiled
@pytest.mark.parametrize("seed", [1, 2])
def test_lines_that_are_nearly_plain(tmp_path: Path, seed: int) -> None:
    """Tables and reports of a join and an export, of lines with a value, a key or a byte changed."""
    compared(tmp_path, seed, 1500)


@compiled
@pytest.mark.parametrize("line", RESULTS[:6])
def test_lines_that_are_nearly_as_others(tmp_path: Path, line: bytes) -> None:
    """Compiled code compares a line with templates of those before it."""
    compared(tmp_path, len(line), 300, (REQUESTS, [line]))


@compiled
def test_a_template_with_a_word_that_matters() -> None:
    """A template of a line with an unknown severity took lines with a known one, and kept their bodies."""
    lines = []
    for number, severity in enumerate(["odd", "odd", "safe", "odd", "safe", "low"]):
        value = json.loads(PLAIN[0])
        value["custom_id"] = f"id-{number}"
        value["response"]["body"]["choices"][0]["content_filter_results"] = {"hate": {"filtered": False, "severity": severity}}
        lines.append(json.dumps(value).encode())

    (fast, _), (exact, _) = rows_of(lines, fast=True), rows_of(lines, fast=False)

    assert fast == exact
    assert [body is None for body in fast["response_body"].to_pylist()] == [False, False, True, False, True, False]


@compiled
@given(st.lists(st.text(), min_size=6, max_size=6), st.booleans(), st.sampled_from(["stop", "length"]))
def test_any_text_in_any_place(texts: list[str], are_escaped: bool, finish_reason: str) -> None:
    """With escapes or without, also empty, with NUL and with characters beyond 16 bits."""
    content, refusal, reasoning, name, arguments, custom_id = texts
    calls = [{"id": name, "type": "function", "function": {"name": name, "arguments": arguments}}]
    values = [
        json.loads(result(message, finish_reason))
        for message in (
            {"content": content, "refusal": refusal or None},
            {"content": None, "refusal": refusal, "reasoning": reasoning},
            {"content": content, "tool_calls": calls},
        )
    ]
    values.append(json.loads(FAILURES[0]))
    values[-1]["response"]["body"]["error"] |= {"message": content, "code": refusal, "type": name}
    lines = [json.dumps(value | {"custom_id": custom_id}, ensure_ascii=are_escaped).encode() for value in values]
    assert rows_of(lines, fast=True) == rows_of(lines, fast=False)


@compiled
@pytest.mark.parametrize("folder", sorted(path for path in (ROOT / "fixtures").iterdir() if any(path.glob("*_output.jsonl"))))
def test_the_example_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All services and endpoints."""
    found = []
    for switch in "01":
        monkeypatch.setenv(SWITCH, switch)
        jobs = [batchfiles.export(f"{folder}/*_output.jsonl")]
        if (folder / "requests.jsonl").exists():
            jobs.append(batchfiles.join(folder))
        found.append([(job.to_arrow(), job.report.to_dict() | {"seconds": 0}) for job in jobs])
    assert found[0] == found[1]


@compiled
def test_long_lines_and_strange_names_are_left_to_python() -> None:
    """The columns of a batch stay below 2 GiB; a name that is not UTF-8 can't be a text in Arrow."""
    lines = [result({**TEXT, "content": "a" * (16 << 20)}), RESULTS[0]]
    reader = plain_reader([FILE], bodies="auto")
    assert reader is not None
    assert [other[0] for other in reader.add_results(b"\n".join([*lines, b""]), 0, 1)] == [0]
    assert plain_reader([FILE._replace(name="\udcff.jsonl")], bodies="auto") is None


def version_with(path: Path | None, code: str = "pass", **variables: str) -> str:
    """Return what runs, as another process sees it."""
    program = f"import sys; {code}; from batchfiles.cli.main import run; run()"
    variables = {**os.environ, SWITCH: "1", **variables, **({} if path is None else {"PYTHONPATH": str(path)})}
    arguments = [sys.executable, "-c", program, *(["--version"] if not code.startswith("sys.argv") else [])]
    ran = subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False, cwd=ROOT)
    return (ran.stdout + ran.stderr).strip()


def test_the_version_says_what_runs(tmp_path: Path) -> None:
    """Installed or not, or switched off."""
    assert version_with(None, "sys.modules['batchfiles_native'] = None").endswith("(pure Python)")
    assert version_with(None, BATCHFILES_NATIVE="0").endswith("(pure Python: BATCHFILES_NATIVE=0)")
    if native.describe() != "pure Python":
        assert version_with(None).endswith("(with batchfiles-native)")


def test_another_version_is_refused(tmp_path: Path) -> None:
    """With a sentence that says what to do; switched off, it does not matter."""
    (output,) = (ROOT / "fixtures" / "chat_completions").glob("*_output.jsonl")
    (tmp_path / "batchfiles_native.py").write_text("VERSION = '0.1.0'")
    assert version_with(tmp_path).endswith("(refuses batchfiles-native 0.1.0)")
    command = f"sys.argv += ['export', {str(output)!r}, '-o', '-', '--format', 'jsonl']"
    assert "batchfiles-native 0.1.0 does not fit batchfiles" in version_with(tmp_path, command)
    assert '"custom_id":"ticket-0001"' in version_with(tmp_path, command, BATCHFILES_NATIVE="0")


def test_both_packages_have_one_version() -> None:
    """And the extra names it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    crate = tomllib.loads((ROOT / "native" / "Cargo.toml").read_text("utf-8"))["package"]
    assert crate["version"] == project["version"]
    assert project["optional-dependencies"]["fast"] == [f"batchfiles-native=={project['version']}"]
