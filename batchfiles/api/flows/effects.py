"""What a flow may ask its driver for. A flow is a generator: it yields one of these and is sent the answer.

There is no socket, no clock and no file in a flow, so that each can be tested with a list of answers; a driver performs the
effects and holds no rule. What an effect can't do is thrown into the flow: a `TransportError` by the network, a `FileError` by
the disk.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from batchfiles.api.batch import Batch
from batchfiles.api.messages import Request

__all__ = [
    "Chance",
    "Discard",
    "DiskEffect",
    "Effect",
    "Flow",
    "Lock",
    "Log",
    "Move",
    "Now",
    "Open",
    "ReadBody",
    "ReadFile",
    "SaveBody",
    "Saved",
    "Size",
    "Sleep",
    "Tell",
    "Token",
    "Truncate",
    "WriteFile",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request; the answer is a `Response` without its body. What was open before is closed."""

    request: Request


@dataclass(frozen=True, slots=True)
class ReadBody:
    """Read the body of the open response; the answer is at most `limit` bytes."""

    limit: int


@dataclass(frozen=True, slots=True)
class SaveBody:
    """Write the body of the open response to a file, from `offset` on, and cut off what stood behind; the answer is a `Saved`."""

    path: str
    offset: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a body.

    Attributes:
        size: The bytes of the file now.
        problem: Why the body ended early; None if it came to its end.
    """

    size: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """The answer is a number of seconds that only ever grows."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The answer is a random number from 0.0 to 1.0."""


@dataclass(frozen=True, slots=True)
class Token:
    """The answer is a random text of 32 letters and digits."""


@dataclass(frozen=True, slots=True)
class Size:
    """The answer is the bytes of a file; None if there is none."""

    path: str


@dataclass(frozen=True, slots=True)
class ReadFile:
    """The answer is the content of a small file; None if there is none."""

    path: str


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Write a small file, whole or not at all; its bytes are on the disk when the flow goes on."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Lock:
    """Open a work file, which is made if it isn't there, for this flow alone, until it ends or locks another one.

    The answer is whether that was possible: False where another process or flow is at work on the file. `SaveBody`, `Truncate`,
    `Move` and `Discard` are for the locked file only.
    """

    path: str


@dataclass(frozen=True, slots=True)
class Truncate:
    """Empty the locked file; this is synced to the disk when the flow continues."""

    path: str


@dataclass(frozen=True, slots=True)
class Move:
    """Give the locked file its name, its bytes being on the disk, and unlock it; `leftover` is removed.

    A `FileError` is raised where the file is not the one that was written, or has another size.
    """

    path: str
    target: str
    leftover: str
    size: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Remove the locked file and what is left over, and unlock it."""

    path: str
    leftover: str


@dataclass(frozen=True, slots=True)
class Log:
    """Write a sentence to the log.

    Attributes:
        level: As in `logging`: INFO for a step, WARNING for what went wrong and is tried again.
        words: The sentence; it holds no key.
    """

    level: int
    words: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the caller how a batch stands."""

    batch: Batch


DiskEffect: TypeAlias = "Size | ReadFile | WriteFile | Lock | Truncate | Move | Discard"
"""What needs the disk alone."""

Effect: TypeAlias = "Open | ReadBody | SaveBody | Sleep | Now | Chance | Token | Tell | Log | DiskEffect"

Flow: TypeAlias = Generator[Effect, Any, T]
"""A flow that returns a `T` in the end."""
