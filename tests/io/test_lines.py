r"""Lines from bytes: only `\n` ends them, for any chunks and any start of the reading."""

import http.client
import http.server
import io
import itertools
import os
import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.io.lines import BOM, HEAD, Block, LineSplitter, Overlong, blocks

PIECES = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"a", b"bc", b"", b"d" * 40, BOM, "\u2028".encode(), "\x85".encode(), b"\v\f\x1c"]
)
TEXTS = st.lists(PIECES, max_size=30).map(b"".join)
CAP = 30


class Trickle(io.BytesIO):
    """An open file that gives out its bytes in the portions named, and then one by one."""

    def __init__(self, data, sizes):
        super().__init__(data)
        self.sizes = iter(sizes)

    def read(self, size=-1):
        return super().read(min(size, next(self.sizes, 1)))


def read(data, sizes=None, **options):
    """Read bytes or a stream, and return the lines as (number, offset, bytes) and the findings as (code, number, offset)."""
    findings, lines = [], []
    stream = data
    if isinstance(data, bytes):
        stream = io.BytesIO(data) if sizes is None else Trickle(data, sizes)
    for block in blocks(stream, "f", findings.append, **options):
        assert block.lines
        number, offset = block.line_number, block.byte_offset
        for line in block.lines:
            lines.append((number, offset, line))
            number, offset = number + 1, offset + len(line) + 1
    return lines, [(finding.code, finding.line_number, finding.byte_offset) for finding in findings]


def expected(data, max_line_bytes):
    """Return the same with `bytes.split`."""
    lines, findings = [], []
    offset = 0
    if data.startswith(BOM):
        findings.append(("byte_order_mark", 1, 0))
        offset = len(BOM)
    parts = data[offset:].split(b"\n")
    for number, part in enumerate(parts, 1):
        if number == len(parts):
            if not part:
                break
            findings.append(("missing_newline", number, offset))
        if len(part) > max_line_bytes:
            findings.append(("line_too_long", number, offset))
        else:
            lines.append((number, offset, part))
        offset += len(part) + 1
    return lines, findings


def test_lines_keep_their_carriage_return_so_that_offsets_add_up():
    """Who decodes does not mind it, and who copies wants it."""
    assert read(b"a\r\nb\n") == ([(1, 0, b"a\r"), (2, 3, b"b")], [])


@given(TEXTS)
def test_a_file_is_split_at_newlines_only(data):
    """As `bytes.split` does it; no other character ends a line."""
    assert read(data, max_line_bytes=CAP) == expected(data, CAP)


@given(TEXTS, st.lists(st.integers(1, 9), max_size=40), st.integers(1, 50))
def test_how_the_bytes_arrive_changes_nothing(data, sizes, block_size):
    """Whole, in portions or one by one: the same lines, numbers, offsets and findings."""
    assert read(data, sizes, max_line_bytes=CAP, block_size=block_size) == expected(data, CAP)


class Pieces(http.server.BaseHTTPRequestHandler):
    """Sends the text of the server in pieces of random sizes, as chunks or not; the seed is in the path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        chance, data = random.Random(self.path), self.server.data
        is_chunked = chance.random() < 0.5
        self.send_response(200)
        self.send_header(*(("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", str(len(data)))))
        self.end_headers()
        while data:
            size = chance.choice((1, 2, 7, 30, 1000))
            piece, data = data[:size], data[size:]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            if chance.random() < 0.05:
                time.sleep(0.0005)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def served():
    """Yield a server; its text is the attribute `data`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pieces) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def test_how_the_bytes_arrive_over_http_changes_nothing(served):
    """In chunks or with a length, in pieces that end anywhere: the same lines, numbers, offsets and findings."""
    chance = random.Random(3)
    parts = [b"\n", b"\r\n", b"\r", b"a", b"bc", b"d" * 40, BOM, "\u2028é".encode(), b"\v\f\x1c", b"e" * 500]
    client = http.client.HTTPConnection(*served.server_address, timeout=30)
    for number in range(int(os.environ.get("BATCHFILES_TEST_HTTP", "100"))):
        served.data = b"".join(chance.choices(parts, k=chance.randrange(80)))
        client.request("GET", f"/{number}")
        with client.getresponse() as response:
            assert read(response, max_line_bytes=CAP, block_size=chance.randrange(1, 90)) == expected(served.data, CAP)
    client.close()


@given(TEXTS, st.integers(0, 60), st.integers(1, 50))
def test_two_ranges_have_each_line_once(data, middle, block_size):
    """A line belongs to the range in which it begins; the findings do, too."""
    whole_lines, whole_findings = expected(data, CAP)
    first, first_findings = read(data, end=middle, max_line_bytes=CAP, block_size=block_size)
    second, second_findings = read(
        data, start=middle, line_number=1 + count_before(data, middle), max_line_bytes=CAP, block_size=block_size
    )
    assert first + second == whole_lines
    assert sorted(first_findings + second_findings) == sorted(whole_findings)


@pytest.mark.parametrize("middle", range(1, 9))
def test_a_byte_order_mark_and_its_line_belong_to_one_range(middle):
    """For any cut, even within the mark."""
    data = BOM + b"a\nb\n"
    first, first_findings = read(data, end=middle)
    second, second_findings = read(data, start=middle)
    assert [line for *_, line in first + second] == [b"a", b"b"]
    assert first_findings + second_findings == [("byte_order_mark", 1, 0)]


def count_before(data, offset):
    """Count the lines that begin before an offset; a mark belongs to the first one."""
    return sum(1 for at in [0, *(at + 1 for at, byte in enumerate(data) if byte == 10)] if at < min(offset, len(data)))


def test_many_ranges_have_each_line_once():
    """Ten thousand random files, each cut into ranges at random places."""
    chance = random.Random(5)
    for _ in range(10_000):
        data = b"".join(chance.choice([b"\n", b"a", b"bcd\r\n", b"e" * 12]) for _ in range(chance.randrange(12)))
        cuts = sorted({0, len(data) + 1, *(chance.randrange(len(data) + 2) for _ in range(3))})
        found = []
        for start, end in itertools.pairwise(cuts):
            found += read(data, start=start, end=end, max_line_bytes=10, block_size=chance.randrange(1, 9))[0]
        assert [line[1:] for line in found] == [line[1:] for line in expected(data, 10)[0]]


def test_a_line_of_exactly_the_limit_is_kept():
    """One byte more is too long; its bytes are let go, its length is known."""
    splitter = LineSplitter(max_line_bytes=3)
    assert splitter.feed(b"123\n1234\n12") == [b"123", Overlong(4, b"1234")]
    assert splitter.feed(b"3") == []
    assert splitter.held == 3
    assert splitter.feed(b"45\n6\n") == [Overlong(5, b"12345"), b"6"]
    assert splitter.finish() is None


@pytest.mark.parametrize("block_size", [7, 64, 1000])
def test_ranges_within_a_long_line_do_not_read_to_its_end(block_size):
    """Each range of 3 MiB read the rest of the line: 11.5 s for one line of 400 MB, and four times that for twice as much."""
    data = b"short\n" + b"x" * 100_000 + b"\nlast\n"

    class Counted(io.BytesIO):
        count = 0

        def read(self, size=-1):
            piece = super().read(size)
            Counted.count += len(piece)
            return piece

    found = []
    for start in range(0, len(data), 2000):
        for block in blocks(Counted(data), "f", lambda _: None, start=start, end=start + 2000, block_size=block_size):
            found += block.lines
    assert found == data.splitlines()
    assert Counted.count < 4 * len(data)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_line_without_end_takes_no_memory(size):
    """Only its length is counted."""
    splitter = LineSplitter(max_line_bytes=10)
    for _ in range(1000):
        assert splitter.feed(b"x" * size) == []
    assert sum(map(len, splitter._pieces)) <= 10
    assert splitter.finish() == Overlong(1000 * size, (b"x" * 1000 * size)[:HEAD])


def test_lines_around_a_long_one_stay_in_their_blocks():
    """A block's lines are adjacent, so it ends before that line and another one begins after it."""
    found = list(blocks(io.BytesIO(b"a\nb\n12345\nc\n"), "f", lambda _: None, max_line_bytes=4))
    assert found == [Block("f", 1, 0, [b"a", b"b"]), Block("f", 4, 10, [b"c"])]


def test_the_message_says_how_long_and_what_to_do():
    """With both numbers."""
    findings = []
    list(blocks(io.BytesIO(b"12345\n"), "f", findings.append, max_line_bytes=4))
    assert [str(finding) for finding in findings] == [
        "f:1: error: The line has 5 bytes, above the limit of 4: it was skipped. Raise the limit to read it. (line_too_long)"
    ]


def test_a_byte_order_mark_counts_in_offsets_and_only_at_the_start():
    """Within a file it is text."""
    assert read(BOM + b"a\n" + BOM + b"b\n") == ([(1, 3, b"a"), (2, 5, BOM + b"b")], [("byte_order_mark", 1, 0)])


@pytest.mark.parametrize("length", [1, 2])
def test_a_part_of_a_byte_order_mark_is_text(length):
    """It is not a byte order mark yet."""
    assert read(BOM[:length])[0] == [(1, 0, BOM[:length])]


def test_an_empty_file_has_no_lines():
    """And a lone mark is an empty file."""
    assert read(b"") == ([], [])
    assert read(BOM) == ([], [("byte_order_mark", 1, 0)])
