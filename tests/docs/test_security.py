"""The table of advisories in SECURITY.md agrees with the versions that are required and installed."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([\w-]+)(?: \(compiled code\))? \| ([^|]+) \| ([\d.]+) \| ([^|]+) \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "SECURITY.md").read_text("utf-8"))


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, so that versions can be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", text))


def required(library: str) -> str | None:
    """Return the lowest version that the project accepts; None if it does not name the library."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    lowest = [line.partition(">=")[2] for line in lines if line.startswith(f"{library}>=")]
    return min(lowest, key=numbers, default=None)


def locked(crate: str) -> str | None:
    """Return the version of a crate of the compiled code."""
    packages = tomllib.loads((ROOT / "native" / "Cargo.lock").read_text("utf-8"))["package"]
    return next((package["version"] for package in packages if package["name"] == crate), None)


@pytest.mark.parametrize(("library", "fixed"), [(row[0], row[2]) for row in ROWS])
def test_what_is_installed_has_no_known_vulnerability(library: str, fixed: str) -> None:
    """New environments get the newest versions."""
    try:
        installed = locked(library) or version(library)
    except PackageNotFoundError:
        pytest.skip(f"{library} is not installed")
    assert numbers(installed) >= numbers(fixed)


def test_versions_that_harm_are_not_accepted() -> None:
    """httpx2 2.0 was accepted although it decompresses all that has arrived at once."""
    refused = {row[0]: row[2] for row in ROWS if row[3] == "not accepted"}
    assert refused.keys() == {"orjson", "pyarrow", "httpx2", "pyo3"}
    for library, fixed in refused.items():
        assert numbers(locked(library) or required(library) or "0") >= numbers(fixed)


def test_every_library_that_is_used_at_run_time_was_looked_up() -> None:
    """Else a new dependency would not be in the table; those without an advisory are named here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *extras["client"], *extras["prices"], *extras["report"], *extras["testing"]]
    used = {re.split(r"[>=\[]", line)[0] for line in lines}
    assert used - {row[0] for row in ROWS} == {"genai-prices", "jsonschema", "uvicorn", "vl-convert-python"}
    assert len(ROWS) == 13
