"""What a retry reads at a time: a part of a campaign, or all files.

Ids are unique within a batch, so each part of a campaign is chosen from by itself: the index, the temporary copies and the open
files are those of a part. Files without a manifest are read together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from batchfiles.campaign import MANIFEST, Campaign, Campaigns, Manifest, Part
from batchfiles.inputs.local import LocalFile, Named, places_of
from batchfiles.inputs.roles import FileRoles, sort_files
from batchfiles.io.remote_path import Place
from batchfiles.io.sources import Source
from batchfiles.io.temporary import Spool
from batchfiles.jobs.join.parts import CampaignPart, WholeCampaign
from batchfiles.jobs.join.repeated_requests import find_repeated_files
from batchfiles.jobs.join.report import TableOptions
from batchfiles.workers import WorkerPool


class ReadTogether(Exception):
    """The files are not what the manifest of their campaign says, so all of them must be read together."""


class EarlierRetry(NamedTuple):
    """A request file that no manifest names, and that only repeats lines of others.

    Attributes:
        file: The file.
        requests: How many lines it has.
        retry_of: The numbers of the request files that it repeats.
    """

    file: LocalFile
    requests: int
    retry_of: tuple[int, ...]


class Unit(NamedTuple):
    """Files that are read together.

    Attributes:
        roles: The files.
        numbers: The numbers of its request files among those of all units.
        asked: The bytes of its request files as stored.
        stored: Those of its request files and results.
        spool: Where its temporary files go.
    """

    roles: FileRoles
    numbers: Sequence[int]
    asked: int
    stored: int
    spool: Spool

    def steps(self, step: Callable[[int], None], files: Iterable[LocalFile], *, weight: int) -> ScaledSteps:
        """Return the steps through files of this unit, which add up to a weight."""
        return ScaledSteps(step, size=sum(file.size for file in files), weight=weight)


class Units(Protocol):
    """All files of a retry."""

    @property
    def requests(self) -> Sequence[LocalFile]:
        """The request files of all units, by number; those of a campaign are not copied yet."""

    @property
    def earlier(self) -> Sequence[EarlierRetry]:
        """Earlier retry files that a manifest must name too."""

    @property
    def again(self) -> Sequence[Named]:
        """The same files for lines that are read again at the end."""

    @property
    def results(self) -> Sequence[str]:
        """The display names of the result files."""

    @property
    def keys(self) -> frozenset[Place | None]:
        """Where all files are."""

    @property
    def not_read(self) -> tuple[str, ...]:
        """The display names of files and folders that are skipped."""

    @property
    def has_empty(self) -> bool:
        """Whether a file without lines is known, which may be that of results."""

    @property
    def are_parts(self) -> bool:
        """Whether each request file is a separate batch, by one manifest."""

    def stored(self) -> int:
        """Return the bytes of all request files and results as stored."""

    def opened(self) -> Generator[Unit, None, None]:
        """Yield the units; the copies of one are removed when the next one is asked for."""


@dataclass(frozen=True)
class AllFiles:
    """Files that are read together, which were sorted already."""

    roles: FileRoles
    spool: Spool
    earlier: Sequence[EarlierRetry] = ()
    are_parts: bool = False

    @property
    def requests(self) -> Sequence[LocalFile]:
        """The request files."""
        return self.roles.inputs

    @property
    def again(self) -> Sequence[LocalFile]:
        """The request files."""
        return self.roles.inputs

    @property
    def results(self) -> Sequence[str]:
        """The display names of the result files."""
        return [file.name for file in self.roles.results]

    @property
    def keys(self) -> frozenset[Place | None]:
        """Where all files are."""
        roles = self.roles
        return places_of((*roles.inputs, *roles.results, *roles.empty, *roles.retries))

    @property
    def not_read(self) -> tuple[str, ...]:
        """The display names of files and folders that are skipped."""
        return self.roles.not_read

    @property
    def has_empty(self) -> bool:
        """Whether there is a file without lines."""
        return bool(self.roles.empty)

    def stored(self) -> int:
        """Return the bytes of all request files and results."""
        return sum(file.size for file in (*self.roles.inputs, *self.roles.results))

    def opened(self) -> Generator[Unit, None, None]:
        """Yield the only unit."""
        asked = sum(file.size for file in self.roles.inputs)
        yield Unit(self.roles, range(len(self.roles.inputs)), asked, self.stored(), self.spool)


def files_of_folder(roles: FileRoles, spool: Spool, folder: Path | None, options: TableOptions) -> AllFiles:
    """Return files that are read together, with earlier retry files as such if a manifest is about to name all files.

    Equal lines in parts of a campaign are separate requests. So a file that only repeats lines of others must not become a part.

    Args:
        roles: The files.
        spool: Where temporary files go.
        folder: The folder whose manifest will name the files; None if none will.
        options: How the work is done.

    Raises:
        MismatchError: Two files have lines in common, and each of them has other lines too.
        BatchFilesError: As `find_repeated_files`.
    """
    if folder is None or not _will_be_named(roles, folder):
        return AllFiles(roles, spool)
    inputs = roles.inputs
    with WorkerPool(options.workers_for(sum(file.size for file in inputs), parts=False)) as pool:
        found = find_repeated_files(pool, inputs, spool, max_line_bytes=options.max_line_bytes, parts=roles.parts.own_batches)
    if not found:
        return AllFiles(roles, spool)
    kept = [number for number in range(len(inputs)) if number not in found]
    numbers = {number: at for at, number in enumerate(kept)}
    earlier = [
        EarlierRetry(inputs[number], repeated.requests, tuple(numbers[each] for each in repeated.originals))
        for number, repeated in found.items()
    ]
    return AllFiles(_without(roles, folder, [inputs[number] for number in kept], earlier), spool, earlier)


def _will_be_named(roles: FileRoles, folder: Path) -> bool:
    """Return whether the manifest of a folder will name several request files of which it does not name all yet."""
    inputs = roles.inputs
    if len(inputs) < 2 or not are_in(folder, inputs):
        return False
    if roles.campaigns.of(folder) is None and (folder / MANIFEST).exists():
        return False  # it belongs to another program
    return len(roles.parts.own_batches) < len(inputs)


def _without(roles: FileRoles, folder: Path, kept: Sequence[LocalFile], earlier: Sequence[EarlierRetry]) -> FileRoles:
    """Return the files with earlier retry files in their role, as they are after the manifest names them."""
    campaign = roles.campaigns.of(folder)
    manifest = campaign.manifest if campaign is not None else Manifest()
    names = {part.file for part in manifest.parts}
    parts = [_as_part(file) for file in kept if last_name(file) not in names]
    parts += [_as_part(file, tuple(last_name(kept[number]) for number in retry_of)) for file, _, retry_of in earlier]
    known = Campaigns(Campaign(folder, replace(manifest, parts=(*manifest.parts, *parts))))
    return replace(roles, inputs=tuple(kept), retries=(*roles.retries, *(each.file for each in earlier)), campaigns=known)


def _as_part(file: LocalFile, retry_of: tuple[str, ...] = ()) -> Part:
    """Return what shows to which requests results belong; the rest is not known yet."""
    return Part(file=last_name(file), requests=0, bytes=file.size, sha256="", retry_of=retry_of)


def last_name(file: LocalFile) -> str:
    """Return the name of a file without its folder."""
    return Path(file.name).name


def are_in(folder: Path, files: Iterable[LocalFile]) -> bool:
    """Return whether all files are in a folder itself, under their own names."""
    return all(file.original == folder / last_name(file) for file in files)


class PartByPart:
    """The parts of a campaign whose files all belong to a part.

    Args:
        whole: The campaign.
        not_read: What is skipped in its folder.
        spool: Where copies of request files go of which lines are read again at the end.
        temp_dir: Where the copies of each part go.
        max_line_bytes: The longest line that is read, in bytes.
    """

    earlier = ()
    are_parts = True
    has_empty = False

    def __init__(
        self,
        whole: WholeCampaign,
        not_read: tuple[str, ...],
        spool: Spool,
        *,
        temp_dir: str | os.PathLike[str] | None,
        max_line_bytes: int,
    ) -> None:
        self.not_read = not_read
        self._campaigns = Campaigns(whole.campaign)
        self._parts = parts = whole.parts
        self._sources = whole.sources
        self._temp_dir = temp_dir
        self._max_line_bytes = max_line_bytes
        found = {file.path: file for part in parts for file in part.requests}
        names = [name for name in self._sources if name in found]
        self._numbers = {name: number for number, name in enumerate(names)}
        asking = [(self._sources[name], found[name]) for name in names]
        self.requests = [
            LocalFile(each.name, whole.campaign.folder / file.path, Path(each.name), file.bytes, 0) for each, file in asking
        ]
        self.again = [_ReadAgain(source, spool) for source, _ in asking]
        given = [file.path for part in parts for file in part.results]
        self.results = [self._sources[name].name for name in given]
        self.keys = frozenset(source.key for source in self._sources.values())

    def stored(self) -> int:
        """Return the bytes of all request files and results as stored."""
        return sum(map(_stored, self._parts))

    def opened(self) -> Generator[Unit, None, None]:
        """Yield the parts one after the other.

        Raises:
            ReadTogether: A file holds something else than its name says, or no file holds requests.
            BatchFilesError: As `sort_files`.
        """
        has_requests = False
        for part in self._parts:
            with Spool(self._temp_dir) as spool:
                sources = [self._sources[file.path] for file in part.files]
                roles = sort_files(sources, (), spool, max_line_bytes=self._max_line_bytes, campaigns=self._campaigns)
                listed = (part.requests, part.retries, part.results)
                for names, files in zip(listed, (roles.inputs, roles.retries, roles.results), strict=True):
                    if not {file.path for file in names}.issuperset(map(_name, files)):
                        raise ReadTogether
                has_requests = has_requests or bool(roles.inputs)
                asked = sum(file.bytes for file in part.requests)
                yield Unit(roles, [self._numbers[_name(file)] for file in roles.inputs], asked, _stored(part), spool)
        if not has_requests:
            raise ReadTogether


def _name(file: LocalFile) -> str:
    return file.original.name if file.original is not None else ""


def _stored(part: CampaignPart) -> int:
    return sum(file.bytes for file in (*part.requests, *part.results))


@dataclass(frozen=True)
class _ReadAgain:
    """A request file of which single lines are read again; it is copied only if it is asked for."""

    source: Source
    spool: Spool

    @property
    def name(self) -> str:
        """The display name."""
        return self.source.name

    @cached_property
    def path(self) -> Path:
        """Where its plain bytes are."""
        return self.spool.local(self.source)


class ScaledSteps:
    """Passes on the steps through a unit, so that they add up to its weight.

    Args:
        step: Gets the steps.
        size: The bytes of the steps.
        weight: What they add up to: the bytes as stored, for the plain ones are not known in advance.
    """

    def __init__(self, step: Callable[[int], None], *, size: int, weight: int) -> None:
        self._step = step
        self._size = size
        self._weight = weight
        self._done = self._passed = 0

    def __call__(self, more: int) -> None:
        """Take a step."""
        self._done += more
        self._pass(self._weight * self._done // self._size)

    def finish(self) -> None:
        """Pass on what is left."""
        if self._passed < self._weight:
            self._pass(self._weight)

    def _pass(self, now: int) -> None:
        self._step(now - self._passed)
        self._passed = now
