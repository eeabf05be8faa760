"""Rows of both tables from plain lines, by compiled code, and from all other lines by `RequestRows` and `EmbeddingRows`.

What decides an outcome is passed to the compiled code as facts, so that each is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from sys import byteorder
from types import SimpleNamespace
from typing import Any

from batchfiles import bodies, native
from batchfiles.bodies import chat_completions, embeddings, errors, finish_reasons, other, responses
from batchfiles.io.lines import BLOCK_SIZE, Block
from batchfiles.io.texts import Text
from batchfiles.native import NativeRows
from batchfiles.outcome import ANSWERED, ENDINGS, FAILED, MISSING, SUCCEEDED, retryable
from batchfiles.table.embedding_rows import EmbeddingRows
from batchfiles.table.rows import RequestRef, RequestRows, ResultRef, TableName

LOOKED_AT = 4
"""Result files of which the first lines are looked at."""

FEW = 100
"""Rows made by Python are few if each has so many others: then their batch is not copied to have all rows in one."""

STATUSES = range(400, 600)
"""The statuses of plain failures."""


def plain_reader(
    files: Sequence[Any],
    *,
    bodies: str,
    request_bodies: bool = False,
    index: dict[str, Any] | None = None,
    table: TableName = "requests",
    dimensions: int | None = None,
    text_sizes: Sequence[Mapping[str, int]] = (),
) -> NativeRows | None:
    """Return the compiled reader of plain lines; None without it.

    Args:
        files: Each `ResultFile`.
        bodies: The response bodies that are kept: `"all"`, `"auto"` or `"none"`.
        request_bodies: Whether the bodies of requests are kept.
        index: The index of the results; None without requests.
        table: The table of the rows.
        dimensions: As for `EmbeddingRows`.
        text_sizes: For each file the `EmbeddingRows.text_sizes`; empty with requests.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """

    def facts() -> dict[str, Any]:
        vectors = _vector_facts(dimensions, text_sizes) if table == "embeddings" else None
        return {**_facts(), "bodies": bodies, "request_bodies": request_bodies, "vectors": vectors}

    return native.native_rows(facts, files, index)


def is_mostly_plain(paths: Sequence[Path], table: TableName) -> bool:
    """Return whether compiled code reads most of the first lines of result files; False without it."""
    reader = plain_reader([SimpleNamespace(name="", path="", part=None, batch_id=None)], bodies="none", table=table)
    if reader is None:
        return False
    lines = others = 0
    for path in paths[:LOOKED_AT]:
        with suppress(OSError), path.open("rb", buffering=0) as file:  # an error is reported when it is read
            head = file.read(BLOCK_SIZE)
            head = head[: head.rfind(b"\n") + 1]
            lines += head.count(b"\n")
            others += len(reader.add_results(head, 0, 1))
    return 2 * others <= lines


def outcome_facts() -> dict[str, Any]:
    """Return what decides outcomes, for jobs that make no rows."""
    return {**_facts(), "bodies": "none", "request_bodies": False, "vectors": None}


def _facts() -> dict[str, Any]:
    words = {spelled for word in finish_reasons.WORDS for spelled in (word, word.upper())}
    meanings = {word: finish_reasons.meaning_of(word) for word in words}
    readers = {
        "chat": chat_completions.read,
        "completion": other.read_completion,
        "response": responses.read,
        "moderation": other.read_moderation,
    }
    return {
        "finish_reasons": {
            word: (meaning.finish_reason or word, meaning.outcome)
            for word, meaning in meanings.items()
            if meaning is not None and meaning.outcome in ANSWERED
        },
        "outcomes": list(chat_completions.OUTCOMES),
        "response_ends": (_response_ends(TEXT), _response_ends(TEXT, CALL)),
        "endings": {f"batch_{word}": (outcome, retryable(outcome, None)) for word, outcome in ENDINGS.items()},
        "statuses": {status: retryable(FAILED, status) for status in STATUSES},
        "missing": (MISSING, retryable(MISSING, None)),
        "succeeded": SUCCEEDED,
        "failed": FAILED,
        "endpoints": {name: bodies.ENDPOINTS[reader] for name, reader in readers.items()},
        "text_urls": list(bodies.TEXT_PATHS),
        "moderation_urls": [f"/{name}" for name, kind in bodies.OTHER_KINDS.items() if kind == "moderations"],
    }


def _vector_facts(dimensions: int | None, text_sizes: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    encodings = embeddings.NAMES.items()
    return {
        "endpoint": bodies.EMBEDDINGS,
        "urls": [f"/{name}" for name, kind in bodies.OTHER_KINDS.items() if kind == "embeddings"],
        "formats": [name for name, encoding in encodings if encoding is embeddings.FLOAT32],
        "dimensions": dimensions,
        "text_sizes": list(text_sizes),
    }


TEXT = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
CALL = {"type": "function_call", "call_id": "a", "name": "a", "arguments": "{}"}


def _response_ends(*items: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """Return what each status of a response with such items means: the outcome and the finish reason."""
    ends = {}
    for status in errors.OUTCOMES:
        answer = responses.read({"object": "response", "status": status, "output": list(items)})
        if answer.outcome in ANSWERED:
            ends[status] = answer.outcome, answer.finish_reason
    return ends


class PlainRows(RequestRows):
    """Builds the requests table batch by batch, as `RequestRows` does, most of it in compiled code.

    Args:
        schema: What `table.rows.schema` returns.
        keep: Which response bodies are kept.
        reader: The compiled reader.
    """

    def __init__(self, schema: Any, *, keep: str, reader: NativeRows) -> None:  # noqa: ANN401 - pyarrow
        super().__init__(schema, keep=keep)
        self._reader = reader
        self._before: list[int] = []  # for each row that Python made, how many compiled rows come before it
        self._place: int | None = None

    def __len__(self) -> int:
        return len(self._rows) + len(self._reader)

    def add(self, request_ref: RequestRef | None, result_ref: ResultRef) -> None:
        """Add rows after all others, or at the place of its line while `add_results` or `add_requests` yields."""
        rows = len(self._rows)
        super().add(request_ref, result_ref)
        self._before += [len(self._reader) if self._place is None else self._place] * (len(self._rows) - rows)

    def add_results(self, text: Text, file: int) -> Iterator[Block]:
        """Add the rows of plain result lines, and yield the others, to be added one by one.

        Args:
            text: Lines of a result file.
            file: The number of the file.
        """
        return self._others(text, self._reader.add_results(text.text, file, text.line_number))

    def add_requests(
        self, text: Text, file: int, used: memoryview[int], digests_of: Callable[[list[bytes]], list[int]]
    ) -> Iterator[Block]:
        """Add the rows of plain requests whose results are plain, and yield the others, to be added one by one.

        Args:
            text: Lines of a request file.
            file: The number of the file.
            used: The flags of the results that have a row.
            digests_of: Returns the digests of ids, as the index has them.
        """
        others, entries = self._reader.add_requests(text.text, text.path, file, text.line_number, text.byte_offset, digests_of)
        for entry in entries:
            used[entry] = 1
        return self._others(text, others)

    def set_digests(self, number: int, digests: list[int | None]) -> None:
        """Set the digests of lines that `add_requests` has yielded, from the line with this number in its text on."""
        self._reader.set_digests(number, digests)

    def take_entries(self) -> bytes:
        """Return the packed index entries of all requests, and forget them."""
        return self._reader.take_entries()

    def _others(self, text: Text, places: list[tuple[int, int, int, int]]) -> Iterator[Block]:
        """Yield lines that are not plain, neighbouring ones together, each at its place."""
        for before, others in groupby(places, itemgetter(3)):
            self._place = before
            yield from text.blocks(place[:3] for place in others)
        self._place = None

    def take_outcomes(self) -> dict[str, int]:
        """Return how many compiled rows there were by outcome since the last call."""
        return self._reader.take_outcomes()

    def flush(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the rows added so far as one Arrow record batch, and forget them; None if there are none."""
        import pyarrow as pa

        found = list(self.batches())
        if len(found) < 2:
            return found[0] if found else None
        (batch,) = pa.Table.from_batches(found).combine_chunks().to_batches()
        return batch

    def batches(self) -> Iterator[Any]:
        """Yield the rows added so far, and forget them; in several record batches if Python made few rows between others."""
        import pyarrow as pa

        exact, before, self._before = super().flush(), self._before, []
        if not len(self._reader):
            yield from [] if exact is None else [exact]
            return
        found, count = self._reader.take(pa.allocate_buffer)
        columns = [_column(field.type, found.get(field.name), count) for field in self._schema]
        plain = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        if exact is None:
            yield plain
        elif len(before) * FEW > count:
            # Slices, not `take`: no column is walked in Python, and pyarrow.compute is not imported.
            yield from pa.Table.from_batches(_in_order(plain, exact, before)).combine_chunks().to_batches()
        else:
            yield from _in_order(plain, exact, before)


class PlainEmbeddingRows(PlainRows, EmbeddingRows):
    """Builds the embeddings table batch by batch, as `EmbeddingRows` does, most of it in compiled code.

    Args:
        schema: What `table.rows.schema` returns.
        keep: As for `EmbeddingRows`.
        dimensions: As for `EmbeddingRows`.
        reader: The compiled reader.
    """

    def __init__(self, schema: Any, *, keep: str, dimensions: int | None, reader: NativeRows) -> None:  # noqa: ANN401 - pyarrow
        super().__init__(schema, keep=keep, reader=reader)
        self._dimensions = dimensions


def _in_order(plain: Any, exact: Any, before: list[int]) -> Iterator[Any]:  # noqa: ANN401 - pyarrow
    """Yield the rows of two batches; each of the second has so many of the first before it."""
    done = 0
    for number, place in enumerate(before):
        if place > done:
            yield plain.slice(done, place - done)
            done = place
        yield exact.slice(number, 1)
    if done < plain.num_rows:
        yield plain.slice(done)


def _column(kind: Any, found: tuple[int, list[Any]] | None, count: int) -> Any:  # noqa: ANN401 - pyarrow
    """Make a column of its buffers."""
    import pyarrow as pa

    return pa.nulls(count, kind) if found is None else _array(kind, count, found[0], iter(found[1]))


def _array(kind: Any, count: int, nulls: int, parts: Iterator[Any]) -> Any:  # noqa: ANN401 - pyarrow
    """Take the next buffers: a value's own, and then those of the values in it."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        fields = [_array(kind.field(number).type, count, 0, parts) for number in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=[kind.field(number) for number in range(kind.num_fields)])
    is_fixed, is_nested = pa.types.is_fixed_size_list(kind), pa.types.is_nested(kind)
    buffers = list(islice(parts, 1 if is_fixed else 2 if is_nested else kind.num_buffers))
    children = []
    if is_fixed:
        children = [_array(kind.value_type, count * kind.list_size, 0, parts)]
    elif is_nested:
        items = int.from_bytes(buffers[1].slice(buffers[1].size - 4), byteorder)  # the last offset
        inner = pa.struct([kind.key_field, kind.item_field]) if pa.types.is_map(kind) else kind.value_type
        children = [_array(inner, items, 0, parts)]
    return pa.Array.from_buffers(kind, count, buffers, nulls, children=children)
