"""What is known of requests without their results: the rows of a joined table, or a list of ids.

Each becomes a line of its own in a temporary file, so that the join's index and its look-ups find it as they find a result.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

from batchfiles.bodies.answer import EMPTY
from batchfiles.codec import dumps, loads
from batchfiles.errors import BatchFilesError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.local import LocalFile
from batchfiles.io.remote.path import Place, RemotePath, located
from batchfiles.io.sources import COMPRESSED, STDIN, Source, read_blocks
from batchfiles.io.sources import SUFFIXES as SUFFIXES_OF_LINES
from batchfiles.io.spool import Spool
from batchfiles.jobs.retry.choice import PARSE_ERROR, STATUS
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import OUTCOMES, SUCCEEDED, Result

__all__ = [
    "JoinedTable",
    "has_parse_error",
    "ids_as_outcomes",
    "ids_in",
    "joined_table",
    "read_known_outcome",
    "table_as_outcomes",
]

SUFFIXES = (".parquet", ".arrow", ".arrows", ".feather", ".csv", ".csv.gz", ".csv.bz2", ".csv.zst", ".csv.zstd")
"""What a table is called. JSONL could as well be results: its first line tells."""

JSONL = tuple(suffix + end for suffix in SUFFIXES_OF_LINES for end in COMPRESSED)

NEEDED = dict.fromkeys(("custom_id", "outcome", "retryable"), "it is not a table of `join`, or a column was left out")
OF_LINES = ("body", "response", "error", "method")
"""Keys of requests and results, which no row has."""

HEAD = 64 * 1024
COLUMNS = (*NEEDED, "status_code", "error_code", PARSE_ERROR, "input_source")
CODE_LENGTH = 64
"""Characters of an error code that matter."""


class JoinedTable(NamedTuple):
    """A table that `join` made.

    Attributes:
        name: What it is called.
        parts: Its files.
    """

    name: str
    parts: tuple[Source, ...]


def read_known_outcome(line: bytes) -> tuple[dict[str, Any], Result]:
    """Read a line that this module wrote: what `lookup.read_result` does for results."""
    value = loads(line)
    outcome, status, code, is_retryable, _ = value["verdict"]
    return value, Result(outcome, status, None, code, None, None, None, is_retryable, None, EMPTY, 0)


def has_parse_error(value: dict[str, Any] | None) -> bool:
    """Return whether the table has a parse error for an answer."""
    return value is not None and "verdict" in value and bool(value["verdict"][4])


def _line(custom_id: str, known_outcome: Sequence[object]) -> bytes:
    return dumps({"custom_id": custom_id, "verdict": known_outcome}) + b"\n"


def joined_table(source: object, filesystem: object = None) -> JoinedTable | None:
    """Return the table that a file is by its name, or a folder by its files; None for everything else.

    Args:
        source: What may be a table.
        filesystem: The filesystem in which a path is one; None takes the local one.

    Raises:
        FileError: A remote folder can't be listed.
    """
    if not isinstance(source, (str, os.PathLike, RemotePath)) or source == STDIN:
        return None
    place = located(source, filesystem)
    is_folder = place.is_folder() if isinstance(place, RemotePath) else place.is_dir()
    if not is_folder:
        name = place.name.lower()
        source_of_table = Source.at(place)
        is_one = name.endswith(SUFFIXES) or (name.endswith(JSONL) and _begins_with_a_row(source_of_table))
        return JoinedTable(str(place), (source_of_table,)) if is_one else None
    found = _files_in(place)
    parts = tuple(Source.at(path) for path in found if path.name.lower().endswith(SUFFIXES))
    is_table = bool(parts) and not any(".jsonl" in path.name for path in found)
    return JoinedTable(str(place), parts) if is_table else None


def _begins_with_a_row(source: Source) -> bool:
    """Return whether the first line of a file is a row of our own; pipes can't be checked."""
    if source.path is not None and not source.path.is_file():
        return False
    try:
        blocks = read_blocks(source, lambda _: None, block_size=HEAD, max_line_bytes=RESULT_LINE_CAP)
        first = next((line for block in blocks for line in block.lines if line.strip()), b"{}")
        row = loads(first)
    except (BatchFilesError, OSError):  # who reads it says what is wrong
        return False
    return row.keys() >= NEEDED.keys() and row.keys().isdisjoint(OF_LINES)


def _files_in(folder: Place) -> list[Place]:
    if isinstance(folder, RemotePath):
        return [path for path, info in folder.listing() if info.is_file]
    return [path for path in sorted(folder.iterdir()) if path.is_file()]


def ids_in(source: Source) -> Iterator[str]:
    r"""Yield the ids of a list, one a line; blank lines, a `\r` and a byte order mark are left out.

    Raises:
        FileError: The list can't be read.
        MismatchError: A line is no UTF-8.
    """
    for block in read_blocks(source, _refuse_long_id):
        for number, line in enumerate(block.lines, block.line_number):
            try:
                custom_id = line.removesuffix(b"\r").decode()
            except UnicodeDecodeError:
                raise MismatchError(f"line {number} is no UTF-8: a list has one custom_id a line", path=source.name) from None
            if custom_id:
                yield custom_id


def _refuse_long_id(finding: Finding) -> None:
    if finding.code == "line_too_long":
        raise MismatchError(
            f"line {finding.line_number} is too long for an id: a list has one custom_id a line", path=finding.path
        )


def ids_as_outcomes(source: Source, spool: Spool) -> LocalFile:
    """Copy a list of ids to a file of verdicts.

    Raises:
        FileError: The list can't be read, or there is no room for the copy.
        MismatchError: A line is no UTF-8.
    """
    path = spool.new_path("ids.jsonl")
    with path.open("xb") as file:
        for custom_id in ids_in(source):
            file.write(_line(custom_id, [SUCCEEDED, None, None, False, False]))
    return LocalFile.of(source.name, None, path)


def table_as_outcomes(
    table: JoinedTable, inputs: Sequence[LocalFile], spool: Spool, words: Iterable[str] = ()
) -> list[tuple[LocalFile, int | None]]:
    """Copy what matters of a joined table to files of verdicts, one for each request file.

    Args:
        table: What `joined_table` returned.
        inputs: The request files.
        spool: Where to write.
        words: Outcomes, statuses and error codes that select requests; the table must have their columns.

    Returns:
        The files, each with the number of the request file that its rows belong to; None where they may belong to any.

    Raises:
        MismatchError: It is not a joined table, a value in it does not fit its column, or it was made from other request files.
        TruncatedFileError: It is damaged.
        FileError: It can't be read, or there is no room for the copies.
    """
    from batchfiles.table.typed_rows import own_rows

    needed = NEEDED | _columns_of(words)
    rows = 0
    paths: dict[str | None, Path] = {}

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal rows
        for row in chain.from_iterable(
            own_rows(part, COLUMNS, needed=needed, max_line_bytes=RESULT_LINE_CAP) for part in table.parts
        ):
            rows += 1
            if row["custom_id"] is not None:  # a request line that can't be read has none
                yield row

    # One file is open at a time: there may be thousands of request files, and their rows are mostly one after the other.
    for source, group in groupby(counted(), lambda row: row.get("input_source")):
        path = paths.setdefault(source, spool.new_path("table.jsonl"))
        with path.open("ab") as file:
            file.writelines(map(_line_of_row, group))
    if rows and not paths:
        raise MismatchError("has no custom_id in any row, so its rows can't be assigned to requests", path=table.name)
    found = {source: LocalFile.of(table.name, None, path) for source, path in paths.items()}
    return _assigned(found, inputs, table.name)


def _line_of_row(row: dict[str, Any]) -> bytes:
    code = row.get("error_code")
    failed_to_parse = row.get(PARSE_ERROR) is not None
    return _line(
        row["custom_id"], [row["outcome"], row.get("status_code"), code and code[:CODE_LENGTH], row["retryable"], failed_to_parse]
    )


def _columns_of(words: Iterable[str]) -> dict[str, str]:
    """Return the columns that words ask for, each with the reason: without them no request would match, and none be written."""
    needed = {}
    for word in words:
        if word == PARSE_ERROR:
            needed[PARSE_ERROR] = "`join --parsed` makes it"
        elif STATUS.fullmatch(word):
            needed["status_code"] = f"{word!r} asks for it"
        elif word not in OUTCOMES:
            needed["error_code"] = f"{word!r} asks for it"
    return needed


def _assigned(found: dict[str | None, LocalFile], inputs: Sequence[LocalFile], table: str) -> list[tuple[LocalFile, int | None]]:
    """Find the request file of each file of verdicts, by its whole name or by its last part.

    Ids may restart in each request file, so that rows of others must not be taken for those of the ones at hand.
    """
    of_any: list[tuple[LocalFile, int | None]] = [(found[None], None)] if None in found else []
    names = [name for name in found if name is not None]
    if not names:
        return of_any
    if len(inputs) == 1 and len(names) == 1:
        return [*of_any, (found[names[0]], 0)]
    chosen: dict[str, int] = {}
    for number, file in enumerate(inputs):
        # A file of which no row is left in the table has no source here: its requests are not in the table.
        source = _source_of(file, [name for name in names if name not in chosen])
        if source is not None:
            chosen[source] = number
    if not chosen:
        raise MismatchError(
            f"the table has no rows of {_some([file.name for file in inputs])}: it was made of {_some(names)}", path=table
        )
    return [*of_any, *((found[source], number) for source, number in chosen.items())]


def _source_of(file: LocalFile, names: list[str]) -> str | None:
    if file.name in names:
        return file.name
    by_end: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_end[Path(name).name].append(name)
    same = by_end[Path(file.name).name]
    return same[0] if len(same) == 1 else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
