"""The requests of rows as a new campaign, written by many tasks: each writes parts of its own, and one commit names them all."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeAlias

from batchfiles.campaign import Manifest, Part, made_by_split, write_manifest
from batchfiles.codec import dumps
from batchfiles.errors import DuplicateCustomIdError, MismatchError
from batchfiles.findings import instead_of
from batchfiles.ids.unique import UniqueIds
from batchfiles.inputs.copied_lines import Run
from batchfiles.io.filesystems import local_path_of, parse_url
from batchfiles.io.remote_path import make_folder
from batchfiles.io.sources import Source
from batchfiles.io.target import PathTarget
from batchfiles.jobs.prepare import Preparation, read_template, rows_named
from batchfiles.jobs.split import changed_limits, checked_options
from batchfiles.jobs.split_parts import PartLimits, Parts, PartWriter, part_file
from batchfiles.jobs.template import NullPolicy
from batchfiles.jobs.tokens import RequestSizer
from batchfiles.limits import LimitsLike, profile

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_OPTIONS: dict[str, type] = dict.fromkeys(("template", "id", "url", "null", "limits", "compress"), str)
ROWS_OPTIONS |= dict.fromkeys(("max_requests", "max_bytes"), int)
"""The options of `NewCampaign`."""

CUT = 100
"""Characters of a name in that of the hidden folder."""

RUN_BYTES = 1024 * 1024
"""Bytes of lines that are given to a part at a time."""

IDS = "ids"
"""The file with the ids of a task: one JSON string a line."""


@dataclass(frozen=True, slots=True)
class WrittenParts:
    """What one task has written.

    Attributes:
        name: What the task is called in errors.
        folder: The folder of its files.
        parts: Its parts, in order, as in a manifest.
        without_values: Placeholders that none of its rows had a value for.
    """

    name: str
    folder: str
    parts: tuple[Part, ...]
    without_values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsOfRows:
    """How rows become the parts of a campaign; can be pickled.

    Attributes:
        template: The request, as for `prepare`.
        id_template: The template of the `custom_id`.
        url: The endpoint, where the template has none.
        null: What to do with a null: `"error"`, `"null"` or `"drop"`.
        limits: The name of the limits of a part.
        max_requests: Another number of requests.
        max_bytes: Another number of bytes.
        compress: `"gz"`, `"bz2"` or `"zst"` for compressed parts.
    """

    template: Mapping[str, Any]
    id_template: str
    url: str | None = None
    null: NullPolicy = "error"
    limits: LimitsLike = "openai"
    max_requests: int | None = None
    max_bytes: int | None = None
    compress: Literal["gz", "bz2", "zst"] | None = None

    def check(self, columns: list[str]) -> None:
        """Check everything that can be known before the first row.

        Raises:
            ValueError: A template or an option is invalid, or a template names none of these columns.
        """
        checked_options((), self.compress, max_requests=self.max_requests, max_bytes=self.max_bytes)
        self._preparation().choose("the rows", columns)

    def write(self, batches: Iterable[pa.RecordBatch], staging: Path, name: str) -> WrittenParts:
        """Write the requests of some rows to a new folder; a folder that was not finished is removed.

        Args:
            batches: The rows.
            staging: The folder of all tasks; it must be there.
            name: What errors call these rows.

        Raises:
            BatchFilesError: As `prepare` and `split`.
        """
        from batchfiles.table.read import UserTable

        limits = changed_limits(profile(self.limits), self.max_requests, self.max_bytes)
        job = self._preparation()
        folder = staging / secrets.token_hex(8)
        make_folder(folder, parents=False)
        try:
            sizer = RequestSizer((), counts_inputs=limits.max_embedding_inputs is not None, tokens=None)
            with rows_named(job), (folder / IDS).open("xb") as ids, UniqueIds() as seen, PartWriter() as writer:
                parts = Parts(folder, writer, PartLimits.of(limits, None), sizer, (), self.compress)
                parts.begin(Source.at(folder / "requests.jsonl"))
                lines = _Lines(parts, ids, seen)
                rows = iter(batches)
                first = next(rows, None)
                if first is not None:
                    given = chain([first], rows)
                    table = UserTable(name, first.schema, lambda _: given)
                    job.write(name, table.rows(partial(job.choose, name)), lines)
                lines.flush()
                parts.end()
                writer.finish()
                made = parts.finished()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        plain = tuple(replace(part, source=None, first_line=None, last_line=None) for part in made)
        return WrittenParts(name, str(folder), plain, tuple(job.without_values()))

    def _preparation(self) -> Preparation:
        limits = profile(self.limits)
        return Preparation.of(self.template, self.id_template, url=self.url, null=self.null, limits=limits)


class _Lines:
    """Takes the requests of a task, and refuses ids that come again.

    Attributes:
        count: Requests so far.
    """

    def __init__(self, parts: Parts, ids: IO[bytes], seen: UniqueIds) -> None:
        self.count = 0
        self._parts = parts
        self._ids = ids
        self._seen = seen
        self._waiting: list[bytes] = []
        self._size = self._offset = 0

    def write_line(self, line: bytes, custom_id: str) -> None:
        self.count += 1
        first = self._seen.add(custom_id, self.count)
        if first is not None:
            raise DuplicateCustomIdError(
                "", custom_id=custom_id, first_path=None, first_line_number=first, line_number=self.count
            )
        self._ids.write(dumps(custom_id) + b"\n")
        self._waiting.append(line + b"\n")
        self._size += len(line) + 1
        if self._size >= RUN_BYTES:
            self.flush()

    def flush(self) -> None:
        """Give the lines that wait to their part."""
        if self._waiting:
            number = self.count - len(self._waiting) + 1
            self._parts.add(Run("the rows", number, self._offset, b"".join(self._waiting)))
            self._offset += self._size
            self._waiting, self._size = [], 0


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign that many tasks write; can be pickled.

    Attributes:
        path: Where it appears.
        staging: A hidden folder next to it, with a folder for each attempt of a task.
        rows: How rows become requests.
        overwrite: Whether a campaign that is there is replaced, as `split` does.
    """

    path: str
    staging: Path
    rows: PartsOfRows
    overwrite: bool = False

    @classmethod
    def begin(cls, path: str, options: Mapping[str, Any], columns: list[str], *, overwrite: bool) -> Self:
        """Check all that can be known before the first row, and make the hidden folder.

        Args:
            path: An absolute path.
            options: Those of `ROWS_OPTIONS`; `template` is a file with JSON, or the JSON.
            columns: The columns of the rows.
            overwrite: Whether a campaign that is there may be replaced.

        Raises:
            ValueError: An option or a template is invalid, or the path is a URL.
            OutputExistsError: The campaign exists and `overwrite` was not given.
            FileError: The template can't be read, or the folder can't be made.
        """
        given = dict(options)
        for name in ("template", "id"):
            if name not in given:
                raise ValueError(f"the option {name!r} is missing")
        template = json_or_path("template", given.pop("template"))
        template = read_template(template) if isinstance(template, str) else template
        rows = PartsOfRows(template=template, id_template=given.pop("id"), **given)
        rows.check(columns)
        target = PathTarget.at(path, folder=True)
        if target.is_remote:
            raise ValueError(f"{target.name} is remote: write the campaign to a folder that all tasks share")
        target.check(overwrite=overwrite, ours=made_by_split(target.place))
        staging = Path(path).with_name(f".{Path(path).name[:CUT]}.{secrets.token_hex(4)}.batchfiles-tasks")
        make_folder(staging, parents=False)
        return cls(path, staging, rows, overwrite)

    def write(self, batches: Iterable[pa.RecordBatch], name: str) -> WrittenParts:
        """Write the rows of one task: see `PartsOfRows.write`."""
        return self.rows.write(batches, self.staging, name)

    def abort(self) -> None:
        """Remove all that was written."""
        shutil.rmtree(self.staging, ignore_errors=True)

    def commit(self, written: Sequence[WrittenParts]) -> Manifest:
        """Make a campaign of what the tasks have written, in their order; it appears whole or not at all.

        Args:
            written: What each task has written; files of other attempts are not used.

        Raises:
            DuplicateCustomIdError: Rows of two tasks make the same id.
            MismatchError: The data frame is empty.
            ValueError: No row of any task has a value for a placeholder.
            OutputExistsError: The target exists and `overwrite` was not given.
            FileError: The disk or the system refused.
        """
        target = PathTarget.at(self.path, folder=True)
        try:
            filled = [task for task in written if task.parts]
            if not filled:
                raise MismatchError("the data frame has no rows, so no request can be made", path=target.name)
            missing = set.intersection(*(set(task.without_values) for task in filled))
            if missing:
                raise ValueError(f"the template names {{{{{min(missing)}}}}}, and no row has a value for it")
            _refuse_repeated_ids(filled)
            with target.open_folder(overwrite=self.overwrite, ours=made_by_split(target.place)) as folder:
                made = [(Path(task.folder, part.file), part) for task in filled for part in task.parts]
                named = []
                for number, (path, part) in enumerate(made, 1):
                    name = part_file("requests", number, len(made), path.name[path.name.index(".jsonl") :])
                    path.replace(folder / name)
                    named.append(replace(part, file=name))
                manifest = Manifest(parts=tuple(named), limits=profile(self.rows.limits).name)
                write_manifest(folder, manifest)
        finally:
            self.abort()
        return manifest


def _refuse_repeated_ids(written: Sequence[WrittenParts]) -> None:
    """Compare the ids of all tasks.

    Raises:
        DuplicateCustomIdError: An id is there twice.
    """
    with UniqueIds() as seen:
        for number, task in enumerate(written):
            with Path(task.folder, IDS).open("rb") as lines:
                for line in lines:
                    custom_id = json.loads(line)
                    first = seen.add(custom_id, number)
                    if first is not None:
                        _refuse(custom_id, written[first], task)
        for custom_id, first, again in seen.duplicates():
            _refuse(custom_id, written[first], written[again])


def _refuse(custom_id: str, *tasks: WrittenParts) -> NoReturn:
    names = " and ".join(dict.fromkeys(task.name for task in tasks))
    raise DuplicateCustomIdError(
        f"two rows of {names} make the id {custom_id[:128]!r}: name more columns in it",
        custom_id=custom_id,
        first_path=None,
        first_line_number=None,
    )


OptionKinds: TypeAlias = Mapping[str, type]
"""The known options, each with `str`, `int` or `bool`."""


def option_values(given: Mapping[str, str], kinds: OptionKinds) -> dict[str, Any]:
    """Return options as values.

    Raises:
        ValueError: An option is unknown, or is not a value of its type.
    """
    values: dict[str, Any] = {}
    for name, text in given.items():
        kind = kinds.get(name)
        if kind is None:
            raise ValueError(f"unknown option {name!r}{instead_of(name, kinds)}")
        try:
            values[name] = {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            expected = "true or false" if kind is bool else "a whole number"
            raise ValueError(f"{name} is {expected}, not {text!r}") from None
    return values


def absolute(path: str) -> str:
    """Return an absolute path, also of a `file:` URL; another URL is returned as it is."""
    local = None if parse_url(path) is not None else local_path_of(path)
    return path if local is None else os.path.abspath(local)  # noqa: PTH100 - Path.resolve follows links


def json_or_path(name: str, text: str) -> Any:  # noqa: ANN401 - any JSON object
    """Return the JSON object of an option; a text that does not begin as one is the path of a file with it.

    Raises:
        ValueError: It begins as one, and is not valid.
    """
    try:
        return json.loads(text) if text.lstrip().startswith("{") else text
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from None
