"""A retry by a list of ids: nothing is looked up in results, and only the lines that are written are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, islice
from operator import ne

from batchfiles.codec import request_of
from batchfiles.edits import Edit, edited
from batchfiles.errors import InvalidLine, LineTooLong, Mismatch
from batchfiles.jobs.copied_lines import CopiedLines
from batchfiles.jobs.line_ids import ids_of
from batchfiles.jobs.local_file import LocalFile, check_unchanged
from batchfiles.jobs.retry_choice import NOT_LISTED
from batchfiles.jobs.retry_report import RetryTally
from batchfiles.jobs.retry_targets import RetryTargets
from batchfiles.jobs.verdicts import ids_in
from batchfiles.streams.sources import Source

__all__ = ["ListedLines"]

LISTED_IN_MEMORY = 200_000
"""About 32 MB of ids; a longer list takes the long way, with an index on the disk."""


class ListedLines:
    """Takes the lines of listed ids out of request files in which nothing is out of the ordinary.

    Args:
        inputs: The request files.
        edits: What is changed in the lines.
        cap: The longest line that is read, in bytes.
        progress: Gets the bytes of each step.

    Attributes:
        tally: What was written and what was left out.
        lines: Requests by the number of their file.
        unknown_ids: Listed ids that no request has.
    """

    def __init__(self, inputs: Sequence[LocalFile], edits: Sequence[Edit], *, cap: int, progress: Callable[[int], None]) -> None:
        self.tally = RetryTally()
        self.lines: Counter[int] = Counter()
        self.unknown_ids = 0
        self._inputs = inputs
        self._edits = edits
        self._cap = cap
        self._progress = progress

    def take(self, lists: Sequence[Source], targets: RetryTargets) -> bool:
        """Give the lines to the targets.

        Returns:
            Whether that was all. If not, the list is long, or something must be told that only the long way can tell: a line that
            can't be read, an id that stands twice, a value that can't be set. Then all must be done again.

        Raises:
            FileError: A file can't be read, or is not what it was.
            Mismatch: A line of the list is no UTF-8.
        """
        listed = set(islice(chain.from_iterable(map(ids_in, lists)), LISTED_IN_MEMORY + 1))
        if len(listed) > LISTED_IN_MEMORY:
            return False
        check_unchanged(self._inputs)
        found: set[str] = set()
        try:
            for number in range(len(self._inputs)):
                here = self._take_file(number, listed, targets)
                if not found.isdisjoint(here):
                    return False
                found |= here
        except (_Unusual, InvalidLine, LineTooLong, Mismatch):
            return False
        check_unchanged(self._inputs)
        self.unknown_ids = len(listed) - len(found)
        return True

    def _take_file(self, number: int, listed: set[str], targets: RetryTargets) -> set[str]:
        """Take the lines of one file, and return their ids.

        Raises:
            _Unusual: A line has no id that can be read, or the same as another one.
            InvalidLine: A line can't be decoded, or an edit can't be made in it.
            LineTooLong: A line is above the cap.
            Mismatch: The first line is no request.
        """
        file = self._inputs[number]
        copied = CopiedLines(self._cap, self._progress, wanted="inputs")
        found: set[str] = set()
        all_lines = changed = 0
        for run in copied.of(Source(file.name, path=file.path)):
            ids = ids_of(run.whole_lines, run.text)
            chosen = [place for place, custom_id in enumerate(ids) if custom_id in listed]
            before = len(found)
            found.update([str(ids[place]) for place in chosen])
            if None in ids or len(found) < before + len(chosen):
                raise _Unusual
            old = [run.whole_lines[place] for place in chosen]
            new = [self._checked(line) for line in old]
            targets.add(number, b"".join(new), len(new))
            changed += sum(map(ne, old, new))
            all_lines += len(ids)
        self.lines[number] = all_lines
        counts = {"written": len(found), "changed": changed, "blank_line": copied.blank_lines}
        groups = [(None, None, None, None, len(found)), (None, None, None, NOT_LISTED, all_lines - len(found))]
        groups = [group for group in groups if group[-1]]
        self.tally.add({"counts": counts, "matched": (), "findings": copied.findings, "groups": groups})
        return found

    def _checked(self, line: bytes) -> bytes:
        r"""Return a valid request line, with its `\n` and with the edits applied."""
        request_of(line)
        return edited(line[:-1], self._edits) + b"\n" if self._edits else line


class _Unusual(Exception):
    """Something is out of the ordinary."""
