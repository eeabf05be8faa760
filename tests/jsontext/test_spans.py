"""The place of a value in a line: exactly the bytes of the last value of its key, for any spelling of the line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchfiles import codec
from batchfiles.jsontext import spans
from tests.jobs.oracle import raw_value, response_body_of

WHITE = st.sampled_from(["", "", "", " ", "\t", "  ", "\r", " \r "])
SCALARS = st.sampled_from(
    [
        "0", "-1.50e+10", "12345678901234567890123", "1E5", "18446744073709551616", "null", "true", "false",
        '""', '"}"', '"{"', '"]"', "{}", "[]",
        '"{\\"body\\":1}"', '"\\"body\\": {"', '"é\u2028\x85"', '"\\\\"', '"a\\\\\\"}"', '"\\u0062ody"', '"\\ud83d\\ude00"',
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    [
        "body", "response", "error", "a", "custom_id", "status_code", "", "x y", "}", '\\"body', "\\u007b",
        "b\\u006fdy", "bod\\u0079", "\\u0062ODY", "respons\\u0065", "err\\u006Fr",
    ]
)  # fmt: skip


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str], *members: tuple[str, st.SearchStrategy[str]]) -> str:
    """Write an object of given members and some more, in any order, with any white space."""
    written = [(key, draw(value)) for key, value in members]
    more = draw(st.lists(st.tuples(KEYS, values), max_size=3))
    written = draw(st.permutations(written + more)) if draw(st.booleans()) else written + more
    white = draw(WHITE)
    texts = [f'"{key}"{draw(WHITE)}:{draw(WHITE)}{value}' for key, value in written]
    return "{" + white + ("," + white).join(texts) + draw(WHITE) + "}"


VALUES = st.recursive(
    SCALARS,
    lambda values: objects(values) | st.lists(values, max_size=3).map(lambda items: "[" + " , ".join(items) + "]"),
    max_leaves=6,
)
BODIES = objects(VALUES) | VALUES
HEAD = ("custom_id", st.just('"x"'))
INPUTS = objects(VALUES, HEAD, ("method", st.just('"POST"')), ("url", st.just('"/v1/a"')), ("body", BODIES))
ORDINARY_INPUTS = BODIES.map('{{"custom_id": "x", "method": "POST", "url": "/v1/a", "body": {}}}'.format)
ORDINARY_RESPONSES = BODIES.map('{{"status_code": 200, "body": {}}}'.format)
RESPONSES = objects(VALUES, ("status_code", st.just("200")), ("body", BODIES)) | ORDINARY_RESPONSES
OUTPUTS = objects(VALUES, HEAD, ("response", RESPONSES), ("error", st.just("null")))
ORDINARY_OUTPUTS = RESPONSES.map('{{"custom_id": "x", "response": {}, "error": null}}'.format)


@settings(max_examples=600)
@given(text=INPUTS | ORDINARY_INPUTS, white=st.tuples(WHITE, WHITE))
@example(text='{"custom_id": "x", "body": {"a": "}"}, "body": [1]}', white=("", ""))
@example(text='{"custom_id": "x", "body": {"a": 1}, "b\\u006fdy": {"b": 2}}', white=("", "\r"))
@example(text='{"custom_id": "\\"body\\": {}", "body": {"a": 1}}', white=("", ""))
@example(text='{"custom_id": "x", "body": {"body": {"body": 1}}}', white=(" ", " "))
def test_the_body_of_a_request_is_cut_exactly(text: str, white: tuple[str, str]) -> None:
    """Odd white space, repeated keys, keys in escapes, braces in strings, keys after it: its own bytes and no others."""
    line = white[0].encode() + text.encode() + white[1].encode()
    cut = spans.body_of_input(line, codec.loads(line))
    right = raw_value(line, "body")
    assert cut == (None if right is None else right.encode())


@settings(max_examples=600)
@given(text=OUTPUTS | ORDINARY_OUTPUTS, white=st.tuples(WHITE, WHITE))
@example(text='{"custom_id": "x", "response": {"status_code": 200, "body": {"error": {}}}, "error": null}', white=("", ""))
@example(text='{"response": {"body": {"a": 1}}, "error": null, "err\\u006fr": null}', white=("", ""))
@example(text='{"response": {"body": {"a": 1}}, "response": {"body": {"b": 2}}}', white=("", ""))
@example(text='{"response": {"body": {"a": 1}, "bod\\u0079": {"b": 2}}, "error": null}', white=("", ""))
@example(text='{"response": {"id": "chatcmpl", "choices": []}, "error": null}', white=("", ""))
@example(text='{"response": null, "error": {"body": {}}}', white=("", ""))
def test_the_body_of_a_response_is_cut_exactly(text: str, white: tuple[str, str]) -> None:
    """The same for the keys of `response.body`, and for a bare completion in its place."""
    line = white[0].encode() + text.encode() + white[1].encode()
    value = codec.loads(line)
    right = response_body_of(line, value)
    assert spans.body_of_output(line, value) == (None if right is None else right.encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","seed":123456789012345678901234567890,"n":1.0,"t":1e-7}',
        b'{ "model" : "m" ,\t"messages" : [ ] }',
        b'{"text":"\\u00e9\\ud83d\\ude00 \xc3\xa9 \xe2\x80\xa8 \\/"}',
        b'{"a":1,"a":2}',
    ],
)
def test_nothing_is_rewritten(body: bytes) -> None:
    """Numbers keep their digits, letters their escapes, objects their white space and their repeated keys."""
    line = b'{"custom_id": "x", "method": "POST", "url": "/v1/a", "body": ' + body + b"}"
    assert spans.body_of_input(line, codec.loads(line)) == body
    line = (
        b'{"id": "r", "custom_id": "x", "response": {"status_code": 200, "request_id": "q", "body": '
        + body
        + b'}, "error": null}'
    )
    assert spans.body_of_output(line, codec.loads(line)) == body


@pytest.mark.parametrize("line", [b'{"custom_id": "x"}', b'{"custom_id": "\\"body\\": {}}"}', b'{"a": {"body": {}}}', b"{}"])
def test_a_line_without_a_body_has_none(line: bytes) -> None:
    """A body within another value is not the line's."""
    assert spans.body_of_input(line, codec.loads(line)) is None
    assert spans.body_of_output(line, codec.loads(line)) is None


@settings(max_examples=300)
@given(text=objects(VALUES))
def test_members_are_walked_in_their_order(text: str) -> None:
    """Each with its decoded key and the place of its value, repeated ones repeatedly."""
    pairs: list[list[tuple[str, Any]]] = []
    json.loads(text, object_pairs_hook=lambda found: pairs.append(found) or dict(found))
    found = list(spans.members(text.encode()))
    assert [member.key for member in found] == [key for key, _ in pairs[-1]]
    assert [json.loads(text.encode()[member.start : member.end]) for member in found] == [value for _, value in pairs[-1]]
    assert all(text.encode()[member.key_start : member.key_start + 1] == b'"' for member in found)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a"}', b'{"a":', b'{"a":1', b'{"a":"', b'{"a":{', b"{1:2}", b'{"a":1 "b":2}'])
def test_a_value_that_is_not_an_object_is_refused(text: bytes) -> None:
    """`members` is for lines that decode, and raises rather than run on."""
    with pytest.raises(ValueError, match=r"\w"):
        list(spans.members(text))
