"""What values show of themselves: a short `repr`, the summary of the command line, and HTML in which nothing runs."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import batchfiles
import batchfiles.api
from batchfiles.cli.main import exit_code
from batchfiles.findings import Findings
from batchfiles.layout import Screen
from batchfiles.summary import COMMAND_LINE, PYTHON, Displayed, text_of

FIXTURES = Path(__file__).parents[1] / "fixtures"
CHAT = FIXTURES / "chat_completions"
HOSTILE = "</td></style><script>document.title='RAN'</script><img src=x onerror=alert(1)>\u202e$x$ & \x1b[31m"

VOID = {"img", "br", "hr", "input", "meta", "link"}


class Tags(HTMLParser):
    """Collects the tags of a page, and checks that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


KNOWN_TAGS = {"div", "style", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "pre", "details", "summary", "span"}


def check_page(page: str) -> None:
    """The page has only known tags and attributes, and every tag is closed."""
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.found <= KNOWN_TAGS
    assert tags.attributes <= {"class", "style", "title"}
    assert "\u202e" not in page
    assert "\x1b" not in page


def hostile_batch(tmp_path: Path) -> Path:
    """Write a batch in which every text is hostile."""
    folder = tmp_path / "a&b <i>"
    folder.mkdir()
    name = HOSTILE.encode("ascii", "ignore").decode().replace("/", "|").replace("\x1b", "")[:60]
    line = {"custom_id": HOSTILE[:60], "method": "POST", "url": "/v1/chat/completions"}
    body = {"model": "<b>m", "messages": [{"role": "user", "content": HOSTILE}]}
    (folder / f"{name}.jsonl").write_text(json.dumps({**line, "body": body}) + "\n")
    answer = {"model": "<b>m", "choices": [{"message": {"role": "assistant", "content": HOSTILE}, "finish_reason": HOSTILE}]}
    answer |= {"object": "chat.completion", "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    result = {
        "id": "r",
        "custom_id": HOSTILE[:60],
        "response": {"status_code": 200, "request_id": "q", "body": answer},
        "error": None,
    }
    error = {"code": HOSTILE, "message": HOSTILE}
    other = {"id": "s", "custom_id": "other", "response": None, "error": error}
    (folder / "results_output.jsonl").write_text(json.dumps(result) + "\n" + json.dumps(other) + "\n")
    return folder


def displayed(batch: Path, folder: Path) -> dict[str, Any]:
    """Return one value of each kind, made of hostile files."""
    (requests,) = (path for path in batch.iterdir() if path.name != "results_output.jsonl")
    results = batch / "results_output.jsonl"
    joined = batchfiles.join(batch)
    request, result = next(batchfiles.read_inputs(requests)), next(batchfiles.read_outputs(results))
    report = batchfiles.validate(requests)
    return {
        "join": joined,
        "join report": joined.summarize(),
        "export": batchfiles.export(results),
        "export report": batchfiles.export(results).summarize(),
        "stats": batchfiles.stats(batch, prices={"<b>m": "1/2"}),
        "errors": batchfiles.error_digest(batch),
        "error group": batchfiles.error_digest(batch).groups[0],
        "validate": report,
        "file report": report.files[0],
        "findings": report.findings,
        "finding": batchfiles.Finding(code="c", message=HOSTILE, path=HOSTILE, line_number=3),
        "split": batchfiles.split(requests, output=folder / "campaign"),
        "merge": batchfiles.merge(results, output=folder / "merged.jsonl"),
        "edit": batchfiles.edit(requests, output=folder / "edited.jsonl", values={"body.model": HOSTILE}),
        "retry": batchfiles.retry(batch, output=folder / "retry.jsonl"),
        "prepare": batchfiles.prepare(
            __import__("pyarrow").table({"a": [HOSTILE[:60]]}),
            folder / "prepared.jsonl",
            template={"url": "/v1/responses", "body": {"model": "m", "input": "{{a}}"}},
            id_template="<b>{{a}}",
        ),
        "request": request,
        "result": result,
        "response": result.response,
        "outcome": batchfiles.outcome_of(result),
        "answer": batchfiles.outcome_of(result).answer,
        "line": next(batchfiles.read_lines(results)),
        "occurrence": batchfiles.get("other", results)[0],
    }


def test_every_value_has_a_short_repr_and_a_page_in_which_nothing_runs(tmp_path: Path) -> None:
    """Texts of files, models and people are escaped; control characters and marks of direction are shown as escapes."""
    for name, value in displayed(hostile_batch(tmp_path), tmp_path).items():
        text = repr(value)
        assert len(text) < 700, name
        assert "object at 0x" not in text, name
        if hasattr(value, "_repr_html_"):
            page = value._repr_html_()
            check_page(page)
            assert len(page) < 20_000, name
        else:
            assert name == "answer"
        if isinstance(value, Displayed) and name != "finding":  # a finding is the text of exceptions too
            assert "\x1b" not in str(value), name


def test_every_public_report_and_record_shows_itself() -> None:
    """A new one without a page would be printed with all that it holds: up to 40 kB on one line."""
    api = set(vars(batchfiles.api))
    missing = []
    for name in batchfiles.__all__:
        kind = getattr(batchfiles, name)
        if inspect.isclass(kind) and hasattr(kind, "to_dict") and name not in api and not hasattr(kind, "_repr_html_"):
            missing.append(name)
    assert set(missing) == {"Answer", "BatchEvent", "Limits"}
    for name in batchfiles.__all__:
        kind = getattr(batchfiles, name)
        if inspect.isclass(kind) and issubclass(kind, Displayed):
            assert kind.__repr__ is Displayed.__repr__, f"{name} needs repr=False"
            assert dataclasses.is_dataclass(kind)


@pytest.mark.parametrize("command", ["join", "export", "validate", "merge", "split", "edit", "retry", "stats", "errors"])
def test_print_shows_the_summary_of_the_command_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same lines, except names and sizes of the output and the time."""
    monkeypatch.setenv("COLUMNS", "100")
    requests, results = CHAT / "requests.jsonl", sorted(CHAT.glob("batch_*.jsonl"))
    files = {"join": [CHAT], "retry": [CHAT], "stats": [CHAT], "errors": results, "export": results, "merge": results}
    names = files.get(command, [requests])
    output = {"join": "t.parquet", "export": "t.parquet", "split": "parts"}.get(command, "o.jsonl")
    options = [] if command in {"stats", "errors", "validate"} else ["-o", str(tmp_path / output)]
    more = ["--set", 'body.model="x"'] if command == "edit" else []
    assert exit_code([command, *map(str, names), *options, *more]) == 0
    out, err = capsys.readouterr()
    target = {"output": tmp_path / f"again-{output}"}
    report: Any = {
        "join": lambda: batchfiles.join(*names).summarize(),
        "export": lambda: batchfiles.export(*names).summarize(),
        "validate": lambda: batchfiles.validate(*names),
        "merge": lambda: batchfiles.merge(*names, **target),
        "split": lambda: batchfiles.split(*names, **target),
        "edit": lambda: batchfiles.edit(*names, **target, values={"body.model": "x"}),
        "retry": lambda: batchfiles.retry(*names, **target),
        "stats": lambda: batchfiles.stats(*names),
        "errors": lambda: batchfiles.error_digest(*names),
    }[command]()

    def plain(text: str) -> list[str]:
        text = re.sub(r"(\S*/)?(again-)?(t\.parquet|o\.jsonl|parts): ", " ", " ".join(text.split()))
        return re.sub(r"\b[\d.,]+ k?B\b,?|\bin [\d.]+ s\b", "", text).replace(",", " ").split()

    assert plain(str(report)) == plain(out + err)


def test_the_words_of_python_are_used_in_python() -> None:
    """`print(report)` names parameters, the command line names options."""
    report = batchfiles.JoinReport(table="requests", rows=1, outcomes={"succeeded": 1}, formula_cells=2, embeddings_in_requests=1)
    from batchfiles.jobs.join.summary import join_blocks

    words = " ".join(str(report).split())
    assert "csv_safe=True prefixes them" in words
    assert 'table="embeddings" writes a row' in words
    command = " ".join(" ".join(text_of(join_blocks(report, COMMAND_LINE), Screen(100))).split())
    assert "--csv-safe prefixes them" in command
    assert "--table embeddings writes a row" in command
    assert not any(word.startswith("--") for word in PYTHON)


def test_findings_print_one_a_line() -> None:
    """A tuple of findings is a tuple still."""
    found = batchfiles.validate(CHAT / "requests.jsonl", limits="openai").findings
    assert found == ()
    assert isinstance(found, Findings)
    two = Findings(batchfiles.Finding(code=code, message="m", path="f", line_number=1) for code in "ab")
    assert str(two).splitlines() == ["f:1: error: m (a)", "f:1: error: m (b)"]
    assert two[1].to_dict()["code"] == "b"


def test_a_line_of_a_thousand_levels_has_a_page() -> None:
    """No page recurses over what a file holds."""
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    request = batchfiles.BatchRequestInput(custom_id="a", url="/v1/responses", body={"input": deep})
    assert len(repr(request)) < 300
    assert len(request._repr_html_()) < 3000


def test_lines_and_results_are_plain_values() -> None:
    """For JSON, with their places."""
    line = next(batchfiles.read_lines(CHAT / "requests.jsonl"))
    assert json.loads(json.dumps(line.to_dict()))["line_number"] == 1
    assert line.to_dict()["data"].startswith('{"custom_id"')
    result = batchfiles.outcome_of(next(batchfiles.read_outputs(next(CHAT.glob("*_error.jsonl")))))
    assert json.loads(json.dumps(result.to_dict()))["answer"]["outcome"] == "failed"
