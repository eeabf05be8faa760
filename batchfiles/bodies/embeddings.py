"""The body of `/v1/embeddings`: a vector for each input, as numbers or as base64 text, converted to little-endian float32.

Only the request states the encoding of base64 text, which is by default float32, as OpenAI writes it.
"""

from __future__ import annotations

import binascii
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from batchfiles.bodies import chat_completions, errors
from batchfiles.bodies.answer import Answer, Body, answer_of
from batchfiles.bodies.fields import FieldReader, read_usage, whole
from batchfiles.errors import InvalidLineError

if TYPE_CHECKING:
    from collections.abc import Callable


class Encoding(NamedTuple):
    """The type of the numbers of a vector.

    Attributes:
        name: One of `DECODERS`, or an unknown word, which can't be decoded.
        big: Whether numbers are big-endian.
        bits: Whether each number has eight dimensions, a bit each.
    """

    name: str
    big: bool = False
    bits: bool = False


FLOAT32: Final = Encoding("float32")

NAMES: Final = {
    "float": FLOAT32,  # OpenAI, Voyage, Mistral, Cohere
    "base64": FLOAT32,  # OpenAI; Cohere and Jina too
    "float32": FLOAT32,
    "float16": Encoding("float16"),  # vLLM, Mixedbread
    "bfloat16": Encoding("bfloat16"),  # vLLM
    "fp8_e4m3": Encoding("fp8_e4m3"),  # vLLM
    "fp8_e5m2": Encoding("fp8_e5m2"),  # vLLM
    "int8": Encoding("int8"),  # Voyage, Mistral, Cohere, Mixedbread, Azure's model inference
    "uint8": Encoding("uint8"),
    "binary": Encoding("int8", bits=True),  # eight bits a byte, and 128 taken from each: offset binary
    "ubinary": Encoding("uint8", bits=True),  # eight bits a byte
    "base64_int8": Encoding("int8"),  # Perplexity
    "base64_binary": Encoding("uint8", bits=True),  # Perplexity
}
"""By the names in requests and in objects with a vector in several types; for these, in order of preference."""

KEYS: Final = ("embed_dtype", "output_dtype", "embedding_type", "encoding_type", "embedding_types", "encoding_format")
"""The keys of the type in requests: vLLM; Voyage and Mistral; Jina and NVIDIA; old Jina; Cohere; all others."""


def encoding_of(request: dict[str, Any]) -> Encoding:
    """Return the encoding that a request asks for.

    Args:
        request: The body of the request, decoded.
    """
    encoding = next((found for key in KEYS if (found := _named(request.get(key))) is not None), FLOAT32)
    return encoding._replace(big=True) if request.get("endianness") == "big" else encoding


def named_encoding(name: object) -> Encoding | None:
    """Return the encoding of a name in any case; None if it is unknown."""
    return NAMES.get(name.lower()) if type(name) is str else None


def _named(value: object) -> Encoding | None:
    """Read the value of a key: a name, a list with one, or None. With several, each vector states its type."""
    if type(value) is list and len(value) == 1:
        value = value[0]
    if type(value) is not str:
        return None
    return named_encoding(value) or Encoding(value)


def decoded(text: str, encoding: Encoding) -> bytes:
    """Return the values of a text as little-endian float32.

    Raises:
        ValueError: The text is not base64, or not numbers of this type; the message states why.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise ValueError("not base64 text") from None
    if encoding is FLOAT32:  # nearly always
        if len(data) % 4:
            raise ValueError(f"{len(data)} bytes are not a whole number of float32 values")
        if data[3:4] in NO_EXPONENT and _is_denormal(data):
            raise ValueError("every value is denormal, so the text is not float32")
        return data
    decoder = DECODERS.get(encoding.name)
    if decoder is None:
        raise ValueError(f"the request asked for {encoding.name[:40]!r}, an unknown encoding")
    size, decode = decoder
    if len(data) % size:
        raise ValueError(f"{len(data)} bytes are not a whole number of {encoding.name} values")
    if encoding.big and size > 1:
        data = _swapped(data, size)
    return decode(data)


NO_EXPONENT: Final = (b"\0", b"\x80")
"""The highest byte of a float32 that is denormal or 0."""


def _is_denormal(data: bytes) -> bool:
    """Return whether no value is a normal number and not all are 0, as in no real vector."""
    if data[3::4].strip(b"\0\x80") or max(data[2::4]) >= 0x80:
        return False
    return bool(data[2::4].strip(b"\0") or data[1::4].strip(b"\0") or data[0::4].strip(b"\0"))


def _swapped(data: bytes, size: int) -> bytes:
    """Reverse the bytes of each number."""
    turned = bytearray(len(data))
    for place in range(size):
        turned[place::size] = data[size - 1 - place :: size]
    return bytes(turned)


def _converted(letter: str) -> Callable[[bytes], bytes]:
    """Return a decoder for a format of `struct`."""

    def decode(data: bytes) -> bytes:
        count = len(data) // struct.calcsize(f"<{letter}")
        return struct.pack(f"<{count}f", *struct.unpack(f"<{count}{letter}", data))

    return decode


def _bfloat16(data: bytes) -> bytes:
    """The upper half of a float32."""
    values = bytearray(2 * len(data))
    values[2::4], values[3::4] = data[0::2], data[1::2]
    return bytes(values)


def _fp8_e5m2(data: bytes) -> bytes:
    """The upper half of a float16."""
    values = bytearray(2 * len(data))
    values[1::2] = data
    return _converted("e")(bytes(values))


def _fp8_e4m3(data: bytes) -> bytes:
    """Four bits of exponent with bias 7, three of fraction, and no infinity: torch's `float8_e4m3fn`."""
    return struct.pack(f"<{len(data)}f", *map(_e4m3_value, data))


def _e4m3_value(byte: int) -> float:
    exponent, fraction = byte >> 3 & 15, byte & 7
    if byte & 127 == 127:
        return float("nan")
    value = (8 + fraction) * 2.0 ** (exponent - 10) if exponent else fraction * 2.0**-9
    return -value if byte & 128 else value


DECODERS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "float32": (4, bytes),
    "float16": (2, _converted("e")),
    "bfloat16": (2, _bfloat16),
    "fp8_e4m3": (1, _fp8_e4m3),
    "fp8_e5m2": (1, _fp8_e5m2),
    "int8": (1, _converted("b")),
    "uint8": (1, _converted("B")),
}
"""The bytes of a number, and the conversion from little-endian to float32."""


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
        encoding: The encoding of base64 text, see `encoding_of`.

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
