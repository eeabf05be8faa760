"""The page about reliability names tests, variables and commands: each of them exists, and none of the variables is missing."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text("utf-8")
GROUPS = {"D": 9, "U": 3, "J": 3, "F": 8, "N": 11, "S": 6, "T": 5}
ROWS = [f"{group}{number}" for group, count in GROUPS.items() for number in range(1, count + 1)]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
COMMANDS = re.findall(r"^\| `([^`]+)` \|", PAGE.partition("\n## Long checks\n")[2].partition("\n## ")[0], re.MULTILINE)
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
    assert without == [name for name, _, _, tests in rows if tests == "none"] == ["T1", "T2", "T3", "T4", "T5"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_long_check_runs_what_is_there_with_the_variables_that_it_reads(command: str) -> None:
    """The file or module exists, and reads the variable."""
    module = re.search(r"python -m ([\w.]+)", command)
    if module is not None:
        assert importlib.util.find_spec(module[1]) is not None
        assert "=" not in command
        return
    (file,) = re.findall(r"tests/[\w/]+\.py", command)
    text = (ROOT / file).read_text("utf-8")
    variables = VARIABLE.findall(command)
    assert variables
    assert [name for name in variables if f'"{name}"' not in text] == []
    (chosen,) = re.findall(r"-k (\w+)", command) or ("",)
    assert any(chosen in name for name in functions_of(file))


def test_each_variable_that_makes_a_test_longer_is_on_the_page() -> None:
    """A test reads such a variable with its default."""
    read = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        read |= set(re.findall(r'environ\.get\("((?:BATCHFILES|ORACLE)_\w+)"', file.read_text("utf-8")))
    assert len(read) > 10
    assert read - {name for command in COMMANDS for name in VARIABLE.findall(command)} == set()
