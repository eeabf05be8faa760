"""`validate`: all rules of a service, beside a bare loop over orjson, which checks only that the lines are JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from batchfiles.native import SWITCH
from benchmarks.contenders import is_compiled
from benchmarks.data import batch
from benchmarks.figures import Finding
from benchmarks.process import Failed
from benchmarks.rounds import Command, compared, programs

__all__ = ["validate"]

TARGET = 4.0
COMPILED_TARGET = 0.4

OURS = "batchfiles validate"
COMPILED = "batchfiles validate, compiled"
BARE = "bare orjson loop"

LIMITS = """
extends = "openai"
max_requests = "none"
max_bytes = "none"
warn_bytes = "none"
"""
"""All rules but those on the size of a file, which may be larger here."""

LOOP = """
import sys, orjson
with open(sys.argv[1], "rb") as file:
    for line in file:
        orjson.loads(line)
"""


def validate(data: Path, lines: int, rounds: int) -> Finding:
    """Check a request file."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        path, limits = batch(data, "chat", lines).requests, Path(folder) / "limits.toml"
        limits.write_text(LIMITS)
        contenders = {OURS: _ours(path, limits), BARE: _loop(path)}
        if is_compiled():
            contenders[COMPILED] = _ours(path, limits, compiled=True)
        runs = programs(contenders, rounds)
    reports: dict[str, dict[str, Any]] = {name: json.loads(runs[name][-1].stdout) for name in runs if name != BARE}
    report = reports[OURS]
    if any(other != report for other in reports.values()):
        raise Failed("compiled code found something else")
    return Finding(
        benchmark="validate",
        work=f"{lines:,} chat requests ({path.stat().st_size / 1e6:,.0f} MB), all rules of OpenAI",
        comparisons=[
            compared("time", runs, OURS, BARE, TARGET),
            compared("cpu", runs, OURS, BARE),
            *([compared("time", runs, COMPILED, OURS, COMPILED_TARGET)] if is_compiled() else ()),
            *([compared("cpu", runs, COMPILED, OURS), compared("cpu", runs, COMPILED, BARE)] if is_compiled() else ()),
        ],
        not_equal=["The bare loop decodes the lines and checks nothing; validate also compares all ids."],
        agreement={"rows": report["files"][0]["requests"], "errors": report["errors"], "warnings": report["warnings"]},
    )


def _ours(path: Path, limits: Path, *, compiled: bool = False) -> Command:
    program = "from batchfiles.cli.main import run; run()"
    command = ["env", f"{SWITCH}={int(compiled)}", sys.executable, "-c", program, "validate", str(path)]
    return lambda: [*command, "--limits", str(limits), "--json"]


def _loop(path: Path) -> Command:
    return lambda: [sys.executable, "-c", LOOP, str(path)]
