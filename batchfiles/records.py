"""The lines of batch files as plain values, with the names and values of the API, not interpreted.

The shapes are those of `BatchRequestInput` and `BatchRequestOutput` in OpenAI's public specification, last published on
2025-04-29, extended to what services send in practice. `batchfiles.outcome` interprets results.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from batchfiles.open_strings import BatchRequestInputMethod
from batchfiles.summary import Displayed, indented, record_page


@dataclass(slots=True, repr=False)
class BatchRequestInput(Displayed):
    """One line of a request file.

    Attributes:
        custom_id: The key that its result has too; unique within its batch.
        method: `"POST"`, the only value that the API allows.
        url: The endpoint, such as `/v1/chat/completions`; None in the short lines of Together, Fireworks and Mistral.
        body: The request itself.
        extra: Other keys, unchanged.
        path: The file it was read from. Not compared, as the next three.
        line_number: Counted from 1, including blank lines.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        repaired: Whether the line was not strictly JSON: half a surrogate pair was read as U+FFFD, NaN or an infinity as None.
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

    def _repr_html_(self) -> str:
        """Return the request for notebooks: its place, and the line as indented JSON."""
        return _page(self, self.to_dict())


@dataclass(slots=True, repr=False)
class BatchRequestOutputResponse(Displayed):
    """The HTTP response to one request.

    Attributes:
        status_code: The HTTP status; 0 or None if there was none.
        request_id: The service's id of the HTTP request, in any form (32 hex digits, a UUID, an empty string).
        body: The decoded body; a string if the service writes JSON text there (llama-stack), None or {} if there is none.
        extra: Other keys; the whole completion if the service writes it instead of the response (old vLLM).
    """

    status_code: int | None = None
    request_id: str | None = None
    body: Any = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it is written."""
        value = {"status_code": self.status_code, "request_id": self.request_id, "body": self.body}
        return value | self.extra | value if self.extra else value


@dataclass(slots=True, repr=False)
class BatchRequestOutputError(Displayed):
    """Why there was no HTTP response, or, with some services, the error of a response.

    Attributes:
        code: Such as `batch_expired`; an int with vLLM.
        message: The error's message.
        extra: Other keys, such as vLLM's nested `error`.
    """

    code: Any = None
    message: Any = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the object as it is written."""
        value = {"code": self.code, "message": self.message}
        return value | self.extra | value


@dataclass(slots=True, repr=False)
class BatchRequestOutput(Displayed):
    """One line of an output file or an error file.

    Attributes:
        id: The service's id of the request in the batch; None with Azure.
        custom_id: The key of its request; None was seen once, for embeddings.
        response: The HTTP response; None if there was none.
        error: An object; a string with vLLM; None for an ordinary HTTP error (it is in `response.body`).
        extra: Other keys, unchanged.
        path: The file it was read from. Not compared, as the next three.
        line_number: Counted from 1, including blank lines.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        repaired: Whether the line was not strictly JSON: half a surrogate pair was read as U+FFFD, NaN or an infinity as None.
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

    def _repr_html_(self) -> str:
        """Return the result for notebooks: its place, and the line as indented JSON."""
        return _page(self, self.to_dict())


def not_a_record(value: object, kind: str) -> TypeError:
    """Return the error for a value that is not a record, such as a dict."""
    remedy = f": use {kind}(**…), or decode a line with decode_{'input' if kind == 'BatchRequestInput' else 'output'}"
    return TypeError(f"a {kind} is expected, not {type(value).__name__}{remedy if isinstance(value, dict | bytes | str) else ''}")


def _page(record: BatchRequestInput | BatchRequestOutput, line: dict[str, Any]) -> str:
    place = "" if record.path is None else f"{record.path}:{record.line_number}"
    return record_page(type(record).__name__, [("line", place)], indented(line))
