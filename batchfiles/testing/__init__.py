"""A local server of the Files and Batches API, to test pipelines without a key, cost or network.

    from batchfiles.testing import Server

    with Server() as server:
        client = batchfiles.Client("sk-test", base_url=server.base_url)

From the shell: `python -m batchfiles.testing --port 8000`. It needs the extra `testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchfiles.testing.mock_answers import Answerer, answer
from batchfiles.testing.quirks import CALLS, FAULTS, QUIRKS, Clock, Fault, Faults, Quirks
from batchfiles.testing.service import Service

if TYPE_CHECKING:
    from batchfiles.testing.server import Server

__all__ = ["CALLS", "FAULTS", "QUIRKS", "Answerer", "Clock", "Fault", "Faults", "Quirks", "Server", "Service", "answer"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a name may be anything
    """Import the server on first use: only it needs the optional dependencies."""
    if name != "Server":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from batchfiles.testing.server import Server

    return Server
