"""The finish reasons of all providers and their meanings."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from batchfiles.bodies.fields import FieldReader


class Meaning(NamedTuple):
    """The meaning of a finish reason.

    Attributes:
        finish_reason: The value of the column `finish_reason`; None keeps the provider's own word.
        outcome: `"succeeded"`, `"incomplete"` or `"failed"`.
        retryable: Whether the same request may succeed if it is sent again; only for `"failed"`.
    """

    finish_reason: str | None
    outcome: str
    retryable: bool = False


class Reason(NamedTuple):
    """One row of the table.

    Attributes:
        words: Words with the same meaning, in lower case and with underscores.
        meaning: The meaning of all of them.
        source: The provider and document.
    """

    words: tuple[str, ...]
    meaning: Meaning
    source: str


STOP: Final = Meaning("stop", "succeeded")
TOOL_CALLS: Final = Meaning("tool_calls", "succeeded")
LENGTH: Final = Meaning("length", "incomplete")
FILTERED: Final = Meaning("content_filter", "incomplete")
CUT: Final = Meaning(None, "incomplete")
FAILED: Final = Meaning(None, "failed", retryable=True)
REFUSED: Final = Meaning(None, "failed")
UNKNOWN: Final = Meaning(None, "succeeded")

REASONS: Final[tuple[Reason, ...]] = (
    # The answer is complete.
    Reason(("stop",), STOP, "OpenAI, OpenAPI document: CreateChatCompletionResponse; Gemini, FinishReason"),
    Reason(("end_turn", "stop_sequence"), STOP, "Anthropic, Messages API: stop_reason; Bedrock, Converse: stopReason"),
    Reason(("complete",), STOP, "Cohere, Chat API v2: finish_reason"),
    Reason(("eos",), STOP, "Together, chat completions; llama.cpp server: stop_type"),
    Reason(("eos_token",), STOP, "Hugging Face text-generation-inference: FinishReason; IBM watsonx, stop_reason"),
    Reason(("word",), STOP, "llama.cpp server: stop_type, a stop string"),
    Reason(("finish", "finished", "stop_criteria_met"), STOP, "Amazon Titan: completionReason"),
    Reason(("endoftext", "end_of_text", "stop_sequence_reached"), STOP, "AI21, Jurassic; Aleph Alpha, completion_reason"),
    Reason(("end_id", "stop_words"), STOP, "NVIDIA TensorRT-LLM: FinishReason"),
    Reason(("normal",), STOP, "Baidu ERNIE: finish_reason"),
    Reason(("eos_found", "stop_string_found"), STOP, "LM Studio SDK, LLMPredictionStopReason"),
    # The model waits for the result of a tool.
    Reason(("tool_calls", "tool_call"), TOOL_CALLS, "OpenAI, CreateChatCompletionResponse; Cohere, Chat API v2"),
    Reason(("tool_use",), TOOL_CALLS, "Anthropic, Messages API: stop_reason; Bedrock, Converse: stopReason"),
    Reason(("function_call",), Meaning("function_call", "succeeded"), "OpenAI, CreateChatCompletionResponse, deprecated"),
    # The answer was cut at a limit.
    Reason(("length",), LENGTH, "OpenAI, CreateChatCompletionResponse"),
    Reason(("max_tokens",), LENGTH, "Anthropic, Messages API; Gemini, FinishReason; Cohere, Chat API v2"),
    Reason(("max_output_tokens",), LENGTH, "OpenAI, Response: incomplete_details.reason"),
    Reason(("model_length",), LENGTH, "Mistral, ChatCompletionChoice: the model's own limit"),
    Reason(("model_context_window_exceeded",), LENGTH, "Anthropic, Messages API: stop_reason; Zhipu GLM; Bedrock, Converse"),
    Reason(
        ("context_window_exceeded", "context_length_exceeded", "context_length", "max_context_length", "context"),
        LENGTH,
        "gateways' words for the context window; Reka",
    ),
    Reason(("max_len", "max_length", "max_context"), LENGTH, "xAI, API for gRPC: REASON_MAX_LEN, REASON_MAX_CONTEXT"),
    Reason(("error_limit",), LENGTH, "Cohere, Chat API v1: finish_reason"),
    Reason(("token_limit",), LENGTH, "IBM watsonx, stop_reason"),
    Reason(("limit", "maximum_tokens"), LENGTH, "llama.cpp server: stop_type; Aleph Alpha, completion_reason"),
    Reason(("max_predicted_tokens_reached", "context_length_reached"), LENGTH, "LM Studio SDK, LLMPredictionStopReason"),
    Reason(("repetition",), Meaning("repetition", "incomplete"), "vLLM: FinishReason, repetition detection"),
    # A filter took the answer, or its end.
    Reason(("content_filter", "content_filtered"), FILTERED, "OpenAI, CreateChatCompletionResponse; Bedrock, Converse"),
    Reason(("guardrail_intervened",), FILTERED, "Bedrock, Converse: stopReason"),
    Reason(("refusal",), FILTERED, "Anthropic, Messages API: stop_reason of streaming classifiers"),
    Reason(
        ("safety", "recitation", "language", "blocklist", "prohibited_content", "spii", "model_armor"),
        FILTERED,
        "Gemini and Vertex AI, FinishReason",
    ),
    Reason(
        ("image_safety", "image_prohibited_content", "image_recitation"),
        FILTERED,
        "Gemini and Vertex AI, FinishReason",
    ),
    Reason(("sensitive",), FILTERED, "Zhipu GLM, finish_reason; Tencent Hunyuan"),
    Reason(("error_toxic",), FILTERED, "Cohere, Chat API v1: finish_reason"),
    Reason(("blacklist",), FILTERED, "GigaChat, finish_reason"),
    # The answer is not finished for another reason.
    Reason(("pause_turn", "compaction"), CUT, "Anthropic, Messages API: stop_reason"),
    Reason(("other", "image_other", "no_image"), CUT, "Gemini, FinishReason"),
    Reason(("too_many_tool_calls",), CUT, "Gemini, FinishReason"),
    Reason(("not_finished",), CUT, "IBM watsonx, stop_reason"),
    # The service failed.
    Reason(("error",), FAILED, "OpenRouter, Mistral, vLLM, Cohere, IBM watsonx: finish_reason"),
    Reason(("network_error",), FAILED, "Zhipu GLM, finish_reason"),
    Reason(("engine_error",), FAILED, "genkit-ai/genkit#6259"),
    Reason(("insufficient_system_resource",), FAILED, "DeepSeek, chat completions: finish_reason"),
    Reason(("abort", "aborted"), FAILED, "SGLang and vLLM: the engine gave the request up"),
    Reason(("cancelled", "canceled", "user_cancel"), FAILED, "IBM watsonx; Cohere, Chat API v1"),
    Reason(("user_stopped", "model_unloaded"), FAILED, "LM Studio SDK, LLMPredictionStopReason"),
    Reason(("timeout", "time_limit", "timed_out"), FAILED, "Cohere, Chat API v2; IBM watsonx; xAI, REASON_TIME_LIMIT"),
    Reason(("malformed_function_call", "malformed_response", "unexpected_tool_call"), FAILED, "Gemini, FinishReason"),
    Reason(("malformed_model_output", "malformed_tool_use"), FAILED, "Bedrock, Converse: stopReason"),
    Reason(
        ("server_error", "internal_error", "internal_server_error", "system_error", "upstream_error", "provider_error"),
        FAILED,
        "gateways' words for a failure of the upstream service",
    ),
    Reason(("overloaded", "unavailable", "engine_overloaded", "rate_limit", "failed", "failure"), FAILED, "as above"),
    # The same request can't succeed.
    Reason(("missing_thought_signature",), REFUSED, "Gemini, FinishReason: the request lacks a part of an earlier answer"),
    Reason(
        ("load", "unload"), REFUSED, "Ollama, done_reason: nothing to answer, the model was only loaded (can1357/oh-my-pi#7465)"
    ),
)
"""All known finish reasons."""

WORDS: Final[dict[str, Meaning]] = {word: reason.meaning for reason in REASONS for word in reason.words}
"""The meaning of each word."""

NULL_WORDS: Final = frozenset({"", "null", "none", "unspecified", "invalid"})
"""Words that mean null: DashScope writes `"null"`, Gemini `FINISH_REASON_UNSPECIFIED`, xAI `REASON_INVALID`."""

EXAMPLE: Final = 64
"""Characters of an unknown word that are kept as an example."""

HUMP: Final = re.compile("(?<=[a-z0-9])(?=[A-Z])")
ENUMERATION: Final = re.compile(r"^\w*reason\.", re.IGNORECASE)
PREFIXES: Final = ("finish_reason_", "stop_reason_", "reason_")
"""Prefixes of enumerations in protocol buffers."""


def read(value: object, reader: FieldReader) -> tuple[str | None, str]:
    """Read a finish reason. An unknown word is counted, and the body is kept.

    Args:
        value: Any JSON value. SGLang writes an object whose `type` is the word.
        reader: Counts conversion errors and notes an unknown word.

    Returns:
        The value of the column `finish_reason`, and the outcome of the answer.
    """
    if type(value) is dict and type(value.get("type")) is str:
        reader.fully_mapped = False
        value = value["type"]
    word = reader.text(value)
    meaning = None if word is None else meaning_of(word)
    if word is None or meaning is None:
        return None, "succeeded"
    if meaning is UNKNOWN:
        reader.note("unknown_finish_reason", word[:EXAMPLE])
        reader.fully_mapped = False
    return meaning.finish_reason or word, meaning.outcome


@lru_cache(maxsize=256)
def meaning_of(word: str) -> Meaning | None:
    """Return the meaning of a word in any spelling: `MAX_TOKENS`, `max-tokens`, `maxTokens`.

    Returns:
        The meaning; `UNKNOWN` for an unknown word, None for a word that means null.
    """
    plain = _normalized(word)
    return None if plain in NULL_WORDS else WORDS.get(plain, UNKNOWN)


def is_transient(word: str | None) -> bool:
    """Return whether a word means a failure after which the same request may succeed."""
    meaning = None if word is None else meaning_of(word)
    return meaning is not None and meaning.retryable


def _normalized(word: str) -> str:
    """Convert to lower case with underscores, without the prefix of an enumeration (Python's `FinishReason.MAX_TOKENS`)."""
    word = ENUMERATION.sub("", word.strip())
    word = (word if word.isupper() else HUMP.sub("_", word)).lower().replace("-", "_").replace(" ", "_")
    for prefix in PREFIXES:
        if word.startswith(prefix) and word not in WORDS:
            return word.removeprefix(prefix)
    return word
