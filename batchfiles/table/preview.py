"""The first rows of a table or a batch file, whatever its format, without reading the rest."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain, islice
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa

from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError, TruncatedFileError
from batchfiles.findings import Finding, instead_of
from batchfiles.io.lines import blocks
from batchfiles.io.remote_path import Place
from batchfiles.io.sources import Source, expand
from batchfiles.limits import LINE_CAP
from batchfiles.outcome import ROW_KEYS
from batchfiles.table.cells import plain_values
from batchfiles.table.csv import QUOTED_EMPTY, quoted_cells
from batchfiles.table.logical_types import LogicalTypes
from batchfiles.table.open import ArrowFile, Peeked, TextFile, opened_table
from batchfiles.table.read import ROWS, tables_in
from batchfiles.table.where import Where

NAMES = {"parquet": "Parquet", "arrow": "Arrow file", "arrows": "Arrow stream"}
"""What the formats are called."""

MALFORMED = "(malformed)"
"""The column with the reason why a line is not a JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The beginning of a file.

    Attributes:
        name: What the file is called.
        format: `Parquet`, `Arrow file`, `Arrow stream`, `JSONL` or `CSV`.
        columns: The names of the columns, in order.
        rows: The first rows, as JSON values by column.
        numbers: The number of each of these rows in the file, or in all files of a folder, from 1.
        row_count: All rows of the file, or those of the condition; None where that needs reading it.
        size: Bytes on disk; None for a pipe.
        schema_version: The version of our schema that the file was written with; None for other files.
        files: How many files there are, for a folder of parts.
        absent: The paths of the condition that no row of text has.
    """

    name: str
    format: str
    columns: list[str]
    rows: list[dict[str, Any]]
    numbers: list[int] = field(default_factory=list)
    row_count: int | None = None
    size: int | None = None
    schema_version: str | None = None
    files: int = 1
    absent: frozenset[str] = frozenset()


def first_rows(name: str, count: int, columns: list[str] | None = None, *, where: Where | None = None, skip: int = 0) -> Preview:
    """Read the first rows of a file.

    Args:
        name: A file, a folder of tables, or `-` for JSONL, CSV or an Arrow stream on standard input. Where a folder has Parquet
            files, the others are skipped.
        count: How many rows.
        columns: Which columns, in which order; None takes all.
        where: Which rows; None takes all.
        skip: How many of them are passed over before the first one.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFileError: The file is damaged.
        MismatchError: The file is not a table.
        ValueError: It has no column of that name, or standard input holds a format that needs a file.
        WhereError: The condition names a column that doesn't exist, or of another type.
    """
    wanted = _Wanted(count, columns, where, skip)
    folders: list[Place] = []

    def parts_of(folder: Place) -> list[Source]:
        folders.append(folder)
        found = tables_in(folder)
        return [source for source in found if source.name.endswith(".parquet")] or found

    sources = expand([name], files_of=parts_of)
    if folders:
        return _first_of_folder(str(folders[0]), sources, wanted)
    return replace(_first_of_file(sources[0], wanted), size=sources[0].size())


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The rows to read."""

    count: int
    columns: list[str] | None
    where: Where | None
    skip: int

    @property
    def all(self) -> int:
        """The rows to find, with those that are passed over."""
        return self.skip + self.count


def _first_of_folder(name: str, parts: list[Source], wanted: _Wanted) -> Preview:
    previews: list[Preview] = []
    before = 0  # rows in the parts before
    for part in parts:
        rows_left = wanted.count - sum(len(preview.rows) for preview in previews)
        if rows_left <= 0 and previews and previews[-1].row_count is None:
            break  # all rows are here, and their number would need reading
        preview, skipped, in_part = _first_with_skipped(part, replace(wanted, count=max(rows_left, 0)))
        previews.append(replace(preview, numbers=[before + number for number in preview.numbers]))
        wanted = replace(wanted, skip=wanted.skip - skipped)
        before += in_part
    counts = [preview.row_count for preview in previews]
    return replace(
        previews[0],
        name=name,
        columns=list(dict.fromkeys(chain.from_iterable(preview.columns for preview in previews))),
        rows=[row for preview in previews for row in preview.rows],
        numbers=[number for preview in previews for number in preview.numbers],
        row_count=None if None in counts or len(previews) < len(parts) else sum(each or 0 for each in counts),
        size=sum(part.size() or 0 for part in parts),
        files=len(parts),
        absent=frozenset.intersection(*(preview.absent for preview in previews)),
    )


def _first_of_file(source: Source, wanted: _Wanted) -> Preview:
    return _first_with_skipped(source, wanted)[0]


def _first_with_skipped(source: Source, wanted: _Wanted) -> tuple[Preview, int, int]:
    """Return the rows, how many were passed over before them, and how many rows the file has, as far as they were read."""
    with opened_table(source) as file:
        if isinstance(file, TextFile):
            return (_csv if file.format == "csv" else _jsonl)(source, file.stream, wanted)
        types = LogicalTypes(source.name, file.schema, file.parquet, strict=False)
        chosen = _chosen(wanted.columns, file.schema.names)
        find = _found_in_parquet if file.groups else _found_in_batches
        batches, numbers, found = find(file, types, wanted, chosen)
        rows = [row for batch in batches for row in _rows_of(batch, types, chosen)]
        version = (types.schema.metadata or {}).get(b"batchfiles.schema_version")
        known = file.row_count if wanted.where is None else None
        preview = Preview(
            name=source.name,
            format=NAMES[file.format],
            columns=chosen,
            rows=rows,
            numbers=[number + 1 for number in numbers],
            row_count=_all_of(found, wanted.all) if known is None else known,
            schema_version=version.decode(errors="replace") if version else None,
        )
        return preview, min(found, wanted.skip), file.row_count or found


Found = tuple[list[pa.RecordBatch], list[int], int]
"""The rows in batches, their numbers from 0, and how many were found, with those that are passed over."""


def _found_in_batches(file: ArrowFile, types: LogicalTypes, wanted: _Wanted, chosen: list[str]) -> Found:
    """Look through an Arrow file, batch by batch."""
    kept: list[pa.RecordBatch] = []
    numbers: list[int] = []
    found = before = 0
    for batch in file.batches(chosen, ROWS, None):
        if found >= wanted.all:
            break
        if wanted.where is None:
            at: Sequence[int] = range(min(batch.num_rows, wanted.all - found))
        else:
            read = batch.select(wanted.where.heads(batch.schema.names))
            at = wanted.where.among(types.converted(read), types.schema)[: wanted.all - found]
        shown = at[max(wanted.skip - found, 0) :]
        if shown:
            kept.append(batch.take(pa.array(shown, pa.int64())) if wanted.where else batch.slice(shown[0], len(shown)))
            numbers += (before + each for each in shown)
        found += len(at)
        before += batch.num_rows
    return kept, numbers, found


SCANNED: Final = 64 * 1024
"""Rows of the columns of a condition that are read at a time."""


def _found_in_parquet(file: ArrowFile, types: LogicalTypes, wanted: _Wanted, chosen: list[str]) -> Found:
    """Find the rows by the columns of the condition, in the row groups that may have some, and read only these rows whole."""
    starts = [0, *accumulate(file.groups)]
    if wanted.where is None:
        numbers = list(range(min(wanted.all, starts[-1])))
    else:
        numbers = list(islice(_matching(file, types, wanted.where, starts), wanted.all))
    shown = numbers[wanted.skip :]
    kept: list[pa.RecordBatch] = []
    for group, start in enumerate(starts[:-1]):
        at = [number - start for number in shown if start <= number < starts[group + 1]]
        if at:
            kept += _taken(file.batches(chosen, min(ROWS, at[-1] + 1), [group]), at)
    return kept, shown, len(numbers)


def _matching(file: ArrowFile, types: LogicalTypes, where: Where, starts: Sequence[int]) -> Iterator[int]:
    """Yield the numbers of the rows that fulfil a condition."""
    expression = where.expression(types.schema)
    heads = where.heads(file.schema.names)
    is_as_stored = all(file.schema.field(name).type == types.schema.field(name).type for name in heads)
    groups = file.groups_where(expression) if is_as_stored else range(len(file.groups))
    for group in groups:
        before = starts[group]
        for batch in file.batches(heads, SCANNED, [group]):
            yield from (before + each for each in where.among(types.converted(batch), types.schema))
            before += batch.num_rows


def _taken(batches: Iterable[pa.RecordBatch], at: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """Yield some rows of batches, by their numbers, and read no more batches than needed."""
    before, waiting = 0, list(at)
    for batch in batches:
        end = before + batch.num_rows
        here = [each - before for each in waiting if each < end]
        if here:
            yield (
                batch.slice(here[0], len(here)) if here[-1] - here[0] + 1 == len(here) else batch.take(pa.array(here, pa.int64()))
            )
        waiting = waiting[len(here) :]
        before = end
        if not waiting:
            return


def _rows_of(batch: pa.RecordBatch, types: LogicalTypes, columns: list[str]) -> Iterator[dict[str, Any]]:
    chosen = [batch.column(batch.schema.names.index(name)) for name in columns]  # two columns may have the same name
    part = types.converted(pa.RecordBatch.from_arrays(chosen, names=columns))
    cells = [plain_values(column, strict=False) for column in part.columns]
    for row in zip(*cells, strict=True):
        yield dict(zip(columns, row, strict=True))


def _all_of(found: int, count: int) -> int | None:
    """Return how many rows there are, if fewer were found than were asked for."""
    return found if found < count else None


def _chosen(wanted: list[str] | None, there: list[str]) -> list[str]:
    """Check the requested names against those of the table."""
    if wanted is None:
        return there
    for name in wanted:
        if name not in there:
            raise ValueError(f"unknown column {name!r}{instead_of(name, there)}")
    return wanted


def _lines(source: Source, stream: Peeked) -> Iterator[bytes | Finding]:
    """Yield the lines, and a finding for each that is too long; other findings are left to `validate`."""
    findings: list[Finding] = []
    for block in blocks(cast("BinaryIO", stream), source.name, findings.append):
        yield from _too_long(findings)
        yield from block.lines
    yield from _too_long(findings)


def _too_long(findings: list[Finding]) -> Iterator[Finding]:
    yield from (finding for finding in findings if finding.code == "line_too_long")
    findings.clear()


Row = dict[str, Any]


def _jsonl(source: Source, stream: Peeked, wanted: _Wanted) -> tuple[Preview, int, int]:
    rows = (_decoded(line) for line in _lines(source, stream) if isinstance(line, Finding) or line.strip())
    return _of_text(source, "JSONL", rows, None, wanted)


def _of_text(
    source: Source, kind: str, rows: Iterable[Row], header: list[str] | None, wanted: _Wanted
) -> tuple[Preview, int, int]:
    """Take rows of text; the columns of JSONL are those of the rows that were read."""
    where = wanted.where
    if where is not None and header is not None:
        where.check_names(header)
    names: dict[str, None] = dict.fromkeys(header or ())
    kept: list[Row] = []
    numbers: list[int] = []
    absent = where.absent([]) if where is not None else set()  # all of its paths
    found = before = 0
    waiting = iter(rows)
    while found < wanted.all:
        some = list(islice(waiting, ROWS if where else min(ROWS, wanted.all - found)))
        if not some:
            break
        if header is None:
            names |= dict.fromkeys(chain.from_iterable(some))
        if where is not None and absent:
            absent &= where.absent(some)
        at: Sequence[int] = range(len(some)) if where is None else where.among_rows(some)[: wanted.all - found]
        shown = at[max(wanted.skip - found, 0) :]
        kept += (some[each] for each in shown)
        numbers += (before + each + 1 for each in shown)
        found += len(at)
        before += len(some)
    if where is not None and before:
        where.check_names(list(names))
    there = list(names) if header is not None or where is None else list(dict.fromkeys(chain.from_iterable(kept)))
    columns = _chosen(wanted.columns, list(names)) if wanted.columns is not None and names else there
    preview = Preview(
        name=source.name,
        format=kind,
        columns=columns,
        rows=kept,
        numbers=numbers,
        row_count=_all_of(found, wanted.all),
        absent=frozenset(absent),
    )
    return preview, min(found, wanted.skip), before


def _decoded(line: bytes | Finding) -> dict[str, Any]:
    if isinstance(line, Finding):
        return {MALFORMED: line.message}
    try:
        return loads(line)
    except InvalidLineError as error:
        return {MALFORMED: error.reason}


def _csv_text(line: bytes | Finding) -> str:
    if isinstance(line, Finding):
        raise TruncatedFileError(line.message, path=line.path, line_number=line.line_number)
    return f"{line.decode(errors='replace')}\n"


def _csv(source: Source, stream: Peeked, wanted: _Wanted) -> tuple[Preview, int, int]:
    csv.field_size_limit(LINE_CAP)  # of the whole process; the library's own is 128 KiB, less than many an answer
    raw: list[str] = []  # the lines of a record

    def texts() -> Iterator[str]:
        for line in _lines(source, stream):
            raw.append(_csv_text(line))
            yield raw[-1]

    def cells(record: list[str]) -> Sequence[str | None]:
        """Return the cells of a record; a table of `join` has `""` for an empty text, and nothing for null."""
        text = "".join(raw)
        raw.clear()
        if not is_own or QUOTED_EMPTY not in text:
            return [cell or None for cell in record]
        return [
            cell if cell or is_quoted else None for cell, is_quoted in zip(record, quoted_cells(text, len(record)), strict=True)
        ]

    try:
        reader = csv.reader(texts())
        header = next(reader, [])
        is_own = set(ROW_KEYS) <= set(header)
        raw.clear()
        rows = (dict(zip(header, cells(record), strict=False)) for record in reader)
        return _of_text(source, "CSV", rows, header, wanted)
    except csv.Error as error:
        reason = str(error)
    raise TruncatedFileError(f"the CSV can't be read: {reason}", path=source.name)
