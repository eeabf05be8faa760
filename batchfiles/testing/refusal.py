"""Refusals of the service, in its own form and in those of other services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["ERROR_FORMS", "Refusal", "error_body", "missing_parameter"]


def error_body(
    message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """Return the body of an answer that is no success."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class Refusal(Exception):
    """A request that is refused, with the status and the words of the service."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, param=param, code=code)

    def said(self, form: str) -> object:
        """Return the body in one of `ERROR_FORMS`: JSON, or a string for a text."""
        if form == "openai":
            return self.body
        error: dict[str, Any] = self.body["error"]
        return ERROR_FORMS[form](error["message"], error["code"] or "invalid_request", error["param"])


def missing_parameter(name: str) -> Refusal:
    """Return the refusal of a call that lacks what it must have."""
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
"""Forms of an error: OpenAI, FastAPI (a sentence, a list), AWS gateways, Flask, Cloudflare, Apigee, RFC 9457, plain text."""
