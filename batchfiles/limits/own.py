"""A profile that somebody writes for themselves: a TOML file whose keys are the fields of `Limits`.

extends = "openai"          # begin with a profile that is known; without it, with none of its rules
name = "our-gateway"        # what messages call it; else the file's name
max_requests = 10_000
max_bytes = "100 MB"        # sizes in bytes, or with a unit; the warn_bytes of `extends` then count no more
one_model = false
max_embedding_inputs = "none"   # TOML has no null: this takes a rule of `extends` away

[sources]                   # where a number is from; it is printed by `batchfiles limits`
max_requests = "a mail of our provider, 2026-10"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from batchfiles.limits.rules import BODY_RULES, NONE, Limits
from batchfiles.limits.size import bytes_of
from batchfiles.nearest import choose_one, nearest

__all__ = ["own_limits"]

SEVERITIES = "'error', 'warning' or 'info'"

KINDS = {field.name: str(field.type) for field in fields(Limits)}
"""Each field and the words of its type, as they stand in the class."""


def own_limits(text: bytes, shown: str, profiles: Mapping[str, Limits]) -> Limits:
    """Read a profile from what stands in a TOML file.

    Args:
        text: The file's bytes.
        shown: What the file is called where people read it.
        profiles: What `extends` can name.

    Raises:
        ValueError: It is no TOML, or a key or a value is not one that a profile has.
    """
    table = _table(text, shown)
    base = _base(table.pop("extends", None), profiles, shown)
    unknown = next((key for key in table if key not in KINDS), None)
    if unknown is not None:
        near, known = nearest(unknown, ["extends", *KINDS]), ", ".join(["extends", *KINDS])
        end = f", did you mean {near!r}?" if near else f": it has {known}"
        raise ValueError(f"{shown}: a profile has no {unknown!r}{end}")
    given = {key: _value(key, value, shown) for key, value in table.items()}
    named = given.pop("name", None) or Path(shown).stem
    told = given.pop("sources", {})
    if "max_bytes" in given:  # the documented size stood beside another one; who names their own means that alone
        given.setdefault("warn_bytes", None)
    changed = replace(base, name=named, **given)
    return replace(changed, sources=_sources(changed, base, {**dict.fromkeys(given, shown), **told}))


def _table(text: bytes, path: str) -> dict[str, Any]:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is not UTF-8, so it is no TOML file") from None
    import tomllib

    try:
        return tomllib.loads(decoded.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: it is no TOML: {error}") from None


def _base(name: object, profiles: Mapping[str, Limits], path: str) -> Limits:
    if name is None:
        return NONE
    if isinstance(name, str) and name.lower() in profiles:
        return profiles[name.lower()]
    raise ValueError(f"{path}: 'extends' is {name!r}{choose_one(str(name), profiles)}")


def _value(key: str, value: Any, path: str) -> Any:  # noqa: ANN401 - any TOML value in, any value of a field out
    """Make a value of the file one of the field, or say what the field takes."""
    kind = KINDS[key]
    if kind == "int | None":
        return _number(key, value, path)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "str" and isinstance(value, str) and value:
        return value
    if kind == "BodyRuleSet" and value in BODY_RULES:
        return value
    if kind == "Severity" and value in ("error", "warning", "info"):
        return value
    if kind.startswith("Mapping") and isinstance(value, dict) and all(isinstance(word, str) for word in value.values()):
        return value
    if kind.startswith(("frozenset", "tuple")) and isinstance(value, list) and all(isinstance(word, str) for word in value):
        return frozenset(value) if kind.startswith("frozenset") else tuple(value)
    raise ValueError(f"{path}: {key!r} is {value!r}, and must be {_wanted(kind)}")


def _number(key: str, value: Any, path: str) -> int | None:  # noqa: ANN401 - any TOML value
    if value == "none":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and key.endswith("_bytes"):
        try:
            return bytes_of(value)
        except ValueError as error:
            raise ValueError(f"{path}: {key!r}: {error}") from None
    size = ", a size as in '100 MB'," if key.endswith("_bytes") else ""
    raise ValueError(f"{path}: {key!r} is {value!r}, and must be a number above 0{size} or 'none'")


def _wanted(kind: str) -> str:
    if kind.startswith("Mapping"):
        return "a table of texts"
    if kind.startswith(("frozenset", "tuple")):
        return "a list of texts"
    words = {"bool": "true or false", "Severity": SEVERITIES, "BodyRuleSet": f"one of {', '.join(BODY_RULES)}"}
    return words.get(kind, "a text")


def _sources(limits: Limits, base: Limits, told: Mapping[str, str]) -> dict[str, str]:
    """Keep a sentence for each rule that the profile has now."""
    known = {**base.sources, **told}
    return {key: known[key] for key in KINDS if key in known and getattr(limits, key) != getattr(NONE, key)}
