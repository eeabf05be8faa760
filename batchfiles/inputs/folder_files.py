"""Which files of a folder are read in addition to its JSONL files, and which are skipped and named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from batchfiles.campaign.manifest import FORMAT, MANIFEST
from batchfiles.codec import loads
from batchfiles.errors import BatchFilesError, DataError, InvalidLineError, MismatchError
from batchfiles.findings import EXAMPLES
from batchfiles.inputs.attribution import is_batch_object, json_objects
from batchfiles.inputs.kinds import TELLING_BEGINNING, classify, line_format_of
from batchfiles.io.remote.path import Place
from batchfiles.io.sources import Source
from batchfiles.io.spool import small_file

__all__ = ["FilesToRead", "files_of_a_kind", "files_to_read", "not_read_fields", "not_read_words", "requests_to_read"]

HEAD = 1024 * 1024
"""Bytes of a file that are looked at to see whether its first line is a result."""

OWN = ("run.journal", "run.lock")
"""What `run` keeps in its folder."""

JSON_BYTES = 4 * 1024 * 1024
"""A JSON file with more bytes is not read as a batch object."""

NAMES_SHOWN = 3


class FilesToRead(NamedTuple):
    """The files that are read.

    Attributes:
        sources: They, in order.
        not_read: The display names of files and folders in a folder that are skipped.
    """

    sources: list[Source]
    not_read: tuple[str, ...]


def files_to_read(sources: Iterable[Source]) -> FilesToRead:
    """Add results in folders under other names, such as Fireworks' `error-data`, and name the skipped files.

    A batch object (`batch_….json`) and the manifest of a campaign show where results belong: they are neither lines nor skipped.

    Args:
        sources: What `expand` returned.
    """
    given = list(sources)
    kept: list[Source] = []
    not_read: list[str] = []
    for source in given:
        place = source.place
        if len(given) == 1 or place is None or not _is_known(place):
            kept.append(replace(source, passed_over=()))
        for other in source.passed_over:
            found = replace(Source.at(other), found=True)
            if not found.is_again:  # a pipe would wait for who writes to it
                not_read.append(found.name)
            elif _holds_results(found):
                kept.append(found)
            elif not _is_known(other):
                not_read.append(found.name)
    return FilesToRead(kept, tuple(not_read))


def requests_to_read(sources: Iterable[Source]) -> FilesToRead:
    """Leave out the results that were found in folders or by globs, and name them.

    Args:
        sources: What `expand` returned.

    Raises:
        MismatchError: There are results only.
    """
    found = files_to_read(sources)
    kept: list[Source] = []
    not_read = list(found.not_read)
    for source in found.sources:
        if source.found and _is_of_results(source):
            not_read.append(source.name)
        else:
            kept.append(source)
    if not kept:
        raise MismatchError(f"no file holds requests; {not_read_words(not_read)}")
    return FilesToRead(kept, tuple(not_read))


def files_of_a_kind(sources: Iterable[Source]) -> FilesToRead:
    """Add results in folders under other names to results; next to requests they are skipped and named.

    Args:
        sources: What `expand` returned: requests, or else results.
    """
    given = list(sources)
    found = files_to_read(given)
    known = {source.key for source in given}
    others = [source for source in found.sources if source.key not in known]
    if not others or all(_is_of_results(source) for source in given if source.key is not None):
        return found
    kept = [source for source in found.sources if source.key in known]
    return FilesToRead(kept, (*found.not_read, *(source.name for source in others)))


def _is_of_results(source: Source) -> bool:
    try:
        return classify(source) == "results"
    except DataError:
        return False


def not_read_words(names: Sequence[str]) -> str:
    """Return which files and folders are skipped."""
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return f"not read: {', '.join(names[:NAMES_SHOWN])}{more}"


def _holds_results(source: Source) -> bool:
    """Return whether the first line of a file is a result."""
    try:
        with source.open() as stream:
            head = b""
            while len(head) < HEAD and (chunk := stream.read(HEAD)):
                head += chunk
                if b"\n" in head.lstrip():
                    break
    except (BatchFilesError, OSError):
        return False
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]
    try:
        line = loads(first)
    except InvalidLineError:
        found = TELLING_BEGINNING.match(first)
        return len(first) >= HEAD and found is not None and found[2] is not None
    return line_format_of(line) == "output" and ("custom_id" in line or "response" in line) and not is_batch_object(line)


def _is_known(place: Place) -> bool:
    """Return whether a file is a batch object, or one that this package keeps in a folder."""
    if place.name in OWN:
        return True
    if not place.name.endswith(".json"):
        return False
    try:
        text = small_file(place)
    except (BatchFilesError, OSError):
        return False
    objects = json_objects(text) if len(text) <= JSON_BYTES else []
    if place.name == MANIFEST:
        return len(objects) == 1 and objects[0].get("format") == FORMAT
    return bool(objects) and all(is_batch_object(each) or each.get("object") == "file" for each in objects)


def not_read_fields(names: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a report for what was skipped in the given folders."""
    examples = {"not_read": tuple(names[:EXAMPLES])} if names else {}
    return {"not_read": len(names), "examples": examples}
