"""The body of `/v1/embeddings`: vectors, one for each input, and the buffers that a table of them is made of."""

from __future__ import annotations

import binascii
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from batchfiles.bodies import choices, fault, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import Tally
from batchfiles.errors import InvalidLine

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Vector", "read", "vectors"]

Vector: TypeAlias = tuple[int, bytes]
"""`(index, values)`: the values are little-endian float32, four bytes each."""

WHERE: Final = "$.response.body.data"

LAST_INDEX: Final = 2**31 - 1
"""`embedding_index` is an int32 column."""

NUMBERS: Final = (int, float)

ZERO, ONE = struct.pack("<2f", 0, 1)[:4], struct.pack("<2f", 0, 1)[4:]


def read(body: Body) -> Answer:
    """Read what stands around the vectors.

    Returns:
        Model and token counts, never `carried`: a table without vectors must keep the body, and one with vectors takes
        them from `vectors`.
    """
    tally = Tally()
    inputs, outputs, total, cached, reasoned = usage.read(body.get("usage"), tally)
    is_empty = not tally.items(body.get("data"))
    return Answer(
        outcome="failed" if fault.stated(body) else "no_response" if is_empty else "succeeded",
        model=tally.text(body.get("model")),
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoned,
        created_at=tally.moment(body.get("created")),
        response_id=tally.text(body.get("id")),
        carried=False,
        misfits=tally.misfits,
        noted=tally.noted,
        fault=choices.no_answer("data") if is_empty else None,
    )


def vectors(body: Body) -> list[Vector]:
    """Return the vectors of an embeddings body, in its order.

    An embedding is a list of numbers or, with `encoding_format: base64`, the float32 values themselves. An absent `index` is the
    place in the list.

    Returns:
        `(index, values)` for each, the values as little-endian float32.

    Raises:
        InvalidLine: `invalid_embedding`, with the place: no list of embeddings, an index that repeats or is no int32, a
            value that is no number or does not fit float32, base64 text that is none or no whole number of values.
    """
    data = body.get("data")
    if type(data) is not list:
        raise _invalid("the body has no list of embeddings", "")
    found = [_vector(item, place) for place, item in enumerate(data)]
    if len(found) > 1 and len({index for index, _ in found}) < len(found):
        raise _invalid("two embeddings have the same index", "")
    return found


def _vector(item: object, place: int) -> Vector:
    if type(item) is not dict:
        raise _invalid("not an object with an embedding", f"[{place}]")
    index = item.get("index", place)
    if type(index) is not int or not 0 <= index <= LAST_INDEX:
        raise _invalid("the index of an embedding is a whole number from 0 to 2147483647", f"[{place}].index")
    embedding = item.get("embedding")
    if type(embedding) is list:
        return index, _packed(embedding, place)
    if type(embedding) is str:
        return index, _decoded(embedding, place)
    raise _invalid("an embedding is a list of numbers or base64 text", f"[{place}].embedding")


@lru_cache(maxsize=16)
def _packer(length: int) -> Callable[..., bytes]:
    return struct.Struct(f"<{length}f").pack


def _packed(values: list[float], place: int) -> bytes:
    """Pack numbers into float32.

    `struct` is three times as quick as `array`, pyarrow or numpy here, and refuses what does not fit. But it takes true for
    1: so where the result holds a 0.0 or a 1.0, rare in a real vector, the types are looked at. A look at the highest byte
    of each value spares most vectors the search.
    """
    try:
        packed = _packer(len(values))(*values)
    except (struct.error, OverflowError):
        raise _culprit(values, place) from None
    highest = packed[3::4]
    if (ONE[3] in highest or ZERO[3] in highest) and (ONE in packed or ZERO in packed) and bool in map(type, values):
        raise _culprit(values, place)
    return packed


def _decoded(text: str, place: int) -> bytes:
    """Decode base64, which holds the values as the service had them."""
    try:
        packed = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise _invalid("not base64 text", f"[{place}].embedding") from None
    if len(packed) % 4:
        raise _invalid(f"{len(packed)} bytes are no whole number of float32 values", f"[{place}].embedding")
    return packed


def _culprit(values: list[float], place: int) -> InvalidLine:
    """Find the value that could not be packed."""
    number = next(number for number, value in enumerate(values) if not _fits(value))
    reason = "the number does not fit float32" if type(values[number]) in NUMBERS else "not a number"
    return _invalid(reason, f"[{place}].embedding[{number}]")


def _fits(value: object) -> bool:
    try:
        return type(value) in NUMBERS and bool(struct.pack("<f", value))
    except (struct.error, OverflowError):
        return False


def _invalid(reason: str, place: str) -> InvalidLine:
    return InvalidLine(reason, code="invalid_embedding", json_path=WHERE + place)
