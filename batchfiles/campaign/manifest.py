"""The manifest of a campaign folder, `manifest.json`, and the names of its files."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from batchfiles.errors import DataError, FileError
from batchfiles.io.atomic import file_error
from batchfiles.io.overwrite import IsOwnFile
from batchfiles.io.remote.path import Place
from batchfiles.io.sources import COMPRESSED, SUFFIXES, Source
from batchfiles.io.target import PathTarget
from batchfiles.summary import Displayed

__all__ = [
    "BATCH_ID",
    "MANIFEST",
    "RESULT_NAME",
    "Manifest",
    "Part",
    "made_by_split",
    "parts_of",
    "read_manifest",
    "stem_of",
    "write_manifest",
]

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
