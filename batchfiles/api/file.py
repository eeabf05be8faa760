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
        status: `uploaded`, `processed` or `error`; deprecated by OpenAI, but at Azure a batch may only be made of a file that is
            `processed`, and no longer `pending`.
        status_details: Deprecated.
        extra: Keys that the specification doesn't name.
        odd: Values that could not be read and count as null, by their place.
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
    odd: dict[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def decode(cls, value: object) -> FileObject:
        """Read the JSON value; an odd value of a field is null, and in `odd`.

        Raises:
            UnreadableResponse: It is not a file: no object, or one without an id.
        """
        found = values.mapping(value, "file")
        odd: dict[str, Any] = {}
        fields = values.Fields(found, odd)
        return cls(
            id=values.required_id(found.get("id"), "id"),
            bytes=fields.integer("bytes"),
            created_at=fields.moment("created_at"),
            expires_at=fields.moment("expires_at"),
            filename=fields.text("filename"),
            purpose=fields.text("purpose"),
            status=fields.text("status"),
            status_details=fields.text("status_details"),
            extra=values.others(found, KEYS),
            odd=odd,
        )

    @property
    def notes(self) -> list[str]:
        """A sentence for each value that could not be read and counts as null."""
        return values.notes_of(self.odd)

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
        return cls(id=values.required_id(found.get("id"), "id"), deleted=values.Fields(found, {}).flag("deleted"))

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {"id": self.id, "object": "file", "deleted": self.deleted}
