"""What is known of requests without their results: the rows of a joined table, or a list of ids.

Each becomes a line of its own in a temporary file, so that the join's index and its look-ups find it as they find a result.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from batchfiles.bodies.answer import EMPTY
from batchfiles.codec import dumps, loads
from batchfiles.errors import FileError, Mismatch
from batchfiles.findings import Finding
from batchfiles.jobs.local_file import LocalFile
from batchfiles.jobs.retry_choice import PARSE_ERROR
from batchfiles.outcome import SUCCEEDED, Result
from batchfiles.streams.atomic import file_error
from batchfiles.streams.remote import Place, RemotePath, located
from batchfiles.streams.sources import STDIN, Source, read_blocks
from batchfiles.streams.spool import Spool

__all__ = ["JoinedTable", "has_parse_error", "ids_as_verdicts", "ids_in", "joined_table", "read_verdict", "table_as_verdicts"]

SUFFIX = ".parquet"

NEEDED = ("custom_id", "outcome", "retryable")
COLUMNS = (*NEEDED, "status_code", "error_code", PARSE_ERROR, "input_source")
ROWS = 4096
"""Rows that are read at a time."""
CODE_LENGTH = 64
"""Characters of an error code that matter."""


class JoinedTable(NamedTuple):
    """A table that `join` made.

    Attributes:
        name: What it is called.
        parts: Its Parquet files.
    """

    name: str
    parts: tuple[Source, ...]


def read_verdict(line: bytes) -> tuple[dict[str, Any], Result]:
    """Read a line that this module wrote: what `candidates.read_result` does for results."""
    value = loads(line)
    outcome, status, code, is_retryable, _ = value["verdict"]
    return value, Result(outcome, status, None, code, None, None, None, is_retryable, None, EMPTY, 0)


def has_parse_error(value: dict[str, Any] | None) -> bool:
    """Tell whether the text of an answer did not parse, as the table said."""
    return value is not None and "verdict" in value and bool(value["verdict"][4])


def _line(custom_id: str, verdict: Sequence[object]) -> bytes:
    return dumps({"custom_id": custom_id, "verdict": verdict}) + b"\n"


def joined_table(source: object, filesystem: object = None) -> JoinedTable | None:
    """Return the Parquet table that a file is by its name, or a folder by its files; None for everything else.

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
        return JoinedTable(str(place), (Source.at(place),)) if place.name.endswith(SUFFIX) else None
    found = _files_in(place)
    parts = tuple(Source.at(path) for path in found if path.name.endswith(SUFFIX))
    is_table = bool(parts) and not any(".jsonl" in path.name for path in found)
    return JoinedTable(str(place), parts) if is_table else None


def _files_in(folder: Place) -> list[Place]:
    if isinstance(folder, RemotePath):
        return [path for path, info in folder.listing() if info.is_file]
    return [path for path in sorted(folder.iterdir()) if path.is_file()]


def ids_in(source: Source) -> Iterator[str]:
    r"""Yield the ids of a list, one a line; blank lines, a `\r` and a byte order mark are left out.

    Raises:
        FileError: The list can't be read.
        Mismatch: A line is no UTF-8.
    """
    for block in read_blocks(source, _refuse_long_id):
        for number, line in enumerate(block.lines, block.line_number):
            try:
                custom_id = line.removesuffix(b"\r").decode()
            except UnicodeDecodeError:
                raise Mismatch(f"line {number} is no UTF-8: a list has one custom_id a line", path=source.name) from None
            if custom_id:
                yield custom_id


def _refuse_long_id(finding: Finding) -> None:
    if finding.code == "line_too_long":
        raise Mismatch(f"line {finding.line_number} is too long for an id: a list has one custom_id a line", path=finding.path)


def ids_as_verdicts(source: Source, spool: Spool) -> LocalFile:
    """Copy a list of ids to a file of verdicts.

    Raises:
        FileError: The list can't be read, or there is no room for the copy.
        Mismatch: A line is no UTF-8.
    """
    path = spool.new_path("ids.jsonl")
    with path.open("xb") as file:
        for custom_id in ids_in(source):
            file.write(_line(custom_id, [SUCCEEDED, None, None, False, False]))
    return LocalFile.of(source.name, None, path)


def table_as_verdicts(
    table: JoinedTable, inputs: Sequence[LocalFile], spool: Spool, *, parse_errors: bool
) -> list[tuple[LocalFile, int | None]]:
    """Copy what matters of a joined table to files of verdicts, one for each request file.

    Args:
        table: What `joined_table` returned.
        inputs: The request files.
        spool: Where to write.
        parse_errors: Whether the column `parse_error` is needed.

    Returns:
        The files, each with the number of the request file that its rows belong to; None where they may belong to any.

    Raises:
        Mismatch: It is no joined table, or it was made of other request files.
        FileError: It can't be read, or there is no room for the copies.
    """
    paths: dict[str | None, Path] = {}
    # One file is open at a time: there may be thousands of request files, and their rows mostly stand together.
    for source, rows in groupby(_lines_of_table(table, parse_errors=parse_errors), itemgetter(0)):
        path = paths.setdefault(source, spool.new_path("table.jsonl"))
        with path.open("ab") as file:
            file.writelines(line for _, line in rows)
    found = {source: LocalFile.of(table.name, None, path) for source, path in paths.items()}
    return _assigned(found, inputs, table.name)


def _lines_of_table(joined: JoinedTable, *, parse_errors: bool) -> Iterator[tuple[str | None, bytes]]:
    """Yield the request file and the verdict of each row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for part in joined.parts:
        try:
            with part.open_for_arrow() as file, pq.ParquetFile(file, page_checksum_verification=True) as table:
                names = table.schema_arrow.names
                missing = [name for name in (*NEEDED, *((PARSE_ERROR,) if parse_errors else ())) if name not in names]
                if missing == [PARSE_ERROR]:
                    raise Mismatch(f"has no column {PARSE_ERROR}: `join --parsed` makes it", path=part.name)
                if missing:
                    raise Mismatch(f"is no joined table, having no column {missing[0]}", path=part.name)
                for batch in table.iter_batches(ROWS, columns=[name for name in COLUMNS if name in names]):
                    yield from _lines_of_batch(batch)
        except FileError:
            raise
        except OSError as error:
            raise file_error(error, part.name) from None
        except pa.ArrowInvalid as error:
            raise Mismatch(f"is no Parquet file: {str(error).splitlines()[0]}", path=part.name) from None


def _lines_of_batch(batch: Any) -> Iterator[tuple[str | None, bytes]]:  # noqa: ANN401 - pyarrow has no types
    for row in batch.to_pylist():
        custom_id, code = row["custom_id"], row.get("error_code")
        if custom_id is None:  # a request line that can't be read
            continue
        failed_to_parse = row.get(PARSE_ERROR) is not None
        verdict = [row["outcome"], row.get("status_code"), code and code[:CODE_LENGTH], bool(row["retryable"]), failed_to_parse]
        yield row.get("input_source"), _line(custom_id, verdict)


def _assigned(found: dict[str | None, LocalFile], inputs: Sequence[LocalFile], table: str) -> list[tuple[LocalFile, int | None]]:
    """Find the request file of each file of verdicts, by its whole name or by its last part.

    Ids may restart in each request file, so that rows of others must not be taken for those of the ones at hand.
    """
    if set(found) <= {None}:
        return [(file, None) for file in found.values()]
    if len(inputs) == 1 and len(found) == 1:
        return [(file, 0) for file in found.values()]
    chosen: dict[str, int] = {}
    for number, file in enumerate(inputs):
        source = _source_of(file, [name for name in found if name is not None and name not in chosen])
        if source is None:
            raise Mismatch(f"the table has no rows of {file.name}: it was made of {_some(found)}", path=table)
        chosen[source] = number
    return [(found[source], number) for source, number in chosen.items()]


def _source_of(file: LocalFile, names: list[str]) -> str | None:
    if file.name in names:
        return file.name
    by_end: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_end[Path(name).name].append(name)
    same = by_end[Path(file.name).name]
    return same[0] if len(same) == 1 else None


def _some(names: Iterable[str | None]) -> str:
    shown = [str(name) for name in names if name is not None]
    return ", ".join(shown[:3]) + (", …" if len(shown) > 3 else "")
