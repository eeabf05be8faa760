"""The language of the pages: plain technical English, without turns that sound translated.

The check is a list of patterns, so it finds only the common ones. Pages (`.md`) are checked without code blocks and code spans,
Python files by their comments, docstrings and other strings. To check more, add a file or folder to `PATHS`.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATHS = ["README.md", "CHANGELOG.md", "SECURITY.md", "docs", "findings/README.md", "batchfiles", "benchmarks", "tests"]
"""Files and folders, from the root."""

PATTERNS = {
    r"(?<!there\s)(?:is|are|was|were) no(?! longer| more)": "'is not a …', 'there is no …', 'not valid …'",
    r"(?:stands?|stood)(?!-alone)": "'is', 'comes', 'means'",
    r"whoever": "'anyone who', or name the person",
    r"(?:is|are|be|was|were|and|or) told": "'is reported'",
    r"(?:told|tells?) (?:of|from|apart)": "'reported', 'reports', 'distinguished'",
    r"behind": "'after'",
    r"come(?:s)? to (?:their|its|an) end": "'finished', 'ends'",
    r"(?:is|are|was|were) (?:over(?=[.,;:])|begun)": "'has ended', 'was started'",
    r"mend(?:ed|s|ing)?": "'fix'",
    r"say force|say which": "'use --force', 'choose'",
    r"nothing to say": "'default'",
    r"what (?:became|becomes|came|comes) (?:of|back)": "'the outcome of'",
    r"(?:said|says) (?:there )?too|is said|are said|that is said": "'is reported'",
    r"says? (?:no|nothing|otherwise|so)": "name what it says",
    r"as many as pay": "'auto'",
    r"goes on(?! to)|go on(?! to)|went on": "'continues', 'resumes'",
    r"as (?:it|they) came|as they come": "'unchanged', 'by default'",
    r"in the place of": "'instead of'",
    r"all the same": "'anyway'",
    r"beside it|beside reading|beside the rest": "'next to it', 'at the same time'",
    r"taken? away|takes away": "'removed', 'removes'",
    r"made anew|make[s]? anew|writ(?:es?|ten) .{0,12}anew": "'again'",
    r"not one(?! of)": "'none'",
    r"at hand": "'available'",
    r"no further": "'not additional'",
    r"speaks? to|talk of|speaks? of": "'connects to', 'mentions'",
    r"for ever": "'forever'",
    r"to the digit": "'with all digits'",
    r"but for|nothing but": "'except', 'only'",
    r"in whatever|whatever (?:it|they|ends|ended)": "'in any', 'any'",
    r"kept apart": "'distinguished', 'not run at once'",
    r"the way back|where (?:one|it) is, and|who one is": "a noun that people search for",
    r"(?:speaks?|spoke) (?:it|its|the)": "'supports', 'is compatible with'",
    r"without further words": "'by default'",
    r"an? \w+ of (?:its|their|your) own": "'its own …'",
}
"""Turns that sound translated, as regular expressions of whole words, and what to write for them."""

ALLOWED: dict[str, tuple[str, ...]] = {"benchmarks/generate/chat.py": ("Keep every number as it stands.",)}
"""Texts that a file may contain nevertheless: quotations of an API, and messages that a page compares with the code."""

CHECK = re.compile(
    "|".join(rf"(?P<_{number}>\b(?:{pattern})\b)" for number, pattern in enumerate(PATTERNS)).replace(" ", r"[\s#]+"),
    re.IGNORECASE,
)


def files_of(path: str) -> Iterator[Path]:
    """Yield the file, or the pages and modules in the folder, except this one."""
    full = ROOT / path
    if full.is_file():
        yield full
    else:
        yield from sorted(file for ending in ("*.md", "*.py") for file in full.rglob(ending) if file != Path(__file__))


def prose_of_page(text: str) -> str:
    """Blank out code blocks and code spans, and keep the number of lines."""
    text = re.sub(r"^```.*?^```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]+`", "…", text)


def prose_of_code(text: str) -> str:
    """Keep the comments and strings of Python code, in their lines."""
    lines = [""] * (text.count("\n") + 1)
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            for number, line in enumerate(token.string.split("\n"), token.start[0] - 1):
                lines[number] += f" {line}"
    return re.sub(r"`[^`\n]+`|\{[^{}\n]*\}", "…", "\n".join(lines))


def turns_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the words and the advice for each turn. A turn may go over the end of a line."""
    advice = list(PATTERNS.values())
    for match in CHECK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), advice[int(match.lastgroup[1:])]


@pytest.mark.parametrize(
    "file", [file for path in PATHS for file in files_of(path)], ids=lambda file: str(file.relative_to(ROOT))
)
def test_the_texts_are_in_plain_language(file: Path) -> None:
    """No turn of the list, outside code and what is allowed."""
    name = str(file.relative_to(ROOT))
    text = file.read_text("utf-8")
    for allowed in ALLOWED.get(name, ()):
        assert allowed in text, f"{name} does not contain {allowed!r} any more: remove it from the list"
        text = text.replace(allowed, "…")
    text = prose_of_page(text) if file.suffix == ".md" else prose_of_code(text)
    assert [f"{name}:{line}: {words!r}: write {advice}" for line, words, advice in turns_in(text)] == []


def test_the_check_finds_turns_in_pages_and_in_code() -> None:
    """In prose, comments and strings, also over the end of a line, and not in code."""
    page = "It is\nno number.\n\n```console\n$ whoever\n```\nThis `whoever` is code.\n\nWhoever reads it.\n"
    assert [found[:2] for found in turns_in(prose_of_page(page))] == [(1, "is no"), (9, "Whoever")]
    code = 'behind = 1  # stands\n# behind\nprint(f"{behind} is no number", behind)\n'
    assert [found[:2] for found in turns_in(prose_of_code(code))] == [(1, "stands"), (2, "behind"), (3, "is no")]
