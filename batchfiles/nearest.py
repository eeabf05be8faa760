"""Messages about a word that is not in a closed list: they name the nearest one, or the whole list."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["choose_one", "instead_of", "nearest"]

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
