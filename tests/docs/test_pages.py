"""The pages for people who change the code: they name files, names and layers that exist."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "batchfiles"

sys.path.insert(0, str(DOCS))
import layers  # noqa: E402 - a script next to the pages

NAMED = re.compile(r"`(?P<file>[\w/]+\.py)`(?: \((?P<names>`\w+`(?:, `\w+`)*)\))?")
"""A module, and the names in it to search for."""


def changes() -> list[list[str]]:
    """Return the rows of the table of changes."""
    table = (DOCS / "contributing.md").read_text("utf-8").partition("|---|---|---|\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]


@pytest.mark.parametrize("row", changes(), ids=lambda row: row[0])
def test_the_table_of_changes_names_files_and_names_that_exist(row: list[str]) -> None:
    """Each row needs at most two files, each with a name that is defined in it; the page of codes is one, too."""
    assert len(row) == 3
    for cell in row[1:]:
        named = list(NAMED.finditer(cell))
        assert named or "[Codes](codes.md)" in cell or not cell, f"no file in {cell!r}"
        for match in named:
            text = (PACKAGE / match["file"]).read_text("utf-8")
            assert match["names"], f"{match['file']}: name what to search for"
            for name in re.findall(r"\w+", match["names"]):
                assert re.search(rf"^ *(?:(?:async )?def |class )?{name}\b(?:\(|:| *=)", text, re.MULTILINE), (
                    f"{match['file']}: {name}"
                )


def test_the_table_of_changes_has_the_changes_that_people_ask_for() -> None:
    """At least ten."""
    assert len(changes()) >= 10


@pytest.mark.parametrize("page", ["architecture.md", "contributing.md", "codes.md"])
def test_the_modules_on_a_page_exist(page: str) -> None:
    """In the package or, for tests and scripts, in the project; a folder ends with a slash."""
    for name in re.findall(r"`([\w/.]+(?:\.py|/))`", (DOCS / page).read_text("utf-8")):
        assert any((root / name).exists() for root in (PACKAGE, ROOT)), f"{page}: {name}"


@pytest.mark.parametrize("folder", ["batchfiles", "docs"])
def test_every_command_that_installs_works_before_the_package_is_published(folder: str) -> None:
    """Extras are installed from the project's folder, and messages name the packages of an extra (`missing_extra`)."""
    pattern = re.compile(r"pip install [^\n&`]*(?<![\w/])batchfiles\b(?!\.)")
    files = [ROOT / "README.md", *(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]
    assert [f"{file}: {found}" for file in files for found in pattern.findall(file.read_text("utf-8"))] == []


def test_the_page_of_the_architecture_has_each_package() -> None:
    """The table of packages has those of the package's folder, and no others."""
    text = (DOCS / "architecture.md").read_text("utf-8").partition("## Packages\n")[2].partition("\n## ")[0]
    named = [name for line in text.splitlines() for name in re.findall(r"`(\w+)/?`", line.split(" | ")[0])]
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(named) == sorted(found - {"__init__", "__main__"})


def test_the_picture_of_the_layers_is_that_of_the_import_contracts() -> None:
    """After a change of the contracts, `python docs/layers.py` draws it again."""
    text = (DOCS / "architecture.md").read_text("utf-8")
    assert text.partition(layers.BEGIN)[2].partition(layers.END)[0] == layers.section()


def test_each_layer_of_the_contracts_is_in_the_picture() -> None:
    """Of both sides, once."""
    drawn = re.findall(r"[\w.]+", re.sub("[─│┌┐├┤┬┴└┘]", " ", layers.picture()))
    wanted = {
        name for each in layers.contracts() if each["type"] == "layers" for layer in layers.layers_of(each) for name in layer
    }
    assert sorted(drawn) == sorted(wanted)
