"""The examples in the docstrings of the public functions: each has one, and its output is right."""

from __future__ import annotations

import doctest
import inspect
import shutil
from pathlib import Path
from types import FunctionType

import pytest

import batchfiles

ROOT = Path(__file__).parents[1]

FUNCTIONS = {
    name: value
    for name in batchfiles.__all__
    if isinstance(value := getattr(batchfiles, name), FunctionType) and not value.__module__.startswith("batchfiles.api")
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_does_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that has the fixtures; it sees `batchfiles` and nothing else."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    monkeypatch.chdir(tmp_path)
    function = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    assert "\nExample:\n" in text, f"{name} has no example"
    if "# doctest: +SKIP" in text:
        assert name in {"run", "run_async"}  # they need a service; docs/run.md has it against the local server
    test = doctest.DocTestParser().get_doctest(text, {"batchfiles": batchfiles}, name, function.__code__.co_filename, None)
    assert test.examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    said: list[str] = []
    assert runner.run(test, out=said.append).failed == 0, "".join(said)
