"""The command: `python -m benchmarks.generate KIND LINES -o DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.generate.batch import generate
from benchmarks.generate.kinds import NAMES


def _share(text: str) -> float:
    """Read a share of one, such as 0.02."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _count(text: str) -> int:
    """Read a whole number that is not negative; `300_000` is one too."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Write one batch and report on stderr what was written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description="Write a made-up batch.")
    parser.add_argument("kind", choices=NAMES)
    parser.add_argument("lines", type=_count, help="how many requests")
    parser.add_argument("--seed", type=_count, default=0, help="the same seed gives the same bytes (default: 0)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="made if it does not exist")
    parser.add_argument("--dimensions", type=_count, default=1536, help="of the embeddings (default: 1536)")
    parser.add_argument("--no-failures", action="store_true", help="every request succeeds; no error file is written")
    parser.add_argument("--duplicates", type=_share, default=0.0, metavar="SHARE", help="ids with a second, later result")
    options = parser.parse_args(argv)
    written = generate(
        options.output,
        options.kind,
        options.lines,
        seed=options.seed,
        dimensions=options.dimensions,
        failures=not options.no_failures,
        duplicates=options.duplicates,
    )
    for file in written:
        print(f"{file.path}: {file.lines:,} lines, {file.size:,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
