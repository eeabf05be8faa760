"""JSON read to the digit and written again.

`codec.loads` makes floats of integers beyond 64 bits and null of `NaN`, which is right for whole lines. A typed answer is exact
or it is none, so this is the standard library, which keeps every integer.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from batchfiles.codec import SURROGATE
from batchfiles.table.parsed.misfit import Misfit

__all__ = ["read", "read_answer", "written"]


def read(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Decode a text as `json.loads` does, but without `NaN` and infinities, which are no JSON.

    Raises:
        Misfit: The text is no JSON, or holds what can't be kept.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"the text is not JSON: {error.msg[:1].lower()}{error.msg[1:]} (character {error.pos + 1})"
    except RecursionError:
        reason = "the text is nested too deeply to be read"
    except ValueError:  # Python's own limit for the digits of an integer
        reason = "the text holds an integer of too many digits to be read"
    raise Misfit(reason)


def read_answer(text: str) -> tuple[Any, bool]:
    """Decode the text of an answer: JSON, or one fenced block of Markdown with JSON in it and nothing around it.

    Returns:
        The value, and whether it was in a fence.

    Raises:
        Misfit: As for `read`.
    """
    place = _fenced(text)
    if place is None:
        return read(text), False
    # The content of the fence keeps its offset, so that a message counts the characters of the whole text. A second block, or
    # words after the first one, are not JSON.
    start, end = place
    return read(" " * start + text[start:end]), True


def _fenced(text: str) -> tuple[int, int] | None:
    """Return the content of a fenced Markdown block that is the whole text; None for other texts.

    The opening fence may be followed by words, such as the name of the language, and by a new line; or the block is one line.
    """
    begin = len(text) - len(text.lstrip())
    mark = text[begin : begin + 1]
    if mark not in FENCES:  # nearly always: JSON never begins so
        return None
    bare = text.rstrip()
    start, end = len(text) - len(text[begin:].lstrip(mark)), len(bare.rstrip(mark))
    if not SHORTEST_FENCE <= start - begin <= len(bare) - end or end <= start:
        return None
    line_end = text.find("\n", start, end)
    word = LANGUAGE.match(text, start, end if line_end < 0 else line_end)
    if word is not None and (line_end < 0 or text[word.end() : word.end() + 1] in OPENING):
        return word.end(), end
    return start if line_end < 0 else line_end, end


FENCES: Final = ("`", "~")
SHORTEST_FENCE: Final = 3
LANGUAGE: Final = re.compile(r"[^\S\n]*(?:json\w*)?[^\S\n]*", re.IGNORECASE)
OPENING: Final = ("{", "[")
"""JSON on the line of the opening fence."""


def written(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Encode a value so that `json.loads` gives it back.

    Raises:
        Misfit: It holds a number that JSON can't write, because it is beyond what a double can hold.
    """
    try:
        text = ENCODER.encode(value)
        return text if text.isascii() or SURROGATE.search(text) is None else ESCAPING_ENCODER.encode(value)
    except RecursionError:
        reason = "is nested too deeply to be written"
    except ValueError:  # infinite, or an integer of more digits than Python writes
        reason = "holds a number beyond what a double can hold"
    raise Misfit(reason, at_value=True)


def _no_constant(name: str) -> NoReturn:
    raise Misfit(f"the text is not JSON: it holds {name}")


DECODER = json.JSONDecoder(parse_constant=_no_constant)
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
ESCAPING_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
"""Half a surrogate pair has no UTF-8; its escape has."""
