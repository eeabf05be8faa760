"""`batchfiles run` is killed at random moments and started again: a complete table, and nothing is submitted twice.

`BATCHFILES_KILLS=100 pytest tests/runner/test_killed.py` kills it a hundred times.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")

from batchfiles.testing import Quirks, Server, Service
from tests.canary import CANARY
from tests.runner.questions import batches_per_part, outcomes_of, rows_of, write_requests

KILLS = int(os.environ.get("BATCHFILES_KILLS", "3"))

PROGRAM = """
import sys, time
from batchfiles.client import synchronous
class Hasty:
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(lambda seconds: time.sleep(min(seconds, 0.02)))
synchronous.time = Hasty
print("begun", flush=True)
from batchfiles.cli.main import run
run()
"""
"""The command, with short pauses."""

LONGEST = 1.6
"""Approximate seconds of a run."""


def test_killed_at_random_moments_it_ends_in_a_complete_table_and_pays_once(tmp_path: Path) -> None:
    """A campaign is killed up to three times; then the next one starts."""
    chance = random.Random(int(os.environ.get("BATCHFILES_SEED", "1")))
    kills = round_ = 0
    while kills < KILLS:
        round_ += 1
        place = tmp_path / str(round_)
        place.mkdir()
        requests = write_requests(place / "requests.jsonl")
        quirks = Quirks(expire_after=5, failing={"r2": 429}, list_lag=0.01)
        with Server(Service(stage_seconds=0.03, quirks=quirks)) as server:
            for _ in range(3):
                if kills < KILLS and finished_or_killed(server, requests, chance.uniform(0.0, LONGEST)) is None:
                    kills += 1
            assert finished_or_killed(server, requests, None) == 0
            counts = batches_per_part(server)
        table = place / "table.parquet"
        assert outcomes_of(table) == {"succeeded": 19, "failed": 1}
        assert [row[0] for row in rows_of(table)] == [f"r{number}" for number in range(20)]
        # The retry of r2 is the same in both rounds, so that its bytes are sent twice, in two parts.
        assert sorted(counts.values()) == expected_counts(place)


def expected_counts(place: Path) -> list[int]:
    """Count the parts of each content, which is the expected number of batches."""
    manifest = json.loads((place / "requests.campaign" / "manifest.json").read_text())
    return sorted(Counter(part["sha256"] for part in manifest["parts"]).values())


def finished_or_killed(server: Server, requests: Path, after: float | None) -> int | None:
    """Start a run, and kill it after some seconds.

    Returns:
        Its exit code; None if it was killed.
    """
    arguments = [
        "run",
        str(requests),
        "-o",
        str(requests.with_name("table.parquet")),
        "--max-requests",
        "6",
        "--interval",
        "0.02",
    ]
    environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": CANARY}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "begun\n"
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
        said = process.stderr.read()
        assert process.returncode == 0, said
        return process.returncode


def test_two_runs_at_once_are_kept_apart(tmp_path: Path) -> None:
    """The second one ends with exit code 3 and sends nothing."""
    requests = write_requests(tmp_path / "requests.jsonl")
    with Server(Service(stage_seconds=60)) as server:
        environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": CANARY}
        command = [sys.executable, "-c", PROGRAM, "run", str(requests), "-o", str(tmp_path / "table.parquet")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            end = time.monotonic() + 30
            while not batches_per_part(server) and time.monotonic() < end:
                time.sleep(0.02)
            second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            first.kill()
        assert second.returncode == 3
        assert "another run uses" in second.stderr
        assert sum(batches_per_part(server).values()) == 1


OPTIONS = (
    *("--parsed", "--schema", "schema.json", "--with", "own.csv", "--id", "r{{number}}", "--with-prefix", "my_"),
    *("--bodies", "none", "--rejects", "rejects.jsonl", "--report", "report.json"),
)


@pytest.mark.parametrize("then", [OPTIONS, ("--bodies", "none")])
def test_a_killed_run_resumes_with_the_same_and_with_other_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: tuple[str, ...]
) -> None:
    """Killed while its batches are live: the next start writes the table as it is asked for now, and sends nothing twice."""
    monkeypatch.chdir(tmp_path)
    write_requests(Path("requests.jsonl"))
    Path("schema.json").write_text('{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}')
    Path("own.csv").write_text("number,topic\n3,sea\n")
    command = [sys.executable, "-c", PROGRAM, "run", "requests.jsonl", "-o", "table.parquet", "--max-requests", "6"]
    with Server(Service(stage_seconds=0.4)) as server:
        environment = {**os.environ, "OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": CANARY}
        with subprocess.Popen(
            [*command, *OPTIONS], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as first:
            end = time.monotonic() + 30
            while sum(batches_per_part(server).values()) < 2 and time.monotonic() < end:
                time.sleep(0.02)
            first.kill()
        assert not Path("table.parquet").exists()
        done = subprocess.run([*command, *then], env=environment, capture_output=True, text=True, check=True)
        assert ("changed since the last call" in done.stderr) == (then != OPTIONS)
        assert set(batches_per_part(server).values()) == {1}
        repeated = subprocess.run([*command, *then], env=environment, capture_output=True, text=True, check=True)
    assert repeated.stderr == "table.parquet: was finished already, nothing was sent; 4 batches\n"
    columns = pq.read_schema("table.parquet").names
    assert ("my_topic" in columns, "parsed" in columns) == (then == OPTIONS, then == OPTIONS)
    assert Path("rejects.jsonl").exists() == ("--rejects" in then)
    assert Path("report.json").exists() == ("--report" in then)
