"""`retry`: the requests that may succeed if they are sent again, byte for byte.

A retry by a short list of ids has a fast path: results are not read, and only the lines that are written are decoded.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing, suppress
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from batchfiles.campaign import Campaigns
from batchfiles.codec import request_of
from batchfiles.errors import InvalidLineError, LineTooLongError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.copied_lines import CopiedLines, Run
from batchfiles.inputs.folders import files_to_read, not_read_fields
from batchfiles.inputs.local import LocalFile, check_campaigns, check_unchanged, refuse_read
from batchfiles.inputs.roles import Pairs, sort_files
from batchfiles.io.sources import Source, SourceLike, expand
from batchfiles.io.target import PathTarget, Target, TargetLike
from batchfiles.io.temporary import Spool
from batchfiles.io.threads import Progress, in_steps, progress_of
from batchfiles.jobs.edit import checked_edits
from batchfiles.jobs.join.parts import whole_campaign
from batchfiles.jobs.join.report import TableOptions
from batchfiles.jobs.retry.by_results import KnownOutcomes, RetryByResults
from batchfiles.jobs.retry.joined_table import PARSE_ERROR, JoinedTable, ids_as_outcomes, ids_in, joined_tables, table_as_outcomes
from batchfiles.jobs.retry.lines import RetryChoice, check_word, words_of
from batchfiles.jobs.retry.output import RetryTargets
from batchfiles.jobs.retry.report import NOT_LISTED, RetryCounts, RetryReport
from batchfiles.jobs.retry.units import PartByPart, ReadTogether, Unit, Units, files_of_folder
from batchfiles.jsontext.edits import Edit, edited
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.native import native_listed
from batchfiles.outcome import id_in

LISTED_IN_MEMORY = 200_000
"""About 32 MB of ids; a longer list needs an index on the disk."""


class ListedLines:
    """The fast path of a retry by a list of ids: selects the lines from ordinary request files.

    Args:
        listed: The ids.
        edits: The changes to the lines.
        targets: Where the lines go.
        max_line_bytes: The longest line that is read, in bytes.
        are_apart: Whether an id may be in several request files, which are separate batches with separate outputs.

    Attributes:
        totals: The counts of written and left out requests.
        lines: Requests by the number of their file.
        found: The listed ids that requests have.
    """

    def __init__(
        self, listed: AbstractSet[str], edits: Sequence[Edit], targets: RetryTargets, *, max_line_bytes: int, are_apart: bool
    ) -> None:
        self.totals = RetryCounts()
        self.lines: Counter[int] = Counter()
        self.found: set[str] = set()
        self._listed = listed
        self._edits = edits
        self._targets = targets
        self._max_line_bytes = max_line_bytes
        self._are_apart = are_apart
        self._native = native_listed(listed)

    def take(self, unit: Unit, progress: Callable[[int], None]) -> bool:
        """Add the lines of a unit to the targets.

        Returns:
            Whether the fast path was enough. If not, there is a line that can't be read, a repeated id or a value that can't be
            set: then start again with an index.

        Raises:
            FileError: A file can't be read, or has changed.
        """
        inputs = unit.roles.inputs
        check_unchanged(inputs)
        try:
            for number, file in zip(unit.numbers, inputs, strict=True):
                here = self._take_file(number, file, progress)
                if not self._are_apart and not self.found.isdisjoint(here):
                    return False
                self.found |= here
        except (_NeedsIndexError, InvalidLineError, LineTooLongError, MismatchError):
            return False
        check_unchanged(inputs)
        return True

    def _take_file(self, number: int, file: LocalFile, progress: Callable[[int], None]) -> set[str]:
        """Take the lines of one file, and return their ids.

        Raises:
            _NeedsIndexError: A line has no readable id, or a repeated one.
            InvalidLineError: A line can't be decoded, or an edit can't be made in it.
            LineTooLongError: A line is longer than `max_line_bytes`.
            MismatchError: The first line is not a request.
        """
        copied = CopiedLines(self._max_line_bytes, progress, wanted="inputs")
        found: set[str] = set()
        all_lines = changed = written = 0
        for run in copied.of(file.source):
            chosen = list(self._chosen(run))
            written += len(chosen)
            found.update([custom_id for custom_id, _, _ in chosen])
            if len(found) < written:
                raise _NeedsIndexError
            new = [self._checked(line, is_request=is_request) for _, line, is_request in chosen]
            self._targets.add(number, b"".join(new), len(new))
            changed += sum(line is not old for line, (_, old, _) in zip(new, chosen, strict=True))
            all_lines += run.count
        self.lines[number] = all_lines
        counts = {"written": written, "changed": changed, "blank_line": copied.blank_lines}
        groups = [(None, None, None, None, written), (None, None, None, NOT_LISTED, all_lines - written)]
        groups = [group for group in groups if group[-1]]
        self.totals.add({"counts": counts, "matched": (), "findings": copied.findings, "groups": groups})
        return found

    def _chosen(self, run: Run) -> Iterator[tuple[str, bytes, bool]]:
        """Yield the id and the line of listed requests, and whether it is a request for certain.

        Raises:
            _NeedsIndexError: A line has no readable id.
        """
        if self._native is None:
            for custom_id, line in zip(map(id_in, run.whole_lines), run.whole_lines, strict=True):
                if custom_id is None:
                    raise _NeedsIndexError
                if custom_id in self._listed:
                    yield custom_id, line, False
            return
        for start, end, custom_id, is_request in self._native.find(run.text):
            line = run.text[start:end]
            if custom_id is not None:
                yield custom_id, line, is_request
                continue
            own_id = id_in(line)
            if own_id is None:
                raise _NeedsIndexError
            if own_id in self._listed:
                yield own_id, line, False

    def _checked(self, line: bytes, *, is_request: bool) -> bytes:
        r"""Return a valid request line, with its `\n` and with the edits applied.

        Raises:
            InvalidLineError: The line can't be decoded, or an edit can't be made in it.
        """
        if not is_request:
            request_of(line)
        return edited(line[:-1], self._edits) + b"\n" if self._edits else line


class _NeedsIndexError(Exception):
    """The fast path is not enough."""


def retry(
    *files: SourceLike,
    output: TargetLike,
    inputs: Iterable[SourceLike] = (),
    pairs: Pairs = (),
    only: Iterable[str] | None = None,
    excluded: Iterable[str] = (),
    ids: SourceLike | None = None,
    every: bool = False,
    values: Mapping[str, Any] | None = None,
    unset: Iterable[str] = (),
    edits: Iterable[Edit] = (),
    overwrite: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = 1,
    progress: Progress | bool | None = None,
) -> RetryReport:
    """Write the requests that may succeed if they are sent again, byte for byte, in the order of the request files.

    These are the `retryable` ones of a joined table: requests that expired, were cancelled, got no answer or have no result, or
    failed with 408, 409, 429 or 5xx.

    Args:
        *files: Request files, output files and error files in any mix, as for `join`; or request files and one joined table
            instead of results: a Parquet, Arrow, CSV or JSONL file, or a folder of the first three. It may be filtered: requests
            without a row are left out and counted. A campaign folder means all files in it.
        output: The file to write; `-` for standard output. A folder gets one file for each request file, `part-1-retry-1.jsonl`
            for `part-1.jsonl`; a name without a suffix means one. It must be the folder of the request files, whose manifest
            then names them, so that `join` knows which lines they repeat. A remote folder is refused: name a file in it.
        inputs: Files that must be requests.
        pairs: Request files, each with the results that belong to it, as for `join`.
        only: Take the requests of these outcomes, statuses (`"429"`, `"5xx"`), error codes, or with `"parse_error"` instead;
            retryable or not.
        excluded: Leave these out.
        ids: A list of ids, one per line: take these, with any outcome. No results are needed.
        every: Take all requests without a success.
        values: Values to set, by their paths, as for `edit`, such as `{"body.max_tokens": 4000}`; other bytes stay.
        unset: Paths of values to remove.
        edits: Changes whose order matters; they are made first.
        overwrite: Replace existing files; with a folder also send requests again whose last retry has no results yet.
        max_line_bytes: The longest line that is read, in bytes.
        temp_dir: Where temporary files go.
        filesystem: The filesystem of all paths, also of `output` and `ids`, from `pyarrow.fs` or fsspec; None for the local one.
        workers: Processes that decode; None chooses by the size of the files.
        progress: Called repeatedly with the bytes done and the total bytes; True shows a bar.

    Returns:
        How many requests were written and how many were left out, and why.

    Raises:
        MismatchError: No file holds requests, or none holds their outcomes; no result, or row of the table, belongs to
            a request; a value in the table does not fit its column; a file is of the wrong kind; a result is in a file of
            requests; request files that a manifest would name share only some of their lines; or, with a folder, an earlier
            retry has no results yet.
        DuplicateCustomIdError: An id would be repeated in the file, or could mean the requests of two request files.
        InvalidLineError: A value can't be set in a line.
        OutputExistsError: A file exists and `overwrite` was not given.
        FileError: A file can't be read or written.
        TruncatedFileError: A compressed file is damaged.
        ValueError: Options don't go together, a path or a value is not valid, or the output is a remote folder.

    Example:
        >>> report = batchfiles.retry("fixtures/chat_completions", output="retry.jsonl")
        >>> report.written, report.left_out
        (3, 13)
    """
    if not files and not inputs and not pairs:
        raise TypeError("retry needs at least one file")
    choice = _choice(only, excluded, ids=ids, everything=every)
    changes = checked_edits(edits, values, unset)
    if ids is not None and workers is None:
        workers = 1  # finding ids is hardly slower than reading: processes would not help
    options = TableOptions(
        max_line_bytes=max_line_bytes, temp_dir=temp_dir, workers=workers, progress=progress_of(progress, "retry")
    )
    with Spool(temp_dir) as spool:
        tables, plain = joined_tables(files, filesystem)
        choice.by_table = bool(tables) and ids is None
        lists = [] if ids is None else _local(expand([ids], filesystem=filesystem), spool)
        target = Target.at(output, filesystem=filesystem)
        campaigns = Campaigns()
        check_campaigns(plain, campaigns)
        job = _Retry(target, tables, lists, choice, changes, options, spool, overwrite=overwrite)
        if not inputs and not pairs and all(part.is_again for table in tables for part in table.parts):
            found, not_read = files_to_read(plain)
            whole = whole_campaign(found, campaigns) if all(file.found for file in found) else None
            # Results and a table exclude each other, and without any of them nothing is known: the error comes below.
            if whole is not None and (lists or bool(tables) != any(part.results for part in whole.parts)):
                with suppress(ReadTogether):
                    return job.run(PartByPart(whole, not_read, spool, temp_dir=temp_dir, max_line_bytes=max_line_bytes))
        roles = sort_files(
            plain, inputs, spool, pairs=pairs, filesystem=filesystem, max_line_bytes=max_line_bytes, campaigns=campaigns
        )
        return job.run(files_of_folder(roles, spool, job.folder_to_name(), options))


class _Retry:
    """One call of `retry`, for files in units or for all files together."""

    def __init__(
        self,
        target: Target,
        tables: Sequence[JoinedTable],
        lists: Sequence[Source],
        choice: RetryChoice,
        edits: Sequence[Edit],
        options: TableOptions,
        spool: Spool,
        *,
        overwrite: bool,
    ) -> None:
        self._target = target
        self._tables = tables
        self._lists = lists
        self._choice = choice
        self._edits = edits
        self._options = options
        self._spool = spool
        self._overwrite = overwrite

    def folder_to_name(self) -> Path | None:
        """Return the local folder whose manifest may name all its request files at the end; None if no manifest will.

        Raises:
            ValueError: The output is a remote folder.
        """
        place = self._target.key
        folder = place if _is_folder(self._target) else place.parent if place is not None and self._edits else None
        return folder if isinstance(folder, Path) else None

    def run(self, units: Units) -> RetryReport:
        """Choose the requests and write them.

        Raises:
            ReadTogether: The parts of a campaign can't be read one by one.
            BatchFilesError: As `retry`.
        """
        refuse_read(self._target, units.keys | {part.key for table in self._tables for part in table.parts})
        if not units.requests:
            raise MismatchError("no file holds requests: name the request files too, or there is nothing to send again")
        by_part = _is_folder(self._target)
        targets = RetryTargets(
            self._target, units.requests, units.earlier, units.results, self._spool, by_part=by_part, overwrite=self._overwrite
        )
        with closing(targets):
            report, passed_over = self._report(units, targets, by_part=by_part), not_read_fields(units.not_read)
            return replace(report, **passed_over | {"examples": {**report.examples, **passed_over["examples"]}})

    def _report(self, units: Units, targets: RetryTargets, *, by_part: bool) -> RetryReport:
        if self._lists:
            report = self._listed(units, targets, by_part=by_part)
            if report is not None:
                return report
            targets.clear()
        known = self._known(units)
        job = RetryByResults(units, known, self._choice, self._edits, self._options, targets, by_part=by_part)
        return job.run(self._spool)

    def _known(self, units: Units) -> KnownOutcomes | None:
        """Return the known outcomes; None where results have them.

        Raises:
            MismatchError: There are neither, or both.
            ReadTogether: Rows of the table may belong to any part.
            ValueError: `parse_error` is selected, which only a table has.
        """
        if self._lists:
            return KnownOutcomes([(ids_as_outcomes(source, self._spool), None) for source in self._lists], self._spool)
        if self._tables:
            if units.results or len(self._tables) > 1:
                raise MismatchError("a joined table has the outcomes of all requests: name one table, and no results")
            found = table_as_outcomes(self._tables[0], units.requests, units.earlier, self._spool, self._choice.words)
            if units.are_parts and any(number is None for _, number in found):
                raise ReadTogether
            return KnownOutcomes(found, self._spool)
        if PARSE_ERROR in self._choice.words:
            raise ValueError(
                "parse_error is known from a joined table only: make one with `join --parsed`, and name it instead of the results"
            )
        if not units.results and not units.has_empty:
            names = ", ".join(file.name for file in units.requests[:3])
            raise MismatchError(
                f"no file holds results, only requests ({names}): name the output file and the error file, or a list of ids"
            )
        return None

    def _listed(self, units: Units, targets: RetryTargets, *, by_part: bool) -> RetryReport | None:
        """Write the lines of listed ids; None if the fast path is not enough, as for a long list."""
        started = time.perf_counter()
        ids = set(islice(chain.from_iterable(map(ids_in, self._lists)), LISTED_IN_MEMORY + 1))
        if len(ids) > LISTED_IN_MEMORY:
            return None
        are_apart, max_line_bytes = units.are_parts and by_part, self._options.max_line_bytes
        listed = ListedLines(ids, self._edits, targets, max_line_bytes=max_line_bytes, are_apart=are_apart)
        progress = in_steps(self._options.progress, sum(file.size for file in units.requests))
        findings: list[Finding] = []
        with closing(units.opened()) as opened:
            for unit in opened:
                step = unit.steps(progress, unit.roles.inputs, weight=unit.asked)
                if not listed.take(unit, step):
                    return None
                step.finish()
                findings += unit.roles.findings
        listed.totals.findings[:0] = findings
        files = targets.write(listed.lines, changed=listed.totals.counts["changed"] > 0)
        seconds = round(time.perf_counter() - started, 3)
        return listed.totals.report(files, words=(), unknown_ids=len(ids) - len(listed.found), seconds=seconds)


def _choice(only: Iterable[str] | None, but: Iterable[str], *, ids: object, everything: bool) -> RetryChoice:
    only = None if only is None else words_of(only)
    but = words_of(but)
    if ids is not None and (only is not None or but or everything):
        raise ValueError("a list of ids selects requests: it does not go with only=, excluded= and every=True")
    if only is not None and everything:
        raise ValueError("only= and every=True exclude each other")
    if only is not None and not only:
        raise ValueError("only is empty: give outcomes, statuses or error codes")
    for word in (*(only or ()), *but):
        check_word(word)
    return RetryChoice(only, but, everything=everything, listed=ids is not None)


def _is_folder(target: Target) -> bool:
    """Return whether a target is a folder, for a file next to each request file.

    Raises:
        ValueError: It is a remote one.
    """
    if not isinstance(target, PathTarget) or not (target.is_folder or target.place.is_dir()):
        return False
    if target.is_remote:
        raise ValueError(
            f"{target} means a folder, and retry files can't be written to a remote folder, because they and its manifest would "
            f"not change together: name one file, such as {target}/retry.jsonl"
        )
    return True


def _local(sources: Iterable[Source], spool: Spool) -> list[Source]:
    """Copy files that can't be read twice."""
    return [Source(source.name, path=spool.local(source)) for source in sources]
