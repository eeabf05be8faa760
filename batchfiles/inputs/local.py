"""A file that can be read by offset, as long as it stays what it was."""

from __future__ import annotations

import json
import os
import resource
from collections import deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from batchfiles.campaign import BATCH_ID, MANIFEST, RESULT_NAME, RETRY_STEM, Campaigns
from batchfiles.errors import BatchFilesError, TruncatedFileError
from batchfiles.findings import Finding
from batchfiles.io.remote_path import Place, changed, file_error, real_path
from batchfiles.io.sources import Source
from batchfiles.io.target import Target
from batchfiles.io.temporary import Spool
from batchfiles.io.texts import small_file

__all__ = [
    "LocalFile",
    "OpenFiles",
    "ResultFile",
    "attempts",
    "changed",
    "changed_parts",
    "check_campaigns",
    "check_unchanged",
    "copied",
    "most_open",
    "places_of",
    "refuse_read",
]


class ResultFile(NamedTuple):
    """A result file as the join sees it.

    Attributes:
        name: Its display name.
        path: The local file that holds its plain bytes.
        batch_id: The batch that its name gives; None where it gives none.
        part: The number of the input file that its results belong to; None where they may belong to any.
        attempt: Which attempt its results are of, from 0: among equal results of a request the latest attempt counts.
    """

    name: str
    path: str
    batch_id: str | None
    part: int | None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file and where its plain bytes lie.

    Attributes:
        name: Its display name.
        original: The file's own resolved path, or its remote place; None where the bytes came from an open file.
        path: The file itself, or its decompressed copy.
        size: Bytes of `path`.
        modified: When `path` was last written to, in nanoseconds.
    """

    name: str
    original: Place | None
    path: Path
    size: int
    modified: int

    @classmethod
    def of(cls, name: str, original: Place | None, path: Path) -> Self:
        """Take down what a file is now.

        Raises:
            FileError: It is not there any more.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise file_error(error, name) from None
        return cls(name, original, path, status.st_size, status.st_mtime_ns)

    @property
    def source(self) -> Source:
        """The file as a source of lines."""
        return Source(self.name, path=self.path)


def check_campaigns(sources: Iterable[Source], campaigns: Campaigns | None = None) -> None:
    """Make sure that all parts of campaign folders are there: the requests of a lost one would be in no count.

    Args:
        sources: What `expand` returned of files and folders.
        campaigns: Known manifests.

    Raises:
        DataError: A manifest is damaged.
        FileError: A part is missing, or a manifest can't be read.
    """
    given, campaigns = list(sources), campaigns or Campaigns()
    places = [source.place for source in given]
    for manifest in [place for source in given for place in source.passed_over if place.name == MANIFEST]:
        campaign = campaigns.of(manifest.parent)
        if campaign is not None:
            campaign.check_parts({place.name for place in places if place is not None and place.parent == manifest.parent})


def attempts(files: Sequence[LocalFile], campaigns: Campaigns) -> list[int]:
    """Order result files by the attempts that their results are of; files of which that is not known have the same number.

    The manifest of a campaign lists the attempts in their order. Elsewhere the name of a retry has a number, and a batch object
    next to the results has the time of the batch. The order of names would put `a-retry-1_error` before `a_error`.
    """
    stems = [match["stem"] if (match := RESULT_NAME.fullmatch(Path(file.name).name)) else "" for file in files]
    if len(set(stems)) <= 1:  # an output file and an error file of one batch
        return [0] * len(files)
    keys = [_attempt(file.original, stem, campaigns) for file, stem in zip(files, stems, strict=True)]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return [numbers[key] for key in keys]


def _attempt(place: Place | None, stem: str, campaigns: Campaigns) -> tuple[int, int, int]:
    """Return the position in the manifest, the number of the retry, and the time of the batch; 0 for what is not known."""
    if place is None or not stem:
        return 0, 0, 0
    campaign = campaigns.of(place.parent)
    position = 0 if campaign is None else campaign.attempt_of(stem)
    if position:
        return position, 0, 0
    retry = RETRY_STEM.fullmatch(stem)
    return 0, int(retry[1]) if retry else 0, _created_at(place.with_name(f"{stem}.json")) if BATCH_ID.fullmatch(stem) else 0


def _created_at(path: Place) -> int:
    """Return when a batch was made, by its batch object; 0 if there is none."""
    try:
        created = json.loads(small_file(path))["created_at"]
    except (OSError, BatchFilesError, ValueError, LookupError, TypeError, RecursionError):
        return 0
    return created if type(created) is int else 0


def check_unchanged(files: Iterable[LocalFile]) -> None:
    """Make sure that files are what they were when they were first looked at.

    Raises:
        FileError: One of them is longer or shorter, was written to, or is gone.
    """
    for file in files:
        if LocalFile.of(file.name, file.original, file.path) != file:
            raise changed(file.name)


def places_of(files: Iterable[LocalFile]) -> frozenset[Place | None]:
    """Return where files are, links followed; None is among them for an open file."""
    return frozenset(None if file.original is None else real_path(file.original) for file in files)


def refuse_read(target: Target, places: Container[Place | None]) -> None:
    """Make sure that an output is not one of the files that are read.

    Raises:
        ValueError: It is.
    """
    if target.key is not None and target.key in places:
        raise ValueError(f"{target} is a file that is read: choose another name for the output")


def changed_parts(files: Iterable[tuple[Place | None, Source]], campaigns: Campaigns | None = None) -> list[Finding]:
    """Compare the bytes of campaign parts with their manifests, to find damaged copies.

    Args:
        files: The path and the source of each file; files that are not parts are skipped.
        campaigns: The known campaigns of their folders.

    Returns:
        A warning for each part whose bytes have changed.

    Raises:
        DataError: A manifest is damaged.
        FileError: A file can't be read.
        TruncatedFileError: A compressed part is damaged.
    """
    campaigns = campaigns or Campaigns()
    found = []
    for place, source in files:
        part = None if place is None else campaigns.part_of(place)
        if place is None or part is None or part.file != place.name:
            continue
        if source.sha256().hex != part.sha256.lower():
            message = "The bytes of the part differ from its manifest: it was changed or damaged since it was made."
            found.append(Finding(code="changed_part", message=message, severity="warning", path=source.name))
    return found


def copied(files: Sequence[LocalFile], sources: Iterable[Source], spool: Spool) -> tuple[LocalFile, ...] | None:
    """Return files with plain copies where they are compressed or remote; None if one is damaged, which its reader reports."""
    by_name = {source.name: source for source in sources}
    try:
        return tuple(LocalFile.of(file.name, file.original, spool.local(by_name[file.name])) for file in files)
    except TruncatedFileError:
        return None


class Named(Protocol):
    """A file that has a display name and a path."""

    @property
    def name(self) -> str:
        """The display name."""

    @property
    def path(self) -> str | Path:
        """The local path."""


MOST_OPEN = 256
"""Files that are open at a time, if the system allows many."""


def most_open() -> int:
    """Return how many files may be open at a time: a quarter of what the system allows, 64 of the 256 on macOS."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_OPEN if allowed == resource.RLIM_INFINITY else max(1, min(MOST_OPEN, allowed // 4))


class OpenFiles:
    """Files that are read by offset: each is opened when its turn comes, and those that were opened first are closed again.

    Args:
        files: The files, by number.

    Attributes:
        held: The descriptor of each file, -1 where it is not open; for loops in which a call for each line is too much.
    """

    def __init__(self, files: Sequence[Named]) -> None:
        self.held = [-1] * len(files)
        self._files = files
        self._most = most_open()
        self._open: deque[int] = deque()

    def __getitem__(self, number: int) -> int:
        """Return the descriptor of a file, good until another one is asked for.

        Raises:
            FileError: It can't be opened, such as one that was removed since it was first looked at.
        """
        descriptor = self.held[number]
        if descriptor >= 0:
            return descriptor
        while len(self._open) >= self._most:
            self._close_first()
        file = self._files[number]
        try:
            descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise file_error(error, file.name) from None
        self.held[number] = descriptor
        self._open.append(number)
        return descriptor

    def _close_first(self) -> None:
        number = self._open.popleft()
        descriptor, self.held[number] = self.held[number], -1
        os.close(descriptor)

    def close(self) -> None:
        """Close all of them."""
        while self._open:
            self._close_first()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
