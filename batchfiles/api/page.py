"""A page of a list, and the two lists there are: of batches and of files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from batchfiles.api import values
from batchfiles.api.batch import Batch
from batchfiles.api.file import FileObject

__all__ = ["ListBatchesResponse", "ListFilesResponse", "Page"]


class Listed(Protocol):
    """What stands in a list."""

    id: str

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""


T = TypeVar("T", bound=Listed)


@dataclass(slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list.

    Attributes:
        data: What is listed.
        first_id: The id of the first.
        last_id: The id of the last.
        has_more: Whether there is another page, behind the last one's id.
        extra: Keys that the specification doesn't name.
    """

    data: list[T] = field(default_factory=list)
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def after(self) -> str | None:
        """The cursor of the next page: the id of the last one on this; None where there is no next page."""
        return self.data[-1].id if self.has_more and self.data else None

    @classmethod
    def _read(cls, value: object, decode: Callable[[object], T]) -> Self:
        """Read the JSON value; Azure's older pages have `value` in the place of `data`."""
        found = values.mapping(value, "list")
        return cls(
            data=values.items(found.get("data", found.get("value")), "data", decode),
            first_id=values.text(found.get("first_id"), "first_id"),
            last_id=values.text(found.get("last_id"), "last_id"),
            has_more=values.flag(found.get("has_more"), "has_more"),
            extra=values.others(found, KEYS),
        )

    def encode(self) -> dict[str, Any]:
        """Return the JSON value."""
        own = {
            "object": "list",
            "data": [each.encode() for each in self.data],
            "first_id": self.first_id,
            "last_id": self.last_id,
            "has_more": self.has_more,
        }
        return values.with_others(own, self.extra)


KEYS: Final = values.keys_of(Page, "object", "value")


@dataclass(slots=True, kw_only=True)
class ListBatchesResponse(Page[Batch]):
    """One page of batches, newest first at OpenAI."""

    @classmethod
    def decode(cls, value: object) -> Self:
        """Read the JSON value.

        Raises:
            UnreadableResponse: It is no list of batches.
        """
        return cls._read(value, Batch.decode)


@dataclass(slots=True, kw_only=True)
class ListFilesResponse(Page[FileObject]):
    """One page of files."""

    @classmethod
    def decode(cls, value: object) -> Self:
        """Read the JSON value.

        Raises:
            UnreadableResponse: It is no list of files.
        """
        return cls._read(value, FileObject.decode)
