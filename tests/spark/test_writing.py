"""Campaigns that Spark writes, and tables that its executors write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.jobs.prepare_parts import NewCampaign
from batchfiles.table.parquet import HAS_LATE_METADATA
from tests.jobs.wire import success
from tests.spark.campaigns import FIXTURES, fixture_campaign
from tests.spark.test_reading import NAMES, without_time

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning:pyspark"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

TEMPLATE = {
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "{{text}}"}], "seed": "{{number}}"},
}


def rows(spark: Any, count: int = 25) -> Any:
    """A data frame in three partitions."""
    return spark.createDataFrame([(n, f"Text {n} é") for n in range(count)], "number bigint, text string").repartition(3)


def writing(frame: Any, **options: Any) -> Any:
    """What saves the requests of a data frame."""
    given = {"template": json.dumps(TEMPLATE), "id": "row-{{number}}", **options}
    return frame.write.format("batchfiles").options(**given).mode("append")


def lines_of(folder: Path) -> list[bytes]:
    """All request lines of a campaign."""
    return [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def test_the_requests_of_rows_are_those_of_prepare(spark: Any, tmp_path: Path) -> None:
    """The round trip: rows to a campaign, and the campaign back to a table."""
    folder = tmp_path / "campaign"
    writing(rows(spark), max_requests=5).save(str(folder))
    table = pa.table({"number": range(25), "text": [f"Text {n} é" for n in range(25)]})
    batchfiles.prepare(table, tmp_path / "one.jsonl", template=TEMPLATE, id_template="row-{{number}}")
    assert sorted(lines_of(folder)) == sorted((tmp_path / "one.jsonl").read_bytes().splitlines())
    found = batchfiles.parts(folder)
    assert [part.name for part in found] == [f"requests-{n:05d}" for n in range(1, len(found) + 1)]
    assert batchfiles.validate(folder).ok
    assert all(part.manifest[0].requests <= 5 for part in found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign", "one.jsonl"]
    joined = spark.read.format("batchfiles").load(str(folder)).select("custom_id", "outcome").collect()
    assert sorted(joined) == sorted((f"row-{n}", "missing") for n in range(25))


def test_a_campaign_that_exists_is_refused_before_any_task(spark: Any, tmp_path: Path) -> None:
    """Requests that were sent must not be replaced by others."""
    folder = tmp_path / "campaign"
    writing(rows(spark)).save(str(folder))
    before = lines_of(folder)
    with pytest.raises(Exception, match="exists already"):
        writing(rows(spark)).save(str(folder))
    assert lines_of(folder) == before
    writing(rows(spark, 3)).mode("overwrite").save(str(folder))
    assert len(lines_of(folder)) == 3
    (folder / "requests-00001_output.jsonl").write_bytes(b"{}\n")
    with pytest.raises(Exception, match="holds files that are not ours to delete"):
        writing(rows(spark)).mode("overwrite").save(str(folder))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"id": "{{nubmer}}"}, "did you mean {{number}}?"),
        ({"id": "same"}, "names no column"),
        ({"templat": "x"}, "unknown option 'templat'; did you mean 'template'?"),
        ({"limits": "opena"}, "opena"),
        ({"max_requests": 0}, "max_requests is 1 or more, not 0"),
        ({"compress": "zip"}, "'zip'"),
        ({"template": "missing.json"}, "missing.json"),
    ],
)
def test_wrong_options_leave_nothing(spark: Any, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    """All of them are found on the driver."""
    with pytest.raises(Exception, match=r"(?s).*") as caught:
        writing(rows(spark), **options).save(str(tmp_path / "campaign"))
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_bad_row_leaves_nothing(spark: Any, tmp_path: Path) -> None:
    """A task fails, and with it the whole job."""
    frame = spark.createDataFrame([(1, "a"), (2, None)], "number bigint, text string")
    with pytest.raises(Exception, match="a null for 'text'"):
        writing(frame).save(str(tmp_path / "campaign"))
    assert list(tmp_path.iterdir()) == []


def test_ids_are_unique_over_all_tasks(spark: Any, tmp_path: Path) -> None:
    """A data frame that was read twice would be paid for twice."""
    with pytest.raises(Exception, match="make the id 'row-"):
        writing(rows(spark).union(rows(spark))).save(str(tmp_path / "campaign"))
    assert list(tmp_path.iterdir()) == []


def test_files_of_failed_attempts_are_not_in_the_campaign(tmp_path: Path) -> None:
    """A task that was killed leaves a folder, and one that ran twice has two: only what was committed counts."""
    options = {"template": json.dumps(TEMPLATE), "id": "row-{{number}}", "max_requests": 2}
    plan = NewCampaign.begin(str(tmp_path / "campaign"), options, ["number", "text"], overwrite=False)

    def batches(*numbers: int) -> Iterator[pa.RecordBatch]:
        for number in numbers:
            yield pa.RecordBatch.from_pydict({"number": [number], "text": ["a"]})

    plan.write(batches(1, 2, 3), "partition 0")
    first = plan.write(batches(1, 2, 3), "partition 0")
    second = plan.write(batches(4), "partition 1")
    empty = plan.write(batches(), "partition 2")
    manifest = plan.commit([first, second, empty])
    assert [(part.file, part.requests) for part in manifest.parts] == [
        ("requests-00001.jsonl", 2),
        ("requests-00002.jsonl", 1),
        ("requests-00003.jsonl", 1),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["campaign"]
    assert len(lines_of(tmp_path / "campaign")) == 4


@pytest.mark.parametrize("least", [0, None])
@pytest.mark.parametrize("name", NAMES)
def test_executors_write_the_table_of_one_machine(spark: Any, tmp_path: Path, name: str, least: int | None) -> None:
    """Row for row, the same files, the counts add up, and one machine can continue the folder."""
    from batchfiles.spark import write_parquet

    campaign = fixture_campaign(name, tmp_path / "campaign")
    joined = batchfiles.join(campaign)
    report = write_parquet(spark, campaign, tmp_path / "table", min_file_bytes=least)
    expected = joined.to_parquet(tmp_path / "one", min_file_bytes=least)
    names = sorted(path.name for path in (tmp_path / "table").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "one").iterdir())
    for file in names[1:]:
        assert pq.read_table(tmp_path / "table" / file).equals(pq.read_table(tmp_path / "one" / file))
    assert without_time(report) == without_time(expected)
    if HAS_LATE_METADATA:
        assert joined.to_parquet(tmp_path / "table", resume=True).kept_parts == len(batchfiles.parts(campaign))


def test_a_table_that_exists_is_refused_before_any_task(spark: Any, tmp_path: Path) -> None:
    """Also a misspelled option leaves no folder."""
    from batchfiles.spark import write_parquet

    campaign = fixture_campaign("completions", tmp_path / "campaign")
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "other.txt").write_bytes(b"")
    with pytest.raises(batchfiles.BatchFilesError):
        write_parquet(spark, campaign, tmp_path / "table")
    with pytest.raises(ValueError, match="unknown option 'tabel'"):
        write_parquet(spark, campaign, tmp_path / "new", tabel="requests")
    with pytest.raises(ValueError, match="min_file_bytes is 0 or more"):
        write_parquet(spark, campaign, tmp_path / "new", min_file_bytes=-1)
    for option in ("kind", "output", "path"):
        with pytest.raises(ValueError, match=f"unknown option '{option}'"):
            write_parquet(spark, campaign, tmp_path / "new", **{option: "join"})
    assert not (tmp_path / "new").exists()


def test_an_error_leaves_no_table(spark: Any, tmp_path: Path) -> None:
    """A folder with some parts was left, and the next try was refused because of it."""
    from batchfiles.spark import write_parquet

    campaign = tmp_path / "campaign"
    batchfiles.split(FIXTURES / "completions" / "requests.jsonl", output=campaign, max_requests=2)
    asked = json.loads((campaign / "requests-00001.jsonl").read_bytes().splitlines()[0])
    (campaign / "requests-00001_output.jsonl").write_bytes((success(asked["custom_id"]) + b"\n") * 2)
    with pytest.raises(Exception, match="DuplicateCustomIdError"):
        write_parquet(spark, campaign, tmp_path / "table", on_duplicate="error")
    assert not (tmp_path / "table").exists()
    assert write_parquet(spark, campaign, tmp_path / "table").superseded == 1


def test_results_of_other_requests_are_refused_over_the_total(spark: Any, tmp_path: Path) -> None:
    """One part with the results of another campaign is counted; if all are, the files do not belong together."""
    from batchfiles.spark import write_parquet

    campaign = tmp_path / "campaign"
    batchfiles.split(FIXTURES / "completions" / "requests.jsonl", output=campaign)
    other = next((FIXTURES / "chat_completions").glob("*_output.jsonl"))
    (campaign / "requests-00001_output.jsonl").write_bytes(other.read_bytes())
    with pytest.raises(batchfiles.MismatchError, match="results belong to a request"):
        write_parquet(spark, campaign, tmp_path / "table")
    assert not (tmp_path / "table").exists()
