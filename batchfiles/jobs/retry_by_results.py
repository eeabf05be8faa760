"""A retry by what became of the requests: the results are surveyed, and looked up for each request."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from batchfiles.custom_ids.index import Entries, Index, IndexBuilder
from batchfiles.custom_ids.marks import Marks
from batchfiles.edits import Edit
from batchfiles.errors import DuplicateCustomId, Mismatch
from batchfiles.findings import Finding
from batchfiles.jobs.accounts import Accounts
from batchfiles.jobs.attribution import attributed
from batchfiles.jobs.batch_parts import BatchParts
from batchfiles.jobs.candidates import ResultFile, fetch
from batchfiles.jobs.contests import refuse_contested
from batchfiles.jobs.crew import Crew, Spec
from batchfiles.jobs.line_ids import ids_of
from batchfiles.jobs.local_file import LocalFile, OpenFiles, check_unchanged
from batchfiles.jobs.repeated_requests import find_repeated
from batchfiles.jobs.retry_choice import RetryChoice
from batchfiles.jobs.retry_lines import RetryLines
from batchfiles.jobs.retry_report import RetryReport, RetryTally
from batchfiles.jobs.retry_targets import RetryTargets
from batchfiles.jobs.survey import Survey, survey_results, with_line_numbers
from batchfiles.jobs.table_job import TASK_BYTES, TableOptions, in_steps
from batchfiles.streams.spool import Spool

__all__ = ["RetryByResults"]


class RetryByResults:
    """A retry whose files are sorted.

    Args:
        inputs: The request files.
        known: The files that tell what became of the requests.
        choice: Which requests are wanted.
        edits: What is changed in their lines.
        options: How the work is done; `cap`, `temp_dir`, `workers` and `progress` of them.
        spool: Where temporary files go.
        verdicts: Whether `known` are files of `verdicts`.

    Attributes:
        findings: What was noticed about the files before; the report begins with it.
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
        verdicts: bool,
    ) -> None:
        self._inputs = inputs
        self._results = [file for file, _ in known]
        self._result_files = [file for _, file in known]
        self._choice = choice
        self._edits = edits
        self._options = options
        self._spool = spool
        self._verdicts = verdicts
        self._files = [*inputs, *self._results]

    def run(self, targets: RetryTargets, *, by_part: bool, careful: bool) -> RetryReport:
        """Do it.

        Raises:
            Misindexed: A quick survey of the results will not do.
            Mismatch: Not one result belongs to a request.
            DuplicateCustomId: An id of the new file would not mean one request.
        """
        started = time.perf_counter()
        check_unchanged(self._files)
        progress = in_steps(self._options.progress, sum(file.size for file in self._files))
        tally = RetryTally()
        lines: Counter[int] = Counter()
        note_all = len(self._inputs) > 1 and not by_part
        written, noted = (IndexBuilder(self._spool.new_path("lines.index")) for _ in range(2))
        cap, size = self._options.cap, sum(file.size for file in self._files)
        with Crew(self._options.workers_for(size, parts=False)) as crew, closing(written), closing(noted):
            path = self._spool.new_path("results.index")
            survey = survey_results(crew, self._results, path, cap=cap, careful=careful, progress=progress)
            tally.findings += (*self.findings, *survey.findings)
            marks = Marks(self._spool.new_path("marks"), survey.index.count)
            try:
                ranges, repeated = self._ranges(crew, survey)
                spec = self._spec(survey, marks, note_all=note_all) | {"repeated": repeated}
                products: list[bytes] = []
                with closing(crew.run(RetryLines, spec, ranges)) as found:
                    for number, product in found:
                        if isinstance(product, bytes):
                            products.append(product)
                            continue
                        text, *packed = products
                        products.clear()
                        targets.add(ranges[number]["file"], text, product["counts"].get("written", 0))
                        for builder, entries in zip((written, noted), packed, strict=True):
                            builder.add(Entries.from_bytes(entries))
                        tally.add(product)
                        lines[ranges[number]["file"]] += sum(count for *_, count in product["groups"])
                        progress(product["bytes"])
                unknown = self._unknown(survey, marks)
                with written.finish() as of_written, noted.finish() as of_all:
                    self._refuse_twins(of_written, of_all if note_all else of_written, by_part=by_part)
            finally:
                marks.close()
                survey.index.close()
        check_unchanged(self._files)
        files = targets.write(lines, changed=tally.counts["changed"] > 0)
        return tally.report(
            files,
            words=self._choice.words,
            unknown_ids=unknown if self._choice.listed else 0,
            unknown_results=0 if self._choice.listed else unknown,
            seconds=round(time.perf_counter() - started, 3),
        )

    def _ranges(self, crew: Crew, survey: Survey) -> tuple[list[Spec], Spec | None]:
        """Divide the request files, and compare those of their lines that have the same id in several files.

        Raises:
            Mismatch: A result could be that of two different requests.
        """
        if len(self._inputs) == 1:
            return with_line_numbers(crew, self._inputs, TASK_BYTES), None
        apart, cap = BatchParts(self._inputs).are_apart, self._options.cap
        ranges, repeated, contests = find_repeated(crew, self._inputs, self._spool, size=TASK_BYTES, cap=cap, apart=apart)
        if contests and not self._choice.listed:
            by_table = self._choice.by_table
            if not by_table:
                self._result_files = attributed(self._inputs, self._results, self._result_files)
            refuse_contested(contests, self._inputs, survey.index, self._result_files, "retry", by_table=by_table)
        return ranges, repeated.save(self._spool.new_path("repeated")) if repeated else None

    def _spec(self, survey: Survey, marks: Marks, *, note_all: bool) -> dict[str, Any]:
        return {
            "inputs": [[file.name, str(file.path)] for file in self._inputs],
            "results": [list(file) for file in self._result_files],
            "index": str(survey.index.path),
            "count": survey.index.count,
            "marks": str(marks.path),
            "verdicts": self._verdicts,
            "choice": self._choice.to_spec(),
            "edits": [edit.to_spec() for edit in self._edits],
            "note_all": note_all,
            "cap": self._options.cap,
        }

    def _unknown(self, survey: Survey, marks: Marks) -> int:
        """Count what no request asked for: results, rows of a table, or listed ids.

        Raises:
            Mismatch: There are results, and not one belongs to a request.
            Misindexed: A line stands in the index under another id than its own.
        """
        if self._verdicts:
            unknown = unclaimed = _unclaimed(marks) if survey.index.count else 0
        else:
            accounts = Accounts(survey, marks, self._result_files)
            if accounts.glued:
                glued = accounts.glued[0]
                raise Mismatch(
                    f"line {glued.line_number} is several results, which would all be sent and paid for again. {glued.message}",
                    path=glued.path,
                )
            counts = accounts.counts
            unknown, unclaimed = counts["unknown"], counts["unknown"] + counts["malformed_unmatched"]
        if unclaimed == survey.index.count + len(survey.stray) > 0 and not self._choice.listed:
            names, inputs = (", ".join(list(dict.fromkeys(file.name for file in of))[:3]) for of in (self._results, self._inputs))
            advice = (
                "name the table of these requests, with the ids as they are in the request file"
                if self._choice.by_table
                else "every one would be sent again and paid for twice, so name the results of these requests"
            )
            raise Mismatch(
                f"not one result of {unclaimed:,} belongs to a request of {inputs}: {advice}",
                path=names,
            )
        return unknown

    def _refuse_twins(self, written: Index, noted: Index, *, by_part: bool) -> None:
        """Make sure that each id of the new file means one request.

        Args:
            written: The lines that are written.
            noted: The lines among which their ids must be the only ones.
            by_part: Whether each request file is a world of its own.

        Raises:
            DuplicateCustomId: One doesn't.
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

    def _twin(self, custom_id: str, places: Sequence[Any]) -> DuplicateCustomId:
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
        return DuplicateCustomId(
            words,
            custom_id=custom_id,
            first_path=paths[0],
            first_line_number=first.line_number,
            path=paths[1],
            line_number=second.line_number,
        )


def _unclaimed(marks: Marks) -> int:
    """Count what nobody asked for."""
    import pyarrow.compute as pc

    used, superseded = marks.mask("used"), marks.mask("superseded")
    return pc.sum(pc.invert(pc.or_(used, superseded))).as_py() or 0
