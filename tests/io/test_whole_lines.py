r"""`pieces`: the lines, numbers, offsets and warnings of `blocks`, but each piece whole and the last line with a newline."""

from __future__ import annotations

import io
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from batchfiles.findings import Finding
from batchfiles.inputs.copied_lines import pieces
from batchfiles.io.lines import blocks
from batchfiles.limits import LINE_CAP

texts = st.lists(
    st.sampled_from([b"a", b"bb", b"\n", b"\r\n", b"\n\n", b" ", b"\r", b"\x0b", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8"]),
    max_size=30,
).map(b"".join)
heads = st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\n"])


@given(head=heads, text=texts, block_size=st.integers(1, 12))
def test_pieces_hold_what_blocks_hold(head: bytes, text: bytes, block_size: int) -> None:
    """For any size of a block; one of the two is faster, the other is older."""
    noticed: list[Finding] = []
    expected: list[Finding] = []
    found = list(pieces(io.BytesIO(head + text), "f", noticed.append, max_line_bytes=LINE_CAP, block_size=block_size))
    lines = [
        (number, line)
        for block in blocks(io.BytesIO(head + text), "f", expected.append, block_size=block_size)
        for number, line in enumerate(block.lines, block.line_number)
    ]
    assert [pair for piece in found for pair in enumerate(piece.whole_lines, piece.line_number)] == [
        (n, x + b"\n") for n, x in lines
    ]
    assert noticed == expected
    whole = (head + text).removeprefix(b"\xef\xbb\xbf")
    assert b"".join(piece.text for piece in found) == whole + b"\n" * (not whole.endswith(b"\n") and whole != b"")
    for piece in found:
        assert b"".join(piece.whole_lines) == piece.text
        assert (head + text + b"\n")[piece.byte_offset :].startswith(piece.text)


@given(text=texts, block_size=st.integers(1, 12), max_line_bytes=st.integers(1, 3))
def test_nothing_is_read_after_a_line_that_is_too_long(text: bytes, block_size: int, max_line_bytes: int) -> None:
    """And the part of it in memory stays small, however long it is."""
    found = list(pieces(io.BytesIO(text), "f", lambda _: None, max_line_bytes=max_line_bytes, block_size=block_size))
    lines = list(chain.from_iterable(piece.whole_lines for piece in found))
    too_long = [line for line in lines if len(line.removesuffix(b"\n")) > max_line_bytes]
    assert bool(too_long) == any(len(line) > max_line_bytes for line in text.split(b"\n"))
    assert all(len(line) <= max_line_bytes + 1 for piece in found[:-1] for line in piece.whole_lines)
    assert all(len(piece.text) <= 2 * block_size + max_line_bytes + len(b"\xef\xbb\xbf") for piece in found)
