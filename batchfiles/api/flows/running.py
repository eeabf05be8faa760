"""A flow on its way through a driver."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from batchfiles.api.flows.effects import Effect, Flow
from batchfiles.errors import FileError, TransportError

__all__ = ["FAILURES", "Running"]

T = TypeVar("T")

FAILURES = (TransportError, FileError)
"""What is thrown into a flow where an effect can't be done; every other exception ends the driver."""


class Running(Generic[T]):
    """A flow, and what it was told last.

    A driver performs each effect that `asks` returns, says what came of it with `answer` or `fail`, and asks again:

        while (effect := running.asks()) is not None:
            try:
                running.answer(perform(effect))
            except FAILURES as error:
                running.fail(error)
        return running.result

    Args:
        flow: One that was not begun yet, or that sleeps.

    Attributes:
        result: What the flow has returned; there is none while it still asks.
    """

    result: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self._answer: Any = None
        self._problem: TransportError | FileError | None = None

    def asks(self) -> Effect | None:
        """Let the flow go on to its next effect; None if it has returned.

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
        """Note what came of the effect."""
        self._answer = answer

    def fail(self, problem: TransportError | FileError) -> None:
        """Note why the effect could not be done."""
        self._problem = problem
