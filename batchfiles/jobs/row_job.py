"""What the join's second pass and the export share: a range of a file goes in, rows and a summary come out.

The rows come as record batches. Given a folder, each range is written to a Parquet file of its own there instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from batchfiles.errors import InvalidLine
from batchfiles.findings import Finding
from batchfiles.jobs.crew import Job, Product, Spec
from batchfiles.jobs.survey import head_of_line
from batchfiles.jobs.table_part import part_name
from batchfiles.streams.lines import BLOCK_SIZE, Block
from batchfiles.streams.sources import Source, read_blocks
from batchfiles.table.columns import RequestColumns
from batchfiles.table.embedding_columns import EmbeddingColumns
from batchfiles.table.schema import schema

__all__ = ["RowJob"]

ROWS = 1000
"""Rows of a batch: with 300, Arrow's cost for each of 38 columns is half as much again."""

BLOCKS = 20
"""Blocks of long lines, such as vectors, that make a batch where there are fewer rows: 5 MiB of lines, so that a range of 4 MiB
is one batch. With 16, the last few lines of every range were one too, and each batch costs 0.2 ms whatever is in it."""

LONG = 1024 * 1024
"""Bytes of a line of which sixteen are too many to keep waiting."""

FINDINGS_KEPT = 100
"""Findings of a range that are told in words; all are counted."""


class RowJob(Job):
    """Builds the rows of a range, counts what becomes of them, and writes them down where they are to be a part.

    Args:
        spec: `table`, `dimensions`, `bodies`, `request_bodies`, `cap`; `folder` and `metadata` for parts; `parsed` for typed
            answers: see `answer_schema.AnswerSchema`.
    """

    _block_size = BLOCK_SIZE

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.schema = RowJob.schema_of(spec)  # of the rows that are made here; a job may put more behind

    @classmethod
    def schema_of(cls, spec: Spec) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the schema of the table."""
        parsed = spec.get("parsed")
        if parsed is None:
            return schema(spec["table"], dimensions=spec["dimensions"])
        return schema(spec["table"], parsed=parsed["json_schema"], parse_dates=parsed["parse_dates"])

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Do one range."""
        self._counts: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._lines_read = 0
        self._columns = self._new_columns()
        batches = self._batches(task)
        if self._spec.get("folder"):
            yield from self._write(batches, task)
        else:
            yield from batches
        self._counts["misfits"] = self._columns.misfits
        self._counts["embeddings"] = self._columns.embeddings
        self._counts["parse_errors"] = self._columns.parse_errors
        self._counts.update(self._columns.counts)
        yield {
            "bytes": task["end"] - task["start"],
            "counts": dict(self._counts),
            "lines": self._lines_read,
            "outcomes": dict(self._outcomes),
            "findings": self._findings,
            "examples": self._columns.examples,
        }

    def _batches(self, task: Spec) -> Iterator[Product]:
        """Yield the rows of a range, batch by batch."""
        name, path = self._file(task["file"])
        last = task["line_number"] - 1

        def notice(finding: Finding) -> None:
            nonlocal last
            self._notice(finding)
            if finding.code == "line_too_long":
                last = finding.line_number or 0
                error = InvalidLine(finding.message, code=finding.code)
                head = head_of_line(path, finding.byte_offset or 0)
                self._add_malformed(task["file"], head, error, finding.line_number or 0)

        where = {
            "start": task["start"],
            "end": task["end"],
            "line_number": task["line_number"],
            "cap": self._spec["cap"],
            "block_size": self._block_size,
        }
        waiting = 0
        for block in read_blocks(Source(name, path=Path(path)), notice, **where):
            self._add_block(block, task["file"])
            last = block.line_number + len(block.lines) - 1
            waiting += 1
            if len(self._columns) >= ROWS or waiting >= BLOCKS or len(block.lines[0]) > LONG:
                yield from self._flush()
                waiting = 0
        self._lines_read = last - task["line_number"] + 1
        yield from self._flush()

    def _flush(self) -> Iterator[Product]:
        if (batch := self._columns.flush()) is not None:
            self._counts["rows"] += batch.num_rows
            yield batch

    def _file(self, number: int) -> tuple[str, str]:
        """Return the display name and the path of a file."""
        raise NotImplementedError

    def _add_block(self, block: Block, file: int) -> None:
        """Add the rows of a block."""
        raise NotImplementedError

    def _add_malformed(self, file: int, line: bytes, error: InvalidLine, number: int) -> None:
        """Add the row of a line that can't be read."""
        raise NotImplementedError

    def _refuse(self, file: int, line: bytes, error: InvalidLine, number: int, offset: int) -> None:
        """Report a line that can't be read and give it a row that says so; a blank line has none."""
        if not line.strip():
            self._counts["blank_line"] += 1
            return
        self._notice(Finding.of(error, path=self._file(file)[0], line_number=number, byte_offset=offset))
        self._add_malformed(file, line, error, number)

    def _new_columns(self) -> RequestColumns:
        keep = self._spec["bodies"]
        if self._spec["table"] == "embeddings":
            return EmbeddingColumns(self.schema, dimensions=self._spec["dimensions"], keep=keep)
        if parsed := self._spec.get("parsed"):
            from batchfiles.table.parsed.columns import ParsedColumns

            return ParsedColumns(self.schema, keep=keep, **parsed)
        return RequestColumns(self.schema, keep=keep)

    def _write(self, batches: Iterator[Product], task: Spec) -> Iterator[Product]:
        """Write the batches of a range to its part, and pass on everything else.

        In this thread: every core has a worker, and a second thread would take the interpreter lock at each line that is fetched.
        """
        import pyarrow as pa

        from batchfiles.table.parquet import ParquetTable

        path = Path(self._spec["folder"]) / part_name(task["part"])
        with ParquetTable(path, self.schema_of(self._spec), metadata=self._spec["metadata"]) as table:
            for product in batches:
                if isinstance(product, pa.RecordBatch):
                    table.write(product)
                else:
                    yield product

    def _notice(self, finding: Finding) -> None:
        self._counts[finding.code] += 1
        self._counts["findings"] += 1
        if len(self._findings) < FINDINGS_KEPT:
            self._findings.append(finding)
