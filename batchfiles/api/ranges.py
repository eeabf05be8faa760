"""What an answer to a request for the bytes of a file, or for the rest of them, means for what we have already.

Nothing is ever put together that may not belong together (RFC 9110, sections 13.1.5 and 14): only an answer that begins exactly
where we stopped, of a file with the same strong entity tag, is taken as the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from batchfiles.api.messages import Response

__all__ = ["Have", "Restart", "Take", "Verdict", "Whole", "read_content", "strong_etag"]

CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
UNSATISFIED = re.compile(r"bytes \*/(\d{1,18})")


@dataclass(frozen=True, slots=True)
class Have:
    """What there is of a file.

    Attributes:
        size: Its first bytes.
        etag: The strong entity tag of the file that they are of; None where there was none.
    """

    size: int = 0
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """The body is to be written from `offset` on.

    Attributes:
        offset: 0 for a file from its beginning.
        total: The bytes of the whole file; None where the answer doesn't say.
        etag: The strong entity tag of the file.
    """

    offset: int
    total: int | None
    etag: str | None


@dataclass(frozen=True, slots=True)
class Whole:
    """There is nothing more: what we have is the file."""


@dataclass(frozen=True, slots=True)
class Restart:
    """What we have is of no use: ask for the file from its beginning."""

    why: str


Verdict: TypeAlias = "Take | Whole | Restart"


def read_content(head: Response, have: Have) -> Verdict | None:
    """Tell what to do with an answer, by its status and headers; None if it is an error.

    Args:
        head: The answer without its body.
        have: What was asked to be continued; nothing of it means that the file was asked for from its beginning.
    """
    if head.status_code == 200:
        if _encoded(head):
            return Restart("it came compressed")
        return Take(0, _length(head), strong_etag(head))
    if head.status_code == 206:
        return _continued(head, have)
    if head.status_code == 416 and have.size:
        match = UNSATISFIED.fullmatch(head.headers.get("content-range", "").strip())
        same = match is not None and int(match[1]) == have.size
        return Whole() if same else Restart("the service has no more bytes, but another number of them")
    return None


def _continued(head: Response, have: Have) -> Verdict:
    match = CONTENT_RANGE.fullmatch(head.headers.get("content-range", "").strip())
    if not have.size or match is None:
        return Restart("a part came that was not asked for")
    start, end, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    etag = strong_etag(head)
    if start != have.size or end < start or (total is not None and end >= total):
        return Restart("another part came than was asked for")
    if _encoded(head) or have.etag is None or etag != have.etag:
        return Restart("the file is not surely the same")
    return Take(start, total, etag)


def strong_etag(head: Response) -> str | None:
    """Return the entity tag, if it is one that vouches for every byte."""
    etag = head.headers.get("etag", "").strip()
    return etag if len(etag) > 2 and etag[0] == etag[-1] == '"' and etag.isascii() and etag.isprintable() else None


def _encoded(head: Response) -> bool:
    return head.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def _length(head: Response) -> int | None:
    text = head.headers.get("content-length", "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
