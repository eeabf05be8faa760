"""Lines that repeat a piece thousands of times, wherever a text may be: no command looks at a byte again and again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import batchfiles
from batchfiles import BatchFilesError, InvalidLineError
from batchfiles.codec import loads
from batchfiles.native import SWITCH
from tests.jobs.wire import failure, put, request, success

SIZE = int(os.environ.get("BATCHFILES_TEST_REPETITIVE", "30000"))
"""Bytes of the repeated pieces in a line; 240,000 of each piece are the whole test."""

MOST = 2 + SIZE / 100_000
"""Seconds of processor time; reading the square of a line takes far more."""

HERE = "HERE"
OFTEN = ['\\"', "0", "\\ud83d", "“", '{"a":', "```"]
"""Pieces for ordinary runs. Among them are those that took the square of the time, or a call for each byte."""

SELDOM = [
    '"', "{", "[", "\\\\", "'", "<", " ", ",", ":", "7", "é", "NaN", "-", "1e", ".", "/", "%", "=", 'a"', "[1,", '"a":"b",', "{{",
    "}}", "\\n", "`", "~~~", "#", "$", "@", "(", ")", "*", "_", "&", "http://", "://", "{}", "[]", "9.", "data:;base64,", "+",
    "\\t", '{"custom_id":"a"} ', "null,", 'custom_id":"', '"id":"', "req_", "«", "<p>", "&lt;", "%2e", "../",
]  # fmt: skip


def places(text: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield a request and a result with a text in each place: both may be damaged by it."""
    plain_request, plain_result = request("a"), success("a")
    asked, answered, failed = request("b", messages=[HERE]), success("b", HERE), failure("b", message=HERE)
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    quoted = json.dumps(text)[1:-1]

    def filled(line: bytes, words: str = text) -> bytes:
        return line.replace(HERE.encode(), words.encode("utf-8", "surrogatepass"))

    yield text.encode(), text.encode()
    yield filled(asked), filled(answered)
    yield asked.partition(HERE.encode())[0] + text.encode(), answered.partition(HERE.encode())[0] + text.encode()
    yield filled(request(HERE)), filled(success(HERE))
    yield filled(request("b", url=HERE)), filled(failed)
    yield filled(request("b", **{HERE: 1})), filled(json.dumps({"custom_id": "b", "error": {"code": HERE}}).encode())
    yield filled(request("b", model=HERE)), filled(plain_result.replace(b'"gpt-x-1"', b'"HERE"'))
    yield plain_request[:-1] + b", " + text.encode() + b"}", plain_result[:-1] + b", " + text.encode() + b"}"
    yield request("b", response_format=schema), filled(success("b", HERE), quoted)


def jobs(requests: Path, results: Path) -> dict[str, Callable[[], Any]]:
    """Return what is done with the files."""
    output = requests.with_name("new.jsonl")
    return {
        "read_inputs": lambda: list(batchfiles.read_inputs(requests, on_error=[].append)),
        "read_outputs": lambda: list(batchfiles.read_outputs(results, on_error=[].append)),
        "validate": lambda: str(batchfiles.validate(requests)),
        "stats": lambda: str(batchfiles.stats(requests, results)),
        "errors": lambda: str(batchfiles.error_digest(requests, results)),
        "get": lambda: list(map(str, batchfiles.get("b", requests, results))),
        "join": lambda: batchfiles.join(requests, results).to_arrow(),
        "parsed": lambda: batchfiles.join(requests, results, parsed=True, schema={"type": "object"}).to_arrow(),
        "export": lambda: batchfiles.export(results).to_arrow(),
        "retry": lambda: batchfiles.retry(requests, results, output=output, every=True, overwrite=True),
        "edit": lambda: batchfiles.edit(requests, output=output, values={"body.x": 1}, bad_lines="copy", overwrite=True),
        "split": lambda: batchfiles.split(requests, output=output.with_name("parts"), by="model", overwrite=True),
        "merge": lambda: batchfiles.merge(results, output=output, on_duplicate="first", overwrite=True),
    }


@pytest.mark.parametrize("piece", OFTEN if SIZE < 100_000 else OFTEN + SELDOM)
def test_no_job_takes_long_for_a_line_that_repeats_a_piece(tmp_path: Path, piece: str) -> None:
    """A line that was cut in a string with many quotes and half a surrogate pair took the square of its length: 3 s for 24 kB."""
    slow = {}
    for number, lines in enumerate(places(piece * (SIZE // len(piece)))):
        requests = put(tmp_path / "requests.jsonl", request("a"), lines[0], request("c"))
        results = put(tmp_path / "batch_1_output.jsonl", success("a"), lines[1])
        for name, job in jobs(requests, results).items():
            begin = time.process_time()
            with suppress(BatchFilesError):
                job()
            if (taken := time.process_time() - begin) > MOST:
                slow[number, name] = taken
    assert slow == {}


@pytest.mark.parametrize("tail", [b"\\ud83d", b"NaN", b"1e400", b""])
@pytest.mark.parametrize("piece", [b'\\"', b'"', b"\\\\", b"0", b"9" * 299 + b" ", b'"a"', b'\\ud83d"'])
def test_a_damaged_line_is_refused_in_time_in_proportion_to_its_length(piece: bytes, tail: bytes) -> None:
    """It is searched for what can be repaired; each string, number and run of digits is looked at once."""
    line = b'{"custom_id": "a", "text": "' + piece * (60_000 // len(piece)) + tail
    begin = time.process_time()
    with pytest.raises(InvalidLineError):
        loads(line)
    assert time.process_time() - begin < 1


@pytest.mark.parametrize("native", ["0", "1"])
def test_no_job_takes_long_if_all_requests_have_one_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: str) -> None:
    """A script that forgot to count: each request read all results again, 37 s for a thousand and a day for 50,000."""
    monkeypatch.setenv(SWITCH, native)
    count, slow = 2_000, {}
    requests = put(tmp_path / "requests.jsonl", *([request("a")] * (count - 1)), request("a", messages=[]))
    results = put(tmp_path / "batch_1_output.jsonl", *(success("a", str(number)) for number in range(count)))
    for name, job in jobs(requests, results).items():
        begin = time.process_time()
        with suppress(BatchFilesError):
            job()
        if (taken := time.process_time() - begin) > 10:
            slow[name] = taken
    assert slow == {}
    joined = batchfiles.join(requests, results)
    assert set(joined.to_arrow()["attempts"].to_pylist()) == {count}
    report = joined.report
    assert (report.used, report.superseded, report.conflicting) == (1, count - 1, count - 1)
