"""Why an answer ended, in the vocabulary of each provider."""

import pytest

from batchfiles.bodies.fields import FieldReader
from batchfiles.bodies.finish_reasons import REASONS, WORDS, read
from batchfiles.outcome import read as read_line

STOP, TOOLS = ("stop", "succeeded", False), ("tool_calls", "succeeded", False)
LENGTH, FILTER = ("length", "incomplete", False), ("content_filter", "incomplete", False)
FAILED = (None, "failed", True)
"""`(finish_reason, outcome, retryable)`; None where the word stays as it is."""

PROVIDERS = {
    "OpenAI, OpenAPI document": {"stop": STOP, "length": LENGTH, "content_filter": FILTER, "tool_calls": TOOLS},
    "OpenAI, deprecated": {"function_call": ("function_call", "succeeded", False)},
    "OpenAI, Response": {"max_output_tokens": LENGTH},
    "Anthropic, Messages API": {
        "end_turn": STOP,
        "stop_sequence": STOP,
        "tool_use": TOOLS,
        "max_tokens": LENGTH,
        "model_context_window_exceeded": LENGTH,
        "refusal": FILTER,
        "pause_turn": (None, "incomplete", False),
    },
    "Amazon Bedrock, Converse": {
        "content_filtered": FILTER,
        "guardrail_intervened": FILTER,
        "malformed_model_output": FAILED,
        "malformed_tool_use": FAILED,
    },
    "Gemini, FinishReason": {
        "STOP": STOP,
        "MAX_TOKENS": LENGTH,
        "SAFETY": FILTER,
        "RECITATION": FILTER,
        "LANGUAGE": FILTER,
        "BLOCKLIST": FILTER,
        "PROHIBITED_CONTENT": FILTER,
        "SPII": FILTER,
        "IMAGE_SAFETY": FILTER,
        "OTHER": (None, "incomplete", False),
        "MALFORMED_FUNCTION_CALL": FAILED,
        "UNEXPECTED_TOOL_CALL": FAILED,
        "MISSING_THOUGHT_SIGNATURE": (None, "failed", False),
    },
    "Cohere, Chat API v2": {
        "COMPLETE": STOP,
        "STOP_SEQUENCE": STOP,
        "MAX_TOKENS": LENGTH,
        "TOOL_CALL": TOOLS,
        "ERROR": FAILED,
        "TIMEOUT": FAILED,
    },
    "Cohere, Chat API v1": {"ERROR_TOXIC": FILTER, "ERROR_LIMIT": LENGTH, "USER_CANCEL": FAILED},
    "Mistral": {"model_length": LENGTH, "error": FAILED},
    "DeepSeek": {"insufficient_system_resource": FAILED},
    "Zhipu GLM": {"sensitive": FILTER, "network_error": FAILED},
    "vLLM": {"abort": FAILED, "error": FAILED, "repetition": ("repetition", "incomplete", False)},
    "SGLang": {"abort": FAILED},
    "Hugging Face text-generation-inference": {"eos_token": STOP, "length": LENGTH, "stop_sequence": STOP},
    "Together": {"eos": STOP},
    "IBM watsonx": {
        "token_limit": LENGTH,
        "time_limit": FAILED,
        "cancelled": FAILED,
        "not_finished": (None, "incomplete", False),
    },
    "Ollama, done_reason": {"load": (None, "failed", False), "unload": (None, "failed", False)},
    "llama.cpp server": {"limit": LENGTH, "word": STOP},
    "xAI, API for gRPC": {"REASON_STOP": STOP, "REASON_MAX_LEN": LENGTH, "REASON_TOOL_CALLS": TOOLS},
    "OpenRouter": {"error": FAILED},
    "genkit-ai/genkit#6259": {"aborted": FAILED, "engine_error": FAILED},
    "protocol buffers": {"FINISH_REASON_MAX_TOKENS": LENGTH},
    "enumerations of Python": {"FinishReason.MAX_TOKENS": LENGTH, "FinishReason.STOP": STOP, "StopReason.REFUSAL": FILTER},
    "LM Studio SDK": {
        "eosFound": STOP,
        "stopStringFound": STOP,
        "toolCalls": TOOLS,
        "maxPredictedTokensReached": LENGTH,
        "contextLengthReached": LENGTH,
        "userStopped": FAILED,
        "modelUnloaded": FAILED,
    },
    "Vercel AI SDK": {"content-filter": FILTER, "tool-calls": TOOLS},
    "Strands Agents": {"endTurn": STOP, "maxTokens": LENGTH, "guardrailIntervened": FILTER},
}
ROWS = [(provider, word, *meaning) for provider, words in PROVIDERS.items() for word, meaning in words.items()]


def line_of(choice, kind):
    """A line whose body has this one choice."""
    body = {"object": kind, "choices": [choice]}
    return {"custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": body}, "error": None}


@pytest.mark.parametrize("spelling", [str, str.upper, str.lower])
@pytest.mark.parametrize(("provider", "word", "finish_reason", "outcome", "again"), ROWS)
def test_every_providers_words(provider, word, finish_reason, outcome, again, spelling):
    """In any case, for chat and for text completions; a failure has its reason as the code, by which a retry selects."""
    if spelling is not str and not (word.islower() or word.isupper()):
        return
    word = spelling(word)
    chat = {"index": 0, "message": {"role": "assistant", "content": "words"}, "finish_reason": word}
    completion = {"index": 0, "text": "words", "finish_reason": word}
    for choice, kind in ((chat, "chat.completion"), (completion, "text_completion")):
        result = read_line(line_of(choice, kind))
        assert (result.outcome, result.retryable) == (outcome, again), provider
        assert (result.answer.finish_reason, result.answer.text) == (finish_reason or word, "words")
        assert result.error_code == (word if outcome == "failed" else None)
        assert result.answer.noted == ()


@pytest.mark.parametrize("word", [None, "", "null", "FINISH_REASON_UNSPECIFIED", "REASON_INVALID", "none"])
def test_a_meaningless_word_is_null(word):
    """With a complete answer it is a success, and nothing is counted."""
    reader = FieldReader()

    assert read(word, reader) == (None, "succeeded")
    assert (reader.noted, reader.conversion_errors, reader.fully_mapped) == ((), 0, True)


def test_a_word_that_nobody_knows_is_counted_with_the_word():
    """It is a success, and its body is kept; of a very long one the beginning is an example."""
    reader = FieldReader()

    assert read("tired", reader) == ("tired", "succeeded")
    assert (reader.noted, reader.fully_mapped) == (("unknown_finish_reason:tired",), False)
    assert len(read("x" * 999, reader)[0]) == 999
    assert len(reader.noted[1]) < 100


def test_a_reason_that_is_an_object_is_its_type():
    """SGLang's engine writes the number of tokens next to it."""
    reader = FieldReader()

    assert read({"type": "length", "length": 16}, reader) == ("length", "incomplete")
    assert (reader.conversion_errors, reader.fully_mapped) == (0, False)


@pytest.mark.parametrize("value", [1, True, [], {}, {"type": 1}])
def test_a_reason_that_is_not_a_word_does_not_fit(value):
    """It is null and counted."""
    reader = FieldReader()

    assert read(value, reader) == (None, "succeeded")
    assert (reader.conversion_errors, reader.fully_mapped) == (1, False)


def test_the_table_has_each_word_once_as_it_is_looked_up():
    """In lower case with underscores, and every row has its source."""
    words = [word for reason in REASONS for word in reason.words]

    assert len(words) == len(set(words)) == len(WORDS)
    assert all(word == word.lower() and "-" not in word and " " not in word for word in words)
    assert all(len(reason.source) > 5 for reason in REASONS)
    assert all(meaning.outcome == "failed" for meaning in WORDS.values() if meaning.retryable)
