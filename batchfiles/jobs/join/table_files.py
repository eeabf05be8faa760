"""The files of a folder that holds one table: their names, how the parts of a campaign share them, and what each was made of."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from batchfiles.errors import BatchFilesError
from batchfiles.io.atomic import IsOwnFile, no_file, refuse_others_files
from batchfiles.io.sources import Source
from batchfiles.io.target import PathTarget, Target
from batchfiles.io.temporary import UNFINISHED
from batchfiles.jobs.join.report import JoinReport
from batchfiles.workers import Spec

if TYPE_CHECKING:
    from batchfiles.jobs.join.parts import CampaignPart

FILE_BYTES = 32 * 1024 * 1024
"""Bytes of input from which on a file of a folder is large enough; smaller parts share one."""

MOST_PARTS = 1000
"""Parts that share a file: the names of their files are in its metadata."""

LONGEST_NAME = 200
"""Bytes of a name that two parts make; the unfinished file has a longer one."""

SUCCESS = "_SUCCESS"
"""The empty file that completes a folder with the parts of a campaign, as Spark writes it."""

FILE_KEY = "batchfiles.part"
"""The key of the metadata in a file of a campaign's table: what it was made of, and its report."""

MAGIC = b"PAR1"
"""How a Parquet file begins."""

HIDDEN = re.compile(r"(hidden)*[._]")
"""How the names of parts begin whose tables have another name."""

PART_NAME = re.compile(r"part-[0-9]{5,}\.parquet")

NO_RESUME = (
    "use resume=True only for a folder of Parquet parts, and a campaign whose manifest names the results of each part. "
    "Other tables are written as a whole"
)


class FileFacts(NamedTuple):
    """What is known of a Parquet file of a campaign.

    Attributes:
        stamp: What it was made of: `parts`, the names of its parts, and `fingerprint`.
        report: Its report.
        has_ids: Whether any of its results has an id.
    """

    stamp: Mapping[str, Any]
    report: JoinReport
    has_ids: bool


class NewFolder(NamedTuple):
    """A folder that is filled.

    Attributes:
        path: Where it is.
        parquet: The options of its files.
        least: The bytes of input from which on a file is large enough.
    """

    path: Path
    parquet: Mapping[str, Any]
    least: int


def in_files(ranges: Iterable[Spec], least: int) -> list[Spec]:
    """Divide ranges of files among files of a table.

    Args:
        ranges: `{"start": …, "end": …}`, in order.
        least: The bytes of input from which on a file is large enough; only the last may be smaller.

    Returns:
        `{"part": number of the file, "ranges": […]}` for each file.
    """
    files: list[Spec] = []
    size = least
    for each in ranges:
        if size >= least:
            files.append({"part": len(files), "ranges": []})
            size = 0
        files[-1]["ranges"].append(each)
        size += each["end"] - each["start"]
    return files


def part_name(number: int) -> str:
    """Return the name of a file of other tables, counted from 0; the names sort as the files do."""
    return f"part-{number:05d}.parquet"


def is_table_file(name: str) -> bool:
    """Return whether a file in a folder may be of a table, by its name."""
    return name == SUCCESS or name.endswith((".parquet", UNFINISHED))


def is_own_file(folder: Target) -> IsOwnFile:
    """Return which files in a folder `overwrite` may replace: those of a table that was written there before."""
    if not isinstance(folder, PathTarget):
        return no_file
    return lambda name: (
        PART_NAME.fullmatch(name) is not None
        or name == SUCCESS
        or name.endswith(UNFINISHED)
        or (is_table_file(name) and file_facts(folder.file(name)) is not None)
    )


def checked_file_bytes(value: int | None) -> int:
    """Return the least bytes of a file of a folder.

    Raises:
        ValueError: It is negative.
    """
    if value is not None and value < 0:
        raise ValueError(f"min_file_bytes is 0 or more, not {value}")
    return FILE_BYTES if value is None else value


def file_name(parts: Sequence[CampaignPart]) -> str:
    """Return the name of a file with the table of consecutive parts.

    Readers of folders skip names with an underscore or a dot at the beginning. No other part has the name of a part's file: a
    name that begins as a changed one does is changed too.
    """
    first, last = parts[0].name, parts[-1].name
    return f"{'hidden' if HIDDEN.match(first) else ''}{first}{f'_to_{last}' if len(parts) > 1 else ''}.parquet"


def divided(parts: Sequence[CampaignPart], least: int, kept: Iterable[range] = ()) -> list[range]:
    """Divide the parts of a campaign among files.

    Args:
        parts: The parts.
        least: The bytes of input from which on a file is large enough; the last file, and one before a kept file, may be smaller.
        kept: The parts of files that stay as they are.

    Returns:
        The numbers of the parts of each file, in order.
    """
    fixed = {each.start: each for each in kept}
    runs: list[range] = []
    at = 0
    while at < len(parts):
        run = fixed.get(at)
        if run is None:
            end, size = at + 1, parts[at].bytes
            while end < len(parts) and end not in fixed and size < least and end - at < MOST_PARTS:
                size += parts[end].bytes
                end += 1
            run = range(at, end)
        runs.append(run)
        at = run.stop
    return _with_own_names(parts, runs)


def _with_own_names(parts: Sequence[CampaignPart], runs: list[range]) -> list[range]:
    """Divide runs of parts whose name is too long, or is that of another file: `a_to_b` may be a part."""
    while True:
        names = [file_name(parts[run.start : run.stop]) for run in runs]
        times = Counter(names)
        fits = [
            len(run) == 1 or (times[name] == 1 and len(os.fsencode(name)) <= LONGEST_NAME)
            for run, name in zip(runs, names, strict=True)
        ]
        if all(fits):
            return runs
        runs = [
            each
            for run, whole in zip(runs, fits, strict=True)
            for each in ([run] if whole else (range(number, number + 1) for number in run))
        ]


def kept_files(target: PathTarget, parts: Sequence[CampaignPart], fingerprints: Sequence[str]) -> dict[range, FileFacts]:
    """Return the files in a folder that are whole and were made of the same parts in the same way, by their numbers."""
    numbers = {part.name: number for number, part in enumerate(parts)}
    kept: dict[range, FileFacts] = {}
    taken: set[int] = set()
    for name in sorted(target.names()):
        facts = file_facts(target.file(name)) if name.endswith(".parquet") else None
        if facts is None:
            continue
        names = facts.stamp["parts"]
        first = numbers.get(names[0], len(parts))
        run = range(first, first + len(names))
        same = [part.name for part in parts[first : run.stop]] == names and file_name(parts[first : run.stop]) == name
        if same and facts.stamp["fingerprint"] == digest_of(fingerprints[first : run.stop]) and taken.isdisjoint(run):
            kept[run] = facts
            taken.update(run)
    return kept


def stale_files(target: PathTarget, written: Collection[str], kept: Collection[str]) -> list[str]:
    """Return the files of an earlier table that go when the new one is complete.

    Args:
        target: The folder.
        written: The names of the files that are written; what has them now may be damaged.
        kept: The names of files that stay.

    Raises:
        FileError: A file in the folder is not ours to replace or to delete.
    """
    own = is_own_file(target)
    names = [name for name in target.names() if name not in kept]
    foreign = [(name, False) for name in names if not (name in written and _may_be_damaged(target.file(name)))]
    refuse_others_files(target.place, foreign, own)
    return [name for name in names if name not in written and name != SUCCESS and not name.endswith(UNFINISHED)]


def digest_of(fingerprints: Sequence[str]) -> str:
    """Return the fingerprint of a file with several parts."""
    return hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def file_facts(target: PathTarget) -> FileFacts | None:
    """Return what is known of a file; None if it is not there, not whole or of another origin."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with closing(Source.at(target.place).open_for_arrow()) as file:
            footer = pq.read_metadata(file)
        facts = json.loads((footer.metadata or {})[FILE_KEY.encode()])
        report, has_ids = JoinReport.from_dict(facts.pop("report")), facts.pop("has_ids")
        found = FileFacts(facts, report, has_ids)
        names = facts["parts"]
        is_whole = (
            report.rows == footer.num_rows
            and report.inputs == sum(report.outcomes.values())
            and isinstance(has_ids, bool)
            and bool(names)
            and all(isinstance(name, str) for name in [facts["fingerprint"], *names])
        )
    except (BatchFilesError, OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        return None  # of another program or version, whatever its values are
    return found if is_whole else None


def _may_be_damaged(target: PathTarget) -> bool:
    """Return whether a file may be one of ours that is not whole, or of another version: not a whole table of another program."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with closing(Source.at(target.place).open_for_arrow()) as file:
        if file.read(len(MAGIC)) not in (MAGIC, b""):
            return False
        file.seek(0)
        try:
            footer = pq.read_metadata(file)
        except (OSError, ValueError, pa.ArrowException):
            return True
    return any(key.startswith(b"batchfiles.") for key in footer.metadata or {})
