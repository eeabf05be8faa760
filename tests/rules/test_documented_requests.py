"""Requests that the OpenAPI documents of OpenAI and Azure show or allow: `validate` must not complain about them."""

import io
import json

import pytest

from batchfiles.jobs.validate import validate
from batchfiles.limits import AZURE, OPENAI

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
ASK = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Which tram goes to the harbour?"}]}
LOOK = {"model": "gpt-4.1", "input": "Which tram goes to the harbour?"}
PLACE = {"type": "object", "properties": {"stop": {"type": "string"}}, "required": ["stop"]}
LONG_NAME = "timetable_" + "x" * 118


def findings(url, body, limits=OPENAI):
    """What `validate` finds in a file of two such requests."""
    lines = [json.dumps({"custom_id": name, "method": "POST", "url": url, "body": body}) + "\n" for name in "ab"]
    report = validate(io.BytesIO("".join(lines).encode()), limits=limits)
    return [(each.severity, each.code, each.json_path) for each in report.findings]


SHOWN = [
    (CHAT, {**ASK, "logprobs": True, "top_logprobs": 2}),
    (CHAT, {**ASK, "tools": [{"type": "function", "function": {"name": "stops", "parameters": PLACE}}], "tool_choice": "auto"}),
    (RESPONSES, {**LOOK, "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 5}]}),
    (RESPONSES, {**LOOK, "tools": [{"type": "function", "name": "stops", "parameters": PLACE, "strict": False}]}),
    (RESPONSES, {**LOOK, "model": "o3-mini", "reasoning": {"effort": "high"}}),
    (
        RESPONSES,
        {
            **LOOK,
            "input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://example.org/map.pdf"}]}],
        },
    ),
    ("/v1/embeddings", {"model": "text-embedding-ada-002", "input": "a quiet stop", "encoding_format": "float"}),
    ("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": "Name a tram.", "max_tokens": 5, "temperature": 0}),
    (
        "/v1/moderations",
        {
            "model": "omni-moderation-latest",
            "input": [
                {"type": "text", "text": "a quiet stop"},
                {"type": "image_url", "image_url": {"url": "https://example.org/stop.png"}},
            ],
        },
    ),
    ("/v1/images/generations", {"model": "gpt-image-1.5", "prompt": "A tram", "n": 1, "size": "1024x1024"}),
    (
        "/v1/images/edits",
        {"model": "gpt-image-1.5", "prompt": "At night", "images": [{"image_url": "https://example.org/t.png"}]},
    ),
    ("/v1/videos", {"model": "sora-2", "prompt": "A tram turns", "seconds": "4"}),
]


@pytest.mark.parametrize(("url", "body"), SHOWN, ids=lambda value: str(value)[:60])
def test_what_the_document_shows_has_no_finding(url, body):
    """Each kind of request that the document has an example of, except those that stream or upload a file."""
    assert findings(url, body) == []


def test_null_is_judged_by_the_document_of_the_endpoint():
    """`"parallel_tool_calls": null` was warned about everywhere, and only OpenAI's document of a chat does not have it."""
    assert findings(RESPONSES, {**LOOK, "parallel_tool_calls": None}) == []
    assert findings("/chat/completions", {**ASK, "parallel_tool_calls": None}, AZURE) == []
    assert findings(CHAT, {**ASK, "parallel_tool_calls": None})[0] == ("warning", "invalid_body", "$.body.parallel_tool_calls")
    images = {"model": "dall-e-3", "prompt": "A tram"}
    assert findings("/v1/images/generations", {**images, "response_format": None}) == []
    assert findings("/v1/images/generations", {**images, "user": None})[0] == ("warning", "invalid_body", "$.body.user")


def test_a_tool_may_have_a_name_of_128_characters():
    """Names from 65 characters on were errors, as in older documents; the name of an output format still ends at 64."""

    def tools(name):
        chat = {**ASK, "tools": [{"type": "function", "function": {"name": name}}]}
        return findings(CHAT, chat) + findings(RESPONSES, {**LOOK, "tools": [{"type": "function", "name": name}]})

    assert tools(LONG_NAME) == []
    assert {path for _, _, path in tools(LONG_NAME + "x")} == {"$.body.tools[0].function.name", "$.body.tools[0].name"}
    answer = {"format": {"type": "json_schema", "name": LONG_NAME, "schema": PLACE}}
    assert findings(RESPONSES, {**LOOK, "text": answer})[0] == ("error", "invalid_body", "$.body.text.format.name")


def test_null_is_a_prompt_of_completions():
    """The document lets a model begin a new document; the prompt was reported as missing."""
    assert findings("/v1/completions", {"model": "gpt-3.5-turbo-instruct", "prompt": None}) == []
    assert findings("/v1/completions", {"model": "gpt-3.5-turbo-instruct"})[0] == ("error", "invalid_request", "$.body.prompt")


def test_the_output_of_a_function_may_come_without_the_id_of_its_call():
    """The types of the SDK have it as optional and nullable, and a missing one was an error."""
    output = {"type": "function_call_output", "name": "stops", "output": "harbour"}
    assert findings(RESPONSES, {**LOOK, "input": [output, {**output, "call_id": None}]}) == []
    assert findings(RESPONSES, {**LOOK, "input": [{**output, "call_id": 5}]})[0][2] == "$.body.input[0].call_id"


def test_every_tool_that_can_be_chosen_is_known():
    """The choice of a tool has a name for the computer that the list of tools does not have."""
    assert findings(RESPONSES, {**LOOK, "tool_choice": {"type": "computer_use"}}) == []


def test_a_stored_prompt_may_name_the_model():
    """A request without a model was an error, though the stored prompt brings one; a batch may still refuse it."""
    stored = {"prompt": {"id": "pmpt_1", "variables": {"stop": "harbour"}}}
    assert findings(RESPONSES, stored)[0] == ("warning", "invalid_request", "$.body.model")
    assert findings(RESPONSES, {"input": "Hi", "prompt": None})[0] == ("error", "invalid_request", "$.body.model")


def test_azure_has_a_parameter_of_embeddings():
    """Azure documents `input_type`, which was reported as a misspelt `input`."""
    body = {"model": "my-deployment", "input": "a quiet stop", "input_type": "query"}
    assert findings("/v1/embeddings", body, AZURE) == []
    assert findings("/v1/embeddings", body)[0] == ("warning", "unknown_parameter", "$.body.input_type")
