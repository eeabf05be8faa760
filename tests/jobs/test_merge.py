"""`merge`: the lines of all files unchanged, and no id twice unless an option allows it."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles import DuplicateCustomIdError, FileError, LineTooLongError, MismatchError, OutputExistsError
from batchfiles.outcome import id_in
from tests.jobs.odd_lines import ODD
from tests.jobs.wire import put, request, success


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Name the file to write."""
    return tmp_path / "merged.jsonl"


def lines_of(path: Path) -> list[bytes]:
    """Return the lines of a file that ends with a newline."""
    text = path.read_bytes()
    assert text.endswith(b"\n")
    return text.split(b"\n")[:-1]


def test_the_lines_of_all_files_follow_each_other(tmp_path: Path, output: Path) -> None:
    """In the order in which the files were named, byte for byte."""
    first = put(tmp_path / "b.jsonl", *ODD[:4])
    second = put(tmp_path / "a.jsonl", *ODD[4:])
    report = batchfiles.merge(first, second, output=output)
    assert lines_of(output) == list(ODD)
    assert (report.lines, report.bytes, report.files) == (len(ODD), output.stat().st_size, (str(first), str(second)))
    assert (report.dropped, report.unreadable) == (0, 0)


def test_a_campaign_folder_gives_back_the_file_that_was_split(tmp_path: Path, output: Path) -> None:
    """Its results and retries are not among the parts, nor are they sorted otherwise."""
    source = put(tmp_path / "in.jsonl", *ODD)
    folder = tmp_path / "campaign"
    batchfiles.split(source, output=folder, max_requests=3, compress="zst")
    put(folder / "in-00001_output.jsonl", success("big"))
    batchfiles.merge(folder, output=output)
    assert output.read_bytes() == source.read_bytes()


def test_what_is_left_out_or_added_is_reported(tmp_path: Path, output: Path) -> None:
    """Blank lines and a byte order mark go, and lines of two files don't run into each other."""
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + request("a") + b"\n \n" + request("b"))
    report = batchfiles.merge(source, put(tmp_path / "z.jsonl", request("c")), output=output)
    assert lines_of(output) == [request("a"), request("b"), request("c")]
    assert report.blank_lines == 1
    assert [each.code for each in report.findings] == ["byte_order_mark", "missing_newline"]


def test_a_repeated_id_is_refused_with_both_places(tmp_path: Path, output: Path) -> None:
    """And no file appears."""
    first = put(tmp_path / "a.jsonl", request("x"), request("y"))
    second = put(tmp_path / "b.jsonl", request("z"), b"", request("y", n=2))
    with pytest.raises(
        DuplicateCustomIdError, match=r"b\.jsonl:3: the custom_id 'y' is already on line 2 of .*a\.jsonl"
    ) as caught:
        batchfiles.merge(first, second, output=output)
    error = caught.value
    assert (error.custom_id, error.first_path, error.first_line_number) == ("y", str(first), 2)
    assert (error.path, error.line_number) == (str(second), 3)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_ids_are_compared_as_they_decode(tmp_path: Path, output: Path) -> None:
    """Escapes are the same letters, and of a repeated key the last one counts."""
    pairs = [
        (request("café"), request("café").replace("é".encode(), b"\\u00e9")),
        (request("b"), request("a").replace(b'"method"', b'"custom_id": "b", "method"')),
        (request("b"), request("a").replace(b'"method"', b'"custom_i\\u0064": "b", "method"')),
        (request("b"), b'{"body": {}, "custom_id": "b"}'),
    ]
    for number, pair in enumerate(pairs):
        source = put(tmp_path / f"{number}.jsonl", *pair)
        with pytest.raises(DuplicateCustomIdError):
            batchfiles.merge(source, output=output)
    different = put(tmp_path / "different.jsonl", request("a"), request("a").replace(b'"method"', b'"custom_id": "b", "method"'))
    assert batchfiles.merge(different, output=output).lines == 2


ids = st.lists(st.sampled_from("abcdef"), max_size=12)


@given(files=st.lists(ids, min_size=1, max_size=4), in_memory=st.integers(0, 8), keep=st.sampled_from(["first", "last", "keep"]))
def test_one_line_of_an_id_is_kept(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[str]], in_memory: int, keep: str
) -> None:
    """The first or the last, for any number of ids in memory; the order stays."""
    place = tmp_path_factory.mktemp("place")
    lines = [[request(name, place=f"{number}.{at}") for at, name in enumerate(names)] for number, names in enumerate(files)]
    sources = [put(place / f"{number}.jsonl", *each) for number, each in enumerate(lines)]
    report = batchfiles.merge(*sources, output=place / "out.jsonl", on_duplicate=keep, ids_in_memory=in_memory)
    every = [line for each in lines for line in each]
    named = {json.loads(line)["custom_id"]: line for line in (every if keep == "last" else every[::-1])}
    expected = every if keep == "keep" else [line for line in every if line in named.values()]
    assert (place / "out.jsonl").read_bytes() == b"".join(line + b"\n" for line in expected)
    assert (report.lines, report.dropped) == (len(expected), len(every) - len(expected))


@given(names=ids, in_memory=st.integers(0, 8))
def test_a_repetition_is_found_however_few_ids_are_in_memory(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], in_memory: int
) -> None:
    """Later ones are compared at the end."""
    place = tmp_path_factory.mktemp("place")
    source = put(place / "in.jsonl", *map(request, names))
    if len(set(names)) == len(names):
        assert batchfiles.merge(source, output=place / "out.jsonl", ids_in_memory=in_memory).lines == len(names)
    else:
        with pytest.raises(DuplicateCustomIdError):
            batchfiles.merge(source, output=place / "out.jsonl", ids_in_memory=in_memory)
        assert not (place / "out.jsonl").exists()


TORN = success("a", "torn")[:-20]
NO_RESULT = b'{"id": "x", "custom_id": "a", "status": "done"}'
NO_REQUEST = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": "text"}'


@pytest.mark.parametrize("keep", ["first", "last"])
@pytest.mark.parametrize("in_memory", [0, 100])
@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ([success("a", "1"), TORN], [success("a", "1")]),
        ([TORN, success("a", "1")], [success("a", "1")]),
        ([success("b"), NO_RESULT, success("a", "1"), TORN], [success("b"), success("a", "1")]),
        ([success("b"), TORN, NO_RESULT], None),
        ([request("b"), NO_REQUEST, request("a"), request("a")[:-9]], [request("b"), request("a")]),
        ([request("b"), request("a")[:-9], request("a")], [request("b"), request("a")]),
    ],
)
def test_a_line_that_cannot_be_read_is_never_kept_for_one_that_can(
    tmp_path: Path, output: Path, keep: str, in_memory: int, lines: list[bytes], kept: list[bytes] | None
) -> None:
    """A download was cut and repeated: the torn line came last, was kept, and the good one was dropped."""
    # A file must begin with a recognizable line, so unreadable lines come in the first one.
    first = len(lines) if kept is None else 1
    files = put(tmp_path / "1.jsonl", *lines[:first]), put(tmp_path / "2.jsonl", *lines[first:])
    report = batchfiles.merge(*files, output=output, on_duplicate=keep, ids_in_memory=in_memory)
    if kept is None:  # where none can be read, the option decides
        kept = [lines[0], lines[-1] if keep == "last" else lines[1]]
    assert lines_of(output) == kept
    assert report.dropped == len(lines) - len(kept)


def test_streams_can_be_read_twice_too(tmp_path: Path, output: Path) -> None:
    """Where that is needed they are copied first."""
    stream = io.BytesIO(gzip.compress(request("a", n=1) + b"\n" + request("a", n=2) + b"\n"))
    batchfiles.merge(stream, output=output, on_duplicate="last", temp_dir=tmp_path)
    assert lines_of(output) == [request("a", n=2)]
    assert [each.name for each in tmp_path.iterdir()] == ["merged.jsonl"]


def test_results_are_merged_too(tmp_path: Path, output: Path) -> None:
    """Of one batch, or of several whose ids differ."""
    sources = [put(tmp_path / f"{name}_output.jsonl", success(name)) for name in "ab"]
    batchfiles.merge(*sources, output=output)
    assert lines_of(output) == [success("a"), success("b")]
    with pytest.raises(DuplicateCustomIdError):
        batchfiles.merge(*sources, put(tmp_path / "c.jsonl", success("b")), output=tmp_path / "other.jsonl")


def test_requests_and_results_are_not_merged(tmp_path: Path, output: Path) -> None:
    """No service and no reader would accept such a file."""
    requests, results = put(tmp_path / "a.jsonl", request("a")), put(tmp_path / "b.jsonl", success("b"))
    with pytest.raises(MismatchError, match=r"b\.jsonl: holds results, and requests are expected"):
        batchfiles.merge(requests, results, output=output)
    with pytest.raises(MismatchError, match=r"a\.jsonl: holds requests, and results are expected"):
        batchfiles.merge(results, requests, output=output)
    assert not output.exists()


def test_lines_without_an_id_are_copied_and_counted(tmp_path: Path, output: Path) -> None:
    """They can be compared with nothing; `validate` reports their faults."""
    lines = [request("a"), b"cut", request(7), b'{"custom_id": "\xff", "body": {}}', request("b")]
    report = batchfiles.merge(put(tmp_path / "in.jsonl", *lines), output=output)
    assert lines_of(output) == lines
    assert report.unreadable == 3


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_the_name_says_how_the_file_is_compressed(tmp_path: Path, suffix: str) -> None:
    """It holds the same lines."""
    target = tmp_path / f"out.jsonl{suffix}"
    report = batchfiles.merge(put(tmp_path / "in.jsonl", request("a")), output=target)
    assert [record.custom_id for record in batchfiles.read_inputs(target)] == ["a"]
    assert report.bytes == len(request("a")) + 1


def test_a_line_that_is_too_long_is_an_error(tmp_path: Path, output: Path) -> None:
    """It can't be left out silently."""
    source = put(tmp_path / "in.jsonl", request("a"), request("b", input="x" * 500))
    with pytest.raises(LineTooLongError, match="raise max_line_bytes") as caught:
        batchfiles.merge(source, output=output, max_line_bytes=300)
    assert (caught.value.line_number, caught.value.limit) == (2, 300)
    assert not output.exists()


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path: Path, output: Path) -> None:
    """As with every writer."""
    source = put(tmp_path / "in.jsonl", request("a"))
    output.write_text("mine")
    with pytest.raises(OutputExistsError):
        batchfiles.merge(source, output=output)
    assert output.read_text() == "mine"
    batchfiles.merge(source, output=output, overwrite=True)
    assert lines_of(output) == [request("a")]


@pytest.mark.parametrize(
    ("sources", "options", "error"),
    [((), {}, TypeError), (("nowhere.jsonl",), {}, FileError), (("in.jsonl",), {"on_duplicate": "best"}, ValueError)],
)
def test_a_wrong_call_is_refused(
    tmp_path: Path, output: Path, sources: tuple[str, ...], options: dict[str, Any], error: type[Exception]
) -> None:
    """Before anything is written."""
    put(tmp_path / "in.jsonl", request("a"))
    with pytest.raises(error):
        batchfiles.merge(*(tmp_path / name for name in sources), output=output, **options)
    assert not output.exists()


@given(
    st.lists(st.sampled_from([*ODD, request("a"), success("b"), b"cut", request(1), b"[]", b'{"custom_id": "\xff"}']), min_size=1)
)
def test_the_ids_of_lines_are_those_of_decoding(lines: list[bytes]) -> None:
    """For any number of lines at a time."""
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError

    def decoded(line: bytes) -> str | None:
        try:
            custom_id = loads(line).get("custom_id")
        except InvalidLineError:
            return None
        return custom_id if isinstance(custom_id, str) else None

    assert list(map(id_in, lines)) == list(map(decoded, lines))
