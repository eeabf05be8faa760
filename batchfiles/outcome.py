"""The outcome of one request, from status code, error and body together; never from the name of the file.

The `custom_id` of each line, exactly, and mostly without decoding the line.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from batchfiles import bodies, codec
from batchfiles.bodies import errors, finish_reasons
from batchfiles.bodies.answer import EMPTY, Answer, Body
from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import FieldReader, is_all_null
from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError
from batchfiles.jsontext.spans import EscapedLetters
from batchfiles.records import BatchRequestOutput, BatchRequestOutputError
from batchfiles.summary import record_page, short_repr

SUCCEEDED: Final = "succeeded"
"""An answer, which may be a refusal."""
INCOMPLETE: Final = "incomplete"
"""An answer that stopped early: at a length limit, by a content filter, or unfinished."""
FAILED: Final = "failed"
"""A response with an error, or an error without a response."""
EXPIRED: Final = "expired"
"""The batch expired before the request ran."""
CANCELLED: Final = "cancelled"
"""The batch was cancelled before the request ran."""
NO_RESPONSE: Final = "no_response"
"""No answer and no error: status 0 and an empty body (tidyverse/ellmer#830), 200 and no body, or a body without an answer. A body
whose values are all null counts as empty."""
MALFORMED: Final = "malformed"
"""The line can't be read; set by the readers of lines."""
MISSING: Final = "missing"
"""There is no line; set by a join."""

OUTCOMES: Final = (SUCCEEDED, INCOMPLETE, FAILED, EXPIRED, CANCELLED, NO_RESPONSE, MALFORMED, MISSING)
"""Every value of the column `outcome`."""

ROW_KEYS: Final = ("custom_id", "outcome", "retryable")
"""Columns that show that a table is one of `join` or `export`."""

ANSWERED: Final = frozenset({SUCCEEDED, INCOMPLETE})
"""There is an answer, or a part of one."""

LOST: Final = frozenset({EXPIRED, CANCELLED, NO_RESPONSE, MALFORMED, MISSING})
"""The request was not processed: it may be sent again unchanged."""

TRANSIENT_STATUSES: Final = frozenset({408, 409, 429})
"""Temporary HTTP statuses below 500."""

ENDINGS: Final = {"expired": EXPIRED, "cancelled": CANCELLED, "canceled": CANCELLED}
"""Endings of error codes about the batch: `batch_expired`, `batch_cancelled`; the words alone are Anthropic's."""

MULTIPLE_CHOICES: Final = 300
INTERNAL_SERVER_ERROR: Final = 500
HTTP_STATUS: Final = re.compile("[45][0-9][0-9]", re.ASCII)

INT32: Final = range(-(2**31), 2**31)

QUOTED: Final = 200
"""Maximum length of the error message that is taken from a body that is not JSON, such as a proxy's HTML page."""


class Result(NamedTuple):
    """The contents of one line of an output file or an error file.

    Attributes:
        outcome: One of `OUTCOMES`.
        status_code: The HTTP status; None if missing or not an int32.
        request_id: The service's id of the HTTP request; None if empty.
        error_code: The error's code.
        error_type: The error's type.
        error_param: The parameter that caused the error.
        error_message: The error's message.
        retryable: Whether the same request may succeed if it is sent again.
        body: The response body, decoded, if it is an object and not empty.
        answer: The fields of the body. Without an answer, its `outcome` is `"failed"` and it is not `fully_mapped`.
        conversion_errors: How many values of the line did not fit their column, including those of `answer`.
    """

    outcome: str
    status_code: int | None
    request_id: str | None
    error_code: str | None
    error_type: str | None
    error_param: str | None
    error_message: str | None
    retryable: bool
    body: Body | None
    answer: Answer
    conversion_errors: int

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values, for JSON."""
        return {**self._asdict(), "answer": self.answer.to_dict()}

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        """Return the result for notebooks: what is known of it, and the text of the answer."""
        facts = {name: value for name, value in self._asdict().items() if name not in ("answer", "body", "conversion_errors")}
        facts |= {name: getattr(self.answer, name) for name in ("model", "finish_reason", "refusal", "total_tokens")}
        shown = [(name, str(value)) for name, value in facts.items() if value is not None]
        return record_page("Result", shown, self.answer.text or "")


def read(line: dict[str, Any]) -> Result:
    """Read the decoded line of an output file or an error file. It never raises.

    A success has no error, a status of 2xx and a body without an error. If the status is missing (old vLLM, hand-made files), 0
    or not an integer (`200.0` is one), the content decides, and only a body of a known endpoint is a success.
    """
    response = line.get("response")
    # The fast path for ordinary lines; `_read_any` gives the same result.
    if type(response) is dict and line.get("error") is None:
        status, body, request_id = response.get("status_code"), response.get("body"), response.get("request_id")
        if type(status) is int and 200 <= status < 300 and type(body) is dict and body and type(request_id) is str and request_id:
            answer = bodies.read(body)
            outcome = answer.outcome
            if outcome in ANSWERED and (answer.model is not None or not is_all_null(body)):
                return tuple.__new__(Result, (  # the constructor takes twice as long
                    outcome, status, request_id, None, None, None, None, False, body, answer, answer.conversion_errors,
                ))  # fmt: skip
    return _read_any(line)


def outcome_of(output: BatchRequestOutput | dict[str, Any]) -> Result:
    """Return the outcome of the request that a result belongs to. It never raises.

    Args:
        output: A record, or the decoded line itself.

    Returns:
        The outcome, the error, whether the request may be sent again, and the fields of the body.

    Example:
        >>> record = next(batchfiles.read_outputs("fixtures/chat_completions/*_error.jsonl"))
        >>> result = batchfiles.outcome_of(record)
        >>> result.outcome, result.retryable
        ('failed', False)
    """
    return read(output if isinstance(output, dict) else _line_of(output))


def _line_of(output: BatchRequestOutput) -> dict[str, Any]:
    """Rebuild the keys of the line that `read` uses. A None may be a key that the line did not have, which means the same."""
    answer, error = output.response, output.error
    response: dict[str, Any] | None = None
    if answer is not None:
        response = answer.extra | {"status_code": answer.status_code, "request_id": answer.request_id, "body": answer.body}
    if isinstance(error, BatchRequestOutputError):
        return {"response": response, "error": error.extra | {"code": error.code, "message": error.message}}
    return {"response": response, "error": error}


def as_answer_to(result: Result, url: str | None, line: dict[str, Any] | None = None) -> Result:
    """Return a result as the answer to a request with this url.

    A body of another endpoint (the request echoed, a chat completion instead of vectors) is `no_response`. If the url is unknown,
    or the body is missing, the result is unchanged.

    Args:
        result: From `read`.
        url: Of the request.
        line: The decoded line. Transcripts in the formats text, srt and vtt are strings, and recognized only by the url.
    """
    body = result.body
    if body is None and line is not None and bodies.is_audio(url):
        return _as_transcript(result, line)
    if body is None or result.outcome not in ANSWERED or bodies.can_answer(body, url):
        return result
    return result._replace(
        outcome=NO_RESPONSE,
        error_code=bodies.UNRECOGNIZED,
        error_message=f"the body is not an answer of {url}",
        retryable=True,
        answer=result.answer._replace(outcome=FAILED, fully_mapped=False),
    )


def _as_transcript(result: Result, line: dict[str, Any]) -> Result:
    """Return the result of a body that is a transcript as text, and not a proxy's HTML page."""
    response, status = line.get("response"), result.status_code
    text = response.get("body") if isinstance(response, dict) else None
    if type(text) is not str or not text.strip() or text.lstrip().startswith("<") or line.get("error") is not None:
        return result
    if status is None or not 200 <= status < MULTIPLE_CHOICES:
        return result
    answer = Answer(text=text, fully_mapped=True)
    return Result(SUCCEEDED, status, result.request_id, None, None, None, None, False, None, answer, result.conversion_errors)


def retryable(
    outcome: str,
    status_code: int | None,
    error_code: str | None = None,
    error_type: str | None = None,
    error_message: str | None = None,
) -> bool:
    """Return whether the same request may succeed if it is sent again.

    Args:
        outcome: One of `OUTCOMES`.
        status_code: The HTTP status, None or 0 without a response.
        error_code: Decides only if the status doesn't: an error in a 200, or an error without a response.
        error_type: Decides together with `error_code`.
        error_message: Decides if code and type are missing, and it is a known phrase such as `"Too Many Requests"`.

    Returns:
        True for lost requests, for 408, 409, 429 and 5xx, for errors without an HTTP response, and for errors in a 200 whose code
        or type is temporary.
    """
    if outcome != FAILED:
        return outcome in LOST
    if (not status_code or status_code < MULTIPLE_CHOICES) and error_code and HTTP_STATUS.fullmatch(error_code):
        status_code = int(error_code)  # vLLM and gateways use the HTTP status as the error's code
    if not status_code:
        return True
    if status_code < MULTIPLE_CHOICES:
        if error_code is None and error_type is None:
            return errors.is_transient(error_message)
        return errors.is_transient(error_code) or errors.is_transient(error_type) or finish_reasons.is_transient(error_code)
    return status_code >= INTERNAL_SERVER_ERROR or status_code in TRANSIENT_STATUSES


def _read_any(line: dict[str, Any]) -> Result:
    """Read a line of any shape."""
    reader = FieldReader()
    response = line.get("response")
    if type(response) is not dict:
        response = {"body": response}
    request_id = reader.text(response.get("request_id")) or None
    if response.get("status_code") is None and response.get("body") is None:
        response = {"body": _bare(response)}  # the completion itself: old vLLM
    status = reader.count(response.get("status_code"))
    if status is not None and status not in INT32:
        reader.reject()
        status = None
    body = _body(response.get("body"))
    answer, error = EMPTY, errors.read(line.get("error"))
    no_error_status = not status or 200 <= status < MULTIPLE_CHOICES
    if no_error_status and isinstance(body, dict):
        answer = bodies.read(body)
        if error is None and answer.outcome in ANSWERED and (status or bodies.endpoint_of(body)):
            conversion_errors = reader.conversion_errors + answer.conversion_errors
            return Result(answer.outcome, status, request_id, None, None, None, None, False, body, answer, conversion_errors)
    if error is None and no_error_status and (body is None or answer.outcome == NO_RESPONSE):
        error, outcome = answer.fault or ErrorInfo(), NO_RESPONSE
    else:
        if answer.fault is None or (isinstance(body, dict) and errors.stated(body)):
            # The error is under `error` (OpenAI), the body itself (old vLLM, FastAPI), or the page of a proxy.
            error = errors.merge(error, ErrorInfo(message=body[:QUOTED]) if type(body) is str else errors.read(body))
        outcome = _outcome_of(error or ErrorInfo(), exact=not no_error_status)
        error = errors.merge(error, answer.fault) or ErrorInfo()
    return Result(
        outcome=outcome,
        status_code=status,
        request_id=request_id,
        error_code=error.code,
        error_type=error.type,
        error_param=error.param,
        error_message=error.message,
        retryable=retryable(outcome, status, error.code, error.type, error.message),
        body=body if isinstance(body, dict) else None,
        answer=answer._replace(outcome=FAILED, fully_mapped=False),
        conversion_errors=reader.conversion_errors + answer.conversion_errors + error.conversion_errors,
    )


def _bare(response: dict[str, Any]) -> dict[str, Any] | None:
    """Return a response without status and body as a body; None if nothing is in it."""
    if all(value in errors.EMPTY_VALUES for key, value in response.items() if key != "request_id"):
        return None
    return {key: value for key, value in response.items() if value is not None or key not in RESPONSE_KEYS}


RESPONSE_KEYS: Final = ("status_code", "request_id", "body")


def _body(value: object) -> object:
    """Return the body, decoded if it is JSON in a string (llama-stack); None if it is empty."""
    if type(value) is str:
        text = value.strip()
        try:
            value = codec.loads(value)
        except InvalidLineError:
            return text or None
    if type(value) is list and len(value) == 1 and type(value[0]) is dict:
        value = value[0]  # Google wraps errors, and Gemini's stream its only chunk
    return None if not value or is_all_null(value) else value


def _outcome_of(error: ErrorInfo, *, exact: bool) -> str:
    """Return whether the batch expired or was cancelled, or the request failed; `exact`: only by the full codes."""
    for word in (error.code, error.type, error.message):
        lower = "" if word is None else word.lower()
        for ending, outcome in ENDINGS.items():
            if lower == f"batch_{ending}" or (not exact and lower.endswith(ending) and " " not in lower):
                return outcome
    return FAILED


def read_result(line: bytes) -> tuple[dict[str, Any] | None, Result]:
    """Decode a result line and return the outcome of its request; a line that can't be read is `malformed`, with the reason."""
    try:
        value = loads(line)
    except InvalidLineError as error:
        return None, _malformed(error.code, error.reason)
    if ("response" not in value and "error" not in value) or type(value.get("custom_id")) not in ID_TYPES:
        reason = why_unreadable(value)
        if reason is not None:
            return None, _malformed(reason.code, reason.reason)
    return value, read(value)


ID_TYPES = frozenset({str, type(None)})


def _malformed(code: str, message: str) -> Result:
    return Result(MALFORMED, None, None, code, None, None, message, retryable(MALFORMED, None), None, EMPTY, 0)


def why_malformed(result: Result) -> InvalidLineError:
    """Return the reason of `read_result` for a line that can't be read, as an exception."""
    return InvalidLineError(result.error_message or "", code=result.error_code or "")


def id_of_line(line: bytes) -> str | None:
    """Read the id of a line that can't be read as a result: from its JSON if it is some, else from its beginning."""
    try:
        custom_id = loads(line).get("custom_id")
    except InvalidLineError:
        return id_of_malformed(line)
    return custom_id if type(custom_id) is str else None


BEFORE_ID = rb'[ \t\r]*{[ \t\r]*(?:"id"[ \t\r]*:[ \t\r]*"%b"[ \t\r]*,[ \t\r]*)?"custom_id"[ \t\r]*:[ \t\r]*'
ID = re.compile(rb'(?:{"custom_id": |{"id": "[^"]*", "custom_id": |' + BEFORE_ID % rb'[^"]*' + rb')"([^"]*)"')
"""The id if no backslash is in what it matches. The usual spacing is tried first; `[^"]` is ten times as fast as `[^"\\\\]`."""
ID_WITH_ESCAPES = re.compile(BEFORE_ID % rb'[^"\\]*' + rb'("(?:[^"\\]|\\.)*")')
ID_LETTERS = EscapedLetters("custom_id")
r"""The key may hide in `"custom_i\u0064"`."""


def may_repeat_its_key(line: bytes) -> bool:
    """Return whether `custom_id` may occur in a line more than once, plainly or with letters as escapes."""
    return line.count(b'"custom_id"') != 1 or ID_LETTERS.stand_in(line)


def why_unreadable(value: dict[str, Any]) -> InvalidLineError | None:
    """Return why a decoded line is not a result; None if it is one."""
    if "response" not in value and "error" not in value:
        return InvalidLineError("the line has neither 'response' nor 'error'", code="missing_required_parameter")
    custom_id = value.get("custom_id")
    if type(custom_id) is not str and custom_id is not None:
        return InvalidLineError("'custom_id' must be a string", code="invalid_type", json_path="$.custom_id")
    return None


def id_of_malformed(line: bytes) -> str | None:
    """Read the id of a line that is not JSON, if the damage comes after it."""
    found = ID_WITH_ESCAPES.match(line)
    try:
        return str(loads(b'{"custom_id":' + found[1] + b"}")["custom_id"]) if found else None
    except InvalidLineError:
        return None


def plain_ids(lines: list[bytes]) -> list[bytes] | None:
    """Return the id at the beginning of each line, in UTF-8; None if a line has none there, or escapes in it."""
    ids = [match[1] for match in map(ID.match, lines) if match and b"\\" not in match[0]]
    return ids if len(ids) == len(lines) else None


def id_in(line: bytes) -> str | None:
    """Return the decoded id of a line of requests or results, with its newline or without; None if it has no string as an id."""
    if not may_repeat_its_key(line) and (found := plain_ids([line])):  # also if the rest of the line is damaged
        try:
            return found[0].decode()
        except UnicodeDecodeError:
            return None
    try:
        custom_id = loads(line).get("custom_id")
    except InvalidLineError:
        return None
    return custom_id if isinstance(custom_id, str) else None
