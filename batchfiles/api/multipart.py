"""A body of `multipart/form-data` (RFC 7578) whose file is read only as it leaves."""

from __future__ import annotations

import re
from collections.abc import Mapping

from batchfiles.api.messages import Body, FilePart

__all__ = ["content_type", "form"]

BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=?-]{1,70}")
"""RFC 2046, section 5.1.1, without the space."""


def content_type(boundary: str) -> str:
    """Return the header of a form.

    Raises:
        ValueError: The boundary is none.
    """
    if not BOUNDARY.fullmatch(boundary):
        raise ValueError(f"{boundary!r} is no boundary")
    return f'multipart/form-data; boundary="{boundary}"'


def form(fields: Mapping[str, str], name: str, filename: str, file: FilePart, boundary: str) -> Body:
    """Build the body: the fields, then the file.

    Args:
        fields: Names and values.
        name: The name of the file's field.
        filename: What the file is called there.
        file: What is sent.
        boundary: A line that stands nowhere in the file; a random one of 32 characters never does.
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
