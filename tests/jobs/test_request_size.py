"""Estimates of a request before it is sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.jobs.tokens import Measure, estimated_tokens, measure

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["messages", "content", "input", "text", "n", "max_tokens"]) | st.text(), inner))  # fmt: skip


def test_characters_are_those_of_the_texts_and_not_of_the_json_around_them() -> None:
    """`role`, `type` and names of keys are not counted as text."""
    body = {
        "model": "gpt-x",
        "instructions": "Be kind",
        "messages": [{"role": "user", "content": "Grüße"}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }
    assert measure(body).characters == len("Be kind") + len("Grüße") + len("Hi")


def test_a_picture_in_a_data_url_is_not_text() -> None:
    """A megabyte of base64 is not a quarter of a million tokens."""
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 1_000_000}
    found = measure({"input": [{"role": "user", "content": [picture, {"type": "input_text", "text": "What is it?"}]}]})
    assert found.characters == len("What is it?")
    assert found.input_tokens < 20


def test_a_text_is_one_with_any_beginning() -> None:
    """Server-sent events begin with `data:`."""
    assert measure({"messages": [{"role": "user", "content": "data: x"}]}).characters == len("data: x")


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, None),
        ({"max_tokens": 10}, 10),
        ({"max_tokens": 10.0, "n": 2.0}, 20),  # protobuf's Struct
        ({"max_tokens": 10.5}, None),
        ({"max_output_tokens": 10}, 10),
        ({"max_completion_tokens": 10, "max_tokens": 99}, 10),
        ({"max_tokens": 10, "n": 3}, 30),
        ({"max_tokens": None, "n": 3}, None),
        ({"max_tokens": "10"}, None),
        ({"max_tokens": 10, "n": "3"}, 10),
    ],
)
def test_the_most_that_may_come_back_is_the_requests_own_limit_for_each_answer(
    body: dict[str, object], tokens: int | None
) -> None:
    """Without a limit it is unknown."""
    assert measure(body).output_tokens_at_most == tokens


@pytest.mark.parametrize("body", [None, "text", 1, ["messages"], True])
def test_a_body_that_is_not_an_object_asks_nothing(body: object) -> None:
    """A request line may hold anything."""
    assert measure(body) == Measure(0, None, 0)


@given(st.dictionaries(st.sampled_from(["messages", "input", "prompt", "instructions", "n", "max_tokens", "tools"]), JSON))
def test_it_never_raises_and_counts_no_more_letters_than_there_are(body: dict[str, object]) -> None:
    """For any JSON."""
    found = measure(body)
    assert 0 <= found.characters <= len(json.dumps(body, ensure_ascii=False))
    assert found.input_tokens == estimated_tokens(body)
