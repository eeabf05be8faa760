"""The fields of a profile: what a service can refuse in a request file.

Sizes as people write them: 200000000, 200MB, 200 MiB.

A profile that somebody writes for themselves: a TOML file whose keys are the fields of `Limits`.

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

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from batchfiles.findings import Severity, choose_one, nearest

__all__ = ["BODY_RULES", "LINE_CAP", "NONE", "RESULT_LINE_CAP", "BodyRuleSet", "Limits", "bytes_of", "own_limits"]

BodyRuleSet: TypeAlias = Literal["none", "openai", "azure", "vllm"]

BODY_RULES: tuple[BodyRuleSet, ...] = ("none", "openai", "azure", "vllm")
"""Whose rules the parameters of a body keep to."""

LINE_CAP = 64 * 1024 * 1024
"""Bytes; ours. No service documents a longest line but DashScope (6 MB, Model Studio batch docs, read 2026-08); an input file may
have 200 MB and an ordinary line has kilobytes. Decoded JSON takes up to 30 times its length in memory."""


RESULT_LINE_CAP = 256 * 1024 * 1024
"""Bytes; ours, for lines that a service wrote. Ten images of 5 MB in base64 have 67 MB, and 2,048 vectors of 3,072 numbers up to
130 MB; a line twice as long is not known. Answers of this size are a few long texts, which decode to little more."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Limits:
    """What one service accepts in a request file.

    Attributes:
        name: What `--limits` calls it.
        max_requests: Requests in one file.
        max_bytes: Bytes of one file, uncompressed; above it is an error.
        warn_bytes: Bytes above which it is a warning: the documented number where a larger one is what really counts.
        max_line_bytes: Bytes of one line without its newline.
        max_embedding_inputs: Texts to embed, summed over all requests of a file.
        max_embedding_items_per_request: Items of the array `input` of one embeddings request.
        min_custom_id_length: Characters that a `custom_id` must have.
        max_custom_id_length: Characters that it may have.
        method_required: Whether a line must have a `method`.
        url_required: Whether a line must have a `url`; the short lines of some services have none.
        short_lines: Whether a line is documented with `custom_id` and `body` only; a `method` or `url` is worth a warning.
        one_model: Whether all requests of a file must name the same model.
        one_url: Whether all requests of a file must name the same url.
        same_in_every_body: Keys of a body whose values, where there are any, must be the same in all requests of a file.
        stream_refused: Whether `"stream": true` in a body is an error.
        strict_schemas: Whether schemas with `"strict": true` must keep to the rules that OpenAI documents for them. Others
            compile schemas with engines of their own, which take more (vLLM) or less.
        known_urls: The endpoints that are documented. Another one is worth a warning only: OpenAI's list grew from 1 to 8.
        known_url_endings: Ends of urls that are taken whatever stands before them.
        unknown_urls: How bad another endpoint is.
        body_rules: Whose rules the parameters of a body keep to: `"openai"`; `"azure"`, which adds parameters and names models
            as it likes; `"vllm"`, which takes any parameter and stops at a value of a wrong type; or `"none"`.
        blank_lines: How bad a blank line is.
        byte_order_mark: How bad a byte order mark is.
        service_codes: The service's own words for our finding codes, where they differ.
        sources: For each field with a rule: where it is from, when that was read, and how sure it is.
    """

    name: str
    max_requests: int | None = None
    max_bytes: int | None = None
    warn_bytes: int | None = None
    max_line_bytes: int | None = None
    max_embedding_inputs: int | None = None
    max_embedding_items_per_request: int | None = None
    min_custom_id_length: int | None = None
    max_custom_id_length: int | None = None
    method_required: bool = False
    url_required: bool = False
    short_lines: bool = False
    one_model: bool = False
    one_url: bool = False
    same_in_every_body: frozenset[str] = frozenset()
    stream_refused: bool = False
    strict_schemas: bool = False
    known_urls: frozenset[str] = frozenset()
    known_url_endings: tuple[str, ...] = ()
    unknown_urls: Severity = "warning"
    body_rules: BodyRuleSet = "none"
    blank_lines: Severity = "warning"
    byte_order_mark: Severity = "warning"
    service_codes: Mapping[str, str] = field(default_factory=dict, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)

    def __repr__(self) -> str:
        """Return the name and the numbers: `Limits('openai', max_requests=50_000, …)`; most rules are left out."""
        numbers = ((field.name, getattr(self, field.name)) for field in fields(self) if field.name.startswith("max_"))
        return f"Limits({', '.join([repr(self.name), *(f'{name}={value:_}' for name, value in numbers if value is not None)])})"

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as plain values, for JSON."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    def knows_url(self, url: str) -> bool:
        """Return whether the service documents this endpoint; with no list of endpoints, every url is known."""
        if not self.known_urls and not self.known_url_endings:
            return True
        return url in self.known_urls or url.endswith(self.known_url_endings)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a field
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


NONE = Limits(name="none")
"""No service in mind: only what every reader of batch files needs."""

WORDS = re.compile(r"\s*(?P<number>\d[\d_,]*(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
"""MB is a million bytes and MiB 2 to the power of 20, in any case; services mean one and write the other, so we take both."""


def bytes_of(text: str) -> int:
    """Return a size in bytes.

    Raises:
        ValueError: It is no size, or not a whole number of bytes above 0.
    """
    match = WORDS.fullmatch(text)
    unit = UNITS.get(match["unit"].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is no size: write bytes, or a unit as in 200MB or 200MiB")
    whole, _, fraction = re.sub("[_,]", "", match["number"]).partition(".")
    scale: int = 10 ** len(fraction)
    size, rest = divmod(int(whole + fraction) * unit, scale)
    if rest or size == 0:
        raise ValueError(f"{text!r} is not a whole number of bytes above 0")
    return size


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
