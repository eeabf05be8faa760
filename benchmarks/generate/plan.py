"""The outcome of every request, and the order of the results."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from enum import IntEnum
from random import Random

__all__ = ["Fate", "Plan"]


class Fate(IntEnum):
    """The outcome of one request; small numbers, because a file may have millions."""

    SUCCEEDED = 0
    FAILED = 1
    EXPIRED = 2
    MISSING = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """A few bytes for every request, so that memory hardly grows with the file.

    Attributes:
        fates: The `Fate` of each request, by its index.
        order: The indices of the requests, in the order of their results; twice where there is a second result.
    """

    fates: bytearray
    order: array[int]

    @classmethod
    def draw(cls, rng: Random, lines: int, *, failures: bool, duplicates: float) -> Plan:
        """Let 2 % fail, 0.5 % expire and 0.5 % go missing, and shuffle the results over the whole file."""
        fates = bytearray(_fate(rng.random()) if failures else Fate.SUCCEEDED for _ in range(lines))
        order = array("I", (index for index in range(lines) if fates[index] != Fate.MISSING))
        order.extend(array("I", (index for index in order if duplicates and rng.random() < duplicates)))
        rng.shuffle(order)
        return cls(fates, order)


def _fate(draw: float) -> Fate:
    if draw < 0.02:
        return Fate.FAILED
    if draw < 0.025:
        return Fate.EXPIRED
    return Fate.MISSING if draw < 0.03 else Fate.SUCCEEDED
