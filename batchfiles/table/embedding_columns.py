"""Rows of the embeddings table: one per vector, and one for a request without a vector."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from batchfiles.bodies import EMBEDDINGS, embeddings, endpoint_of
from batchfiles.errors import InvalidLine
from batchfiles.outcome import SUCCEEDED
from batchfiles.table.columns import Asked, Found, RequestColumns, record_batch
from batchfiles.table.schema import NOT_OF_VECTORS, REQUESTS

__all__ = ["EmbeddingColumns"]

KEPT = itemgetter(*[place for place, name in enumerate(REQUESTS) if name not in NOT_OF_VECTORS])
ONCE = frozenset({"input_tokens", "output_tokens", "total_tokens", "request_body", "response_body"})
"""Columns of a request that stand on its first row only: tokens summed over the table are then the tokens that were used."""
NAMES = [name for name in REQUESTS if name not in NOT_OF_VECTORS]
REPEATED = [name not in ONCE for name in NAMES]


class EmbeddingColumns(RequestColumns):
    """Builds the embeddings table batch by batch.

    Args:
        schema: What `table.schema.schema` says.
        keep: As for the requests table; `"auto"` keeps bodies without readable vectors.
        dimensions: The length that every vector must have; None takes any.
    """

    def __init__(
        self,
        schema: Any,  # noqa: ANN401 - pyarrow has no types
        *,
        keep: str = "auto",
        dimensions: int | None = None,
    ) -> None:
        super().__init__(schema, keep=keep)
        self._dimensions = dimensions
        self._vectors: list[bytes | None] = []

    def add(self, asked: Asked | None, found: Found) -> None:
        """Add the rows of one request.

        Raises:
            InvalidLine: A vector has another length than `dimensions`; it names the result line.
        """
        vectors, readable = self._vectors_of(found)
        first = KEPT(self.row(asked, found, self._keep_all if readable else self._keep_some))
        if not vectors:
            self._rows.append((*first, None, None))
            self._vectors.append(None)
            return
        texts = _texts(asked)
        for number, (index, vector) in enumerate(vectors):
            if number == 1:
                first = tuple([value if again else None for value, again in zip(first, REPEATED, strict=True)])
            if self._dimensions is not None and len(vector) != 4 * self._dimensions:
                raise _wrong_length(found, len(vector) // 4, self._dimensions)
            text = texts[index] if texts is not None and index < len(texts) else None
            self._rows.append((*first, index, text if type(text) is str else None))
            self._vectors.append(vector)

    def _vectors_of(self, found: Found) -> tuple[list[embeddings.Vector], bool]:
        """Return the vectors of a result, and whether the table carries all that its body says."""
        body = found.result.body
        if found.result.outcome != SUCCEEDED or body is None or endpoint_of(body) != EMBEDDINGS:
            return [], False
        try:
            return embeddings.vectors(body), True
        except InvalidLine:
            self.misfits += 1
            return [], False

    def flush(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the rows added so far as one Arrow record batch, and forget them; None if there are none."""
        if not self._rows:
            return None
        rows, self._rows = self._rows, []
        vectors, self._vectors = self._vectors, []
        columns: list[Any] = list(zip(*rows, strict=True))
        columns.append(_vector_array(vectors, self._schema.field("embedding").type))
        return record_batch(self._schema, columns)


def _texts(asked: Asked | None) -> list[Any] | None:
    """Return the texts that a request asks to embed, by index; None where they are tokens."""
    given = asked.decoded.get("input") if asked is not None and asked.decoded is not None else None
    return [given] if type(given) is str else given if type(given) is list else None


def _wrong_length(found: Found, length: int, wanted: int) -> InvalidLine:
    return InvalidLine(
        f"the vector has {length} dimensions and not {wanted}: say --dimensions {length}, or leave it out for any length",
        code="invalid_embedding",
        path=found.source,
        line_number=found.line_number,
        role="output",
    )


def _vector_array(vectors: list[bytes | None], kind: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Put packed vectors into a list column without making a Python float of any value."""
    import pyarrow as pa

    fixed = pa.types.is_fixed_size_list(kind)
    empty = bytes(4 * kind.list_size) if fixed else b""  # a null in a fixed-size list takes its room
    data = b"".join([empty if vector is None else vector for vector in vectors])
    values = pa.Array.from_buffers(pa.float32(), len(data) // 4, [None, pa.py_buffer(data)])
    valid = pa.array([vector is not None for vector in vectors], pa.bool_()).buffers()[1]
    if fixed:
        return pa.Array.from_buffers(kind, len(vectors), [valid], children=[values])
    offsets = [0]
    for vector in vectors:
        offsets.append(offsets[-1] + (len(vector) // 4 if vector is not None else 0))
    return pa.Array.from_buffers(kind, len(vectors), [valid, pa.array(offsets, pa.int32()).buffers()[1]], children=[values])
