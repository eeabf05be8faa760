"""Compressed files: read by their first bytes, one or more members; damage is distinguished from the end."""

import bz2
import gzip
import io
import os
import random
import subprocess

import pyarrow as pa
import pytest

from batchfiles.errors import BatchFilesError, MismatchError, TruncatedFileError
from batchfiles.io.arrow import Xxh64
from batchfiles.io.compression import compressed, compression_of, compression_of_name, decompressed


def zstd(data):
    """Compress as the zstd tool does it, with a checksum at the end where the tool is installed."""
    try:
        return subprocess.run(["zstd", "-q", "-c", "--check"], input=data, capture_output=True, check=True).stdout
    except FileNotFoundError:
        return pa.compress(data, codec="zstd", asbytes=True)


COMPRESS = {"gzip": gzip.compress, "bz2": bz2.compress, "zstd": zstd}
SUFFIXES = {"gzip": "gz", "bz2": "bz2", "zstd": "zst"}
LINES = [f'{{"custom_id": "request-{number}", "response": null}}'.encode() for number in range(40)]
DATA = b"\n".join(LINES) + b"\n"


def read(data, size=1000, suffix_of=None):
    """Return the bytes that can be read, and the error that ended it."""
    pieces = []
    try:
        with decompressed(io.BytesIO(data), "f", suffix_of=suffix_of) as stream:
            while piece := stream.read(size):
                pieces.append(piece)
    except TruncatedFileError as error:
        return b"".join(pieces), error
    return b"".join(pieces), None


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("name", COMPRESS)
def test_compressed_bytes_are_known_by_their_beginning(name, size):
    """With any name of the file and any number of bytes at a time."""
    data = COMPRESS[name](DATA)
    assert compression_of(data) == name
    assert read(data, size) == (DATA, None)


@pytest.mark.parametrize("name", COMPRESS)
def test_how_compressed_bytes_arrive_changes_nothing(name):
    """From a pipe or a slow disk, in pieces of any size: a read may return less than it was asked for."""
    data = COMPRESS[name](DATA) + COMPRESS[name](b"more\n")
    chance = random.Random(name)

    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(chance.randint(1, longest), size) if size > 0 else size)

    for longest in (1, 2, 7, 100, len(data)):
        with decompressed(Slow(data), "f") as stream:
            pieces = []
            while piece := stream.read(chance.randint(1, 500)):
                pieces.append(piece)
        assert b"".join(pieces) == DATA + b"more\n", longest


@pytest.mark.parametrize("name", COMPRESS)
def test_several_members_are_one_file(name):
    """`cat a.gz b.gz` is a gzip file; an empty member in between, too."""
    assert read(COMPRESS[name](DATA) + COMPRESS[name](b"") + COMPRESS[name](b"more\n")) == (DATA + b"more\n", None)


@pytest.mark.parametrize("data", [b"", b"{", b"{}\n", b"\x1f", b"BZ", b"\x28\xb5\x2f", b"\x1f{}\n"])
def test_other_bytes_are_left_alone(data):
    """Shorter than any mark, or nearly one."""
    assert compression_of(data) is None
    assert read(data) == (data, None)


@pytest.mark.parametrize("name", COMPRESS)
def test_every_cut_is_noticed(name):
    """At each byte: the beginning of the data, and then an error; never the beginning alone."""
    data = COMPRESS[name](DATA)
    for length in range(len(data)):
        found, error = read(data[:length])
        if compression_of(data[:length]) is None:
            assert found == data[:length]
        else:
            assert DATA.startswith(found)
            assert str(error).startswith(f"f: the {name} data is damaged or cut short")


@pytest.mark.parametrize("name", COMPRESS)
def test_what_can_be_read_comes_before_the_damage(name):
    """Of a large file without its last bytes nearly all."""
    data = b"".join(b"%030d\n" % random.Random(number).getrandbits(90) for number in range(60_000))
    found, error = read(COMPRESS[name](data)[:-6])
    assert error is not None
    assert data.startswith(found)
    # gzip loses less than 256 bytes; the others have to lose the block that was cut
    assert len(data) - len(found) < {"gzip": 256, "bz2": 900_000, "zstd": 300_000}[name]


def our_own(name, data=DATA):
    """Compress as our writers do."""
    sink = io.BytesIO()
    with compressed(sink, name) as writer:
        writer.write(data[:700])
        writer.write(data[700:])
    return sink.getvalue()


FLIPS = int(os.environ.get("BATCHFILES_TEST_FLIPS", "2000"))
"""Flipped bits for each compression; 100000 is the whole test, of a minute."""


@pytest.mark.parametrize("name", COMPRESS)
def test_a_flipped_bit_in_a_file_of_ours_is_an_error_or_harmless(name):
    """Written by pyarrow alone, zstd has no checksum: 1,336 of 1,436 flipped bits were read as other text without an error.

    The magic bytes count too: without them the file would be text, unless its name has the suffix.
    """
    data = our_own(name)
    chance = random.Random(name)
    bits = 8 * len(data)
    noticed = 0
    for number in range(FLIPS):
        bit = number if number < bits <= FLIPS else chance.randrange(bits)
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        found, error = read(bytes(flipped), 100_000, suffix_of=f"a.{SUFFIXES[name]}")
        assert error is not None or found == DATA, bit
        noticed += error is not None
    assert noticed > FLIPS * 0.9


@pytest.mark.parametrize("name", COMPRESS)
def test_a_flipped_bit_in_a_file_of_other_tools_is_noticed_or_harmless(name):
    """Never an exception of zlib, bz2 or pyarrow, never fewer bytes without an error."""
    data = COMPRESS[name](DATA)
    chance = random.Random(name)
    for _ in range(1500):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        found, error = read(bytes(flipped))
        if error is None and compression_of(flipped) == name:
            assert found == DATA


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"xxhash", 0x32DD38952C4BC720),
        (b"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1),
    ],
)
def test_the_hash_is_xxh64(data, expected):
    """Values that its author and others publish: below and above a stripe of 32 bytes, at once and byte by byte."""
    whole, slow = Xxh64(), Xxh64()
    whole.update(data)
    for number in range(len(data)):
        slow.update(data[number : number + 1])
    assert whole.digest() == slow.digest() == expected


def test_readers_of_zstd_accept_the_checksum_of_any_length():
    """They compare it, so a wrong one would make the file unreadable."""
    data = random.Random(1).randbytes(200_000)
    for size in [*range(130), 65_535, 65_536, 65_537, 200_000]:
        frame = our_own("zstd", data[:size])
        assert frame[4] & 4
        assert read(frame, 100_000) == (data[:size], None)
        assert read(frame[:-1] + bytes([frame[-1] ^ 1]), 100_000)[1] is not None


@pytest.mark.parametrize("name", COMPRESS)
@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_file_that_ends_before_its_magic_bytes_is_cut_short(name, size):
    """A download that brought nothing was "empty", and all its requests missing. By its name, it should have been something."""
    data = our_own(name)[:size]
    found, error = read(data, suffix_of=f"a.jsonl.{SUFFIXES[name]}")
    assert found == b""
    assert "cut short" in str(error)


@pytest.mark.parametrize("data", [b"{}\n", b"\n", b"\xef\xbb\xbf{}", b"a,b\n1,2\n", '{"a": "ééééééé"}'.encode(), b"not JSON"])
def test_text_under_the_name_of_a_compressed_file_is_text(data):
    """Some HTTP clients decompress what they save, and keep the name."""
    assert read(data, suffix_of="a.jsonl.gz") == (data, None)


@pytest.mark.parametrize("name", COMPRESS)
def test_garbage_after_the_end_is_noticed(name):
    """The valid bytes are yielded, then the error is raised."""
    found, error = read(COMPRESS[name](DATA) + b"garbage, and a good deal of it")
    assert error is not None
    assert DATA.startswith(found)


def test_a_bomb_is_read_piece_by_piece():
    """A read of a little decompresses little."""
    before = pa.total_allocated_bytes()
    with decompressed(io.BytesIO(gzip.compress(bytes(100_000_000))), "f") as stream:
        assert stream.read(1000) == bytes(1000)
        assert pa.total_allocated_bytes() - before < 20_000_000


@pytest.mark.parametrize(
    ("name", "compression"),
    [
        ("a.jsonl", None),
        ("a.jsonl.gz", "gzip"),
        ("A.JSONL.GZ", "gzip"),
        ("a.bz2", "bz2"),
        ("a.zst", "zstd"),
        ("a.zstd", "zstd"),
        ("gz", None),
    ],
)
def test_names_ask_for_compression(name, compression):
    """By their suffix."""
    assert compression_of_name(name) == compression


@pytest.mark.parametrize("name", [None, *COMPRESS])
def test_what_was_compressed_is_read_back_and_its_file_stays_open(name):
    """The file is still to be synced when the compressor is done."""
    sink = io.BytesIO()
    with compressed(sink, name) as writer:
        for line in LINES:
            writer.write(line + b"\n")
    assert not sink.closed
    assert compression_of(sink.getvalue()) == name
    assert read(sink.getvalue()) == (DATA, None)


def test_other_tools_can_read_it():
    """Python's own."""
    for name, tool in (("gzip", gzip), ("bz2", bz2)):
        sink = io.BytesIO()
        with compressed(sink, name) as writer:
            writer.write(DATA)
        assert tool.decompress(sink.getvalue()) == DATA


def test_damage_is_a_batchfiles_error():
    """Catching our root class catches it."""
    assert issubclass(TruncatedFileError, BatchFilesError)


def skippable(content):
    """Make a frame that holds no data (RFC 8878, 3.1.2)."""
    return b"\x5a\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


@pytest.mark.parametrize("size", [1, 100, 100_000])
@pytest.mark.parametrize(
    "data",
    [
        skippable(b"\x27\0\0\0") + COMPRESS["zstd"](DATA),
        skippable(b"") + skippable(b"x" * 5000) + COMPRESS["zstd"](DATA),
        COMPRESS["zstd"](DATA) + skippable(b"index"),
        COMPRESS["zstd"](DATA[:100]) + skippable(b"between") + COMPRESS["zstd"](DATA[100:]),
    ],
    ids=["pzstd", "two", "seekable", "between"],
)
def test_frames_without_data_are_zstd(data, size):
    """Every file of pzstd begins with one, and was read as text: a table of malformed rows, with exit code 0."""
    assert compression_of(data) == "zstd"
    assert read(data, size) == (DATA, None)


@pytest.mark.parametrize("size", [1, 100, 100_000])
@pytest.mark.parametrize("zeros", [1, 511, 200_000])
@pytest.mark.parametrize("name", ["gzip", "bz2"])
def test_zeros_after_the_end_are_padding(name, zeros, size):
    """Tapes and object stores fill up their blocks; gzip, bzip2 and Python ignore it, also between two members."""
    compress = COMPRESS[name]
    assert read(compress(DATA) + bytes(zeros), size) == (DATA, None)
    assert read(compress(DATA[:50]) + bytes(zeros) + compress(DATA[50:]) + bytes(zeros), size) == (DATA, None)
    _, error = read(compress(DATA) + bytes(zeros) + b"x")
    assert "other bytes follow the end" in str(error)


@pytest.mark.parametrize("name", COMPRESS)
def test_other_bytes_after_the_end_are_reported(name):
    """The data itself is whole, and was called damaged or cut short."""
    found, error = read(COMPRESS[name](DATA) + b"\n")
    assert str(error) == f"f: other bytes follow the end of the {name} data: remove them, or decompress it first (truncated_file)"
    assert found == DATA or (name == "zstd" and DATA.startswith(found))  # pyarrow takes the end of the last piece with it


# Frames of zstd that need a window of 1 GiB, and the dictionary 210; neither is damaged.
LARGE_WINDOW = bytes.fromhex("28b52ffd00a0210000") + b"abcd"
WITH_DICTIONARY = bytes.fromhex("28b52ffd21d204210000") + b"abcd"


@pytest.mark.parametrize(("data", "words"), [(LARGE_WINDOW, "zstd -d --long=31"), (WITH_DICTIONARY, "zstd -d -D")])
def test_whole_data_that_is_not_read_here_is_not_called_damaged(data, words):
    """The error explains how to decompress it."""
    found, error = read(data)
    assert found == b""
    assert words in str(error)
    assert "damaged" not in str(error)


FOREIGN = [
    (b"PK\x03\x04\x14\0\0\0\x08\0results.jsonl", "a ZIP archive: extract"),
    (b"PK\x03\x04\x14\0\x06\0\x08\0[Content_Types].xml", "an Excel workbook"),
    (b"PK\x05\x06" + bytes(18), "an empty ZIP archive"),
    (b"\xfd7zXZ\0\0\x04", "xz data: decompress it first, with xz -d"),
    (b"\x5d\0\0\x80\0\xff\xff", "LZMA data"),
    (b"LZIP\x01\x0c\0\xff", "lzip data"),
    (b"\x04\x22\x4d\x18d@\xa7#", "LZ4 data: decompress it first, with lz4 -d"),
    (b"\xff\x06\0\0sNaPpY", "Snappy data"),
    (b"\x1f\x9d\x90a", "data of compress"),
    (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
    (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "an Excel workbook (.xls)"),
    (b"PAR1\x15\x04\x15\0", "a Parquet file, and JSONL is expected here"),
    (b"ARROW1\0\0\xff\xff\xff\xff", "an Arrow file"),
    (b"\xff\xff\xff\xff\x10\x01\0\0", "an Arrow stream"),
    (b"ORC\x0a\x03\0", "an ORC file"),
    (b"Obj\x01\x04\x14avro.codec", "an Avro file"),
    (b"SQLite format 3\0\x10\0", "an SQLite database"),
    (bytes(8) + b"DUCK" + bytes(8), "a DuckDB database"),
    (b"results.jsonl".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
]


@pytest.mark.parametrize(("data", "words"), FOREIGN)
@pytest.mark.parametrize("wrap", [None, *COMPRESS])
def test_bytes_of_other_kinds_are_named_with_the_cure(data, words, wrap):
    """A ZIP archive was read as text, so that a join called every request missing, with exit code 0; compressed ones too."""
    with pytest.raises(MismatchError) as caught, decompressed(io.BytesIO(COMPRESS[wrap](data) if wrap else data), "f") as stream:
        stream.read(10)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["ORC-1,a\n", "LZIP\n", "PAR1 is an id\n", "%PDF-\n", "FEA1", "]\n", "{}\n", "\ufeff{}", "P*M\n"]
)
def test_text_that_begins_like_another_kind_is_text(text):
    """An id in a list may."""
    assert read(text.encode()) == (text.encode(), None)


@pytest.mark.parametrize("outer", COMPRESS)
@pytest.mark.parametrize("inner", COMPRESS)
def test_what_was_compressed_twice_is_called_so(outer, inner):
    """The inner bytes were read as lines."""
    with pytest.raises(MismatchError, match=f"the {outer} data holds {inner} data once more"):
        read(COMPRESS[outer](COMPRESS[inner](DATA)))


@pytest.mark.parametrize("suffix", [".gz", ".GZ", ".bz2", ".zst", ".zstd"])
def test_a_name_that_promises_compression_must_not_lie_about_other_bytes(suffix):
    """Damaged first bytes were read as lines; text is fine, as object stores decompress on the way."""
    for data in (b"\0" * 40, b"\x8b\x08\0\0\0" + bytes(range(128, 200)), gzip.compress(DATA)[1:]):
        with (
            decompressed(io.BytesIO(data), "f", suffix_of=f"f.jsonl{suffix}") as stream,
            pytest.raises(TruncatedFileError, match="its first bytes are neither that nor text"),
        ):
            stream.read(-1)
    for text in (DATA, "Grüße\n".encode(), "Grüße\n".encode("utf-16"), "é".encode() * 511 + b"\n"):
        with decompressed(io.BytesIO(text), "f", suffix_of=f"f.jsonl{suffix}") as stream:
            assert stream.read(-1) == text


@pytest.mark.parametrize(("data", "words"), [each for each in FOREIGN if b"AR" in each[0] or each[0].startswith(b"\xff\xff")])
def test_readers_of_tables_get_the_bytes_of_tables(data, words):
    """Show, prepare and others know Parquet and Arrow; only a stream can be read from a compressed file."""
    del words
    with decompressed(io.BytesIO(data), "f", tables=True) as stream:
        assert stream.read(100) == data
    packed = gzip.compress(data)
    if data.startswith(b"\xff"):
        with decompressed(io.BytesIO(packed), "f", tables=True) as stream:
            assert stream.read(100) == data
    else:
        with (
            pytest.raises(MismatchError, match="decompress it first"),
            decompressed(io.BytesIO(packed), "f", tables=True) as stream,
        ):
            stream.read(100)
