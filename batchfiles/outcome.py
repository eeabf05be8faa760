"""What became of one request, from status code and error and body together; never from the name of the file."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from batchfiles import bodies, codec
from batchfiles.bodies import errors, finish_reasons
from batchfiles.bodies.answer import EMPTY, Answer, Body
from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import FieldReader, says_nothing
from batchfiles.errors import InvalidLineError
from batchfiles.records import BatchRequestOutput, BatchRequestOutputError

__all__ = [
    "CANCELLED",
    "EXPIRED",
    "FAILED",
    "INCOMPLETE",
    "MALFORMED",
    "MISSING",
    "NO_RESPONSE",
    "OUTCOMES",
    "SUCCEEDED",
    "Result",
    "as_answer_to",
    "outcome_of",
    "read",
    "retryable",
]

SUCCEEDED: Final = "succeeded"
"""An answer; a refusal is one too."""
INCOMPLETE: Final = "incomplete"
"""An answer that stopped early: at a length limit, by a content filter, or it was never finished."""
FAILED: Final = "failed"
"""An answer that is no success, or an error without an answer."""
EXPIRED: Final = "expired"
"""The batch's time was over before the request's turn came."""
CANCELLED: Final = "cancelled"
"""The batch was cancelled before the request's turn came."""
NO_RESPONSE: Final = "no_response"
"""No answer and no error: status 0 and an empty body (tidyverse/ellmer#830), 200 and no body, or a body without an answer. A body
whose values are all null is an empty one."""
MALFORMED: Final = "malformed"
"""The line can't be read; said by those who read lines."""
MISSING: Final = "missing"
"""There is no line; only a join can know."""

OUTCOMES: Final = (SUCCEEDED, INCOMPLETE, FAILED, EXPIRED, CANCELLED, NO_RESPONSE, MALFORMED, MISSING)
"""Every value of the column `outcome`."""

ANSWERED: Final = frozenset({SUCCEEDED, INCOMPLETE})
"""There is an answer, or a part of one."""

LOST: Final = frozenset({EXPIRED, CANCELLED, NO_RESPONSE, MALFORMED, MISSING})
"""Nobody has judged the request: it may be sent again as it is."""

TRY_AGAIN: Final = frozenset({408, 409, 429})
"""HTTP answers below 500 that tell of the moment and not of the request."""

ENDINGS: Final = {"expired": EXPIRED, "cancelled": CANCELLED, "canceled": CANCELLED}
"""How error codes end that tell of the batch: `batch_expired`, `batch_cancelled`; the bare words are Anthropic's."""

MULTIPLE_CHOICES: Final = 300
INTERNAL_SERVER_ERROR: Final = 500
HTTP_STATUS: Final = re.compile("[45][0-9][0-9]", re.ASCII)

INT32: Final = range(-(2**31), 2**31)

QUOTED: Final = 200
"""Characters of a body that is no JSON (a proxy's HTML page) that serve as its error message."""


class Result(NamedTuple):
    """What one line of an output file or an error file says.

    Attributes:
        outcome: One of `OUTCOMES`.
        status_code: The HTTP status; None where there is none, or one that is no int32.
        request_id: The service's name for the HTTP request; an empty one is None.
        error_code: The machine's word for what went wrong.
        error_type: The family of errors that it belongs to.
        error_param: The parameter that is to blame.
        error_message: The sentence for a person.
        retryable: Whether the same line may succeed if it is sent again.
        body: The response body, decoded, where it is an object and not an empty one.
        answer: What the body says. Where the outcome is no answer, its own `outcome` is `"failed"` and it is not `fully_mapped`.
        conversion_errors: How many values of the line did not fit their column, those of `answer` included.
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


def read(line: dict[str, Any]) -> Result:
    """Read the decoded line of an output file or an error file. It never raises.

    A success has no error, a status of 2xx and a body that does not say otherwise. Where the status is missing (old vLLM,
    hand-made files), 0 or not an integer (`200.0` is one), the content decides, and only a body of a known endpoint is a success.

    Returns:
        What became of the request.
    """
    response = line.get("response")
    # The ordinary line, by the shortest way: everything here is true of it, and the rules below would come to the same.
    if type(response) is dict and line.get("error") is None:
        status, body, request_id = response.get("status_code"), response.get("body"), response.get("request_id")
        if type(status) is int and 200 <= status < 300 and type(body) is dict and body and type(request_id) is str and request_id:
            answer = bodies.read(body)
            outcome = answer.outcome
            if outcome in ANSWERED and (answer.model is not None or not says_nothing(body)):
                return tuple.__new__(Result, (  # past the constructor, which takes twice as long
                    outcome, status, request_id, None, None, None, None, False, body, answer, answer.conversion_errors,
                ))  # fmt: skip
    return _read_any(line)


def outcome_of(output: BatchRequestOutput | dict[str, Any]) -> Result:
    """Say what became of the request that a result belongs to. It never raises.

    Args:
        output: A record, or the decoded line itself.

    Returns:
        The outcome, the error's code, type, parameter and message, whether it may be sent again, and what the body says.

    Example:
        >>> record = next(batchfiles.read_outputs("fixtures/chat_completions/*_error.jsonl"))
        >>> result = batchfiles.outcome_of(record)
        >>> result.outcome, result.retryable
        ('failed', False)
    """
    return read(output if isinstance(output, dict) else _line_of(output))


def _line_of(output: BatchRequestOutput) -> dict[str, Any]:
    """Rebuild as much of the line as `read` looks at.

    A null in a record may be a key that the line did not have. It matters where a bare completion stands in the place of the
    answer, which shows by the keys that are not there: all its own keys are in `extra`.
    """
    answer, error = output.response, output.error
    response: dict[str, Any] | None = None
    if answer is not None:
        response = {"status_code": answer.status_code, "request_id": answer.request_id, "body": answer.body}
        if answer.extra:
            response = answer.extra | {key: value for key, value in response.items() if value is not None}
    if isinstance(error, BatchRequestOutputError):
        return {"response": response, "error": error.extra | {"code": error.code, "message": error.message}}
    return {"response": response, "error": error}


def as_answer_to(result: Result, url: str | None, line: dict[str, Any] | None = None) -> Result:
    """Return a result as the answer to a request that named this url.

    A body that can't come from there (the request echoed, a chat completion in place of vectors) is `no_response`. If the
    url is unknown, or the body is missing, the result is unchanged.

    Args:
        result: What `read` made of the line.
        url: Of the request.
        line: The decoded line; a transcript in the format text, srt or vtt is a body that is a string, and only known by the url.
    """
    body = result.body
    if body is None and line is not None and bodies.is_of_sound(url):
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
    """Return the result whose body is the words of a transcript; a page of a proxy's is none."""
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
    """Tell whether the same request may succeed if it is sent again.

    Args:
        outcome: One of `OUTCOMES`.
        status_code: The HTTP status, None or 0 where nobody answered.
        error_code: Decides only where the status doesn't: an error inside of a 200, or an error without an answer.
        error_type: Decides with `error_code`.
        error_message: Decides where there is neither, and it is nothing but such a word: `"Too Many Requests"`.

    Returns:
        True for lost requests, for 408, 409, 429 and 5xx, for errors without an HTTP answer, and for errors inside of
        a 200 whose code or type is temporary.
    """
    if outcome != FAILED:
        return outcome in LOST
    if (not status_code or status_code < MULTIPLE_CHOICES) and error_code and HTTP_STATUS.fullmatch(error_code):
        status_code = int(error_code)  # vLLM and gateways write the HTTP status as the error's code
    if not status_code:
        return True
    if status_code < MULTIPLE_CHOICES:
        if error_code is None and error_type is None:
            return errors.is_transient(error_message)
        return errors.is_transient(error_code) or errors.is_transient(error_type) or finish_reasons.is_passing(error_code)
    return status_code >= INTERNAL_SERVER_ERROR or status_code in TRY_AGAIN


def _read_any(line: dict[str, Any]) -> Result:
    """Read a line of any form."""
    reader = FieldReader()
    response = line.get("response")
    if type(response) is not dict:
        response = {"body": response}
    request_id = reader.text(response.get("request_id")) or None
    if "status_code" not in response and "body" not in response:
        response = {"body": response}  # the completion itself: old vLLM
    status = _status(response.get("status_code"), reader)
    body = _body(response.get("body"))
    answer, error = EMPTY, errors.read(line.get("error"))
    silent = not status or 200 <= status < 300  # the status says nothing bad
    if silent and isinstance(body, dict):
        answer = bodies.read(body)
        if error is None and answer.outcome in ANSWERED and (status or bodies.endpoint_of(body)):
            conversion_errors = reader.conversion_errors + answer.conversion_errors
            return Result(answer.outcome, status, request_id, None, None, None, None, False, body, answer, conversion_errors)
    if error is None and silent and (body is None or answer.outcome == NO_RESPONSE):
        error, outcome = answer.fault or ErrorInfo(), NO_RESPONSE
    else:
        if answer.fault is None or (isinstance(body, dict) and errors.stated(body)):
            error = errors.merge(error, _fault_in(body))
        outcome = _outcome_of(error or ErrorInfo(), silent=silent)
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


def _status(value: object, reader: FieldReader) -> int | None:
    status = reader.count(value)
    if status is None or status in INT32:
        return status
    reader.reject()
    return None


def _body(value: object) -> object:
    """Return the body, decoded where it is JSON text in a string (llama-stack); None where it says nothing."""
    if type(value) is str:
        text = value.strip()
        try:
            value = codec.loads(value)
        except InvalidLineError:
            return text or None
    if type(value) is list and len(value) == 1 and type(value[0]) is dict:
        value = value[0]  # Google wraps errors, and Gemini's stream its only piece
    return None if not value or says_nothing(value) else value


def _fault_in(body: object) -> ErrorInfo | None:
    """Find the error in a body: under `error` (OpenAI), as the body itself (old vLLM, FastAPI), or some page of a proxy's."""
    return ErrorInfo(message=body[:QUOTED]) if type(body) is str else errors.read(body)


def _outcome_of(error: ErrorInfo, *, silent: bool) -> str:
    """Tell an error that speaks of the batch from all others; where there is a status, it must say so in full words."""
    for word in (error.code, error.type, error.message):
        lower = "" if word is None else word.lower()
        for ending, outcome in ENDINGS.items():
            if lower == f"batch_{ending}" or (silent and lower.endswith(ending) and " " not in lower):
                return outcome
    return FAILED
