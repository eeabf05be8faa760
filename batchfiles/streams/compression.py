"""Compressed bytes: read by what they begin with, written by the suffix of the name; whatever is written carries a checksum."""

from __future__ import annotations

import bz2
import struct
import sys
from array import array
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, cast

from batchfiles.errors import FileError, TruncatedFile
from batchfiles.streams.urls import shown_name

__all__ = ["Xxh64", "ZstdWriter", "compressed", "compression_of", "compression_of_name", "decompressed"]

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zstd": "zstd"}

CHUNK = 64 * 1024
"""Compressed bytes that are read at a time."""

PIECE = 4096
TAIL = 256
"""Bytes that are decompressed at a time, and at the end of the compressed bytes."""


def compression_of(head: bytes) -> str | None:
    """Name the compression of a file by its first bytes: `gzip`, `bz2`, `zstd`, or None."""
    for magic, name in MAGIC.items():
        if head.startswith(magic):
            return name
    return None


def compression_of_name(name: str) -> str | None:
    """Name the compression that a file's name, or a URL without its options, asks for: `gzip`, `bz2`, `zstd`, or None."""
    lowered = shown_name(name).lower()
    for suffix, compression in SUFFIXES.items():
        if lowered.endswith(suffix):
            return compression
    return None


class _Rewound:
    """An open file whose first bytes were read already and are given out again; so that pipes can be looked into."""

    closed = False

    def __init__(self, stream: BinaryIO, name: str, head: bytes) -> None:
        self._stream = stream
        self._name = name
        self._head = head

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        if self._head:
            piece, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return piece
        try:
            return self._stream.read(size) or b""
        except OSError as error:
            raise FileError((error.strerror or str(error)).lower(), path=self._name, number=error.errno) from None

    def seek(self, offset: int) -> int:
        """Move to an offset; only for files that can."""
        self._head = b""
        return self._stream.seek(offset)


class _Ahead:
    """What pyarrow reads the compressed bytes from: it knows when it gives out the last of them."""

    closed = False
    at_last = False

    def __init__(self, stream: _Rewound) -> None:
        self._stream = stream
        self._next: bytes | None = None

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        piece = self._stream.read(size) if self._next is None else self._next
        self._next = self._stream.read(size) if piece else b""
        self.at_last = not self._next
        return piece

    def close(self) -> None:
        """Do nothing: who opened the file closes it. Without it pyarrow complains on standard error."""


class _Bz2:
    """Decompress bz2 with the standard library: pyarrow stumbles over an empty member ("wrong sequence of calls")."""

    def __init__(self, raw: _Ahead) -> None:
        self._raw = raw
        self._member = bz2.BZ2Decompressor()

    def read(self, size: int) -> bytes:
        """Return up to `size` decompressed bytes."""
        while True:
            data = b""
            if self._member.eof:
                data = self._member.unused_data or self._raw.read(CHUNK)
                if not data:
                    return b""
                self._member = bz2.BZ2Decompressor()
            elif self._member.needs_input:
                data = self._raw.read(CHUNK)
                if not data:
                    raise EOFError("the end of the stream is missing")
            if piece := self._member.decompress(data, size):
                return piece


class _Decompressed:
    """A decompressing stream that tells damage from the end of the file."""

    def __init__(self, stream: _Rewound, name: str, compression: str) -> None:
        import pyarrow as pa

        self._name = name
        self._compression = compression
        self._raw = _Ahead(stream)
        self._damage: str | None = None
        self._stream: Any = (
            _Bz2(self._raw) if compression == "bz2" else pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), compression)
        )
        self._errors = (OSError, EOFError, pa.ArrowException)

    def read(self, size: int) -> bytes:
        """Return up to `size` decompressed bytes; what was decompressed before damage is returned first.

        Raises:
            TruncatedFile: The compressed bytes end too early or are damaged.
        """
        # A read of pyarrow's that fails takes with it what it had decompressed so far, so reads are small (hardly slower: gzip
        # 609 and 586 MB/s, zstd 1,590 and 1,280), and smaller still behind the last compressed bytes, where a cut file ends.
        pieces: list[bytes] = []
        while size > 0 and (piece := self._piece(min(size, TAIL if self._raw.at_last else PIECE))):
            pieces.append(piece)
            size -= len(piece)
        if self._damage is not None and not pieces:
            raise TruncatedFile(self._damage, path=self._name)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        if self._damage is None:
            try:
                return cast("bytes", self._stream.read(size))
            except FileError:
                raise
            except self._errors as error:
                self._damage = f"the {self._compression} data is damaged or cut short: {error}"
        return b""


class _Damaged:
    """A stream whose first bytes are none that its name promises."""

    closed = False

    def __init__(self, words: str, name: str) -> None:
        self._words = words
        self._name = name

    def read(self, _: int = -1) -> bytes:
        """Refuse to read."""
        raise TruncatedFile(self._words, path=self._name)


HEAD = 16
"""First bytes of a file that show whether it is text, where its name says that it is compressed."""

BZ2_BLOCK = (bytes.fromhex("314159265359"), bytes.fromhex("177245385090"))
"""What comes after the four bytes that bz2 data begins with: the mark of a block, or that of the end."""


@contextmanager
def decompressed(stream: BinaryIO, name: str, *, suffix_of: str | None = None) -> Iterator[BinaryIO]:
    """Give a view of an open file that decompresses what begins with the magic bytes of gzip, bz2 or zstd.

    The view's `read` raises `FileError` where the system refuses and `TruncatedFile` where the compression is damaged.

    Args:
        stream: The open file.
        name: The display name, for errors.
        suffix_of: The file's own name, whose suffix may promise a compression. Text is read all the same: some HTTP clients
            decompress what they save and keep the name. Anything else is damaged.
    """
    promised = None if suffix_of is None else compression_of_name(suffix_of)
    wanted = 4 if promised is None else HEAD
    head = b""
    raw = _Rewound(stream, name, b"")
    while len(head) < wanted and (piece := raw.read(wanted - len(head))):
        head += piece
    raw = _Rewound(stream, name, head)
    compression = compression_of(head)
    if compression is not None:
        yield cast("BinaryIO", _Decompressed(raw, name, compression))
    elif promised is not None and (words := _why_damaged(head, promised)):
        yield cast("BinaryIO", _Damaged(words, name))
    else:
        yield cast("BinaryIO", raw)


def _why_damaged(head: bytes, promised: str) -> str | None:
    """Say why the first bytes of a file without a magic number are neither compressed data nor text; None if they are text."""
    if not head:
        return f"the {promised} data is cut short: the file has 0 bytes"
    try:
        text = getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    is_cut = any(magic.startswith(head) for magic in MAGIC)
    if is_cut or head[4:10] in BZ2_BLOCK or any(letter < " " and letter not in "\t\r\n" for letter in text):
        return f"the {promised} data is damaged or cut short: its first bytes are wrong"
    return None


class _KeptOpen:
    """What pyarrow writes the compressed bytes to: closing the compressor must not close the file, which waits to be synced."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> int:
        """Write bytes."""
        return self._stream.write(data)

    def close(self) -> None:
        """Do nothing: who opened the file closes it."""


@contextmanager
def compressed(stream: BinaryIO, compression: str | None) -> Iterator[BinaryIO]:
    """Give a view of an open file that compresses what is written; None writes it as it is."""
    if compression is None:
        yield stream
        return
    import pyarrow as pa

    if compression == "zstd":
        with closing(ZstdWriter(stream)) as checked:
            yield cast("BinaryIO", checked)
        return
    with pa.CompressedOutputStream(pa.PythonFile(_KeptOpen(stream), mode="w"), compression) as writer:
        yield cast("BinaryIO", writer)


FLAGS_AT = 4
"""Where the flags of a zstd frame are: after its four magic bytes (RFC 8878, section 3.1.1.1)."""

HAS_CHECKSUM = 0x04
"""The flag of a frame that ends with the last four bytes of the XXH64 of its content. Every zstd reader checks them."""


class _Flagged(_KeptOpen):
    """What pyarrow writes a zstd frame to: the frame says that a checksum follows."""

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
        """Write what is compressed already."""
        self._stream.flush()

    def close(self) -> None:
        """Complete the frame."""
        if not self.closed:
            self.closed = True
            self._stream.close()
            self._file.write(self._checksum.digest().to_bytes(8, "little")[:4])


PRIME_1, PRIME_2, PRIME_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
PRIME_4, PRIME_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
WORD = (1 << 64) - 1
STRIPE = 32
"""Bytes that XXH64 takes at a time: a word for each of its four sums."""
SLOT = 128
"""Bits from one of the four sums to the next one: the product of two words fits in between."""
SUMS = tuple(range(0, 4 * SLOT, SLOT))
LOW_WORDS = sum(WORD << at for at in SUMS)


class Xxh64:
    """XXH64 with seed 0, as the zstd format has it; the four sums are kept in one integer, so that one operation does for all.

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
        for start in range(0, end, CHUNK):
            self._add(data[start : min(start + CHUNK, end)])
        self._rest = data[end:]

    def _add(self, stripes: bytes) -> None:
        words = array("Q", stripes)
        if sys.byteorder == "big":  # pragma: no cover - such machines are rare, and none is at hand
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
