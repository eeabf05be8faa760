"""Zstandard frames with a checksum of their content (RFC 8878), which pyarrow's compressor does not write.

Bytes that hold no lines: archives, tables and databases, recognized by their first bytes, and what to do with them.
"""

from __future__ import annotations

import struct
import sys
from array import array
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from typing import BinaryIO, Final

__all__ = ["TABLES", "KeptOpen", "Xxh64", "ZstdWriter", "foreign_bytes", "is_text"]


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
        """Do nothing but remember that Arrow is done."""
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


ROWS_OF_TABLE = "JSONL is expected here; `batchfiles show` prints it, and `batchfiles prepare` makes requests of its rows"
TABLES: Final = {
    b"PAR1": f"a Parquet file, and {ROWS_OF_TABLE}",
    b"ARROW1": f"an Arrow file, and {ROWS_OF_TABLE}",
    b"\xff\xff\xff\xff": f"an Arrow stream, and {ROWS_OF_TABLE}",
}
"""Bytes that only readers of tables know."""

SAVE_AS = "save it as CSV or Parquet first"
FOREIGN: Final = {
    b"PK\x03\x04": "a ZIP archive: extract its files first, as with unzip",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\xfd7zXZ\x00": "xz data: decompress it first, with xz -d",
    b"\x5d\x00\x00": "LZMA data: decompress it first, with xz -d --format=lzma",
    b"LZIP": "lzip data: decompress it first, with lzip -d",
    b"\x04\x22\x4d\x18": "LZ4 data: decompress it first, with lz4 -d",
    b"\x02\x21\x4c\x18": "LZ4 data: decompress it first, with lz4 -d",
    b"\xff\x06\x00\x00sNaPpY": "Snappy data: decompress it first",
    b"\x1f\x9d": "data of compress: decompress it first, with gzip -d",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: extract its files first, with 7z x",
    b"Rar!\x1a\x07": "a RAR archive: extract its files first",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": f"an Excel workbook (.xls) or another file of old Office: {SAVE_AS}",
    b"PARE": "an encrypted Parquet file: decrypt it first",
    b"FEA1": f"a Feather file of version 1: {SAVE_AS}",
    b"ORC": f"an ORC file: {SAVE_AS}",
    b"Obj\x01": f"an Avro file: {SAVE_AS}",
    b"\x89HDF\r\n": f"an HDF5 file: {SAVE_AS}",
    b"\x93NUMPY": f"a NumPy array: {SAVE_AS}",
    b"SQLite format 3\x00": f"an SQLite database: {SAVE_AS}",
    b"%PDF-": "a PDF document",
}
"""What files begin with that hold no lines, and what to do."""

INSIDE: Final = (
    (257, b"ustar", "a tar archive: extract its files first, with tar -x"),
    (8, b"DUCK", f"a DuckDB database: {SAVE_AS}"),
)
"""The same, with the offset of the bytes."""

IN_ZIP: Final = {
    b"[Content_Types].xml": f"an Excel workbook or another Office document: {SAVE_AS}",
    b"_rels/.rels": f"an Excel workbook or another Office document: {SAVE_AS}",
    b"docProps/": f"an Excel workbook or another Office document: {SAVE_AS}",
    b"xl/": f"an Excel workbook: {SAVE_AS}",
    b"mimetypeapplication/vnd.oasis": f"an OpenDocument file: {SAVE_AS}",
}


def foreign_bytes(head: bytes, *, tables: bool) -> str | None:
    """Return the kind of a file without lines, and what to do with it; None for text and for readable compressed data."""
    signatures = FOREIGN if tables else FOREIGN | TABLES
    found = next((what for magic, what in signatures.items() if head.startswith(magic)), None)
    found = found or next((what for place, magic, what in INSIDE if head[place:].startswith(magic)), None)
    if found is not None and head.startswith(b"PK"):
        found = next((what for part, what in IN_ZIP.items() if part in head), found)
    return None if found is None or is_text(head) else found


def is_text(head: bytes) -> bool:
    """Return whether the first bytes of a file may be text: UTF-8 without control characters, or UTF-16, reported elsewhere."""
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return True
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return not any(letter < "\t" or "\r" < letter < " " for letter in text)
