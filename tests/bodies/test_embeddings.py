"""The body of /v1/embeddings, and the vectors in it."""

import base64
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.bodies.answer import Answer
from batchfiles.bodies.embeddings import count, read, vectors
from batchfiles.errors import InvalidLineError

SMALLEST_NORMAL = 2.0**-126
"""The smallest float32 that is not denormal."""


def embeddings(*values, **more):
    """A body with one embedding per value."""
    data = [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(values)]
    return {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 5, "total_tokens": 5}} | more


def floats(packed):
    """The values of a buffer."""
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def base64_of(*values):
    """The values as a service writes them."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def test_model_and_tokens_are_read_and_the_body_is_kept():
    """A table without vectors must keep them; one with vectors knows better."""
    assert read(embeddings([0.5])) == Answer(model="m", input_tokens=5, total_tokens=5, fully_mapped=False)


def test_an_error_in_the_body_is_a_failure():
    """As everywhere."""
    assert read(embeddings(error={"message": "no"})).outcome == "failed"


def test_vectors_of_numbers():
    """Float32, little-endian, in the order of the body; integers are numbers."""
    found = vectors(embeddings([0.5, -0.25, 1, 0], [2.0]))

    assert [(index, floats(values)) for index, values, _ in found] == [(0, [0.5, -0.25, 1.0, 0.0]), (1, [2.0])]


def test_vectors_in_base64_are_taken_as_they_are():
    """`encoding_format: base64` is little-endian float32 already."""
    assert vectors(embeddings(base64_of(0.5, -0.25))) == vectors(embeddings([0.5, -0.25]))


def test_the_index_decides_and_not_the_place():
    """Some servers answer out of order."""
    data = [{"index": 1, "embedding": [1.5]}, {"index": 0, "embedding": [0.5]}]

    assert [index for index, *_ in vectors({"data": data})] == [1, 0]


def test_an_absent_index_is_the_place():
    """There is no other meaning."""
    assert [index for index, *_ in vectors({"data": [{"embedding": [1.5]}, {"embedding": [0.5]}]})] == [0, 1]


def test_no_vectors():
    """An empty list is not an error, nor is a vector without values: the length is checked only if one is requested."""
    assert vectors({"data": []}) == []
    assert vectors(embeddings([])) == [(0, b"", None)]


@pytest.mark.parametrize(
    ("body", "place", "reason"),
    [
        ({"data": [[0.5]]}, "[0]", "not an object with an embedding"),
        ({"data": [{"index": 0}]}, "[0].embedding", "an embedding is a list of numbers or base64 text"),
        ({"data": [{"embedding": None}]}, "[0].embedding", "an embedding is a list of numbers or base64 text"),
        (
            {"data": [{"index": -1, "embedding": [0.5]}]},
            "[0].index",
            "the index of an embedding is a whole number from 0 to 2147483647",
        ),
        (
            {"data": [{"index": True, "embedding": [0.5]}]},
            "[0].index",
            "the index of an embedding is a whole number from 0 to 2147483647",
        ),
        (embeddings([0.5], [0.5, "0.5"]), "[1].embedding[1]", "not a number"),
        (embeddings([0.5, None]), "[0].embedding[1]", "not a number"),
        (embeddings([0.5, True]), "[0].embedding[1]", "not a number"),
        (embeddings([False, 0.5]), "[0].embedding[0]", "not a number"),
        (embeddings([[0.5]]), "[0].embedding[0]", "not a number"),
        (embeddings([0.5, 1e300]), "[0].embedding[1]", "the number does not fit float32"),
        (embeddings([0.5, 10**400]), "[0].embedding[1]", "the number does not fit float32"),
        (embeddings("AAAA"), "[0].embedding", "3 bytes are not a whole number of float32 values"),
        (embeddings("AQAAAAAAAIA="), "[0].embedding", "every value is denormal, so the text is not float32"),
        (embeddings("AAAAA"), "[0].embedding", "not base64 text"),
        (embeddings("é"), "[0].embedding", "not base64 text"),
        (embeddings("AA AA"), "[0].embedding", "not base64 text"),
    ],
)
def test_an_invalid_vector_is_a_problem_with_its_place(body, place, reason):
    """The place is that in the whole line; the vectors around it are read."""
    (problem,) = [problem for _, values, problem in vectors(body) if values is None]

    assert (problem.code, problem.reason) == ("invalid_embedding", reason)
    assert problem.json_path == f"$.response.body.data{place}"
    assert len(vectors(body)) == len(body["data"])


@pytest.mark.parametrize(
    "body", [{}, {"data": {"embedding": [0.5]}}, {"embeddings": {"float": 5}}, {"embeddings": {"other": []}}]
)
def test_a_body_without_a_list_of_embeddings_is_an_error(body):
    """No key could hold a vector."""
    with pytest.raises(InvalidLineError, match="the body has no list of embeddings") as caught:
        vectors(body)

    assert (caught.value.code, caught.value.json_path) == ("invalid_embedding", "$.response.body.data")
    assert count(body) == 0


@pytest.mark.parametrize(
    "body",
    [
        {"embeddings": [[0.5, 1.0], [2.0, 3.0]]},
        {"embeddings": {"int8": [[1, 2], [3, 4]], "float": [[0.5, 1.0], [2.0, 3.0]]}},
        {"embeddings": {"base64": [base64_of(0.5, 1.0), base64_of(2.0, 3.0)], "ubinary": [[1], [2]]}},
        {"data": [{"index": 0, "embedding": {"float": [0.5, 1.0]}}, {"index": 1, "embedding": {"float16": [2.0, 3.0]}}]},
        {"data": [{"embedding": {"binary": [1], "float": [0.5, 1.0]}}, {"embedding": {"float16": "AEAAQg=="}}]},
    ],
)
def test_vectors_in_several_types_are_read_in_the_most_exact_one(body):
    """Cohere sorts lists of vectors by type; Mixedbread and Jina give each vector as an object."""
    assert [(index, floats(values)) for index, values, _ in vectors(body)] == [(0, [0.5, 1.0]), (1, [2.0, 3.0])]


@given(st.lists(st.floats(width=32, allow_nan=False) | st.sampled_from([0, 1, 0.0, 1.0]), max_size=20))
def test_float32_values_come_through_unchanged(values):
    """Both ways of writing them agree."""
    (numbers,), (text,) = vectors(embeddings(values)), vectors(embeddings(base64_of(*values)))

    assert floats(numbers[1]) == values
    if any(abs(value) >= SMALLEST_NORMAL for value in values) or not any(values):
        assert numbers == text
    else:
        assert text[1] is None


@given(st.lists(st.floats(-1, 1) | st.booleans(), min_size=1, max_size=20))
def test_a_bool_never_passes_for_a_number(values):
    """`struct` takes true for 1 and false for 0."""
    if any(type(value) is bool for value in values):
        [(index, packed, _)] = vectors(embeddings(values))
        assert (index, packed) == (0, None)
    else:
        [(_, packed, _)] = vectors(embeddings(values))
        assert all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-37) for a, b in zip(floats(packed), values, strict=True))


def test_an_index_may_be_written_as_a_float():
    """With `"index": 0.0` the vector was lost; protobuf's Struct writes it so."""
    data = [{"index": 1.0, "embedding": [1.5]}, {"index": 0.0, "embedding": [0.5]}]

    assert [index for index, *_ in vectors({"data": data})] == [1, 0]
    [(index, values, problem)] = vectors({"data": [{"index": 0.5, "embedding": [1.5]}]})
    assert (index, values) == (None, None)
    assert "whole number" in str(problem)
