"""A remote campaign is joined part by part, and its folder of tables can be continued."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.io import transfer
from batchfiles.io.remote_path import RemotePath
from batchfiles.jobs.join.campaign_join import CampaignJoin
from batchfiles.table.parquet import HAS_LATE_METADATA
from tests.jobs.test_campaign_join import campaign, counts, ids
from tests.jobs.wire import request, success
from tests.remote.bucket import Bucket


@pytest.fixture
def folder(bucket: Bucket, tmp_path: Path) -> Path:
    """A campaign of four parts in the bucket, at `c/`, and here."""
    parts = {
        f"part-{number}": (
            [request(each, model="m") for each in ids(3)],
            [success(each, f"{number}") for each in (*ids(2), "other")],
        )
        for number in range(4)
    }
    made = campaign(tmp_path / "c", parts)
    for path in made.iterdir():
        bucket.put(f"c/{path.name}", path.read_bytes())
    return made


def test_a_remote_campaign_is_never_copied_whole(
    bucket: Bucket, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder has the files of one part at a time; rows, counts and rejects are those of the local files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    most = 0
    monkeypatch.setattr("batchfiles.jobs.join.part_join.ROWS", 1)  # no batch waits for those of the next part
    with batchfiles.join(bucket.url("c"), temp_dir=temporary) as job, batchfiles.join(folder) as local:
        assert isinstance(job, CampaignJoin)
        batches = []
        for batch in job.to_batches():
            most = max(most, len(list(temporary.rglob("*source.jsonl"))))
            batches.append(batch)
        assert most == 2
        own = ["input_source", "result_source"]
        assert pa.Table.from_batches(batches).drop_columns(own).equals(local.to_arrow().drop_columns(own))
        assert job.report.outcomes == local.report.outcomes
        assert (job.report.unknown, job.report.missing) == (4, 4)
        job.write_rejects(bucket.url("rejects.jsonl"))
        local.write_rejects(tmp_path / "rejects.jsonl")
    assert bucket.get("rejects.jsonl") == (tmp_path / "rejects.jsonl").read_bytes()


@pytest.mark.skipif(not HAS_LATE_METADATA, reason="this pyarrow can't add metadata after the rows")
def test_a_remote_folder_is_resumed(bucket: Bucket, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part whose copy failed and a part that is gone are written; `_SUCCESS` comes last."""
    url = bucket.url("t")
    really, copied = transfer._upload, []

    def upload(file: Path, target: RemotePath) -> None:
        copied.append(target.name)
        if target.name == "part-2.parquet" and len(copied) == 3:
            raise ConnectionError("the line is down")
        really(file, target)

    monkeypatch.setattr(transfer, "_upload", upload)
    with batchfiles.join(bucket.url("c")) as job:
        with pytest.raises(ConnectionError):
            job.to_parquet(url, min_file_bytes=0)
        assert bucket.listed()[-2:] == ["t/part-0.parquet", "t/part-1.parquet"]
        bucket.filesystem.delete_file(f"{bucket.name}/t/part-0.parquet")
        copied[:] = []
        report = job.to_parquet(url, resume=True, min_file_bytes=0)
        assert copied == ["part-0.parquet", "part-2.parquet", "part-3.parquet", "_SUCCESS"]
        assert report.kept_parts == 1
        assert counts(replace(report, kept_parts=0)) == counts(job.summarize())
        tables = [pq.read_table(pa.BufferReader(bucket.get(f"t/part-{number}.parquet"))) for number in range(4)]
        assert pa.concat_tables(tables).to_pylist() == list(job)
        job.to_parquet(url, overwrite=True)
        assert [key for key in bucket.listed() if key.startswith("t/")] == ["t/_SUCCESS", "t/part-0_to_part-3.parquet"]
    assert next(key for key in bucket.listed() if key.startswith("t/")) == "t/_SUCCESS"
    assert len(list(folder.iterdir())) == 9
