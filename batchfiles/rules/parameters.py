"""What the endpoints share: parameters of sampling, of bookkeeping and of tools, and what depends on the model."""

from __future__ import annotations

import re
from typing import Any

from batchfiles.key_rules import Fault, cut
from batchfiles.rules.kinds import (
    Check,
    Faults,
    anything,
    array,
    boolean,
    either,
    fields,
    integer,
    mapping,
    number,
    refused,
    text,
    word,
    wrong_kind,
)

__all__ = [
    "BOOKKEEPING",
    "PENALTIES",
    "SAMPLING",
    "SDK_ARGUMENTS",
    "STOP",
    "fixed_parameters",
    "reasons",
    "schema",
    "schema_name",
    "tool_name",
    "unsupported",
]

TIERS = ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")

BOOKKEEPING: dict[str, Check] = {
    "metadata": mapping(text(512), most=16, longest_key=64),
    "user": text(),
    "safety_identifier": text(64),
    "prompt_cache_key": text(),
    "prompt_cache_options": fields(),
    "prompt_cache_retention": word("in_memory", "in-memory", "24h", closed=False),
    "service_tier": word(*TIERS, closed=False),
    "moderation": fields({"model": text()}),
    "store": boolean,
}

SAMPLING: dict[str, Check] = {"temperature": number(0, 2), "top_p": number(0, 1)}

PENALTIES: dict[str, Check] = {
    "frequency_penalty": number(-2, 2),
    "presence_penalty": number(-2, 2),
    "logit_bias": mapping(number(-100, 100)),
    "seed": integer(-(2**63), 2**63 - 1),
}

STOP = either("a string or an array", text=anything, list=array(text(), fewest=1, most=4))

SDK_ARGUMENTS = {
    "extra_body": "an argument of the SDK: put its keys into the body itself",
    "extra_headers": "an argument of the SDK: a batch sends no headers",
    "extra_query": "an argument of the SDK: a batch sends no query",
    "timeout": "an argument of the SDK: a batch has none",
}
"""Arguments of a call in Python that got into a body."""

NAME = re.compile(r"[a-zA-Z0-9_-]+")


def _name(longest: int) -> Check:
    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not str:
            return wrong_kind(path, "a string", value)
        if len(value) <= longest and NAME.fullmatch(value):
            return ()
        return refused(path, f"Invalid '{path}': {cut(value)!r} must be 1 to {longest} letters, digits, underscores or hyphens.")

    return check


tool_name = _name(128)
"""The name of a function or a tool: 128 in the document of /v1/responses; that of a chat says 64, and the service accepts 128
there too (observed in 2026-10)."""

schema_name = _name(64)
"""The name of an output format."""

schema = mapping(anything)
"""A JSON Schema; what strict ones must hold is another matter."""

FIXED_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
DEFAULTS = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": False}
"""The value that reasoning models accept, which is the default."""

REASONING = re.compile(r"(?:o[1-9](?:-|$)|gpt-(?:[5-9]|\d\d))")
ALWAYS_REASONING = re.compile(r"(?:o[1-9](?:-|$)|gpt-5(?:-|$))")
"""From gpt-5.1 on the effort may be `none`, and without reasoning a model accepts all parameters."""


def reasons(model: object) -> bool:
    """Tell by its name whether a model is one of those that reason; fine-tuned and routed ones are named after theirs."""
    return isinstance(model, str) and REASONING.match(_base(model)) is not None and "-chat" not in model


def _base(model: str) -> str:
    return model.removeprefix("ft:").rpartition("/")[2]


def fixed_parameters(body: dict[str, Any], effort: object) -> Faults:
    """Return warnings about parameters that a reasoning model does not accept, or only with their default."""
    model = body.get("model")
    if not reasons(model) or not isinstance(model, str):
        return ()
    if effort in (None, "none") and not ALWAYS_REASONING.match(_base(model)):
        return ()
    found: list[Fault] = []
    for key in FIXED_SAMPLING:
        value = body.get(key)
        if value is not None and value != DEFAULTS.get(key):
            found.append(unsupported(key, model, "models that reason take only its default"))
    return found


def unsupported(key: str, model: str, instead: str) -> Fault:
    """Return the warning about a parameter that a model is known to refuse."""
    words = f"'{key}' is not supported with the model '{cut(model)}': {instead}."
    return Fault("unsupported_parameter", words, f"$.body.{key}", "warning")
