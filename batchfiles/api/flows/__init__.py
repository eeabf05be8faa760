"""Everything above one call, written once and without a socket, a clock or a file: see `effects`."""

from __future__ import annotations

from batchfiles.api.flows.downloading import download, download_file
from batchfiles.api.flows.effects import call, exchange
from batchfiles.api.flows.submitting import Submission, create, find, list_batches, processed, search, submit, upload
from batchfiles.api.flows.waiting import gather, lacks_files, wait

__all__ = [
    "Submission",
    "call",
    "create",
    "download",
    "download_file",
    "exchange",
    "find",
    "gather",
    "lacks_files",
    "list_batches",
    "processed",
    "search",
    "submit",
    "upload",
    "wait",
]
