"""Downloading: a file is complete or there is an error, and what was fetched once is not fetched again if that is safe.

What an answer to a request for the bytes of a file, or for the rest of them, means for what we have already.

Nothing is ever put together that may not belong together (RFC 9110, sections 13.1.5 and 14): only an answer that begins exactly
where we stopped, of a file with the same strong entity tag, is taken as the rest.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from batchfiles.api import files
from batchfiles.api.batch import Batch
from batchfiles.api.config import Config, RetryPolicy, checked_id, is_worth_retrying
from batchfiles.api.effects import (
    ERROR_LIMIT,
    Discard,
    Flow,
    Lock,
    Log,
    Move,
    Now,
    Open,
    Random,
    ReadBody,
    ReadFile,
    SaveBody,
    Saved,
    Size,
    Sleep,
    Truncate,
    WriteFile,
    again_in,
    call,
)
from batchfiles.api.responses import Request, Response, error_of
from batchfiles.errors import APIConnectionError, APIError, APITimeoutError, FileError, IncompleteDownloadError

CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Partial:
    """What there is of a file.

    Attributes:
        size: Its first bytes.
        etag: The strong entity tag of the file that they are of; None where there was none.
    """

    size: int = 0
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """The body is to be written from `offset` on.

    Attributes:
        offset: 0 for a file from its beginning.
        total: The bytes of the whole file; None where the answer doesn't contain it.
        etag: The strong entity tag of the file.
    """

    offset: int
    total: int | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Complete:
    """There is nothing more: what we have is the file."""


@dataclass(frozen=True, slots=True)
class Restart:
    """What we have is of no use: ask for the file from its beginning."""

    why: str


ResumeDecision: TypeAlias = "Append | Complete | Restart"


def read_content(head: Response, have: Partial) -> ResumeDecision | None:
    """Decide what to do with an answer, by its status and headers; None if it is an error.

    Args:
        head: The answer without its body.
        have: What was asked to be continued; nothing of it means that the file was asked for from its beginning.
    """
    if head.status_code == 200:
        if _encoded(head):
            return Restart("it came compressed")
        return Append(0, _length(head), strong_etag(head))
    if head.status_code == 206:
        return _continued(head, have)
    if head.status_code == 416 and have.size:
        match = UNSATISFIED.fullmatch(head.headers.get("content-range", "").strip())
        same = match is not None and int(match[1]) == have.size
        return Complete() if same else Restart("the service has no more bytes, but another number of them")
    return None


def _continued(head: Response, have: Partial) -> ResumeDecision:
    match = CONTENT_RANGE.fullmatch(head.headers.get("content-range", "").strip())
    if not have.size or match is None:
        return Restart("a part came that was not asked for")
    start, end, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    etag = strong_etag(head)
    if start != have.size or end < start or (total is not None and end >= total):
        return Restart("another part came than was asked for")
    if _encoded(head) or have.etag is None or etag != have.etag:
        return Restart("the file is not surely the same")
    return Append(start, total, etag)


def strong_etag(head: Response) -> str | None:
    """Return the entity tag, if it is one that vouches for every byte."""
    etag = head.headers.get("etag", "").strip()
    return etag if len(etag) > 2 and etag[0] == etag[-1] == '"' and etag.isascii() and etag.isprintable() else None


def _encoded(head: Response) -> bool:
    return head.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def _length(head: Response) -> int | None:
    text = head.headers.get("content-length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


RESTARTS = 3
"""How often a file is fetched from the beginning because a part did not fit what we have."""

MOST_STALLED = 6
"""Attempts in a row that brought no byte."""

GONE = frozenset({400, 404, 410, 422})
"""Statuses with which services answer for a file that they don't have, or have deleted."""

REDIRECTS = 10
"""The most redirects that are followed; browsers follow as many."""

LOCK_PAUSE, LONGEST_LOCK = 0.5, 3600.0
"""Seconds between two attempts to lock a work file, and for which another download of it is waited for."""


def download(config: Config, batch: Batch, directory: str, policy: RetryPolicy) -> Flow[list[str]]:
    """Fetch a batch: `<batch_id>_output.jsonl`, `<batch_id>_error.jsonl`, and the batch itself as `<batch_id>.json`.

    An existing file is kept if it has the size that the service states; otherwise it is fetched again. An error
    file that the service has deleted gives a warning, and the answers are fetched.

    Returns:
        The paths of the files of results.

    Raises:
        IncompleteDownloadError: A file did not come whole, in all attempts.
        APIError: The service refused; if it has deleted the output file (`GONE`), the error file was fetched.
        FileError: The disk did.
        ValueError: The batch has an id that is not valid.
    """
    checked_id(batch.id, "batch")
    folder = f"{directory}/" if directory else ""  # an empty name is the current folder
    paths: list[str] = []
    problem: APIError | None = None
    for kind, file_id in (("output", batch.output_file_id), ("error", batch.error_file_id)):
        path = f"{folder}{batch.id}_{kind}.jsonl"
        if file_id is None and kind not in batch.unread_files:
            continue
        missing: APIError | None = None
        if file_id is None:
            missing = APIError(f"the id of the {kind} file of {batch.id} can't be read: {batch.odd[f'{kind}_file_id']!r:.60}")
        else:
            try:
                yield from download_file(config, file_id, path, policy, replace=True)
            except APIError as error:
                if error.status_code not in GONE:
                    raise
                missing = _gone(error, kind, file_id, batch.id)
        if missing is None:
            paths.append(path)
        elif kind == "output" or not paths:
            problem = problem or missing
        else:
            yield Log(logging.WARNING, str(missing))
    if problem is not None:
        raise problem
    yield WriteFile(f"{folder}{batch.id}.json", json.dumps(batch.to_dict(), indent=2).encode() + b"\n")
    return paths


def _gone(error: APIError, kind: str, file_id: str, batch_id: str) -> APIError:
    """Return the same error with the names of the file and the batch."""
    return type(error)(
        f"the {kind} file {file_id} of {batch_id} is not at the service: {error.reason}",
        status_code=error.status_code,
        code=error.code,
        param=error.param,
        request_id=error.request_id,
    )


def download_file(config: Config, file_id: str, path: str, policy: RetryPolicy, *, replace: bool = False) -> Flow[None]:
    """Fetch one file to a path, unless it is there.

    The bytes so far are kept next to it, as `<path>.part`, and their description as `<path>.part.json`: another process continues
    from there. It waits for another download that is writing it.

    Args:
        config: Where the service is.
        file_id: The file.
        path: Where it goes.
        policy: For each attempt.
        replace: Whether a file of another size that is there is replaced; else it is an error.

    Raises:
        IncompleteDownloadError: It did not come whole, in all attempts.
        APIError: The service refused it.
        FileError: The disk did, or there is another file.
    """
    expected = yield from _expected_size(config, file_id, policy)
    part, notes = f"{path}.part", f"{path}.part.json"
    if (yield from _is_there(path, expected, replace=replace)):
        # A process that was killed right after the renaming leaves its notes.
        if (yield ReadFile(notes)) is not None and (yield Lock(part)):
            yield Discard(part, notes)
        return
    yield from _locked(part, path)
    if (yield from _is_there(path, expected, replace=replace)):  # the download that was waited for has fetched it
        yield Discard(part, notes)
        return
    size: int | None = yield Size(path)
    if size is None:
        yield Log(logging.INFO, f"{path}: fetching {file_id}")
    else:
        yield Log(logging.WARNING, f"{path}: has {size:,} bytes and not {expected:,}: fetching {file_id} again")
    yield from _fetched(config, file_id, path, expected, policy)


def _is_there(path: str, expected: int | None, *, replace: bool) -> Flow[bool]:
    """Return whether the file is there, with the size that the service reports.

    Raises:
        FileError: Another file is there, which is not to be replaced.
    """
    size: int | None = yield Size(path)
    if size is None or expected is None or size == expected:
        return size is not None
    if not replace:
        words = f"has {size:,} bytes, and the file at the service {expected:,}: remove it, or choose another name"
        raise FileError(words, path=path)
    return False


def _locked(part: str, path: str) -> Flow[None]:
    """Lock the work file; wait for another download that has it locked.

    Raises:
        FileError: That has taken an hour.
    """
    began: float = yield Now()
    waited = False
    while not (yield Lock(part)):
        now: float = yield Now()
        if now - began > LONGEST_LOCK:
            raise FileError("another download has been writing it for an hour: stop it, or wait for it", path=path)
        if not waited:
            yield Log(logging.WARNING, f"{path}: another download is writing it; waiting for its end")
        waited = True
        yield Sleep(LOCK_PAUSE)


def _fetched(config: Config, file_id: str, path: str, expected: int | None, policy: RetryPolicy) -> Flow[None]:
    """Fetch a file by way of its work file, which is locked."""
    part, notes = f"{path}.part", f"{path}.part.json"
    have = yield from _begun(part, notes, file_id)
    restarts = stalled = 0
    since: float = yield Now()
    while True:
        problem: Exception
        before = have.size
        try:
            head = yield from _opened(config, files.content_request(config, file_id, start=have.size, etag=have.etag))
            verdict = read_content(head, have)
            if verdict is None:
                body: bytes = yield ReadBody(ERROR_LIMIT)
                refused = Response(head.status_code, head.headers, body)
                if not is_worth_retrying(refused):
                    raise error_of(refused)
                problem, headers = error_of(refused), dict(head.headers)
            elif isinstance(verdict, Restart):
                restarts += 1
                if restarts > RESTARTS:
                    raise IncompleteDownloadError(f"the file can't be had in one piece: {verdict.why}", path=path)
                have = Partial()
                continue
            else:
                total = expected if expected is not None else verdict.total if isinstance(verdict, Append) else have.size
                size, ended = have.size, True
                if isinstance(verdict, Append):
                    yield from _note(part, notes, file_id, verdict)
                    saved: Saved = yield SaveBody(part, verdict.offset, total)
                    size, ended = saved.size, saved.problem is None
                    # Without a strong tag the rest could belong to other bytes.
                    have = Partial(size, verdict.etag) if verdict.etag is not None else Partial()
                if ended and (size == total or (total is None and _has_end_marker(head))):
                    yield Move(part, path, notes, size)
                    yield Log(logging.INFO, f"{path}: {size:,} bytes")
                    return
                if total is not None and size >= total:
                    have = Partial()  # more than there should be, or a false end
                problem, headers = _cut(path, size, total), {}
        except APIConnectionError as error:
            problem, headers = error, {}
        now: float = yield Now()
        stalled, since = (0, now) if have.size > before else (stalled + 1, since)
        chance: float = yield Random()
        pause = policy.pause(stalled + 1, headers, chance, now - since) if stalled < MOST_STALLED else None
        if pause is None:
            raise problem
        yield again_in(pause, path, problem)
        yield Sleep(pause)


def _opened(config: Config, request: Request) -> Flow[Response]:
    """Ask for the bytes of a file, also at another address of the service; returns the answer without its body.

    Raises:
        APIError: The redirects never end, or lead to a forbidden address.
        APIConnectionError: There was no answer.
    """
    for _ in range(REDIRECTS + 1):
        try:
            head: Response = yield Open(request)
        except APIConnectionError as error:
            if request.is_keyed:
                raise
            reason = f"{error.reason} (the service has the contents of the file at {urlsplit(request.url).hostname})"
            kind = APITimeoutError if isinstance(error, APITimeoutError) else APIConnectionError
            raise kind(reason, phase="receive") from None
        target = files.content_redirect(config, request, head)
        if target is None:
            return head
        request = target
    raise APIError(f"the service redirects the contents of the file more than {REDIRECTS} times", status_code=head.status_code)


def _has_end_marker(head: Response) -> bool:
    """Return whether a body of unknown length can't end early unnoticed: one that lasts until the connection is closed can."""
    return "chunked" in head.headers.get("transfer-encoding", "").lower()


def _cut(path: str, size: int, total: int | None) -> IncompleteDownloadError:
    wanted = "an unknown number of" if total is None else f"{total:,}"
    return IncompleteDownloadError(f"{size:,} of {wanted} bytes came", path=path)


def _expected_size(config: Config, file_id: str, policy: RetryPolicy) -> Flow[int | None]:
    """Ask for the size of the file; unknown if the service lacks that call or reports 0 for every file."""
    try:
        found = yield from call(files.retrieve_request(config, file_id), files.retrieve_response, policy)
    except APIError:
        return None
    return found.bytes or None


def _begun(part: str, notes: str, file_id: str) -> Flow[Partial]:
    """Return what an earlier attempt left."""
    size: int | None = yield Size(part)
    content: bytes | None = yield ReadFile(notes)
    if not size or content is None:
        return Partial()
    try:
        noted: Any = json.loads(content)
    except ValueError:
        return Partial()
    if not isinstance(noted, dict) or noted.get("file_id") != file_id or not isinstance(noted.get("etag"), str):
        return Partial()
    return Partial(size, noted["etag"])


def _note(part: str, notes: str, file_id: str, take: Append) -> Flow[None]:
    """Note which file the next bytes belong to."""
    if take.offset == 0:
        # If this process is killed between the two writes, old bytes must not be left with the new tag.
        yield Truncate(part)
    yield WriteFile(notes, json.dumps({"file_id": file_id, "etag": take.etag, "total": take.total}).encode())
