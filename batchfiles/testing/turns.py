"""The generated turns of the local server: text, an instance of a JSON Schema, or a tool call."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from batchfiles.table.parsed_schema import schema_of_request
from batchfiles.testing.instances import instance_of
from batchfiles.testing.json_schema import SchemaError
from batchfiles.testing.parameters import Refusal, whole_number

MOST_CHOICES: Final = 128
"""OpenAI's OpenAPI document, CreateChatCompletionRequest."""

SHOWN: Final = 40
"""Characters of a question that its answer repeats."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of a request.

    Attributes:
        name: Its name.
        parameters: The schema of its arguments; None for a custom tool, which accepts any text.
        place: Its path in the request.
        is_legacy: Whether it is in `functions`, the predecessor of `tools`.
    """

    name: str
    parameters: Any
    place: str
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the model.

    Attributes:
        text: The text, or the arguments of the call.
        tool: The tool that is called; None for text.
        is_cut: Whether the token limit ended it.
    """

    text: str
    tool: Tool | None = None
    is_cut: bool = False

    @property
    def tokens(self) -> int:
        """The number of tokens."""
        return tokens_of(self.text)


def turns(body: dict[str, Any], asked: object, digest: str, *, limits: tuple[str, ...]) -> list[Turn]:
    """Answer a request `n` times.

    Args:
        body: The request.
        asked: The question, such as the messages.
        digest: The seed of the answers.
        limits: The parameters that limit the tokens of an answer; the first one that is set counts.

    Raises:
        Refusal: A parameter is wrong, or a schema has no instance.
    """
    count = whole_number("n", body.get("n"), 1, MOST_CHOICES) or 1
    limit = next((found for name in limits if (found := whole_number(name, body.get(name), 1)) is not None), None)
    tool = _called(body, asked)
    return [_cut(_turn(body, asked, tool, number, f"{digest}-{number}"), limit) for number in range(count)]


def _turn(body: dict[str, Any], asked: object, tool: Tool | None, number: int, seed: str) -> Turn:
    if tool is not None:
        return Turn(_echo(asked, number) if tool.parameters is None else _instance(tool.parameters, seed, tool.place), tool)
    schema = schema_of_request(body)
    if schema is not None:
        return Turn(_instance(schema, seed, "text.format" if "text" in body else "response_format"))
    if _wants_json(body):
        return Turn(_json({"answer": _echo(asked, number)}))
    return Turn(_echo(asked, number))


def _echo(asked: object, number: int) -> str:
    """Return a text that repeats the question; different for each choice."""
    return f"{f'Answer {number + 1}' if number else 'An answer'} to {_last_text(asked)[:SHOWN]!r}."


def _last_text(asked: object) -> str:
    """Return the last text of a question."""
    if isinstance(asked, list):
        return _last_text(asked[-1]) if asked else ""
    if isinstance(asked, dict):
        return _last_text(asked.get("content", asked.get("text", "")))
    return str(asked or "")


def tokens_of(text: str) -> int:
    """Estimate the tokens of a text: one for four characters, and at least one."""
    return max(len(text) // LETTERS_A_TOKEN, 1)


LETTERS_A_TOKEN: Final = 4


def _cut(turn: Turn, limit: int | None) -> Turn:
    """Cut a text at the token limit."""
    if limit is None or turn.tokens <= limit:
        return turn
    return Turn(turn.text[: limit * LETTERS_A_TOKEN], turn.tool, is_cut=True)


def _instance(schema: Any, seed: str, place: str) -> str:  # noqa: ANN401 - any JSON value
    try:
        return _json(instance_of(schema, seed))
    except SchemaError as error:
        raise Refusal(400, f"Invalid schema for '{place}': {error}.", code="invalid_json_schema", param=place) from None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _wants_json(body: dict[str, Any]) -> bool:
    """Return whether the request has the format `json_object`."""
    text = body.get("text")
    asked = (body.get("response_format"), text.get("format") if isinstance(text, dict) else None)
    return any(isinstance(each, dict) and each.get("type") == "json_object" for each in asked)


# Tools


def _called(body: dict[str, Any], asked: object) -> Tool | None:
    """Return the tool to call: the required one, or one that the question names."""
    tools = list(_tools(body))
    choice = body.get("tool_choice", body.get("function_call"))
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        inner = choice.get("allowed_tools", choice)
        allowed = {_name_of(tool) for tool in inner.get("tools", [])}
        tools, choice = [tool for tool in tools if tool.name in allowed], inner.get("mode", "auto")
    if isinstance(choice, dict):
        name = _name_of(choice)
        if name is None:  # a tool that the service runs, such as web search
            return None
        found = next((tool for tool in tools if tool.name == name), None)
        if found is None:
            message = f"Invalid value for 'tool_choice': no tool {name[:100]!r} in 'tools'."
            raise Refusal(400, message, code="invalid_value", param="tool_choice")
        return found
    named = next((tool for tool in tools if re.search(rf"\b{re.escape(tool.name)}\b", _last_text(asked))), None)
    if choice in REQUIRED:
        if not tools and not body.get("tools"):
            message = f"Invalid value for 'tool_choice': {choice!r} needs 'tools'."
            raise Refusal(400, message, code="invalid_value", param="tool_choice")
        return named or next(iter(tools), None)
    return None if choice == "none" or _is_result(asked) else named


REQUIRED: Final = ("required", "any")
"""The values of `tool_choice` for "call any tool": OpenAI's and Mistral's."""


def _tools(body: dict[str, Any]) -> list[Tool]:
    """Return the tools that the caller runs, in the formats of Chat Completions and Responses."""
    found = []
    for key in ("tools", "functions"):
        for number, tool in enumerate(body[key] if isinstance(body.get(key), list) else ()):
            kind = tool.get("type", "function") if isinstance(tool, dict) else None
            inner = tool.get(kind, tool) if kind in ("function", "custom") else None
            if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
                continue
            place = f"{key}[{number}]{'.function' if inner is not tool else ''}.parameters"
            parameters = None if kind == "custom" else inner.get("parameters") or NO_PARAMETERS
            found.append(Tool(inner["name"], parameters, place, key == "functions"))
    return found


NO_PARAMETERS: Final = {"type": "object", "additionalProperties": False}


def _name_of(choice: Mapping[str, Any]) -> str | None:
    inner = choice.get(choice.get("type", "function"), choice)
    name = inner.get("name") if isinstance(inner, dict) else None
    return name if isinstance(name, str) else None


def _is_result(asked: object) -> bool:
    """Return whether the last message is a tool result; then the answer is text."""
    last = asked[-1] if isinstance(asked, list) and asked else None
    return isinstance(last, dict) and (last.get("role") in ("tool", "function") or str(last.get("type")).endswith("_output"))
