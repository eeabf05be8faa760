"""A run that ends at any step, before or after its line in the journal, and is called again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchfiles import run
from batchfiles.runner.journal import Journal
from batchfiles.testing import Quirks, Server
from tests.runner.questions import SIX, batches_per_part, client_of, outcomes_of, write_requests

Serve = Callable[..., Server]

STEPS = 23
"""Lines of the journal of the run below."""


class Interrupted(BaseException):
    """Not caught anywhere, like the end of a process."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], None]:
    """End the run at the n-th line of its journal, before or after it is written."""
    write = Journal.write

    def at(number: int, after: bool) -> None:
        lines = 0

        def interrupted(self: Journal, event: str, **facts: Any) -> dict[str, Any]:
            nonlocal lines
            lines += 1
            if lines == number and not after:
                raise Interrupted
            record = write(self, event, **facts)
            if lines == number:
                raise Interrupted
            return record

        monkeypatch.setattr(Journal, "write", interrupted)

    return at


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, STEPS + 1))
def test_interrupted_at_any_step_it_pays_once_and_loses_nothing(
    serve: Serve, tmp_path: Path, interrupt: Callable[[int, bool], None], number: int, after: bool
) -> None:
    """Two parts, and one that repeats a request of the first."""
    requests, table = write_requests(tmp_path / "requests.jsonl", 8), tmp_path / "table.parquet"
    server = serve(quirks=Quirks(missing=frozenset({"r2"})))
    interrupt(number, after)
    with client_of(server) as client:
        with pytest.raises(Interrupted):
            run(requests, output=table, client=client, limits=SIX, retries=1)
        report = run(requests, output=table, client=client, limits=SIX, retries=1)
        again = run(requests, output=table, client=client, limits=SIX, retries=1)
    assert (report.finished, report.batches, again.sent) == (True, 3, 0)
    assert outcomes_of(table) == {"succeeded": 7, "missing": 1}
    assert list(batches_per_part(server).values()) == [1, 1, 1]


def test_there_are_no_more_steps_than_that(serve: Serve, tmp_path: Path) -> None:
    """Otherwise the test above would not cover all steps."""
    server = serve(quirks=Quirks(missing=frozenset({"r2"})))
    with client_of(server) as client:
        run(write_requests(tmp_path / "requests.jsonl", 8), output=tmp_path / "t.csv", client=client, limits=SIX, retries=1)
    assert (tmp_path / "requests.campaign" / "run.journal").read_text().count("\n") == STEPS
