"""Lists over their pages: each object once, and an end on every service."""

from __future__ import annotations

from typing import Any

import pytest

from batchfiles import APIError, RetryPolicy
from batchfiles.api import Config
from batchfiles.api.effects import Flow
from batchfiles.api.submitting import find, list_batches
from batchfiles.client.calls import Calls, FilePages
from tests.api.stage import Stage, page, said


def batches(*numbers: int) -> list[dict[str, Any]]:
    """Make batches as in a list."""
    return [{"id": f"batch_{number}", "status": "completed"} for number in numbers]


def all_files(pages: FilePages) -> Flow[list[str]]:
    """Read a list of files to its end."""
    found: list[str] = []
    while not pages.are_over:
        found += [file.id for file in (yield from pages.read())]
    return found


def listed_files(stage: Stage, limit: int | None = None) -> list[str]:
    """List the files of a stage."""
    return stage.run(all_files(FilePages(Calls(Config(), RetryPolicy()), None, limit, None)))


@pytest.mark.parametrize("has_more", [True, False])
def test_a_service_that_ignores_the_cursor_ends_the_list(*, has_more: bool) -> None:
    """Its second page is the first one again: that is an error, not an endless list of the same batches."""
    stage = Stage(page(*batches(3, 2), more=True), page(*batches(3, 2), more=has_more))
    with pytest.raises(APIError, match="the same page again: it ignores after=batch_2"):
        stage.run(list_batches(Config(), RetryPolicy()))
    stage = Stage(*[said({"data": [{"id": "file-1"}], "has_more": True})] * 2)
    with pytest.raises(APIError, match="ignores after=file-1"):
        listed_files(stage)


def test_a_circle_of_pages_ends_the_list() -> None:
    """The cursor comes back to where it was."""
    stage = Stage(page(*batches(3), more=True), page(*batches(2), more=True), page(*batches(3), more=True))
    with pytest.raises(APIError, match="the same page again"):
        stage.run(list_batches(Config(), RetryPolicy()))


def test_pages_that_overlap_give_each_batch_once() -> None:
    """Some services count the cursor itself to the next page."""
    stage = Stage(page(*batches(3, 2), more=True), page(*batches(2, 1), more=True), page(more=True))
    assert [batch.id for batch in stage.run(list_batches(Config(), RetryPolicy()))] == ["batch_3", "batch_2", "batch_1"]


def test_no_more_are_returned_than_were_asked_for() -> None:
    """Some services give whole pages."""
    stage = Stage(page(*batches(3, 2, 1), more=True))
    assert [batch.id for batch in stage.run(list_batches(Config(), RetryPolicy(), limit=2))] == ["batch_3", "batch_2"]
    stage = Stage(said({"data": [{"id": "file-1"}, {"id": "file-2"}], "has_more": True}))
    assert listed_files(stage, 1) == ["file-1"]


def test_a_search_looks_at_what_it_can_have() -> None:
    """The newest batches are on the page that comes again."""
    stage = Stage(page(*batches(3), more=True), repeat=True)
    assert stage.run(find(Config(), RetryPolicy(), token="t")) is None
    assert len(stage.requests) == 2


def test_the_newest_may_be_enough() -> None:
    """For a look whether the same bytes were sent before; that there may be others is logged."""
    stage = Stage(page(*batches(3, 2), more=True), repeat=True)
    assert len(stage.run(list_batches(Config(), RetryPolicy(), limit=2000, partly=True))) == 2
    assert "the same page again" in stage.logged[0][1]


def test_what_can_not_be_read_is_logged() -> None:
    """And costs nothing else."""
    stage = Stage(page(*batches(3), {"status": "failed"}))
    assert len(stage.run(list_batches(Config(), RetryPolicy()))) == 1
    assert [words for _, words in stage.logged] == ["the list of batches: 'data[1]' is an object: read as null"]
    stage = Stage(said({"data": [{"id": "file-1"}, 7], "has_more": False}))
    assert listed_files(stage) == ["file-1"]
    assert [words for _, words in stage.logged] == ["the list of files: 'data[1]' is a number (7): read as null"]
