"""The blocks of docs/howto that need other libraries, which run where these are installed (the extra `recipes`).

`.ci/recipes` installs them. All other blocks are run by `tests/test_docs.py`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_docs import BLOCK, ROOT, blocks_of

PAGES = [page for page in sorted((ROOT / "docs" / "howto").glob("*.md")) if "<!-- needs: " in page.read_text("utf-8")]

AIRFLOW = """
import inspect

class PokeReturnValue:
    def __init__(self, is_done, xcom_value=None): self.is_done, self.xcom_value = is_done, xcom_value

class Task:
    def __call__(self, function): return function
    def sensor(self, **options):
        def decorator(function):
            def run():
                while not (poked := function(ds="2026-11-26")).is_done: pass
                return poked.xcom_value
            return run
        return decorator

task = Task()
def dag(**options): return lambda function: function
"""
"""Runs the tasks of a pipeline in their order, in this process."""

CALLED = """
print(sorted(daily_answers().task_ids))
check.function(answers.function(ds="2026-11-26").xcom_value)
"""
"""Runs the functions of the tasks of Airflow without its database."""


def set_up(page: Path, place: Path) -> dict[str, str]:
    """Run the shell blocks of a page in a folder with the fixtures, and return the environment of its programs."""
    shutil.copytree(ROOT / "fixtures", place / "fixtures")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for block in blocks_of(page):
        if block.language == "shell" and not block.mark:
            subprocess.run(["bash", "-euc", block.text], cwd=place, check=True, capture_output=True, env=environment)
    return environment


def needs_of(mark: str) -> list[str]:
    """Return the libraries that a mark names."""
    return re.findall(r"\w+", mark.removeprefix("needs: "))


@pytest.mark.parametrize(
    ("page", "mark"),
    [
        (page, mark)
        for page in PAGES
        for mark in dict.fromkeys(block["mark"] for block in BLOCK.finditer(page.read_text("utf-8")))
        if mark and mark.startswith("needs: ") and "airflow" not in mark
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value.removeprefix("needs: "),
)
def test_the_blocks_for_a_library_do_what_the_page_says(page: Path, mark: str, tmp_path: Path) -> None:
    """In one script, after the shell blocks of the page."""
    for name in needs_of(mark):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: `pip install '.[recipes]'`")
    environment = set_up(page, tmp_path)
    blocks = blocks_of(page)
    script = tmp_path / "recipe.py"
    script.write_text("".join(block.text for block in blocks if block.mark == mark), "utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == re.findall(r"# -> (.*)$", script.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("real", [False, True], ids=["substitute", "airflow"])
def test_the_tasks_of_airflow_write_the_table(real: bool, tmp_path: Path) -> None:
    """Against the local server: what the tasks do is right without the scheduler, and Airflow accepts the pipeline."""
    pytest.importorskip("uvicorn")
    if real and importlib.util.find_spec("airflow") is None:
        pytest.skip("airflow is not installed: `pip install apache-airflow`")
    page = ROOT / "docs" / "howto" / "schedule.md"
    environment = set_up(page, tmp_path) | {"AIRFLOW_HOME": f"{tmp_path}/airflow-home"}
    (text,) = [block.text for block in blocks_of(page) if block.mark == "needs: airflow"]
    if not real:
        environment["PYTHONPATH"] = f"{tmp_path}/library"
        (tmp_path / "library" / "airflow").mkdir(parents=True)
        (tmp_path / "library" / "airflow" / "__init__.py").touch()
        (tmp_path / "library" / "airflow" / "sdk.py").write_text(AIRFLOW)
    (tmp_path / "recipe.py").write_text(text.replace("\ndaily_answers()\n", CALLED) if real else text)
    command = [sys.executable, "-m", "batchfiles.testing", sys.executable, "recipe.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "data" / "2026-11-26" / "answers.parquet").exists()
    assert not real or "['answers', 'check']\n" in done.stdout


def test_the_libraries_are_those_that_people_ask_for() -> None:
    """A block that loses its mark would not be run any more."""
    marks = {name for page in PAGES for block in blocks_of(page) if block.mark for name in needs_of(block.mark)}
    assert marks >= {"deltalake", "pyiceberg", "lancedb"}
