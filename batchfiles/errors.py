"""The exceptions of batchfiles, all under one root.

    BatchFilesError
    ├─ DataError (ValueError)             a file is wrong; .role is its side: "input", "output" or None
    │  ├─ InvalidLineError                one line is wrong; .code .json_path
    │  ├─ LineTooLongError                .limit in bytes
    │  ├─ DuplicateCustomIdError          .custom_id .first_path .first_line_number
    │  ├─ FileTooLargeError               .limit in bytes
    │  ├─ TooManyRequestsError            .limit in requests
    │  ├─ TooManyEmbeddingInputsError     .limit in texts to embed
    │  ├─ TruncatedFileError              the file ends too early, or its compression is damaged
    │  └─ MismatchError                   files that don't belong together, or one in the wrong format
    ├─ FileError (OSError)                the disk or the operating system refused; .path
    │  └─ OutputExistsError               the target exists already; `overwrite` replaces it
    ├─ WorkerError                        a worker process died
    ├─ MissingDependencyError (ImportError)   an extra is not installed; the message names it
    ├─ APIError                           the service refused; .status_code .code .param .request_id
    │  ├─ AuthenticationError             401
    │  ├─ PermissionDeniedError           403
    │  ├─ NotFoundError                   404
    │  ├─ ConflictError                   409
    │  ├─ RateLimitError                  429
    │  ├─ InternalServerError             5xx
    │  └─ APIResponseValidationError      a response that is not of the documented shape
    ├─ APIConnectionError                 there was no complete response; .phase
    │  ├─ APITimeoutError                 the time for the request has ended
    │  ├─ SubmissionUnknownError          a batch may have been created: look before repeating; .marker
    │  └─ IncompleteDownloadError         a file was not downloaded completely; .path
    ├─ StillRunningError (TimeoutError)   the wait for a batch timed out; .batch_id .batch
    ├─ AlreadySubmittedError              there is a batch of the same bytes; .batch_id .status
    ├─ BatchFailedError                   the service refused a whole file of requests; .batch_id
    └─ InvalidWebhookError                a message that does not come from the service

Wrong calls raise plain `TypeError` or `ValueError`: they are mistakes to fix, not conditions to catch. No exception here ever
holds the line that it is about: one kept error of a 60 MB line would keep 60 MB.
"""

from __future__ import annotations

import errno
from typing import Any

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APITimeoutError",
    "AlreadySubmittedError",
    "AuthenticationError",
    "BatchFailedError",
    "BatchFilesError",
    "ConflictError",
    "DataError",
    "DuplicateCustomIdError",
    "FileError",
    "FileTooLargeError",
    "IncompleteDownloadError",
    "InternalServerError",
    "InvalidLineError",
    "InvalidWebhookError",
    "LineTooLongError",
    "MismatchError",
    "MissingDependencyError",
    "NotFoundError",
    "OutputExistsError",
    "PermissionDeniedError",
    "RateLimitError",
    "StillRunningError",
    "SubmissionUnknownError",
    "TooManyEmbeddingInputsError",
    "TooManyRequestsError",
    "TruncatedFileError",
    "WorkerError",
]


class BatchFilesError(Exception):
    """The root of everything that batchfiles raises on purpose; every one of them can be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the attributes when pickled between processes: most constructors here take keywords only."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[BatchFilesError], args: tuple[Any, ...], state: dict[str, Any]) -> BatchFilesError:
    error = kind.__new__(kind, *args)
    if isinstance(error, OSError):
        OSError.__init__(error, *args)  # sets errno and strerror, which are in no __dict__
    error.args = args
    error.__dict__.update(state)
    return error


class DataError(BatchFilesError, ValueError):
    """A file, or a line in it, is wrong.

    Attributes:
        reason: What is wrong and what to do, without the place.
        path: The file's display name, free of credentials; None where the bytes came from no file.
        line_number: Counted from 1, blank lines included; None where no single line is to blame.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        role: `"input"` or `"output"`: whether it is a file for the service or from it; None where it doesn't matter.
    """

    code = "invalid_file"

    def __init__(
        self,
        reason: str,
        *,
        path: str | None = None,
        line_number: int | None = None,
        byte_offset: int | None = None,
        role: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        self.line_number = line_number
        self.byte_offset = byte_offset
        self.role = role

    def __str__(self) -> str:
        """Return the sentence with its place, as `path:line: reason (code)`."""
        place = ":".join(str(part) for part in (self.path, self.line_number) if part is not None)
        return f"{place}: {self.reason} ({self.code})" if place else f"{self.reason} ({self.code})"


class InvalidLineError(DataError):
    """One line can't be read, or lacks what a line must contain.

    Attributes:
        code: OpenAI's own word where it has one, such as `invalid_json_line` or `missing_required_parameter`.
        json_path: Where in the line, such as `$.response.status_code`; None where the line as a whole is meant.
    """

    def __init__(
        self,
        reason: str,
        *,
        code: str,
        json_path: str | None = None,
        path: str | None = None,
        line_number: int | None = None,
        byte_offset: int | None = None,
        role: str | None = None,
    ) -> None:
        super().__init__(reason, path=path, line_number=line_number, byte_offset=byte_offset, role=role)
        self.code = code
        self.json_path = json_path


class LineTooLongError(DataError):
    """A line is longer than `max_line_bytes`; `.limit` in bytes. The following lines can still be read."""

    code = "line_too_long"

    def __init__(
        self, reason: str, *, limit: int, path: str | None = None, line_number: int | None, byte_offset: int | None
    ) -> None:
        super().__init__(reason, path=path, line_number=line_number, byte_offset=byte_offset)
        self.limit = limit


class DuplicateCustomIdError(DataError):
    """A `custom_id` is used twice where it must be unique; both places are named."""

    code = "duplicate_custom_id"

    def __init__(
        self,
        reason: str,
        *,
        custom_id: str,
        first_path: str | None = None,
        first_line_number: int | None = None,
        path: str | None = None,
        line_number: int | None = None,
        byte_offset: int | None = None,
    ) -> None:
        super().__init__(reason, path=path, line_number=line_number, byte_offset=byte_offset)
        self.custom_id = custom_id
        self.first_path = first_path
        self.first_line_number = first_line_number


class FileTooLargeError(DataError):
    """A file is above a size limit; `.limit` in bytes."""

    code = "file_too_large"

    def __init__(self, reason: str, *, limit: int, path: str | None = None) -> None:
        super().__init__(reason, path=path)
        self.limit = limit


class TooManyRequestsError(DataError):
    """A file holds more requests than its limits profile allows; `.limit` in requests."""

    code = "too_many_requests"

    def __init__(self, reason: str, *, limit: int, path: str | None = None, line_number: int | None = None) -> None:
        super().__init__(reason, path=path, line_number=line_number)
        self.limit = limit


class TooManyEmbeddingInputsError(DataError):
    """A file holds more texts to embed than its limits profile allows, over all requests; `.limit` in texts."""

    code = "too_many_embedding_inputs"

    def __init__(self, reason: str, *, limit: int, path: str | None = None, line_number: int | None = None) -> None:
        super().__init__(reason, path=path, line_number=line_number)
        self.limit = limit


class TruncatedFileError(DataError):
    """The file ends before the end of its format, or its compressed bytes are damaged."""

    code = "truncated_file"


class MismatchError(DataError):
    """Files that can't belong together, or a file in another format than the one asked for."""

    code = "mismatch"


class FileError(BatchFilesError, OSError):
    """The disk or the operating system refused; see `.path` and `.errno`."""

    def __init__(self, reason: str, *, path: str | None = None, number: int | None = None) -> None:
        super().__init__(number if number is not None else errno.EIO, reason)  # OSError keeps them out of __dict__
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        """Return `path: reason`."""
        return f"{self.path}: {self.reason}" if self.path else self.reason


class OutputExistsError(FileError):
    """The target of a writer exists already and `overwrite` was not given."""

    def __init__(self, path: str, *, resumable: bool = False) -> None:
        ways = "or use overwrite=True"
        if resumable:
            ways = "continue the folder of a campaign with resume=True, or use overwrite=True"
        super().__init__(f"exists already: choose another name, {ways}", path=path, number=errno.EEXIST)


class WorkerError(BatchFilesError):
    """A worker process ended without an answer; the message holds its last output."""


def missing_extra(user: str, package: str, extra: str) -> MissingDependencyError:
    """Return the error for a package of an extra, with a command that also works where batchfiles is in no package registry."""
    from importlib import metadata

    try:
        required = [line.replace('"', "'").partition(";") for line in metadata.requires("batchfiles") or ()]
    except metadata.PackageNotFoundError:  # a source folder on the path
        required = []
    packages = [f"'{name.strip()}'" for name, _, condition in required if condition.strip() == f"extra == '{extra}'"]
    return MissingDependencyError(f"{user} needs {package}: pip install {' '.join(packages) or package}")


class MissingDependencyError(BatchFilesError, ImportError):
    """A feature needs a package that is not installed; the message names what to install."""


class APIError(BatchFilesError):
    """The service answered with an error.

    Attributes:
        reason: Its own words, unless they are the page of a proxy; at most 200 characters.
        status_code: The HTTP status, any integer; None where the answer itself is the problem.
        code: The service's word for it, such as `invalid_value`.
        param: The parameter that is to blame.
        request_id: The service's name for the exchange, for its support.
    """

    def __init__(
        self,
        reason: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status_code = status_code
        self.code = code
        self.param = param
        self.request_id = request_id

    def __str__(self) -> str:
        """Return the reason with what identifies it."""
        known = (("status", self.status_code), ("code", self.code), ("param", self.param), ("request", self.request_id))
        facts = ", ".join(f"{name} {value}" for name, value in known if value is not None)
        return f"{self.reason} ({facts})" if facts else self.reason


class AuthenticationError(APIError):
    """401: the key is missing, wrong or expired."""


class PermissionDeniedError(APIError):
    """403: the key may not do this."""


class NotFoundError(APIError):
    """404: there is no such batch or file, or it belongs to another project."""


class ConflictError(APIError):
    """409: not in this state, as a batch that is over can't be cancelled."""


class RateLimitError(APIError):
    """429: too much at once, or no money left."""


class InternalServerError(APIError):
    """5xx: the service, or a proxy before it, is in trouble."""


class APIResponseValidationError(APIError):
    """An answer that is not of the documented shape: a page of HTML, nothing at all, a value of another type."""


class APIConnectionError(BatchFilesError):
    """There was no whole answer.

    Attributes:
        phase: How far it got: `resolve`, `connect`, `tls`, `send` or `receive`. Up to `tls` the request has not left.
    """

    def __init__(self, reason: str, *, phase: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.phase = phase


class APITimeoutError(APIConnectionError):
    """The time for a request, a connection or a single read has ended."""


class SubmissionUnknownError(APIConnectionError):
    """The answer to the making of a batch was lost, and the batch is in no list yet: look for the marker before you submit again.

    Attributes:
        marker: The token in the metadata of the batch, if there is one.
    """

    def __init__(self, marker: str, why: str) -> None:
        super().__init__(
            f"the batch may have been made or not ({why}); look for {marker} in the metadata of the newest batches "
            "before submitting again",
            phase="receive",
        )
        self.marker = marker


class IncompleteDownloadError(APIConnectionError):
    """No attempt received the whole file; its first part is kept next to the target for the next one.

    Attributes:
        path: The target.
    """

    def __init__(self, reason: str, *, path: str) -> None:
        super().__init__(f"{path}: {reason}", phase="receive")
        self.path = path


def _printable(word: str) -> str:
    """Escape text of the service, so that it can't control the terminal on which an error is printed."""
    return word if word.isprintable() else ascii(word)[1:-1]


class StillRunningError(BatchFilesError, TimeoutError):
    """We stopped waiting for a batch; it continues.

    Attributes:
        batch_id: The batch.
        batch: The batch at the last look; None if it was never seen.
    """

    def __init__(self, batch_id: str, batch: Any = None) -> None:  # noqa: ANN401 - the network side's, which this floor doesn't know
        seen = "was not seen yet" if batch is None else f"is {_printable(batch.status)}"
        super().__init__(f"{batch_id} {seen}, and the time to wait has ended")
        self.batch_id = batch_id
        self.batch = batch


class AlreadySubmittedError(BatchFilesError):
    """The service has a live or finished batch of the very same bytes.

    Attributes:
        batch_id: That batch.
        status: Its status.
    """

    def __init__(self, batch_id: str, status: str) -> None:
        was = f"{batch_id} was made of the same bytes and is {_printable(status)}"
        super().__init__(f"{was}; submit it again only if you want to pay again")
        self.batch_id = batch_id
        self.status = status


class BatchFailedError(BatchFilesError):
    """The service refused a whole file of requests; nothing of it was done, and nothing is paid for.

    Attributes:
        batch_id: The batch that failed.
    """

    def __init__(self, reason: str, *, batch_id: str) -> None:
        super().__init__(reason)
        self.batch_id = batch_id


class InvalidWebhookError(BatchFilesError):
    """A message that was posted to us does not come from the service, is too old, or is not an event of a batch."""
