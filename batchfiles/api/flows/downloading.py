"""Downloading: a file is complete or there is an error, and what was fetched once is not fetched again if that is safe."""

from __future__ import annotations

import json
from typing import Any

from batchfiles.api import files
from batchfiles.api.answers import error_of
from batchfiles.api.batch import Batch
from batchfiles.api.config import Config
from batchfiles.api.flows.calling import ERROR_LIMIT, call
from batchfiles.api.flows.effects import (
    Chance,
    Flow,
    Move,
    Open,
    ReadBody,
    ReadFile,
    SaveBody,
    Saved,
    Size,
    Sleep,
    WriteFile,
)
from batchfiles.api.ids import checked_id
from batchfiles.api.messages import Response
from batchfiles.api.ranges import Have, Restart, Take, read_content
from batchfiles.api.retry_policy import RetryPolicy, is_passing
from batchfiles.errors import APIError, IncompleteDownload, NotFound, TransportError

__all__ = ["download", "download_file"]

RESTARTS = 3
"""How often a file is begun again because what came did not fit what we have."""

FRUITLESS = 6
"""Attempts in a row that brought no byte."""


def download(config: Config, batch: Batch, directory: str, policy: RetryPolicy) -> Flow[list[str]]:
    """Fetch a batch: `<batch_id>_output.jsonl`, `<batch_id>_error.jsonl`, and the batch itself as `<batch_id>.json`.

    A file that is there already is left alone: at its final name a file is whole.

    Returns:
        The paths of the files of results.

    Raises:
        IncompleteDownload: A file did not come whole, in all attempts.
        APIError: The service said no.
        FileError: The disk did.
        ValueError: The batch has an id that is none.
    """
    checked_id(batch.id, "batch")
    paths = []
    for kind, file_id in (("output", batch.output_file_id), ("error", batch.error_file_id)):
        if file_id is not None:
            path = f"{directory}/{batch.id}_{kind}.jsonl"
            yield from download_file(config, file_id, path, policy)
            paths.append(path)
    yield WriteFile(f"{directory}/{batch.id}.json", json.dumps(batch.encode(), indent=2).encode() + b"\n")
    return paths


def download_file(config: Config, file_id: str, path: str, policy: RetryPolicy) -> Flow[None]:
    """Fetch one file to a path, unless it is there.

    What has come of it so far stands beside it, as `<path>.part`, and what is known of it as `<path>.part.json`: another process
    goes on from there.

    Raises:
        IncompleteDownload: It did not come whole, in all attempts.
        APIError: The service said no.
        FileError: The disk did.
    """
    done: int | None = yield Size(path)
    if done is not None:
        return
    expected = yield from _expected_size(config, file_id, policy)
    part, notes = f"{path}.part", f"{path}.part.json"
    have = yield from _begun(part, notes, file_id)
    restarts = fruitless = 0
    while True:
        problem: Exception
        before = have.size
        try:
            head: Response = yield Open(files.content_request(config, file_id, start=have.size, etag=have.etag))
            verdict = read_content(head, have)
            if verdict is None:
                body: bytes = yield ReadBody(ERROR_LIMIT)
                refused = Response(head.status_code, head.headers, body)
                if not is_passing(refused):
                    raise error_of(refused)
                problem, headers = error_of(refused), dict(head.headers)
            elif isinstance(verdict, Restart):
                restarts += 1
                if restarts > RESTARTS:
                    raise IncompleteDownload(f"the file can't be had in one piece: {verdict.why}", path=path)
                have = Have()
                continue
            else:
                total = expected if expected is not None else verdict.total if isinstance(verdict, Take) else have.size
                size, ended = have.size, True
                if isinstance(verdict, Take):
                    yield from _note(part, notes, file_id, verdict)
                    saved: Saved = yield SaveBody(part, verdict.offset)
                    size, ended = saved.size, saved.problem is None
                    # Without a strong tag nobody can say that the rest will be the rest of these bytes.
                    have = Have(size, verdict.etag) if verdict.etag is not None else Have()
                if ended and (size == total or (total is None and _marks_its_end(head))):
                    yield Move(part, path, notes)
                    return
                if total is not None and size >= total:
                    have = Have()  # more than there should be, or an end that is none
                problem, headers = _cut(path, size, total), {}
        except TransportError as error:
            problem, headers = error, {}
        fruitless = 0 if have.size > before else fruitless + 1
        chance: float = yield Chance()
        pause = policy.pause(fruitless + 1, headers, chance) if fruitless < FRUITLESS else None
        if pause is None:
            raise problem
        yield Sleep(pause)


def _marks_its_end(head: Response) -> bool:
    """Tell whether a body of unknown length can't end early unnoticed: one that lasts until the connection is closed can."""
    return "chunked" in head.headers.get("transfer-encoding", "").lower()


def _cut(path: str, size: int, total: int | None) -> IncompleteDownload:
    wanted = "an unknown number of" if total is None else f"{total:,}"
    return IncompleteDownload(f"{size:,} of {wanted} bytes came", path=path)


def _expected_size(config: Config, file_id: str, policy: RetryPolicy) -> Flow[int | None]:
    """Ask how long the file is; a service without that call, or one that says 0 of every file, doesn't tell."""
    try:
        found = yield from call(files.retrieve_request(config, file_id), files.retrieve_response, policy)
    except NotFound:
        raise
    except APIError:
        return None
    return found.bytes or None


def _begun(part: str, notes: str, file_id: str) -> Flow[Have]:
    """Tell what an earlier attempt left."""
    size: int | None = yield Size(part)
    content: bytes | None = yield ReadFile(notes)
    if not size or content is None:
        return Have()
    try:
        noted: Any = json.loads(content)
    except ValueError:
        return Have()
    if not isinstance(noted, dict) or noted.get("file_id") != file_id or not isinstance(noted.get("etag"), str):
        return Have()
    return Have(size, noted["etag"])


def _note(part: str, notes: str, file_id: str, take: Take) -> Flow[None]:
    """Write down of which file the bytes are that come now."""
    if take.offset == 0:
        # Killed between the two writings, nobody must find old bytes beside the new tag.
        yield WriteFile(part, b"")
    yield WriteFile(notes, json.dumps({"file_id": file_id, "etag": take.etag, "total": take.total}).encode())
