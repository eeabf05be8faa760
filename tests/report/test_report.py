"""`report`: one HTML file that is complete, safe, and the same for the same input."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import MismatchError, MissingDependencyError, OutputExistsError
from tests.jobs.wire import put, success
from tests.report.batch import SCRIPT, SECRET, answer, request, write_batch

pytest.importorskip("vl_convert")
pytest.importorskip("jinja2")


class Elements(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """Write the batch with every kind of trouble."""
    return write_batch(tmp_path / "batch")


def html_of(*sources: Any, **options: Any) -> str:
    """Return the page about some sources."""
    output = io.BytesIO()
    batchfiles.report(*sources, output=output, **options)
    return output.getvalue().decode()


def test_the_page_begins_with_a_verdict_and_accounts_for_every_line(batch: Path, tmp_path: Path) -> None:
    """12 requests and 14 result lines: each is in one count, and what to do comes first."""
    found = batchfiles.report(batch, output=tmp_path / "report.html", workers=1)

    page = Elements((tmp_path / "report.html").read_text("utf-8"))
    assert found.outcomes == {"failed": 4, "incomplete": 1, "missing": 1, "succeeded": 6}
    assert (found.rows, found.retryable, found.bytes) == (12, 2, (tmp_path / "report.html").stat().st_size)
    assert found.verdict.startswith("12 requests, each accounted for. 6 succeeded (50.0%). 4 would not succeed unchanged")
    assert "1 result without a request" in found.verdict
    assert "12 requests, each accounted for." in page.text
    assert (
        "11 in the table: the best result of a request + 1 superseded: there was a better or later one + 1 unknown" in page.text
    )
    assert "= 14 result lines" in page.text


def test_the_command_of_the_verdict_writes_the_requests_to_send_again(batch: Path, tmp_path: Path) -> None:
    """A reader copies it from the page into a shell."""
    found = batchfiles.report(batch, output=tmp_path / "report.html")
    assert found.command == f"batchfiles retry {batch} -o {batch}"

    table = tmp_path / "table.parquet"
    batchfiles.join(batch).to_parquet(table)
    command = batchfiles.report(table, output=tmp_path / "table.html").command
    assert command == f"batchfiles retry {batch}/monday.jsonl {batch}/tuesday.jsonl {table} -o {batch}"
    assert again(command, batch) == found.retryable


def again(command: str, folder: Path) -> int:
    """Run the command of a page, and return the number of requests that it wrote."""
    program = [sys.executable, "-c", "from batchfiles.cli import program; program()"]
    subprocess.run([*program, *command.split()[1:]], cwd=folder, check=True, capture_output=True)
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*-retry-1.jsonl"))


def test_the_command_works_where_ids_begin_again_in_each_file(tmp_path: Path) -> None:
    """Its one output was refused, since ids must be unique in it."""
    for day in ("monday", "tuesday"):
        put(tmp_path / f"{day}.jsonl", request("a", day), request("b", day))
        put(tmp_path / f"{day}_output.jsonl", success("a"))
    found = batchfiles.report(*sorted(tmp_path.glob("*.jsonl")), output=tmp_path / "report.html")
    assert found.retryable == again(found.command, tmp_path) == 2


def test_without_results_there_is_no_command(tmp_path: Path) -> None:
    """`retry` refuses to send everything again."""
    requests = put(tmp_path / "requests.jsonl", request("a"))
    found = batchfiles.report(requests, output=tmp_path / "report.html")
    assert (found.retryable, found.command) == (1, "")
    assert found.verdict.endswith("1 may succeed if sent again.")


def test_parts_are_listed_worst_first_and_equal_errors_once(batch: Path) -> None:
    """Errors that differ in quotations and ids are one error, with an example."""
    page = Elements(html_of(batch)).text
    parts = page.partition("Parts, worst first")[2]
    assert parts.index("monday.jsonl") < parts.index("tuesday.jsonl")
    assert "2 16.7% failed 400 bad_value No model '…' in <id>" in page
    assert "example No model 'x' in req_0123456789abcdef" in page


def test_a_failing_row_is_shown_with_its_request_and_answer(batch: Path) -> None:
    """The texts of both are next to each other; missing requests have no answer."""
    page = Elements(html_of(batch)).text
    rows = page.partition("First failures 6 of 6")[2]
    assert f"incomplete a-2 200 length request {batch}/monday.jsonl:3; result {batch}/monday_output.jsonl:4; 1 result" in rows
    assert f'user {SECRET} parameters {{"model":"gpt-4o-mini"}} Answer text Cut' in rows
    assert "No answer." in rows


def test_hostile_texts_are_only_text(batch: Path) -> None:
    """An id, a request, an error and a code with markup, a template, a control character and a mark that turns the text."""
    html = html_of(batch)
    page = Elements(html)
    assert SCRIPT in page.text
    assert not page.tags & {"script", "img", "iframe", "object", "embed", "link", "base", "form", "foreignobject", "use", "image"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "style", "xlink:href")]
    assert {value for name, value in page.attributes if name == "href"} <= {
        f"#{section}"
        for section in ("outcomes", "accounting", "parts", "errors", "tokens", "lengths", "reasons", "batches", "rows")
    }
    assert "{{ 7*7 }}" in page.text
    assert "<U+202E>abc" in page.text
    assert not set(html) & {"\u202e", "\x00"}


def test_nothing_in_the_page_names_an_address(batch: Path) -> None:
    """No fonts, no scripts, no images: mail programs and pages of artifacts show the file whole, and a policy forbids others."""
    html = html_of(batch)
    assert not re.findall(r"https?:|//\w|@import|url\((?!#p-)", html)
    assert "default-src 'none'; style-src 'sha256-" in html
    assert "<script" not in html.replace("&lt;script", "")


def test_without_texts_nothing_that_a_user_wrote_is_in_the_page(batch: Path) -> None:
    """`texts=False` leaves out ids, messages, requests and answers, and still counts errors."""
    html = html_of(batch, texts=False)
    for word in (SECRET, "Another answer", "No model", "nobody", "a-3", "&lt;img", "Slow down"):
        assert word not in html, word
    assert "3 25.0%" not in Elements(html).text
    assert "2 16.7% failed 400 bad_value first at" in Elements(html).text


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_input_gives_the_same_bytes(batch: Path, workers: int) -> None:
    """No clock and nothing random: a report can be compared, and a build is reproducible."""
    assert html_of(batch, workers=workers) == html_of(batch, workers=1)


def test_a_table_of_any_format_gives_the_same_counts(batch: Path, tmp_path: Path) -> None:
    """Parquet, Arrow, JSONL, CSV, a folder of parts, a table in memory, pandas' types, and the join itself."""
    joined = batchfiles.join(batch)
    expected = batchfiles.report(joined, output=io.BytesIO())
    table = joined.to_arrow()
    for name in ("t.parquet", "t.arrow", "t.jsonl", "t.csv", "parts/"):
        joined.write(tmp_path / name if name[-1] != "/" else f"{tmp_path}/{name}")
    pq.write_table(pa.Table.from_pandas(table.drop_columns("category_scores").to_pandas()), tmp_path / "pandas.parquet")
    for source in (*(tmp_path / name for name in ("t.parquet", "t.arrow", "t.jsonl", "t.csv", "parts", "pandas.parquet")), table):
        found = batchfiles.report(source, output=io.BytesIO())
        assert (found.outcomes, found.retryable, found.errors) == (expected.outcomes, expected.retryable, expected.errors), source
        assert found.verdict.startswith("12 requests in the table. 6 succeeded (50.0%).")


def test_an_export_and_an_embeddings_table(tmp_path: Path) -> None:
    """Results are not called requests; rows of further vectors are not further requests."""
    page = Elements(html_of(batchfiles.export(*Path("fixtures/azure").glob("*_output.jsonl")))).text
    assert "4 results." in page
    found = batchfiles.report(batchfiles.join("fixtures/embeddings"), output=io.BytesIO())
    assert found.rows == batchfiles.join("fixtures/embeddings").summarize().inputs


def test_costs_are_those_of_stats(batch: Path, tmp_path: Path) -> None:
    """The sum of the used results; the note counts those that are billed too."""
    prices = tmp_path / "prices.toml"
    prices.write_text(
        'currency = "USD"\nbatch_discount = 0.5\n[models.gpt-4o-mini]\ninput = 1000000\noutput = 1000000\n'
        "tier = [{ above = 500, input = 2000000, output = 2000000 }]\n"
    )
    page = Elements(html_of(batch, prices=prices)).text
    # six answers of 10 + 20 tokens, and one of 1000 + 2000 tokens at the price above 500; half of it
    assert "3,090.00" in page
    assert "batch discount 50%" in page
    assert "2 results that are superseded or unknown are billed too" in page


def test_a_table_and_files_together_are_refused(batch: Path, tmp_path: Path) -> None:
    """The table already has the results: which ones are meant is not clear."""
    table = tmp_path / "table.parquet"
    batchfiles.join(batch).to_parquet(table)
    with pytest.raises(MismatchError, match="report the table alone, or the files alone"):
        batchfiles.report(table, batch, output=io.BytesIO())
    pq.write_table(pa.table({"custom_id": ["a"]}), table)
    with pytest.raises(MismatchError, match="has no column outcome"):
        batchfiles.report(table, output=io.BytesIO())
    pa_csv.write_csv(pa.table({"custom_id": ["a"]}), tmp_path / "t.csv")
    with pytest.raises(MismatchError):
        batchfiles.report(tmp_path / "t.csv", output=io.BytesIO())
    with pytest.raises(TypeError, match="at least one"):
        batchfiles.report(output=io.BytesIO())
    with pytest.raises(ValueError, match="rows must be 0 or more, not -1"):
        batchfiles.report(batch, output=io.BytesIO(), rows=-1)


def test_an_existing_file_is_kept(batch: Path, tmp_path: Path) -> None:
    """It is refused before any file is read."""
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        batchfiles.report(batch, output=tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "mine"
    batchfiles.report(batch, output=tmp_path / "report.html", overwrite=True)


def test_a_page_in_the_folder_that_it_is_about_is_not_reported_as_not_read(batch: Path) -> None:
    """The second report of a campaign named the first one as a file to check."""
    first = batchfiles.report(batch, output=batch / "report.html").verdict
    assert batchfiles.report(batch, output=batch / "report.html", overwrite=True).verdict == first
    assert "not read" not in first


def test_an_input_file_is_never_replaced(batch: Path) -> None:
    """`--force` is for the page of yesterday."""
    before = (batch / "monday.jsonl").read_bytes()
    for options in ({}, {"inputs": [batch / "monday.jsonl"]}):
        sources = [batch / "monday_output.jsonl", *([] if options else [batch / "monday.jsonl"])]
        with pytest.raises(ValueError, match="is an input file"):
            batchfiles.report(*sources, output=batch / "monday.jsonl", overwrite=True, **options)
    assert (batch / "monday.jsonl").read_bytes() == before


def test_a_missing_package_is_one_sentence(batch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named; no file is left."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(
        MissingDependencyError,
        match=r"^report needs vl-convert-python and jinja2: pip install 'jinja2>=.* 'vl-convert-python>=",
    ):
        batchfiles.report(batch, output=tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_all_successes_leave_nothing_to_do(tmp_path: Path) -> None:
    """No section about errors, and no command."""
    (tmp_path / "r.jsonl").write_bytes(request("a"))
    (tmp_path / "o.jsonl").write_bytes(answer("a"))
    found = batchfiles.report(tmp_path / "r.jsonl", tmp_path / "o.jsonl", output=tmp_path / "report.html")
    assert found.verdict == "1 request, each accounted for. All succeeded."
    assert found.command == ""
    assert 'id="errors"' not in (tmp_path / "report.html").read_text("utf-8")


def test_requests_without_any_result_and_an_empty_file(tmp_path: Path) -> None:
    """All are missing; and a table without rows is a page too."""
    (tmp_path / "r.jsonl").write_bytes(request("a") + request("b"))
    found = batchfiles.report(tmp_path / "r.jsonl", output=io.BytesIO())
    assert found.outcomes == {"missing": 2}
    pq.write_table(batchfiles.schema().empty_table(), tmp_path / "t.parquet")
    assert batchfiles.report(tmp_path / "t.parquet", output=io.BytesIO()).verdict == "There is nothing to report: 0 results."


def test_the_page_of_the_worst_input_is_at_most_300_kb(tmp_path: Path) -> None:
    """Long names, ids, messages and texts of letters that HTML escapes, and thousands of different errors, models and parts."""
    rows = 2000
    long = '"<&' * 3000
    columns: dict[str, list[Any]] = {
        "custom_id": [f"{number}{long}" for number in range(rows)],
        "outcome": ["failed"] * rows,
        "retryable": [False] * rows,
        "error_code": [f"{chr(0x4E00 + number)}{long}" for number in range(rows)],
        "error_message": [f"{chr(0x4E00 + number)}{long}" for number in range(rows)],
        "model": [f"{chr(0x4E00 + number)}{long}" for number in range(rows)],
        "finish_reason": [long] * rows,
        "input_tokens": [number * number for number in range(rows)],
        "input_source": [f"{number}{long}" for number in range(rows)],
        "result_source": [f"{number}{long}" for number in range(rows)],
        "created_at": [1000 * number**2 for number in range(rows)],
        "request_body": [f'{{"messages": [{{"role": "user", "content": "{"<" * 9000}"}}]}}'] * rows,
        "response_body": [long] * rows,
    }
    schema = pa.schema([batchfiles.schema().field(name) for name in columns])
    arrays = [
        pa.array(values).cast(pa.int64() if "created" in name else schema.field(name).type).cast(schema.field(name).type)
        for name, values in columns.items()
    ]
    found = batchfiles.report(pa.Table.from_arrays(arrays, schema=schema), output=tmp_path / "report.html", rows=500)
    assert found.bytes <= 300_000
    assert found.errors == 1000


def test_odd_values_do_not_break_a_page(tmp_path: Path) -> None:
    """Times before 1970 and after 9999, negative and huge token counts, and names with control characters in a chart."""
    count = 5
    table = pa.table(
        {
            "custom_id": ["a", "b", "c", "d", None],
            "outcome": ["succeeded"] * 4 + ["malformed"],
            "retryable": [False] * count,
            "input_tokens": pa.array([-5, 0, 2**62, 2**62, 2**62], pa.int64()),
            "output_tokens": pa.array([1, 2, 3, None, 5], pa.int64()),
            "input_source": ["\x00\x1b[31m\ufffe.jsonl", "\u2028];alert(1)//", "b", "c", None],
            "created_at": pa.array([-(2**62), 2**62, 0, None, 1], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        }
    )
    found = batchfiles.report(table, output=tmp_path / "report.html")
    assert found.outcomes == {"malformed": 1, "succeeded": 4}
