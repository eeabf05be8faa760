"""Uniqueness of ids: nothing missed, nothing invented, little memory, and no leftover file."""

import os
import random
import subprocess
import sys
import time
import tracemalloc
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.errors import FileError
from batchfiles.ids import unique
from batchfiles.ids.unique import UniqueIds

COUNT = int(os.environ.get("BATCHFILES_TEST_IDS", "100000"))
"""Ids on the disk."""


def four_bits(custom_id):
    """A hash so bad that every partition holds many different ids."""
    return sum(custom_id.encode()) & 15


def found(custom_ids, **options):
    """Add all and return every repetition as (id, first place, place), sorted by place."""
    repetitions = []
    with UniqueIds(**options) as ids:
        for place, custom_id in enumerate(custom_ids):
            first = ids.add(custom_id, place)
            if first is not None:
                repetitions.append((custom_id, first, place))
        repetitions.extend(ids.duplicates())
    return sorted(repetitions, key=lambda item: item[2])


def repeated(custom_ids):
    """The same with a dict."""
    first = {}
    return [
        (custom_id, first[custom_id], place)
        for place, custom_id in enumerate(custom_ids)
        if first.setdefault(custom_id, place) != place
    ]


def test_a_repetition_in_memory_is_known_at_once():
    """`add` returns the place of the first one."""
    with UniqueIds() as ids:
        assert ids.add("a", 1) is None
        assert ids.add("b", 2) is None
        assert ids.add("a", 3) == 1
        assert list(ids.duplicates()) == []


def test_a_repetition_on_disk_is_known_at_the_end():
    """With no room in memory, `duplicates` names all of them, each with the first place."""
    with UniqueIds(in_memory=0) as ids:
        assert [ids.add(custom_id, place) for place, custom_id in enumerate("abaca")] == [None] * 5
        assert sorted(ids.duplicates()) == [("a", 0, 2), ("a", 0, 4)]


def test_the_same_place_twice_is_still_a_repetition():
    """Places are the caller's; nothing is concluded from them."""
    with UniqueIds(in_memory=0) as ids:
        ids.add("a", 7)
        ids.add("a", 7)
        assert list(ids.duplicates()) == [("a", 7, 7)]


@pytest.mark.parametrize("in_memory", [0, 1, 7, 1000])
@pytest.mark.parametrize("hashed_by", [hash, four_bits, lambda _: 0])
def test_nothing_is_missed_or_invented_however_bad_the_hash(in_memory, hashed_by, monkeypatch):
    """A dict finds the same repetitions in random files, with every share of memory and disk."""
    monkeypatch.setattr(unique, "BUFFER", 500)
    monkeypatch.setattr(unique, "HASHES", 40)
    monkeypatch.setattr(unique, "MOST_CANDIDATES", 3)
    chance = random.Random(in_memory)
    for _ in range(100):
        custom_ids = [f"id-{chance.randrange(60)}" for _ in range(chance.randrange(120))]
        assert found(custom_ids, in_memory=in_memory, hashed_by=hashed_by) == repeated(custom_ids)


@given(st.lists(st.text(max_size=5)), st.integers(0, 5))
def test_any_text_is_an_id(custom_ids, in_memory):
    """Empty ids, newlines, NUL, other planes and lone surrogates are distinguished exactly."""
    assert found(custom_ids, in_memory=in_memory) == repeated(custom_ids)


def test_ids_that_look_alike_are_different():
    """No case is folded, nothing is normalised: the service doesn't either."""
    assert found(["é", "e\u0301", "É", "a", "a ", "a\0"], in_memory=0) == []


def test_memory_has_room_for_as_many_ids_as_were_named():
    """The second id is in memory and the third is not: a repetition of it is known only at the end."""
    for add in ("one", "all"):
        with UniqueIds(in_memory=2) as ids:
            if add == "one":
                assert [ids.add(custom_id, place) for place, custom_id in enumerate("abc")] == [None, None, None]
            else:
                assert ids.add_all(["a", "b"], 0)
                assert ids.add_all(["c"], 2)
            assert ids.add("b", 3) == 1
            assert ids.add("c", 4) is None
            assert list(ids.duplicates()) == [("c", 2, 4)]


def test_after_the_disk_was_used_it_is_used_again(monkeypatch):
    """`clear` closes the temporary file, and the next ids have their own."""
    monkeypatch.setattr(unique, "BUFFER", 1)
    with UniqueIds(in_memory=0) as ids:
        for _ in range(2):
            for place, custom_id in enumerate(("a", "b", "a")):
                ids.add(custom_id, place)
            assert list(ids.duplicates()) == [("a", 0, 2)]
            ids.clear()


def test_long_ids_count_for_more_in_memory():
    """Ten ids of 6,400 characters do not stay where a thousand ordinary ones may."""
    with UniqueIds(in_memory=1000) as ids:
        for number in range(20):
            ids.add(f"{number:06400d}", number)
        assert ids.add(f"{0:06400d}", 20) == 0
        assert ids.add(f"{19:06400d}", 21) is None
        assert [item[1:] for item in ids.duplicates()] == [(19, 21)]


def test_clear_begins_again():
    """An id of one file is not a repetition in the next."""
    with UniqueIds(in_memory=1) as ids:
        for custom_id in ("a", "b"):
            ids.add(custom_id, 1)
        ids.clear()
        assert [ids.add(custom_id, 2) for custom_id in ("a", "b")] == [None, None]
        assert list(ids.duplicates()) == []


def test_places_have_63_bits():
    """A file's number and a line's number fit into one."""
    place = (2**23 - 1) << 40 | (2**40 - 1)
    with UniqueIds(in_memory=0) as ids:
        ids.add("a", place - 1)
        ids.add("a", place)
        assert list(ids.duplicates()) == [("a", place - 1, place)]


@pytest.mark.parametrize("fails", [False, True])
def test_no_file_is_left(tmp_path, monkeypatch, fails):
    """The temporary file has no name from the beginning, so that not even a killed process leaves it."""
    monkeypatch.setattr(unique, "BUFFER", 0)
    ids = UniqueIds(in_memory=0, temp_dir=tmp_path)
    with pytest.raises(KeyError) if fails else ids, ids:
        ids.add("a", 1)
        assert list(tmp_path.iterdir()) == []
        if fails:
            raise KeyError
    assert ids._file is None


def test_ids_that_are_cleared_leave_no_open_file(tmp_path, monkeypatch):
    """One object checks file after file."""
    monkeypatch.setattr(unique, "BUFFER", 0)
    with UniqueIds(in_memory=0, temp_dir=tmp_path) as ids:
        ids.add("a", 1)
        file = ids._file
        assert file is not None
        ids.clear()
        assert file.closed
        ids.add("a", 1)
        assert list(ids.duplicates()) == []


def test_a_missing_temporary_folder_is_a_file_error(tmp_path, monkeypatch):
    """The message names the folder."""
    monkeypatch.setattr(unique, "BUFFER", 0)
    with UniqueIds(in_memory=0, temp_dir=tmp_path / "gone") as ids, pytest.raises(FileError, match="gone: no such file"):
        ids.add("a", 1)


def test_a_disk_that_fails_while_reading_back_is_a_file_error(tmp_path, monkeypatch):
    """The message names the folder."""

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(unique, "BUFFER", 0)
    monkeypatch.setattr(unique.os, "pread", fail)
    with UniqueIds(in_memory=0, temp_dir=tmp_path) as ids:
        ids.add("a", 1)
        ids.add("a", 2)
        with pytest.raises(FileError, match=f"{tmp_path.name}: input/output error"):
            list(ids.duplicates())


def test_memory_is_bounded_by_the_buffer_not_by_the_ids():
    """100,000 ids on disk take a few megabytes; in a set they would take 12. The first and the last id are repeated."""
    count = 100_000
    repeated = [0, count - 1]
    tracemalloc.start()
    with UniqueIds(in_memory=0) as ids:
        for place, number in enumerate(chain(range(count), repeated)):
            ids.add(f"{number:036d}", place)
        found = list(ids.duplicates())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [(f"{number:036d}", number, count + at) for at, number in enumerate(repeated)]
    assert peak < 10 * 1024 * 1024


def test_ids_of_a_file_of_the_largest_size_take_a_tenth_of_a_second_and_ten_mebibytes():
    """CPU time of the fastest of five runs, which other programs on the machine hardly change."""
    custom_ids = [f"{number:036d}" for number in range(50_000)]

    def added():
        begin = time.process_time()
        with UniqueIds() as ids:
            for start in range(0, len(custom_ids), 1000):
                assert ids.add_all(custom_ids[start : start + 1000], start)
            assert ids.add(custom_ids[0], len(custom_ids)) == 0
            assert list(ids.duplicates()) == []
        return time.process_time() - begin

    assert min(added() for _ in range(5)) < 0.1
    tracemalloc.start()
    added()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 1024 * 1024


GROWTH = """
import sys
from batchfiles.ids.unique import UniqueIds

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

count, path = int(sys.argv[1]), sys.argv[2]
repeated = [0, count - 1]
before = peak()
with UniqueIds(0, temp_dir=path) as ids:
    for start in range(0, count, 1000):
        assert ids.add_all([f"{number:036d}" for number in range(start, start + 1000)], start)
    for place, number in enumerate(repeated, count):
        assert ids.add(f"{number:036d}", place) is None
    found = list(ids.duplicates())
assert found == [(f"{number:036d}", number, count + at) for at, number in enumerate(repeated)]
print(peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")  # noqa: PTH110
def test_memory_is_bounded_for_the_process_too(tmp_path):
    """What the system counts, with the sorted hashes and without what Python's own count makes slow."""
    command = [sys.executable, "-c", GROWTH, str(COUNT), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 64
    assert list(tmp_path.iterdir()) == []


def test_python_seeds_do_not_matter():
    """Python's own hash differs between processes; the answer does not."""
    code = (
        "from batchfiles.ids.unique import UniqueIds\n"
        "ids = UniqueIds(0)\n"
        "for place, name in enumerate(['a', 'b', 'a', 'c', 'b']): ids.add(name, place)\n"
        "print(sorted(ids.duplicates()))"
    )
    answers = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("0", "1", "2")
    }
    assert answers == {b"[('a', 0, 2), ('b', 1, 4)]\n"}


@given(
    batches=st.lists(st.lists(st.sampled_from(["a", "b", "c", "é", "x" * 70, None, "d", "e", "f"]), max_size=4), max_size=8),
    in_memory=st.integers(0, 10),
)
def test_ids_added_together_are_found_like_ids_added_one_by_one(batches: list[list[str | None]], in_memory: int) -> None:
    """Those that `add_all` refuses are added singly, as documented."""
    repeated = []
    seen: dict[str, int] = {}
    expected = []
    place = 0
    with UniqueIds(in_memory) as unique:
        for batch in batches:
            added = unique.add_all(batch, place)
            for custom_id in batch:
                if custom_id is not None:
                    if not added and (first := unique.add(custom_id, place)) is not None:
                        repeated.append((custom_id, first, place))
                    if custom_id in seen:
                        expected.append((custom_id, seen[custom_id], place))
                    seen.setdefault(custom_id, place)
                place += 1
        assert sorted([*repeated, *unique.duplicates()]) == sorted(expected)
