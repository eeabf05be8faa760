"""What compiled code finds in lines that are copied or indexed is what Python finds. `docs/native.md` describes plain ids."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles.errors import DuplicateCustomIdError
from batchfiles.ids.index import digests_of_bytes
from batchfiles.ids.unique import UniqueIds
from batchfiles.inputs.copied_lines import Run
from batchfiles.native import SWITCH, native_entries, native_lines, native_listed
from batchfiles.rules.keys import LARGE, may_embed
from tests.native.mutations import escaped, mutated
from tests.native.plain import FAILURES, REQUESTS, RESULTS
from tests.native.taken import indexed

pytestmark = pytest.mark.skipif(
    find_spec("batchfiles_native") is None, reason="batchfiles-native is not installed: pip install ./native"
)

HEADS = [
    b'{"custom_id": "ID"}', b'{"custom_id":"ID","x":1}', b' \t{ "id" : "1" ,\r"custom_id" : "ID" , "a": "\\u00e9"}\r',
    '{"custom_id": "é", "id": "ID"}'.encode(), b'{"id": "custom_id", "custom_id": "ID"}', b'{"id": 1, "custom_id": "ID"}',
    b'{"custom_id": "ID", "custom_id": "z"}', b'{"custom_id": "ID", "custom_\\u0069d": "z"}', b'{"custom_id": "ID',
    b'{"custom_id": "I\\u0044"}', b'{"custom_id": "ID"custom_id": 1}', b'{"custom_id": "\xff"}', b'{"custom_id": null}', b"",
    b'{"custom_id": "ID", "x": "\\u006', b'{"custom_id": "ID", "x": "\\u00\\u0063"}', b'{"custom_id": "ID", "x": "\\u005F"}',
    b" ", b"\x0b\x0c", b"\x1f", b"[]", b"nonsense", b'{"custom_id": ""}', b'{"x": 1, "custom_id": "ID"}', b'["custom_id": "ID"]',
]  # fmt: skip
"""Places for an id, near to the plain ones; and lines that have none."""


@pytest.fixture(autouse=True)
def _is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")


def changed(seed: int, count: int, templates: list[bytes]) -> list[bytes]:
    """Return lines with different ids, some of them changed or repeated."""
    random = Random(seed)
    lines = []
    for number in range(count):
        line = random.choice(templates)
        if random.random() < 0.3:
            line = mutated(line, random)
        elif random.random() < 0.1:
            line = escaped(line.decode("utf-8", "surrogateescape"), random).encode("utf-8", "surrogateescape")
        lines.append(line.replace(b"ID", b"id-%d" % number))
    return lines


@pytest.mark.parametrize("seed", range(4))
def test_results_are_indexed_as_in_python(seed: int) -> None:
    """Repeated keys, keys in escapes, blank lines and damaged ones too, each at its place."""
    lines = changed(seed, 1500, RESULTS + FAILURES + HEADS)
    assert indexed(lines, fast=True) == indexed(lines, fast=False)


@given(st.lists(st.text(), min_size=3, max_size=3), st.booleans(), st.sampled_from([": ", ":", " :\t"]))
def test_any_text_as_an_id(texts: list[str], are_escaped: bool, colon: str) -> None:
    """With escapes or without, also empty, with NUL and with the key in it."""
    values = [{"id": texts[0], "custom_id": text, "response": None, "error": texts[1]} for text in (*texts, '"custom_id"')]
    lines = [json.dumps(value, ensure_ascii=are_escaped, separators=(",", colon)).encode() for value in values]
    assert indexed(lines, fast=True) == indexed(lines, fast=False)


def test_plain_ids_are_not_left_to_python() -> None:
    """If fewer lines were plain, only the time would show it."""
    entries, lines = native_entries(), [*HEADS[:4], REQUESTS[0], REQUESTS[2], *RESULTS]
    assert entries is not None
    assert entries.add_lines(b"\n".join([*lines, b""]), 0, 0, 1, digests_of_bytes) == []
    listed = native_listed({"ID"})
    assert listed is not None
    text = b"\n".join([REQUESTS[0], REQUESTS[2], RESULTS[0], b'{"custom_id": "other"}', b"{}", b""])
    assert [found[2:] for found in listed.find(text)] == [("ID", True)] * 2 + [("ID", False), (None, False)]


@given(st.lists(st.sampled_from([b"a", b"", b" ", b"\x0b", b"\x1c", b"\xc2\x85", b"\t\r", b"abc"])), st.booleans())
def test_lines_are_measured_as_python_does(lines: list[bytes], is_whole: bool) -> None:
    """Blank is what `bytes.isspace` takes for blank; the last line may be cut."""
    run = Run("a.jsonl", 1, 0, b"\n".join([*lines, b"" if is_whole else b"x"]))
    assert (run.count, run.longest, run.blank) == run._measure()
    native = native_lines()
    assert native is not None
    assert native.count_newlines(run.text) == run.text.count(b"\n")


@given(st.lists(st.sampled_from([*b"ems \\u", b"embeddings", b"embedding", b"\\u0073", b"\\u006", b"\\u00e9", b"\\u0041", b"5"])))
def test_words_are_found_in_large_texts_too(pieces: list[bytes | int]) -> None:
    """Small texts are searched by Python, large ones by compiled code."""
    text = b"".join(bytes([piece]) if isinstance(piece, int) else piece for piece in pieces)
    assert may_embed(text) == may_embed(text + b" " * LARGE)


def both(monkeypatch: pytest.MonkeyPatch, job: Callable[[], object]) -> tuple[object, object]:
    """Return what a job returns without compiled code and with it."""
    found = []
    for switch in "01":
        monkeypatch.setenv(SWITCH, switch)
        found.append(job())
    return found[0], found[1]


@pytest.mark.parametrize("in_memory", [0, 7, 1000])
@pytest.mark.parametrize("on_duplicate", ["error", "first", "last"])
@pytest.mark.parametrize("templates", [REQUESTS[:3], REQUESTS + HEADS[:4], RESULTS])
def test_merged_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, on_duplicate: str, templates: list[bytes]
) -> None:
    """Ids that are repeated in a file or between files, in memory or on the disk, and none."""
    lines = changed(in_memory, 60, templates)
    for number, picked in enumerate([lines[:25], lines[25:50], lines[20:], lines[:2] * 2, [*lines[55:], b" ", lines[0]]]):
        (tmp_path / f"{number}.jsonl").write_bytes(b"\n".join([templates[0].replace(b"ID", b"first-%d" % number), *picked]))

    def merged(*names: int) -> object:
        files = [tmp_path / f"{name}.jsonl" for name in names]
        output = tmp_path / "merged"
        output.unlink(missing_ok=True)
        try:
            report = batchfiles.merge(*files, output=output, on_duplicate=on_duplicate, ids_in_memory=in_memory)  # type: ignore[arg-type]
        except DuplicateCustomIdError as error:
            return str(error)
        return output.read_bytes(), report.to_dict()

    for names in ([0], [0, 1], [0, 1, 2], [3], [1, 3, 0], [4, 0], [2, 4]):
        exact, fast = both(monkeypatch, lambda names=names: merged(*names))  # type: ignore[misc]
        assert fast == exact


@pytest.mark.parametrize("count", [1, 50, 3000])
def test_all_repeated_ids_are_found(count: int) -> None:
    """Those that compiled code read, those that Python read, and those that both read; also of several pieces on the disk."""
    random = Random(count)
    ids = [f"id-{random.randrange(count * 2)}" + "x" * random.choice([0, 0, 500]) for _ in range(count)]
    first: dict[str, int] = {}
    expected = [(each, first[each], place) for place, each in enumerate(ids) if first.setdefault(each, place) != place]
    with UniqueIds(5) as unique:
        found, place = [], 0
        while place < count:
            block = ids[place : place + random.choice([1, 10])]
            text = b"".join(b'{"custom_id": "%b"}\n' % each.encode() for each in block)
            if random.random() < 0.2 or not unique.add_text(text, len(block), place):
                for at, each in enumerate(block, place):
                    if (known := unique.add(each, at)) is not None:
                        found.append((each, known, at))
            place += len(block)
        found += unique.duplicates()
    assert sorted(found, key=lambda each: each[2]) == expected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("templates", [REQUESTS[:3], REQUESTS, [*REQUESTS, *HEADS[:4]]])
@pytest.mark.parametrize("values", [None, {"body.model": "m"}])
def test_requests_of_listed_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, templates: list[bytes], values: dict[str, str] | None
) -> None:
    """The same lines and the same report, whatever the others are like."""
    lines = [REQUESTS[0], *changed(seed, 200 if seed else 20, templates)]
    path, ids = tmp_path / "requests.jsonl", tmp_path / "ids.txt"
    path.write_bytes(b"\n".join(lines) + b"\n")
    ids.write_text("\n".join(f"id-{number}" for number in range(0, 250, 1 + seed)) + "\né\n", "utf-8")

    def retried() -> object:
        output = tmp_path / "again.jsonl"
        output.unlink(missing_ok=True)
        try:
            report = batchfiles.retry(path, output=output, ids=ids, values=values)
        except batchfiles.BatchFilesError as error:
            return str(error)
        return output.read_bytes(), report.to_dict() | {"seconds": 0}

    exact, fast = both(monkeypatch, retried)
    assert fast == exact


@pytest.mark.parametrize("options", [{}, {"max_requests": 7}, {"max_bytes": 3000}, {"by": "model", "max_requests": 40}])
def test_parts_of_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]) -> None:
    """The same files, with blank lines left out and counted."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"\n".join([REQUESTS[0], *changed(1, 150, [*REQUESTS, b"", b" \t", HEADS[0]])]))

    def parts() -> object:
        report = batchfiles.split(path, output=tmp_path / "parts", overwrite=True, **options)  # type: ignore[arg-type]
        found = {part.file: (tmp_path / "parts" / part.file).read_bytes() for part in report.parts}
        return found, report.blank_lines, report.unreadable, report.parts

    exact, fast = both(monkeypatch, parts)
    assert fast == exact
