"""The drivers: they perform what the flows of `batchfiles.api` ask for, with httpx2, a clock and a key. They hold no rule."""

from __future__ import annotations

from batchfiles.client.asynchronous import AsyncClient
from batchfiles.client.resources import AsyncBatches, AsyncFiles, Batches, Files
from batchfiles.client.synchronous import Client

__all__ = ["AsyncBatches", "AsyncClient", "AsyncFiles", "Batches", "Client", "Files"]
