"""A campaign folder: its manifest, `manifest.json`, and its files: parts, retries, and the results of each part."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from batchfiles.errors import DataError, FileError
from batchfiles.io.atomic import IsOwnFile
from batchfiles.io.remote_path import Place, file_error, real_path
from batchfiles.io.sources import COMPRESSED, SUFFIXES, Source, SourceLike, expand
from batchfiles.io.target import PathTarget
from batchfiles.summary import Displayed

MANIFEST = "manifest.json"
"""The name of the file. It is not a JSONL file, so it is never read as a batch file."""

CHUNK = 1024 * 1024

FORMAT = "batchfiles-campaign"
"""The `format` of the file, to distinguish it from the `manifest.json` of other programs."""

VERSION = 1

KindT = TypeVar("KindT", "Manifest", "Part")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Part(Displayed):
    """One request file of a campaign.

    Attributes:
        file: Its name in the folder.
        requests: The number of its lines.
        bytes: Its size, uncompressed.
        sha256: The hexadecimal digest of these bytes.
        source: The display name of the file from which it was split.
        first_line: The number of its first line in the source, counted from 1, including blank lines.
        last_line: The number of its last line; with `by`, lines between the two may be in other parts.
        by: The common values of its lines if the source was divided by them: `{"model": "gpt-4o-mini"}`.
        batches: The ids of its batches; more than one if it was sent again.
        retry_of: The parts whose requests it repeats; their results belong to the same requests.
        extra: Unknown keys of the file, unchanged.
    """

    file: str
    requests: int
    bytes: int
    sha256: str
    source: str | None = None
    first_line: int | None = None
    last_line: int | None = None
    by: Mapping[str, str | None] = field(default_factory=dict)
    batches: tuple[str, ...] = ()
    retry_of: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, values: dict[str, Any], path: str = MANIFEST) -> Part:
        """Return the part that `to_dict` gave, or that a manifest has.

        Raises:
            DataError: A value is missing, or of another type than it must be; `path` is its file.
        """
        return _checked(cls, values, PART_KEYS, path)

    def to_dict(self) -> dict[str, Any]:
        """Return the part as JSON values, without empty ones, unknown keys last."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "extra"}
        listed = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {**{key: value for key, value in listed.items() if value not in (None, [], {})}, **self.extra}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Manifest(Displayed):
    """The manifest of a campaign folder.

    Attributes:
        sources: The display names of the files that were split, in order.
        parts: The request files, in the order of their first lines.
        limits: The name of the limits of the parts.
        version: The version of the format.
        extra: Unknown keys of the file, unchanged.
    """

    sources: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    limits: str | None = None
    version: int = VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as JSON values, unknown keys last."""
        return {
            "format": FORMAT,
            "version": self.version,
            "limits": self.limits,
            "sources": list(self.sources),
            "parts": [part.to_dict() for part in self.parts],
            **self.extra,
        }


def read_manifest(folder: Place) -> Manifest | None:
    """Read the manifest of a folder.

    Returns:
        The manifest; None if the folder has none, or that of another program.

    Raises:
        DataError: The manifest is damaged, or of a later version.
        FileError: It can't be read.
    """
    path = folder / MANIFEST
    try:
        if not path.is_file():
            return None
        with Source.at(path).open() as file:
            text = b"".join(iter(lambda: file.read(CHUNK), b""))  # one read may return only a part
    except OSError as error:
        raise error if isinstance(error, FileError) else file_error(error, str(path)) from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        message = "not valid JSON, so the results can't be assigned to the parts: fix the file, or remove it to do without"
        raise DataError(message, path=str(path)) from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        return None
    return _manifest_of(value, str(path))


def parts_of(folder: Place) -> tuple[Part, ...]:
    """Return the parts in the manifest of a folder; none without a manifest. Raises the errors of `read_manifest`."""
    manifest = read_manifest(folder)
    return manifest.parts if manifest is not None else ()


def write_manifest(folder: Place, manifest: Manifest) -> None:
    """Write a manifest into its folder atomically.

    Raises:
        FileError: It can't be written.
    """
    with PathTarget.at(folder / MANIFEST, folder=False).open(overwrite=True) as file:
        # Escaped to ASCII: the name of a source may contain surrogates.
        file.write(json.dumps(manifest.to_dict(), indent=2).encode("ascii") + b"\n")


def _manifest_of(value: dict[str, Any], path: str) -> Manifest:
    version = value.get("version")
    if type(version) is not int or version > VERSION:
        raise DataError(f"has version {version!r}, but the latest known version is {VERSION}: update batchfiles", path=path)
    items = value.get("parts", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DataError("has no list of parts", path=path)
    rest = {key: item for key, item in value.items() if key not in ("format", "parts")}
    parts = tuple(Part.from_dict(item, path) for item in items)
    for part in parts:
        if Path(part.file).name != part.file or part.file in ("", "..", "\0"):
            raise DataError(f"has a part that is not a file of this folder, {part.file!r}", path=path)
    return replace(_checked(Manifest, rest, MANIFEST_KEYS, path), parts=parts)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_by(value: object) -> bool:
    return isinstance(value, dict) and all(item is None or isinstance(item, str) for item in value.values())


PART_KEYS: Mapping[str, Callable[[object], bool]] = {
    "file": _is_text,
    "requests": _is_count,
    "bytes": _is_count,
    "sha256": _is_text,
    "source": _is_text,
    "first_line": _is_count,
    "last_line": _is_count,
    "by": _is_by,
    "batches": _is_texts,
    "retry_of": _is_texts,
}
MANIFEST_KEYS: Mapping[str, Callable[[object], bool]] = {"version": _is_count, "limits": _is_text, "sources": _is_texts}


def _checked(kind: type[KindT], value: dict[str, Any], keys: Mapping[str, Callable[[object], bool]], path: str) -> KindT:
    """Build a dataclass from JSON; null counts as missing, and unknown keys are kept."""
    known: dict[str, Any] = {}
    for key, is_right in keys.items():
        item = value.get(key)
        if item is None:
            continue
        if not is_right(item):
            raise DataError(f"has an invalid {key!r}", path=path)
        known[key] = tuple(item) if isinstance(item, list) else item
    try:
        return kind(**known, extra={key: item for key, item in value.items() if key not in keys})
    except TypeError:
        missing = ", ".join(each for each in ("file", "requests", "bytes", "sha256") if each not in known)
        raise DataError(f"has a part without {missing}", path=path) from None


RESULT_NAME = re.compile(
    r"(?s)(?P<stem>.+)_(?:output|error)"
    f"(?:{'|'.join(map(re.escape, SUFFIXES))})(?:{'|'.join(map(re.escape, COMPRESSED))})"
)
"""Result files are named `<batch_id>_output.jsonl` and `<batch_id>_error.jsonl`, or with the stem of their request file."""

RETRY_STEM = re.compile(r".+-retry-([0-9]+)")
"""The name of a file that `retry` made for a folder, without its suffix, and the number in it."""

BATCH_ID = re.compile(r"batch[_-][A-Za-z0-9_-]+")
"""OpenAI's `batch_…`; Azure and Groq use the same prefix."""


def stem_of(name: str) -> str:
    """Return the name of a file without the suffixes of a batch file: `part-1` of `part-1.jsonl.gz`."""
    for end in (suffix + compression for suffix in SUFFIXES for compression in COMPRESSED):
        if name.endswith(end):
            return name.removesuffix(end) or name
    return name


def made_by_split(folder: Place) -> IsOwnFile:
    """Return a predicate: is this file name the manifest of the folder, or a part that `split` wrote?

    Results and retry files are not. The predicate reads the manifest at its first call, and then raises these errors:

    Raises:
        FileError: The manifest can't be read, or it has batches, whose results could not be assigned without it.
        DataError: The manifest is damaged, or of a later version.
    """

    @cache
    def names() -> frozenset[str]:
        manifest = read_manifest(folder)
        if manifest is None:
            return frozenset()
        sent = next((batch for part in manifest.parts for batch in part.batches), None)
        if sent is not None:
            message = f"contains parts that were sent, such as in batch {sent}: choose another folder, or remove this one"
            raise FileError(message, path=str(folder), number=errno.ENOTEMPTY)
        return frozenset({MANIFEST, *(part.file for part in manifest.parts if not part.retry_of)})

    return lambda name: name in names()


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
        attempts = [stem for part in manifest.parts for stem in (stem_of(part.file), *part.batches)]
        self._attempts = {stem: number for number, stem in enumerate(attempts, start=1)}

    def check_parts(self, names: Container[str]) -> None:
        """Raise a `FileError` if a part is not among the names of the files in the folder; retries may be absent."""
        for part in self.manifest.parts:
            if part.file not in names and not part.retry_of:
                path = Source.at(self.folder / part.file).name
                raise FileError("this part of the manifest does not exist", path=path, number=errno.ENOENT)

    def attempt_of(self, stem: str) -> int:
        """Return the position of a part or of one of its batches in the manifest, which grows with each attempt; 0 if unknown."""
        return self._attempts.get(stem, 0)

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
        self.check_parts(named)
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
