"""What to say of a word that is not in a closed list: the nearest one that is, or the whole list."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["instead_of", "nearest"]

LONGEST_LIST = 60
"""Words that a message lists."""


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word of a list that was probably meant, whatever its case; None where none is near."""
    from difflib import get_close_matches

    by_case = {each.lower(): each for each in words}
    near = get_close_matches(word.lower(), by_case, n=1)
    return by_case[near[0]] if near else None


def instead_of(word: str, words: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: `; did you mean 'expired'?` or `; expected failed, expired`."""
    known = list(words)
    near = nearest(word, known)
    if near is not None:
        return f"; did you mean {near!r}?"
    more = ", …" if len(known) > LONGEST_LIST else ""
    return f"; expected {', '.join(known[:LONGEST_LIST])}{more}"
