"""The file object, and what the service says of one that is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from batchfiles.api import values

__all__ = ["FileDeleted", "FileObject"]


@dataclass(slots=True, kw_only=True)
class FileObject:
    """A file at the service.

    Attributes:
        id: The service's name for it.
        bytes: Its size; None where the service doesn't say.
        created_at: Seconds since 1970-01-01 UTC.
        expires_at: When it will be deleted.
        filename: The name it was uploaded with.
        purpose: `batch` for requests, `batch_output` for results, and others.
        status: `uploaded`, `processed` or `error`; deprecated by OpenAI, but Azure's `processed` says that a batch may be made.
        status_details: Deprecated.
        extra: Keys that the specification doesn't name.
    """

    id: str
    bytes: int | None = None
    created_at: int | None = None
    expires_at: int | None = None
    filename: str | None = None
    purpose: str | None = None
    status: str | None = None
    status_details: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def decode(cls, value: object) -> FileObject:
        """Read the JSON value.

        Raises:
            UnreadableResponse: It is no file object.
        """
        found = values.mapping(value, "file")
        return cls(
            id=values.required_id(found.get("id"), "id"),
            bytes=values.integer(found.get("bytes"), "bytes"),
            created_at=values.moment(found.get("created_at"), "created_at"),
            expires_at=values.moment(found.get("expires_at"), "expires_at"),
            filename=values.text(found.get("filename"), "filename"),
            purpose=values.text(found.get("purpose"), "purpose"),
            status=values.text(found.get("status"), "status"),
            status_details=values.text(found.get("status_details"), "status_details"),
            extra=values.others(found, KEYS),
        )

    def encode(self) -> dict[str, Any]:
        """Return the JSON value; optional keys without a value are left out, as the service does."""
        own: dict[str, Any] = {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": self.status,
        }
        if self.expires_at is not None:
            own["expires_at"] = self.expires_at
        if self.status_details is not None:
            own["status_details"] = self.status_details
        return values.with_others(own, self.extra)


KEYS: Final = values.keys_of(FileObject, "object")


@dataclass(slots=True, kw_only=True)
class FileDeleted:
    """What the service says of a file that it was asked to delete."""

    id: str
    deleted: bool

    @classmethod
    def decode(cls, value: object) -> FileDeleted:
        """Read the JSON value.

        Raises:
            UnreadableResponse: It is of another shape.
        """
        found = values.mapping(value, "deletion")
        return cls(id=values.required_id(found.get("id"), "id"), deleted=values.flag(found.get("deleted"), "deleted"))

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {"id": self.id, "object": "file", "deleted": self.deleted}
