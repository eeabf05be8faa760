"""Mutated lines through decoding, reading and the jobs: only errors and findings of `batchfiles` may be the result.

`python -m tests.garbage --lines 1000000 --seed 1` makes so many; the tests do a few thousand. Each line is also decoded by the
simple program of `tests/jobs/oracle.py`, and each join must account for every line.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import batchfiles
from batchfiles import BatchFilesError, InvalidLineError
from batchfiles.codec import loads
from batchfiles.findings import Finding
from batchfiles.native import SWITCH
from tests.jobs import oracle
from tests.native.mutations import CHAT, VECTORS, batch

LINES = 1000
"""Requests of a batch; there are about as many results."""

LONGEST = 60.0
"""Seconds of a step with one batch: far more than it takes on a busy machine."""

DEEP = 300
"""Levels that the simple program reads."""

PIECES = [
    b'"', b"\\", b"\\ud800", b"NaN", b"1e999", b"-", b"[" * 50, b"[" * 1030, b"{", b"}", b"\xff", b"\x00", b"\r", b"null",
    b"9" * 30, b":", b",",
]  # fmt: skip


def broken(line: bytes, random: Random) -> bytes:
    """Return a line with some bytes flipped, cut, inserted, repeated or spliced."""
    changed = bytearray(line)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 1:
                del changed[at : at + random.randrange(1, 9)]
            case 2:
                changed[at:at] = random.choice(PIECES)
            case 3:
                changed[at:at] = changed[: random.randrange(len(changed) + 1)]
            case _:
                changed[at : at + 1] = random.randbytes(1)
    return bytes(changed).replace(b"\n", b" ")


def files_of(seed: int, folder: Path) -> tuple[list[bytes], Path, Path]:
    """Write a request file and a result file, and return their lines."""
    random = Random(seed)
    requests, results = batch(LINES, random, random.choice((CHAT, CHAT, VECTORS)))
    written, paths = [], []
    for name, lines in (("requests.jsonl", requests), ("batch_1_output.jsonl", results)):
        first, rest = lines[0], [broken(line, random) if random.random() < 0.3 else line for line in lines[1:]]
        paths.append(folder / name)
        paths[-1].write_bytes(b"\n".join([first, *rest]) + b"\n")
        written += [first, *rest]
    return written, paths[0], paths[1]


def decoded(line: bytes) -> int:
    """Decode a line, compare the value with that of the simple program, and write it again.

    Returns:
        1 if the line is an object, and 0 if not.

    Raises:
        AssertionError: The two differ, or the record is not equal after writing and reading.
    """
    try:
        value: dict[str, Any] | None = loads(line)
    except InvalidLineError:
        value = None
    if max(line.count(b"["), line.count(b"{")) < DEEP:
        expected, _ = oracle.decode(line)
        assert (value is None) == (expected is None), line
        assert expected is None or json.dumps(value) == json.dumps(rounded(expected)), line
    if value is None:
        return 0
    for decode, encode in (
        (batchfiles.decode_input, batchfiles.encode_input),
        (batchfiles.decode_output, batchfiles.encode_output),
    ):
        try:
            record = decode(line)
        except InvalidLineError:
            continue
        try:
            again = encode(record)  # type: ignore[operator]
        except InvalidLineError:
            assert max(line.count(b"["), line.count(b"{")) > 200, line  # deeper than can be written
            continue
        assert decode(again) == record, line
    return 1


def rounded(value: Any) -> Any:
    """Return a value with the numbers of the codec: integers beyond 64 bits are floats, and infinite ones are null."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if type(value) is int and not -(2**63) <= value < 2**64:
        value = float(value) if len(str(value)) < 309 else float("inf")
    return None if value in (float("inf"), float("-inf")) else value


def steps(requests: Path, results: Path) -> dict[str, Any]:
    """Return what is done with the files."""
    found: list[Finding] = []

    def join() -> None:
        job = batchfiles.join(requests, results)
        table = job.to_arrow()
        table.validate(full=True)
        report = job.report
        assert table.num_rows == report.inputs == sum(report.outcomes.values()), report
        used = {value for value in table["result_line_number"].to_pylist() if value is not None}
        assert len(used) == report.used, report
        accounted = report.used + report.superseded + report.unknown + report.malformed_unmatched
        assert accounted == report.result_lines, report

    def export() -> None:
        job = batchfiles.export(results)
        assert job.to_arrow().num_rows == job.report.to_dict()["rows"]

    def retry() -> None:
        output = requests.with_name("retry.jsonl")
        batchfiles.retry(requests, results, output=output, every=True, overwrite=True)
        assert set(output.read_bytes().split(b"\n")) <= set(requests.read_bytes().split(b"\n"))

    return {
        "read_inputs": lambda: sum(1 for _ in batchfiles.read_inputs(requests, results, on_error=found.append)),
        "read_outputs": lambda: sum(1 for _ in batchfiles.read_outputs(requests, results, on_error=found.append)),
        "validate": lambda: batchfiles.validate(requests, results, limits="openai"),
        "stats": lambda: batchfiles.stats(requests, results),
        "join": join,
        "export": export,
        "retry": retry,
    }


def check(seed: int, folder: Path) -> Counter[str]:
    """Do everything with the lines of a seed.

    Returns:
        How many lines there were, how many are objects, and the errors of the jobs.

    Raises:
        AssertionError: Something is wrong with the result of a step; the message has the seed.
    """
    lines, requests, results = files_of(seed, folder)
    counts = Counter(lines=len(lines), objects=sum(map(decoded, lines)))
    for name, step in steps(requests, results).items():
        begin = time.monotonic()
        try:
            step()
        except BatchFilesError as error:
            counts[f"{name}: {type(error).__name__}"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, {name}: {error!r}") from error
        assert time.monotonic() - begin < LONGEST, (seed, name)
    return counts


def main() -> None:
    """Check many lines, and print how many there were."""
    options = argparse.ArgumentParser(prog="python -m tests.garbage")
    options.add_argument("--lines", type=int, default=100_000)
    options.add_argument("--minutes", type=float, default=60, help="no new batch is started after this time")
    options.add_argument("--seed", type=int, default=1, help="of the first batch; the next ones follow")
    chosen = options.parse_args()
    os.environ[SWITCH] = "0"
    counts: Counter[str] = Counter()
    begin, seed = time.monotonic(), chosen.seed * 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        while counts["lines"] < chosen.lines and time.monotonic() - begin < chosen.minutes * 60:
            counts += check(seed, Path(folder))
            seed += 1
    seconds = time.monotonic() - begin
    print(f"{counts['lines']:,} lines ({counts['lines'] / seconds:,.0f} a second): no other error than ours")
    print(", ".join(f"{number:,} {name}" for name, number in counts.items() if name != "lines"))


if __name__ == "__main__":
    main()
