"""Waiting for batches, with news on standard error: a line that is drawn anew on a terminal, a line for each change elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from batchfiles.cli.live_line import LiveLine
from batchfiles.cli.terminal import visible
from batchfiles.cli.validate import plural

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.client.synchronous import Client
    from batchfiles.errors import BatchFilesError

__all__ = ["News", "wait_for"]


class News:
    """What changes while one waits.

    Args:
        expected: How many batches there are.
        quiet: Say nothing.
        stream: Where to write; None is standard error.
    """

    def __init__(self, expected: int, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._expected = expected
        self._line = LiveLine(stream, quiet=quiet)
        self._batches: dict[str, Batch] = {}

    def tell(self, batch: Batch) -> None:
        """Show that a batch has changed."""
        self._batches[batch.id] = batch
        if batch.is_terminal or not self._line.on_terminal:
            self._line.leave(_state_words(batch))
        self._line.draw(self._summary())

    def close(self) -> None:
        """Take the line away that was drawn anew."""
        self._line.erase()

    def _summary(self) -> str:
        """Say how all batches stand together."""
        statuses = Counter(batch.status for batch in self._batches.values())
        counts = [batch.request_counts for batch in self._batches.values()]
        total, failed = sum(each.total for each in counts), sum(each.failed for each in counts)
        done = sum(each.completed for each in counts) + failed
        words = ", ".join(f"{count:,} {visible(status)}" for status, count in statuses.items())
        requests = f"; {done:,} of {total:,} requests ({min(done / total, 1.0):.0%}), {failed:,} failed" if total > 0 else ""
        return f"{plural(self._expected, 'batch', 'batches')}: {words}{requests}"


def _state_words(batch: Batch) -> str:
    counts = batch.request_counts
    done = counts.completed + counts.failed
    # While it is validated, the service doesn't know how many requests there are.
    requests = f"  {done:,} of {counts.total:,} requests, {counts.failed:,} failed" if counts.total > 0 else ""
    return visible(f"{batch.id}  {batch.status}{requests}")


def wait_for(
    client: Client, ids: Sequence[str], *, interval: float | None, timeout: float | None, quiet: bool
) -> list[Batch | BatchFilesError]:
    """Wait for batches, all at once.

    Args:
        client: The service.
        ids: The batches.
        interval: Seconds between two looks at one; None lets the pauses grow.
        timeout: Seconds after which we stop waiting; None for never.
        quiet: Say nothing.

    Returns:
        What became of each, or why we don't know: `StillRunning` where the time was over.
    """
    from batchfiles.api.flows import together, wait
    from batchfiles.api.retry_policy import RetryPolicy

    news = News(len(ids), quiet=quiet)
    policy = RetryPolicy()
    flows = [wait(client.config, batch_id, policy, interval=interval, timeout=timeout) for batch_id in ids]
    try:
        return client.run(together(flows), on_update=news.tell)
    finally:
        news.close()
