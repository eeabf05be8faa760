"""The file object, and the service's answer for one that is deleted.

A page of a list, and the two lists there are: of batches and of files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from batchfiles.api import values
from batchfiles.api.batch import Batch
from batchfiles.errors import APIError, APIResponseValidationError


@dataclass(slots=True, kw_only=True)
class FileObject:
    """A file at the service.

    Attributes:
        id: The service's name for it.
        bytes: Its size; None where the service doesn't report it.
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
    def from_dict(cls, value: object) -> FileObject:
        """Read the JSON value; an odd value of a field is null, and in `odd`.

        Raises:
            APIResponseValidationError: It is not a file: no object, or one without an id.
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

    def to_dict(self) -> dict[str, Any]:
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
    """The service's answer for a file that it was asked to delete.

    Attributes:
        id: The id of the file.
        deleted: Whether it was deleted.
    """

    id: str
    deleted: bool

    @classmethod
    def from_dict(cls, value: object) -> FileDeleted:
        """Read the JSON value.

        Raises:
            APIResponseValidationError: It is of another shape.
        """
        found = values.mapping(value, "deletion")
        return cls(id=values.required_id(found.get("id"), "id"), deleted=values.Fields(found, {}).flag("deleted"))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {"id": self.id, "object": "file", "deleted": self.deleted}


class Listed(Protocol):
    """An item of a list."""

    id: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value."""


T = TypeVar("T", bound=Listed)


@dataclass(slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        data: What is listed.
        first_id: The id of the first.
        last_id: The id of the last.
        has_more: Whether there is another page, after the last one's id.
        extra: Keys that the specification doesn't name.
        odd: Values that could not be read, by their place.
    """

    data: list[T] = field(default_factory=list)
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
    extra: dict[str, Any] = field(default_factory=dict)
    odd: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def after(self) -> str | None:
        """The cursor of the next page: the id of the last one on this; None for the last page."""
        return self.data[-1].id if self.has_more and self.data else None

    @classmethod
    def _read(cls, value: object, decode: Callable[[object], T]) -> Self:
        """Read the JSON value; Azure's older pages have `value` instead of `data`.

        Raises:
            APIResponseValidationError: It is not a list, or nothing on it can be read.
        """
        found = values.mapping(value, "list")
        odd: dict[str, Any] = {}
        fields = values.Fields(found, odd)
        name = "data" if "data" in found else "value"
        problem: APIResponseValidationError | None = None

        def readable(item: object, _odd: dict[str, Any], _place: str) -> T | None:
            nonlocal problem
            try:
                return decode(item)
            except APIResponseValidationError as error:
                problem = error
                return None

        data = fields.items(name, readable)
        if name in odd:
            raise APIResponseValidationError(f"{name!r} is not a list")
        if problem is not None and not data:
            raise problem
        return cls(
            data=data,
            first_id=fields.text("first_id"),
            last_id=fields.text("last_id"),
            has_more=fields.flag("has_more"),
            extra=values.others(found, PAGE_KEYS),
            odd=odd,
        )

    @property
    def notes(self) -> list[str]:
        """A sentence for each value that could not be read: what is listed there is left out, other values count as null."""
        return values.notes_of(self.odd)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value."""
        own = {
            "object": "list",
            "data": [each.to_dict() for each in self.data],
            "first_id": self.first_id,
            "last_id": self.last_id,
            "has_more": self.has_more,
        }
        return values.with_others(own, self.extra)


PAGE_KEYS: Final = values.keys_of(Page, "object", "value")


@dataclass(slots=True, kw_only=True)
class ListBatchesResponse(Page[Batch]):
    """One page of batches, newest first at OpenAI."""

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Read the JSON value.

        Raises:
            APIResponseValidationError: It is not a list of batches.
        """
        return cls._read(value, Batch.from_dict)


@dataclass(slots=True, kw_only=True)
class ListFilesResponse(Page[FileObject]):
    """One page of files."""

    @classmethod
    def from_dict(cls, value: object) -> Self:
        """Read the JSON value.

        Raises:
            APIResponseValidationError: It is not a list of files.
        """
        return cls._read(value, FileObject.from_dict)


class Listing(Generic[T]):
    """A list over its pages, each object once; it ends on a service that gives the same page again and again.

    Attributes:
        after: The cursor of the next page; None for the first one.
        is_over: Whether this is the last page.
    """

    def __init__(self, after: str | None = None) -> None:
        self.after = after
        self.is_over = False
        self._seen: set[str] = set()

    def add(self, page: Page[T]) -> list[T]:
        """Return what is new on a page, and go on to the next one.

        Raises:
            APIError: Nothing is: the service ignores the cursor, and its list would never end.
        """
        new = [each for each in page.data if each.id not in self._seen]
        if page.data and not new:
            self.is_over = True
            raise APIError(
                f"the service returns the same page again: it ignores after={self.after}, so only its first page is available"
            )
        self._seen |= {each.id for each in new}
        self.after = page.after
        self.is_over = page.after is None
        return new
