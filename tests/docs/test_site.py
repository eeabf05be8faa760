"""The site: it is built without a warning, needs no network and no server, and has every page and every public name."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import batchfiles
from batchfiles import testing
from batchfiles.cli.main import COMMANDS
from batchfiles.cli.main import __doc__ as exit_codes
from batchfiles.open_strings import BatchStatus

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "batchfiles"
IMAGES = DOCS / "images"

sys.path.insert(0, str(DOCS))
import pictures  # noqa: E402 - scripts next to the pages
import reference  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "link": "href"}
"""What a browser loads with a page, by element."""


class Page(HTMLParser):
    """The links of a page, what it loads, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the addresses of an element."""
        values = {key: value or "" for key, value in attrs}
        self.anchors |= {values[key] for key in ("id", "name") if key in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag in LOADING and values.get(LOADING[tag]):
            self.loads.append(values[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site with the command of the page on contributing, and no network: a warning is an error."""
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    command = re.search(r"^\.venv/bin/(sphinx-build .*) docs site$", (DOCS / "contributing.md").read_text("utf-8"), re.MULTILINE)
    assert command is not None
    _, *flags = command[1].split()
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "site"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the processes of pytest-xdist build it once
        if not (folder / "warnings").exists():
            build = [
                sys.executable,
                "-m",
                "sphinx",
                "-q",
                *flags,
                "-d",
                str(folder / "doctrees"),
                str(DOCS),
                str(folder / "html"),
            ]
            # Sphinx takes twice as long if the lines that it runs are counted.
            uncounted = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}
            built = subprocess.run(build, capture_output=True, text=True, check=False, timeout=900, env=uncounted)
            (folder / "warnings").write_text(built.stderr if built.returncode else "")
    assert (folder / "warnings").read_text() == ""
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Read all pages of the site."""
    return {path: Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}


def test_each_page_of_the_folder_is_reachable(site: Path, pages: dict[Path, Page]) -> None:
    """By links from the index, without the search."""
    seen: set[Path] = set()
    waiting = [site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path in seen or path not in pages:
            continue
        seen.add(path)
        waiting += [(path.parent / unquote(urlsplit(link).path)).resolve() for link in pages[path].links if urlsplit(link).path]
    wanted = {(site / page.relative_to(DOCS)).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert wanted <= seen, wanted - seen


def test_the_links_lead_to_pages_and_anchors_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    """Also those of generated pages, relative to each page, as files on a disk are opened."""
    broken = []
    for path, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme in {"http", "https", "data", "mailto"}:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            in_site = target.is_relative_to(site.resolve()) and target.is_file()
            anchor = unquote(parts.fragment)
            if not in_site or (anchor and target in pages and anchor not in pages[target].anchors):
                broken.append(f"{path.name}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    """No script, style, font or picture has an address of another host."""
    assert [load for page in pages.values() for load in page.loads if urlsplit(load).netloc] == []
    for style in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        text = style.read_text("utf-8")
        assert re.findall(r"(?:url\(|@import|xlink:href=)\W*(?:https?:)?//[^)]*", text) == [], style.name


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_the_search_works_from_a_file(site: Path, tmp_path: Path) -> None:
    """In a browser, without a server: the search finds the page, and the console has no error."""
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=10000"]
    command += ["--enable-logging=stderr", f"--user-data-dir={tmp_path}", "--dump-dom"]
    address = f"{(site / 'search.html').as_uri()}?q=superseded"
    seen = subprocess.run([*command, address], capture_output=True, text=True, check=True, timeout=120)
    assert re.search(r'<a href="outcomes\.html[^"]*"', seen.stdout.partition('id="search-results"')[2])
    assert [line for line in seen.stderr.splitlines() if ":CONSOLE" in line] == []


def documented() -> list[str]:
    """Return the names that the pages of the API document."""
    return [
        name
        for page in sorted((DOCS / "api").glob("*.md"))
        for name in re.findall(r"^\.\. auto\w+:: batchfiles\.([\w.]+)$", page.read_text("utf-8"), re.MULTILINE)
    ]


def test_each_public_name_is_documented_once() -> None:
    """On the pages of the API, by its task."""
    names = documented()
    own = [name for name in names if "." not in name]
    assert sorted(own) == sorted(set(batchfiles.__all__) - {"__version__"})
    assert len(names) == len(set(names))
    assert {name.partition(".")[2] for name in names if name.startswith("testing.")} <= set(testing.__all__)


def test_each_public_name_is_on_the_site(site: Path, pages: dict[Path, Page]) -> None:
    """With an anchor, and with a docstring."""
    anchors = {anchor for path, page in pages.items() if path.parent == site / "api" for anchor in page.anchors}
    assert {f"batchfiles.{name}" for name in documented()} <= anchors


def test_a_class_of_another_package_is_not_linked_to_ours(site: Path) -> None:
    """`httpx2.Client` has the name of a public class; the types of this package are linked."""
    text = (site / "api" / "service.html").read_text("utf-8")
    signature = text.partition('id="batchfiles.Client"')[2].partition("</dt>")[0]
    by_name = {
        em.partition("</span>")[0].rpartition(">")[2]: re.findall(r'href="([^"]+)"', em.partition("</em>")[0])
        for em in signature.split("<em ")
    }
    assert by_name["config"] == ["#batchfiles.Config"]
    assert by_name["http"] == []


def test_the_page_of_commands_has_each_command_with_its_options(site: Path) -> None:
    """The table is in the file, the options are added on the site."""
    page = (DOCS / "commands.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z]+)` \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(name, words) for name, (_, words) in COMMANDS.items()]
    text = (site / "commands.html").read_text("utf-8")
    assert all(f'id="{name}"' in text for name in (*COMMANDS, "files-upload"))
    assert "\u2013" not in text, "a dash instead of the two hyphens of an option"
    for option in ("--fail-on LIST", "--key-command CMD", "--set ", "--dry-run"):
        assert option in re.sub(r"<[^>]*>", "", text), option


def test_the_site_has_the_readme(site: Path, pages: dict[Path, Page]) -> None:
    """With links to the pages of the site; links of pages to the README lead there."""
    text = re.sub(r"<[^>]*>", "", (site / "readme.html").read_text("utf-8"))
    for heading in re.findall(r"^## (.*)$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE):
        assert heading in text, heading
    assert {"outcomes.html", "security.html"} <= set(pages[site / "readme.html"].links)
    assert "reliability.html" in pages[site / "security.html"].links
    assert reference.on_site("howto/ci", "[a](../../README.md#python)") == "[a](../readme.md#python)"
    assert reference.on_site("engines", "[a](../findings/README.md)") == "a (`findings/README.md` in the repository)"


def test_the_page_of_commands_has_the_exit_codes() -> None:
    """Those of the command line."""
    codes = re.findall(r"^    (\d+(?:, \d+)?) ", str(exit_codes), re.MULTILINE)
    rows = re.findall(r"^\| ((?:`\d+`(?:, )?)+) \|", (DOCS / "commands.md").read_text("utf-8"), re.MULTILINE)
    assert [row.replace("`", "") for row in rows] == codes


def variables() -> Iterator[str]:
    """Yield the names of environment variables in the code: what is read from `os.environ`, and constants of known prefixes."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch(
                r"_?BATCHFILES_[A-Z]+|(?:AZURE_)?OPENAI_(?:A|B|E|O|P)[A-Z_]+|AWS_[A-Z0-9_]+", str(node.value)
            ):
                yield str(node.value)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"os.environ.get", "os.getenv"}:
                yield from (str(each.value) for each in node.args[:1] if isinstance(each, ast.Constant))
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                yield from (str(each.value) for each in [node.slice] if isinstance(each, ast.Constant))


def test_the_page_of_commands_has_each_environment_variable() -> None:
    """In both directions."""
    table = (DOCS / "commands.md").read_text("utf-8").partition("| variable | meaning |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(variables())


def test_the_words_of_the_glossary_are_sorted_and_have_links_that_work() -> None:
    """Each word once."""
    words = re.findall(r"^\| `?([\w ]+)`? \| \w", (DOCS / "glossary.md").read_text("utf-8"), re.MULTILINE)[1:]
    assert len(words) > 20
    assert words == sorted(set(words))


def test_the_files_for_language_models_have_every_page(site: Path) -> None:
    """The list in the order of the site, each with its Markdown and a sentence, and all of it in one file."""
    index = (site / "llms.txt").read_text("utf-8")
    assert index.startswith("# batchfiles\n\n> Read, check and join")
    listed = re.findall(r"^- \[[^\]]+\]\(([\w/-]+\.md)\): \S.*", index, re.MULTILINE)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page != DOCS / "index.md")
    assert all((site / name).is_file() for name in listed)
    everything = (site / "llms-full.txt").read_text("utf-8")
    assert "eval-rst" not in everything
    assert "toctree" not in everything
    assert "batchfiles.validate(*sources: SourceLike," in everything
    assert "| `--resume` | For a campaign" in everything


def test_the_picture_of_the_states_is_that_of_the_code() -> None:
    """After a change of the states, `python docs/pictures.py` draws it again; a final state has a thick border."""
    assert (IMAGES / "batch-states.svg").read_text("utf-8") == pictures.states_svg()
    final = set(re.findall(r'class="box final".*?class="name"[^>]*>(\w+)<', pictures.states_svg()))
    assert final == {str(status) for status in BatchStatus.known() if status.is_terminal}


def words_of(picture: str) -> str:
    """Return the text of a picture of a terminal without spaces, sizes and times."""
    text = " ".join(re.findall(r"<text[^>]*>(.*?)</text>", picture.partition('-matrix">')[2])).replace("&#160;", " ")
    return re.sub(r"\s+", " ", re.sub(r"\d[\d.]* (?:s|B|[kMG]B)\b", "…", text))


@pytest.mark.parametrize("name", pictures.TERMINALS)
def test_the_pictures_of_terminals_show_what_the_commands_print(name: str) -> None:
    """After a change of the output, `python docs/pictures.py` draws them again."""
    pytest.importorskip("rich")
    found = words_of((IMAGES / f"terminal-{name}.svg").read_text("utf-8"))
    assert "batchfiles" in found
    assert found == words_of(pictures.terminal_svg(name))


def test_the_pictures_are_small() -> None:
    """They are part of the repository."""
    assert {path.name for path in IMAGES.iterdir()} >= {"report.png", *(f"terminal-{name}.svg" for name in pictures.TERMINALS)}
    assert [path.name for path in IMAGES.iterdir() if path.stat().st_size > 150_000] == []
