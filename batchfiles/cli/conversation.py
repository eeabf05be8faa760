"""One row as request and answer: who said what, the error, and what it took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from batchfiles.cli.json_text import pretty_json
from batchfiles.layout import Screen, folded, visible, width_of

if TYPE_CHECKING:
    from batchfiles.table.preview import Preview

__all__ = ["conversations"]

INDENT = "    "
OF_ANSWER = ("error_message", "reasoning", "text", "refusal", "tool_calls", "response_body")
WIDTH = 100
"""The width of files and pipes."""


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
    from batchfiles.jobs.report.samples import Said, said_in_answer, said_in_request

    yield visible(str(cells.get("custom_id") or "(no custom_id)"))
    yield from _facts(_first_facts(cells, place), screen)
    request = list(said_in_request(_text(cells.get("request_body"))))
    if not request and cells.get("input_text"):
        request = [Said("input", cells["input_text"])]
    answer = [*said_in_answer({name: cells.get(name) for name in OF_ANSWER})]
    for heading, said in (("request", request), ("answer", answer)):
        if said:
            yield ""
            yield screen.faint(f"── {heading} ".ljust(min(screen.width or WIDTH, 40), "─"))
        for label, text in said:
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
    if label not in SPOKEN and text.startswith(("{", "[")):
        try:
            loads(b'{"value":' + text.encode() + b"}")
        except InvalidLineError:
            pass
        else:
            yield from pretty_json(text)
            return
    yield from map(visible, text.splitlines())


SPOKEN = ("system", "user", "assistant", "developer", "tool", "input", "prompt", "instructions", "error")
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
