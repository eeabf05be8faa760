"""The URLs of remote files as text: which strings are URLs, their parts, and how they are displayed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

__all__ = ["RemoteUrl", "is_plain_address", "local_path_of", "parse_url", "shown_name", "shown_path", "why_no_url"]

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
