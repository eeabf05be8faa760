"""Text for a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.layout import cut, cut_in_front, folded, padded, visible, width_of, wrapped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202egnirts", r"\u202egnirts"),
        ("\u2028", r"\u2028"),
        ("no\u00a0break\u3000wide", "no break wide"),
        ("Grüße 日本 😀", "Grüße 日本 😀"),
        ("\ud800", r"\ud800"),
        ("C:\\dir", "C:\\dir"),
    ],
)
def test_what_is_no_letter_is_written_out(text: str, expected: str) -> None:
    """Letters, signs and pictures stay; whatever could move the cursor is spelled."""
    assert visible(text) == expected


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("😀", 2), ("", 0), ("ü", 1)])
def test_width_is_what_a_terminal_takes(text: str, columns: int) -> None:
    """Wide letters take two columns, accents none."""
    assert width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("abc", 1, "…")],
)
def test_long_text_is_cut(text: str, width: int, expected: str) -> None:
    """Missing text is shown by a sign, and wide letters are not split."""
    assert cut(text, width) == expected


def test_paths_are_cut_in_front() -> None:
    """The end of a path says most."""
    assert cut_in_front("/a/b/c.txt", 6) == "…c.txt"
    assert cut_in_front("c.txt", 6) == "c.txt"


def test_words_are_kept_whole_where_lines_break() -> None:
    """A line breaks at a space if there is one not too far back."""
    assert wrapped("the quick brown fox", 10, 3) == ["the quick", "brown fox"]
    assert wrapped("abcdefghijklmno", 5, 2) == ["abcde", "fghi…"]


def test_two_long_paths_are_in_two_lines() -> None:
    """Two paths that are wider than the terminal were put into one line."""
    assert folded("not read: 123456789/abcdef-23456, 123456789/ghijkl-23456 end", 20) == [
        "not read: 123456789/abcdef-23456,",
        "    123456789/ghijkl-23456",
        "    end",
    ]


@given(st.text(), st.integers(2, 30), st.integers(1, 5))
def test_nothing_is_wider_than_asked(text: str, width: int, lines: int) -> None:
    """Property: whatever the text, its lines fit, and so does a padded one."""
    text = visible(text)
    assert text.isprintable()
    found = wrapped(text, width, lines)
    assert len(found) <= lines
    assert all(width_of(line) <= width for line in found)
    assert width_of(padded(cut(text, width), width)) == width
