"""Rows of the embeddings table: one per vector, one for each text without a vector, and one for a request without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, TypeAlias

from batchfiles.bodies import EMBEDDINGS, embeddings, endpoint_of
from batchfiles.bodies.answer import Body
from batchfiles.bodies.embeddings import FLOAT32, Encoding, encoding_of
from batchfiles.errors import InvalidLineError
from batchfiles.findings import plural
from batchfiles.outcome import SUCCEEDED
from batchfiles.table.rows import NOT_OF_VECTORS, REQUESTS, RequestRef, RequestRows, ResultRef, embedding_answers

KEPT = itemgetter(*[place for place, name in enumerate(REQUESTS) if name not in NOT_OF_VECTORS])
ONCE = frozenset({"input_tokens", "output_tokens", "total_tokens", "request_body", "response_body"})
"""Columns of a request that only its first row has: tokens summed over the table are then the tokens that were used."""
NAMES = [name for name in REQUESTS if name not in NOT_OF_VECTORS]
REPEATED = [name not in ONCE for name in NAMES]

DIMENSIONS = ("dimensions", "output_dimension")
"""Keys of a request for the length of its vectors; Voyage, Mistral and Cohere use the second."""
NO_DIMENSIONS = frozenset(DIMENSIONS).isdisjoint

Place: TypeAlias = tuple[int | None, bytes | None]
"""The index of a row and its vector."""


class EmbeddingRows(RequestRows):
    """Builds the embeddings table batch by batch.

    Args:
        schema: What `table.rows.schema` returns.
        keep: As for the requests table; `"auto"` keeps bodies of which not every vector can be read.
        dimensions: The length that every vector must have; None takes any.

    Attributes:
        text_sizes: By model, the size in bytes of the text vectors of a result file. An export compares with it,
            for it has no request that says what the texts are.
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
        self.text_sizes: Mapping[str, int] = {}

    def add(self, request_ref: RequestRef | None, result_ref: ResultRef) -> None:
        """Add the rows of one request: one for each vector, and one for each text without a vector.

        Raises:
            InvalidLineError: A vector has another length than `dimensions`; it names the result line.
        """
        self._count_noted(result_ref.result)
        vectors, readable = self._vectors_of(request_ref, result_ref)
        first = KEPT(self.row(request_ref, result_ref, self._keep_all if readable else self._keep_some))
        if not vectors:
            self._rows.append((*first, None, None))
            self._vectors.append(None)
            return
        texts = _texts(request_ref)
        for number, (index, vector) in enumerate(vectors):
            if number == 1:
                first = tuple([value if again else None for value, again in zip(first, REPEATED, strict=True)])
            if self._dimensions is not None and vector is not None and len(vector) != 4 * self._dimensions:
                raise _wrong_length(result_ref, len(vector) // 4, self._dimensions)
            text = texts[index] if texts is not None and index is not None and index < len(texts) else None
            self._rows.append((*first, index, text if type(text) is str else None))
            self._vectors.append(vector)

    def _vectors_of(self, request_ref: RequestRef | None, result_ref: ResultRef) -> tuple[list[Place], bool]:
        """Return the values of the rows of a request, and whether the table has everything in its body.

        Returns:
            The vectors in the order of the body, and after them the texts without one; nothing where the result is not an answer
            with vectors.
        """
        body = result_ref.result.body
        if result_ref.result.outcome != SUCCEEDED or body is None or endpoint_of(body) != EMBEDDINGS:
            return [], False
        request = request_ref.decoded if request_ref is not None else None
        encoding = encoding_of(request) if request is not None else FLOAT32
        try:
            sent: list[Place] = [(index, values) for index, values, _ in embeddings.vectors(body, encoding)]
        except InvalidLineError:
            self.conversion_errors += 1
            return [], False
        if request is None and self.text_sizes:
            sent = _of_one_size(sent, body, self.text_sizes)
        if len(sent) > 1 and len({index for index, _ in sent}) < len(sent):
            sent = self._without_repeats(sent, _id_of(request_ref, result_ref))
        unreadable = 0
        for _, values in sent:
            unreadable += values is None
        self.conversion_errors += unreadable
        if request_ref is not None and request is not None:
            wanted = embedding_answers(request)
            if wanted is not None and (wanted != 1 or len(sent) != 1 or sent[0][0] != 0):  # all but one vector for one text
                sent += self._missing(request_ref, wanted, {index for index, _ in sent if index is not None})
            if not NO_DIMENSIONS(request):
                self._compare_dimensions(request_ref, request, encoding, sent)
        return sent, not unreadable and not embeddings.in_several_types(body)

    def _missing(self, request_ref: RequestRef, wanted: int, indexes: set[int]) -> list[Place]:
        """Compare the indexes of the vectors with the texts, and return the indexes of texts without a vector."""
        self.compare(request_ref, wanted, len(indexes), beyond=sum(index >= wanted for index in indexes))
        return [(index, None) for index in range(wanted) if index not in indexes]

    def _without_repeats(self, sent: list[Place], custom_id: str | None) -> list[Place]:
        """Return one vector for each index; if two differ, there is none, because the right one is unknown."""
        known: dict[int, bytes | None] = {}
        kept: list[Place] = []
        for index, values in sent:
            if index is None:
                kept.append((index, values))
            elif index not in known:
                known[index] = values
                kept.append((index, values))
            else:
                self.count(f"repeated_index:{custom_id}")
                if known[index] != values:
                    known[index] = None
        return [(index, values if index is None else known[index]) for index, values in kept]

    def _compare_dimensions(
        self, request_ref: RequestRef, request: dict[str, Any], encoding: Encoding, sent: list[Place]
    ) -> None:
        """Count the vectors with another length than the request asked for; a packed one has eight dimensions a number."""
        wanted = next((size for key in DIMENSIONS if type(size := request.get(key)) is int), None)
        if wanted is None:
            return
        if encoding.bits:
            wanted = -(-wanted // 8)
        for _, values in sent:
            if values is not None and len(values) != 4 * wanted:
                self.count(f"wrong_dimensions:{request_ref.custom_id} ({len(values) // 4}, not {wanted})")

    def _take(self) -> list[Any]:
        """Return the columns of the rows added so far, the vectors last, and forget the rows."""
        vectors, self._vectors = self._vectors, []
        columns = super()._take()
        return [*columns, _vector_array(vectors, self._schema.field("embedding").type)] if columns else []


def _texts(request_ref: RequestRef | None) -> list[Any] | None:
    """Return the texts that a request asks to embed, by index; None where they are tokens."""
    given = request_ref.decoded.get("input") if request_ref is not None and request_ref.decoded is not None else None
    return [given] if type(given) is str else given if type(given) is list else None


def _id_of(request_ref: RequestRef | None, result_ref: ResultRef) -> str | None:
    if request_ref is not None:
        return request_ref.custom_id
    return result_ref.value.get("custom_id") if result_ref.value is not None else None


def _of_one_size(sent: list[Place], body: Body, sizes: Mapping[str, int]) -> list[Place]:
    """Return the vectors, without those whose text has another size than the others of its model in the same file."""
    model = body.get("model")
    wanted = sizes.get(model if type(model) is str else "")
    if wanted is None:
        return sent
    texts = [type(item.get("embedding")) is str if type(item) is dict else False for item in embeddings.items(body)]
    return [
        (index, None if is_text and values is not None and len(values) != wanted else values)
        for (index, values), is_text in zip(sent, texts, strict=True)
    ]


def _wrong_length(result_ref: ResultRef, length: int, wanted: int) -> InvalidLineError:
    return InvalidLineError(
        f"the vector has {plural(length, 'dimension')} and not {wanted}: name {length} (--dimensions), or none for any length",
        code="invalid_embedding",
        path=result_ref.source,
        line_number=result_ref.line_number,
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
