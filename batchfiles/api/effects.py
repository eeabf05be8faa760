"""What a flow may ask its driver for. A flow is a generator: it yields one of these and is sent the answer.

There is no socket, no clock and no file in a flow, so that each can be tested with a list of answers; a driver performs the
effects and holds no rule. What an effect can't do is thrown into the flow: a `APIConnectionError` by the network, a `FileError`
by the disk.

Also a single call with retries where they are safe, and a flow that a driver runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from batchfiles.api.config import RetryPolicy, is_worth_retrying
from batchfiles.api.responses import Request, Response, error_of
from batchfiles.errors import APIConnectionError, APIError, APIResponseValidationError, FileError

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
    """Write the body of the open response to a file, from `offset` on, and cut off what followed; the answer is a `Saved`."""

    path: str
    offset: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """The outcome of saving a body.

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
class Random:
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
    """Write a small file, whole or not at all; its bytes are on the disk when the flow continues."""

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
class Notify:
    """Call the caller's `on_update`.

    Attributes:
        status: A batch that was waited for, or the status of a run.
    """

    status: object


@dataclass(frozen=True, slots=True)
class Work:
    """Do local work that may take long, such as reading a file; the answer is what the function returns.

    Of its exceptions, only a `FileError` and an `APIConnectionError` are raised in the flow; all others end the driver.
    """

    function: Callable[[], object]


DiskEffect: TypeAlias = "Size | ReadFile | WriteFile | Lock | Truncate | Move | Discard"
"""What needs the disk alone."""

Effect: TypeAlias = "Open | ReadBody | SaveBody | Sleep | Now | Random | Token | Notify | Log | Work | DiskEffect"

Flow: TypeAlias = Generator[Effect, Any, T]
"""A flow that returns a `T` in the end."""

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of an answer that are read; ours. A page of 10,000 files has some 3 MB."""

ERROR_LIMIT = 64 * 1024
"""Bytes of an error that are read; ours. A gigabyte of error page must not fill the memory."""


def exchange(request: Request) -> Flow[Response]:
    """Send a request once and read its answer.

    Raises:
        APIConnectionError: There was no whole answer.
        APIResponseValidationError: It is longer than any answer of this API.
    """
    head: Response = yield Open(request)
    limit = ANSWER_LIMIT if head.is_success else ERROR_LIMIT
    body: bytes = yield ReadBody(limit + 1)
    if len(body) > limit and head.is_success:
        raise APIResponseValidationError(
            f"the answer is longer than {limit:,} bytes", status_code=head.status_code, request_id=head.request_id
        )
    return Response(head.status_code, head.headers, body[:limit])


def call(request: Request, read: Callable[[Response], T], policy: RetryPolicy, *, conflicts: bool = True) -> Flow[T]:
    """Make a call whose repetition does no harm, and read its answer.

    Args:
        request: What is sent.
        read: What makes a value of the answer.
        policy: How often it is tried.
        conflicts: Whether a conflict (409) is worth another attempt.

    Raises:
        APIError: The service refused it at the last attempt.
        APIConnectionError: There was no answer to the last attempt.
    """
    began: float = yield Now()
    attempt = 0
    while True:
        attempt += 1
        problem: APIError | APIConnectionError
        headers: dict[str, str] = {}
        try:
            response = yield from exchange(request)
        except APIConnectionError as error:
            problem = error
        else:
            headers = dict(response.headers)
            if is_worth_retrying(response, conflicts=conflicts) and not response.is_success:
                problem = error_of(response)
            else:
                try:
                    return read(response)
                except APIResponseValidationError as error:  # a proxy's page with a good status, or half an answer
                    problem = error
        chance: float = yield Random()
        now: float = yield Now()
        pause = policy.pause(attempt, headers, chance, now - began)
        if pause is None:
            raise problem
        yield again_in(pause, request.name, problem)
        yield Sleep(pause)


def again_in(pause: float, what: str, why: Exception) -> Log:
    """Log that something failed and is tried again: no wait is silent."""
    return Log(logging.WARNING, f"{what}: {why}; tried again in {pause:.1f} s")


FAILURES = (APIConnectionError, FileError)
"""What is thrown into a flow where an effect can't be done; every other exception ends the driver."""


class Running(Generic[T]):
    """A flow, and the last answer to it.

    A driver performs each effect that `asks` returns, passes the outcome to `answer` or `fail`, and asks again:

        while (effect := running.asks()) is not None:
            try:
                running.answer(perform(effect))
            except FAILURES as error:
                running.fail(error)
        return running.result

    Args:
        flow: One that was not started yet, or that sleeps.

    Attributes:
        result: What the flow has returned; there is none while it still asks.
    """

    result: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self._answer: Any = None
        self._problem: APIConnectionError | FileError | None = None

    def asks(self) -> Effect | None:
        """Run the flow to its next effect; None if it has returned.

        Raises:
            BatchFilesError: What the flow raises.
        """
        answer, problem = self._answer, self._problem
        self._answer = self._problem = None
        try:
            return self._flow.send(answer) if problem is None else self._flow.throw(problem)
        except StopIteration as end:
            self.result = end.value
        return None

    def answer(self, answer: object) -> None:
        """Note the outcome of the effect."""
        self._answer = answer

    def fail(self, problem: APIConnectionError | FileError) -> None:
        """Note why the effect could not be done."""
        self._problem = problem
