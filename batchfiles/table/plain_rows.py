"""Rows of both tables from plain lines, by compiled code, and from all other lines by `RequestRows` and `EmbeddingRows`.

What decides an outcome is passed to the compiled code as facts, so that each is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from batchfiles import bodies, native
from batchfiles.bodies import chat_completions, finish_reasons, vector_encodings
from batchfiles.io.lines import Block
from batchfiles.native import NativeRows
from batchfiles.outcome import ANSWERED, ENDINGS, FAILED, MISSING, SUCCEEDED, retryable
from batchfiles.table.embedding_rows import EmbeddingRows
from batchfiles.table.rows import RequestRef, RequestRows, ResultRef
from batchfiles.table.schema import TableName

__all__ = ["PlainEmbeddingRows", "PlainRows", "plain_reader"]

STATUSES = range(400, 600)
"""The statuses of plain failures."""

EMBEDDINGS_URLS = [f"/{name}" for name, kind in bodies.OTHER_KINDS.items() if kind == "embeddings"]
"""The endings of the urls of requests for vectors."""


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
    facts = {**_facts(), "bodies": bodies, "request_bodies": request_bodies}
    if table == "embeddings":
        facts |= {"urls": EMBEDDINGS_URLS, "vectors": _vector_facts(dimensions, text_sizes)}
    return native.native_rows(facts, files, index)


def _facts() -> dict[str, Any]:
    meanings = {word: finish_reasons.meaning_of(word) for word in finish_reasons.WORDS}
    return {
        "finish_reasons": {
            word: (meaning.finish_reason or word, meaning.outcome)
            for word, meaning in meanings.items()
            if meaning is not None and meaning.outcome in ANSWERED
        },
        "endings": {f"batch_{word}": (outcome, retryable(outcome, None)) for word, outcome in ENDINGS.items()},
        "statuses": {status: retryable(FAILED, status) for status in STATUSES},
        "missing": (MISSING, retryable(MISSING, None)),
        "succeeded": SUCCEEDED,
        "failed": FAILED,
        "endpoint": bodies.ENDPOINTS[chat_completions.read],
        "urls": list(bodies.TEXT_PATHS),
        "vectors": None,
    }


def _vector_facts(dimensions: int | None, text_sizes: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    formats = [name for name, encoding in vector_encodings.NAMES.items() if encoding is vector_encodings.FLOAT32]
    return {
        "endpoint": bodies.EMBEDDINGS,
        "formats": formats,
        "dimensions": dimensions,
        "text_sizes": list(text_sizes),
    }


class PlainRows(RequestRows):
    """Builds the requests table batch by batch, as `RequestRows` does, most of it in compiled code.

    Args:
        schema: What `table.schema.schema` returns.
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

    def add_results(self, block: Block, file: int) -> Iterator[Block]:
        """Add the rows of the plain result lines of a block, and yield the others, to be added one by one.

        Args:
            block: Lines of a result file.
            file: The number of the file.
        """
        return self._others(block, self._reader.add_results(block.lines, file, block.line_number))

    def add_requests(
        self, block: Block, file: int, used: memoryview[int], digests_of: Callable[[list[bytes]], list[int]]
    ) -> tuple[list[int | None], Iterator[Block]]:
        """Add the rows of the plain requests of a block whose results are plain.

        Args:
            block: Lines of a request file.
            file: The number of the file.
            used: The flags of the results that have a row.
            digests_of: Returns the digests of ids, as the index has them.

        Returns:
            The digests of the ids, None for the other lines; and the other lines, to be added one by one.
        """
        digests, others, entries = self._reader.add_requests(block.lines, block.path, file, block.line_number, digests_of)
        for entry in entries:
            used[entry] = 1
        return digests, self._others(block, others)

    def _others(self, block: Block, places: list[tuple[int, int]]) -> Iterator[Block]:
        """Yield lines that are not plain, neighbouring ones together, each at its place."""
        offset, at = block.byte_offset, 0
        runs: list[list[int]] = []
        for number, before in places:
            if runs and runs[-1][1:] == [number, before]:
                runs[-1][1] += 1
            else:
                runs.append([number, number + 1, before])
        for first, end, before in runs:
            offset += sum(map(len, block.lines[at:first])) + first - at
            at = first
            self._place = before
            yield Block(block.path, block.line_number + first, offset, block.lines[first:end])
        self._place = None

    def take_outcomes(self) -> dict[str, int]:
        """Return how many compiled rows there were by outcome since the last call."""
        return self._reader.take_outcomes()

    def flush(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the rows added so far as one Arrow record batch, and forget them; None if there are none."""
        import pyarrow as pa

        exact, before, self._before = super().flush(), self._before, []
        if not len(self._reader):
            return exact
        found, count = self._reader.take()
        columns = [_column(field.name, field.type, found.get(field.name), count) for field in self._schema]
        plain = pa.RecordBatch.from_arrays(columns, schema=self._schema)
        if exact is None:
            return plain
        # Slices, not `take`: no column is walked in Python, and pyarrow.compute is not imported.
        (mixed,) = pa.Table.from_batches(_in_order(plain, exact, before)).combine_chunks().to_batches()
        return mixed


class PlainEmbeddingRows(PlainRows, EmbeddingRows):
    """Builds the embeddings table batch by batch, as `EmbeddingRows` does, most of it in compiled code.

    Args:
        schema: What `table.schema.schema` returns.
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


def _column(name: str, kind: Any, found: tuple[int, list[bytes | None]] | None, count: int) -> Any:  # noqa: ANN401 - pyarrow
    """Wrap the buffers of a column."""
    import pyarrow as pa

    if found is None:
        return pa.nulls(count, kind)
    nulls, parts = found
    buffers = [None if part is None else pa.py_buffer(part) for part in parts]
    if name == "embedding":
        # The list's own buffers, and then the numbers.
        values = pa.Array.from_buffers(pa.float32(), len(parts[-1] or b"") // 4, [None, buffers.pop()])
        return pa.Array.from_buffers(kind, count, buffers, nulls, children=[values])
    if name != "tool_calls":
        return pa.Array.from_buffers(kind, count, buffers, nulls)
    # The list's own buffers, and then those of the three strings of a call.
    item = kind.value_type
    calls = len(parts[3] or b"") // 4 - 1
    fields = [
        pa.Array.from_buffers(item.field(number).type, calls, buffers[start : start + 3], 0)
        for number, start in enumerate((2, 5, 8))
    ]
    items = pa.StructArray.from_arrays(fields, fields=[item.field(number) for number in range(3)])
    return pa.Array.from_buffers(kind, count, buffers[:2], nulls, children=[items])
