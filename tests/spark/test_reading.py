"""A campaign read by Spark is the table that one machine makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import batchfiles
from batchfiles.jobs.join.report import JoinReport
from tests.spark.campaigns import FIXTURES, fixture_campaign, with_duplicates

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:pyspark"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

NAMES = sorted(path.parent.name for path in FIXTURES.glob("*/requests.jsonl"))


def rows_of(spark: Any, campaign: Path, keeps_order: bool, **options: Any) -> list[dict[str, Any]]:
    """The rows as Python values, in the order of one machine."""
    rows = spark.read.format("batchfiles").options(**options).load(str(campaign)).collect()
    values = [row.asDict(recursive=True) for row in rows]
    return values if keeps_order else in_order(values)


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort rows by their places."""
    keys = ("input_source", "input_line_number", "result_source", "result_line_number", "embedding_index")
    return sorted(rows, key=lambda row: [(row.get(key) is None, row.get(key)) for key in keys])


def expected(table: Any, keeps_order: bool = True) -> list[dict[str, Any]]:
    """The rows of one machine, with maps and times as Spark gives them."""
    rows = table.to_arrow().to_pylist()
    for row in rows:
        if row.get("category_scores") is not None:
            row["category_scores"] = dict(row["category_scores"])
        for name in ("created_at",):
            if row.get(name) is not None:
                row[name] = row[name].astimezone().replace(tzinfo=None)
    return rows if keeps_order else in_order(rows)


def without_time(report: JoinReport) -> dict[str, Any]:
    """The report, except how long it took and what depends on the order of tasks."""
    values = report.to_dict()
    return {name: value for name, value in values.items() if name not in ("seconds", "files", "findings", "examples")}


def report_of(spark: Any, campaign: Path, **options: Any) -> JoinReport:
    """Add up the reports of all parts, and check their columns."""
    rows = spark.read.format("batchfiles").options(kind="reports", **options).load(str(campaign)).collect()
    reports = [JoinReport.from_dict(json.loads(row["report"])) for row in rows]
    for row, report in zip(rows, reports, strict=True):
        assert (row["inputs"], row["missing"], row["outcomes"]) == (report.inputs, report.missing, report.outcomes)
    return JoinReport.total(reports)


@pytest.mark.parametrize("name", NAMES)
def test_spark_has_the_rows_and_counts_of_one_machine(spark: Any, keeps_order: bool, tmp_path: Path, name: str) -> None:
    """Also the odd lines of `fixtures/shapes`, which are rows and counts there as here."""
    campaign = fixture_campaign(name, tmp_path / "campaign")
    joined = batchfiles.join(campaign)
    assert rows_of(spark, campaign, keeps_order) == expected(joined, keeps_order)
    assert without_time(report_of(spark, campaign)) == without_time(joined.report)


def test_results_that_come_twice_are_counted_once(spark: Any, keeps_order: bool, tmp_path: Path) -> None:
    """A result in the output file and in the error file is superseded on both sides."""
    campaign = with_duplicates(fixture_campaign("chat_completions", tmp_path / "campaign"))
    joined = batchfiles.join(campaign)
    assert rows_of(spark, campaign, keeps_order) == expected(joined, keeps_order)
    report = report_of(spark, campaign)
    assert without_time(report) == without_time(joined.report)
    assert report.superseded > 0


def test_results_alone_are_the_table_of_export(spark: Any, keeps_order: bool, tmp_path: Path) -> None:
    """A partition a result file gives the rows that `export` gives of all of them."""
    campaign = fixture_campaign("chat_completions", tmp_path / "campaign")
    results = sorted(str(path) for path in campaign.glob("*_*.jsonl"))
    assert rows_of(spark, campaign, keeps_order, kind="results") == expected(batchfiles.export(*results), keeps_order)


@pytest.mark.parametrize("parse_dates", [False, True])
def test_parsed_answers_have_one_schema_for_all_parts(spark: Any, keeps_order: bool, tmp_path: Path, parse_dates: bool) -> None:
    """The request with the schema is in another part than most answers."""
    campaign = fixture_campaign("chat_completions", tmp_path / "campaign")
    joined = batchfiles.join(campaign, parsed=True, parse_dates=parse_dates)
    options = {"parsed": True, "parse_dates": parse_dates}
    assert rows_of(spark, campaign, keeps_order, **options) == expected(joined, keeps_order)
    assert without_time(report_of(spark, campaign, **options)) == without_time(joined.report)


def test_columns_of_answers_may_have_any_name(spark: Any, keeps_order: bool, tmp_path: Path) -> None:
    """Names of a JSON Schema are not those of a database: they have spaces, colons and backticks."""
    campaign = fixture_campaign("chat_completions", tmp_path / "campaign")
    names = ["title", "a b", "c:d", "e`f", "g<h>,", "日本"]
    schema = {"type": "object", "properties": {name: {"type": ["string", "null"]} for name in names}}
    joined = batchfiles.join(campaign, parsed=True, schema=schema)
    options = {"parsed": True, "schema": json.dumps(schema)}
    assert rows_of(spark, campaign, keeps_order, **options) == expected(joined, keeps_order)
    (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    assert rows_of(spark, campaign, keeps_order, parsed=True, schema=str(tmp_path / "schema.json"))[0].keys() == set(
        joined.schema.names
    )


def test_vectors_of_one_length_are_lists(spark: Any, keeps_order: bool, tmp_path: Path) -> None:
    """Spark has no lists of a fixed size."""
    campaign = fixture_campaign("embeddings", tmp_path / "campaign")
    length = next(len(row["embedding"]) for row in batchfiles.join(campaign) if row["embedding"])
    joined = batchfiles.join(campaign, dimensions=length)
    assert rows_of(spark, campaign, keeps_order, dimensions=length) == expected(joined, keeps_order)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tabel": "requests"}, "unknown option 'tabel'; did you mean 'table'?"),
        ({"dimensions": "many"}, "dimensions is a whole number, not 'many'"),
        ({"parsed": "yes"}, "parsed is true or false, not 'yes'"),
        ({"bodies": "some"}, "bodies is one of auto, all, none, not 'some'"),
        ({"kind": "rows"}, "unknown kind 'rows'"),
        ({"kind": "results", "on_duplicate": "error"}, "on_duplicate has no meaning with the kind 'results'"),
        ({"output": "table"}, "unknown option 'output'"),
        ({"max_line_bytes": 0}, "max_line_bytes is 1 or more, not 0"),
        ({"dimensions": 0}, "dimensions is 1 or more, not 0"),
        ({"parsed": "true", "schema": "{"}, "schema is not valid JSON"),
        ({"on_duplicate": "first"}, "on_duplicate is 'best' or 'error', not 'first'"),
    ],
)
def test_wrong_options_are_refused_before_any_task(spark: Any, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    """A misspelled option would be ignored in silence, and the table would be another one."""
    campaign = fixture_campaign("completions", tmp_path / "campaign")
    with pytest.raises(Exception, match=r"(?s).*") as caught:
        spark.read.format("batchfiles").options(**options).load(str(campaign)).schema  # noqa: B018 - the plan is made here
    assert words in str(caught.value)


def test_a_file_url_is_a_path(spark: Any, tmp_path: Path) -> None:
    """It was taken for a name in the working folder."""
    campaign = fixture_campaign("completions", tmp_path / "why? 50%20")
    url = f"file://{quote(str(campaign))}"
    assert spark.read.format("batchfiles").load(url).count() == batchfiles.join(campaign).summarize().inputs


def test_flat_results_are_refused_with_the_ways_out(spark: Any, tmp_path: Path) -> None:
    """A result that names no part can't be given to the task of its part."""
    campaign = fixture_campaign("completions", tmp_path / "campaign")
    (campaign / "answers.jsonl").write_bytes(b"{}\n")
    with pytest.raises(Exception, match="belongs to no part of the manifest by its name: name results after"):
        spark.read.format("batchfiles").load(str(campaign)).count()
    with pytest.raises(Exception, match=r"has no manifest.json"):
        spark.read.format("batchfiles").load(str(FIXTURES / "completions")).count()


def test_a_missing_part_fails_when_the_plan_is_made(spark: Any, tmp_path: Path) -> None:
    """Not after hours, in the task of that part."""
    campaign = fixture_campaign("completions", tmp_path / "campaign")
    next(campaign.glob("requests-*1.jsonl")).unlink()
    with pytest.raises(Exception, match="this part of the manifest does not exist"):
        spark.read.format("batchfiles").load(str(campaign)).schema  # noqa: B018 - the plan is made here


def test_a_file_that_changes_after_the_plan_fails_its_task(tmp_path: Path) -> None:
    """A table must not be made of two versions of a file."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")
    from batchfiles.spark import BatchFilesDataSource

    campaign = fixture_campaign("completions", tmp_path / "campaign")
    reader = BatchFilesDataSource({"path": str(campaign)}).reader(None)
    first, *_ = reader.partitions()
    with next(campaign.glob("requests-*1.jsonl")).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(batchfiles.FileError, match="the file changed after its campaign was listed"):
        list(reader.read(first))


def test_the_package_and_the_command_line_import_no_pyspark() -> None:
    """Spark is for those who have it; without it nothing may be slower or missing."""
    code = "import sys, batchfiles, batchfiles.cli.main, batchfiles.jobs.join.join; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
