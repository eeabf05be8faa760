"""The list of files, page by page."""

from __future__ import annotations

import logging

from batchfiles.api.file import FileObject
from batchfiles.api.files import MAX_PAGE
from batchfiles.api.flows.effects import Flow, Log
from batchfiles.api.page import Listing
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
        self._listing: Listing[FileObject] = Listing()

    @property
    def are_over(self) -> bool:
        """Whether there is no page to ask for."""
        return self._listing.is_over or (self._left is not None and self._left <= 0)

    def read(self) -> Flow[list[FileObject]]:
        """Return the new files of the next page.

        Raises:
            APIError: The service refused, or returns the same page again.
            TransportError: There was no answer.
        """
        size = None if self._left is None else min(self._left, MAX_PAGE)
        page = yield from self._calls.list_files(self._purpose, self._listing.after, size, self._order)
        for note in page.notes:
            yield Log(logging.WARNING, f"the list of files: {note}")
        found = self._listing.add(page)
        if self._left is not None:
            found = found[: self._left]
            self._left -= len(found)
        return found
