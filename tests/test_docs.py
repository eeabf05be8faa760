"""The README and the pages in docs/: their examples are run, and their tables compared with the code.

A block is passed over only where `<!-- set-up -->` (`.ci/run` runs it), `<!-- not run -->` or `<!-- needs: ray -->` is above it;
`tests/docs/test_scale.py` and `tests/docs/test_howto.py` run the last ones where that library is installed. A page that names the
command `python -m batchfiles.testing` gets a local server with the options that it names, and its examples find it in the
environment.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import batchfiles
from batchfiles.bodies import fields
from batchfiles.bodies.errors import TRANSIENT
from batchfiles.bodies.finish_reasons import REASONS
from batchfiles.cli.main import COMMANDS
from batchfiles.codec import loads
from batchfiles.findings import COUNTS
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.stats.price import FIELDS
from batchfiles.open_strings import STATES, BatchStatus
from batchfiles.outcome import FAILED, OUTCOMES, read, retryable
from batchfiles.table.embedding_rows import ONCE
from batchfiles.testing import FAULTS, QUIRKS, Quirks
from tests.canary import levels_kept

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "howto").glob("*.md"))]
MARK = r"(?:<!-- (?P<mark>set-up|not run|needs: [\w, ]+) -->\n)?"
BLOCK = re.compile(rf"^{MARK}```(?P<language>\w*|{{[\w-]+}})\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"console", "python", "shell", "text", "yaml", "{toctree}"}
VARYING = re.compile(r"\d[\d,.]* (?:s$|B\b|[kMG]B\b)", re.MULTILINE)
"""Sizes and times, which differ between machines and versions."""
PROGRESS = re.compile(r"^\w+ +\d+%  .*/s  .* left\n", re.MULTILINE)
"""Lines of progress, which a command on a busy machine writes every 10 seconds."""
SERVER = re.compile(r"^(?:\$ )?python -m batchfiles\.testing (?P<options>.*--port 8000.*)\n(?P<line>.*export .*)?", re.MULTILINE)
"""The command that starts the server in another terminal, and the line that it prints."""


class Block(NamedTuple):
    """A block of code on a page."""

    language: str
    text: str
    line: int
    mark: str | None


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    text = page.read_text()
    for match in BLOCK.finditer(text):
        yield Block(match["language"], match["text"], text.count("\n", 0, match.start()) + 1, match["mark"])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder that has the fixtures, in a terminal of 80 columns that finds the command."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def vllm(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a substitute for `vllm run-batch` on the path."""
    command = place / "bin" / "vllm"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\n{(ROOT / 'tests' / 'docs' / 'vllm_substitute.py').read_text('utf-8')}")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def service(page: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the local server for a page that mentions it, as the page starts it, with the variables that it exports."""
    if "python -m batchfiles.testing" not in page.read_text():
        yield
        return
    for needed in ("starlette", "uvicorn", "httpx2"):
        pytest.importorskip(needed)
    from batchfiles.testing import Server, Service
    from batchfiles.testing.__main__ import parser, quirks_of, variables_of

    started = SERVER.search(page.read_text())
    options = parser().parse_args(started["options"].split() if started else [])
    stage_seconds = options.stage_seconds if options.stage_seconds is not None else 1.0 if started else 0.0
    service = Service(stage_seconds=stage_seconds, limits="azure" if options.azure else "openai", quirks=quirks_of(options))
    with Server(service) as server:
        for name, value in variables_of(options, server.base_url).items():
            monkeypatch.setenv(name, value)
        yield


@pytest.mark.usefixtures("service", "vllm")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.relative_to(ROOT / 'docs' if page.parent != ROOT else ROOT)}")
def test_the_examples_do_what_the_page_says(page: Path, place: Path) -> None:
    """In the order of the page, in one folder; the output is that of the page."""
    if page.name == "README.md":
        pytest.importorskip("duckdb")
        pytest.importorskip("polars")
        pytest.importorskip("pandas")
    if page.name in {"parsed.md", "columns.md", "append.md", "costs.md", "memory.md", "pydantic.md", "vectors.md"}:
        pytest.importorskip("duckdb")
        pytest.importorskip("polars")
    if page.name == "from-sdk.md":
        pytest.importorskip("openai")
    run_blocks(page)


@pytest.mark.parametrize("page", [page for page in PAGES if "another terminal, and" in page.read_text()], ids=Path.as_posix)
def test_a_reader_can_start_the_server_of_a_page_and_paste_its_line(page: Path) -> None:
    """Pages showed a server whose batches take seconds, with commands that need them completed, and two lines to paste as one."""
    pytest.importorskip("uvicorn")
    from batchfiles.testing.__main__ import parser, variables_of

    started = SERVER.search(page.read_text())
    assert started
    assert started[0].startswith("$ ")
    options = parser().parse_args(started["options"].split())
    variables = variables_of(options, "http://127.0.0.1:8000" if options.azure else "http://127.0.0.1:8000/v1")
    exported = f"export {' '.join(f'{name}={value}' for name, value in variables.items())}"
    assert started["line"] == ("unset OPENAI_BASE_URL; " if options.azure else "") + exported
    assert options.stage_seconds == 0


@levels_kept("", "batchfiles")
def run_blocks(page: Path, marks: Collection[str] = ()) -> None:
    """Run the blocks of a page that have no mark or one of these. The levels of the logs are those from before afterwards."""
    names: dict[str, Any] = {}
    for block in blocks_of(page):
        where = f"{page.name}:{block.line}"
        assert block.language in LANGUAGES, where
        if (block.mark and block.mark not in marks) or block.language in {"text", "yaml", "{toctree}"}:
            continue
        if block.language == "python":
            check_python(block.text, names, where)
        elif block.language == "console":
            check_console(block.text, where)
        else:
            subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], check=True, capture_output=True)


def check_python(text: str, names: dict[str, Any], where: str) -> None:
    """Run a block; its output must follow its arrows."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, where, "exec"), names)
    assert printed.getvalue().splitlines() == re.findall(r"# -> (.*)$", text, re.MULTILINE), where


def check_console(text: str, where: str) -> None:
    """Run each command; its output must be below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        found = subprocess.run(["bash", "-c", f"exec 2>&1; {command}"], capture_output=True, text=True, check=False)
        printed = PROGRESS.sub("", found.stdout)
        said = expected.rstrip("\n") + "\n" if expected.strip() else ""
        assert VARYING.sub("…", printed) == VARYING.sub("…", said), f"{where}: {command}"


def test_the_readme_has_two_commands_that_need_only_python() -> None:
    """`.ci/run` runs them; here it is made sure that it finds them."""
    set_up = [block.text for block in blocks_of(ROOT / "README.md") if block.mark == "set-up"]
    assert len(set_up) == 2
    assert set_up[0].startswith("python3 -m venv .venv && . .venv/bin/activate && pip install")
    assert set_up[1].startswith("python3 -m venv .venv && .venv/bin/pip install")
    assert [text.count("\n") for text in set_up] == [1, 1]
    assert "joined.parquet" in set_up[0]
    assert "pytest" in set_up[1]


def test_every_command_is_in_the_readme_and_has_help() -> None:
    """It lists every command, and `-h` explains the rest: examples, exit codes, every option."""
    readme = (ROOT / "README.md").read_text()
    for command in COMMANDS:
        assert f"batchfiles {command} " in readme
        code = f"from batchfiles.cli.main import run; run(['{command}', '-h'])"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert "Examples:\n" in told
        assert "Exit codes:\n" in told
        options = told.partition("Options:\n")[2].splitlines()
        for number, line in enumerate(options):
            if line.startswith("  -"):
                assert len(line) > 34 or options[number + 1].startswith(" " * 20), line


def test_links_between_the_pages_lead_somewhere() -> None:
    """Relative links name files that exist, and their headings."""
    for page in PAGES:
        for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
            linked = page.parent / target if target else page
            assert linked.exists(), f"{page.name}: {target}"
            assert not heading or heading in anchors_of(linked), f"{page.name}: {target}#{heading}"


def test_the_how_tos_have_one_order() -> None:
    """That of the README: the side bar of the site had them by file name, with the list of all in the middle."""
    names = [page.stem for page in (ROOT / "docs" / "howto").glob("*.md") if page.stem != "index"]
    in_readme = re.findall(r"\]\(docs/howto/([\w-]+)\.md\)", (ROOT / "README.md").read_text())
    in_list = re.findall(r"\]\(([\w-]+)\.md\)", (ROOT / "docs" / "howto" / "index.md").read_text())
    on_site = re.findall(r"^howto/([\w-]+)$", (ROOT / "docs" / "index.md").read_text(), re.MULTILINE)
    assert sorted(in_readme) == sorted(names)
    assert in_list == in_readme
    assert on_site == ["index", *in_readme]


def test_no_page_installs_the_package_from_a_registry_that_does_not_have_it() -> None:
    """The notebook said `pip install 'batchfiles[client]'`, which fails."""
    notebook = (ROOT / "docs" / "notebook.ipynb").read_text()
    for text in (notebook, *(page.read_text() for page in PAGES)):
        assert not re.search(r"pip install (?:-\S+ )*['\"]?batchfiles\b", text)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def rows_of(page: str, width: int) -> list[list[str]]:
    """Return the rows of all tables of a page that have so many columns, without their headings."""
    lines = [line for line in (ROOT / "docs" / page).read_text().splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line[2:-2].split(" | ")] for line in lines]
    return [row for row in rows if len(row) == width]


def test_the_page_of_columns_has_the_columns_of_the_schema() -> None:
    """Names, types and order."""
    rows = rows_of("columns.md", 4)
    assert [(row[0], row[1]) for row in rows] == [(f"`{field.name}`", f"`{field.type}`") for field in batchfiles.schema()]
    vectors = batchfiles.schema("embeddings")
    shared = [row[0].strip("`") for row in rows if row[3] != "no"]
    own = [(row[0], row[1]) for row in rows_of("columns.md", 3)]
    assert {row[0].strip("`") for row in rows if row[3] == "once"} == ONCE
    assert {row[3] for row in rows} == {"yes", "once", "no"}
    assert shared == vectors.names[: len(shared)]
    assert own == [(f"`{field.name}`", f"`{field.type}`") for field in list(vectors)[len(shared) :]]


def test_the_page_of_columns_has_every_other_name_of_a_count() -> None:
    """The first name is that of the column itself."""
    names = {"cached_tokens": fields.CACHED, "cache_write_tokens": fields.CACHE_WRITE, "reasoning_tokens": fields.REASONING}
    rows = [row for row in rows_of("columns.md", 2) if row[0].strip("`") in names]
    assert rows == [[f"`{name}`", ", ".join(f"`{other}`" for other in others[1:])] for name, others in names.items()]


def test_the_page_of_counting_has_every_price() -> None:
    """In the order in which `--write-prices` writes them."""
    assert [row[0].strip("`") for row in rows_of("stats.md", 2)] == list(FIELDS)
    assert all(hasattr(batchfiles.Price(), name) for name in FIELDS)


def test_the_page_of_outcomes_has_every_outcome_with_its_retryable() -> None:
    """In the order of the code."""
    rows = rows_of("outcomes.md", 3)
    assert [row[0] for row in rows] == [f"`{outcome}`" for outcome in OUTCOMES]
    for outcome, row in zip(OUTCOMES, rows, strict=True):
        said = "as below" if outcome == FAILED else "yes" if retryable(outcome, None) else "no"
        assert row[2].removesuffix(", except for `line_too_long`") == said


def test_the_page_of_outcomes_has_every_count() -> None:
    """In the order of the code, with its names and commands; each name is a field of its report."""
    rows = rows_of("outcomes.md", 4)
    named = [[f"`{name}`", count.noun, count.words, ", ".join(count.commands)] for name, count in COUNTS.items()]
    assert rows == named
    fields = {field.name for field in dataclasses.fields(JoinReport)}
    assert {name for name, count in COUNTS.items() if "join" in count.commands} <= fields


def test_the_page_of_outcomes_has_every_finish_reason_with_its_source() -> None:
    """In the order of the code."""
    assert rows_of("outcomes.md", 5) == [
        [
            ", ".join(f"`{word}`" for word in reason.words),
            reason.meaning.finish_reason or "the word",
            reason.meaning.outcome,
            "yes" if reason.meaning.retryable else "no",
            reason.source,
        ]
        for reason in REASONS
    ]


def test_the_page_of_outcomes_has_every_word_of_an_error_that_may_pass() -> None:
    """In the order of the code, with its source."""
    rows = [row for row in rows_of("outcomes.md", 2) if not row[0].startswith("`{")]
    assert rows == [[", ".join(f"`{word}`" for word in words.split(", ")), source] for words, source in TRANSIENT.items()]


def test_the_shapes_on_the_page_of_outcomes_are_what_it_says() -> None:
    """Each line is read by the code."""
    rows = [row for row in rows_of("outcomes.md", 2) if row[0].startswith("`{")]
    assert len(rows) == 20
    for line, outcome in rows:
        assert f"`{read(loads(line.strip('`'))).outcome}`" == outcome, line


def test_the_page_of_testing_has_every_fault_and_quirk() -> None:
    """In the order of the code and with its texts, each quirk with a valid value."""
    rows = rows_of("testing.md", 2)
    assert [row for row in rows if row[0].strip("`") in FAULTS] == [[f"`{name}`", words] for name, words in FAULTS.items()]
    quirks = [row for row in rows if re.fullmatch(r"`\w+=.*`", row[0])]
    assert [[row[0].strip("`").partition("=")[0], row[1]] for row in quirks] == [[*item] for item in QUIRKS.items()]
    assert list(QUIRKS) == list(Quirks.__dataclass_fields__)
    for row in quirks:
        name, _, value = row[0].strip("`").partition("=")
        Quirks(**{name: ast.literal_eval(value)})


def test_the_page_of_states_has_every_word_with_its_source() -> None:
    """In the order of the code."""
    rows: dict[tuple[str, str], list[str]] = {}
    for word, (status, source) in STATES.items():
        rows.setdefault((f"`{status}`", source), []).append(f"`{word}`")
    assert rows_of("states.md", 3) == [[status, source, ", ".join(words)] for (status, source), words in rows.items()]
    page = (ROOT / "docs" / "states.md").read_text()
    assert all(f"`{status}`" in page.partition("| status |")[0] for status in BatchStatus.known())
