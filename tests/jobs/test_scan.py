"""The first pass: every line of every range once, with the id of its decoded form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchfiles.ids.index import digest
from batchfiles.inputs.local import LocalFile
from batchfiles.jobs.join import scan
from batchfiles.jobs.join.scan import UNTIL_NEWLINE, ResultIndex, UnkeyedLines, scan_results, tasks, with_line_numbers
from batchfiles.workers import WorkerPool
from tests.jobs.wire import failure, put, success


def local(path: Path) -> LocalFile:
    """Name a file as jobs know it."""
    return LocalFile.of(str(path), path, path)


def scanned(path: Path, room: Path, *, max_line_bytes: int = 10**6) -> ResultIndex:
    """Look one file through."""
    index = room / f"{path.name}.index"
    return scan_results(WorkerPool(), [local(path)], index, max_line_bytes=max_line_bytes, progress=lambda _: None)


def noted(found: ResultIndex, custom_id: str) -> list[int]:
    """Return the line numbers of an id."""
    return [found.index.place(entry).line_number for entry in found.index.run(digest(custom_id))]


@pytest.mark.parametrize("size", [1, 7, 100, 16 * 2**20])
@pytest.mark.parametrize("sizes", [[], [0], [1], [5, 0, 100], [1_000, 1]])
def test_ranges_cover_every_byte_once(sizes: list[int], size: int) -> None:
    """In order, none of them empty, none above the size."""
    ranges = tasks(sizes, size)
    assert all(0 < task["end"] - task["start"] <= size for task in ranges)
    for file, total in enumerate(sizes):
        edges = [(task["start"], task["end"]) for task in ranges if task["file"] == file]
        assert [start for start, _ in edges] + [total] == [0, *[end for _, end in edges]]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 10**6])
@pytest.mark.parametrize("data", [b"", b"a", b"\n", b"\n\n", b"a\n", b"a\nb", b"aaaaaaa\nb\n\nccccc\n", b"\n\n\nx"])
def test_each_range_knows_the_number_of_its_first_line(tmp_path: Path, data: bytes, size: int) -> None:
    """Counted without reading lines: a line belongs to the range in which it begins."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(data)
    starts = [0, *[place + 1 for place, byte in enumerate(data) if byte == 10 and place + 1 < len(data)]]
    for task in with_line_numbers(WorkerPool(), [local(path), local(path)], size):
        assert task["line_number"] == 1 + sum(start < task["start"] for start in starts)


@pytest.mark.parametrize("size", [1, 50, 333, 10**6])
def test_lines_are_noted_once_whatever_the_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """With their numbers, offsets and lengths; blank lines are counted, and a long line has the id of its beginning."""
    monkeypatch.setattr(scan, "tasks", lambda sizes, *_: tasks(sizes, size))
    lines = [success("a"), b"", failure("b"), success("x", "y" * 3_000), b"\r", success(None), b"{broken", success("a", "é")]
    path = put(tmp_path / "out.jsonl", *lines)
    found = scanned(path, tmp_path, max_line_bytes=1_000)
    data = path.read_bytes()
    assert (found.lines, found.blank_lines, len(found.index)) == (8, 2, 4)
    assert (noted(found, "a"), noted(found, "b"), noted(found, "x")) == ([1, 8], [3], [4])
    for entry in range(4):
        place = found.index.place(entry)
        if place.length == UNTIL_NEWLINE:
            assert place.line_number == 4
            continue
        assert data[place.offset : place.offset + place.length] == lines[place.line_number - 1]
    assert [(place.line_number, malformed) for place, malformed in found.unkeyed] == [(6, False), (7, True)]
    assert found.unkeyed.malformed == 1
    assert [(finding.code, finding.line_number) for finding in found.findings] == [("line_too_long", 4)]


ORDINARY = [
    b'{"custom_id": "a", "response": null}',
    b'{"id": "x", "custom_id": "a", "response": null}',
    b' { "id" :\t"" , "custom_id" : "a" , "error": {}}\r',
    b'{"custom_id":"a","response',
    b'{"id": "x", "custom_id": "a", "\xff',
]
ODD = [
    b'{"response": null, "custom_id": "a"}',
    b'{"id": null, "custom_id": "a", "response": null}',
    b'{"id": "\\"", "custom_id": "a", "response": null}',
    b'{"custom_id": "\\u0061", "response": null}',
    b'{"custom_i\\u0064": "a", "response": null}',
    b'{"custom_id": "\\u0061", "response',
    b'{"custom_id": "a"}',
]
REPEATED = [
    b'{"custom_id": "z", "response": null, "custom_id": "a"}',
    b'{"custom_id": "z", "response": null, "custom_\\u0069d": "a"}',
    b'{"custom_id": "z", "response": null, "\\u0063\\u0075\\u0073\\u0074\\u006F\\u006d\\u005F\\u0069\\u0064": "a"}',
    b'{"id": "1", "custom_id": "z", "custom_id": "z", "custom_id": "a"}',
]


@pytest.mark.parametrize("line", ORDINARY + ODD)
def test_an_id_is_found_anywhere_in_a_line(tmp_path: Path, line: bytes) -> None:
    """As the first or second key without decoding, and by decoding elsewhere."""
    assert noted(scanned(put(tmp_path / "out.jsonl", line), tmp_path), "a") == [1]


@pytest.mark.parametrize("line", REPEATED)
def test_the_last_of_repeated_ids_counts(tmp_path: Path, line: bytes) -> None:
    """Plain or in escapes: it is what decoding keeps."""
    assert json.loads(line)["custom_id"] == "a"
    found = scanned(put(tmp_path / "out.jsonl", line), tmp_path)
    assert (noted(found, "a"), noted(found, "z")) == ([1], [])


@pytest.mark.parametrize(
    ("line", "custom_id"),
    [
        (b'{"custom_id": "a", "resp', "a"),
        (b'{"id": "1", "custom_id": "a"', "a"),
        (b'{"custom_id": "caf\\u00e9", ', "café"),
        (b'{"custom_id": "a\\"b", ', 'a"b'),
        (b'{"custom_id": "\\ud83d", ', "\ufffd"),
        (b'{"custom_id": "a", "custom_id": "b', "a"),
        (b'{"custom_id": "a', None),
        (b'{"custom_id": "\xff", ', None),
        (b'{"custom_id": 5, ', None),
        (b'{"response": {}, "custom_id": "a", ', None),
        (b"{'custom_id': 'a'}", None),
        (b"", None),
    ],
)
def test_the_id_of_a_broken_line_is_the_one_before_the_damage(line: bytes, custom_id: str | None) -> None:
    """As the first key, or the second after `id`; a guess from the rest does not count."""
    assert scan.id_of_malformed(line) == custom_id


def test_unkeyed_lines_travel_as_bytes() -> None:
    """With their line numbers shifted by the lines before the range."""
    unkeyed, received = UnkeyedLines(), UnkeyedLines()
    unkeyed.add_malformed(3, 2**40, 5)
    unkeyed.add_unidentified(0, 7, 6, 10)
    received.extend(unkeyed.to_bytes(), 100)
    assert [(place.file, place.offset, place.line_number, malformed) for place, malformed in received] == [
        (3, 2**40, 105, True),
        (0, 7, 106, False),
    ]
    assert (len(received), received.malformed) == (2, 1)


def test_entries_of_ranges_are_put_together_with_their_line_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file counts from 1, for any number of ranges."""
    monkeypatch.setattr(scan, "tasks", lambda sizes, *_: tasks(sizes, 200))
    paths = [put(tmp_path / f"{name}.jsonl", *[success(f"{name}{number}") for number in range(20)]) for name in "ab"]
    found = scan_results(
        WorkerPool(),
        [local(path) for path in paths],
        tmp_path / "index",
        max_line_bytes=10**6,
        progress=lambda _: None,
    )
    for file, name in enumerate("ab"):
        for number in range(20):
            (entry,) = found.index.run(digest(f"{name}{number}"))
            assert (found.index.place(entry).file, found.index.place(entry).line_number) == (file, number + 1)
