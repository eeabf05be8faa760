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


def needs_of(mark: str) -> list[str]:
    """Return the libraries that a mark names."""
    return re.findall(r"\w+", mark.removeprefix("needs: "))


@pytest.mark.parametrize(
    ("page", "mark"),
    [
        (page, mark)
        for page in PAGES
        for mark in dict.fromkeys(block["mark"] for block in BLOCK.finditer(page.read_text("utf-8")))
        if mark and mark.startswith("needs: ")
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value.removeprefix("needs: "),
)
def test_the_blocks_for_a_library_do_what_the_page_says(page: Path, mark: str, tmp_path: Path) -> None:
    """In one script, after the shell blocks of the page."""
    for name in needs_of(mark):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: `pip install '.[recipes]'`")
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    blocks = list(blocks_of(page))
    for block in blocks:
        if block.language == "shell" and not block.mark:
            subprocess.run(["bash", "-euc", block.text], cwd=tmp_path, check=True, capture_output=True, env=environment)
    script = tmp_path / "recipe.py"
    script.write_text("".join(block.text for block in blocks if block.mark == mark), "utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == re.findall(r"# -> (.*)$", script.read_text("utf-8"), re.MULTILINE)


def test_the_libraries_are_those_that_people_ask_for() -> None:
    """A block that loses its mark would not be run any more."""
    marks = {name for page in PAGES for block in blocks_of(page) if block.mark for name in needs_of(block.mark)}
    assert marks >= {"deltalake", "pyiceberg", "lancedb"}
