"""Groups: small batches gathered, large ones cut."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.table.writer import Groups

COLUMNS = pa.schema([("text", pa.string())])


def batch_of(texts: list[str]) -> pa.RecordBatch:
    """Build a batch of one column."""
    return pa.record_batch([pa.array(texts, pa.string())], schema=COLUMNS)


def gathered(groups: Groups, parts: list[list[str]]) -> list[pa.Table]:
    """Send all the parts through and collect the output."""
    return [group for part in parts for group in groups.add(batch_of(part))] + list(groups.rest())


def test_rows_fill_a_group() -> None:
    """A group is full at its rows; the rest is yielded at the end."""
    groups = gathered(Groups(COLUMNS, max_rows=4, max_bytes=10**9), [["a", "b"]] * 5)
    assert [group.num_rows for group in groups] == [4, 4, 2]


def test_bytes_fill_a_group() -> None:
    """A group is full at its bytes, long before its rows."""
    groups = gathered(Groups(COLUMNS, max_rows=10**9, max_bytes=1000), [["x" * 300]] * 8)
    assert [group.num_rows for group in groups] == [4, 4]


def test_a_large_batch_is_cut() -> None:
    """A batch that is too large alone is halved until its pieces fit."""
    groups = gathered(Groups(COLUMNS, max_rows=10**9, max_bytes=1000), [["x" * 300] * 16])
    assert sum(group.num_rows for group in groups) == 16
    assert all(group.nbytes <= 2000 for group in groups)


def test_slices_count_with_their_own_bytes() -> None:
    """The rows of a large batch in slices share groups as if they were separate."""
    whole = batch_of(["x" * 100] * 100)
    groups = Groups(COLUMNS, max_rows=10**9, max_bytes=1000)
    found = [group for start in range(0, 100, 2) for group in groups.add(whole.slice(start, 2))] + list(groups.rest())
    assert {group.num_rows for group in found} == {10}


def test_nothing_makes_no_group() -> None:
    """Empty batches leave nothing."""
    assert gathered(Groups(COLUMNS, max_rows=4, max_bytes=100), [[], []]) == []


@given(st.lists(st.lists(st.text("ab", max_size=50), max_size=20), max_size=8), st.integers(1, 10), st.integers(1, 200))
def test_groups_hold_every_row_once_and_in_order(parts: list[list[str]], max_rows: int, max_bytes: int) -> None:
    """For any input, the groups together equal it, and none has more rows than twice its share."""
    groups = gathered(Groups(COLUMNS, max_rows=max_rows, max_bytes=max_bytes), parts)
    assert [text for group in groups for text in group["text"].to_pylist()] == [text for part in parts for text in part]
    assert all(0 < group.num_rows < 2 * max_rows or group.num_rows == max_rows for group in groups)
