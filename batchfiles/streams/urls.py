"""The URLs of remote files as text: what is one, what it is called where people read it, what stands in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

__all__ = ["RemoteUrl", "local_path_of", "parse_url", "shown_name"]

REMOTE = re.compile(r"(s3|gs|gcs|abfss?):/{1,2}([^/].*)", re.DOTALL)
"""One slash is enough: `pathlib.Path("s3://bucket/key")` has lost the other one."""

LOCAL = re.compile(r"file:(?://(?:localhost)?(?=/))?(/.*)", re.DOTALL)

KEEP_USER = ("abfs", "abfss")
"""Where the part before the `@` names a container or an account; elsewhere it is a key."""


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """A URL in its parts. Its `repr` holds neither keys nor options, which may be keys.

    Attributes:
        scheme: `s3`, `gs`, `gcs`, `abfs` or `abfss`.
        host: The bucket; for Azure, an account's host or a container.
        path: What stands behind it, as it is written: a `%` is a `%`, as for the services' own tools.
        user: What stands before the `@`, up to a colon; decoded.
        password: What stands behind that colon; decoded.
        query: The options behind the `?`, decoded.
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
    """Take a URL apart; None if the text is a local path, or another kind of URL.

    The options begin at the first `?`: a key that holds one can't be written as a URL.
    """
    match = REMOTE.fullmatch(text)
    if match is None:
        return None
    location, _, query = match[2].partition("?")
    authority, _, path = location.partition("/")
    userinfo, at, host = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    return RemoteUrl(
        scheme=match[1],
        host=host,
        path=path,
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
        query=tuple(parse_qsl(query, keep_blank_values=True)),
    )


def local_path_of(text: str) -> Path | None:
    """Return the path that a `file://` URL names; None for any other text."""
    match = LOCAL.fullmatch(text)
    return Path(unquote(match[1])) if match else None


def shown_name(text: str) -> str:
    """Return what a path or URL is called where people read it; also where its suffix is looked at."""
    url = parse_url(text)
    return text if url is None else url.shown
