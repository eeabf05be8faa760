"""Types of the parameters that vLLM's `run-batch` accepts: a value of another type stops the whole run.

vLLM reads a body with pydantic, which converts strings such as "100" to numbers, and accepts unknown parameters. So only
what pydantic can't convert is an error here (vllm/entrypoints/openai of vllm-project/vllm at 0056ae7, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batchfiles.rules.kinds import Check, Faults, wrong_kind

__all__ = ["VLLM_CHAT", "VLLM_EMBEDDINGS", "check_vllm_input", "check_vllm_messages"]

STOPS = ": vLLM then ends the whole run, and no request gets an output"

TRUTHS = frozenset({"0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"})
"""Strings that pydantic reads as booleans, in any case."""


def _is_integer(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        try:
            int(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, (int, float))


def _is_boolean(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return value in (0, 1) if isinstance(value, (int, float)) else isinstance(value, str) and value.lower() in TRUTHS


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _typed(wanted: str, fits: Callable[[Any], bool]) -> Check:
    return lambda value, path: () if fits(value) else wrong_kind(path, wanted, value, STOPS)


INTEGER = _typed("an integer", _is_integer)
NUMBER = _typed("a number", _is_number)
BOOLEAN = _typed("a boolean", _is_boolean)
TEXT = _typed("a string", _is(str))
LIST = _typed("an array", _is(list))
OBJECT = _typed("an object", _is(dict))
TEXT_OR_LIST = _typed("a string or an array", _is(str, list))
TEXT_OR_OBJECT = _typed("a string or an object", _is(str, dict))

SHARED: dict[str, Check] = {"encoding_format": TEXT, "truncate_prompt_tokens": INTEGER, "priority": INTEGER}

VLLM_CHAT: dict[str, Check] = {
    **SHARED,
    **dict.fromkeys(
        ("frequency_penalty", "presence_penalty", "temperature", "top_p", "min_p", "repetition_penalty", "length_penalty"), NUMBER
    ),
    **dict.fromkeys(
        ("max_completion_tokens", "max_tokens", "min_tokens", "n", "prompt_logprobs", "seed", "top_k", "top_logprobs"), INTEGER
    ),
    **dict.fromkeys(
        (
            "add_generation_prompt",
            "add_special_tokens",
            "continue_final_message",
            "echo",
            "ignore_eos",
            "include_stop_str_in_output",
            "logprobs",
            "parallel_tool_calls",
            "skip_special_tokens",
            "stream",
            "use_beam_search",
        ),
        BOOLEAN,
    ),
    "chat_template": TEXT,
    "chat_template_kwargs": OBJECT,
    "logit_bias": OBJECT,
    "response_format": OBJECT,
    "stop": TEXT_OR_LIST,
    "stop_token_ids": LIST,
    "stream_options": OBJECT,
    "tool_choice": TEXT_OR_OBJECT,
    "tools": LIST,
    "user": TEXT,
}

VLLM_EMBEDDINGS: dict[str, Check] = {**SHARED, "dimensions": INTEGER, "user": TEXT}


def _is_tokens(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return type(value) is list and all(map(_is_integer, value))


def check_vllm_input(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take texts to embed, as strings or as tokens; objects are left to vLLM."""
    if type(value) is not list or set(map(type, value)) <= {str} or _is_tokens(value):
        return ()
    fits: Callable[[Any], bool] = _is_integer
    wanted = "a string or an integer"
    if type(value[0]) is list:
        fits, wanted = _is_tokens, "an array of tokens"
    elif type(value[0]) in (str, dict):
        fits, wanted = _is(str, dict), "a string"
    wrong = next(((place, each) for place, each in enumerate(value) if not fits(each)), None)
    return wrong_kind(f"{path}[{wrong[0]}]", wanted, wrong[1], STOPS) if wrong else ()


def check_vllm_messages(messages: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take messages with any role, and any content that is a string or an array."""
    if type(messages) is not list:
        return wrong_kind(path, "an array", messages, STOPS)
    for place, message in enumerate(messages):
        where = f"{path}[{place}]"
        if type(message) is not dict:
            return wrong_kind(where, "an object", message, STOPS)
        if type(message.get("role")) is not str:
            return wrong_kind(f"{where}.role", "a string", message.get("role"), STOPS)
        content = message.get("content")
        if content is not None and type(content) is not str and type(content) is not list:
            return wrong_kind(f"{where}.content", "a string or an array", content, STOPS)
    return ()
