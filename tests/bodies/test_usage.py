"""The token counts, in every dialect, with one arithmetic."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.bodies import chat_completions, embeddings, other, responses
from batchfiles.bodies.answer import without_token_counts
from batchfiles.bodies.fields import FieldReader, exact_counts, fast_counts, modalities, read_usage

CHAT = {
    "prompt_tokens": 5,
    "completion_tokens": 4,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
RESPONSES = {
    "input_tokens": 5,
    "output_tokens": 4,
    "total_tokens": 9,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 1},
}


class Shape(NamedTuple):
    """The counts of one provider, as documented or seen, and the columns for them."""

    provider: str
    source: str
    usage: dict[str, Any]
    counts: tuple[int | None, ...]
    """Input, output, total, cached, reasoning, cache writes."""
    noted: tuple[str, ...] = ()


def chat(prompt: int | None, completion: int | None, total: int | None, **more: Any) -> dict[str, Any]:
    """Write counts as chat does."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **more}


SHAPES = [
    Shape(
        "OpenAI chat",
        "openai-python, types/completion_usage.py",
        chat(
            2006,
            300,
            2306,
            prompt_tokens_details={"cached_tokens": 1920, "audio_tokens": 0},
            completion_tokens_details={
                "reasoning_tokens": 64,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        ),
        (2006, 300, 2306, 1920, 64, None),
    ),
    Shape(
        "OpenAI chat, with cache writes",
        "openai-python 3.57, types/completion_usage.py",
        chat(
            3000,
            300,
            3300,
            prompt_tokens_details={"cached_tokens": 0, "audio_tokens": 0, "cache_write_tokens": 2944},
            completion_tokens_details={"reasoning_tokens": 0, "audio_tokens": 0},
        ),
        (3000, 300, 3300, 0, 0, 2944),
    ),
    Shape(
        "OpenAI Responses",
        "Kilo-Org/cloud#4964: input includes what was written",
        {
            "input_tokens": 15377,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 15374},
            "output_tokens": 12,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 15389,
        },
        (15377, 12, 15389, 0, 0, 15374),
    ),
    Shape(
        "OpenAI transcription",
        "openai-python, types/audio/transcription.py: `input_token_details`",
        {
            "type": "tokens",
            "input_tokens": 14,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
            "output_tokens": 45,
            "total_tokens": 59,
        },
        (14, 45, 59, None, None, None),
    ),
    Shape(
        "OpenAI transcription, by time",
        "the same: whisper-1 is billed by the second",
        {"type": "duration", "seconds": 4},
        (None,) * 6,
    ),
    Shape(
        "OpenAI images",
        "openai-python, types/images_response.py",
        {
            "input_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
            "output_tokens": 1056,
            "total_tokens": 1106,
        },
        (50, 1056, 1106, None, None, None),
    ),
    Shape(
        "Azure OpenAI",
        "learn.microsoft.com, reference of chat completions",
        chat(
            33,
            557,
            590,
            prompt_tokens_details={"audio_tokens": 0, "cached_tokens": 0},
            completion_tokens_details={"reasoning_tokens": 448, "audio_tokens": 0},
        ),
        (33, 557, 590, 0, 448, None),
    ),
    Shape(
        "Anthropic",
        "docs.anthropic.com, prompt caching: total input = read + written + input",
        {"input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 900, "output_tokens": 50},
        (1000, 50, None, 900, None, 0),
    ),
    Shape(
        "Anthropic, in the form of OpenAI",
        "docs.anthropic.com, OpenAI SDK compatibility: the details are empty",
        chat(15, 20, 35, prompt_tokens_details=None, completion_tokens_details=None),
        (15, 20, 35, None, None, None),
    ),
    Shape(
        "Gemini, in the form of OpenAI",
        "mozilla-ai/any-llm#1290: 405 thoughts are in the total only",
        chat(20, 198, 623),
        (20, 198, 623, None, None, None),
        ("token_sum",),
    ),
    Shape(
        "Gemini, through a gateway",
        "router-for-me/CLIProxyAPI#5733",
        chat(21, 0, 81, completion_tokens_details={"reasoning_tokens": 60}),
        (21, 60, 81, None, 60, None),
    ),
    Shape(
        "xAI",
        "Wei-Shaw/sub2api#5771: reasoning is outside completion",
        chat(
            10120,
            1499,
            14428,
            prompt_tokens_details={"cached_tokens": 128},
            completion_tokens_details={"reasoning_tokens": 2809},
        ),
        (10120, 4308, 14428, 128, 2809, None),
    ),
    Shape(
        "xAI, without reasoning",
        "docs.x.ai, prompt caching",
        chat(
            125,
            48,
            173,
            prompt_tokens_details={"text_tokens": 125, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 98},
            completion_tokens_details={"reasoning_tokens": 0, "audio_tokens": 0},
        ),
        (125, 48, 173, 98, 0, None),
    ),
    Shape(
        "DeepSeek",
        "api-docs.deepseek.com, create chat completion",
        chat(
            1000,
            200,
            1200,
            prompt_cache_hit_tokens=896,
            prompt_cache_miss_tokens=104,
            completion_tokens_details={"reasoning_tokens": 150},
        ),
        (1000, 200, 1200, 896, 150, None),
    ),
    Shape(
        "Mistral",
        "docs.mistral.ai, UsageInfo",
        chat(24, 27, 51, prompt_audio_seconds=None, num_cached_tokens=16),
        (24, 27, 51, 16, None, None),
    ),
    Shape(
        "Mistral transcription",
        "docs.mistral.ai, audio transcriptions: the sound is in the total only",
        chat(4, 635, 3264, prompt_audio_seconds=203),
        (4, 635, 3264, None, None, None),
        ("token_sum",),
    ),
    Shape(
        "Groq",
        "console.groq.com, prompt caching",
        chat(
            4641,
            1817,
            6458,
            queue_time=0.02,
            prompt_time=0.3,
            completion_time=3.6,
            total_time=3.9,
            prompt_tokens_details={"cached_tokens": 4608},
            completion_tokens_details={"reasoning_tokens": 1000},
        ),
        (4641, 1817, 6458, 4608, 1000, None),
    ),
    Shape("Together", "docs.together.ai, chat completions", chat(31, 19, 50, cached_tokens=0), (31, 19, 50, 0, None, None)),
    Shape(
        "Fireworks",
        "docs.fireworks.ai, prompt caching",
        chat(2100, 10, 2110, prompt_tokens_details={"cached_tokens": 2048}),
        (2100, 10, 2110, 2048, None, None),
    ),
    Shape(
        "Moonshot",
        "platform.kimi.ai/docs/api/chat",
        chat(19, 21, 40, cached_tokens=10),
        (19, 21, 40, 10, None, None),
    ),
    Shape(
        "Perplexity",
        "bgeneto/open-webui-cost-tracker#6: more reasoning than completion",
        chat(108, 3256, 3364, citation_tokens=7299, num_search_queries=74, reasoning_tokens=73248),
        (108, 76504, 3364, None, 73248, None),
    ),
    Shape(
        "OpenRouter",
        "openrouter.ai/docs, usage accounting",
        chat(
            194,
            2,
            196,
            cost=0.95,
            cost_details={"upstream_inference_cost": 19},
            prompt_tokens_details={"cached_tokens": 0, "cache_write_tokens": 100, "audio_tokens": 0},
            completion_tokens_details={"reasoning_tokens": 0},
        ),
        (194, 2, 196, 0, 0, 100),
    ),
    Shape(
        "Qwen (DashScope)",
        "alibabacloud.com/help/model-studio/context-cache",
        chat(
            1606,
            40,
            1646,
            prompt_tokens_details={
                "cached_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 1597},
                "cache_creation_input_tokens": 1597,
                "cache_type": "ephemeral",
            },
        ),
        (1606, 40, 1646, 0, None, 1597),
    ),
    Shape(
        "Cohere, in the form of OpenAI",
        "docs.cohere.com, compatibility API",
        chat(12, 9, 21),
        (12, 9, 21, None, None, None),
    ),
    Shape(
        "vLLM",
        "vllm, entrypoints/openai: details are null unless asked for",
        chat(17, 40, 57, prompt_tokens_details=None),
        (17, 40, 57, None, None, None),
    ),
    Shape(
        "vLLM embeddings",
        "the same",
        chat(17, 0, 17, prompt_tokens_details=None),
        (17, 0, 17, None, None, None),
    ),
    Shape(
        "SGLang",
        "sglang, srt/entrypoints/openai/protocol.py: reasoning next to the counts",
        chat(17, 400, 417, prompt_tokens_details={"cached_tokens": 3}, reasoning_tokens=380),
        (17, 400, 417, 3, 380, None),
    ),
    Shape(
        "LiteLLM for Anthropic",
        "docs.litellm.ai, prompt caching",
        chat(
            2006,
            300,
            2306,
            prompt_tokens_details={"cached_tokens": 0, "cache_creation_tokens": 1000},
            completion_tokens_details={"reasoning_tokens": 0},
            cache_creation_input_tokens=1000,
            cache_read_input_tokens=900,
        ),
        (2006, 300, 2306, 900, 0, 1000),
    ),
    Shape(
        "LiteLLM for Anthropic, before it added them up",
        "BerriAI/litellm#15056",
        chat(
            31,
            467,
            498,
            prompt_tokens_details={"cached_tokens": 0},
            cache_creation_input_tokens=1253,
            cache_read_input_tokens=0,
        ),
        (1284, 467, 498, 0, None, 1253),
    ),
    Shape(
        "LiteLLM, both dialects in one object",
        "LiteLLM's Responses bridge: the unused one is 0",
        RESPONSES | chat(0, 0, 9, prompt_tokens_details=None),
        (5, 4, 9, 2, 1, None),
    ),
    Shape(
        "new-api",
        "QuantumNous/new-api, dto/openai_response.go",
        chat(
            1000,
            100,
            1100,
            prompt_tokens_details={"cached_tokens": 0, "cached_creation_tokens": 600, "text_tokens": 1000, "audio_tokens": 0},
            completion_tokens_details={"text_tokens": 100, "reasoning_tokens": 0},
            input_tokens=0,
            output_tokens=0,
            input_tokens_details=None,
        ),
        (1000, 100, 1100, 0, 0, 600),
    ),
    Shape(
        "a gateway with the cache outside the prompt",
        "the arithmetic alone: 100 + 900 + 300 + 50 = 1350",
        chat(100, 50, 1350, cache_read_input_tokens=900, cache_creation_input_tokens=300),
        (1300, 50, 1350, 900, None, 300),
    ),
    Shape(
        "a gateway with cache and reasoning outside",
        "the arithmetic alone: 100 + 900 + 50 + 20 = 1070",
        chat(100, 50, 1070, cache_read_tokens=900, completion_tokens_details={"reasoning_tokens": 20}),
        (1000, 70, 1070, 900, 20, None),
    ),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.provider)
def test_what_each_provider_writes_has_one_arithmetic(shape: Shape) -> None:
    """Cached and written tokens lie within the input, reasoning within the output, and what can't be explained is noted."""
    reader = FieldReader()
    found = read_usage(shape.usage, reader)
    assert found == shape.counts
    assert reader.noted == shape.noted
    assert reader.conversion_errors == 0
    inputs, outputs, _, cached, reasoning, written = (each or 0 for each in found)
    assert cached + written <= inputs
    assert reasoning <= outputs


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.provider)
def test_every_reader_of_bodies_has_these_counts(shape: Shape) -> None:
    """They count by the same rules."""
    message = {"role": "assistant", "content": "Hi", "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": shape.usage}
    answer = chat_completions.read(body)
    for each in (answer, responses.read(body | {"output": []}), embeddings.read(body), other.read_moderation(body)):
        counts = (each.input_tokens, each.output_tokens, each.total_tokens, each.cached_tokens, each.reasoning_tokens)
        assert (*counts, each.cache_write_tokens) == shape.counts
        assert set(shape.noted) <= set(each.noted)


def test_reasoning_within_completion_stays_there() -> None:
    """`100 + 50 = 150` and `500 + 500 = 1000` leave no room for more reasoning (promptfoo/promptfoo#9507)."""
    for prompt, completion, reasoning in ((100, 50, 40), (500, 500, 200)):
        usage = chat(prompt, completion, prompt + completion, completion_tokens_details={"reasoning_tokens": reasoning})
        assert read_usage(usage, FieldReader())[:2] == (prompt, completion)


@pytest.mark.parametrize(
    "usage",
    [
        chat(10, 5, 14),
        chat(10, 5, 0),
        chat(10, 5, 40, completion_tokens_details={"reasoning_tokens": 3}),
        chat(10, 5, 15, prompt_tokens_details={"cached_tokens": 7, "cache_write_tokens": 9}),
    ],
)
def test_what_nothing_explains_is_counted_and_left_alone(usage: dict[str, Any]) -> None:
    """A total below its parts, a rest that no part has, two parts that are together more than the whole."""
    reader = FieldReader()
    assert read_usage(usage, reader)[:3] == (10, 5, usage["total_tokens"])
    assert reader.noted == ("token_sum",)


def test_the_first_count_that_is_not_zero_is_taken() -> None:
    """A gateway fills the names that it does not use with 0."""
    usage = chat(1000, 5, 1005, prompt_tokens_details={"cached_tokens": 0}, prompt_cache_hit_tokens=896)
    assert read_usage(usage, FieldReader())[3] == 896


def test_sound_and_pictures_keep_the_body_and_have_names() -> None:
    """They cost more than text, and no column has them."""
    usage = chat(
        100,
        50,
        150,
        prompt_tokens_details={"cached_tokens": 0, "audio_tokens": 30, "image_tokens": 20},
        completion_tokens_details={"reasoning_tokens": 0, "audio_tokens": 40},
    )
    reader = FieldReader()
    assert read_usage(usage, reader) == (100, 50, 150, 0, 0, None)
    assert reader.fully_mapped is False
    assert modalities(usage) == {"audio_input": 30, "image_input": 20, "audio_output": 40}
    assert modalities(None) == modalities(CHAT) == {}


def test_both_dialects_say_the_same():
    """Input, output, total, cached, reasoning, cache writes."""
    assert read_usage(CHAT, FieldReader()) == read_usage(RESPONSES, FieldReader()) == (5, 4, 9, 2, 1, None)


def test_both_in_one_object():
    """LiteLLM writes that; the unused one is 0."""
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": None}

    assert read_usage(CHAT | RESPONSES, FieldReader()) == (5, 4, 9, 2, 1, None)
    assert read_usage(RESPONSES | zeros, FieldReader()) == (5, 4, 9, 2, 1, None)


def test_absent_counts_are_null_and_zero_is_zero():
    """The total is never summed by us."""
    assert read_usage({"prompt_tokens": 0, "completion_tokens": 7}, FieldReader()) == (0, 7, None, None, None, None)


def test_answers_with_and_without_token_counts_are_distinguished():
    """A total alone is not priced; a count that does not fit was stated; moderations cost nothing."""
    body = {"object": "chat.completion", "choices": []}
    for nothing in (None, {}, {"total_tokens": 5}, {"type": "duration", "seconds": 4}):
        assert without_token_counts(chat_completions.read(body | {"usage": nothing}))
    for something in ({"prompt_tokens": 0}, {"completion_tokens": 1}, {"prompt_tokens": "5"}):
        assert not without_token_counts(chat_completions.read(body | {"usage": something}))
    assert not without_token_counts(other.read_moderation({"results": [{"flagged": False}]}))


def test_other_keys_are_housekeeping():
    """Groq's times."""
    reader = FieldReader()

    assert read_usage(CHAT | {"queue_time": 0.02, "a": 1, "prompt_tokens_details": {"b": 3}}, reader) == (5, 4, 9, None, 1, None)
    assert (reader.conversion_errors, reader.fully_mapped) == (0, True)


@pytest.mark.parametrize("value", [1.5, 2.0**53 + 2, float("inf"), True, "5", 2**63, -(2**63) - 1, [], {}])
@pytest.mark.parametrize("key", ["prompt_tokens", "completion_tokens", "total_tokens"])
def test_a_count_is_an_int64_or_null(key, value):
    """One conversion error each; a fraction is not rounded."""
    reader = FieldReader()

    assert read_usage(CHAT | {key: value}, reader).count(None) == 2
    assert (reader.conversion_errors, reader.fully_mapped) == (1, False)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), -1])
def test_the_edges_of_int64(value):
    """They fit."""
    assert read_usage(CHAT | {"total_tokens": value}, FieldReader())[2] == value


def test_details_that_are_not_an_object():
    """One conversion error for all counts that could have been there."""
    reader = FieldReader()

    assert read_usage(CHAT | {"prompt_tokens_details": 7, "completion_tokens_details": None}, reader) == (
        5,
        4,
        9,
        None,
        None,
        None,
    )
    assert reader.conversion_errors == 1


NUMBER = st.integers(-3, 12) | st.sampled_from([None, 2**63 - 1, 2**63, 1.0, True])
PARTS = st.dictionaries(st.sampled_from(["cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_tokens", "x"]), NUMBER)
USAGES = st.fixed_dictionaries(
    {"prompt_tokens": NUMBER, "completion_tokens": NUMBER, "total_tokens": NUMBER},
    optional={
        "prompt_tokens_details": PARTS | st.none(),
        "completion_tokens_details": PARTS | st.none(),
        "cached_tokens": NUMBER,
        "input_tokens": NUMBER,
    },
)


@given(USAGES)
def test_the_fast_way_through_a_usage_agrees_with_the_exact_one(usage: dict[str, Any]) -> None:
    """What `fast_counts` accepts, the exact rules find nothing in: the same counts, and nothing noted."""
    fast = fast_counts(usage)
    reader = FieldReader()
    exact = exact_counts(usage, reader)
    if fast is not None:
        assert (fast, reader.conversion_errors, reader.fully_mapped, reader.noted) == (exact, 0, True, ())
    assert all(each is None or -(2**63) <= each < 2**63 for each in exact)


def test_the_details_of_both_apis_in_one_object():
    """LiteLLM writes the details of chat with zeros next to those of Responses; the cached tokens of the second were ignored."""
    mixed = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "input_tokens": 10, "output_tokens": 4}
    mixed |= {"prompt_tokens_details": {"cached_tokens": 0}, "input_tokens_details": {"cached_tokens": 5}}
    mixed |= {"completion_tokens_details": {"reasoning_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 3}}

    assert read_usage(mixed, FieldReader()) == (10, 4, 14, 5, 3, None)
