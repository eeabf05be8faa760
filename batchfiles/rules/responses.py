"""The parameters and input items of `/v1/responses`."""

from __future__ import annotations

from typing import Any

from batchfiles.findings import instead_of
from batchfiles.rules.chat import EFFORTS
from batchfiles.rules.keys import Violation, cut
from batchfiles.rules.kinds import (
    ANY,
    BOOKKEEPING,
    SAMPLING,
    SDK_ARGUMENTS,
    Check,
    Faults,
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
    mapping,
    missing,
    nullable,
    refused,
    schema,
    schema_name,
    shape_of,
    tagged,
    text,
    tool_name,
    word,
    wrong_kind,
)

OF_CHAT = "that is the form of a chat; in /v1/responses it is"

OUTPUT_PARTS: dict[str, Check] = {"output_text": fields({"text": text()}), "refusal": fields({"refusal": text()})}
PARTS: dict[str, Check] = {
    "input_text": fields({"text": text()}),
    "input_image": fields(None, {"image_url": text(), "file_id": text()}),
    "input_file": fields(None, {"file_id": text(), "file_url": text(), "file_data": text(), "filename": text()}),
    "input_audio": anything,
    **OUTPUT_PARTS,
    "summary_text": anything,
    "reasoning_text": anything,
    "computer_screenshot": anything,
    "encrypted_content": anything,
}
PARTS_ELSEWHERE = {
    "text": f"{OF_CHAT} 'input_text', or 'output_text' in a message of the assistant",
    "image_url": f"{OF_CHAT} 'input_image', with the url as a string",
    "file": f"{OF_CHAT} 'input_file'",
}
CONTENT = either("a string or an array of parts", text=anything, list=array(tagged(PARTS, closed=False, others=PARTS_ELSEWHERE)))
ROLES = ("user", "assistant", "system", "developer")
FUNCTION_OUTPUT = fields({"output": either("a string or an array of parts", text=anything, list=array())}, {"call_id": text()})

ITEMS: dict[str, Check] = {
    **dict.fromkeys(
        (
            "additional_tools",
            "apply_patch_call",
            "apply_patch_call_output",
            "code_interpreter_call",
            "compaction",
            "compaction_trigger",
            "computer_call",
            "computer_call_output",
            "configuration_update",
            "custom_tool_call",
            "custom_tool_call_output",
            "file_search_call",
            "image_generation_call",
            "local_shell_call",
            "local_shell_call_output",
            "mcp_approval_request",
            "mcp_approval_response",
            "mcp_call",
            "mcp_list_tools",
            "program",
            "program_output",
            "reasoning",
            "shell_call",
            "shell_call_output",
            "tool_search_call",
            "tool_search_output",
            "web_search_call",
        ),
        anything,
    ),
    "function_call": fields({"call_id": text(), "name": text(), "arguments": text()}),
    "function_call_output": FUNCTION_OUTPUT,
    "item_reference": fields({"id": text()}),
}
ITEM = tagged(ITEMS, closed=False, others=PARTS_ELSEWHERE)


def check_input(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Return what is wrong with the input: a text, or items, most of them messages."""
    if type(value) is str:
        return ()
    if type(value) is not list:
        return wrong_kind(path, "a string or an array", value)
    if are_plain(value, ROLES, "input_text"):
        return ()
    return [violation for place, item in enumerate(value) for violation in _check_item(item, f"{path}[{place}]")]


def _shape_of_message(role: str) -> dict[str, Any]:
    """Return the description of the messages of a role in which `_check_item` finds nothing."""
    kind = nullable({"text": {"words": ["message"]}})
    keys = [("role", {"text": {"words": [role]}}, True), ("content", shape_of(CONTENT), True), ("type", kind, False)]
    return {"keys": keys, "others": ANY}


MESSAGES = ("role", [(role, _shape_of_message(role)) for role in ROLES])
described(check_input, {"text": {}, "lists": [items({"tags": [MESSAGES, *shape_of(ITEM)["tags"]]})]})


def _check_item(item: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    if type(item) is not dict:
        return wrong_kind(path, "an object", item)
    if "role" not in item and item.get("type") is None and "id" in item:
        return ()  # a reference to an item, whose type may be missing
    if "role" not in item and item.get("type", "message") != "message":
        return ITEM(item, path)
    if "role" not in item:
        return missing(f"{path}.role", f"; it is one of {', '.join(ROLES)}")
    if item.get("type", "message") not in ("message", None):
        return ITEM(item, path)
    role, found = item["role"], list[Violation]()
    if type(role) is not str:
        found += wrong_kind(f"{path}.role", "a string", role)
    elif role not in ROLES:
        hint = ": that is a role of a chat; here it is an item of the type 'function_call_output'"
        end = hint if role in ("tool", "function") else instead_of(role, ROLES)
        found += refused(f"{path}.role", f"Invalid value for '{path}.role': {cut(role)!r}{end}")
    found += CONTENT(item["content"], f"{path}.content") if "content" in item else missing(f"{path}.content")
    return found


NOT_OF_CHAT = ': in /v1/responses a function is {"type": "function", "name": …, "parameters": …}'
TOOLS: dict[str, Check] = {
    **dict.fromkeys(
        (
            "apply_patch",
            "code_interpreter",
            "computer",
            "computer_use_preview",
            "image_generation",
            "local_shell",
            "namespace",
            "programmatic_tool_calling",
            "shell",
            "tool_search",
            "web_search",
            "web_search_2025_08_26",
            "web_search_preview",
            "web_search_preview_2025_03_11",
        ),
        anything,
    ),
    "custom": fields({"name": text()}, {"description": text()}),
    "file_search": fields({"vector_store_ids": array(text())}),
    "function": fields({"name": tool_name}, {"parameters": schema, "strict": boolean, "description": text()}, hint=NOT_OF_CHAT),
    "mcp": fields({"server_label": text()}),
}

FORMAT = tagged(
    {
        "text": anything,
        "json_object": anything,
        "json_schema": fields(
            {"name": schema_name, "schema": schema},
            {"description": text(), "strict": boolean},
            hint=': in /v1/responses the format is {"type": "json_schema", "name": …, "schema": …}',
        ),
    }
)

NAMED = fields({"name": text()}, hint=': in /v1/responses it is {"type": "function", "name": …}')
CHOICE = tagged(
    dict.fromkeys((*TOOLS, "allowed_tools", "computer_use"), anything) | {"function": NAMED, "custom": NAMED}, closed=False
)

PARAMETERS: dict[str, Check] = {
    **BOOKKEEPING,
    **SAMPLING,
    "access_programs": fields(),
    "background": boolean,
    "background_options": fields(),
    "context_management": array(fields({"type": text()})),
    "conversation": either("a string or an object", text=anything, object=fields({"id": text()})),
    "image": fields(),
    "include": array(text()),
    "instructions": text(),
    "max_output_tokens": integer(1),
    "max_tool_calls": integer(1),
    "parallel_tool_calls": boolean,
    "previous_response_id": text(),
    "prompt": fields({"id": text()}, {"variables": mapping(anything), "version": text()}),
    "reasoning": fields(
        None,
        {
            "effort": word(*EFFORTS, closed=False),
            "summary": word("auto", "concise", "detailed"),
            "generate_summary": word("auto", "concise", "detailed"),
        },
    ),
    "stream": boolean,
    "stream_options": fields(None, {"include_obfuscation": boolean}),
    "text": fields(None, {"format": FORMAT, "verbosity": word("low", "medium", "high")}),
    "tool_choice": either("a string or an object", text=word("none", "auto", "required"), object=CHOICE),
    "tools": array(tagged(TOOLS, closed=False)),
    "top_logprobs": integer(0, 20),
    "truncation": word("auto", "disabled"),
}

ELSEWHERE = {
    **SDK_ARGUMENTS,
    "frequency_penalty": "/v1/responses has none",
    "functions": "that is a parameter of a chat; in /v1/responses it is 'tools'",
    "logit_bias": "/v1/responses has none",
    "logprobs": 'that is a parameter of a chat; in /v1/responses it is \'"include": ["message.output_text.logprobs"]\'',
    "max_completion_tokens": "that is a parameter of a chat; in /v1/responses it is 'max_output_tokens'",
    "max_tokens": "that is a parameter of a chat; in /v1/responses it is 'max_output_tokens'",
    "messages": "that is a parameter of a chat; in /v1/responses it is 'input'",
    "n": "/v1/responses makes one answer",
    "presence_penalty": "/v1/responses has none",
    "reasoning_effort": "that is a parameter of a chat; in /v1/responses it is 'reasoning.effort'",
    "response_format": "that is a parameter of a chat; in /v1/responses it is 'text.format'",
    "seed": "/v1/responses has none",
    "stop": "/v1/responses has none",
    "system": "that is a parameter of another provider; in /v1/responses it is 'instructions'",
    "verbosity": "that is a parameter of a chat; in /v1/responses it is 'text.verbosity'",
}
"""What to use instead of parameters of other endpoints."""


def check_model(body: dict[str, Any]) -> Faults:
    """Return the parameters that the model is known to refuse."""
    reasoning = body.get("reasoning")
    return fixed_parameters(body, reasoning.get("effort") if isinstance(reasoning, dict) else None)


def check_background(body: dict[str, Any]) -> Faults:
    """A batch is in the background already."""
    if body.get("background") is True:
        return refused("body.background", "'background' is not supported in a batch.")
    return ()


def check_conversation(body: dict[str, Any]) -> Faults:
    """A response continues one thing."""
    if body.get("conversation") is not None and body.get("previous_response_id") is not None:
        return refused("body.conversation", "'conversation' can't be used together with 'previous_response_id'.")
    return ()
