"""Conversion between a line of bytes, a dict and a record. The only module of the file side that imports orjson.

`loads` is orjson, with a slow path for what orjson refuses and real files contain: escapes of lone surrogates (cut model output)
and bare `NaN` (SGLang's batch writer). orjson reads 1,024 levels, more than Python's stack has, so a decoded value is not walked
recursively. Integers beyond 64 bits become floats, as in orjson; code that needs all their digits takes the bytes.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeAlias

import orjson

from batchfiles.errors import InvalidLineError
from batchfiles.records import (
    BatchRequestInput,
    BatchRequestOutput,
    BatchRequestOutputError,
    BatchRequestOutputResponse,
    not_a_record,
)

JSONBytes: TypeAlias = bytes | bytearray | memoryview

JSON_WHITESPACE = b" \t\r\n"
SURROGATE = re.compile("[\ud800-\udfff]")
GLUED = "glued_lines"
"""The finding code of several objects on one line: files that end without a newline were concatenated."""
EXTRA = "unexpected content after document"
"""orjson's message for them."""
DECODER = json.JSONDecoder()
SPACE = re.compile(r"[ \t\r\n]*")
NOT_AN_OBJECT = "the line is JSON but not an object"

write = orjson.dumps
new = object.__new__

NOT_STRICT = "it contains half a surrogate pair, NaN, or a number too large for a float"
"""Why a line is `Repaired`."""

parse = orjson.loads
"""Strict JSON, for loops that try this first and call `loads` for what it refuses."""


class Repaired(dict[str, Any]):
    """A decoded line that is not strictly JSON: lone surrogates became U+FFFD, `NaN` and infinities None.

    The type is the mark, so that ordinary lines cost nothing: check `type(value) is not dict`.
    """


def loads(line: JSONBytes | str) -> dict[str, Any]:
    """Decode one line.

    Returns:
        The object on the line; a `Repaired` one where the line is not strictly JSON.

    Raises:
        InvalidLineError: `invalid_json_line`: it is not JSON, not UTF-8, too deep, or not an object; `glued_lines`: it contains
            several objects.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        reason, place = error.msg, error.pos
    else:
        if type(value) is dict:
            return value
        raise InvalidLineError(NOT_AN_OBJECT, code="invalid_json_line")
    # Outside the except block: an orjson error holds the whole line, and so would an exception that it caused.
    return _repair(line, f"not valid JSON: {reason} (character {place + 1})")


def _repair(line: JSONBytes | str, reason: str) -> Repaired:
    """Decode a line that orjson refused, or raise `reason`. Not `json.loads`: how deep it reads depends on the caller's stack."""
    message = reason
    try:
        text = SURROGATE.sub("\ufffd", line).encode() if isinstance(line, str) else str(line, "utf-8").encode()
        if is_repairable(text) or isinstance(line, str):
            value = orjson.loads(TOKEN.sub(_repaired_token, text))
            if type(value) is dict:
                return Repaired(value)
            message = reason = NOT_AN_OBJECT
    except UnicodeDecodeError as error:
        message = reason = f"not valid UTF-8 (byte {error.start + 1})"
    except orjson.JSONDecodeError as error:  # the reason is that of the original line, with one exception
        message = error.msg
    if TOO_DEEP.search(message):
        reason = "nested too deeply to be read"
    elif EXTRA in reason and (count := glued_objects(line)):
        raise InvalidLineError(glued_words(count), code=GLUED)
    raise InvalidLineError(reason, code="invalid_json_line")


def glued_objects(line: JSONBytes | str) -> int:
    """Count the JSON objects of a line that consists of several objects; 0 for other lines."""
    rest = line if isinstance(line, str) else str(line, "utf-8", "replace")
    count, start = 0, len(rest) - len(rest.lstrip())
    while rest.startswith("{", start):
        try:
            _, end = DECODER.raw_decode(rest, start)
        except (ValueError, RecursionError):
            return 0
        count += 1
        start = SPACE.match(rest, end).end()  # type: ignore[union-attr]
    return count if count > 1 and start == len(rest) else 0


def glued_words(count: int) -> str:
    """Return the message for several objects on one line."""
    return f"{count:,} JSON objects without a newline between them: 'jq -c . FILE' writes one object to a line"


TOKEN = re.compile(
    rb'(?:"[^"\\]*"[^"0-9NI-]*){1,64}|"[^"\\]*(?:\\.[^"\\]*)*"?|NaN|-?Infinity|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?',
    re.DOTALL,
)
"""Strings without a backslash and what is between them; a string; or a number, in JSON or in Python's dialect of it.

At most 64 strings, so that there is little to go back to: `++` is wrong before Python 3.11.5. A string that was cut ends with the
text: otherwise each quote in it would be tried, and the time would grow with the square.
"""

ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
"""An escape in a string; the group is half of a surrogate pair."""
LARGE = re.compile(rb"[0-9](?:[eE]\+?[0-9]{2}|(?<![0-9][0-9])[0-9]{299})")
"""In numbers that may be too large for a float."""


def is_repairable(text: bytes) -> bool:
    """Return whether a text has what `_repaired_token` may change: others, such as cut lines, are not searched for tokens."""
    return b"\\ud" in text or b"\\uD" in text or b"NaN" in text or b"Infinity" in text or LARGE.search(text) is not None


def _repaired_token(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token.startswith(b'"'):
        return ESCAPE.sub(lambda escape: b"\\ufffd" if escape[1] else escape[0], token) if b"\\u" in token else token
    return token if math.isfinite(float(token)) else b"null"


TOO_DEEP = re.compile("depth|recursion", re.IGNORECASE)
"""In orjson's message for more than 1,024 levels; its versions differ."""


def dumps(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Encode a value as JSON text, without a newline.

    Raises:
        InvalidLineError: `unencodable`: it is not a JSON value, contains a lone surrogate, or is nested more than 254 deep
            (orjson's limit for writing; it reads 1,024).
    """
    try:
        return write(value)
    except TypeError as error:
        reason = str(error)
    raise _unencodable(reason)


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Return whether two decoded values are the same JSON. Unlike with `==`, 1 is not true, and nesting is not limited."""
    try:
        if one != other:
            return False
        return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    except (RecursionError, TypeError):  # nested more deeply than can be compared, or written
        return _same_at_any_depth(one, other)


def _same_at_any_depth(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON values
    waiting = [(one, other)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            waiting += [(value, other[key]) for key, value in one.items()]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            waiting += zip(one, other, strict=True)
        elif type(one) is not type(other) or orjson.dumps(one) != orjson.dumps(other):
            return False
    return True


def request_of(line: JSONBytes) -> dict[str, Any]:
    """Decode a request line: an object with a `custom_id` that is a string and a `body` that is an object.

    This is the minimum for code that sends, looks up or counts requests; `validate` checks more.

    Raises:
        InvalidLineError: The line is not a request.
    """
    value = loads(line)
    if type(value.get("custom_id")) is not str or not isinstance(value.get("body"), dict):
        raise why_no_input(value)
    return value


def decode_input(line: JSONBytes) -> BatchRequestInput:
    r"""Decode one line of a request file, with or without its `\n`.

    Raises:
        InvalidLineError: It is not a JSON object, its `custom_id` is not a string, or its `body` is not an object.

    Example:
        >>> request = batchfiles.decode_input(b'{"custom_id": "a", "url": "/v1/responses", "body": {"model": "m"}}')
        >>> request.custom_id, request.body
        ('a', {'model': 'm'})
    """
    return input_of(loads(line))


def input_of(
    value: Any,  # noqa: ANN401 - any JSON value; all but objects are refused
    path: str | None = None,
    line_number: int | None = None,
    byte_offset: int | None = None,
) -> BatchRequestInput:
    """Build the record of a decoded request line.

    Raises:
        InvalidLineError: As `decode_input`.
    """
    # Flat and without `__init__` for speed: this runs once for each line.
    try:
        custom_id, method, url, body = value["custom_id"], value["method"], value["url"], value["body"]
        if len(value) == 4 and type(custom_id) is type(method) is type(url) is str and type(body) is dict:
            record = new(BatchRequestInput)
            record.custom_id = custom_id
            record.method = method
            record.url = url
            record.body = body
            record.extra = {}
            record.path = path
            record.line_number = line_number
            record.byte_offset = byte_offset
            record.repaired = type(value) is Repaired
            return record
    except (KeyError, TypeError):
        pass
    return _other_input(value, path, line_number, byte_offset)


def _other_input(value: Any, path: str | None, line_number: int | None, byte_offset: int | None) -> BatchRequestInput:  # noqa: ANN401
    """Build the record of a request line with other keys than the usual four, or refuse it."""
    if not isinstance(value, dict):
        raise InvalidLineError(NOT_AN_OBJECT, code="invalid_json_line")
    custom_id, body, url, method = value.get("custom_id"), value.get("body"), value.get("url"), value.get("method", "POST")
    if type(custom_id) is not str or not isinstance(body, dict) or type(method) is not str or not isinstance(url, str | None):
        raise why_no_input(value)
    return BatchRequestInput(
        custom_id, method, url, body, _others(value, INPUT_KEYS), path, line_number, byte_offset, type(value) is Repaired
    )


INPUT_KEYS = frozenset({"custom_id", "method", "url", "body"})
OUTPUT_KEYS = frozenset({"id", "custom_id", "response", "error"})
RESPONSE_KEYS = frozenset({"status_code", "request_id", "body"})
ERROR_KEYS = frozenset({"code", "message"})


def why_no_input(value: dict[str, Any]) -> InvalidLineError:
    """Return the error for the key of a request line that is missing or of the wrong type."""
    for key, kind, words in (("custom_id", str, "a string"), ("body", dict, "an object")):
        if value.get(key) is None:
            return _missing(key)
        if not isinstance(value[key], kind):
            return _invalid_type(key, words)
    return _invalid_type("url" if type(value.get("method", "POST")) is str else "method", "a string")


def _missing(key: str) -> InvalidLineError:
    return InvalidLineError(f"Missing required parameter: '{key}'.", code="missing_required_parameter", json_path=f"$.{key}")


def _invalid_type(key: str, words: str) -> InvalidLineError:
    return InvalidLineError(f"'{key}' must be {words}", code="invalid_type", json_path=f"$.{key}")


def decode_output(line: JSONBytes) -> BatchRequestOutput:
    r"""Decode one line of an output or error file, with or without its `\n`.

    Raises:
        InvalidLineError: It is not a JSON object, its `custom_id` is neither a string nor null, its `response` neither an object
            nor null, or it has neither `response` nor `error`.

    Example:
        >>> result = batchfiles.decode_output(b'{"custom_id": "a", "response": {"status_code": 200, "body": {}}}')
        >>> result.custom_id, result.response.status_code
        ('a', 200)
    """
    return output_of(loads(line))


def output_of(
    value: Any,  # noqa: ANN401 - any JSON value; all but objects are refused
    path: str | None = None,
    line_number: int | None = None,
    byte_offset: int | None = None,
) -> BatchRequestOutput:
    """Build the record of a decoded result line.

    Raises:
        InvalidLineError: As `decode_output`.
    """
    # As in `input_of`: `_other_output` takes twice as long.
    try:
        custom_id, answer = value["custom_id"], value["response"]
        status_code = answer["status_code"]
        if len(value) == 4 and len(answer) == 3 and value["error"] is None and type(custom_id) is str:
            record = new(BatchRequestOutput)
            record.id = value["id"]
            record.custom_id = custom_id
            record.response = response = new(BatchRequestOutputResponse)
            record.error = None
            record.extra = {}
            record.path = path
            record.line_number = line_number
            record.byte_offset = byte_offset
            record.repaired = type(value) is Repaired
            response.status_code = status_code
            response.request_id = answer["request_id"]
            response.body = answer["body"]
            response.extra = {}
            return record
    except (KeyError, TypeError):
        pass
    return _other_output(value, path, line_number, byte_offset)


def _other_output(value: Any, path: str | None, line_number: int | None, byte_offset: int | None) -> BatchRequestOutput:  # noqa: ANN401
    """Build the record of a result line with other keys than the usual ones, or refuse it."""
    if not isinstance(value, dict):
        raise InvalidLineError(NOT_AN_OBJECT, code="invalid_json_line")
    custom_id, answer, error = value.get("custom_id"), value.get("response"), value.get("error")
    if type(custom_id) is not str and custom_id is not None:
        raise _invalid_type("custom_id", "a string")
    if answer is not None and not isinstance(answer, dict):
        raise _invalid_type("response", "an object or null")
    if "response" not in value and "error" not in value:
        raise _missing("response")
    response = None
    if answer is not None:
        response = BatchRequestOutputResponse(
            answer.get("status_code"), answer.get("request_id"), answer.get("body"), _others(answer, RESPONSE_KEYS)
        )
    if isinstance(error, dict):
        error = BatchRequestOutputError(error.get("code"), error.get("message"), _others(error, ERROR_KEYS))
    extra = _others(value, OUTPUT_KEYS)
    repaired = type(value) is Repaired
    return BatchRequestOutput(value.get("id"), custom_id, response, error, extra, path, line_number, byte_offset, repaired)


def _others(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in known}


def encode_input(record: BatchRequestInput, *, strict: bool = False) -> bytes:
    r"""Encode a request as one line with its `\n`; keys in the order custom_id, method, url, body, then the extra ones.

    Args:
        record: The request.
        strict: Refuse NaN and infinities, for which orjson writes null. The writers do; the check takes half as long again.

    Raises:
        InvalidLineError: `unencodable`: a value that JSON does not have.

    Example:
        >>> request = batchfiles.BatchRequestInput(custom_id="a", url="/v1/responses", body={"model": "m", "input": "Hi"})
        >>> batchfiles.encode_input(request)
        b'{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"m","input":"Hi"}}\n'
    """
    return _encoded(record, "BatchRequestInput", strict=strict)


def encode_output(record: BatchRequestOutput, *, strict: bool = False) -> bytes:
    r"""Encode a result as one line with its `\n`; keys in the order id, custom_id, response, error, then the extra ones.

    Args:
        record: The result.
        strict: As for `encode_input`.

    Raises:
        InvalidLineError: `unencodable`: a value that JSON does not have.

    Example:
        >>> batchfiles.encode_output(batchfiles.BatchRequestOutput(custom_id="a"))
        b'{"id":null,"custom_id":"a","response":null,"error":null}\n'
    """
    return _encoded(record, "BatchRequestOutput", strict=strict)


def _encoded(record: BatchRequestInput | BatchRequestOutput, kind: str, *, strict: bool) -> bytes:
    try:
        value = record.to_dict()
    except AttributeError:
        raise not_a_record(record, kind) from None
    try:
        line = write(value, None, orjson.OPT_APPEND_NEWLINE)
    except TypeError as error:
        reason = str(error)
    else:
        if not strict or b"null" not in line or not _has_non_finite(value):
            return line
        reason = "a float is infinite or NaN"
    raise _unencodable(reason)


def _has_non_finite(value: object) -> bool:
    """Return whether there is an infinity or a NaN somewhere in a value."""
    if type(value) is dict:
        return any(map(_has_non_finite, value.values()))
    if type(value) is list or type(value) is tuple:
        return any(map(_has_non_finite, value))
    return type(value) is float and not math.isfinite(value)


def _unencodable(reason: str) -> InvalidLineError:
    return InvalidLineError(f"can't be written as JSON: {reason}", code="unencodable")
