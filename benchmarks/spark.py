"""Spark: `python -m benchmarks.spark FOLDER [--requests N] [--parts N]`, in an environment with pyspark and Java.

Starts a master and two workers on 127.0.0.1, and joins one campaign four ways: on one machine, by `write_parquet`, by the data
source read only, and by the data source with Spark's own writer. Then it kills an executor in the middle of `write_parquet`, and
compares the tables and the counts. It prints the CPU seconds of all processes that each way started, and for `write_parquet` also
together with the start of the session, which is to be at most 1.4 times one machine plus that start.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import batchfiles
from batchfiles.jobs.join.report import JoinReport

MASTER = "spark://127.0.0.1:7077"
WRITE_COST = 1.4
"""What `write_parquet` may take, in times of one machine, without the start of the session."""

CHANGES = ("seconds", "files", "findings", "examples")


def make(folder: Path, requests: int, parts: int) -> Path:
    """Make a campaign with duplicates, each result in the file of its part."""
    campaign = folder / "campaign"
    if campaign.exists():
        return campaign
    made = folder / "made"
    command = [sys.executable, "-m", "benchmarks.generate", "chat", str(requests), "--duplicates", "0.02", "-o", str(made)]
    subprocess.run(command, check=True)
    files = sorted(made.glob("*.jsonl"))
    source = next(file for file in files if "output" not in file.name and "error" not in file.name)
    report = batchfiles.split(source, output=campaign, max_requests=-(-requests // parts))
    owner = {line.custom_id: part.file for part in report.parts for line in batchfiles.read_inputs(campaign / part.file)}
    for file in files:
        kind = next((kind for kind in ("output", "error") if kind in file.name), None)
        if kind is None:
            continue
        names = {part.file: campaign / part.file.replace(".jsonl", f"_{kind}.jsonl") for part in report.parts}
        open_files = {name: path.open("wb") for name, path in names.items()}
        with file.open("rb") as lines:
            for line in lines:
                open_files[owner[json.loads(line)["custom_id"]]].write(line)
        for opened in open_files.values():
            opened.close()
    return campaign


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of all that it started, also of processes that have ended."""
    children: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    tick = os.sysconf("SC_CLK_TCK")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            seconds[int(entry.name)] = sum(map(int, fields[11:15])) / tick
    waiting, total = [os.getpid()], 0.0
    while waiting:
        process = waiting.pop()
        total += seconds.get(process, 0.0)
        waiting += children.get(process, [])
    return total


@contextmanager
def cluster() -> Iterator[None]:
    """Start a master and two workers."""
    import pyspark

    spark_class = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    deploy = "org.apache.spark.deploy"
    worker = [f"{deploy}.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "3g", MASTER]
    commands = [[f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", "7077"], worker, worker]
    started = []
    try:
        for command in commands:
            process = subprocess.Popen(
                [spark_class, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            started.append(process)
            time.sleep(6)
        yield
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGTERM)
        for process in started:
            process.wait()


def executors() -> list[int]:
    """Return the process ids of executors."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if b"CoarseGrainedExecutorBackend" in command and b"java" in command.split(b"\0")[0]:
            found.append(int(entry.name))
    return found


def counts(report: JoinReport) -> dict[str, object]:
    """Return the report without what differs from run to run."""
    return {name: value for name, value in report.to_dict().items() if name not in CHANGES}


def digest(folder: Path) -> list[str]:
    """Return a digest of the rows of each file, in order."""
    import hashlib

    import pyarrow.parquet as pq

    found = []
    for path in sorted(folder.glob("*.parquet")):
        text = hashlib.sha256()
        for batch in pq.ParquetFile(path).iter_batches(4096):
            text.update(json.dumps(batch.to_pylist(), default=str).encode())
        found.append(text.hexdigest())
    return found


def single(campaign: str, target: str) -> None:
    """Join on one machine, in another process."""
    report = batchfiles.join(campaign).to_parquet(target)
    Path(target + ".json").write_text(json.dumps(report.to_dict()))


def main() -> int:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark", description="Compare Spark with one machine.")
    parser.add_argument("folder", type=Path, help="where files go")
    parser.add_argument("--requests", type=int, default=300_000)
    parser.add_argument("--parts", type=int, default=12)
    parser.add_argument("--single", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.single:
        single(*given.single)
        return 0
    given.folder.mkdir(exist_ok=True)
    campaign = make(given.folder.resolve(), given.requests, given.parts)
    work = given.folder.resolve() / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "benchmarks.spark", str(given.folder), "--single", str(campaign), str(work / "one")]
    subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    alone = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"one machine: {alone:.1f} s CPU", flush=True)
    expected, rows = JoinReport.from_dict(json.loads((work / "one.json").read_text())), digest(work / "one")
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(Path.cwd())}
    with cluster():
        from pyspark.sql import SparkSession

        from batchfiles.spark import BatchFilesDataSource, write_parquet

        started = cpu_seconds()
        builder = SparkSession.builder.master(MASTER).config("spark.ui.enabled", "false").config("spark.log.level", "OFF")
        builder = (
            builder.config("spark.ui.showConsoleProgress", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.executor.memory", "2g")
        )
        spark = builder.config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS").getOrCreate()
        spark.range(10).repartition(2).count()
        session = cpu_seconds() - started
        print(f"session: {session:.1f} s CPU", flush=True)

        def measured(name: str, do: Callable[[], object]) -> float:
            started, since = cpu_seconds(), time.perf_counter()
            do()
            seconds = cpu_seconds() - started
            print(f"{name}: {seconds:.1f} s CPU ({seconds / alone:.2f} x), {time.perf_counter() - since:.1f} s", flush=True)
            return seconds

        reports: list[JoinReport] = []
        first = measured("write_parquet", lambda: reports.append(write_parquet(spark, campaign, work / "direct")))
        most = WRITE_COST * alone + session
        print(f"write_parquet and session: {first + session:.1f} s CPU, at most {most:.1f} s", flush=True)
        report = reports.pop()
        assert counts(report) == counts(expected), "the counts differ"
        assert digest(work / "direct") == rows, "the rows differ"
        spark.dataSource.register(BatchFilesDataSource)
        table = spark.read.format("batchfiles").load(str(campaign))
        measured("data source, read only", lambda: table.write.format("noop").mode("overwrite").save())
        measured("data source, Spark's writer", lambda: table.write.parquet(str(work / "spark")))

        def kill() -> None:
            while len(list((work / "killed").glob("*.parquet"))) < given.parts // 4:
                time.sleep(0.05)
            victim = executors()[0]
            os.kill(victim, signal.SIGKILL)
            print(f"killed executor {victim}", flush=True)

        killer = threading.Thread(target=kill, daemon=True)
        killer.start()
        since = time.perf_counter()  # the CPU time of killed processes is lost
        report = write_parquet(spark, campaign, work / "killed")
        print(f"write_parquet, an executor killed: {time.perf_counter() - since:.1f} s", flush=True)
        killer.join()
        assert counts(report) == counts(expected), "the counts differ after a kill"
        assert digest(work / "killed") == rows, "the rows differ after a kill"
        left = sorted(path.name for path in (work / "killed").iterdir() if path.suffix != ".parquet")
        assert left == ["_SUCCESS"], left
        spark.stop()
    print("the same tables and counts; nothing else left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
