"""`batchfiles get`: what it prints where, and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.cli.main import exit_code
from batchfiles.cli.row_layout import ascii_json, pretty_json, repaired_json
from batchfiles.codec import loads
from tests.jobs.wire import put, request, success

Outcome = tuple[int, str, str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `batchfiles get` in this process; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        code = exit_code(["get", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def test_a_request_and_its_result_are_shown_indented_with_their_places(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Letters are letters, also where the file has escapes."""
    requests = put(
        tmp_path / "in.jsonl", request("1"), b'{"custom_id":"caf\\u00e9","body":{"seed":18446744073709551616,"v":[1,2]}}'
    )
    results = put(tmp_path / "out.jsonl", success("café"))
    code, out, err = ask("--id", "café", requests, results)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:9] == [
        f"{requests}:2: request",
        "{",
        '  "custom_id": "café",',
        '  "body": {',
        '    "seed": 18446744073709551616,',
        '    "v": [1,2]',
        "  }",
        "}",
        "",
    ]
    assert lines[9] == f"{results}:1: result, succeeded"


def test_raw_lines_are_the_bytes_of_the_file_and_nothing_else(tmp_path: Path) -> None:
    """Byte for byte, also if they are neither UTF-8 nor JSON."""
    lines = [b'{ "custom_id":"1" ,"body":{"seed":1E2} }\r', b'{"custom_id": "1", "body": {"x": "\xff"}}']
    path = put(tmp_path / "in.jsonl", request("0"), *lines)
    code = "from batchfiles.cli.main import run; run()"
    done = subprocess.run([sys.executable, "-c", code, "get", "--id", "1", "--raw", str(path)], capture_output=True, check=True)
    assert done.stdout == b"".join(line + b"\n" for line in lines)
    assert done.stderr == b""


def test_json_is_an_object_a_line_with_the_line_in_it(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """In ASCII; numbers keep their digits; a line that can't be read is a text."""
    cut = b'{"id": "b", "custom_id": "1", "resp'
    lines = [success("1", "Grüße \x9b"), cut]
    path = put(tmp_path / "out.jsonl", *lines)
    requests = put(tmp_path / "in.jsonl", b'{"custom_id":"1","body":{"seed":18446744073709551616}}')
    code, out, _ = ask("--id", 1, path, requests, "--json")
    assert code == 0
    assert out.isascii()
    first, second, third = map(json.loads, out.splitlines())
    assert first["line"] == json.loads(lines[0])
    assert (first["path"], first["line_number"], first["role"], first["outcome"]) == (str(path), 1, "result", "succeeded")
    assert (second["line"], second["text"], second["outcome"]) == (None, cut.decode(), "malformed")
    assert third["line"]["body"]["seed"] == 2**64
    assert third["outcome"] is None


def test_a_damaged_line_says_what_is_wrong_with_it(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """And is shown as it is."""
    _, out, _ = ask("--id", "1", put(tmp_path / "out.jsonl", b'{"id": "b", "custom_id": "1", "resp'))
    heading, line = out.splitlines()
    assert "result, malformed: not valid JSON" in heading
    assert line == '{"id": "b", "custom_id": "1", "resp'


def test_a_line_that_is_not_quite_json_is_shown_all_the_same(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """`NaN` and half a surrogate pair, as services write them."""
    path = put(tmp_path / "in.jsonl", b'{"custom_id": "1", "body": {"t": NaN, "text": "cut \\ud83d"}}')
    _, out, _ = ask("--id", "1", path)
    assert '    "t": NaN,' in out
    assert '"cut \\ud83d"' in out
    value = json.loads(ask("--id", "1", path, "--json")[1])
    assert value["line"]["body"] == {"t": None, "text": "cut \ufffd"}


def test_numbers_keep_their_digits_in_a_line_that_is_not_quite_json(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """One `NaN` reformatted the whole line: 1E2 became 100.0, 2^64 a float, and the first of two equal keys was lost."""
    body = rb'{"x":1E2,"n":18446744073709551616,"big":1e999,"a":1,"a":2,"NaN":NaN,"l":[-Infinity,Infinity],"t":"\"NaN\ud83d\/"}'
    path = put(tmp_path / "in.jsonl", b'{"custom_id": "1", "body": ' + body + b"}")
    _, out, _ = ask("--id", "1", path, "--json")
    kept = '{"x":1E2,"n":18446744073709551616,"big":1e999,"a":1,"a":2,"NaN":null,"l":[null,null],"t":"\\"NaN\\ufffd/"}'
    assert out.endswith(f'"line": {{"custom_id": "1", "body": {kept}}}}}\n')


def test_a_result_among_requests_is_called_a_result(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """It was called a request, like the first line of its file."""
    path = put(tmp_path / "mixed.jsonl", request("0"), success("1"))
    assert ask("--id", "1", path)[1].splitlines()[0] == f"{path}:2: result, succeeded"
    value = json.loads(ask("--id", "1", path, "--json")[1])
    assert (value["role"], value["outcome"]) == ("result", "succeeded")


def test_an_id_that_is_not_there_is_exit_code_1(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """With a sentence; wrong usage and files that can't be read are other codes."""
    path = put(tmp_path / "in.jsonl", request("1"))
    assert ask("--id", "2\x1b", path) == (1, "", "batchfiles: no line has the custom_id '2\\x1b'\n")
    assert ask(path)[0] == 2
    assert ask("--id", "1", path, "--raw", "--json")[0] == 2
    assert ask("--id", "1", tmp_path / "gone.jsonl")[0] == 3


def test_what_a_file_holds_can_not_write_on_the_terminal(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Escape sequences in any string are written out."""
    _, out, _ = ask("--id", "1", put(tmp_path / "in.jsonl", request("1", prompt="\x1b[2J\x9b\u202e", **{"\u2028": 1})))
    assert out.replace("\n", "").isprintable()
    assert "\\u001b[2J\\x9b\\u202e" in out


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.booleans(), st.none() | st.integers(0, 3))
def test_indenting_changes_white_space_only(value: dict[str, object], ascii_only: bool, indent: int | None) -> None:
    """As far as all letters can be seen; and ASCII is the same JSON."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert json.loads(ascii_json(text)) == value
    assert ascii_json(text).isascii()
    lines = list(pretty_json(text))
    assert all(line.isprintable() for line in lines)
    if json.dumps(value, ensure_ascii=False).isprintable():
        assert json.loads("\n".join(lines)) == value


ODD = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])) | st.sampled_from(["NaN", '"NaN'])
    | st.text(st.sampled_from('\\"\ud83d\ude00u0N')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(), ODD))
def test_what_is_not_quite_json_is_mended_as_the_decoder_does_it(value: dict[str, object]) -> None:
    """`NaN` becomes null, half a surrogate pair U+FFFD; what is JSON already stays as it is."""
    text = json.dumps(value)
    mended = repaired_json(text)
    assert orjson.loads(mended) == loads(text)
    assert repaired_json(mended) == mended


def test_deep_nesting_is_no_obstacle() -> None:
    """A thousand levels are what the decoder takes."""
    text = '{"a":' * 1000 + "{}" + "}" * 1000
    lines = list(pretty_json(text))
    assert "".join(line.strip() for line in lines) == text.replace(":", ": ")


def test_results_that_may_answer_either_request_are_pointed_out(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Two days have the same ids, and a result was shown for both questions without a note."""
    days = [put(tmp_path / f"{day}.jsonl", request("1", model=day)) for day in ("monday", "tuesday")]
    results = put(tmp_path / "answers" / "a.jsonl", success("1"))
    code, _, said = ask("--id", "1", *days, results)
    assert (code, said.splitlines()[-1]) == (
        0,
        "1 result: it is unknown which of the 2 different requests is answered; use --pair REQUESTS=RESULTS",
    )
    code, out, said = ask("--id", "1", *days, "--pair", f"{days[1]}={results}")
    assert f"result of {days[1]}, succeeded" in out
    assert "nothing shows" not in said
