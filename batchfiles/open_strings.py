"""Strings with known values, to which services may add others.

Each type is a `str`: it compares, hashes and serializes as one. The known values are constants of the type, such as
`BatchStatus.COMPLETED`; any other string is accepted and kept. The lists are those of OpenAI's OpenAPI document (f85dbe2).
"""

from __future__ import annotations

from typing import Any, ClassVar, Final


def _value(value: str) -> Any:  # noqa: ANN401 - `OpenString` makes an instance of the class of it
    return value


class OpenString(str):
    """A string, one of `known()` or any other."""

    __slots__ = ()

    _known: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        constants = {name: cls(value) for name, value in vars(cls).items() if name.isupper()}
        for name, value in constants.items():
            setattr(cls, name, value)
        cls._known = tuple(constants.values())

    @classmethod
    def known(cls) -> tuple[str, ...]:
        """Return the known values, in the order of OpenAI's specification."""
        return cls._known

    @property
    def is_known(self) -> bool:
        """Whether this is one of the known values."""
        return self in self._known


class BatchStatus(OpenString):
    """The state of a batch."""

    __slots__ = ()

    VALIDATING: ClassVar[BatchStatus] = _value("validating")
    FAILED: ClassVar[BatchStatus] = _value("failed")
    IN_PROGRESS: ClassVar[BatchStatus] = _value("in_progress")
    FINALIZING: ClassVar[BatchStatus] = _value("finalizing")
    COMPLETED: ClassVar[BatchStatus] = _value("completed")
    EXPIRED: ClassVar[BatchStatus] = _value("expired")
    CANCELLING: ClassVar[BatchStatus] = _value("cancelling")
    CANCELLED: ClassVar[BatchStatus] = _value("cancelled")

    @property
    def is_terminal(self) -> bool:
        """Whether the batch will not change any more; an unknown status is not terminal."""
        return self in TERMINAL


TERMINAL: Final = frozenset({BatchStatus.FAILED, BatchStatus.COMPLETED, BatchStatus.EXPIRED, BatchStatus.CANCELLED})


class BatchEndpoint(OpenString):
    """The endpoint of the requests of a batch. OpenAI's list grew from one to eight, so others are sent too."""

    __slots__ = ()

    RESPONSES: ClassVar[BatchEndpoint] = _value("/v1/responses")
    CHAT_COMPLETIONS: ClassVar[BatchEndpoint] = _value("/v1/chat/completions")
    EMBEDDINGS: ClassVar[BatchEndpoint] = _value("/v1/embeddings")
    COMPLETIONS: ClassVar[BatchEndpoint] = _value("/v1/completions")
    MODERATIONS: ClassVar[BatchEndpoint] = _value("/v1/moderations")
    IMAGES_GENERATIONS: ClassVar[BatchEndpoint] = _value("/v1/images/generations")
    IMAGES_EDITS: ClassVar[BatchEndpoint] = _value("/v1/images/edits")
    VIDEOS: ClassVar[BatchEndpoint] = _value("/v1/videos")


class BatchCompletionWindow(OpenString):
    """How long a batch may take. OpenAI has one window; other services have shorter and longer ones."""

    __slots__ = ()

    H24: ClassVar[BatchCompletionWindow] = _value("24h")


class BatchFileExpirationAnchor(OpenString):
    """The time from which the seconds until the deletion of a file are counted."""

    __slots__ = ()

    CREATED_AT: ClassVar[BatchFileExpirationAnchor] = _value("created_at")


class BatchRequestInputMethod(OpenString):
    """The HTTP method of a request line."""

    __slots__ = ()

    POST: ClassVar[BatchRequestInputMethod] = _value("POST")
