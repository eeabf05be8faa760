"""The lines of batch files as plain values: the wire's names and the wire's values, nothing interpreted.

The shapes are those of `BatchRequestInput` and `BatchRequestOutput` in OpenAI's public specification, last published on
2025-04-29, widened to what services really send. What a result *means* is said by `batchfiles.outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from batchfiles.open_strings import BatchRequestInputMethod

__all__ = ["BatchRequestInput", "BatchRequestOutput", "BatchRequestOutputError", "BatchRequestOutputResponse"]


@dataclass(slots=True)
class BatchRequestInput:
    """One line of a request file.

    Attributes:
        custom_id: The key under which its result comes back; unique within its batch.
        method: `"POST"`, the only value that the API knows.
        url: The endpoint, such as `/v1/chat/completions`; None in the short lines of Together, Fireworks and Mistral.
        body: The request itself.
        extra: Keys beside these four, kept as they came.
        path: The file it was read from; not compared, like the three below.
        line_number: Counted from 1, blank lines included.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        repaired: Whether the line was not quite JSON: half a surrogate pair was read as U+FFFD, or NaN or an infinity as None.
    """

    custom_id: str
    method: BatchRequestInputMethod | str = "POST"
    url: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    path: str | None = field(default=None, compare=False, repr=False)
    line_number: int | None = field(default=None, compare=False, repr=False)
    byte_offset: int | None = field(default=None, compare=False, repr=False)
    repaired: bool = field(default=False, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the line as it is written: custom_id, method, url, body, then the extra keys."""
        value = {"custom_id": self.custom_id, "method": self.method, "url": self.url, "body": self.body}
        return value | self.extra | value if self.extra else value  # its own keys in front, and they win


@dataclass(slots=True)
class BatchRequestOutputResponse:
    """The HTTP answer to one request.

    Attributes:
        status_code: The HTTP status; 0 or None where there was none.
        request_id: The service's id of the call; its form varies (32 hex digits, a UUID, an empty string).
        body: The decoded body; a string where a service puts JSON text there (llama-stack), None or {} where there is none.
        extra: Other keys. Where a service puts the bare completion in place of the answer (old vLLM), all of it is here.
    """

    status_code: int | None = None
    request_id: str | None = None
    body: Any = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it is written."""
        value = {"status_code": self.status_code, "request_id": self.request_id, "body": self.body}
        return value | self.extra | value if self.extra else value


@dataclass(slots=True)
class BatchRequestOutputError:
    """Why there was no HTTP answer, or another service's way to report one that is no success.

    Attributes:
        code: Such as `batch_expired`; an int with vLLM.
        message: A sentence for a person.
        extra: Other keys, among them vLLM's nested `error`.
    """

    code: Any = None
    message: Any = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it is written."""
        value = {"code": self.code, "message": self.message}
        return value | self.extra | value


@dataclass(slots=True)
class BatchRequestOutput:
    """One line of an output file or an error file.

    Attributes:
        id: The service's id of the request in the batch; None with Azure.
        custom_id: The key of its request; None was seen once, for embeddings.
        response: The HTTP answer; None where there was none.
        error: An object, with vLLM a string, None for an ordinary HTTP failure (its words are in `response.body`).
        extra: Keys beside these four, kept as they came.
        path: The file it was read from; not compared, like the three below.
        line_number: Counted from 1, blank lines included.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        repaired: Whether the line was not quite JSON: half a surrogate pair was read as U+FFFD, or NaN or an infinity as None.
    """

    id: str | None = None
    custom_id: str | None = None
    response: BatchRequestOutputResponse | None = None
    error: BatchRequestOutputError | str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    path: str | None = field(default=None, compare=False, repr=False)
    line_number: int | None = field(default=None, compare=False, repr=False)
    byte_offset: int | None = field(default=None, compare=False, repr=False)
    repaired: bool = field(default=False, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the line as it is written: id, custom_id, response, error, then the extra keys."""
        response = None if self.response is None else self.response.to_dict()
        error = self.error.to_dict() if isinstance(self.error, BatchRequestOutputError) else self.error
        value = {"id": self.id, "custom_id": self.custom_id, "response": response, "error": error}
        return value | self.extra | value if self.extra else value
