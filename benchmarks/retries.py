"""`retry`: the lines of listed ids, which needs no decoding, beside `cat`; and by results, each of which is decoded."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.contenders import afresh, batchfiles, is_compiled
from benchmarks.copies import CAT, COMPILED_TARGET, SYNCED_CAT, cat
from benchmarks.data import batch
from benchmarks.figures import Comparison, Finding, Series
from benchmarks.process import Failed, Run
from benchmarks.rounds import MIB, compared, programs, watched

__all__ = ["retry"]

SPEED_TARGET = 4.0
"""Times as long as `cat` into a file: a quarter of its speed."""

MEMORY_TARGET = 150.0
LISTED_EVERY = 10
OURS = "batchfiles retry --ids"
COMPILED = "batchfiles retry --ids, compiled"
BY_RESULTS = "batchfiles retry, by results"


def retry(data: Path, lines: int, rounds: int) -> Finding:
    """Take every tenth request by its id, and what is retryable by all results."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        files, output = batch(data, "chat", lines), Path(folder)
        ids, ours, theirs, decided = (output / name for name in ("ids.txt", "ours.jsonl", "copy.jsonl", "decided.jsonl"))
        expected = _listed(files.requests, ids)
        contenders = {
            OURS: afresh(ours, [*batchfiles("retry", [str(files.requests)], ours)(), "--ids", str(ids)]),
            BY_RESULTS: batchfiles("retry", files.files, decided),
            **cat([files.requests], theirs),
        }
        written = [ours]
        if is_compiled():
            written.append(output / "compiled.jsonl")
            compiled = batchfiles("retry", [str(files.requests)], written[1], compiled=True)
            contenders[COMPILED] = afresh(written[1], [*compiled(), "--ids", str(ids)])
        runs = programs(contenders, rounds)
        looked = watched({name: contenders[name] for name in (OURS, BY_RESULTS, COMPILED) if name in contenders}, 1)
        if any(path.read_bytes() != expected for path in written):
            raise Failed("the lines are not those of the list")
        with files.requests.open("rb") as file:
            rows = sum(1 for _ in file)
        retried = json.loads(runs[BY_RESULTS][-1].stdout)["written"]
    return Finding(
        benchmark="retry",
        work=f"{lines:,} chat requests ({files.requests.stat().st_size / 1e6:,.0f} MB): every tenth by its id, and by results",
        comparisons=[
            compared("time", runs, OURS, CAT, SPEED_TARGET),
            compared("time", runs, OURS, SYNCED_CAT, SPEED_TARGET),
            compared("cpu", runs, OURS, CAT),
            *(compared("time", runs, COMPILED, other, COMPILED_TARGET) for other in (CAT, SYNCED_CAT) if COMPILED in runs),
            *([compared("cpu", runs, COMPILED, CAT)] if COMPILED in runs else []),
            compared("time", runs, BY_RESULTS, CAT),
            *(_memory("private", name, looked[name][0], MEMORY_TARGET) for name in looked),
            *(_memory("pss", name, looked[name][0], None) for name in looked),
        ],
        not_equal=[
            "cat copies all lines and looks at none; ours finds the id of each, and decodes those that it writes.",
            f"By results, {files.size / 1e6:,.0f} MB are read and every result is decoded.",
        ],
        agreement={"rows": rows, "listed": expected.count(b"\n"), "retryable": retried},
    )


def _memory(quantity: str, name: str, looked: Run, target: float | None) -> Comparison:
    return Comparison(quantity, "MiB", Series(name, [getattr(looked, quantity) / MIB]), None, target)


def _listed(requests: Path, ids: Path) -> bytes:
    """Write the list, and return the lines that it asks for."""
    with requests.open("rb") as file:
        lines = [line for number, line in enumerate(file) if number % LISTED_EVERY == 0]
    ids.write_text("".join(f"{json.loads(line)['custom_id']}\n" for line in lines))
    return b"".join(lines)
