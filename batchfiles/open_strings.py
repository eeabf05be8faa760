"""Strings with known values, to which services may add others.

Each type is a `str`: it compares, hashes and serializes as one. The known values are constants of the type, such as
`BatchStatus.COMPLETED`; any other string is accepted and kept. The lists are those of OpenAI's OpenAPI document (f85dbe2).

Services have other words for the states of a batch: `STATES` lists them, and `status_of` translates them.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, NamedTuple


def _value(value: str) -> Any:  # noqa: ANN401 - `OpenString` makes an instance of the class of it
    return value


class OpenString(str):
    """A string, one of `known()` or any other."""

    __slots__ = ()

    _known: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        constants = {name: cls(value) for name, value in vars(cls).items() if name.isupper()}
        for name, value in constants.items():
            setattr(cls, name, value)
        cls._known = tuple(constants.values())

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Return the known values, in the order of OpenAI's specification."""
        return cls._known

    @property
    def is_known(self) -> bool:
        """Whether this is one of the known values."""
        return self in self._known


class BatchStatus(OpenString):
    """The state of a batch."""

    __slots__ = ()

    VALIDATING: ClassVar[BatchStatus] = _value("validating")
    FAILED: ClassVar[BatchStatus] = _value("failed")
    IN_PROGRESS: ClassVar[BatchStatus] = _value("in_progress")
    FINALIZING: ClassVar[BatchStatus] = _value("finalizing")
    COMPLETED: ClassVar[BatchStatus] = _value("completed")
    EXPIRED: ClassVar[BatchStatus] = _value("expired")
    CANCELLING: ClassVar[BatchStatus] = _value("cancelling")
    CANCELLED: ClassVar[BatchStatus] = _value("cancelled")

    @property
    def is_terminal(self) -> bool:
        """Whether the batch will not change any more; an unknown status is not terminal."""
        return self in TERMINAL


TERMINAL: Final = frozenset({BatchStatus.FAILED, BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})


class BatchEndpoint(OpenString):
    """The endpoint of the requests of a batch. OpenAI's list grew from one to eight, so others are sent too."""

    __slots__ = ()

    RESPONSES: ClassVar[BatchEndpoint] = _value("/v1/responses")
    CHAT_COMPLETIONS: ClassVar[BatchEndpoint] = _value("/v1/chat/completions")
    EMBEDDINGS: ClassVar[BatchEndpoint] = _value("/v1/embeddings")
    COMPLETIONS: ClassVar[BatchEndpoint] = _value("/v1/completions")
    MODERATIONS: ClassVar[BatchEndpoint] = _value("/v1/moderations")
    IMAGES_GENERATIONS: ClassVar[BatchEndpoint] = _value("/v1/images/generations")
    IMAGES_EDITS: ClassVar[BatchEndpoint] = _value("/v1/images/edits")
    VIDEOS: ClassVar[BatchEndpoint] = _value("/v1/videos")


class BatchCompletionWindow(OpenString):
    """How long a batch may take. OpenAI has one window; other services have shorter and longer ones."""

    __slots__ = ()

    H24: ClassVar[BatchCompletionWindow] = _value("24h")


class BatchFileExpirationAnchor(OpenString):
    """The time from which the seconds until the deletion of a file are counted."""

    __slots__ = ()

    CREATED_AT: ClassVar[BatchFileExpirationAnchor] = _value("created_at")


class BatchRequestInputMethod(OpenString):
    """The HTTP method of a request line."""

    __slots__ = ()

    POST: ClassVar[BatchRequestInputMethod] = _value("POST")


UNKNOWN_STATUS: Final = BatchStatus("unknown")
"""The status of a batch that states none."""


class State(NamedTuple):
    """What a word means.

    Attributes:
        status: OpenAI's word for it.
        source: Who writes it.
    """

    status: str
    source: str


ANTHROPIC = "Anthropic, Message Batches"
AZURE_ML = "Azure Machine Learning, JobStatus"
BAIDU = "Baidu Qianfan, DescribeBatchInferenceTask"
BEDROCK = "Amazon Bedrock, ModelInvocationJobStatus"
COHERE = "Cohere SDK, BatchStatus"
CORTEX = "Cortex, job statuses"
FIREWORKS = "Fireworks, gatewayJobState"
GOOGLE = "Google Gen AI SDK, JobState"
LITELLM = "LiteLLM"
MISTRAL = "Mistral SDK, BatchJobStatus"
QUEUES = "no page: job queues of gateways"
SAP = "SAP AI SDK, batch API"
SUTRO = "Sutro, job status"

STATES: Final[dict[str, State]] = {
    # not started
    "not_started": State("validating", AZURE_ML),
    "created": State("validating", "Google Cloud, OperationMetadata.State"),
    "creating": State("validating", FIREWORKS),
    "creating_input_dataset": State("validating", FIREWORKS),
    "enqueuing": State("validating", CORTEX),
    "idle": State("validating", FIREWORKS),
    "pending": State("validating", GOOGLE),
    "preparing": State("validating", AZURE_ML),
    "preparing_input": State("validating", SAP),
    "queued": State("validating", MISTRAL),
    "queuing": State("validating", BAIDU),
    "queueing": State("validating", AZURE_ML),
    "re_queueing": State("validating", FIREWORKS),
    "scheduled": State("validating", BEDROCK),
    "starting": State("validating", SUTRO),
    "submitted": State("validating", BEDROCK),
    # at work
    "active": State("in_progress", "Amazon EC2, BatchState"),
    "paused": State("in_progress", GOOGLE),
    "processing": State("in_progress", QUEUES),
    "progress": State("in_progress", "Novita, batch API"),
    "running": State("in_progress", MISTRAL),
    "started": State("in_progress", QUEUES),
    "updating": State("in_progress", GOOGLE),
    "writing_results": State("finalizing", FIREWORKS),
    # ended with results
    "complete": State("completed", LITELLM),
    "completed_with_errors": State("completed", QUEUES),
    "completed_with_failures": State("completed", CORTEX),
    "completed_with_warnings": State("completed", QUEUES),
    "done": State("completed", BAIDU),
    "ended": State("completed", ANTHROPIC),
    "finished": State("completed", QUEUES),
    "finished_with_errors": State("completed", QUEUES),
    "partial_success": State("completed", QUEUES),
    "partially_failed": State("completed", QUEUES),
    "partially_completed": State("completed", BEDROCK),
    "partially_succeeded": State("completed", GOOGLE),
    "succeeded": State("completed", "Maritaca (maritalk-api#177), Google, Sutro"),
    "success": State("completed", MISTRAL),
    "successful": State("completed", QUEUES),
    # ended for want of time
    "timed_out": State("expired", CORTEX),
    "timeout": State("expired", "Databricks, run result states"),
    "timeout_exceeded": State("expired", MISTRAL),
    # ended without
    "crashed": State("failed", QUEUES),
    "error": State("failed", QUEUES),
    "errored": State("failed", ANTHROPIC),
    "failure": State("failed", "Merge, BatchObjectStatusEnum"),
    "failed_while_enqueuing": State("failed", CORTEX),
    "out_of_memory": State("failed", CORTEX),
    "rejected": State("failed", QUEUES),
    "worker_error": State("failed", CORTEX),
    # being cancelled
    "cancel_pending": State("cancelling", "Amazon EMR, JobRunState"),
    "cancel_requested": State("cancelling", AZURE_ML),
    "canceling": State("cancelling", ANTHROPIC),
    "cancellation_requested": State("cancelling", MISTRAL),
    "deleting": State("cancelling", FIREWORKS),
    "deleting_cleaning_up": State("cancelling", FIREWORKS),
    "stopping": State("cancelling", BEDROCK),
    "terminating": State("cancelling", "Databricks, life cycle states"),
    # stopped before its end: what was answered by then may be there
    "aborted": State("cancelled", QUEUES),
    "archived": State("cancelled", FIREWORKS),
    "canceled": State("cancelled", COHERE),
    "deleted": State("cancelled", FIREWORKS),
    "early_stopped": State("cancelled", FIREWORKS),
    "stopped": State("cancelled", BEDROCK),
    "terminated": State("cancelled", "Databricks, life cycle states"),
}
"""Words of other services, in lower case and without the prefix of an enum [documentation and SDKs of each, read 2026-11]."""

PREFIX = re.compile(r"^(?:[a-z]+_)*?(?:state|status)_(?=[a-z])")
"""`JOB_STATE_`, `BATCH_STATE_`, `BATCH_STATUS_`, `STATE_` and the like: protocol buffers repeat the enum's name."""

HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
"""Where a word of camel case is divided: `PartiallyCompleted`."""


STATUS_BY_WORD: Final = {
    **{word.replace("_", ""): state.status for word, state in STATES.items()},
    **{word.replace("_", ""): word for word in BatchStatus.known()},
}
"""Every word without its underscores (`INPROGRESS`, `InProgress`, `in progress`), and OpenAI's word for it."""


def status_of(word: str) -> BatchStatus:
    """Return a state in OpenAI's words: other services' words are translated; a new one is kept, in lower case."""
    return BatchStatus(STATUS_BY_WORD.get(bare_word(word), word.strip().lower()))


def bare_word(word: str) -> str:
    """Return the word of a state in lower case, without separators and without the prefix of an enum."""
    return PREFIX.sub("", re.sub(r"[\s.-]+", "_", HUMP.sub("_", word.strip()).lower())).replace("_", "")
