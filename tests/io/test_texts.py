"""Blocks of whole lines are the lines of `lines.blocks`: the same places, bytes and findings, for every range of a file."""

from __future__ import annotations

from io import BytesIO
from itertools import accumulate
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from batchfiles.io.lines import BOM, Block, blocks
from batchfiles.io.texts import Text, texts

if TYPE_CHECKING:
    from batchfiles.findings import Finding

FILES = st.lists(st.sampled_from([b"", b"a", b"{}", b"\r", b'{"a": 1}', b"x" * 9, b"y" * 40]), max_size=12).flatmap(
    lambda lines: st.sampled_from([b"\n".join(lines), b"\n".join(lines) + b"\n", BOM + b"\n".join(lines)])
)


@given(FILES, st.integers(0, 60), st.none() | st.integers(0, 90), st.integers(1, 45), st.integers(4, 32))
def test_texts_are_the_lines_of_blocks(data: bytes, start: int, end: int | None, longest: int, block_size: int) -> None:
    """Also where a range begins or ends in a line, with a mark, and with lines that are too long."""
    exact: list[Finding] = []
    found: list[Finding] = []
    options = {"start": start, "end": end, "line_number": 7, "max_line_bytes": longest, "block_size": block_size}
    expected = lines_of(blocks(BytesIO(data), "a.jsonl", exact.append, **options))
    got = lines_of(each.block() for each in texts(BytesIO(data), "a.jsonl", found.append, **options))
    assert (got, found) == (expected, exact)


def lines_of(parts: object) -> list[tuple[str, int, int, bytes]]:
    """Return each line with its place."""
    lines = []
    for path, number, offset, found in parts:  # type: ignore[attr-defined]
        offsets = accumulate((len(line) + 1 for line in found), initial=offset)
        lines += [(path, number + at, start, line) for at, (start, line) in enumerate(zip(offsets, found, strict=False))]
    return lines


def test_a_text_is_cut_into_its_lines_and_joined_again() -> None:
    """With blank lines."""
    block = Block("a.jsonl", 3, 17, [b"a", b"", b"{}"])
    assert Text.of(block) == Text("a.jsonl", 3, 17, b"a\n\n{}\n", 3)
    assert Text.of(block).block() == block
