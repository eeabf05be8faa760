"""The parts of a campaign: a request file and all that came back for it.

Ids are unique within a batch, so each part is joined by itself: in its turn on one machine, or on any machine of a cluster.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from batchfiles.campaign import Campaign, Campaigns, Manifest, Part, campaign_of, stem_of
from batchfiles.errors import FileError, MismatchError
from batchfiles.io.filesystems import parse_url
from batchfiles.io.remote_path import FoundFile, Place, RemotePath, file_error, files_in, located, real_path
from batchfiles.io.sources import Source, is_batch_file
from batchfiles.io.threads import Progress
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.summary import Displayed

if TYPE_CHECKING:
    from batchfiles.jobs.join.lazy_join import Join, JoinOptions
    from batchfiles.table.parsed_schema import SchemaLike
    from batchfiles.table.read import TableLike
    from batchfiles.table.rows import TableName

SOLUTIONS = (
    "name results after their request file or the id of its batch (part-1_output.jsonl, batch_abc_output.jsonl), as `batchfiles "
    "download` does, or join the files on one machine with pairs={requests: results}"
)


@dataclass(frozen=True, slots=True, repr=False)
class CampaignFile(Displayed):
    """A file of a campaign as it was when the campaign was listed.

    Attributes:
        path: Its path or URL, by which it can be opened on another machine too. A URL keeps the options of the campaign's URL.
        bytes: Its size as stored, in bytes.
        modified: When it was last written to, in nanoseconds since 1970; None if the service does not report it.
    """

    path: str
    bytes: int
    modified: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the file as JSON values; the time is a string of digits."""
        return {"path": self.path, "bytes": self.bytes, "modified": None if self.modified is None else str(self.modified)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CampaignFile:
        """Return the file that `to_dict` gave."""
        modified = values["modified"]
        return cls(values["path"], values["bytes"], None if modified is None else int(modified))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CampaignPart(Displayed):
    """A part of a campaign: the request file of a batch, and everything that came back for it.

    Parts that are connected by retries are one. A part can be pickled, and `to_dict` makes JSON of it, so that a cluster can
    give it to any of its machines; `join` there needs only its files.

    Attributes:
        name: The name of its first request file without the suffix, or with it if another part had the same name; no other
            part of the campaign has it.
        folder: The path or URL of the campaign.
        requests: The request files.
        retries: Request files that repeat some of these requests; their results are among `results`.
        results: Output files and error files.
        manifest: The entries of the request files and retries in the manifest.
    """

    name: str
    folder: str
    requests: tuple[CampaignFile, ...]
    retries: tuple[CampaignFile, ...] = ()
    results: tuple[CampaignFile, ...] = ()
    manifest: tuple[Part, ...] = ()

    @property
    def files(self) -> tuple[CampaignFile, ...]:
        """All files: request files, retries and results."""
        return (*self.requests, *self.retries, *self.results)

    @property
    def batches(self) -> tuple[str, ...]:
        """The ids of its batches."""
        return tuple(dict.fromkeys(batch for part in self.manifest for batch in part.batches))

    @property
    def bytes(self) -> int:
        """The size of all files as stored, in bytes."""
        return sum(file.bytes for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """Return the part as JSON values; times are strings of digits, because numbers in JavaScript have 53 bits."""
        values = {name: [file.to_dict() for file in getattr(self, name)] for name in ("requests", "retries", "results")}
        manifest = [part.to_dict() for part in self.manifest]
        return {"name": self.name, "folder": self.folder, **values, "manifest": manifest}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CampaignPart:
        """Return the part that `to_dict` gave.

        Raises:
            DataError: An entry of the manifest is not valid.
        """
        files = {name: tuple(map(CampaignFile.from_dict, values[name])) for name in ("requests", "retries", "results")}
        return cls(
            name=values["name"],
            folder=values["folder"],
            manifest=tuple(map(Part.from_dict, values["manifest"])),
            **files,
        )

    def join(
        self,
        *,
        on_duplicate: Literal["best", "error"] = "best",
        with_table: TableLike | None = None,
        id_template: str | None = None,
        with_prefix: str = "",
        csv_nulls: Sequence[str] | None = None,
        table: TableName | None = None,
        dimensions: int | None = None,
        bodies: Literal["auto", "all", "none"] = "auto",
        request_bodies: Literal["all", "none"] = "all",
        parsed: bool = False,
        schema: SchemaLike | None = None,
        parse_dates: bool = False,
        max_line_bytes: int = RESULT_LINE_CAP,
        temp_dir: str | os.PathLike[str] | None = None,
        filesystem: object = None,
        workers: int | None = 1,
        progress: Progress | bool | None = None,
    ) -> Join:
        """Join the results of this part to its requests, as `join` does for the whole campaign, which describes the options.

        Raises:
            FileError: A file has changed since the campaign was listed, is gone, or can't be read.
            BatchFilesError: As `join`.

        Example:
            >>> report = batchfiles.split("fixtures/chat_completions/requests.jsonl", output="campaign", max_requests=10)
            >>> [part.join().summarize().missing for part in batchfiles.parts("campaign")]
            [10, 6]
        """
        arguments = locals()
        from batchfiles.jobs.join.lazy_join import join_options  # which loads Arrow, and a list of parts needs none

        return open_part(self, join_options(arguments))


def open_part(
    part: CampaignPart,
    options: JoinOptions,
    *,
    sources: Sequence[Source] | None = None,
    make: Callable[..., Join] | None = None,
) -> Join:
    """Open the files of a part for a join.

    Args:
        part: The part.
        options: The options of `join`.
        sources: The files of the part under the names that the user knows; None opens them by their paths.
        make: Makes the object; None makes a `Join`.

    Raises:
        FileError: A file has changed since the campaign was listed, is gone, or can't be read.
        BatchFilesError: As `join`.
    """
    filesystem = options.get("filesystem")
    if sources is None:
        sources = [Source.named(file.path, filesystem=filesystem) for file in part.files]
    check_listed(part.files, sources)
    place = sources[0].place
    folder = located(part.folder, filesystem) if place is None else real_path(place.parent)
    campaign = Campaign(folder, Manifest(parts=part.manifest))
    from batchfiles.jobs.join.lazy_join import Join, open_join  # which loads Arrow, and a list of parts needs none

    return open_join(sources, options, campaigns=Campaigns(campaign), make=make or Join)


def check_listed(files: Iterable[CampaignFile], sources: Iterable[Source]) -> None:
    """Make sure that files of a campaign are what they were when it was listed.

    Raises:
        FileError: A file has changed, is gone, or can't be read.
    """
    for file, source in zip(files, sources, strict=True):
        size, modified = _look(source)
        if size != file.bytes or (file.modified is not None and modified is not None and modified != file.modified):
            raise FileError("the file changed after its campaign was listed: list the parts again", path=source.name)


def parts(campaign: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> list[CampaignPart]:
    """List the parts of a campaign. The folder is listed and its manifest is read once; no other file is opened.

    Args:
        campaign: A folder with a manifest, as `split` writes it: a path or a URL.
        filesystem: The filesystem of the path, from `pyarrow.fs` or fsspec; None for the local one.

    Returns:
        The parts in the order in which `join` has their rows: by the names of their request files.

    Raises:
        MismatchError: The folder has no manifest, or results that belong to none of its parts by name.
        DataError: The manifest is damaged, or of a later version.
        FileError: The folder or a part is missing, or can't be read.

    Example:
        >>> report = batchfiles.split("fixtures/chat_completions/requests.jsonl", output="campaign", max_requests=10)
        >>> [(part.name, len(part.results)) for part in batchfiles.parts("campaign")]
        [('requests-00001', 0), ('requests-00002', 0)]
    """
    return list_campaign(campaign, filesystem=filesystem).parts


class ListedCampaign(NamedTuple):
    """What is in the folder of a campaign.

    Attributes:
        campaign: The campaign.
        parts: Its parts.
        others: The files whose names are not those of batch files.
    """

    campaign: Campaign
    parts: list[CampaignPart]
    others: tuple[Place, ...]


def list_campaign(campaign: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> ListedCampaign:
    """List a campaign: see `parts`."""
    folder = located(campaign, filesystem)
    text = str(campaign) if isinstance(campaign, RemotePath) else os.fspath(campaign)
    if isinstance(folder, Path) and text.lower().startswith("file:"):
        text = str(folder)  # a name may hold a % or a ?, which a URL has otherwise
    if not folder.is_dir():
        raise FileError("no such folder", path=_shown(folder), number=errno.ENOENT)
    found = campaign_of(folder)
    if found is None:
        raise MismatchError(
            "has no manifest.json, which says what its parts are: `batchfiles split` writes one. Files without it are joined "
            "together on one machine",
            path=_shown(folder),
        )
    try:
        files = files_in(folder)
    except OSError as error:
        raise error if isinstance(error, FileError) else file_error(error, _shown(folder)) from None
    listed, strays = parts_in(found, text, files)
    if strays:
        more = f" and {len(strays) - 1:,} more" if len(strays) > 1 else ""
        raise MismatchError(f"belongs to no part of the manifest by its name{more}: {SOLUTIONS}", path=strays[0])
    others = tuple(file.place for file in files if not is_batch_file(file.place.name) and not file.place.name.startswith("."))
    return ListedCampaign(found, listed, others)


def parts_in(campaign: Campaign, text: str, files: Sequence[FoundFile]) -> tuple[list[CampaignPart], list[str]]:
    """List the parts of a campaign whose manifest was read.

    Args:
        campaign: The campaign.
        text: Its path or URL as it was given.
        files: The files of the folder.

    Returns:
        The parts, and the display names of files that belong to none.

    Raises:
        FileError: A part is missing.
    """
    found = {file.place.name: file for file in files if is_batch_file(file.place.name)}
    campaign.check_parts(found)
    unit_of = _connected(campaign.manifest.parts)
    units: dict[str, list[FoundFile]] = {}
    strays: list[str] = []
    for name, file in sorted(found.items()):
        part = campaign.part_of(name)
        if part is None:
            strays.append(_shown(file.place))
        else:
            units.setdefault(unit_of[part.file], []).append(file)
    manifests: dict[str, list[Part]] = defaultdict(list)
    for entry in campaign.manifest.parts:
        manifests[unit_of[entry.file]].append(entry)
    made = [_part(text, each, manifests[unit]) for unit, each in units.items()]
    if len({part.name for _, part in made}) < len(made):  # such as those of a.jsonl and a.jsonl.gz
        made = [(first, replace(part, name=first)) for first, part in made]
    return [part for _, part in sorted(made, key=itemgetter(0))], strays


def _part(text: str, files: list[FoundFile], manifest: list[Part]) -> tuple[str, CampaignPart]:
    """Make one part of its files, and return it with the name of its first file."""
    names = {part.file for part in manifest}
    repeating = {part.file: not names.isdisjoint(part.retry_of) for part in manifest}
    kinds: dict[str, list[CampaignFile]] = {"requests": [], "retries": [], "results": []}
    names_of: dict[str, list[str]] = defaultdict(list)
    for file in files:
        name = file.place.name
        kind = "results" if name not in repeating else "retries" if repeating[name] else "requests"
        kinds[kind].append(CampaignFile(_path_in(text, name), file.size, file.modified))
        names_of[kind].append(name)
    first = (names_of["requests"] or names_of["retries"] or names_of["results"])[0]
    made = {kind: tuple(each) for kind, each in kinds.items()}
    return first, CampaignPart(name=stem_of(first), folder=text, manifest=tuple(manifest), **made)


def _connected(manifest: Iterable[Part]) -> dict[str, str]:
    """Return the first file of the unit that each part is in: a retry connects the parts that it repeats."""
    listed = list(manifest)
    leader = {part.file: part.file for part in listed}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for part in listed:
        for other in part.retry_of:
            if other in leader:
                leader[find(part.file)] = find(other)
    return {name: find(name) for name in leader}


def _path_in(folder: str, name: str) -> str:
    """Return the path or URL of a file in a folder, with the options of its URL."""
    if parse_url(folder) is None:
        return os.path.join(folder, name)  # noqa: PTH118 - the path as it was given, without a change
    location, mark, options = folder.partition("?")
    return f"{location.rstrip('/')}/{name}{mark}{options}"


def _shown(place: Place) -> str:
    return Source.at(place).name


def _look(source: Source) -> tuple[int | None, int | None]:
    """Return the size and the time of the last change of a file; None where it is gone or not reported."""
    place = source.place
    if isinstance(place, RemotePath):
        info = place.look()
        return info.size, info.mtime_ns
    try:
        status = os.stat(place) if place is not None else None  # noqa: PTH116
    except OSError as error:
        raise file_error(error, source.name) from None
    return (status.st_size, status.st_mtime_ns) if status is not None else (None, None)


class WholeCampaign(NamedTuple):
    """A campaign whose files all belong to a part.

    Attributes:
        campaign: The campaign; its folder has no symbolic link in it.
        parts: The parts, in order; the paths of their files are names in the folder.
        sources: The files by their names in the folder.
    """

    campaign: Campaign
    parts: Sequence[CampaignPart]
    sources: dict[str, Source]


def whole_campaign(files: Sequence[Source], campaigns: Campaigns | None = None) -> WholeCampaign | None:
    """Return the campaign that these files are; None if they are not all files of one, in their order, or one is of no part.

    Args:
        files: What `files_to_read` returned.
        campaigns: The known campaigns of folders.

    Raises:
        DataError: The manifest is damaged, or of a later version.
        FileError: It can't be read, or a part is missing.
    """
    campaigns = campaigns or Campaigns()
    places = [campaigns.place_of(file) for file in files]
    folder = places[0].parent if places and places[0] is not None else None
    campaign = None if folder is None else campaigns.of(folder)
    if folder is None or campaign is None:
        return None
    if any(place is None or place.parent != folder or campaign.part_of(place.name) is None for place in places):
        return None
    listed = [file for file in files_in(folder) if is_batch_file(file.place.name)]
    if [file.place.name for file in listed] != [file.file_name for file in files]:
        return None
    return WholeCampaign(campaign, parts_in(campaign, "", listed)[0], {str(file.file_name): file for file in files})
