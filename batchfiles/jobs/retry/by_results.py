"""A retry by the outcomes of the requests: results are scanned, and looked up for each request, unit after unit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from batchfiles.errors import MismatchError
from batchfiles.findings import Finding, add_example
from batchfiles.ids.index import ResultFlags
from batchfiles.inputs.folders import attributed
from batchfiles.inputs.local import LocalFile, OpenFiles, ResultFile, check_unchanged
from batchfiles.io.temporary import Spool
from batchfiles.io.threads import in_steps
from batchfiles.jobs.join.accounting import Accounting
from batchfiles.jobs.join.lazy_table import TASK_BYTES
from batchfiles.jobs.join.lookup import fetch, refuse_conflicts
from batchfiles.jobs.join.repeated_requests import find_repeated
from batchfiles.jobs.join.report import TableOptions
from batchfiles.jobs.join.scan import ResultIndex, scan_results, with_line_numbers
from batchfiles.jobs.retry.lines import RetryChoice, RetryLines
from batchfiles.jobs.retry.output import DuplicateCheck, RetryTargets
from batchfiles.jobs.retry.report import RetryCounts, RetryReport
from batchfiles.jobs.retry.units import Unit, Units
from batchfiles.jsontext.edits import Edit
from batchfiles.outcome import id_in
from batchfiles.workers import Spec, WorkerPool


@dataclass(frozen=True, slots=True)
class KnownOutcomes:
    """Files with the outcomes of requests that are not the results of their unit: of a joined table, or of a list of ids.

    Attributes:
        files: The files, each with the number of its request file among those of all units; None where any is meant.
        spool: Where what all units share goes.
    """

    files: Sequence[tuple[LocalFile, int | None]]
    spool: Spool

    def of(self, unit: Unit) -> list[tuple[LocalFile, ResultFile]]:
        """Return the files for the requests of a unit."""
        own = {number: at for at, number in enumerate(unit.numbers)}
        return [
            (file, ResultFile(file.name, str(file.path), None, None if number is None else own[number]))
            for file, number in self.files
            if number is None or number in own
        ]


class RetryByResults:
    """A retry by results, or by known outcomes.

    Args:
        units: The files.
        known: Known outcomes; None takes the results of each unit.
        choice: The requests to send again.
        edits: The changes to their lines.
        options: How the work is done; `max_line_bytes`, `temp_dir`, `workers` and `progress` of them.
        targets: Where lines go.
        by_part: Whether each request file has its own output.
    """

    def __init__(
        self,
        units: Units,
        known: KnownOutcomes | None,
        choice: RetryChoice,
        edits: Sequence[Edit],
        options: TableOptions,
        targets: RetryTargets,
        *,
        by_part: bool,
    ) -> None:
        self._units = units
        self._known = known
        self._choice = choice
        self._edits = edits
        self._options = options
        self._targets = targets
        self._by_part = by_part
        self._totals = RetryCounts()
        self._lines: Counter[int] = Counter()
        self._unclaimed: Counter[str] = Counter()
        self._names: dict[str, None] = {}
        self._of_files: list[Finding] = []
        self._of_results: list[Finding] = []
        self._examples: dict[str, list[str]] = {}
        self._listed: tuple[ResultIndex, ResultFlags] | None = None

    def run(self, spool: Spool) -> RetryReport:
        """Run the retry.

        Raises:
            MismatchError: There are results, and none belongs to a request.
            DuplicateCustomIdError: An id of the new file would not mean one request.
            ReadTogether: Files of a campaign are not what its manifest says.
        """
        started = time.perf_counter()
        units, known = self._units, self._known
        size = (
            units.stored() if known is None else sum(file.size for file in (*units.requests, *(file for file, _ in known.files)))
        )
        progress = in_steps(self._options.progress, size)
        has_all = len(units.requests) > 1
        try:
            with (
                WorkerPool(self._options.workers_for(size, parts=False)) as pool,
                DuplicateCheck(units.again, spool, by_file=False, has_all=has_all) as duplicates,
                closing(units.opened()) as opened,
            ):
                for unit in opened:
                    if self._by_part:
                        with DuplicateCheck(unit.roles.inputs, unit.spool, by_file=True, has_all=False) as own:
                            self._take(pool, unit, range(len(unit.numbers)), own, progress)
                            own.refuse()
                    else:
                        self._take(pool, unit, unit.numbers, duplicates, progress)
                if self._listed is not None and known is not None:
                    self._unclaimed["unknown"] = _unknown_ids(*self._listed, [file for file, _ in known.files])
                self._refuse_foreign_results()
                if not self._by_part:
                    duplicates.refuse()
        finally:
            self._close_listed()
        self._totals.findings[:0] = [*self._of_files, *self._of_results]
        files = self._targets.write(self._lines, changed=self._totals.counts["changed"] > 0)
        unknown = self._unclaimed["unknown"]
        return self._totals.report(
            files,
            words=self._choice.words,
            unknown_ids=unknown if self._choice.listed else 0,
            unknown_results=0 if self._choice.listed else unknown,
            malformed_results=self._unclaimed["malformed"],
            examples={name: tuple(found) for name, found in self._examples.items()},
            seconds=round(time.perf_counter() - started, 3),
        )

    def _take(
        self, pool: WorkerPool, unit: Unit, numbers: Sequence[int], duplicates: DuplicateCheck, progress: Callable[[int], None]
    ) -> None:
        """Choose from the requests of a unit; `numbers` are those of its request files in `duplicates`."""
        roles = unit.roles
        of_unit = zip(roles.results, roles.result_files(), strict=True) if self._known is None else self._known.of(unit)
        known = list(of_unit)
        read = [*roles.inputs, *(file for file, _ in known)]
        check_unchanged(read)
        self._of_files += roles.findings
        self._names.update(dict.fromkeys(file.name for file, _ in known))
        if self._known is None:
            step = unit.steps(progress, read, weight=unit.stored)
        else:
            step = unit.steps(progress, roles.inputs, weight=unit.asked)
        result_index, flags = self._scanned(pool, unit, [file for file, _ in known], step if self._known is None else progress)
        try:
            result_files: Sequence[ResultFile] = [file for _, file in known]
            ranges, repeated, result_files = self._ranges(pool, unit, result_index, [file for file, _ in known], result_files)
            spec = self._spec(roles.inputs, numbers, result_index, flags, result_files) | {"repeated": repeated}
            products: list[bytes] = []
            with closing(pool.run(RetryLines, spec, ranges)) as found:
                for at, product in found:
                    if isinstance(product, bytes):
                        products.append(product)
                        continue
                    text, *packed = products
                    products.clear()
                    number = unit.numbers[ranges[at]["file"]]
                    self._targets.add(number, text, product["counts"].get("written", 0))
                    duplicates.add(*packed)
                    self._totals.add(product)
                    self._lines[number] += sum(count for *_, count in product["groups"])
                    step(product["bytes"])
            if self._listed is None:
                self._count_unknown(result_index, flags, result_files)
        finally:
            if self._listed is None:
                flags.close()
                result_index.index.close()
        check_unchanged(read)
        step.finish()

    def _scanned(
        self, pool: WorkerPool, unit: Unit, files: Sequence[LocalFile], progress: Callable[[int], None]
    ) -> tuple[ResultIndex, ResultFlags]:
        """Index the outcomes; a list of ids, which is for all units, only once."""
        if self._listed is not None:
            return self._listed
        spool = self._known.spool if self._known is not None and self._choice.listed else unit.spool
        result_index = scan_results(
            pool,
            files,
            spool.new_path("results.index"),
            max_line_bytes=self._options.max_line_bytes,
            progress=progress,
        )
        self._of_results += result_index.findings
        found = result_index, ResultFlags(spool.new_path("flags"), result_index.index.count)
        if self._choice.listed:
            self._listed = found
        return found

    def _close_listed(self) -> None:
        if self._listed is not None:
            result_index, flags = self._listed
            flags.close()
            result_index.index.close()

    def _ranges(
        self,
        pool: WorkerPool,
        unit: Unit,
        result_index: ResultIndex,
        results: Sequence[LocalFile],
        result_files: Sequence[ResultFile],
    ) -> tuple[list[Spec], Spec | None, Sequence[ResultFile]]:
        """Divide the request files, and compare those of their lines that have the same id in several files.

        Returns:
            The ranges, what is repeated, and the result files with the request files that were found for them.

        Raises:
            MismatchError: A result could be that of two different requests.
        """
        inputs = unit.roles.inputs
        if len(inputs) <= 1:
            return with_line_numbers(pool, inputs, TASK_BYTES), None, result_files
        apart, max_line_bytes = unit.roles.parts.are_apart, self._options.max_line_bytes
        ranges, repeated, contests = find_repeated(
            pool, inputs, unit.spool, size=TASK_BYTES, max_line_bytes=max_line_bytes, apart=apart
        )
        if contests and not self._choice.listed:
            by_table = self._choice.by_table
            if not by_table:
                result_files = attributed(inputs, results, result_files)
            refuse_conflicts(contests, inputs, result_index.index, result_files, "retry", by_table=by_table)
        return ranges, repeated.save(unit.spool.new_path("repeated")) if repeated else None, result_files

    def _spec(
        self,
        inputs: Sequence[LocalFile],
        numbers: Sequence[int],
        result_index: ResultIndex,
        flags: ResultFlags,
        result_files: Sequence[ResultFile],
    ) -> dict[str, Any]:
        return {
            "inputs": [[file.name, str(file.path)] for file in inputs],
            "numbers": list(numbers),
            "results": [list(file) for file in result_files],
            "index": str(result_index.index.path),
            "count": result_index.index.count,
            "flags": str(flags.path),
            "known_outcomes": self._known is not None,
            "choice": self._choice.to_spec(),
            "edits": [edit.to_spec() for edit in self._edits],
            "note_all": len(self._units.requests) > 1 and not self._by_part,
            "max_line_bytes": self._options.max_line_bytes,
        }

    def _count_unknown(self, result_index: ResultIndex, flags: ResultFlags, result_files: Sequence[ResultFile]) -> None:
        """Count results, or rows of a table, without a request, and results that can't be read.

        Raises:
            MismatchError: A line is several results.
        """
        self._unclaimed["all"] += result_index.index.count + len(result_index.unkeyed)
        if self._known is not None:
            unknown = _unclaimed(flags)
            self._unclaimed.update(unknown=unknown, unclaimed=unknown)
            return
        accounting = Accounting(result_index, flags, result_files)
        if accounting.glued:
            glued = accounting.glued[0]
            raise MismatchError(
                f"line {glued.line_number} is several results, which would all be sent and paid for again. {glued.message}",
                path=glued.path,
            )
        counts = accounting.counts
        self._unclaimed.update(
            unknown=counts["unknown"],
            unclaimed=counts["unknown"] + counts["malformed_unmatched"],
            malformed=counts["malformed_results"],
        )
        self._of_results += accounting.findings
        if malformed := accounting.examples.get("malformed"):
            add_example(self._examples, "malformed", *malformed)

    def _refuse_foreign_results(self) -> None:
        """Refuse results, or a table, of other requests.

        Raises:
            MismatchError: There are results, and none belongs to a request.
        """
        unclaimed = self._unclaimed["unclaimed"]
        if not unclaimed == self._unclaimed["all"] > 0:
            return
        inputs = list(dict.fromkeys(file.name for file in self._units.requests))[:3]
        advice = (
            "name the table of these requests, with the ids as they are in the request file"
            if self._choice.by_table
            else "every one would be sent again and paid for twice, so name the results of these requests"
        )
        raise MismatchError(
            f"0 of {unclaimed:,} results belong to a request of {', '.join(inputs)}: {advice}",
            path=", ".join(list(self._names)[:3]),
        )


def _unclaimed(flags: ResultFlags) -> int:
    """Count the entries without a request."""
    import pyarrow.compute as pc

    if not len(flags.used):
        return 0
    used, superseded = flags.mask("used"), flags.mask("superseded")
    return pc.sum(pc.invert(pc.or_(used, superseded))).as_py() or 0


def _unknown_ids(result_index: ResultIndex, flags: ResultFlags, lists: Sequence[LocalFile]) -> int:
    """Count the listed ids without a request, each once."""
    index, count = result_index.index, _unclaimed(flags)
    with OpenFiles(lists) as descriptors:
        for run in index.repeated():
            places = [index.place(entry) for entry in run if not flags.used[entry] and not flags.superseded[entry]]
            if len(places) > 1:  # two ids may have the same digest
                lines = (fetch(descriptors[place.file], place, lists[place.file].name) for place in places)
                count -= len(places) - len(set(map(id_in, lines)))
    return count
