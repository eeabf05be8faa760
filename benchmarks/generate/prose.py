"""Text that can be in a JSON string unchanged: words, line breaks, quotation marks and what is not ASCII."""

from __future__ import annotations

from random import Random

__all__ = ["Prose"]

_TEXT = """
the of and to in is that it for as with was on are by this be at from or an have not which one were all their
there when more can who will about if out up so time than only some could these two may then first any like new
must over such after also did many before through where much should well people down own just because good each
those how long place right think great never world still house under water room light number part small every
found between name river paper window garden market letter morning summer winter bridge station library machine
picture question answer weather harvest kitchen village mountain engine signal measure surface pattern distance
material quality evidence industry language treatment condition structure temperature development environment
particular individual technical considerable approximately nevertheless responsibility characteristic
communication understanding
"""
_WORDS = _TEXT.split()

# Raw or escaped: services write both, and U+2028 is where readers that split text into lines break.
_RARITIES = (
    "caf\u00e9 na\u00efve",
    "r\\u00e9sum\\u00e9",
    "\u00fcber die Br\u00fccke",
    "\u2014 \u201cquite so\u201d \u2014",
    "\\u2013 and \\u2026",
    "\u6771\u4eac\u306e\u56f3\u66f8\u9928",
    "\u041c\u043e\u0441\u0442",
    "\N{BOOKS}\N{SPARKLES}",
    "\\ud83d\\ude80",
    "\u20ac 12.50",
    "a\\tb\\tc",
    "C:\\\\data\\\\new",
    "end of page\u2028next page",
)
_PHRASES = 1 << 16


class Prose:
    """A stock of phrases, from which texts are put together fast.

    The phrases are many and short, so that the text is about as hard to compress as a real one.
    """

    def __init__(self, rng: Random) -> None:
        self._phrases = [_phrase(rng) for _ in range(_PHRASES)]

    def text(self, rng: Random, phrases: int) -> bytes:
        """Return about `phrases` times 19 bytes, ready to put between quotation marks."""
        return b" ".join(rng.choices(self._phrases, k=phrases))


def _phrase(rng: Random) -> bytes:
    words = rng.choices(_WORDS, k=rng.randint(2, 4))
    draw = rng.random()
    if draw < 0.010:
        return rng.choice(_RARITIES).encode()
    if draw < 0.025:
        return ('\\"' + " ".join(words) + '\\"').encode()
    if draw < 0.050:
        return (" ".join(words) + ".\\n\\n" + rng.choice(_WORDS).capitalize()).encode()
    if draw < 0.200:
        return (" ".join(words) + ". " + rng.choice(_WORDS).capitalize()).encode()
    if draw < 0.280:
        return (" ".join(words) + ",").encode()
    return " ".join(words).encode()
