"""Runs docs/notebook.ipynb and stores its outputs.

`python docs/notebook.py` runs the cells in a new kernel, in an empty folder, and writes their outputs to the notebook. A test
runs them too, and compares the outputs, except sizes and times.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).with_name("notebook.ipynb")
VARYING = re.compile(r"\b\d[\d,.]* (?:s|B|kB|MB)\b|\b(?:seconds|bytes)=[\d.]+")
"""Sizes of tables and times, which differ between versions and machines."""


def run(notebook: Any) -> Any:  # noqa: ANN401 - nbformat has no types
    """Run the cells of a notebook in an empty folder, and return the notebook with its outputs."""
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}})
        return client.execute()


def cleaned(notebook: Any) -> Any:  # noqa: ANN401
    """Remove what differs from run to run: ids and times of cells, and the version of the kernel."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number + 1}"
        cell.metadata = {}
    return notebook


def shown(notebook: Any) -> list[str]:  # noqa: ANN401
    """Return the outputs of all cells as texts, without sizes and times."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            texts = [output["text"]] if "text" in output else [f"{kind}: {data}" for kind, data in sorted(output["data"].items())]
            found += [VARYING.sub("…", text) for text in texts]
    return found


def main() -> None:
    """Run the notebook and write it."""
    nbformat: Any = import_module("nbformat")  # its functions have no types
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.write(cleaned(run(notebook)), NOTEBOOK)


if __name__ == "__main__":
    main()
