"""A sample of small faults in the code, and how many of them the tests notice.

`python -m tests.mutants --seed 1 --minutes 60` puts one fault at a time into a copy of the project: another comparison, number,
word, operator, a missing statement, `return None`. The tests that run the changed line must fail. First all tests of
the chosen areas run once, to record which test runs which line; `--record FILE` keeps that for the next time. Then it
prints how many lines and branches of each area were run; `--each 0` does only this.

What is not changed: messages, docstrings, annotations, log lines, imports, abstract methods, code within
f-strings, and `EQUIVALENT`.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree as ET

import coverage
import hypothesis  # noqa: F401 - child processes find it imported
import pytest

ROOT = Path(__file__).parents[1]
AREAS = {
    "codec": ["codec.py"],
    "io": ["io/*.py"],
    "ids": ["ids/*.py"],
    "outcome": ["outcome.py"],
    "join": ["jobs/join/*.py"],
    "retry policy": ["api/config.py", "api/effects.py"],
}
"""The modules of each area, below the package."""

WHOLE = {
    "codec": ["tests/test_codec.py", "tests/test_reading.py", "tests/test_writing.py", "tests/test_fast_paths.py"],
    "io": ["tests/io", "tests/remote"],
    "ids": ["tests/ids", "tests/native/test_ids.py", "tests/jobs/test_validate.py"],
    "outcome": [
        "tests/test_outcome.py",
        "tests/test_outcome_of.py",
        "tests/test_fast_paths.py",
        "tests/test_display.py",
        "tests/jobs/test_merge.py",
    ],
    "join": [
        "tests/jobs/test_join.py",
        "tests/jobs/test_user_columns.py",
        "tests/jobs/test_table_files.py",
        "tests/cli/test_join.py",
    ],
    "retry policy": ["tests/api"],
}
"""Tests that are run for a fault that its own tests do not notice."""

TESTS = [
    *(
        "tests/api",
        "tests/io",
        "tests/ids",
        "tests/inputs",
        "tests/remote",
        "tests/test_codec.py",
        "tests/test_reading.py",
        "tests/test_writing.py",
    ),
    *("tests/test_outcome.py", "tests/test_outcome_of.py", "tests/cli/test_join.py", "tests/cli/test_export.py"),
    *("tests/jobs/test_join.py", "tests/jobs/test_lookup.py", "tests/jobs/test_scan.py", "tests/jobs/test_lazy_table.py"),
    *("tests/jobs/test_user_columns.py", "tests/jobs/test_export.py", "tests/jobs/test_table_files.py"),
    *("tests/jobs/test_campaign_join.py", "tests/jobs/test_tables_as_files.py", "tests/jobs/test_request_lines.py"),
    *("tests/jobs/test_join_oracle.py", "tests/jobs/test_changing_files.py", "tests/native/test_ids.py"),
]
"""What is run once to record the lines of each test."""

EQUIVALENT = {
    ("ids/unique.py", "BUFFER = 2 * 1024 * 1024", "(3)"): "ids are written in larger pieces",
    ("ids/unique.py", "BUFFER = 2 * 1024 * 1024", "(1025)"): "ids are written in larger pieces",
    ("ids/unique.py", "MOST_CANDIDATES = 200_000", "(200001)"): "one more id is compared at once",
    ("ids/unique.py", "self._waiting_size = 0", "(1)"): "ids are written one character earlier",
    ("ids/unique.py", "return {hashed for hashed, count in Counter(hashes).items() if count > 1}", "(count >= 1)"): (
        "more ids are compared"
    ),
    ("ids/index.py", "self._held_count = 0", "(1)"): "entries are written one entry earlier",
    ("io/compression.py", "at_last = False", "(True)"): "the first piece is smaller",
    ("io/texts.py", "held, size = [], 0", "(1)"): "a line of almost the longest length is read in the other way",
    ("io/compression.py", "PIECE = 4096", "(4097)"): "pieces are larger",
    (
        "io/texts.py",
        "if held > max_line_bytes or (len(text) > max_line_bytes and max(map(len, split(text))) > max_line_bytes):",
        "(held >= max_line_bytes)",
    ): "a line of the longest length is read in the other way",
    ("io/threads.py", "self._next = 0.0", "(1.0)"): "the first call sets it",
    ("codec.py", 'custom_id, method, url, body = value["custom_id"], value["method"], value["url"], value["body"]', "('')"): (
        "the exact way makes the record"
    ),
    ("codec.py", 'record.id = value["id"]', "('')"): "the exact way makes the record",
    ("io/threads.py", "whole = sum(cost for size, cost in phases if size) or 1.0", "(2.0)"): "without bytes nothing is divided",
    ("ids/unique.py", "self._hash_count = 0", "(1)"): "hashes are written one hash earlier",
    (
        "ids/index.py",
        "edges = [bisect_left(digests, (n << 64) // PARTITIONS) for n in range(PARTITIONS)] + [len(digests)]",
        "((n << 64) * PARTITIONS)",
    ): "all entries are in one partition",
    ("ids/index.py", "if self._held_count > self._in_memory:", "(self._held_count >= self._in_memory)"): (
        "entries are written one entry earlier"
    ),
    (
        "ids/index.py",
        "self._views = [part.cast(code) for part, (_, code) in zip(_split(view, count), COLUMNS, strict=True)]",
        "(False)",
    ): "there is a part for each column",
}
"""Changes after which nothing is different but time or memory, with the reason: the module, the line, and the new code."""

MOST = 15
"""How many test functions are run for a fault; those that take the least time come first."""

BROKEN = 70
"""Exit code of a child process that did not get as far as pytest."""

STATEMENT = 6
"""Lines of a statement that is looked for above a line."""

COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change of one place in a module.

    Args:
        module: The module, below the package.
        line: The line, from 1.
        start: Where the old code begins, in bytes.
        end: Where it ends.
        old: The old code.
        new: The new code.
    """

    module: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        """Where, and what is changed."""
        old, new = (" ".join(text.split())[:60] for text in (self.old, self.new))
        return f"batchfiles/{self.module}:{self.line}: {old} -> {new}"


def mutants_of(module: str) -> Iterator[Mutant]:
    """Yield each change of a module that may make a difference."""
    text = (ROOT / "batchfiles" / module).read_bytes()
    starts, lines = [0], text.decode().split("\n")
    for line in text.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    for node, new in _changes(ast.parse(text)):
        if (module, lines[node.lineno - 1].strip(), new) in EQUIVALENT:
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        yield Mutant(module, node.lineno, start, end, text[start:end].decode(), new)


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield each expression or statement that can be changed, with its new code."""
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom) or _is_skipped(node):
        return
    if isinstance(node, ast.expr):
        yield from ((node, f"({ast.unparse(new)})") for new in _expressions(node))
    elif isinstance(node, ast.stmt):
        yield from ((node, new) for new in _statements(node))
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.ExceptHandler) and child.type is not None:
                yield child.type, "()"
            if isinstance(child, ast.AST):
                yield from _changes(child)


def _is_skipped(node: ast.AST) -> bool:
    """Return whether a node is a docstring, a log line, `__all__`, a type, an abstract method or a block for type checkers."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case (
            ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="LOG")))) | ast.Assign(targets=[ast.Name(id="__all__")])
        ):
            return True
        case ast.FunctionDef(decorator_list=[ast.Name(id="abstractmethod"), *_]):
            return True
        case ast.Call(func=ast.Name(id="cast" | "TypeVar" | "Literal")) | ast.Subscript(value=ast.Name(id="Literal")):
            return True
    return False


def _expressions(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what an expression is replaced with."""
    match node:
        case ast.Compare(left, [operator], others):
            yield ast.Compare(left, [COMPARISONS[type(operator)]()], others)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS and not isinstance(
            left, ast.Constant | ast.JoinedStr
        ):
            yield ast.BinOp(left, OPERATORS[type(operator)](), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() | bytes() as value) if 0 < len(value) <= 24 and " " not in str(value):
            yield ast.Constant(value[:0])
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)


def _statements(node: ast.stmt) -> Iterator[str]:
    """Yield what a statement is replaced with."""
    match node:
        case ast.Return(value) if value is not None and not isinstance(value, ast.Constant):
            yield "return None"
        case ast.Break():
            yield "continue"
        case ast.Continue():
            yield "break"
        case (
            ast.Expr(ast.Call()) | ast.AugAssign() | ast.Delete() | ast.Raise() | ast.Assign([ast.Attribute() | ast.Subscript()])
        ):
            yield "pass"


def record(file: Path, processes: int) -> None:
    """Run the tests once, and write which test function runs which line, and how long each takes; print what they run."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "rules")
        rules.write_text(
            "[run]\nsource_pkgs = batchfiles\nbranch = true\nparallel = true\nsigterm = true\ndynamic_context = test_function\n"
            f"data_file = {folder}/data\n[paths]\nsource =\n    batchfiles\n    */site-packages/batchfiles\n"
        )
        environment = {**os.environ, "COVERAGE_PROCESS_START": str(rules), "EXAMPLES": "batchfiles-few"}
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(processes), "--junitxml", f"{folder}/times.xml", *TESTS]
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        collected = coverage.Coverage(config_file=str(rules))
        collected.combine([folder])
        data = collected.get_data()
        collected.json_report(outfile=f"{folder}/report.json", ignore_errors=True)
        print(coverage_table(json.loads(Path(folder, "report.json").read_text())["files"]), flush=True)
        times = times_of(Path(folder, "times.xml"))
        lines = {}
        for area in AREAS:
            for module in modules_of(area):
                contexts = data.contexts_by_lineno(str(ROOT / "batchfiles" / module))
                lines[module] = {line: sorted(filter(None, names)) for line, names in contexts.items()}
    file.write_text(json.dumps({"times": times, "lines": lines}))


def coverage_table(files: dict[str, Any]) -> str:
    """Return the lines and branches of each area that the tests have run."""
    rows = [f"{'area':<14}{'lines':>8}{'branches':>10}"]
    for area in AREAS:
        found = [files[f"batchfiles/{module}"]["summary"] for module in modules_of(area) if f"batchfiles/{module}" in files]
        lines, branches = (
            sum(each[part] for each in found) / max(1, sum(each[whole] for each in found))
            for part, whole in (("covered_lines", "num_statements"), ("covered_branches", "num_branches"))
        )
        rows.append(f"{area:<14}{lines:>8.1%}{branches:>10.1%}")
    return "\n".join(rows)


def times_of(report: Path) -> dict[str, float]:
    """Return the seconds of each test function in a report of pytest."""
    times: dict[str, float] = defaultdict(float)
    for case in ET.parse(report).iter("testcase"):
        times[f"{case.get('classname')}.{str(case.get('name')).partition('[')[0]}"] += float(case.get("time") or 0)
    return dict(times)


def modules_of(area: str) -> list[str]:
    """Return the modules of an area."""
    package = ROOT / "batchfiles"
    return sorted(str(path.relative_to(package)) for pattern in AREAS[area] for path in package.glob(pattern))


class Project:
    """A copy of the project, in which faults are tested.

    Args:
        folder: Where the copy is made.
        recorded: What `record` has written.
        seconds: How long the tests of one fault may take. A fault that makes them take longer counts as noticed.
    """

    def __init__(self, folder: Path, recorded: Path, seconds: float) -> None:
        found = json.loads(recorded.read_text())
        self.times, self.lines = found["times"], found["lines"]
        self.folder, self.seconds = folder, seconds
        self.left_out: set[str] = set()
        self.passing: set[str] = set()
        self.environment = {**os.environ, "PYTHONPATH": str(folder), "CI": "true", "EXAMPLES": "batchfiles-few"}
        self.environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
        for name in ("batchfiles", "tests", "fixtures", "benchmarks", "docs", "README.md", "pyproject.toml"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the test functions that run a line, those that take the least time first.

        A line within a statement has the tests of the line where the statement begins. Lines that run when the module is imported
        have those of the whole module.
        """
        lines = self.lines.get(mutant.module, {})
        nearest = (lines.get(str(line)) for line in range(mutant.line, max(mutant.line - STATEMENT, 0), -1))
        found = next(filter(None, nearest), None) or {name for names in lines.values() for name in names}
        placed = [(self.times.get(name, 0), self._place(name)) for name in found]
        return [test for _, test in sorted((time, test) for time, test in placed if test and test not in self.left_out)][:MOST]

    def _place(self, name: str) -> str | None:
        """Turn `tests.io.test_lines.test_it` into `tests/io/test_lines.py::test_it`; None for what is not a test function."""
        module, _, function = name.rpartition(".")
        file = f"{module.replace('.', '/')}.py"
        return f"{file}::{function}" if name in self.times and (self.folder / file).is_file() else None

    def outcome_of(self, mutant: Mutant, whole: list[str] | None = None) -> str:
        """Return the outcome of a fault.

        Args:
            mutant: The fault.
            whole: Tests to run instead of those of the line.

        Returns:
            `killed`, `endless`, `survived` or `not run`; `too slow` if the tests take long without the fault too.
        """
        while tests := whole or self.tests_of(mutant):
            path = self.folder / "batchfiles" / mutant.module
            text = path.read_bytes()
            path.write_bytes(text[: mutant.start] + mutant.new.encode() + text[mutant.end :])
            try:
                outcome, failed = self._run(tests)
            finally:
                path.write_bytes(text)
            if outcome in ("endless", "broken"):
                without = self._run(tests)[0]
                if outcome == without == "broken":
                    raise RuntimeError(f"pytest can't run {' '.join(tests)}")
                return "killed" if outcome == "broken" else "too slow" if without == "endless" else "endless"
            if outcome == "survived" or not failed or failed in self.passing:
                return outcome
            # A test that fails without the fault too would notice every fault.
            if self._run([failed])[0] == "survived":
                self.passing.add(failed)
                return outcome
            self.left_out.add(failed.partition("[")[0])
        return "not run"

    def _run(self, tests: list[str]) -> tuple[str, str]:
        """Run tests in a child process, which shares the imports of this one; return also which test failed first."""
        result = self.folder / "failed"
        result.write_text("")
        child = os.fork()
        if child == 0:
            status = BROKEN
            try:
                os.setsid()
                status = self._pytest(tests, result)
            except BaseException:  # noqa: BLE001 - the parent raises
                traceback.print_exc()
            finally:
                os._exit(status)
        end = time.monotonic() + self.seconds
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "endless", ""
            time.sleep(0.01)
        code = os.waitstatus_to_exitcode(ended[1])
        if code in (4, 5, BROKEN):  # the module can't be imported
            return "broken", ""
        return ("killed" if code else "survived"), result.read_text()

    def _pytest(self, tests: list[str], result: Path) -> int:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        os.chdir(self.folder)
        os.environ.update(self.environment)
        sys.path[:] = [str(self.folder), *(path for path in sys.path if Path(path or ".").resolve() != ROOT)]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "batchfiles")]:
            del sys.modules[name]

        class First:
            """Writes the name of the first test that fails."""

            def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
                if report.failed and not result.read_text():
                    result.write_text(report.nodeid)

        options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        return int(pytest.main([*options, *tests], plugins=[First()]))


def main() -> None:
    """Test a sample of faults, and print the score of each area."""
    options = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    options.add_argument("--seed", type=int, default=1, help="of the sample")
    options.add_argument("--minutes", type=float, default=60, help="no new fault is tested after this time")
    options.add_argument("--each", type=int, default=30, help="faults of each area")
    options.add_argument("--area", choices=AREAS, action="append", help="only this area; may be repeated")
    options.add_argument("--record", type=Path, help="which test runs which line: read if it exists, and written otherwise")
    options.add_argument("--seconds", type=float, default=120, help="limit for the tests of one fault")
    chosen = options.parse_args()
    end = time.monotonic() + chosen.minutes * 60
    areas = chosen.area or list(AREAS)
    samples = {}
    for area in areas:
        found = [mutant for module in modules_of(area) for mutant in mutants_of(module)]
        samples[area] = Random(f"{chosen.seed} {area}").sample(found, min(chosen.each, len(found)))
        print(f"{area}: {len(samples[area])} of {len(found):,} faults", flush=True)
    counts: dict[str, Counter[str]] = {area: Counter() for area in areas}
    with tempfile.TemporaryDirectory(prefix="batchfiles-mutants-") as folder:
        recorded = chosen.record or Path(folder, "record.json")
        if not recorded.exists():
            record(recorded, 2)
        (Path(folder) / "project").mkdir()
        project = Project(Path(folder) / "project", recorded, chosen.seconds)
        for number in range(chosen.each):
            for area in areas:
                if number < len(samples[area]) and time.monotonic() < end:
                    mutant = samples[area][number]
                    outcome = project.outcome_of(mutant)
                    if outcome in ("survived", "not run"):
                        outcome = project.outcome_of(mutant, WHOLE[area])
                    counts[area][outcome] += outcome != "too slow"
                    if outcome != "killed":
                        print(f"{outcome}: {mutant}", flush=True)
    print(table(counts))


def table(counts: dict[str, Counter[str]]) -> str:
    """Return the score of each area, and of all."""
    rows = [*counts.items(), ("all", sum(counts.values(), Counter()))]
    lines = [f"{'area':<14}{'faults':>8}{'noticed':>9}{'score':>8}"]
    for area, found in rows:
        noticed = found["killed"] + found["endless"]
        lines.append(f"{area:<14}{found.total():>8}{noticed:>9}{noticed / max(found.total(), 1):>8.1%}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
