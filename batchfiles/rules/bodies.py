"""What the body of a request may hold, endpoint by endpoint: every rule is registered here once.

To add a rule, put a check of one value into the table of the endpoint (`rules/chat.py` and its siblings), or a `Rule` on several
keys into `RULES`. Both run on each line, in every job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from batchfiles.findings import instead_of
from batchfiles.limits import Limits
from batchfiles.rules import chat, others, responses
from batchfiles.rules.keys import LINE_KEYS, Violation, content_of, cut, name_of
from batchfiles.rules.kinds import ANY, Check, Faults, Shape, anything, ended, refused, shape_of, unknown
from batchfiles.rules.strict_schemas import faults_of_schema, sent_schemas, wrong_kinds

__all__ = ["RULES", "TABLES", "BodyRules", "Rule", "Table", "unknown_key"]


class Rule(NamedTuple):
    """A rule on several keys of a body.

    Attributes:
        keys: It runs on bodies that have one of them; without keys, on all bodies. One that looks at the content names its key:
            to all others the content is null.
        check: What is wrong with a body.
        by_model: Whether it depends on the model, whose names other services don't share.
        reads: The other keys that it looks at, besides the model.
    """

    keys: frozenset[str]
    check: Callable[[dict[str, Any]], Faults]
    by_model: bool = False
    reads: frozenset[str] = frozenset()


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
        self.content_rules = [rule for rule in rules if self._content_key in rule.keys]
        self._rules = [rule for rule in rules if self._content_key not in rule.keys]
        self._table = table
        self._content_path = f"body.{self._content_key}"
        self._own = OF_AZURE if rule_set == "azure" else frozenset()
        self._not_null = NOT_NULL.get(name, frozenset({"user"})) - (NULL_IN_AZURE if rule_set == "azure" else frozenset())

    def violations(self, body: dict[str, Any]) -> list[Violation]:
        """Return what is wrong with a body, without its content."""
        found = self._parameter_faults(body, self._table) if self._table is not None else []
        for rule in self._rules:
            if not rule.keys or not rule.keys.isdisjoint(body):
                found += rule.check(body)
        return found

    def parameter_shapes(self) -> tuple[dict[str, Shape], Shape | None]:
        """Return the shapes of the parameters that have no rule except their check, and that of parameters without a check.

        A shape is that of values in which the rules find nothing. All other parameters have the shape `{}`. The second shape is
        None if a parameter without a check is a finding.
        """
        table = self._table
        shapes = {} if table is None else {key: shape_of(check) for key, check in table.parameters.items()}
        looked_at = {key for rule in self._rules for key in rule.keys | rule.reads}
        shapes |= dict.fromkeys(self._own, ANY) | {key: {} for key in ("model", *looked_at)}
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
        for rule in self.content_rules:
            if not rule.keys.isdisjoint(body):
                found = [*found, *rule.check(body)]
        return found
