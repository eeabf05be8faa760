"""The parameters and messages of `/v1/chat/completions`."""

from __future__ import annotations

from typing import Any

from batchfiles.findings import instead_of
from batchfiles.rules.keys import Violation, cut
from batchfiles.rules.kinds import (
    BOOKKEEPING,
    PENALTIES,
    SAMPLING,
    SDK_ARGUMENTS,
    STOP,
    Check,
    Faults,
    Shape,
    anything,
    are_plain,
    array,
    boolean,
    described,
    either,
    fields,
    fixed_parameters,
    integer,
    items,
    missing,
    nullable,
    reasons,
    refused,
    schema,
    schema_name,
    shape_of,
    tagged,
    text,
    tool_name,
    unknown,
    unsupported,
    word,
    wrong_kind,
)

OF_RESPONSES = "that is the form of /v1/responses; in a chat it is"

TEXT_PART = fields({"text": text()})
IMAGE_PART = fields(
    {"image_url": fields({"url": text()}, {"detail": word("auto", "low", "high", "original", closed=False)}, hint="")},
)
PARTS: dict[str, Check] = {
    "text": TEXT_PART,
    "image_url": IMAGE_PART,
    "input_audio": fields({"input_audio": fields({"data": text(), "format": word("wav", "mp3")})}),
    "file": fields({"file": fields(None, {"file_data": text(), "file_id": text(), "filename": text()})}),
    "refusal": fields({"refusal": text()}),
}
PARTS_ELSEWHERE = {
    "input_text": f"{OF_RESPONSES} 'text'",
    "output_text": f"{OF_RESPONSES} 'text'",
    "input_image": f"{OF_RESPONSES} 'image_url'",
    "input_file": f"{OF_RESPONSES} 'file'",
    "image": "that is the form of another provider; in a chat it is 'image_url'",
}

PARTS_OF = {
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
    "system": ("text",),
    "developer": ("text",),
    "tool": ("text",),
    "function": (),
}
"""The roles, and the types of parts that each may have."""

CONTENT: dict[str, Check] = {
    role: either(
        "a string or an array of parts" if kinds else "a string",
        text=anything,
        **({"list": array(tagged({kind: PARTS[kind] for kind in kinds}, others=PARTS_ELSEWHERE), fewest=1)} if kinds else {}),
    )
    for role, kinds in PARTS_OF.items()
}

WITH_PLAIN_TEXT = frozenset({"user", "assistant", "system", "developer"})
"""Roles whose messages need only a text."""

CALL = tagged(
    {
        "function": fields({"id": text(), "function": fields({"name": text(), "arguments": text()})}),
        "custom": fields({"id": text(), "custom": fields({"name": text(), "input": text()})}),
    }
)

MESSAGE_KEYS: dict[str, Check] = {
    "role": anything,
    "content": anything,
    "name": text(),
    "refusal": text(),
    "audio": fields({"id": text()}),
    "tool_calls": array(CALL),
    "function_call": fields({"name": text(), "arguments": text()}),
    "tool_call_id": text(),
    "annotations": anything,
    "phase": anything,
}

CALLS = ("tool_calls", "function_call", "refusal", "audio")
"""A message of the assistant with one of them needs no content."""


def check_messages(messages: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Return what is wrong with the messages of a chat."""
    if type(messages) is not list:
        return wrong_kind(path, "an array", messages)
    if are_plain(messages, WITH_PLAIN_TEXT, "text"):
        return ()
    return [violation for place, message in enumerate(messages) for violation in _check_message(message, f"{path}[{place}]")]


def _shape_of_message(role: str) -> dict[str, Any]:
    """Return the description of the messages of a role in which `_check_message` finds nothing."""
    content = shape_of(CONTENT[role])
    keys: dict[str, tuple[Shape, bool]] = {key: (nullable(shape_of(check)), False) for key, check in MESSAGE_KEYS.items()}
    keys |= {"role": ({"text": {"words": [role]}}, True), "content": (content, True)}
    if role == "tool":
        keys["tool_call_id"] = shape_of(MESSAGE_KEYS["tool_call_id"]), True
    elif role == "function":
        keys |= {"content": (nullable(content), False), "name": (shape_of(MESSAGE_KEYS["name"]), True)}
    elif role == "assistant":
        keys["content"] = nullable(content), False
    return {
        "keys": [(key, *found) for key, found in keys.items()],
        "some_of": ["content", *CALLS] if role == "assistant" else [],
    }


described(check_messages, {"lists": [items({"tags": [("role", [(role, _shape_of_message(role)) for role in PARTS_OF])]})]})


def _check_message(message: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    if type(message) is not dict:
        return wrong_kind(path, "an object", message)
    if "role" not in message:
        return missing(f"{path}.role", f"; it is one of {', '.join(PARTS_OF)}")
    role = message["role"]
    if type(role) is not str:
        return wrong_kind(f"{path}.role", "a string", role)
    if role not in PARTS_OF:
        return refused(f"{path}.role", f"Invalid value for '{path}.role': {cut(role)!r}{instead_of(role, PARTS_OF)}")
    found = _check_content(message, role, f"{path}.content")
    if role == "tool" and message.get("tool_call_id") is None:
        found += missing(f"{path}.tool_call_id")
    elif role == "function" and message.get("name") is None:
        found += missing(f"{path}.name")
    for key, value in message.items():
        check = MESSAGE_KEYS.get(key)
        if check is None:
            found += unknown(f"{path}.{key}", key, [*MESSAGE_KEYS])
        elif value is not None:
            found += check(value, f"{path}.{key}")
    return found


def _check_content(message: dict[str, Any], role: str, path: str) -> list[Violation]:
    content = message.get("content")
    if content is not None:
        return [*CONTENT[role](content, path)]
    if role == "function":
        return []
    if role == "assistant":
        is_call = any(message.get(key) for key in CALLS)
        return [] if is_call else missing(path, ": only a message that calls a tool may have none")
    return wrong_kind(path, "a string or an array of parts", None) if "content" in message else missing(path)


FUNCTION = fields({"name": tool_name}, {"description": text(), "parameters": schema, "strict": boolean})
NOT_OF_RESPONSES = ': in a chat a tool is {"type": "function", "function": {"name": …}}'
TOOL = tagged(
    {
        "function": fields({"function": FUNCTION}, hint=NOT_OF_RESPONSES),
        "custom": fields({"custom": fields({"name": tool_name}, {"description": text()})}),
    }
)
SCHEMA_FORMAT = fields({"name": schema_name}, {"schema": schema, "description": text(), "strict": boolean})

RESPONSE_FORMAT = tagged(
    {
        "text": anything,
        "json_object": anything,
        "json_schema": fields(
            {"json_schema": SCHEMA_FORMAT},
            hint=': in a chat the format is {"type": "json_schema", "json_schema": {"name": …, "schema": …}}',
        ),
    }
)

CHOICE = tagged(
    {
        "function": fields({"function": fields({"name": text()})}),
        "custom": fields({"custom": fields({"name": text()})}),
        "allowed_tools": fields({"allowed_tools": fields({"mode": word("auto", "required"), "tools": array()})}),
    }
)

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

PARAMETERS: dict[str, Check] = {
    **BOOKKEEPING,
    **SAMPLING,
    **PENALTIES,
    "audio": fields({"format": word("wav", "aac", "mp3", "flac", "opus", "pcm16"), "voice": anything}),
    "function_call": either("a string or an object", text=word("none", "auto"), object=fields({"name": text()})),
    "functions": array(FUNCTION, fewest=1, most=128),
    "logprobs": boolean,
    "max_completion_tokens": integer(1),
    "max_tokens": integer(1),
    "modalities": array(word("text", "audio")),
    "n": integer(1, 128),
    "parallel_tool_calls": boolean,
    "prediction": tagged({"content": fields({"content": either("a string or an array", text=anything, list=array(TEXT_PART))})}),
    "reasoning_effort": word(*EFFORTS, closed=False),
    "response_format": RESPONSE_FORMAT,
    "stop": STOP,
    "stream": boolean,
    "stream_options": fields(None, {"include_usage": boolean, "include_obfuscation": boolean}),
    "tool_choice": either("a string or an object", text=word("none", "auto", "required"), object=CHOICE),
    "tools": array(TOOL),
    "top_logprobs": integer(0, 20),
    "verbosity": word("low", "medium", "high"),
    "web_search_options": fields(None, {"search_context_size": word("low", "medium", "high")}),
}

ELSEWHERE = {
    **SDK_ARGUMENTS,
    "input": "that is a parameter of /v1/responses; in a chat it is 'messages'",
    "instructions": "that is a parameter of /v1/responses; in a chat it is a message of the role 'system' or 'developer'",
    "max_output_tokens": "that is a parameter of /v1/responses; in a chat it is 'max_completion_tokens'",
    "prompt": "that is a parameter of /v1/completions; in a chat it is 'messages'",
    "reasoning": "that is a parameter of /v1/responses; in a chat it is 'reasoning_effort'",
    "stop_sequences": "that is a parameter of another provider; in a chat it is 'stop'",
    "system": "that is a parameter of another provider; in a chat it is a message of the role 'system' or 'developer'",
    "text": "that is a parameter of /v1/responses; in a chat it is 'response_format'",
}
"""What to use instead of parameters of other endpoints."""


def check_model(body: dict[str, Any]) -> Faults:
    """Return the parameters that the model of a chat is known to refuse."""
    model = body.get("model")
    found = list(fixed_parameters(body, body.get("reasoning_effort")))
    if body.get("max_tokens") is not None and isinstance(model, str) and reasons(model):
        found.append(unsupported("max_tokens", model, "use 'max_completion_tokens' instead"))
    return found


def check_logprobs(body: dict[str, Any]) -> Faults:
    """`top_logprobs` needs `logprobs`."""
    if body.get("top_logprobs") and body.get("logprobs") is not True:
        return refused("body.top_logprobs", "'top_logprobs' needs '\"logprobs\": true'.")
    return ()


def check_stream_options(body: dict[str, Any]) -> Faults:
    """`stream_options` need `stream`, which batches do not support."""
    if body.get("stream_options") is not None and body.get("stream") is not True:
        return refused("body.stream_options", "'stream_options' are only allowed with 'stream', which a batch does not take.")
    return ()
