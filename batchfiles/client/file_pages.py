"""The list of files, page by page."""

from __future__ import annotations

from batchfiles.api.file import FileObject
from batchfiles.api.files import MAX_PAGE
from batchfiles.api.flows.effects import Flow
from batchfiles.client.calls import Calls

__all__ = ["FilePages"]


class FilePages:
    """The pages of a list of files, each to be asked for when the one before was read.

    Args:
        calls: The calls of the client.
        purpose: Only files of this purpose.
        limit: How many files at most; None for all.
        order: `asc` or `desc`.
    """

    def __init__(self, calls: Calls, purpose: str | None, limit: int | None, order: str | None) -> None:
        self._calls = calls
        self._purpose = purpose
        self._left = limit
        self._order = order
        self._after: str | None = None
        self._is_last = False

    @property
    def are_over(self) -> bool:
        """Whether there is no page to ask for."""
        return self._is_last or (self._left is not None and self._left <= 0)

    def read(self) -> Flow[list[FileObject]]:
        """Return the files of the next page."""
        size = None if self._left is None else min(self._left, MAX_PAGE)
        page = yield from self._calls.list_files(self._purpose, self._after, size, self._order)
        self._after = page.after
        self._is_last = page.after is None
        self._left = None if self._left is None else self._left - len(page.data)
        return page.data
