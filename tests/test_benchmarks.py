"""The benchmarks at a tiny size: both sides must give the same answers, and the figures must have their form."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import joins
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.agreement import agree, of_requests
from benchmarks.data import batch
from benchmarks.figures import Comparison, Finding, Series
from benchmarks.process import Failed, run, watch

LINES = 300

RIVALS = all(importlib.util.find_spec(name) is not None for name in ("duckdb", "openai", "pandas", "polars"))

pytestmark = pytest.mark.skipif(
    not RIVALS or int(version("duckdb").split(".")[0]) < 2, reason="needs openai, pandas, polars and DuckDB 2"
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of made-up files, shared by all tests."""
    return tmp_path_factory.mktemp("bench-data")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_runs_and_both_sides_agree(name: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A contender that answers otherwise would end the run."""
    assert main([name, "--lines", str(LINES), "--rounds", "1", "--data", str(data), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["machine"]["python"].startswith("3.")
    (finding,) = told["findings"]
    assert finding["benchmark"] == name
    assert finding["agreement"]
    assert finding["not_equal"]
    assert any(each["target"] is not None and each["ok"] in (True, False) for each in finding["comparisons"])
    for each in finding["comparisons"]:
        assert each["ours"]["best"] <= each["ours"]["median"]
        if "theirs" in each:
            assert each["ratio"] > 0
    if name not in ("decode", "encode"):
        assert finding["agreement"]["rows"] >= LINES - 20


@pytest.mark.parametrize("benchmark", [joins.join, joins.parts])
def test_the_joins_agree_where_ids_have_two_results(benchmark: Callable[..., Finding], data: Path) -> None:
    """The best result is chosen alike, and the others are counted."""
    found = benchmark(data, LINES, 1, duplicates=0.1)
    assert found.agreement["superseded"] > 10
    assert found.agreement["missing"] == found.agreement["outcomes"].get("missing", 0)


def test_the_figures_are_printed_for_people(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each side, the ratio with its target, and the differences."""
    assert main(["decode", "--lines", str(LINES), "--rounds", "2", "--data", str(data)]) == 0
    said = capsys.readouterr().out
    for words in ("Python 3.", "batchfiles", "bare orjson loop", "ratio", "target <= 1.3", "not equal: "):
        assert words in said


def test_other_answers_are_not_compared(tmp_path: Path) -> None:
    """One text less, or another order, and the run ends."""
    rows = {"custom_id": ["a", "b"], "outcome": ["succeeded"] * 2, "total_tokens": [1, 2], "text": ["x", None]}
    swapped = {name: values[::-1] for name, values in rows.items()}
    emptied = {**rows, "text": [None, None]}
    paths = {name: tmp_path / name for name in ("rows", "swapped", "emptied")}
    for (name, path), table in zip(paths.items(), (rows, swapped, emptied), strict=True):
        pq.write_table(pa.table({**table, "text": pa.array(table["text"], pa.string())}), path)
        with pytest.raises(Failed, match="gave different answers") if name != "rows" else nullcontext():
            agree({"ours": of_requests(paths["rows"]), name: of_requests(path)})
    assert of_requests(paths["rows"], in_order=False) == of_requests(paths["swapped"], in_order=False)


def test_a_program_that_fails_says_why() -> None:
    """Its standard error is the message."""
    with pytest.raises(Failed, match="no such luck"):
        run([sys.executable, "-c", "raise SystemExit('no such luck')"])


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="memory is read from Linux's /proc")
def test_memory_is_that_of_all_processes() -> None:
    """A child's memory counts, its processor time too, and shared pages count once in `pss`."""
    hold = "x = bytearray(b'1') * 60_000_000; sum(x); import time; time.sleep(0.3)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}], check=True)"
    found = watch([sys.executable, "-c", program])
    assert 60_000_000 < found.private <= found.pss <= found.rss < 200_000_000
    assert found.cpu_seconds > 0.02


def test_ratios_targets_and_peaks() -> None:
    """Times are compared by the best round, memory by the worst."""
    seconds = Comparison("time", "s", Series("a", [3, 2]), Series("b", [4, 5]), 0.5)
    assert (seconds.ratio, seconds.ok) == (0.5, True)
    peaks = Comparison("pss", "MiB", Series("a", [3, 2]), Series("b", [4, 5]), 0.5)
    assert (peaks.ratio, peaks.ok) == (0.6, False)
    alone = Comparison("pss", "MiB", Series("a", [301]), None, 300)
    assert (alone.ratio, alone.ok) == (None, False)
    assert Comparison("time", "s", Series("a", [1])).ok is None


def test_data_is_made_once(data: Path) -> None:
    """A second call finds what the first one made."""
    first = batch(data, "chat", 20)
    before = first.output.stat().st_mtime_ns
    assert batch(data, "chat", 20) == first
    assert first.output.stat().st_mtime_ns == before


def test_wrong_usage_is_reported() -> None:
    """No rounds, or no such benchmark."""
    for arguments in (["--rounds", "0"], ["--lines", "-1"], ["sorting"]):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
