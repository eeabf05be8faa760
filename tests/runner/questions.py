"""Requests to run, and checks of the server and the table afterwards."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from batchfiles import OPENAI, Client
from batchfiles.api.submitting import marker_of
from batchfiles.testing import Server
from tests.canary import CANARY


def write_requests(path: Path, count: int = 20, **changes: Any) -> Path:
    """Write requests; `changes` are keys of their bodies."""
    with path.open("w") as file:
        for number in range(count):
            body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Question {number}"}], **changes}
            line = {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            file.write(json.dumps(line) + "\n")
    return path


def client_of(server: Server) -> Client:
    """Return a client of a server."""
    return Client(CANARY, base_url=server.base_url)


def batches_per_part(server: Server) -> Counter[str]:
    """Count the batches of each part at a server by the sha256 in their markers, without those rejected by a full queue."""
    with client_of(server) as client:
        found = client.batches.list()
    return Counter(marker[1] for batch in found if (marker := marker_of(batch)) is not None and batch.status != "failed")


def outcomes_of(table: Path) -> Counter[str]:
    """Count the outcomes of a table."""
    import pyarrow.parquet

    return Counter(pyarrow.parquet.read_table(table).column("outcome").to_pylist())


def rows_of(table: Path) -> list[tuple[str, str, str | None]]:
    """Return id, outcome and text of each row."""
    import pyarrow.parquet

    columns = pyarrow.parquet.read_table(table, columns=["custom_id", "outcome", "text"]).to_pylist()
    return [(row["custom_id"], row["outcome"], row["text"]) for row in columns]


SIX = replace(OPENAI, name="six", max_requests=6)
"""Limits of six requests."""
