"""Compressed bytes: recognized by their first bytes, written with a checksum by the suffix of the name."""

from __future__ import annotations

import bz2
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO, Final, cast

from batchfiles.errors import FileError, MismatchError, TruncatedFileError
from batchfiles.io.arrow import KeptOpen, ZstdWriter, import_pyarrow
from batchfiles.io.filesystems import shown_name

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
SKIPPABLE = b"\x2a\x4d\x18"
"""What follows the first byte, 0x50 to 0x5f, of a frame that holds no data (RFC 8878, 3.1.2); pzstd's files begin with one."""

SUFFIXES = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zstd": "zstd"}

CHUNK = 64 * 1024
"""Compressed bytes that are read at a time."""

HEAD = 512
"""Bytes that are needed to recognize a file: a tar archive has its magic at the 258th. A slow pipe is not waited for."""

MAGIC_BYTES = max(map(len, MAGIC))
"""Bytes that are needed to detect a compression."""

ZSTD_ERRORS: Final = {
    "too much memory": "the zstd data needs a larger window than is allowed here: decompress it first, with zstd -d --long=31",
    "Dictionary mismatch": "the zstd data was compressed with a dictionary, which is not in the file: decompress it first, with "
    "zstd -d -D DICTIONARY",
    "Unknown frame descriptor": "other bytes follow the end of the zstd data: remove them, or decompress it first",
}
"""Messages of pyarrow for zstd data that is not damaged, and what they mean."""

PIECE = 4096
TAIL = 256
"""Bytes that are decompressed at a time, and at the end of the compressed bytes."""


def compression_of(head: bytes) -> str | None:
    """Name the compression of a file by its first bytes: `gzip`, `bz2`, `zstd`, or None."""
    for magic, name in MAGIC.items():
        if head.startswith(magic):
            return name
    return "zstd" if head[1:4] == SKIPPABLE and head[0] >> 4 == 5 else None


def import_pyarrow_for(names: Iterable[str]) -> None:
    """Import pyarrow if one of these files is compressed, or may be because it is standard input."""
    if any(name.endswith((*SUFFIXES, "-")) for name in names):
        import_pyarrow()


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
        # A pipe is not waited for where there are bytes to give out; only pipes and sockets have `read1` here.
        self._is_pipe = hasattr(stream, "read1")

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, all that are left where that is below 0."""
        if self._head and size >= 0:
            piece, self._head = self._head[:size], self._head[size:]
            if len(piece) == size or self._is_pipe:
                return piece
            return piece + self._read(self._stream.read, size - len(piece))
        head, self._head = self._head, b""
        return head + self._read(self._stream.read, size)

    def read_some(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer if a pipe has no more yet."""
        return self._read(getattr(self._stream, "read1", self._stream.read), size)

    def _read(self, read: Callable[[int], bytes | None], size: int) -> bytes:
        try:
            return read(size) or b""
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
        """Do nothing: the opener closes the file. Without this method pyarrow prints errors."""


class _GzipMember:
    """A member of a gzip file, with the methods of `bz2.BZ2Decompressor`."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the end of the member was read."""
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the end of the member."""
        return self._inflate.unused_data

    def decompress(self, data: bytes, size: int) -> bytes:
        """Return up to `size` decompressed bytes."""
        tail = self._inflate.unconsumed_tail
        piece = self._inflate.decompress(tail + data if data else tail, size)
        self.needs_input = len(piece) < size
        return piece


class _Members:
    """Decompress gzip and bz2 with the standard library, which knows where a member ends.

    pyarrow does not accept the zeros that tapes and object stores put after the end, nor an empty member of bz2. gzip is as fast
    here as there.
    """

    def __init__(self, raw: _Ahead, compression: str) -> None:
        self._raw = raw
        self._compression = compression
        self._magic = next(magic for magic, name in MAGIC.items() if name == compression)
        self._member: Any = self._new_member()

    def _new_member(self) -> Any:  # noqa: ANN401 - one of two classes with the same methods
        return _GzipMember() if self._compression == "gzip" else bz2.BZ2Decompressor()

    def read(self, size: int) -> bytes:
        """Return up to `size` decompressed bytes.

        Raises:
            EOFError: The end is missing.
            _OtherBytes: Something follows the end.
        """
        while True:
            data = b""
            if self._member.eof:
                data = self._after_member()
                if not data:
                    return b""
                self._member = self._new_member()
            elif self._member.needs_input:
                data = self._raw.read(PIECE if self._compression == "gzip" else CHUNK)
                if not data:
                    raise EOFError("the end of the stream is missing")
            if piece := self._member.decompress(data, size):
                return cast("bytes", piece)

    def _after_member(self) -> bytes:
        """Return the beginning of the next member; nothing at the end, and after zeros up to the end."""
        data = self._member.unused_data
        while not (data := data.lstrip(b"\0")):
            if not (data := self._raw.read(CHUNK)):
                return b""
        if not data.startswith(self._magic[: len(data)]):
            raise _OtherBytes(f"other bytes follow the end of the {self._compression} data: remove them, or decompress it first")
        return bytes(data)


class _OtherBytes(Exception):
    """Bytes that are not of the compression."""


class _Decompressed:
    """A decompressing stream that distinguishes damage from the end of the file."""

    def __init__(self, stream: _Rewound, name: str, compression: str, *, tables: bool) -> None:
        self._name = name
        self._compression = compression
        self._tables = tables
        self._raw = _Ahead(stream)
        self._error: str | None = None
        self._head: bytes | None = None
        self._errors: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error)
        if compression == "zstd":
            import pyarrow as pa

            self._stream: Any = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), compression)
            self._errors = (*self._errors, pa.ArrowException)
        else:
            self._stream = _Members(self._raw, compression)

    def read(self, size: int) -> bytes:
        """Return up to `size` decompressed bytes; what was decompressed before damage is returned first.

        Raises:
            TruncatedFileError: The compressed bytes end too early, are damaged, or can't be decompressed here.
            MismatchError: They hold another compressed file, or no lines.
        """
        if self._head is None:
            self._head = self._decompress(HEAD)
            self._check_inside(self._head)
        piece, self._head = self._head[:size], self._head[size:]
        piece += self._decompress(size - len(piece))
        if self._error is not None and not piece:
            raise TruncatedFileError(self._error, path=self._name)
        return piece

    def _check_inside(self, head: bytes) -> None:
        inner = compression_of(head)
        what = f"{inner} data once more: decompress it twice" if inner else foreign_bytes(head, tables=self._tables)
        if what is None and self._tables and head.startswith((b"PAR1", b"ARROW1")):
            what = "a table: decompress it first, for its end is read before its beginning"
        if what is not None:
            raise MismatchError(f"the {self._compression} data holds {what}", path=self._name)

    def _decompress(self, size: int) -> bytes:
        # A read of pyarrow's that fails takes with it what it had decompressed so far, so reads are small (hardly slower: gzip
        # 609 and 586 MB/s, zstd 1,590 and 1,280), and smaller still after the last compressed bytes, where a cut file ends.
        pieces: list[bytes] = []
        while size > 0 and (piece := self._piece(min(size, TAIL if self._raw.at_last else PIECE))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _piece(self, size: int) -> bytes:
        if self._error is None:
            try:
                return cast("bytes", self._stream.read(size))
            except FileError:
                raise
            except _OtherBytes as error:
                self._error = str(error)
            except self._errors as error:
                known = (words for sign, words in ZSTD_ERRORS.items() if sign in str(error))
                self._error = next(known, f"the {self._compression} data is damaged or cut short: {error}")
        return b""


class _Damaged:
    """A stream whose first bytes do not match its name."""

    closed = False

    def __init__(self, words: str, name: str) -> None:
        self._words = words
        self._name = name

    def read(self, _: int = -1) -> bytes:
        """Refuse to read."""
        raise TruncatedFileError(self._words, path=self._name)


BZ2_BLOCK = (bytes.fromhex("314159265359"), bytes.fromhex("177245385090"))
"""What comes after the four bytes that bz2 data begins with: the mark of a block, or that of the end."""


@contextmanager
def decompressed(stream: BinaryIO, name: str, *, suffix_of: str | None = None, tables: bool = False) -> Iterator[BinaryIO]:
    """Give a view of an open file that decompresses what begins with the magic bytes of gzip, bz2 or zstd.

    The view's `read` raises `FileError` where the system refuses, `TruncatedFileError` where the compression is damaged or of a
    kind that is not read here, and `MismatchError` where other data than lines is compressed.

    Args:
        stream: The open file.
        name: The display name, for errors.
        suffix_of: The file's own name, whose suffix may promise a compression. Text is read anyway: some HTTP clients
            decompress the data and keep the name. Anything else is damaged.
        tables: Whether the reader knows Parquet and Arrow.

    Raises:
        MismatchError: The file holds no lines.
    """
    promised = None if suffix_of is None else compression_of_name(suffix_of)
    head = b""
    raw = _Rewound(stream, name, b"")
    while len(head) < MAGIC_BYTES and (piece := raw.read_some(HEAD - len(head))):
        head += piece
    raw = _Rewound(stream, name, head)
    compression = compression_of(head)
    if compression is not None:
        yield cast("BinaryIO", _Decompressed(raw, name, compression, tables=tables))
    elif (what := foreign_bytes(head, tables=tables)) is not None:
        raise MismatchError(f"the file is {what}", path=name)
    elif promised is not None and not (tables and head.startswith(tuple(TABLES))) and (words := _why_damaged(head, promised)):
        yield cast("BinaryIO", _Damaged(words, name))
    else:
        yield cast("BinaryIO", raw)


def _why_damaged(head: bytes, promised: str) -> str | None:
    """Return why the first bytes of a file without a magic number are neither compressed data nor text; None if they are text."""
    if not head:
        return f"the {promised} data is cut short: the file has 0 bytes"
    is_cut = any(magic.startswith(head) for magic in MAGIC)
    if is_cut or head[4:10] in BZ2_BLOCK or not is_text(head):
        return f"the {promised} data is damaged or cut short: its first bytes are neither that nor text"
    return None


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
    with pa.CompressedOutputStream(pa.PythonFile(KeptOpen(stream), mode="w"), compression) as writer:
        yield cast("BinaryIO", writer)


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
