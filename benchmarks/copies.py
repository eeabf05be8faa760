"""`split` and `merge`: lines copied byte for byte, beside `cat`, which copies without looking."""

from __future__ import annotations

import hashlib
import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.contenders import afresh, batchfiles, is_compiled
from benchmarks.data import batch
from benchmarks.figures import Comparison, Finding, Series
from benchmarks.process import Failed
from benchmarks.rounds import MIB, Command, compared, programs, watched

__all__ = ["CAT", "COMPILED_TARGET", "SYNCED_CAT", "cat", "merge", "split"]

SPEED_TARGET = 4.0
"""Times as long as `cat` into a file: a quarter of its speed."""

COMPILED_TARGET = 2.5
MEMORY_TARGET = 150.0
CAT = "cat into a file"
SYNCED_CAT = "cat into a file, and wait for the disk"
"""What our commands do: a file that has its name must be there after the power has failed."""


def split(data: Path, lines: int, rounds: int) -> Finding:
    """Cut a request file into parts of 10,000 requests."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        requests, output = batch(data, "chat", lines).requests, Path(folder)
        ours, theirs = output / "parts", output / "copy.jsonl"
        contenders = {"batchfiles split": _split(requests, ours, 10_000), **cat([requests], theirs)}
        if is_compiled():
            contenders["batchfiles split, compiled"] = _split(requests, output / "compiled", 10_000, compiled=True)
        comparisons = _compared(contenders, rounds)
        parts = sorted(ours.glob("*.jsonl"))
        agreement = {"rows": _same(parts, [theirs]), "parts": len(parts)}
        if is_compiled():
            _same(sorted((output / "compiled").glob("*.jsonl")), [theirs])
        manifest = json.loads((ours / "manifest.json").read_bytes())
        if [part["sha256"] for part in manifest["parts"]] != [_digest([part]) for part in parts]:
            raise Failed("a digest in the manifest is not that of its part")
    return Finding(
        benchmark="split",
        work=f"{lines:,} chat requests ({requests.stat().st_size / 1e6:,.0f} MB) to {len(parts)} parts with a manifest",
        comparisons=comparisons,
        not_equal=["cat counts no lines, takes no digests and looks for no limits; alone, it does not wait for the disk."],
        agreement=agreement,
    )


def merge(data: Path, lines: int, rounds: int) -> Finding:
    """Put a campaign of ten parts into one file."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=data) as folder:
        requests, output = batch(data, "chat", lines).requests, Path(folder)
        campaign, ours, theirs = output / "parts", output / "ours.jsonl", output / "copy.jsonl"
        programs({"": _split(requests, campaign, -(-lines // 10))}, 1)
        parts = sorted(campaign.glob("*.jsonl"))
        contenders = {"batchfiles merge": batchfiles("merge", [str(campaign)], ours), **cat(parts, theirs)}
        if is_compiled():
            compiled = output / "compiled.jsonl"
            contenders["batchfiles merge, compiled"] = batchfiles("merge", [str(campaign)], compiled, compiled=True)
        comparisons = _compared(contenders, rounds)
        agreement = {"rows": _same([ours], [theirs]), "parts": len(parts)}
        if is_compiled():
            _same([compiled], [theirs])
    return Finding(
        benchmark="merge",
        work=f"{lines:,} chat requests ({requests.stat().st_size / 1e6:,.0f} MB) in {len(parts)} parts to one file",
        comparisons=comparisons,
        not_equal=["cat compares no ids; alone, it does not wait until its file is on the disk."],
        agreement=agreement,
    )


def _split(requests: Path, output: Path, most: int, *, compiled: bool = False) -> Command:
    """Return what cuts a request file into parts of so many requests."""
    return afresh(output, [*batchfiles("split", [str(requests)], output, compiled=compiled)(), "--max-requests", str(most)])


def cat(files: list[Path], output: Path) -> dict[str, Command]:
    """Return what copies files into one, without and with waiting for the disk."""
    target = shlex.quote(str(output))
    copy = f"cat {' '.join(shlex.quote(str(file)) for file in files)} > {target}"
    return {CAT: afresh(output, ["sh", "-c", copy]), SYNCED_CAT: afresh(output, ["sh", "-c", f"{copy} && sync {target}"])}


def _compared(contenders: Mapping[str, Command], rounds: int) -> list[Comparison]:
    """Take times of all, and our memory in separate rounds."""
    ours, theirs, synced, *compiled = contenders
    runs = programs(contenders, rounds)
    looked = watched({name: contenders[name] for name in (ours, *compiled)}, 1)
    found = []
    for name, target in zip([ours, *compiled], (SPEED_TARGET, COMPILED_TARGET), strict=False):
        found += [
            compared("time", runs, name, theirs, target),
            compared("time", runs, name, synced, target),
            compared("cpu", runs, name, theirs),
            Comparison("rss", "MiB", Series(name, [looked[name][0].rss / MIB]), None, MEMORY_TARGET),
        ]
    return found


def _same(ours: list[Path], theirs: list[Path]) -> int:
    """Check that the bytes of both sides are the same, and return how many lines there are."""
    if _digest(ours) != _digest(theirs):
        raise Failed("the bytes differ")
    return sum(chunk.count(b"\n") for path in ours for chunk in _chunks(path))


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        for chunk in _chunks(path):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(MIB):
            yield chunk
