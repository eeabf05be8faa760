"""Millions of mutated lines through the compiled readers, and what Python makes of each line that they take.

`python -m tests.native.taken 10000000 7` makes so many lines, beginning with this seed, each of them with a change. All lines go
through the compiled readers. The lines that a reader takes then go through the jobs with compiled code and without, and tables,
reports, ids and files must be equal. Python reads all other lines in both ways; `tests.native.mutations` compares those too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import batchfiles
from batchfiles.codec import parse
from batchfiles.ids.index import IndexEntries, digests_of_bytes
from batchfiles.io.lines import Block
from batchfiles.io.texts import Text
from batchfiles.jobs.join.scan import UnkeyedLines, _index, _index_native
from batchfiles.jobs.stats.report import KEPT_BITS
from batchfiles.jobs.validate_file import MOST_LEARNED
from batchfiles.native import SWITCH, native_checks, native_entries, native_totals
from batchfiles.rules.requests import RequestRules
from batchfiles.table.plain_rows import outcome_facts, plain_reader
from batchfiles.table.rows import TableName
from tests.native.checks import PROFILES, filled, templates
from tests.native.edits import Template, mixed, one, spellings
from tests.native.mutations import CHOICES, PRICES, compare_reports, compare_tables
from tests.native.plain import (
    CHATS,
    COMPLETIONS,
    FAILURES,
    MODERATIONS,
    NEAR,
    REQUESTS,
    RESPONSES,
    VECTOR_REQUESTS,
    VECTOR_RESULTS,
)

LINES = 20_000
"""Mutated results of a comparison. It has one request for each result that is taken."""

BLOCK = 1000
"""Requests that are checked at once."""

TEXTS = [
    *spellings(CHATS, "chat completion"), *spellings(RESPONSES, "response"), *spellings(COMPLETIONS, "legacy completion"),
    *spellings(MODERATIONS, "moderation"), *spellings(NEAR, "near to one of these"), *spellings(FAILURES[:3], "failure"),
    *spellings(FAILURES[3:5], "not sent"), *spellings(FAILURES[5:], "near to one of these"),
]  # fmt: skip
VECTORS = [
    *spellings(VECTOR_RESULTS[:2] + VECTOR_RESULTS[4:6], "vectors as numbers"),
    *spellings(VECTOR_RESULTS[2:4], "vectors as text"), *spellings(VECTOR_RESULTS[6:], "near to one of these"),
    *spellings(FAILURES[:3], "failure"), *spellings(FAILURES[3:5], "not sent"),
]  # fmt: skip
TEXT_REQUESTS = {
    "": [*spellings(REQUESTS[:5], "request"), *spellings(REQUESTS[8:], "request")],
    "moderation": spellings(REQUESTS[5:8], "request for moderations"),
}
VECTOR_ASKED = {"": spellings(VECTOR_REQUESTS, "request for vectors")}
"""Requests by the shape of the result."""


class Comparison:
    """Makes lines, and compares what is made of them.

    Args:
        folder: For the files.

    Attributes:
        made: The lines made.
        taken: Those that were taken, by shape and reader.
        differences: Comparisons with a difference.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = self.differences = 0
        self.taken: Counter[tuple[str, str]] = Counter()

    def tables(self, seed: int) -> None:
        """Compare rows of one kind of results; by the seed also joins, or counts, and with them ids and errors or retries."""
        random, vectors, also = Random(seed), seed % 4 == 0, seed // 4 % 3
        joins = also == 0
        chosen = mixed(VECTORS if vectors else TEXTS, random)
        asked = {shape: mixed(found, random) for shape, found in (VECTOR_ASKED if vectors else TEXT_REQUESTS).items()}
        made = [(one(random, chosen), number) for number in range(LINES)]
        results = [template.changed(random).replace(b"ID", b"id-%d" % number) for template, number in made]
        rows, totals = self._rows_taken(results, vectors=vectors), set() if vectors or joins else self._totals_taken(results)
        for name, found in (("rows", rows), ("counts", totals)):
            self.taken.update((made[number][0].shape, name) for number in found)
        taken = sorted(rows | totals)
        pairs = [(one(random, asked.get(made[number][0].shape, asked[""])), number) for number in taken]
        requests = [template.changed(random).replace(b"ID", b"id-%d" % number) for template, number in pairs]
        plain = self._requests_taken(requests, vectors=vectors)
        if joins:
            self.taken.update((pairs[number][0].shape, "rows") for number in plain)
        self.made += len(results) + len(requests)
        answered = [chosen[0].line, *(results[number] for number in taken)]
        joined = []
        if joins:
            # Python reads a request that is not taken together with its result: this result gets one that is not changed.
            joined = [pairs[at][0].line.replace(b"ID", b"id-%d" % pairs[at][1]) for at in range(len(requests))]
            joined = [requests[at] if at in plain else line for at, line in enumerate(joined)]
            random.shuffle(joined)
            joined.insert(0, asked[""][0].line)
        table: TableName = "embeddings" if vectors else "requests"
        self._compared(seed, lambda: compare_tables(self.folder, seed, joined, answered, table))
        if not vectors and not joins:
            for job in self._jobs([asked[""][0].line, *requests], answered, seed, also):
                self._compared(seed, partial(compare_reports, job, self.folder / "sent" / "retry.jsonl", seed))
        if also == 1:
            for lines in (results, requests):
                self._compared(seed, partial(self._same_ids, lines))

    def _rows_taken(self, lines: list[bytes], *, vectors: bool) -> set[int]:
        """Return the numbers of the results of which the compiled reader makes rows."""
        file = SimpleNamespace(name="", path="", part=None, batch_id=None)
        reader = plain_reader([file], bodies="none", table="embeddings" if vectors else "requests")
        assert reader is not None
        others = {number for number, *_ in reader.add_results(_text(lines), 0, 1)}
        return set(range(len(lines))) - others

    def _totals_taken(self, lines: list[bytes]) -> set[int]:
        """Return the numbers of the results that compiled code counts."""
        totals = native_totals(outcome_facts, KEPT_BITS)
        assert totals is not None
        found = totals.add(lines, lambda models, _: [() for _ in models])
        assert found is not None
        return set(range(len(lines))) - set(found[0])

    def _requests_taken(self, lines: list[bytes], *, vectors: bool) -> set[int]:
        """Return the numbers of the requests of which the compiled reader makes rows."""
        index = {"path": "", "count": 0, "shift": 0, "starts": []}
        reader = plain_reader([], bodies="none", index=index, table="embeddings" if vectors else "requests")
        assert reader is not None
        others, _ = reader.add_requests(_text(lines), "", 0, 1, 0, digests_of_bytes)
        return set(range(len(lines))) - {number for number, *_ in others}

    def _same_ids(self, lines: list[bytes]) -> None:
        """Compare the index entries, the lines without an id and the counts."""
        exact, fast = indexed(lines, fast=False), indexed(lines, fast=True)
        assert fast == exact

    def _jobs(self, requests: list[bytes], results: list[bytes], seed: int, also: int) -> list[Callable[[], Any]]:
        """Write files, and return jobs that count results, group errors or find what is sent again."""
        asked, answered = self.folder / "asked.jsonl", self.folder / "answered_output.jsonl"
        for path, lines in ((asked, requests), (answered, results)):
            path.write_bytes(_text(lines))
        output = self.folder / "sent" / "retry.jsonl"
        output.parent.mkdir(exist_ok=True)
        choice = CHOICES[seed // 12 % len(CHOICES)]
        jobs: list[Callable[[], Any]] = [lambda: batchfiles.stats(answered, prices=PRICES)]
        if also == 1:
            jobs.append(lambda: batchfiles.error_digest(answered, ids=None))
        elif also == 2:
            jobs.append(lambda: batchfiles.retry(asked, answered, output=output, overwrite=True, **choice))
        return jobs

    def checks(self, seed: int) -> None:
        """Check mutated requests of one service by compiled code; Python must find nothing in those that it takes."""
        random = Random(seed)
        rules = RequestRules(PROFILES[seed % len(PROFILES)])
        checks = native_checks(rules.custom_id_shape())
        assert checks is not None
        plain = [Template(line, "checked request") for line in templates(random)]
        chosen = mixed(plain, random)
        number = 0
        for block in range(11):
            if block:
                made = [filled(one(random, chosen).changed(random), f"id-{block}-{place}", random) for place in range(BLOCK)]
                made = [line.replace(b"\n", b" ") for line in made]
            else:
                made = [filled(each.line, f"id-{place}", random) for place, each in enumerate(plain * 3)]
            before = rules.embedding_inputs
            ids, others, unknown, inputs = checks.check(_text(made))
            taken = sorted(set(range(len(made))) - set(others))
            if block:
                self.made += len(made)
                self.taken["checked request", "findings"] += len(taken)
            for place, custom_id in zip(taken, ids, strict=True):
                self._compared(seed, partial(_without_finding, rules, made[place], number + place, custom_id))
            if rules.embedding_inputs - before != inputs:
                self._report(seed, f"{inputs} texts to embed instead of {rules.embedding_inputs - before}")
            clean = (made[place] for place in unknown if _is_clean(rules, made[place], number + place))
            for line in islice(clean, MOST_LEARNED):
                url = parse(line).get("url")
                if (description := rules.description(url)) is not None:
                    checks.learn(line, url, description)
            number += len(made)

    def _compared(self, seed: int, compare: Callable[[], None]) -> None:
        """Compare, and count a difference."""
        try:
            compare()
        except AssertionError as error:
            self._report(seed, str(error))

    def _report(self, seed: int, difference: str) -> None:
        self.differences += 1
        print(f"difference with seed {seed}: {difference[:2000]}", flush=True)

    def table(self) -> str:
        """Return the counts."""
        rows = [f"{shape:<24}{reader:<10}{count:>12,}" for (shape, reader), count in sorted(self.taken.items())]
        total = f"{self.made:,} mutated lines, {self.taken.total():,} times taken, {self.differences} differences"
        return "\n".join([f"{'shape':<24}{'reader':<10}{'taken':>12}", *rows, total])


def _text(lines: list[bytes]) -> bytes:
    return b"\n".join([*lines, b""])


def _is_clean(rules: RequestRules, line: bytes, number: int) -> bool:
    """Return whether a line is a request without a finding."""
    try:
        request = parse(line)
    except ValueError:
        return False
    is_request = type(request) is dict and "body" in request and "response" not in request
    return is_request and not rules.violations(request, number)


def _without_finding(rules: RequestRules, line: bytes, number: int, custom_id: str) -> None:
    """Require that Python reads a request with this id and finds nothing in it."""
    request = parse(line)
    found = rules.violations(request, number)
    assert not found, (line, found)
    assert request["custom_id"] == custom_id, (line, custom_id)


def indexed(lines: list[bytes], *, fast: bool) -> tuple[bytes, bytes, Counter[str]]:
    """Return the entries, the lines without id and the counts of a scan."""
    unkeyed, counts = UnkeyedLines(), Counter[str]()
    if fast:
        entries = native_entries()
        assert entries is not None
        _index_native(Text.of(Block("a.jsonl", 3, 100, lines)), 2, entries, unkeyed, counts)
        return entries.take(), unkeyed.to_bytes(), counts
    own = IndexEntries()
    _index(lines, 3, 2, 100, own, unkeyed, counts)
    return own.to_bytes(), unkeyed.to_bytes(), counts


def main(lines: int, seed: int = 1000) -> int:
    """Compare so many mutated lines; returns 1 if there was a difference."""
    with tempfile.TemporaryDirectory() as folder:
        compared = Comparison(Path(folder))
        try:
            while compared.made < lines:
                seed += 1
                os.environ[SWITCH] = "1"
                compared.checks(seed)
                os.environ[SWITCH] = "1"
                compared.tables(seed)
                for path in Path(folder).rglob("*.jsonl"):
                    path.unlink()
                if seed % 20 == 0:
                    print(f"{compared.made:,} mutated lines, {compared.differences} differences", flush=True)
        finally:
            print(compared.table(), flush=True)
    return min(compared.differences, 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
