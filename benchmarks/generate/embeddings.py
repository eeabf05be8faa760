"""Bodies of `/v1/embeddings`."""

from __future__ import annotations

from binascii import b2a_base64
from random import Random
from struct import pack, unpack

from benchmarks.generate.prose import Prose

__all__ = ["Embeddings"]

_REQUEST = b'{"model": "text-embedding-3-small", "input": %s, "dimensions": %d, "encoding_format": "%s"}'
_ANSWER = (
    b'{"object": "list", "data": [%s], "model": "text-embedding-3-small", "usage": {"prompt_tokens": %d, "total_tokens": %d}}'
)
_VECTOR = b'{"object": "embedding", "index": %d, "embedding": %s}'
_GROUPS = 1 << 13
_GROUP = 8


class Embeddings:
    """One text and one vector in nine of ten requests, two to four of them in the tenth.

    Numbers are drawn from a stock, eight at a time: printing 1,536 of them for each vector would take most of the time.
    """

    url = b"/v1/embeddings"

    def __init__(self, prose: Prose, rng: Random, dimensions: int, *, base64: bool) -> None:
        self._prose = prose
        self._dimensions = dimensions
        self._base64 = base64
        # The length of a vector of normally distributed numbers with this deviation is close to 1, as the service's are.
        deviation = max(dimensions, 1) ** -0.5
        self._numbers = [self._number(rng.gauss(0, deviation)) for _ in range(_GROUPS * _GROUP)]
        self._between = b"" if base64 else b", "
        self._groups = [self._between.join(group) for group in zip(*[iter(self._numbers)] * _GROUP, strict=True)]

    def request(self, rng: Random, index: int) -> bytes:
        """Return a request of one text or of several."""
        texts = [b'"%s"' % self._prose.text(rng, rng.randint(4, 30)) for _ in range(_texts(index))]
        wanted = texts[0] if len(texts) == 1 else b"[" + b", ".join(texts) + b"]"
        return _REQUEST % (wanted, self._dimensions, b"base64" if self._base64 else b"float")

    def answer(self, rng: Random, index: int, created: int) -> bytes:  # noqa: ARG002 - these bodies bear no date
        """Return a `list` of vectors."""
        vectors = [_VECTOR % (number, self._vector(rng)) for number in range(_texts(index))]
        tokens = rng.randint(10, 90) * len(vectors)
        return _ANSWER % (b", ".join(vectors), tokens, tokens)

    def _vector(self, rng: Random) -> bytes:
        groups, rest = divmod(self._dimensions, _GROUP)
        numbers = self._between.join(rng.choices(self._groups, k=groups) + rng.choices(self._numbers, k=rest))
        return b'"%s"' % b2a_base64(numbers, newline=False) if self._base64 else b"[%s]" % numbers

    def _number(self, value: float) -> bytes:
        packed = pack("<f", value)
        return packed if self._base64 else _shortest(packed)


def _texts(index: int) -> int:
    """Return how many texts a request has."""
    return 2 + index // 10 % 3 if index % 10 == 5 else 1


def _shortest(packed: bytes) -> bytes:
    """Print a float32 with as few digits as name it, as the service does."""
    (number,) = unpack("<f", packed)
    return next(repr(short).encode() for digits in range(6, 18) if pack("<f", short := float(f"{number:.{digits}g}")) == packed)
