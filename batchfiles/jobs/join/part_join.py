"""One part of a campaign that is joined as a whole: what was chosen for all parts, and the Parquet file of the part."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, cast

from batchfiles.errors import BatchFilesError
from batchfiles.ids.index import LineRef
from batchfiles.inputs.local import ResultFile
from batchfiles.inputs.roles import FileRoles
from batchfiles.io.overwrite import UNFINISHED, IsOwnFile
from batchfiles.io.sources import Source
from batchfiles.io.spool import Spool
from batchfiles.io.target import PathTarget
from batchfiles.jobs.join.lazy_join import Join, JoinOptions
from batchfiles.jobs.join.parts import CampaignPart, open_part
from batchfiles.jobs.join.report import SUCCESS, JoinReport, TableOptions, is_part_name, is_table_file
from batchfiles.jobs.join.user_columns import AnswerSchema, UserTableSpec
from batchfiles.workers.pool import Job, Product, Spec, WorkerPool

if TYPE_CHECKING:
    from batchfiles.table.schema import TableName

__all__ = ["CampaignChoices", "PartJoin", "WriteParts", "file_name", "files_of_parts", "has_rejects", "part_facts"]

PART_KEY = "batchfiles.part"
"""The key of the metadata in the Parquet file of a part: what it was made of, and its report."""

HIDDEN = re.compile(r"(hidden)*[._]")
"""How the names of parts begin whose tables have another name."""


class CampaignChoices(TypedDict):
    """What is chosen once for all parts of a campaign; it is JSON.

    Attributes:
        table: The name of the table.
        parsed: The schema of the answers; None without `parsed`.
        user_columns: The copy of the user's table; None without one.
    """

    table: TableName
    parsed: AnswerSchema | None
    user_columns: UserTableSpec | None


class PartFacts(NamedTuple):
    """What is known of the Parquet file of a part.

    Attributes:
        stamp: What it was made of.
        report: Its report.
        holds_other_results: See `PartJoin`.
    """

    stamp: Mapping[str, Any]
    report: JoinReport
    holds_other_results: bool


class PartJoin(Join):
    """The join of a part.

    Args:
        choices: What was chosen for all parts.
        options: The options of the table.
        roles: The files of the part.
        spool: Where temporary files go.
        refuse_duplicates: Whether several results for a request are an error.

    Attributes:
        holds_other_results: Whether there are results, and none belongs to a request of the part, which is
            an error only if it is so in all parts.
    """

    def __init__(
        self, choices: CampaignChoices, options: TableOptions, roles: FileRoles, spool: Spool, *, refuse_duplicates: bool
    ) -> None:
        self._choices = choices
        self._stamp: Mapping[str, Any] = {}
        self.holds_other_results = False
        super().__init__(options, roles, spool, refuse_duplicates=refuse_duplicates)
        self._user_columns = choices["user_columns"]

    @classmethod
    def open(
        cls, part: CampaignPart, sources: Sequence[Source] | None, options: JoinOptions, choices: CampaignChoices
    ) -> PartJoin:
        """Open the files of a part.

        Raises:
            BatchFilesError: As `open_part`.
        """
        return cast("PartJoin", open_part(part, options, sources=sources, make=partial(cls, choices)))

    def batches(self, pool: WorkerPool, *, fast: bool, shares_ids: bool) -> Generator[Product, None, None]:
        """Yield the rows, and set the report.

        Args:
            pool: The workers.
            fast: Whether rows can be revoked: see `Join`.
            shares_ids: Whether request files are known to have ids in common.
        """
        self._fast, self._shares_ids = fast, shares_ids
        with closing(self._run(pool, None, {})) as products:
            yield from products

    def write_part(self, target: PathTarget, stamp: Mapping[str, Any], parquet: Mapping[str, Any]) -> JoinReport:
        """Write the Parquet file, with the report and the stamp in its metadata."""
        self._stamp = stamp
        return self._write_table(target, "parquet", overwrite=True, **parquet)

    def places_of_rejects(self) -> bytes:
        """Pack the places of the lines that are not in the table, after a pass."""
        places = array("Q")
        if self._accounting is not None and has_rejects(self.report):
            for place in self._accounting.rejected():
                places.extend(place)
        return places.tobytes()

    def rejects(self, packed: bytes | None) -> Iterator[tuple[Iterable[LineRef], Sequence[ResultFile]]]:
        """Yield the places of the lines that are not in the table, with their files; None reads all files for them."""
        if packed is None:
            yield from self._rejected()
            return
        places = array("Q", packed)
        yield (LineRef(*places[at : at + 4]) for at in range(0, len(places), 4)), self._files

    def _late_metadata(self) -> dict[str, str]:
        facts = {**self._stamp, "holds_other_results": self.holds_other_results, "report": self.report.to_dict()}
        return {PART_KEY: json.dumps(facts)}

    def _answer_schema(self) -> AnswerSchema:
        return self._choices["parsed"] or super()._answer_schema()

    def _table_of_files(self) -> TableName:
        return self._choices["table"]

    def _refuse_other_results(self, unknown: int) -> None:  # noqa: ARG002 - the campaign refuses if this is so in all parts
        self.holds_other_results = True


class WriteParts(Job):
    """Writes the Parquet files of parts.

    Args:
        spec: `options`: those of `join`; `choices`: see `CampaignChoices`; `folder`; `parquet`.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Write a part, and yield the packed places of its rejected lines, and its report as JSON."""
        spec = self._spec
        sources = [Source(name, path=Path(path)) for name, path in task["sources"]]
        with PartJoin.open(CampaignPart.from_dict(task["part"]), sources, spec["options"], spec["choices"]) as job:
            target = PathTarget.at(Path(spec["folder"], task["name"]), folder=False)
            report = job.write_part(target, task["stamp"], spec["parquet"])
            yield job.places_of_rejects()
            yield {"report": json.dumps(report.to_dict()), "holds_other_results": job.holds_other_results}


def has_rejects(report: JoinReport) -> bool:
    """Return whether any line of results is not in the table."""
    return report.result_lines != report.used or report.malformed_results > 0


def file_name(part: CampaignPart) -> str:
    """Return the name of a part's table; readers of folders skip names with an underscore or a dot at the beginning.

    No other part has it: a name that begins as a changed one does is changed too.
    """
    return f"{'hidden' if HIDDEN.match(part.name) else ''}{part.name}.parquet"


def part_facts(target: PathTarget) -> PartFacts | None:
    """Return what is known of the file of a part; None if it is not there, not whole or of another origin."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with closing(Source.at(target.place).open_for_arrow()) as file:
            footer = pq.read_metadata(file)
        facts = json.loads((footer.metadata or {})[PART_KEY.encode()])
        report, other = facts.pop("report"), facts.pop("holds_other_results")
        found = PartFacts(facts, JoinReport.from_dict(report), other is True)
        is_whole = found.report.rows == footer.num_rows and found.report.inputs == sum(found.report.outcomes.values())
    except (BatchFilesError, OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException):
        return None  # of another program or version, whatever its values are
    return found if is_whole else None


def files_of_parts(folder: PathTarget) -> IsOwnFile:
    """Return which files in a folder `overwrite` may replace: those of a table that was written there before."""
    return lambda name: (
        is_part_name(name)
        or name == SUCCESS
        or name.endswith(UNFINISHED)
        or (is_table_file(name) and part_facts(folder.file(name)) is not None)
    )
