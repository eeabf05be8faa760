"""Injected faults: the n-th call of a kind fails in a given way."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["CALLS", "FAULTS", "Fault", "Faults"]

CALLS = (
    "files.create",
    "files.list",
    "files.retrieve",
    "files.content",
    "files.delete",
    "batches.create",
    "batches.list",
    "batches.retrieve",
    "batches.cancel",
    "live",
)
"""The kinds of calls; `live` are the endpoints of the models."""

SHORT = frozenset({"files.create", "files.retrieve", "files.delete", "batches.create", "batches.retrieve", "batches.cancel"})
"""Calls with short answers: a long answer that drips would take too long in tests with a thousand seeds."""

FAULTS = {
    "status": "answers with `status` and an error in JSON, without doing anything",
    "early": "answers with `status` before the request was read, reads it, and closes the connection, without doing anything",
    "status_after": "does what was asked, and then answers with `status`",
    "lost": "does what was asked, and closes the connection instead of answering",
    "reset": "closes the connection without doing anything",
    "stall": "sends nothing for `pause` seconds, and then closes the connection, without doing anything",
    "html": "answers with `status` and a page of HTML, as proxies do",
    "empty": "answers with 200 and nothing else",
    "not_json": "answers with 200 and half of the JSON",
    "cut": "ends the body after `after` bytes, with the length of the whole",
    "long_length": "says that the body is ten bytes longer than it is",
    "short_length": "says that the body is ten bytes shorter than it is, and sends no more",
    "no_length": "ends the body after `after` bytes, without a length, by closing the connection",
    "cut_chunk": "ends the body after `after` bytes, in the middle of a chunk (`Transfer-Encoding: chunked`)",
    "drip": "sends one byte every `pause` seconds",
    "drip_head": "sends the head, one byte every `pause` seconds, and then the body",
    "hints": "sends `after` responses with status 103, one every `pause` seconds, and then the real one",
    "no_range": "sends the whole file to a request for a part",
    "other_range": "sends a part that begins elsewhere",
    "changed": "says that the file has another entity tag",
}
"""Every fault, and what the server does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        kind: One of `FAULTS`.
        status: For kinds that answer with a status.
        after: Bytes, for kinds that end a body early; responses, for `hints`.
        pause: Seconds, for `drip`, `drip_head`, `hints` and `stall`.
        headers: Additional response headers, such as `retry-after`.

    Raises:
        ValueError: The kind is unknown.
    """

    kind: str
    status: int = 500
    after: int = 0
    pause: float = 1.0
    headers: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; expected {', '.join(FAULTS)}")


class Faults:
    """The faults to inject, by call.

        faults = Faults().at("batches.create", 1, Fault("lost")).at("files.content", 2, Fault("cut", after=100))

    Attributes:
        seen: The number of calls of each kind.
        met: The calls with a fault, in order: the kind of the call, its number, and the fault.
    """

    def __init__(self) -> None:
        self._planned: dict[tuple[str, int], Fault] = {}
        self._always: dict[str, Fault] = {}
        self.seen: Counter[str] = Counter()
        self.met: list[tuple[str, int, Fault]] = []

    def at(self, call: str, number: int, fault: Fault) -> Faults:
        """Inject a fault into the n-th call of a kind, counted from 1.

        Raises:
            ValueError: The kind of call is unknown.
        """
        self._planned[_known(call), number] = fault
        return self

    def always(self, call: str, fault: Fault | None) -> Faults:
        """Inject a fault into every call of a kind; None stops that.

        Raises:
            ValueError: The kind of call is unknown.
        """
        if fault is None:
            self._always.pop(_known(call), None)
        else:
            self._always[_known(call)] = fault
        return self

    @classmethod
    def by_chance(cls, seed: int, *, calls: int = 40, share: float = 0.3) -> Faults:
        """Return random temporary faults, which a client must survive or report.

        Args:
            seed: The same seed gives the same faults.
            calls: The number of calls of each kind that can have one.
            share: The share of these calls that have one.
        """
        chance = random.Random(seed)  # noqa: S311 - for tests
        faults = cls()
        for call in CALLS:
            for number in range(1, calls + 1):
                if chance.random() < share:
                    faults.at(call, number, _some_fault(call, chance))
        return faults

    def next(self, call: str) -> Fault | None:
        """Count a call, and return its fault."""
        self.seen[call] += 1
        fault = self._planned.get((call, self.seen[call]), self._always.get(call))
        if fault is not None:
            self.met.append((call, self.seen[call], fault))
        return fault


def _some_fault(call: str, chance: random.Random) -> Fault:
    kinds = ["status", "status", "early", "html", "reset", "lost", "status_after", "not_json", "empty", "cut"]
    if call in SHORT:
        kinds.append("drip")
    if call == "files.content":
        kinds += ["cut", "no_length", "cut_chunk", "long_length", "short_length", "no_range", "other_range", "changed"]
    kind = chance.choice(kinds)
    # 409 and 429 mean that nothing was done.
    statuses = [408, 500, 502, 503, 520] if kind == "status_after" else [408, 409, 429, 500, 502, 503, 520]
    return Fault(kind, status=chance.choice(statuses), after=chance.randrange(400), pause=0.0)


def _known(call: str) -> str:
    if call not in CALLS:
        raise ValueError(f"unknown call {call!r}; expected {', '.join(CALLS)}")
    return call
