"""The API in short: what each answer must hold, by OpenAI's OpenAPI document (openai/openai-openapi at f85dbe2, 2026-08-21).

The document declares most optional keys as if they were never null, though its examples and the service have them null; so here
an optional key may be null, and a required one may not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ANSWERS", "Shape", "check_answer", "faults_of"]

STATUSES = ("validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled")
PURPOSES = (
    "assistants",
    "assistants_output",
    "batch",
    "batch_output",
    "fine-tune",
    "fine-tune-results",
    "vision",
    "user_data",
)


@dataclass(frozen=True)
class Shape:
    """An object: the kinds of its keys. A kind is a type, a tuple of words, a list of one kind, a dict for a map, or a Shape.

    Args:
        required: Keys that must be there with a value.
        optional: Keys that may be missing or null.
        nullable: Keys that must be there, and may be null.
    """

    required: dict[str, Any] = field(default_factory=dict)
    optional: dict[str, Any] = field(default_factory=dict)
    nullable: dict[str, Any] = field(default_factory=dict)


TIMES = {
    f"{name}_at": int
    for name in ("in_progress", "expires", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
}
ERROR = Shape({"type": str, "message": str}, nullable={"param": str, "code": str})
BATCH_ERROR = Shape({}, {"code": str, "message": str, "param": str, "line": int})
BATCH = Shape(
    {
        "id": str,
        "object": ("batch",),
        "endpoint": str,
        "input_file_id": str,
        "completion_window": str,
        "status": STATUSES,
        "created_at": int,
    },
    {
        "model": str,
        "errors": Shape({}, {"object": ("list",), "data": [BATCH_ERROR]}),
        "output_file_id": str,
        "error_file_id": str,
        **TIMES,
        "request_counts": Shape({"total": int, "completed": int, "failed": int}),
        "usage": Shape(
            {
                "input_tokens": int,
                "input_tokens_details": Shape({"cached_tokens": int}),
                "output_tokens": int,
                "output_tokens_details": Shape({"reasoning_tokens": int}),
                "total_tokens": int,
            }
        ),
        "metadata": {str: str},
    },
)
FILE = Shape(
    {
        "id": str,
        "object": ("file",),
        "bytes": int,
        "created_at": int,
        "filename": str,
        "purpose": PURPOSES,
        "status": ("uploaded", "processed", "error"),
    },
    {"expires_at": int, "status_details": str},
)
BATCHES = Shape({"object": ("list",), "data": [BATCH], "has_more": bool}, {"first_id": str, "last_id": str})
FILES = Shape({"object": ("list",), "data": [FILE], "has_more": bool}, nullable={"first_id": str, "last_id": str})
DELETED = Shape({"id": str, "object": ("file",), "deleted": bool})
REFUSED = Shape({"error": ERROR})

ANSWERS: dict[tuple[str, str], Shape | None] = {
    ("POST", "/files"): FILE,
    ("GET", "/files"): FILES,
    ("GET", "/files/*"): FILE,
    ("DELETE", "/files/*"): DELETED,
    ("GET", "/files/*/content"): None,
    ("POST", "/batches"): BATCH,
    ("GET", "/batches"): BATCHES,
    ("GET", "/batches/*"): BATCH,
    ("POST", "/batches/*/cancel"): BATCH,
}
"""What a call is answered with; None for bytes."""


def check_answer(method: str, path: str, status: int, value: Any) -> None:
    """Check the answer to a call.

    Raises:
        AssertionError: It is not as described.
    """
    call = method, re.sub(r"^(/files|/batches)/[^/]+", r"\1/*", path)
    shape = ANSWERS[call] if status == 200 else REFUSED
    assert shape is None or not (found := list(faults_of(value, shape, "$"))), (call, found)


def faults_of(value: Any, kind: Any, where: str) -> list[str]:
    """Return what in a value is not of its kind, with the place of each."""
    if isinstance(kind, Shape):
        return _object_faults(value, kind, where)
    if isinstance(kind, tuple):
        return [] if value in kind else [f"{where} is {value!r}"]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{where} is not a list"]
        return [fault for number, item in enumerate(value) for fault in faults_of(item, kind[0], f"{where}[{number}]")]
    if isinstance(kind, dict):
        if not isinstance(value, dict):
            return [f"{where} is not a map"]
        return [fault for key, item in value.items() for fault in faults_of(item, kind[str], f"{where}.{key}")]
    return [] if type(value) is kind else [f"{where} is {value!r}"]


def _object_faults(value: Any, shape: Shape, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is not an object"]
    kinds = {**shape.required, **shape.optional, **shape.nullable}
    found = [f"{where}.{key} is missing" for key in (*shape.required, *shape.nullable) if key not in value]
    found += [f"{where}.{key} is not described" for key in value if key not in kinds]
    for key, kind in kinds.items():
        if key in value and (value[key] is not None or key in shape.required):
            found += faults_of(value[key], kind, f"{where}.{key}")
    return found
