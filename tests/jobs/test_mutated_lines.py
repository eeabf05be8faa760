"""Mutated lines through decoding, reading and the jobs: a share of what `python -m tests.garbage` does."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchfiles.native import SWITCH
from tests import garbage


@pytest.mark.parametrize("seed", [1, 4])
def test_mutated_lines_end_in_our_errors_and_findings_and_are_accounted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Through decoding, which a simple program repeats, and through `validate`, `stats`, `join`, `export` and `retry`."""
    monkeypatch.setattr(garbage, "LINES", 250)
    monkeypatch.setenv(SWITCH, "0")
    counts = garbage.check(seed, tmp_path)
    assert counts["lines"] == 500
    assert 50 < counts["requests"] < 200
    assert 50 < counts["results"] < 200
