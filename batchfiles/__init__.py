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
    from batchfiles.bodies.answer import Answer
    from batchfiles.bodies.errors import ErrorInfo
    from batchfiles.campaign import Manifest, Part
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
    from batchfiles.findings import Finding, OnError, Severity
    from batchfiles.inputs.roles import Pairs
    from batchfiles.io.remote_path import RemotePath
    from batchfiles.io.sources import SourceLike
    from batchfiles.io.target import TargetLike
    from batchfiles.io.threads import Progress
    from batchfiles.jobs.edit import EditReport, edit
    from batchfiles.jobs.get import Occurrence, get
    from batchfiles.jobs.join.export import Export, export
    from batchfiles.jobs.join.join import join
    from batchfiles.jobs.join.lazy_join import Join
    from batchfiles.jobs.join.parts import CampaignFile, CampaignPart, parts
    from batchfiles.jobs.join.report import ExportReport, JoinReport
    from batchfiles.jobs.merge import MergeReport, merge
    from batchfiles.jobs.prepare import PrepareReport, prepare
    from batchfiles.jobs.report.report import PageReport, report
    from batchfiles.jobs.retry.report import RetryFile, RetryGroup, RetryReport
    from batchfiles.jobs.retry.retry import retry
    from batchfiles.jobs.split import SplitReport, split
    from batchfiles.jobs.stats.error_digest import ErrorDigest, ErrorGroup, error_digest
    from batchfiles.jobs.stats.price import FoundPrice, Price, Tier
    from batchfiles.jobs.stats.prices import Prices, PricesLike, PriceSource
    from batchfiles.jobs.stats.report import FileStats, Lengths, ModelEstimate, ModelUsage, RequestStats, ResultStats, Stats
    from batchfiles.jobs.stats.stats import stats
    from batchfiles.jobs.template import NullPolicy
    from batchfiles.jobs.validate import FileReport, FindingGroup, Report, validate
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
        LimitsLike,
    )
    from batchfiles.limits.profile import BodyRuleSet
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
    from batchfiles.runner.report import LiveBatch, PlannedPart, RunPlan, RunReport, RunStatus
    from batchfiles.runner.run import plan_run, run, run_async
    from batchfiles.table.open import TableFormat
    from batchfiles.table.parsed_schema import SchemaLike
    from batchfiles.table.read import TableLike
    from batchfiles.table.rows import TableName, schema
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
    "Answer",
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
    "BodyRuleSet",
    "CampaignFile",
    "CampaignPart",
    "Client",
    "Config",
    "ConflictError",
    "DataError",
    "DuplicateCustomIdError",
    "Edit",
    "EditReport",
    "ErrorDigest",
    "ErrorGroup",
    "ErrorInfo",
    "Export",
    "ExportReport",
    "FileDeleted",
    "FileError",
    "FileObject",
    "FileReport",
    "FileStats",
    "FileTooLargeError",
    "Finding",
    "FindingGroup",
    "FoundPrice",
    "IncompleteDownloadError",
    "InputWriter",
    "InternalServerError",
    "InvalidLineError",
    "InvalidWebhookError",
    "Join",
    "JoinReport",
    "Key",
    "Lengths",
    "Limits",
    "LimitsLike",
    "Line",
    "LineTooLongError",
    "ListBatchesResponse",
    "ListFilesResponse",
    "LiveBatch",
    "Manifest",
    "MergeReport",
    "MismatchError",
    "MissingDependencyError",
    "ModelEstimate",
    "ModelUsage",
    "NotFoundError",
    "NullPolicy",
    "Occurrence",
    "OnError",
    "OutputExistsError",
    "OutputWriter",
    "PageReport",
    "Pairs",
    "Part",
    "PermissionDeniedError",
    "PlannedPart",
    "PrepareReport",
    "Price",
    "PriceSource",
    "Prices",
    "PricesLike",
    "Progress",
    "RateLimitError",
    "RemotePath",
    "Report",
    "RequestStats",
    "Result",
    "ResultStats",
    "RetryFile",
    "RetryGroup",
    "RetryPolicy",
    "RetryReport",
    "RunPlan",
    "RunReport",
    "RunStatus",
    "SchemaLike",
    "Severity",
    "SourceLike",
    "SplitReport",
    "Stats",
    "StillRunningError",
    "SubmissionUnknownError",
    "TableFormat",
    "TableLike",
    "TableName",
    "TargetLike",
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
    "parts",
    "plan_run",
    "prepare",
    "read_event",
    "read_inputs",
    "read_lines",
    "read_outputs",
    "report",
    "retry",
    "run",
    "run_async",
    "schema",
    "split",
    "stats",
    "validate",
]

# Where each name is; it is imported on first use, so that `import batchfiles` costs nothing.
_HOMES = {
    "bodies.errors": "ErrorInfo",
    "io.remote_path": "RemotePath",
    "table.read": "TableLike",
    "table.open": "TableFormat",
    "io.sources": "SourceLike",
    "table.parsed_schema": "SchemaLike",
    "io.threads": "Progress",
    "inputs.roles": "Pairs",
    "jobs.template": "NullPolicy",
    "campaign": "Manifest Part",
    "limits.profile": "BodyRuleSet",
    "bodies.answer": "Answer",
    "api": (
        "AzureConfig Batch BatchError BatchErrors BatchFileExpirationAfter BatchRequest BatchRequestCounts BatchUsage Config "
        "FileDeleted FileObject Key ListBatchesResponse ListFilesResponse RetryPolicy"
    ),
    "api.batches": "BatchEvent read_event",
    "runner.run": "plan_run run run_async",
    "runner.report": "LiveBatch PlannedPart RunPlan RunReport RunStatus",
    "client": "AsyncClient Client",
    "codec": "decode_input decode_output encode_input encode_output",
    "errors": (
        "APIConnectionError APIError APIResponseValidationError APITimeoutError AlreadySubmittedError AuthenticationError "
        "BatchFailedError BatchFilesError ConflictError DataError DuplicateCustomIdError FileError FileTooLargeError "
        "IncompleteDownloadError InternalServerError InvalidLineError InvalidWebhookError LineTooLongError MismatchError "
        "MissingDependencyError NotFoundError OutputExistsError PermissionDeniedError RateLimitError StillRunningError "
        "SubmissionUnknownError TooManyEmbeddingInputsError TooManyRequestsError TruncatedFileError WorkerError"
    ),
    "findings": "Finding OnError Severity",
    "jsontext.edits": "Edit",
    "jobs.edit": "EditReport edit",
    "jobs.stats.error_digest": "ErrorDigest ErrorGroup error_digest",
    "jobs.join.export": "Export export",
    "jobs.get": "Occurrence get",
    "jobs.join.join": "join",
    "jobs.join.lazy_join": "Join",
    "jobs.join.parts": "CampaignFile CampaignPart parts",
    "jobs.join.report": "ExportReport JoinReport",
    "jobs.merge": "MergeReport merge",
    "jobs.prepare": "PrepareReport prepare",
    "jobs.stats.prices": "FoundPrice Price PriceSource Prices PricesLike Tier",
    "jobs.split": "SplitReport split",
    "jobs.stats.stats": "stats",
    "jobs.stats.report": "FileStats Lengths ModelEstimate ModelUsage RequestStats ResultStats Stats",
    "jobs.report.report": "PageReport report",
    "jobs.retry.retry": "retry",
    "jobs.retry.report": "RetryFile RetryGroup RetryReport",
    "jobs.validate": "FileReport FindingGroup Report validate",
    "limits": "AZURE DASHSCOPE FIREWORKS GROQ Limits LimitsLike MISTRAL NEBIUS NONE OPENAI PARASAIL TOGETHER VLLM",
    "open_strings": "BatchCompletionWindow BatchEndpoint BatchFileExpirationAnchor BatchRequestInputMethod BatchStatus",
    "outcome": "OUTCOMES Result outcome_of",
    "reading": "Line read_inputs read_lines read_outputs",
    "records": "BatchRequestInput BatchRequestOutput BatchRequestOutputError BatchRequestOutputResponse",
    "table.rows": "TableName schema",
    "writing": "InputWriter OutputWriter",
    "io.target": "TargetLike",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


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
