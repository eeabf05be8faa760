"""The error objects of all providers, and the `status` of a body (Responses, videos)."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from batchfiles.bodies.fields import FieldReader, is_all_null, whole

NESTED: Final = 3
"""How many levels of `{"error": {"error": …}}` are read; vLLM's `run-batch` writes two."""

CODES: Final = (
    "code", "error_code", "errorCode", "errorcode", "statusCode", "status_code", "http_code", "http_status", "httpStatus",
)  # fmt: skip
TYPES: Final = ("type", "error_type", "errorType", "__type")
MESSAGES: Final = (
    "message", "error_message", "errorMessage", "msg", "error_msg", "error_description", "status_msg", "faultstring",
)  # fmt: skip
"""Names of `code`, `type` and `message`: OpenAI, DashScope, Baidu, AWS, Azure API Management, Hugging Face, MiniMax (also
`http_code`), Apigee, and gateways (the other names with http)."""

INNER: Final = ("error", "errors", "fault", "base_resp")
"""Keys of objects that may contain an error: OpenAI; Cloudflare and watsonx; Apigee; MiniMax."""

ENVELOPE: Final = frozenset({
    *CODES, *TYPES, *MESSAGES, *INNER, "status", "title", "detail", "instance", "param", "success", "request_id", "requestId",
    "RequestId", "trace", "trace_id", "traceId", "timestamp", "path", "documentation_url",
})  # fmt: skip
"""The keys of a body that consists of an error."""

SUCCESS_CODES: Final = (0, 200, "0", "200")
"""Codes and statuses that mean success."""
SUCCESS_WORDS: Final = frozenset({"ok", "success", "succeeded", "completed", "complete", "done"})

TRANSIENT: Final[dict[str, str]] = {
    "server_error, rate_limit_exceeded, vector_store_timeout": "OpenAI, OpenAPI document: ResponseErrorCode",
    "rate_limit_error, api_error, overloaded_error, timeout_error": "Anthropic, API errors; LiteLLM, RateLimitError and others",
    "RESOURCE_EXHAUSTED, UNAVAILABLE, INTERNAL, DEADLINE_EXCEEDED, ABORTED": "Google, google.rpc.Code",
    "ThrottlingException, ServiceUnavailableException, InternalServerException, ModelTimeoutException, ModelNotReadyException": (
        "Amazon Bedrock, Converse: errors"
    ),
    "InternalServerError, ServiceUnavailableError, APIConnectionError, APITimeoutError": "vLLM and LiteLLM: names of exceptions",
    "BadGatewayError, GatewayTimeout, TooManyRequestsError, RequestTimeout, NoCapacity": "Azure and gateways: names of statuses",
    "Throttling, InternalError, SystemError, ModelServiceFailed, ModelUnavailable, ModelServingError, ResponseTimeout": (
        "Alibaba Cloud Model Studio, error codes"
    ),
    "engine_overloaded_error, rate_limit_reached_error": "Moonshot, error types",
    "service_tier_capacity_exceeded, rate_limited": "Mistral, error types",
    "overloaded, timeout, capacity_exceeded": "Hugging Face text-generation-inference: error_type; gateways",
    "upstream_error, provider_error, bad_gateway, gateway_error, connection_error, network_error": "gateways",
}
"""Codes and types of temporary errors, with their sources. They decide if the HTTP status does not.

Compared without case, punctuation, and a final `error` or `exception`.
"""

NOT_A_LETTER: Final = re.compile("[^a-z0-9]")
ENDING: Final = re.compile("(?:error|exception)$")


class ErrorInfo(NamedTuple):
    """One error.

    Attributes:
        code: The error's code; a number (vLLM: the HTTP status) as its digits.
        type: The error's type.
        param: The parameter that caused it.
        message: The error's message.
        conversion_errors: How many of the values could not be read and are None.
    """

    code: str | None = None
    type: str | None = None
    param: str | None = None
    message: str | None = None
    conversion_errors: int = 0


def is_error(error: object) -> bool:
    """Return whether the value of an `error` key is an error, unlike null, `{}`, `""` and `{"code": 0, "message": "success"}`."""
    waiting = [error]
    while waiting:  # without recursion: lists may be nested more deeply than Python's stack
        error = waiting.pop()
        if isinstance(error, list):
            waiting += reversed(error)
        elif error is not None and not is_all_null(error, empty=True) and not _means_success(error):
            return True
    return False


def _means_success(error: object) -> bool:
    if not isinstance(error, dict) or error.get("code") not in SUCCESS_CODES or not set(error) <= {"code", "message"}:
        return False
    message = error.get("message")
    return not message or (type(message) is str and message.lower() in SUCCESS_WORDS)


def stated(body: dict[str, Any]) -> bool:
    """Return whether a body contains an error."""
    if is_error(body.get("error")) or body.get("success") is False or is_error(body.get("fault")):
        return True
    errors = body.get("errors")
    if type(errors) in (list, dict, str) and is_error(errors):  # a number may be their count
        return True
    base = body.get("base_resp")  # MiniMax writes it into every body
    return type(base) is dict and bool(base.get("status_code"))


def is_error_body(body: dict[str, Any]) -> bool:
    """Return whether a body consists of an error: `{"detail": …}`, `{"code": …, "message": …}`, problem details."""
    if "error" in (body.get("object"), body.get("type")) or is_error(body.get("fault")):
        return True
    if body.get("success") is True or not ENVELOPE.issuperset(key for key, value in body.items() if value not in EMPTY_VALUES):
        return False
    if type(body.get("detail")) is dict and read(body) is not None:  # FastAPI puts whole objects there
        return True
    verdicts = [body.get(key) for key in (*CODES, "status") if body.get(key) is not None]
    if any(each in SUCCESS_CODES or (type(each) is str and each.lower() in SUCCESS_WORDS) for each in verdicts):
        return False
    sentence = _message(body | {"title": None})
    return bool(sentence) if type(sentence) in (str, list) else bool(verdicts and body.get("title"))


EMPTY_VALUES: Final[tuple[object, ...]] = (None, "", [], {})


def is_transient(word: str | None) -> bool:
    """Return whether the code or the type of an error is temporary: the same request may succeed later."""
    return word is not None and _stem(word.rpartition("#")[2].partition(".")[0]) in STEMS


def _stem(word: str) -> str:
    plain = NOT_A_LETTER.sub("", word.lower())
    return ENDING.sub("", plain) or plain


STEMS: Final = frozenset(_stem(word) for words in TRANSIENT for word in words.split(", "))


def read(error: object) -> ErrorInfo | None:
    """Read an error of any form.

    It may be an object (OpenAI), an object in an object (vLLM), a string (vLLM), a number, or a list (Cloudflare's `errors`; the
    first counts), with the keys `code` and `message` or other names of them.

    Args:
        error: The value of the `error` key, or a whole body that is an error.

    Returns:
        The error, whose innermost object takes precedence; None if there is none.
    """
    found: ErrorInfo | None = None
    for _ in range(NESTED):
        if type(error) is list and any(type(each) is dict for each in error):
            error = next((each for each in error if is_error(each)), None)
        if not is_error(error):
            break
        inner = _inner(error)
        if type(inner) is str and found is None and isinstance(error, dict) and _message(error) is not None:
            # `{"statusCode": 429, "error": "Too Many Requests", "message": …}`: a title next to the message
            found = merge(_flat(error), ErrorInfo(type=inner))
            break
        found = merge(_flat(error), found)
        error = inner
    return found


def merge(first: ErrorInfo | None, second: ErrorInfo | None) -> ErrorInfo | None:
    """Return `first`, its missing values filled from `second`."""
    if first is None or second is None:
        return first or second
    code, type_, param, message = (a if a is not None else b for a, b in zip(first[:4], second[:4], strict=True))
    return ErrorInfo(code, type_, param, message, first.conversion_errors + second.conversion_errors)


def _inner(error: object) -> object:
    """Return the error within an error; FastAPI puts objects into `detail`, Mistral into `message`."""
    if not isinstance(error, dict):
        return None
    for key in INNER:
        inner = error.get(key)
        if is_error(inner) and (key != "base_resp" or stated(error)):
            return inner
    for key in ("detail", "message"):
        if type(error.get(key)) is dict and (key == "detail" or "detail" in error[key]):
            return error[key]
    return None


def _flat(error: object) -> ErrorInfo:
    """Read one level of an error."""
    found: tuple[object, ...]
    if isinstance(error, dict):
        message = _message(error)
        code, type_, status = _first(error, *CODES), _first(error, *TYPES), error.get("status")
        if code is None and whole(status) in HTTP_ERRORS:
            code = status  # Spring: `{"status": 503, "error": "Service Unavailable"}`
        if message is not None or code is not None:  # otherwise it is the status of a job
            if type_ is None and type(status) is str and status.isupper():
                type_ = status  # google.rpc.Code
            elif code is None and whole(status) is not None:
                code = status  # problem details
        found = (_digits(code), type_, error.get("param"), _sentence(message))
    elif whole(error) is not None:
        found = (_digits(error), None, None, None)
    else:
        found = (None, None, None, _sentence(error))
    code, type_, param, message = (value if type(value) is str and value else None for value in found)
    return ErrorInfo(code, type_, param, message, sum(value is not None and type(value) is not str for value in found))


HTTP_ERRORS: Final = range(400, 600)


def _message(error: dict[str, Any]) -> object:
    """Return the message of an error; an object that `_inner` opens is not a message."""
    message = _first(error, *MESSAGES)
    if type(message) is dict and "detail" in message:
        message = None
    if message is None and type(error.get("detail")) is not dict:
        message = error.get("detail")
    return error.get("title") if message is None else message


def _first(error: dict[str, Any], *keys: str) -> object:
    return next((error[key] for key in keys if error.get(key) is not None), None)


def _digits(code: object) -> object:
    """Return a numeric code as text: vLLM's is the HTTP status."""
    number = whole(code)
    return code if number is None else str(number)


def _sentence(message: object) -> object:
    """Join a list of problems, FastAPI's `[{"loc": …, "msg": …}, …]` or plain strings."""
    if type(message) is not list:
        return message
    parts = [part.get("msg") if type(part) is dict else part for part in message]
    texts = [part for part in parts if type(part) is str]
    return "; ".join(texts) if len(texts) == len(parts) else message


OUTCOMES: Final = {
    "completed": "succeeded",
    "incomplete": "incomplete",
    "queued": "incomplete",
    "in_progress": "incomplete",
    "failed": "failed",
    "cancelled": "failed",
    "canceled": "failed",
    "expired": "failed",  # videos
}


def outcome_of_status(status: object, reader: FieldReader) -> str:
    """Return the outcome for a body's own status. A missing or unknown one is a success; an unknown one keeps the body."""
    word = reader.text(status)
    if word not in OUTCOMES:
        reader.fully_mapped = reader.fully_mapped and word is None
        return "succeeded"
    return OUTCOMES[word]


def error_info(status: object) -> ErrorInfo | None:
    """Return the error of a body that failed without an `error`: its status is the code."""
    return ErrorInfo(status) if type(status) is str and OUTCOMES.get(status) == "failed" else None
