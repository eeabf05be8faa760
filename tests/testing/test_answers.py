"""The answers of the local server: one for every endpoint, always the same, in a shape that our reader of bodies knows."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx2
import pytest

from batchfiles import BatchRequestOutput, outcome_of
from batchfiles.api.batch_request import BATCH_ENDPOINTS
from batchfiles.codec import decode_output
from batchfiles.testing import Server, answer

BODIES: dict[str, dict[str, Any]] = {
    "/v1/responses": {"model": "m", "input": "Why?"},
    "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "Why?"}]},
    "/v1/embeddings": {"model": "m", "input": ["a", "b"]},
    "/v1/completions": {"model": "m", "prompt": "Why?"},
    "/v1/moderations": {"model": "m", "input": "violence"},
    "/v1/images/generations": {"model": "m", "prompt": "a tram"},
    "/v1/images/edits": {"model": "m", "prompt": "a tram", "images": []},
    "/v1/videos": {"model": "m", "prompt": "a tram"},
}


def record(body: dict[str, Any]) -> BatchRequestOutput:
    """Return a body as a line of results."""
    line = {"id": "b", "custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}
    return decode_output(json.dumps(line).encode())


@pytest.mark.parametrize("url", BATCH_ENDPOINTS)
def test_every_endpoint_is_answered_with_success(url: str) -> None:
    """The same each time, and with tokens where the endpoint counts them."""
    status, body = answer(url, BODIES[url])
    assert (status, body) == answer(url, dict(BODIES[url]))
    assert status == 200
    assert outcome_of(record(body)).outcome == "succeeded"
    if url not in ("/v1/moderations", "/v1/videos"):
        usage = body["usage"]
        assert usage["total_tokens"] == sum(usage.get(key, 0) for key in TOKENS) > 0


TOKENS = ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")


def test_other_requests_have_other_answers() -> None:
    """They depend on the body."""
    other = {"model": "m", "messages": [{"role": "user", "content": "How?"}]}
    url = "/v1/chat/completions"
    assert answer(url, BODIES[url]) != answer(url, other)


def test_an_embedding_has_the_form_that_was_asked_for() -> None:
    """A vector for each text, of so many numbers, or as base64."""
    body = {"model": "m", "input": ["a", "b"], "dimensions": 3}
    vectors = [item["embedding"] for item in answer("/v1/embeddings", body)[1]["data"]]
    assert [len(vector) for vector in vectors] == [3, 3]
    packed = answer("/v1/embeddings", {**body, "encoding_format": "base64"})[1]["data"]
    assert [list(struct.unpack("<3f", base64.b64decode(item["embedding"]))) for item in packed] == vectors
    tokens = answer("/v1/embeddings", {"model": "m", "input": [1, 2, 3]})[1]["data"]
    assert len(tokens) == 1


def test_several_choices_come_when_they_are_asked_for() -> None:
    """`n` of them; a number that is none asks for one."""
    body = BODIES["/v1/chat/completions"]
    counts = [len(answer("/v1/chat/completions", {**body, "n": n})[1]["choices"]) for n in (3, None, "x", 0)]
    assert counts == [3, 1, 1, 1]


@pytest.mark.parametrize(("url", "missing"), [("/v1/chat/completions", "messages"), ("/v1/embeddings", "input")])
def test_a_request_that_lacks_something_is_refused_at_the_live_endpoint(http: httpx2.Client, url: str, missing: str) -> None:
    """At the same address, before a batch was paid for."""
    body = {key: value for key, value in BODIES[url].items() if key != missing}
    response = http.post(url.removeprefix("/v1/"), json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, missing)
    assert http.post(url.removeprefix("/v1/"), json=BODIES[url]).json() == answer(url, BODIES[url])[1]


def test_there_may_be_only_some_models_and_endpoints(http: httpx2.Client, server: Server) -> None:
    """Others are not found."""
    server.service.models = {"gpt-5"}
    response = http.post("embeddings", json=BODIES["/v1/embeddings"])
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
    assert http.post("audio/speech", json={}).status_code == 404
