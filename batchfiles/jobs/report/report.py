"""`report`: one HTML file that shows a batch to people."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batchfiles.inputs.roles import Pairs
from batchfiles.io.sources import SourceLike
from batchfiles.io.target import Target, TargetLike
from batchfiles.io.threads import Progress, progress_of
from batchfiles.jobs.stats.prices import PricesLike, prices_of
from batchfiles.layout import size, visible
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.summary import Block, Displayed, Sentences
from batchfiles.table.read import TableLike

__all__ = ["PageReport", "report"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PageReport(Displayed):
    """What a report found.

    Attributes:
        verdict: The sentences at its beginning.
        command: The command that sends requests again; empty if there is none to send.
        rows: Rows: the requests, or the results if only these are known.
        outcomes: How many of them have which outcome.
        retryable: How many of them may succeed if they are sent again.
        errors: How many different errors there are.
        bytes: The size of the file.
    """

    verdict: str
    command: str
    rows: int
    outcomes: dict[str, int]
    retryable: int
    errors: int
    bytes: int

    def _blocks(self) -> Iterator[Block]:
        yield Sentences([visible(self.verdict), f"the page: {size(self.bytes)}"])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return asdict(self)


def report(
    *sources: SourceLike | TableLike,
    output: TargetLike,
    inputs: Iterable[SourceLike] = (),
    pairs: Pairs = (),
    prices: PricesLike | Sequence[PricesLike] | None = None,
    texts: bool = True,
    rows: int = 20,
    title: str | None = None,
    overwrite: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = None,
    progress: Progress | bool | None = None,
) -> PageReport:
    """Write one HTML file about a batch: the verdict, outcomes, errors, tokens, costs and failing rows.

    The file has no script and loads nothing. The same input gives the same bytes. Memory does not grow with the input.

    Args:
        *sources: Request files and results, folders, globs or a campaign, as for `join`; or a table that `join` wrote, as a file,
            a folder of parts or an object with `__arrow_c_stream__`; or one `Join` or `Export`.
        output: A new file, or `-` for standard output, or an open binary file.
        inputs: As for `join`.
        pairs: As for `join`.
        prices: As for `stats`; None for no costs.
        texts: Whether to show what users, models and services wrote: ids, error messages, requests and answers. Names of files
            and models are always shown.
        rows: How many failing rows to show, as far as they fit into 300 kB.
        title: The title; None for the names of the sources.
        overwrite: Replace an existing file.
        max_line_bytes: As for `join`.
        temp_dir: As for `join`.
        filesystem: The filesystem of all paths, also of `output` and `prices`; None for the local one.
        workers: As for `join`.
        progress: Called repeatedly with the bytes done and the total bytes of a join; True shows a bar.

    Returns:
        What was found.

    Raises:
        MissingDependencyError: vl-convert-python or jinja2 is not installed.
        MismatchError: A table is not one of `join`, or was given together with files; and as `join`.
        OutputExistsError: The output exists and `overwrite` was not given.
        FileError: A file can't be read, or the output can't be written.
        TypeError: No source is given, or one has a wrong type.
        ValueError: `rows` is negative, the output is an input file, or the price file has a value that is not a price.

    Example:
        >>> report = batchfiles.report("fixtures/chat_completions", output="report.html")
        >>> report.rows, report.retryable
        (16, 3)
    """
    from batchfiles.jobs.report.charts import require, shortened
    from batchfiles.jobs.report.facts import Facts
    from batchfiles.jobs.report.page import Contents, page
    from batchfiles.jobs.report.rows import report_rows
    from batchfiles.jobs.report.words import retry_command, verdict

    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    require()
    target = Target.at(output, filesystem=filesystem, folder=False)
    target.check(overwrite=overwrite)
    known = None if prices is None else prices_of(prices, filesystem=filesystem)
    found = report_rows(
        sources,
        target,
        inputs=inputs,
        pairs=pairs,
        filesystem=filesystem,
        workers=workers,
        progress=progress_of(progress, "report"),
        max_line_bytes=max_line_bytes,
        temp_dir=temp_dir,
    )
    facts = Facts(rows=rows, texts=texts, prices=known)
    facts.add_all(found.batches)
    is_folder = len(found.names) == 1 and Path(found.names[0]).is_dir()
    command = retry_command(found.words, facts.parts, is_table=found.table is None, is_folder=is_folder)
    result = verdict(facts, found.report, command)
    shown = ", ".join(shortened(name, 80) for name in found.names[:3]) + (", …" if len(found.names) > 3 else "")
    html = page(Contents(title or shown or "Batch", result, facts, found.report, texts))
    with target.open(overwrite=overwrite, temp_dir=temp_dir) as file:
        file.write(html)
    return PageReport(
        verdict=str(result),
        command=result.command,
        rows=facts.outcomes.total(),
        outcomes=dict(sorted(facts.outcomes.items())),
        retryable=facts.retryable,
        errors=len(facts.errors.groups),
        bytes=len(html),
    )
