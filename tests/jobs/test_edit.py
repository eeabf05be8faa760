"""`edit`: every line is changed or copied, and a file appears whole or not at all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import batchfiles
from batchfiles.errors import InvalidLineError, LineTooLongError, MismatchError, OutputExistsError
from tests.jobs.wire import put, request, success

STRANGE = b'{"custom_id" : "s",\t"body":{"model":"gpt-x", "seed":18446744073709551616,"t":1E2 , "model":"gpt-x"} }'
DEEP = b'{"custom_id":"d","body":{"model":"gpt-x","x":' + b'{"a":' * 1000 + b"1" + b"}" * 1001 + b"}"


def test_only_the_named_values_change(tmp_path: Path) -> None:
    """On lines with 2^64, `1E2`, repeated keys, odd spaces and a thousand levels."""
    source = put(tmp_path / "in.jsonl", request("a"), STRANGE, DEEP)
    report = batchfiles.edit(source, output=tmp_path / "out.jsonl", values={"body.model": "new"})
    assert (tmp_path / "out.jsonl").read_bytes() == source.read_bytes().replace(b'"gpt-x"', b'"new"')
    assert (report.lines, report.changed, report.unchanged, report.dropped) == (3, 3, 0, 0)


def test_lines_that_need_no_change_are_copied_byte_for_byte(tmp_path: Path) -> None:
    """Blank ones are left out and counted."""
    source = put(tmp_path / "in.jsonl", request("a"), b"", STRANGE, DEEP)
    report = batchfiles.edit(source, output=tmp_path / "out.jsonl", values={"body.model": "gpt-x"}, unset=["body.n"])
    assert (tmp_path / "out.jsonl").read_bytes() == source.read_bytes().replace(b"\n\n", b"\n")
    assert (report.changed, report.unchanged, report.blank_lines) == (0, 3, 1)


def test_short_lines_become_full_ones_and_full_ones_short(tmp_path: Path) -> None:
    """A value that is there already stays."""
    short = put(tmp_path / "short.jsonl", b'{"custom_id": "a", "body": {}}', b'{"custom_id": "b", "url": "/x", "body": {}}')
    batchfiles.edit(short, output=tmp_path / "full.jsonl", full="/v1/responses")
    assert (tmp_path / "full.jsonl").read_bytes().splitlines() == [
        b'{"custom_id": "a", "body": {},"method":"POST","url":"/v1/responses"}',
        b'{"custom_id": "b", "url": "/x", "body": {},"method":"POST"}',
    ]
    batchfiles.edit(tmp_path / "full.jsonl", output=tmp_path / "again.jsonl", short=True)
    assert (tmp_path / "again.jsonl").read_bytes() == short.read_bytes().replace(b'"url": "/x", ', b"")


def test_changes_are_made_in_their_order(tmp_path: Path) -> None:
    """`edits` first, as given."""
    source = put(tmp_path / "in.jsonl", b'{"custom_id": "a", "body": {"x": {"y": 1}}}')
    edits = [batchfiles.Edit.unset("body.x"), batchfiles.Edit.set("body.x.z", 2)]
    batchfiles.edit(source, output=tmp_path / "out.jsonl", edits=edits, values={"body.x.w": 3})
    assert (tmp_path / "out.jsonl").read_bytes() == b'{"custom_id": "a", "body": {"x":{"z":2,"w":3}}}\n'


def test_a_key_of_digits_is_a_key_and_never_a_position(tmp_path: Path) -> None:
    """Without a `logit_bias` in the body, other libraries create a list with 50,257 items for this path."""
    source = put(tmp_path / "in.jsonl", b'{"custom_id": "a", "body": {}}', b'{"custom_id": "b", "body": {"logit_bias": {}}}')
    batchfiles.edit(source, output=tmp_path / "out.jsonl", values={"body.logit_bias.50256": -100})
    assert (tmp_path / "out.jsonl").read_bytes().splitlines() == [
        b'{"custom_id": "a", "body": {"logit_bias":{"50256":-100}}}',
        b'{"custom_id": "b", "body": {"logit_bias": {"50256":-100}}}',
    ]


@pytest.mark.parametrize(
    ("bad", "code"), [(b'{"custom_id": "b", "body"', "invalid_json_line"), (b'{"custom_id": "b", "body": 1}', "path_not_found")]
)
def test_a_line_that_cannot_be_changed_is_refused_by_default(tmp_path: Path, bad: bytes, code: str) -> None:
    """Refused: there is no file. Copied or dropped: it is counted, with its place, and costs no other line."""
    source, output = put(tmp_path / "in.jsonl", request("a"), bad, request("c")), tmp_path / "out.jsonl"
    with pytest.raises(InvalidLineError) as caught:
        batchfiles.edit(source, output=output, values={"body.n": 1})
    assert (caught.value.code, caught.value.path, caught.value.line_number) == (code, str(source), 2)
    assert caught.value.byte_offset == len(request("a")) + 1
    assert not output.exists()
    copied = batchfiles.edit(source, output=output, values={"body.n": 1}, bad_lines="copy")
    assert output.read_bytes().splitlines()[1] == bad
    assert (copied.lines, copied.changed, copied.unchanged, copied.dropped, copied.bad_lines) == (3, 2, 1, 0, 1)
    dropped = batchfiles.edit(source, output=output, values={"body.n": 1}, bad_lines="drop", overwrite=True)
    assert [batchfiles.decode_input(line).custom_id for line in output.read_bytes().splitlines()] == ["a", "c"]
    assert (dropped.lines, dropped.changed, dropped.unchanged, dropped.dropped, dropped.bad_lines) == (3, 2, 0, 1, 1)
    assert [(found.code, found.line_number) for found in dropped.findings] == [(code, 2)]


def test_a_line_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """It can't be kept, and may not be lost."""
    source = put(tmp_path / "in.jsonl", request("a", user="x" * 200))
    with pytest.raises(LineTooLongError):
        batchfiles.edit(source, output=tmp_path / "out.jsonl", unset=["body.n"], max_line_bytes=100)
    assert not (tmp_path / "out.jsonl").exists()


def test_results_are_refused(tmp_path: Path) -> None:
    """Once each line of a result file got its own `body`, and next to requests it was the requests that were refused."""
    results, requests = put(tmp_path / "a_output.jsonl", success("a")), put(tmp_path / "b.jsonl", request("a"))
    for sources in ([results], [requests, results], [tmp_path]):
        with pytest.raises(MismatchError, match=r"a_output\.jsonl: holds results, and requests are expected here"):
            batchfiles.edit(*sources, output=tmp_path / "out.jsonl", values={"body.model": "x"}, bad_lines="copy")
        assert not (tmp_path / "out.jsonl").exists()


def test_a_value_that_a_line_cannot_hold_leaves_no_file(tmp_path: Path) -> None:
    """`nan` once became null in every line."""
    source = put(tmp_path / "in.jsonl", request("a"))
    with pytest.raises(ValueError, match="not a JSON value: nan"):
        batchfiles.edit(source, output=tmp_path / "out.jsonl", values={"body.x": float("nan")})
    assert not (tmp_path / "out.jsonl").exists()


def test_one_id_for_all_lines_is_a_wrong_call(tmp_path: Path) -> None:
    """The results could not be distinguished."""
    source = put(tmp_path / "in.jsonl", request("a"))
    with pytest.raises(ValueError, match="same custom_id"):
        batchfiles.edit(source, output=tmp_path / "out.jsonl", values={"custom_id": "x"})
    assert not (tmp_path / "out.jsonl").exists()


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    """Nothing to change, two opposite changes, a policy that is none, a string for a list, no file."""
    source, output = put(tmp_path / "in.jsonl", request("a")), tmp_path / "out.jsonl"
    with pytest.raises(ValueError, match="nothing to change"):
        batchfiles.edit(source, output=output)
    with pytest.raises(ValueError, match="not both"):
        batchfiles.edit(source, output=output, full="/x", short=True)
    with pytest.raises(ValueError, match="bad_lines"):
        batchfiles.edit(source, output=output, short=True, bad_lines="skip")
    with pytest.raises(TypeError, match="list of paths"):
        batchfiles.edit(source, output=output, unset="body")
    with pytest.raises(TypeError, match="at least one file"):
        batchfiles.edit(output=output, short=True)


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    """And the suffix says how the new file is compressed."""
    source, output = put(tmp_path / "in.jsonl", request("a")), tmp_path / "out.jsonl.gz"
    batchfiles.edit(source, output=output, values={"body.model": "x"})
    with pytest.raises(OutputExistsError):
        batchfiles.edit(source, output=output, values={"body.model": "y"})
    assert b'"x"' in gzip.decompress(output.read_bytes())
    batchfiles.edit(source, output=output, values={"body.model": "y"}, overwrite=True)
    assert b'"y"' in gzip.decompress(output.read_bytes())


def test_a_key_beside_the_body_is_a_warning(tmp_path):
    """`--set model=…` without `body.` gave each line a key that no service reads."""
    path = tmp_path / "in.jsonl"
    path.write_text('{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "x"}}\n')
    report = batchfiles.edit(
        path, output=tmp_path / "out.jsonl", values={"model": "n", "url": "/v1/responses", "body.model": "o", "mine": 1}
    )
    assert [(each.severity, each.code, each.json_path) for each in report.findings] == [
        ("warning", "unknown_parameter", "$.model"),
        ("warning", "unknown_parameter", "$.mine"),
    ]
    assert "did you mean 'body.model'?" in report.findings[0].message
