"""The output of a retry: one file, or one for each part of a campaign; each of its ids must mean one request."""

from __future__ import annotations

import errno
import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from batchfiles.campaign import MANIFEST, RESULT_NAME, Manifest, Part, read_manifest, stem_of, write_manifest
from batchfiles.errors import DuplicateCustomIdError, FileError, MismatchError
from batchfiles.ids.index import Index, IndexBuilder, IndexEntries, LineRef
from batchfiles.inputs.local import LocalFile, Named, OpenFiles
from batchfiles.io.remote_path import Place
from batchfiles.io.target import STDOUT, Target
from batchfiles.io.temporary import Spool
from batchfiles.jobs.join.lookup import fetch
from batchfiles.jobs.retry.report import RetryFile
from batchfiles.jobs.retry.units import EarlierRetry, are_in, last_name
from batchfiles.outcome import id_in
from batchfiles.writing import CopyWriter

CHUNK = 1024 * 1024


class RetryTargets:
    """Keeps lines in temporary files, and writes the output when all of them are valid.

    Args:
        output: A file, standard output, or the local folder of the request files.
        by_part: Whether the output is this folder.
        inputs: The request files, by number.
        earlier: Earlier retry files that a manifest must name too.
        results: The display names of the result files.
        spool: Where lines are kept.
        overwrite: Replace existing files, and send requests again that may be in progress.
    """

    def __init__(
        self,
        output: Target,
        inputs: Sequence[LocalFile],
        earlier: Sequence[EarlierRetry],
        results: Sequence[str],
        spool: Spool,
        *,
        by_part: bool,
        overwrite: bool,
    ) -> None:
        self._output = output
        self._by_part = by_part
        self._inputs = inputs
        self._earlier = earlier
        self._results = results
        self._spool = spool
        self._overwrite = overwrite
        self._waiting: dict[int, Path] = {}  # closed files: there may be thousands
        self._requests: dict[int, int] = {}
        self._digests: dict[str, str] = {}
        if not by_part:
            output.check(overwrite=overwrite)
            return
        for file in inputs:
            if file.original is None or file.original.parent != output.key:
                raise MismatchError(_not_in(Path(output.name)), path=file.name)

    def close(self) -> None:
        """Remove the temporary files."""
        while self._waiting:
            self._waiting.popitem()[1].unlink(missing_ok=True)

    def clear(self) -> None:
        """Discard all lines, to start again."""
        self.close()
        self._requests.clear()

    def add(self, file: int, text: bytes, requests: int) -> None:
        """Add lines of a request file."""
        if not requests:
            return
        if file not in self._waiting:
            self._waiting[file] = self._spool.new_path("retry.jsonl")
        with self._waiting[file].open("ab") as waiting:
            waiting.write(text)
        self._requests[file] = self._requests.get(file, 0) + requests

    def write(self, lines: Mapping[int, int], *, changed: bool) -> list[RetryFile]:
        """Write the files, and name them in the manifest of their campaign.

        Args:
            lines: How many requests each request file has.
            changed: Whether lines were changed: then only a manifest records which lines they repeat.

        Raises:
            OutputExistsError: A file exists and `overwrite` was not given.
            MismatchError: Requests of a part were sent again before, and no result of them is among the files.
            FileError: A file can't be written.
        """
        if not self._by_part:
            origins = [self._inputs[number] for number in sorted(self._requests)]
            written = [self._write(sorted(self._waiting), self._output, sum(self._requests.values()), origins)]
            self._register_file(written, origins, lines, changed=changed)
            return written
        folder = Path(str(self._output.place))
        manifest = read_manifest(folder) or self._new_manifest(folder)
        if not self._overwrite:
            self._refuse_while_on_its_way(manifest)
        before = Counter(name for part in manifest.parts for name in set(part.retry_of))
        before.update(name for each in self._earlier for name in self._names(each.retry_of))
        written = []
        for number in sorted(self._waiting):
            input_file = self._inputs[number]
            name = last_name(input_file)
            path = folder / _retry_name(name, before[name], folder)
            written.append(self._write([number], Target.at(path, folder=False), self._requests[number], [input_file]))
        if written:
            self._register(folder, self._complete(manifest, lines), written)
        return written

    def _register_file(
        self, written: Sequence[RetryFile], origins: Sequence[LocalFile], lines: Mapping[int, int], *, changed: bool
    ) -> None:
        """Add a single file to the manifest, if it is in the campaign whose parts it repeats, or if nothing else records it.

        Unchanged lines are found by their bytes. Changed ones are not, so the folder gets a manifest.
        """
        if self._output.key is None or not origins:
            return
        folder = self._output.key.parent
        manifest = read_manifest(folder)
        are_in_folder = isinstance(folder, Path) and are_in(folder, self._inputs)
        if manifest is None:
            if not changed or not are_in_folder or (folder / MANIFEST).is_file():
                return
            manifest = Manifest()
        known = {folder / part.file for part in manifest.parts}
        if changed and are_in_folder:
            manifest = self._complete(manifest, lines)
        elif not known.issuperset(file.original for file in origins):
            return
        self._register(folder, manifest, written)

    def _write(self, keys: Sequence[int], target: Target, requests: int, origins: Sequence[LocalFile]) -> RetryFile:
        """Write the lines of some request files to one file."""
        digest = hashlib.sha256()
        with CopyWriter(target, overwrite=self._overwrite, temp_dir=self._spool.path) as writer:
            for key in keys:
                with self._waiting[key].open("rb") as file:
                    while text := file.read(CHUNK):
                        digest.update(text)
                        writer.write_lines(text, text.count(b"\n"))
            size = writer.bytes_written
        path = STDOUT if target.place is None else str(target.place)
        self._digests[path] = digest.hexdigest()
        return RetryFile(path=path, requests=requests, bytes=size, retry_of=tuple(file.name for file in origins))

    def _new_manifest(self, folder: Path) -> Manifest:
        """Return the manifest of a folder without one.

        Raises:
            FileError: The folder has a file with the manifest's name that belongs to another program.
        """
        if (folder / MANIFEST).exists():
            words = "belongs to another program, and retry files need a manifest with this name: name one file as output instead"
            raise FileError(words, path=str(folder / MANIFEST), number=errno.EEXIST)
        return Manifest()

    def _complete(self, manifest: Manifest, lines: Mapping[int, int]) -> Manifest:
        """Add the request files that a manifest does not name as parts, and earlier retry files with the parts they repeat."""
        names = {part.file for part in manifest.parts}
        missing = [(number, file) for number, file in enumerate(self._inputs) if last_name(file) not in names]
        parts = [_part_of(file, lines.get(number, 0)) for number, file in missing]
        parts += [_part_of(file, requests, self._names(retry_of)) for file, requests, retry_of in self._earlier]
        return replace(manifest, parts=(*manifest.parts, *parts))

    def _names(self, numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(last_name(self._inputs[number]) for number in numbers)

    def _register(self, folder: Place, manifest: Manifest, written: Sequence[RetryFile]) -> None:
        """Add the new files to the manifest, with the parts that they repeat."""
        names = {Path(file.path).name for file in written}
        parts = [part for part in manifest.parts if part.file not in names]
        parts += [
            Part(
                file=Path(file.path).name,
                requests=file.requests,
                bytes=file.bytes,
                sha256=self._digests[file.path],
                retry_of=tuple(Path(name).name for name in file.retry_of),
            )
            for file in written
        ]
        write_manifest(folder, replace(manifest, parts=tuple(parts)))

    def _refuse_while_on_its_way(self, manifest: Manifest) -> None:
        """Make sure that earlier retries have results."""
        stems = {match["stem"] for name in self._results if (match := RESULT_NAME.fullmatch(Path(name).name))}
        wanted = {last_name(self._inputs[number]) for number in self._waiting}
        for part in manifest.parts:
            if wanted.intersection(part.retry_of) and not stems.intersection({stem_of(part.file), *part.batches}):
                raise MismatchError(
                    f"{part.file} repeats requests of {', '.join(part.retry_of)}, and none of its results is among the files: "
                    "they may be in progress, and would be paid for twice; name them too, or use overwrite=True",
                    path=str(self._output),
                )


def _part_of(file: LocalFile, requests: int, retry_of: tuple[str, ...] = ()) -> Part:
    """Describe a request file as a part of a campaign."""
    digest = file.source.sha256().hex
    return Part(file=last_name(file), requests=requests, bytes=file.size, sha256=digest, retry_of=retry_of)


def _retry_name(part: str, before: int, folder: Path) -> str:
    """Number the retries of a part, of which there were some before."""
    stem = stem_of(part)
    number = 1 + before
    while before and (folder / f"{stem}-retry-{number}.jsonl").exists():
        number += 1
    return f"{stem}-retry-{number}.jsonl"


def _not_in(folder: Path) -> str:
    """Return the error for a request file that is not in the folder; the output may be meant as a file."""
    is_named_so = not folder.is_dir() and not folder.suffix
    meaning = ", which is a folder, because its name has no suffix" if is_named_so else ""
    example = f" such as {folder}.jsonl" if is_named_so else ""
    return (
        f"is not in {folder}{meaning}: a retry file must be in the folder of its request file, so that their results "
        f"are joined; name that folder, or a file{example}"
    )


class DuplicateCheck:
    """Collects where lines are, and then looks for ids that are not unique.

    Args:
        files: The request files, by number.
        spool: Where the indexes go.
        by_file: Whether ids must be unique in each request file only, because each has its own output.
        has_all: Whether all lines are added, and not only those that are written.
    """

    def __init__(self, files: Sequence[Named], spool: Spool, *, by_file: bool, has_all: bool) -> None:
        self._files = files
        self._by_file = by_file
        self._has_all = has_all
        self._written, self._all = (IndexBuilder(spool.new_path("lines.index")) for _ in range(2))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._written.close()
        self._all.close()

    def add(self, written: bytes, every: bytes) -> None:
        """Add packed entries of lines that are written, and of all lines.

        Raises:
            FileError: They can't be written.
        """
        self._written.add(IndexEntries.from_bytes(written))
        self._all.add(IndexEntries.from_bytes(every))

    def refuse(self) -> None:
        """Make sure that each id means one request.

        Raises:
            DuplicateCustomIdError: An id is not unique.
            FileError: A file can't be read, or the disk is full.
        """
        with self._written.finish() as written, self._all.finish() as every:
            self._compare(written, every if self._has_all else written)

    def _compare(self, written: Index, noted: Index) -> None:
        """Compare the written lines with those in which their ids must be unique."""
        with OpenFiles(self._files) as descriptors:

            def id_at(place: LineRef) -> str | None:
                line = fetch(descriptors[place.file], place, self._files[place.file].name)
                return id_in(line)

            for run in noted.repeated():
                wanted = {written.place(entry) for entry in written.run(noted.digests[run.start])}
                rivals: dict[int | None, list[LineRef]] = defaultdict(list)
                for place in sorted(map(noted.place, run)) if wanted else ():
                    rivals[place.file if self._by_file else None].append(place)
                for places in rivals.values():
                    for place in wanted.intersection(places) if len(places) > 1 else ():
                        custom_id = id_at(place)
                        # Lines are read until one has the same id: the second mostly has it, for digests are rarely shared.
                        duplicate = next((each for each in places if each != place and id_at(each) == custom_id), None)
                        if duplicate is not None:
                            raise self._duplicate_error(str(custom_id), sorted((place, duplicate)))

    def _duplicate_error(self, custom_id: str, places: Sequence[LineRef]) -> DuplicateCustomIdError:
        first, second = places
        paths = [self._files[place.file].name for place in (first, second)]
        where = f"line {first.line_number} of {paths[0]}" if paths[0] != paths[1] else f"line {first.line_number}"
        words = f"the custom_id {custom_id[:128]!r} is also on {where}, and one of the two must be sent again: "
        if first.file != second.file:
            words += (
                "its result could be taken for either; name the folder of the request files as output, and each gets its own file"
            )
        else:
            words += "no service takes an id twice, so give one of them another id first"
        return DuplicateCustomIdError(
            words,
            custom_id=custom_id,
            first_path=paths[0],
            first_line_number=first.line_number,
            path=paths[1],
            line_number=second.line_number,
        )
