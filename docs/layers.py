"""Draws the layers of the package on the page of its architecture, from the import contracts in pyproject.toml.

`python docs/layers.py` writes the picture and the list of the other contracts between the marks of the page.
"""

from __future__ import annotations

import tomllib
from itertools import zip_longest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- layers: written by docs/layers.py -->\n", "<!-- end of layers -->\n"
WIDTHS = 52, 14
"""Characters of the two columns."""

Layer = list[str]


def contracts() -> list[dict[str, Any]]:
    """Return the import contracts."""
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    return found


def layers_of(contract: dict[str, Any]) -> list[Layer]:
    """Return the modules of each layer, from the top."""
    return [layer.replace("batchfiles.", "").replace(":", "|").replace(" ", "").split("|") for layer in contract["layers"]]


def picture() -> str:
    """Draw the layers of the files next to those of the network; a layer of both goes over both columns."""
    files, network = (layers_of(each) for each in contracts() if each["type"] == "layers")
    left, right = WIDTHS
    rows: list[tuple[str, str | None]] = []
    for layer in files:
        same = next((other for other in network if not set(other).isdisjoint(layer)), None)
        if same is None:
            rows.append((", ".join(layer), ""))
        else:
            rows.append((", ".join([*layer, *(name for name in same if name not in layer)]), None))
    shared = {name for layer in files for name in layer}
    own = [", ".join(layer) for layer in network if shared.isdisjoint(layer)]
    places = [place for place, (_, other) in enumerate(rows) if other == ""]
    for place, name in zip_longest(places, own, fillvalue=""):
        rows[int(place)] = (rows[int(place)][0], name)
    lines = [f"┌{'─' * (left + right + 1)}┐"]
    for place, (name, other) in enumerate(rows):
        if place and (other is None) != (rows[place - 1][1] is None):
            lines.append(f"├{'─' * left}{'┴' if other is None else '┬'}{'─' * right}┤")
        lines.append(f"│ {name:<{left + right}}│" if other is None else f"│ {name:<{left - 1}}│ {other:<{right - 1}}│")
    return "\n".join([*lines, f"└{'─' * (left + right + 1)}┘"])


def section() -> str:
    """Return what is between the marks."""
    others = "".join(f"- {each['name']}.\n" for each in contracts() if each["type"] != "layers")
    return f"```text\n{picture()}\n```\n\nThe other contracts:\n\n{others}"


def main() -> None:
    """Write the section to the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{section()}{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()
