"""Faults by a script: the n-th call of a kind fails in the given way, and the others don't."""

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
"""The kinds of calls that a script speaks of; `live` are the endpoints of the models themselves."""

SHORT = frozenset({"files.create", "files.retrieve", "files.delete", "batches.create", "batches.retrieve", "batches.cancel"})
"""Calls with short answers: a long one that drips would slow down a test with a thousand scripts."""

FAULTS = {
    "status": "answers with `status` and an error in JSON, without doing anything",
    "early": "answers with `status` before the request was read, reads it, and closes the connection, without doing anything",
    "status_after": "does what was asked, and then answers with `status`",
    "lost": "does what was asked, and closes the connection instead of answering",
    "reset": "closes the connection without doing anything",
    "stall": "says nothing for `pause` seconds, and then closes the connection, without doing anything",
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
    """One thing that goes wrong.

    Args:
        kind: One of `FAULTS`.
        status: For the kinds that answer with one.
        after: Bytes, for the kinds that end a body; answers, for `hints`.
        pause: Seconds, for `drip`, `drip_head`, `hints` and `stall`.
        headers: More headers of the answer, such as `retry-after`.

    Raises:
        ValueError: There is no such fault.
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
    """The script: which call meets what.

    faults = Faults().at("batches.create", 1, Fault("lost")).at("files.content", 2, Fault("cut", after=100))

    Attributes:
        seen: How many calls of each kind there were.
        met: The calls that met a fault, in their order: the kind of the call, its number, and the fault.
    """

    def __init__(self) -> None:
        self._planned: dict[tuple[str, int], Fault] = {}
        self._always: dict[str, Fault] = {}
        self.seen: Counter[str] = Counter()
        self.met: list[tuple[str, int, Fault]] = []

    def at(self, call: str, number: int, fault: Fault) -> Faults:
        """Let the n-th call of a kind, counted from 1, meet a fault.

        Raises:
            ValueError: There is no such kind of call.
        """
        self._planned[_known(call), number] = fault
        return self

    def always(self, call: str, fault: Fault | None) -> Faults:
        """Let every call of a kind meet a fault, or, with None, no longer.

        Raises:
            ValueError: There is no such kind of call.
        """
        if fault is None:
            self._always.pop(_known(call), None)
        else:
            self._always[_known(call)] = fault
        return self

    @classmethod
    def by_chance(cls, seed: int, *, calls: int = 40, share: float = 0.3) -> Faults:
        """Make a script of passing faults that a client must survive or report; a seed makes the same one again.

        Args:
            seed: Any number.
            calls: How many calls of each kind it reaches.
            share: The part of the calls that meet a fault.
        """
        chance = random.Random(seed)  # noqa: S311 - a script of a test
        faults = cls()
        for call in CALLS:
            for number in range(1, calls + 1):
                if chance.random() < share:
                    faults.at(call, number, _some_fault(call, chance))
        return faults

    def next(self, call: str) -> Fault | None:
        """Count a call, and return what it meets."""
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
    # 409 and 429 say clearly that nothing was done.
    statuses = [408, 500, 502, 503, 520] if kind == "status_after" else [408, 409, 429, 500, 502, 503, 520]
    return Fault(kind, status=chance.choice(statuses), after=chance.randrange(400), pause=0.0)


def _known(call: str) -> str:
    if call not in CALLS:
        raise ValueError(f"unknown call {call!r}; expected {', '.join(CALLS)}")
    return call
