"""Which request file the results in a file belong to: said by their names, and by the manifest of their campaign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from batchfiles.campaign.folder import Campaign, campaign_of
from batchfiles.campaign.manifest import Part
from batchfiles.campaign.names import BATCH_ID, RESULT_NAME, stem_of
from batchfiles.jobs.candidates import ResultFile
from batchfiles.jobs.local_file import LocalFile
from batchfiles.streams.remote import Place

__all__ = ["BatchParts", "without_repeats"]

ELSEWHERE = -1
"""The number of a request file that is not among those that are read."""


class BatchParts:
    """Knows the request files that are joined, and tells to which of them results belong.

    Args:
        inputs: The request files, by number.

    Raises:
        DataError: A manifest is damaged.
        FileError: A manifest can't be read.
    """

    def __init__(self, inputs: Sequence[LocalFile]) -> None:
        self._campaigns: dict[Place, Campaign | None] = {}
        self._several = len(inputs) > 1
        self._paths = paths = {number: file.original for number, file in enumerate(inputs) if file.original is not None}
        self._by_path = {path: number for number, path in paths.items()}
        self._by_stem = {path.with_name(stem_of(path.name)): number for number, path in paths.items()}
        self.own_batches = frozenset(number for number, path in paths.items() if self._part(path) is not None)
        """The numbers of those that a manifest names: each is a batch of its own, whatever the ids of the others are."""
        self._folders = {path.parent for path, number in self._by_path.items() if number in self.own_batches}

    def are_apart(self, one: int, other: int) -> bool:
        """Return whether one manifest names two request files, so that even equal lines in them are different requests."""
        folders = {self._paths[number].parent for number in (one, other) if number in self.own_batches}
        return one in self.own_batches and other in self.own_batches and len(folders) == 1

    def result_file(self, file: LocalFile, *, named: Place | None = None) -> ResultFile:
        """Return a file of results with its batch and the number of its request file.

        Args:
            file: The file.
            named: The request file that a pair names for it.
        """
        match = RESULT_NAME.fullmatch(Path(file.name).name)
        stem = match["stem"] if match else None
        if named is not None and (number := self._number_of(named)) is not None:
            return ResultFile(file.name, str(file.path), stem if stem and BATCH_ID.fullmatch(stem) else None, number)
        part = self._part(file.original) if file.original is not None else None
        if part is not None and file.original is not None:
            number = self._number_in_campaign(file.original.parent, part)
            return ResultFile(file.name, str(file.path), _batch_of(part, stem), number)
        number = None
        if stem is not None and file.original is not None and self._several:
            number = self._by_stem.get(file.original.with_name(stem))
        batch_id = stem if stem is not None and BATCH_ID.fullmatch(stem) else None
        return ResultFile(file.name, str(file.path), batch_id, number)

    def _number_of(self, path: Place) -> int | None:
        """Return the number of a request file, or of the one that it repeats."""
        found = {self._by_path[each] for each in (path, *self.origins(path)) if each in self._by_path}
        return found.pop() if len(found) == 1 else None

    def _part(self, path: Place) -> Part | None:
        campaign = self._campaign(path.parent)
        return campaign.part_of(path.name) if campaign is not None else None

    def _campaign(self, folder: Place) -> Campaign | None:
        if folder not in self._campaigns:
            self._campaigns[folder] = campaign_of(folder)
        return self._campaigns[folder]

    def origins(self, path: Place) -> tuple[Place, ...]:
        """Return the request files that a part of a campaign repeats; nothing where it repeats none."""
        part, campaign = self._part(path), self._campaign(path.parent)
        if part is None or campaign is None or not part.retry_of:
            return ()
        return tuple(path.parent / name for name in campaign.origins(part))

    def _number_in_campaign(self, folder: Place, part: Part) -> int | None:
        """Return the number of the request file whose requests a part holds; None where any may be meant."""
        campaign = self._campaign(folder)
        names = campaign.origins(part) if campaign is not None else ()
        numbers = [self._by_path[folder / name] for name in names if folder / name in self._by_path]
        if folder / part.file in self._by_path and not numbers:
            return self._by_path[folder / part.file]  # a retry that is joined without what it repeats
        if len(names) == 1 and numbers:
            return numbers[0]
        # Where nothing of the campaign is read, the file that was split may be, or what was merged of the parts.
        return None if numbers or folder not in self._folders else ELSEWHERE


def _batch_of(part: Part, stem: str | None) -> str | None:
    """Return the batch of a part's results: the one that the file is called by, or the only one that the part was sent in."""
    if stem in part.batches:
        return stem
    return part.batches[0] if len(part.batches) == 1 else None


def without_repeats(inputs: Iterable[LocalFile]) -> tuple[tuple[LocalFile, ...], tuple[LocalFile, ...]]:
    """Separate request files from those that only repeat requests of theirs, as the manifest of their campaign says.

    Raises:
        DataError: A manifest is damaged.
        FileError: A manifest can't be read.
    """
    files = tuple(inputs)
    known = BatchParts(files)
    paths = {file.original for file in files}
    kept: list[LocalFile] = []
    repeating: list[LocalFile] = []
    for file in files:
        origins = known.origins(file.original) if file.original is not None else ()
        (repeating if origins and paths.issuperset(origins) else kept).append(file)
    return tuple(kept), tuple(repeating)
