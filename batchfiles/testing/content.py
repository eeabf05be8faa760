"""The bytes of a file as an answer, or the part of them that was asked for (RFC 9110, section 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from batchfiles.testing.file_store import CHUNK, StoredFile

__all__ = ["content_of"]


def content_of(stored: StoredFile, request: Request) -> Response:
    """Answer with a file; never more of it in memory than a piece."""
    size = stored.object.bytes or 0
    headers = {"ETag": stored.etag, "Accept-Ranges": "bytes"}
    start = _start_of_range(request.headers.get("range", ""))
    if_range = request.headers.get("if-range")
    if start is None or (if_range is not None and if_range != stored.etag):
        return _streamed(stored.path, 0, size, 200, headers)
    if start >= size:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    return _streamed(stored.path, start, size, 206, {**headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"})


def _streamed(path: Path, start: int, size: int, status: int, headers: dict[str, str]) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(CHUNK):
                yield piece

    return StreamingResponse(
        pieces(), status, {**headers, "Content-Length": str(size - start)}, media_type="application/octet-stream"
    )


def _start_of_range(header: str) -> int | None:
    """Return where a range of the form `bytes=N-` begins; others are as if none was asked for, as servers may have it."""
    unit, _, span = header.partition("=")
    start = span.removesuffix("-")
    known = unit == "bytes" and span.endswith("-") and start.isascii() and start.isdigit() and len(start) <= 18
    return int(start) if known else None
