"""Remote files by URL: which strings are URLs, their parts, how they are displayed, and the `pyarrow.fs` filesystem of each.

Also the filesystem of the user's own object, and what went wrong with a remote file, in plain words that hold no keys.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from batchfiles.errors import BatchFilesError, FileError, MissingDependencyError

STATUS = re.compile(r"AWS Error (\w+)|google::cloud::Status\((\w+)|Azure Error: \[?(\w+)|error \((\w+)\) occurred")
"""How pyarrow, and botocore under s3fs, report the answer of the service."""

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
"""Messages of libraries that found no credentials."""

SECRETS = re.compile(r"\?\S*|(?<=//)[^\s'\"]+@")
"""What may hold keys in a URL that a library repeats: the options, and what comes before an `@`."""

LONGEST = 300
"""Characters of a message of a library."""


@contextmanager
def as_file_error(shown: str) -> Iterator[None]:
    """Turn any exception of a filesystem into a `FileError` with the file's name.

    Args:
        shown: The display name, free of credentials.

    Raises:
        FileError: The filesystem raised any exception: those of fsspec raise those of their services' libraries, which have no
            common base class.
    """
    try:
        yield
    except (BatchFilesError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - see above; the block holds calls of the filesystem only
        words, number = _words(error)
        file_error = FileError(words, path=shown, number=number)
    else:
        return
    raise file_error from None  # outside, so that nothing holds the message of the library: it may repeat a URL


def _words(error: Exception) -> tuple[str, int]:
    message = str(error)
    match = STATUS.search(message)
    status = next(filter(None, match.groups()), "") if match else ""
    if status in WORDS:
        return WORDS[status]
    if NO_CREDENTIALS.search(message):
        return NONE_FOUND, errno.EACCES
    if isinstance(error, FileNotFoundError):
        return MISSING, errno.ENOENT
    if isinstance(error, PermissionError):
        return ACCESS, errno.EACCES
    number = error.errno if isinstance(error, OSError) else None
    words = SECRETS.sub("", message.partition("\n")[0])[:LONGEST]
    return words or type(error).__name__, number or errno.EIO


CONNECT_SECONDS = 10
SILENT_SECONDS = 30
"""How long a connection may take, and how long it may carry nothing, before it is tried again."""
ATTEMPTS = 5
GCS_RETRY_SECONDS = "60"
"""How long Google's client tries again; its own limit is a quarter of an hour."""

S3_OPTIONS = ("region", "scheme", "endpoint_override", "anonymous", "force_virtual_addressing", "tls_ca_file_path")
FLAGS = ("anonymous", "force_virtual_addressing")

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Where Amazon's tools look for another service than Amazon's; pyarrow does for some of its filesystems."""
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


@lru_cache(maxsize=16)
def filesystem_of(url: RemoteUrl) -> tuple[Any, str]:
    """Connect to the service of a URL; the same URL gives the same object.

    Args:
        url: Without its path, so that the files of a bucket share a connection.

    Returns:
        The filesystem, and the path of the URL in it.

    Raises:
        MissingDependencyError: The installed pyarrow does not support the service.
        ValueError: The URL has an unknown option, or an invalid value.
        FileError: The service can't be reached, or needs credentials.
    """
    if not url.host:
        raise ValueError(f"the URL {url.shown} names no bucket")
    return (_s3(url), url.host) if url.scheme == "s3" else _by_pyarrow(url)


def _s3(url: RemoteUrl) -> Any:  # noqa: ANN401 - pyarrow has no types
    # Not by `FileSystem.from_uri`, which takes no timeouts and whose sentences repeat the URL.
    try:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem
    except ImportError:
        raise MissingDependencyError("this pyarrow was built without S3: install the one from PyPI") from None
    options: dict[str, Any] = {}
    for name, value in url.query:
        if name not in S3_OPTIONS:
            raise ValueError(f"there is no option {name!r} for {url.shown}: choose from {', '.join(S3_OPTIONS)}")
        if name in FLAGS and value not in ("true", "false"):
            raise ValueError(f"the option {name!r} of {url.shown} is 'true' or 'false'")
        options[name] = value == "true" if name in FLAGS else value
    if url.user:
        options |= {"access_key": url.user, "secret_key": url.password or ""}
    if "endpoint_override" not in options:
        options |= _endpoint()
    if "region" not in options and (region := _region(url, options)):
        options["region"] = region
    with as_file_error(url.shown):
        return S3FileSystem(
            **options,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=SILENT_SECONDS,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        )


def _endpoint() -> dict[str, str]:
    """Return the options for the service that the environment names, such as `http://localhost:9000`."""
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return {}
    named = next(filter(None, map(os.environ.get, ENDPOINTS)), "")
    scheme, _, host = named.rpartition("://")
    return {"endpoint_override": host.rstrip("/"), **({"scheme": scheme} if scheme else {})} if host else {}


def _region(url: RemoteUrl, options: dict[str, Any]) -> str | None:
    """Ask for the region of a bucket, if none is given and it can only be Amazon's."""
    from pyarrow.fs import resolve_s3_region

    if "endpoint_override" in options or any(map(os.environ.get, REGIONS)):
        return None
    try:
        region: str = resolve_s3_region(url.host)
    except OSError:  # the first request reports it better
        return None
    return region


def _by_pyarrow(url: RemoteUrl) -> tuple[Any, str]:
    import pyarrow as pa
    from pyarrow.fs import FileSystem

    query = dict(url.query)
    if url.scheme in ("gs", "gcs"):
        query.setdefault("retry_limit_seconds", GCS_RETRY_SECONDS)
    password = "" if url.password is None else f":{quote(url.password, safe='')}"
    user = "" if url.user is None else f"{quote(url.user, safe='')}{password}@"
    # From a path with a slash at its end pyarrow takes the container; we add the rest.
    text = f"{url.scheme}://{user}{url.host}/{f'?{urlencode(query)}' if query else ''}"
    wrong = missing = False
    with as_file_error(url.shown):
        try:
            filesystem, path = FileSystem.from_uri(text)
        except pa.ArrowNotImplementedError:
            missing = True
        except pa.ArrowInvalid as error:  # pyarrow before 17 has no abfs
            missing, wrong = "nrecognized filesystem" in str(error), True
    if missing:
        raise MissingDependencyError(f"this pyarrow can't read {url.scheme}:// files: install a newer one, from PyPI")
    if wrong:
        raise ValueError(f"the URL of {url.shown} is wrong: look at the part before the @ and at the options after the ?")
    return filesystem, path.strip("/")


def wrapped(filesystem: Any) -> Any:  # noqa: ANN401 - pyarrow and fsspec have no types
    """Return a `pyarrow.fs.FileSystem` for the one that a user gives, of pyarrow or of fsspec.

    Raises:
        TypeError: It is neither.
    """
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    if isinstance(filesystem, FileSystem):
        return filesystem
    if any(kind.__module__.partition(".")[0] == "fsspec" for kind in type(filesystem).__mro__):
        return PyFileSystem(FSSpecHandler(filesystem))
    raise TypeError(f"a filesystem is one of pyarrow.fs or of fsspec, not {type(filesystem).__name__}")


REMOTE = re.compile(r"(s3|gs|gcs|abfss?):/{1,2}([^/].*)", re.DOTALL | re.IGNORECASE)
"""One slash is enough: `pathlib.Path("s3://bucket/key")` has lost the other one."""

URL = re.compile(r"\s*([a-z][a-z0-9+.-]+):/{1,2}(?=.)", re.DOTALL | re.IGNORECASE)
"""The beginning of any URL; a single letter is a Windows drive."""

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss")

FILE = "file"

PORT = re.compile(r"[^:]*(:[0-9]+)?")
"""A host, with or without a port."""

ADDRESS = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:/[a-z0-9._~/-]*)?", re.IGNORECASE)
"""An address of a service: a host, perhaps a port and a path, and no place for a secret."""

KEEP_USER = ("abfs", "abfss")
"""Where the part before the `@` names a container or an account; elsewhere it is a key."""


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """A URL in its parts. Its `repr` holds neither keys nor options, which may be keys.

    Attributes:
        scheme: `s3`, `gs`, `gcs`, `abfs` or `abfss`.
        host: The bucket; for Azure, an account's host or a container.
        path: What follows it, unchanged: a `%` is a `%`, as for the services' own tools.
        user: The part before the `@`, up to a colon; decoded.
        password: The part after that colon; decoded.
        query: The options after the `?`, decoded.
    """

    scheme: str
    host: str
    path: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """What findings, columns and messages call it: without key, password and options."""
        user = f"{self.user}@" if self.user and self.scheme in KEEP_USER else ""
        return f"{self.scheme}://{user}" + f"{self.host}/{self.path}".rstrip("/")


def parse_url(text: str) -> RemoteUrl | None:
    """Parse a URL; None if the text is a local path, another kind of URL, or one whose credentials do not end.

    The options begin at the first `?`: a key that holds one can't be written as a URL.
    """
    match = REMOTE.fullmatch(text)
    if match is None:
        return None
    scheme = match[1].lower()
    parts = _parts(match[2], has_port=scheme in KEEP_USER)
    if parts is None:
        return None
    userinfo, host, path, query = parts
    user, colon, password = (userinfo or "").partition(":")
    return RemoteUrl(
        scheme=scheme,
        host=host,
        path=path,
        user=None if userinfo is None else unquote(user),
        password=unquote(password) if colon else None,
        query=tuple(parse_qsl(query, keep_blank_values=True)),
    )


def _parts(text: str, *, has_port: bool) -> tuple[str | None, str, str, str] | None:
    """Split what follows the scheme of a URL: the part before the `@`, the host, the path and the query.

    A secret may hold "/", "?" and "@", and then the host and the path would be parts of it: None if that is possible.
    """
    location, _, query = text.partition("?")
    authority, _, path = location.partition("/")
    userinfo, at, host = authority.rpartition("@")
    is_host = ":" not in host or (has_port and PORT.fullmatch(host) is not None)
    if not is_host or (":" in authority and "@" in f"{path}{query}"):
        return None
    return userinfo if at else None, host, path, query


def local_path_of(text: str) -> Path | None:
    """Return the path that a text names on this machine, a `file://` URL or a plain path; None if it is another kind of URL."""
    match = URL.match(text)
    if match is None:
        return Path(text)
    if match[1].lower() != FILE:
        # A folder may be called "a:", and then it is there.
        return Path(text) if _is_there(text[: match.end(1) + 1]) else None
    rest = text[match.end(1) + 1 :]
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
    else:
        # `pathlib.Path("file://user:secret@host/x")` has lost a slash.
        authority, slash, path = "", "/", rest[1:]
        if ":" in path.partition("/")[0] and "@" in path:
            return None
    return Path(unquote(f"/{path}", errors="surrogateescape")) if slash and authority.lower() in ("", "localhost") else None


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def why_no_url(text: str) -> str:
    """Return why a text that begins as a URL can't be used; only its scheme is repeated."""
    match = URL.match(text)
    scheme = match[1].lower() if match is not None else ""
    if scheme == FILE:
        return "the file:// URL names another machine, or no path: write file:///PATH"
    if scheme not in SCHEMES:
        return f"{scheme}:// URLs can't be read or written; choose s3://, gs://, abfs://, abfss://, file:// or a path"
    if REMOTE.fullmatch(text) is None:
        return f"the {scheme}:// URL names no bucket, or has a space before it"
    return (
        f"the {scheme}:// URL can't be parsed: write '/', '?' and '@' in a key or password as %2F, %3F and %40, or leave "
        "the credentials to the environment"
    )


def shown_name(text: str) -> str:
    """Return the display name of a path or URL; its suffix is read from it too.

    Only the scheme of a URL that can't be parsed is shown: anything else may be part of a secret.
    """
    url = parse_url(text)
    if url is not None:
        return url.shown
    match = URL.match(text)
    return text if match is None or local_path_of(text) is not None else f"{match[1].lower()}://…"


def is_plain_address(text: str) -> bool:
    """Return whether a text is the address of a service, without credentials or parameters, so that it may be shown."""
    return ADDRESS.fullmatch(text) is not None


def shown_path(text: str) -> str:
    """Return the display name of a path in the user's own filesystem: it may be any URL, such as an HTTP one."""
    match = URL.match(text)
    if match is None:
        return text
    parts = _parts(text[match.end() :].lstrip("/"), has_port=True)
    return f"{match[1]}://…" if parts is None else f"{match[1]}://{parts[1]}/{parts[2]}".rstrip("/")
