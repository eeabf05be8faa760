"""The HTTP API as values: objects, requests, responses, and flows above them.

No socket, no clock, no file, and no key in a request.
"""

from __future__ import annotations

from batchfiles.api.batch import Batch, BatchError, BatchErrors, BatchRequestCounts, BatchUsage
from batchfiles.api.batch_request import BatchFileExpirationAfter, BatchRequest
from batchfiles.api.config import AzureConfig, Config
from batchfiles.api.file import FileDeleted, FileObject
from batchfiles.api.key import Key
from batchfiles.api.messages import FilePart, Request, Response
from batchfiles.api.page import ListBatchesResponse, ListFilesResponse
from batchfiles.api.retry_policy import RetryPolicy

__all__ = [
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
    "FilePart",
    "Key",
    "ListBatchesResponse",
    "ListFilesResponse",
    "Request",
    "Response",
    "RetryPolicy",
]
