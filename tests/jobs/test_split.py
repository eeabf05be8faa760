"""`split`: every line unchanged, each part within every limit, and a manifest of the parts."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import resource
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles import DataError, FileError, InvalidLineError, Limits, LineTooLongError, MismatchError, OutputExistsError
from batchfiles.campaign import MANIFEST, read_manifest, write_manifest
from batchfiles.jobs.split_parts import MOST_OPEN
from batchfiles.jobs.tokens import estimated_tokens
from tests.jobs.odd_lines import ODD
from tests.jobs.wire import put, request, success

NONE = batchfiles.NONE


def contents(folder: Path) -> list[list[bytes]]:
    """Return the lines of each part, in the order of the manifest; each ends with a newline."""
    manifest = read_manifest(folder)
    assert manifest is not None
    texts = [(folder / part.file).read_bytes() for part in manifest.parts]
    assert all(text.endswith(b"\n") for text in texts)
    return [text.split(b"\n")[:-1] for text in texts]


def ids(folder: Path) -> list[list[str]]:
    """Return the ids in each part."""
    return [[json.loads(line)["custom_id"] for line in lines] for lines in contents(folder)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name the folder to make."""
    return tmp_path / "campaign"


def test_a_part_is_full_by_the_number_of_its_requests(tmp_path: Path, folder: Path) -> None:
    """The last one holds the rest."""
    source = put(tmp_path / "jobs.jsonl", *[request(f"r{number}") for number in range(5)])
    report = batchfiles.split(source, output=folder, max_requests=2)
    assert ids(folder) == [["r0", "r1"], ["r2", "r3"], ["r4"]]
    assert [part.file for part in report.parts] == [f"jobs-0000{number}.jsonl" for number in (1, 2, 3)]
    assert (report.requests, report.bytes) == (5, source.stat().st_size)


def test_a_part_is_full_by_its_bytes_with_the_newlines(tmp_path: Path, folder: Path) -> None:
    """Two lines just fit, and one byte less makes a part of each."""
    lines = [request("a"), request("b"), request("c")]
    source = put(tmp_path / "in.jsonl", *lines)
    two = len(lines[0]) + len(lines[1]) + 2
    batchfiles.split(source, output=folder, max_bytes=two)
    assert ids(folder) == [["a", "b"], ["c"]]
    batchfiles.split(source, output=folder, max_bytes=two - 1, overwrite=True)
    assert ids(folder) == [["a"], ["b"], ["c"]]


def test_the_documented_size_counts_where_a_service_takes_more(tmp_path: Path, folder: Path) -> None:
    """OpenAI refuses above 200 MiB and documents 200 MB."""
    line = request("a")
    source = put(tmp_path / "in.jsonl", line, request("b"))
    limits = Limits(name="own", max_bytes=10 * len(line), warn_bytes=len(line) + 1)
    batchfiles.split(source, output=folder, limits=limits)
    assert ids(folder) == [["a"], ["b"]]
    assert min(batchfiles.OPENAI.warn_bytes or 0, batchfiles.OPENAI.max_bytes or 0) == 200_000_000


def embed(custom_id: str, value: Any, url: str = "/v1/embeddings") -> bytes:
    """Make a request for vectors."""
    return request(custom_id, url, input=value)


def test_a_part_is_full_by_its_texts_to_embed(tmp_path: Path, folder: Path) -> None:
    """A string is one, a list of tokens is one, other lists have as many as items; other endpoints embed nothing."""
    lines = [
        embed("one", "a"),
        embed("tokens", [1, 2, 3, 4]),
        embed("two", ["a", "b"]),
        request("chat", messages=["/v1/embeddings"]),
        embed("three", [[1], [2], [3]]),
        embed("escaped", ["a", "b"]).replace(b"embeddings", b"embedding\\u0073"),
    ]
    batchfiles.split(put(tmp_path / "in.jsonl", *lines), output=folder, limits=Limits(name="own", max_embedding_inputs=4))
    assert ids(folder) == [["one", "tokens", "two", "chat"], ["three"], ["escaped"]]


def test_a_part_is_full_by_its_tokens(tmp_path: Path, folder: Path) -> None:
    """Four bytes of text are a token, rounded up for each request."""
    source = put(tmp_path / "in.jsonl", *[request(name, input="x" * 39) for name in "abc"])
    batchfiles.split(source, output=folder, max_tokens=20)
    assert ids(folder) == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, 0),
        ({"model": "a-long-name"}, 0),
        ({"input": "abcd"}, 1),
        ({"input": "abcde"}, 2),
        ({"input": "é" * 4}, 2),
        ({"messages": [{"role": "user", "content": "12345678"}]}, 3),
        ({"input": [1, 2, 3]}, 3),
        ({"input": [[1, 2], [3, 4]]}, 4),
        ({"input": [{"image_url": "data:image/png;base64,AAAA"}]}, 0),
        ({"max_tokens": 500, "temperature": 0.5, "stop": None}, 0),
        ({"input": "\ud83d"}, 1),
    ],
)
def test_tokens_are_estimated_by_a_rule_of_thumb(body: dict[str, Any], tokens: int) -> None:
    """Texts that the model reads, by their UTF-8 bytes; lists of tokens by their length; images are not text."""
    assert estimated_tokens(body) == tokens


def test_all_limits_hold_at_once(tmp_path: Path, folder: Path) -> None:
    """The first one that is reached ends a part."""
    lines = [
        *[request(f"count-{number}") for number in range(4)],  # 3 by requests
        request("long", input="x" * 380),  # too large beside the fourth
        embed("many", list("abcde")),
        embed("more", "a"),  # one text too many
    ]
    limits = Limits(name="own", max_requests=3, max_bytes=500, max_embedding_inputs=5)
    batchfiles.split(put(tmp_path / "in.jsonl", *lines), output=folder, limits=limits, max_tokens=10_000)
    assert ids(folder) == [["count-0", "count-1", "count-2"], ["count-3"], ["long"], ["many"], ["more"]]


@pytest.mark.parametrize("tokens", [None, 10**9])
def test_every_line_is_byte_identical(tmp_path: Path, folder: Path, tokens: int | None) -> None:
    """Whether it is decoded or not: large numbers, exponents, repeated keys, white space, 1,000 levels of nesting."""
    source = put(tmp_path / "in.jsonl", *ODD)
    batchfiles.split(source, output=folder, max_requests=3, max_tokens=tokens, by=("model", "url"))
    assert sorted(line for lines in contents(folder) for line in lines) == sorted(ODD)
    batchfiles.split(source, output=folder, max_requests=3, max_tokens=tokens, overwrite=True)
    assert [line for lines in contents(folder) for line in lines] == list(ODD)


def test_the_manifest_says_what_is_where(tmp_path: Path, folder: Path) -> None:
    """Counts, sizes, digests, and the lines of the source, blank ones counted."""
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\n".join([b"", request("a"), b" \t", request("b"), request("c"), b""]))
    report = batchfiles.split(source, output=folder, max_requests=2)
    manifest = read_manifest(folder)
    assert manifest == report.manifest
    assert (manifest.sources, manifest.limits) == ((str(source),), "openai")
    for part in manifest.parts:
        text = (folder / part.file).read_bytes()
        assert (part.bytes, part.sha256) == (len(text), hashlib.sha256(text).hexdigest())
    told = [(part.requests, part.source, part.first_line, part.last_line) for part in manifest.parts]
    assert told == [(2, str(source), 2, 4), (1, str(source), 5, 5)]


def test_what_is_left_out_or_added_is_reported(tmp_path: Path, folder: Path) -> None:
    """Blank lines and a byte order mark are removed, a last newline is added."""
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"\xef\xbb\xbf" + request("a") + b"\n\n\r\n" + request("b"))
    report = batchfiles.split(source, output=folder)
    assert contents(folder) == [[request("a"), request("b")]]
    assert report.blank_lines == 2
    assert [(each.code, each.line_number) for each in report.findings] == [("byte_order_mark", 1), ("missing_newline", 4)]


def test_a_service_takes_one_model_and_one_url_in_a_file(tmp_path: Path, folder: Path) -> None:
    """By both, a part for each pair, in the order of their first lines; lines without them get their own part."""
    lines = [
        request("a", "/v1/responses", model="m"),
        request("b", "/v1/responses", model="n"),
        request("c", "/v1/embeddings", model="m"),
        b'{"custom_id": "d", "body": {"model": 7}}',
        request("e", "/v1/responses", model="m"),
    ]
    report = batchfiles.split(put(tmp_path / "in.jsonl", *lines), output=folder, by=["model", "url"])
    assert ids(folder) == [["a", "e"], ["b"], ["c"], ["d"]]
    assert [dict(part.by) for part in report.parts] == [
        {"model": "m", "url": "/v1/responses"},
        {"model": "n", "url": "/v1/responses"},
        {"model": "m", "url": "/v1/embeddings"},
        {"model": None, "url": None},
    ]
    assert [(part.first_line, part.last_line) for part in report.parts] == [(1, 5), (2, 2), (3, 3), (4, 4)]


def test_a_file_of_very_many_models_has_not_all_parts_open(tmp_path: Path, folder: Path) -> None:
    """The part that waited longest is closed, so that files and memory stay few."""
    many = range(MOST_OPEN + 1)
    lines = [request(f"{turn}-{number}", model=f"m{number}") for turn in "ab" for number in many]
    report = batchfiles.split(put(tmp_path / "in.jsonl", *lines), output=folder, by="model")
    assert report.requests == len(lines)
    assert all(len({json.loads(line)["body"]["model"] for line in part}) == 1 for part in contents(folder))
    assert len(report.parts) > len(many)


def test_a_part_holds_lines_of_one_source(tmp_path: Path, folder: Path) -> None:
    """Ids restart in files; files of the same name in different folders continue the count."""
    first = put(tmp_path / "one" / "day.jsonl", request("x"))
    second = put(tmp_path / "two" / "day.jsonl.gz", request("x"))
    second.write_bytes(gzip.compress(second.read_bytes()))
    report = batchfiles.split(first, second, io.BytesIO(request("y")), output=folder)
    assert [(part.file, part.source) for part in report.parts] == [
        ("day-00001.jsonl", str(first)),
        ("day-00002.jsonl", str(second)),
        ("requests-00001.jsonl", "<stream>"),
    ]


@pytest.mark.parametrize("compress", ["gz", "bz2", "zst"])
def test_parts_may_be_compressed(tmp_path: Path, folder: Path, compress: str) -> None:
    """Sizes and digests are those of the lines, and the parts are read as any."""
    source = put(tmp_path / "in.jsonl", *[request(f"r{number}") for number in range(9)])
    plain = batchfiles.split(source, output=tmp_path / "plain", max_requests=4)
    packed = batchfiles.split(source, output=folder, max_requests=4, compress=compress)
    assert [part.file for part in packed.parts] == [f"{part.file}.{compress}" for part in plain.parts]
    assert [(part.bytes, part.sha256) for part in packed.parts] == [(part.bytes, part.sha256) for part in plain.parts]
    assert sorted(each.custom_id for each in batchfiles.read_inputs(folder)) == [f"r{number}" for number in range(9)]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"max_bytes": 100}, LineTooLongError, "fit into a part"),
        ({"limits": Limits(name="own", max_line_bytes=100)}, LineTooLongError, "and 100 fit into a part"),
        ({"limits": Limits(name="own", max_embedding_inputs=2)}, InvalidLineError, r"3 texts to embed, and 2 are allowed"),
        ({"max_tokens": 10}, InvalidLineError, "tokens, and 10 are allowed"),
        ({"max_line_bytes": 100}, LineTooLongError, "above the limit of 100 bytes"),
    ],
)
def test_a_line_that_fits_into_no_part_is_an_error_that_names_it(
    tmp_path: Path, folder: Path, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    """And no folder appears, for its request would be missing."""
    small = b'{"custom_id": "a", "body": {}}'
    source = put(tmp_path / "in.jsonl", small, small, embed("b", ["x" * 50, "y", "z"]))
    with pytest.raises(error, match=words) as caught:
        batchfiles.split(source, output=folder, **{"limits": NONE, **options})
    assert (caught.value.path, caught.value.line_number) == (str(source), 3)  # type: ignore[attr-defined]
    assert caught.value.byte_offset == 2 * len(small) + 2  # type: ignore[attr-defined]
    assert [each.name for each in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_line_that_is_not_json_is_copied(tmp_path: Path, folder: Path) -> None:
    """`validate` reports its fault; the good lines around it are not affected."""
    lines = [request("a", model="m"), b'{"custom_id": "b", cut', request("c", model="m")]
    source = put(tmp_path / "in.jsonl", *lines)
    assert batchfiles.split(source, output=folder).unreadable == 0  # not decoded
    assert contents(folder) == [lines]
    assert batchfiles.split(source, output=folder, by="model", overwrite=True).unreadable == 1
    assert contents(folder) == [[lines[0], lines[2]], [lines[1]]]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([success("a")], "holds results, and requests are expected"),
        ([b'{"recordId": "1", "modelInput": {}}'], "Bedrock"),
        ([b"no JSON"], "no line that can be read as JSON"),
        ([], "holds no request"),
        ([b"", b" "], "holds no request"),
    ],
)
def test_what_holds_no_requests_is_not_split(tmp_path: Path, folder: Path, lines: list[bytes], words: str) -> None:
    """A campaign of results would be sent and refused."""
    with pytest.raises(MismatchError, match=words):
        batchfiles.split(put(tmp_path / "in.jsonl", *lines), output=folder)
    assert not folder.exists()


def test_a_folder_that_is_there_is_kept_unless_forced(tmp_path: Path, folder: Path) -> None:
    """Nothing of the old one is in the new one."""
    source = put(tmp_path / "in.jsonl", request("a"), request("b"))
    batchfiles.split(source, output=folder, max_requests=1)
    with pytest.raises(OutputExistsError):
        batchfiles.split(source, output=folder)
    batchfiles.split(source, output=folder, overwrite=True)
    assert sorted(each.name for each in folder.iterdir()) == ["in-00001.jsonl", MANIFEST]


@pytest.mark.parametrize(
    ("later", "words"),
    [
        ("in-00001_output.jsonl", "in-00001_output.jsonl for one"),
        ("in-00003.jsonl", "in-00003.jsonl for one"),
        ("in-00001-retry-1.jsonl", "in-00001-retry-1.jsonl for one"),
        ("batch_67ab", "contains parts that were sent, such as in batch batch_67ab"),
    ],
    ids=["results", "a file beside the parts", "a retry file that the manifest names", "batches"],
)
def test_a_campaign_that_continued_is_kept_even_with_overwrite(tmp_path: Path, folder: Path, later: str, words: str) -> None:
    """The results were paid for, and without its batches the manifest cannot show which are missing."""
    source = put(tmp_path / "in.jsonl", request("a"), request("b"))
    manifest = batchfiles.split(source, output=folder, max_requests=1).manifest
    if "retry" in later:
        retry = replace(manifest.parts[0], file=later, retry_of=(manifest.parts[0].file,))
        write_manifest(folder, replace(manifest, parts=(*manifest.parts, retry)))
    if later.startswith("batch"):
        write_manifest(folder, replace(manifest, parts=(replace(manifest.parts[0], batches=(later,)), manifest.parts[1])))
    else:
        put(folder / later, success("a"))
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(FileError, match=words):
        batchfiles.split(source, output=folder, overwrite=True)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before


def test_a_campaign_without_one_of_its_parts_is_still_replaced(tmp_path: Path, folder: Path) -> None:
    """All files are of the split's making."""
    source = put(tmp_path / "in.jsonl", request("a"), request("b"))
    batchfiles.split(source, output=folder, max_requests=1)
    (folder / "in-00002.jsonl").unlink()
    batchfiles.split(source, output=folder, overwrite=True)
    assert sorted(each.name for each in folder.iterdir()) == ["in-00001.jsonl", MANIFEST]


@pytest.mark.parametrize("text", [b"{}", None], ids=["of another program", "not there"])
def test_without_a_manifest_of_ours_nothing_in_a_folder_is_replaced(tmp_path: Path, folder: Path, text: bytes | None) -> None:
    """Request files of others are called as they like."""
    source = put(tmp_path / "in.jsonl", request("a"))
    batchfiles.split(source, output=folder)
    (folder / MANIFEST).unlink() if text is None else (folder / MANIFEST).write_bytes(text)
    with pytest.raises(FileError, match=r"in-00001\.jsonl for one"):
        batchfiles.split(source, output=folder, overwrite=True)
    assert (folder / "in-00001.jsonl").exists()


def test_a_folder_with_a_damaged_manifest_is_not_replaced(tmp_path: Path, folder: Path) -> None:
    """Its list of files is lost."""
    source = put(tmp_path / "in.jsonl", request("a"))
    batchfiles.split(source, output=folder)
    (folder / MANIFEST).write_bytes(b"{")
    with pytest.raises(DataError, match=r"manifest\.json: not valid JSON"):
        batchfiles.split(source, output=folder, overwrite=True)
    assert (folder / "in-00001.jsonl").exists()


def test_a_campaign_is_split_by_its_parts(tmp_path: Path, folder: Path) -> None:
    """Its results are not requests."""
    first = tmp_path / "first"
    batchfiles.split(put(tmp_path / "in.jsonl", request("a"), request("b")), output=first)
    put(first / "in-00001_output.jsonl", success("a"))
    batchfiles.split(first, output=folder, max_requests=1)
    assert ids(folder) == [["a"], ["b"]]


def test_a_disk_that_refuses_is_an_error_without_a_folder(tmp_path: Path) -> None:
    """There is no place for the folder."""
    source = put(tmp_path / "in.jsonl", request("a"))
    with pytest.raises(FileError, match="no such file or directory"):
        batchfiles.split(source, output=tmp_path / "nowhere" / "campaign")


@pytest.mark.parametrize(
    "options", [{"by": "size"}, {"compress": "lz4"}, {"max_requests": 0}, {"max_tokens": 1, "tokens": "guess"}, {"max_bytes": -1}]
)
def test_an_option_without_sense_is_refused(tmp_path: Path, folder: Path, options: dict[str, Any]) -> None:
    """Before anything is written."""
    with pytest.raises(ValueError, match="not"):
        batchfiles.split(put(tmp_path / "in.jsonl", request("a")), output=folder, **options)
    assert not folder.exists()


def test_names_get_more_digits_where_there_are_more_parts(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the order of the names is that of the parts."""
    monkeypatch.setattr("batchfiles.jobs.split_parts.DIGITS", 1)
    source = put(tmp_path / "in.jsonl", *[request(f"r{number:02d}") for number in range(12)])
    report = batchfiles.split(source, output=folder, max_requests=1)
    names = [part.file for part in report.parts]
    assert names == sorted(names) == sorted(path.name for path in folder.glob("*.jsonl"))
    assert names[0] == "in-01.jsonl"
    assert ids(folder)[11] == ["r11"]


chats = st.builds(lambda number, fill: request(f"r{number}", input="ü" * fill), st.integers(0, 9), st.integers(0, 300))
vectors = st.builds(lambda number, texts: embed(f"é{number}", ["x"] * texts), st.integers(0, 9), st.integers(1, 5))
requests = st.lists(chats | vectors | st.sampled_from(ODD), min_size=1, max_size=40)


@given(
    lines=requests,
    most=st.integers(1, 12),
    size=st.integers(2_300, 6_000),
    texts=st.integers(5, 9),
    tokens=st.none() | st.integers(160, 900),
)
def test_split_and_merge_give_back_the_file_and_no_part_breaks_a_limit(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], most: int, size: int, texts: int, tokens: int | None
) -> None:
    """For any limits; and each part is as full as they allow."""
    place = tmp_path_factory.mktemp("place")
    source = put(place / "in.jsonl", *lines)
    limits = Limits(name="own", max_requests=most, max_bytes=size, max_embedding_inputs=texts)
    report = batchfiles.split(source, output=place / "campaign", limits=limits, max_tokens=tokens)
    batchfiles.merge(place / "campaign", output=place / "back.jsonl", on_duplicate="keep")
    assert (place / "back.jsonl").read_bytes() == source.read_bytes()
    checked = batchfiles.validate(place / "campaign", limits=limits)
    assert not {"too_many_requests", "file_too_large", "too_many_embedding_inputs"} & checked.errors.keys()
    firsts = [part.first_line or 0 for part in report.parts]
    for part, following in zip(report.parts, report.parts[1:], strict=False):
        assert part.last_line == (following.first_line or 0) - 1
        full = (
            part.requests == most
            or part.bytes + len(lines[(following.first_line or 0) - 1]) + 1 > size
            or weighs(lines[(part.first_line or 0) - 1 : (following.first_line or 0)], texts, tokens)
        )
        assert full
    assert firsts[0] == 1


def weighs(lines: list[bytes], texts: int, tokens: int | None) -> bool:
    """Tell whether lines together have too many texts or tokens for a part."""
    bodies = [batchfiles.codec.loads(line)["body"] for line in lines]
    inputs = sum(len(body["input"]) for line, body in zip(lines, bodies, strict=True) if b"/v1/embeddings" in line)
    return inputs > texts or (tokens is not None and sum(map(estimated_tokens, bodies)) > tokens)


@pytest.mark.parametrize("compress", [None, "gz"])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, folder: Path, compress: str | None) -> None:
    """Also where it is met by the thread that writes, after the last line was read."""
    source = put(tmp_path / "in.jsonl", *[request(f"r{number}", input=token_hex(500)) for number in range(200)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(FileError, match="file too large"):
            batchfiles.split(source, output=folder, compress=compress)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [each.name for each in tmp_path.iterdir()] == ["in.jsonl"]


pieces_of_files = st.lists(
    st.sampled_from([request("a"), request("bb", input="x" * 40), b"{}", b"", b" \t", b"\r", b"cut"]), max_size=12
)


@given(
    lines=pieces_of_files,
    head=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    end=st.sampled_from([b"\n", b"\r\n"]),
    ends=st.booleans(),
    most=st.integers(1, 5),
    size=st.integers(250, 700),
)
def test_a_file_is_cut_as_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], head: bytes, end: bytes, ends: bool, most: int, size: int
) -> None:
    r"""Blank lines, `\r\n`, byte order mark, no last newline: parts and manifest are those of lines that are weighed singly."""
    place = tmp_path_factory.mktemp("place")
    source = place / "in.jsonl"
    source.write_bytes(head + end.join([request("first"), *lines, b""] if ends else [request("first"), *lines, request("last")]))
    options: dict[str, Any] = {"max_requests": most, "max_bytes": size, "limits": NONE}
    fast = batchfiles.split(source, output=place / "quick", **options)
    slow = batchfiles.split(source, output=place / "slow", max_tokens=10**9, **options)
    assert fast.manifest == slow.manifest
    assert (fast.blank_lines, fast.findings) == (slow.blank_lines, slow.findings)
    assert contents(place / "quick") == contents(place / "slow")
