r"""Random batches, joined by `join` and by a naive oracle: they must agree in every row, every number and every rejected byte.

A case is made from its seed alone, and a failure names it. To run it again, or to run other cases than the usual ones:

    ORACLE_SEED=1234 pytest tests/jobs/test_join_oracle.py
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.ids import index
from batchfiles.jobs.join import lookup, rows, scan
from batchfiles.jobs.join.lazy_join import Join
from batchfiles.jobs.join.lazy_table import PART_BYTES, LazyTable
from batchfiles.outcome import OUTCOMES
from batchfiles.workers import WorkerPool
from tests.jobs.oracle import BOM, COLUMNS, Expected, expected

FIRST_SEED = int(os.environ.get("ORACLE_SEED", "0"))
BATCHES = int(os.environ.get("BATCHFILES_TEST_BATCHES", "500"))
"""Batches for one process; 10,000 are the whole test."""
CAP = 2_000
IDS = ["a", "b", "c", "00123", "café", "x y", "", 'say "a"', "back\\slash", "😀", "half \ufffd", "1234567890123456789", "a" * 300]
TEXTS = ["Hallo", 'a "quoted" {brace}', '"custom_id": "a"', "\u2028 and \x85", "tab\t and \\", "\ud83d cut", "é" * 40, '"}}']
SIZES = (60, 150, 400, 1_000, 10**9)
"""Bytes of a range of a file: from a line or less to all of it."""


@dataclass
class File:
    """A file to be."""

    name: str
    data: bytes
    is_input: bool


@dataclass
class Case:
    """The files of one seed: in the order in which they are named, how they are named, and how they are cut into pieces.

    `prefetched` simulates results that are larger than memory.
    """

    files: list[File]
    forced: bool
    range_size: int
    rows: int
    block_size: int
    prefetched: bool
    parts: dict[int, int]

    @property
    def inputs(self) -> list[File]:
        """The request files, in their order."""
        return [file for file in self.files if file.is_input]

    @property
    def results(self) -> list[File]:
        """The result files, in their order."""
        return [file for file in self.files if not file.is_input]


class Maker:
    """Makes random files."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.ids = self.random.sample(IDS, self.random.randint(1, len(IDS)))

    def chance(self, share: float) -> bool:
        """Return true in a share of the cases."""
        return self.random.random() < share

    def case(self) -> Case:
        """Make files: some requests, some results, in any order."""
        forced = self.chance(0.5)
        count = self.random.randint(1, 3)
        inputs = self.inputs(count)
        results = [
            File(self.result_name(number), self.file(self.result), is_input=False)
            for number in range(self.random.randint(0 if forced else 1, 4))
        ]
        files = inputs + results
        self.random.shuffle(files)
        for file in files:
            if self.chance(0.15):
                file.name += ".gz"
        # A batch's own results, where there are several batches.
        place = {file.name.split(".")[0]: number for number, file in enumerate(file for file in files if file.is_input)}
        stems = [file.name.split(".")[0].rsplit("_", 1)[0] for file in files if not file.is_input]
        parts = {number: place[stem] for number, stem in enumerate(stems) if count > 1 and stem in place}
        rows, block_size = self.random.choice((1, 3, 1_000)), self.random.choice((100, 1_000, 10**6))
        return Case(files, forced, self.random.choice(SIZES), rows, block_size, self.chance(0.2), parts)

    def result_name(self, number: int) -> str:
        """Name a result file, sometimes after the requests it belongs to."""
        if self.chance(0.25):
            return f"part-{number}_{self.random.choice(('output', 'error'))}.jsonl"
        return f"batch_{number}_output.jsonl" if self.chance(0.3) else f"results-{number}.jsonl"

    def inputs(self, count: int) -> list[File]:
        """Make request files, mostly with other ids in each; some repeat lines of an earlier one, as a retry does."""
        ids, are_apart = self.ids, self.chance(0.7)
        made: list[File] = []
        for number in range(count):
            if are_apart:
                self.ids = ids[number::count] or [f"only in {number}"]
            data = self.file(self.request)
            if made and self.chance(0.4):
                lines = [line for line in made[0].data.removeprefix(BOM).split(b"\n") if line.strip()]
                some = self.random.sample(lines, self.random.randint(0, len(lines)))
                ends = [self.random.choice((b"", b"\r", b" ")) for _ in some]
                data += b"\n" + b"\n".join(line.rstrip() + end for line, end in zip(some, ends, strict=True))
            made.append(File(f"part-{number}.jsonl", data, is_input=True))
        self.ids = ids
        return made

    def file(self, line: Callable[[bool], bytes]) -> bytes:
        """Make a file's bytes."""
        if self.chance(0.05):
            return b"" if self.chance(0.5) else b" \n\r\n"
        lines = [self.blank() if self.chance(0.06) else line(self.chance(0.2)) for _ in range(self.random.randint(1, 14))]
        lines.insert(self.random.randint(0, len(lines)), line(False))  # which shows its kind
        crlf = self.chance(0.15)
        data = b"".join(text + (b"\r\n" if crlf and self.chance(0.8) else b"\n") for text in lines)
        return (BOM if self.chance(0.15) else b"") + (data[:-1] if self.chance(0.2) else data)

    def blank(self) -> bytes:
        return self.random.choice((b"", b"  ", b"\t", b"\r", b" \t\r"))

    def request(self, bad: bool) -> bytes:
        """Make a request line, or one that can't be read as such."""
        body: list[tuple[str, Any]] = [("model", "m"), ("messages", self.text()), ("n", self.number())]
        if self.chance(0.1):
            body.append((self.random.choice(("body", "custom_id", "url")), self.text()))
        members: list[tuple[str, Any]] = [
            ("custom_id", self.id()),
            ("method", "POST"),
            ("url", self.random.choice(("/v1/chat/completions", "/v1/responses"))),
            ("body", self.shuffled(body)),
        ]
        if self.chance(0.03):
            members.append(("padding", "x" * CAP))
        if bad and self.chance(0.3):
            members[0] = ("custom_id", self.random.choice((5, None, True, [])))
        line = self.spelled(members, decoys=("custom_id", "body"))
        return self.damaged(line) if bad and self.chance(0.7) else line

    def result(self, bad: bool) -> bytes:
        """Make a result line of any outcome, or one that can't be read as such."""
        custom_id: Any = None if self.chance(0.04) else self.id()
        members: list[tuple[str, Any]] = [("id", "batch_req_1"), ("custom_id", custom_id), *self.answer()]
        if self.chance(0.1):
            members.pop(0)
        if self.chance(0.03):
            members.append(("padding", "x" * CAP))
        if bad and self.chance(0.3):
            members = [member for member in members if member[0] not in ("response", "error")]
        elif bad and self.chance(0.3):
            members = [(key, self.random.choice((5, True, [], {})) if key == "custom_id" else value) for key, value in members]
        line = self.spelled(members, decoys=("custom_id", "response", "error", "x"))
        return self.damaged(line) if bad and self.chance(0.6) else line

    def answer(self) -> list[tuple[str, Any]]:
        """Make `response` and `error`."""
        kind = self.random.random()
        response: Any = [("status_code", 200), ("request_id", "r"), ("body", self.completion())]
        error: Any = None
        if kind > 0.7:
            status = self.random.choice((400, 429, 500))
            response = [("status_code", status), ("request_id", "r"), ("body", [("error", [("message", self.text())])])]
        if kind > 0.8:
            response, error = None, [("code", self.random.choice(("batch_expired", "batch_cancelled", "x"))), ("message", "m")]
        if kind > 0.9:
            response, error = [("status_code", 0), ("request_id", ""), ("body", [])], None
        if kind > 0.95:
            response = error = None
        return [("response", response), ("error", error)]

    def completion(self) -> list[tuple[str, Any]]:
        """Make the body of an answer; few different ones, so that equal ones meet."""
        message = [("role", "assistant"), ("content", self.text())]
        reason = self.random.choice(("stop", "stop", "stop", "length"))
        choice = [("index", self.random.choice((0, 0, 1, True))), ("message", message), ("finish_reason", reason)]
        body: list[tuple[str, Any]] = [("id", "c"), ("object", "chat.completion"), ("model", "m"), ("choices", [choice])]
        created = self.random.choice((1, 2, 1_700_000_000, None, "absent"))
        if created != "absent":
            body.append(("created", created))
        return self.shuffled(body)

    def text(self) -> str:
        return self.random.choice(TEXTS) if self.chance(0.4) else "Hi"

    def number(self) -> Any:
        return self.random.choice((0, 1, 1.5, -1e-7, 12345678901234567890, True, None))

    def id(self) -> str:
        return self.random.choice(self.ids)

    def shuffled(self, members: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        if self.chance(0.1):
            self.random.shuffle(members)
        return members

    def spelled(self, members: list[tuple[str, Any]], decoys: tuple[str, ...]) -> bytes:
        """Write JSON: mostly as services do, sometimes in odd ways, with a key more somewhere."""
        odd = self.chance(0.35)
        if odd and self.chance(0.3):
            self.random.shuffle(members)
        if odd and self.chance(0.3):
            key = self.random.choice(decoys)
            values = {"custom_id": (self.id(), self.id(), 5), "body": ("{", None), "x": ([("custom_id", self.id())],)}
            members.insert(self.random.randint(0, len(members)), (key, self.random.choice(values.get(key, (None,)))))
        text = self.spell(members, odd=odd, space="" if self.chance(0.3) else " ")
        return text.encode("utf-8", "surrogatepass")

    def spell(self, value: Any, *, odd: bool, space: str) -> str:
        """Write a value; an object is a list of its members, since keys may repeat."""
        white = self.random.choice(("", " ", "\t", " \r")) if odd and self.chance(0.3) else ""
        if value == [] or (isinstance(value, list) and isinstance(value[0], tuple)):
            inner = [
                self.spell(key, odd=odd, space=space) + white + ":" + space + self.spell(item, odd=odd, space=space)
                for key, item in value
            ]
            return "{" + white + ("," + space).join(inner) + white + "}"
        if isinstance(value, list):
            return "[" + white + ("," + space).join(self.spell(item, odd=odd, space=space) for item in value) + "]"
        if isinstance(value, str):
            raw = json.dumps(value, ensure_ascii=self.chance(0.5) or "\ud83d" in value)
            return self.with_escapes(raw) if odd and self.chance(0.2) else raw
        return json.dumps(value)

    def with_escapes(self, raw: str) -> str:
        """Write a letter of a JSON string as an escape."""
        plain = [place for place in range(1, len(raw) - 1) if raw[place].isalpha() and raw[place].isascii() and "\\" not in raw]
        if not plain:
            return raw
        place = self.random.choice(plain)
        digits = f"{ord(raw[place]):04x}"
        return raw[:place] + "\\u" + (digits.upper() if self.chance(0.5) else digits) + raw[place + 1 :]

    def damaged(self, line: bytes) -> bytes:
        """Break a line."""
        kind = self.random.randrange(7)
        place = self.random.randrange(len(line) + 1)
        if kind <= 1:
            return line[:place]
        if kind == 2:
            return line[:place] + b"\xff" + line[place:]
        if kind == 3:
            return line + self.random.choice((b"}", line, b" x", b"\x00"))
        if kind == 4:
            return self.random.choice((b"[" + line + b"]", b"5", b'"a"', b"[]", b"null", b"{"))
        if kind == 5:
            return line.replace(b'"', b"'")
        return b"garbage " + line


@contextmanager
def files_of(case: Case, folder: Path) -> Iterator[tuple[list[Path], list[Path], Expected]]:
    """Write the files; return the paths, those to force, and the expected result."""
    paths = []
    for file in case.files:
        path = folder / file.name
        path.write_bytes(gzip.compress(file.data, 1) if file.name.endswith(".gz") else file.data)
        paths.append((path, file))
    named = [path for path, file in paths if not (case.forced and file.is_input)]
    forced = [path for path, file in paths if case.forced and file.is_input]
    # An empty file is neither the one nor the other; where its kind is known anyway, its lines are counted.
    inputs = [(str(path), file.data) for path, file in paths if file.is_input and (case.forced or says_something(file))]
    results = [(str(path), file.data if says_something(file) else b"") for path, file in paths if not file.is_input]
    numbers = [number for number, file in enumerate(case.inputs) if case.forced or says_something(file)]
    said = [number for number, file in enumerate(case.results) if says_something(file)]
    parts = {said.index(n): numbers.index(p) for n, p in case.parts.items() if n in said and p in numbers and len(numbers) > 1}
    results = [results[number] for number in said]
    yield named, forced, expected(inputs, results, max_line_bytes=CAP, parts=parts)
    for path, _ in paths:
        path.unlink()


def says_something(file: File) -> bool:
    """Tell whether there is more in a file than blank lines."""
    return any(line.strip() for line in file.data.removeprefix(BOM).split(b"\n"))


def iterated(job: Join, _: Path) -> pa.Table:
    """Row by row."""
    return pa.Table.from_pylist(list(job), schema=job.schema)


def as_batches(job: Join, _: Path) -> pa.Table:
    """As record batches."""
    return pa.Table.from_batches(job.to_batches(), schema=job.schema)


def as_stream(job: Join, _: Path) -> pa.Table:
    """By the Arrow C stream protocol."""
    return pa.table(job)


def as_parquet(job: Join, folder: Path) -> pa.Table:
    """As a Parquet file, for which a fast scan is enough."""
    job.to_parquet(folder / "table.parquet", overwrite=True)
    return pq.read_table(folder / "table.parquet")


def as_parts(job: Join, folder: Path) -> pa.Table:
    """As a folder of Parquet files, one for each range of the requests."""
    job.to_parquet(folder / "parts", overwrite=True)
    return pa.concat_tables([pq.read_table(path) for path in sorted((folder / "parts").iterdir())])


def two_at_once(job: Join, _: Path) -> pa.Table:
    """By two interleaved iterators."""
    rows = list(zip(job, job, strict=True))
    assert all(one == other for one, other in rows)
    return pa.Table.from_pylist([one for one, _ in rows], schema=job.schema)


def after_a_glance(job: Join, folder: Path) -> pa.Table:
    """After a pass that was given up at its first row."""
    rows = iter(job)
    next(rows, None)
    rows.close()  # type: ignore[attr-defined]
    return as_batches(job, folder)


Way: TypeAlias = Callable[[Join, Path], pa.Table]
WAYS: tuple[Way, ...] = (iterated, as_batches, as_stream, as_parquet, as_parquet, as_parts)
ALONE: tuple[Way, ...] = (two_at_once, after_a_glance)
"""Ways in which two passes meet, or one ends early: with several processes, each needs processes of its own."""


def check(
    seed: int,
    room: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    workers: int = 1,
    ways: tuple[Way, ...] = WAYS,
) -> None:
    """Join one case in two ways, one after the other on the same object, and compare all with the oracle."""
    maker = Maker(seed)
    case = maker.case()
    folder, temporary = room / "files", room / "temporary"
    folder.mkdir(exist_ok=True)
    temporary.mkdir(exist_ok=True)
    with files_of(case, folder) as (named, forced, wanted), monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)  # the speed of the disk does not matter here
        patched.setattr(scan, "tasks", lambda sizes, size=0: TASKS(sizes, max(case.range_size, 700 * (size == PART_BYTES))))
        if not case.forced and not any(says_something(file) for file in case.inputs):
            with pytest.raises(batchfiles.MismatchError) if any(map(says_something, case.results)) else nullcontext():
                batchfiles.join(*named)
            return
        patched.setattr(rows, "ROWS", case.rows)
        patched.setattr(rows.RowWork, "_block_size", case.block_size)
        if case.prefetched:
            patched.setattr("batchfiles.jobs.join.lazy_join.cached_bytes", lambda: 0)
        job = batchfiles.join(
            *named, inputs=forced, table="requests", bodies="all", max_line_bytes=CAP, workers=workers, temp_dir=temporary
        )
        for way in maker.random.choices(ways, k=2):
            with named_in_failures(seed, way):
                if wanted.refusal is not None:
                    with pytest.raises((batchfiles.MismatchError, pa.ArrowInvalid), match=wanted.refusal):
                        way(job, folder)
                    continue
                compare(job, way(job, folder), wanted)
                job.write_rejects(folder / "rejects.jsonl", overwrite=True)
                assert (folder / "rejects.jsonl").read_bytes() == wanted.rejects
        job.close()
        assert not any(temporary.iterdir())


TASKS = scan.tasks


@contextmanager
def named_in_failures(seed: int, way: Way) -> Iterator[None]:
    """Name the case in what fails."""
    try:
        yield
    except Exception as error:
        error.add_note(f"the case can be run alone: ORACLE_SEED={seed} ({way.__name__})")
        raise


def compare(job: Join, table: pa.Table, wanted: Expected) -> None:
    """Compare rows and report with the oracle's."""
    rows = table.select(COLUMNS).to_pylist()
    for row, right in zip(rows, wanted.rows, strict=True):
        assert row == right
    report = job.summarize()
    assert {name: getattr(report, name) for name in wanted.counts} == wanted.counts
    assert {outcome: count for outcome, count in report.outcomes.items() if count} == wanted.outcomes
    assert report.inputs == sum(report.outcomes.values())
    assert report.result_lines == report.used + report.superseded + report.unknown + report.malformed_unmatched
    assert {f"{each.path}:{each.line_number}" for each in report.findings} >= set(wanted.places["malformed"])
    for kind, places in wanted.places.items():
        if kind == "superseded":
            continue  # a report names none of them
        named = report.examples.get(kind, ())
        assert len(named) == min(len(places), 5)
        assert {place.split(" ")[0] if kind == "duplicate" else place for place in named} <= set(places)


@pytest.mark.parametrize("start", range(0, BATCHES, 50))
def test_one_process_agrees_with_the_oracle(start: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, outcomes, counts, places and rejects of random batches, for each way to read the table."""
    for seed in range(FIRST_SEED + start, FIRST_SEED + start + 50):
        check(seed, tmp_path, monkeypatch, ways=WAYS + ALONE)


def test_ids_with_many_results_agree_with_the_oracle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their results are compared one at a time, and the best is remembered; here for each id with two results."""
    for module in (index, lookup):
        monkeypatch.setattr(module, "MANY", 1)
    for seed in range(FIRST_SEED, FIRST_SEED + 60):
        check(seed, tmp_path, monkeypatch, ways=WAYS)


def test_a_bad_hash_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all ids share sixteen digests, each still gets its own results."""
    fast = [module for name, module in sys.modules.items() if name.startswith("batchfiles.") and hasattr(module, "digest")]
    for module in fast:
        monkeypatch.setattr(module, "digest", lambda custom_id: four_bits(custom_id.encode()))
        if hasattr(module, "digest_of_bytes"):
            monkeypatch.setattr(module, "digest_of_bytes", four_bits)
        if hasattr(module, "digests_of_bytes"):
            monkeypatch.setattr(module, "digests_of_bytes", lambda custom_ids: list(map(four_bits, custom_ids)))
    assert scan in fast
    for seed in range(FIRST_SEED, FIRST_SEED + 60):
        check(seed, tmp_path, monkeypatch, ways=WAYS)


def four_bits(custom_id: bytes) -> int:
    """Hash badly, at both ends of the range."""
    return (sum(custom_id) & 15) << 60


class KeptPool:
    """One pool for many tables: starting the processes again for each would take most of the time."""

    def __init__(self, workers: int) -> None:
        self._pool = WorkerPool(workers)
        self._pool.__enter__()

    def __enter__(self) -> WorkerPool:
        if any(worker._process.poll() is not None for worker in self._pool._workers):  # an exception ends them
            self.end()
            self._pool.__enter__()
        return self._pool

    def __exit__(self, *_: object) -> None:
        """Continue."""

    def end(self) -> None:
        """End the processes."""
        self._pool.__exit__()


@pytest.mark.parametrize("workers", [2, 3])
def test_several_processes_agree_with_the_oracle(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with two and three processes, each of which takes the next range."""
    pool = KeptPool(workers)
    monkeypatch.setattr(LazyTable, "_pool", lambda *_, **__: pool)
    try:
        for seed in range(FIRST_SEED, FIRST_SEED + 60):
            check(seed, tmp_path, monkeypatch, workers=workers, ways=WAYS)
    finally:
        pool.end()


def test_passes_of_several_processes_may_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterators at once have separate processes, and one that is given up leaves none."""
    for seed in range(FIRST_SEED, FIRST_SEED + 3):
        check(seed, tmp_path, monkeypatch, workers=2, ways=ALONE)


def test_the_cases_hold_what_they_are_made_for() -> None:
    """Every kind of line, file and account is frequent enough for the agreement to be meaningful."""
    met: Counter[str] = Counter()
    for seed in range(900):
        case = Maker(seed).case()
        inputs, results = ([(file.name, file.data) for file in files] for files in (case.inputs, case.results))
        wanted = expected(inputs, results, max_line_bytes=CAP, parts=case.parts)
        met.update(wanted.outcomes)
        met.update({kind: count for kind, count in wanted.counts.items() if kind not in wanted.outcomes})
        met["refused"] += wanted.refusal is not None
        met["parts"] += len(case.parts)
        met["with a mark"] += sum(file.data.startswith(BOM) for file in case.files)
        met["without a last newline"] += sum(not file.data.endswith(b"\n") for file in case.files)
        met["compressed"] += sum(file.name.endswith(".gz") for file in case.files)
        met["above the cap"] += sum(len(line) > CAP for file in case.files for line in file.data.split(b"\n"))
    rare = {kind: count for kind, count in met.items() if count < 20}
    assert set(OUTCOMES) <= set(met)
    assert not rare
