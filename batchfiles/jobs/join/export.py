"""`export`: a row for each result, in the order of the files; for results whose requests are not available.

There is one pass over each range of a result file. If one process takes all rows in order, ranges count lines from their own
beginning, and `renumbered` adds the lines before: with lines of 25 KB, counting first took 3 % of an export's time. Parts of a
folder are written by the workers, so their ranges need line numbers first (`scan.with_line_numbers`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from batchfiles.errors import InvalidLineError
from batchfiles.findings import Finding
from batchfiles.inputs.folders import not_read_fields
from batchfiles.inputs.kinds import table_of_results, text_sizes_of
from batchfiles.inputs.local import LocalFile, ResultFile
from batchfiles.inputs.roles import sort_files
from batchfiles.io.lines import Block
from batchfiles.io.sources import SourceLike
from batchfiles.io.temporary import Spool
from batchfiles.io.texts import Text
from batchfiles.io.threads import Progress, progress_of
from batchfiles.jobs.join import scan
from batchfiles.jobs.join.lazy_table import PART_BYTES, TASK_BYTES, LazyTable
from batchfiles.jobs.join.lookup import TOO_LONG
from batchfiles.jobs.join.report import ExportReport, TableCounts, TableOptions
from batchfiles.jobs.join.rows import RowWork
from batchfiles.jobs.join.scan import with_line_numbers
from batchfiles.jobs.join.table_files import NewFolder, in_files
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.native import NativeRows
from batchfiles.outcome import MALFORMED, id_of_line, read_result, why_malformed
from batchfiles.table.embedding_rows import EmbeddingRows
from batchfiles.table.plain_rows import PlainRows, plain_reader
from batchfiles.table.rows import RequestRef, ResultRef
from batchfiles.workers import Product, Spec, WorkerPool

if TYPE_CHECKING:
    from batchfiles.table.parsed_schema import SchemaLike
    from batchfiles.table.rows import TableName


WITHOUT_ID = Finding(
    code="missing_required_parameter",
    message="The result has no custom_id, so it belongs to no request.",
    severity="warning",
    json_path="$.custom_id",
)


class ExportRows(RowWork):
    """Yields a row for each line of a range of a result file.

    Args:
        spec: As for `RowWork`, and `results`: the fields of each `ResultFile`; `text_sizes`: for each file the
            `EmbeddingRows.text_sizes`, or None for a table without vectors.
    """

    ahead = 5
    """As many ranges as one worker makes while a row group is compressed, each with about two megabytes of rows."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._files = [ResultFile(*fields) for fields in spec["results"]]

    def _file(self, number: int) -> tuple[str, str]:
        return self._files[number].name, self._files[number].path

    @cached_property
    def _plain_reader(self) -> NativeRows | None:
        return plain_reader(
            self._files,
            bodies=self._spec["bodies"],
            table=self._spec["table"],
            dimensions=self._spec["dimensions"],
            text_sizes=self._spec["text_sizes"] or (),
        )

    def _add_text(self, columns: PlainRows, text: Text, file: int) -> None:
        for others in columns.add_results(text, file):
            self._add_block(others, file)

    def _add_block(self, block: Block, file: int) -> None:
        """Add the rows of lines. Flat on purpose: it runs once a line."""
        add, outcomes = self._columns.add, self._outcomes
        if isinstance(self._columns, EmbeddingRows):
            self._columns.text_sizes = self._spec["text_sizes"][file]
        name, batch_id, number, offset = block.path, self._files[file].batch_id, block.line_number, block.byte_offset
        for line in block.lines:
            value, result = read_result(line)
            if value is None:
                self._refuse(file, line, why_malformed(result), number, offset)
            else:
                if type(value) is not dict:
                    self._counts["repaired_json"] += 1
                if value.get("custom_id") is None and result.outcome != MALFORMED:
                    self._notice(replace(WITHOUT_ID, path=name, line_number=number, byte_offset=offset))
                outcomes[result.outcome] += 1
                add(None, ResultRef(result, line, value, name, number, batch_id, None))
            number += 1
            offset += len(line) + 1

    def _add_malformed(self, file: int, line: bytes, error: InvalidLineError, number: int) -> None:
        _, result = read_result(line)
        if error.code == TOO_LONG.error_code:
            result = TOO_LONG
        result = result._replace(error_code=error.code, error_message=error.reason)
        self._outcomes[result.outcome] += 1
        known = RequestRef(id_of_line(line), None, None, None, None, None, None)
        origin = self._files[file]
        self._columns.add(known, ResultRef(result, b"", None, origin.name, number, origin.batch_id, None))


def numbered_from_one(sizes: list[int], size: int) -> list[Spec]:
    """Divide files into ranges, as `scan.tasks` does, each of which begins with line 1."""
    return [{**task, "line_number": 1} for task in scan.tasks(sizes, size)]


def renumbered(
    products: Generator[tuple[int, Product], None, None], ranges: list[Spec], column: str
) -> Generator[Product, None, None]:
    """Yield what the ranges yield, with the line numbers of the whole files.

    Args:
        products: What `WorkerPool.run` yields: batches, and at the end of each range a summary with its `lines` and `findings`.
        ranges: The ranges of `numbered_from_one`.
        column: The column of the record batches that holds the line numbers.

    Raises:
        InvalidLineError: The job raised it; its line number is corrected too.
    """
    before = 0  # the lines of the file that came before the range whose products come
    last = {number for number, (one, other) in enumerate(pairwise(ranges)) if one["file"] != other["file"]}
    with closing(products):
        try:
            for number, product in products:
                if not isinstance(product, dict):
                    yield _moved(product, column, before) if before else product
                    continue
                product["findings"] = [_moved_finding(finding, before) for finding in product["findings"]]
                yield product
                before = 0 if number in last else before + product["lines"]
        except InvalidLineError as error:
            if error.line_number is not None:
                error.line_number += before
            raise


def _moved_finding(finding: Finding | dict[str, Any], before: int) -> Finding:
    finding = Finding.revived(finding)
    return finding if finding.line_number is None else replace(finding, line_number=finding.line_number + before)


def _moved(batch: Any, column: str, before: int) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Add a number to a column. To import `pyarrow.compute` for it takes as long as this does for half a million rows."""
    import pyarrow as pa

    place = batch.schema.get_field_index(column)
    numbers = [None if number is None else number + before for number in batch.column(place).to_pylist()]
    return batch.set_column(place, batch.schema.field(place), pa.array(numbers, batch.schema.field(place).type))


class Export(LazyTable[ExportReport]):
    """Results as a table: what `export` returns."""

    _name = "Export"
    _main_works = True

    def _table_of_files(self) -> TableName:
        return table_of_results(self._roles.results, max_line_bytes=self._options.max_line_bytes)

    def _requests(self) -> Sequence[LocalFile]:
        if self._options.schema is not None:
            return ()
        raise ValueError("results alone do not have the JSON Schema of their requests: parsed needs schema= here")

    def _files_read(self) -> Sequence[LocalFile]:
        return self._roles.results

    def _bytes_of_head(self) -> int:
        return min(self._bytes(), TASK_BYTES)

    def _run(self, pool: WorkerPool, folder: NewFolder | None = None) -> Generator[Product, None, None]:
        started = time.perf_counter()
        self._check_files()
        progress = self._progress()
        spec = {
            **self._spec(folder),
            "results": [list(file) for file in self._roles.result_files()],
            "text_sizes": [text_sizes_of(file, max_line_bytes=self._options.max_line_bytes) for file in self._roles.results]
            if self._table == "embeddings"
            else None,
        }
        totals = TableCounts()
        with closing(self._products(pool, spec, folder)) as products:
            for product in products:
                if isinstance(product, dict):
                    totals.add(product)
                    progress(product["bytes"])
                else:
                    yield product
        self._check_files()
        fields = totals.fields()
        passed_over = not_read_fields(self._roles.not_read)
        fields |= passed_over | {"examples": fields["examples"] | passed_over["examples"]}
        self._report = ExportReport(
            table=self._table,
            files=self._roles.described(),
            result_lines=sum(totals.outcomes.values()),
            malformed_results=totals.outcomes["malformed"],
            seconds=round(time.perf_counter() - started, 3),
            **fields,
        )

    def _products(self, pool: WorkerPool, spec: Spec, folder: NewFolder | None) -> Generator[Product, None, None]:
        """Yield what the ranges yield, with the line numbers of the whole files."""
        if folder is not None:
            files = in_files(with_line_numbers(pool, self._roles.results, PART_BYTES), folder.least)
            with closing(pool.run(ExportRows, spec, files)) as products:
                for number, product in products:
                    if isinstance(product, dict):
                        folder.sync(number)
                    yield product
        else:
            ranges = numbered_from_one([file.size for file in self._roles.results], TASK_BYTES)
            yield from renumbered(pool.run(ExportRows, spec, ranges), ranges, "result_line_number")


def export(
    *results: SourceLike,
    table: TableName | None = None,
    dimensions: int | None = None,
    bodies: Literal["auto", "all", "none"] = "auto",
    parsed: bool = False,
    schema: SchemaLike | None = None,
    parse_dates: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = 1,
    progress: Progress | bool | None = None,
) -> Export:
    """Make a table of results alone: one row for each line of output files and error files, in the order of the files.

    Args:
        *results: Output files and error files: paths, folders, globs, open binary files, `-`.
        table: `"requests"`, a row for each request; `"embeddings"`, a row for each vector; None chooses by the url of the first
            request.
        dimensions: The length of every vector, which makes the column a fixed-size list; only for embeddings.
        bodies: Which response bodies are kept in `response_body`: `"auto"`, `"all"` or `"none"`. `"auto"` keeps those whose
            content is not in the other columns.
        parsed: Whether to add the columns `parsed` and `parse_error`: the answers, typed by a JSON Schema; only for requests.
        schema: The JSON Schema of `parsed`, a file with it, or a pydantic model; needed with `parsed`.
        parse_dates: Whether dates and times in `parsed` become dates and timestamps; without it they stay strings.
        max_line_bytes: The longest line that is read, in bytes; a longer one has a row with the error code `line_too_long`.
        temp_dir: Where temporary files go; None for the system's temporary folder.
        filesystem: The filesystem of all paths, also of `schema`, from `pyarrow.fs` or fsspec; None for the local one.
        workers: Processes that decode, or threads with compiled code; None chooses by the size of the files.
        progress: Called repeatedly with the bytes done and the total bytes; True shows a bar.

    Returns:
        An `Export`: iterate it, or call `to_arrow()`, `to_parquet(path)`, `write(path)`, `report`.

    Raises:
        MismatchError: A file holds requests, or lines of another service's format.
        FileError: A file can't be read, or the disk is full.
        TruncatedFileError: A compressed file is damaged.
        MissingDependencyError: `schema` is a pydantic model and pydantic is not installed.
        ValueError: An option has an invalid value, or options exclude each other.

    When the table is made:
        FileError: A file is not what it was when this was called, or changed while it was being read: call this again.
        InvalidLineError: With `dimensions`: a vector has another length.

    Example:
        >>> exported = batchfiles.export("fixtures/chat_completions/*_output.jsonl")
        >>> exported.to_parquet("results.parquet").rows
        11
    """
    chosen = TableOptions(
        table=table,
        dimensions=dimensions,
        bodies=bodies,
        parsed=parsed,
        schema=schema,
        parse_dates=parse_dates,
        max_line_bytes=max_line_bytes,
        temp_dir=temp_dir,
        workers=workers,
        progress=progress_of(progress, "export"),
    ).with_schema_of(filesystem)
    spool = Spool(chosen.temp_dir)
    roles = sort_files(results, (), spool, results_only=True, filesystem=filesystem, max_line_bytes=chosen.max_line_bytes)
    return Export(chosen, roles, spool)
