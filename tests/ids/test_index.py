"""The index of ids and its flags: exact with any hash, sorted in memory or on disk, and small."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.errors import FileError
from batchfiles.ids.index import KINDS, Index, IndexBuilder, IndexEntries, LineRef, ResultFlags, digest, digest_of_bytes

Line = tuple[str, LineRef]


def four_bits(custom_id: str) -> int:
    """A hash so bad that every run holds many different ids, and that has no other bits than those that choose a partition."""
    return (sum(custom_id.encode()) & 15) << 60


def low_bits(custom_id: str) -> int:
    """A hash that puts all ids into one partition."""
    return sum(custom_id.encode())


def lines_of(custom_ids: list[str]) -> list[Line]:
    """Write ids one after the other to three files."""
    return [(custom_id, LineRef(at * 3 // len(custom_ids), at * 10, 9, at + 1)) for at, custom_id in enumerate(custom_ids)]


def entries_of(lines: list[Line], hashed: Callable[[str], int]) -> IndexEntries:
    """Note lines as a pass over a file does."""
    entries = IndexEntries()
    for custom_id, place in lines:
        entries.add(hashed(custom_id), place.file, place.offset, place.length, place.line_number)
    return entries


def index_of(path: Path, lines: list[Line], hashed: Callable[[str], int], *, in_memory: int = 10**6, step: int = 7) -> Index:
    """Build an index, some lines at a time."""
    builder = IndexBuilder(path, in_memory=in_memory)
    for start in range(0, len(lines), step):
        builder.add(entries_of(lines[start : start + step], hashed))
    return builder.finish()


@given(
    custom_ids=st.lists(
        st.sampled_from(["", "a", "b", "ab", "ba", "café", "00123", "x" * 50]) | st.text(max_size=3), max_size=120
    ),
    hashed=st.sampled_from([digest, four_bits, low_bits]),
    in_memory=st.sampled_from([0, 1, 10, 10**6]),
)
def test_every_id_leads_to_its_lines_in_order(
    custom_ids: list[str], hashed: Callable[[str], int], in_memory: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With any hash, in memory or not: the run of an id's digest equals that of a dict."""
    folder = tmp_path_factory.mktemp("index")
    lines = lines_of(custom_ids)
    with index_of(folder / "index", lines, hashed, in_memory=in_memory) as index:
        assert len(index) == len(lines)
        assert list(index.digests) == sorted(hashed(custom_id) for custom_id in custom_ids)
        for key in {hashed(custom_id) for custom_id in custom_ids} | {5}:
            right = [place for custom_id, place in lines if hashed(custom_id) == key]
            assert [index.place(entry) for entry in index.run(key)] == right
        repeated = {key: run for run in index.repeated() for key in {index.digests[run[0]]}}
        assert repeated == {key: index.run(key) for key in index.digests if len(index.run(key)) > 1}
    assert [path.name for path in folder.iterdir()] == ["index"]


@given(
    custom_ids=st.lists(st.text(max_size=4), max_size=200),
    hashed=st.sampled_from([digest, four_bits, low_bits]),
)
def test_the_directory_names_the_place_of_every_digest(
    custom_ids: list[str], hashed: Callable[[str], int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A digest that exists is between the two numbers that the directory gives for its first bits."""
    lines = lines_of(custom_ids)
    with index_of(tmp_path_factory.mktemp("index") / "index", lines, hashed) as index:
        shift, starts = index.directory()
        assert starts[0] == 0
        assert starts[-1] == len(index)
        for entry, key in enumerate(index.digests):
            assert starts[key >> shift] <= entry < starts[(key >> shift) + 1]
        assert (2**64 - 1) >> shift == len(starts) - 2


@pytest.mark.parametrize("count", [0, 1, 31, 32, 63, 64, 1000, 1024])
def test_the_directory_is_small(tmp_path: Path, count: int) -> None:
    """It has an item for each 16 to 31 entries, so that both fit into memory; other processes open it by its path."""
    with index_of(tmp_path / "index", lines_of([str(number) for number in range(count)]), digest) as index:
        items = len(index.directory()[1]) - 1
        assert items == max(1, 2 ** (count // 16).bit_length() // 2)
        assert index.path == tmp_path / "index"


@pytest.mark.parametrize("in_memory", [0, 10**6])
def test_an_index_without_entries_finds_nothing(tmp_path: Path, in_memory: int) -> None:
    """Joins of empty files have one."""
    builder = IndexBuilder(tmp_path / "index", in_memory=in_memory)
    builder.add(IndexEntries())
    with builder.finish() as index:
        assert len(index) == 0
        assert index.run(digest("a")) == range(0)
        assert list(index.repeated()) == []
        assert list(index.directory()[1]) == [0, 0]
    assert (tmp_path / "index").stat().st_size == 0


def test_a_line_costs_24_bytes(tmp_path: Path) -> None:
    """On disk, and in memory only while it is looked at."""
    with index_of(tmp_path / "index", lines_of([str(number) for number in range(1000)]), digest):
        assert (tmp_path / "index").stat().st_size == 24_000 == Index.size_of(1000)


def test_places_may_be_far_apart(tmp_path: Path) -> None:
    """File numbers up to 65,535, offsets up to 256 TiB, and lines as long as `max_line_bytes` can be."""
    far = LineRef(65_535, 2**48 - 1, 2**32 - 1, 2**32 - 1)
    with index_of(tmp_path / "index", [("a", far), ("b", LineRef(0, 0, 0, 1))], digest, in_memory=0) as index:
        assert [index.place(entry) for entry in index.run(digest("a"))] == [far]


def test_line_numbers_are_shifted_by_the_lines_before_the_range() -> None:
    """A range counts from 1; the caller who combines ranges knows how many lines came before."""
    packed = entries_of([("a", LineRef(0, 0, 5, 1)), ("b", LineRef(0, 6, 5, 2))], digest).to_bytes()
    assert list(IndexEntries.from_bytes(packed, 100).line_numbers) == [101, 102]
    assert IndexEntries.from_bytes(packed).to_bytes() == packed


def test_a_digest_is_that_of_the_decoded_id() -> None:
    r"""`"caf\u00e9"` and `"café"` are one id, and have the same 64 bits with both ways to ask."""
    assert digest("caf\u00e9") == digest_of_bytes("café".encode())
    assert 0 <= digest("café") < 2**64


def test_nobody_can_make_ids_that_collide() -> None:
    """The hash has its own key in every process that was given none."""
    command = [sys.executable, "-c", "from batchfiles.ids.index import digest; print(digest('a'))"]
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    assert len({subprocess.run(command, capture_output=True, check=True, env=plain).stdout for _ in range(2)}) == 2


def test_an_index_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """Two passes never share one by accident."""
    (tmp_path / "index").write_bytes(b"")
    with pytest.raises(FileError, match="index: file exists"):
        IndexBuilder(tmp_path / "index").finish()


def refuse(*_: object, **__: object) -> None:
    """Be a full disk."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("in_memory", [0, 10**6])
def test_a_full_disk_has_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int) -> None:
    """Whether the index is written at once or in partitions."""
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileError, match="index: no space left on device") as caught:
        index_of(tmp_path / "index", lines_of(["a", "b"]), digest, in_memory=in_memory)
    assert caught.value.errno == errno.ENOSPC


def test_an_index_that_is_gone_has_a_message(tmp_path: Path) -> None:
    """Such as one whose join was closed."""
    with pytest.raises(FileError, match="index: no such file"):
        Index(tmp_path / "index", 3)


def test_marks_are_seen_by_all_who_opened_them(tmp_path: Path) -> None:
    """Processes write to the same file, each kind in separate bytes."""
    ours, theirs = (ResultFlags(tmp_path / "flags", 3) for _ in range(2))
    for number, kind in enumerate(KINDS):
        getattr(ours if number % 2 else theirs, kind)[number % 3] = 1
    for number, kind in enumerate(KINDS):
        assert ours.mask(kind).to_pylist() == theirs.mask(kind).to_pylist() == [number % 3 == entry for entry in range(3)]


def test_marks_of_one_pass_are_not_those_of_another(tmp_path: Path) -> None:
    """Each pass has its own file, and nothing is marked in a new one."""
    ResultFlags(tmp_path / "first", 2).used[0] = 1
    assert ResultFlags(tmp_path / "second", 2).mask("used").to_pylist() == [False, False]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system can't take room without writing")
def test_marks_take_their_room_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an exception here; later, it would be the end of the process that writes the mark."""
    ResultFlags(tmp_path / "flags", 10_000)
    assert (tmp_path / "flags").stat().st_blocks * 512 >= 10_000 * len(KINDS)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(FileError, match="more: no space left on device"):
        ResultFlags(tmp_path / "more", 10_000)


def test_marks_are_zero_where_room_is_taken_by_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    flags = ResultFlags(tmp_path / "flags", 300_000)
    assert (tmp_path / "flags").stat().st_size == 300_000 * len(KINDS)
    assert not any(flags.used)
    assert len(flags.repaired) == 300_000


def test_marks_of_nothing_need_no_file(tmp_path: Path) -> None:
    """Where the index is empty."""
    flags = ResultFlags(tmp_path / "flags", 0)
    assert all(flags.mask(kind).to_pylist() == [] for kind in KINDS)
    assert not (tmp_path / "flags").exists()


@given(
    lengths=st.lists(st.integers(min_value=0, max_value=9), max_size=8),
    without=st.sets(st.integers(min_value=0, max_value=7)),
)
def test_neighbouring_lines_are_noted_as_one_by_one(lengths: list[int], without: set[int]) -> None:
    """Those without a digest are left out, and the others keep their places."""
    digests = [None if at in without else at * 7 for at in range(len(lengths))]
    together, alone = IndexEntries(), IndexEntries()
    together.add_lines(digests, 3, 100, lengths, 5)
    offset = 100
    for at, (found, length) in enumerate(zip(digests, lengths, strict=True)):
        if found is not None:
            alone.add(found, 3, offset, length, 5 + at)
        offset += length + 1
    assert together.to_bytes() == alone.to_bytes()
