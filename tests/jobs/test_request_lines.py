"""Decoding request lines: the id, the url, the body and its bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchfiles.errors import InvalidLineError
from batchfiles.jobs.join.rows import RequestParts
from tests.jobs.oracle import decode, raw_value

BODIES = st.sampled_from(
    [
        b'{"model":"m"}', b"{}", b'{ "a" : [{}] }', b'{"a":"}}"}', b'{"a":1}, "url": "/v1/b", "x": {}',
        b'{"a":1}, "custom_id": "other", "x": {}', b'{"a":1}, "body": {"b":2}', b'{"a": 1', b"[1]", b"null", b'{"a": "\\ud83d"}',
        b'{"n": 12345678901234567890123}', b'{"a": NaN}', b'{"a": "\xff"}', b'{"a":1}} , {"b":{"c":1}',
    ]
)  # fmt: skip
IDS = st.sampled_from(
    [
        b"a",
        b"b",
        b"",
        b"caf\xc3\xa9",
        b"caf\\u00e9",
        b"\\\\",
        b'\\"',
        b"\x7f",
        b"\xe2\x80\xa8",
        b"\xff",
        b"\x00",
        b"\x1f",
        b"\t",
        b"\\ud83d",
    ]
)
URLS = st.sampled_from([b"/v1/chat/completions", b"/v1/embeddings", b"/v1/chat\\/x", b"/v1/caf\xc3\xa9", b""])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Write a request line with its keys in the usual order, mostly in one of the usual ways."""
    space = draw(st.sampled_from([b" ", b"", b"  "]))
    method = draw(st.sampled_from([b'"POST"', b'"GET"', b'"P\\u004fST"', b"null"]))
    members = [
        b'"custom_id"',
        b'"' + draw(IDS) + b'"',
        b'"method"',
        method,
        b'"url"',
        b'"' + draw(URLS) + b'"',
        b'"body"',
        draw(BODIES),
    ]
    pairs = [key + b":" + space + value for key, value in zip(members[::2], members[1::2], strict=True)]
    start = draw(st.sampled_from([b"", b"", b"", b" "]))
    return start + b"{" + (b"," + space).join(pairs) + draw(st.sampled_from([b"}", b"}", b"}", b"}\r", b"", b"} "]))


@settings(max_examples=1000)
@given(line=lines(), with_text=st.booleans())
@example(line=b'{"custom_id": "a", "method": "POST", "url": "/v1/a", "body": {"a": {}}, "url": "/v1/b"}', with_text=True)
def test_the_parts_are_those_of_the_decoded_line(line: bytes, with_text: bool) -> None:
    """The bytes of the body are those of the line."""
    value, mended = decode(line)
    if value is None or type(value["body"]) is not dict:
        with pytest.raises(InvalidLineError):
            RequestParts.of(line, with_text=with_text)
        return
    custom_id, url, body, text, is_repaired = RequestParts.of(line, with_text=with_text)
    assert (custom_id, url, is_repaired) == (value["custom_id"], value["url"], mended)
    assert json.dumps(body) == json.dumps(as_read(value["body"]))
    right = raw_value(line, "body")
    assert text == (right.encode() if with_text and right is not None else None)


def as_read(body: object) -> object:
    """Integers beyond 64 bits are floats to everyone here."""
    return json.loads(json.dumps(body), parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"custom_id": 5, "method": "POST", "url": "/v1/a", "body": {}}', "invalid_type"),
        (b'{"method": "POST", "url": "/v1/a", "body": {}}', "missing_required_parameter"),
        (b'{"custom_id": "a", "method": "POST", "url": "/v1/a"}', "missing_required_parameter"),
        (b'{"custom_id": "a", "method": "POST", "url": "/v1/a", "body": "{}"}', "invalid_type"),
        (b'{"id": "r", "custom_id": "a", "response": null, "error": null}', "missing_required_parameter"),
        (b"[]", "invalid_json_line"),
        (b"", "invalid_json_line"),
    ],
)
def test_a_line_without_an_id_is_refused(line: bytes, code: str) -> None:
    """With the code of what is wrong."""
    with pytest.raises(InvalidLineError) as caught:
        RequestParts.of(line, with_text=True)
    assert caught.value.code == code


def test_a_url_that_is_not_a_string_is_none() -> None:
    """It is for `validate` to find fault with it."""
    found = RequestParts.of(b'{"custom_id": "a", "url": 5, "body": {}}', with_text=False)
    assert found == ("a", None, {}, None, False)
