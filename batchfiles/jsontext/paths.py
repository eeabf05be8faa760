"""Paths such as `body.messages[0].content`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from batchfiles import codec
from batchfiles.errors import InvalidLineError

__all__ = ["Path", "parse_path", "path_and_rest", "shown"]

Path: TypeAlias = tuple[str | int, ...]
"""Keys of objects and indices of arrays, from the outside in; the first is a key, because a line is an object."""

STEP = re.compile(
    r'(?:(?:^|\.)(?P<name>[^.\[\]"=]+))|(?:(?:^|\.)(?P<quoted>"(?:[^"\\]|\\.)*"))'
    r'|(?:\[(?P<index>[0-9]{1,9})\])|(?:\[(?P<key>"(?:[^"\\]|\\.)*")\])'
)
DEEPEST = 100
"""Maximum number of steps."""

HOW = """write body.model, body.messages[0].content, or body["a key with . or = in it"]"""


def parse_path(text: str) -> Path:
    """Read a path.

    Args:
        text: Keys separated by dots, and indices of arrays in brackets, counted from 0. A key with `.`, `=`, `[`, `]` or `"` is a
            JSON string, with or without brackets. A leading `$.`, as in findings, is ignored.

    Raises:
        ValueError: It is not a valid path.
    """
    path, rest = path_and_rest(text)
    if rest:
        raise ValueError(f"{text!r} is not a valid path: {HOW}")
    return path


def path_and_rest(text: str) -> tuple[Path, str]:
    """Read the path at the beginning of a text, and return it and the rest, such as `=4000`.

    Raises:
        ValueError: There is no path at the beginning.
    """
    rest = text.removeprefix("$.")
    at = 0
    steps: list[str | int] = []
    while match := STEP.match(rest, at):
        steps.append(_step(match, text))
        at = match.end()
    if len(steps) > DEEPEST:
        raise ValueError(f"the path {text[:60]!r}… has {len(steps)} steps; the maximum is {DEEPEST}")
    if not steps or not isinstance(steps[0], str):
        raise ValueError(f"{text!r} does not begin with a path: {HOW}")
    return tuple(steps), rest[at:]


def _step(match: re.Match[str], text: str) -> str | int:
    if match["index"] is not None:
        return int(match["index"])
    if match["name"] is not None:
        return match["name"]
    quoted = match["quoted"] or match["key"]
    try:
        return str(next(iter(codec.loads(f"{{{quoted}:0}}"))))
    except InvalidLineError:
        raise ValueError(f"{quoted} in {text!r} is not a JSON string") from None


def shown(path: Sequence[str | int]) -> str:
    """Return a path as findings write it: `$.body.messages[0]`."""
    parts = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif re.fullmatch(r'[^.\[\]"=]+', step):
            parts.append(f".{step}")
        else:
            parts.append(f"[{codec.dumps(step).decode()}]")
    return "$" + "".join(parts)
