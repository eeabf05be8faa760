"""Which service's format a line is in, and on which side of the service a file stands.

A file of one service given to another is a common accident: a popular library once wrote Anthropic's `params` lines for OpenAI,
and its batches failed with "Missing required parameter: 'method'" (567-labs/instructor#1119). So the family is said in words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any, Literal, TypeAlias

from batchfiles.codec import loads
from batchfiles.errors import InvalidLine, Mismatch
from batchfiles.jobs.file_mistakes import HEAD, file_mistake
from batchfiles.limits import LINE_CAP
from batchfiles.streams.lines import Block
from batchfiles.streams.sources import Source, read_blocks

__all__ = ["LINES_LOOKED_AT", "Family", "Side", "classify", "classify_lines", "describe", "family_of", "first_lines"]

Family: TypeAlias = Literal["input", "output", "anthropic_input", "anthropic_output", "gemini", "vertex", "bedrock", "unknown"]
Side: TypeAlias = Literal["inputs", "results", "empty"]

LINES_LOOKED_AT = 100
BYTES_LOOKED_AT = 1024 * 1024
"""How much a file may hold that says nothing before its first telling line; beyond that its bytes are searched for key names."""

BYTES_OF_HEAD = 4096
"""How much is looked at of a line above the cap."""

DESCRIPTIONS: dict[Family, str] = {
    "input": "requests: lines for the service, with custom_id, method, url and body",
    "output": "results: lines of an output file or an error file, which come from the service",
    "anthropic_input": "requests for Anthropic's Message Batches: move each line's 'params' to 'body' and add 'method' "
    "and 'url', or send them to Anthropic",
    "anthropic_output": "results of Anthropic's Message Batches, which have another shape than those of the OpenAI Batch API: "
    "read them with Anthropic's tools",
    "gemini": "lines of the Gemini API's batch mode ('key' with 'request' or 'response'): "
    "rewrite them as custom_id, method, url and body, or use Google's tools",
    "vertex": "lines of a Vertex AI batch prediction job, which have no custom_id: "
    "rewrite them as custom_id, method, url and body, or use Google's tools",
    "bedrock": "records of an Amazon Bedrock batch inference job ('recordId' with 'modelInput'): "
    "rewrite them as custom_id, method, url and body, or use Amazon's tools",
    "unknown": "lines of a shape that is not known here: "
    "a request has custom_id, method, url and body; a result has custom_id, response and error",
}

TELLING_KEY = re.compile(rb"""["'](?:(body|method|url)|(id|response|error|status_code))["']\s*:""")
"""The first of these keys decides for a line that can't be decoded: a result begins with `id`, or has `response` before
`body`. A quote inside a string has a backslash before it, so that quoted JSON does not match."""

ID = rb"""["'](?:custom_)?id["']\s*:\s*(?:"[^"\\]*"|'[^'\\]*')\s*,\s*"""
TELLING_BEGINNING = re.compile(rb"""\s*{\s*(?:%b){0,2}["'](?:(method|url|body)|(response|error))["']\s*:""" % ID)
"""The beginning of a line that can't be decoded, up to the first key that is of one kind only. Where somebody has said what a
file is, nothing less tells otherwise: any key may stand in what is left of a line whose beginning is lost."""


NOT_JSON = "holds no line that can be read as JSON, and nothing in it looks like a request or a result"
NO_JSON_LINES = f"{NOT_JSON}: a table has to become requests first (`batchfiles prepare`)"
TEMPLATE = "holds one request without its own custom_id: a template, for `batchfiles prepare --template`"

LIKE_JSON = re.compile(rb"""^\s*[\[{]|(?<!["'])["']\s*:""")
"""A line that may be what is left of JSON: it begins as an object, or a key is in it. In CSV a quote in a cell is doubled."""


def family_of(line: dict[str, Any]) -> Family:
    """Tell by its keys which service's format a decoded line is in.

    The keys of the OpenAI format go first: people add keys of their own, such as `key` or `params`, to lines that are otherwise
    good.
    """
    if "body" in line and "response" not in line:
        return "input"
    if ("response" in line or "error" in line) and ("custom_id" in line or "id" in line):
        return "output"
    return _other_family_of(line)


def _other_family_of(line: dict[str, Any]) -> Family:
    result = line.get("result")
    signs: tuple[tuple[bool, Family], ...] = (
        ("recordId" in line or "modelInput" in line, "bedrock"),
        ("params" in line, "anthropic_input"),
        (isinstance(result, dict) and "type" in result, "anthropic_output"),
        ("processed_time" in line and "request" in line, "vertex"),
        ("key" in line and not line.keys().isdisjoint(("request", "response", "error")), "gemini"),
        ("contents" in line, "gemini"),
        (isinstance(line.get("request"), dict) and "contents" in line["request"], "vertex"),
        ("response" in line, "output"),
        ("url" in line or "method" in line, "input"),
    )
    return next((family for sign, family in signs if sign), "unknown")


def describe(family: Family) -> str:
    """Say what lines of a family are and, for those that are not read here, what to do with them."""
    return DESCRIPTIONS[family]


def classify(source: Source, *, otherwise: Side | None = None, cap: int = LINE_CAP) -> Side:
    """Return whether a file holds requests or results, by its first line that shows it, also a line above the cap.

    Args:
        source: The file.
        cap: The longest line that the job reads, in bytes.
        otherwise: The role that the caller gives it. It decides if no line can be decoded, and is refused if a line or the
            file as a whole clearly shows something else; None decides by the lines, or raises.

    Returns:
        `"inputs"`, `"results"`, or `"empty"` for a file of no bytes, or of blank lines only.

    Raises:
        Mismatch: The file is in the format of another service, or nothing in it says what it is.
        FileError: The file is not there or can't be read.
        TruncatedFile: Its compressed bytes are damaged.
        ValueError: The source is an open stream, which could not be read again: spool it first.
    """
    if source.path is None and source.remote is None:
        raise ValueError(f"{source.name} can be read once only: spool it before it is classified")
    heads: list[bytes] = []
    found = read_blocks(source, lambda _: None, cap=cap, on_long=heads.append)
    return classify_lines(first_lines(found, heads), source.name, otherwise=otherwise)


def first_lines(blocks: Iterable[Block], heads: MutableSequence[bytes]) -> Iterator[bytes]:
    """Yield the lines of blocks, and the beginnings of lines above the cap, which are enough to classify them.

    Args:
        blocks: What `read_blocks` yields.
        heads: Where its `on_long` puts the beginnings.
    """
    for block in blocks:
        yield from heads
        heads.clear()
        yield from block.lines
    yield from heads


def classify_lines(lines: Iterable[bytes], name: str | None = None, *, otherwise: Side | None = None) -> Side:
    """Do what `classify` does for lines that are at hand already; no more of them are taken than needed.

    Args:
        lines: The first lines of a file, or all of them.
        name: The file's display name, for the exception.
        otherwise: What somebody has said it is, as for `classify`.

    Returns:
        `"inputs"`, `"results"`, or `"empty"` if there is no line, or blank ones only.

    Raises:
        Mismatch: As `classify`.
    """
    unreadable: list[bytes] = []
    seen: list[bytes] = []
    size = 0
    decoded = has_id = False
    lines = iter(lines)
    for line in lines:
        if not line.strip():
            continue
        family: Family = "unknown"
        seen.append(line)
        try:
            value = loads(line)
            family = family_of(value)
            decoded = True
            has_id = has_id or "custom_id" in value
        except InvalidLine:
            unreadable.append(line)
        if family != "unknown":
            if unreadable:  # what follows tells an item of an array from a line
                seen.append(next((each for each in lines if each.strip()), b""))
                _refuse_mistake(seen, name)
            if family == "input" and not unreadable and len(seen) == 1 and _is_template(value, name):
                raise Mismatch(TEMPLATE, path=name)
            return _side(family, name)
        size += len(line)
        if size > BYTES_LOOKED_AT or len(unreadable) >= LINES_LOOKED_AT:
            break
    if not size:
        return "empty"
    if unreadable:
        _refuse_mistake(seen, name)
    # A service may write a line with an id and nothing else: it is a result that can't be read.
    is_strange = decoded and not (has_id and otherwise == "results")
    return _side_of_unreadable(unreadable, name, decoded=is_strange, otherwise=otherwise)


def _refuse_mistake(lines: list[bytes], name: str | None) -> None:
    """Refuse a file that is not JSON Lines: read line by line, its results would be lost silently."""
    mistake = file_mistake(b"\n".join(lines)[:HEAD])
    if mistake is not None and not mistake.is_of_lines:
        raise Mismatch(mistake.message.removeprefix("The file ").rstrip("."), path=name)


def _side(family: Family, name: str | None) -> Side:
    if family == "input":
        return "inputs"
    if family == "output":
        return "results"
    raise Mismatch(f"holds {describe(family)}", path=name)


def _is_template(value: dict[str, Any], name: str | None) -> bool:
    """Return whether a request in a `.json` file is a template: it has no id, or one with a placeholder."""
    custom_id = value.get("custom_id", "{{")
    return name is not None and name.endswith(".json") and isinstance(custom_id, str) and "{{" in custom_id


def _side_of_unreadable(lines: list[bytes], name: str | None, *, decoded: bool, otherwise: Side | None) -> Side:
    if decoded:
        raise Mismatch(f"holds {describe('unknown')}", path=name)
    if lines and not any(LIKE_JSON.search(line) for line in lines):
        raise Mismatch(NO_JSON_LINES, path=name)
    tell = TELLING_KEY.search if otherwise is None else TELLING_BEGINNING.match
    for line in lines:
        if found := tell(line):
            return "inputs" if found[1] else "results"
    if otherwise is not None:
        return otherwise
    raise Mismatch(NOT_JSON, path=name)
