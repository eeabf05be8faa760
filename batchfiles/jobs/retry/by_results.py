"""A retry by the outcomes of the requests: results are scanned, and looked up for each request.

`RetryLines` is the second pass over a range of a request file, which yields the lines that are sent again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from batchfiles.codec import request_of
from batchfiles.errors import DuplicateCustomIdError, InvalidLineError, MismatchError
from batchfiles.findings import Finding
from batchfiles.ids.index import Index, IndexBuilder, IndexEntries, ResultFlags, digest
from batchfiles.inputs.attribution import attributed
from batchfiles.inputs.local import LocalFile, OpenFiles, ResultFile, check_unchanged
from batchfiles.inputs.roles import BatchParts
from batchfiles.io.lines import Block
from batchfiles.io.sources import Source, read_blocks
from batchfiles.io.spool import Spool
from batchfiles.io.threads import in_steps
from batchfiles.jobs.join.accounting import Accounting
from batchfiles.jobs.join.lazy_table import TASK_BYTES
from batchfiles.jobs.join.lookup import ResultLookup, fetch, refuse_conflicts
from batchfiles.jobs.join.repeated_requests import RepeatedRequests, find_repeated
from batchfiles.jobs.join.report import TableOptions
from batchfiles.jobs.join.scan import ResultIndex, scan_results, with_line_numbers
from batchfiles.jobs.retry.choice import NOT_LISTED, RetryChoice
from batchfiles.jobs.retry.joined_table import has_parse_error, read_known_outcome
from batchfiles.jobs.retry.output import RetryTargets
from batchfiles.jobs.retry.report import GROUPS_KEPT, RetryCounts, RetryReport
from batchfiles.jsontext.edits import Edit, edited
from batchfiles.outcome import MALFORMED, Result, ids_of, read_result
from batchfiles.table.rows import MISSING, ResultRef
from batchfiles.workers.pool import Job, Product, Spec, WorkerPool

__all__ = ["RetryByResults", "RetryLines"]


REPEATED = "repeats a line of another request file"
"""Why a line is left out that is the same request as an earlier one."""

CODE_LENGTH = 64
FINDINGS_KEPT = 100
"""Findings of a range that are listed; all are counted."""

Group = tuple[str | None, int | None, str | None, str | None]
"""Outcome, status, error code, and why it was left out; None if it was written. Without a lookup the outcome is unknown."""


class RetryLines(Job):
    r"""Yields the wanted lines of a range, each with its `\n`; then their positions, the positions of all lines, and a summary.

    Args:
        spec: `inputs`: `[[name, path], …]`; `results`, `index`, `count` and `marks` as for `JoinRows`; `known_outcomes`:
            whether the results are lines of known outcomes; `choice`, `edits`; `note_all`: whether all lines are indexed;
            `repeated`: what `RepeatedRequests` saved, or None; `max_line_bytes`.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._index = Index(Path(spec["index"]), spec["count"])
        self._marks = ResultFlags(Path(spec["marks"]), spec["count"])
        files = [ResultFile(*fields) for fields in spec["results"]]
        reader = read_known_outcome if spec["known_outcomes"] else read_result
        self._lookup = ResultLookup(self._index, self._marks, files, reader=reader)
        repeated = spec["repeated"]
        self._repeated = None if repeated is None else RepeatedRequests.load(repeated)
        self._edits = [Edit.from_spec(each) for each in spec["edits"]]

    def close(self) -> None:
        """Close the result files, then the flags and the index, which they use."""
        self._lookup.close()
        self._marks.close()
        self._index.close()

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Do one range."""
        self._choice = RetryChoice.from_spec(self._spec["choice"])
        self._why_missing = self._choice.why_not(MISSING.result, is_found=False)
        self._groups: Counter[Group] = Counter()
        self._counts: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._wanted: list[bytes] = []
        self._written, self._all = IndexEntries(), IndexEntries()
        name, path = self._spec["inputs"][task["file"]]
        where = {key: task[key] for key in ("start", "end", "line_number")}
        for block in read_blocks(
            Source(name, path=Path(path)), self._notice, max_line_bytes=self._spec["max_line_bytes"], **where
        ):
            for lines, others in self._repeated.cut(block, task["file"]) if self._repeated else ((block, frozenset[int]()),):
                if others is None:
                    self._count(None, None, None, self._why_repeated(lines.lines[0], task["file"]))
                    continue
                self._lookup.also = others
                self._take(lines, task["file"])
        self._wanted.append(b"")
        yield b"\n".join(self._wanted)
        yield self._written.to_bytes()
        yield self._all.to_bytes()
        yield {
            "bytes": task["end"] - task["start"],
            "counts": dict(self._counts),
            "groups": [[*group, count] for group, count in self._groups.items()],
            "matched": sorted(self._choice.matched),
            "findings": self._findings,
        }

    def _take(self, block: Block, file: int) -> None:
        """Take the wanted lines of a block. Flat on purpose: it runs once a line of every input."""
        lines, best, why_missing = block.lines, self._lookup.best, self._why_missing
        ids = ids_of(lines, b"\n".join(lines))
        keys = [None if custom_id is None else digest(custom_id) for custom_id in ids]
        absent = 0
        number, offset = block.line_number - 1, block.byte_offset
        end = offset
        for custom_id, key, line in zip(ids, keys, lines, strict=True):
            number, offset, end = number + 1, end, end + len(line) + 1
            if custom_id is None or key is None:
                self._refuse(block.path, line, number, offset)
                continue
            found = best(custom_id, key, file, line)
            if found is MISSING and why_missing is not None:
                absent += 1
            elif self._is_wanted(found) and self._write(block.path, line, number, offset):
                self._count_result(found.result, None)
                self._written.add(key, file, offset, len(line), number)
        if absent:
            unknown = (None, None, None) if self._choice.by_table else self._shown(MISSING.result)
            self._count(*unknown, why_missing, absent)
        if self._spec["note_all"]:
            self._all.add_lines(keys, file, block.byte_offset, list(map(len, lines)), block.line_number)

    def _why_repeated(self, line: bytes, file: int) -> str:
        """Return why a line that repeats one of another file is left out."""
        custom_id = ids_of([line], line)[0]
        if self._choice.listed and custom_id is not None and self._lookup.best(custom_id, digest(custom_id), file) is MISSING:
            return NOT_LISTED
        return REPEATED

    def _is_wanted(self, found: ResultRef) -> bool:
        """Decide about a request, and count it if it is left out."""
        why = self._choice.why_not(found.result, is_found=found is not MISSING, has_parse_error=has_parse_error(found.value))
        if why is not None:
            self._count_result(found.result, why)
        return why is None

    def _write(self, path: str, line: bytes, number: int, offset: int) -> bool:
        """Keep a line if it is a request; only wanted lines are decoded.

        Raises:
            InvalidLineError: An edit can't be made in it.
        """
        try:
            request_of(line)
        except InvalidLineError:
            self._refuse(path, line, number, offset)
            return False
        try:
            new = edited(line, self._edits) if self._edits else line
        except InvalidLineError as error:
            raise Finding.of(error, path=path, line_number=number, byte_offset=offset).exception() from None
        self._counts["changed"] += new is not line
        self._counts["written"] += 1
        self._wanted.append(new)
        return True

    def _count_result(self, result: Result, why: str | None) -> None:
        self._count(*self._shown(result), why)

    def _shown(self, result: Result) -> tuple[str | None, int | None, str | None]:
        """Return what is known of a request: nothing for listed ones."""
        if self._choice.listed:
            return None, None, None
        return result.outcome, result.status_code, result.error_code

    def _count(self, outcome: str | None, status: int | None, code: str | None, why: str | None, more: int = 1) -> None:
        group = (outcome, status, code and code[:CODE_LENGTH], why)
        if len(self._groups) >= GROUPS_KEPT and group not in self._groups:
            group = (outcome, status, None, why)
        self._groups[group] += more

    def _refuse(self, path: str, line: bytes, number: int, offset: int) -> None:
        """Report a line that is not a request; a blank one is only counted."""
        if not line.strip():
            self._counts["blank_line"] += 1
            return
        try:
            request_of(line)
        except InvalidLineError as error:
            self._notice(Finding.of(error, path=path, line_number=number, byte_offset=offset))

    def _notice(self, finding: Finding) -> None:
        if finding.severity == "error":
            self._count(MALFORMED, None, finding.code, "can't be read")
        if len(self._findings) < FINDINGS_KEPT:
            self._findings.append(finding)


class RetryByResults:
    """A retry by results, or by files of known outcomes.

    Args:
        inputs: The request files.
        known: The files with the outcomes of the requests.
        choice: The requests to send again.
        edits: The changes to their lines.
        options: How the work is done; `max_line_bytes`, `temp_dir`, `workers` and `progress` of them.
        spool: Where temporary files go.
        known_outcomes: Whether `known` are files of known outcomes, and not results.

    Attributes:
        findings: Earlier findings about the files; the report begins with them.
    """

    findings: Sequence[Finding] = ()

    def __init__(
        self,
        inputs: Sequence[LocalFile],
        known: Sequence[tuple[LocalFile, ResultFile]],
        choice: RetryChoice,
        edits: Sequence[Edit],
        options: TableOptions,
        spool: Spool,
        *,
        known_outcomes: bool,
    ) -> None:
        self._inputs = inputs
        self._results = [file for file, _ in known]
        self._result_files = [file for _, file in known]
        self._choice = choice
        self._edits = edits
        self._options = options
        self._spool = spool
        self._known_outcomes = known_outcomes
        self._files = [*inputs, *self._results]

    def run(self, targets: RetryTargets, *, by_part: bool, exact: bool) -> RetryReport:
        """Run the retry.

        Raises:
            IndexMismatch: A fast scan of the results is not enough.
            MismatchError: There are results, and none belongs to a request.
            DuplicateCustomIdError: An id of the new file would not mean one request.
        """
        started = time.perf_counter()
        check_unchanged(self._files)
        progress = in_steps(self._options.progress, sum(file.size for file in self._files))
        totals = RetryCounts()
        lines: Counter[int] = Counter()
        note_all = len(self._inputs) > 1 and not by_part
        written, noted = (IndexBuilder(self._spool.new_path("lines.index")) for _ in range(2))
        max_line_bytes, size = self._options.max_line_bytes, sum(file.size for file in self._files)
        with WorkerPool(self._options.workers_for(size, parts=False)) as pool, closing(written), closing(noted):
            path = self._spool.new_path("results.index")
            result_index = scan_results(pool, self._results, path, max_line_bytes=max_line_bytes, exact=exact, progress=progress)
            totals.findings += (*self.findings, *result_index.findings)
            marks = ResultFlags(self._spool.new_path("marks"), result_index.index.count)
            try:
                ranges, repeated = self._ranges(pool, result_index)
                spec = self._spec(result_index, marks, note_all=note_all) | {"repeated": repeated}
                products: list[bytes] = []
                with closing(pool.run(RetryLines, spec, ranges)) as found:
                    for number, product in found:
                        if isinstance(product, bytes):
                            products.append(product)
                            continue
                        text, *packed = products
                        products.clear()
                        targets.add(ranges[number]["file"], text, product["counts"].get("written", 0))
                        for builder, entries in zip((written, noted), packed, strict=True):
                            builder.add(IndexEntries.from_bytes(entries))
                        totals.add(product)
                        lines[ranges[number]["file"]] += sum(count for *_, count in product["groups"])
                        progress(product["bytes"])
                unknown = self._unknown(result_index, marks)
                with written.finish() as of_written, noted.finish() as of_all:
                    self._refuse_twins(of_written, of_all if note_all else of_written, by_part=by_part)
            finally:
                marks.close()
                result_index.index.close()
        check_unchanged(self._files)
        files = targets.write(lines, changed=totals.counts["changed"] > 0)
        return totals.report(
            files,
            words=self._choice.words,
            unknown_ids=unknown if self._choice.listed else 0,
            unknown_results=0 if self._choice.listed else unknown,
            seconds=round(time.perf_counter() - started, 3),
        )

    def _ranges(self, pool: WorkerPool, result_index: ResultIndex) -> tuple[list[Spec], Spec | None]:
        """Divide the request files, and compare those of their lines that have the same id in several files.

        Raises:
            MismatchError: A result could be that of two different requests.
        """
        if len(self._inputs) == 1:
            return with_line_numbers(pool, self._inputs, TASK_BYTES), None
        apart, max_line_bytes = BatchParts(self._inputs).are_apart, self._options.max_line_bytes
        ranges, repeated, contests = find_repeated(
            pool, self._inputs, self._spool, size=TASK_BYTES, max_line_bytes=max_line_bytes, apart=apart
        )
        if contests and not self._choice.listed:
            by_table = self._choice.by_table
            if not by_table:
                self._result_files = attributed(self._inputs, self._results, self._result_files)
            refuse_conflicts(contests, self._inputs, result_index.index, self._result_files, "retry", by_table=by_table)
        return ranges, repeated.save(self._spool.new_path("repeated")) if repeated else None

    def _spec(self, result_index: ResultIndex, marks: ResultFlags, *, note_all: bool) -> dict[str, Any]:
        return {
            "inputs": [[file.name, str(file.path)] for file in self._inputs],
            "results": [list(file) for file in self._result_files],
            "index": str(result_index.index.path),
            "count": result_index.index.count,
            "marks": str(marks.path),
            "known_outcomes": self._known_outcomes,
            "choice": self._choice.to_spec(),
            "edits": [edit.to_spec() for edit in self._edits],
            "note_all": note_all,
            "max_line_bytes": self._options.max_line_bytes,
        }

    def _unknown(self, result_index: ResultIndex, marks: ResultFlags) -> int:
        """Count results, rows of a table, or listed ids without a request.

        Raises:
            MismatchError: There are results, and none belongs to a request.
            IndexMismatch: A line is in the index under another id than its own.
        """
        if self._known_outcomes:
            unknown = unclaimed = _unclaimed(marks) if result_index.index.count else 0
        else:
            accounting = Accounting(result_index, marks, self._result_files)
            if accounting.glued:
                glued = accounting.glued[0]
                raise MismatchError(
                    f"line {glued.line_number} is several results, which would all be sent and paid for again. {glued.message}",
                    path=glued.path,
                )
            counts = accounting.counts
            unknown, unclaimed = counts["unknown"], counts["unknown"] + counts["malformed_unmatched"]
        if unclaimed == result_index.index.count + len(result_index.unkeyed) > 0 and not self._choice.listed:
            names, inputs = (", ".join(list(dict.fromkeys(file.name for file in of))[:3]) for of in (self._results, self._inputs))
            advice = (
                "name the table of these requests, with the ids as they are in the request file"
                if self._choice.by_table
                else "every one would be sent again and paid for twice, so name the results of these requests"
            )
            raise MismatchError(
                f"0 of {unclaimed:,} results belong to a request of {inputs}: {advice}",
                path=names,
            )
        return unknown

    def _refuse_twins(self, written: Index, noted: Index, *, by_part: bool) -> None:
        """Make sure that each id of the new file means one request.

        Args:
            written: The lines that are written.
            noted: The lines in which their ids must be unique.
            by_part: Whether ids must be unique in each request file only.

        Raises:
            DuplicateCustomIdError: An id is not unique.
        """
        descriptors = OpenFiles(self._inputs)
        try:
            for run in noted.repeated():
                wanted = {written.place(entry) for entry in written.run(noted.digests[run.start])}
                seen: dict[tuple[str | None, int | None], list[Any]] = {}
                for place in sorted(map(noted.place, run)) if wanted else ():
                    line = fetch(descriptors[place.file], place, self._inputs[place.file].name)
                    key = ids_of([line], line)[0], place.file if by_part else None
                    seen.setdefault(key, []).append(place)
                for (custom_id, _), places in seen.items():
                    if len(places) > 1 and not wanted.isdisjoint(places):
                        raise self._twin(str(custom_id), places)
        finally:
            descriptors.close()

    def _twin(self, custom_id: str, places: Sequence[Any]) -> DuplicateCustomIdError:
        first, second = places[:2]
        paths = [self._inputs[place.file].name for place in (first, second)]
        where = f"line {first.line_number} of {paths[0]}" if paths[0] != paths[1] else f"line {first.line_number}"
        words = f"the custom_id {custom_id[:128]!r} is also on {where}, and one of the two must be sent again: "
        if first.file != second.file:
            words += (
                "its result could be taken for either; name the folder of the request files as output, and each gets its own file"
            )
        else:
            words += "no service takes an id twice, so give one of them another id first"
        return DuplicateCustomIdError(
            words,
            custom_id=custom_id,
            first_path=paths[0],
            first_line_number=first.line_number,
            path=paths[1],
            line_number=second.line_number,
        )


def _unclaimed(marks: ResultFlags) -> int:
    """Count the entries without a request."""
    import pyarrow.compute as pc

    used, superseded = marks.mask("used"), marks.mask("superseded")
    return pc.sum(pc.invert(pc.or_(used, superseded))).as_py() or 0
