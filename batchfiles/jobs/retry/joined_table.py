"""Known outcomes of requests without their results: the rows of a joined table, or a list of ids.

Each becomes a line in a temporary file, so that the join's index and lookup find it like a result.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from batchfiles.bodies.answer import EMPTY
from batchfiles.codec import dumps, loads
from batchfiles.errors import BatchFilesError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.local import LocalFile
from batchfiles.io.lines import blocks
from batchfiles.io.remote_path import Place, files_in
from batchfiles.io.sources import Source, SourceLike, expand, read_blocks
from batchfiles.io.temporary import Spool
from batchfiles.jobs.retry.units import EarlierRetry
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import OUTCOMES, ROW_KEYS, SUCCEEDED, Result
from batchfiles.table.open import BINARY_SUFFIXES, Peeked, endings_of, recognized

PARSE_ERROR = "parse_error"
"""The word for answers whose text did not parse; only a joined table knows of them."""

STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
"""A status, or a class of them."""

SUFFIXES = endings_of((*BINARY_SUFFIXES, ".csv"))
"""Suffixes of tables. JSONL may also be results: the first line shows it."""

NEEDED = dict.fromkeys(ROW_KEYS, "it is not a table of `join`, or a column was left out")
OF_LINES = ("body", "response", "error", "method")
"""Keys of requests and results, which rows of a table do not have."""

HEAD = 64 * 1024
COLUMNS = (*NEEDED, "status_code", "error_code", PARSE_ERROR, "input_source")
CODE_LENGTH = 64
"""Characters of an error code that are kept."""


class JoinedTable(NamedTuple):
    """A table that `join` made.

    Attributes:
        name: Its name.
        parts: Its files, or the table in memory.
    """

    name: str
    parts: tuple[Any, ...]


def read_known_outcome(line: bytes) -> tuple[dict[str, Any], Result]:
    """Read a line that this module wrote, as `outcome.read_result` reads results."""
    value = loads(line)
    outcome, status, code, is_retryable, _ = value["known_outcome"]
    return value, Result(outcome, status, None, code, None, None, None, is_retryable, None, EMPTY, 0)


def has_parse_error(value: dict[str, Any] | None) -> bool:
    """Return whether the table has a parse error for an answer."""
    return value is not None and "known_outcome" in value and bool(value["known_outcome"][4])


def _line(custom_id: str, known_outcome: Sequence[object]) -> bytes:
    return dumps({"custom_id": custom_id, "known_outcome": known_outcome}) + b"\n"


def joined_tables(files: Iterable[SourceLike | JoinedTable], filesystem: object = None) -> tuple[list[JoinedTable], list[Source]]:
    """Separate joined tables, which may be folders of parts, from files of lines.

    Args:
        files: Files that may be tables.
        filesystem: The filesystem of all paths; None for the local one.

    Returns:
        The tables, and the other files as `expand` returns them.

    Raises:
        FileError: A file does not exist, or a folder can't be listed.
        ValueError: Standard input is named twice, or a URL is wrong.
        TypeError: A source has a wrong type.
    """
    tables: list[JoinedTable] = []
    given: list[SourceLike] = []
    for each in files:
        if isinstance(each, JoinedTable):
            tables.append(each)
        elif hasattr(each, "__arrow_c_stream__"):
            tables.append(JoinedTable("a table in memory", (each,)))
        else:
            given.append(each)

    def parts_of(folder: Place) -> list[Source] | None:
        found = [file.place for file in files_in(folder)]
        parts = tuple(Source.at(path) for path in found if path.name.lower().endswith(SUFFIXES))
        if not parts or any(".jsonl" in path.name for path in found):
            return None
        tables.append(JoinedTable(str(folder), parts))
        return []

    sources = expand(given, filesystem=filesystem, files_of=parts_of)
    are_tables = [_is_joined(source) for source in sources]
    tables += (JoinedTable(source.name, (source,)) for source, is_table in zip(sources, are_tables, strict=True) if is_table)
    return tables, [source for source, is_table in zip(sources, are_tables, strict=True) if not is_table]


def _is_joined(source: Source) -> bool:
    """Return whether a file is a table that may be of `join`: by its content, and by its name if it can't be read."""
    is_named_so = (source.file_name or "").lower().endswith(SUFFIXES)
    if not source.is_again or (source.found and not is_named_so):
        return is_named_so
    try:
        with recognized(source) as (found, stream):
            if found not in ("csv", "jsonl"):
                return True
            if found == "jsonl":
                return _begins_with_a_row(stream, source.name)
            from batchfiles.table.csv import CsvCells

            return is_named_so or NEEDED.keys() <= set(CsvCells(source.name, stream).header)
    except (BatchFilesError, OSError):  # its reader reports the error
        return is_named_so


def _begins_with_a_row(stream: Peeked, name: str) -> bool:
    """Return whether the first line is a row of a joined table."""
    found = blocks(cast("BinaryIO", stream), name, lambda _: None, block_size=HEAD, max_line_bytes=RESULT_LINE_CAP)
    row = loads(next((line for block in found for line in block.lines if line.strip()), b"{}"))
    return row.keys() >= NEEDED.keys() and row.keys().isdisjoint(OF_LINES)


def ids_in(source: Source) -> Iterator[str]:
    r"""Yield the ids of a list, one a line; blank lines, a `\r` and a byte order mark are left out.

    Raises:
        FileError: The list can't be read.
        MismatchError: A line is not UTF-8.
    """
    for block in read_blocks(source, _refuse_long_id):
        text = b"\n".join(block.lines)
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError as error:
            number = block.line_number + text.count(b"\n", 0, error.start)
            raise MismatchError(f"line {number} is not UTF-8: a list has one custom_id a line", path=source.name) from None
        yield from filter(None, [line.removesuffix("\r") for line in lines])


def _refuse_long_id(finding: Finding) -> None:
    if finding.code == "line_too_long":
        raise MismatchError(
            f"line {finding.line_number} is too long for an id: a list has one custom_id a line", path=finding.path
        )


def ids_as_outcomes(source: Source, spool: Spool) -> LocalFile:
    """Copy a list of ids to a file of known outcomes.

    Raises:
        FileError: The list can't be read, or the disk is full.
        MismatchError: A line is not UTF-8.
    """
    path = spool.new_path("ids.jsonl")
    with path.open("xb") as file:
        for custom_id in ids_in(source):
            file.write(_line(custom_id, [SUCCEEDED, None, None, False, False]))
    return LocalFile.of(source.name, None, path)


def table_as_outcomes(
    table: JoinedTable,
    inputs: Sequence[LocalFile],
    earlier: Sequence[EarlierRetry],
    spool: Spool,
    words: Iterable[str] = (),
) -> list[tuple[LocalFile, int | None]]:
    """Copy the known outcomes of a joined table to files, one for each request file.

    Args:
        table: One that `joined_tables` returned.
        inputs: The request files.
        earlier: Retry files of them, whose rows are those of the requests that they repeat.
        spool: Where to write.
        words: Outcomes, statuses and error codes that select requests; the table must have their columns.

    Returns:
        The files, each with the number of the request file that its rows belong to; None where they may belong to any.

    Raises:
        MismatchError: It is not a joined table, a value in it does not fit its column, or it was made from other request files.
        TruncatedFileError: It is damaged.
        FileError: It can't be read, or the disk is full.
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
    numbers = [*range(len(inputs)), *(each.retry_of[0] if len(each.retry_of) == 1 else None for each in earlier)]
    assigned = _assigned(found, [*inputs, *(each.file for each in earlier)], table.name)
    return [(file, None if number is None else numbers[number]) for file, number in assigned]


def _line_of_row(row: dict[str, Any]) -> bytes:
    code = row.get("error_code")
    failed_to_parse = row.get(PARSE_ERROR) is not None
    return _line(
        row["custom_id"], [row["outcome"], row.get("status_code"), code and code[:CODE_LENGTH], row["retryable"], failed_to_parse]
    )


def _columns_of(words: Iterable[str]) -> dict[str, str]:
    """Return the columns that words need, each with the reason: without them no request would match."""
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
    """Find the request file of each file of known outcomes, by its whole name or by its last part.

    Ids may restart in each request file, so rows of other files must not be taken for rows of the given ones.
    """
    of_any: list[tuple[LocalFile, int | None]] = [(found[None], None)] if None in found else []
    names = [name for name in found if name is not None]
    if not names:
        return of_any
    if len(inputs) == 1 and len(names) == 1:
        return [*of_any, (found[names[0]], 0)]
    by_end: dict[str, set[str]] = defaultdict(set)
    for name in names:
        by_end[Path(name).name].add(name)
    chosen: dict[str, int] = {}
    for number, file in enumerate(inputs):
        # A file of which no row is left in the table has no source here: its requests are not in the table.
        same = by_end[Path(file.name).name]
        source = file.name if file.name in same else next(iter(same)) if len(same) == 1 else None
        if source is not None:
            chosen[source] = number
            same.remove(source)
    if not chosen:
        raise MismatchError(
            f"the table has no rows of {_some([file.name for file in inputs])}: it was made of {_some(names)}", path=table
        )
    return [*of_any, *((found[source], number) for source, number in chosen.items())]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
