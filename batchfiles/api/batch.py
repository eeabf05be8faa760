"""The batch object, and the objects in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from batchfiles.api import values
from batchfiles.errors import APIResponseValidationError
from batchfiles.open_strings import UNKNOWN_STATUS, BatchStatus, status_of

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
    def decode(cls, value: object, odd: values.JSONObject, place: str) -> BatchError | None:
        """Read the JSON value; a bare sentence is a message (old SGLang). None where it is neither."""
        if isinstance(value, str):
            return cls(message=value or None)
        if not isinstance(value, dict):
            return None
        found = values.Fields(value, odd, f"{place}.")
        return cls(
            code=found.word("code"),
            message=found.text("message"),
            param=found.text("param"),
            line=found.integer("line"),
            extra=values.others(value, ERROR_KEYS),
        )

    def to_dict(self) -> dict[str, Any]:
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
    def decode(cls, batch: values.Fields, value: object, odd: values.JSONObject) -> BatchErrors | None:
        """Read the JSON value: an object with `data`, a bare list (some gateways), one error or a sentence alone (old SGLang)."""
        if isinstance(value, list):
            return cls(data=batch.items("errors", BatchError.decode))
        if isinstance(value, str) and value:
            return cls(data=[BatchError(message=value)])
        inner = batch.within("errors")
        if inner is None:
            return None
        found, members = inner
        if "data" not in found and "message" in found:
            error = BatchError.decode(found, odd, "errors")
            return cls(data=[] if error is None else [error])
        return cls(data=members.items("data", BatchError.decode), extra=values.others(found, frozenset({"object", "data"})))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value."""
        return values.with_others({"object": "list", "data": [error.to_dict() for error in self.data]}, self.extra)


@dataclass(slots=True, kw_only=True)
class BatchRequestCounts:
    """How many requests there are, and how many are done. Cancelled requests count as neither completed nor failed.

    Attributes:
        total: The requests of the batch.
        completed: How many of them have an answer.
        failed: How many of them failed.
        extra: Keys that the specification doesn't name.
    """

    total: int = 0
    completed: int = 0
    failed: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, batch: values.Fields) -> BatchRequestCounts:
        """Read them from the fields of a batch; null members count as 0 (Azure)."""
        inner = batch.within("request_counts")
        if inner is None:
            return cls()
        found, members = inner
        return cls(
            total=members.count("total"),
            completed=members.count("completed"),
            failed=members.count("failed"),
            extra=values.others(found, COUNT_KEYS),
        )

    def to_dict(self) -> dict[str, Any]:
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
        extra: Keys that the specification doesn't name; those of the details are under the names of the details.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, batch: values.Fields) -> BatchUsage | None:
        """Read it from the fields of a batch; None if it is missing."""
        inner = batch.within("usage")
        if inner is None:
            return None
        found, members = inner
        inputs, outputs = members.within("input_tokens_details"), members.within("output_tokens_details")
        extra = values.others(found, USAGE_KEYS)
        for name, key, details in (
            ("input_tokens_details", "cached_tokens", inputs),
            ("output_tokens_details", "reasoning_tokens", outputs),
        ):
            if details is not None and (more := values.others(details[0], frozenset({key}))):
                extra[name] = more
        return cls(
            input_tokens=members.count("input_tokens"),
            output_tokens=members.count("output_tokens"),
            total_tokens=members.count("total_tokens"),
            cached_tokens=inputs[1].count("cached_tokens") if inputs else 0,
            reasoning_tokens=outputs[1].count("reasoning_tokens") if outputs else 0,
            extra=extra,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value."""
        cached, reasoned = {"cached_tokens": self.cached_tokens}, {"reasoning_tokens": self.reasoning_tokens}
        own = {
            "input_tokens": self.input_tokens,
            "input_tokens_details": values.with_others(cached, self.extra.get("input_tokens_details", {})),
            "output_tokens": self.output_tokens,
            "output_tokens_details": values.with_others(reasoned, self.extra.get("output_tokens_details", {})),
            "total_tokens": self.total_tokens,
        }
        return values.with_others(own, self.extra)


USAGE_KEYS: Final = frozenset({"input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"})


@dataclass(slots=True, kw_only=True)
class Batch:
    """One job at the service. Times are seconds since 1970-01-01 UTC.

    Attributes:
        id: The service's name for it.
        endpoint: Where its requests go; None where the service doesn't report it (Azure, Together).
        input_file_id: The file of requests.
        completion_window: Always `24h` at OpenAI; None where the service has none.
        status: Its state; a string other than the constants of `BatchStatus` is one that we don't know yet.
        model: The model, once the service has looked into the file.
        errors: Why it failed, where it did.
        output_file_id: The file of answers; None also for an empty id.
        error_file_id: The file of failures; None also for an empty id.
        created_at: When it was made.
        in_progress_at: When the work began.
        expires_at: When it will end, whatever is missing then.
        finalizing_at: When the writing of the files began.
        completed_at: When it was done.
        failed_at: When it failed.
        expired_at: When its time had ended.
        cancelling_at: When it was cancelled.
        cancelled_at: When that was done.
        request_counts: How much is done.
        usage: Its tokens.
        metadata: What its maker wrote on it.
        extra: Keys that the specification doesn't name.
        odd: Values that could not be read and count as null, by their place, such as `request_counts.total`.
    """

    id: str
    endpoint: str | None = None
    input_file_id: str | None = None
    completion_window: str | None = None
    status: BatchStatus = BatchStatus.VALIDATING
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
    odd: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self.status = BatchStatus(self.status)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing changes any more; a status that we don't know is not terminal."""
        return BatchStatus(self.status).is_terminal

    @property
    def progress(self) -> float:
        """The part of the requests that are done, from 0.0 to 1.0."""
        counts = self.request_counts
        done = counts.completed + counts.failed
        return 1.0 if 0 < counts.total <= done else done / counts.total if counts.total > 0 else 0.0

    @property
    def result_file_ids(self) -> list[str]:
        """The ids of the files that can be downloaded: answers first."""
        return [file_id for file_id in (self.output_file_id, self.error_file_id) if file_id is not None]

    @property
    def unread_files(self) -> list[str]:
        """Which of the files of results, `output` or `error`, has an id that can't be read."""
        return [kind for kind in ("output", "error") if self.odd.get(f"{kind}_file_id")]

    @property
    def notes(self) -> list[str]:
        """A sentence for each value that could not be read and counts as null."""
        return values.notes_of(self.odd)

    @classmethod
    def from_dict(cls, value: object) -> Batch:
        """Read the JSON value; an odd value of a field is null, and in `odd`.

        Raises:
            APIResponseValidationError: It is not a batch: no object, or one without an id or without anything that a batch has.
        """
        found = values.mapping(value, "batch")
        batch_id = values.required_id(found.get("id"), "id")
        odd: dict[str, Any] = {}
        fields = values.Fields(found, odd)
        return cls(
            id=batch_id,
            endpoint=fields.text("endpoint"),
            input_file_id=fields.identifier("input_file_id"),
            completion_window=fields.text("completion_window"),
            status=_status(found, odd),
            model=fields.text("model"),
            errors=BatchErrors.decode(fields, found.get("errors"), odd),
            output_file_id=fields.identifier("output_file_id"),
            error_file_id=fields.identifier("error_file_id"),
            request_counts=BatchRequestCounts.decode(fields),
            usage=BatchUsage.decode(fields),
            metadata=fields.texts("metadata"),
            extra=values.others(found, KEYS),
            odd=odd,
            **{name: fields.moment(name) for name in TIMES},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value, every key of the specification in it, null where nothing is known."""
        own: dict[str, Any] = {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": None if self.errors is None else self.errors.to_dict(),
            "input_file_id": self.input_file_id,
            "completion_window": self.completion_window,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            **{name: getattr(self, name) for name in TIMES},
            "request_counts": self.request_counts.to_dict(),
            "usage": None if self.usage is None else self.usage.to_dict(),
            "metadata": self.metadata,
        }
        return values.with_others(own, self.extra)


KEYS: Final = values.keys_of(Batch, "object")

SIGNS: Final = ("input_file_id", "output_file_id", "request_counts", "completion_window")
"""Members that a batch has and other objects have not."""


def _status(found: dict[str, Any], odd: dict[str, Any]) -> BatchStatus:
    """Return the state, from `status` or, as Fireworks and Google write it, from `state`.

    Raises:
        APIResponseValidationError: There is none, and no other member shows that this is a batch.
    """
    for word in (found.get("status"), found.get("state")):
        if isinstance(word, str) and word.strip():
            return status_of(word)
    if found.get("object") != "batch" and not any(sign in found for sign in SIGNS):
        raise APIResponseValidationError("the answer has no 'status'")
    odd["status"] = found.get("status")
    return UNKNOWN_STATUS
