"""What values show: a short `repr`, a summary as text, and the same summary as HTML in a notebook.

A summary is a list of blocks: tables, notes and sentences. The command line prints the blocks that `print(report)` prints.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from html import escape
from itertools import islice
from typing import Any, ClassVar, Final, NamedTuple

from batchfiles.layout import PLAIN, Screen, cut, text_table, visible, width_of


class Interface(NamedTuple):
    """What sentences call the options that they name.

    Attributes:
        csv_safe: The option that makes CSV cells harmless.
        embeddings_table: The option that writes a row for each vector.
        no_bodies: The option that leaves response bodies out.
        user_table: The option with the user's table.
        whole_report: What has all findings: the beginning of a sentence.
        all_of_them: What lists everything: the end of a sentence.
        max_findings: The option with the number of findings to list.
        more_errors: How to see further errors: the end of a sentence.
    """

    csv_safe: str
    embeddings_table: str
    no_bodies: str
    user_table: str
    whole_report: str
    all_of_them: str
    max_findings: str
    more_errors: str


COMMAND_LINE: Final = Interface(
    "--csv-safe",
    "--table embeddings",
    "--bodies none",
    "--with",
    "--report FILE writes",
    "--json lists them",
    "--max-findings",
    "raise -n to see more",
)
PYTHON: Final = Interface(
    "csv_safe=True",
    'table="embeddings"',
    'bodies="none"',
    "with_table",
    "findings has",
    "to_dict() has them",
    "max_findings",
    "groups has them",
)

LABEL: Final = 13
"""The width of the labels of notes."""

LONGEST: Final = 600
"""The maximum width of a sentence, which may quote a file."""

WIDTH: Final = 100
"""The width of `print(report)`, unless the terminal is narrower."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of visible text; nothing is shown without rows.

    Attributes:
        headings: The headings.
        rows: The cells.
        texts: The headings of the text columns, or the number of text columns at the start; the others are numbers.
        whole: As for `layout.text_table`, like the next two.
        optional: As there.
        sentences: As there.
        has_total: Whether the last row is a sum.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int | Collection[str] = 1
    whole: Collection[str] = ()
    optional: Sequence[str] = ()
    sentences: Collection[str] = ()
    has_total: bool = False


@dataclass(frozen=True, slots=True)
class Notes:
    """Sentences with a label each; the sentences may be of any characters."""

    notes: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences of visible text, one a line; an empty one is a blank line in text."""

    lines: Sequence[str]


Block = Table | Notes | Sentences


def text_of(blocks: Iterable[Block], screen: Screen = PLAIN) -> Iterator[str]:
    """Yield the lines of a summary."""
    for block in blocks:
        match block:
            case Table():
                yield from text_table(
                    block.headings,
                    block.rows,
                    texts=block.texts,
                    whole=block.whole,
                    optional=block.optional,
                    sentences=block.sentences,
                    screen=screen,
                )
            case Notes():
                for note in block.notes:
                    yield from note_lines(note, min(screen.width or WIDTH, WIDTH))
            case Sentences():
                yield from block.lines


def note_lines(note: tuple[str, str], width: int) -> list[str]:
    """Wrap a note next to its label; words are not broken, so that paths can be copied."""
    label, sentence = note
    lines = [f"{label:{LABEL - 2}}  "]
    for word in cut(visible(sentence), LONGEST).split(" "):
        if width_of(lines[-1]) + width_of(word) > width and lines[-1].strip() != label and lines[-1].strip():
            lines.append(" " * LABEL)
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]


STYLE: Final = (
    ".batchfiles{max-width:100%;overflow-x:auto;font-size:13px;line-height:1.45}"
    ".batchfiles table{border-collapse:collapse;margin:6px 0;border:0;table-layout:auto}"
    ".batchfiles th,.batchfiles td{text-align:left!important;vertical-align:top!important;padding:2px 14px 2px 0;border:0;"
    "border-bottom:1px solid rgba(128,128,128,.3);max-width:36em;overflow-wrap:break-word;white-space:normal!important}"
    ".batchfiles th{font-weight:600;opacity:.75;vertical-align:bottom!important}"
    ".batchfiles .n{text-align:right!important;white-space:nowrap!important;font-variant-numeric:tabular-nums}"
    ".batchfiles .w{min-width:13em}"
    ".batchfiles .t td{border-top:2px solid rgba(128,128,128,.5);font-weight:600}"
    ".batchfiles .q{opacity:.7}"
    ".batchfiles p{margin:2px 0}"
    ".batchfiles pre{white-space:pre-wrap;overflow-wrap:break-word;margin:4px 0;max-height:30em;overflow-y:auto;"
    "font:12px/1.45 ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    ".batchfiles .bar{display:flex;height:10px;max-width:36em;margin:6px 0;gap:1px}"
)
"""Colours are those of the page, and lines are half transparent, so that light and dark notebooks need no scheme. Notebooks align
all cells to the right, which is overridden."""

COLORS: Final = {
    "succeeded": "#0072b2",
    "incomplete": "#e69f00",
    "failed": "#c9480a",
    "expired": "#b0588c",
    "cancelled": "#7f8790",
    "no_response": "#3a9ad4",
    "malformed": "#55595f",
    "missing": "#b8a800",
}
"""The colours of outcomes, as in the HTML report; people who are colour-blind can tell them apart."""


def page_part(title: str, *parts: str) -> str:
    """Return HTML for a notebook: a title, and parts that are HTML already. `$` is common in answers, so MathJax is kept off."""
    body = "".join(parts)
    return (
        f'<div class="batchfiles tex2jax_ignore mathjax_ignore"><style>{STYLE}</style><p><b>{escape(title)}</b></p>{body}</div>'
    )


def html_of(blocks: Iterable[Block]) -> str:
    """Return the blocks of a summary as HTML."""
    return "".join(map(_html_of_block, blocks))


def _html_of_block(block: Block) -> str:
    match block:
        case Table() if block.rows:
            named = block.headings[: block.texts] if isinstance(block.texts, int) else block.texts
            numbers = {place for place, heading in enumerate(block.headings) if heading not in named}
            wide = {place for place, heading in enumerate(block.headings) if heading in block.sentences}
            return html_table(block.headings, block.rows, numbers=numbers, wide=wide, has_total=block.has_total)
        case Notes() if block.notes:
            rows = [(label, cut(visible(sentence), LONGEST)) for label, sentence in block.notes]
            return html_table((), rows)
        case Sentences():
            return "".join(f"<p>{escape(line)}</p>" for line in block.lines if line)
        case _:
            return ""


def html_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[int] = (),
    wide: Collection[int] = (),
    has_total: bool = False,
) -> str:
    """Return a table of texts as HTML; every text is escaped.

    Args:
        headings: The headings; none for a table without.
        rows: The cells.
        numbers: The places of columns that are aligned right.
        wide: The places of columns of sentences.
        has_total: Whether the last row is a sum.
    """

    def row(cells: Iterable[str], tag: str, kind: str = "") -> str:
        found = (f"<{tag}{classes.get(place, '')}>{escape(cell)}</{tag}>" for place, cell in enumerate(cells))
        return f"<tr{kind}>{''.join(found)}</tr>"

    classes = {**dict.fromkeys(wide, ' class="w"'), **dict.fromkeys(numbers, ' class="n"')}
    listed = list(rows)
    last = len(listed) - 1 if has_total else None
    head = f"<thead>{row(headings, 'th')}</thead>" if headings else ""
    body = "".join(row(cells, "td", ' class="t"' if place == last else "") for place, cells in enumerate(listed))
    return f"<table>{head}<tbody>{body}</tbody></table>"


def outcome_bar(outcomes: Mapping[str, int]) -> str:
    """Return one bar with a segment for each outcome."""
    found = {outcome: outcomes[outcome] for outcome in COLORS if outcomes.get(outcome)}
    segments = "".join(
        f'<span title="{escape(outcome)} {count:,}" style="flex:{count} 1 0;min-width:2px;background:{COLORS[outcome]}"></span>'
        for outcome, count in found.items()
    )
    return f'<div class="bar">{segments}</div>' if found else ""


LONGEST_TEXT: Final = 60
MOST_KEYS: Final = 8
MOST_ITEMS: Final = 4
LONGEST_REPR: Final = 400
"""Characters of a text, keys of a mapping, items of a list and characters of a whole `repr`."""


def short(value: Any, depth: int = 4) -> str:  # noqa: ANN401 - any value
    """Return the `repr` of a value with long texts and collections cut. Nothing is read that is not shown."""
    if isinstance(value, str | bytes):
        return repr(value) if len(value) <= LONGEST_TEXT else f"{value[:LONGEST_TEXT]!r}…"
    if isinstance(value, Mapping):
        if depth == 0 and value:
            return "{…}"
        items = [f"{short(key)}: {short(value[key], depth - 1)}" for key in islice(value, MOST_KEYS)]
        return f"{{{', '.join([*items, *['…'] * (len(value) > MOST_KEYS)])}}}"
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        left, right = "[]" if isinstance(value, list) else "()"
        if depth == 0 and value:
            return f"{left}…{right}"
        items = [short(item, depth - 1) for item in value[:MOST_ITEMS]]
        if len(value) > MOST_ITEMS:
            items.append(f"… {len(value) - MOST_ITEMS:,} more")
        return f"{left}{', '.join(items)}{right}"
    text = repr(value)
    return text if len(text) <= LONGEST_REPR else f"{text[:LONGEST_REPR]}…"


def short_repr(value: Any) -> str:  # noqa: ANN401 - any dataclass or named tuple
    """Return the `repr` of a record: its fields without those that have their default, are 0 or empty; long ones are cut."""
    parts = [f"{name}={found}" for name, found in _shown_fields(value)]
    text = ", ".join(parts)
    return f"{type(value).__name__}({text if len(text) <= LONGEST_REPR else f'{text[:LONGEST_REPR]}…'})"


def _shown_fields(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """Yield the fields that are not the default, 0 or empty; of the records in a tuple only the number."""
    for name, found, default in _fields_of(value):
        if found == default or not (found or found is False):
            continue
        if isinstance(found, tuple) and not isinstance(found[0], str | int) and isinstance(value, Displayed):
            yield name, f"[{len(found):,} {'item' if len(found) == 1 else 'items'}]"
        elif isinstance(found, Displayed) and isinstance(value, Displayed):
            yield name, f"{type(found).__name__}(…)"
        elif isinstance(found, Mapping) and isinstance(value, Displayed):
            yield name, short({key: each for key, each in found.items() if each != 0})
        else:
            yield name, short(found)


def _fields_of(value: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    """Yield the name, the value and the default of each field that a `repr` shows."""
    if is_dataclass(value):
        for each in fields(value):
            if each.repr:
                yield each.name, getattr(value, each.name), _default_of(each)
    else:
        for name in value._fields:
            yield name, getattr(value, name), value._field_defaults.get(name, MISSING)


def _default_of(field: Field[Any]) -> Any:  # noqa: ANN401
    return field.default if field.default_factory is MISSING else field.default_factory()


def record_page(title: str, facts: Iterable[tuple[str, str]], text: str = "") -> str:
    """Return a record as HTML: its fields, and a longer text such as JSON."""
    rows = [(name, cut(visible(found), LONGEST)) for name, found in facts if found]
    shown = text if len(text) <= LONGEST_PAGE else f"{text[:LONGEST_PAGE]}…"
    lines = "\n".join(visible(line) for line in shown.split("\n"))
    return page_part(title, html_table((), rows), f"<pre>{escape(lines)}</pre>" if text else "")


def indented(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value as indented JSON; one that is nested too deeply is cut."""
    import json

    level = [value]
    for _ in range(MOST_LEVELS):  # counted, because newer versions of Python write any depth
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [item for items in inner for item in items]
    if level:
        return short(value)
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return short(value)


MOST_LEVELS: Final = 200
"""Levels of a value that a notebook shows with indentation."""


LONGEST_PAGE: Final = 10_000
"""Characters of a longer text that a notebook shows."""


class Displayed:
    """A value with a short `repr` and a summary: `print` and notebooks show it.

    A class has `_blocks`, the blocks of its summary in Python. Without it, `str` is the `repr`.
    """

    __slots__ = ()

    _title: ClassVar[str] = ""
    """What a notebook shows above the summary; empty for the name of the class."""

    def _blocks(self) -> Iterator[Block]:
        """Yield the blocks of the summary."""
        yield from ()

    def __repr__(self) -> str:
        return short_repr(self)

    def __str__(self) -> str:
        from shutil import get_terminal_size

        width = min(get_terminal_size((WIDTH, 24)).columns, WIDTH)
        return "\n".join(text_of(self._blocks(), Screen(width))).strip("\n") or repr(self)

    def _repr_html_(self) -> str:
        """Return the summary as HTML, for notebooks."""
        outcomes = getattr(self, "outcomes", None)
        bar = outcome_bar(outcomes) if isinstance(outcomes, Mapping) else ""
        blocks = html_of(self._blocks())
        return page_part(self._title or type(self).__name__, bar, blocks or f"<p>{escape(repr(self))}</p>")
