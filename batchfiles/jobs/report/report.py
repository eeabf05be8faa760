"""`report`: one HTML file that shows a batch to people, made from a joined table or from a join."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from batchfiles.errors import MismatchError
from batchfiles.inputs.roles import Pairs, paired_sources
from batchfiles.io.remote_path import real_path
from batchfiles.io.sources import Source, SourceLike, expand
from batchfiles.io.target import Target, TargetLike
from batchfiles.io.threads import Progress, progress_of
from batchfiles.jobs.join.join import join
from batchfiles.jobs.join.lazy_table import LazyTable
from batchfiles.jobs.join.report import TableReport
from batchfiles.jobs.report.facts import COLUMNS
from batchfiles.jobs.retry.joined_table import joined_tables
from batchfiles.jobs.stats.prices import PricesLike, prices_of
from batchfiles.layout import size, visible
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.summary import Block, Displayed, Sentences
from batchfiles.table.read import ROWS, RowTable, TableLike, UserTable, user_tables
from batchfiles.table.rows import REQUESTS
from batchfiles.table.typed_rows import own_rows


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PageReport(Displayed):
    """What a report found.

    Attributes:
        verdict: The sentences at its beginning.
        command: The command that sends requests again; empty if there is none to send.
        rows: Rows: the requests, or the results if only these are known.
        outcomes: How many of them have which outcome.
        retryable: How many of them may succeed if they are sent again.
        errors: How many different errors there are.
        bytes: The size of the file.
    """

    verdict: str
    command: str
    rows: int
    outcomes: dict[str, int]
    retryable: int
    errors: int
    bytes: int

    def _blocks(self) -> Iterator[Block]:
        yield Sentences([visible(self.verdict), f"the page: {size(self.bytes)}"])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return asdict(self)


def report(
    *sources: SourceLike | TableLike,
    output: TargetLike,
    inputs: Iterable[SourceLike] = (),
    pairs: Pairs = (),
    prices: PricesLike | Sequence[PricesLike] | None = None,
    texts: bool = True,
    rows: int = 20,
    title: str | None = None,
    overwrite: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = None,
    progress: Progress | bool | None = None,
) -> PageReport:
    """Write one HTML file about a batch: the verdict, outcomes, errors, tokens, costs and failing rows.

    The file has no script and loads nothing. The same input gives the same bytes. Memory does not grow with the input.

    Args:
        *sources: Request files and results, folders, globs or a campaign, as for `join`; or a table that `join` wrote, as a file,
            a folder of parts or an object with `__arrow_c_stream__`; or one `Join` or `Export`.
        output: A new file, or `-` for standard output, or an open binary file.
        inputs: As for `join`.
        pairs: As for `join`.
        prices: As for `stats`; None for no costs.
        texts: Whether to show what users, models and services wrote: ids, error messages, requests and answers. Names of files
            and models are always shown.
        rows: How many failing rows to show, as far as they fit into 300 kB.
        title: The title; None for the names of the sources.
        overwrite: Replace an existing file.
        max_line_bytes: As for `join`.
        temp_dir: As for `join`.
        filesystem: The filesystem of all paths, also of `output` and `prices`; None for the local one.
        workers: As for `join`.
        progress: Called repeatedly with the bytes done and the total bytes of a join; True shows a bar.

    Returns:
        What was found.

    Raises:
        MissingDependencyError: vl-convert-python or jinja2 is not installed.
        MismatchError: A table is not one of `join`, or was given together with files; and as `join`.
        OutputExistsError: The output exists and `overwrite` was not given.
        FileError: A file can't be read, or the output can't be written.
        TypeError: No source is given, or one has a wrong type.
        ValueError: `rows` is negative, the output is an input file, or the price file has a value that is not a price.

    Example:
        >>> report = batchfiles.report("fixtures/chat_completions", output="report.html")
        >>> report.rows, report.retryable
        (16, 3)
    """
    from batchfiles.jobs.report.charts import require, shortened
    from batchfiles.jobs.report.facts import Facts
    from batchfiles.jobs.report.page import Contents, page
    from batchfiles.jobs.report.words import retry_command, verdict

    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    require()
    target = Target.at(output, filesystem=filesystem, folder=False)
    target.check(overwrite=overwrite)
    known = None if prices is None else prices_of(prices, filesystem=filesystem)
    found = report_rows(
        sources,
        target,
        inputs=inputs,
        pairs=pairs,
        filesystem=filesystem,
        workers=workers,
        progress=progress_of(progress, "report"),
        max_line_bytes=max_line_bytes,
        temp_dir=temp_dir,
    )
    facts = Facts(rows=rows, texts=texts, prices=known)
    facts.add_all(found.batches)
    is_folder = len(found.names) == 1 and Path(found.names[0]).is_dir()
    joined = found.report
    has_results = joined is None or any(file["role"] == "results" for file in joined.files)  # without them, nothing is retried
    words = found.words if has_results else ()
    command = retry_command(words, facts.parts, is_table=found.table is None, is_folder=is_folder)
    result = verdict(facts, found.report, command)
    shown = ", ".join(shortened(name, 80) for name in found.names[:3]) + (", …" if len(found.names) > 3 else "")
    html = page(Contents(title or shown or "Batch", result, facts, found.report, texts))
    with target.open(overwrite=overwrite, temp_dir=temp_dir) as file:
        file.write(html)
    return PageReport(
        verdict=str(result),
        command=result.command,
        rows=facts.outcomes.total(),
        outcomes=dict(sorted(facts.outcomes.items())),
        retryable=facts.retryable,
        errors=len(facts.errors.groups),
        bytes=len(html),
    )


TYPES: Final = {**REQUESTS, "embedding_index": pa.int32()}

NEEDED: Final = dict.fromkeys(("custom_id", "outcome", "retryable"), "it is not a table of `join`, or a column was left out")

FROM_TEXT: Final = tuple(name for name in COLUMNS if TYPES[name] in (pa.string(), pa.int32(), pa.int64(), pa.bool_()))
"""Columns that are also read from CSV and JSONL."""


@dataclass(slots=True)
class ReportRows:
    """The rows of a report.

    Attributes:
        names: The display names of what was given.
        batches: Record batches of `COLUMNS`, as far as the table has them.
        words: The files and options for the command `retry`; none if they have no names.
        table: The join that yields them; None for a table of which only the rows are known.
    """

    names: list[str]
    batches: Iterable[pa.RecordBatch]
    words: list[str]
    table: LazyTable[Any] | None = None

    @property
    def report(self) -> TableReport | None:
        """The report of the join, after its rows were read."""
        return None if self.table is None else self.table.report


def report_rows(
    sources: Sequence[Any],
    target: Target,
    *,
    inputs: Iterable[SourceLike] = (),
    pairs: Pairs = (),
    filesystem: object = None,
    workers: int | None = 1,
    progress: Progress | None = None,
    max_line_bytes: int = RESULT_LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
) -> ReportRows:
    """Find out what was given, and open it; the options are those of `join`.

    Args:
        sources: Files, folders, tables or a join.
        target: Where the page goes, which is not reported as a file that was not read.
        inputs: As for `join`, like the others.
        pairs: As there.
        filesystem: As there.
        workers: As there.
        progress: As there.
        max_line_bytes: As there.
        temp_dir: As there.

    Raises:
        MismatchError: A table was given together with files, or it is not a table of `join`.
        TypeError: Nothing was given.
        ValueError: The target is one of the files.
        BatchFilesError: As `join`.
    """
    if not sources and not inputs and not pairs:
        raise TypeError("report needs at least one file, table or join")
    if len(sources) == 1 and isinstance(sources[0], LazyTable):
        return ReportRows([], _of_lazy(sources[0]), [], sources[0])
    if len(sources) == 1 and hasattr(sources[0], "__arrow_c_stream__"):
        return ReportRows(["a table in memory"], _of_tables(user_tables(sources[0])), [])
    tables, files = joined_tables(sources, filesystem)
    parts = [part for table in tables for part in table.parts]
    request_files, paired = list(inputs), paired_sources(pairs, filesystem)
    of_pairs = [source for pair in paired for source in (pair.requests, *pair.results)]
    read = [*parts, *files, *of_pairs, *expand(request_files, filesystem=filesystem)]
    if target.key is not None and target.key in {source.key for source in read}:
        raise ValueError(f"the output is an input file, {target.name}: choose another name")
    if tables and not files and not request_files and not paired:
        names = [table.name for table in tables]
        return ReportRows(names, _of_files(parts), names)
    if tables:
        raise MismatchError(
            "is a joined table, which already has the results: report the table alone, or the files alone", path=tables[0].name
        )
    own = [replace(each, passed_over=tuple(path for path in each.passed_over if real_path(path) != target.key)) for each in files]
    table = join(
        *own,
        inputs=request_files,
        pairs=[(pair.requests, pair.results) for pair in paired],
        filesystem=filesystem,
        workers=workers,
        progress=progress,
        max_line_bytes=max_line_bytes,
        temp_dir=temp_dir,
    )
    names = [_name(source) for source in sources]
    words = [word for source in request_files for word in ("-i", _name(source))]
    for pair in paired:
        words += [word for result in pair.results for word in ("--pair", f"{pair.requests.name}={result.name}")]
    titles = [*map(_name, request_files), *(pair.requests.name for pair in paired), *names]
    return ReportRows(titles, _of_lazy(table), [*words, *names], table)


def _name(source: object) -> str:
    """Return what a source is called."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else str(getattr(source, "name", source))


def _of_lazy(table: LazyTable[Any]) -> Iterator[pa.RecordBatch]:
    for batch in table.to_batches():
        yield _complete(batch)


def _of_files(files: Iterable[Source]) -> Iterator[pa.RecordBatch]:
    for file in files:
        with closing(user_tables(file)) as opened:
            for table in opened:
                if isinstance(table, RowTable):
                    yield from _of_text(file)
                else:
                    yield from _of_table(table)


def _of_tables(opened: Iterable[UserTable | RowTable]) -> Iterator[pa.RecordBatch]:
    for table in opened:
        if isinstance(table, UserTable):
            yield from _of_table(table)


def _of_table(table: UserTable) -> Iterator[pa.RecordBatch]:
    missing = next((name for name in NEEDED if name not in table.schema.names), None)
    if missing is not None:
        raise MismatchError(f"has no column {missing}: {NEEDED[missing]}", path=table.name)
    for batch in table.batches([name for name in COLUMNS if name in table.schema.names]):
        yield _complete(batch, table.name)


def _of_text(file: Source) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([(name, TYPES[name]) for name in FROM_TEXT if name != "embedding_index"])
    rows = own_rows(file, schema.names, needed=NEEDED)
    while some := list(islice(rows, ROWS)):
        yield _complete(pa.RecordBatch.from_pylist([{name: row.get(name) for name in schema.names} for row in some], schema))


def _complete(batch: pa.RecordBatch, table: str = "") -> pa.RecordBatch:
    """Return the columns of a batch in the types of `join`, and nulls for columns that it lacks."""
    names = [name for name in COLUMNS if name != "embedding_index" or name in batch.schema.names]
    columns = []
    for name in names:
        if name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, TYPES[name]))
            continue
        column = batch.column(name)
        if column.type != TYPES[name] and name != "tool_calls":
            try:
                column = column.cast(TYPES[name])
            except pa.ArrowException as error:
                reason = str(error).partition("\n")[0]
                raise MismatchError(f"column {name!r} of type {column.type} is not {TYPES[name]}: {reason}", path=table) from None
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=names)
