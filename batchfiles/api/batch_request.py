"""What a batch is made of: checked here, before anything leaves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from batchfiles.api import values
from batchfiles.open_strings import BatchCompletionWindow, BatchEndpoint, BatchFileExpirationAnchor

__all__ = [
    "BatchFileExpirationAfter",
    "BatchRequest",
    "checked_metadata",
]

MAX_PAIRS, MAX_KEY, MAX_VALUE = 16, 64, 512
"""Pairs, characters of a key and characters of a value of metadata [OpenAI's OpenAPI document, f85dbe2, schema Metadata]."""

EXPIRY: Final = range(3_600, 2_592_001)
"""Seconds from one hour to 30 days [the same document, schema BatchFileExpirationAfter]."""


@dataclass(frozen=True, slots=True)
class BatchFileExpirationAfter:
    """When a file is to be deleted, counted from its making.

    Args:
        seconds: From 3,600 (an hour) to 2,592,000 (30 days).
        anchor: From when the seconds are counted.

    Raises:
        ValueError: It is another one.
    """

    seconds: int
    anchor: BatchFileExpirationAnchor | str = BatchFileExpirationAnchor.CREATED_AT

    def __post_init__(self) -> None:
        if isinstance(self.seconds, bool) or self.seconds not in EXPIRY:
            raise ValueError(f"a file may expire after 3,600 to 2,592,000 seconds, not {self.seconds!r}")

    @classmethod
    def of(cls, value: BatchFileExpirationAfter | int | None) -> BatchFileExpirationAfter | None:
        """Return what a number of seconds means, or the value itself.

        Raises:
            ValueError: The number is too small or too large.
        """
        return value if value is None or isinstance(value, cls) else cls(seconds=value)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {"anchor": self.anchor, "seconds": self.seconds}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> BatchFileExpirationAfter:
        """Read the JSON value."""
        return cls(seconds=value["seconds"], anchor=value.get("anchor", BatchFileExpirationAnchor.CREATED_AT))


@dataclass(slots=True, kw_only=True)
class BatchRequest:
    """What `batches.create_request` sends.

    Args:
        input_file_id: An uploaded file with the purpose `batch`.
        endpoint: Where its requests go; the same as the `url` of each line.
        completion_window: How long it may take.
        metadata: At most 16 pairs of keys of 64 and values of 512 characters.
        output_expires_after: When the files of results are to be deleted.
        extra: Parameters that a provider adds.

    Raises:
        ValueError: Something is missing or too long.
    """

    input_file_id: str
    endpoint: BatchEndpoint | str
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24
    metadata: dict[str, str] | None = None
    output_expires_after: BatchFileExpirationAfter | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.input_file_id:
            raise ValueError("a batch needs an input_file_id: upload the file first")
        if not self.completion_window:
            raise ValueError("a batch needs a completion window, such as 24h")
        if not self.endpoint.startswith("/"):
            raise ValueError(f"an endpoint is a path such as /v1/chat/completions, not {self.endpoint!r}")
        self.metadata = None if self.metadata is None else checked_metadata(self.metadata)

    def with_metadata(self, metadata: dict[str, str] | None) -> Self:
        """Return a copy with this metadata in place of the old.

        Raises:
            ValueError: There are more than 16 pairs, or a key or value is too long or not a string.

        Example:
            >>> request = BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings")
            >>> request.with_metadata({"project": "library"}).metadata
            {'project': 'library'}
        """
        return replace(self, metadata=metadata, extra=dict(self.extra))

    def with_output_expires_after(self, expires_after: BatchFileExpirationAfter | int | None) -> Self:
        """Return a copy whose result files expire after this time.

        Args:
            expires_after: A number is in seconds after the creation of a file; None for the service's default.

        Raises:
            ValueError: The number is too small or too large.

        Example:
            >>> request = BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings")
            >>> request.with_output_expires_after(86_400).output_expires_after.seconds
            86400
        """
        expires = BatchFileExpirationAfter.of(expires_after)
        return replace(self, output_expires_after=expires, extra=dict(self.extra))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value; what was not given is left out."""
        found: dict[str, Any] = {
            "input_file_id": self.input_file_id,
            "endpoint": self.endpoint,
            "completion_window": self.completion_window,
        }
        if self.metadata is not None:
            found["metadata"] = self.metadata
        if self.output_expires_after is not None:
            found["output_expires_after"] = self.output_expires_after.to_dict()
        return values.with_others(found, self.extra)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> BatchRequest:
        """Read the JSON value.

        Raises:
            ValueError: A value is missing or too long.
            KeyError: A required key is missing.
        """
        expires = value.get("output_expires_after")
        return cls(
            input_file_id=value["input_file_id"],
            endpoint=value["endpoint"],
            completion_window=value.get("completion_window", BatchCompletionWindow.H24),
            metadata=value.get("metadata"),
            output_expires_after=None if expires is None else BatchFileExpirationAfter.from_dict(expires),
            extra=values.others(value, KEYS),
        )


KEYS: Final = values.keys_of(BatchRequest)


def checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Return metadata that the service takes.

    Raises:
        ValueError: There are more than 16 pairs, or a key or value is too long or no string.
    """
    if len(metadata) > MAX_PAIRS:
        raise ValueError(f"metadata may have {MAX_PAIRS} pairs, not {len(metadata)}")
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(f"metadata is of strings only: {key!r} is not")  # noqa: TRY004 - a rule of the service
        if len(key) > MAX_KEY:
            raise ValueError(f"a key of metadata may have {MAX_KEY} characters: {key[:20]!r}… has {len(key)}")
        if len(value) > MAX_VALUE:
            raise ValueError(f"a value of metadata may have {MAX_VALUE} characters: that of {key!r} has {len(value)}")
    return dict(metadata)
