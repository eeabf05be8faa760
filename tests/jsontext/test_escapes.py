"""Letters of a word that are written as escapes."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.jsontext.spans import FEW, EscapedLetters

WORD = EscapedLetters("custom_id")


@pytest.mark.parametrize("letter", sorted(set("custom_id")))
def test_each_letter_is_found_in_either_case_of_its_digits(letter: str) -> None:
    r"""`\u006D` and `\u006d` are the same letter."""
    code = f"{ord(letter):04x}"
    assert json.loads(f'"\\u{code}"') == letter
    assert WORD.stand_in(f'{{"\\u{code}": 1}}'.encode())
    assert WORD.stand_in(f'{{"\\u{code.upper()}": 1}}'.encode())


@pytest.mark.parametrize("text", [b"", b"custom_id", b"caf\\u00e9", b"\\u001f", b"\\u0061", b"\\u00", b"\\u006", b"\\u0163"])
def test_other_escapes_are_not(text: bytes) -> None:
    """Neither letters of other words, nor an escape that is cut."""
    assert not WORD.stand_in(text)


@pytest.mark.parametrize("before", [0, FEW - 2, FEW - 1, FEW, FEW + 1, 3 * FEW])
def test_it_does_not_matter_how_many_others_come_before(before: int) -> None:
    """Many escapes are looked through in another way than few."""
    others = b"\\u00e9" * before
    assert not WORD.stand_in(others)
    assert WORD.stand_in(others + b"\\u0069")


@given(st.lists(st.sampled_from([b"\\u00", b"\\", b"u", b"0", b"6", b"9", b"d", b"D", b"\\u0069", b"\\u00e9"]), max_size=400))
def test_it_finds_what_a_plain_expression_finds(pieces: list[bytes]) -> None:
    """With any text around the escapes."""
    text = b"".join(pieces)
    expected = re.search(rb"\\u00(63|75|73|74|6f|6d|5f|69|64)", text, re.IGNORECASE) is not None
    assert WORD.stand_in(text) == expected
