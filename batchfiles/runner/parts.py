"""The request files of a run: which they are, their check, and the parts that they are split into."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from batchfiles.campaign import (
    MANIFEST,
    Manifest,
    Part,
    parts_of,
    read_manifest,
    request_sources,
    stem_of,
    write_manifest,
)
from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.folders import FilesToRead, not_read_fields, requests_to_read
from batchfiles.io.remote_path import file_error
from batchfiles.io.sources import Source, SourceLike
from batchfiles.io.temporary import UNFINISHED, Spool
from batchfiles.io.threads import Progress
from batchfiles.jobs.split import split
from batchfiles.jobs.tokens import Division, estimated_tokens
from batchfiles.jobs.validate import validate
from batchfiles.limits import Limits
from batchfiles.runner.journal import JOURNAL, LOCK, RunState, read_journal
from batchfiles.runner.report import PlannedPart, RunPlan

SPLITTING_FOLDER = ".splitting"
"""The hidden folder inside the campaign folder in which parts are kept until all of them are written."""

DIVIDED_BY: dict[str, Division] = {"mismatched_model": "model", "invalid_url": "url"}
"""Errors that disappear if the file is split by this key."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of a source.

    Attributes:
        name: Its display name.
        bytes: Its size, uncompressed.
        sha256: The hexadecimal digest of these bytes.
    """

    name: str
    bytes: int
    sha256: str


def fingerprints(sources: Sequence[Source]) -> list[Fingerprint]:
    """Return the fingerprints of the sources.

    Raises:
        FileError: One can't be read.
        TruncatedFileError: A compressed one is damaged.
    """
    digests = ((source, source.sha256()) for source in sources)
    return [Fingerprint(source.name, digest.bytes, digest.hex) for source, digest in digests]


def checked_divisions(
    sources: Sequence[Source],
    limits: Limits,
    *,
    temp_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> tuple[Division, ...]:
    """Check the requests, except for what splitting solves, and return the keys by which they must be split.

    Returns:
        `model`, `url`, both or none.

    Raises:
        InvalidLineError: The service would refuse a request.
        FileError: A file can't be read.
    """
    lasting = replace(limits, max_requests=None, max_bytes=None, warn_bytes=None, max_embedding_inputs=None)
    report = validate(*sources, limits=lasting, across=True, temp_dir=temp_dir, progress=progress)
    if report.ok:
        return ()
    by = tuple(DIVIDED_BY[code] for code in DIVIDED_BY if code in report.errors)
    if report.errors.keys() <= DIVIDED_BY.keys():
        divided = replace(lasting, one_model=False, one_url=False)
        report = validate(*sources, limits=divided, across=True, temp_dir=temp_dir, progress=progress)
        if report.ok:
            return by
    raise _refusal(next(finding for finding in report.findings if finding.severity == "error"), report.error_count)


def _refusal(finding: Finding, count: int) -> InvalidLineError:
    more = f"; {count - 1:,} more errors" if count > 1 else ""
    return InvalidLineError(
        f"{finding.message} Nothing was sent{more}: `batchfiles validate` lists what to fix",
        code=finding.code,
        json_path=finding.json_path,
        path=finding.path,
        line_number=finding.line_number,
        byte_offset=finding.byte_offset,
        role="input",
    )


def write_parts(
    sources: Sequence[Source],
    folder: Path,
    limits: Limits,
    by: Sequence[Division],
    *,
    temp_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Split the sources into the campaign folder; the manifest is written last, when all parts exist.

    The same sources give the same parts, byte for byte.

    Raises:
        LineTooLongError: A line is too large for any part.
        FileError: A file can't be read or written.
    """
    splitting = folder / SPLITTING_FOLDER
    for leftover in (splitting, *folder.glob(f".{SPLITTING_FOLDER}.*{UNFINISHED}")):
        shutil.rmtree(leftover, ignore_errors=True)  # of a run that was killed
    found = read_manifest(folder)
    if found is not None:
        return found
    split(*sources, output=splitting, limits=limits, by=by, overwrite=True, temp_dir=temp_dir, progress=progress)
    manifest = read_manifest(splitting)
    assert manifest is not None  # noqa: S101 - split has written it
    try:
        for part in manifest.parts:
            (splitting / part.file).replace(folder / part.file)
        write_manifest(folder, manifest)
        shutil.rmtree(splitting)
    except OSError as error:
        raise file_error(error, folder / MANIFEST) from None
    return manifest


def endpoint_of(path: Path, given: str | None) -> str:
    """Return the endpoint of a part: the given one, or the url of its first line.

    Raises:
        MismatchError: There is neither.
        FileError: The part can't be read.
    """
    if given is not None:
        return given
    try:
        with path.open("rb") as file:
            first = next((line for line in file if line.strip()), b"{}")
    except OSError as error:
        raise file_error(error, path) from None
    url = loads(first).get("url")
    if not isinstance(url, str):
        raise MismatchError("the requests have no url: an endpoint is needed", path=str(path), role="input")
    return url


def tokens_of(folder: Path, part: Part) -> int:
    """Estimate the input tokens of a part.

    Raises:
        FileError: The part can't be read.
    """
    total = 0
    try:
        with (folder / part.file).open("rb") as file:
            for line in file:
                body = loads(line).get("body") if line.strip() else None
                total += estimated_tokens(body) if isinstance(body, dict) else 0
    except OSError as error:
        raise file_error(error, folder / part.file) from None
    return total


def run_sources(files: Sequence[SourceLike], *, filesystem: object = None) -> FilesToRead:
    """Return the request files of a run, and the skipped files of folders.

    Raises:
        TypeError: There are no files.
        ValueError: One is standard input.
        FileError: One does not exist.
    """
    if not files:
        raise TypeError("run needs at least one file")
    found = requests_to_read(request_sources(files, filesystem=filesystem))
    if any(source.place is None for source in found.sources):
        raise ValueError("a run reads its requests again when it is resumed, so standard input can't be used: name a file")
    return found


def campaign_folder(campaign: str | os.PathLike[str] | None, sources: Sequence[Source]) -> Path:
    """Return the campaign folder: the given one, or `NAME.campaign` next to `NAME.jsonl`.

    Raises:
        ValueError: None was given, and the requests are remote.
    """
    if campaign is not None:
        return Path(campaign)
    path = sources[0].path
    if path is None:
        raise ValueError("the requests are remote: name a local campaign folder")
    return path.with_name(f"{stem_of(path.name)}.campaign")


def refuse_changed(folder: Path, begun: Mapping[str, Any], found: Sequence[Fingerprint]) -> None:
    """Raise `MismatchError` if the requests are not those with which a campaign was started."""
    if [each.sha256 for each in found] != [source["sha256"] for source in begun["sources"]]:
        names = ", ".join(source["name"] for source in begun["sources"])
        raise MismatchError(
            f"was started with other requests ({names}), or these have changed since: choose another campaign folder for them",
            path=str(folder),
        )


def refuse_full(folder: Path) -> None:
    """Raise `MismatchError` if the folder of a new campaign has other files."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise file_error(error, folder) from None
    others = [name for name in names if name not in (LOCK, JOURNAL) and not name.startswith(".")]
    if others:
        message = "has other files and no journal of a run: choose another folder, with recover=True if the journal was lost"
        raise MismatchError(message, path=str(folder))


def plan_of(
    files: FilesToRead,
    folder: Path,
    limits: Limits,
    endpoint: str | None,
    *,
    temp_dir: str | os.PathLike[str] | None,
    progress: Progress | None,
) -> RunPlan:
    """Check and split requests in a temporary folder, and return what a run would send: see `plan_run`."""
    sources, not_read = files
    run_state = RunState(read_journal(folder), folder)
    if run_state.begun is None:
        refuse_full(folder)
        by = checked_divisions(sources, limits, temp_dir=temp_dir, progress=progress)
    else:
        refuse_changed(folder, run_state.begun, fingerprints(sources))
        by = run_state.begun["by"]
    parts, place = parts_of(folder) if run_state.parts else (), folder
    with ExitStack() as stack:
        if not parts:
            place = stack.enter_context(Spool(temp_dir)).path
            parts = write_parts(sources, place, limits, by, temp_dir=temp_dir, progress=progress).parts
        sent = {state.name for state in run_state.parts.values() if state.status != "waiting"}
        planned = tuple(_planned(place, (part for part in parts if part.file not in sent), endpoint))
        return RunPlan(folder=str(folder), parts=planned, **not_read_fields(not_read))


def _planned(folder: Path, parts: Iterable[Part], endpoint: str | None) -> Iterable[PlannedPart]:
    for part in parts:
        yield PlannedPart(
            file=part.file,
            endpoint=endpoint_of(folder / part.file, endpoint),
            requests=part.requests,
            bytes=part.bytes,
            tokens=tokens_of(folder, part),
        )
