"""Whether an answer continues the bytes that are there already: it is certainly the rest, or the download restarts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.api import Response
from batchfiles.api.downloading import Append, Complete, Partial, Restart, read_content, strong_etag

TAG = '"abc"'
HAVE = Partial(40, TAG)
"""Forty bytes of a file of a hundred."""


def part(span: str = "bytes 40-99/100", etag: str | None = TAG, length: int | None = 60, **more: str) -> Response:
    """Make an answer with the rest of the file."""
    headers = {"content-range": span, **{name.replace("_", "-"): value for name, value in more.items()}}
    if etag is not None:
        headers["etag"] = etag
    if length is not None:
        headers["content-length"] = str(length)
    return Response(206, headers)


def test_the_rest_of_the_same_file_is_taken() -> None:
    """It begins where we stopped, of a hundred bytes, with the same strong tag."""
    assert read_content(part(), HAVE) == Append(40, 100, TAG)


@pytest.mark.parametrize(
    ("case", "answer"),
    [
        ("it begins elsewhere", part("bytes 39-99/100", length=61)),
        ("it begins at the beginning", part("bytes 0-99/100", length=100)),
        ("its end is before its beginning", part("bytes 40-39/100", length=0)),
        ("it goes beyond the file", part("bytes 40-100/100", length=61)),
        ("the tag has changed", part(etag='"def"')),
        ("the tag is weak", part(etag='W/"abc"')),
        ("the tag is missing", part(etag=None)),
        ("it came compressed", part(content_encoding="gzip")),
        ("the range is unreadable", part("bytes */100")),
        ("there are several parts", part("", content_type="multipart/byteranges; boundary=x")),
        ("the unit is another", part("lines 40-99/100")),
    ],
)
def test_what_is_not_surely_the_rest_is_not_taken(case: str, answer: Response) -> None:
    """Nothing is ever put together that may not belong together."""
    assert isinstance(read_content(answer, HAVE), Restart), case


def test_a_service_without_ranges_sends_the_whole_file_again() -> None:
    """A 200 to a request for a part is the file from its beginning."""
    assert read_content(Response(200, {"content-length": "100", "etag": TAG}), HAVE) == Append(0, 100, TAG)


def test_a_part_that_ends_early_is_taken_and_the_rest_asked_for_later() -> None:
    """The total shows that it is not all."""
    assert read_content(part("bytes 40-59/100", length=20), HAVE) == Append(40, 100, TAG)


def test_a_total_may_be_unknown() -> None:
    """A `*` instead of the range."""
    assert read_content(part("bytes 40-99/*"), HAVE) == Append(40, None, TAG)


def test_nothing_more_means_that_we_have_the_file_if_its_length_is_ours() -> None:
    """416 with the same length."""
    assert read_content(Response(416, {"content-range": "bytes */40"}), HAVE) == Complete()


@pytest.mark.parametrize("span", ["bytes */39", "bytes */100", "bytes */*", "", "bytes 40-99/100"])
def test_nothing_more_of_another_length_means_to_begin_again(span: str) -> None:
    """The file has shrunk, or it is another one."""
    assert isinstance(read_content(Response(416, {"content-range": span}), HAVE), Restart)


def test_a_compressed_file_is_not_taken() -> None:
    """We asked for no compression, and its length would be meaningless."""
    assert isinstance(read_content(Response(200, {"content-encoding": "gzip"}), Partial()), Restart)
    assert read_content(Response(200, {"content-encoding": "identity"}), Partial()) == Append(0, None, None)


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 416, 429, 500, 520])
def test_errors_are_none_of_this(status: int) -> None:
    """They are left to others."""
    assert read_content(Response(status), Partial()) is None


@pytest.mark.parametrize("etag", ["", '""', '"', "abc", 'W/"abc"', '"ab', '"\x01"', '"é"'])
def test_only_a_strong_tag_vouches_for_every_byte(etag: str) -> None:
    """RFC 9110, section 8.8.1."""
    assert strong_etag(Response(200, {"etag": etag})) is None


@given(
    st.sampled_from([200, 206, 416]),
    st.dictionaries(
        st.sampled_from(["content-range", "content-length", "etag", "content-encoding"]),
        st.text() | st.sampled_from(["bytes 40-99/100", TAG, "60", "-1", "bytes 0-/5", "9" * 400]),
    ),
)
def test_bytes_are_added_only_where_they_belong(status: int, headers: dict[str, str]) -> None:
    """With any headers: an offset other than 0 is ours, with our tag."""
    verdict = read_content(Response(status, headers), HAVE)
    if isinstance(verdict, Append) and verdict.offset:
        assert (verdict.offset, verdict.etag) == (HAVE.size, HAVE.etag)
