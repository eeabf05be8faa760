"""The join's second pass over a range of an input file: each request gets the best of its results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batchfiles.counts import add_example
from batchfiles.custom_ids.index import Entries, Index, digest
from batchfiles.custom_ids.marks import Marks
from batchfiles.errors import InvalidLine
from batchfiles.jobs.beside import Beside, with_own_columns
from batchfiles.jobs.candidates import Candidates, ResultFile
from batchfiles.jobs.crew import Product, Spec
from batchfiles.jobs.repeated_requests import RepeatedRequests
from batchfiles.jobs.request_lines import RequestLines
from batchfiles.jobs.row_job import RowJob
from batchfiles.streams.lines import Block
from batchfiles.table.columns import Asked, malformed_input

__all__ = ["JoinRows"]


ANNOUNCED_BYTES = 4 * 1024 * 1024
"""Bytes of requests whose results are announced together: some thousand lines, in the order of the disk."""


class JoinRows(RowJob):
    """Yields a row for each line of a range of an input file.

    Args:
        spec: As for `RowJob`, and `inputs`: `[[name, path], …]`; `results`: the fields of each `ResultFile`; `index` and `count`:
            the index that the survey made; `marks`: the file of this pass's marks; `refuse_duplicates`;
            `repeated`: what `RepeatedRequests` saved, or None; `beside`: the user's table, or None;
            `announce`: whether the results are too large for the system's memory, so that it should know what is read next.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._index = Index(Path(spec["index"]), spec["count"])
        self._marks = Marks(Path(spec["marks"]), spec["count"])
        files = [ResultFile(*fields) for fields in spec["results"]]
        self._candidates = Candidates(self._index, self._marks, files, refuse_duplicates=spec["refuse_duplicates"])
        self._repeated = RepeatedRequests.load(spec["repeated"])
        self._beside = None if spec["beside"] is None else Beside(spec["beside"])
        self._whole_schema = self.schema_of(spec)
        self._announce = spec["announce"]
        if self._announce:
            self._block_size = ANNOUNCED_BYTES

    @classmethod
    def schema_of(cls, spec: Spec) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the schema of the table, the user's own columns behind."""
        schema = super().schema_of(spec)
        return schema if spec["beside"] is None else with_own_columns(schema, spec["beside"])

    def close(self) -> None:
        """Close the result files, and then let go of the index and the marks, which nobody looks into any more."""
        if self._beside is not None:
            self._beside.close()
        self._candidates.close()
        self._marks.close()
        self._index.close()

    def _file(self, number: int) -> tuple[str, str]:
        name, path = self._spec["inputs"][number]
        return name, path

    def _batches(self, task: Spec) -> Iterator[Product]:
        """Yield the rows of a range, and then the packed entries of its ids."""
        self._entries = Entries()
        self._lines = RequestLines(cut_bodies=self._spec["request_bodies"])
        yield from super()._batches(task)
        self._counts["repaired_json"] += self._lines.repaired
        yield self._entries.to_bytes()

    def _flush(self) -> Iterator[Product]:
        """Yield the rows that wait, the user's own columns behind."""
        if self._beside is None:
            yield from super()._flush()
            return
        for batch in super()._flush():
            found = self._beside.put(batch, self._whole_schema)
            self._counts["unmatched"] += self._beside.unmatched
            self._beside.unmatched = 0
            yield found

    def _add_block(self, block: Block, file: int) -> None:
        """Add the rows of a block, except lines that repeat one of another file."""
        if not self._repeated:
            self._add_lines(block, file)
            return
        for lines, others in self._repeated.cut(block, file):
            if others is None:
                self._counts["repeated_inputs"] += 1
                add_example(self._columns.examples, "repeated_inputs", f"{lines.path}:{lines.line_number}")
                continue
            self._candidates.also = others
            self._add_lines(lines, file)

    def _add_lines(self, block: Block, file: int) -> None:
        """Add the rows of lines. Flat on purpose: it runs once a line of every input."""
        add, best, take = self._columns.add, self._candidates.best, self._lines.take
        if self._announce:
            self._candidates.announce(_keys(block.lines))
        outcomes = self._outcomes
        new: Any = tuple.__new__  # past the constructor, which takes twice as long
        name, number, offset = block.path, block.line_number, block.byte_offset
        keys: list[int | None] = []
        for line in block.lines:
            try:
                custom_id, url, decoded, body = take(line)
            except InvalidLine as error:
                keys.append(None)
                self._refuse(file, line, error, number, offset)
            else:
                key = digest(custom_id)
                keys.append(key)
                found = best(custom_id, key, file, url)
                outcomes[found.result.outcome] += 1
                model = decoded.get("model")
                if type(model) is not str:
                    model = None
                add(new(Asked, (custom_id, name, number, url, model, body, decoded)), found)
            number += 1
            offset += len(line) + 1
        self._entries.add_lines(keys, file, block.byte_offset, list(map(len, block.lines)), block.line_number)

    def _add_malformed(self, file: int, line: bytes, error: InvalidLine, number: int) -> None:  # noqa: ARG002 - the export's
        self._counts["malformed_inputs"] += 1
        found = malformed_input(error.code, error.reason)
        self._outcomes[found.result.outcome] += 1
        self._columns.add(Asked(None, self._file(file)[0], number, None, None, None, None), found)


def _keys(lines: list[bytes]) -> Iterator[int]:
    """Yield the digests of the lines that have an id."""
    take = RequestLines(cut_bodies=False).take
    for line in lines:
        try:
            yield digest(take(line)[0])
        except InvalidLine:
            continue
