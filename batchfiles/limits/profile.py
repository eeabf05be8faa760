"""Profiles: the class, sizes with units (200MB, 200 MiB), and TOML files, whose keys are the fields of `Limits`.

extends = "openai"          # start from a built-in profile; by default without any rule
name = "our-gateway"        # the name in messages; by default the file's name
max_requests = 10_000
max_bytes = "100 MB"        # bytes, or with a unit; the warn_bytes of `extends` then do not apply
one_model = false
max_embedding_inputs = "none"   # TOML has no null: "none" removes a rule of `extends`

[sources]                   # the source of a number, printed by `batchfiles limits`
max_requests = "a mail of our provider, 2026-10"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from batchfiles.findings import Severity, instead_of

BodyRuleSet: TypeAlias = Literal["none", "openai", "azure", "vllm"]

BODY_RULES: tuple[BodyRuleSet, ...] = ("none", "openai", "azure", "vllm")
"""The services with rules for the parameters of a body."""

LINE_CAP = 64 * 1024 * 1024
"""Bytes; our choice. Only DashScope documents a maximum (6 MB, Model Studio batch docs, read 2026-08); an input file may have
200 MB, and an ordinary line has kilobytes. Decoded JSON takes up to 30 times its length in memory."""


RESULT_LINE_CAP = 256 * 1024 * 1024
"""Bytes; our choice, for lines that a service wrote. Ten images of 5 MB in base64 have 67 MB, and 2,048 vectors of 3,072 numbers
up to 130 MB; no line twice as long is known. Answers of this size are a few long texts, which decode to little more."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Limits:
    """What one service accepts in a request file.

    Attributes:
        name: The name for `--limits`.
        max_requests: Requests in one file.
        max_bytes: Bytes of one file, uncompressed; more is an error.
        warn_bytes: Bytes above which there is a warning: the documented number if the actual limit is higher.
        max_line_bytes: Bytes of one line without its newline.
        max_embedding_inputs: Texts to embed, summed over all requests of a file.
        max_embedding_items_per_request: Items of the array `input` of one embeddings request.
        min_custom_id_length: Minimum number of characters of a `custom_id`.
        max_custom_id_length: Maximum number of characters of a `custom_id`.
        method_required: Whether a line must have a `method`.
        url_required: Whether a line must have a `url`; the short lines of some services have none.
        short_lines: Whether a line is documented with `custom_id` and `body` only; a `method` or `url` is a warning.
        one_model: Whether all requests of a file must name the same model.
        one_url: Whether all requests of a file must name the same url.
        same_in_every_body: Keys of a body whose values, if present, must be the same in all requests of a file.
        stream_refused: Whether `"stream": true` in a body is an error.
        strict_schemas: Whether schemas with `"strict": true` must follow the rules that OpenAI documents for them, and all others
            those of JSON Schema. Other services have their own engines, which accept more (vLLM) or less.
        known_urls: The documented endpoints. Others are only a warning by default: OpenAI's list grew from 1 to 8.
        known_url_endings: Endings of urls that are accepted after any prefix.
        unknown_urls: The severity of other endpoints.
        body_rules: The rules for the parameters of a body: `"openai"`; `"azure"`, with more parameters and any model name;
            `"vllm"`, which accepts any parameter and stops at a value of a wrong type; or `"none"`.
        blank_lines: The severity of a blank line.
        byte_order_mark: The severity of a byte order mark.
        service_codes: The service's own names of our finding codes, where they differ.
        sources: For each field with a rule: its source, when it was read, and how reliable it is.
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
        """Return whether the service documents this endpoint; always true without a list of endpoints."""
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
"""The rules that every reader of batch files needs, without those of a service."""

SIZE = re.compile(r"\s*(?P<number>\d[\d_,]*(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
"""In lower case; both kinds are accepted, because some services write MB and mean MiB."""


def bytes_of(text: str) -> int:
    """Return the number of bytes of a size such as `"200 MB"`.

    Raises:
        ValueError: It is not a size, or not a whole number of bytes above 0.
    """
    match = SIZE.fullmatch(text)
    unit = UNITS.get(match["unit"].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a size: write bytes, or a unit as in 200MB or 200MiB")
    whole, _, fraction = re.sub("[_,]", "", match["number"]).partition(".")
    scale: int = 10 ** len(fraction)
    size, rest = divmod(int(whole + fraction) * unit, scale)
    if rest or size == 0:
        raise ValueError(f"{text!r} is not a whole number of bytes above 0")
    return size


TYPES = {field.name: str(field.type).partition("[")[0] for field in fields(Limits)}
"""The type of each field, as in the class, without what it contains."""


def own_limits(text: bytes, shown: str, profiles: Mapping[str, Limits]) -> Limits:
    """Read a profile from the contents of a TOML file.

    Args:
        text: The file's bytes.
        shown: The file's name in messages.
        profiles: The profiles for `extends`.

    Raises:
        ValueError: It is not valid TOML, or a key or a value is not valid in a profile.
    """
    table = _table(text, shown)
    base, name = NONE, table.pop("extends", None)
    if name is not None:
        if not isinstance(name, str) or name.lower() not in profiles:
            raise ValueError(f"{shown}: unknown profile {name!r} in 'extends'{instead_of(str(name), profiles)}")
        base = profiles[name.lower()]
    for key in table:
        if key not in TYPES:
            raise ValueError(f"{shown}: unknown key {key!r}{instead_of(key, ('extends', *TYPES))}")
    given = {key: _value(key, value, shown) for key, value in table.items()}
    named = given.pop("name", None) or Path(shown).stem
    sources = given.pop("sources", {})
    if "max_bytes" in given:  # the profile's documented size does not apply to the user's number
        given.setdefault("warn_bytes", None)
    changed = replace(base, name=named, **given)
    sources = {**base.sources, **dict.fromkeys(given, shown), **sources}
    rules = [key for key in TYPES if getattr(changed, key) != getattr(NONE, key)]
    return replace(changed, sources={key: sources[key] for key in rules if key in sources})


def _table(text: bytes, path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not valid TOML: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None


def _value(key: str, value: Any, path: str) -> Any:  # noqa: ANN401 - any TOML value in, any value of a field out
    """Convert a value of the file to the field's type, or raise what the field accepts."""
    expected, valid, convert = FIELD_TYPES[TYPES[key]]
    if TYPES[key] == "int | None" and key.endswith("_bytes"):
        expected = "a number above 0, a size as in '100 MB', or 'none'"
        if isinstance(value, str) and value != "none":
            try:
                return bytes_of(value)
            except ValueError as error:
                raise ValueError(f"{path}: {key!r}: {error}") from None
    if not valid(value):
        raise ValueError(f"{path}: {key!r} is {value!r}; expected {expected}")
    return convert(value)


def _are_strings(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and _are_strings(value)


def _unchanged(value: object) -> object:
    return value


FIELD_TYPES: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], object]]] = {
    "int | None": (
        "a number above 0 or 'none'",
        lambda value: value == "none" or (type(value) is int and value > 0),
        lambda value: None if value == "none" else value,
    ),
    "bool": ("true or false", lambda value: type(value) is bool, _unchanged),
    "str": ("a string", lambda value: isinstance(value, str) and value != "", _unchanged),
    "BodyRuleSet": (f"one of {', '.join(BODY_RULES)}", BODY_RULES.__contains__, _unchanged),
    "Severity": ("'error', 'warning' or 'info'", ("error", "warning", "info").__contains__, _unchanged),
    "Mapping": ("a table of strings", lambda value: isinstance(value, dict) and _are_strings(value.values()), _unchanged),
    "frozenset": ("a list of strings", _is_list_of_strings, frozenset),
    "tuple": ("a list of strings", _is_list_of_strings, tuple),
}
"""The message, the check and the conversion for each type of field."""
