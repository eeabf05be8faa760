"""`--fail-on`: what must not have happened, if the exit code is to be 0."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import click

from batchfiles.nearest import instead_of

__all__ = ["Condition", "FailOn", "fail_on_option", "failures"]

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


def fail_on_option(counted: Sequence[str]) -> Callable[[Any], Any]:
    """Return the option; it may be repeated, so that its value is a tuple of lists.

    Args:
        counted: The names of what the command counts.
    """
    return click.option(
        "--fail-on",
        type=FailOn(counted),
        multiple=True,
        metavar="LIST",
        help="Exit with 1 if there are any, or more than that: malformed, 'failed>10', 'failed>1%', with commas between. The "
        f"names: {', '.join(counted)}.",
    )


def failures(lists: Iterable[Iterable[Condition]], counts: Mapping[str, int], total: int, noun: str) -> list[str]:
    """Say which conditions came true.

    Args:
        lists: The value of the option.
        counts: What was counted, by name.
        total: What a percentage is a part of.
        noun: What that is: requests, or results.
    """
    held = [condition for some in lists for condition in some if condition.holds(counts[condition.name], total)]
    return [f"{condition.text}: {counts[condition.name]:,} of {total:,} {noun}" for condition in held]
