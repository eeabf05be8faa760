"""The calls of `/files`: for each a function that builds the request and one that reads the response. Nothing is sent here.

https://platform.openai.com/docs/api-reference/files

A body of `multipart/form-data` (RFC 7578) whose file is read only as it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal, TypeAlias
from urllib.parse import urljoin, urlsplit

from batchfiles.api.batches import BatchFileExpirationAfter
from batchfiles.api.config import Config, checked_id
from batchfiles.api.file import FileDeleted, FileObject, ListFilesResponse
from batchfiles.api.responses import Body, FilePart, Request, Response, json_of
from batchfiles.errors import APIError

BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=?-]{1,70}")
"""RFC 2046, section 5.1.1, without the space."""


def content_type(boundary: str) -> str:
    """Return the header of a form.

    Raises:
        ValueError: The boundary is not valid.
    """
    if not BOUNDARY.fullmatch(boundary):
        raise ValueError(f"{boundary!r} is not a valid boundary")
    return f'multipart/form-data; boundary="{boundary}"'


def form(fields: Mapping[str, str], name: str, filename: str, file: FilePart, boundary: str) -> Body:
    """Build the body: the fields, then the file.

    Args:
        fields: Names and values.
        name: The name of the file's field.
        filename: What the file is called there.
        file: What is sent.
        boundary: A line that is not in the file; a random one of 32 characters never is.
    """
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(key)}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"; filename="{_quoted(filename)}"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    return head.encode(), file, f"\r\n--{boundary}--\r\n".encode()


def _quoted(text: str) -> str:
    """Write a name as browsers do (WHATWG, multipart/form-data encoding algorithm)."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


PURPOSE: Final = "batch"
"""What a file of requests is uploaded for."""

TIMEOUT_FACTOR = 10
"""A file of hundreds of megabytes takes longer than an answer in JSON; ours."""

MAX_PAGE = 10_000
"""Files of a page at most [OpenAI's OpenAPI document, listFiles, f85dbe2]."""


Order: TypeAlias = Literal["asc", "desc"]
"""The order of a list, by the time of creation."""


def create_request(
    config: Config,
    file: FilePart,
    *,
    filename: str,
    boundary: str,
    purpose: str = PURPOSE,
    expires_after: BatchFileExpirationAfter | None = None,
) -> Request:
    """Build the request that uploads a file.

    Args:
        config: Where the service is.
        file: What is sent; it is read by the driver, piece by piece.
        filename: Its name at the service; OpenAI requires the suffix `.jsonl`.
        boundary: A random text that is not in the file.
        purpose: `batch` for requests.
        expires_after: When the service is to delete it.

    Raises:
        ValueError: The boundary is not valid.
    """
    fields = {"purpose": purpose}
    if expires_after is not None:
        fields["expires_after[anchor]"] = expires_after.anchor
        fields["expires_after[seconds]"] = str(expires_after.seconds)
    headers = config.all_headers(Content_Type=content_type(boundary))
    return Request("POST", config.url("files"), headers, form(fields, "file", filename, file, boundary), TIMEOUT_FACTOR)


def file_of(response: Response) -> FileObject:
    """Read the file object: of the file that was made, or that is asked for.

    Raises:
        APIError: The service refused it.
    """
    return FileObject.from_dict(json_of(response))


create_response = retrieve_response = file_of


def retrieve_request(config: Config, file_id: str) -> Request:
    """Build the request for what the service knows of a file.

    Raises:
        ValueError: It is not an id.
    """
    return Request("GET", config.url("files", checked_id(file_id, "file")), config.all_headers())


def list_request(
    config: Config,
    *,
    purpose: str | None = None,
    after: str | None = None,
    limit: int | None = None,
    order: Order | None = None,
) -> Request:
    """Build the request for a page of files.

    Args:
        config: Where the service is.
        purpose: Only files of this purpose.
        after: The id of the last file of the page before.
        limit: How many, from 1 to 10,000.
        order: `asc` or `desc`, by the time of their making.

    Raises:
        ValueError: A parameter is not valid.
    """
    if limit is not None and not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE:,} files, not {limit}")
    if order not in (None, "asc", "desc"):
        raise ValueError(f"the order is asc or desc, not {order!r}")
    cursor = None if after is None else checked_id(after, "file")
    query = {"purpose": purpose, "after": cursor, "limit": limit, "order": order}
    return Request("GET", config.url("files", query=query), config.all_headers())


def list_response(response: Response) -> ListFilesResponse:
    """Read the page.

    Raises:
        APIError: The service refused it.
    """
    return ListFilesResponse.from_dict(json_of(response))


def delete_request(config: Config, file_id: str) -> Request:
    """Build the request that deletes a file.

    Raises:
        ValueError: It is not an id.
    """
    return Request("DELETE", config.url("files", checked_id(file_id, "file")), config.all_headers())


def delete_response(response: Response) -> FileDeleted:
    """Read whether it was deleted.

    Raises:
        APIError: The service refused it.
    """
    return FileDeleted.from_dict(json_of(response))


def content_request(config: Config, file_id: str, *, start: int = 0, etag: str | None = None) -> Request:
    """Build the request for the bytes of a file.

    Args:
        config: Where the service is.
        file_id: The file.
        start: Where to begin; from 1 on it is a request for a range.
        etag: The strong entity tag of the bytes that we have: if the file has changed, it comes whole (RFC 9110, If-Range).

    Raises:
        ValueError: It is not an id.
    """
    # Compressed on the way, its length would be of no use.
    headers = {**config.all_headers(Accept_Encoding="identity"), "Accept": "application/binary, */*"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if etag is not None:
            headers["If-Range"] = etag
    return Request("GET", config.url("files", checked_id(file_id, "file"), "content"), headers, timeout_factor=TIMEOUT_FACTOR)


FORWARDED_HEADERS = frozenset({"accept", "accept-encoding", "range", "if-range"})
"""Headers that are also sent to another origin: they describe the wanted bytes, not the sender."""


def content_redirect(config: Config, request: Request, head: Response) -> Request | None:
    """Build the request for the place that an answer to `content_request` points to; None if it points nowhere.

    Another origin gets neither the key, the organization nor other headers of ours: object stores accept addresses that are
    signed, and refuse other credentials. Once away from the service, the key doesn't come back.

    Raises:
        APIError: It leads to something else than http, or from https to plain http.
    """
    location = head.headers.get("location", "").strip()
    if head.status_code not in (301, 302, 303, 307, 308) or not location:
        return None
    problem = None
    try:
        target = urljoin(request.url, location)
        origin, ours = origin_of(target), origin_of(request.url)
        if origin[0] not in ("http", "https") or not origin[1]:
            problem = "to an address that is not http"
        elif origin[0] == "http" and ours[0] == "https" and not config.allow_http:
            problem = "from https to plain http, where others can read and change them: allow_http=True allows it"
    except ValueError:
        problem = "to an address that can't be read"
    if problem is not None:
        raise APIError(f"the service redirects the contents of the file {problem}", status_code=head.status_code)
    if request.is_keyed and origin == origin_of(config.base_url):
        return replace(request, url=target)
    headers = {name: value for name, value in request.headers.items() if name.lower() in FORWARDED_HEADERS}
    return replace(request, url=target, headers=headers, is_keyed=False)


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of an address.

    Raises:
        ValueError: It is not an address.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(scheme)
