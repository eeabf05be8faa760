"""What went wrong with a remote file, in plain words that hold no keys."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from batchfiles.errors import BatchFilesError, FileError

__all__ = ["told_as_file_error"]

STATUS = re.compile(r"AWS Error (\w+)|google::cloud::Status\((\w+)|Azure Error: \[?(\w+)|error \((\w+)\) occurred")
"""How pyarrow, and botocore behind s3fs, say what the service answered."""

ACCESS = "access denied: check the credentials and what they are allowed to do"
CREDENTIALS = "the service does not accept the credentials"
NONE_FOUND = "the service wants credentials, and none were found"
NETWORK = "the service can't be reached: check the network and the endpoint"
BUCKET = "there is no such bucket"
MISSING = "no such file"
BUSY = "the service is too busy: try again later"

WORDS = {
    "ACCESS_DENIED": (ACCESS, errno.EACCES),
    "AccessDenied": (ACCESS, errno.EACCES),
    "PERMISSION_DENIED": (ACCESS, errno.EACCES),
    "AuthorizationFailure": (ACCESS, errno.EACCES),
    "AuthorizationPermissionMismatch": (ACCESS, errno.EACCES),
    "INVALID_ACCESS_KEY_ID": (CREDENTIALS, errno.EACCES),
    "INVALID_CLIENT_TOKEN_ID": (CREDENTIALS, errno.EACCES),
    "SIGNATURE_DOES_NOT_MATCH": (CREDENTIALS, errno.EACCES),
    "UNRECOGNIZED_CLIENT": (CREDENTIALS, errno.EACCES),
    "ExpiredToken": (CREDENTIALS, errno.EACCES),
    "UNAUTHENTICATED": (CREDENTIALS, errno.EACCES),
    "AuthenticationFailed": (CREDENTIALS, errno.EACCES),
    "NETWORK_CONNECTION": (NETWORK, errno.EHOSTUNREACH),
    "UNAVAILABLE": (NETWORK, errno.EHOSTUNREACH),
    "REQUEST_TIMEOUT": (NETWORK, errno.ETIMEDOUT),
    "DEADLINE_EXCEEDED": (NETWORK, errno.ETIMEDOUT),
    "NO_SUCH_BUCKET": (BUCKET, errno.ENOENT),
    "NoSuchBucket": (BUCKET, errno.ENOENT),
    "ContainerNotFound": (BUCKET, errno.ENOENT),
    "NO_SUCH_KEY": (MISSING, errno.ENOENT),
    "RESOURCE_NOT_FOUND": (MISSING, errno.ENOENT),
    "NOT_FOUND": (MISSING, errno.ENOENT),
    "BlobNotFound": (MISSING, errno.ENOENT),
    "SLOW_DOWN": (BUSY, errno.EAGAIN),
    "RESOURCE_EXHAUSTED": (BUSY, errno.EAGAIN),
    "THROTTLING": (BUSY, errno.EAGAIN),
}

NO_CREDENTIALS = re.compile(r"Failed to get token|DefaultAzureCredential|Unable to locate credentials|DefaultCredentials")
"""What the libraries say that looked for credentials in all their places."""

SECRETS = re.compile(r"\?\S*|(?<=//)[^\s'\"]+@")
"""What may hold keys in a URL that a library repeats: the options, and what stands before an `@`."""

LONGEST = 300
"""Characters of somebody else's message."""


@contextmanager
def told_as_file_error(shown: str) -> Iterator[None]:
    """Turn whatever a filesystem raises into a `FileError` with the file's name.

    Args:
        shown: The display name, free of credentials.

    Raises:
        FileError: The filesystem refused, of whatever kind its exception was: those of fsspec raise the exceptions of their
            services' libraries, which have no root in common.
    """
    try:
        yield
    except (BatchFilesError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - see above; the block holds calls of the filesystem only
        words, number = _words(error)
        told = FileError(words, path=shown, number=number)
    else:
        return
    raise told from None  # outside, so that nothing holds what the library said: it may repeat a URL


def _words(error: Exception) -> tuple[str, int]:
    said = str(error)
    match = STATUS.search(said)
    status = next(filter(None, match.groups()), "") if match else ""
    if status in WORDS:
        return WORDS[status]
    if NO_CREDENTIALS.search(said):
        return NONE_FOUND, errno.EACCES
    if isinstance(error, FileNotFoundError):
        return MISSING, errno.ENOENT
    if isinstance(error, PermissionError):
        return ACCESS, errno.EACCES
    number = error.errno if isinstance(error, OSError) else None
    words = SECRETS.sub("", said.partition("\n")[0])[:LONGEST]
    return words or type(error).__name__, number or errno.EIO
