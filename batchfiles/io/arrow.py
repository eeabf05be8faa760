"""What pyarrow lacks: an import without numpy, files that it can't close, and zstd frames with a checksum (RFC 8878)."""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

UNUSED = ("numpy", "pandas")
"""They take three quarters of the import time, and are not used."""

RUNS_ALONE = 18
"""The first version of pyarrow that runs without numpy."""


def import_pyarrow() -> None:
    """Import pyarrow without numpy, in a process that does not need numpy: a worker or the command line."""
    if "pyarrow" in sys.modules or "numpy" in sys.modules or _major_version() < RUNS_ALONE:
        return
    with _hidden(UNUSED):
        import pyarrow as pa
        import pyarrow._compute  # would import numpy later

        pa.array([0])  # pyarrow looks for pandas only at its first conversion


def _major_version() -> int:
    """Return the version of pyarrow, or 0; read from its folder because `importlib.metadata` is as slow as the import."""
    spec = find_spec("pyarrow")
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            text = (Path(folder) / "_generated_version.py").read_text()
        except OSError:
            continue
        if found := re.search(r"version = '([0-9]+)\.", text):
            return int(found[1])
    return 0


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Make modules impossible to import, unless they are imported already."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # `import` raises ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class KeptOpen:
    """An open file that Arrow can write to and can't close: who opened it syncs and closes it.

    Args:
        stream: The open file.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.closed = False

    def write(self, data: bytes) -> int:
        """Write all of the bytes: an unbuffered file may take fewer than it is given."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._stream.write(rest) :]
        return len(data)

    def flush(self) -> None:
        """Do nothing: who opened the file flushes it."""

    def close(self) -> None:
        """Only note that Arrow is done."""
        self.closed = True


FLAGS_AT = 4
"""Where the flags of a zstd frame are: after its four magic bytes (RFC 8878, section 3.1.1.1)."""

HAS_CHECKSUM = 0x04
"""The flag of a frame that ends with the last four bytes of the XXH64 of its content. Every zstd reader checks them."""


class _Flagged(KeptOpen):
    """The file to which pyarrow writes a zstd frame; it sets the flag for a checksum."""

    _at = 0

    def write(self, data: bytes) -> int:
        """Write bytes; the flag is set as its byte passes."""
        place = FLAGS_AT - self._at
        self._at += len(data)
        if 0 <= place < len(data):
            flagged = bytearray(data)
            flagged[place] |= HAS_CHECKSUM
            data = bytes(flagged)
        return super().write(data)


class ZstdWriter:
    """Write one zstd frame with a checksum of its content.

    pyarrow's compressor writes none, and then nearly every damaged bit is read as other text. The checksum is made in Python and
    takes 17 s per GB on a slow core, the compression itself 10 s. Closing it completes the frame and leaves the file open.

    Args:
        stream: The open file.
    """

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        import pyarrow as pa

        self._file = stream
        self._stream = pa.CompressedOutputStream(pa.PythonFile(_Flagged(stream), mode="w"), "zstd")
        self._checksum = Xxh64()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write bytes."""
        size = memoryview(data).nbytes
        self._stream.write(data)
        self._checksum.update(bytes(data))
        return size

    def flush(self) -> None:
        """Write compressed bytes."""
        self._stream.flush()

    def close(self) -> None:
        """Complete the frame."""
        if not self.closed:
            self.closed = True
            self._stream.close()
            KeptOpen(self._file).write(self._checksum.digest().to_bytes(8, "little")[:4])


PRIME_1, PRIME_2, PRIME_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
PRIME_4, PRIME_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
WORD = (1 << 64) - 1
STRIPE = 32
"""Bytes that XXH64 processes at a time: a word for each of its four sums."""
PIECE = 64 * 1024
"""Bytes that are added up at a time."""
SLOT = 128
"""Bits from one of the four sums to the next one: the product of two words fits in between."""
SUMS = tuple(range(0, 4 * SLOT, SLOT))
LOW_WORDS = sum(WORD << at for at in SUMS)


class Xxh64:
    """XXH64 with seed 0, as in the zstd format; the four sums are kept in one integer, so that one operation updates all.

    That makes 60 MB/s, twice as much as four integers. `xxhash` would be another dependency.
    """

    def __init__(self) -> None:
        start = (PRIME_1 + PRIME_2, PRIME_2, 0, -PRIME_1)
        self._sums = sum((word & WORD) << at for word, at in zip(start, SUMS, strict=True))
        self._rest = b""
        self._length = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._length += len(data)
        data = self._rest + data
        end = len(data) - len(data) % STRIPE
        for start in range(0, end, PIECE):
            self._add(data[start : min(start + PIECE, end)])
        self._rest = data[end:]

    def _add(self, stripes: bytes) -> None:
        words = array("Q", stripes)
        if sys.byteorder == "big":  # pragma: no cover - such machines are rare, and none is available
            words.byteswap()
        spread = array("Q", bytes(16 * len(words)))
        spread[::2] = words
        number, mask, first, second = int.from_bytes, LOW_WORDS, PRIME_1, PRIME_2
        sums = self._sums
        for (stripe,) in struct.iter_unpack("64s", spread):
            sums = (sums + (number(stripe, "little") * second & mask)) & mask
            sums = ((sums << 31 | sums >> 33) & mask) * first & mask
        self._sums = sums

    def digest(self) -> int:
        """Return the hash of all bytes so far."""
        found = PRIME_5
        if self._length >= STRIPE:
            sums = [self._sums >> at & WORD for at in SUMS]
            found = sum(_turned(each, bits) for each, bits in zip(sums, (1, 7, 12, 18), strict=True)) & WORD
            for each in sums:
                found = ((found ^ _mixed(each)) * PRIME_1 + PRIME_4) & WORD
        found = (found + self._length) & WORD
        rest = self._rest
        while len(rest) >= 8:
            found = (_turned(found ^ _mixed(int.from_bytes(rest[:8], "little")), 27) * PRIME_1 + PRIME_4) & WORD
            rest = rest[8:]
        if len(rest) >= 4:
            half = int.from_bytes(rest[:4], "little")
            found = (_turned(found ^ half * PRIME_1 & WORD, 23) * PRIME_2 + PRIME_3) & WORD
            rest = rest[4:]
        for byte in rest:
            found = _turned(found ^ byte * PRIME_5 & WORD, 11) * PRIME_1 & WORD
        found = (found ^ found >> 33) * PRIME_2 & WORD
        found = (found ^ found >> 29) * PRIME_3 & WORD
        return found ^ found >> 32


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & WORD


def _mixed(word: int) -> int:
    return _turned(word * PRIME_2 & WORD, 31) * PRIME_1 & WORD
