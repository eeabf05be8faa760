"""A real local server of the Files and Batches API, for tests of pipelines without a key, a bill or a network.

    from batchfiles.testing import Server

    with Server() as server:
        client = batchfiles.Client("sk-test", base_url=server.base_url)

or, from the shell, `python -m batchfiles.testing --port 8000`. It needs `pip install 'batchfiles[testing]'`.
"""

from __future__ import annotations

from batchfiles.testing.answers import Answerer, answer
from batchfiles.testing.clock import Clock
from batchfiles.testing.faults import CALLS, FAULTS, Fault, Faults
from batchfiles.testing.quirks import Quirks
from batchfiles.testing.server import Server
from batchfiles.testing.service import Service

__all__ = ["CALLS", "FAULTS", "Answerer", "Clock", "Fault", "Faults", "Quirks", "Server", "Service", "answer"]
