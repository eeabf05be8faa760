"""The parts of a run: the requests are checked, cut to what the service takes, and laid into the campaign folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batchfiles.campaign.manifest import MANIFEST, Manifest, Part, read_manifest, write_manifest
from batchfiles.codec import loads
from batchfiles.errors import InvalidLine, Mismatch
from batchfiles.findings import Finding
from batchfiles.jobs.split import split
from batchfiles.jobs.token_counts import estimated_tokens
from batchfiles.jobs.validate import validate
from batchfiles.limits import Limits
from batchfiles.streams.atomic import UNFINISHED, file_error
from batchfiles.streams.sources import Source

__all__ = ["Fingerprint", "checked_divisions", "endpoint_of", "fingerprints", "lay_parts", "tokens_of"]

CHUNK = 1024 * 1024

WORKSHOP = ".splitting"
"""The folder inside of the campaign's in which parts wait until all of them are there; its name is hidden."""

DIVIDED_BY = {"mismatched_model": "model", "invalid_url": "url"}
"""What is no fault in a file that is split by it."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a source held.

    Attributes:
        name: Its display name.
        bytes: Its size, uncompressed.
        sha256: Of the same bytes, in hexadecimal digits.
    """

    name: str
    bytes: int
    sha256: str


def fingerprints(sources: Sequence[Source]) -> list[Fingerprint]:
    """Read the sources once, and say what they hold.

    Raises:
        FileError: One can't be read.
        TruncatedFile: A compressed one is damaged.
    """
    return [_fingerprint(source) for source in sources]


def _fingerprint(source: Source) -> Fingerprint:
    digest, size = hashlib.sha256(), 0
    with source.open() as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Fingerprint(source.name, size, digest.hexdigest())


def checked_divisions(sources: Sequence[Source], limits: Limits) -> tuple[str, ...]:
    """Check the requests, but for what splitting cures, and say by what they must be divided.

    Returns:
        `model`, `url`, both or nothing.

    Raises:
        InvalidLine: The service would refuse a request.
        FileError: A file can't be read.
    """
    lasting = replace(limits, max_requests=None, max_bytes=None, warn_bytes=None, max_embedding_inputs=None)
    report = validate(*sources, limits=lasting, across=True)
    if report.ok:
        return ()
    by = tuple(DIVIDED_BY[code] for code in DIVIDED_BY if code in report.errors)
    if report.errors.keys() <= DIVIDED_BY.keys():
        report = validate(*sources, limits=replace(lasting, one_model=False, one_url=False), across=True)
        if report.ok:
            return by
    raise _refusal(next(finding for finding in report.findings if finding.severity == "error"), report.error_count)


def _refusal(finding: Finding, count: int) -> InvalidLine:
    more = f"; {count - 1:,} more errors" if count > 1 else ""
    return InvalidLine(
        f"{finding.message} Nothing was sent{more}: `batchfiles validate` lists what is to be mended",
        code=finding.code,
        json_path=finding.json_path,
        path=finding.path,
        line_number=finding.line_number,
        byte_offset=finding.byte_offset,
        role="input",
    )


def lay_parts(sources: Sequence[Source], folder: Path, limits: Limits, by: Sequence[str]) -> Manifest:
    """Split the sources into the campaign folder; the manifest comes last, so that where it is all parts are.

    The same sources make the same parts again, byte for byte.

    Raises:
        LineTooLong: A line is too large for any part.
        FileError: A file can't be read, or the disk refused.
    """
    workshop = folder / WORKSHOP
    for leftover in (workshop, *folder.glob(f".{WORKSHOP}.*{UNFINISHED}")):
        shutil.rmtree(leftover, ignore_errors=True)  # of a run that was killed
    found = read_manifest(folder)
    if found is not None:
        return found
    split(*sources, folder=workshop, limits=limits, by=by, force=True)
    manifest = read_manifest(workshop)
    assert manifest is not None  # noqa: S101 - split has written it
    try:
        for part in manifest.parts:
            (workshop / part.file).replace(folder / part.file)
        write_manifest(folder, manifest)
        shutil.rmtree(workshop)
    except OSError as error:
        raise file_error(error, folder / MANIFEST) from None
    return manifest


def endpoint_of(path: Path, given: str | None) -> str:
    """Return where the requests of a part go: what was given, or the url of its first line.

    Raises:
        Mismatch: There is neither.
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
        raise Mismatch("the requests name no url: say the endpoint", path=str(path), role="input")
    return url


def tokens_of(folder: Path, part: Part) -> int:
    """Estimate the tokens that the requests of a part ask the models to read.

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
