"""Bytes that hold no lines: archives, tables and databases, recognized by their first bytes, and what to do with them."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from typing import Final

__all__ = ["TABLES", "foreign_bytes", "is_text"]

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
