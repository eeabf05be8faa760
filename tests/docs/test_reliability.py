"""The page about reliability names tests, variables and commands: each of them exists, and none of the variables is missing."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from tests import long, mutants

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
GROUPS = {"D": 9, "U": 3, "J": 3, "F": 8, "N": 11, "S": 6, "T": 5}
ROWS = [f"{group}{number}" for group, count in GROUPS.items() for number in range(1, count + 1)]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
LONG = re.findall(
    r"^\| (.+) \| (.+) \| (.+) \| `([^`]+)` \|$", PAGE.partition("\n## Long checks\n")[2].partition("\n## ")[0], re.MULTILINE
)
COMMANDS = [command for *_, command in LONG]
WITHOUT = ["T1", "T2", "T3", "T5"]
"""Promises about the tests, which have commands instead of tests."""

VARIABLE = re.compile(r"\b(?:BATCHFILES_[A-Z]+(?:_[A-Z]+)*|ORACLE_SEED)(?==)")


def functions_of(file: str) -> set[str]:
    """Return the names of the test functions in a file."""
    return {each.name for each in ast.parse((ROOT / file).read_text("utf-8")).body if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_each_test_that_the_page_names_is_there(file: str) -> None:
    """The file, and the function in it: a test that was renamed would leave a promise without one."""
    assert {name for other, name in NAMED if other == file} - functions_of(file) == set()


def test_each_promise_has_one_row_with_a_test_or_says_that_there_is_none() -> None:
    """In the order of their numbers."""
    rows = re.findall(r"^\| ([A-Z]\d+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == ROWS
    without = [name for name, _, _, tests in rows if "::" not in tests]
    assert without == [name for name, _, _, tests in rows if tests == "none"] == WITHOUT


def test_the_page_lists_the_long_checks_of_the_command() -> None:
    """Their names, how much they check, and their commands with the first seed."""
    listed = [(name, amount, command) for name, amount, _, command in LONG]
    assert [(name, check.amount, long.shown(check)) for name, check in long.CHECKS.items()] == listed


def test_the_page_says_how_far_each_long_check_was_run() -> None:
    """Nobody knew which of them had been run: the column has a result, with an amount if it was less than the whole."""
    result = re.compile(r"passed(, (a part: )?[\d,.]+ .+)?|[\d.]+ % noticed, see T2|not run to its end")
    assert {name: reached for name, _, reached, _ in LONG if not result.fullmatch(reached)} == {}


def test_a_long_check_gets_its_variables_and_its_seed() -> None:
    """As a shell would run the line of the page."""
    variables, command = long.words_of(long.CHECKS["interruptions"], 5)
    assert variables == {"BATCHFILES_INTERRUPTIONS": "50", "BATCHFILES_SEED": "5"}
    assert command[1:4] == ["-m", "pytest", "-q"]
    assert long.words_of(long.CHECKS["oracle"], 5)[0] == {"BATCHFILES_TEST_BATCHES": "10000", "ORACLE_SEED": "5000"}
    assert long.words_of(long.CHECKS["mutants"], 5)[1][-2:] == ["--seed", "5"]


def test_a_long_check_passes_fails_or_does_not_finish() -> None:
    """The output of one that fails is kept."""
    assert long.run(long.Check("", "python -c pass"), 1, 60) == ("passed", "")
    result, output = long.run(long.Check("", "python -c 1/0"), 1, 60)
    assert result == "FAILED"
    assert "ZeroDivisionError" in output
    assert long.run(long.Check("", "python -c 'import time; time.sleep(60)'"), 1, 0.2)[0] == "not finished"


def test_another_order_is_that_of_its_seed_which_is_printed(tmp_path: Path) -> None:
    """A failure can be repeated: the check had a fixed seed once, and quiet runs did not show it."""
    for name in ("one", "two", "three"):
        (tmp_path / f"test_{name}.py").write_text("".join(f"def test_{letter}(): pass\n" for letter in "abcdef"))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]

    def order(seed: str) -> list[str]:
        environment = {**os.environ, "BATCHFILES_TEST_ORDER": seed}
        ran = subprocess.run([*command, "-v", tmp_path], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert f"To repeat this order: BATCHFILES_TEST_ORDER={seed}" in ran.stdout
        return re.findall(r"test_\w+\.py::test_\w", ran.stdout)

    first = order("1")
    assert order("1") == first
    assert sorted(first) == sorted(set(first)) != first
    assert len(first) == 18
    files = [test.partition("::")[0] for test in first]
    assert len(list(groupby(files))) == 3


@pytest.mark.parametrize("command", COMMANDS)
def test_each_long_check_runs_what_is_there_with_the_variables_that_it_reads(command: str) -> None:
    """The file or module exists, and reads the variable."""
    module = re.search(r"python -m ([\w.]+)", command)
    if module is not None:
        assert importlib.util.find_spec(module[1]) is not None
        assert "=" not in command
        return
    places = re.findall(r"tests/[\w/.]+", command)
    assert [place for place in places if not (ROOT / place).exists()] == []
    variables = VARIABLE.findall(command)
    assert variables
    if not places:
        places = [str(file.relative_to(ROOT)) for file in (ROOT / "tests").glob("test_*.py")]
    texts = [(ROOT / place).read_text("utf-8") for place in [*places, "tests/conftest.py"] if place.endswith(".py")]
    assert [name for name in variables if not any(f'"{name}"' in text for text in texts)] == []
    (chosen,) = re.findall(r"-k (\w+)", command) or ("",)
    assert any(chosen in name for place in places if place.endswith(".py") for name in functions_of(place))


def test_each_variable_that_makes_a_test_longer_is_on_the_page() -> None:
    """A test reads such a variable with its default."""
    read = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        read |= set(re.findall(r'environ\.get\("((?:BATCHFILES|ORACLE)_\w+)"', file.read_text("utf-8")))
    assert len(read) > 10
    assert read - {name for command in COMMANDS for name in VARIABLE.findall(command)} == set()


def test_each_fault_that_changes_only_speed_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of `tests.mutants` names lines of the code, which change; each has its reason."""
    known = dict(mutants.EQUIVALENT)
    monkeypatch.setattr(mutants, "EQUIVALENT", {})
    for (module, line, new), reason in known.items():
        text = (ROOT / "batchfiles" / module).read_text("utf-8").splitlines()
        found = [each for each in mutants.mutants_of(module) if text[each.line - 1].strip() == line and each.new == new]
        assert found, (module, line, new)
        assert reason
        monkeypatch.setattr(mutants, "EQUIVALENT", known)
        assert set(mutants.mutants_of(module)).isdisjoint(found)
        monkeypatch.setattr(mutants, "EQUIVALENT", {})


def test_each_test_has_its_story_in_a_sentence() -> None:
    """A test that was written for a fault says what happened, for those who break it again."""
    without, count = [], 0
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for each in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_"):
                count += 1
                story = ast.get_docstring(each) or ""
                if not story.rstrip().endswith((".", ":")):
                    without.append(f"{file.name}: {each.name}")
    assert without == []
    assert count > 2000
