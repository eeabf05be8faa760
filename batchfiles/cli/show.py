"""`batchfiles show`: shows the first rows of a table or a batch file, or one row as request and answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from batchfiles.cli.completion import ColumnName
from batchfiles.cli.options import Command
from batchfiles.cli.progress import print_error, print_lines, print_note, screen
from batchfiles.cli.row_layout import json_of_row, pretty_json
from batchfiles.findings import instead_of, plural
from batchfiles.io.arrow import import_pyarrow
from batchfiles.layout import Screen, cut, cut_in_front, folded, visible, width_of, wrapped

if TYPE_CHECKING:
    from batchfiles.table.preview import Preview
    from batchfiles.table.where import WhereError

WIDTH = 100
"""The width of files and pipes."""

FACTS_WIDTH = 60
MIN_NAME_WIDTH = 20
"""The width reserved for the facts about the file, and the minimum width of its name."""

NOTE_LINES = 3
"""The maximum number of lines of a note."""


@click.command(cls=Command)
@click.argument("file")
@click.option(
    "-n", "--rows", "count", type=click.IntRange(min=0), default=10, show_default=True, metavar="N", help="How many rows."
)
@click.option("-c", "--columns", type=ColumnName("file"), metavar="A,B,…", help="Show only these columns, in this order.")
@click.option(
    "-w",
    "--where",
    type=ColumnName("file", in_condition=True),
    metavar="CONDITION",
    help="Show only rows for which this is true, such as \"outcome = 'failed'\"; see below.",
)
@click.option("--id", "custom_id", metavar="CUSTOM_ID", help="Show the row with this custom_id as request and answer, whole.")
@click.option("--row", type=click.IntRange(min=1), metavar="N", help="Show the Nth row as request and answer, whole.")
@click.option("--json", "as_json", is_flag=True, help="Print only the rows, as one JSON object a line.")
@click.pass_context
def show(
    context: click.Context,
    file: str,
    *,
    count: int,
    columns: str | None,
    where: str | None,
    custom_id: str | None,
    row: int | None,
    as_json: bool,
) -> None:
    """Show the first rows of a table or a batch file, those of a condition, or one row as request and answer.

    FILE is a Parquet, Arrow, CSV or JSONL file (batch files too, also compressed), a folder of Parquet files, or - for JSONL, CSV
    or an Arrow stream on standard input. The format is detected from the content, and only the beginning is read.

    One or two rows, and rows in narrow terminals, are shown as records, others as a table with the columns that fit. Long values
    are cut with …; line ends and control characters are escaped. Columns that are not shown are listed at the end.

    A CONDITION compares columns with values, as in SQL: = != < <= > >=, in (…), like with % and _, is null, and, or, not,
    brackets. Texts are in single quotes: outcome in ('failed', 'expired') and not retryable. In batch files, a path names a
    value: response.status_code >= 500. Of Parquet files, only the row groups that may have such rows are read.

    \b
    Examples:
        batchfiles show results.parquet
        batchfiles show results.parquet -n 1
        batchfiles show results.parquet --columns custom_id,text --json | jq .text
        batchfiles show results.parquet --where "outcome = 'failed' and status_code != 429"
        batchfiles show results.parquet --id ticket-0003
        batchfiles show batch_output.jsonl --where "response.status_code >= 400" -n 100
        zcat batch_output.jsonl.gz | batchfiles show -

    \b
    Exit codes:
        0   done
        1   no row has this --id or this number
        2   wrong usage: an unknown column, a condition that can't be read, or not a table
        3   the file doesn't exist or is damaged
    """
    import_pyarrow()
    from batchfiles.outcome import OUTCOMES
    from batchfiles.table.preview import first_rows
    from batchfiles.table.where import Where, WhereError

    if sum(each is not None for each in (where, custom_id, row)) > 1:
        raise click.UsageError("--where, --id and --row exclude each other: use one of them.")
    names = [name.strip() for name in columns.split(",") if name.strip()] if columns is not None else None
    try:
        condition = Where(where) if where is not None else None if custom_id is None else Where.of_id(custom_id)
        preview = first_rows(file, count if row is None else 1, names, where=condition, skip=0 if row is None else row - 1)
    except WhereError as error:
        raise PointedError("--where" if where is not None else "--id", error) from None
    is_one = custom_id is not None or row is not None
    if is_one and not preview.rows:
        has = f"row {row:,}" if row is not None else f"row with the custom_id {custom_id!r}"
        print_error(f"batchfiles: {preview.name} has no {has}")
        context.exit(1)
    if as_json:
        for each in preview.rows:
            # In ASCII, without control characters.
            click.echo(json_of_row({name: each.get(name) for name in preview.columns}))
        return
    if is_one and names is None:
        print_lines(conversations(preview, screen(fallback=WIDTH)))
        return
    if condition is not None and not preview.rows:
        for word in condition.texts("outcome"):
            if word not in OUTCOMES:
                print_note(f"{word!r} is not an outcome{instead_of(word, OUTCOMES)}")
        for path in sorted(preview.absent):
            print_note(f"no row has {path!r}")
    print_lines(_page(preview, screen(fallback=WIDTH), asked=names is not None, where=where))


class PointedError(click.UsageError):
    """A condition that can't be read, with lines that point at the place."""

    def __init__(self, option: str, error: WhereError) -> None:
        super().__init__(f"{option}: {error.reason}" + ("" if error.reason.endswith("?") else "."))
        start = max(error.position - POINTED, 0)
        before, rest = visible(error.text[start : error.position]), visible(error.text[error.position :][:POINTED])
        self.lines = [f"    {before}{rest}", f"    {' ' * width_of(before)}^"]


LONGEST_CONDITION = 60

POINTED = 50
"""Characters of a condition that are shown before and after an error."""


def _page(preview: Preview, screen: Screen, *, asked: bool, where: str | None) -> list[str]:
    from batchfiles.cli.row_layout import lay_out

    width = screen.width or WIDTH
    layout = lay_out(preview.columns, preview.rows, width, asked=asked, screen=screen, numbers=preview.numbers)
    notes = [line for note in layout.notes for line in wrapped(note, width, NOTE_LINES)]
    lines = wrapped(_header(preview, width, where), width, NOTE_LINES)
    for part in (layout.lines, notes):
        lines += ["", *part] if part else []
    return lines


def _header(preview: Preview, width: int, where: str | None) -> str:
    """Return the facts about a file: format, rows, columns, size, version."""
    parts = [preview.format if preview.files == 1 else f"{preview.files:,} {preview.format} files"]
    shown = len(preview.rows)
    if where is not None:
        rows = plural(shown, "row")
        parts.append(f"{'the first ' if preview.row_count is None else ''}{rows} where {cut(visible(where), LONGEST_CONDITION)}")
    elif preview.row_count is None:
        parts.append(f"the first {shown:,} rows" if shown != 1 else "the first row")
    elif shown < preview.row_count:
        parts.append(f"{shown:,} of {preview.row_count:,} rows")
    else:
        parts.append(f"{shown:,} rows" if shown != 1 else "1 row")
    parts.append(f"{len(preview.columns):,} columns" if len(preview.columns) != 1 else "1 column")
    if preview.size is not None:
        parts.append(_size(preview.size))
    if preview.schema_version is not None:
        parts.append(f"schema version {visible(preview.schema_version[:20])}")
    return f"{cut_in_front(visible(preview.name), max(width - FACTS_WIDTH, MIN_NAME_WIDTH))}: {', '.join(parts)}"


def _size(count: int) -> str:
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:,.1f} {unit}"
    return f"{count} B"


INDENT = "    "
OF_ANSWER = ("error_message", "reasoning", "text", "refusal", "tool_calls", "response_body")


def conversations(preview: Preview, screen: Screen) -> Iterator[str]:
    """Yield the lines of each row: a title, the texts of request and answer, and facts."""
    for count, (row, number) in enumerate(zip(preview.rows, preview.numbers, strict=True)):
        if count:
            yield ""
        cells = _with_types(row) if "outcome" in row else _cells_of_line(row)
        yield from _conversation(cells, f"row {number:,} of {visible(preview.name)}", screen)


def _with_types(row: dict[str, Any]) -> dict[str, Any]:
    """Return the cells of a table; those of CSV, which are all text, with the types that other formats have."""
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError

    cells = dict(row)
    if isinstance(cells.get("retryable"), str):
        cells["retryable"] = cells["retryable"] == "true"
    if isinstance(calls := cells.get("tool_calls"), str):
        with suppress(InvalidLineError):  # then it is shown as text
            cells["tool_calls"] = loads(b'{"value":' + calls.encode() + b"}")["value"]
    return cells


def _conversation(cells: dict[str, Any], place: str, screen: Screen) -> Iterator[str]:
    from batchfiles.jobs.report.samples import LabeledText, texts_of_answer, texts_of_request

    yield visible(str(cells.get("custom_id") or "(no custom_id)"))
    yield from _facts(_first_facts(cells, place), screen)
    request = list(texts_of_request(_text(cells.get("request_body"))))
    if not request and cells.get("input_text"):
        request = [LabeledText("input", cells["input_text"])]
    answer = [*texts_of_answer({name: cells.get(name) for name in OF_ANSWER})]
    for heading, texts in (("request", request), ("answer", answer)):
        if texts:
            yield ""
            yield screen.faint(f"── {heading} ".ljust(min(screen.width or WIDTH, 40), "─"))
        for label, text in texts:
            yield f"{visible(label)}:"
            for line in _lines(label, text, cells):
                # A line ends where the text has a line end; a long word is not broken, so that it can be copied.
                yield from (INDENT + part for part in folded(line, (screen.width or WIDTH) - len(INDENT), ""))
    more = list(_last_facts(cells))
    if more:
        yield ""
        yield from _facts(more, screen)


def _lines(label: str, text: str, cells: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a text; JSON is indented."""
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError

    calls = cells.get("tool_calls")
    if label == "tool calls" and isinstance(calls, list):
        for call in calls:
            yield visible(f"{call.get('name')}({call.get('arguments') or ''})")
        return
    if label not in TEXT_LABELS and text.startswith(("{", "[")):
        try:
            loads(b'{"value":' + text.encode() + b"}")
        except InvalidLineError:
            pass
        else:
            yield from pretty_json(text)
            return
    yield from map(visible, text.splitlines())


TEXT_LABELS = ("system", "user", "assistant", "developer", "tool", "input", "prompt", "instructions", "error")
"""Labels of texts that are shown as they are, also if they are JSON."""


def _facts(facts: Iterator[tuple[str, str]] | list[tuple[str, str]], screen: Screen) -> Iterator[str]:
    found = list(facts)
    width = max(len(label) for label, _ in found)
    for label, words in found:
        first, *rest = folded(visible(words), (screen.width or WIDTH) - width - 2, "")
        shown = screen.painted(first) if label == "outcome" else first
        yield f"{screen.faint(label)}{' ' * (width - width_of(label) + 2)}{shown}"
        yield from (" " * (width + 2) + line for line in rest)


def _first_facts(cells: dict[str, Any], place: str) -> Iterator[tuple[str, str]]:
    if cells.get("outcome") is not None:
        yield "outcome", str(cells["outcome"])
    details = [str(cells[name]) for name in ("status_code", "error_code", "finish_reason") if cells.get(name) is not None]
    if details:
        yield "status", ", ".join(details) + (", may succeed if sent again" if cells.get("retryable") else "")
    model = cells.get("model") or cells.get("request_model")
    if model is not None:
        yield "model", ", ".join(str(each) for each in (model, cells.get("endpoint")) if each is not None)
    yield "place", place


TOKENS = (("input_tokens", "input"), ("cached_tokens", "cached"), ("output_tokens", "output"), ("reasoning_tokens", "reasoning"))


def _last_facts(cells: dict[str, Any]) -> Iterator[tuple[str, str]]:
    tokens = [f"{int(cells[name]):,} {word}" for name, word in TOKENS if _is_number(cells.get(name))]
    if tokens:
        yield "tokens", ", ".join(tokens)
    for label, kind in (("request", "input"), ("result", "result")):
        source, number = cells.get(f"{kind}_source"), cells.get(f"{kind}_line_number")
        if source is not None:
            yield label, f"{source}{'' if number is None else f':{number}'}"
    if cells.get("attempts") not in (None, 0, 1, "0", "1"):
        yield "results", f"{cells['attempts']} for this request"


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a cell is a count: of a table with types, or of CSV."""
    return isinstance(value, int) or (isinstance(value, str) and value.isdecimal())


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if value is None or isinstance(value, str):
        return value
    from batchfiles.codec import dumps

    return dumps(value).decode()


def _cells_of_line(line: dict[str, Any]) -> dict[str, Any]:
    """Return the cells of a line of a batch file, as a table has them."""
    from batchfiles.codec import dumps
    from batchfiles.outcome import read_result

    if "response" not in line and "error" not in line:
        body = line.get("body")
        model = body.get("model") if isinstance(body, dict) else None
        shown = body if body is not None else line
        return {"custom_id": line.get("custom_id"), "request_body": shown, "model": model, "endpoint": line.get("url")}
    _, result = read_result(dumps(line))
    response = line.get("response")
    answer = result.answer
    return {
        "custom_id": line.get("custom_id"),
        "outcome": result.outcome,
        "status_code": result.status_code,
        "error_code": result.error_code,
        "error_message": result.error_message,
        "retryable": result.retryable,
        "finish_reason": answer.finish_reason,
        "model": answer.model,
        "text": answer.text,
        "refusal": answer.refusal,
        "reasoning": answer.reasoning,
        "tool_calls": answer.tool_calls,
        "response_body": _text(response.get("body")) if isinstance(response, dict) else None,
        **{name: getattr(answer, name) for name, _ in TOKENS},
    }
