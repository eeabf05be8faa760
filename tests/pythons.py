"""The tests with other versions of Python and of the dependencies, each in a new environment.

`python -m tests.pythons 3.12 3.13 /opt/python3.14/bin/python3` runs all tests once with each Python, and prints a table. uv must
be installed: it finds or downloads the versions, and makes the environments. `--oldest` takes the oldest dependencies that
pyproject.toml accepts, or the next ones that have a wheel, and the part of the tests that `.ci/run` runs with them. `--native`
builds the compiled code, once for all versions, and runs its tests and those of the jobs. Arguments after `--` are for pytest, in
place of these. The exit code is 1 if a test fails or a Python is missing; then the end of the output is shown.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ALL = ["-n", "2"]
NATIVE = [*ALL, "tests/native", "tests/jobs"]
OLDEST = [*ALL, "--hypothesis-profile=batchfiles-few", "@tests/oldest.txt"]
"""The arguments in the file leave tests out; `.ci/run` has the reasons."""

TOOLS = {
    *("coverage", "furo", "import-linter", "ipykernel", "mypy", "myst-parser", "nbclient"),
    *("pysail", "pyspark-client", "rich", "ruff", "sphinx"),
}
"""The site is built with the newest versions only, and Spark needs a newer pyarrow."""

COUNTS = ("passed", "failed", "skipped")


class Run(NamedTuple):
    """One run of the tests.

    Args:
        python: The version of Python.
        result: `passed`, `FAILED` or `not installed`.
        counts: How many tests passed, failed (errors are failures), and were skipped.
        output: All that was printed.
    """

    python: str
    result: str
    counts: tuple[int, ...]
    output: str


class StepError(Exception):
    """A step before the tests was not possible; the message is its output."""


def floors() -> list[str]:
    """Return the oldest dependencies with which the tests run, as `name>=version`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines: list[str] = project["dependencies"] + project["optional-dependencies"]["dev"]
    return [line for line in lines if line.partition(">=")[0] not in TOOLS]


def step(*command: str | Path, **variables: str) -> str:
    """Run a command in the folder of the project, and return its output, or raise a `StepError`."""
    try:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StepError(str(error)) from None
    if done.returncode:
        raise StepError(done.stdout + done.stderr)
    return done.stdout


def install(python: str, folder: Path, *, oldest: bool, native: bool) -> Path:
    """Make an environment with the project and its dependencies in a folder, and return its Python."""
    step("uv", "venv", "--quiet", "--python", python, folder)
    own = folder / "bin" / "python"
    pip = ("uv", "pip", "install", "--quiet", "--python", own)
    if oldest:
        step(*pip, "--resolution", "lowest-direct", "--only-binary", ":all:", *floors())
        step(*pip, "--no-deps", "--editable", ROOT)
    else:
        step(*pip, "--upgrade", "--editable", f"{ROOT}[dev]")
    if native:
        target = os.environ.get("CARGO_TARGET_DIR", str(folder.parent / "target"))
        step(*pip, "--no-deps", "--reinstall-package", "batchfiles-native", ROOT / "native", CARGO_TARGET_DIR=target)
    return own


def run(python: Path, tests: Sequence[str]) -> Run:
    """Run tests with the Python of an environment; `tests` are the arguments of pytest."""
    version = step(python, "-c", "import platform; print(platform.python_version())").strip()
    variables = {**os.environ, "CI": "true", "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory(prefix="batchfiles-") as folder, tempfile.TemporaryFile("w+") as output:
        command = [str(python), "-m", "pytest", "-q", f"--basetemp={folder}/tests", *tests]
        code = subprocess.run(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        output.seek(0)
        text = output.read()
    found = dict.fromkeys(COUNTS, 0)
    for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", text.strip().rpartition("\n")[2]):
        found["failed" if word == "error" else word] += int(number)
    return Run(version, "FAILED" if code or not found["passed"] else "passed", tuple(found.values()), text)


def runs(pythons: Sequence[str], tests: Sequence[str], *, oldest: bool, native: bool) -> Iterator[Run]:
    """Run tests with each Python, in environments that are removed at the end."""
    with tempfile.TemporaryDirectory(prefix="batchfiles-pythons-") as folder:
        for number, python in enumerate(pythons):
            try:
                yield run(install(python, Path(folder, str(number)), oldest=oldest, native=native), tests)
            except StepError as error:
                yield Run(python, "not installed", (0, 0, 0), str(error))


def main(arguments: Sequence[str]) -> int:
    """Run the tests, and print the table as they finish."""
    options = argparse.ArgumentParser(prog="python -m tests.pythons", description="The tests with other versions of Python.")
    options.add_argument("pythons", nargs="+", metavar="PYTHON", help="a version, such as 3.13, or a program")
    kind = options.add_mutually_exclusive_group()
    kind.add_argument("--oldest", action="store_true", help="the oldest dependencies, and a part of the tests")
    kind.add_argument("--native", action="store_true", help="with the compiled code, its tests and those of the jobs")
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    chosen = options.parse_args(arguments[:cut])
    tests = arguments[cut + 1 :] or (NATIVE if chosen.native else OLDEST if chosen.oldest else ALL)
    if shutil.which("uv") is None:
        options.error("uv is not installed: pip install uv")
    width = max(map(len, [*chosen.pythons, "3.14.10"]))
    print(f"{'python':<{width}}  {'result':<13}", *(f"{name:>7}" for name in COUNTS), "seconds", flush=True)
    failed, begin = False, time.monotonic()
    for each in runs(chosen.pythons, tests, oldest=chosen.oldest, native=chosen.native):
        counts = (f"{count:>7,}" for count in each.counts)
        print(f"{each.python:<{width}}  {each.result:<13}", *counts, f"{time.monotonic() - begin:>7.0f}", flush=True)
        if each.result != "passed":
            failed = True
            print(each.output[-4000:], flush=True)
        begin = time.monotonic()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
