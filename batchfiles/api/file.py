"""The file object of the service, and its lists of files and batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from batchfiles.api import values
from batchfiles.api.batch import Batch

__all__ = ["FileDeleted", "FileObject", "ListBatchesResponse", "ListFilesResponse"]


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


KEYS: Final = frozenset({"object", *FileObject.__dataclass_fields__} - {"extra"})


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


@dataclass(slots=True, kw_only=True)
class ListBatchesResponse:
    """One page of batches.

    Attributes:
        data: The batches, newest first at OpenAI.
        first_id: The id of the first.
        last_id: The id of the last.
        has_more: Whether there is another page, behind the last one's id.
        extra: Keys that the specification doesn't name.
    """

    data: list[Batch] = field(default_factory=list)
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def after(self) -> str | None:
        """The cursor of the next page: the id of the last batch; None where there is no next page."""
        return self.data[-1].id if self.has_more and self.data else None

    @classmethod
    def decode(cls, value: object) -> ListBatchesResponse:
        """Read the JSON value; Azure's older pages have `value` in the place of `data`.

        Raises:
            UnreadableResponse: It is no list of batches.
        """
        found = _page(value)
        return cls(data=values.items(found.pop("data"), "data", Batch.decode), **found)

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        return _encoded([batch.encode() for batch in self.data], self)


@dataclass(slots=True, kw_only=True)
class ListFilesResponse:
    """One page of files; as `ListBatchesResponse`."""

    data: list[FileObject] = field(default_factory=list)
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def after(self) -> str | None:
        """The cursor of the next page: the id of the last file; None where there is no next page."""
        return self.data[-1].id if self.has_more and self.data else None

    @classmethod
    def decode(cls, value: object) -> ListFilesResponse:
        """Read the JSON value.

        Raises:
            UnreadableResponse: It is no list of files.
        """
        found = _page(value)
        return cls(data=values.items(found.pop("data"), "data", FileObject.decode), **found)

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        return _encoded([file.encode() for file in self.data], self)


def _page(value: object) -> dict[str, Any]:
    found = values.mapping(value, "list")
    return {
        "data": found.get("data", found.get("value")),
        "first_id": values.text(found.get("first_id"), "first_id"),
        "last_id": values.text(found.get("last_id"), "last_id"),
        "has_more": values.flag(found.get("has_more"), "has_more"),
        "extra": values.others(found, PAGE_KEYS),
    }


PAGE_KEYS: Final = frozenset({"object", "data", "value", "first_id", "last_id", "has_more"})


def _encoded(data: list[dict[str, Any]], page: ListBatchesResponse | ListFilesResponse) -> dict[str, Any]:
    own = {"object": "list", "data": data, "first_id": page.first_id, "last_id": page.last_id, "has_more": page.has_more}
    return values.with_others(own, page.extra)
