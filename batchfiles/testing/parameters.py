"""Validation of calls and of request files, with the error codes and messages of the service."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from batchfiles.api.batch import BatchError
from batchfiles.api.batches import EXPIRY, MAX_KEY, MAX_PAIRS, MAX_VALUE
from batchfiles.findings import Finding
from batchfiles.jobs.validate import validate
from batchfiles.limits import Limits
from batchfiles.open_strings import BatchEndpoint


def error_body(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """Return the body of an error response."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Refusal(Exception):
    """An error response, with the status and the message of the service."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, param=param, code=code)

    def in_form(self, form: str) -> object:
        """Return the body in one of `ERROR_FORMS`: JSON, or a string for plain text."""
        if form == "openai":
            return self.body
        error: dict[str, Any] = self.body["error"]
        return ERROR_FORMS[form](error["message"], error["code"] or "invalid_request", error["param"])


def missing_parameter(name: str) -> Refusal:
    """Return the error of a call without a required parameter."""
    return Refusal(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)


ERROR_FORMS: Final[dict[str, Callable[[str, str, str | None], object]]] = {
    "openai": lambda message, code, param: error_body(message, param=param, code=code),
    "detail": lambda message, *_: {"detail": message},
    "detail_list": lambda message, _, param: {"detail": [{"loc": ["body", param or ""], "msg": message, "type": "value_error"}]},
    "message": lambda message, *_: {"message": message},
    "error_text": lambda message, *_: {"error": message},
    "errors": lambda message, code, _: {"success": False, "errors": [{"code": code, "message": message}]},
    "fault": lambda message, code, _: {"fault": {"faultstring": message, "detail": {"errorcode": code}}},
    "problem": lambda message, code, _: {"type": "about:blank", "title": code, "detail": message},
    "text": lambda message, *_: message,
}
"""Formats of an error: OpenAI, FastAPI (a string, a list), AWS gateways, Flask, Cloudflare, Apigee, RFC 9457, plain text."""


PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""OpenAI's OpenAPI document, CreateFileRequest."""

KINDS: Final = {type(None): "null", bool: "a boolean", int: "an integer", float: "a decimal", list: "an array", dict: "an object"}
"""The names of JSON types in messages."""


def check_batch(asked: dict[str, Any], limits: Limits, windows: Collection[str]) -> None:
    """Check the parameters of a new batch.

    Args:
        asked: The body of the call.
        limits: The rules, with the known endpoints.
        windows: The accepted completion windows.

    Raises:
        Refusal: A parameter is missing or wrong.
    """
    for name in ("input_file_id", "endpoint", "completion_window"):
        if asked.get(name) in (None, ""):
            raise missing_parameter(name)
        _check_text(name, asked[name])
    endpoints = [*BatchEndpoint.known(), *sorted(limits.known_urls.difference(BatchEndpoint.known()))]
    _check_word("endpoint", asked["endpoint"], endpoints)
    _check_word("completion_window", asked["completion_window"], sorted(windows))
    if asked.get("metadata") is not None:
        _check_metadata(asked["metadata"])
    if asked.get("output_expires_after") is not None:
        expires = asked["output_expires_after"]
        if not isinstance(expires, dict):
            raise _wrong_type("output_expires_after", "an object", expires)
        expiry("output_expires_after", expires.get("anchor"), expires.get("seconds"))


def seconds_of(window: str | None) -> int:
    """Return the seconds of a completion window such as `24h`, `7d` or `30m`; anything else is a day."""
    number, unit = (window or "")[:-1], (window or "")[-1:]
    known = number.isascii() and number.isdigit() and len(number) < 6 and unit in UNITS
    return int(number) * UNITS[unit] if known else UNITS["d"]


UNITS: Final = {"m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
"""Seconds of each unit."""


def check_purpose(purpose: str) -> None:
    """Check the purpose of a file.

    Raises:
        Refusal: It is unknown.
    """
    _check_word("purpose", purpose, list(PURPOSES))


def expiry(name: str, anchor: object, seconds: object) -> int:
    """Return the lifetime of a file in seconds.

    Raises:
        Refusal: It is not a number, out of bounds, or has another anchor than `created_at`.
    """
    if anchor != "created_at":
        message = f"Invalid value for '{name}.anchor': the only anchor is 'created_at'."
        raise Refusal(400, message, code="invalid_value", param=f"{name}.anchor")
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        seconds = int(seconds)  # form values are strings
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds not in EXPIRY:
        message = f"Invalid value for '{name}.seconds': it must be from {EXPIRY[0]} to {EXPIRY[-1]}."
        raise Refusal(400, message, code="invalid_value", param=f"{name}.seconds")
    return seconds


def page_size(text: str | None, usual: int, most: int) -> int:
    """Return the `limit` of a list.

    Raises:
        Refusal: It is not a number, or out of bounds.
    """
    if text is None:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not 1 <= int(text) <= most:
        raise Refusal(400, f"Invalid 'limit': it must be from 1 to {most}.", code="invalid_value", param="limit")
    return int(text)


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int | None:
    """Return an integer parameter, or None if it is missing.

    Raises:
        Refusal: It is not an integer, or out of bounds.
    """
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(name, "an integer", value)
    if value < least or (most is not None and value > most):
        which, sign, bound = ("below min", ">=", least) if value < least else ("above max", "<=", most)
        message = f"Invalid '{name}': integer {which}imum value. Expected a value {sign} {bound}, but got {value} instead."
        raise Refusal(400, message, code=f"integer_{which.replace(' ', '_')}_value", param=name)
    return value


def sort_order(text: str | None) -> str:
    """Return `asc` or `desc`.

    Raises:
        Refusal: It is neither.
    """
    if text is None:
        return "desc"
    _check_word("order", text, ["asc", "desc"])
    return text


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict):
        raise _wrong_type("metadata", "an object", metadata)
    if len(metadata) > MAX_PAIRS:
        message = f"Invalid 'metadata': too many properties. Expected at most {MAX_PAIRS}, but got {len(metadata)} instead."
        raise Refusal(400, message, code="object_above_max_properties", param="metadata")
    for key, value in metadata.items():
        name = f"metadata.{key}"
        _check_text(name, value)
        for what, text, most in (("key", key, MAX_KEY), ("value", value, MAX_VALUE)):
            if len(text) > most:
                message = f"Invalid '{name}': {what} too long. Expected at most {most} characters, but got {len(text)} instead."
                raise Refusal(400, message, code="string_above_max_length", param=name)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)


def _check_word(name: str, value: str, words: list[str]) -> None:
    if value not in words:
        known = ", ".join(f"'{word}'" for word in words)
        message = f"Invalid value: '{value[:100]}'. Supported values are: {known}. ('{name}')"
        raise Refusal(400, message, code="invalid_value", param=name)


def _wrong_type(name: str, wanted: str, value: object) -> Refusal:
    got = KINDS.get(type(value), "a string")
    return Refusal(400, f"Invalid type for '{name}': expected {wanted}, but got {got} instead.", code="invalid_type", param=name)


NOT_JSON: Final = ("invalid_json_line", None, "This line is not parseable as valid JSON.")

REPEATED: Final = (
    "The custom_id for this request is a duplicate of another request. "
    "The custom_id parameter must be unique for each request in a batch."
)

NOT_JSON_CODES: Final = (
    *("invalid_json_line", "byte_order_mark", "glued_lines", "json_array", "multiline_json", "trailing_commas"),
    *("double_encoded", "python_bytes", "wrong_encoding", "python_dicts", "csv", "not_text", "not_lines"),
)

SERVICE_ERRORS: Final[dict[str, tuple[str, str | None, str]]] = {
    **dict.fromkeys(NOT_JSON_CODES, NOT_JSON),
    "wrong_format": ("missing_required_parameter", "method", "Missing required parameter: 'method'."),
    "duplicate_custom_id": ("duplicate_custom_id", "custom_id", REPEATED),
}
"""Code, parameter and message of the service, where they differ from ours [recorded in llama-stack's test_batches_errors.py,
2025-08; community.openai.com/t/723696]."""

OTHER_URL: Final = "The URL provided for this request does not match the batch endpoint."
MOST_ERRORS: Final = 100
"""The greatest number of errors listed in a batch. The limit of the service is unknown."""


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of the validation of a request file.

    Attributes:
        requests: The number of requests.
        model: The model of the requests.
        errors: The errors, in the order of the lines.
    """

    requests: int
    model: str | None
    errors: list[BatchError] = field(default_factory=list)


def validated(path: Path, endpoint: str, limits: Limits, models: Collection[str] | None) -> Validation:
    """Validate a file as the service does after a batch is created.

    Args:
        path: The file.
        endpoint: The endpoint of the batch; each line must have it.
        limits: The rules.
        models: The available models; None for any.
    """
    report = validate(path, limits=replace(limits, body_rules="none"))  # the service checks bodies when it runs the requests
    file = report.files[0]
    found = [finding for finding in report.findings if finding.severity == "error"]
    errors = [_error(finding, endpoint) for finding in found if finding.code != "invalid_url"]
    if models is not None or (limits.one_url and (len(errors) < len(found) or file.endpoint != endpoint)):
        errors += islice(_other_errors(path, endpoint if limits.one_url else None, limits, models), MOST_ERRORS)
    errors.sort(key=lambda error: error.line or 0)
    return Validation(file.requests, file.model, errors[:MOST_ERRORS])


def requests_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the request of each line that has one."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                request = json.loads(line)
            except ValueError:
                continue
            if isinstance(request, dict):
                yield number, request


def _error(finding: Finding, endpoint: str) -> BatchError:
    param = None if finding.json_path is None else finding.json_path.removeprefix("$.")
    code, param, message = SERVICE_ERRORS.get(finding.code, (finding.service_code or finding.code, param, finding.message))
    if finding.code == "mismatched_model":
        message = f"{message.partition(':')[0]}. Each batch must contain requests for a single model."
    elif finding.code == "streaming_unsupported" and endpoint == "/v1/chat/completions":
        message = f"Chat Completions: {message}"
    return BatchError(code=code, param=param, line=finding.line_number, message=message)


def _other_errors(path: Path, endpoint: str | None, limits: Limits, models: Collection[str] | None) -> Iterator[BatchError]:
    """Yield the lines with another endpoint than the batch, or with an unknown model."""
    for line, request in requests_of(path):
        url, body = request.get("url"), request.get("body")
        if endpoint is not None and isinstance(url, str) and url != endpoint:
            code = limits.service_codes.get("invalid_url", "invalid_url")
            yield BatchError(code=code, param="url", line=line, message=OTHER_URL)
        model = body.get("model") if isinstance(body, dict) else None
        if models is not None and isinstance(model, str) and model not in models:
            message = f"The provided model '{model[:100]}' is not supported by the Batch API."
            yield BatchError(code="model_not_found", param="body.model", line=line, message=message)
