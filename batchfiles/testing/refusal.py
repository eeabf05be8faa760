"""How the service says no."""

from __future__ import annotations

from typing import Any

__all__ = ["Refusal", "error_body", "missing_parameter"]


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


def missing_parameter(name: str) -> Refusal:
    """Return the refusal of a call that lacks what it must have."""
    return Refusal(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
