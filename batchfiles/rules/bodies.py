"""What the body of a request may hold, endpoint by endpoint: every rule is registered here once.

To add a rule, put a check of one value into the table of the endpoint (`rules/chat.py` and its siblings), or a `Rule` on several
keys into `RULES`. Both run on each line, in every job.

A JSON Schema that OpenAI refuses passes the batch's validation, and then every request with it fails. Any schema may have a
keyword with a value of the wrong kind. With `"strict": true`, a schema is checked by the rules of the guide "Structured model
outputs", section "Supported schemas" (as of 2026-08), and those observed at the service, but not by the limits on size and depth,
which have grown over time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from batchfiles.findings import instead_of
from batchfiles.limits import Limits
from batchfiles.rules import chat, others, responses
from batchfiles.rules.keys import LINE_KEYS, Violation, content_of, cut, name_of
from batchfiles.rules.kinds import ANY, Check, Faults, Shape, anything, ended, refused, shape_of, unknown


class Rule(NamedTuple):
    """A rule on several keys of a body. Its check sees only these keys and the model, so that none is missing here.

    Attributes:
        keys: It runs on bodies that have one of them; without keys, on all bodies. One that looks at the content names its key.
        check: What is wrong with a body.
        by_model: Whether it depends on the model, whose names other services don't share.
        reads: The other keys that it looks at.
    """

    keys: frozenset[str]
    check: Callable[[dict[str, Any]], Faults]
    by_model: bool = False
    reads: frozenset[str] = frozenset()

    @property
    def seen(self) -> frozenset[str]:
        """The keys that its check sees."""
        return self.keys | self.reads | {"model"}


class Table(NamedTuple):
    """The parameters of one endpoint.

    Attributes:
        parameters: The check of each one but the model and the content.
        content: The check of the key with the input of the model.
        elsewhere: What to use instead of parameters that the endpoint does not have.
        takes_any: Whether parameters that are not in the table are accepted.
    """

    parameters: Mapping[str, Check]
    content: Check = anything
    elsewhere: Mapping[str, str] = others.ELSEWHERE
    takes_any: bool = False


TABLES: dict[str, Table] = {
    "chat/completions": Table(chat.PARAMETERS, chat.check_messages, chat.ELSEWHERE),
    "completions": Table(others.COMPLETIONS, others.check_prompt),
    "embeddings": Table(others.EMBEDDINGS, others.check_embedding_input),
    "images/edits": Table(others.EDITS, others.check_picture_prompt),
    "images/generations": Table(others.IMAGES, others.check_picture_prompt),
    "moderations": Table(others.MODERATIONS, others.check_moderation_input),
    "responses": Table(responses.PARAMETERS, responses.check_input, responses.ELSEWHERE),
    "videos": Table(others.VIDEOS, others.check_picture_prompt),
}

VLLM_TABLES: dict[str, Table] = {
    "chat/completions": Table(others.VLLM_CHAT, others.check_vllm_messages, takes_any=True),
    "embeddings": Table(others.VLLM_EMBEDDINGS, others.check_vllm_input, takes_any=True),
}

SAMPLED = frozenset({"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"})


def check_stream(body: dict[str, Any]) -> Faults:
    """A batch has no streams."""
    if body["stream"] in (None, False):
        return ()
    return [Violation("streaming_unsupported", "Streaming is not supported in the Batch API.", "$.body.stream")]


def check_schemas(body: dict[str, Any]) -> Faults:
    """A schema must be a JSON Schema, and with `"strict": true` of the subset that the service takes."""
    return [
        Violation(
            sent.code,
            f"Invalid schema for {cut(sent.user)}: {cut(message, 500)}",
            cut(f"$.body{sent.json_path}{path}", 500),
        )
        for sent in sent_schemas(body)
        for message, path in [*wrong_kinds(sent.schema)] or (faults_of_schema(sent.schema) if sent.strict else ())
    ]


STREAM = Rule(frozenset({"stream"}), check_stream)
SCHEMAS = Rule(frozenset({"functions", "response_format", "text", "tools"}), check_schemas)
"""Rules for all endpoints, where the service has them."""

RULES: dict[str, list[Rule]] = {
    "chat/completions": [
        Rule(SAMPLED | {"max_tokens"}, chat.check_model, by_model=True, reads=frozenset({"reasoning_effort"})),
        Rule(frozenset({"top_logprobs"}), chat.check_logprobs, reads=frozenset({"logprobs"})),
        Rule(frozenset({"stream_options"}), chat.check_stream_options, reads=frozenset({"stream"})),
    ],
    "embeddings": [Rule(frozenset({"dimensions"}), others.check_dimensions, by_model=True)],
    "images/edits": [Rule(frozenset(), others.check_edited_image, reads=frozenset({"image", "images"}))],
    "images/generations": [Rule(frozenset({"n"}), others.check_image_count, by_model=True)],
    "responses": [
        Rule(SAMPLED, responses.check_model, by_model=True, reads=frozenset({"reasoning"})),
        Rule(frozenset({"background"}), responses.check_background),
        Rule(frozenset({"conversation"}), responses.check_conversation, reads=frozenset({"previous_response_id"})),
    ],
}

OF_AZURE = frozenset({"data_sources", "input_type", "user_security_context"})
"""Parameters that Azure adds (its OpenAPI documents 2024-10-21 and 2025-04-01-preview: documented)."""

NOT_NULL: dict[str, frozenset[str]] = {
    "chat/completions": frozenset(
        {"function_call", "functions", "parallel_tool_calls", "response_format", "tool_choice", "tools", "user"}
    ),
    "responses": frozenset({"text", "tool_choice", "tools", "user"}),
}
"""Parameters for which the document has no null; elsewhere that is `user`. Whether a service accepts null is unverified."""

NULL_IN_AZURE = frozenset({"parallel_tool_calls"})
"""Parameters for which only the document of Azure has null."""


PARAMETERS = frozenset({"model", "messages", "input", "prompt"}).union(*(table.parameters for table in TABLES.values()))


def unknown_key(key: str) -> Violation:
    """Return the warning about a key of a request line that no service reads; a parameter was meant for the body."""
    end = instead_of(key, LINE_KEYS)
    if key in PARAMETERS:
        end = f": the parameters of a request are in its body; did you mean 'body.{key}'?"
    words = f"Unknown key of a request line: '{cut(key)}'{end}"
    return Violation("unknown_parameter", ended(words), cut(f"$.{key}", 300), "warning")


class BodyRules:
    """The rules of one service on the bodies of one endpoint: those on the content, and those on everything else.

    Attributes:
        check_content: The check of the content.
        content_rules: The rules that look at the content together with other keys.
    """

    def __init__(self, url: object, limits: Limits) -> None:
        rule_set = limits.body_rules
        name = name_of(url) if isinstance(url, str) and rule_set != "none" else ""
        table = (VLLM_TABLES if rule_set == "vllm" else TABLES).get(name)
        content = content_of(url) if isinstance(url, str) and table is not None else None
        rules = [
            *([STREAM] if limits.stream_refused else ()),
            *(rule for rule in (() if rule_set == "vllm" else RULES.get(name, ())) if not rule.by_model or rule_set == "openai"),
            *([SCHEMAS] if limits.strict_schemas else ()),
        ]
        self._content_key = content.key if content is not None else None
        self.check_content: Check = table.content if table is not None else anything
        self.content_rules = [(rule, rule.seen) for rule in rules if self._content_key in rule.keys]
        self._rules = [(rule, rule.seen) for rule in rules if self._content_key not in rule.keys]
        self._table = table
        self._content_path = f"body.{self._content_key}"
        self._own = OF_AZURE if rule_set == "azure" else frozenset()
        self._not_null = NOT_NULL.get(name, frozenset({"user"})) - (NULL_IN_AZURE if rule_set == "azure" else frozenset())

    def violations(self, body: dict[str, Any]) -> list[Violation]:
        """Return what is wrong with a body, without its content."""
        found = self._parameter_faults(body, self._table) if self._table is not None else []
        for rule, seen in self._rules:
            if not rule.keys or not rule.keys.isdisjoint(body):
                found += rule.check({key: value for key, value in body.items() if key in seen})
        return found

    def parameter_shapes(self) -> tuple[dict[str, Shape], Shape | None]:
        """Return the shapes of the parameters that have no rule except their check, and that of parameters without a check.

        A shape is that of values in which the rules find nothing. All other parameters have the shape `{}`. The second shape is
        None if a parameter without a check is a finding.
        """
        table = self._table
        shapes = {} if table is None else {key: shape_of(check) for key, check in table.parameters.items()}
        looked_at = {"model"}.union(*(seen for _, seen in self._rules))
        shapes |= dict.fromkeys(self._own, ANY) | {key: {} for key in looked_at}
        return shapes, ANY if table is None or table.takes_any else None

    def _parameter_faults(self, body: dict[str, Any], table: Table) -> list[Violation]:
        found: list[Violation] = []
        for key, value in body.items():
            if key == "model" or key == self._content_key:
                continue
            check = table.parameters.get(key)
            if check is None:
                found += self._unknown(key, table)
            elif value is not None:
                found += check(value, f"body.{key}")
            elif key in self._not_null and not table.takes_any:
                words = f"'{key}' is null, for which the service is not known to have a meaning: leave it out."
                found += refused(f"body.{key}", words, "warning")
        return found

    def _unknown(self, key: str, table: Table) -> Faults:
        if table.takes_any or key in self._own:
            return ()
        known = [*table.parameters, "model", *([self._content_key] if self._content_key else ())]
        return unknown(f"body.{key}", key, known, table.elsewhere.get(key))

    def content_faults(self, body: dict[str, Any], content: Any) -> Faults:  # noqa: ANN401 - any JSON value
        """Return what is wrong with the content of a body, which is there and of the right type."""
        found = self.check_content(content, self._content_path)
        for rule, seen in self.content_rules:
            if not rule.keys.isdisjoint(body):
                found = [*found, *rule.check({key: value for key, value in body.items() if key in seen})]
        return found


FORBIDDEN = ("oneOf", "allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
"""The guide lists all of them but `oneOf`, of which the service says "'oneOf' is not permitted"."""

TYPED_BY = frozenset({"type", "anyOf", "$ref", "enum", "const", "properties", "items", *FORBIDDEN})
"""A schema with none of these keys allows anything; pydantic writes one for `Any`."""

MAPS = ("properties", "$defs", "definitions")
"""Keywords with a schema for each name."""
NESTED = ("anyOf", "allOf", "oneOf", "items", "prefixItems", "additionalProperties", "not")
"""Keywords with one schema or a list of them."""

KINDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(MAPS, ("object",)),
    **dict.fromkeys(("anyOf", "allOf", "oneOf", "prefixItems", "required", "enum"), ("array",)),
    **dict.fromkeys(("additionalProperties", "not"), ("object", "boolean")),
    "items": ("object", "boolean", "array"),
}
"""The kinds of value that a keyword may have (JSON Schema, drafts 7 and 2020-12). OpenAI compares every schema with them, strict
or not: "[] is not of type 'object', 'boolean'" (FoundationAgents/OpenManus#1162), "None is not of type 'array'"
(yomorun/yomo#860)."""

PYTHON_KINDS = {dict: "object", list: "array", bool: "boolean"}
SCHEMA = ("object", "boolean")
"""The kinds of a schema."""

PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class SchemaFault(NamedTuple):
    """One thing that the service would refuse; `json_path` begins at the schema's root, such as `.properties.name`."""

    message: str
    json_path: str


class SentSchema(NamedTuple):
    """A schema found in a body.

    Attributes:
        json_path: Its path, from the body on.
        user: What it is for, in the words of the service: `response_format 'name'` or `function 'name'`.
        code: What the service calls a fault in it.
        schema: The schema itself; anything, if the body is wrong.
        strict: Whether the body asks to follow it strictly.
    """

    json_path: str
    user: str
    code: str
    schema: Any
    strict: bool


def sent_schemas(body: dict[str, Any]) -> Iterator[SentSchema]:
    """Yield the schemas of a chat completions or Responses body."""
    chat_format = _object(_object(body.get("response_format")).get("json_schema"))
    yield from _output_schema(chat_format, ".response_format.json_schema.schema")
    yield from _output_schema(_object(_object(body.get("text")).get("format")), ".text.format.schema")
    tools = body.get("tools")
    for place, tool in enumerate(tools if isinstance(tools, list) else ()):
        # Chat completions keep a function one level deeper than Responses.
        yield from _function_schema(_object(tool), f".tools[{place}]")
        yield from _function_schema(_object(_object(tool).get("function")), f".tools[{place}].function")
    functions = body.get("functions")
    for place, function in enumerate(functions if isinstance(functions, list) else ()):
        yield from _function_schema(_object(function), f".functions[{place}]")


def _output_schema(holder: dict[str, Any], json_path: str) -> Iterator[SentSchema]:
    strict = holder.get("strict") is True
    if strict or "schema" in holder:
        user = f"response_format '{holder.get('name')}'"
        yield SentSchema(json_path, user, "invalid_json_schema", holder.get("schema"), strict)


def _function_schema(holder: dict[str, Any], json_path: str) -> Iterator[SentSchema]:
    if "parameters" in holder:
        user, strict = f"function '{holder.get('name')}'", holder.get("strict") is True
        yield SentSchema(f"{json_path}.parameters", user, "invalid_function_parameters", holder["parameters"], strict)


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, dict) else {}


def wrong_kinds(root: Any) -> Iterator[SchemaFault]:  # noqa: ANN401 - any JSON value
    """Yield the keywords of a schema whose value is of a kind that no schema has there, such as a property that is null."""
    waiting: list[tuple[Any, str]] = [(root, "")] if isinstance(root, dict) else []
    while waiting:
        schema, path = waiting.pop()
        if not isinstance(schema, dict):
            if not isinstance(schema, bool):
                yield _wrong_kind(schema, SCHEMA, path)
            continue
        for key, value in schema.items():
            if key in KINDS and PYTHON_KINDS.get(type(value)) not in KINDS[key]:
                yield _wrong_kind(value, KINDS[key], f"{path}.{key}")
        waiting.extend(reversed(list(_members(schema, path, MAPS + NESTED))))


def _wrong_kind(value: Any, kinds: tuple[str, ...], path: str) -> SchemaFault:  # noqa: ANN401 - any JSON value
    shown = ("[…]" if isinstance(value, list) else "{…}") if isinstance(value, list | dict) and value else repr(value)
    return SchemaFault(f"{shown} is not of type {', '.join(map(repr, kinds))}.", path)


def faults_of_schema(root: Any) -> Iterator[SchemaFault]:  # noqa: ANN401 - any JSON value
    """Yield what the service would refuse in a strict schema, in the order of the schema."""
    if not isinstance(root, dict):
        yield SchemaFault("the schema must be an object", "")
        return
    yield from _root_faults(root)
    # A stack, not recursion: a line may be nested a thousand levels deep.
    waiting: list[tuple[dict[str, Any], str]] = [(root, "")]
    while waiting:
        schema, path = waiting.pop()
        yield from (SchemaFault(message, path) for message in _faults_of_one(schema, is_root=not path))
        waiting.extend(reversed(list(_below(schema, path))))


def _root_faults(root: dict[str, Any]) -> Iterator[SchemaFault]:
    kind = root.get("type")
    if kind != "object" and "$ref" not in root:
        got = kind if isinstance(kind, str) else "None"
        yield SchemaFault(f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{got}\"'.", "")
    elif "anyOf" in root:
        yield SchemaFault("the root of the schema must be an object and not 'anyOf'.", "")


def _faults_of_one(schema: dict[str, Any], *, is_root: bool) -> Iterator[str]:
    """Look at one schema without those below it."""
    if "$ref" in schema:
        others = schema.keys() - {"$ref", "$defs", "definitions"}
        if others and not is_root:
            yield f"$ref cannot have keywords {{{', '.join(repr(key) for key in sorted(others))}}}."
        return
    yield from (f"'{word}' is not permitted." for word in FORBIDDEN if word in schema)
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "object" in kinds or ("properties" in schema and kind is None):
        yield from _object_faults(schema)
    if "array" in kinds and "items" not in schema and "prefixItems" not in schema:
        yield "array schema missing items."
    if not is_root and schema.keys().isdisjoint(TYPED_BY):
        yield "schema must have a 'type' key."


def _object_faults(schema: dict[str, Any]) -> Iterator[str]:
    if schema.get("additionalProperties") is not False:
        yield "'additionalProperties' is required to be supplied and to be false."
    properties = _object(schema.get("properties"))
    required = schema.get("required")
    named = dict.fromkeys(key for key in required if isinstance(key, str)) if isinstance(required, list) else {}
    sentence = "'required' is required to be supplied and to be an array including every key in properties."
    if missing := [key for key in properties if key not in named]:
        yield f"{sentence} Missing {', '.join(map(repr, missing))}."
    if extra := [key for key in named if key not in properties]:
        yield f"{sentence} Extra required key {', '.join(map(repr, extra))} supplied."


def _below(schema: dict[str, Any], path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the object schemas right below one that strict schemas may have, each with its path."""
    words = (*MAPS, "anyOf", "items", "prefixItems")
    yield from ((child, where) for child, where in _members(schema, path, words) if isinstance(child, dict))


def _members(schema: dict[str, Any], path: str, words: tuple[str, ...]) -> Iterator[tuple[Any, str]]:
    """Yield the values under these keywords that are read as schemas, each with its path."""
    for word in words:
        value, where = schema.get(word), f"{path}.{word}"
        if isinstance(value, list):
            yield from ((member, f"{where}[{place}]") for place, member in enumerate(value))
        elif isinstance(value, dict) and word in MAPS:
            yield from ((member, f"{where}{_step(key)}") for key, member in value.items())
        elif isinstance(value, dict):
            yield value, where


def _step(key: str) -> str:
    return f".{key}" if PLAIN_KEY.fullmatch(key) else f"[{key!r}]"
