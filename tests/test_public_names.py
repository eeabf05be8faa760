"""The package itself: its names, and how little it costs to import."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from types import FunctionType

import pytest

import batchfiles
from batchfiles import _HOME_OF
from batchfiles import errors as every_error

UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
"""Measuring coverage imports a lot."""

LIGHT = """
import sys, time
start = time.perf_counter()
import batchfiles
seconds = time.perf_counter() - start
heavy = [name for name in ("pyarrow", "orjson", "click", "json", "dataclasses") if name in sys.modules]
print(seconds, *heavy)
"""


def test_the_names_are_sorted_and_each_is_there() -> None:
    """Constants, then classes, then functions, as ruff sorts `__all__`; nothing is listed twice or leads nowhere."""
    assert len(set(batchfiles.__all__)) == len(batchfiles.__all__)
    for name in batchfiles.__all__:
        assert getattr(batchfiles, name) is not None
    assert {*_HOME_OF, "__version__"} == set(batchfiles.__all__)
    assert set(batchfiles.__all__) <= set(dir(batchfiles))


def test_every_exception_is_public() -> None:
    """Whoever catches an error must be able to name it."""
    assert set(every_error.__all__) <= set(batchfiles.__all__)


def test_a_function_is_not_hidden_by_a_module_of_its_name() -> None:
    """`batchfiles.join` stays the function, whatever is imported."""
    import batchfiles.cli.join
    import batchfiles.jobs.join
    import batchfiles.jobs.join.export
    import batchfiles.jobs.validate
    import batchfiles.table.schema

    for name in ("join", "export", "validate", "schema"):
        assert isinstance(getattr(batchfiles, name), FunctionType)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="module 'batchfiles' has no attribute 'jion'"):
        _ = batchfiles.jion  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_package() -> None:
    """One place says it: the package's metadata."""
    assert batchfiles.__version__ == version("batchfiles")


def test_importing_the_package_is_quick_and_imports_nothing_heavy() -> None:
    """Under 0.1 s, in the best of three runs: the machine may be busy."""
    seconds = []
    for _ in range(3):
        answer = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True, env=UNMEASURED)
        time, *heavy = answer.stdout.split()
        assert heavy == []
        seconds.append(float(time))
    assert min(seconds) < 0.1


def test_help_imports_nothing_heavy() -> None:
    """`batchfiles --help` answers before anybody thinks it hangs."""
    code = "import sys; from batchfiles.cli.main import exit_code; exit_code(['--help']); sys.exit('pyarrow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
