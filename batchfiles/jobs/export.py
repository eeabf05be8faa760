"""`export`: a row for each result, in the order of the files; for results whose requests are not at hand."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Unpack

from batchfiles.counts import not_read_fields
from batchfiles.jobs.crew import Crew, Product, Spec
from batchfiles.jobs.export_rows import ExportRows
from batchfiles.jobs.file_roles import FileRoles, sort_files
from batchfiles.jobs.first_line import table_of_results, text_sizes_of
from batchfiles.jobs.join_report import ExportReport, Tally
from batchfiles.jobs.line_numbers import numbered_from_one, renumbered
from batchfiles.jobs.local_file import LocalFile
from batchfiles.jobs.survey import with_line_numbers
from batchfiles.jobs.table_job import PART_BYTES, TASK_BYTES, TableJob, TableKeywords, TableOptions
from batchfiles.streams.sources import SourceLike
from batchfiles.streams.spool import Spool

__all__ = ["Export", "export"]


class Export(TableJob[ExportReport]):
    """Results as a table: what `export` returns."""

    def __init__(self, roles: FileRoles, spool: Spool, options: TableOptions) -> None:
        self._roles = roles
        super().__init__(options, spool)

    def _table(self) -> str:
        return self._options.table or table_of_results(self._roles.results, cap=self._options.cap)

    def _requests(self) -> Sequence[LocalFile]:
        if self._options.schema is not None:
            return ()
        raise ValueError("results alone don't say which JSON Schema was asked for: parsed takes a schema here (--schema)")

    def _sources(self) -> Mapping[str, list[str]]:
        return self._roles.names()

    def _files_read(self) -> Sequence[LocalFile]:
        return self._roles.results

    def _crew(self, *, parts: bool) -> Crew:
        return Crew(self._options.workers_for(self._bytes(), parts=parts), leader_works=True)

    def _run(self, crew: Crew, folder: Path | None, metadata: Mapping[str, str]) -> Generator[Product, None, None]:
        started = time.perf_counter()
        self._check_files()
        progress = self._progress()
        spec = {
            **self._spec(folder, metadata),
            "results": [list(file) for file in self._roles.result_files()],
            "text_sizes": [text_sizes_of(file, cap=self._options.cap) for file in self._roles.results]
            if self._table() == "embeddings"
            else None,
        }
        tally = Tally()
        with closing(self._products(crew, spec)) as products:
            for product in products:
                if isinstance(product, dict):
                    tally.add(product)
                    progress(product["bytes"])
                else:
                    yield product
        self._check_files()
        fields = tally.fields()
        passed_over = not_read_fields(self._roles.not_read)
        fields |= passed_over | {"examples": fields["examples"] | passed_over["examples"]}
        self._report = ExportReport(
            table=self._table(),
            files=self._roles.described(),
            result_lines=sum(tally.outcomes.values()),
            malformed_results=tally.outcomes["malformed"],
            seconds=round(time.perf_counter() - started, 3),
            **fields,
        )

    def _products(self, crew: Crew, spec: Spec) -> Generator[Product, None, None]:
        """Yield what the ranges yield, with the line numbers of the whole files."""
        if "folder" in spec:
            ranges = with_line_numbers(crew, self._roles.results, PART_BYTES)
            with closing(crew.run(ExportRows, spec, ranges)) as products:
                for _, product in products:
                    yield product
        else:
            ranges = numbered_from_one([file.size for file in self._roles.results], TASK_BYTES)
            yield from renumbered(crew.run(ExportRows, spec, ranges), ranges, "result_line_number")


def export(*results: SourceLike, filesystem: object = None, **options: Unpack[TableKeywords]) -> Export:
    """Make a table of results alone: one row for each line of output files and error files, in the order of the files.

    Args:
        *results: Output files and error files: paths, folders, globs, open binary files, `-`.
        filesystem: The filesystem in which paths are paths, that of `schema` too, of `pyarrow.fs` or of fsspec; None takes the
            local one.
        **options: `table`, `dimensions`, `bodies`, `cap`, `temp_dir`, `workers`, `progress`, `parsed` with `schema`,
            `parse_dates`: see `TableOptions`.

    Returns:
        An `Export`: iterate it, or call `to_arrow()`, `to_parquet(path)`, `write(path)`, `report`.

    Raises:
        Mismatch: A file holds requests, or lines of another service's format.
        FileError: A file can't be read, or there is no room for temporary files.
        TruncatedFile: A compressed file is damaged.
        MissingDependency: `schema` is a pydantic model and pydantic is not installed.
        ValueError: An option has no such value, or they don't go together.

    Later, when the table is made:
        FileError: A file is not what it was when this was called, or changed while it was being read: call this again.
        InvalidLine: With `dimensions`: a vector has another length.
    """
    chosen = TableOptions(**options).with_schema_of(filesystem)
    spool = Spool(chosen.temp_dir)
    roles = sort_files(results, (), spool, results_only=True, filesystem=filesystem, cap=chosen.cap)
    return Export(roles, spool, chosen)
