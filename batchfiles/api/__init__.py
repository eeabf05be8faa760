"""The HTTP API as values: objects, requests, responses, and flows above them.

No socket, no clock, no file, and no key in a request.
"""

from __future__ import annotations

from batchfiles.api.batch import Batch, BatchError, BatchErrors, BatchRequestCounts, BatchUsage
from batchfiles.api.batches import BatchFileExpirationAfter, BatchRequest
from batchfiles.api.config import AzureConfig, Config, Key, RetryPolicy
from batchfiles.api.file import FileDeleted, FileObject, ListBatchesResponse, ListFilesResponse
from batchfiles.api.responses import FilePart, Progress, Request, Response
from batchfiles.open_strings import (
    BatchCompletionWindow,
    BatchEndpoint,
    BatchFileExpirationAnchor,
    BatchRequestInputMethod,
    BatchStatus,
)

__all__ = [
    "AzureConfig",
    "Batch",
    "BatchCompletionWindow",
    "BatchEndpoint",
    "BatchError",
    "BatchErrors",
    "BatchFileExpirationAfter",
    "BatchFileExpirationAnchor",
    "BatchRequest",
    "BatchRequestCounts",
    "BatchRequestInputMethod",
    "BatchStatus",
    "BatchUsage",
    "Config",
    "FileDeleted",
    "FileObject",
    "FilePart",
    "Key",
    "ListBatchesResponse",
    "ListFilesResponse",
    "Progress",
    "Request",
    "Response",
    "RetryPolicy",
]
