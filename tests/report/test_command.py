"""`batchfiles report`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import batchfiles
from tests.report.batch import SECRET, write_batch

pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

PROGRAM = (sys.executable, "-c", "from batchfiles.cli import program; program()", "report")


def run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False, cwd=cwd)


def test_the_command_prints_the_verdict_and_writes_the_page(tmp_path: Path) -> None:
    """The page goes to a file, or to standard output; then the verdict goes to standard error. The same bytes each time."""
    write_batch(tmp_path / "batch")
    done = run("batch", "-o", "report.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verdict, size = done.stdout.splitlines()
    assert verdict.startswith("12 requests, each accounted for.")
    assert verdict.endswith("2 may succeed if sent again: batchfiles retry batch -o batch")
    assert size.startswith("report.html: ")
    piped = run("batch", "-o", "-", cwd=tmp_path)
    assert piped.stdout == (tmp_path / "report.html").read_text("utf-8")
    assert verdict in piped.stderr


def test_the_options_of_the_command(tmp_path: Path) -> None:
    """A title, no texts, pairs and prices; a file that is there is kept."""
    write_batch(tmp_path / "batch")
    (tmp_path / "prices.toml").write_text("[models.gpt-4o-mini]\ninput = 1\noutput = 2\n")
    pair = "batch/monday.jsonl=batch/monday_output.jsonl"
    options = ("--title", "Week <1>", "--no-texts", "--prices", "prices.toml", "-n", "2")
    done = run("--pair", pair, "-o", "report.html", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(f"batchfiles retry --pair {pair} -o retry.jsonl")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<h1>Week &lt;1&gt;</h1>" in page
    assert "Tokens and cost" in page
    assert SECRET not in page
    again = run("batch", "-o", "report.html", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr


MEMORY = """
import os, sys
pid = os.fork()
if pid == 0:
    from batchfiles.cli import program
    sys.argv[0] = "batchfiles"
    program()
_, status, usage = os.wait4(pid, 0)
assert status == 0, status
print(usage.ru_maxrss // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss has another unit there")
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """A table of 200,000 rows with bodies of 2 kB takes less than 256 MiB, with everything that draws charts."""
    row = batchfiles.join("fixtures/chat_completions").to_arrow().slice(0, 1).to_pylist()[0]
    row["request_body"] = f'{{"messages":[{{"role":"user","content":"{"word " * 400}"}}]}}'
    rows = pa.Table.from_pylist([row] * 1000, batchfiles.schema())
    import pyarrow.parquet as pq

    with pq.ParquetWriter(tmp_path / "table.parquet", rows.schema) as writer:
        for _ in range(10):
            writer.write_table(pa.concat_tables([rows] * 20))
    words = ["report", str(tmp_path / "table.parquet"), "-o", str(tmp_path / "report.html")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", MEMORY, *words], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "200,000 requests in the table. All succeeded." in done.stdout
    assert int(done.stdout.split()[-1]) <= 256
