"""What a benchmark found: the figures, how they compare to the targets, and what was not equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

__all__ = ["Comparison", "Finding", "Series"]


@dataclass(frozen=True, slots=True)
class Series:
    """One contender's values of one quantity, a value for each round.

    Attributes:
        contender: Whose they are.
        values: Seconds or bytes.
    """

    contender: str
    values: Sequence[float]

    @property
    def best(self) -> float:
        """The least."""
        return min(self.values)

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity of ours beside that of another.

    Attributes:
        quantity: What is compared: `time`, `cpu`, `memory`, …
        unit: `s` or `MiB`.
        ours: Our values.
        theirs: The other's; None where the target is a number.
        target: What the ratio may be at most, or our best where there is no other; None if nothing was promised.
    """

    quantity: str
    unit: str
    ours: Series
    theirs: Series | None = None
    target: float | None = None

    def value(self, series: Series) -> float:
        """The value that counts: the best time, and the highest peak, since a look now and then may miss it."""
        return max(series.values) if self.unit == "MiB" else series.best

    @property
    def ratio(self) -> float | None:
        """Our value by theirs."""
        theirs = None if self.theirs is None else self.value(self.theirs)
        return self.value(self.ours) / theirs if theirs else None

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        reached = self.ratio if self.theirs is not None else self.value(self.ours)
        return None if self.target is None or reached is None else reached <= self.target

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        series = [each for each in (self.ours, self.theirs) if each is not None]
        return {
            "quantity": self.quantity,
            "unit": self.unit,
            **{side: self._side(each) for side, each in zip(("ours", "theirs"), series, strict=False)},
            "ratio": self.ratio,
            "target": self.target,
            "ok": self.ok,
        }

    def _side(self, series: Series) -> dict[str, Any]:
        values = {"value": self.value(series), "best": series.best, "median": series.middle, "values": list(series.values)}
        return {"contender": series.contender, **values}

    def lines(self) -> list[str]:
        """Return the comparison as lines of text: one for each side, and the ratio."""
        word = "peak" if self.unit == "MiB" else "best"
        said = [
            f"  {self.quantity:<8} {each.contender:<34} {word} {self.value(each):9.3f} {self.unit:<4} median {each.middle:9.3f}"
            for each in (self.ours, self.theirs)
            if each is not None
        ]
        parts = [] if self.theirs is None or self.ratio is None else [f"ratio {self.ratio:.2f} to {self.theirs.contender}"]
        if self.target is not None:
            parts += [] if parts else [self.quantity]
            parts.append(f"target <= {self.target:g}")
            parts.append("ok" if self.ok else "miss")
        return [*said, f"  {'':<8} {', '.join(parts)}"] if parts else said


@dataclass(frozen=True, slots=True)
class Finding:
    """What one benchmark found.

    Attributes:
        benchmark: Its name.
        work: What was done, in a sentence with its size.
        comparisons: The figures.
        not_equal: What the two sides don't do alike, a sentence each.
        agreement: What both sides' answers have in common, checked in this run.
    """

    benchmark: str
    work: str
    comparisons: Sequence[Comparison]
    not_equal: Sequence[str] = ()
    agreement: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {**asdict(self), "comparisons": [each.to_dict() for each in self.comparisons]}

    def lines(self) -> list[str]:
        """Return the finding as lines of text."""
        agreed = ", ".join(f"{name} {value}" for name, value in self.agreement.items())
        return [
            f"{self.benchmark}: {self.work}",
            # What two comparisons share is reported once.
            *dict.fromkeys(line for each in self.comparisons for line in each.lines()),
            *([f"  same on both sides: {agreed}"] if agreed else []),
            *(f"  not equal: {sentence}" for sentence in self.not_equal),
        ]
