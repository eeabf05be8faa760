"""What the page quotes: errors in groups with an example, and the first failing rows with request and answer.

Rows are grouped with the functions of `pyarrow.compute` alone: `Table.group_by` loads libraries of 60 MB.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import accumulate
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from batchfiles.codec import dumps, loads
from batchfiles.errors import InvalidLineError
from batchfiles.jobs.stats.error_digest import MOST_GROUPS, folded
from batchfiles.outcome import SUCCEEDED
from batchfiles.table.cells import plain_values

MESSAGE_BYTES: Final = 600
"""Bytes of HTML of an error message."""

TEXT_BYTES: Final = 1200
"""Bytes of HTML of one text in a request or an answer."""

SIDE_BYTES: Final = 3000
"""Bytes of HTML of all texts of a request, or of an answer."""

DECODED: Final = 2_000_000
"""Characters of a body that is decoded for its texts; a longer one is shown as it is."""

OF_ONE_ERROR: Final = 5
"""Failing rows of one error that are shown."""

LOOKED_AT: Final = 200
"""Failing rows of a batch that are looked at for those to show."""

UNPRINTABLE: Final = {
    **{code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(0x7F, 0xA0)) if code not in (9, 10)},
    # Marks that change the direction of the text after them, and would hide or turn what is next to a quotation.
    **{code: f"<U+{code:04X}>" for code in (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys((0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"),
}


def printable(text: str) -> str:
    """Return a text without control characters and direction marks, which XML refuses and which could hide words."""
    return text.translate(UNPRINTABLE).encode(errors="replace").decode()


def cut_bytes(text: str, most: int) -> str:
    """Return a printable text of at most so many bytes of HTML, with `…` if it was longer."""
    shown = printable(text[: most + 1])
    if len(escape(shown).encode()) <= most and len(text) <= most:
        return shown
    size = 0
    for place, letter in enumerate(shown):
        size += len(escape(letter).encode())
        if size > most - 3:
            return f"{shown[:place].rstrip()}…"
    return f"{shown.rstrip()}…"


class ErrorKey(NamedTuple):
    """What errors of one group have in common."""

    outcome: str
    status_code: int | None
    error_code: str | None
    message: str | None
    retryable: bool


@dataclass(slots=True)
class ErrorExample:
    """The number of rows with an error, and the first of them."""

    place: str
    custom_id: str | None
    message: str | None
    count: int = 0


@dataclass(slots=True)
class Errors:
    """Groups the rows that did not succeed.

    Attributes:
        groups: The rows by their error.
        other: Rows with other errors than the first thousand.
    """

    groups: dict[ErrorKey, ErrorExample] = field(default_factory=dict)
    other: int = 0

    KEYS = ("outcome", "status_code", "error_code", "finish_reason", "error_param", "error_message", "retryable")
    EXAMPLE = ("custom_id", "input_source", "input_line_number", "result_source", "result_line_number")

    def add(self, rows: pa.RecordBatch) -> None:
        """Count those of some rows that did not succeed."""
        failing = rows.filter(pc.not_equal(rows.column("outcome"), SUCCEEDED))
        groups = Groups(failing, self.KEYS)
        firsts = zip(groups.first.to_pylist(), groups.keys(), groups.counts, strict=True)
        for first, values, count in firsts:
            key = error_key(dict(zip(self.KEYS, values, strict=True)))
            if key not in self.groups:
                if len(self.groups) >= MOST_GROUPS:
                    self.other += count
                    continue
                row = {name: failing.column(name)[first].as_py() for name in (*self.EXAMPLE, "error_message")}
                self.groups[key] = ErrorExample(place_of(row), row["custom_id"], row["error_message"])
            self.groups[key].count += count

    def sorted(self) -> list[tuple[ErrorKey, ErrorExample]]:
        """Return the groups, the most frequent first."""
        return sorted(self.groups.items(), key=lambda item: -item[1].count)


def error_key(row: Mapping[str, Any]) -> ErrorKey:
    """Return the group of a row, as `errors` groups results."""
    message = row["error_message"]
    shown = None if message is None else folded(message, row["error_param"])
    return ErrorKey(row["outcome"], row["status_code"], row["error_code"] or row["finish_reason"], shown, bool(row["retryable"]))


def place_of(row: Mapping[str, Any]) -> str:
    """Return the file and line of a request; without a request, those of the result."""
    for kind in ("input", "result"):
        if row[f"{kind}_source"] is not None:
            number = row[f"{kind}_line_number"]
            return f"{row[f'{kind}_source']}{'' if number is None else f':{number}'}"
    return ""


class LabeledText(NamedTuple):
    """One text of a request or an answer, with a label such as `user` or `refusal`."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class FailedRow:
    """One row that did not succeed."""

    key: ErrorKey
    place: str
    result: str
    custom_id: str | None
    attempts: int | None
    request: tuple[LabeledText, ...]
    answer: tuple[LabeledText, ...]


class FailedRows:
    """Keeps the first failing rows, and only the first few of one error."""

    COLUMNS = (*Errors.KEYS, *Errors.EXAMPLE, "attempts", "request_body", "response_body", "text", "refusal", "reasoning")

    def __init__(self, most: int, *, texts: bool) -> None:
        self.rows: list[FailedRow] = []
        self._most = most
        self._texts = texts
        self._seen: Counter[ErrorKey] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        """Look for rows to keep."""
        if len(self.rows) >= self._most:
            return
        failing = pc.indices_nonzero(pc.not_equal(batch.column("outcome"), SUCCEEDED))[:LOOKED_AT]
        if not len(failing):
            return
        keys = pa.RecordBatch.from_arrays([batch.column(name) for name in Errors.KEYS], names=list(Errors.KEYS)).take(failing)
        for index, row in zip(failing.to_pylist(), keys.to_pylist(), strict=True):
            key = error_key(row)
            if self._seen[key] < OF_ONE_ERROR and len(self.rows) < self._most:
                self._seen[key] += 1
                self.rows.append(self._kept(key, batch.slice(index, 1)))

    def _kept(self, key: ErrorKey, row: pa.RecordBatch) -> FailedRow:
        names = [name for name in (*self.COLUMNS, "tool_calls") if name in row.schema.names]
        cells = {name: plain_values(row.column(row.schema.names.index(name)))[0] for name in names}
        result = cells["result_source"]
        return FailedRow(
            key,
            place_of(cells),
            "" if result is None else f"{result}:{cells['result_line_number']}",
            cells["custom_id"] if self._texts else None,
            cells["attempts"],
            tuple(_limited(texts_of_request(cells["request_body"]))) if self._texts else (),
            tuple(_limited(texts_of_answer(cells))) if self._texts else (),
        )


def _limited(texts: Iterator[LabeledText]) -> Iterator[LabeledText]:
    """Cut texts so that all of them together have a limited size."""
    left = SIDE_BYTES
    for label, text in texts:
        if left < 100:
            yield LabeledText("", "…")
            return
        shown = cut_bytes(text, min(left, TEXT_BYTES))
        left -= len(escape(shown).encode()) + 80
        yield LabeledText(cut_bytes(label, 60), shown)


def _decoded(body: str | None) -> Any:  # noqa: ANN401 - any JSON value
    """Return a body as a value; None if it can't be read or is very long."""
    if body is None or len(body) > DECODED:
        return None
    try:
        return loads(body.encode())
    except InvalidLineError:
        return None


CONTENT: Final = ("instructions", "system", "messages", "input", "prompt")
"""Keys of a request that hold what the user wrote to the model."""


def texts_of_request(body: str | None) -> Iterator[LabeledText]:
    """Yield the texts of a request in the order of a conversation, and then its other parameters."""
    if body is None:
        return
    value = _decoded(body)
    if value is None:
        yield LabeledText("body", body)
        return
    for key in CONTENT:
        content = value.get(key)
        if isinstance(content, list) and content and all(isinstance(each, dict) for each in content):
            for each in content:
                yield from _of_message(each)
        elif content is not None:
            yield LabeledText(key, _as_text(content))
    others = {key: each for key, each in value.items() if key not in CONTENT}
    if others:
        yield LabeledText("parameters", _as_text(others))


def _of_message(message: Mapping[str, Any]) -> Iterator[LabeledText]:
    label = str(message.get("role") or message.get("type") or "message")
    content = message.get("content")
    if isinstance(content, list):
        texts = [each.get("text") if isinstance(each, dict) else each for each in content]
        content = "\n".join(each if isinstance(each, str) else _as_text(part) for each, part in zip(texts, content, strict=True))
    others = {key: each for key, each in message.items() if key not in ("role", "content") and each is not None}
    if content is not None:
        yield LabeledText(label, _as_text(content))
    if others:
        yield LabeledText(f"{label}, more", _as_text(others))


def texts_of_answer(cells: Mapping[str, Any]) -> Iterator[LabeledText]:
    """Yield the texts of an answer."""
    if cells["error_message"] is not None:
        yield LabeledText("error", cells["error_message"])
    found = [name for name in ("reasoning", "text", "refusal", "tool_calls") if cells.get(name)]
    for name in found:
        yield LabeledText(name.replace("_", " "), _as_text(cells[name]))
    if cells["response_body"] is not None and not found:  # else it repeats them
        yield LabeledText("response body", cells["response_body"])


def _as_text(value: object) -> str:
    """Return a text as it is, and any other value as JSON."""
    if isinstance(value, str):
        return value
    try:
        return dumps(value).decode()
    except InvalidLineError as error:
        return f"(not shown: {error.reason})"


def counts(column: pa.Array) -> list[tuple[Any, int]]:
    """Return the different values of a column, without nulls, with their counts."""
    found = pc.value_counts(column.drop_null())
    return list(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


class Groups:
    """The rows that have the same values in some columns, in the order of the first row of each group.

    Args:
        rows: The rows.
        names: The columns.

    Attributes:
        first: The first row of each group.
        counts: The number of rows of each group.
    """

    def __init__(self, rows: pa.RecordBatch, names: Sequence[str]) -> None:
        codes = pa.array([0], pa.int64()).take(pa.array([0] * rows.num_rows, pa.int64()))
        for name in names:
            values = rows.column(name).dictionary_encode("encode")
            both = pc.add(pc.multiply(codes, len(values.dictionary)), pc.cast(values.indices, pa.int64()))
            # Numbered again, so that no number of any columns is too large.
            codes = pc.cast(both.dictionary_encode().indices, pa.int64())
        numbered = pc.value_counts(codes)
        self._rows = rows
        self._names = names
        self._codes = codes
        self.first: pa.Array = pc.index_in(numbered.field("values"), value_set=codes)
        self.counts: list[int] = numbered.field("counts").to_pylist()

    def keys(self) -> list[tuple[Any, ...]]:
        """Return the values of the columns, for each group."""
        columns = (self._rows.column(name).take(self.first).to_pylist() for name in self._names)
        return list(zip(*columns, strict=True))

    def sums(self, name: str) -> list[int]:
        """Return the sum of a column of integers without nulls, for each group."""
        running = pc.cumulative_sum(self._sorted(name)).to_pylist()
        ends = [running[end - 1] for end in accumulate(self.counts)]
        return [end - before for before, end in zip([0, *ends], ends, strict=False)]

    def bounds(self, name: str) -> list[tuple[Any, Any]]:
        """Return the smallest and the greatest value of a column, without nulls, for each group; None if all are null."""
        values = self._sorted(name).to_pylist()
        found = []
        for start, count in zip(accumulate([0, *self.counts]), self.counts, strict=False):
            known = [value for value in values[start : start + count] if value is not None]
            found.append((min(known), max(known)) if known else (None, None))
        return found

    def _sorted(self, name: str) -> pa.Array:
        """Return a column with the rows of each group together."""
        return self._rows.column(name).take(pc.array_sort_indices(self._codes))
