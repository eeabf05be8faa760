"""The files of a campaign folder: parts, retries, and the results of each part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from batchfiles.campaign.manifest import RESULT_NAME, Manifest, Part, read_manifest, stem_of
from batchfiles.errors import FileError
from batchfiles.findings import Finding
from batchfiles.io.remote.path import Place, real_path
from batchfiles.io.sources import Source, SourceLike, expand

__all__ = ["Campaign", "CampaignFiles", "Campaigns", "campaign_of", "changed_parts", "request_sources"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFiles:
    """The files of a campaign folder by role.

    Attributes:
        parts: The request files, in the order of the manifest; together they contain each request once.
        retries: Request files that repeat requests of the parts.
        results: Output files and error files, sorted by name.
        others: Batch files that are not in the manifest and don't have the names of results.
        passed_over: Files without the suffix of a JSONL file, and folders.
    """

    parts: tuple[Source, ...]
    retries: tuple[Source, ...]
    results: tuple[Source, ...]
    others: tuple[Source, ...]
    passed_over: tuple[Place, ...]

    def requests(self) -> list[Source]:
        """Return the parts, with all other files as `passed_over`."""
        besides = [source.place for source in (*self.retries, *self.results, *self.others)]
        passed_over = (*(place for place in besides if place is not None), *self.passed_over)
        return [*self.parts[:-1], *(replace(part, passed_over=passed_over) for part in self.parts[-1:])]


class Campaign:
    """A folder with a manifest.

    Attributes:
        folder: The folder.
        manifest: Its manifest, as it was when this object was created.
    """

    def __init__(self, folder: Place, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._parts = {part.file: part for part in manifest.parts}
        self._by_stem = {stem_of(part.file): part for part in manifest.parts}
        self._by_stem |= {batch: part for part in manifest.parts for batch in part.batches}

    def part_of(self, name: str) -> Part | None:
        """Return the part that a file is, or whose result it is; None if the manifest does not say.

        Args:
            name: The name of the file without its folder. The name of a result is the stem of its part or the id of one of its
                batches, followed by `_output` or `_error`.
        """
        if name in self._parts:
            return self._parts[name]
        match = RESULT_NAME.fullmatch(name)
        return self._by_stem.get(match["stem"]) if match else None

    def origins(self, part: Part) -> tuple[str, ...]:
        """Return the original files of the requests of a part: itself, or the parts that it repeats, recursively."""
        found: dict[str, None] = {}
        seen = {part.file}
        waiting = [part]
        while waiting:
            each = waiting.pop(0)
            repeated = [self._parts[name] for name in each.retry_of if name in self._parts and name not in seen]
            if not repeated:
                found[each.file] = None
            seen.update(other.file for other in repeated)
            waiting += repeated
        return tuple(found)

    def files(self) -> CampaignFiles:
        """Return the existing files by role, without opening them.

        Raises:
            FileError: A part is missing, or the folder can't be read.
        """
        found = expand([self.folder])
        passed_over = tuple(place for source in found for place in source.passed_over)
        there = {source.file_name: replace(source, passed_over=()) for source in found if source.file_name is not None}
        named = {part.file: there.pop(part.file) for part in self.manifest.parts if part.file in there}
        for part in self.manifest.parts:
            if part.file not in named and not part.retry_of:
                raise FileError("this part of the manifest does not exist", path=str(self.folder / part.file), number=2)
        repeating = {part.file for part in self.manifest.parts if part.retry_of}
        return CampaignFiles(
            parts=tuple(source for name, source in named.items() if name not in repeating),
            retries=tuple(source for name, source in named.items() if name in repeating),
            results=tuple(source for name, source in there.items() if RESULT_NAME.fullmatch(name)),
            others=tuple(source for name, source in there.items() if not RESULT_NAME.fullmatch(name)),
            passed_over=passed_over,
        )


def campaign_of(folder: Place) -> Campaign | None:
    """Return the campaign in a folder; None if it has no manifest of batchfiles, or is not a folder.

    Raises:
        DataError: The manifest is damaged, or of a later version.
        FileError: It can't be read.
    """
    manifest = read_manifest(folder)
    return None if manifest is None else Campaign(folder, manifest)


class Campaigns:
    """The campaigns of folders; the manifest of each folder is read once.

    Args:
        known: Campaigns whose manifests are not read.
    """

    def __init__(self, *known: Campaign) -> None:
        self._known: dict[Place, Campaign | None] = {campaign.folder: campaign for campaign in known}

    def of(self, folder: Place) -> Campaign | None:
        """Return the campaign in a folder, as `campaign_of` does."""
        if folder not in self._known:
            self._known[folder] = campaign_of(folder)
        return self._known[folder]

    def place_of(self, source: Source) -> Place | None:
        """Return where a file is, symbolic links followed; but a link in a campaign that names it is there. None if unknown."""
        key, path = source.key, source.path
        if path is None or not path.is_symlink():
            return key
        named = real_path(path.parent) / path.name
        return named if self.part_of(named) is not None else key

    def part_of(self, path: Place) -> Part | None:
        """Return the part that a file is, or whose result it is; None if it is in no manifest."""
        campaign = self.of(path.parent)
        return campaign.part_of(path.name) if campaign is not None else None


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


def request_sources(sources: Iterable[SourceLike], *, filesystem: object = None) -> list[Source]:
    """Expand sources to single files as `expand` does; a campaign folder is expanded to its parts, in their order.

    Args:
        sources: Files, folders and globs.
        filesystem: The filesystem of the paths; None for the local one.

    Raises:
        DataError: A manifest is damaged.
        FileError: As `expand`, or a part is missing.
        ValueError: Standard input is named twice.
        TypeError: A value is not a source.
    """
    return expand(sources, filesystem=filesystem, files_of=_parts_of)


def _parts_of(folder: Place) -> list[Source] | None:
    campaign = campaign_of(folder)
    return None if campaign is None else campaign.files().requests()
