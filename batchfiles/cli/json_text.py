"""JSON for people and for programs: indented, in ASCII, repaired, and rows as objects."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from batchfiles.layout import visible

__all__ = ["ascii_json", "json_of_row", "pretty_json", "repaired_json"]


TOKEN = re.compile(
    r"""
    (?P<string> "[^"\\]*(?:\\.[^"\\]*)*" )
  | (?P<empty>  \[\s*\] | \{\s*\} )
  | (?P<open>   [\[{] )
  | (?P<close>  [\]}] )
  | (?P<sign>   [,:] )
  | (?P<scalar> [^\s,:\[\]{}"]+ )
    """,
    re.VERBOSE | re.DOTALL,
)

NUMBERS = re.compile(r"\[[-+.0-9eE,\s]+\]")
"""A list of numbers, such as a vector or tokens, which stays on one line."""

INDENT = "  "


def pretty_json(text: str) -> Iterator[str]:
    r"""Yield the indented lines of a valid JSON text, token by token: numbers keep all digits, and keys may repeat.

    Escapes of printable letters are shown as letters: `caf\u00e9` as `café`.
    """
    line, depth, at = "", 0, 0
    while at < len(text):
        if text[at] == "[" and (numbers := NUMBERS.match(text, at)):
            line += " ".join(numbers[0].split())
            at = numbers.end()
            continue
        token = TOKEN.match(text, at)
        if token is None:  # white space
            at += 1
            continue
        at = token.end()
        kind, words = token.lastgroup, token[0]
        if kind == "close":
            depth -= 1
            yield line
            line = INDENT * depth + words
        elif kind == "open":
            depth += 1
            yield line + words
            line = INDENT * depth
        elif words == ",":
            yield line + words
            line = INDENT * depth
        elif kind == "string":
            line += _shown(words)
        else:
            line += {"empty": words[:1] + words[-1:], "sign": ": "}.get(str(kind), visible(words))
    yield line


def _shown(string: str) -> str:
    """Return a JSON string with letters instead of their escapes; other characters are escaped."""
    if "\\" in string:
        string = json.dumps(json.loads(string), ensure_ascii=False)
    return visible(string)


def ascii_json(text: str) -> str:
    """Return a JSON text in ASCII: only other characters become escapes."""
    return text if text.isascii() else NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)


NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def repaired_json(text: str) -> str:
    """Return a text as strict JSON, like `codec.loads`: `NaN` and infinities as null, lone surrogates as U+FFFD."""
    return STRING_OR_CONSTANT.sub(_repaired, text)


STRING_OR_CONSTANT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|NaN|-?Infinity', re.DOTALL)


def _repaired(token: re.Match[str]) -> str:
    from batchfiles.codec import SURROGATE

    words = token[0]
    if words[0] != '"':
        return "null"
    if "\\u" not in words:
        return words
    string = json.loads(words)  # joins the escapes of whole pairs, so that only lone halves are left
    repaired = SURROGATE.sub("\ufffd", string)
    return words if repaired == string else json.dumps(repaired)


def json_of_row(value: Any, *, for_people: bool = False) -> str:  # noqa: ANN401 - any JSON value
    """Encode a value like `json.dumps`, at any depth; other types as strings.

    Args:
        value: The value.
        for_people: Whether letters and NaN are written literally instead of in ASCII and as null.
    """
    ensure_ascii = not for_people
    pieces: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Piece):
            pieces.append(item)
        elif isinstance(item, dict):
            members = [
                (_Piece(f"{', ' if number else ''}{json.dumps(key, ensure_ascii=ensure_ascii)}: "), each)
                for number, (key, each) in enumerate(item.items())
            ]
            waiting += reversed([_Piece("{"), *(each for member in members for each in member), _Piece("}")])
        elif isinstance(item, list):
            elements = [(_Piece(", " if number else ""), each) for number, each in enumerate(item)]
            waiting += reversed([_Piece("["), *(each for element in elements for each in element), _Piece("]")])
        elif not for_people and isinstance(item, float) and not math.isfinite(item):
            pieces.append("null")
        else:
            pieces.append(json.dumps(item, ensure_ascii=ensure_ascii, default=str))
    return "".join(pieces)


class _Piece(str):
    """Encoded JSON."""

    __slots__ = ()
