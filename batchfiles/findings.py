"""What is noticed about a file while it is read: numbers and words, never the line itself.

Messages about a word that is not in a closed list: they name the nearest one, or the whole list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

from batchfiles.errors import DataError, InvalidLineError

__all__ = ["Finding", "OnError", "Severity", "choose_one", "instead_of", "nearest"]

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing, about one place in one file.

    Attributes:
        code: OpenAI's own word where it has one (`duplicate_custom_id`, `invalid_json_line`, …), ours elsewhere.
        message: A sentence for a person: what is wrong and, where that is not plain, what to do.
        severity: `"error"`: the service would refuse it or a result would be lost; `"warning"`: it works, but look;
            `"info"`: worth knowing, and nothing is wrong.
        path: The file's display name, free of credentials.
        line_number: Counted from 1, blank lines included.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        json_path: Where in the line, such as `$.body.model`.
        custom_id: The request that is meant, where it is known; cut after 128 characters.
        first_path: For a repetition: the file of the first place.
        first_line_number: For a repetition: the line of the first place.
        service_code: Another service's word for the same, such as Azure's `url_mismatch`.
    """

    code: str
    message: str
    severity: Severity = "error"
    path: str | None = None
    line_number: int | None = None
    byte_offset: int | None = None
    json_path: str | None = None
    custom_id: str | None = None
    first_path: str | None = None
    first_line_number: int | None = None
    service_code: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, error: DataError, *, path: str | None, line_number: int | None, byte_offset: int | None) -> Finding:
        """Turn an exception of one line into a finding at its place."""
        json_path = error.json_path if isinstance(error, InvalidLineError) else None
        return cls(
            code=error.code,
            message=error.reason,
            path=path,
            line_number=line_number,
            byte_offset=byte_offset,
            json_path=json_path,
        )

    @classmethod
    def revived(cls, finding: Finding | dict[str, Any]) -> Finding:
        """Return a finding that may have come from another process as a plain object."""
        return finding if isinstance(finding, Finding) else cls(**finding)

    def as_error(self) -> Finding:
        """Return the same finding with severity `"error"` if it is a warning; this is what `strict` does."""
        return replace(self, severity="error") if self.severity == "warning" else self

    def exception(self) -> InvalidLineError:
        """Return the finding as an exception, for those who asked for no `on_error`."""
        return InvalidLineError(
            self.message,
            code=self.code,
            json_path=self.json_path,
            path=self.path,
            line_number=self.line_number,
            byte_offset=self.byte_offset,
        )

    def __str__(self) -> str:
        """Return `path:line: severity: message at json_path (code)`."""
        place = ":".join(str(part) for part in (self.path, self.line_number) if part is not None)
        where = f" at {self.json_path}" if self.json_path else ""
        words = f"{self.severity}: {self.message}{where} ({self.code})"
        return f"{place}: {words}" if place else words


OnError: TypeAlias = Callable[[Finding], None] | None
"""`None` raises the first error; a callable gets every finding while reading goes on."""

LONGEST_LIST = 60
"""Words that a message lists."""


def nearest(word: str, words: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Return the word of a list that was probably meant, in any case; None if no word is near.

    Args:
        word: What was written.
        words: The list.
        likeness: How much both must have in common, from 0 to 1.
    """
    from difflib import get_close_matches

    by_case = {each.lower(): each for each in words}
    near = get_close_matches(word.lower(), by_case, n=1, cutoff=likeness)
    return by_case[near[0]] if near else None


def instead_of(word: str, words: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: `; did you mean 'expired'?` or `; expected failed, expired`."""
    known = list(words)
    near = nearest(word, known)
    if near is not None:
        return f"; did you mean {near!r}?"
    more = ", …" if len(known) > LONGEST_LIST else ""
    return f"; expected {', '.join(known[:LONGEST_LIST])}{more}"


def choose_one(word: str, words: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: `, did you mean 'azure'?` or `: choose one of openai, azure`."""
    known = list(words)
    near = nearest(word, known)
    return f", did you mean {near!r}?" if near is not None else f": choose one of {', '.join(known)}"
