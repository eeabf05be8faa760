"""The count of what did not fit while one body is read, and whether the columns will say everything that it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from batchfiles.bodies import content_filters

__all__ = ["Tally", "says_nothing", "whole"]

INT64: Final = range(-(2**63), 2**63)
"""What an int64 column holds; orjson hands out integers up to 2**64, the standard library any."""

EXACT: Final = 2**53
"""Up to here a float holds every integer."""

YEAR_1: Final = -62_135_596_800
YEAR_10000: Final = 253_402_300_800
"""Seconds since 1970: what Python's datetime, and so most readers of the table, can hold lies between them."""

AZURE: Final = frozenset({"content_filter_results", "prompt_filter_results", "prompt_annotations", "content_filters"})
"""Where Azure OpenAI says what its content filter found."""

STOP_TOKENS: Final = frozenset({"stop_reason", "matched_stop"})
"""Which stop string or token ended the text (vLLM, SGLang). A number is a token's, mostly the end-of-text one: housekeeping."""


HOLLOW: Final = (list, dict, str)
"""An empty one of these says nothing; a 0 or a false does."""


def whole(value: object) -> int | None:
    """Return an integer of 64 bits, also one that is written as a float, as protobuf's `Struct` does: `429.0` is 429.

    Beyond 2**53 a float may be a different integer after rounding, so it is not read as one.
    """
    if type(value) is int:
        return value if value in INT64 else None
    return int(value) if type(value) is float and -EXACT <= value <= EXACT and value.is_integer() else None


def says_nothing(value: object, *, empty: bool = False) -> bool:
    """Return whether a value is null, or an object whose values are all null, at any depth.

    A table has the same keys in every row: who writes results back from one (polars, DuckDB) leaves an object of nulls where
    there was a null.

    Args:
        value: Any JSON value.
        empty: Whether empty texts, lists and objects, a zero and a false count as null too.
    """
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += value.values()
        elif value is not None and (value or not empty):
            return False
    return True


class Tally:
    """What did not fit, for one body. The methods take any JSON value and give what the column can hold, or None.

    Attributes:
        misfits: How many values did not fit; None and an absent value fit every column.
        carried: Whether the columns say everything so far.
        noted: What is worth counting: see `note`.
    """

    # Defaults of the class and no __init__: one is made for every line of every file, and this is the cheapest way.
    misfits: int = 0
    carried: bool = True
    noted: tuple[str, ...] = ()

    def reject(self) -> None:
        """Note one value that fits no column."""
        self.misfits += 1
        self.carried = False

    def note(self, name: str, example: str | None = None) -> None:
        """Note that the answer counts as `name`, one of `counts.COUNTS`; the report names the first examples."""
        self.noted += (name if example is None else f"{name}:{example}",)

    def text(self, value: object) -> str | None:
        """Return a string as it is; anything else is None and, but for null, a misfit."""
        if type(value) is str:
            return value
        if value is not None:
            self.reject()
        return None

    def count(self, value: object) -> int | None:
        """Return an integer that fits int64, `200.0` as 200; a fraction, a bool or a longer one is None and a misfit."""
        if type(value) is int and value in INT64:
            return value
        found = whole(value)
        if found is None and value is not None:
            self.reject()
        return found

    def flag(self, value: object) -> bool | None:
        """Return a bool as it is; a 0 or a 1 is no bool."""
        if type(value) is bool:
            return value
        if value is not None:
            self.reject()
        return None

    def number(self, value: object) -> float | None:
        """Return a number as a float; an integer that a float can't hold exactly is None and a misfit."""
        if type(value) is float:
            return value
        if type(value) is int and -EXACT <= value <= EXACT:
            return float(value)
        if value is not None:
            self.reject()
        return None

    def moment(self, value: object) -> int | None:
        """Return seconds since 1970, whole or not (`/v1/responses` types them as number), as microseconds."""
        if type(value) is int and YEAR_1 <= value < YEAR_10000:
            return value * 1_000_000
        if type(value) is float and YEAR_1 <= value < YEAR_10000:  # NaN is never between
            # The fraction is rounded on its own: the whole seconds would take up most of a float's digits.
            seconds = int(value // 1)
            return min(seconds * 1_000_000 + round((value - seconds) * 1_000_000), YEAR_10000 * 1_000_000 - 1)
        if value is not None:
            self.reject()
        return None

    def items(self, value: object) -> list[Any]:
        """Return a list, a null as an empty one, and a single object as the only item: SGLang writes that.

        An empty object does not count as an item, neither alone nor in a list.
        """
        if type(value) is list:
            return value if all(value) else [item for item in value if item != {}]
        if type(value) is dict:
            return [value] if value else []
        if value is not None:
            self.reject()
        return []

    def mapping(self, value: object) -> dict[str, Any]:
        """Return an object as it is, and an empty one for anything else."""
        if type(value) is dict:
            return value
        if value is not None:
            self.reject()
        return {}

    def mappings(self, value: object) -> list[dict[str, Any]]:
        """Return the objects of a list; an item that is none becomes an empty one."""
        items = self.items(value)
        return [item if type(item) is dict else self.mapping(item) for item in items] if items else items

    def more(self, mapping: Mapping[str, object], known: frozenset[str]) -> None:
        """Note whether a key that is not `known` holds something: None, `[]`, `{}` and `""` are nothing."""
        if known.issuperset(mapping):
            return
        for key, value in mapping.items():
            if key in known or value is None or (not value and type(value) in HOLLOW):
                continue
            if key in AZURE and content_filters.all_safe(value):
                continue
            if key in STOP_TOKENS and whole(value) is not None:
                continue
            self.carried = False
            return
