"""One line of bytes <-> dict <-> record; the one door to JSON on the file side.

`loads` is orjson, and behind it a slow path for what orjson refuses and real files contain: escapes of lone surrogates (cut
model output) and bare `NaN` (SGLang's batch writer). Integers beyond 64 bits become floats, as orjson has it; whoever needs their
digits takes the bytes.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeAlias

import orjson

from batchfiles.errors import InvalidLine
from batchfiles.records import BatchRequestInput, BatchRequestOutput, BatchRequestOutputError, BatchRequestOutputResponse

__all__ = [
    "GLUED",
    "NOT_STRICT",
    "Repaired",
    "decode_input",
    "decode_output",
    "dumps",
    "encode_input",
    "encode_output",
    "glued_objects",
    "glued_words",
    "input_of",
    "loads",
    "output_of",
    "parse",
    "write",
]

JSONBytes: TypeAlias = bytes | bytearray | memoryview

JSON_WHITESPACE = b" \t\r\n"
SURROGATE = re.compile("[\ud800-\udfff]")
INT64_DIGITS = 19
"""Digits that any 64-bit integer may have; longer ones are looked at more closely."""
GLUED = "glued_lines"
"""The code of a line that is several: files were put together that end without a newline."""
EXTRA = "unexpected content after document"
"""What orjson says of them."""
DECODER = json.JSONDecoder()
SPACE = re.compile(r"[ \t\r\n]*")
NO_OBJECT = "the line is JSON, but no object"

APPEND_NEWLINE = orjson.OPT_APPEND_NEWLINE

write = orjson.dumps
new = object.__new__

NOT_STRICT = "it holds half a surrogate pair, NaN, or a number too large for any float"
"""Why a line is a `Repaired` one."""

parse = orjson.loads
"""JSON and nothing else, for loops that try this first and come back to `loads` with what it refuses."""


class Repaired(dict[str, Any]):
    """A decoded line that is not quite JSON: lone surrogates became U+FFFD, `NaN` and infinities None.

    The type is the mark, so that an ordinary line costs nothing: `type(value) is not dict` finds the others.
    """


def loads(line: JSONBytes | str) -> dict[str, Any]:
    """Decode one line.

    Returns:
        The object on the line; a `Repaired` one where the line is not quite JSON.

    Raises:
        InvalidLine: `invalid_json_line`: it is no JSON, not UTF-8, too deep, or no object; `glued_lines`: it holds several
            objects.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        reason, place = error.msg, error.pos
    else:
        if type(value) is dict:
            return value
        raise InvalidLine(NO_OBJECT, code="invalid_json_line")
    # Outside the except block: an orjson error holds the whole line, and so would an exception that it caused.
    return _repair(line, f"not valid JSON: {reason} (character {place + 1})")


def _repair(line: JSONBytes | str, reason: str) -> Repaired:
    """Decode with the standard library what orjson refused.

    Raises:
        InvalidLine: It is broken in a way that can't be mended.
    """
    value: Any = None
    try:
        text = line if isinstance(line, str) else str(line, "utf-8")
        value = json.loads(text, parse_constant=_nothing, parse_int=_integer, parse_float=_float)
        if type(value) is dict:
            return Repaired(_without_surrogates(value))
        reason = NO_OBJECT
    except UnicodeDecodeError as error:
        reason = f"not valid UTF-8 (byte {error.start + 1})"
    except RecursionError:
        reason = "nested too deeply to be read"
    except ValueError:  # JSONDecodeError among them: orjson's reason is the better one
        count = glued_objects(line) if EXTRA in reason else 0
        if count:
            raise InvalidLine(glued_words(count), code=GLUED) from None
    raise InvalidLine(reason, code="invalid_json_line")


def glued_objects(line: JSONBytes | str) -> int:
    """Count the JSON objects of a line that holds several of them and nothing else; 0 for other lines."""
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
    """Return the words for objects on one line, and the cure."""
    return f"{count:,} JSON objects without a newline between them: 'jq -c . FILE' writes one object to a line"


def _nothing(_: str) -> None:
    return None


def _integer(digits: str) -> int | float | None:
    if len(digits) > INT64_DIGITS:
        value = int(digits) if len(digits) <= INT64_DIGITS + 2 else None
        return value if value is not None and -(2**63) <= value < 2**64 else _float(digits)
    return int(digits)


def _float(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _without_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def dumps(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Encode a value as JSON text, without a newline.

    Raises:
        InvalidLine: `unencodable`: it is no JSON value, holds a lone surrogate, or is nested more than 254 deep (orjson's limit
            for writing; it reads 1,024).
    """
    try:
        return write(value)
    except TypeError as error:
        reason = str(error)
    raise _unencodable(reason)


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON values
    """Tell whether two decoded values are the same JSON; unlike Python, which takes 1 for true."""
    if one != other:
        return False
    try:
        return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested more deeply than can be written
        return True


def decode_input(line: JSONBytes) -> BatchRequestInput:
    r"""Decode one line of a request file, with or without its `\n`.

    Raises:
        InvalidLine: It is no JSON object, has no `custom_id` that is a string, or a `body` that is no object.
    """
    return input_of(loads(line))


def input_of(
    value: Any,  # noqa: ANN401 - any JSON value, and all but objects are refused
    path: str | None = None,
    line_number: int | None = None,
    byte_offset: int | None = None,
) -> BatchRequestInput:
    """Build the record of a decoded request line.

    Raises:
        InvalidLine: As `decode_input`.
    """
    # Flat, and without `__init__`, on purpose: this runs once a line, and the loop may cost little more than the JSON does.
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
            return record
    except (KeyError, TypeError):
        pass
    return _other_input(value, path, line_number, byte_offset)


def _other_input(value: Any, path: str | None, line_number: int | None, byte_offset: int | None) -> BatchRequestInput:  # noqa: ANN401
    """Build the record of a request line that has not just the usual four keys, or refuse it."""
    if not isinstance(value, dict):
        raise InvalidLine(NO_OBJECT, code="invalid_json_line")
    custom_id = value.get("custom_id")
    body = value.get("body")
    method = value.get("method", "POST")
    url = value.get("url")
    if type(custom_id) is not str or not isinstance(body, dict) or type(method) is not str or not isinstance(url, str | None):
        raise why_no_input(value)
    return BatchRequestInput(custom_id, method, url, body, _others(value, INPUT_KEYS), path, line_number, byte_offset)


INPUT_KEYS = frozenset({"custom_id", "method", "url", "body"})
OUTPUT_KEYS = frozenset({"id", "custom_id", "response", "error"})
RESPONSE_KEYS = frozenset({"status_code", "request_id", "body"})
ERROR_KEYS = frozenset({"code", "message"})


def why_no_input(value: dict[str, Any]) -> InvalidLine:
    """Say which of the keys of a request line is missing or of the wrong type."""
    for key, kind, words in (("custom_id", str, "a string"), ("body", dict, "an object")):
        if value.get(key) is None:
            return InvalidLine(f"Missing required parameter: '{key}'.", code="missing_required_parameter", json_path=f"$.{key}")
        if not isinstance(value[key], kind):
            return InvalidLine(f"'{key}' must be {words}", code="invalid_type", json_path=f"$.{key}")
    key = "url" if type(value.get("method", "POST")) is str else "method"
    return InvalidLine(f"'{key}' must be a string", code="invalid_type", json_path=f"$.{key}")


def decode_output(line: JSONBytes) -> BatchRequestOutput:
    r"""Decode one line of an output file or an error file, with or without its `\n`.

    Raises:
        InvalidLine: It is no JSON object, its `custom_id` is neither a string nor null, its `response` neither an object nor
            null, or it has neither `response` nor `error`.
    """
    return output_of(loads(line))


def output_of(
    value: Any,  # noqa: ANN401 - any JSON value, and all but objects are refused
    path: str | None = None,
    line_number: int | None = None,
    byte_offset: int | None = None,
) -> BatchRequestOutput:
    """Build the record of a decoded result line.

    Raises:
        InvalidLine: As `decode_output`.
    """
    # As in `input_of`: with `get`, `__init__` and sets of keys this took 1.1 µs a line, so it takes 0.6.
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
            response.status_code = status_code
            response.request_id = answer["request_id"]
            response.body = answer["body"]
            response.extra = {}
            return record
    except (KeyError, TypeError):
        pass
    return _other_output(value, path, line_number, byte_offset)


def _other_output(value: Any, path: str | None, line_number: int | None, byte_offset: int | None) -> BatchRequestOutput:  # noqa: ANN401
    """Build the record of a result line that has not just the usual keys, or refuse it."""
    if not isinstance(value, dict):
        raise InvalidLine(NO_OBJECT, code="invalid_json_line")
    custom_id = value.get("custom_id")
    if type(custom_id) is not str and custom_id is not None:
        raise InvalidLine("'custom_id' must be a string", code="invalid_type", json_path="$.custom_id")
    answer = value.get("response")
    if answer is not None and not isinstance(answer, dict):
        raise InvalidLine("'response' must be an object or null", code="invalid_type", json_path="$.response")
    if "response" not in value and "error" not in value:
        raise InvalidLine("Missing required parameter: 'response'.", code="missing_required_parameter", json_path="$.response")
    response = None
    if answer is not None:
        response = BatchRequestOutputResponse(
            answer.get("status_code"), answer.get("request_id"), answer.get("body"), _others(answer, RESPONSE_KEYS)
        )
    error = value.get("error")
    if isinstance(error, dict):
        error = BatchRequestOutputError(error.get("code"), error.get("message"), _others(error, ERROR_KEYS))
    extra = _others(value, OUTPUT_KEYS)
    return BatchRequestOutput(value.get("id"), custom_id, response, error, extra, path, line_number, byte_offset)


def _others(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in known}


def encode_input(record: BatchRequestInput, *, strict: bool = False) -> bytes:
    r"""Encode a request as one line with its `\n`; keys in the order custom_id, method, url, body, then the extra ones.

    Args:
        record: The request.
        strict: Refuse a NaN or an infinity, for which orjson writes null. To look for them takes half as long again; the writers
            do it.

    Raises:
        InvalidLine: `unencodable`: a value that JSON can't hold.
    """
    value = {"custom_id": record.custom_id, "method": record.method, "url": record.url, "body": record.body}
    if record.extra:
        value = value | record.extra | value  # its own keys in front, and they win
    try:
        line = write(value, None, APPEND_NEWLINE)
    except TypeError as error:
        reason = str(error)
    else:
        if not strict or not _lost_a_number(line, value):
            return line
        reason = NO_NUMBER
    raise _unencodable(reason)


def encode_output(record: BatchRequestOutput, *, strict: bool = False) -> bytes:
    r"""Encode a result as one line with its `\n`; keys in the order id, custom_id, response, error, then the extra ones.

    Args:
        record: The result.
        strict: As for `encode_input`.

    Raises:
        InvalidLine: `unencodable`: a value that JSON can't hold.
    """
    answer, fault = record.response, record.error
    response: dict[str, Any] | None = None
    if answer is not None:
        response = {"status_code": answer.status_code, "request_id": answer.request_id, "body": answer.body}
        if answer.extra:
            response = response | answer.extra | response
    if isinstance(fault, BatchRequestOutputError):
        words = {"code": fault.code, "message": fault.message}
        value = {"id": record.id, "custom_id": record.custom_id, "response": response, "error": words | fault.extra | words}
    else:
        value = {"id": record.id, "custom_id": record.custom_id, "response": response, "error": fault}
    if record.extra:
        value = value | record.extra | value
    try:
        line = write(value, None, APPEND_NEWLINE)
    except TypeError as error:
        reason = str(error)
    else:
        if not strict or not _lost_a_number(line, value):
            return line
        reason = NO_NUMBER
    raise _unencodable(reason)


NO_NUMBER = "a float is infinite or no number"


def _lost_a_number(line: bytes, value: object) -> bool:
    """Tell whether orjson wrote null for a float that JSON has no number for; few requests have a null at all."""
    return b"null" in line and _has_no_number(value)


def _has_no_number(value: object) -> bool:
    """Tell whether there is an infinity or a NaN somewhere in a value."""
    if type(value) is dict:
        return any(map(_has_no_number, value.values()))
    if type(value) is list or type(value) is tuple:
        return any(map(_has_no_number, value))
    return type(value) is float and not math.isfinite(value)


def _unencodable(reason: str) -> InvalidLine:
    return InvalidLine(f"can't be written as JSON: {reason}", code="unencodable")
