"""Checks of one value: each is called with the value and its path, and returns what is wrong with it.

A path is written as the service writes it, `body.messages[0].role`; a fault has it as a JSON path.

What the endpoints share: parameters of sampling, of bookkeeping and of tools, and what depends on the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from batchfiles.findings import Severity, instead_of, nearest
from batchfiles.rules.keys import JSON_KINDS, Violation, cut

Faults: TypeAlias = Sequence[Violation]
Check: TypeAlias = "Callable[[Any, str], Faults]"

MOST_OF_ONE_ARRAY = 20
"""Faults that are listed of one array: a list of thousands may be wrong in each item."""


Shape: TypeAlias = "dict[str, Any]"
"""Values in which a check finds nothing, for compiled code (`Shape` in `native/src/shapes.rs`): what each kind of value may be.
A kind without a name is left to the check, and so are all values of the shape `{}`."""

ANY: Shape = {"any": True}
SHAPES: WeakKeyDictionary[Check, Shape] = WeakKeyDictionary()


def described(check: Check, shape: Shape) -> Check:
    """Return a check, and remember the shape of the values in which it finds nothing."""
    SHAPES[check] = shape
    return check


def shape_of(check: Check) -> Shape:
    """Return the shape of values in which a check finds nothing; `{}` if it is not described."""
    return SHAPES.get(check, {})


def nullable(shape: Shape) -> Shape:
    """Return the shape of the same values and null."""
    return {**shape, "null": True}


def items(item: Shape, least: int = 0, most: int | None = None, *, is_one: bool = False) -> dict[str, Any]:
    """Return the description of a list; one that `is_one` counts as one text, whatever its length."""
    return {"item": item, "least": least, "most": most, "is_one": is_one}


def only(kind: str, shape: Shape) -> Shape:
    """Return the part of a shape for one kind of values: `text`, `list` or `object`."""
    if shape == ANY:
        shape = {"text": {}, "lists": [items(ANY)], "object": {"others": ANY}}
    keys = {"text": ("text",), "list": ("lists",), "object": ("object", "tags")}[kind]
    return {key: shape[key] for key in keys if key in shape}


def refused(path: str, message: str, severity: Severity = "error") -> list[Violation]:
    """Return the one fault of a value."""
    return [Violation("invalid_body", ended(message), f"$.{path}", severity)]


def ended(message: str) -> str:
    """Return a message with a full stop, because the path follows: `expected none, auto, required at` would read on."""
    return message if message.endswith((".", "?")) else f"{message}."


def wrong_kind(path: str, wanted: str, value: Any, hint: str = "") -> list[Violation]:  # noqa: ANN401 - any JSON value
    """Return the fault of a value of the wrong type."""
    kind = type(value)
    got = JSON_KINDS.get(kind, kind.__name__)
    return refused(path, f"Invalid type for '{path}': expected {wanted}, but got {got} instead{hint}.")


def missing(path: str, hint: str = "") -> list[Violation]:
    """Return the fault of a parameter that must be there."""
    return refused(path, f"Missing required parameter: '{path}'{hint}.")


def unknown(path: str, name: str, known: Mapping[str, Any] | Sequence[str], hint: str | None = None) -> list[Violation]:
    """Return the warning about a parameter that the endpoint is not known to have."""
    near = None if hint else nearest(name, known)
    end = f": {hint}" if hint else f"; did you mean {near!r}?" if near else ""
    return [Violation("unknown_parameter", ended(f"Unknown parameter: '{cut(name)}'{end}"), cut(f"$.{path}", 300), "warning")]


def anything(value: Any, path: str) -> Faults:  # noqa: ANN401, ARG001 - any JSON value
    """Take every value."""
    return ()


described(anything, ANY)


def boolean(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take true and false."""
    return () if value is True or value is False else wrong_kind(path, "a boolean", value)


described(boolean, {"boolean": True})


def null(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
    """Take null."""
    return () if value is None else wrong_kind(path, "null", value)


def integer(low: int | None = None, high: int | None = None) -> Check:
    """Take integers of a range."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not int:
            hint = "; an integer has 64 bits at most" if type(value) is float and abs(value) >= 2**63 else ""
            return wrong_kind(path, "an integer", value, hint)
        return _outside(value, path, low, high)

    return described(check, {"integer": (low, high)})


def number(low: float | None = None, high: float | None = None) -> Check:
    """Take numbers of a range."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not float and type(value) is not int:
            return wrong_kind(path, "a number", value)
        return _outside(value, path, low, high)

    return described(check, {"number": (low, high)})


def _outside(value: float, path: str, low: float | None, high: float | None) -> Faults:
    if low is not None and value < low:
        return refused(path, f"Invalid '{path}': {value} is below the minimum of {low}.")
    if high is not None and value > high:
        return refused(path, f"Invalid '{path}': {value} is above the maximum of {high}.")
    return ()


def text(longest: int | None = None, *, shortest: int = 0) -> Check:
    """Take strings of a length."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not str:
            return wrong_kind(path, "a string", value)
        if len(value) < shortest:
            return refused(path, f"Invalid '{path}': the string is empty.")
        if longest is not None and len(value) > longest:
            return refused(path, f"Invalid '{path}': {len(value):,} characters, and {longest:,} are allowed.")
        return ()

    return described(check, {"text": {"least": shortest, "most": longest}})


def word(*words: str, closed: bool = True) -> Check:
    """Accept some words; another one is only a warning if the list has grown before."""
    allowed = frozenset(words)

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not str:
            return wrong_kind(path, "a string", value)
        if value in allowed:
            return ()
        return refused(path, f"Invalid value for '{path}': {cut(value)!r}{instead_of(value, words)}", _bad(closed))

    return described(check, {"text": {"words": words}})


def _bad(closed: bool) -> Severity:
    return "error" if closed else "warning"


def array(item: Check = anything, *, fewest: int = 0, most: int | None = None) -> Check:
    """Take arrays of a length."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not list:
            return wrong_kind(path, "an array", value)
        if len(value) < fewest:
            return refused(path, f"Invalid '{path}': {len(value)} items, and at least {fewest} must be there.")
        if most is not None and len(value) > most:
            return refused(path, f"Invalid '{path}': {len(value):,} items, and {most:,} are allowed.")
        found: list[Violation] = []
        for place, each in enumerate(value):
            found += item(each, f"{path}[{place}]")
            if len(found) >= MOST_OF_ONE_ARRAY:
                break
        return found

    return described(check, {"lists": [items(shape_of(item), fewest, most)]})


def mapping(item: Check, *, most: int | None = None, longest_key: int | None = None) -> Check:
    """Accept objects with user-defined keys."""

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            return wrong_kind(path, "an object", value)
        if most is not None and len(value) > most:
            return refused(path, f"Invalid '{path}': {len(value):,} keys, and {most:,} are allowed.")
        found: list[Violation] = []
        for key, each in value.items():
            if longest_key is not None and len(key) > longest_key:
                found += refused(path, f"Invalid '{path}': a key has {len(key):,} characters, and {longest_key:,} are allowed.")
            found += item(each, f"{path}.{cut(key)}")
        return found

    return described(check, {"object": {"others": shape_of(item), "most": most, "longest_key": longest_key}})


def either(wanted: str, **checks: Check) -> Check:
    """Accept values of several types, each with its own check; the keys are `text`, `list` and `object`."""
    kinds: dict[str, type] = {"text": str, "list": list, "object": dict}
    by_kind: dict[type, Check] = {kinds[name]: check for name, check in checks.items()}

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        chosen = by_kind.get(type(value))
        return wrong_kind(path, wanted, value) if chosen is None else chosen(value, path)

    parts = (only(name, shape_of(inner)) for name, inner in checks.items())
    return described(check, {key: value for part in parts for key, value in part.items()})


def _are_texts(parts: Any, kind: str) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a content is an array of only texts; a KeyError or TypeError means no too."""
    if type(parts) is not list or not parts:
        return False
    for part in parts:  # noqa: SIM110 - a generator costs as much as the parts
        if part["type"] != kind or type(part["text"]) is not str:
            return False
    return True


def are_plain(messages: list[Any], roles: Collection[str], kind: str) -> bool:
    """Return whether all messages have just a role and a text, or texts as parts of a kind; flat, for nearly all have."""
    try:
        for message in messages:
            if message["role"] not in roles or len(message) != 2:
                return False
            if type(message["content"]) is not str and not _are_texts(message["content"], kind):
                return False
    except (KeyError, TypeError):
        return False
    return True


def fields(required: Mapping[str, Check] | None = None, others: Mapping[str, Check] | None = None, *, hint: str = "") -> Check:
    """Take objects with some keys; keys that are not known are left to the service.

    Args:
        required: The checks of what must be there.
        others: The checks of keys that may be missing or null.
        hint: What to add where a key that must be there is missing.
    """
    needed, extra = required or {}, others or {}

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            return wrong_kind(path, "an object", value)
        found: list[Violation] = []
        for key, inner in needed.items():
            if key not in value:  # one is enough: the object is probably of another form
                found += missing(f"{path}.{key}", hint)
                break
            found += inner(value[key], f"{path}.{key}")
        for key, inner in extra.items():
            if value.get(key) is not None:
                found += inner(value[key], f"{path}.{key}")
        return found

    keys = [(key, shape_of(inner), True) for key, inner in needed.items()]
    keys += [(key, nullable(shape_of(inner)), False) for key, inner in extra.items()]
    return described(check, {"object": {"keys": keys, "others": ANY}})


def tagged(kinds: Mapping[str, Check], *, closed: bool = True, others: Mapping[str, str] | None = None) -> Check:
    """Accept objects whose `type` decides their other keys.

    Args:
        kinds: The check of each type.
        closed: Whether another type is an error instead of a warning.
        others: The messages for types that belong elsewhere.
    """
    hints = others or {}

    def check(value: Any, path: str) -> Faults:  # noqa: ANN401 - any JSON value
        if type(value) is not dict:
            return wrong_kind(path, "an object", value)
        if "type" not in value:
            return missing(f"{path}.type", f"; it is one of {', '.join(kinds)}")
        kind = value["type"]
        if type(kind) is not str:
            return wrong_kind(f"{path}.type", "a string", kind)
        if kind in kinds:
            return kinds[kind](value, path)
        end = f": {hints[kind]}." if kind in hints else instead_of(kind, kinds)
        return refused(f"{path}.type", f"Invalid value for '{path}.type': {cut(kind)!r}{end}", _bad(closed or kind in hints))

    tags = []
    for kind, inner in kinds.items():
        shape = only("object", shape_of(inner)).get("object")
        if shape is not None:
            tags.append((kind, {**shape, "keys": [("type", {"text": {"words": [kind]}}, True), *shape.get("keys", ())]}))
    return described(check, {"tags": [("type", tags)]})


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
"""The name of a function or a tool: 128 in the document of /v1/responses; for chats it documents 64, and the service accepts 128
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
    """Predicate: is this a reasoning model, by its name? Names of fine-tuned and routed models contain that of theirs."""
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
    found: list[Violation] = []
    for key in FIXED_SAMPLING:
        value = body.get(key)
        if value is not None and value != DEFAULTS.get(key):
            found.append(unsupported(key, model, "models that reason take only its default"))
    return found


def unsupported(key: str, model: str, instead: str) -> Violation:
    """Return the warning about a parameter that a model is known to refuse."""
    words = f"'{key}' is not supported with the model '{cut(model)}': {instead}."
    return Violation("unsupported_parameter", words, f"$.body.{key}", "warning")
