"""A real local server of the Files and Batches API, for tests of pipelines without a key, a bill or a network.

    from batchfiles.testing import Server

    with Server() as server:
        client = batchfiles.Client("sk-test", base_url=server.base_url)

or, from the shell, `python -m batchfiles.testing --port 8000`. It needs `pip install 'batchfiles[testing]'`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchfiles.testing.answers import Answerer, answer
from batchfiles.testing.fault_middleware import CALLS, FAULTS, Fault, Faults
from batchfiles.testing.quirks import QUIRKS, Clock, Quirks
from batchfiles.testing.service import Service

if TYPE_CHECKING:
    from batchfiles.testing.server import Server

__all__ = ["CALLS", "FAULTS", "QUIRKS", "Answerer", "Clock", "Fault", "Faults", "Quirks", "Server", "Service", "answer"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a name may be anything
    """Import the server where it is asked for: the rest needs nothing but the core, and can say what is missing."""
    if name != "Server":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from batchfiles.testing.server import Server

    return Server
