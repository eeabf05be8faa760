"""The recipes of docs/scale.md: each section runs as a script, where its libraries are installed (the extra `recipes`).

The recipes of Ray and Airflow also run without them, with substitutes that call the functions in this process.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text("utf-8")
BLOCK = re.compile(r"^<!-- needs: (?P<needs>[\w, ]+) -->\n```python\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = re.compile(r"^```shell\n(.*?)^```$", re.MULTILINE | re.DOTALL)

RAY = """
import pickle

class Remote:
    def __init__(self, function): self.function = function
    def remote(self, *given): return self.function(*pickle.loads(pickle.dumps(given)))

def remote(**options): return Remote
def get(values): return values
"""

AIRFLOW = """
import functools
import json

class Task:
    def __init__(self, function): self.function = function
    def __call__(self, *given, **named): return json.loads(json.dumps(self.function(*given, **named)))
    def partial(self, **named): return Task(functools.partial(self.function, **named))
    def expand(self, **mapped):
        [(name, values)] = mapped.items()
        return [self(**{name: value}) for value in values]

def task(function=None, **options): return Task if function is None else Task(function)
def dag(**options): return lambda function: function
"""

CALLED = """
dag = join_campaign()
print(sorted(dag.task_ids))
reports = [join_part.function(part, "{place}/joined") for part in list_parts.function("{place}/campaign")]
"""
"""Runs the functions of the tasks of Airflow without its database."""


class Recipe(NamedTuple):
    """The blocks of a section that need the same libraries."""

    name: str
    needs: tuple[str, ...]
    blocks: tuple[str, ...]


def recipes() -> list[Recipe]:
    """Return the sections with such blocks."""
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        blocks = list(BLOCK.finditer(section))
        needs = dict.fromkeys(name for block in blocks for name in block["needs"].split(", "))
        if blocks:
            found.append(Recipe(section.partition("\n")[0], tuple(needs), tuple(block["text"] for block in blocks)))
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with the campaign of the page."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    text = SET_UP.search(PAGE)
    assert text is not None
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-euc", text[1]], cwd=tmp_path, check=True, capture_output=True, env=os.environ | {"PATH": path})
    return tmp_path


def run(text: str, place: Path, library: Path | None = None) -> list[str]:
    """Run a script in the folder; return the lines that it printed."""
    script = place / "recipe.py"
    script.write_text(text)
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": f"{place}/home", "RAY_USAGE_STATS_ENABLED": "0"}
    quiet |= {"AIRFLOW_HOME": f"{place}/airflow"} if library is None else {"PYTHONPATH": f"{library}"}
    command = [sys.executable, str(script)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=place, env=os.environ | quiet, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            printed, errors = process.communicate(timeout=150)
        except subprocess.TimeoutExpired:
            process.terminate()  # Ray stops its own processes then
            pytest.skip("the script did not end within 150 s: the machine is too busy for it")
    assert process.returncode == 0, errors[-3000:]
    return printed.splitlines()


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_a_recipe_does_what_the_page_says(recipe: Recipe, place: Path) -> None:
    """With the real library; its blocks run in their order, in one folder."""
    for name in recipe.needs:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: `pip install '.[recipes]'`, and `pip install apache-airflow` for Airflow")
    for block in recipe.blocks:
        text = block.replace("target = os", "ray.init(num_cpus=1, include_dashboard=False)\ntarget = os")
        if recipe.name == "Airflow":
            (place / "joined").mkdir()
            script = text.replace("/data", str(place)) + CALLED.replace("{place}", str(place))
            assert run(script, place)[-1:] == ["['check', 'join_part', 'list_parts']"]
            assert len(list((place / "joined").iterdir())) == 3
        else:
            wanted = re.findall(r"# -> (.*)$", text, re.MULTILINE)
            assert [line for line in run(text, place) if line in wanted] == wanted


@pytest.mark.parametrize(("name", "module", "substitute"), [("Ray", "ray.py", RAY), ("Airflow", "airflow/sdk.py", AIRFLOW)])
def test_a_recipe_of_a_scheduler_joins_the_parts(name: str, module: str, substitute: str, place: Path) -> None:
    """With a substitute that pickles the parts, or makes JSON of them: what the tasks do is right without the scheduler."""
    (text,) = next(recipe.blocks for recipe in recipes() if recipe.name == name)
    library = place / "library" / module
    library.parent.mkdir(parents=True)
    library.write_text(substitute)
    (place / "joined").mkdir()
    wanted = re.findall(r"# -> (.*)$", text, re.MULTILINE)
    if name == "Airflow":
        with pytest.raises(AssertionError, match="ValueError: 2 of 40 requests have no result"):
            run(text.replace("/data", str(place)), place, place / "library")
        assert len(list((place / "joined").iterdir())) == 3
        text = text.replace("0.01", "0.1")
    assert run(text.replace("/data", str(place)), place, place / "library") == wanted


def test_the_recipes_are_those_that_people_ask_for() -> None:
    """A section that loses its mark would not be run any more."""
    names = {recipe.name for recipe in recipes()}
    assert names >= {"Ray", "Airflow", "Delta Lake", "Iceberg", "LanceDB", "Hugging Face datasets"}
