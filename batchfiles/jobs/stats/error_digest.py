"""`error_digest`: the different errors in result files, how often they occur, and where.

Messages that differ only in ids, numbers and quotations are the same error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

from batchfiles.errors import MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.folders import not_read_fields
from batchfiles.inputs.kinds import ClassifiedFile, classified_files, is_blank
from batchfiles.inputs.roles import Pairs, files_and_pairs
from batchfiles.io.sources import SourceLike
from batchfiles.io.threads import Progress, progress_of, source_steps
from batchfiles.jobs.retry.joined_table import joined_tables
from batchfiles.jobs.stats.report import KEPT_BITS
from batchfiles.jobs.stats.table_rows import OF_ERRORS, refuse_mixed, table_rows
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.native import NativeTotals, native_totals
from batchfiles.outcome import MALFORMED, SUCCEEDED, Result, id_of_line, read_result
from batchfiles.summary import Block, Displayed
from batchfiles.table.plain_rows import outcome_facts
from batchfiles.table.read import TableLike

LOOKED_AT: Final = 1000
"""Characters of a message that are compared: the rest, such as a page of HTML or a whole request, is different each time."""

# Numbers are matched without backtracking (`++`): it would not end in useful time for a thousand digits before a letter.
VARYING: Final = re.compile(
    r"""
    (?P<quoted> (?<!\w)'[^'\n]*'(?!\w) | "[^"\n]*" | `[^`\n]*` | “[^”\n]*” )
  | (?P<url>    https?://[^\s'"<>]+ )
  | (?P<id>     \b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b                       # a UUID
              | \b(?:req|batch|resp|msg|chatcmpl|cmpl|org|proj|user|file|run|call|key|sk|ft|id)[-_](?=[\w-]*\d)[\w-]{6,}
              | \b(?=[A-Za-z_]*\d)(?=\d*[A-Za-z])\w{16,}\b )                                   # hex, base62
  | (?P<number> (?<![\w.-])[+-]?(?:\d++(?:[.,:]\d++)*+(?:ms|[smhd%])?)++(?!\w) )   # 29,000 and 1m3s
    """,
    re.VERBOSE,
)


def folded(message: str, param: str | None = None) -> str:
    """Return a message with placeholders for what differs from one request to the next.

    Args:
        message: What the service said.
        param: The parameter that it blames: its name is kept where it is quoted, because errors differ by it.

    Returns:
        The message with `'…'` for quotations, `<url>`, `<id>` for UUIDs, request ids and other long ids, and `<n>` for numbers
        and durations; white space becomes single spaces.
    """
    cut = " ".join(message[:LOOKED_AT].split())
    text = VARYING.sub(lambda match: _placeholder(match, param), cut)
    return text if len(message) <= LOOKED_AT else f"{text}…"


def _placeholder(match: re.Match[str], param: str | None) -> str:
    if match["quoted"] is None:
        return {"url": "<url>", "id": "<id>"}.get(str(match.lastgroup), "<n>")
    quotation = match[0]
    if param is not None and quotation[1:-1] == param:
        return quotation[0] + INDEX.sub("[<n>]", param) + quotation[-1]
    return f"{quotation[0]}…{quotation[-1]}"


INDEX: Final = re.compile(r"\[\d+\]")
"""The number of a message in `messages[17].content`."""


MOST_GROUPS: Final = 1000
"""Different errors with their own group; all further ones are counted as others."""

MOST_IDS: Final = 1_000_000
"""Ids that are kept in total; about 100 MB."""

MESSAGE_KEPT: Final = 10_000
"""Characters of an example's message that are kept."""

ID_KEPT: Final = 512
"""Characters of an example's id that are kept; those that are listed are kept whole."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ErrorGroup(Displayed):
    """Results with the same error.

    Attributes:
        outcome: Any outcome except `succeeded`.
        status_code: The HTTP status; None where there is none.
        code: The error's code; for an answer that stopped early its `finish_reason`.
        message: What the messages have in common: placeholders replace ids, numbers and quotations. None if there is no message.
        count: How many results there are.
        share: The part of all results, from 0 to 1.
        retryable: Whether the same requests may succeed if they are sent again.
        path: The file of the first one.
        line_number: Its line, counted from 1.
        custom_id: Its id; None if it has none, or it can't be read.
        example: Its original message.
        custom_ids: The ids of the first ones, at most `ids`.
    """

    outcome: str
    status_code: int | None
    code: str | None
    message: str | None
    count: int
    share: float
    retryable: bool
    path: str
    line_number: int
    custom_id: str | None
    example: str | None
    custom_ids: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ErrorDigest(Displayed):
    """The errors in result files.

    Attributes:
        results: How many result lines there are, successes included.
        errors: How many of them are not successes.
        groups: The different errors, the most frequent first.
        other: How many errors are in no group, because there were too many different ones.
        ids_dropped: How many requested ids are not listed, because there were too many.
        skipped: The files of requests, which have no errors.
        not_read: Files and folders in the given folders that were skipped.
        examples: The first names of these, under `not_read`.
        absent_columns: Columns that one of the tables doesn't have, so that errors are not distinguished by them.
    """

    results: int
    errors: int
    groups: tuple[ErrorGroup, ...]
    other: int
    ids_dropped: int
    skipped: tuple[str, ...]
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent_columns: tuple[str, ...] = ()

    def _blocks(self) -> Iterator[Block]:
        from batchfiles.jobs.stats.summary import digest_blocks

        return digest_blocks(self)

    def _repr_html_(self) -> str:
        """Return the most frequent errors as an HTML table, for notebooks."""
        from batchfiles.jobs.stats.summary import error_page

        return error_page(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the digest as plain values that JSON can hold."""
        return asdict(self)


def error_digest(
    *sources: SourceLike | TableLike,
    pairs: Pairs = (),
    ids: int | None = 0,
    progress: Progress | bool | None = None,
    max_line_bytes: int = RESULT_LINE_CAP,
    filesystem: object = None,
) -> ErrorDigest:
    """Count the results that are not successes, grouped by error.

    Two errors are the same if they have the same outcome, status and code, and messages that differ only in ids, numbers and
    quotations. Every result line counts, whether a join would use it or not. Memory does not grow with the files,
    only with the number of listed ids.

    Args:
        *sources: Output files and error files: paths, folders, globs, open binary files, or `-` for standard input; plain or
            compressed. Request files, as in a campaign folder, are skipped; use `join` to find missing results. Or tables that
            `join` or `export` wrote: Parquet, Arrow, CSV or JSONL files, folders of them, or tables in memory. A joined table
            has only the results that it uses.
        pairs: Request files, each with its results, as for `join`; here they fix the roles of these files.
        ids: How many ids to list for each error; None lists all, at most a million in total.
        progress: Called repeatedly with the bytes done and the total bytes (None if unknown); True shows a bar.
        max_line_bytes: The longest line that is read, in bytes; longer ones are malformed.
        filesystem: The filesystem of all paths, from `pyarrow.fs` or fsspec; None for the local one.

    Returns:
        What was counted.

    Raises:
        MismatchError: There is no file of results, or a file is in the format of another service.
        FileError: A file does not exist or can't be read.
        TruncatedFileError: Compressed bytes end too early or are damaged.
        TypeError: No source is given, or one has a wrong type.
        ValueError: Standard input is named twice.

    Example:
        >>> digest = batchfiles.error_digest("fixtures/chat_completions")
        >>> digest.groups[0].outcome
        'incomplete'
    """
    if not sources and not pairs:
        raise TypeError("error_digest needs at least one file")
    totals = _Groups(MOST_IDS if ids is None else ids)
    skipped = []
    found = False
    tables, others = joined_tables(sources, filesystem)
    refuse_mixed(tables, others, tuple(pairs))
    if tables:
        absent: set[str] = set()
        for row in table_rows(tables, OF_ERRORS, absent, progress_of(progress, "errors")):
            if row.has_result:
                totals.add_result(row.result(), row.cells["custom_id"], *row.place())
        return replace(totals.digest(()), absent_columns=tuple(name for name in OF_ERRORS if name in absent))
    files = files_and_pairs(others, pairs, filesystem, results_only=True)
    for file in classified_files(
        files.sources,
        totals.notice,
        max_line_bytes=max_line_bytes,
        on_bytes=source_steps(progress_of(progress, "errors"), files.sources),
        file_roles=files.file_roles,
    ):
        if file.file_role == "inputs":
            skipped.append(file.name)
            totals.overlong.clear()
        else:
            found = True
            totals.take(file)
    if not found:
        raise MismatchError("holds requests: errors are in output files and error files", path=skipped[0], role="output")
    return replace(totals.digest(tuple(skipped)), **not_read_fields(files.not_read))


class _Key(NamedTuple):
    outcome: str
    status_code: int | None
    code: str | None
    message: str | None
    retryable: bool


@dataclass(slots=True)
class _Group:
    path: str
    line_number: int
    custom_id: str | None
    example: str | None
    custom_ids: list[str]
    count: int = 0


class _Groups:
    """Sorts results into groups.

    Attributes:
        overlong: The numbers of lines longer than `max_line_bytes` in the current file.
    """

    def __init__(self, ids: int) -> None:
        self.overlong: list[int] = []
        self._ids = ids
        self._ids_left = MOST_IDS
        self._ids_dropped = 0
        self._groups: dict[_Key, _Group] = {}
        self._results = self._errors = self._other = 0

    @cached_property
    def _plain(self) -> NativeTotals | None:
        return native_totals(outcome_facts, KEPT_BITS)

    def notice(self, finding: Finding) -> None:
        """Take a finding about the current file."""
        if finding.code == "line_too_long":
            self.overlong.append(finding.line_number or 0)

    def take(self, file: ClassifiedFile) -> None:
        """Take the lines of a file."""
        for path, number, _, lines in file.blocks:
            others = range(len(lines)) if self._plain is None else self._plain.without_successes(lines)
            self._results += len(lines) - len(others)
            for at in others:
                if not is_blank(lines[at]):
                    self._take_line(lines[at], path, number + at)
        for number in self.overlong:
            self._results += 1
            # It may be an answer that was paid for, so it is not sent again.
            key = _Key(MALFORMED, None, "line_too_long", "the line is too long and was not read", retryable=False)
            self._add(key, file.name, number, None, None)
        self.overlong.clear()

    def _take_line(self, line: bytes, path: str, line_number: int) -> None:
        value, result = read_result(line)
        custom_id = id_of_line(line) if value is None else value.get("custom_id")
        self.add_result(result, custom_id, path, line_number)

    def add_result(self, result: Result, custom_id: str | None, path: str, line_number: int) -> None:
        """Count a result."""
        self._results += 1
        if result.outcome == SUCCEEDED:
            return
        self._add(_key_of(result), path, line_number, custom_id, result.error_message)

    def _add(self, key: _Key, path: str, line_number: int, custom_id: str | None, message: str | None) -> None:
        self._errors += 1
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MOST_GROUPS:
                self._other += 1
                return
            shown = custom_id[:ID_KEPT] if custom_id is not None else None
            example = message[:MESSAGE_KEPT] if message is not None else None
            group = self._groups[key] = _Group(path, line_number, shown, example, [])
        group.count += 1
        if custom_id is not None and len(group.custom_ids) < self._ids:
            if self._ids_left:
                self._ids_left -= 1
                group.custom_ids.append(custom_id)
            else:
                self._ids_dropped += 1

    def digest(self, skipped: tuple[str, ...]) -> ErrorDigest:
        """Return what was counted."""
        # Stable: among equals, the first one stays first.
        groups = sorted(self._groups.items(), key=lambda item: -item[1].count)
        return ErrorDigest(
            results=self._results,
            errors=self._errors,
            groups=tuple(
                ErrorGroup(
                    **key._asdict(),
                    count=group.count,
                    share=group.count / self._results,
                    path=group.path,
                    line_number=group.line_number,
                    custom_id=group.custom_id,
                    example=group.example,
                    custom_ids=tuple(group.custom_ids),
                )
                for key, group in groups
            ),
            other=self._other,
            ids_dropped=self._ids_dropped,
            skipped=skipped,
        )


def _key_of(result: Result) -> _Key:
    """Return the key of a result's group."""
    code = result.error_code or result.answer.finish_reason
    message = folded(result.error_message, result.error_param) if result.error_message is not None else None
    return _Key(result.outcome, result.status_code, code[:ID_KEPT] if code else None, message, result.retryable)
