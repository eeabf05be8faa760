"""Draws the pictures of the pages: the life of a batch, commands in a terminal, the report in a browser, and times.

The times are those of `benchmarks/results.json`, which `python -m benchmarks --json` prints.

`python docs/pictures.py` writes them all to `docs/images`. It needs `pip install '.[docs,report]'`, and Chromium for the report.
"""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from batchfiles.open_strings import BatchStatus

ROOT: Final = Path(__file__).parents[1]
IMAGES: Final = ROOT / "docs" / "images"
COLUMNS: Final = 80


class Box(NamedTuple):
    """A status in the picture of the life of a batch: its place, and what batchfiles does."""

    column: int
    row: int
    words: str


BOXES: Final[dict[str, Box]] = {
    "validating": Box(0, 0, "the service checks the file"),
    "in_progress": Box(1, 0, "requests are processed"),
    "finalizing": Box(2, 0, "results are written"),
    "completed": Box(3, 0, "download, join, retry"),
    "failed": Box(0, 1, "fix the file: validate"),
    "cancelling": Box(1, 1, "answers are collected"),
    "cancelled": Box(2, 1, "download, join, retry"),
    "expired": Box(3, 1, "download, join, retry"),
}
ARROWS: Final = (
    ("validating", "in_progress"),
    ("in_progress", "finalizing"),
    ("finalizing", "completed"),
    ("validating", "failed"),
    ("in_progress", "cancelling"),
    ("cancelling", "cancelled"),
    ("finalizing", "expired"),
)
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 172, 58, 36, 60, 14

RIVALS: Final = {
    "join": "DuckDB",
    "parts": "DuckDB",
    "export": "DuckDB",
    "pandas": "json + pandas script",
    "embeddings": "DuckDB",
}
"""The other programs of the picture of times, by benchmark."""

STYLE: Final = """
svg { font-family: system-ui, sans-serif; }
.ground { fill: #ffffff; } .box { fill: #eef3fb; stroke: #5b7db1; } .final { fill: #e7f4ea; stroke: #3c8a55; stroke-width: 2.5; }
.name { font: 600 15px ui-monospace, monospace; fill: #1b2430; } .words { font-size: 12px; fill: #465365; }
.arrow { stroke: #6b7787; stroke-width: 1.5; fill: none; marker-end: url(#head); } .head { fill: #6b7787; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #131416; } .box { fill: #1e2a3d; stroke: #7ea1d6; } .final { fill: #173323; stroke: #64bd82; }
  .name { fill: #eef1f5; } .words { fill: #b4bdc9; } .arrow { stroke: #98a3b3; } .head { fill: #98a3b3; }
}
"""


def states_svg() -> str:
    """Draw the life of a batch; a final status has a thick border.

    Raises:
        ValueError: A status of the API is not in the picture.
    """
    if set(BOXES) != {str(status) for status in BatchStatus.known()}:
        raise ValueError("a status is missing in the picture")
    width, height = 4 * WIDTH + 3 * GAP_X + 2 * MARGIN, 2 * HEIGHT + GAP_Y + 2 * MARGIN
    head = '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
        "<title>The life of a batch</title>",
        f"<style>{STYLE}</style>",
        f'<defs>{head}<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
        *(_arrow(*arrow) for arrow in ARROWS),
        *(_box(name, box) for name, box in BOXES.items()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _corner(box: Box) -> tuple[int, int]:
    return MARGIN + box.column * (WIDTH + GAP_X), MARGIN + box.row * (HEIGHT + GAP_Y)


def _box(name: str, box: Box) -> str:
    left, top = _corner(box)
    kind = "box final" if BatchStatus(name).is_terminal else "box"
    middle = left + WIDTH // 2
    return (
        f'<g text-anchor="middle"><rect class="{kind}" x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text class="name" x="{middle}" y="{top + 25}">{name}</text>'
        f'<text class="words" x="{middle}" y="{top + 44}">{escape(box.words)}</text></g>'
    )


def _arrow(start: str, end: str) -> str:
    one, two = BOXES[start], BOXES[end]
    (left, top), (x, y) = _corner(one), _corner(two)
    if one.row == two.row:
        points = f"{left + WIDTH} {top + HEIGHT // 2} {x} {y + HEIGHT // 2}"
    else:
        points = f"{left + WIDTH // 2} {top + HEIGHT} {x + WIDTH // 2} {y}"
    return f'<path class="arrow" d="M{points}"/>'


TERMINALS: Final = {
    "validate": ("batchfiles validate tickets.jsonl",),
    "join": (
        "batchfiles join fixtures/chat_completions -o joined.parquet",
        "batchfiles show joined.parquet --columns custom_id,outcome,text -n 7",
    ),
}
"""The commands of each picture of a terminal."""

SET_UP: Final = """
cp -r {fixtures} fixtures
cat fixtures/chat_completions/requests.jsonl fixtures/shapes/input_{{missing_keys,stream,duplicate_ids}}.jsonl >tickets.jsonl
"""
"""The commands that write the files, which are not shown."""

FRAME: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
  line-height: {line_height}px; }}
.{unique_id}-title {{ font: 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""The template of rich without its fonts, which would be loaded from elsewhere."""


def terminal_svg(name: str) -> str:
    """Run the commands of a picture in a terminal of 80 columns, and draw what it shows."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["bash", "-ec", SET_UP.format(fixtures=ROOT / "fixtures")], cwd=folder, check=True)
        for number, command in enumerate(TERMINALS[name]):
            shown = run_in_terminal(command, Path(folder))
            console.print(Text.assemble("\n" if number else "", ("$ ", "green"), (command, "bold")))
            console.print(Text.from_ansi(shown.rstrip("\n")))
        console.print()  # the last line would be cut
    return console.export_svg(title="batchfiles", code_format=FRAME, unique_id=name)


def run_in_terminal(command: str, folder: Path) -> str:
    """Run a command with a terminal as its output, and return what is left on the screen."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "LINES": "50", "TERM": "xterm-256color"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    program = subprocess.Popen(
        ["bash", "-c", f"stty cols {COLUMNS} rows 50; {command}"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env=environment,
    )
    os.close(theirs)
    seen = bytearray()
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # how Linux reports the end
        pass
    program.wait()
    os.close(ours)
    lines = seen.decode().replace("\r\n", "\n").split("\n")
    return "\n".join(re.sub(r"^.*\r", "", line).replace("\x1b[2K", "") for line in lines)


def write_report_picture(picture: Path, *, width: int = 1200, height: int = 720) -> None:
    """Draw the report of a generated batch with 3,000 requests in Chromium."""
    with tempfile.TemporaryDirectory() as folder:
        generate = [sys.executable, "-m", "benchmarks.generate", "chat", "3000", "-o", f"{folder}/tickets"]
        subprocess.run(generate, cwd=ROOT, check=True, capture_output=True)
        command = ["report", "tickets", "-o", "report.html", "--title", "Support tickets, November", "--prices", "genai"]
        subprocess.run([Path(sys.executable).with_name("batchfiles"), *command], cwd=folder, check=True, capture_output=True)
        browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
        size = f"--window-size={width},{height}"
        page = Path(folder, "report.html").as_uri()
        subprocess.run([browser, *flags, size, f"--screenshot={picture}", page], check=True, capture_output=True)


def speed_svg() -> str:
    """Draw the median times of the benchmarks in parts of the other program's time."""
    import vl_convert

    findings = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))["findings"]
    bars = []
    for finding in findings:
        for each in finding["comparisons"]:
            name, rival = finding["benchmark"], each.get("theirs", {}).get("contender", "")
            if each["quantity"] != "time" or RIVALS.get(name) != rival:
                continue
            code = "compiled" if each["ours"]["contender"].endswith("compiled") else "pure Python"
            ratio = each["ours"]["median"] / each["theirs"]["median"]
            bars.append({"job": f"{name}, by {rival}", "code": code, "ratio": round(ratio, 2)})
    y = {"field": "job", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 320}}
    offset = {"field": "code", "sort": ["pure Python", "compiled"]}
    x = {"field": "ratio", "type": "quantitative", "title": "time of batchfiles by time of the other program"}
    colors = {
        "field": "code",
        "title": "batchfiles",
        "scale": {"domain": ["pure Python", "compiled"], "range": ["#9db7de", "#2b5aa0"]},
    }
    own = {"y": y, "yOffset": offset, "x": x}
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": bars},
        "width": 420,
        "background": "white",
        "layer": [
            {"mark": "bar", "encoding": {**own, "color": colors}},
            {"mark": {"type": "text", "align": "left", "dx": 3}, "encoding": {**own, "text": {"field": "ratio"}}},
            {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 1}}},
        ],
    }
    found: str = vl_convert.vegalite_to_svg(spec, "5.20")
    return found


def main() -> None:
    """Write all pictures."""
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "batch-states.svg").write_text(states_svg(), "utf-8")
    for name in TERMINALS:
        (IMAGES / f"terminal-{name}.svg").write_text(terminal_svg(name), "utf-8")
    (IMAGES / "speed.svg").write_text(speed_svg(), "utf-8")
    write_report_picture(IMAGES / "report.png")


if __name__ == "__main__":
    main()
