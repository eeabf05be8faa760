"""Which files are requests and which are results, where their plain bytes are, and which results belong to which requests.

Names and the manifests of campaigns show which request file the results in a file belong to.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from batchfiles.campaign import BATCH_ID, RESULT_NAME, Campaigns, Part, stem_of
from batchfiles.errors import BatchFilesError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.folders import ELSEWHERE, attributed, files_to_read
from batchfiles.inputs.kinds import FileRole, classify, paired_as
from batchfiles.inputs.local import LocalFile, ResultFile, attempts, changed_parts, check_campaigns, copied
from batchfiles.io.filesystems import shown_name
from batchfiles.io.remote_path import Place, RemotePath
from batchfiles.io.sources import Source, SourceLike, expand
from batchfiles.io.temporary import Spool
from batchfiles.limits import LINE_CAP


class BatchParts:
    """The request files of a join, and which of them results belong to.

    Args:
        inputs: The request files, by number.
        campaigns: What is known of the folders of the files.

    Raises:
        DataError: A manifest is damaged.
        FileError: A manifest can't be read.
    """

    def __init__(self, inputs: Sequence[LocalFile], campaigns: Campaigns | None = None) -> None:
        self._campaigns = campaigns or Campaigns()
        self._several = len(inputs) > 1
        self._paths = paths = {number: file.original for number, file in enumerate(inputs) if file.original is not None}
        self._by_path = {path: number for number, path in paths.items()}
        self._by_stem = {path.with_name(stem_of(path.name)): number for number, path in paths.items()}
        self.own_batches = frozenset(number for number, path in paths.items() if self._campaigns.part_of(path) is not None)
        """The numbers of those that a manifest names: each is its own batch, with any ids in the others."""
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
        part = self._campaigns.part_of(file.original) if file.original is not None else None
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

    def origins(self, path: Place) -> tuple[Place, ...]:
        """Return the request files that a part of a campaign repeats; nothing where it repeats none."""
        part, campaign = self._campaigns.part_of(path), self._campaigns.of(path.parent)
        if part is None or campaign is None or not part.retry_of:
            return ()
        return tuple(path.parent / name for name in campaign.origins(part))

    def _number_in_campaign(self, folder: Place, part: Part) -> int | None:
        """Return the number of the request file whose requests a part holds; None where any may be meant."""
        campaign = self._campaigns.of(folder)
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


def without_repeats(
    inputs: Iterable[LocalFile], campaigns: Campaigns | None = None
) -> tuple[tuple[LocalFile, ...], tuple[LocalFile, ...]]:
    """Separate request files from those that only repeat requests of theirs, by the manifest of their campaign.

    Raises:
        DataError: A manifest is damaged.
        FileError: A manifest can't be read.
    """
    files = tuple(inputs)
    known = BatchParts(files, campaigns)
    paths = {file.original for file in files}
    kept: list[LocalFile] = []
    repeating: list[LocalFile] = []
    for file in files:
        origins = known.origins(file.original) if file.original is not None else ()
        (repeating if origins and paths.issuperset(origins) else kept).append(file)
    return tuple(kept), tuple(repeating)


PathLike: TypeAlias = "str | os.PathLike[str] | Source | RemotePath"
Pairs: TypeAlias = "Mapping[Any, PathLike | Iterable[PathLike]] | Iterable[tuple[PathLike, PathLike | Iterable[PathLike]]]"
"""Request files, each with the results that belong to it."""


@dataclass(frozen=True)
class FileRoles:
    """Files by what they hold.

    Attributes:
        inputs: Request files, in the order given.
        results: Output files and error files, in the order given.
        empty: Files without a line that shows what they hold.
        retries: Request files that only repeat requests of the inputs: by the manifest of their campaign.
        not_read: The display names of files and folders in the given folders that are skipped.
        pairs: The request file that a pair names for a result file, by their indexes.
        findings: Which of the request files differ from the manifest of their campaign.
        campaigns: The manifests of their folders.
    """

    inputs: tuple[LocalFile, ...]
    results: tuple[LocalFile, ...]
    empty: tuple[LocalFile, ...]
    retries: tuple[LocalFile, ...] = ()
    not_read: tuple[str, ...] = ()
    pairs: Mapping[Place, Place] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    campaigns: Campaigns = field(default_factory=Campaigns)

    @cached_property
    def parts(self) -> BatchParts:
        """Which results belong to which input file."""
        return BatchParts(self.inputs, self.campaigns)

    def result_files(self) -> list[ResultFile]:
        """Return the result files with their batch, and with the number of the input file to which they belong.

        `part-1_output.jsonl` belongs to `part-1.jsonl` where there are several input files: a `custom_id` is unique within its
        batch and not in the world. In a campaign folder the manifest names the part of each batch's results. A
        pair has priority over both.
        """
        found = (
            self.parts.result_file(file, named=self.pairs.get(file.original) if file.original is not None else None)
            for file in self.results
        )
        order = attempts(self.results, self.campaigns)
        return [file._replace(attempt=attempt) for file, attempt in zip(found, order, strict=True)]

    def names(self) -> dict[str, list[str]]:
        """Return the display names by role, for a table's metadata."""
        return {"inputs": [file.name for file in self.inputs], "results": [file.name for file in self.results]}

    def described(self) -> tuple[dict[str, Any], ...]:
        """Return the files for a report."""
        roles = (("inputs", self.inputs), ("results", self.results), ("empty", self.empty), ("retries", self.retries))
        return tuple({"path": file.name, "role": role, "bytes": file.size} for role, files in roles for file in files)


def sort_files(
    files: Iterable[SourceLike],
    inputs: Iterable[SourceLike],
    spool: Spool,
    *,
    results_only: bool = False,
    pairs: Pairs = (),
    filesystem: object = None,
    max_line_bytes: int = LINE_CAP,
    campaigns: Campaigns | None = None,
) -> FileRoles:
    """Sort files by what their lines are.

    Args:
        files: Files, folders and globs of either kind; only results if `inputs` are given.
        inputs: Files that must be requests.
        spool: Where copies of compressed files and streams go.
        results_only: Whether requests are out of place, as in an export.
        pairs: Request files, each with the results that belong to it; they are read whether `files` names them or not.
        filesystem: The filesystem in which paths are paths; None takes the local one.
        max_line_bytes: The longest line that the job reads, in bytes.
        campaigns: Known manifests.

    Raises:
        MismatchError: A file is of the other kind than it must be, or of another service's format; nothing was read but first
            lines.
        FileError: A file can't be read, or the disk has no room for a copy.
        TruncatedFileError: A compressed file is damaged.
        TypeError: `inputs` is a single path.
        ValueError: Standard input is named twice, or a file of results is paired with two request files.
    """
    if isinstance(inputs, (str, os.PathLike)):
        raise TypeError(f"inputs are a list of files, and this is a single one: [{shown_name(os.fspath(inputs))!r}]")
    paired = paired_sources(pairs, filesystem)
    given = [*files, *(source for pair in paired for source in (pair.requests, *pair.results))]
    (forced, unread), (found, passed_over) = (
        files_to_read(expand(sources, filesystem=filesystem)) for sources in (inputs, given)
    )
    campaigns = campaigns or Campaigns()
    named = {source.key for source in forced} - {None}
    asking = {pair.requests.key for pair in paired}
    answering = {source.key: pair.requests.key for pair in paired for source in pair.results}
    sorted_: dict[str, list[LocalFile]] = {"inputs": [], "results": [], "empty": []}
    for source in forced:
        file, kind = _local(source, campaigns, spool, "inputs", max_line_bytes)
        if kind == "results":
            raise MismatchError("holds results, and was given as requests", path=source.name, role="input")
        sorted_["inputs"].append(file)
    for source in found:
        if source.key in named:
            continue  # a folder may hold the input that was named
        is_asking, is_answering = source.key in asking, source.key in answering
        known: FileRole | None = (
            "inputs" if is_asking else "results" if results_only or forced or is_answering else _by_name(source)
        )
        file, kind = _local(source, campaigns, spool, known, max_line_bytes)
        if kind == "results" and is_asking:
            raise MismatchError(paired_as("results"), path=source.name, role="input")
        if kind == "inputs" and is_answering:
            raise MismatchError(paired_as("inputs"), path=source.name, role="output")
        if kind == "inputs" and results_only:
            raise MismatchError("holds requests, and results were expected: `join` takes both", path=source.name, role="output")
        if kind == "inputs" and forced and not is_asking:
            raise MismatchError(
                "holds requests, and was given as results: name it as an input too", path=source.name, role="output"
            )
        sorted_[kind].append(file)
    requests, retries = without_repeats(sorted_["inputs"], campaigns)
    originals = ((file.original, file.source) for file in (*requests, *retries))
    return FileRoles(
        requests,
        tuple(sorted_["results"]),
        tuple(sorted_["empty"]),
        retries,
        not_read=(*unread, *passed_over),
        pairs={_place(source, campaigns): _place(pair.requests, campaigns) for pair in paired for source in pair.results},
        findings=tuple(changed_parts(originals, campaigns)),
        campaigns=campaigns,
    )


class _Pair(NamedTuple):
    requests: Source
    results: list[Source]


def paired_sources(pairs: Pairs, filesystem: object = None) -> list[_Pair]:
    """Expand the files of pairs.

    Raises:
        FileError: A file is not there.
        TypeError: A pair is not a pair, or has open files.
        ValueError: The requests of a pair are several files, or a file of results is in the pairs of two request files.
    """
    found: list[_Pair] = []
    known: dict[Hashable, Source] = {}
    for requests, results in pairs.items() if isinstance(pairs, Mapping) else pairs:
        asking = expand([requests], filesystem=filesystem)
        listed = [results] if isinstance(results, (str, os.PathLike, Source, RemotePath)) else list(results)
        answering = [replace(each, passed_over=()) for each in expand(listed, filesystem=filesystem)]
        if any(each.key is None for each in (*asking, *answering)):
            raise TypeError("a pair is of files with names: standard input and open files have none")
        if len(asking) != 1:
            raise ValueError(f"the requests of a pair are one file, and {requests} means {len(asking)}")
        answering = [each for each in answering if each.key != asking[0].key]
        for each in answering:
            if known.setdefault(each.key, asking[0]).key != asking[0].key:
                raise ValueError(f"{each.name} is paired with {known[each.key].name} and with {asking[0].name}")
        found.append(_Pair(replace(asking[0], passed_over=()), answering))
    return found


class PairedFiles(NamedTuple):
    """Files that are read one after the other, with their pairs.

    Attributes:
        sources: They, those of the pairs last unless they were named before.
        not_read: What is skipped in folders.
        file_roles: What the files of the pairs must be, by their keys.
        requests: The display names of the request files, by the keys of their results.
        campaigns: Known manifests.
    """

    sources: list[Source]
    not_read: tuple[str, ...]
    file_roles: Mapping[Hashable, FileRole]
    requests: Mapping[Hashable, str]
    campaigns: Campaigns


def files_and_pairs(
    sources: Iterable[SourceLike], pairs: Pairs, filesystem: object = None, *, results_only: bool = False
) -> PairedFiles:
    """Expand the files of a command that reads each once.

    Args:
        sources: Files, folders and globs.
        pairs: Request files, each with the results that belong to it.
        filesystem: The filesystem in which paths are paths; None takes the local one.
        results_only: Whether requests are skipped, so that the parts of a campaign may be missing.

    Raises:
        FileError: A file, or a part of a campaign, is not there.
        TypeError: A pair is not a pair, or an argument is not a source.
        ValueError: A pair contradicts another, or standard input is named twice.
    """
    paired = paired_sources(pairs, filesystem)
    given = [*sources, *(source for pair in paired for source in (pair.requests, *pair.results))]
    expanded, campaigns = expand(given, filesystem=filesystem), Campaigns()
    if not results_only:
        check_campaigns(expanded, campaigns)
    files, not_read = files_to_read(expanded)
    file_roles: dict[Hashable, FileRole] = {pair.requests.key: "inputs" for pair in paired}
    file_roles |= {source.key: "results" for pair in paired for source in pair.results}
    requests: dict[Hashable, str] = {source.key: pair.requests.name for pair in paired for source in pair.results}
    return PairedFiles(files, not_read, file_roles, requests, campaigns)


class ReadAgain(NamedTuple):
    """Files that can be read twice, unlike standard input and pipes, by what they hold.

    Attributes:
        requests: Request files, except those that only repeat requests of these; only their places are known.
        retries: These.
        results: Output files and error files.
        parts: Which results belong to which request file.
    """

    requests: tuple[LocalFile, ...]
    retries: tuple[LocalFile, ...]
    results: tuple[LocalFile, ...]
    parts: BatchParts


def read_again(files: PairedFiles) -> ReadAgain:
    """Look what files hold that are read one after the other; no file is copied.

    Raises:
        DataError: A manifest is damaged.
        FileError: A manifest can't be read.
    """
    file_roles = [(source, _role(source, files.file_roles.get(source.key))) for source in files.sources if source.is_again]
    found: dict[FileRole | None, list[LocalFile]] = defaultdict(list)
    for source, role in file_roles:
        found[role].append(LocalFile(source.name, _place(source, files.campaigns), Path(source.name), 0, 0))
    kept, retries = without_repeats(found["inputs"], files.campaigns)
    return ReadAgain(kept, retries, tuple(found["results"]), BatchParts(kept, files.campaigns))


def requests_of_results(files: PairedFiles) -> tuple[Mapping[str, str], Callable[[str, str], bool]]:
    """Find the request files of result files among files that are read one after the other.

    Returns:
        The display names of request files, by those of their results; and a predicate: do equal lines in two request
        files make different requests, by a manifest? Standard input and open files belong to nothing, and nothing to them.
    """
    known = {source.name: name for source in files.sources if (name := files.requests.get(source.key)) is not None}
    found = read_again(files)
    if not (found.requests + found.retries)[1:]:
        return known, lambda _one, _other: False
    results = [file for file in found.results if file.name not in known]
    named = list(map(found.parts.result_file, results))
    with Spool() as spool:
        if any(file.part is None for file in named):
            requests = copied(found.requests, files.sources, spool)
            if requests is None:
                return known, lambda _one, _other: False
            named = attributed(requests, results, named)
    for file in named:
        if file.part is not None and file.part >= 0:
            known[file.name] = found.requests[file.part].name
    numbers = {file.name: number for number, file in enumerate(found.requests)}

    def are_apart(one: str, other: str) -> bool:
        return one in numbers and other in numbers and found.parts.are_apart(numbers[one], numbers[other])

    return known, are_apart


def _role(source: Source, known: FileRole | None) -> FileRole | None:
    """Return what a file is; None where reading it will raise the error."""
    if known is not None:
        return known
    try:
        return classify(source, otherwise=_by_name(source))
    except BatchFilesError:
        return None


def _place(source: Source, campaigns: Campaigns) -> Place:
    return cast("Place", campaigns.place_of(source))  # pairs are of files with names


def _by_name(source: Source) -> FileRole | None:
    """Recognize results by a download's name, where nothing in the file shows what it is."""
    return "results" if RESULT_NAME.fullmatch(Path(source.name).name) else None


def _local(
    source: Source, campaigns: Campaigns, spool: Spool, otherwise: FileRole | None, max_line_bytes: int
) -> tuple[LocalFile, FileRole]:
    path = spool.local(source)
    file = LocalFile.of(source.name, campaigns.place_of(source), path)
    return file, classify(Source(source.name, path=path), otherwise=otherwise, max_line_bytes=max_line_bytes)
