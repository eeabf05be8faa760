"""Which endpoint a body comes from."""

import pytest

from batchfiles import bodies
from batchfiles.bodies.answer import Answer

MESSAGE = {"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("body", "endpoint"),
    [
        ({"object": "chat.completion"}, "/v1/chat/completions"),
        ({"object": "text_completion"}, "/v1/completions"),
        ({"object": "response"}, "/v1/responses"),
        ({"object": "list", "data": [{"object": "embedding", "embedding": [0.5]}]}, "/v1/embeddings"),
        ({"object": "list", "data": []}, "/v1/embeddings"),
        ({"id": "modr-1", "results": [{"flagged": False}]}, "/v1/moderations"),
    ],
)
def test_openais_bodies(body, endpoint):
    """By their `object`, and moderations, which have none, by their shape."""
    assert bodies.endpoint_of(body) == endpoint


@pytest.mark.parametrize("name", [{}, {"object": None}, {"object": ""}, {"object": "new.kind"}, {"object": ["chat.completion"]}])
@pytest.mark.parametrize(
    ("body", "endpoint"),
    [
        ({"choices": [MESSAGE]}, "/v1/chat/completions"),
        ({"choices": MESSAGE}, "/v1/chat/completions"),
        ({"choices": [{"text": "hi"}]}, "/v1/completions"),
        ({"output": []}, "/v1/responses"),
        ({"data": [{"embedding": "AAAAAA=="}]}, "/v1/embeddings"),
        ({"results": [{"category_scores": {}}]}, "/v1/moderations"),
        ({"content": [{"type": "text", "text": "hi"}], "role": "assistant"}, "/v1/messages"),
        ({"candidates": [{"content": {"parts": []}}]}, ":generateContent"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, ":generateContent"),
        ({"message": {"role": "assistant", "content": "hi"}}, "/v2/chat"),
        ({"content": "a page"}, None),
        ({"candidates": ["a", "b"]}, None),
        ({"message": {"role": "user"}}, None),
        ({"pages": []}, None),
        ({}, None),
    ],
)
def test_by_shape_where_the_name_is_missing_or_unknown(body, endpoint, name):
    """Together calls completions `text.completion`; an open enum."""
    assert bodies.endpoint_of(body | name) == endpoint


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"object": "score", "score": 0.8}]},
        {"object": "list", "data": "embedding"},
        {"object": "list", "data": [["embedding"]]},
        {"object": "list"},
        {"results": [{"index": 0, "relevance_score": 0.9}]},
        {"created": 1713833628, "data": [{"url": "https://example.org/a.png"}]},
        {"object": "video", "id": "video_1"},
    ],
)
def test_bodies_without_columns_of_their_own(body):
    """Scores and ranks (vLLM), images, videos."""
    assert bodies.endpoint_of(body) is None
    assert not bodies.read(body).fully_mapped


def test_each_endpoints_reader_is_used():
    """One answer that only the right one can give."""
    assert bodies.read({"object": "chat.completion", "choices": [MESSAGE]}) == Answer(
        text="hi", finish_reason="stop", fully_mapped=True
    )
    assert bodies.read({"choices": [{"text": "hi"}]}) == Answer(text="hi", fully_mapped=True)
    assert bodies.read({"object": "response", "status": "queued"}).outcome == "incomplete"
    assert bodies.read({"results": [{"flagged": True}]}).flagged is True
    assert bodies.read({"object": "list", "data": [{"embedding": [0.5]}], "model": "m"}) == Answer(model="m")
    assert bodies.read({"type": "message", "content": [{"type": "text", "text": "hi"}]}).text == "hi"
    assert bodies.read({"candidates": [{"content": {"parts": [{"text": "hi"}]}}]}).text == "hi"
    assert bodies.read({"message": {"role": "assistant", "content": "hi"}}).text == "hi"
    assert bodies.read({"object": "video", "status": "failed"}).outcome == "failed"
