"""Cells in columns: texts begin where their heading begins, numbers end where it ends."""

from __future__ import annotations

from batchfiles.layout import Screen, text_table


def test_texts_stand_to_the_left_and_numbers_to_the_right() -> None:
    """The given number of first columns are texts."""
    assert text_table(("file", "holds", "lines"), [("a.jsonl", "requests", "7"), ("b", "", "1,234")], texts=2) == [
        "file     holds     lines",
        "a.jsonl  requests      7",
        "b                  1,234",
    ]


def test_columns_of_texts_may_be_named() -> None:
    """They need not be the first; there are no trailing spaces."""
    assert text_table(("part", "size", "model"), [("1", "10 B", "gpt"), ("10", "9 B", "")], texts=("part", "model")) == [
        "part  size  model",
        "1     10 B  gpt",
        "10     9 B",
    ]


def test_wide_letters_count_as_two_columns() -> None:
    """The columns after them are not moved."""
    assert text_table(("code", "count"), [("限界", "1"), ("bad", "22")]) == ["code  count", "限界      1", "bad      22"]


def test_without_a_row_there_is_no_table() -> None:
    """Headings alone are not printed."""
    assert text_table(("model", "tokens"), []) == []


def test_names_that_are_cut_still_differ() -> None:
    """All parts of a campaign had the name `camp/….jsonl` in `status` at 80 columns."""
    names = [f"camp/requests-{number:05}.jsonl" for number in (1, 2, 10)]
    cells = [line.split()[0] for line in text_table(("for", "n"), [(name, "7") for name in names], screen=Screen(15))[1:]]
    assert len(set(cells)) == len(names)
    assert all(f"{number:05}" in cell for number, cell in zip((1, 2, 10), cells, strict=True))

    names = [f"camp/q{number}-requests-of-a-day-00001.jsonl" for number in (1, 2, 3)]
    cells = [line.split()[0] for line in text_table(("for", "n"), [(name, "7") for name in names], screen=Screen(16))[1:]]
    assert len(set(cells)) == len(names)
