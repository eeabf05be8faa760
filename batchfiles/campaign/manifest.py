"""The manifest of a campaign folder: `manifest.json`, which says what each part is and where it came from.

How the files of a batch are called: a request file, and beside it what came back.

The files that `split` puts into a campaign folder; whatever else lies there came later, and may have been paid for.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from batchfiles.errors import DataError, FileError
from batchfiles.io.atomic import file_error
from batchfiles.io.overwrite import IsOwnFile
from batchfiles.io.remote.path import Place
from batchfiles.io.sources import COMPRESSED, SUFFIXES, Source
from batchfiles.io.target import PathTarget

__all__ = [
    "BATCH_ID",
    "MANIFEST",
    "RESULT_NAME",
    "Manifest",
    "Part",
    "made_by_split",
    "read_manifest",
    "stem_of",
    "write_manifest",
]

MANIFEST = "manifest.json"
"""The file's name. It is no batch file, so that a folder's files are the same with and without it."""

CHUNK = 64 * 1024

FORMAT = "batchfiles-campaign"
"""What the file says of itself: other programs have a `manifest.json` too."""

VERSION = 1

KindT = TypeVar("KindT", "Manifest", "Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One request file of a campaign.

    Attributes:
        file: Its name in the folder.
        requests: Its lines.
        bytes: Its size, uncompressed.
        sha256: Of the same bytes, in hexadecimal digits.
        source: The display name of the file that it was cut from.
        first_line: The number of its first line in the source, counted from 1, blank lines included.
        last_line: The same of its last line; with `by`, lines between the two may stand in other parts.
        by: What its lines have in common, where the source was divided by that: `{"model": "gpt-4o-mini"}`.
        batches: The ids of the batches that it was sent in; several where it was sent again.
        retry_of: The parts whose requests it repeats; their results and its own belong to the same requests.
        extra: Keys that are not known here, as they stood in the file.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a campaign folder holds.

    Attributes:
        sources: The display names of the files that were split, in order.
        parts: The request files, in the order of their first lines.
        limits: The name of the limits that the parts keep to.
        version: Of the manifest's form.
        extra: Keys that are not known here, as they stood in the file.
    """

    sources: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    limits: str | None = None
    version: int = VERSION
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as plain values that JSON can hold, unknown keys last."""
        return {
            "format": FORMAT,
            "version": self.version,
            "limits": self.limits,
            "sources": list(self.sources),
            "parts": [_plain(part) for part in self.parts],
            **self.extra,
        }


def _plain(part: Part) -> dict[str, Any]:
    """Return a part as plain values, without what it doesn't say."""
    values = {each.name: getattr(part, each.name) for each in fields(part) if each.name != "extra"}
    listed = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
    return {**{key: value for key, value in listed.items() if value not in (None, [], {})}, **part.extra}


def read_manifest(folder: Place) -> Manifest | None:
    """Read the manifest of a folder.

    Returns:
        The manifest; None where the folder has none, or a `manifest.json` of another program.

    Raises:
        DataError: The manifest is damaged, or of a later version than this one.
        FileError: The system refused to read it.
    """
    path = folder / MANIFEST
    try:
        if not path.is_file():
            return None
        with Source.at(path).open() as file:
            text = b"".join(iter(lambda: file.read(CHUNK), b""))  # a read may give less than there is
    except OSError as error:
        raise error if isinstance(error, FileError) else file_error(error, str(path)) from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        words = "is no JSON, so it can't be told which results belong to which part: mend it, or remove it if you can do without"
        raise DataError(words, path=str(path)) from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        return None
    return _manifest_of(value, str(path))


def write_manifest(folder: Place, manifest: Manifest) -> None:
    """Write a manifest into its folder, in place of the one that may be there; whole or not at all.

    Raises:
        FileError: The disk or the system refused.
    """
    with PathTarget.at(folder / MANIFEST, folder=False).open(overwrite=True) as file:
        # Escaped to ASCII: the name of a source may hold what UTF-8 can't.
        file.write(json.dumps(manifest.to_dict(), indent=2).encode("ascii") + b"\n")


def _manifest_of(value: dict[str, Any], path: str) -> Manifest:
    version = value.get("version")
    if type(version) is not int or version > VERSION:
        words = f"is of version {version!r}, and {VERSION} is the last that is known here: a later batchfiles reads it"
        raise DataError(words, path=path)
    items = value.get("parts", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DataError("has no list of parts", path=path)
    rest = {key: item for key, item in value.items() if key not in ("format", "parts")}
    parts = tuple(_checked(Part, item, PART_KEYS, path) for item in items)
    for part in parts:
        if Path(part.file).name != part.file or part.file in ("", "..", "\0"):
            raise DataError(f"names a part that is no file of this folder, {part.file!r}", path=path)
    manifest = _checked(Manifest, rest, MANIFEST_KEYS, path)
    return Manifest(sources=manifest.sources, parts=parts, limits=manifest.limits, version=manifest.version, extra=manifest.extra)


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
    """Build a dataclass of what stands in the file; null is as good as nothing, and unknown keys are kept."""
    known: dict[str, Any] = {}
    for key, is_right in keys.items():
        item = value.get(key)
        if item is None:
            continue
        if not is_right(item):
            raise DataError(f"holds a {key!r} that is none", path=path)
        known[key] = tuple(item) if isinstance(item, list) else item
    try:
        return kind(**known, extra={key: item for key, item in value.items() if key not in keys})
    except TypeError:
        missing = ", ".join(each for each in ("file", "requests", "bytes", "sha256") if each not in known)
        raise DataError(f"holds a part without {missing}", path=path) from None


RESULT_NAME = re.compile(
    r"(?P<stem>.+)_(?:output|error)(?:" + "|".join(map(re.escape, SUFFIXES)) + ")(?:" + "|".join(map(re.escape, COMPRESSED)) + ")"
)
"""Downloads are named `<batch_id>_output.jsonl` and `<batch_id>_error.jsonl`, or with the stem of their request file."""

BATCH_ID = re.compile(r"batch[_-][A-Za-z0-9_-]+")
"""OpenAI's `batch_…`; Azure's and Groq's have the same beginning."""


def stem_of(name: str) -> str:
    """Return a file's name without the suffixes of a batch file: `part-1` of `part-1.jsonl.gz`."""
    for end in (suffix + compression for suffix in SUFFIXES for compression in COMPRESSED):
        if name.endswith(end):
            return name.removesuffix(end) or name
    return name


def made_by_split(folder: Place) -> IsOwnFile:
    """Return what tells whether a file of a folder is its manifest or one of the parts in it that `split` cut.

    Results are none of these, and retry files neither. The manifest is read once, when the first name is asked for. Then these
    errors are raised:

    Raises:
        FileError: The manifest can't be read, or it names batches: without it nobody knows whose results they will have.
        DataError: The manifest is damaged, or of a later version.
    """

    @cache
    def names() -> frozenset[str]:
        manifest = read_manifest(folder)
        if manifest is None:
            return frozenset()
        sent = next((batch for part in manifest.parts for batch in part.batches), None)
        if sent is not None:
            words = f"holds parts that were sent, in batch {sent} for one: choose another folder, or remove this one yourself"
            raise FileError(words, path=str(folder), number=errno.ENOTEMPTY)
        return frozenset({MANIFEST, *(part.file for part in manifest.parts if not part.retry_of)})

    return lambda name: name in names()
