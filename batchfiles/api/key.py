"""The key: a text, or something that makes one whenever it is asked. It is printed as `***`, wherever that may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["Key"]


class Key:
    """A credential.

    Args:
        value: The key, or a function that returns one (tokens that expire after an hour).

    Raises:
        ValueError: It is no key; the message doesn't show it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | Callable[[], str]) -> None:
        problem = None if callable(value) else _problem(value)
        if problem is not None:
            # Nothing of the key may stand in a frame of the traceback: reporters of errors print the locals of each.
            value = ""
            raise ValueError(problem)
        self._value = value

    @property
    def is_renewable(self) -> bool:
        """Whether asking again may give another one, as after a 401."""
        return callable(self._value)

    def reveal(self) -> str:
        """Return the key, for the header of a request that is about to leave.

        Raises:
            ValueError: The function returned something that is no key.
        """
        value = self._value() if callable(self._value) else self._value
        problem = _problem(value)
        if problem is not None:
            value = ""
            raise ValueError(problem)
        return value

    def renew(self) -> None:
        """Hear that the service refused the key. A function is asked for each request anyhow; who keeps its answer forgets it."""

    def __repr__(self) -> str:
        return "Key(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, _memo: Any) -> Key:  # noqa: ANN401 - copy's signature
        return self


def _problem(value: object) -> str | None:
    if not isinstance(value, str):
        return "the key is no text"
    if not value:
        return "the key is empty"
    if not value.isascii():
        return "the key has characters beyond ASCII: was it copied from a formatted page?"
    if any(char.isspace() or not char.isprintable() for char in value):
        return "the key has a space or a line end in it: was it read from a file with its newline?"
    if value[0] in "\"'" or value[-1] in "\"'":
        return "the key has quotes around it"
    return None
