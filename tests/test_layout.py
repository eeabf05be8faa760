"""The layout of the package: few modules, none too long, no circles, and a job that runs code in few of them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

from batchfiles.native import SWITCH

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "batchfiles"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in PACKAGE.rglob("*.py")
}
LINES = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}


def imports_of(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the modules of the package that statements import, also within functions; not those for type checkers."""
    for statement in body:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                name = f"{statement.module}.{alias.name}"
                yield name if name in MODULES else str(statement.module)
        elif not (isinstance(statement, ast.If) and getattr(statement.test, "id", None) == "TYPE_CHECKING"):
            for part in ("body", "orelse", "finalbody"):
                yield from imports_of(getattr(statement, part, []))
            for part in ("handlers", "cases"):
                for each in getattr(statement, part, []):
                    yield from imports_of(each.body)


def test_there_are_few_modules_and_none_is_long() -> None:
    """A reader finds a module by its name and reads it as a whole."""
    assert len(MODULES) <= 200
    assert max(LINES.values()) <= 430, {name: lines for name, lines in LINES.items() if lines > 430}
    assert median(LINES.values()) <= 320


def test_no_module_imports_itself_through_others() -> None:
    """`prepare` raises a CycleError that names the modules of a circle."""
    graph = {
        name: {other for other in imports_of(ast.parse(path.read_text("utf-8")).body) if other in MODULES and other != name}
        for name, path in MODULES.items()
    }

    assert "batchfiles.codec" in graph["batchfiles.reading"]
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(("job", "most"), [("join", 40), ("validate", 20)])
def test_a_job_runs_code_in_few_modules(job: str, most: int) -> None:
    """Counted while the job runs in pure Python; `python -m benchmarks.modules JOB` prints their names."""
    command, pure = [sys.executable, "-m", "benchmarks.modules", job], {**os.environ, SWITCH: "0"}
    ran = subprocess.run(command, cwd=ROOT, env=pure, capture_output=True, text=True, check=True)

    *names, total = ran.stdout.splitlines()

    assert "io/lines.py" in names
    assert len(names) <= most, ran.stdout
    assert total == f"{len(names)} modules"
