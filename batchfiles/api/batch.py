"""The batch object, and what stands in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from batchfiles.api import values
from batchfiles.api.status import TERMINAL, status_of

__all__ = ["Batch", "BatchError", "BatchErrors", "BatchRequestCounts", "BatchUsage"]

TIMES: Final = (
    "created_at",
    "in_progress_at",
    "expires_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
)


@dataclass(slots=True, kw_only=True)
class BatchError:
    """Why a batch failed at its validation.

    Attributes:
        code: The service's word, such as `duplicate_custom_id`.
        message: A sentence for people.
        param: The parameter that is to blame.
        line: The line of the input file, counted from 1.
        extra: Keys that the specification doesn't name.
    """

    code: str | None = None
    message: str | None = None
    param: str | None = None
    line: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, value: object) -> BatchError:
        """Read the JSON value; a bare sentence is a message (old SGLang).

        Raises:
            UnreadableResponse: It is of another shape.
        """
        if isinstance(value, str):
            return cls(message=value)
        found = values.mapping(value, "errors.data[]")
        return cls(
            code=values.text(found.get("code"), "code"),
            message=values.text(found.get("message"), "message"),
            param=values.text(found.get("param"), "param"),
            line=values.integer(found.get("line"), "line"),
            extra=values.others(found, ERROR_KEYS),
        )

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        own = {"code": self.code, "message": self.message, "param": self.param, "line": self.line}
        return values.with_others(own, self.extra)


ERROR_KEYS: Final = values.keys_of(BatchError)


@dataclass(slots=True, kw_only=True)
class BatchErrors:
    """The errors of a failed batch; the list may be empty even so.

    Attributes:
        data: The errors.
        extra: Keys that the specification doesn't name.
    """

    data: list[BatchError] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, value: object) -> BatchErrors:
        """Read the JSON value: an object with `data`, a bare list (some gateways), or one error alone (old SGLang).

        Raises:
            UnreadableResponse: It is of another shape.
        """
        if isinstance(value, list):
            return cls(data=values.items(value, "errors", BatchError.decode))
        found = values.mapping(value, "errors")
        if "data" not in found and "message" in found:
            return cls(data=[BatchError.decode(found)])
        return cls(
            data=values.items(found.get("data"), "errors.data", BatchError.decode),
            extra=values.others(found, frozenset({"object", "data"})),
        )

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        return values.with_others({"object": "list", "data": [error.encode() for error in self.data]}, self.extra)


@dataclass(slots=True, kw_only=True)
class BatchRequestCounts:
    """How many requests there are, and how many are done. Cancelled requests count as neither completed nor failed."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, value: object) -> BatchRequestCounts:
        """Read the JSON value; null members count as 0 (Azure).

        Raises:
            UnreadableResponse: It is of another shape.
        """
        found = values.mapping(value, "request_counts")
        return cls(
            total=values.count(found.get("total"), "request_counts.total"),
            completed=values.count(found.get("completed"), "request_counts.completed"),
            failed=values.count(found.get("failed"), "request_counts.failed"),
            extra=values.others(found, COUNT_KEYS),
        )

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        return values.with_others({"total": self.total, "completed": self.completed, "failed": self.failed}, self.extra)


COUNT_KEYS: Final = values.keys_of(BatchRequestCounts)


@dataclass(slots=True, kw_only=True)
class BatchUsage:
    """The tokens of a whole batch; on batches made since 2025-09-07.

    Attributes:
        input_tokens: Tokens that went in, cached ones included.
        output_tokens: Tokens that came out, reasoning included.
        total_tokens: Both.
        cached_tokens: The part of the input that was cached (`input_tokens_details.cached_tokens`).
        reasoning_tokens: The part of the output that was reasoning (`output_tokens_details.reasoning_tokens`).
        extra: Keys that the specification doesn't name.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, value: object) -> BatchUsage:
        """Read the JSON value.

        Raises:
            UnreadableResponse: It is of another shape.
        """
        found = values.mapping(value, "usage")
        inputs = values.mapping(found.get("input_tokens_details") or {}, "usage.input_tokens_details")
        outputs = values.mapping(found.get("output_tokens_details") or {}, "usage.output_tokens_details")
        return cls(
            input_tokens=values.count(found.get("input_tokens"), "usage.input_tokens"),
            output_tokens=values.count(found.get("output_tokens"), "usage.output_tokens"),
            total_tokens=values.count(found.get("total_tokens"), "usage.total_tokens"),
            cached_tokens=values.count(inputs.get("cached_tokens"), "usage.input_tokens_details.cached_tokens"),
            reasoning_tokens=values.count(outputs.get("reasoning_tokens"), "usage.output_tokens_details.reasoning_tokens"),
            extra=values.others(found, USAGE_KEYS),
        )

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        own = {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": self.cached_tokens},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.total_tokens,
        }
        return values.with_others(own, self.extra)


USAGE_KEYS: Final = frozenset({"input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"})


@dataclass(slots=True, kw_only=True)
class Batch:
    """One job at the service. Times are seconds since 1970-01-01 UTC.

    Attributes:
        id: The service's name for it.
        endpoint: Where its requests go; None where the service doesn't say (Azure, Together).
        input_file_id: The file of requests.
        completion_window: Always `24h` at OpenAI; None where the service has none.
        status: One of `BATCH_STATUSES`, or a word that we don't know yet.
        model: The model, once the service has looked into the file.
        errors: Why it failed, where it did.
        output_file_id: The file of answers; None also for an empty id.
        error_file_id: The file of failures; None also for an empty id.
        created_at: When it was made.
        in_progress_at: When the work began.
        expires_at: When it will end, whatever is missing then.
        finalizing_at: When the files were begun.
        completed_at: When it was done.
        failed_at: When it failed.
        expired_at: When its time was over.
        cancelling_at: When somebody cancelled it.
        cancelled_at: When that was done.
        request_counts: How much is done.
        usage: Its tokens.
        metadata: What its maker wrote on it.
        extra: Keys that the specification doesn't name.
    """

    id: str
    endpoint: str | None = None
    input_file_id: str | None = None
    completion_window: str | None = None
    status: str = "validating"
    model: str | None = None
    errors: BatchErrors | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int | None = None
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: BatchRequestCounts = field(default_factory=BatchRequestCounts)
    usage: BatchUsage | None = None
    metadata: dict[str, str] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing changes any more; a status that we don't know is not terminal."""
        return self.status in TERMINAL

    @property
    def progress(self) -> float:
        """The part of the requests that are done, from 0.0 to 1.0."""
        counts = self.request_counts
        return min((counts.completed + counts.failed) / counts.total, 1.0) if counts.total > 0 else 0.0

    @property
    def result_file_ids(self) -> list[str]:
        """The ids of the files that can be downloaded: answers first."""
        return [file_id for file_id in (self.output_file_id, self.error_file_id) if file_id is not None]

    @classmethod
    def decode(cls, value: object) -> Batch:
        """Read the JSON value.

        Raises:
            UnreadableResponse: It is no batch.
        """
        found = values.mapping(value, "batch")
        errors, counts, usage = found.get("errors"), found.get("request_counts"), found.get("usage")
        return cls(
            id=values.required_id(found.get("id"), "id"),
            endpoint=values.text(found.get("endpoint"), "endpoint"),
            input_file_id=values.identifier(found.get("input_file_id"), "input_file_id"),
            completion_window=values.text(found.get("completion_window"), "completion_window"),
            status=status_of(values.required_text(found.get("status"), "status")),
            model=values.text(found.get("model"), "model"),
            errors=None if errors is None else BatchErrors.decode(errors),
            output_file_id=values.identifier(found.get("output_file_id"), "output_file_id"),
            error_file_id=values.identifier(found.get("error_file_id"), "error_file_id"),
            request_counts=BatchRequestCounts() if counts is None else BatchRequestCounts.decode(counts),
            usage=None if usage is None else BatchUsage.decode(usage),
            metadata=values.texts(found.get("metadata"), "metadata"),
            extra=values.others(found, KEYS),
            **{name: values.moment(found.get(name), name) for name in TIMES},
        )

    def encode(self) -> dict[str, Any]:
        """Return the JSON value, every key of the specification in it, null where nothing is known."""
        own: dict[str, Any] = {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": None if self.errors is None else self.errors.encode(),
            "input_file_id": self.input_file_id,
            "completion_window": self.completion_window,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            **{name: getattr(self, name) for name in TIMES},
            "request_counts": self.request_counts.encode(),
            "usage": None if self.usage is None else self.usage.encode(),
            "metadata": self.metadata,
        }
        return values.with_others(own, self.extra)


KEYS: Final = values.keys_of(Batch, "object")
