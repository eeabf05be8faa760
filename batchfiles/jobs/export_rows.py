"""The export's one pass over a range of a result file: each result is a row."""

from __future__ import annotations

from batchfiles.errors import InvalidLine
from batchfiles.jobs.candidates import TOO_LONG, ResultFile, id_of_line, read_result
from batchfiles.jobs.crew import Spec
from batchfiles.jobs.row_job import RowJob
from batchfiles.streams.lines import Block
from batchfiles.table.columns import Asked, Found
from batchfiles.table.embedding_columns import EmbeddingColumns

__all__ = ["ExportRows"]


class ExportRows(RowJob):
    """Yields a row for each line of a range of a result file.

    Args:
        spec: As for `RowJob`, and `results`: the fields of each `ResultFile`; `text_sizes`: for each file what
            `EmbeddingColumns.text_sizes` says, or None for a table without vectors.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._files = [ResultFile(*fields) for fields in spec["results"]]

    def _file(self, number: int) -> tuple[str, str]:
        return self._files[number].name, self._files[number].path

    def _add_block(self, block: Block, file: int) -> None:
        """Add the rows of a block. Flat on purpose: it runs once a line."""
        add, outcomes = self._columns.add, self._outcomes
        if isinstance(self._columns, EmbeddingColumns):
            self._columns.text_sizes = self._spec["text_sizes"][file]
        name, batch_id, number, offset = block.path, self._files[file].batch_id, block.line_number, block.byte_offset
        for line in block.lines:
            value, result = read_result(line)
            if value is None:
                error = InvalidLine(result.error_message or "", code=result.error_code or "")
                self._refuse(file, line, error, number, offset)
            else:
                if type(value) is not dict:
                    self._counts["repaired_json"] += 1
                outcomes[result.outcome] += 1
                add(None, Found(result, line, value, name, number, batch_id, None))
            number += 1
            offset += len(line) + 1

    def _add_malformed(self, file: int, line: bytes, error: InvalidLine, number: int) -> None:
        _, result = read_result(line)
        if error.code == TOO_LONG.error_code:
            result = TOO_LONG
        result = result._replace(error_code=error.code, error_message=error.reason)
        self._outcomes[result.outcome] += 1
        known = Asked(id_of_line(line), None, None, None, None, None, None)
        name, _, batch_id, _ = self._files[file]
        self._columns.add(known, Found(result, b"", None, name, number, batch_id, None))
