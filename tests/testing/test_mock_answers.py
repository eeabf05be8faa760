"""The answers of the local server: deterministic, for every endpoint, in a format that our reader of bodies knows."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx2
import jsonschema
import pytest

from batchfiles import BatchRequestOutput, outcome_of
from batchfiles.bodies.answer import Answer
from batchfiles.codec import decode_output
from batchfiles.open_strings import BatchEndpoint
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
    """Return a body as a result line."""
    line = {"id": "b", "custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}
    return decode_output(json.dumps(line).encode())


@pytest.mark.parametrize("url", BatchEndpoint.known())
def test_every_endpoint_is_answered_with_success(url: str) -> None:
    """The same each time, with tokens if the endpoint counts them."""
    status, body = answer(url, BODIES[url])
    assert (status, body) == answer(url, dict(BODIES[url]))
    assert status == 200
    assert outcome_of(record(body)).outcome == "succeeded"
    if url not in ("/v1/moderations", "/v1/videos"):
        usage = body["usage"]
        assert usage["total_tokens"] == sum(usage.get(key, 0) for key in TOKENS) > 0


def test_a_null_prompt_is_answered() -> None:
    """Validation accepted it, but the server refused it."""
    assert answer("/v1/completions", {"model": "m", "prompt": None})[0] == 200


def said(url: str, body: dict[str, Any]) -> Answer:
    """Return the answer to a request, read by our reader of bodies."""
    return outcome_of(record(answer(url, body)[1])).answer


TOKENS = ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")


def test_other_requests_have_other_answers() -> None:
    """Answers depend on the body."""
    other = {"model": "m", "messages": [{"role": "user", "content": "How?"}]}
    url = "/v1/chat/completions"
    assert answer(url, BODIES[url]) != answer(url, other)


def test_an_embedding_has_the_form_that_was_asked_for() -> None:
    """A vector for each text, with the requested dimensions, also as base64."""
    body = {"model": "m", "input": ["a", "b"], "dimensions": 3}
    vectors = [item["embedding"] for item in answer("/v1/embeddings", body)[1]["data"]]
    assert [len(vector) for vector in vectors] == [3, 3]
    packed = answer("/v1/embeddings", {**body, "encoding_format": "base64"})[1]["data"]
    assert [list(struct.unpack("<3f", base64.b64decode(item["embedding"]))) for item in packed] == vectors
    tokens = answer("/v1/embeddings", {"model": "m", "input": [1, 2, 3]})[1]["data"]
    assert len(tokens) == 1


def test_several_choices_come_when_they_are_asked_for() -> None:
    """`n` choices, each with its own text; the tokens of all are counted."""
    body = BODIES["/v1/chat/completions"]
    one, three = answer("/v1/chat/completions", body)[1], answer("/v1/chat/completions", {**body, "n": 3})[1]
    texts = [choice["message"]["content"] for choice in three["choices"]]
    assert texts == ["An answer to 'Why?'.", "Answer 2 to 'Why?'.", "Answer 3 to 'Why?'."]
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert three["usage"]["completion_tokens"] > one["usage"]["completion_tokens"]
    several = answer("/v1/completions", {"model": "m", "prompt": ["a", "b"], "n": 2})[1]["choices"]
    assert [choice["text"] for choice in several] == [
        "An answer to 'a'.",
        "Answer 2 to 'a'.",
        "An answer to 'b'.",
        "Answer 2 to 'b'.",
    ]
    assert len(answer("/v1/images/generations", {"prompt": "a tram", "n": 4})[1]["data"]) == 4


@pytest.mark.parametrize(
    ("url", "name", "value", "code"),
    [
        ("/v1/chat/completions", "n", 0, "integer_below_min_value"),
        ("/v1/chat/completions", "n", 129, "integer_above_max_value"),
        ("/v1/chat/completions", "n", "x", "invalid_type"),
        ("/v1/chat/completions", "max_tokens", 0, "integer_below_min_value"),
        ("/v1/chat/completions", "max_completion_tokens", 1.5, "invalid_type"),
        ("/v1/responses", "max_output_tokens", True, "invalid_type"),
        ("/v1/completions", "max_tokens", -1, "integer_below_min_value"),
        ("/v1/images/generations", "n", 0, "integer_below_min_value"),
    ],
)
def test_a_number_out_of_bounds_is_refused(url: str, name: str, value: object, code: str) -> None:
    """With the message of the service; only this request of the batch fails."""
    status, body = answer(url, {**BODIES[url], name: value})
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, code, name)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/v1/chat/completions", "max_tokens"),
        ("/v1/chat/completions", "max_completion_tokens"),
        ("/v1/responses", "max_output_tokens"),
        ("/v1/completions", "max_tokens"),
    ],
)
def test_a_limit_of_tokens_cuts_the_text(url: str, name: str) -> None:
    """The usage has the allowed number of tokens, and the outcome is `incomplete`."""
    cut = said(url, {**BODIES[url], name: 3})
    assert (cut.outcome, cut.finish_reason, cut.output_tokens) == ("incomplete", "length", 3)
    assert cut.text == "An answer to"
    assert said(url, BODIES[url]).outcome == said(url, {**BODIES[url], name: 500}).outcome == "succeeded"


def test_the_newer_limit_counts_where_both_are_there() -> None:
    """`max_tokens` is the older name of `max_completion_tokens`."""
    body = {**BODIES["/v1/chat/completions"], "max_tokens": 1, "max_completion_tokens": 2}
    assert answer("/v1/chat/completions", body)[1]["usage"]["completion_tokens"] == 2


def test_every_choice_is_cut_by_itself() -> None:
    """The limit is one for each choice, the usage that of all."""
    body = answer("/v1/chat/completions", {**BODIES["/v1/chat/completions"], "max_tokens": 2, "n": 3})[1]
    assert [choice["finish_reason"] for choice in body["choices"]] == ["length"] * 3
    assert body["usage"]["completion_tokens"] == 6


SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "pages": {"type": "integer", "minimum": 1}, "tags": {"$ref": "#/$defs/tags"}},
    "required": ["title", "pages", "tags"],
    "additionalProperties": False,
    "$defs": {"tags": {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2}},
}
ASKED = {"name": "book", "strict": True, "schema": SCHEMA}


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("/v1/chat/completions", {"response_format": {"type": "json_schema", "json_schema": ASKED}}),
        ("/v1/chat/completions", {"response_format": {"type": "json_object", "schema": SCHEMA}}),
        ("/v1/chat/completions", {"guided_json": SCHEMA}),
        ("/v1/responses", {"text": {"format": {"type": "json_schema", **ASKED}}}),
    ],
)
def test_a_json_schema_is_answered_with_an_instance(url: str, asked: dict[str, Any]) -> None:
    """For each format that our reader of schemas knows; the same request gets the same instance."""
    body = {**BODIES[url], **asked}
    text = said(url, body).text
    jsonschema.validate(json.loads(text or ""), SCHEMA)
    assert text == said(url, dict(body)).text
    others = {said(url, {**body, "user": str(number)}).text for number in range(5)}
    assert len(others) > 1


def test_an_instance_may_be_cut_and_there_may_be_several() -> None:
    """A limit cuts an instance, as the service does."""
    url = "/v1/chat/completions"
    body = {**BODIES[url], "response_format": {"type": "json_schema", "json_schema": ASKED}}
    choices = answer(url, {**body, "n": 3})[1]["choices"]
    for choice in choices:
        jsonschema.validate(json.loads(choice["message"]["content"]), SCHEMA)
    cut = answer(url, {**body, "max_tokens": 2})[1]["choices"][0]
    assert (cut["finish_reason"], cut["message"]["content"]) == ("length", '{"title"')


def test_any_json_object_may_be_asked_for() -> None:
    """With `json_object`."""
    chat = {**BODIES["/v1/chat/completions"], "response_format": {"type": "json_object"}}
    response = {**BODIES["/v1/responses"], "text": {"format": {"type": "json_object"}}}
    for url, body in (("/v1/chat/completions", chat), ("/v1/responses", response)):
        assert json.loads(said(url, body).text or "") == {"answer": "An answer to 'Why?'."}


def test_a_schema_that_nothing_fits_is_refused() -> None:
    """With the parameter, as the service refuses unusable schemas."""
    asked = {"name": "x", "schema": {"type": "integer", "minimum": 3, "maximum": 2}}
    chat = {**BODIES["/v1/chat/completions"], "response_format": {"type": "json_schema", "json_schema": asked}}
    status, body = answer("/v1/chat/completions", chat)
    assert (status, body["error"]["param"]) == (400, "response_format")
    assert body["error"]["message"] == "Invalid schema for 'response_format': no instance of it was found."


PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
FUNCTION = {"name": "forecast", "parameters": PARAMETERS}
OTHER = {"name": "lend", "parameters": {"type": "object", "properties": {"book": {"const": 7}}, "required": ["book"]}}


def chat_tools(*functions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return tools in the format of Chat Completions."""
    return [{"type": "function", "function": function} for function in functions]


@pytest.mark.parametrize(
    ("choice", "question", "name"),
    [
        ("required", "Why?", "forecast"),
        ("any", "Why?", "forecast"),
        ("required", "Call lend.", "lend"),
        ({"type": "function", "function": {"name": "lend"}}, "Why?", "lend"),
        ("auto", "Please call forecast for Oslo.", "forecast"),
        (None, "Please call lend, it is due.", "lend"),
        ("auto", "Why?", None),
        ("none", "Please call lend.", None),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": chat_tools({"name": "lend"})}}, "Why?", "lend"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": chat_tools({"name": "lend"})}}, "forecast", None),
    ],
)
def test_a_tool_is_called_where_it_must_be_or_the_question_names_it(choice: object, question: str, name: str | None) -> None:
    """In Chat Completions and Responses, with arguments that fit its parameters."""
    chat: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": question}],
        "tools": chat_tools(FUNCTION, OTHER),
    }
    flat = [{"type": "function", **function} for function in (FUNCTION, OTHER)]
    response: dict[str, Any] = {"model": "m", "input": question, "tools": flat}
    if choice is not None:
        chat["tool_choice"] = choice
        response["tool_choice"] = flattened(choice)
    for url, body in (("/v1/chat/completions", chat), ("/v1/responses", response)):
        found = said(url, body)
        assert found.outcome == "succeeded"
        calls = [(call["name"], json.loads(call["arguments"] or "")) for call in found.tool_calls or []]
        assert [call[0] for call in calls] == ([] if name is None else [name])
        assert (found.text is None) == (name is not None)
        for called, arguments in calls:
            jsonschema.validate(arguments, PARAMETERS if called == "forecast" else OTHER["parameters"])


def flattened(choice: Any) -> Any:
    """Return a choice of tools in the format of Responses."""
    if not isinstance(choice, dict):
        return choice
    if choice["type"] == "allowed_tools":
        inner = choice["allowed_tools"]
        return {"type": "allowed_tools", "mode": inner["mode"], "tools": [flattened(tool) for tool in inner["tools"]]}
    return {"type": "function", **choice["function"]}


def test_the_finish_reason_says_that_a_tool_is_called() -> None:
    """Or that its arguments were cut; the older `functions` have another reason."""
    url, body = (
        "/v1/chat/completions",
        {**BODIES["/v1/chat/completions"], "tools": chat_tools(FUNCTION), "tool_choice": "required"},
    )
    choice = answer(url, body)[1]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["id"].startswith("call_")
    cut = answer(url, {**body, "max_tokens": 1})[1]
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 1)
    old = {**BODIES[url], "functions": [FUNCTION], "function_call": {"name": "forecast"}}
    choice = answer(url, old)[1]["choices"][0]
    assert (choice["finish_reason"], choice["message"]["function_call"]["name"]) == ("function_call", "forecast")


def test_a_custom_tool_gets_words() -> None:
    """It has no parameters."""
    chat = {**BODIES["/v1/chat/completions"], "tools": [{"type": "custom", "custom": {"name": "run"}}], "tool_choice": "required"}
    response = {**BODIES["/v1/responses"], "tools": [{"type": "custom", "name": "run"}], "tool_choice": "required"}
    for url, body in (("/v1/chat/completions", chat), ("/v1/responses", response)):
        found = said(url, body)
        assert [call["name"] for call in found.tool_calls or []] == ["run"]


def test_what_a_tool_gave_back_is_answered_with_words() -> None:
    """Otherwise a loop of tool calls would never end."""
    messages = [{"role": "user", "content": "Call forecast."}, {"role": "tool", "tool_call_id": "c", "content": "forecast: rain"}]
    items = [{"role": "user", "content": "x"}, {"type": "function_call_output", "call_id": "c", "output": "forecast: rain"}]
    chat = {"model": "m", "messages": messages, "tools": chat_tools(FUNCTION)}
    response = {"model": "m", "input": items, "tools": [{"type": "function", **FUNCTION}]}
    for url, body in (("/v1/chat/completions", chat), ("/v1/responses", response)):
        assert not said(url, body).tool_calls


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": chat_tools(FUNCTION), "tool_choice": {"type": "function", "function": {"name": "other"}}},
        {"tool_choice": "required"},
    ],
)
def test_a_tool_that_is_not_there_is_refused(changes: dict[str, Any]) -> None:
    """As the service does."""
    status, body = answer("/v1/chat/completions", {**BODIES["/v1/chat/completions"], **changes})
    assert (status, body["error"]["param"]) == (400, "tool_choice")


@pytest.mark.parametrize(("url", "missing"), [("/v1/chat/completions", "messages"), ("/v1/embeddings", "input")])
def test_a_request_that_lacks_something_is_refused_at_the_live_endpoint(http: httpx2.Client, url: str, missing: str) -> None:
    """With an error, instead of after the batch was paid for."""
    body = {key: value for key, value in BODIES[url].items() if key != missing}
    response = http.post(url.removeprefix("/v1/"), json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, missing)
    assert http.post(url.removeprefix("/v1/"), json=BODIES[url]).json() == answer(url, BODIES[url])[1]


def test_there_may_be_only_some_models_and_endpoints(http: httpx2.Client, server: Server) -> None:
    """Other endpoints are not found."""
    server.service.models = {"gpt-5"}
    response = http.post("embeddings", json=BODIES["/v1/embeddings"])
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
    assert http.post("audio/speech", json={}).status_code == 404
