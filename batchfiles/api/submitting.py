"""Submitting: a file goes up and becomes one batch, never two.

A batch is paid for, and making one can't be repeated blindly: where the answer is lost, there may be a batch or not.
So each one is made with a marker in its metadata, and after a lost answer the service's list is searched for it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field, replace

from batchfiles.api import batches, files
from batchfiles.api.batch import Batch
from batchfiles.api.batches import BatchFileExpirationAfter, BatchRequest, checked_metadata
from batchfiles.api.config import Config, RetryPolicy, is_worth_retrying
from batchfiles.api.effects import Flow, Log, Now, Random, Sleep, Token, again_in, call, exchange
from batchfiles.api.file import FileObject, Listing
from batchfiles.api.responses import FilePart, Request, Response, error_of
from batchfiles.errors import (
    AlreadySubmittedError,
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    NotFoundError,
    SubmissionUnknownError,
)
from batchfiles.open_strings import BatchCompletionWindow, bare_word

MARKER = "batchfiles"
"""The key of our one pair of metadata; users have the other 15. Its value is `<token> <sha256 of the file>`."""

SEARCH_PAUSES = (0.0, 2.0, 5.0, 10.0, 20.0)
"""Pauses before each search for a batch that may have been made: lists lag."""

PAGES = 20
"""Pages of `MAX_PAGE` batches that are searched."""

NEW_FILE_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""A file that was just uploaded is unknown for some seconds (bespokelabsai/curator#116)."""

PROCESSING = frozenset(
    {
        "pending",
        "running",
        "notrunning",
        "notstarted",
        "inprogress",
        "processing",
        "queued",
        "validating",
        "uploading",
        "importing",
    }
)
"""States of a file that pass, as `bare_word` writes them [Azure OpenAI REST reference, OpenAIFile and its older FileState, read
2026-11].

`uploaded` is not among them: many services have no other status.
"""

UNPROCESSED = frozenset({"error", "failed", "deleting", "deleted", "canceled", "cancelled"})
"""States in which a file can no longer be used for a batch [the same]."""

UNPROCESSED_CODE = "file_not_processed"
"""The code of our error for such a file."""

PROCESSING_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
QUIET_PAUSE = 2.0
LONGEST_PROCESSING = 3600.0
"""Seconds between two looks at a file; up to which pause it is only logged; and for which one is waited for."""

NOT_READY = re.compile(
    rb"annot find file|not? (?:yet )?(?:been )?(?:found|ready|processed)|still (?:being )?process|pending|processed\W{0,3}state",
    re.IGNORECASE,
)
"""Messages of services about a file that they have just accepted."""

NOT_SENT = frozenset({"resolve", "connect", "tls"})
"""Phases in which a request has not left: nothing can have happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is to become a batch.

    Attributes:
        path: The local file.
        size: Its bytes.
        sha256: Its fingerprint, in hexadecimal.
        filename: What it is called at the service.
        endpoint: Where its requests go.
        completion_window: How long it may take.
        metadata: At most 15 pairs.
        output_expires_after: When the files of results are to be deleted.
        token: The marker of this submission, if it was chosen (and noted down) before; else a new one is made.
    """

    path: str
    size: int
    sha256: str
    filename: str
    endpoint: str
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24
    metadata: dict[str, str] = field(default_factory=dict)
    output_expires_after: BatchFileExpirationAfter | None = None
    token: str | None = None

    def __post_init__(self) -> None:
        self.params("file-1")  # what is invalid is noticed before the file is uploaded

    def params(self, file_id: str) -> BatchRequest:
        """Return what the batch is made of.

        Args:
            file_id: The uploaded file.

        Raises:
            ValueError: Something is missing or too long.
        """
        checked_metadata({**self.metadata, MARKER: ""})
        return BatchRequest(
            input_file_id=file_id,
            endpoint=self.endpoint,
            completion_window=self.completion_window,
            metadata=self.metadata,
            output_expires_after=self.output_expires_after,
        )


def marker_of(batch: Batch) -> tuple[str, str] | None:
    """Return the token and the fingerprint that a batch of ours carries; None if it is not ours."""
    token, _, sha256 = (batch.metadata or {}).get(MARKER, "").partition(" ")
    return (token, sha256) if token and sha256 else None


def submit(config: Config, submission: Submission, policy: RetryPolicy, *, again: bool = False) -> Flow[Batch]:
    """Upload a file and make one batch of it.

    Args:
        config: Where the service is.
        submission: What is to become a batch.
        policy: For each call.
        again: Whether a file that has a batch already may have another one.

    Raises:
        AlreadySubmittedError: There is a live or finished batch of the same bytes; it is in the exception.
        SubmissionUnknownError: The answer was lost and the batch is not in the list: it may still appear, by its marker.
        APIError: The service refused it.
        APIConnectionError: The service could not be reached, and nothing was made.
    """
    if not again:
        earlier = yield from find(config, policy, sha256=submission.sha256)
        if earlier is not None:
            raise AlreadySubmittedError(earlier.id, earlier.status)
    file = yield from upload(config, FilePart(submission.path, 0, submission.size), submission.filename, policy)
    file = yield from processed(config, file, policy)
    return (yield from create(config, submission.params(file.id), policy, token=submission.token, sha256=submission.sha256))


def create(
    config: Config, params: BatchRequest, policy: RetryPolicy, *, token: str | None = None, sha256: str = "-"
) -> Flow[Batch]:
    """Make one batch of a file that was uploaded, and never two.

    Args:
        config: Where the service is.
        params: What it is made of; at most 15 pairs of metadata.
        policy: For what may be tried again.
        token: The marker of this batch, if it was chosen (and noted down) before; else a new one is made.
        sha256: The fingerprint of the file, if it is known.

    Raises:
        SubmissionUnknownError: The answer was lost and the batch is not in the list: it may still appear, by its marker.
        APIError: The service refused it.
        APIConnectionError: The service could not be reached, and nothing was made.
    """
    marker: str = token if token is not None else (yield Token())
    marked = replace(params, metadata={**(params.metadata or {}), MARKER: f"{marker} {sha256}"})
    return (yield from _create(config, batches.create_request(config, marked), marker, policy))


def upload(
    config: Config,
    part: FilePart,
    filename: str,
    policy: RetryPolicy,
    *,
    purpose: str = files.PURPOSE,
    expires_after: BatchFileExpirationAfter | None = None,
) -> Flow[FileObject]:
    """Upload a file. Trying again costs only the transfer: a second copy is free.

    Raises:
        APIError: The service refused it.
        APIConnectionError: It could not be reached.
    """
    boundary: str = yield Token()
    request = files.create_request(
        config, part, filename=filename, boundary=boundary, purpose=purpose, expires_after=expires_after
    )
    yield Log(logging.INFO, f"{part.path}: uploading {part.length:,} bytes")
    file = yield from call(request, files.create_response, policy)
    yield Log(logging.INFO, f"{part.path}: uploaded as {file.id}")
    return file


def processed(config: Config, file: FileObject, policy: RetryPolicy) -> Flow[FileObject]:
    """Wait until the service has processed a file that was uploaded: at Azure no batch can be made of one that is pending.

    It returns at once if the service reports no status, or one that is not a waiting status.

    Args:
        config: Where the service is.
        file: Its answer about the file.
        policy: For each look.

    Raises:
        APIError: The service could not process it, did not process it within an hour, or refused.
        APIConnectionError: It could not be reached.
    """
    began: float = yield Now()
    pauses = iter(PROCESSING_PAUSES)
    while bare_word(file.status or "") in PROCESSING:
        now: float = yield Now()
        if now - began > LONGEST_PROCESSING:
            raise APIError(f"the file {file.id} has been {file.status} for an hour, so it can't be used for a batch")
        pause = next(pauses, PROCESSING_PAUSES[-1])
        level = logging.WARNING if pause > QUIET_PAUSE else logging.INFO
        yield Log(level, f"{file.id} is {file.status}: waiting until the service has processed it")
        yield Sleep(pause)
        try:
            file = yield from call(files.retrieve_request(config, file.id), files.retrieve_response, policy)
        except NotFoundError:  # it is not known everywhere at once
            continue
    if bare_word(file.status or "") in UNPROCESSED:
        why = f": {file.status_details}" if file.status_details else ""
        raise APIError(f"the service could not process the file {file.id}, which is {file.status}{why}", code=UNPROCESSED_CODE)
    return file


def find(
    config: Config, policy: RetryPolicy, *, token: str | None = None, sha256: str | None = None, even_ended: bool = False
) -> Flow[Batch | None]:
    """Search the list for a batch of ours, by its token or by the bytes of its file.

    Searched for by its bytes, batches that failed, expired or were cancelled don't count, since their file may be sent again;
    unless `even_ended` asks for them.
    """
    listing: Listing[Batch] = Listing()
    for _ in range(PAGES):
        page = yield from call(
            batches.list_request(config, after=listing.after, limit=batches.MAX_PAGE), batches.list_response, policy
        )
        try:
            found = listing.add(page)
        except APIError:  # the newest are on the page that comes again, and more can't be had
            return None
        for batch in found:
            marker = marker_of(batch)
            if marker is None:
                continue
            if token is not None and marker[0] == token:
                return batch
            if sha256 is not None and marker[1] == sha256 and (even_ended or batch.status not in UNSUCCESSFUL):
                return batch
        if listing.is_over:
            return None
    return None


UNSUCCESSFUL = frozenset({"failed", "expired", "cancelling", "cancelled"})


def list_batches(
    config: Config, policy: RetryPolicy, *, after: str | None = None, limit: int | None = None, partly: bool = False
) -> Flow[list[Batch]]:
    """Return batches, newest first, over as many pages as it takes.

    Args:
        config: Where the service is.
        policy: For each page.
        after: Only those after this id.
        limit: How many at most; None for all.
        partly: Whether the newest ones are enough where the service returns the same page again.

    Raises:
        APIError: The service refused, or returns the same page again.
        APIConnectionError: There was no answer.
    """
    found: list[Batch] = []
    listing: Listing[Batch] = Listing(after)
    while not listing.is_over and (limit is None or len(found) < limit):
        size = batches.MAX_PAGE if limit is None else min(batches.MAX_PAGE, limit - len(found))
        page = yield from call(batches.list_request(config, after=listing.after, limit=size), batches.list_response, policy)
        for note in page.notes:
            yield Log(logging.WARNING, f"the list of batches: {note}")
        try:
            found += listing.add(page)
        except APIError as error:
            if not partly:
                raise
            yield Log(logging.WARNING, f"the list of batches: {error}")
    return found if limit is None else found[:limit]


def _create(config: Config, request: Request, token: str, policy: RetryPolicy) -> Flow[Batch]:
    """Make the batch; after an unclear answer, look for it before anything is sent again."""
    began: float = yield Now()
    attempt = 0
    pauses = iter(NEW_FILE_PAUSES)
    while True:
        attempt += 1
        problem: APIError | APIConnectionError
        headers: dict[str, str] = {}
        unsure = True
        try:
            response = yield from exchange(request)
        except APIConnectionError as error:
            problem = error
            unsure = error.phase not in NOT_SENT
        except APIResponseValidationError as error:  # it is too long to be read
            return (yield from _unread(config, error, token, policy))
        else:
            if response.is_success:
                return (yield from _made(config, response, token, policy))
            if _is_new_file(response) and (pause := next(pauses, None)) is not None:
                yield again_in(pause, request.name, error_of(response))
                yield Sleep(pause)
                attempt -= 1
                continue
            problem, headers = error_of(response), dict(response.headers)
            unsure = response.status_code == 408 or response.status_code >= 500
            if not unsure and not is_worth_retrying(response, conflicts=False):
                raise problem
        if unsure:
            yield Log(logging.WARNING, f"{request.name}: {problem}; checking whether the batch was created anyway")
            found, looked = yield from search(config, token, policy)
            if found is not None:
                return found
            if isinstance(problem, APIConnectionError) or not looked:
                raise SubmissionUnknownError(token, str(problem))
        chance: float = yield Random()
        now: float = yield Now()
        wait = policy.pause(attempt, headers, chance, now - began)
        if wait is None:
            raise SubmissionUnknownError(token, str(problem)) if unsure else problem
        yield again_in(wait, request.name, problem)
        yield Sleep(wait)


def _made(config: Config, response: Response, token: str, policy: RetryPolicy) -> Flow[Batch]:
    """Read the batch that was made."""
    try:
        made = batches.create_response(response)
    except APIError as error:
        return (yield from _unread(config, error, token, policy))
    yield Log(logging.INFO, f"{made.id} was made and is {made.status}")
    return made


def _unread(config: Config, error: APIError, token: str, policy: RetryPolicy) -> Flow[Batch]:
    """Look for a batch whose creation was confirmed with an answer that can't be read: it is there and paid for."""
    yield Log(logging.WARNING, f"the answer to the creation of a batch can't be read ({error}); looking for the batch")
    found, _ = yield from search(config, token, policy)
    if found is None:
        raise SubmissionUnknownError(token, "the answer can't be read")
    return found


def search(config: Config, token: str, policy: RetryPolicy) -> Flow[tuple[Batch | None, bool]]:
    """Look for the batch of a token, several times; also return whether the last look succeeded."""
    looked = False
    for pause in SEARCH_PAUSES:
        if pause:
            yield Sleep(pause)
        try:
            found = yield from find(config, policy, token=token)
        except (APIError, APIConnectionError):
            looked = False
            continue
        looked = True
        if found is not None:
            return found, True
    return None, looked


def _is_new_file(response: Response) -> bool:
    """Return whether the service does not know the file that it has just accepted, or has not processed it."""
    return (
        response.status_code in (400, 404, 409, 422)
        and b"file" in response.body.lower()
        and NOT_READY.search(response.body) is not None
    )
