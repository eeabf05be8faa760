"""`--fail-on`: what must not have happened, if the exit code is to be 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import click

from batchfiles.nearest import instead_of

__all__ = ["Condition", "FailOn", "those_that_hold"]

CONDITION = re.compile(r"\s*(?P<name>\w+)\s*(?:>\s*(?P<limit>\d+(?:\.\d+)?)\s*(?P<percent>%)?\s*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must not have happened, or not so often.

    Attributes:
        text: As it was written.
        name: What is counted.
        limit: How many are still fine; a fraction, so that 0.1% of 1,000 is 1 and not a little more.
        percent: Whether the limit is a share of all.
    """

    text: str
    name: str
    limit: Fraction = Fraction(0)
    percent: bool = False

    def holds(self, count: int, total: int) -> bool:
        """Return whether there are more than the limit, of so many in all."""
        return count * 100 > self.limit * total if self.percent else count > self.limit


if TYPE_CHECKING:
    Base = click.ParamType[tuple[Condition, ...]]
else:  # old releases of click have no brackets here
    Base = click.ParamType


class FailOn(Base):
    """A list of conditions: `missing,unknown,'failed>1%'`.

    Args:
        names: What can be counted.
    """

    name = "conditions"

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def convert(
        self, value: str | tuple[Condition, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Condition, ...]:
        """Read the list, or say what is wrong with it."""
        if not isinstance(value, str):
            return value
        return tuple(self._condition(part, param, ctx) for part in value.split(","))

    def _condition(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> Condition:
        match = CONDITION.fullmatch(text)
        if match is None:
            self.fail(f"{text.strip()!r} is no condition: write NAME, 'NAME>COUNT' or 'NAME>PERCENT%'.", param, ctx)
        if match["name"] not in self._names:
            self.fail(f"{match['name']!r} is not counted here{instead_of(match['name'], self._names)}", param, ctx)
        return Condition(text.strip(), match["name"], Fraction(match["limit"] or 0), match["percent"] is not None)


def those_that_hold(conditions: Iterable[Condition], counts: Mapping[str, int], total: int) -> list[Condition]:
    """Return the conditions that came true.

    Args:
        conditions: What was asked for.
        counts: What was counted, by name.
        total: The requests that a percentage is a part of.
    """
    return [condition for condition in conditions if condition.holds(counts[condition.name], total)]
