"""Which texts fit a JSON Schema, their values, and the messages for the others."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from batchfiles.table.parsed_types import read_schema
from batchfiles.table.parsed_values import ConversionError, fit_for, read

CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def fitted(schema: Any, text: str, *, parse_dates: bool = False) -> Any:
    """Return the value of a text."""
    return fit_for(read_schema(schema, parse_dates=parse_dates))(read(text))


def reason(schema: Any, text: str, *, parse_dates: bool = False) -> str:
    """Return the message for a text that doesn't fit."""
    with pytest.raises(ConversionError) as caught:
        fitted(schema, text, parse_dates=parse_dates)
    return caught.value.sentence


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "9223372036854775807", 2**63 - 1),
        ({"type": "integer"}, "1.0", 1),
        ({"type": "integer"}, "-2e3", -2000),
        ({"type": "number"}, "9007199254740992", 2.0**53),
        ({"type": "number"}, "1152921504606846976", 2.0**60),
        ({"type": "number"}, "0.1", 0.1),
        ({"type": "string"}, r'"\ud83d\ude00"', "😀"),
        ({"type": "boolean"}, " true\n", True),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": "number", "enum": [1, 2]}, "1.0", 1.0),
        ({"enum": ["a", None]}, "null", None),
        ({"type": "array", "items": {"type": "integer"}}, "[]", []),
        (CLOSED, '{"a": 1, "a": 2}', {"a": 2}),
        ({"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}, '{"b": 1}', {"a": None, "b": 1}),
        ({"properties": {"a": {"type": "integer"}}}, '{"a": 1, "more": 2}', {"a": 1}),
    ],
)
def test_what_fits_is_what_json_says(schema: Any, text: str, value: Any) -> None:
    """An optional property that isn't there is null; properties that an open schema doesn't name are left out."""
    found = fitted(schema, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "text", "sentence"),
    [
        ({"type": "integer"}, "9223372036854775808", "$ is an integer beyond 64 bits"),
        ({"type": "integer"}, "1e300", "$ is an integer beyond 64 bits"),
        ({"type": "integer"}, "1.5", "$ is a number with a fraction or an exponent, not an integer"),
        ({"type": "integer"}, "true", "$ is true or false, not an integer"),
        ({"type": "integer"}, '"1"', "$ is a string, not an integer"),
        ({"type": "number"}, "9007199254740993", "$ is an integer that a double can't hold exactly"),
        ({"type": "number"}, "1e400", "$ is a number beyond what a double can hold"),
        ({"type": "number"}, "1" + "0" * 400, "$ is a number beyond what a double can hold"),
        ({"type": "number"}, "false", "$ is true or false, not a number"),
        ({"type": "string"}, "5", "$ is an integer, not a string"),
        ({"type": "string"}, "null", "$ is null, not a string"),
        ({"type": "string"}, r'"\ud83d"', "$ holds half a surrogate pair, which is not text"),
        ({"type": "boolean"}, "1", "$ is an integer, not true or false"),
        ({"enum": ["a", "b"]}, '"c"', "$ is none of the values that the schema allows"),
        ({"type": ["string", "null"], "enum": ["a"]}, "null", "$ is null, not a string"),
        ({"const": 1}, "2", "$ is none of the values that the schema allows"),
        ({"const": 1}, "true", "$ is true or false, not an integer"),
        ({"type": "array", "items": {"type": "integer"}}, "{}", "$ is an object, not an array"),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2, null]", "$[2] is null, not an integer"),
        (CLOSED, "[]", "$ is an array, not an object"),
        (CLOSED, "{}", "$.a is missing"),
        (CLOSED, '{"a": 1, "b": 2}', "$.b is a key that the schema does not allow"),
        ({"properties": {"x y": {"items": CLOSED}}}, '{"x y": [{"a": 1}, {"a": ""}]}', "$.x y[1].a is a string, not an integer"),
        (
            {"type": "integer"},
            "9007199254740993.0",
            "$ is an integer that is written as a float, and that a double may not hold exactly",
        ),
        ({"type": "object"}, "[1]", "$ is an array, not an object"),
        ({"type": "object"}, "null", "$ is null, not an object"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, '"none"', "$ is a string, not an object"),
        ({"type": ["integer", "string"]}, "[]", "$ is an array, not an integer or a string"),
        ({"type": ["integer", "string"]}, "1.5", "$ is a number with a fraction or an exponent, not an integer or a string"),
        ({"type": "array"}, "{}", "$ is an object, not an array"),
        ({"properties": {"n": {"$ref": "#"}}, "type": ["object", "null"]}, '{"n": 5}', "$.n is an integer, not an object"),
        ({**CLOSED, "required": ["a", "z"], "additionalProperties": True}, '{"a": 1}', "$.z is missing"),
        ({}, "[1e400]", "$ holds a number beyond what a double can hold"),
        ({}, "", "the text is not JSON: expecting value (character 1)"),
        ({}, "Sure! {}", "the text is not JSON: expecting value (character 1)"),
        ({}, '{"a": 1', "the text is not JSON: expecting ',' delimiter (character 8)"),
        ({}, "[NaN]", "the text is not JSON: it holds NaN"),
        ({}, "1" * 5000, "the text holds an integer of too many digits to be read"),
        ({}, "[" * 100_000, "the text is nested too deeply to be read"),
    ],
)
def test_a_text_that_does_not_fit_is_reported_in_a_sentence(schema: Any, text: str, sentence: str) -> None:
    """With the path in the answer, and without its values."""
    assert reason(schema, text) == sentence


def test_the_sentence_stays_short() -> None:
    """A key of the answer may be as long as the model liked."""
    assert len(reason(CLOSED, json.dumps({"a": 1, "k" * 10_000: 1}))) == 500


@pytest.mark.parametrize("key", [r"\ud83d", r"a.\ud83d"])
def test_the_sentence_is_a_text_whatever_the_keys_are(key: str) -> None:
    """Half a surrogate pair in a key would keep a whole table from being written."""
    assert "\ufffd" in reason(CLOSED, f'{{"a": 1, "{key}": 2}}').encode().decode()


@pytest.mark.parametrize("text", ['[1,"é😀",null,true]', '{"a":{"b":[123456789012345678901234567890,0.1]}}', '"text"', "5", "{}"])
def test_a_value_without_an_arrow_type_keeps_its_json_with_all_digits(text: str) -> None:
    """As `json.loads` reads it; only null is null."""
    assert fitted({}, text) == text
    assert fitted({"items": {}}, f"[{text}, null]") == [text, None]


def test_half_a_surrogate_pair_in_json_text_stays_an_escape() -> None:
    """JSON can represent it, UTF-8 can't."""
    kept = fitted({}, r'["é", "\ud83d"]')
    assert kept.isascii()
    assert json.loads(kept) == ["é", "\ud83d"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-08-01T12:00:00Z", datetime(2026, 8, 1, 12, tzinfo=UTC)),
        ("2026-08-01t12:00:00.5z", datetime(2026, 8, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-08-01 14:00:00.123456000+02:00", datetime(2026, 8, 1, 12, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_times_are_utc(text: str, value: datetime) -> None:
    """In the forms of RFC 3339."""
    assert fitted({"type": "string", "format": "date-time"}, json.dumps(text), parse_dates=True) == value


def test_dates_are_days() -> None:
    """Also where they may be null."""
    schema = {"items": {"type": ["string", "null"], "format": "date"}}
    assert fitted(schema, '["2024-02-29", null]', parse_dates=True) == [date(2024, 2, 29), None]


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("date", "2026-02-30", "is not a date"),
        ("date", "2026-2-3", "is not a date"),
        ("date", "0000-01-01", "is not a date"),
        ("date-time", "2026-08-01T12:00:00", "is not a time with an offset"),
        ("date-time", "2026-08-01", "is not a time with an offset"),
        ("date-time", "2026-08-01T25:00:00Z", "the clock does not have"),
        ("date-time", "2026-08-01T23:59:60Z", "the clock does not have"),
        ("date-time", "0001-01-01T00:00:00+01:00", "the clock does not have"),
        ("date-time", "2026-08-01T12:00:00.1234567Z", "more digits than microseconds"),
    ],
)
def test_times_that_are_none_do_not_fit(kind: str, text: str, words: str) -> None:
    """Only where dates are requested; else they are strings with any content."""
    schema = {"type": "string", "format": kind}
    assert words in reason(schema, json.dumps(text), parse_dates=True)
    assert fitted(schema, json.dumps(text)) == text
