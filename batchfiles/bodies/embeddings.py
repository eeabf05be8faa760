"""The body of `/v1/embeddings`: a vector for each input, and their conversion to float32."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from batchfiles.bodies import chat_completions, errors
from batchfiles.bodies.answer import Answer, Body, answer_of
from batchfiles.bodies.fields import FieldReader, read_usage, whole
from batchfiles.bodies.vector_encodings import FLOAT32, NAMES, Encoding, decoded, named_encoding
from batchfiles.errors import InvalidLineError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Vector", "count", "in_several_types", "items", "read", "text_sizes", "vectors"]

Vector: TypeAlias = tuple[int | None, bytes | None, InvalidLineError | None]
"""`(index, values, problem)`: the values are little-endian float32; without values, there is a problem."""

WHERE: Final = "$.response.body.data"

LAST_INDEX: Final = 2**31 - 1
"""`embedding_index` is an int32 column."""

NUMBERS: Final = (int, float)

ZERO, ONE = struct.pack("<2f", 0, 1)[:4], struct.pack("<2f", 0, 1)[4:]


def read(body: Body) -> Answer:
    """Read the fields other than the vectors.

    Never `fully_mapped`: a table without vectors must keep the body, and one with vectors takes them from `vectors`.
    """
    reader = FieldReader()
    try:
        is_empty = not any(items(body))  # an empty object is not an embedding
    except InvalidLineError:
        is_empty = True
    return answer_of(
        body,
        reader,
        read_usage(body.get("usage"), reader),
        outcome="failed" if errors.stated(body) else "no_response" if is_empty else "succeeded",
        fully_mapped=False,
        fault=chat_completions.no_answer("data") if is_empty else None,
    )


def vectors(body: Body, encoding: Encoding = FLOAT32) -> list[Vector]:
    """Return the vectors of an embeddings body, in its order.

    An embedding is a list of numbers, base64 text in the encoding that the request asked for, or an object with the same vector
    in several types, of which the most exact is used. The default `index` is the position in the list. Cohere's `embeddings`,
    lists of vectors by type or not, are also supported.

    Args:
        body: The response body, decoded.
        encoding: The encoding of base64 text, see `vector_encodings.encoding_of`.

    Returns:
        One for each item, including those that are not vectors.

    Raises:
        InvalidLineError: `invalid_embedding`: the body has no list of embeddings.
    """
    return [_vector(item, place, encoding) for place, item in enumerate(items(body))]


def count(body: Body) -> int:
    """Return the number of embeddings of any kind in a body."""
    try:
        return len(items(body))
    except InvalidLineError:
        return 0


def items(body: Body) -> list[Any]:
    """Return the embeddings of a body as OpenAI writes them, undecoded.

    Raises:
        InvalidLineError: `invalid_embedding`: the body has no list of embeddings.
    """
    data = body.get("data")
    if type(data) is list:
        return data
    found = body.get("embeddings")
    if type(found) is dict:
        name = _best(found)
        lists = found.get(name) if name is not None else None
        if type(lists) is list:
            return [{"embedding": {name: values}} for values in lists]
    if type(found) is list:
        return [item if type(item) is dict else {"embedding": item} for item in found]
    raise _invalid("the body has no list of embeddings", "")


def in_several_types(body: Body) -> bool:
    """Return whether a body has the same vectors in several types, of which a table has only one."""
    by_type = body.get("embeddings")
    if type(by_type) is dict:
        return len(by_type) > 1
    return any(type(item) is dict and type(given := item.get("embedding")) is dict and len(given) > 1 for item in items(body))


def text_sizes(body: Body) -> list[int]:
    """Return the sizes in bytes of the vectors that are base64 text and valid."""
    found = zip(items(body), vectors(body), strict=True) if count(body) else ()
    return [len(values) for item, (_, values, _) in found if values is not None and type(item["embedding"]) is str]


def _vector(item: object, place: int, encoding: Encoding) -> Vector:
    index = None
    try:
        if type(item) is not dict:
            raise _invalid("not an object with an embedding", f"[{place}]")
        index = whole(item.get("index", place))
        if index is None or not 0 <= index <= LAST_INDEX:
            index = None
            raise _invalid("the index of an embedding is a whole number from 0 to 2147483647", f"[{place}].index")
        embedding = item.get("embedding")
        if type(embedding) is dict and (name := _best(embedding)) is not None:
            embedding, encoding = embedding[name], named_encoding(name) or encoding
        if type(embedding) is list:
            return index, _packed(embedding, place), None
        if type(embedding) is str:
            return index, decoded(embedding, encoding), None
        raise _invalid("an embedding is a list of numbers or base64 text", f"[{place}].embedding")
    except InvalidLineError as problem:
        return index, None, problem
    except ValueError as error:
        return index, None, _invalid(str(error), f"[{place}].embedding")


def _best(by_type: dict[str, Any]) -> str | None:
    """Return the name of the most exact type."""
    return next((name for name in NAMES if name in by_type), None)


@lru_cache(maxsize=16)
def _packer(length: int) -> Callable[..., bytes]:
    return struct.Struct(f"<{length}f").pack


def _packed(values: list[float], place: int) -> bytes:
    """Convert numbers to float32.

    `struct` is three times as fast as `array`, pyarrow or numpy here, and refuses what does not fit. But it accepts booleans: so
    the types are checked if the result contains 0.0 or 1.0, rare in a real vector, which the highest bytes show quickly.
    """
    try:
        packed = _packer(len(values))(*values)
    except (struct.error, OverflowError):
        raise _not_packed(values, place) from None
    highest = packed[3::4]
    if (ONE[3] in highest or ZERO[3] in highest) and (ONE in packed or ZERO in packed) and bool in map(type, values):
        raise _not_packed(values, place)
    return packed


def _not_packed(values: list[float], place: int) -> InvalidLineError:
    """Return the error for the first value that could not be converted."""
    number = next(number for number, value in enumerate(values) if not _fits(value))
    reason = "the number does not fit float32" if type(values[number]) in NUMBERS else "not a number"
    return _invalid(reason, f"[{place}].embedding[{number}]")


def _fits(value: object) -> bool:
    try:
        return type(value) in NUMBERS and bool(struct.pack("<f", value))
    except (struct.error, OverflowError):
        return False


def _invalid(reason: str, place: str) -> InvalidLineError:
    return InvalidLineError(reason, code="invalid_embedding", json_path=WHERE + place)
