"""Reading files: the lines of given bytes, the warnings, and the exceptions."""

import gc
import gzip
import io
import itertools
import sys
import tracemalloc

import orjson
import pytest

from batchfiles.errors import FileError, InvalidLineError, LineTooLongError, TruncatedFileError
from batchfiles.reading import Line, read_inputs, read_lines, read_outputs
from batchfiles.records import BatchRequestInput, BatchRequestOutput, BatchRequestOutputError, BatchRequestOutputResponse

REQUEST = b'{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": {"input": "hi"}}'
RESULT = b'{"id": "r1", "custom_id": "a", "response": {"status_code": 200, "request_id": "q", "body": {}}, "error": null}'
EXPIRED = b'{"id": "r2", "custom_id": "b", "response": null, "error": {"code": "batch_expired", "message": "Too late."}}'
HALF_PAIR = (
    b'{"custom_id": "c", "response": {"status_code": 200, "request_id": "q", "body": "\\ud83d"}, "id": null, "error": null}'
)


@pytest.fixture
def write(tmp_path):
    """Make a file of the bytes given and return its path as text."""

    def _write(data, name="f.jsonl"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return _write


def heard(read, *sources, **options):
    """Read with a callable; return the records and the findings as (severity, code, line number, byte offset)."""
    findings = []
    records = list(read(*sources, on_error=findings.append, **options))
    return records, [(f.severity, f.code, f.line_number, f.byte_offset) for f in findings]


def test_results_know_their_places(write):
    """Path, line number and byte offset are filled in, and not compared."""
    path = write(RESULT + b"\n\r\n" + EXPIRED + b"\n")
    first, second = read_outputs(path)
    assert first == BatchRequestOutput("r1", "a", BatchRequestOutputResponse(200, "q", {}))
    assert second == BatchRequestOutput("r2", "b", None, BatchRequestOutputError("batch_expired", "Too late."))
    assert (first.path, first.line_number, first.byte_offset) == (path, 1, 0)
    assert (second.path, second.line_number, second.byte_offset) == (path, 3, len(RESULT) + 3)


def test_requests_know_their_places(write):
    """The same for request files."""
    path = write(b"\n" + REQUEST + b"\n")
    (request,) = read_inputs(path)
    assert request == BatchRequestInput("a", "POST", "/v1/responses", {"input": "hi"})
    assert (request.path, request.line_number, request.byte_offset) == (path, 2, 1)


def test_lines_come_without_their_ends(write):
    r"""One `\r` before the `\n` is not part of the line, another one is."""
    path = write(b"one\r\ntwo\r\r\nthree\r")
    assert list(read_lines(path)) == [Line(path, 1, 0, b"one"), Line(path, 2, 5, b"two\r"), Line(path, 3, 11, b"three")]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", "\x1d", "\x1e", "\r"])
def test_only_a_newline_ends_a_line(write, character):
    """Text-mode readers split at all of these."""
    path = write(f"left{character}right\n".encode())
    assert [line.data for line in read_lines(path)] == [f"left{character}right".encode()]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x7f", "\ufeff"])
def test_line_separators_within_text_survive(write, character):
    """Model text holds them raw, since compact writers do not escape them."""
    path = write(RESULT.replace(b"{}", orjson.dumps({"text": character})) + b"\n")
    (result,) = read_outputs(path)
    assert result.response.body == {"text": character}


def test_blank_lines_are_skipped_reported_and_counted(write):
    """Spaces, tabs and a carriage return are nothing, too."""
    path = write(b"\n" + RESULT + b"\n \t\r\n" + EXPIRED + b"\n\n")
    offset = 1 + len(RESULT) + 1
    expected = [
        ("warning", "blank_line", 1, 0),
        ("warning", "blank_line", 3, offset),
        ("warning", "blank_line", 5, offset + 4 + len(EXPIRED) + 1),
    ]
    records, findings = heard(read_outputs, path)
    assert [record.line_number for record in records] == [2, 4]
    assert findings == expected
    lines, findings = heard(read_lines, path)
    assert [line.line_number for line in lines] == [2, 4]
    assert findings == expected


def test_a_form_feed_is_not_blank(write):
    """JSON knows four white characters, Python more."""
    path = write(b"\f\n")
    assert [line.data for line in read_lines(path)] == [b"\f"]
    assert heard(read_inputs, path) == ([], [("error", "invalid_json_line", 1, 0)])


def test_a_byte_order_mark_is_stripped_and_reported(write):
    """The first line begins after it."""
    records, findings = heard(read_outputs, write(b"\xef\xbb\xbf" + RESULT + b"\n"))
    assert [(record.custom_id, record.byte_offset) for record in records] == [("a", 3)]
    assert findings == [("warning", "byte_order_mark", 1, 0)]


def test_a_last_line_without_a_newline_counts_and_is_reported(write):
    """Whole files of some services end without one: a last line that is complete was not cut, and `strict` accepts it too."""
    path = write(RESULT + b"\n" + EXPIRED)
    records, findings = heard(read_outputs, path)
    assert [record.custom_id for record in records] == ["a", "b"]
    assert findings == [("info", "missing_newline", 2, len(RESULT) + 1)]
    assert heard(read_outputs, path, strict=True)[1] == findings


def test_a_cut_last_line_is_an_error(write):
    """Both are reported: it is not valid JSON, and it has no newline."""
    records, findings = heard(read_outputs, write(RESULT + b"\n" + EXPIRED[:-1]))
    assert [record.custom_id for record in records] == ["a"]
    assert [(severity, code) for severity, code, *_ in findings] == [
        ("warning", "missing_newline"),
        ("error", "invalid_json_line"),
    ]


def test_a_repaired_line_is_read_and_reported(write):
    """Half a surrogate pair becomes U+FFFD."""
    records, findings = heard(read_outputs, write(HALF_PAIR + b"\n"))
    assert [record.response.body for record in records] == ["\ufffd"]
    assert findings == [("warning", "repaired_json", 1, 0)]


def test_a_line_that_is_too_long_is_one_finding_and_reading_continues(write):
    """Numbers and offsets after it are right."""
    data = RESULT + b"\n" + b" " * 500 + b"\n" + RESULT + b"\n"
    records, findings = heard(read_outputs, write(data), max_line_bytes=400)
    assert [(record.line_number, record.byte_offset) for record in records] == [(1, 0), (3, len(RESULT) + 502)]
    assert findings == [("error", "line_too_long", 2, len(RESULT) + 1)]


@pytest.mark.parametrize("read", [read_lines, read_inputs, read_outputs])
def test_a_line_that_is_too_long_is_raised(write, read):
    """Without `on_error`, as LineTooLongError, which has the limit."""
    path = write(b" " * 500 + b"\n")
    with pytest.raises(LineTooLongError) as caught:
        list(read(path, max_line_bytes=400))
    assert (caught.value.limit, caught.value.path, caught.value.line_number, caught.value.byte_offset) == (
        400,
        path,
        1,
        0,
    )


def test_good_lines_come_before_the_error(write):
    """The lines before the first bad one are yielded, then it is raised with its whole address."""
    path = write(RESULT + b"\n" + b'{"custom_id": 7, "response": null}\n' + RESULT + b"\n")
    results = read_outputs(path)
    assert next(results).custom_id == "a"
    with pytest.raises(InvalidLineError) as caught:
        next(results)
    error = caught.value
    assert str(error) == f"{path}:2: 'custom_id' must be a string (invalid_type)"
    assert (error.code, error.json_path, error.byte_offset) == ("invalid_type", "$.custom_id", len(RESULT) + 1)
    assert list(results) == []


def test_every_bad_line_is_heard(write):
    """A callable gets them all, and the good ones in between are read."""
    bad = [b"{", b"[1]", b"null", b'"x"', b"\xff", b'{"custom_id": "a"}', b'{"custom_id": "a", "response": 5}', b"{}{}"]
    path = write(b"".join(line + b"\n" + RESULT + b"\n" for line in bad))
    records, findings = heard(read_outputs, path)
    assert len(records) == len(bad)
    assert [(severity, code, number) for severity, code, number, _ in findings] == [
        ("error", "invalid_json_line", 1),
        ("error", "invalid_json_line", 3),
        ("error", "invalid_json_line", 5),
        ("error", "invalid_json_line", 7),
        ("error", "invalid_json_line", 9),
        ("error", "missing_required_parameter", 11),
        ("error", "invalid_type", 13),
        ("error", "glued_lines", 15),
    ]


STRICT = [
    (RESULT + b"\n\n", "blank_line", 2),
    (b"\xef\xbb\xbf" + RESULT + b"\n", "byte_order_mark", 1),
    (RESULT + b"\n" + HALF_PAIR + b"\n", "repaired_json", 2),
]


@pytest.mark.parametrize(("data", "code", "line_number"), STRICT, ids=[row[1] for row in STRICT])
def test_strict_makes_warnings_errors(write, data, code, line_number):
    """They are raised, or passed as errors; without `strict` they are ignored."""
    path = write(data)
    with pytest.raises(InvalidLineError) as caught:
        list(read_outputs(path, strict=True))
    assert (caught.value.code, caught.value.path, caught.value.line_number) == (code, path, line_number)
    _, findings = heard(read_outputs, path, strict=True)
    assert [(severity, found, number) for severity, found, number, _ in findings] == [("error", code, line_number)]
    list(read_outputs(path))


def test_a_damaged_file_is_raised_after_its_good_lines(write):
    """A gzip file without its end: the readable lines are yielded, then TruncatedFileError is raised."""
    path = write(gzip.compress((RESULT + b"\n") * 1000)[:-8], "f.jsonl.gz")
    results = read_outputs(path)
    assert len(list(itertools.islice(results, 997))) == 997
    with pytest.raises(TruncatedFileError) as caught:
        list(results)
    assert caught.value.path == path


def test_a_damaged_file_is_a_finding_and_the_next_one_is_read(write):
    """With `on_error`, the damaged source ends there."""
    damaged = write(gzip.compress(RESULT + b"\n")[:-8], "damaged.jsonl.gz")
    whole = write(EXPIRED + b"\n", "whole.jsonl")
    records, findings = heard(read_outputs, damaged, whole)
    assert [record.custom_id for record in records][-1] == "b"
    assert findings == [("error", "truncated_file", None, None)]


def test_every_cut_of_a_file_is_noticed(write):
    """Any damage: there are as many lines as before, or there is an error or a warning."""
    data = RESULT + b"\n" + EXPIRED + b"\r\n\n" + RESULT + b"\n"
    for length in range(len(data)):
        records, findings = heard(read_outputs, io.BytesIO(data[:length]))
        whole_lines = data[:length].endswith(b"\n") or length == 0
        assert len(records) == 3 or findings or whole_lines


def test_numbers_begin_again_in_each_file(write):
    """Lines are counted in their own file."""
    paths = [write(RESULT + b"\n", "1.jsonl"), write(RESULT + b"\n", "2.jsonl")]
    assert [(record.path, record.line_number, record.byte_offset) for record in read_outputs(*paths)] == [
        (paths[0], 1, 0),
        (paths[1], 1, 0),
    ]


def test_open_files_and_standard_input_are_sources(monkeypatch):
    """They have a name to show."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(RESULT + b"\n")))
    records = list(read_outputs("-", io.BytesIO(EXPIRED + b"\n")))
    assert [(record.custom_id, record.path) for record in records] == [("a", "<stdin>"), ("b", "<stream>")]


@pytest.mark.parametrize("read", [read_lines, read_inputs, read_outputs])
def test_a_missing_file_is_raised_by_the_call_itself(read):
    """Not only when the first line is asked for."""
    with pytest.raises(FileError, match="no such file"):
        read("/nowhere/f.jsonl")


def test_nothing_in_nothing_out():
    """An empty file has no lines and no findings."""
    assert heard(read_outputs, io.BytesIO(b"")) == ([], [])
    assert heard(read_lines, io.BytesIO(b"")) == ([], [])


def test_an_exception_raised_by_the_callable_ends_the_reading(write):
    """It is raised unchanged."""

    def stop(finding):
        raise KeyError(finding.code)

    with pytest.raises(KeyError, match="blank_line"):
        list(read_outputs(write(b"\n"), on_error=stop))


def reachable(error):
    """Collect every bytes object that an exception, its causes and the frames of its traceback hold."""
    found, queue = [], [error]
    while queue:
        item = queue.pop()
        queue.extend(other for other in (item.__cause__, item.__context__) if other is not None)
        found.extend(part for part in item.args if isinstance(part, bytes))
        trace = item.__traceback__
        while trace is not None:
            if "/batchfiles/" in trace.tb_frame.f_code.co_filename and "/tests/" not in trace.tb_frame.f_code.co_filename:
                for value in trace.tb_frame.f_locals.values():
                    found.extend(part for part in [value, *gc.get_referents(value)] if isinstance(part, bytes))
            trace = trace.tb_next
    return found


@pytest.mark.parametrize(
    "data",
    [b'{"marker": ', b"\xffmarker", b'{"custom_id": 7, "marker": 1}', b"[" * 100_000 + b"marker", b"marker" * 100],
    ids=["cut", "utf-8", "type", "deep", "long"],
)
@pytest.mark.parametrize("read", [read_inputs, read_outputs])
def test_exceptions_do_not_hold_the_line(write, read, data):
    """One kept error of a 60 MB line would keep 60 MB: not in it, not in its causes, not in the frames of its traceback."""
    path = write(b" \n" + data + b"\n")
    with pytest.raises((InvalidLineError, LineTooLongError)) as caught:
        list(read(path, max_line_bytes=200_000 if len(data) > 1000 else 500))
    assert caught.value.__context__ is None
    assert not [part for part in reachable(caught.value) if b"marker" in part]


def test_findings_are_small(write):
    """Those of long lines hold none of the lines, and take less than 512 bytes each."""
    path = write((b'{"custom_id": "' + b"x" * 2000 + b'"\n') * 1000)
    findings = []
    tracemalloc.start()
    try:
        list(read_outputs(path, on_error=findings.append))
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(findings) == 1000
    assert max(len(finding.message) for finding in findings) < 200
    assert taken < 512 * 1000
