"""The type that a request asks for decides what the text of a vector is."""

import base64
import math
import struct

import pytest

from batchfiles.bodies.embeddings import FLOAT32, decoded, encoding_of

HALVES = [0.5, -0.25, 0.125, 1.0]


def floats(packed):
    """The values of a buffer."""
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def read(request, data):
    """The values of the bytes that answer a request."""
    return floats(decoded(base64.b64encode(data).decode(), encoding_of(request)))


@pytest.mark.parametrize(
    ("request_", "data", "values"),
    [
        # OpenAI, and services with its parameters
        ({}, struct.pack("<4f", *HALVES), HALVES),
        ({"encoding_format": "base64"}, struct.pack("<4f", *HALVES), HALVES),
        ({"encoding_format": "float"}, struct.pack("<4f", *HALVES), HALVES),
        # vLLM
        ({"embed_dtype": "float32", "endianness": "native"}, struct.pack("<4f", *HALVES), HALVES),
        ({"embed_dtype": "float32", "endianness": "big"}, struct.pack(">4f", *HALVES), HALVES),
        ({"encoding_format": "base64", "endianness": "big"}, struct.pack(">4f", *HALVES), HALVES),
        ({"encoding_format": "base64", "embed_dtype": "float16"}, struct.pack("<4e", *HALVES), HALVES),
        ({"embed_dtype": "float16", "endianness": "little"}, struct.pack("<4e", *HALVES), HALVES),
        ({"embed_dtype": "float16", "endianness": "big"}, struct.pack(">4e", *HALVES), HALVES),
        ({"embed_dtype": "bfloat16"}, bytes.fromhex("003f80be003e803f"), HALVES),
        ({"embed_dtype": "bfloat16", "endianness": "big"}, bytes.fromhex("3f00be803e003f80"), HALVES),
        ({"embed_dtype": "fp8_e4m3"}, bytes.fromhex("30a820387e01"), [*HALVES, 448.0, 2.0**-9]),
        ({"embed_dtype": "fp8_e5m2"}, bytes.fromhex("38b4303c7b01"), [*HALVES, 57344.0, 2.0**-16]),
        ({"embed_dtype": "fp8_e5m2", "endianness": "big"}, bytes.fromhex("38b4303c"), HALVES),
        # Voyage and Mistral
        ({"output_dtype": "float", "encoding_format": "base64"}, struct.pack("<4f", *HALVES), HALVES),
        ({"output_dtype": "int8", "encoding_format": "base64"}, b"\x01\xff\x80\x7f", [1, -1, -128, 127]),
        ({"output_dtype": "uint8", "encoding_format": "base64"}, b"\x01\xff\x80\x7f", [1, 255, 128, 127]),
        ({"output_dtype": "binary", "encoding_format": "base64"}, b"\x80\x7f", [-128, 127]),
        ({"output_dtype": "ubinary", "encoding_format": "base64"}, b"\x80\x7f", [128, 127]),
        # Jina, NVIDIA, Cohere, Mixedbread, Perplexity
        ({"embedding_type": "base64"}, struct.pack("<4f", *HALVES), HALVES),
        ({"embedding_type": ["ubinary"]}, b"\x80\x7f", [128, 127]),
        ({"encoding_type": "int8"}, b"\x01\xff", [1, -1]),
        ({"embedding_types": ["int8"]}, b"\x01\xff", [1, -1]),
        ({"encoding_format": "float16"}, struct.pack("<4e", *HALVES), HALVES),
        ({"encoding_format": "INT8"}, b"\x01\xff", [1, -1]),
        ({"encoding_format": "base64_int8"}, b"\x01\xff", [1, -1]),
        ({"encoding_format": "base64_binary"}, b"\x01\xff", [1, 255]),
        # values without a meaning
        ({"output_dtype": None, "encoding_format": "base64"}, struct.pack("<4f", *HALVES), HALVES),
        ({"embedding_type": [], "endianness": 5}, struct.pack("<4f", *HALVES), HALVES),
        ({"embedding_type": ["float", "int8"]}, struct.pack("<4f", *HALVES), HALVES),
    ],
)
def test_the_request_says_what_the_text_is(request_, data, values):
    """Any encoding is decoded to float32."""
    assert read(request_, data) == values


def test_numbers_that_are_none_stay_so():
    """Infinities and NaN, in each of the types that have them."""
    assert read({"embed_dtype": "float16"}, struct.pack("<2e", math.inf, -math.inf)) == [math.inf, -math.inf]
    assert read({"embed_dtype": "fp8_e5m2"}, b"\x7c\xfc") == [math.inf, -math.inf]
    for name, data in (("float16", b"\x01\x7e"), ("bfloat16", b"\xc0\x7f"), ("fp8_e4m3", b"\x7f"), ("fp8_e5m2", b"\x7e")):
        assert math.isnan(read({"embed_dtype": name}, data)[0]), name


def test_every_byte_of_the_small_types_is_a_number():
    """Those of the one have a fraction of three bits, those of the other are the upper halves of float16."""
    every = bytes(range(256))
    e4m3, e5m2 = read({"embed_dtype": "fp8_e4m3"}, every), read({"embed_dtype": "fp8_e5m2"}, every)

    assert e4m3[:3] == [0.0, 2.0**-9, 2.0**-8]
    assert e4m3[8:17:8] == [2.0**-6, 2.0**-5]
    assert [value for value in e4m3[:127] if value >= 0] == sorted(set(e4m3[:127]))
    assert e5m2[0x3C] == 1.0
    assert max(value for value in e5m2 if math.isfinite(value)) == 57344.0


@pytest.mark.parametrize(
    ("request_", "text", "reason"),
    [
        ({}, "AAAA", "3 bytes are not a whole number of float32 values"),
        ({}, "AA AA", "not base64 text"),
        ({}, "AQAAAAIAAIA=", "every value is denormal, so the text is not float32"),
        ({"endianness": "big"}, "AAAA", "3 bytes are not a whole number of float32 values"),
        ({"embed_dtype": "float16"}, "AAAA", "3 bytes are not a whole number of float16 values"),
        ({"embed_dtype": "int4"}, "AAAA", "the request asked for 'int4', an unknown encoding"),
        ({"encoding_format": "bytes"}, "AAAAAA==", "the request asked for 'bytes', an unknown encoding"),
    ],
)
def test_a_text_that_can_not_be_it_says_why(request_, text, reason):
    """Nothing is guessed: numbers in the wrong type are noise."""
    with pytest.raises(ValueError, match="^" + reason.replace("(", r"\(")):
        decoded(text, encoding_of(request_))


def test_a_vector_of_zeros_is_one():
    """It is not denormal; an empty one is not either."""
    assert read({}, bytes(8)) == [0.0, 0.0]
    assert read({}, struct.pack("<2f", 0.0, -0.0)) == [0.0, 0.0]
    assert read({}, struct.pack("<2f", 1e-45, 0.5)) == [struct.unpack("<f", struct.pack("<f", 1e-45))[0], 0.5]
    assert read({}, b"") == []


def test_a_request_without_such_keys_costs_nothing():
    """It is the same object, which proves the fast path."""
    assert encoding_of({"model": "m", "input": "x", "encoding_format": "base64"}) is FLOAT32
    assert encoding_of({"output_dtype": "binary"}).bits
    assert not encoding_of({"output_dtype": "int8"}).bits
