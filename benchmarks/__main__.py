"""The command: `python -m benchmarks [NAME]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import checks, codec, copies, joins, machine, memory, retries, vectors
from benchmarks.figures import Finding
from benchmarks.process import Failed

CHAT_LINES = 300_000
BENCHMARKS: dict[str, tuple[Callable[[Path, int, int], Finding], int]] = {
    "decode": (codec.decode, CHAT_LINES),
    "encode": (codec.encode, CHAT_LINES),
    "validate": (checks.validate, CHAT_LINES),
    "join": (joins.join, CHAT_LINES),
    "parts": (joins.parts, CHAT_LINES),
    "export": (joins.export, CHAT_LINES),
    "scripts": (joins.scripts, CHAT_LINES),
    "split": (copies.split, CHAT_LINES),
    "merge": (copies.merge, CHAT_LINES),
    "retry": (retries.retry, CHAT_LINES),
    "embeddings": (vectors.embeddings, 20_000),
    "embeddings-base64": (vectors.embeddings_base64, 20_000),
    "memory": (memory.memory, 1_400_000),
}
"""Each benchmark and the lines that its target is about."""

LONG = "memory"


def main(argv: Sequence[str] | None = None) -> int:
    """Run benchmarks and print what they found.

    Returns:
        0 whether or not the targets are met; 1 if a contender fails or the answers differ.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare batchfiles with the alternatives.")
    parser.add_argument("name", nargs="?", default="all", choices=[*BENCHMARKS, "all"], help="which one (default: all)")
    parser.add_argument("--lines", type=int, metavar="N", help="requests (default: 300,000; embeddings 20,000; memory 1,400,000)")
    parser.add_argument(
        "--data", type=Path, default=Path("bench-data"), metavar="DIR", help="made-up files (default: bench-data)"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="K", help="runs of each contender (default: 5)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")
    parser.add_argument("--long", action="store_true", help=f"let `all` contain `{LONG}`, which makes 3 GB of files")
    options = parser.parse_args(argv)
    if options.rounds < 1 or (options.lines is not None and options.lines < 1):
        parser.error("--rounds and --lines are 1 or more")
    names = [name for name in BENCHMARKS if options.long or name != LONG] if options.name == "all" else [options.name]
    options.data.mkdir(parents=True, exist_ok=True)
    found = machine.facts()
    if not options.as_json:
        print(machine.line(found), flush=True)
    findings = []
    for name in names:
        measure, lines = BENCHMARKS[name]
        try:
            finding = measure(options.data, options.lines or lines, options.rounds)
        except Failed as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        findings.append(finding)
        if not options.as_json:
            print("\n" + "\n".join(finding.lines()), flush=True)
    if options.as_json:
        print(json.dumps({"machine": found, "findings": [finding.to_dict() for finding in findings]}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
