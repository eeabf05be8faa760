"""Writing request and result files: what stands in them, what is refused, and that a file is whole or not there."""

import gzip
import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from batchfiles.errors import (
    DuplicateCustomId,
    FileError,
    FileTooLarge,
    InvalidLine,
    LineTooLong,
    OutputExists,
    TooManyRequests,
)
from batchfiles.limits import AZURE, NONE, OPENAI
from batchfiles.reading import read_inputs, read_outputs
from batchfiles.records import BatchRequestInput, BatchRequestOutput, BatchRequestOutputError, BatchRequestOutputResponse
from batchfiles.writing import InputWriter, OutputWriter


def request(custom_id="a", **body):
    """A small request."""
    return BatchRequestInput(custom_id, "POST", "/v1/responses", body)


def write_all(writer, custom_ids):
    """Write a request for each id, from the beginning of the file to its end."""
    with writer:
        for custom_id in custom_ids:
            writer.write(request(custom_id))


RESULTS = [
    BatchRequestOutput("r1", "a", BatchRequestOutputResponse(200, "q", {"object": "response"})),
    BatchRequestOutput("r2", "b", None, BatchRequestOutputError("batch_expired", "Too late.")),
    BatchRequestOutput(None, "c", BatchRequestOutputResponse(400, None, None), "an error in words", {"processed_at": 1}),
]


def test_requests_are_written_one_line_each(tmp_path):
    """Keys in the order of the documentation, a newline behind each, nothing else."""
    path = tmp_path / "requests.jsonl"
    with InputWriter(path) as writer:
        writer.write(request("a", input="hé"))
        writer.write(request("b"))
    assert (
        path.read_bytes()
        == (
            '{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"input":"hé"}}\n'
            '{"custom_id":"b","method":"POST","url":"/v1/responses","body":{}}\n'
        ).encode()
    )
    assert (writer.count, writer.bytes_written, writer.path) == (2, path.stat().st_size, str(path))


def test_results_are_written_one_line_each(tmp_path):
    """They are read back as they were."""
    path = tmp_path / "results.jsonl"
    with OutputWriter(path) as writer:
        for result in RESULTS:
            writer.write(result)
    assert list(read_outputs(path)) == RESULTS
    assert (writer.count, writer.bytes_written) == (3, path.stat().st_size)


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zst", ".zstd"])
def test_the_suffix_asks_for_compression(tmp_path, suffix):
    """Bytes are counted before it, and the file is read back by its magic bytes."""
    path = tmp_path / f"requests.jsonl{suffix}"
    requests = [request(f"id-{number}", input="again and again " * 10) for number in range(5000)]
    with InputWriter(path) as writer:
        for item in requests:
            writer.write(item)
    assert list(read_inputs(path)) == requests
    assert writer.bytes_written > 1_000_000
    assert (path.stat().st_size < 200_000) == bool(suffix)


def test_a_line_that_is_there_is_written_byte_by_byte(tmp_path):
    """Odd spaces, repeated keys, large numbers and CRLF are left alone; only a missing newline is added."""
    lines = [
        b'{ "custom_id": "a", "seed": 18446744073709551616, "x": 1E2, "x": 1.0, "body": {} }\r\n',
        b'{"custom_id": "b", "body": {"text": "\\ud83d"}}',
    ]
    with InputWriter(tmp_path / "i.jsonl") as writer:
        writer.write_line(lines[0], "a")
        writer.write_line(lines[1], "b")
    with OutputWriter(tmp_path / "o.jsonl") as writer:
        for line in lines:
            writer.write_line(line)
    expected = lines[0] + lines[1] + b"\n"
    assert (tmp_path / "i.jsonl").read_bytes() == (tmp_path / "o.jsonl").read_bytes() == expected


@pytest.mark.parametrize("line", [b"", b"\n", b" \r\n", b"{}\n{}", b"{}\n\n", b"\n{}"])
def test_what_is_not_one_line_is_refused(tmp_path, line):
    """A blank line or a second one would shift every number behind it."""
    with OutputWriter(tmp_path / "o.jsonl") as outputs, pytest.raises(ValueError, match="line"):
        outputs.write_line(line)
    with InputWriter(tmp_path / "i.jsonl") as inputs, pytest.raises(ValueError, match="line"):
        inputs.write_line(line, "a")


def test_a_second_custom_id_is_refused_where_it_is_written(tmp_path):
    """Both places are named, and no file appears."""
    path = tmp_path / "requests.jsonl"
    writer = InputWriter(path)
    with pytest.raises(DuplicateCustomId) as caught:
        write_all(writer, ("a", "b", "a", "c"))
    error = caught.value
    assert (error.custom_id, error.first_line_number, error.line_number, error.path) == ("a", 1, 3, str(path))
    assert str(error) == (
        f"{path}:3: the custom_id 'a' stands on line 1 already: each request of a batch needs its own (duplicate_custom_id)"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_second_custom_id_behind_those_in_memory_is_refused_at_the_end(tmp_path):
    """The first one in the order of the file is named, and no file appears."""
    writer = InputWriter(tmp_path / "requests.jsonl", in_memory=1)
    with pytest.raises(DuplicateCustomId) as caught:
        write_all(writer, "abcdefghfb")
    assert (caught.value.custom_id, caught.value.first_line_number, caught.value.line_number) == ("f", 6, 9)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_request_leaves_no_trace(tmp_path):
    """Who catches the error inside of the block can go on, and even write the id properly."""
    path = tmp_path / "requests.jsonl"
    with InputWriter(path) as writer:
        writer.write(request("a"))
        with pytest.raises(DuplicateCustomId):
            writer.write(request("a"))
        with pytest.raises(InvalidLine):
            writer.write(request("b", input=object()))
        writer.write(request("b"))
    assert [item.custom_id for item in read_inputs(path)] == ["a", "b"]
    assert (writer.count, writer.bytes_written) == (2, path.stat().st_size)


def test_the_number_of_requests_is_limited(tmp_path):
    """OpenAI takes 50,000, Azure 100,000."""
    path = tmp_path / "requests.jsonl"
    writer = InputWriter(path, limits=replace(OPENAI, max_requests=2))
    with pytest.raises(TooManyRequests) as caught:
        write_all(writer, "abc")
    assert (caught.value.limit, caught.value.line_number, writer.count) == (2, 3, 2)
    assert "openai takes 2 requests in one file" in str(caught.value)
    assert not path.exists()
    assert AZURE.max_requests == 100_000


def test_the_size_is_limited_before_compression(tmp_path):
    """To the byte: a file of exactly the limit is taken."""
    line = b'{"custom_id":"a"}\n'
    limits = replace(OPENAI, max_bytes=len(line) + 100)
    with InputWriter(tmp_path / "full.jsonl.gz", limits=limits) as writer:
        writer.write_line(line, "a")
        writer.write_line(b" " * 97 + b"{}\n", "b")
    assert len(gzip.decompress((tmp_path / "full.jsonl.gz").read_bytes())) == len(line) + 100
    writer = InputWriter(tmp_path / "more.jsonl.gz", limits=limits)
    with pytest.raises(FileTooLarge) as caught:
        write_all(writer, "abc")
    assert caught.value.limit == len(line) + 100
    assert not (tmp_path / "more.jsonl.gz").exists()


def test_the_length_of_a_line_is_limited_where_a_service_says_so(tmp_path):
    """Without its newline."""
    with InputWriter(tmp_path / "f.jsonl", limits=replace(NONE, max_line_bytes=3)) as writer:
        writer.write_line(b"123\n", "a")
        with pytest.raises(LineTooLong) as caught:
            writer.write_line(b"1234\n", "b")
    assert (caught.value.cap, caught.value.line_number, caught.value.byte_offset) == (3, 2, 4)


def test_no_limits_are_no_limits(tmp_path):
    """But ids are still unique, since results could not be told apart."""
    with InputWriter(tmp_path / "f.jsonl", limits=NONE) as writer:
        for number in range(60_000):
            writer.write_line(b"{}\n", str(number))
        with pytest.raises(DuplicateCustomId):
            writer.write_line(b"{}\n", "7")
    assert writer.count == 60_000


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("writer", [InputWriter, OutputWriter])
def test_after_an_exception_nothing_appears(tmp_path, writer, suffix):
    """Neither the file nor a temporary one, and the exception is the one that was raised."""
    with pytest.raises(KeyboardInterrupt), writer(tmp_path / f"f.jsonl{suffix}"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_is_not_touched_without_force(tmp_path):
    """It is refused before any work."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(OutputExists), InputWriter(path):
        pytest.fail("the block must not begin")
    assert path.read_bytes() == b"old"


def test_force_replaces_and_never_appends(tmp_path):
    """And an exception leaves the older file."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(DuplicateCustomId):
        write_all(InputWriter(path, force=True), "aa")
    assert path.read_bytes() == b"old"
    with OutputWriter(path, force=True) as writer:
        writer.write_line(b"{}")
    assert path.read_bytes() == b"{}\n"


def test_an_open_file_is_flushed_and_stays_open(tmp_path):
    """It is the caller's."""
    sink = io.BytesIO()
    with InputWriter(sink) as writer:
        writer.write(request("a"))
    assert orjson.loads(sink.getvalue())["custom_id"] == "a"
    with (tmp_path / "f").open("wb", buffering=0) as file:
        with OutputWriter(file) as writer:
            for _ in range(5000):
                writer.write_line(b'{"x":"' + b"y" * 100 + b'"}')
        assert not file.closed
    assert (tmp_path / "f").stat().st_size == writer.bytes_written


def test_an_unbuffered_file_that_takes_little_at_a_time_gets_everything():
    """A raw file may write a part and say so."""

    class Sip(io.RawIOBase):
        taken = b""

        def writable(self):
            return True

        def write(self, data):
            self.taken += bytes(data[:7])
            return len(data[:7])

    sink = Sip()
    with OutputWriter(sink) as writer:
        for result in RESULTS:
            writer.write(result)
    assert list(read_outputs(io.BytesIO(sink.taken))) == RESULTS


def test_standard_output_is_a_target(monkeypatch):
    """By its name `-`."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    with OutputWriter("-") as writer:
        writer.write_line(b"{}")
    assert sys.stdout.buffer.getvalue() == b"{}\n"
    assert writer.path == "<stdout>"


def test_a_text_file_is_refused():
    """It would encode and translate newlines."""
    with pytest.raises(TypeError, match="'wb'"):
        OutputWriter(io.StringIO())


def test_writing_outside_of_the_block_is_refused(tmp_path):
    """Lines that nobody would ever write must not be taken."""
    writer = OutputWriter(tmp_path / "f.jsonl")
    with pytest.raises(ValueError, match="`with` block"):
        writer.write(RESULTS[0])
    with writer:
        writer.write(RESULTS[0])
    with pytest.raises(ValueError, match="`with` block"):
        writer.write(RESULTS[0])


def test_a_missing_folder_is_a_file_error(tmp_path):
    """With the name that was asked for."""
    with pytest.raises(FileError) as caught, OutputWriter(tmp_path / "no" / "f.jsonl"):
        pytest.fail("the block must not begin")
    assert caught.value.path == str(tmp_path / "no" / "f.jsonl")


def test_a_full_disk_is_a_file_error():
    """/dev/full says no to every write."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb", buffering=0) as file, pytest.raises(FileError, match="no space left"):
        write_all(InputWriter(file), "a")


def test_a_closed_pipe_stays_a_closed_pipe():
    """`… | head -1` is no error of the disk; the command line ends quietly on it."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as pipe, pytest.raises(BrokenPipeError):
        write_all(InputWriter(pipe), "a")
