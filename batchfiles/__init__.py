"""Read, check and join the JSONL batch files of the OpenAI Batch API, and turn them into Parquet."""

from __future__ import annotations

from importlib import import_module

# Not imported but known to type checkers: `typing` takes longer than all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from batchfiles.api import (
        AzureConfig,
        Batch,
        BatchError,
        BatchErrors,
        BatchFileExpirationAfter,
        BatchRequest,
        BatchRequestCounts,
        BatchUsage,
        Config,
        FileDeleted,
        FileObject,
        Key,
        ListBatchesResponse,
        ListFilesResponse,
        RetryPolicy,
    )
    from batchfiles.api.batches import BatchEvent, read_event
    from batchfiles.client import AsyncClient, Client
    from batchfiles.codec import decode_input, decode_output, encode_input, encode_output
    from batchfiles.errors import (
        AlreadySubmittedError,
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        APITimeoutError,
        AuthenticationError,
        BatchFailedError,
        BatchFilesError,
        ConflictError,
        DataError,
        DuplicateCustomIdError,
        FileError,
        FileTooLargeError,
        IncompleteDownloadError,
        InternalServerError,
        InvalidLineError,
        InvalidWebhookError,
        LineTooLongError,
        MismatchError,
        MissingDependencyError,
        NotFoundError,
        OutputExistsError,
        PermissionDeniedError,
        RateLimitError,
        StillRunningError,
        SubmissionUnknownError,
        TooManyEmbeddingInputsError,
        TooManyRequestsError,
        TruncatedFileError,
        WorkerError,
    )
    from batchfiles.findings import Finding
    from batchfiles.jobs.edit import EditReport, edit
    from batchfiles.jobs.get import Occurrence, get
    from batchfiles.jobs.join.export import Export, export
    from batchfiles.jobs.join.join import Join, join
    from batchfiles.jobs.join.report import ExportReport, JoinReport
    from batchfiles.jobs.merge import MergeReport, merge
    from batchfiles.jobs.prepare import PrepareReport, prepare
    from batchfiles.jobs.retry.report import RetryReport
    from batchfiles.jobs.retry.retry import retry
    from batchfiles.jobs.split import SplitReport, split
    from batchfiles.jobs.stats.error_digest import ErrorDigest, ErrorGroup, error_digest
    from batchfiles.jobs.stats.price import Price, Tier
    from batchfiles.jobs.stats.prices import Prices
    from batchfiles.jobs.stats.report import Stats
    from batchfiles.jobs.stats.stats import stats
    from batchfiles.jobs.validate import Report, validate
    from batchfiles.jsontext.edits import Edit
    from batchfiles.limits import (
        AZURE,
        DASHSCOPE,
        FIREWORKS,
        GROQ,
        MISTRAL,
        NEBIUS,
        NONE,
        OPENAI,
        PARASAIL,
        TOGETHER,
        VLLM,
        Limits,
    )
    from batchfiles.open_strings import (
        BatchCompletionWindow,
        BatchEndpoint,
        BatchFileExpirationAnchor,
        BatchRequestInputMethod,
        BatchStatus,
    )
    from batchfiles.outcome import OUTCOMES, Result, outcome_of
    from batchfiles.reading import Line, read_inputs, read_lines, read_outputs
    from batchfiles.records import (
        BatchRequestInput,
        BatchRequestOutput,
        BatchRequestOutputError,
        BatchRequestOutputResponse,
    )
    from batchfiles.runner.report import RunPlan, RunReport, RunStatus
    from batchfiles.runner.run import plan_run, run
    from batchfiles.table.schema import schema
    from batchfiles.writing import InputWriter, OutputWriter

    __version__: str

__all__ = [
    "AZURE",
    "DASHSCOPE",
    "FIREWORKS",
    "GROQ",
    "MISTRAL",
    "NEBIUS",
    "NONE",
    "OPENAI",
    "OUTCOMES",
    "PARASAIL",
    "TOGETHER",
    "VLLM",
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APITimeoutError",
    "AlreadySubmittedError",
    "AsyncClient",
    "AuthenticationError",
    "AzureConfig",
    "Batch",
    "BatchCompletionWindow",
    "BatchEndpoint",
    "BatchError",
    "BatchErrors",
    "BatchEvent",
    "BatchFailedError",
    "BatchFileExpirationAfter",
    "BatchFileExpirationAnchor",
    "BatchFilesError",
    "BatchRequest",
    "BatchRequestCounts",
    "BatchRequestInput",
    "BatchRequestInputMethod",
    "BatchRequestOutput",
    "BatchRequestOutputError",
    "BatchRequestOutputResponse",
    "BatchStatus",
    "BatchUsage",
    "Client",
    "Config",
    "ConflictError",
    "DataError",
    "DuplicateCustomIdError",
    "Edit",
    "EditReport",
    "ErrorDigest",
    "ErrorGroup",
    "Export",
    "ExportReport",
    "FileDeleted",
    "FileError",
    "FileObject",
    "FileTooLargeError",
    "Finding",
    "IncompleteDownloadError",
    "InputWriter",
    "InternalServerError",
    "InvalidLineError",
    "InvalidWebhookError",
    "Join",
    "JoinReport",
    "Key",
    "Limits",
    "Line",
    "LineTooLongError",
    "ListBatchesResponse",
    "ListFilesResponse",
    "MergeReport",
    "MismatchError",
    "MissingDependencyError",
    "NotFoundError",
    "Occurrence",
    "OutputExistsError",
    "OutputWriter",
    "PermissionDeniedError",
    "PrepareReport",
    "Price",
    "Prices",
    "RateLimitError",
    "Report",
    "Result",
    "RetryPolicy",
    "RetryReport",
    "RunPlan",
    "RunReport",
    "RunStatus",
    "SplitReport",
    "Stats",
    "StillRunningError",
    "SubmissionUnknownError",
    "Tier",
    "TooManyEmbeddingInputsError",
    "TooManyRequestsError",
    "TruncatedFileError",
    "WorkerError",
    "__version__",
    "decode_input",
    "decode_output",
    "edit",
    "encode_input",
    "encode_output",
    "error_digest",
    "export",
    "get",
    "join",
    "merge",
    "outcome_of",
    "plan_run",
    "prepare",
    "read_event",
    "read_inputs",
    "read_lines",
    "read_outputs",
    "retry",
    "run",
    "schema",
    "split",
    "stats",
    "validate",
]

# Where each name is; it is imported when somebody asks for it, so that `import batchfiles` costs nothing.
_HOMES = {
    "api": (
        "AzureConfig",
        "Batch",
        "BatchError",
        "BatchErrors",
        "BatchFileExpirationAfter",
        "BatchRequest",
        "BatchRequestCounts",
        "BatchUsage",
        "Config",
        "FileDeleted",
        "FileObject",
        "Key",
        "ListBatchesResponse",
        "ListFilesResponse",
        "RetryPolicy",
    ),
    "api.batches": ("BatchEvent", "read_event"),
    "runner.run": ("plan_run", "run"),
    "runner.report": ("RunPlan", "RunReport", "RunStatus"),
    "client": ("AsyncClient", "Client"),
    "codec": ("decode_input", "decode_output", "encode_input", "encode_output"),
    "errors": (
        "APIError",
        "AlreadySubmittedError",
        "AuthenticationError",
        "BatchFailedError",
        "BatchFilesError",
        "ConflictError",
        "DataError",
        "DuplicateCustomIdError",
        "FileError",
        "FileTooLargeError",
        "IncompleteDownloadError",
        "InvalidLineError",
        "InvalidWebhookError",
        "LineTooLongError",
        "MismatchError",
        "MissingDependencyError",
        "NotFoundError",
        "OutputExistsError",
        "PermissionDeniedError",
        "RateLimitError",
        "InternalServerError",
        "StillRunningError",
        "SubmissionUnknownError",
        "TooManyEmbeddingInputsError",
        "TooManyRequestsError",
        "APIConnectionError",
        "TruncatedFileError",
        "APIResponseValidationError",
        "APITimeoutError",
        "WorkerError",
    ),
    "findings": ("Finding",),
    "jsontext.edits": ("Edit",),
    "jobs.edit": ("EditReport", "edit"),
    "jobs.stats.error_digest": ("ErrorDigest", "ErrorGroup", "error_digest"),
    "jobs.join.export": ("Export", "export"),
    "jobs.get": ("Occurrence", "get"),
    "jobs.join.join": ("Join", "join"),
    "jobs.join.report": ("ExportReport", "JoinReport"),
    "jobs.merge": ("MergeReport", "merge"),
    "jobs.prepare": ("PrepareReport", "prepare"),
    "jobs.stats.prices": ("Price", "Prices", "Tier"),
    "jobs.split": ("SplitReport", "split"),
    "jobs.stats.stats": ("stats",),
    "jobs.stats.report": ("Stats",),
    "jobs.retry.retry": ("retry",),
    "jobs.retry.report": ("RetryReport",),
    "jobs.validate": ("Report", "validate"),
    "limits": (
        "AZURE",
        "DASHSCOPE",
        "FIREWORKS",
        "GROQ",
        "MISTRAL",
        "NEBIUS",
        "NONE",
        "OPENAI",
        "PARASAIL",
        "TOGETHER",
        "VLLM",
        "Limits",
    ),
    "open_strings": (
        "BatchCompletionWindow",
        "BatchEndpoint",
        "BatchFileExpirationAnchor",
        "BatchRequestInputMethod",
        "BatchStatus",
    ),
    "outcome": ("OUTCOMES", "Result", "outcome_of"),
    "reading": ("Line", "read_inputs", "read_lines", "read_outputs"),
    "records": ("BatchRequestInput", "BatchRequestOutput", "BatchRequestOutputError", "BatchRequestOutputResponse"),
    "table.schema": ("schema",),
    "writing": ("InputWriter", "OutputWriter"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("batchfiles")
    elif name in _HOME_OF:
        value = getattr(import_module(f"batchfiles.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'batchfiles' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
