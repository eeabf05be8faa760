"""Which service's format a line or a file is in."""

import io
import json
from pathlib import Path

import pytest

from batchfiles.errors import FileError, MismatchError
from batchfiles.inputs.kinds import classify, classify_lines, describe, line_format_of
from batchfiles.io.sources import Source

REQUEST = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}'
RESULT = b'{"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200, "body": {}}, "error": null}'

FIXTURES = Path(__file__).parents[2] / "fixtures"

LINES = [
    ("input", '{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {}}'),
    ("input", '{"custom_id": "a", "body": {}}'),
    ("input", '{"custom_id": "a", "method": "POST", "url": "/v1/responses"}'),
    ("input", '{"body": {"response": {"type": "json"}}, "custom_id": "a", "key": 7, "params": {}}'),
    ("output", '{"id": "batch_req_1", "custom_id": "a", "response": null, "error": {"code": "batch_expired"}}'),
    ("output", '{"custom_id": "a", "response": {"status_code": 200, "body": {}}}'),
    ("output", '{"custom_id": null, "response": {"status_code": 200}, "error": null}'),
    ("output", '{"custom_id": "a", "error": "text"}'),
    ("output", '{"response": {"status_code": 200}}'),
    ("anthropic_input", '{"custom_id": "a", "params": {"model": "claude", "max_tokens": 1, "messages": []}}'),
    ("anthropic_output", '{"custom_id": "a", "result": {"type": "succeeded", "message": {}}}'),
    ("gemini", '{"key": "a", "request": {"contents": []}}'),
    ("gemini", '{"key": "a", "response": {"candidates": []}}'),
    ("gemini", '{"key": "a", "error": {"code": 3}}'),
    ("gemini", '{"contents": [{"parts": [{"text": "Hi"}]}]}'),
    ("vertex", '{"request": {"contents": []}}'),
    ("vertex", '{"status": "", "processed_time": "2025-09-19T21:29:47", "request": {}, "response": {}}'),
    ("bedrock", '{"recordId": "CALL0000001", "modelInput": {}}'),
    ("bedrock", '{"recordId": "CALL0000001", "modelInput": {}, "modelOutput": {}}'),
    ("bedrock", '{"recordId": "CALL0000001", "modelInput": {}, "error": {"errorCode": 400}}'),
    ("unknown", "{}"),
    ("unknown", '{"messages": []}'),
    ("unknown", '{"custom_id": "a", "result": "text"}'),
]


@pytest.mark.parametrize(("line_format", "line"), LINES)
def test_the_family_of_a_line_is_recognized_by_its_keys(line_format, line):
    """With any order of the keys, and any added keys."""
    value = json.loads(line)
    assert line_format_of(value) == line_format
    assert line_format_of(dict(reversed(value.items()))) == line_format


def test_each_family_is_described_in_words():
    """A description of another service's lines names the service and what to do."""
    for line_format, service in [
        ("anthropic_input", "Anthropic"),
        ("anthropic_output", "Anthropic"),
        ("gemini", "Gemini"),
        ("vertex", "Vertex"),
        ("bedrock", "Bedrock"),
    ]:
        assert service in describe(line_format)
    assert "custom_id" in describe("unknown")


@pytest.mark.parametrize(
    ("file_role", "lines"),
    [
        ("inputs", [REQUEST, RESULT]),
        ("results", [RESULT, REQUEST]),
        ("empty", []),
        ("empty", [b"", b" \t", b"\r"]),
        ("inputs", [b"", b"not JSON", b"[1]", b'{"neither": 1}', REQUEST]),
        ("results", [b"{", RESULT + b"\r"]),
        ("inputs", [b'{"no": "sign"}'] * 5000 + [REQUEST]),
    ],
)
def test_the_first_line_that_says_what_it_is_decides(file_role, lines):
    """Blank lines, lines that can't be read and lines without a sign are passed over."""
    assert classify_lines(lines) == file_role


@pytest.mark.parametrize(
    ("file_role", "line"),
    [
        ("inputs", REQUEST[:-4]),
        ("inputs", b'{"custom_id": "a", "method": "POST", "url": "/v1/resp'),
        ("inputs", b'{"custom_id": "a", "body": {"messages": [{"content": "{\\"response\\": 1}'),
        ("inputs", b"{'custom_id': 'a', 'method': 'POST'}"),
        ("results", RESULT[:-4]),
        ("results", RESULT[:12]),
        ("results", b'{"custom_id": "a", "response": {"status_code": 200, "body": {"id'),
        ("results", b"{'custom_id': 'a', 'response': {'status_code': 200, 'body': {}}}"),
    ],
)
def test_a_file_of_unreadable_lines_is_recognized_by_its_key_names(file_role, line):
    """A cut line still shows its first keys; the same words quoted in a text don't count."""
    assert classify_lines([b"\xff\xfe", line]) == file_role


@pytest.mark.parametrize(
    "name", ["anthropic_requests", "anthropic_results", "gemini_requests", "vertex_results", "bedrock_results"]
)
def test_a_file_of_another_service_is_named_in_words(name):
    """The exception names the file and the service."""
    source = Source(name, path=FIXTURES / "other_providers" / f"{name}.jsonl")
    with pytest.raises(MismatchError) as caught:
        classify(source)
    assert caught.value.path == name
    assert name.split("_")[0] in str(caught.value).lower()


@pytest.mark.parametrize(
    ("line", "words"),
    [(b'{"messages": []}', "a shape that is not known"), (b"Dear Sir,", "no line that can be read")],
)
def test_an_ambiguous_file_is_refused(line, words):
    """Neither requests nor results: the message gives the reason."""
    with pytest.raises(MismatchError, match=words):
        classify_lines([line] * 3, "letter.jsonl")


def test_no_more_is_read_than_needed():
    """An endless file is recognized by its beginning."""

    def endless():
        yield REQUEST
        raise AssertionError("the second line was asked for")

    assert classify_lines(endless()) == "inputs"


def test_an_ambiguous_file_is_not_read_to_its_end():
    """After a megabyte, or a hundred lines that can't be read, enough was seen."""

    def endless(line):
        for _ in range(10_000):
            yield line
        raise AssertionError("all lines were read")

    for line in (b"x", b'{"no": "%s"}' % (b"x" * 1000)):
        with pytest.raises(MismatchError):
            classify_lines(endless(line))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/*.jsonl")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_fixtures_are_recognized_by_their_content(path):
    """Every file that has a readable line is sorted as its name says."""
    silent = {"cut_before_id.jsonl", "not_an_object.jsonl"}
    if path.parent.name == "other_providers" or path.name in silent or not path.stat().st_size:
        return
    expected = "inputs" if path.name.startswith(("requests", "input_")) else "results"
    assert classify(Source(path.name, path=path)) == expected


def test_a_stream_is_not_used_up():
    """What can be read once only is refused: its lines would be lost for the job."""
    stream = io.BytesIO(REQUEST)
    with pytest.raises(ValueError, match="once only"):
        classify(Source("<stdin>", stream=stream))
    assert stream.tell() == 0


def test_a_missing_file_is_not_a_mismatch(tmp_path):
    """It is the disk's fault, not the data's."""
    with pytest.raises(FileError):
        classify(Source("gone.jsonl", path=tmp_path / "gone.jsonl"))
