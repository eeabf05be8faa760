"""The files next to each other in a folder: which are read, which are skipped and named, and which belong together.

If request files share ids, the request file of results is found by batch objects next to the results and by file names. A file
whose name or batch object fits two request files, or none, is not attributed: nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from batchfiles.campaign import FORMAT, MANIFEST, RESULT_NAME, stem_of
from batchfiles.codec import loads
from batchfiles.errors import BatchFilesError, DataError, InvalidLineError, MismatchError
from batchfiles.findings import EXAMPLES
from batchfiles.inputs.file_mistakes import FIRST_BYTES, first_line, is_found_table
from batchfiles.inputs.kinds import ROLE_BEGINNING, classify, line_format_of
from batchfiles.inputs.local import LocalFile, ResultFile
from batchfiles.io.remote_path import Place, files_in
from batchfiles.io.sources import Source
from batchfiles.io.texts import small_file

MOST_BYTES = 4 * 1024 * 1024
"""A JSON file of more bytes is not read: a batch object has about one kilobyte."""


SHA256 = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{64}(?![0-9A-Za-z])")

RESULT_WORDS = r"(?:outputs?|errors?|results?|responses?|answers?|out|err)"
REQUEST_WORDS = r"(?:requests?|inputs?|batch[_-]?inputs?|batch[_-]?requests?|in)"
SPACE = r"[ ._-]+"
AROUND_RESULT = re.compile(rf"(?:{RESULT_WORDS}{SPACE})?(?P<core>.+?)(?:{SPACE}{RESULT_WORDS}){{0,2}}", re.IGNORECASE)
AROUND_REQUEST = re.compile(rf"(?:{REQUEST_WORDS}{SPACE})?(?P<core>.+?)(?:{SPACE}{REQUEST_WORDS})?", re.IGNORECASE)
ROLE_WORD = re.compile(rf"(?:{RESULT_WORDS}|{REQUEST_WORDS}|batch)", re.IGNORECASE)

BATCH_IN_NAME = re.compile(rf"(?:^|{SPACE})batch[_-][A-Za-z0-9-]{{8,}}(?={SPACE}|$)")
"""The id of a batch in a name such as `monday_batch_abc12345_output`."""

ELSEWHERE = -1
"""The number of a request file that is not among those that are read, or has other bytes than it had."""


class _Batch(NamedTuple):
    """The facts of a batch object.

    Attributes:
        stem: The name of the file that it is in, without its suffix.
        folder: The folder of this file.
        ids: The ids of the batch and of its result files.
        input_id: The id of its request file at the service.
        words: The values of its metadata.
    """

    stem: str
    folder: Place
    ids: tuple[str, ...]
    input_id: str | None
    words: tuple[str, ...]


def attributed(inputs: Sequence[LocalFile], results: Sequence[LocalFile], files: Sequence[ResultFile]) -> list[ResultFile]:
    """Attribute the result files that belong to no request file yet.

    Args:
        inputs: The request files.
        results: The result files.
        files: The same, with the request files that are known.

    Returns:
        The result files; those without evidence are unchanged.
    """
    evidence = _Evidence(inputs, results)
    found = []
    for file, known in zip(results, files, strict=True):
        number = known.part if known.part is not None else evidence.part_of(file)
        found.append(known if number is None else known._replace(part=number))
    return found


class _Evidence:
    """The evidence of names and batch objects for some request files."""

    def __init__(self, inputs: Sequence[LocalFile], results: Sequence[LocalFile]) -> None:
        self._inputs = inputs
        self._results = results
        self._paths = {number: file.original for number, file in enumerate(inputs) if file.original is not None}

    def part_of(self, file: LocalFile) -> int | None:
        """Return the number of the request file that the results of a file belong to; None without evidence."""
        if file.original is None:
            return None
        named = self._by_name(file.original)
        batch = self._batch_of(file.original)
        if batch is not None:
            number = self._part_of_batch(batch)
            if number is not None:
                return None if number == ELSEWHERE else number
        batch = self._only_batch_near(file.original) if batch is None else None
        if batch is not None:
            number = self._part_of_batch(batch)
            if number is not None:
                return number if number != ELSEWHERE and named in (None, number) else None
        return self._by_folder(file.original) if named is None else named

    # The batch object

    @cached_property
    def _batches(self) -> list[_Batch]:
        folders = dict.fromkeys(file.original.parent for file in (*self._results, *self._inputs) if file.original is not None)
        return [batch for folder in folders for batch in _batches_in(folder)]

    def _batch_of(self, path: Place) -> _Batch | None:
        """Return the batch whose results are in a file, by its name."""
        name = path.name
        named = [batch for batch in self._batches if any(_is_in(each, name) for each in batch.ids)]
        if not named:
            stem = _core(AROUND_RESULT, stem_of(name))
            named = [batch for batch in self._batches if batch.folder == path.parent and batch.stem in (stem, f"{stem}_batch")]
        return _only(named)

    def _only_batch_near(self, path: Place) -> _Batch | None:
        """Return the only batch of the folder of a file, if the results of the folder can be those of one batch."""
        if BATCH_IN_NAME.search(stem_of(path.name)) or not self._is_alone(path):
            return None
        return _only([batch for batch in self._batches if batch.folder == path.parent])

    def _is_alone(self, path: Place) -> bool:
        """Return whether the results of a folder can be those of one batch: one output file and one error file."""
        names = [
            file.original.name for file in self._results if file.original is not None and file.original.parent == path.parent
        ]
        cores = {_core(AROUND_RESULT, stem_of(name)) for name in names}
        if len(cores) > 1 and not all(map(ROLE_WORD.fullmatch, cores)):
            return False  # `monday_output` and `tuesday_error` are of two batches
        errors = sum("err" in name.lower() for name in names)
        return errors <= 1 and len(names) - errors <= 1

    def _part_of_batch(self, batch: _Batch) -> int | None:
        prints = [text.lower() for word in batch.words for text in SHA256.findall(word)]
        if prints:
            found = [number for number, print_ in self._fingerprints.items() if print_ in prints]
            # Two copies of a file have the same requests: their lines are one request each, and the first has the rows.
            return found[0] if found else ELSEWHERE
        if batch.input_id is not None:
            names = {name for file_id, name in self._uploads if file_id == batch.input_id}
            found = [
                number
                for number, path in self._paths.items()
                if _is_in(batch.input_id, path.name) or (len(names) == 1 and path.name in names)
            ]
            if len(found) == 1:
                return found[0]
        words = {Path(word.strip()).name for word in batch.words}
        found = [number for number, path in self._paths.items() if path.name in words]
        if not found:
            found = [number for number, path in self._paths.items() if stem_of(path.name) in words]
        if not found:
            stems = {batch.stem, batch.stem.removesuffix("_batch").removesuffix("-batch").removesuffix(".batch")}
            found = [number for number, path in self._paths.items() if stem_of(path.name) in stems]
        return found[0] if len(found) == 1 else None

    @cached_property
    def _fingerprints(self) -> dict[int, str]:
        """The fingerprints of the request files, uncompressed."""
        return {number: file.source.sha256().hex for number, file in enumerate(self._inputs)}

    @cached_property
    def _uploads(self) -> list[tuple[str, str]]:
        """The ids of uploaded files and their names, from the file objects in the folder."""
        folders = dict.fromkeys(file.original.parent for file in (*self._results, *self._inputs) if file.original is not None)
        return [
            (value["id"], value["filename"])
            for folder in folders
            for _, value in _objects_in(folder)
            if value.get("object") == "file" and isinstance(value.get("id"), str) and isinstance(value.get("filename"), str)
        ]

    # Names

    def _by_name(self, path: Place) -> int | None:
        """Return the request file that a result file is called after."""
        stem = BATCH_IN_NAME.sub("", stem_of(path.name)).strip(" ._-")
        core = _core(AROUND_RESULT, stem)
        # Numbers alone prove nothing: results are often numbered in the order in which they were fetched.
        if not core or (core.isdigit() and not RESULT_NAME.fullmatch(path.name)):
            return None
        for name_of in (_exactly, _request_core):
            if name_of is _request_core and (core.isdigit() or ROLE_WORD.fullmatch(core)):
                return None
            by_name: dict[str, list[int]] = defaultdict(list)
            for number, each in self._paths.items():
                by_name[name_of(stem_of(each.name))].append(number)
            found = by_name.get(core, [])
            nearby = [number for number in found if self._paths[number].parent == path.parent]
            if len(found) > 1 and len(nearby) == 1:
                found = nearby
            if found:
                return found[0] if len(found) == 1 else None
        return None

    def _by_folder(self, path: Place) -> int | None:
        """Return the only request file of the folder, if each folder has one and its results."""
        if len(self._paths) < len(self._inputs) or any(file.original is None for file in self._results):
            return None
        by_folder = {each.parent: number for number, each in self._paths.items()}
        folders = {file.original.parent for file in self._results if file.original is not None}
        if len(by_folder) < len(self._inputs) or folders != set(by_folder):
            return None
        return by_folder[path.parent]


def _only(batches: list[_Batch]) -> _Batch | None:
    return batches[0] if len({batch.ids[:1] for batch in batches}) == 1 else None


def _exactly(stem: str) -> str:
    return stem


def _request_core(stem: str) -> str:
    return _core(AROUND_REQUEST, stem)


def _core(pattern: re.Pattern[str], stem: str) -> str:
    """Return a stem without the words for requests or results around it."""
    match = pattern.fullmatch(stem)
    return match["core"] if match else stem


def _is_in(identifier: str, name: str) -> bool:
    """Return whether an id is in a name, and not only as part of a longer one."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(identifier)}(?![A-Za-z0-9])", name) is not None


def _batches_in(folder: Place) -> Iterator[_Batch]:
    for stem, value in _objects_in(folder):
        if is_batch_object(value):
            ids = [value.get(key) for key in ("id", "output_file_id", "error_file_id", "output_file", "error_file")]
            metadata = value.get("metadata")
            inputs = value.get("input_file_id") or next(iter(value.get("input_files") or ()), None)
            yield _Batch(
                stem,
                folder,
                tuple(each for each in ids if isinstance(each, str) and each),
                inputs if isinstance(inputs, str) else None,
                tuple(word for word in metadata.values() if isinstance(word, str)) if isinstance(metadata, dict) else (),
            )


def is_batch_object(value: dict[str, Any]) -> bool:
    """Return whether a JSON object is a batch, as the service returns it."""
    if value.get("object") == "batch":
        return True
    return isinstance(value.get("id"), str) and "status" in value and ("input_file_id" in value or "input_files" in value)


def _objects_in(folder: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the JSON objects of a folder's small JSON files, each with the stem of its file."""
    with suppress(OSError, BatchFilesError):
        for path, size, *_ in files_in(folder):
            if path.name.endswith(".json") and size <= MOST_BYTES:
                yield from ((path.name.removesuffix(".json"), value) for value in json_objects(small_file(path)))


def json_objects(text: bytes) -> list[dict[str, Any]]:
    """Return the objects in a JSON text: itself, the items of a list or of a page of a list, or one a line."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            return []
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


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
    A table of `join` in JSONL is skipped like one in another format.

    Args:
        sources: What `expand` returned.
    """
    given = list(sources)
    kept: list[Source] = []
    not_read: list[str] = []
    for source in given:
        place = source.place
        if source.found and is_found_table(source):
            not_read.append(source.name)
        elif len(given) == 1 or place is None or not _is_known(place):
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
    first = first_line(source)
    try:
        line = loads(first)
    except InvalidLineError:
        found = ROLE_BEGINNING.match(first)
        return len(first) >= FIRST_BYTES and found is not None and found[2] is not None
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
