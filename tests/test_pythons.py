"""The command that runs the tests with other Pythons: what it installs, what it counts, and what it prints."""

from __future__ import annotations

import ast
import platform
import sys
from pathlib import Path

import pytest

from tests import pythons

MIXED = """import pytest
@pytest.fixture
def broken(): 1 / 0
def test_a(): pass
def test_b(): assert not "the reason"
def test_c(): pytest.skip("")
def test_d(broken): pass
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `uv` first that makes environments without a network: links to the one of the tests."""
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\nif [ "$1" = venv ]; then ln -s {sys.prefix} "$5"; fi\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.usefixtures("uv")
def test_tests_run_with_the_python_that_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """A row has the version of the Python that ran the tests, and what passed."""
    assert pythons.main(["3", "--", "tests/test_nearest.py"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["python", "result", "passed", "failed", "skipped", "seconds"]
    version, result, *counts, _ = row.split()
    assert (version, result) == (platform.python_version(), "passed")
    assert int(counts[0]) > 0
    assert counts[1:] == ["0", "0"]


@pytest.mark.usefixtures("uv")
def test_what_fails_is_counted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error before a test is a failure too."""
    (tmp_path / "test_it.py").write_text(MIXED, "utf-8")
    assert pythons.main(["3", "--", str(tmp_path)]) == 1
    row, *output = capsys.readouterr().out.splitlines()[1:]
    assert row.split()[1:5] == ["FAILED", "1", "2", "1"]
    assert any("the reason" in line for line in output)


def test_a_python_that_is_missing_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is kept, and the next one is tried."""
    monkeypatch.setenv("PATH", str(tmp_path))
    first, second = pythons.runs(["3.98", "3.99"], [], oldest=False, native=False)
    assert first[:3] == ("3.98", "not installed", (0, 0, 0))
    assert second[:3] == ("3.99", "not installed", (0, 0, 0))
    assert "'uv'" in first.output


def test_without_uv_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, without a traceback."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit):
        pythons.main(["3.12"])
    assert "uv is not installed: pip install uv" in capsys.readouterr().err


def test_the_oldest_dependencies_are_those_of_the_project() -> None:
    """Each dependency of the package is there, and each tool that is left out is one of `dev`."""
    floors = pythons.floors()
    assert {"orjson", "pyarrow", "click", "pytest", "httpx2"} <= {line.partition(">=")[0] for line in floors}
    assert [line for line in floors if not line.partition(">=")[2]] == []
    dev = (pythons.ROOT / "pyproject.toml").read_text("utf-8").partition("\ndev = [")[2].partition("\n]")[0]
    assert [tool for tool in pythons.TOOLS if f'"{tool}>=' not in dev] == []


def test_what_the_oldest_dependencies_leave_out_is_there() -> None:
    """No error is shown for an unknown name, so a test that was renamed would run again, and fail."""
    lines = (pythons.ROOT / "tests" / "oldest.txt").read_text("utf-8").splitlines()
    assert len(lines) > 50
    for line in lines:
        option, _, place = line.partition("=")
        path, _, name = place.partition("::")
        assert option == ("--deselect" if name else "--ignore")
        assert (pythons.ROOT / path).exists(), line
        functions = ast.parse((pythons.ROOT / path).read_text("utf-8")).body if name else []
        assert not name or name in [getattr(each, "name", "") for each in functions], line
