"""Mutated lines through decoding, reading and the jobs: only errors and findings of `batchfiles` may be the result.

`python -m tests.garbage --lines 1000000 --seed 1` makes so many in two processes; the tests do a few thousand. All lines but the
first of a file are changed. Each line is also decoded by the simple program of `tests/jobs/oracle.py`, and each job must account
for every line. With `BATCHFILES_NATIVE=1` the jobs use compiled code.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import orjson

import batchfiles
from batchfiles import BatchFilesError, InvalidLineError
from batchfiles.codec import loads
from batchfiles.findings import Finding
from batchfiles.native import SWITCH
from tests.jobs import oracle
from tests.native.edits import Template, one
from tests.native.plain import FAILURES, NEAR, REQUESTS, RESULTS, VECTOR_REQUESTS, VECTOR_RESULTS

LINES = 5000
"""Requests of a batch; there are as many results."""

LONGEST = 60.0
"""Seconds of processor time of a step with one batch: far more than it takes."""

DEEP = 300
"""Levels that the simple program reads."""

SHORT = 500
"""Bytes of the lines that are changed: short ones have more changes where they matter."""

PIECES = [
    b'"', b"\\", b"\\ud800", b"NaN", b"1e999", b"-", b"[" * 50, b"[" * 1030, b"{", b"}", b"\xff", b"\x00", b"\r", b"null",
    b"9" * 30, b":", b",",
]  # fmt: skip


@cache
def templates() -> tuple[list[Template], list[Template], list[Template], list[Template]]:
    """Return requests and results of text, and those of vectors."""
    texts, vectors = [*REQUESTS], [*VECTOR_REQUESTS]
    lines = (texts, [*RESULTS, *NEAR, *FAILURES], vectors, [*VECTOR_RESULTS, *FAILURES])
    first, second, third, fourth = ([Template(line, "") for line in found if len(line) < SHORT] for found in lines)
    return first, second, third, fourth


def broken(line: bytes, random: Random) -> bytes:
    """Return a line with some bytes flipped, cut, inserted, repeated or spliced."""
    changed = bytearray(line)
    for _ in range(1 + int(random.random() * 3)):
        at = int(random.random() * (len(changed) + 1))
        match int(random.random() * 5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << int(random.random() * 8)
            case 1:
                del changed[at : at + 1 + int(random.random() * 8)]
            case 2:
                changed[at:at] = one(random, PIECES)
            case 3:
                changed[at:at] = changed[: int(random.random() * (len(changed) + 1))]
            case _:
                changed[at : at + 1] = bytes((int(random.random() * 256),))
    return bytes(changed).replace(b"\n", b" ")


def mutated(template: Template, custom_id: bytes, random: Random) -> bytes:
    """Return the line of a template with changes of values and keys, or of bytes."""
    if random.random() < 0.6:
        return template.changed(random).replace(b"ID", custom_id)
    return broken(template.line.replace(b"ID", custom_id), random)


def files_of(seed: int, folder: Path) -> tuple[list[bytes], list[bytes], Path, Path]:
    """Write a request file and a result file; return the lines of each, and the files."""
    random = Random(seed)
    found = templates()[2:] if random.random() < 0.25 else templates()[:2]
    ids = [b"%016x" % random.getrandbits(64) for _ in range(LINES)]
    requests, results = ([mutated(one(random, of), custom_id, random) for custom_id in ids] for of in found)
    random.shuffle(results)
    for lines, of in zip((requests, results), found, strict=True):
        lines[0] = of[0].line.replace(b"ID", ids[0])
    paths = folder / "requests.jsonl", folder / "batch_1_output.jsonl"
    for path, lines in zip(paths, (requests, results), strict=True):
        path.write_bytes(b"\n".join(lines) + b"\n")
    return requests, results, *paths


def is_deep(line: bytes, most: int = DEEP) -> bool:
    """Return whether a line may have more levels."""
    return max(line.count(b"["), line.count(b"{")) >= most


def expected(line: bytes) -> dict[str, Any] | None:
    """Decode an object with the simple program; without its hooks where they have nothing to do, which is faster."""
    if any(sign in line for sign in (b"\\u", b"NaN", b"Infinity")):
        return oracle.decode(line)[0]
    try:
        value = json.loads(line.decode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def decoded(line: bytes, decode: Any, encode: Any) -> Any:
    """Decode a line, compare the value with that of the simple program, and write the record again.

    Returns:
        The record, or None if the line has none.

    Raises:
        AssertionError: The two differ, or the record is not equal after writing and reading.
    """
    try:
        value: dict[str, Any] | None = loads(line)
    except InvalidLineError:
        value = None
    if not is_deep(line):
        simple = expected(line)
        if not are_same(value, simple):
            assert repr(value) == repr(simple and rounded(simple)), line
    try:
        record = decode(line)
    except InvalidLineError:
        return None
    assert value is not None, line
    assert record.custom_id == value.get("custom_id"), line
    try:
        again = encode(record)
    except InvalidLineError:
        assert is_deep(line, 200), line  # deeper than can be written
    else:
        assert again == line or decode(again) == record, line
    return record


def are_same(one: Any, other: Any) -> bool:
    """Return whether two decoded values are equal, with the same types and order."""
    try:
        return orjson.dumps(one) == orjson.dumps(other) and one == other  # an infinite number is written as null
    except TypeError:  # an integer of more than 64 bits, half a surrogate pair, or too many levels
        return repr(one) == repr(other)


def rounded(value: Any) -> Any:
    """Return a value with the numbers of the codec: integers beyond 64 bits are floats, and infinite ones are null."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if type(value) is int and not -(2**63) <= value < 2**64:
        value = float(value) if len(str(value)) < 309 else float("inf")
    return None if value in (float("inf"), float("-inf")) else value


def read(lines: list[bytes], file: Path, read_lines: Any, decode: Any, encode: Any) -> int:
    """Read a file, and compare its records and findings with what each line alone becomes; return how many records it has."""
    found: list[Finding] = []
    records = list(read_lines(file, on_error=found.append))
    assert records == [record for line in lines if (record := decoded(line, decode, encode)) is not None], file
    blank = sum(not line.strip(b" \t\r") for line in lines)
    with_finding = {finding.line_number for finding in found if finding.line_number}
    assert len(records) + blank <= len(lines) <= len(records) + blank + len(with_finding), (len(records), blank, found[:9])
    return len(records)


def without_repeats(lines: list[bytes]) -> Iterator[bytes]:
    """Yield lines, and of those with the same id the first; `retry` refuses requests whose id is repeated."""
    seen = set()
    for line in lines:
        try:
            custom_id = loads(line).get("custom_id")
        except InvalidLineError:
            custom_id = None
        if isinstance(custom_id, str):
            if custom_id in seen:
                continue
            seen.add(custom_id)
        yield line


def steps(requests: Path, results: Path) -> dict[str, Any]:
    """Return what is done with the files."""

    def join() -> None:
        job = batchfiles.join(requests, results)
        table = job.to_arrow()
        table.validate(full=True)
        report = job.report
        assert table.num_rows == report.inputs == sum(report.outcomes.values()), report
        used = table["result_line_number"].drop_null().unique()
        assert len(used) == report.used, report
        accounted = report.used + report.superseded + report.unknown + report.malformed_unmatched
        assert accounted == report.result_lines, report

    def export() -> None:
        job = batchfiles.export(results)
        assert job.to_arrow().num_rows == job.report.to_dict()["rows"]

    def retry() -> None:
        output, lines = requests.with_name("retry.jsonl"), list(without_repeats(requests.read_bytes().split(b"\n")))
        unique = requests.with_name("unique.jsonl")
        unique.write_bytes(b"\n".join(lines))
        batchfiles.retry(unique, results, output=output, every=True, overwrite=True)
        assert set(output.read_bytes().split(b"\n")) <= {*lines, b""}

    return {
        "validate": lambda: batchfiles.validate(requests, limits="openai"),
        "stats": lambda: batchfiles.stats(requests, results),
        "join": join,
        "export": export,
        "retry": retry,
    }


def check(seed: int, folder: Path, *, jobs: bool = True) -> Counter[str]:
    """Do everything with the lines of a seed, `stats` with those of every fourth; without `jobs` only decode and read them.

    Returns:
        How many lines there were, how many are records, and the errors of the jobs.

    Raises:
        AssertionError: Something is wrong with the result of a step; the message has the seed.
    """
    asked, answered, requests, results = files_of(seed, folder)
    counts = Counter(lines=len(asked) + len(answered))
    chosen = steps(requests, results) if jobs else {}
    if seed % 4:
        chosen.pop("stats", None)
    chosen["read_inputs"] = lambda: counts.update(
        requests=read(asked, requests, batchfiles.read_inputs, batchfiles.decode_input, batchfiles.encode_input)
    )
    chosen["read_outputs"] = lambda: counts.update(
        results=read(answered, results, batchfiles.read_outputs, batchfiles.decode_output, batchfiles.encode_output)
    )
    for name, step in chosen.items():
        begin = time.process_time()
        try:
            step()
        except BatchFilesError as error:
            counts[f"{name}: {type(error).__name__}"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, {name}: {error!r}") from error
        assert time.process_time() - begin < LONGEST, (seed, name)
    return counts


def check_alone(seed: int, *, jobs: bool) -> Counter[str]:
    """Do the same in a temporary folder. Cycles are collected at the end, which is faster."""
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        counts = check(seed, Path(folder), jobs=jobs)
    gc.collect()
    return counts


def main() -> None:
    """Check many lines, and print how many there were; each million is reported on standard error."""
    options = argparse.ArgumentParser(prog="python -m tests.garbage")
    options.add_argument("--lines", type=int, default=100_000)
    options.add_argument("--minutes", type=float, default=60, help="no new batch is started after this time")
    options.add_argument("--seed", type=int, default=1, help="of the first batch; the next ones follow")
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--reading", action="store_true", help="decode and read the lines only, without the jobs")
    chosen = options.parse_args()
    os.environ.setdefault(SWITCH, "0")
    counts: Counter[str] = Counter()
    begin, seed = time.monotonic(), chosen.seed * 1_000_000
    running: set[Future[Counter[str]]] = set()
    with ProcessPoolExecutor(chosen.processes, get_context("forkserver")) as pool:
        while True:
            while (
                len(running) < chosen.processes
                and counts["lines"] + 2 * LINES * len(running) < chosen.lines
                and time.monotonic() - begin < chosen.minutes * 60
            ):
                running.add(pool.submit(check_alone, seed, jobs=not chosen.reading))
                seed += 1
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            millions = counts["lines"] // 1_000_000
            for each in done:
                counts += each.result()
            if counts["lines"] // 1_000_000 > millions:
                print(f"{counts['lines']:,} lines in {time.monotonic() - begin:,.0f} s", file=sys.stderr, flush=True)
    seconds = time.monotonic() - begin
    print(f"{counts['lines']:,} lines ({counts['lines'] / seconds:,.0f} a second): no other error than ours")
    print(", ".join(f"{number:,} {name}" for name, number in counts.items() if name != "lines"))


if __name__ == "__main__":
    main()
