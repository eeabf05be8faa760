"""Tables as CSV: RFC 4180 quoting, nested cells as JSON text, bytes as Base64, times in ISO 8601.

The cells of a CSV file: text, and null for the file's words for null.
"""

from __future__ import annotations

import csv
import re
from codecs import getincrementaldecoder
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from batchfiles.errors import MismatchError, TruncatedFileError
from batchfiles.findings import Finding
from batchfiles.limits import LINE_CAP
from batchfiles.table.cells import base64_texts, check_times, is_bytes, is_nested, iso_times, json_texts
from batchfiles.table.open import Peeked
from batchfiles.table.writer import Sink, TableWriter, native_file

FORMULA = r"^[=+\-@\t\r]"
"""What spreadsheets take for the beginning of a formula (CWE-1236)."""


class CsvTable(TableWriter):
    r"""One CSV file with a header line.

    All texts are quoted and null is nothing at all, so that `""` (an empty text) and nothing (null) stay different for readers
    that look. Lines end with `\n`. CSV has no place for metadata.

    Args:
        sink: Where it goes; a path is written in place.
        schema: The columns of every batch.
        metadata: Taken as the other writers do, and left out.
        compression: `gzip`, `zstd` or None.
        safe: Put `'` before texts that spreadsheets would run as formulas. Without it the file holds each text as it is, for
            programs; how many such cells there are is counted.
    """

    # pyarrow's writer was chosen over the standard library's: it needs no Python object per cell, and null differs from "".

    def __init__(
        self,
        sink: Sink,
        schema: pa.Schema,
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - the same call for every format
        compression: str | None = None,
        safe: bool = False,
    ) -> None:
        super().__init__(schema)
        self._safe = safe
        self._columns = pa.schema([pa.field(field.name, _written_type(field.type)) for field in schema])
        self._file = native_file(sink, compression)
        self._writer = pa_csv.CSVWriter(self._file, self._columns)

    def _write(self, batch: pa.RecordBatch) -> None:
        cells = [self._cells(column) for column in batch.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(cells, schema=self._columns))

    def _cells(self, column: pa.Array) -> pa.Array:
        if pa.types.is_timestamp(column.type):
            return iso_times(column)
        if is_nested(column.type):
            return json_texts(column)
        check_times(column)
        if is_bytes(column.type):
            column = base64_texts(column)  # which may begin with +
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            formulas = pc.match_substring_regex(column, FORMULA)
            self.formula_cells += pc.sum(formulas).as_py() or 0
            return _harmless(column, formulas) if self._safe else column
        return column

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
        self._file.close()

    def _release(self) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()


def _written_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_timestamp(kind) or is_nested(kind) or is_bytes(kind) else kind


def _harmless(column: pa.Array, formulas: pa.Array) -> pa.Array:
    quote, nothing = (pa.scalar(text, column.type) for text in ("'", ""))
    return pc.if_else(formulas, pc.binary_join_element_wise(quote, column, nothing), column)


CHUNK = 1024 * 1024
"""Bytes of CSV that are decoded at a time."""

QUOTED_EMPTY: Final = '""'

CSV_NULLS: Final = ("", QUOTED_EMPTY)
"""What null is by default: many programs quote all cells, so an empty one in quotes need not be a text."""

WORDS: Final = frozenset(
    {"NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "Null", "null", "None", "none", "nil", "NaN", "NAN", "nan", r"\N", "-", ".", "?"}
)
"""What programs write for a null: R, Excel, pandas, SQL, PostgreSQL, Stata."""

NUMBER: Final = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*", re.ASCII)


class CsvCells:
    """Reads a CSV file.

    Args:
        name: What errors call it.
        stream: Its bytes.
        nulls: What null is, as written in the file: `""` (the empty string) for nothing between two commas, `'""'` for two
            quotes, and words such as `NA`, quoted or not.

    Attributes:
        header: The names of the columns.

    Raises:
        TruncatedFileError: The CSV can't be read.
        MismatchError: It is not UTF-8.
    """

    def __init__(self, name: str, stream: Peeked, nulls: Sequence[str] = CSV_NULLS) -> None:
        csv.field_size_limit(LINE_CAP)  # of the whole process; the library's own is 128 KiB, less than many a text
        self._name = name
        self._stream = stream
        self._words = frozenset(nulls) - {"", QUOTED_EMPTY}
        self._empty = None if "" in nulls else ""
        self._quoted_empty = None if QUOTED_EMPTY in nulls else ""
        self._raw: list[str] = []
        self._reader = csv.reader(self._lines(), strict=True)
        self.header: list[str] = next(self._records(), [])
        self._numbers = dict.fromkeys(self.header, False)  # the columns that may yet hold numbers only: whether one was seen
        self._null_words: dict[str, Counter[str]] = {column: Counter() for column in self.header}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows.

        Raises:
            TruncatedFileError: The CSV can't be read.
            MismatchError: It is not UTF-8, or a row has more or fewer cells than the header.
        """
        header = self.header
        number = 0
        for record in self._records():
            if not record:  # a blank line
                continue
            number += 1
            if len(record) != len(header):
                raise MismatchError(f"row {number} has {len(record)} cells, and the header has {len(header)}", path=self._name)
            row = dict(zip(header, self._with_nulls(record), strict=True))
            for column in tuple(self._numbers):
                self._look_at(column, row[column])
            yield row

    def findings(self, columns: Sequence[str]) -> list[Finding]:
        """Return a warning for each column that held numbers so far, and words that mean null elsewhere.

        Args:
            columns: Those that are used.
        """
        found = []
        for column in columns:
            words = self._null_words.get(column)
            if words and self._numbers.get(column):
                word, count = words.most_common(1)[0]
                message = (
                    f"The column {column!r} holds numbers, and {word!r} in {count:,} rows, which is text here. If it means null, "
                    f"name it (--csv-null {word})."
                )
                found.append(Finding(code="null_word", message=message, severity="warning", path=self._name))
        return found

    def _with_nulls(self, record: list[str]) -> Sequence[str | None]:
        words = self._words
        if words and not words.isdisjoint(record):
            return self._without_empty([None if text in words else text for text in record], record)
        return self._without_empty(record, record) if "" in record else record

    def _without_empty(self, cells: Sequence[str | None], record: list[str]) -> Sequence[str | None]:
        if self._empty is self._quoted_empty or QUOTED_EMPTY not in (raw := "".join(self._raw)):
            return [self._empty if text == "" else text for text in cells]
        quoted = [self._quoted_empty if is_quoted else self._empty for is_quoted in quoted_cells(raw, len(record))]
        return [empty if text == "" else text for text, empty in zip(cells, quoted, strict=True)]

    def _look_at(self, column: str, text: str | None) -> None:
        """Note whether a cell fits a column of numbers; a column with a text is not checked again."""
        if text is None or text == "":
            return
        if NUMBER.fullmatch(text):
            self._numbers[column] = True
        elif text.strip() in WORDS:
            self._null_words[column][text] += 1
        else:
            del self._numbers[column]

    def _records(self) -> Iterator[list[str]]:
        while True:
            self._raw.clear()
            try:
                record = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                reason = str(error)
            else:
                yield record
                continue
            raise TruncatedFileError(f"the CSV can't be read: {reason}", path=self._name)

    def _lines(self) -> Iterator[str]:
        r"""Yield lines with their ends as they are: a cell in quotes may hold `\r\n`."""
        decoder = getincrementaldecoder("utf-8-sig")()
        rest = ""
        while True:
            chunk = self._stream.read(CHUNK)
            try:
                text = rest + decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError:
                break
            lines = text.split("\n")
            rest = lines.pop()
            for line in lines:
                self._raw.append(line)
                yield f"{line}\n"
            if not chunk:
                if rest:
                    self._raw.append(rest)
                    yield rest
                return
        raise MismatchError("the CSV is not UTF-8: convert it first, as with iconv -t utf-8", path=self._name)


def quoted_cells(raw: str, count: int) -> list[bool]:
    """Return which cells of a record are quoted; `csv` has read it, so it is well formed."""
    found = []
    place = 0
    for _ in range(count):
        found.append(raw.startswith('"', place))
        if found[-1]:
            place = raw.find('"', place + 1)
            while raw.startswith('"', place + 1):
                place = raw.find('"', place + 2)
        comma = raw.find(",", place)
        place = len(raw) if comma < 0 else comma + 1
    return found
