"""How many requests the successes in results answer: the number that `join` counts as `succeeded`.

`stats` counts lines, because every line is billed. A success may repeat another one, or belong to no request.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

MOST_IDS: Final = 1_000_000
"""Ids that are kept at a time, those of one part of a campaign; about 100 MB."""


class AnsweredRequests:
    """Compares the ids of successes with those of requests, part by part."""

    def __init__(self) -> None:
        self._is_known = True
        self._has_requests = False
        self._answered = self._repeated = self._unknown = 0
        self._start()

    def _start(self) -> None:
        self._files: dict[str, int] = {}
        self._requests: Counter[str] = Counter()
        self._successes: Counter[str | None] = Counter()

    def add_request(self, custom_id: object, file: int) -> None:
        """Add the id of a request in a file."""
        self._has_requests = True
        if not self._is_known or not isinstance(custom_id, str):
            return
        self._requests[custom_id] += 1
        # An id in two files is two requests: names and batch objects show which results are whose, and only `join` reads them.
        if self._files.setdefault(custom_id, file) != file or self._is_full():
            self._give_up()

    def add_success(self, custom_id: object) -> None:
        """Add the id of a result that is a success."""
        if self._is_known:
            self._successes[custom_id if isinstance(custom_id, str) else None] += 1
            if self._is_full():
                self._give_up()

    def add_successes(self, custom_ids: list[str]) -> None:
        """Add the ids of several results that are successes."""
        if self._is_known:
            self._successes.update(custom_ids)
            if self._is_full():
                self._give_up()

    def _is_full(self) -> bool:
        return len(self._files) + len(self._successes) > MOST_IDS

    def _give_up(self) -> None:
        self._is_known = False
        self._start()

    def end_part(self) -> None:
        """Count what was added since the last part; ids may restart in the next one."""
        for custom_id, lines in self._successes.items():
            requests = 0 if custom_id is None else self._requests[custom_id]
            self._answered += requests
            if requests:
                self._repeated += lines - 1
            else:
                self._unknown += lines
        self._start()

    def fields(self) -> dict[str, Any]:
        """Return the fields of `ResultStats`; they are None without requests, and where they are not known."""
        counts = (self._answered, self._repeated, self._unknown) if self._is_known and self._has_requests else (None,) * 3
        return dict(zip(("succeeded_requests", "repeated_successes", "unknown_successes"), counts, strict=True))
