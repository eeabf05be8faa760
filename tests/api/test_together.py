"""Several flows over one connection, by turns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.api.effects import Flow, Now, ReadFile, Sleep
from batchfiles.api.waiting import gather
from batchfiles.errors import BatchFilesError, FileError, NotFoundError


class Driver:
    """Performs `Sleep` and `Now` with its own clock, records its effects, and has no files."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []

    def run(self, flow: Flow[Any]) -> Any:
        """Run a flow to its end."""
        answer: Any = None
        problem: FileError | None = None
        while True:
            try:
                effect = flow.send(answer) if problem is None else flow.throw(problem)
            except StopIteration as end:
                return end.value
            answer = problem = None
            match effect:
                case Sleep(seconds):
                    self.now += seconds
                case Now():
                    answer = self.now
                case ReadFile(path):
                    self.asked.append(f"{path} at {self.now:g}")
                    problem = FileError("no such file", path=path)


def looking(name: str, *pauses: float) -> Flow[str]:
    """Ask for a file, sleep, and so on; returns the name."""
    for pause in pauses:
        with pytest.raises(FileError):
            yield ReadFile(name)
        yield Sleep(pause)
    return name


def refused() -> Flow[str]:
    """Sleep, and meet an error."""
    yield Sleep(3.0)
    raise NotFoundError("No such batch")


def test_while_one_sleeps_another_continues() -> None:
    """Each wakes at its own time, and gets only its own answers."""
    driver = Driver()
    assert driver.run(gather([looking("a", 10, 10), looking("b", 4, 4, 4)])) == ["a", "b"]
    assert driver.asked == ["a at 0", "b at 0", "b at 4", "b at 8", "a at 10"]
    assert driver.now == 20


def test_an_error_of_one_does_not_end_the_others() -> None:
    """The error replaces its result."""
    one, two, three = Driver().run(gather([looking("a", 5), refused(), looking("c", 1)]))
    assert (one, three) == ("a", "c")
    assert isinstance(two, BatchFilesError)


def test_of_nothing_comes_nothing() -> None:
    """An empty list, at once."""
    assert Driver().run(gather([])) == []


@given(st.lists(st.lists(st.floats(0, 100), max_size=5), max_size=6))
def test_all_together_take_as_long_as_the_longest(pauses: list[list[float]]) -> None:
    """And not as long as all of them in a row."""
    driver = Driver()
    names = [str(number) for number in range(len(pauses))]
    assert driver.run(gather([looking(name, *each) for name, each in zip(names, pauses, strict=True)])) == names
    assert driver.now == pytest.approx(max((sum(each) for each in pauses), default=0.0))
