"""Many mutated lines that compiled code takes are what Python makes of them; `python -m tests.native.taken` does millions."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from batchfiles.native import SWITCH
from batchfiles.table import plain_rows
from tests.native import edits, taken
from tests.native.edits import Template
from tests.native.plain import RESULTS

pytestmark = pytest.mark.skipif(
    find_spec("batchfiles_native") is None, reason="batchfiles-native is not installed: pip install ./native"
)


@pytest.fixture(autouse=True)
def _few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")
    monkeypatch.setattr(taken, "LINES", 1500)
    monkeypatch.setattr(taken, "BLOCK", 50)


@pytest.mark.parametrize("seed", [1, 5, 9, 12])
def test_taken_lines_are_what_python_makes_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Results and requests with joins, with ids and errors, with what is sent again, and vectors."""
    compared = taken.Comparison(tmp_path)
    compared.checks(seed)
    monkeypatch.setenv(SWITCH, "1")
    compared.tables(seed)
    assert compared.differences == 0
    assert compared.made > 2000
    shapes = {shape for shape, _ in compared.taken}
    assert shapes >= ({"vectors as numbers", "vectors as text"} if seed == 12 else {"chat completion", "response", "moderation"})


def test_a_wrong_fact_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compiled code that takes each failure for one that is not worth a retry."""
    right = plain_rows._facts
    monkeypatch.setattr(plain_rows, "_facts", lambda: {**right(), "statuses": dict.fromkeys(plain_rows.STATUSES, False)})
    compared = taken.Comparison(tmp_path)
    compared.tables(1)
    assert compared.differences > 0
    assert "'retryable': (True, False)" in capsys.readouterr().out


def test_lines_of_many_levels_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of millions of lines ended in a RecursionError: a change had put 130 levels into one of 1,000."""
    deep = b'{"a": ' + b"[" * 480 + b"]" * 480 + b"}"
    made = iter([deep, b"[" * 2000, b"[]", *[RESULTS[1]] * 9])
    monkeypatch.setattr(edits, "mutated", lambda *_: next(made))
    found = edits.mixed([Template(RESULTS[0], "")] * 8, Random(1))
    assert [each.line for each in found[8:]] == [RESULTS[1]] * 2


def test_each_line_is_changed() -> None:
    """Never the template itself, never two lines; many are still valid, so that later rules are reached too."""
    random, template = Random(1), Template(RESULTS[0], "")
    lines = [template.changed(random) for _ in range(2000)]
    assert RESULTS[0] not in lines
    assert not any(b"\n" in line for line in lines)
    valid = 0
    for line in lines:
        try:
            valid += isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            continue
    assert 1000 < valid < 1950
    assert len(set(lines)) > 1500
