"""Writes the site as plain Markdown for language models: `llms.txt` lists the pages, `llms-full.txt` has all of them."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SUMMARY = "Read, check and join the JSONL batch files of the OpenAI Batch API, and turn them into Parquet."

TOCTREE = re.compile(r"^```\{toctree\}\n((?::[^\n]*\n)*)\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
DIRECTIVES = re.compile(r"^```\{eval-rst\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write(app: Sphinx, sources: dict[str, str]) -> None:
    """Write the files to the folder of the site, with a Markdown page next to each page.

    Args:
        app: The build that has ended.
        sources: The Markdown of each page, with the sections that are made from the code.
    """
    pages = {name: plain(text) for name, text in sources.items()}
    listed = [name for _, names in sections(sources["index"], sorted(pages)) for name in names]
    for name, text in pages.items():
        Path(app.outdir, f"{name}.md").write_text(text, "utf-8")
    Path(app.outdir, "llms.txt").write_text("\n".join(_index(sources["index"], pages)) + "\n", "utf-8")
    Path(app.outdir, "llms-full.txt").write_text("\n".join(pages[name] for name in ["index", *listed]), "utf-8")


def sections(index: str, names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the caption and the pages of each table of contents of the index."""
    for options, entries in TOCTREE.findall(index):
        caption = re.search(r"^:caption: (.*)$", options, re.MULTILINE)
        found = [name for entry in entries.split() for name in names if re.fullmatch(entry.replace("*", "[^/]*"), name)]
        yield caption[1] if caption else "Pages", found


def plain(text: str) -> str:
    """Return the Markdown of a page without what only the site needs, and with the docstrings that it names."""
    text = DIRECTIVES.sub(lambda block: "\n".join(_docstrings(block[1])), TOCTREE.sub("", text))
    return re.sub(r"^<!-- .*? -->\n", "", text, flags=re.MULTILINE)


def _index(index: str, pages: dict[str, str]) -> Iterator[str]:
    yield f"# batchfiles\n\n> {SUMMARY}"
    for caption, names in sections(index, sorted(pages)):
        yield f"\n## {caption}\n"
        yield from (f"- [{_title(pages[name])}]({name}.md): {_first_sentence(pages[name])}" for name in names)
    yield "\n## Optional\n\n- [Everything](llms-full.txt): all pages in one file"


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")


def _first_sentence(text: str) -> str:
    """Return the first sentence of the first paragraph, without links."""
    paragraphs = (" ".join(each.split()) for each in text.split("\n\n") if re.match(r"[\w`*\[]", each))
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", next(paragraphs, ""))
    return re.split(r"(?<=\.) (?=[A-Z`])", words)[0]


def _docstrings(directives: str) -> Iterator[str]:
    """Yield the signature and the docstring of each object that autodoc documents."""
    for kind, path in re.findall(r"^\.\. auto(\w+):: (\S+)$", directives, re.MULTILINE):
        module, _, name = path.rpartition(".")
        value = getattr(importlib.import_module(module), name)
        if kind == "data":
            yield f"### {path}\n\n{value!r}\n"
            continue
        methods = [
            (f"{name}.{key}", member)
            for key, member in vars(value).items()
            if kind == "class" and inspect.isfunction(member) and not key.startswith("_") and member.__doc__
        ]
        for title, each in [(path, value), *methods]:
            try:
                signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(each))).replace("<factory>", "...")
            except ValueError:
                signature = "(...)"
            yield f"### {title}\n\n```text\n{title}{signature}\n\n{inspect.getdoc(each)}\n```\n"
