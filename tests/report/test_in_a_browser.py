"""The report in a real browser, without a network: it is drawn, nothing in it runs, and it fits a phone, the dark and paper.

The tests need Chromium: `apt-get install chromium` on Debian.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zlib
from html import escape
from pathlib import Path
from typing import NamedTuple

import pytest

import batchfiles
from tests.report.batch import write_batch
from tests.test_display import displayed, hostile_batch

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=2000",
    "--enable-logging=stderr",
)


class Pixels(NamedTuple):
    """A picture."""

    width: int
    height: int
    corner: tuple[int, int, int]


def browse(page: Path, folder: Path, *flags: str) -> tuple[str, list[str]]:
    """Open a page; return what the browser printed, and the messages of its console."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def pixels_of(picture: Path) -> Pixels:
    """Return the size of a PNG, and the colour of its first pixel, which no filter changes."""
    data = picture.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    packed, place = b"", 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            packed += data[place + 8 : place + 8 + length]
        place += length + 12
    red, green, blue = zlib.decompressobj().decompress(packed, 4)[1:4]
    return Pixels(width, height, (red, green, blue))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of the batch with every kind of trouble."""
    folder = tmp_path_factory.mktemp("report")
    batchfiles.report(write_batch(folder / "batch"), output=folder / "report.html", workers=1)
    return folder / "report.html"


def test_a_hostile_answer_does_not_run_and_the_console_is_empty(page: Path, tmp_path: Path) -> None:
    """Its script would change the title; a style or an image that the policy blocks would be a message of the console."""
    seen, console = browse(page, tmp_path, "--dump-dom")
    title = re.search(r"<title>(.*?)</title>", seen)
    assert title is not None
    assert title[1].endswith("batch")
    assert "12 requests, each accounted for." in seen
    assert console == []


def test_the_browser_would_run_it_if_it_were_not_escaped(tmp_path: Path) -> None:
    """The other tests of this file would see a script, and a blocked one."""
    script = "<title>page</title><script>document.title = 'RAN'</script>"
    (tmp_path / "open.html").write_text(script)
    assert "<title>RAN</title>" in browse(tmp_path / "open.html", tmp_path, "--dump-dom")[0]
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    (tmp_path / "closed.html").write_text(policy + script)
    seen, console = browse(tmp_path / "closed.html", tmp_path, "--dump-dom")
    assert "<title>page</title>" in seen
    assert len(console) == 1


def test_it_has_a_light_and_a_dark_scheme(page: Path, tmp_path: Path) -> None:
    """The style sheet is applied under the policy of the page, and follows the system."""
    for scheme, flags in (("light", ()), ("dark", ("--blink-settings=preferredColorScheme=0",))):
        picture = tmp_path / f"{scheme}.png"
        browse(page, tmp_path, "--window-size=1200,1600", f"--screenshot={picture}", *flags)
        found = pixels_of(picture)
        assert (found.width, found.height) == (1200, 1600)
        assert min(found.corner) == 255 if scheme == "light" else max(found.corner) < 64


@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits_a_width_and_loads_nothing(page: Path, tmp_path: Path, width: int) -> None:
    """No part of the page is wider than a phone; the browser requests no other file. Asked of a frame with the page in it."""
    inside = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    inside = inside.replace("<details", "<details open")
    script = (
        "const inner = document.querySelector('iframe').contentWindow, found = inner.document.documentElement;"
        "const drawn = [...inner.document.querySelectorAll('svg.chart path')].filter(each => each.getBoundingClientRect().width);"
        "document.title = [found.scrollWidth, inner.performance.getEntriesByType('resource').length, drawn.length > 20].join();"
    )
    frame = f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{escape(inside)}"></iframe>'
    (tmp_path / "frame.html").write_text(f"{frame}<script>onload = () => {{ {script} }}</script><title>?</title>", "utf-8")
    seen, _ = browse(tmp_path / "frame.html", tmp_path, "--dump-dom", "--window-size=1300,1000")
    title = re.search(r"<title>(.*?)</title>", seen.rpartition("</iframe>")[2])
    assert title is not None
    assert title[1] == f"{width},0,true"


def test_it_prints(page: Path, tmp_path: Path) -> None:
    """On paper it is as it is on the screen, without the links."""
    browse(page, tmp_path, f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_pages_of_notebooks_run_nothing(tmp_path: Path) -> None:
    """Every value made of files in which each text is hostile: a script in it would change the title."""
    values = displayed(hostile_batch(tmp_path), tmp_path)
    pages = [value._repr_html_() for value in values.values() if hasattr(value, "_repr_html_")]
    assert len(pages) > 20
    (tmp_path / "page.html").write_text(f"<meta charset='utf-8'><title>page</title>{''.join(pages)}", "utf-8")
    seen, console = browse(tmp_path / "page.html", tmp_path, "--dump-dom")
    assert "<title>page</title>" in seen
    assert "<img" not in seen
    assert seen.count("<script") == 0
    assert console == []
