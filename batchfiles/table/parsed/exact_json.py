"""JSON read to the digit and written again.

`codec.loads` makes floats of integers beyond 64 bits and null of `NaN`, which is right for whole lines. A typed answer is exact
or it is none, so this is the standard library, which keeps every integer.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from batchfiles.codec import SURROGATE
from batchfiles.table.parsed.misfit import Misfit

__all__ = ["read", "written"]


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
