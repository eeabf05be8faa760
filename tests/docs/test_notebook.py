"""The notebook in docs/ runs from the first cell to the last, and has the outputs that running it gives."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

for needed in ("nbclient", "nbformat", "ipykernel", "pandas", "starlette", "uvicorn", "httpx2", "vl_convert", "jinja2"):
    pytest.importorskip(needed)

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """Import docs/notebook.py."""
    spec = importlib.util.spec_from_file_location("notebook", DOCS / "notebook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back what nbclient sets to the default: coverage handles SIGTERM."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.filterwarnings("default")  # of the libraries of Jupyter
def test_the_stored_outputs_are_those_of_a_run(runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Except sizes and times. `python docs/notebook.py` stores new ones."""
    import nbformat

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("COLUMNS", "80")
    stored = nbformat.read(runner.NOTEBOOK, as_version=4)
    again = runner.cleaned(runner.run(nbformat.read(runner.NOTEBOOK, as_version=4)))
    assert runner.shown(again) == runner.shown(stored)
    assert len(runner.shown(stored)) > 20
    assert [cell.execution_count for cell in again.cells if cell.cell_type == "code"] == [
        cell.execution_count for cell in stored.cells if cell.cell_type == "code"
    ]


def test_the_notebook_is_readable_as_it_is_stored(runner: ModuleType) -> None:
    """GitHub shows it without running it: each cell that shows something has its output, and none is large."""
    stored = json.loads(runner.NOTEBOOK.read_text("utf-8"))
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert [bool(cell["outputs"]) for cell in code].count(False) <= 1
    assert not any("traceback" in output for cell in code for output in cell["outputs"])
    assert len(runner.NOTEBOOK.read_bytes()) < 80_000
    assert max(len(line) for cell in code for line in "".join(cell["source"]).splitlines()) <= 100


def test_the_comparison_finds_another_output(runner: ModuleType) -> None:
    """Only sizes and times may differ."""
    import nbformat

    one, other = (nbformat.read(runner.NOTEBOOK, as_version=4) for _ in range(2))
    (text,) = (output for cell in other.cells for output in cell.get("outputs", []) if "text" in output)
    text.text = text.text.replace(", in ", ", in 1")
    assert runner.shown(one) == runner.shown(other)
    text.text = text.text.replace("missing", "lost")
    assert runner.shown(one) != runner.shown(other)
