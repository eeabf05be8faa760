"""`get`: the request of a `custom_id`, and all its results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

from batchfiles.codec import dumps, loads
from batchfiles.errors import InvalidLineError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.kinds import FileRole, classified_files, classify_lines
from batchfiles.inputs.roles import Pairs, files_and_pairs, requests_of_results
from batchfiles.io.sources import SourceLike
from batchfiles.io.threads import Progress, source_steps
from batchfiles.jobs.retry.joined_table import JoinedTable, joined_tables
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import ID_LETTERS, id_of_line, read_result
from batchfiles.summary import indented, record_page, short_repr

ESCAPED_VALUE = re.compile(rb'custom_id"[ \t\r]*:[ \t\r]*"[^"\\]*\\')
r"""An id that has an escape in it, as in `"custom_id": "caf\u00e9"`."""


class Occurrence(NamedTuple):
    r"""A line with the requested id.

    Attributes:
        path: The file's display name.
        line_number: Counted from 1, blank lines included; of a table, the number of the row.
        byte_offset: Where the line begins, in bytes of the uncompressed file; None for a row.
        role: `"request"` or `"result"`, by the line's keys, else by the first lines of the file; `"row"` in a table that
            `join` or `export` wrote.
        data: The bytes of the line, without its `\n`; of a table, the row as JSON.
        requests: Of a result: its request file, if there are several and a pair, a manifest, a batch object, a name or a
            folder shows it, as for `join`; else None.
        repeats: Of a request: where the same line is in an earlier file, as `path:line`: they are one request.
    """

    path: str
    line_number: int
    byte_offset: int | None
    role: Literal["request", "result", "row"]
    data: bytes
    requests: str | None = None
    repeats: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the place and the role of the line, and the decoded `line`; if that is None, `text` has the raw text."""
        if self.role == "result":
            value, result = read_result(self.data)
            outcome = result.outcome
        else:
            outcome = None
            try:
                value = loads(self.data)
            except InvalidLineError:
                value = None
            else:
                outcome = value.get("outcome") if self.role == "row" else None
        fields = {
            "path": self.path,
            "line_number": self.line_number,
            "byte_offset": self.byte_offset,
            "role": self.role,
            "outcome": outcome,
            "requests": self.requests,
            "repeats": self.repeats,
        }
        text = {"text": self.data.decode(errors="backslashreplace")} if value is None else {}
        return {**fields, **text, "line": value}

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        """Return the line for notebooks: where it is, its outcome, and the line as indented JSON."""
        found = self.to_dict()
        place = f"{self.path}:{self.line_number}"
        facts = [("line", place), ("outcome", found["outcome"] or ""), ("requests", self.requests or "")]
        shown = found.get("text") or indented(found["line"])
        return record_page(type(self).__name__, [("role", self.role), *facts], shown)


def get(
    custom_id: str, *sources: SourceLike, pairs: Pairs = (), max_line_bytes: int = RESULT_LINE_CAP, filesystem: object = None
) -> list[Occurrence]:
    r"""Find the request of a `custom_id` and all its results.

    Args:
        custom_id: The id, as text: `café` finds `"caf\u00e9"` too.
        *sources: Request files, output files and error files in any mix; paths, folders, globs, open binary files, or `-` for
            standard input; plain or compressed. Or tables that `join` or `export` wrote.
        pairs: Request files, each with the results that belong to it, as for `join`.
        max_line_bytes: The longest line that is read, in bytes; longer ones are skipped.
        filesystem: The filesystem of all paths, from `pyarrow.fs` or fsspec; None for the local one.

    Returns:
        The lines in the order of the files; none if there is no such id. Where ids restart in the parts of a campaign, there
        are several requests. A damaged line is among them if its id can be read.

    Raises:
        MismatchError: A file is in the format of another service, or its role is not known.
        FileError: A file does not exist or can't be read.
        TruncatedFileError: Compressed bytes end too early or are damaged.
        TypeError: No source is given, or one has a wrong type.
        ValueError: Standard input is named twice.

    Example:
        >>> for line in batchfiles.get("ticket-0001", "fixtures/chat_completions"):
        ...     print(line.role, line.line_number)
        result 9
        request 1
    """
    if not sources and not pairs:
        raise TypeError("get needs at least one file")
    return list(find(custom_id, *sources, pairs=pairs, max_line_bytes=max_line_bytes, filesystem=filesystem))


def find(
    custom_id: str,
    *sources: SourceLike,
    pairs: Pairs = (),
    max_line_bytes: int = RESULT_LINE_CAP,
    filesystem: object = None,
    progress: Progress | None = None,
    on_not_read: Callable[[Sequence[str]], None] = lambda _: None,
    notice: Callable[[Finding], None] = lambda _: None,
) -> Iterator[Occurrence]:
    """Do what `get` does, and yield each line as it is found.

    Args:
        custom_id: The id.
        *sources: As for `get`.
        pairs: As for `get`.
        max_line_bytes: As for `get`.
        filesystem: As for `get`.
        progress: Called repeatedly with the bytes done and the total bytes (None if unknown).
        on_not_read: Called with the names of files and folders in the given folders that were skipped.
        notice: Called with findings, such as lines longer than `max_line_bytes`, which are skipped.
    """
    literal = custom_id.encode("utf-8", "replace")
    tables, others = joined_tables(sources, filesystem)
    for table in tables:
        yield from _rows(table, custom_id)
    if tables and not others and not pairs:
        return
    files = files_and_pairs(others, pairs, filesystem)
    on_not_read(files.not_read)
    requests, are_apart = requests_of_results(files)
    seen: dict[bytes, dict[str, int]] = {}  # the first line of each file with these bytes
    for file in classified_files(
        files.sources,
        notice,
        max_line_bytes=max_line_bytes,
        on_bytes=source_steps(progress, files.sources),
        file_roles=files.file_roles,
    ):
        for path, first, start, lines in file.blocks:
            offset = start
            for number, line in enumerate(lines, first):
                # Only a line that holds the id as it is, or one in which escapes may hide it, is decoded.
                if (literal in line or (b"\\" in line and _may_hide_it(line))) and id_of_line(line) == custom_id:
                    role = _role_of(line, file.file_role)
                    if role == "result":
                        yield Occurrence(path, number, offset, role, line, requests.get(file.name))
                    else:
                        firsts = seen.setdefault(line.strip(), {})
                        same = (each for each in firsts.items() if each[0] != path and not are_apart(each[0], path))
                        repeats = next((f"{each_path}:{each_number}" for each_path, each_number in same), None)
                        if repeats is None:
                            firsts.setdefault(path, number)
                        yield Occurrence(path, number, offset, role, line, None, repeats)
                offset += len(line) + 1


MOST_ROWS = 10_000
"""Rows of one id that are yielded, such as the vectors of one request."""


def _rows(table: JoinedTable, custom_id: str) -> Iterator[Occurrence]:
    """Yield the rows of a table with this id."""
    from batchfiles.table.preview import first_rows
    from batchfiles.table.where import Where, WhereError

    for part in table.parts:
        try:
            found = first_rows(part, MOST_ROWS, where=Where.of_id(custom_id))
        except WhereError as error:
            raise MismatchError(f"it is not a table of `join` or `export`: {error.reason}", path=part.name) from None
        if found.columns and "outcome" not in found.columns:
            raise MismatchError("has no column outcome: it is not a table of `join` or `export`", path=part.name)
        for row, number in zip(found.rows, found.numbers, strict=True):
            yield Occurrence(part.name, number, None, "row", dumps(row))


def _role_of(line: bytes, file_role: FileRole) -> Literal["request", "result"]:
    """Return what a line is: a file that begins with requests may hold results too."""
    with suppress(MismatchError):  # a line of another service does not show it
        file_role = classify_lines([line], otherwise=file_role)
    return "result" if file_role == "results" else "request"


def _may_hide_it(line: bytes) -> bool:
    return ESCAPED_VALUE.search(line) is not None or ID_LETTERS.stand_in(line)
