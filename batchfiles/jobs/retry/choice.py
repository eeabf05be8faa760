"""Which requests are sent again: by the rule of `outcome.retryable`, or by outcomes, statuses and error codes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self

from batchfiles.findings import nearest
from batchfiles.outcome import MALFORMED, OUTCOMES, SUCCEEDED, Result

NOT_LISTED = "not in the list of ids"
"""Why a request is left out if ids are listed."""

NOT_IN_TABLE = "not in the table"
"""Why a request is left out if a table has the outcomes of the others: its rows may have been filtered."""

TOO_LONG = "its result is above --max-line-bytes"
"""Why a request is left out whose result was not read: it may be an answer that was paid for."""

PARSE_ERROR = "parse_error"
"""The word for answers whose text did not parse; only a joined table knows of them."""


ERROR_CODES = ("batch_expired", "batch_cancelled", "rate_limit_exceeded", "server_error", "context_length_exceeded")
"""Error codes that are similar to an outcome."""

STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
"""A status, or a class of them."""
STATUSES = ("4xx", "5xx", "400", "401", "403", "404", "408", "409", "422", "429", "500", "502", "503", "504")
ALMOST = 0.75
"""The similarity to a known word from which a word counts as a misspelling of it."""


def words_of(texts: Iterable[str]) -> list[str]:
    """Return the words of lists with commas between.

    Raises:
        TypeError: It is a single string, whose letters would be taken for words.
    """
    if isinstance(texts, str):
        raise TypeError("a list of outcomes, statuses and error codes is expected, not a single string")
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def check_word(word: str) -> None:
    """Refuse a word that is almost an outcome or a status: it would match no request, and nothing would be retried.

    Any other word may be an error code: services have their own codes.

    Raises:
        ValueError: The word is probably misspelled.
    """
    known = (*OUTCOMES, PARSE_ERROR, *ERROR_CODES)
    if word in known or STATUS.fullmatch(word):
        return
    near = nearest(word, STATUSES if word[:1].isdigit() else known, likeness=ALMOST)
    if near is not None:
        raise ValueError(f"{word!r} is not an outcome, a status or a known error code; did you mean {near!r}?")


class RetryChoice:
    """Decides about each request.

    Args:
        only: Outcomes, statuses (`429`, `5xx`), error codes and `parse_error`: these and no others, retryable or not; None takes
            what is retryable.
        but: The same: never these.
        everything: Whether to take all requests without a success.
        listed: Whether to take all requests that are found, as ids in a list are.
        by_table: Whether a joined table has the outcomes of the requests; those without a row are never selected.

    Attributes:
        listed: As given.
        by_table: As given; it may be set when the files are known.
        matched: The words that matched a request.
    """

    def __init__(
        self,
        only: Iterable[str] | None,
        but: Iterable[str],
        *,
        everything: bool = False,
        listed: bool = False,
        by_table: bool = False,
    ) -> None:
        self._only = None if only is None else frozenset(only)
        self._but = frozenset(but)
        self._everything = everything
        self.listed = listed
        self.by_table = by_table
        self.matched: set[str] = set()

    def to_spec(self) -> dict[str, Any]:
        """Describe the choice in values that JSON can hold, for another process."""
        return {
            "only": None if self._only is None else sorted(self._only),
            "but": sorted(self._but),
            "everything": self._everything,
            "listed": self.listed,
            "by_table": self.by_table,
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """Return the choice that `to_spec` described."""
        return cls(spec["only"], spec["but"], everything=spec["everything"], listed=spec["listed"], by_table=spec["by_table"])

    @property
    def words(self) -> frozenset[str]:
        """The words of the choice."""
        return self._but | (self._only or frozenset())

    def why_not(self, result: Result, *, is_found: bool, has_parse_error: bool = False) -> str | None:
        """Return why a request is left out; None if it is wanted.

        Args:
            result: Its result.
            is_found: Whether it has a result, or a known outcome.
            has_parse_error: Whether the text of its answer did not parse.
        """
        if self.listed:
            return None if is_found else NOT_LISTED
        if self.by_table and not is_found:
            return NOT_IN_TABLE
        if self._only is not None:
            if not self._matches(self._only, result, has_parse_error=has_parse_error):
                return "succeeded" if result.outcome == SUCCEEDED else "not in --only"
        elif result.outcome == SUCCEEDED:
            return "succeeded"
        elif result.outcome == MALFORMED and result.error_code == "line_too_long":
            return TOO_LONG
        elif not self._everything and not result.retryable:
            return "not retryable"
        if self._but and self._matches(self._but, result, has_parse_error=has_parse_error):
            return "in --except"
        return None

    def _matches(self, words: frozenset[str], result: Result, *, has_parse_error: bool) -> bool:
        status = result.status_code
        names = {result.outcome, result.error_code}
        if status:
            names |= {str(status), f"{status // 100}xx"}
        if has_parse_error:
            names.add(PARSE_ERROR)
        found = words & names
        self.matched |= found
        return bool(found)
