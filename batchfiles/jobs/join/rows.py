"""The jobs that make rows: from a range of a file, record batches and a summary.

`RowWork` is shared by the join's second pass (`JoinRows`, each request with its best result) and the export. With a folder, a
task is a Parquet file there, and has one or more ranges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from batchfiles import codec
from batchfiles.errors import InvalidLineError
from batchfiles.findings import Finding, add_example
from batchfiles.ids.index import Index, IndexEntries, ResultFlags, digest, digests_of_bytes
from batchfiles.inputs.file_mistakes import refuse_result
from batchfiles.inputs.local import ResultFile
from batchfiles.io.lines import BLOCK_SIZE, Block
from batchfiles.io.sources import Source, read_blocks
from batchfiles.io.texts import Text, texts
from batchfiles.jobs.join.lookup import ResultLookup
from batchfiles.jobs.join.repeated_requests import RepeatedRequests
from batchfiles.jobs.join.scan import head_of_line
from batchfiles.jobs.join.table_files import part_name
from batchfiles.jsontext import spans
from batchfiles.native import NativeRows
from batchfiles.table.embedding_rows import EmbeddingRows
from batchfiles.table.plain_rows import PlainEmbeddingRows, PlainRows, plain_reader
from batchfiles.table.rows import RequestRef, RequestRows, malformed_input, schema
from batchfiles.workers import Job, Product, Spec

if TYPE_CHECKING:
    from batchfiles.jobs.join.user_columns import UserColumns

ROWS = 1000
"""Rows of a batch: with 300, Arrow's cost for each of 38 columns is 50 % higher."""

PLAIN_ROWS = 2500
"""The same with compiled code, where that cost is a larger share: a range of an export is mostly one batch, and its rows take
15 % less time than in batches of 1,000."""

BLOCKS = 20
"""Blocks of long lines, such as vectors, that make a batch where there are fewer rows: 5 MiB of lines, so that a range of 4 MiB
is one batch. With 16, the last few lines of every range were another one, and each batch costs 0.2 ms."""

LONG = 1024 * 1024
"""The size of a long line, in bytes: sixteen of them are too many to keep in memory."""

LONG_RESULT = 64 * 1024
"""The average size of a long result, in bytes. A block of requests then has fewer lines, and is a batch."""

SHORT_REQUEST = 64
"""The size of a short request line, in bytes."""

FINDINGS_KEPT = 100
"""Findings of a range that are listed; all are counted."""


class RowWork(Job):
    """Builds the rows of a range, counts the outcomes, and writes the rows to a file if there is a folder.

    Args:
        spec: `table`, `dimensions`, `bodies`, `request_bodies`, `max_line_bytes`; `folder` and `parquet` for parts; `parsed` for
            typed answers: see `user_columns.AnswerSchema`.
    """

    _block_size = BLOCK_SIZE

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.schema = RowWork.schema_of(spec)  # of the rows that are made here; a job may append columns

    @classmethod
    def schema_of(cls, spec: Spec) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the schema of the table."""
        parsed = spec.get("parsed")
        if parsed is None:
            return schema(spec["table"], dimensions=spec["dimensions"])
        return schema(spec["table"], parsed=parsed["json_schema"], parse_dates=parsed["parse_dates"])

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Do one range, or write the file of several; one summary comes last."""
        self._counts: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._lines_read = 0
        self._columns = self._new_columns()
        ranges = task.get("ranges") or [task]
        batches = chain.from_iterable(map(self._batches, ranges))
        yield from self._write(batches, task["part"]) if self._spec.get("folder") else batches
        if isinstance(self._columns, PlainRows):
            self._outcomes.update(self._columns.take_outcomes())
        self._counts["conversion_errors"] = self._columns.conversion_errors
        self._counts["embeddings"] = self._columns.embeddings
        self._counts["parse_errors"] = self._columns.parse_errors
        self._counts.update(self._columns.counts)
        yield {
            "bytes": sum(each["end"] - each["start"] for each in ranges),
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
                error = InvalidLineError(finding.message, code=finding.code)
                head = head_of_line(path, finding.byte_offset or 0)
                self._add_malformed(task["file"], head, error, finding.line_number or 0)

        where = {
            "start": task["start"],
            "end": task["end"],
            "line_number": task["line_number"],
            "max_line_bytes": self._spec["max_line_bytes"],
            "block_size": self._block_size,
        }
        waiting, rows = 0, PLAIN_ROWS if isinstance(self._columns, PlainRows) else ROWS
        for last, longest in self._added(Source(name, path=Path(path)), notice, task["file"], where):  # noqa: B007 - used after the loop
            waiting += 1
            if len(self._columns) >= rows or waiting >= BLOCKS or longest > LONG:
                yield from self._flush()
                waiting = 0
        self._lines_read = last - task["line_number"] + 1
        yield from self._flush()

    def _added(
        self, source: Source, notice: Callable[[Finding], None], file: int, where: dict[str, Any]
    ) -> Iterator[tuple[int, int]]:
        """Add the rows of a range, block by block.

        Yields:
            The number of the last line of each block, and the bytes that one line of it may have.
        """
        if isinstance(self._columns, PlainRows):
            with source.open() as stream:
                for text in texts(stream, source.name, notice, **where):
                    self._add_text(self._columns, text, file)
                    yield text.last, len(text.text)
        else:
            for block in read_blocks(source, notice, **where):
                self._add_block(block, file)
                yield block.line_number + len(block.lines) - 1, len(block.lines[0])

    def _flush(self) -> Iterator[Product]:
        for batch in self._columns.batches():
            self._counts["rows"] += batch.num_rows
            yield batch

    def _file(self, number: int) -> tuple[str, str]:
        """Return the display name and the path of a file."""
        raise NotImplementedError

    def _add_block(self, block: Block, file: int) -> None:
        """Add the rows of a block."""
        raise NotImplementedError

    def _add_text(self, columns: PlainRows, text: Text, file: int) -> None:
        """Add the rows of a text, as far as possible by compiled code."""
        raise NotImplementedError

    def _add_malformed(self, file: int, line: bytes, error: InvalidLineError, number: int) -> None:
        """Add the row of a line that can't be read."""
        raise NotImplementedError

    def _refuse(self, file: int, line: bytes, error: InvalidLineError, number: int, offset: int) -> None:
        """Report a line that can't be read, and add a row with the error; a blank line has no row."""
        if not line.strip():
            self._counts["blank_line"] += 1
            return
        self._notice(Finding.of(error, path=self._file(file)[0], line_number=number, byte_offset=offset))
        self._add_malformed(file, line, error, number)

    def _new_columns(self) -> RequestRows:
        keep = self._spec["bodies"]
        if self._spec["table"] == "embeddings":
            dimensions, reader = self._spec["dimensions"], self._plain_reader
            if reader is None:
                return EmbeddingRows(self.schema, dimensions=dimensions, keep=keep)
            return PlainEmbeddingRows(self.schema, dimensions=dimensions, keep=keep, reader=reader)
        if parsed := self._spec.get("parsed"):
            from batchfiles.table.parsed_values import ParsedColumns

            return ParsedColumns(self.schema, keep=keep, **parsed)
        reader = self._plain_reader
        return RequestRows(self.schema, keep=keep) if reader is None else PlainRows(self.schema, keep=keep, reader=reader)

    @cached_property
    def _plain_reader(self) -> NativeRows | None:
        """The compiled reader of plain lines; None without it."""
        raise NotImplementedError

    def _write(self, batches: Iterator[Product], number: int) -> Iterator[Product]:
        """Write the batches of some ranges to a file, and pass on everything else.

        In this thread: every core has a worker, and a second thread would take the interpreter lock at each line that is fetched.
        """
        import pyarrow as pa

        from batchfiles.table.parquet import ParquetTable

        path = Path(self._spec["folder"]) / part_name(number)
        with ParquetTable(path, self.schema_of(self._spec), **self._spec["parquet"]) as table:
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


class RequestParts(NamedTuple):
    """What a row needs of a request line.

    Attributes:
        custom_id: The id.
        url: The url; None if it is not a string.
        body: The decoded body.
        text: The bytes of the body; None if they are not wanted.
        is_repaired: Whether the line is not strict JSON.
    """

    custom_id: str
    url: str | None
    body: dict[str, Any]
    text: bytes | None
    is_repaired: bool

    @classmethod
    def of(cls, line: bytes, *, with_text: bool) -> RequestParts:
        """Decode one line.

        Raises:
            InvalidLineError: It is not a JSON object with a string `custom_id` and an object `body`.
        """
        value = codec.request_of(line)
        url = value.get("url")
        text = spans.body_of_input(line, value) if with_text else None
        return cls(value["custom_id"], url if type(url) is str else None, value["body"], text, type(value) is not dict)


PREFETCH_BYTES = 4 * 1024 * 1024
"""Bytes of requests whose results are prefetched together: some thousand lines, in the order of the disk."""


class JoinRows(RowWork):
    """Yields a row for each line of a range of an input file.

    Args:
        spec: As for `RowWork`, and `inputs`: `[[name, path], …]`; `results`: the fields of each `ResultFile`; `index`, `count`:
            the index of the scan; `flags`: the file of this pass's flags; `refuse_duplicates`; `repeated`:
            what `RepeatedRequests` saved, or None; `user_columns`: the user's table, or None; `prefetch`: whether
            the results are too large for the system's memory, so that they are prefetched.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._index = Index(Path(spec["index"]), spec["count"])
        self._flags = ResultFlags(Path(spec["flags"]), spec["count"])
        self._files = [ResultFile(*fields) for fields in spec["results"]]
        self._lookup = ResultLookup(self._index, self._flags, self._files, refuse_duplicates=spec["refuse_duplicates"])
        self._repeated = RepeatedRequests.load(spec["repeated"])
        self._user_columns: UserColumns | None = None
        if spec["user_columns"] is not None:  # the import takes a tenth of the start of a join
            from batchfiles.jobs.join.user_columns import UserColumns

            self._user_columns = UserColumns(spec["user_columns"])
        self._whole_schema = self.schema_of(spec)
        self._prefetches = spec["prefetch"]
        if self._prefetches:
            self._block_size = PREFETCH_BYTES
        sizes = (Path(file.path).stat().st_size for file in self._files)
        average = sum(sizes) // max(1, spec["count"])
        self._has_long_results = average > LONG_RESULT
        if self._has_long_results:
            self._block_size = max(SHORT_REQUEST * ROWS * LONG_RESULT // average, 2 * SHORT_REQUEST)

    @classmethod
    def schema_of(cls, spec: Spec) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the schema of the table, with the user's columns last."""
        schema = super().schema_of(spec)
        if spec["user_columns"] is None:
            return schema
        from batchfiles.jobs.join.user_columns import with_own_columns

        return with_own_columns(schema, spec["user_columns"])

    def close(self) -> None:
        """Close the result files, then the flags and the index, which they use."""
        if self._user_columns is not None:
            self._user_columns.close()
        self._lookup.close()
        self._flags.close()
        self._index.close()

    def _file(self, number: int) -> tuple[str, str]:
        name, path = self._spec["inputs"][number]
        return name, path

    def _batches(self, task: Spec) -> Iterator[Product]:
        """Yield the rows of a range, and then the packed entries of its ids."""
        self._entries = IndexEntries()
        yield from super()._batches(task)
        yield self._columns.take_entries() if isinstance(self._columns, PlainRows) else self._entries.to_bytes()

    def _flush(self) -> Iterator[Product]:
        """Yield the rows that wait, with the user's columns last."""
        if self._user_columns is None:
            yield from super()._flush()
            return
        for batch in super()._flush():
            found = self._user_columns.put(batch, self._whole_schema)
            self._counts["unmatched"] += self._user_columns.unmatched
            self._user_columns.unmatched = 0
            yield found

    @cached_property
    def _plain_reader(self) -> NativeRows | None:
        shift, starts = self._index.directory()
        return plain_reader(
            self._files,
            bodies=self._spec["bodies"],
            request_bodies=self._spec["request_bodies"],
            table=self._spec["table"],
            dimensions=self._spec["dimensions"],
            index={"path": self._spec["index"], "count": self._spec["count"], "shift": shift, "starts": starts},
        )

    def _add_block(self, block: Block, file: int) -> None:
        """Add the rows of a block, except lines that repeat one of another file, and index their ids."""
        for lines in self._unrepeated(block, file):
            if self._prefetches:
                self._lookup.prefetch(_keys(lines.lines))
            keys = self._add_exactly(lines, file)
            self._entries.add_lines(keys, file, lines.byte_offset, list(map(len, lines.lines)), lines.line_number)

    def _add_text(self, columns: PlainRows, text: Text, file: int) -> None:
        for each in [text] if not self._repeated else map(Text.of, self._unrepeated(text.block(), file)):
            if self._prefetches:
                self._lookup.prefetch(_keys(each.block().lines))
            for lines in columns.add_requests(each, file, self._flags.used, digests_of_bytes):
                columns.set_digests(lines.line_number - each.line_number, self._add_exactly(lines, file))

    def _added(
        self, source: Source, notice: Callable[[Finding], None], file: int, where: dict[str, Any]
    ) -> Iterator[tuple[int, int]]:
        """Add the rows block by block; one with long results counts as one with long lines."""
        for last, longest in super()._added(source, notice, file, where):
            yield last, LONG + 1 if self._has_long_results else longest

    def _unrepeated(self, block: Block, file: int) -> Iterator[Block]:
        return self._repeated.without_repeats(block, file, self._lookup, self._leave_out)

    def _leave_out(self, line: Block) -> None:
        """Count a line that repeats one of another file."""
        self._counts["repeated_inputs"] += 1
        add_example(self._columns.examples, "repeated_inputs", f"{line.path}:{line.line_number}")

    def _add_exactly(self, block: Block, file: int) -> list[int | None]:
        """Add the rows of lines, and return the digests of their ids. Flat on purpose: it runs once a line of every input."""
        add, best, outcomes = self._columns.add, self._lookup.best, self._outcomes
        with_text = self._spec["request_bodies"]
        name, number, offset = block.path, block.line_number, block.byte_offset
        keys: list[int | None] = []
        for line in block.lines:
            try:
                custom_id, url, decoded, body, is_repaired = RequestParts.of(line, with_text=with_text)
            except InvalidLineError as error:
                refuse_result(line, name, number)
                keys.append(None)
                self._refuse(file, line, error, number, offset)
            else:
                key = digest(custom_id)
                keys.append(key)
                self._counts["repaired_json"] += is_repaired
                found = best(custom_id, key, file, url)
                outcomes[found.result.outcome] += 1
                model = decoded.get("model")
                if type(model) is not str:
                    model = None
                add(RequestRef(custom_id, name, number, url, model, body, decoded), found)
            number += 1
            offset += len(line) + 1
        return keys

    def _add_malformed(self, file: int, line: bytes, error: InvalidLineError, number: int) -> None:  # noqa: ARG002 - the export's
        self._counts["malformed_inputs"] += 1
        found = malformed_input(error.code, error.reason)
        self._outcomes[found.result.outcome] += 1
        self._columns.add(RequestRef(None, self._file(file)[0], number, None, None, None, None), found)


def _keys(lines: list[bytes]) -> Iterator[int]:
    """Yield the digests of the lines that have an id."""
    for line in lines:
        try:
            yield digest(codec.request_of(line)["custom_id"])
        except InvalidLineError:
            continue
