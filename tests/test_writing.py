"""Writing request and result files: their content, what is refused, and that a file is whole or not there."""

import gzip
import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

import batchfiles
from batchfiles.errors import (
    DuplicateCustomIdError,
    FileError,
    FileTooLargeError,
    InvalidLineError,
    LineTooLongError,
    OutputExistsError,
    TooManyEmbeddingInputsError,
    TooManyRequestsError,
)
from batchfiles.jobs.validate import validate
from batchfiles.limits import AZURE, NONE, OPENAI, TOGETHER
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
    """Keys in the order of the documentation, each line with a newline, nothing else."""
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
def test_bytes_that_are_not_a_single_line_are_refused(tmp_path, line):
    """A blank line or a second one would shift every later number."""
    with OutputWriter(tmp_path / "o.jsonl") as outputs, pytest.raises(ValueError, match="line"):
        outputs.write_line(line)
    with InputWriter(tmp_path / "i.jsonl") as inputs, pytest.raises(ValueError, match="line"):
        inputs.write_line(line, "a")


def test_a_second_custom_id_is_refused_where_it_is_written(tmp_path):
    """Both places are named, and no file appears."""
    path = tmp_path / "requests.jsonl"
    writer = InputWriter(path)
    with pytest.raises(DuplicateCustomIdError) as caught:
        write_all(writer, ("a", "b", "a", "c"))
    error = caught.value
    assert (error.custom_id, error.first_line_number, error.line_number, error.path) == ("a", 1, 3, str(path))
    assert str(error) == (
        f"{path}:3: the custom_id 'a' is already on line 1: each request of a batch needs its own (duplicate_custom_id)"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_repeated_custom_id_after_those_in_memory_is_refused_at_the_end(tmp_path):
    """The first one in the order of the file is named, and no file appears."""
    writer = InputWriter(tmp_path / "requests.jsonl", in_memory=1)
    with pytest.raises(DuplicateCustomIdError) as caught:
        write_all(writer, "abcdefghfb")
    assert (caught.value.custom_id, caught.value.first_line_number, caught.value.line_number) == ("f", 6, 9)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_request_leaves_no_trace(tmp_path):
    """A caller who catches the error inside the block can continue, and even write the id properly."""
    path = tmp_path / "requests.jsonl"
    with InputWriter(path) as writer:
        writer.write(request("a"))
        with pytest.raises(DuplicateCustomIdError):
            writer.write(request("a"))
        with pytest.raises(InvalidLineError):
            writer.write(request("b", input=object()))
        writer.write(request("b"))
    assert [item.custom_id for item in read_inputs(path)] == ["a", "b"]
    assert (writer.count, writer.bytes_written) == (2, path.stat().st_size)


def test_the_number_of_requests_is_limited(tmp_path):
    """OpenAI accepts 50,000, Azure 100,000."""
    path = tmp_path / "requests.jsonl"
    writer = InputWriter(path, limits=replace(OPENAI, max_requests=2))
    with pytest.raises(TooManyRequestsError) as caught:
        write_all(writer, "abc")
    assert (caught.value.limit, caught.value.line_number, writer.count) == (2, 3, 2)
    assert "openai takes 2 requests in one file" in str(caught.value)
    assert not path.exists()
    assert AZURE.max_requests == 100_000


def test_the_size_is_limited_before_compression(tmp_path):
    """To the byte: a file of exactly the limit is accepted."""
    line = b'{"custom_id":"a"}\n'
    limits = replace(OPENAI, max_bytes=len(line) + 100)
    with InputWriter(tmp_path / "full.jsonl.gz", limits=limits) as writer:
        writer.write_line(line, "a")
        writer.write_line(b" " * 97 + b"{}\n", "b")
    assert len(gzip.decompress((tmp_path / "full.jsonl.gz").read_bytes())) == len(line) + 100
    writer = InputWriter(tmp_path / "more.jsonl.gz", limits=limits)
    with pytest.raises(FileTooLargeError) as caught:
        write_all(writer, "abc")
    assert caught.value.limit == len(line) + 100
    assert not (tmp_path / "more.jsonl.gz").exists()


def test_the_length_of_a_line_is_limited_for_some_services(tmp_path):
    """Without its newline."""
    with InputWriter(tmp_path / "f.jsonl", limits=replace(NONE, max_line_bytes=3)) as writer:
        writer.write_line(b"123\n", "a")
        with pytest.raises(LineTooLongError) as caught:
            writer.write_line(b"1234\n", "b")
    assert (caught.value.limit, caught.value.line_number, caught.value.byte_offset) == (3, 2, 4)


def embed(custom_id, *texts):
    """A request to embed some texts."""
    return BatchRequestInput(custom_id, "POST", "/v1/embeddings", {"model": "m", "input": list(texts)})


def test_the_number_of_texts_to_embed_is_limited_over_all_requests(tmp_path):
    """The request above the limit is refused, and one that still fits is accepted after it."""
    path = tmp_path / "requests.jsonl"
    limits = replace(OPENAI, max_embedding_inputs=5)
    with InputWriter(path, limits=limits) as writer:
        writer.write(embed("a", "x", "y"))
        writer.write(embed("b", "x", "y"))
        with pytest.raises(TooManyEmbeddingInputsError) as caught:
            writer.write(embed("c", "x", "y"))
        writer.write(embed("c", "x"))
    error = caught.value
    assert (error.limit, error.code, error.path, error.line_number) == (5, "too_many_embedding_inputs", str(path), 3)
    assert "openai takes 5 texts to embed in one file: begin another one" in str(error)
    assert [len(item.body["input"]) for item in read_inputs(path)] == [2, 2, 1]
    assert validate(path, limits=limits).ok


def test_one_request_with_more_texts_than_a_file_takes_must_be_divided(tmp_path):
    """Another file would not help."""
    with (
        InputWriter(tmp_path / "f.jsonl", limits=replace(OPENAI, max_embedding_inputs=2)) as writer,
        pytest.raises(TooManyEmbeddingInputsError, match="takes 2 texts to embed in one file, and this request has 3: divide it"),
    ):
        writer.write(embed("a", "x", "y", "z"))


@pytest.mark.parametrize(
    ("content", "texts"), [("x", 1), (["x", "y"], 2), (("x", "y"), 2), ([1, 2, 3], 1), ([[1, 2], [3]], 2), (None, 0), ([], 0)]
)
def test_texts_to_embed_are_counted_as_the_check_counts_them(tmp_path, content, texts):
    """A string or a list of tokens is one; a tuple is written as a list is."""
    item = BatchRequestInput("a", "POST", "/v1/embeddings", {"model": "m", "input": content})
    for room in {max(texts - 1, 0), texts}:
        writer = InputWriter(tmp_path / f"{room}.jsonl", limits=replace(OPENAI, max_embedding_inputs=room))
        if room < texts:
            with writer, pytest.raises(TooManyEmbeddingInputsError):
                writer.write(item)
        else:
            with writer:
                writer.write(item)
            assert validate(writer.path, limits=OPENAI).files[0].embedding_inputs == texts


@pytest.mark.parametrize(
    "url", ["/v1/embeddings", "/v1/embedding\\u0073", "\\/v1\\/embeddings"], ids=["plain", "a letter escaped", "slashes escaped"]
)
def test_texts_to_embed_are_counted_in_a_line_that_is_there(tmp_path, url):
    """For any spelling of its url."""
    line = f'{{"url": "{url}", "body": {{"input": ["x", "y"]}}}}'.encode()
    with InputWriter(tmp_path / "f.jsonl", limits=replace(OPENAI, max_embedding_inputs=3)) as writer:
        writer.write_line(line, "a")
        with pytest.raises(TooManyEmbeddingInputsError):
            writer.write_line(line, "b")
        writer.write_line(b'{"url": "/v1/embeddings", "body": {"input": "x"}}', "b")
        writer.write_line(b'{"url": "/v1/responses", "body": {"input": ["embeddings", "embeddings"]}}', "c")
        writer.write_line(b'{"url": "/v1/embeddings", "body": 7}', "d")
        writer.write_line(b"embeddings, but no JSON", "e")
    assert writer.count == 5


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"custom_id": None}, "missing_required_parameter", "Missing required parameter: 'custom_id'."),
        ({"custom_id": 5}, "invalid_type", "Invalid type for 'custom_id': expected a string, but got an integer instead."),
        ({"custom_id": ""}, "invalid_value", "'custom_id' is empty: its result could not be identified."),
        ({"custom_id": "x" * 65}, "string_above_max_length", "'custom_id' has 65 characters, and 64 are allowed."),
        ({"custom_id": "x"}, "string_below_min_length", "'custom_id' has 1 characters, and 2 are needed."),
        ({"method": None}, "missing_required_parameter", "Missing required parameter: 'method'."),
        ({"method": "GET"}, "invalid_value", "Invalid value: 'GET'. The only method is 'POST'."),
        ({"url": None}, "missing_required_parameter", "Missing required parameter: 'url'."),
        ({"url": ["/v1"]}, "invalid_type", "Invalid type for 'url': expected a string, but got an array instead."),
        ({"body": None}, "missing_required_parameter", "Missing required parameter: 'body'."),
        ({"body": "{}"}, "invalid_type", "Invalid type for 'body': expected an object, but got a string instead."),
    ],
)
def test_a_request_that_no_service_takes_is_refused_as_the_check_refuses_it(tmp_path, change, code, words):
    """With the same code and message, where it is written; a caller who continues has a file without it."""
    path = tmp_path / "requests.jsonl"
    limits = replace(OPENAI, min_custom_id_length=2, max_custom_id_length=64)
    values = {"custom_id": "second", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "x"}}
    with InputWriter(path, limits=limits) as writer:
        writer.write(BatchRequestInput(**values | {"custom_id": "first"}))
        size = writer.bytes_written
        with pytest.raises(InvalidLineError) as caught:
            writer.write(BatchRequestInput(**values | change))
        writer.write(BatchRequestInput(**values))
    error = caught.value
    assert (error.code, error.reason, error.json_path) == (code, words, f"$.{next(iter(change))}")
    assert (error.path, error.line_number, error.byte_offset, error.role) == (str(path), 2, size, "input")
    assert [item.custom_id for item in read_inputs(path)] == ["first", "second"]
    found = validate(io.BytesIO(orjson.dumps(values | change) + b"\n"), limits=limits).findings[0]
    assert (found.code, found.message, found.json_path) == (error.code, error.reason, error.json_path)


def test_a_value_that_is_of_no_type_of_json_is_named_by_that_of_python(tmp_path):
    """Bytes are not a string."""
    with InputWriter(tmp_path / "f.jsonl") as writer, pytest.raises(InvalidLineError, match="expected a string, but got bytes"):
        writer.write(request(b"a"))


@pytest.mark.parametrize(
    ("custom_id", "code"), [("", "invalid_value"), (5, "invalid_type"), ("x" * 65, "string_above_max_length")]
)
def test_the_id_of_a_line_that_is_there_keeps_to_the_limits_too(tmp_path, custom_id, code):
    """Together accepts 64 characters."""
    with InputWriter(tmp_path / "f.jsonl", limits=TOGETHER) as writer:
        with pytest.raises(InvalidLineError) as caught:
            writer.write_line(b"{}", custom_id)
        writer.write_line(b"{}", "x" * 64)
    assert (caught.value.code, caught.value.line_number, writer.count) == (code, 1, 1)


def test_a_line_without_a_url_is_right_where_the_service_has_short_ones(tmp_path):
    """Its method is not checked either; a body is required, for any service."""
    with InputWriter(tmp_path / "f.jsonl", limits=TOGETHER) as writer:
        writer.write(BatchRequestInput("a", None, None, {"model": "m"}))
        with pytest.raises(InvalidLineError, match="'body'"):
            writer.write(BatchRequestInput("b", "POST", None, None))
    assert writer.count == 1


def test_without_limits_nothing_is_checked(tmp_path):
    """But ids are still unique, since results could not be distinguished."""
    with InputWriter(tmp_path / "f.jsonl", limits=NONE) as writer:
        for number in range(60_000):
            writer.write_line(b"{}\n", str(number))
        with pytest.raises(DuplicateCustomIdError):
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
    with pytest.raises(OutputExistsError), InputWriter(path):
        pytest.fail("the block must not begin")
    assert path.read_bytes() == b"old"


def test_force_replaces_and_never_appends(tmp_path):
    """And an exception leaves the older file."""
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(DuplicateCustomIdError):
        write_all(InputWriter(path, overwrite=True), "aa")
    assert path.read_bytes() == b"old"
    with OutputWriter(path, overwrite=True) as writer:
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
    """A raw file may write a part and report it."""

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
    """They would never be written, so they must not be accepted."""
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
    """/dev/full refuses every write."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb", buffering=0) as file, pytest.raises(FileError, match="no space left"):
        write_all(InputWriter(file), "a")


def test_a_closed_pipe_stays_a_closed_pipe():
    """`… | head -1` is not an error of the disk; the command line ends quietly on it."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as pipe, pytest.raises(BrokenPipeError):
        write_all(InputWriter(pipe), "a")


def test_a_dict_is_not_a_record(tmp_path: Path) -> None:
    """The error says what to write; it once named an attribute that the dict does not have. The file can be continued."""
    line = {"custom_id": "a", "url": "/v1/responses", "body": {"model": "m", "input": "x"}}
    with InputWriter(tmp_path / "requests.jsonl") as writer:
        with pytest.raises(TypeError, match=r"a BatchRequestInput is expected, not dict: use BatchRequestInput\(\*\*…\)"):
            writer.write(line)  # type: ignore[arg-type]
        writer.write(BatchRequestInput(**line))  # type: ignore[arg-type]
    assert writer.count == 1
    with (
        OutputWriter(tmp_path / "results.jsonl") as results,
        pytest.raises(TypeError, match=r"a BatchRequestOutput is expected, not dict: .* decode_output"),
    ):
        results.write({"custom_id": "a"})  # type: ignore[arg-type]


def test_a_list_of_files_is_several_arguments(tmp_path: Path) -> None:
    """`join([a, b])` said only that a list is not a path."""
    with pytest.raises(TypeError, match=r"not list: several are separate arguments, such as \*files"):
        batchfiles.join([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])  # type: ignore[arg-type]
