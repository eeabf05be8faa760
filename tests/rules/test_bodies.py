"""The parameters of a request: a table for each endpoint, registered once and run on every line."""

import io
import json
import typing
from importlib.util import find_spec
from random import Random

import pytest

from batchfiles.jobs import validate_file
from batchfiles.jobs.validate import validate
from batchfiles.limits import AZURE, GROQ, MISTRAL, NONE, OPENAI, TOGETHER, VLLM, Limits
from batchfiles.native import SWITCH
from batchfiles.rules import bodies, chat, others, responses
from batchfiles.rules.bodies import RULES, TABLES, Rule
from batchfiles.rules.keys import Violation

HI = [{"role": "user", "content": "Hi"}]
CHAT, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
CONTENT = {CHAT: {"messages": HI}, RESPONSES: {"input": "Hi"}, EMBEDDINGS: {"input": "Hi"}}
IMAGES, EDITS = "/v1/images/generations", "/v1/images/edits"


def line(url, body, custom_id="a", **more):
    """A request line."""
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body, **more}


def report_of(lines, limits=OPENAI):
    """The report on a file of these lines."""
    return validate(io.BytesIO(b"".join(json.dumps(each).encode() + b"\n" for each in lines)), limits=limits)


def body_for(url, **more):
    """A body that the endpoint accepts, with other parameters; None removes one."""
    default = {"prompt": "A boat"} | ({"images": [{"file_id": "file-1"}]} if url == EDITS else {})
    body = {"model": "m", **CONTENT.get(url, default), **more}
    return {key: value for key, value in body.items() if value is not ...}


def found(url, limits=OPENAI, **more):
    """The findings of a body: alone, and the same on line 2 of a file of five."""
    body = body_for(url, **more)
    alone = [(each.severity, each.code, each.json_path) for each in report_of([line(url, body)], limits).findings]
    good = [line(url, body_for(url, model=body.get("model")), f"g{n}") for n in range(4)]
    five = report_of([good[0], line(url, body), *good[1:]], limits).findings
    assert [(each.severity, each.code, each.json_path) for each in five] == alone
    assert {each.line_number for each in five} <= {2}
    return alone


def wrong(path):
    """The one error of a body."""
    return [("error", "invalid_body", f"$.body.{path}")]


def asked(*messages):
    """The messages of a chat."""
    return {"messages": list(messages)}


PART = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

FORBIDDEN = [
    (CHAT, {"temperature": 9}, "temperature"),
    (CHAT, {"temperature": -0.1}, "temperature"),
    (CHAT, {"temperature": "0.2"}, "temperature"),
    (CHAT, {"temperature": True}, "temperature"),
    (CHAT, {"top_p": 1.5}, "top_p"),
    (CHAT, {"max_tokens": "100"}, "max_tokens"),
    (CHAT, {"max_tokens": -1}, "max_tokens"),
    (CHAT, {"max_tokens": 0}, "max_tokens"),
    (CHAT, {"max_completion_tokens": 100.0}, "max_completion_tokens"),
    (CHAT, {"n": 0}, "n"),
    (CHAT, {"n": 129}, "n"),
    (CHAT, {"n": True}, "n"),
    (CHAT, {"presence_penalty": 3}, "presence_penalty"),
    (CHAT, {"logprobs": 3}, "logprobs"),
    (CHAT, {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    (CHAT, {"top_logprobs": 3}, "top_logprobs"),
    (CHAT, {"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    (CHAT, {"stop": ["a", 1]}, "stop[1]"),
    (CHAT, {"seed": "7"}, "seed"),
    (CHAT, {"metadata": {"row": 7}}, "metadata.row"),
    (CHAT, {"logit_bias": {"50256": -200}}, "logit_bias.50256"),
    (CHAT, {"logit_bias": [None, None, -100]}, "logit_bias"),
    (CHAT, {"stream_options": {"include_usage": True}}, "stream_options"),
    (CHAT, {"response_format": {"type": "json"}}, "response_format.type"),
    (CHAT, {"response_format": "json_object"}, "response_format"),
    (CHAT, {"response_format": {"type": "json_schema", "name": "n", "schema": {}}}, "response_format.json_schema"),
    (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "response_format.json_schema.name"),
    (
        CHAT,
        {"response_format": {"type": "json_schema", "json_schema": {"name": "my schema"}}},
        "response_format.json_schema.name",
    ),
    (CHAT, {"tools": [{"name": "f", "parameters": {}}]}, "tools[0].type"),
    (CHAT, {"tools": [{"type": "function", "name": "f"}]}, "tools[0].function"),
    (CHAT, {"tools": [{"type": "function", "function": {"name": "f", "parameters": "{}"}}]}, "tools[0].function.parameters"),
    (CHAT, {"tools": {"type": "function"}}, "tools"),
    (CHAT, {"tool_choice": "any"}, "tool_choice"),
    (CHAT, asked({"role": "usr", "content": "Hi"}), "messages[0].role"),
    (CHAT, asked({"content": "Hi"}), "messages[0].role"),
    (CHAT, asked({"role": "user"}), "messages[0].content"),
    (CHAT, asked({"role": ["user"], "content": "Hi"}), "messages[0].role"),
    (CHAT, asked("Hi"), "messages[0]"),
    (CHAT, asked({"role": "user", "content": None}), "messages[0].content"),
    (CHAT, asked({"role": "user", "content": 5}), "messages[0].content"),
    (CHAT, asked({"role": "user", "content": []}), "messages[0].content"),
    (CHAT, asked(*HI, {"role": "assistant", "content": None}), "messages[1].content"),
    (CHAT, asked(*HI, {"role": "tool", "content": "4"}), "messages[1].tool_call_id"),
    (
        CHAT,
        asked({"role": "user", "content": [{"type": "image_url", "image_url": "https://example.org/a.png"}]}),
        "messages[0].content[0].image_url",
    ),
    (CHAT, asked({"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}), "messages[0].content[0].type"),
    (CHAT, asked({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
    (CHAT, asked({"role": "system", "content": [PART]}), "messages[0].content[0].type"),
    (
        CHAT,
        asked({"role": "assistant", "content": None, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}),
        "messages[0].tool_calls[0].function.arguments",
    ),
    (RESPONSES, {"background": True}, "background"),
    (RESPONSES, {"max_output_tokens": 0}, "max_output_tokens"),
    (RESPONSES, {"truncation": "on"}, "truncation"),
    (RESPONSES, {"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
    (RESPONSES, {"text": {"format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}}}, "text.format.name"),
    (RESPONSES, {"text": {"format": {"type": "json"}}}, "text.format.type"),
    (RESPONSES, {"reasoning": "low"}, "reasoning"),
    (RESPONSES, {"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice.name"),
    (RESPONSES, {"input": [{"role": "usr", "content": "Hi"}]}, "input[0].role"),
    (RESPONSES, {"input": [{"role": "tool", "content": "4"}]}, "input[0].role"),
    (RESPONSES, {"input": [{"role": "user"}]}, "input[0].content"),
    (RESPONSES, {"input": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}, "input[0].content[0].type"),
    (
        RESPONSES,
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": {"url": "x"}}]}]},
        "input[0].content[0].image_url",
    ),
    (RESPONSES, {"input": ["Hi"]}, "input[0]"),
    (RESPONSES, {"conversation": "conv_1", "previous_response_id": "resp_1"}, "conversation"),
    (EMBEDDINGS, {"input": ["a", None]}, "input[1]"),
    (EMBEDDINGS, {"input": [1.5]}, "input[0]"),
    (EMBEDDINGS, {"input": ""}, "input"),
    (EMBEDDINGS, {"input": ["a", ""]}, "input[1]"),
    (EMBEDDINGS, {"input": ["a", 1]}, "input[1]"),
    (EMBEDDINGS, {"input": [{"text": "a"}]}, "input[0]"),
    (EMBEDDINGS, {"input": [[1, "a"]]}, "input[0][1]"),
    (EMBEDDINGS, {"encoding_format": "int8"}, "encoding_format"),
    (EMBEDDINGS, {"dimensions": 0}, "dimensions"),
    (IMAGES, {"n": 20}, "n"),
    (IMAGES, {"output_compression": 101}, "output_compression"),
    (EDITS, {"images": ...}, "images"),
    (EDITS, {"images": []}, "images"),
    ("/v1/completions", {"max_tokens": -1}, "max_tokens"),
    ("/v1/completions", {"logprobs": 6}, "logprobs"),
    ("/v1/completions", {"prompt": ["a", 5]}, "prompt[1]"),
    ("/v1/moderations", {"prompt": ..., "input": [{"type": "image_url", "image_url": "x"}]}, "input[0].image_url"),
]


@pytest.mark.parametrize(("url", "more", "path"), FORBIDDEN, ids=lambda value: str(value)[:70])
def test_what_the_specification_forbids_is_an_error_at_its_path(url, more, path):
    """Such a file passed, and each of its lines failed up to 24 hours later; it is found on any line of a file."""
    if url == "/v1/moderations":
        assert [each.json_path for each in report_of([line(url, body_for(url, **more))]).findings] == [f"$.body.{path}"]
    else:
        assert found(url, **more) == wrong(path)


UNKNOWN = [
    (CHAT, "temprature", "'temperature'"),
    (CHAT, "Temperature", "'temperature'"),
    (CHAT, "max_token", "'max_tokens'"),
    (CHAT, "input", "'messages'"),
    (CHAT, "text", "'response_format'"),
    (CHAT, "max_output_tokens", "'max_completion_tokens'"),
    (CHAT, "extra_body", "into the body itself"),
    (RESPONSES, "response_format", "'text.format'"),
    (RESPONSES, "max_tokens", "'max_output_tokens'"),
    (RESPONSES, "messages", "'input'"),
    (RESPONSES, "reasoning_effort", "'reasoning.effort'"),
    (RESPONSES, "max_output_token", "'max_output_tokens'"),
    (EMBEDDINGS, "dimension", "'dimensions'"),
    (EMBEDDINGS, "messages", "the url may be wrong"),
    (IMAGES, "sice", "'size'"),
]


@pytest.mark.parametrize(("url", "key", "words"), UNKNOWN)
def test_an_unknown_parameter_is_a_warning_that_names_the_right_one(url, key, words):
    """Parameters are added over the years, so no list of them may stop a file."""
    assert found(url, **{key: 1}) == [("warning", "unknown_parameter", f"$.body.{key}")]
    assert words in report_of([line(url, body_for(url, **{key: 1}))]).findings[0].message


GOOD = [
    (CHAT, {"temperature": 0, "top_p": 1, "n": 128, "max_tokens": 1, "stop": None, "user": "u", "seed": 7}),
    (CHAT, {"logprobs": True, "top_logprobs": 20, "metadata": {"row": "7"}, "store": False, "service_tier": "auto"}),
    (CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}}),
    (CHAT, {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "tool_choice": "required"}),
    (CHAT, {"tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": False}),
    (CHAT, {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}}),
    (CHAT, {"prediction": {"type": "content", "content": "a"}, "verbosity": "low", "reasoning_effort": "minimal"}),
    (
        CHAT,
        asked(
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": [{"type": "text", "text": "Look"}, PART], "name": "ann"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None},
            {"role": "tool", "content": "4", "tool_call_id": "call_1"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": ""},
        ),
    ),
    (CHAT, {"model": "gpt-5-mini", "max_completion_tokens": 5, "temperature": 1}),
    (CHAT, {"model": "gpt-4o", "max_tokens": 5, "temperature": 0.2}),
    (CHAT, {"model": "gpt-5-chat-latest", "temperature": 0.2}),
    (CHAT, {"model": "gpt-5.1", "temperature": 0.2, "reasoning_effort": "none"}),
    (RESPONSES, {"background": False, "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}}}),
    (RESPONSES, {"tools": [{"type": "function", "name": "f", "parameters": {}, "strict": None}, {"type": "web_search"}]}),
    (
        RESPONSES,
        {
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", "image_url": "x"}]},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "4"},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"id": "msg_1"},
            ]
        },
    ),
    (EMBEDDINGS, {"input": [[1], [2, 3]], "dimensions": 8, "encoding_format": "base64"}),
    (IMAGES, {"n": 10, "size": "1024x1024", "quality": "low"}),
    (EDITS, {"images": [{"image_url": "https://example.org/a.png"}], "mask": {"file_id": "f"}}),
    ("/v1/videos", {"seconds": "8", "size": "720x1280"}),
]


@pytest.mark.parametrize(("url", "more"), GOOD, ids=lambda value: str(value)[:70])
def test_what_the_specification_takes_has_no_finding(url, more):
    """The tables hold all parameters, also those that few requests have."""
    assert report_of([line(url, body_for(url, **more)), line(url, body_for(url, **more), "b")]).findings == ()


MODELS = [
    (CHAT, {"model": "gpt-5-mini", "max_tokens": 5}, "max_tokens"),
    (CHAT, {"model": "gpt-5.2", "max_tokens": 5}, "max_tokens"),
    (CHAT, {"model": "o3", "max_tokens": 5}, "max_tokens"),
    (CHAT, {"model": "ft:o4-mini-2025-04-16:org::id", "max_tokens": 5}, "max_tokens"),
    (CHAT, {"model": "gpt-5", "temperature": 0.2}, "temperature"),
    (CHAT, {"model": "o1-mini", "temperature": 0}, "temperature"),
    (CHAT, {"model": "gpt-5.1", "temperature": 0.2, "reasoning_effort": "high"}, "temperature"),
    (CHAT, {"model": "openai/o3-mini", "top_p": 0.5}, "top_p"),
    (RESPONSES, {"model": "gpt-5-nano", "temperature": 0.2}, "temperature"),
    (EMBEDDINGS, {"model": "text-embedding-ada-002", "dimensions": 8}, "dimensions"),
    (IMAGES, {"model": "dall-e-3", "n": 2}, "n"),
]


@pytest.mark.parametrize(("url", "more", "key"), MODELS, ids=lambda value: str(value)[:70])
def test_what_depends_on_the_model_is_a_warning(url, more, key):
    """A dozen reports are about `max_tokens` with a reasoning model; models change, so it is only a warning."""
    assert found(url, **more) == [("warning", "unsupported_parameter", f"$.body.{key}")]


def test_null_where_the_specification_has_none_is_a_warning():
    """A client that writes all fields of a class writes null for those that were not set."""
    assert found(CHAT, tools=None) == [("warning", "invalid_body", "$.body.tools")]
    assert found(CHAT, temperature=None, n=None, stop=None) == []


# A rule is registered once


compiled = pytest.mark.skipif(
    find_spec("batchfiles_native") is None, reason="batchfiles-native is not installed: pip install ./native"
)
IN_BOTH_WAYS = pytest.mark.parametrize("native", ["0", pytest.param("1", marks=compiled)], ids=["python", "compiled"])


@pytest.fixture
def _in_small_blocks(monkeypatch, native):
    """Compiled code knows the lines of one block when it reads the next."""
    monkeypatch.setenv(SWITCH, native)
    monkeypatch.setattr(validate_file, "BLOCK_SIZE", 4096)


@IN_BOTH_WAYS
@pytest.mark.usefixtures("_in_small_blocks")
@pytest.mark.parametrize(("keys", "reads"), [({"n"}, ()), ({"messages"}, {"n"}), ((), {"n"})], ids=str)
@pytest.mark.parametrize("count", [5, 500])
def test_a_rule_that_is_added_in_one_place_runs_on_every_line(monkeypatch, keys, reads, count):
    """Once a rule had to be added to the fast check too: four of five bad lines passed with exit code 0."""
    rule = Rule(
        frozenset(keys),
        lambda body: [Violation("mine", "No.", "$.body.n")] if body.get("n") == 3 else [],
        reads=frozenset(reads),
    )
    monkeypatch.setitem(RULES, "chat/completions", [rule])
    bad = {2, 5, 300, count - 1} & set(range(1, count + 1))
    lines = [line(CHAT, body_for(CHAT, n=3 if number in bad else 1), str(number)) for number in range(1, count + 1)]
    assert [(each.code, each.line_number) for each in report_of(lines).findings] == [("mine", number) for number in sorted(bad)]


@IN_BOTH_WAYS
@pytest.mark.usefixtures("_in_small_blocks")
def test_a_rule_sees_only_the_keys_that_it_names(monkeypatch):
    """With compiled code, a rule that read a key without naming it ran on some of the lines only."""
    seen = []
    rule = Rule(frozenset({"n"}), lambda body: seen.append(set(body)) or [], reads=frozenset({"seed", "stop"}))
    monkeypatch.setitem(RULES, "chat/completions", [rule])
    assert report_of([line(CHAT, body_for(CHAT, n=1, seed=2, temperature=1), str(number)) for number in range(300)]).ok
    assert seen[0] == {"model", "n", "seed"}


@IN_BOTH_WAYS
@pytest.mark.usefixtures("_in_small_blocks")
def test_a_check_that_is_added_to_a_table_runs_on_every_line(monkeypatch):
    """The same for the check of one parameter."""
    table = TABLES["chat/completions"]
    no = lambda value, path: [Violation("mine", "No.", f"$.{path}")]  # noqa: E731
    monkeypatch.setitem(TABLES, "chat/completions", table._replace(parameters={**table.parameters, "mine": no}))
    lines = [line(CHAT, body_for(CHAT, **({"mine": 1} if number in (2, 300) else {})), str(number)) for number in range(1, 301)]
    assert [(each.code, each.line_number) for each in report_of(lines).findings] == [("mine", 2), ("mine", 300)]


def test_an_integer_of_too_many_digits_is_named_as_such():
    """A seed of 30 digits was "a number", although an integer was expected."""
    (finding,) = report_of([line(CHAT, body_for(CHAT, seed=10**29))]).findings
    assert finding.message.endswith("expected an integer, but got a number instead; an integer has 64 bits at most.")
    (finding,) = report_of([line(CHAT, body_for(CHAT, seed=1.0))]).findings
    assert finding.message.endswith("expected an integer, but got a number instead.")


SAME_IN_PYTHON = [
    ({"n": 1}, {"n": True}),
    ({"n": 1}, {"n": 1.0}),
    ({"store": True}, {"store": 1}),
    ({"temperature": 1}, {"temperature": True}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": False}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": 0}}},
    ),
]


@pytest.mark.parametrize(("good", "bad"), SAME_IN_PYTHON, ids=str)
def test_a_value_that_python_takes_for_equal_is_looked_at_too(good, bad):
    """`True == 1 == 1.0` in Python, and not in JSON: the line after a good one is compared with it."""
    lines = [line(CHAT, body_for(CHAT, **(bad if n == 3 else good)), str(n)) for n in range(1, 6)]
    assert [each.line_number for each in report_of(lines).findings] == [3]


def test_many_different_bodies_are_all_checked():
    """Findings of earlier bodies are cached, in bounded memory."""
    lines = [line(CHAT, body_for(CHAT, seed=n % 200, n=0 if n % 7 == 0 else 1), str(n)) for n in range(1, 1001)]
    assert [each.line_number for each in report_of(lines).findings] == list(range(7, 1001, 7))[:100]


# Lines


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://api.openai.com/v1/chat/completions", "'/v1/chat/completions'"),
        ("api.openai.com/v1/chat/completions", "'/v1/chat/completions'"),
        ("v1/chat/completions", "'/v1/chat/completions'"),
        ("chat/completions", "'/chat/completions'"),
    ],
)
def test_a_url_is_a_path(url, right):
    """The service refuses a url with a host, or without its slash, in every line."""
    (first, second) = report_of([line(url, body_for(CHAT)), line(url, body_for(CHAT), "b")]).findings
    assert (first.severity, first.code, first.json_path) == ("error", "invalid_url", "$.url")
    assert right in first.message
    assert second.line_number == 2


def test_a_message_ends_before_its_path():
    """`expected none, auto, required at $.body.tool_choice` read on, and an unknown parameter listed all that there are."""
    (word, parameter) = report_of([line(CHAT, body_for(CHAT, tool_choice="must", zzzz=1))]).findings
    assert "expected none, auto, required. at $.body.tool_choice" in str(word)
    assert "Unknown parameter: 'zzzz'. at $.body.zzzz" in str(parameter)


def test_an_unknown_url_names_the_nearest():
    """A slash at the end is enough to miss the endpoint."""
    (finding,) = report_of([line("/v1/chat/completions/", body_for(CHAT))]).findings
    assert (finding.severity, finding.code) == ("warning", "unknown_url")
    assert "did you mean '/v1/chat/completions'?" in finding.message


def test_unknown_keys_of_a_line_are_warnings():
    """`edit --set model=…` puts the model outside the body, where services ignore it."""
    lines = [line(CHAT, body_for(CHAT)), line(CHAT, body_for(CHAT), "b", model="gpt-4o"), line(CHAT, body_for(CHAT), "c", row=7)]
    model, row = report_of(lines).findings
    assert (model.severity, model.code, model.line_number, model.json_path) == ("warning", "unknown_parameter", 2, "$.model")
    assert "did you mean 'body.model'?" in model.message
    assert (row.line_number, row.json_path) == (3, "$.row")
    assert [each.code for each in report_of([lines[0] | {"custom_ID": "x"}]).findings] == ["unknown_parameter"]


# Profiles


@pytest.mark.parametrize("limits", [GROQ, TOGETHER, MISTRAL, NONE], ids=lambda limits: limits.name)
def test_other_services_take_their_own_parameters(limits):
    """They add `top_k` and have other ranges: none of OpenAI's rules on bodies holds there."""
    body = body_for(CHAT, top_k=5, temperature=3, reasoning_format="parsed")
    assert not [each for each in report_of([line(CHAT, body)], limits).findings if each.json_path != "$.method"]


def test_azure_adds_parameters_and_names_models_as_it_likes():
    """A deployment called gpt-5 may be any model."""
    body = body_for(CHAT, data_sources=[], model="gpt-5", max_tokens=5)
    assert report_of([line("/chat/completions", body)], AZURE).findings == ()
    assert [each.code for each in report_of([line("/chat/completions", body | {"n": 0})], AZURE).findings] == ["invalid_body"]


STOPPED = [
    ("/v1/completions", {"prompt": "a"}, "unknown_url"),
    ("/v1/responses", {"input": "a"}, "unknown_url"),
    (CHAT, {"messages": HI, "temperature": "warm"}, "invalid_body"),
    (CHAT, {"messages": HI, "max_tokens": 1.5}, "invalid_body"),
    (CHAT, {"messages": HI, "stop": 5}, "invalid_body"),
    (CHAT, {"messages": [{"content": "Hi"}]}, "invalid_body"),
    (EMBEDDINGS, {"input": "a", "dimensions": "many"}, "invalid_body"),
    (EMBEDDINGS, {"input": ["a", None]}, "invalid_body"),
    (EMBEDDINGS, {"input": ["a", 1]}, "invalid_body"),
    (EMBEDDINGS, {"input": [1.5]}, "invalid_body"),
    (EMBEDDINGS, {"input": [[1], [None]]}, "invalid_body"),
]


@pytest.mark.parametrize(("url", "body", "code"), STOPPED, ids=str)
def test_what_stops_the_whole_run_of_vllm_is_an_error(url, body, code):
    """One such line, anywhere in the file, and no request gets an output."""
    good = line(CHAT, body_for(CHAT), "0")
    findings = report_of([good, line(url, {"model": "m", **body})], VLLM).findings
    assert [(each.line_number, each.severity, each.code) for each in findings] == [(2, "error", code)]
    assert "whole run" in findings[0].message


VLLM_TAKES = [
    (CHAT, {"messages": HI, "top_k": 5, "guided_json": {}, "anything": 1, "temperature": 5}),
    (CHAT, {"messages": HI, "max_tokens": "100", "n": 1.0, "logprobs": "yes"}),
    (CHAT, {"messages": [{"role": "usr", "content": "Hi"}]}),
    (EMBEDDINGS, {"input": ["a", ""]}),
    (EMBEDDINGS, {"input": [1, "2", 3.0]}),
    (EMBEDDINGS, {"input": [[1, 2], [3]]}),
    ("/v1/audio/transcriptions", {"file_url": "https://example.org/a.mp3"}),
    ("/v1/audio/translations", {"file_url": "https://example.org/a.mp3"}),
    ("/v1/score", {"text_1": "a", "text_2": "b"}),
    ("/v1/rerank", {"query": "a", "documents": ["b"]}),
    ("/v2/rerank", {"query": "a", "documents": ["b"]}),
    ("/score", {"text_1": "a", "text_2": "b"}),
]


@pytest.mark.parametrize(("url", "body"), VLLM_TAKES, ids=str)
def test_what_vllm_takes_has_no_finding(url, body):
    """It converts texts to numbers, accepts any parameter, and scores, ranks and transcribes."""
    assert report_of([line(url, {"model": "m", **body})], VLLM).findings == ()


# The tables know what the SDK knows


def sdk_parameters(module, name):
    """The parameters of a call of the official SDK."""
    return set(typing.get_type_hints(getattr(pytest.importorskip(module), name)))


@pytest.mark.parametrize(
    ("endpoint", "module", "name"),
    [
        ("chat/completions", "openai.types.chat.completion_create_params", "CompletionCreateParamsNonStreaming"),
        ("responses", "openai.types.responses.response_create_params", "ResponseCreateParamsNonStreaming"),
        ("embeddings", "openai.types.embedding_create_params", "EmbeddingCreateParams"),
        ("moderations", "openai.types.moderation_create_params", "ModerationCreateParams"),
        ("completions", "openai.types.completion_create_params", "CompletionCreateParamsNonStreaming"),
        ("images/generations", "openai.types.image_generate_params", "ImageGenerateParamsNonStreaming"),
        ("images/edits", "openai.types.image_edit_params", "ImageEditParamsNonStreaming"),
        ("videos", "openai.types.video_create_params", "VideoCreateParams"),
    ],
)
def test_the_tables_hold_the_parameters_of_the_sdk(endpoint, module, name):
    """A parameter that the SDK has is never reported as unknown."""
    known = {*TABLES[endpoint].parameters, "model", bodies.content_of(f"/v1/{endpoint}").key}
    assert sdk_parameters(module, name) <= known


def test_no_parameter_is_named_as_one_of_another_endpoint():
    """A parameter with a hint for another endpoint is not in the table of this endpoint."""
    assert not chat.PARAMETERS.keys() & chat.ELSEWHERE.keys()
    assert not responses.PARAMETERS.keys() & responses.ELSEWHERE.keys()
    assert not others.EMBEDDINGS.keys() & others.ELSEWHERE.keys()


def test_a_profile_with_rules_for_bodies_checks_the_first_content_too():
    """Without a list of urls, the messages of the first request were not checked, but those of all others were."""
    own = Limits(name="own", body_rules="openai")
    lines = [line(CHAT, body_for(CHAT, messages=[{"role": "usr", "content": "Hi"}]), name) for name in "ab"]
    assert [each.line_number for each in report_of(lines, own).findings if each.code == "invalid_body"] == [1, 2]


class Recorded(dict):
    """A body that remembers which keys were looked at."""

    def __init__(self, body):
        super().__init__(body)
        self.seen = set()

    def get(self, key, default=None):
        """Return a value."""
        self.seen.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.seen.add(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self.seen.add(key)
        return super().__contains__(key)

    def __iter__(self):
        raise AssertionError("a rule names its keys")

    keys = items = values = __iter__


@pytest.mark.parametrize("rule", [bodies.STREAM, bodies.SCHEMAS, *(rule for rules in RULES.values() for rule in rules)])
def test_a_rule_names_the_keys_that_it_looks_at(rule):
    """Compiled code takes any valid value of the others, and would miss a finding if a rule looked at one."""
    random, named = Random(1), {"model"} | rule.keys | rule.reads
    values = [None, True, False, 0, 1, 9, "a", "none", {}, [], {"effort": "high"}, {"strict": True}, [{"parameters": 1}]]
    looked_at = set()
    for _ in range(2000):
        body = {key: random.choice(values) for key in [*named, *random.sample(sorted(bodies.PARAMETERS), 5)]}
        body["model"] = random.choice(["o3", "gpt-5.2", "gpt-4o", "dall-e-3", "text-embedding-ada-002", None])
        recorded = Recorded({key: value for key, value in body.items() if random.random() < 0.8 or key in rule.keys})
        rule.check(recorded)
        looked_at |= recorded.seen
    assert looked_at <= named
    assert looked_at
