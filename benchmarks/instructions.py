"""Count the processor instructions a line that jobs take: `python -m benchmarks.instructions [--record]`.

Times change with what else a machine does; instructions hardly do. Each job runs in valgrind with 300 and with 1,300 chat
requests, and the difference is divided by the lines between them, so that the start of Python does not count. With `--record`
the counts go to `benchmarks/instructions.json`. Without it they are compared with those there: more than 5 % above is an error.
Counts are compared only between the same versions of Python and of the packages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from batchfiles.native import SWITCH
from benchmarks import machine
from benchmarks.contenders import is_compiled
from benchmarks.data import Batch, batch

__all__ = ["main"]

RECORDED = Path(__file__).with_name("instructions.json")
SIZES = (300, 1300)
MOST = 1.05
"""The largest count that is no error, as a multiple of the recorded one."""

COMMANDS = ("validate", "join", "export", "split")


def main(arguments: Sequence[str]) -> int:
    """Count, and record or compare.

    Returns:
        0 if no count is above the recorded one, 1 if one is or if valgrind is missing.
    """
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: its package of your system has the same name", file=sys.stderr)
        return 1
    facts = machine.facts()
    versions = {"python": facts["python"], **{name: facts["versions"][name] for name in ("orjson", "pyarrow")}}
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [batch(Path(folder), "chat", size) for size in SIZES]
        for switch in ("0", "1") if is_compiled() else ("0",):
            for command in COMMANDS:
                small, large = (_instructions(command, each, switch) for each in files)
                name = f"{command}, compiled" if switch == "1" else command
                counts[name] = (large - small) // (SIZES[1] - SIZES[0])
                print(f"{name}: {counts[name]:,} instructions a line", flush=True)
    if "--record" in arguments:
        RECORDED.write_text(json.dumps({"versions": versions, "counts": counts}, indent=2) + "\n")
        return 0
    recorded = json.loads(RECORDED.read_text())
    if recorded["versions"] != versions:
        print(f"not compared: the recorded counts are those of {recorded['versions']}, and this is {versions}")
        return 0
    above = {name: count / recorded["counts"][name] for name, count in counts.items() if name in recorded["counts"]}
    for name, ratio in above.items():
        print(f"{name}: {ratio:.3f} x the recorded count")
    return int(any(ratio > MOST for ratio in above.values()))


def _instructions(command: str, files: Batch, switch: str) -> int:
    """Run a command once and return how many instructions it took."""
    inputs = {"join": files.files, "export": files.files[1:]}.get(command, files.files[:1])
    with tempfile.TemporaryDirectory() as folder:
        output = {"validate": [], "split": ["-o", f"{folder}/parts"]}.get(command, ["-o", f"{folder}/table.parquet"])
        workers = ["--workers", "1"] if command in ("join", "export") else []
        program = [sys.executable, "-c", "from batchfiles.cli.main import run; run()", command, *inputs, *output, *workers]
        ran = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind", *program],
            env={**os.environ, SWITCH: switch, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
