"""Ten days of campaigns with ever stranger contents become one data set that every reader reads as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest

import batchfiles
from tests.jobs.wire import put, request, success

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHAPES = sorted(path for path in (FIXTURES / "shapes").glob("*.jsonl") if not path.name.startswith(("input_", "requests")))

DAYS = [
    [FIXTURES / "chat_completions"],
    [FIXTURES / "responses"],
    [FIXTURES / "completions"],
    [FIXTURES / "moderations"],
    [FIXTURES / "images"],
    [FIXTURES / "all_failed"],
    [FIXTURES / "azure"],
    [FIXTURES / "empty"],
    SHAPES,
]
"""Nine days: all that is usual, then the shapes that break other tools. The tenth brings what nobody has seen before."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Join each day into a separate file; return their folder and how many rows they have together."""
    folder = tmp_path_factory.mktemp("days")
    strange = folder.parent / "strange"
    strange.mkdir(exist_ok=True)
    never_seen = json.loads(success("b"))
    never_seen["response"]["body"]["usage"] = {"prompt_tokens": 2**70, "completion_tokens": "many", "total_tokens": 1.5}
    never_seen["response"]["body"]["hologram"] = [{"depth": None}, [], "x"]
    put(strange / "in.jsonl", request("a"), request("b"), request("c"))
    put(strange / "out.jsonl", success("a"), json.dumps(never_seen).encode(), b'{"custom_id":"c","response":[7],"error":[]}')
    rows = 0
    for day, files in enumerate([*DAYS, [strange]], 1):
        inputs = [FIXTURES / "shapes" / "requests.jsonl"] if files is SHAPES else []
        rows += batchfiles.join(*files, inputs=inputs, table="requests").to_parquet(folder / f"day-{day:02d}.parquet").rows
    return folder, rows


def test_pyarrow_reads_the_data_set_whole(loaded: tuple[Path, int]) -> None:
    """With the schema of any of its files."""
    folder, rows = loaded
    dataset = ds.dataset(folder)
    assert dataset.count_rows() == rows
    assert dataset.schema.remove_metadata() == batchfiles.schema().remove_metadata()
    assert set(dataset.to_table(columns=["outcome"])["outcome"].to_pylist()) <= set(batchfiles.OUTCOMES)


def test_duckdb_reads_the_data_set_whole(loaded: tuple[Path, int]) -> None:
    """Without an option that unites by name."""
    duckdb = pytest.importorskip("duckdb")
    folder, rows = loaded
    query = f"SELECT count(*), count(outcome) FROM read_parquet('{folder}/*.parquet')"
    assert duckdb.sql(query).fetchall() == [(rows, rows)]


def test_polars_reads_the_data_set_whole(loaded: tuple[Path, int]) -> None:
    """Lazily, and as it is."""
    polars = pytest.importorskip("polars")
    folder, rows = loaded
    assert polars.scan_parquet(folder / "*.parquet").select("custom_id", "outcome", "response_body").collect().height == rows


def test_pandas_reads_the_data_set_whole(loaded: tuple[Path, int]) -> None:
    """All columns of it."""
    pandas = pytest.importorskip("pandas")
    folder, rows = loaded
    frame = pandas.read_parquet(folder)
    assert len(frame) == rows
    assert list(frame.columns) == batchfiles.schema().names
