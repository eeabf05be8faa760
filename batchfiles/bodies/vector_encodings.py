"""How the numbers of a vector are encoded: the request decides it, and the answer does not state it.

A list of numbers needs no rule. A text is base64 of the numbers in the type that the request asked for; by default,
of little-endian float32, as OpenAI writes it. The values are always returned as little-endian float32.
"""

from __future__ import annotations

import binascii
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FLOAT32", "NAMES", "Encoding", "decoded", "encoding_of", "named_encoding"]


class Encoding(NamedTuple):
    """The type of the numbers of a vector.

    Attributes:
        name: One of `DECODERS`, or an unknown word: then a text can't be read.
        big: Whether a number of several bytes begins with its highest byte.
        bits: Whether each number holds eight dimensions, a bit each.
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
"""By the words of requests, and of objects that hold a vector in several types; the order is the one of preference there."""

KEYS: Final = ("embed_dtype", "output_dtype", "embedding_type", "encoding_type", "embedding_types", "encoding_format")
"""Where requests name the type: vLLM; Voyage and Mistral; Jina and NVIDIA; Jina before; Cohere; all others."""


def encoding_of(request: dict[str, Any]) -> Encoding:
    """Return the encoding that a request asks for.

    Args:
        request: The body of the request, decoded.
    """
    encoding = next((found for key in KEYS if (found := _named(request.get(key))) is not None), FLOAT32)
    return encoding._replace(big=True) if request.get("endianness") == "big" else encoding


def named_encoding(name: object) -> Encoding | None:
    """Return the encoding of a name, whose case does not matter; None if it is not known."""
    return NAMES.get(name.lower()) if type(name) is str else None


def _named(value: object) -> Encoding | None:
    """Read the value of a key: a name, a list with one, or nothing. With several, each vector states its type."""
    if type(value) is list and len(value) == 1:
        value = value[0]
    if type(value) is not str:
        return None
    return named_encoding(value) or Encoding(value)


def decoded(text: str, encoding: Encoding) -> bytes:
    """Return the values of a text as little-endian float32.

    Raises:
        ValueError: The text is not base64, or can't hold numbers of this type; the message states why.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise ValueError("not base64 text") from None
    if encoding is FLOAT32:  # nearly always, and as it has to be
        if len(data) % 4:
            raise ValueError(f"{len(data)} bytes are not a whole number of float32 values")
        if data[3:4] in NO_EXPONENT and _is_denormal(data):
            raise ValueError("every value is denormal, so the text is not float32")
        return data
    decoder = DECODERS.get(encoding.name)
    if decoder is None:
        raise ValueError(f"the request asked for {encoding.name[:40]!r}, an encoding that is not known here")
    size, decode = decoder
    if len(data) % size:
        raise ValueError(f"{len(data)} bytes are not a whole number of {encoding.name} values")
    if encoding.big and size > 1:
        data = _swapped(data, size)
    return decode(data)


NO_EXPONENT: Final = (b"\0", b"\x80")
"""The highest byte of a float32 that is denormal or 0."""


def _is_denormal(data: bytes) -> bool:
    """Return whether no value is a normal number and not all are 0: models never give such a vector."""
    if data[3::4].strip(b"\0\x80") or max(data[2::4]) >= 0x80:
        return False
    return bool(data[2::4].strip(b"\0") or data[1::4].strip(b"\0") or data[0::4].strip(b"\0"))


def _swapped(data: bytes, size: int) -> bytes:
    """Turn the bytes of each number around."""
    turned = bytearray(len(data))
    for place in range(size):
        turned[place::size] = data[size - 1 - place :: size]
    return bytes(turned)


def _converted(letter: str) -> Callable[[bytes], bytes]:
    """Make a decoder of what `struct` knows."""

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
    """Four bits of exponent around 7, three of fraction, and no infinity: torch's `float8_e4m3fn`."""
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
"""The bytes of a number, and what makes float32 of little-endian ones."""
