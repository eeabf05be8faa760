"""All long checks, one after another, as many as the time allows.

`python -m tests.long --minutes 60 --seed 3` runs those of `CHECKS` that the time allows, and prints a table: the name, what is
checked, the result and the seconds. `--only NAME` runs one of them, and may be repeated. A check that is still running at the
end of the time has the result `not finished`. The exit code is 1 if a check fails; then the end of its output is shown.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Check(NamedTuple):
    """A check that takes longer than the ordinary tests.

    Args:
        amount: How much it checks.
        command: Variables, and a command with pytest or python; `SEED` is replaced.
    """

    amount: str
    command: str


CHECKS = {
    "flips": Check(
        "100,000 flipped bits in a file of each compression",
        "BATCHFILES_TEST_FLIPS=100000 pytest -q tests/io/test_compression.py -k flipped",
    ),
    "urls": Check(
        "10,000 URLs with secrets in messages",
        "BATCHFILES_TEST_URLS=10000 pytest -q tests/io/test_urls.py",
    ),
    "files": Check(
        "each job on 2,000 result files with 64 open files",
        "BATCHFILES_TEST_FILES=2000 pytest -q tests/jobs/test_many_files.py",
    ),
    "depth": Check(
        "each command with lines of 500 levels",
        "BATCHFILES_TEST_DEPTH=500 pytest -q tests/test_deep_lines.py",
    ),
    "repetitive": Check(
        "lines of 240 kB that repeat each of 58 pieces through each job, with at most 4.4 s of processor time",
        "BATCHFILES_TEST_REPETITIVE=240000 pytest -q tests/jobs/test_repetitive_lines.py",
    ),
    "lines": Check(
        "1,000,000 mutated lines through decoding, reading and the jobs",
        "python -m tests.garbage --lines 1000000 --minutes 600 --seed SEED",
    ),
    "oracle": Check(
        "10,000 random batches, compared with the simple program",
        "BATCHFILES_TEST_BATCHES=10000 ORACLE_SEED=SEED000 pytest -q tests/jobs/test_join_oracle.py",
    ),
    "ids": Check(
        "10,000,000 ids with less than 64 MiB",
        "BATCHFILES_TEST_IDS=10000000 pytest -q tests/ids/test_unique.py -k memory_is_bounded",
    ),
    "stream": Check(
        "10 GB of requests from standard input through `validate`, with 48 MiB more memory than 800 kB",
        "BATCHFILES_TEST_STREAM=10000 pytest -q tests/cli/test_validate.py -k long_stream",
    ),
    "http": Check(
        "2,000 texts that arrive over HTTP in pieces of any size",
        "BATCHFILES_TEST_HTTP=2000 pytest -q tests/io/test_lines.py -k over_http",
    ),
    "text": Check(
        "a join with 2.5 GB of text; needs 6 GB of disk",
        "BATCHFILES_TEST_TEXT=2500 pytest -q tests/jobs/test_long_lines.py -k much_text",
    ),
    "calls": Check(
        "10,000 calls of each of 13 functions, after which the process has at most 4 MiB more",
        "BATCHFILES_CALLS=10000 pytest -q tests/jobs/test_repeated_calls.py",
    ),
    "disk": Check(
        "every call of 18 writers to the system: killed, failing, taking less",
        "python -m tests.disk.faults",
    ),
    "kills": Check(
        "200 times SIGKILL for each of 18 writers",
        "python -m tests.disk.faults --kills 200 --seed SEED",
    ),
    "interruptions": Check(
        "50 times SIGINT at random moments of a join",
        "BATCHFILES_INTERRUPTIONS=50 BATCHFILES_SEED=SEED pytest -q tests/cli/test_join.py -k random_moment",
    ),
    "cuts": Check(
        "1,000 downloads, each cut twice",
        "BATCHFILES_CUTS=2000 pytest -q tests/client/test_downloads.py -k random_places",
    ),
    "download": Check(
        "a download of 400 MB, cut every 4 MiB",
        "BATCHFILES_DOWNLOAD=400 pytest -q tests/client/test_downloads.py -k fetched_about_once",
    ),
    "pairs": Check(
        "two processes that download 1,000 files into one folder, of which one is killed again and again",
        "BATCHFILES_PAIRS=1000 pytest -q tests/client/test_downloads.py -k two_downloads",
    ),
    "answers": Check(
        "10,000 damaged answers",
        "BATCHFILES_MUTATIONS=10000 pytest -q tests/client/test_exchanges.py -k spoiled",
    ),
    "faults": Check(
        "1,000 runs from submit to join under random faults",
        "BATCHFILES_SEEDS=1000 pytest -q tests/testing/test_chance.py",
    ),
    "clients": Check(
        "1,000 mixes of faults for both clients",
        "BATCHFILES_SEEDS=1000 pytest -q tests/client/test_drivers_agree.py",
    ),
    "run": Check(
        "200 times `run` under random faults",
        "BATCHFILES_FAULT_SEEDS=200 pytest -q tests/runner/test_run.py",
    ),
    "killed runs": Check(
        "200 times SIGKILL for `run`",
        "BATCHFILES_KILLS=200 BATCHFILES_SEED=SEED pytest -q tests/runner/test_killed.py",
    ),
    "transfers": Check(
        "an upload of 300 MB and a download of 1 GB for each client",
        "BATCHFILES_TRANSFERS=full pytest -q tests/client/test_memory.py",
    ),
    "server": Check(
        "the same for the local server",
        "BATCHFILES_LARGE=1 pytest -q tests/testing/test_large_files.py",
    ),
    "order": Check(
        "all tests in another order, with 10 examples for each property",
        "EXAMPLES=batchfiles-few BATCHFILES_TEST_ORDER=SEED pytest -q tests",
    ),
    "repetitions": Check(
        "each test of threads and locks 50 times",
        "BATCHFILES_TEST_REPEAT=50 pytest -q tests/io/test_threads.py tests/table/test_background.py tests/runner/test_lock.py",
    ),
    "pythons": Check(
        "all tests with Python 3.12, 3.13 and 3.14 in new environments; needs uv, and most of an hour",
        "python -m tests.pythons 3.12 3.13 3.14",
    ),
    "mutants": Check(
        "30 small faults in each of six areas of the code",
        "python -m tests.mutants --each 30 --minutes 600 --seed SEED",
    ),
    "compiled tables": Check(
        "tables and reports of 500,000 mutated results with and without compiled code, which must be installed",
        "python -m tests.native.mutations 500000",
    ),
    "compiled checks": Check(
        "the findings in 500,000 requests with and without compiled code",
        "python -m tests.native.checks 500000",
    ),
    "compiled readers": Check(
        "10,000,000 mutated lines through the compiled readers, and what Python makes of each that they take",
        "python -m tests.native.taken 10000000 SEED",
    ),
    "memory": Check(
        "the memory of a join with an output file of 2 GB; needs 3 GB of disk",
        "python -m benchmarks memory",
    ),
}


def shown(check: Check, seed: int = 1) -> str:
    """Return the command of a check with a seed."""
    return re.sub(r"(?<=[ =])SEED(?=000 | |$)", str(seed), check.command)


def words_of(check: Check, seed: int) -> tuple[dict[str, str], list[str]]:
    """Return the variables and the command of a check."""
    words = shlex.split(shown(check, seed))
    variables = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", words[0]]
    return variables, [*program, *words[1:]]


def run(check: Check, seed: int, seconds: float) -> tuple[str, str]:
    """Run a check.

    Returns:
        `passed`, `FAILED` or `not finished`; and its output.
    """
    variables, command = words_of(check, seed)
    with tempfile.TemporaryFile("w+") as output:
        running = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            result = "FAILED" if running.wait(seconds) else "passed"
        except (subprocess.TimeoutExpired, KeyboardInterrupt) as stop:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            if isinstance(stop, KeyboardInterrupt):
                raise
            result = "not finished"
        output.seek(0)
        return result, output.read()


def main() -> None:
    """Run the checks, and print the table as they finish."""
    options = argparse.ArgumentParser(prog="python -m tests.long", description="Long checks of docs/reliability.md.")
    options.add_argument("--minutes", type=float, default=60, help="time for all of them")
    options.add_argument("--seed", type=int, default=1, help="of random numbers, and of the order of the checks")
    options.add_argument("--only", choices=CHECKS, action="append", metavar="NAME", help=f"one of: {', '.join(CHECKS)}")
    options.add_argument("--verbose", action="store_true", help="show the output of checks that pass too")
    chosen = options.parse_args()
    names = chosen.only or Random(chosen.seed).sample(list(CHECKS), len(CHECKS))
    end = time.monotonic() + chosen.minutes * 60
    width = max(map(len, CHECKS))
    failed = False
    for name in names:
        begin = time.monotonic()
        result, output = run(CHECKS[name], chosen.seed, end - begin) if begin < end else ("not started", "")
        failed |= result == "FAILED"
        print(f"{name:<{width}}  {result:<12}  {time.monotonic() - begin:>6.0f} s  {CHECKS[name].amount}", flush=True)
        if result == "FAILED" or (chosen.verbose and output):
            print(output[-4000:], flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
