"""A campaign is joined part by part, with the table and the counts of a join of all its files at once."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import batchfiles
from batchfiles import JoinReport
from batchfiles.errors import BatchFilesError, DuplicateCustomIdError, FileError, MismatchError, OutputExistsError
from batchfiles.io.threads import in_phases
from batchfiles.jobs.join import campaign_join
from batchfiles.jobs.join.campaign_join import CampaignJoin
from batchfiles.jobs.join.lazy_join import Join, open_join
from batchfiles.table.parquet import HAS_LATE_METADATA
from tests.jobs.wire import expired, failure, put, request, result, success

needs_late_metadata = pytest.mark.skipif(not HAS_LATE_METADATA, reason="this pyarrow can't add metadata after the rows")


def campaign(folder: Path, parts: Mapping[str, tuple[Sequence[bytes], Sequence[bytes] | None]], **retries: list[str]) -> Path:
    """Write a campaign: of each part its request lines and its result lines; `retries` are the parts that a part repeats."""
    folder.mkdir(exist_ok=True)
    entries = []
    for number, (name, (requests, results)) in enumerate(parts.items()):
        text = b"".join(line + b"\n" for line in requests)
        (folder / f"{name}.jsonl").write_bytes(text)
        entry = {"file": f"{name}.jsonl", "requests": len(requests), "bytes": len(text)}
        entry |= {"sha256": hashlib.sha256(text).hexdigest(), "batches": [f"batch_{number:08d}"]}
        if name in retries:
            entry["retry_of"] = [f"{each}.jsonl" for each in retries[name]]
        entries.append(entry)
        if results is not None:
            (folder / f"batch_{number:08d}_output.jsonl").write_bytes(b"".join(line + b"\n" for line in results))
    manifest = {"format": "batchfiles-campaign", "version": 1, "limits": "openai", "sources": ["x"], "parts": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def ids(count: int) -> list[str]:
    """Return the ids of the requests of each part."""
    return [f"request-{number}" for number in range(count)]


def simple(folder: Path, parts: int = 3, requests: int = 4) -> Path:
    """Write a campaign whose ids restart; the last request of each part has no result."""
    return campaign(
        folder,
        {
            f"part-{part}": (
                [request(each, model="m") for each in ids(requests)],
                [success(each, f"{part} {each}") for each in ids(requests - 1)],
            )
            for part in range(parts)
        },
    )


def at_once(folder: Path, **options: Any) -> Join:
    """Join all files as one unit."""
    job = open_join([folder], options)  # type: ignore[arg-type]
    assert not isinstance(job, CampaignJoin)
    return job


def counts(report: JoinReport) -> dict[str, Any]:
    """Return what does not depend on the order of the files."""
    values = report.to_dict()
    values["files"] = sorted((file["path"], file["role"]) for file in values["files"])
    values["findings"] = sorted(map(str, values["findings"]))
    return {name: value for name, value in values.items() if name not in ("seconds", "examples")}


def assert_same(folder: Path, *, ordered: bool = True, **options: Any) -> JoinReport:
    """Compare the two ways: both tables and counts, or both errors."""
    try:
        with at_once(folder, **options) as one:
            expected = one.to_arrow()
            report = one.report
    except BatchFilesError as error:
        with pytest.raises(type(error)), batchfiles.join(folder, **options) as job:
            job.summarize()
        raise
    with batchfiles.join(folder, **options) as job:
        assert isinstance(job, CampaignJoin)
        table = job.to_arrow()
        assert table.schema == expected.schema == job.schema
        if ordered:
            assert table.equals(expected)
        else:
            rows, others = (sorted(each.to_pylist(), key=repr) for each in (table, expected))
            assert rows == others
        assert counts(job.report) == counts(report)
        assert counts(job.summarize()) == counts(report)  # a pass can be repeated
        return job.report


# Equality

LINES = st.lists(
    st.tuples(st.sampled_from(ids(5)), st.sampled_from(["succeeded", "failed", "unknown", "damaged", "no id", "blank"])),
    max_size=7,
)


def result_line(custom_id: str, kind: str, text: str) -> bytes:
    """Make a result line of some kind."""
    made = {
        "succeeded": lambda: success(custom_id, text),
        "failed": lambda: failure(custom_id),
        "unknown": lambda: success(f"other-{custom_id}", text),
        "damaged": lambda: success(custom_id, text)[:-9],
        "no id": lambda: result(None, {}),
        "blank": lambda: b"",
    }
    return made[kind]()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(st.lists(st.sampled_from(ids(5)), max_size=5), st.none() | LINES), min_size=1, max_size=4),
    st.none() | st.tuples(st.sets(st.integers(0, 3), min_size=1, max_size=2), LINES),
    st.sampled_from(["", ".gz", ".bz2"]),
)
def test_a_campaign_has_the_table_and_the_counts_of_all_files_at_once(
    made: list[tuple[list[str], list[tuple[str, str]] | None]],
    retry: tuple[set[int], list[tuple[str, str]]] | None,
    suffix: str,
) -> None:
    """Duplicates, unknown and damaged lines, retries, empty parts, missing results, compressed files."""
    repeated = sorted(number for number in (retry[0] if retry else ()) if number < len(made))
    # Results of a retry of several parts belong to these, while the join of all files takes any request with the id.
    prefix = [f"{number}-" if len(repeated) > 1 else "" for number in range(len(made))]
    parts: dict[str, tuple[list[bytes], list[bytes] | None]] = {}
    for number, (asked, lines) in enumerate(made):
        name, before = f"p{number}", prefix[number]
        found = [result_line(before + each, kind, f"{number} {place}") for place, (each, kind) in enumerate(lines or ())]
        parts[name] = [request(before + each, model=f"m{number}") for each in asked], None if lines is None else found
    if retry and repeated:
        asked_again = sorted({line for number in repeated for line in parts[f"p{number}"][0]})
        found = [result_line(prefix[repeated[0]] + each, kind, f"again {place}") for place, (each, kind) in enumerate(retry[1])]
        parts["p9"] = asked_again, found
    with tempfile.TemporaryDirectory() as name:
        folder = campaign(Path(name) / "c", parts, **({"p9": [f"p{number}" for number in repeated]} if repeated else {}))
        if suffix:
            path = folder / "p0.jsonl"
            compress = gzip.compress if suffix == ".gz" else bz2.compress
            path.write_bytes(compress(path.read_bytes()))
        try:
            assert_same(folder, ordered=len(repeated) < 2)
        except MismatchError as error:
            assert "belong" in str(error) or "requests" in str(error)  # noqa: PT017 - both ways refuse


def test_options_hold_for_all_parts(tmp_path: Path) -> None:
    """The bodies, the user's table and a second result for a request."""
    folder = simple(tmp_path / "c")
    mine = pa.table({"id": ids(4), "topic": ["a", "b", "c", "d"]})
    report = assert_same(folder, with_table=mine, id_template="{{id}}", bodies="all", request_bodies="none")
    assert (report.with_rows, report.unmatched, report.missing, report.no_results) == (4, 0, 3, 0)
    with (folder / "batch_00000001_output.jsonl").open("ab") as file:
        file.write(success("request-0", "again") + b"\n")
    assert assert_same(folder).superseded == 1
    with pytest.raises(DuplicateCustomIdError), batchfiles.join(folder, on_duplicate="error") as job:
        job.summarize()


def test_the_schema_of_answers_is_that_of_the_first_request_that_asks_for_one(tmp_path: Path) -> None:
    """Parts whose requests ask for none have the columns too."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    parts = {
        "a": ([request("request-0", model="m")], [success("request-0")]),
        "b": ([request("request-0", model="m", response_format=form)], [success("request-0", '{"n": 7}')]),
    }
    report = assert_same(campaign(tmp_path / "c", parts), parsed=True)
    assert report.no_schema == 1


def test_embeddings_are_a_table_of_vectors_in_all_parts(tmp_path: Path) -> None:
    """A part without results has the columns of the others."""
    fixture = Path(__file__).parents[2] / "fixtures" / "embeddings"
    lines = next(iter(sorted(fixture.glob("*requests*.jsonl")))).read_bytes().splitlines()
    output = [line for path in sorted(fixture.glob("*_output.jsonl")) for line in path.read_bytes().splitlines()]
    folder = campaign(tmp_path / "c", {"a": (lines, output), "b": (lines, None)})
    assert assert_same(folder).table == "embeddings"


def test_results_of_other_requests_are_refused_over_all_parts_only(tmp_path: Path) -> None:
    """One part may have results that belong to none of its requests; if all have, the files don't belong together."""
    other = [success("other-1"), success("other-2")]
    asked = [request(each, model="m") for each in ids(2)]
    report = assert_same(campaign(tmp_path / "some", {"a": (asked, other), "b": (asked, [success("request-0")])}))
    assert report.unknown == 2
    folder = campaign(tmp_path / "none", {"a": (asked, other), "b": (asked, other)})
    with pytest.raises(MismatchError, match="0 of 4 results belong"):
        assert_same(folder)
    with pytest.raises(MismatchError, match="0 of 4 results"), batchfiles.join(folder) as job:
        job.to_parquet(tmp_path / "t")
    assert not (tmp_path / "t" / "_SUCCESS").exists()


def test_results_of_others_are_refused_if_a_part_has_no_requests_and_another_no_ids(tmp_path: Path) -> None:
    """The campaign was joined, and the same files together were refused."""
    made = {"a": ([], [success("other")]), "b": ([request("request-0", model="m")], [result(None, {})])}
    with pytest.raises(MismatchError, match="0 of 2 results belong"):
        assert_same(campaign(tmp_path / "c", made))


@pytest.mark.parametrize("change", ["a file of others", "some of the files", "another order"])
def test_files_that_are_not_one_whole_campaign_are_joined_at_once(tmp_path: Path, change: str) -> None:
    """A result file of an unknown batch, and files that were named one by one."""
    folder = simple(tmp_path / "c")
    files = [folder]
    if change == "a file of others":
        (folder / "found.jsonl").write_bytes(success("request-3") + b"\n")
    elif change == "some of the files":
        files = [folder / "part-1.jsonl", folder / "batch_00000001_output.jsonl"]
    else:
        files = sorted(folder.glob("*.jsonl"), reverse=True)
    with batchfiles.join(*files) as job:
        assert not isinstance(job, CampaignJoin)


def test_what_is_not_read_is_counted_once(tmp_path: Path) -> None:
    """Other files in the folder are named in the report, not in that of each part."""
    folder = simple(tmp_path / "c")
    (folder / "notes.txt").write_text("mine")
    report = assert_same(folder)
    assert (report.not_read, report.examples["not_read"]) == (1, (str(folder / "notes.txt"),))


def test_a_missing_part_is_refused_at_once(tmp_path: Path) -> None:
    """Its results are there; no row of the other parts is made."""
    folder = simple(tmp_path / "c")
    (folder / "part-1.jsonl").unlink()
    with pytest.raises(FileError, match=r"part-1\.jsonl: this part of the manifest does not exist"):
        batchfiles.join(folder)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.arrows", "t.jsonl", "t.csv.gz"])
def test_every_format_is_written(tmp_path: Path, name: str) -> None:
    """A file of a campaign has the bytes of one of all files at once, apart from the order of names in its metadata."""
    folder = simple(tmp_path / "c")
    with batchfiles.join(folder) as job, at_once(folder) as one:
        job.write(tmp_path / name)
        one.write(tmp_path / f"one-{name}")
        assert (tmp_path / name).read_bytes() == (tmp_path / f"one-{name}").read_bytes()
        assert "Join: 3 request files" in repr(job)
        assert "part-2.jsonl" in job._repr_html_()
        assert list(job) == list(one)


def test_rejects_come_from_all_parts(tmp_path: Path) -> None:
    """Lines of compressed files too, whose copies were removed after their part."""
    folder = simple(tmp_path / "c")
    lines = [success("request-0", "later"), b'{"custom_id": "request-9"', success("unknown")]
    for number in (0, 2):
        path = folder / f"batch_0000000{number}_output.jsonl"
        path.write_bytes(gzip.compress(path.read_bytes() + b"".join(line + b"\n" for line in lines)))
    with batchfiles.join(folder) as job, at_once(folder) as one:
        job.write_rejects(tmp_path / "rejects.jsonl")
        one.write_rejects(tmp_path / "one.jsonl")
        assert (tmp_path / "rejects.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes() != b""


def test_copies_are_those_of_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed campaign was copied whole into the temporary folder before the first row."""
    folder = simple(tmp_path / "c", parts=6)
    for path in folder.glob("*.jsonl"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    most = 0
    really = campaign_join.CampaignJoin._count

    def count(self: CampaignJoin, *args: Any, **keywords: Any) -> None:
        nonlocal most
        most = max(most, len(list(temporary.rglob("*source.jsonl"))))
        really(self, *args, **keywords)

    monkeypatch.setattr(campaign_join.CampaignJoin, "_count", count)
    with batchfiles.join(folder, temp_dir=temporary) as job:
        assert job.summarize().rows == 24
    assert most == 2
    assert not list(temporary.iterdir())


# A folder


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a folder of Parquet files, as others read it."""
    return pq.read_table(folder).to_pylist()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("least", "names"),
    [
        (0, ["part-0", "part-1", "part-2"]),
        (1_500, ["part-0_to_part-1", "part-2"]),
        (None, ["part-0_to_part-2"]),
    ],
)
def test_a_folder_has_a_file_for_each_part_or_for_several_small_ones(
    tmp_path: Path, workers: int, least: int | None, names: list[str]
) -> None:
    """Named by the parts, with `_SUCCESS`; readers see the same rows in the same order. 100 small parts were 100 small files."""
    folder = simple(tmp_path / "c")
    with batchfiles.join(folder, workers=workers) as job, at_once(folder) as one:
        report = job.to_parquet(tmp_path / "t", min_file_bytes=least)
        assert counts(report) == counts(one.summarize())
        assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["_SUCCESS", *(f"{name}.parquet" for name in names)]
        assert read(tmp_path / "t") == list(one)
        with pytest.raises(OutputExistsError):
            job.to_parquet(tmp_path / "t")


@pytest.mark.parametrize("name", ["a b", "why?", "50%20", "a#b", "[a]*", "über", "two\nlines", "\udcff"])
@pytest.mark.parametrize("where", ["folder", "files", "url"])
def test_names_may_have_any_characters(tmp_path: Path, name: str, where: str) -> None:
    """A question mark ended the names of all parts, so all had one file; line breaks and bytes that are not UTF-8 failed."""
    texts = {f"{name if where == 'files' else 'part'}{number}": f"{number}" for number in range(3)}
    folder = tmp_path / ("c" if where == "files" else name)
    campaign(folder, {part: ([request("same")], [success("same", text)]) for part, text in texts.items()})
    for number, part in enumerate(texts):
        (folder / f"batch_{number:08d}_output.jsonl").rename(folder / f"{part}_output.jsonl")
    named = f"file://{quote(str(folder), errors='surrogateescape')}" if where == "url" else folder
    parts = batchfiles.parts(named)
    assert [part.name for part in parts] == list(texts)
    revived = [batchfiles.CampaignPart.from_dict(json.loads(json.dumps(part.to_dict()))) for part in parts]
    assert [row["text"] for part in revived for row in part.join()] == list(texts.values())
    with batchfiles.join(named) as job:
        job.to_parquet(tmp_path / "t")
        assert [row["text"] for row in job] == [row["text"] for row in read(tmp_path / "t")] == list(texts.values())


@pytest.mark.parametrize(
    "names", [["a.jsonl", "a.jsonl.gz", "a.jsonl.jsonl"], ["_a.jsonl", "hidden_a.jsonl"], ["part_a.jsonl", "_a.jsonl"]]
)
def test_each_part_has_its_own_name_and_file(tmp_path: Path, names: list[str]) -> None:
    """Suffixes, and the beginning that makes a name visible to readers of folders, made two names one, and rows were lost."""
    entries = []
    for number, name in enumerate(names):
        text = request("same") + b"\n"
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
        (tmp_path / f"batch_{number}_output.jsonl").write_bytes(success("same", name) + b"\n")
        digest = hashlib.sha256(text).hexdigest()
        entries.append({"file": name, "requests": 1, "bytes": len(text), "sha256": digest, "batches": [f"batch_{number}"]})
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "batchfiles-campaign", "version": 1, "parts": entries}))
    assert len({part.name for part in batchfiles.parts(tmp_path)}) == len(names)
    batchfiles.join(tmp_path).to_parquet(tmp_path / "t", min_file_bytes=0)
    assert sorted(row["text"] for row in read(tmp_path / "t")) == sorted(names)


@pytest.mark.parametrize("linked", ["*", "part-*.jsonl", "batch_*.jsonl", "part-1.jsonl"])
def test_links_in_a_campaign_are_its_files(tmp_path: Path, linked: str) -> None:
    """Files were looked for in the manifest where links lead, so equal requests of two parts were one request."""
    parts = {f"part-{number}": ([request("a"), request(f"b{number}")], [success("a", f"{number}")]) for number in range(2)}
    folder = campaign(tmp_path / "c", parts)
    with batchfiles.join(folder) as job:
        rows, report = list(job), counts(job.report)
    store = tmp_path / "store"
    store.mkdir()
    for number, path in enumerate(sorted(folder.glob(linked))):
        path.rename(store / f"{number}.data")
        path.symlink_to(store / f"{number}.data")
    with batchfiles.join(folder) as job:
        assert (list(job), counts(job.report)) == (rows, report)
    assert [row for part in batchfiles.parts(folder) for row in part.join()] == rows
    assert batchfiles.retry(folder, output=tmp_path / "retry.jsonl").written == 2
    assert batchfiles.stats(folder).requests.count == report["inputs"]
    with pytest.raises(ValueError, match="is a file that is read"):
        batchfiles.retry(folder, output=next(folder.glob(linked)).resolve(), overwrite=True)


def test_parts_that_are_links_to_one_file_are_all_joined(tmp_path: Path) -> None:
    """The campaign was joined without one of its parts, in another way."""
    parts = {f"part-{number}": ([request("a"), request("b")], [success("a", "same")]) for number in range(3)}
    folder = campaign(tmp_path / "c", parts)
    with batchfiles.join(folder) as job:
        rows, report = list(job), counts(job.report)
    for name in ("part-{}.jsonl", "batch_0000000{}_output.jsonl"):
        (folder / name.format(1)).rename(tmp_path / name.format("blob"))
        for number in range(3):
            (folder / name.format(number)).unlink(missing_ok=True)
            (folder / name.format(number)).symlink_to(tmp_path / name.format("blob"))
    with batchfiles.join(folder) as job:
        assert isinstance(job, CampaignJoin)
        assert (list(job), counts(job.report)) == (rows, report)
    assert batchfiles.stats(folder).requests.count == 6
    assert batchfiles.retry(folder, output=folder).written == 3


@pytest.mark.parametrize("empty", ["part-0", "part-1"])
def test_an_empty_part_may_have_results(tmp_path: Path, empty: str) -> None:
    """Its results are without a request, and the whole campaign was refused because of it."""
    parts = {f"part-{number}": ([] if empty == f"part-{number}" else [request("a")], [success("a")]) for number in range(2)}
    folder = campaign(tmp_path / "c", parts)
    report = batchfiles.join(folder).to_parquet(tmp_path / "t")
    assert (report.inputs, report.used, report.unknown) == (1, 1, 1)
    assert batchfiles.join(folder).summarize().unknown == 1


@needs_late_metadata
def test_overwrite_removes_what_is_of_no_part(tmp_path: Path) -> None:
    """Files of an earlier table go; a file that this package did not write is never deleted."""
    table = tmp_path / "t"
    with batchfiles.join(simple(tmp_path / "more", parts=4)) as job:
        job.to_parquet(table)
    with batchfiles.join(simple(tmp_path / "c", parts=2)) as job:
        job.to_parquet(table, overwrite=True)
        assert sorted(path.name for path in table.iterdir()) == ["_SUCCESS", "part-0_to_part-1.parquet"]
        pq.write_table(pa.table({"mine": [1]}), table / "mine.parquet")
        with pytest.raises(FileError, match="not ours to delete"):
            job.to_parquet(table, overwrite=True)
        assert (table / "_SUCCESS").exists()


def written(folder: Path) -> dict[str, int]:
    """Return when each file was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}


@needs_late_metadata
@pytest.mark.parametrize("workers", [1, 2])
def test_resume_writes_what_is_missing_damaged_or_changed(tmp_path: Path, workers: int) -> None:
    """The other files are not touched, and the report is that of all parts."""
    folder, table = simple(tmp_path / "c", parts=5), tmp_path / "t"
    with batchfiles.join(folder, workers=workers) as job:
        job.to_parquet(table, min_file_bytes=0)
        before = written(table)
        (table / "_SUCCESS").unlink()
        (table / "part-1.parquet").unlink()
        os.truncate(table / "part-3.parquet", 300)
    with (folder / "batch_00000004_output.jsonl").open("ab") as file:
        file.write(success("request-3", "late") + b"\n")
    with batchfiles.join(folder, workers=workers) as job, at_once(folder) as one:
        report = job.to_parquet(table, resume=True, min_file_bytes=0)
        assert (report.kept_parts, report.missing) == (2, 4)
        assert counts(replace(report, kept_parts=0)) == counts(one.summarize())
        assert read(table) == list(one)
        job.write_rejects(tmp_path / "rejects.jsonl")
    after = written(table)
    assert {name for name in after if after[name] == before[name]} == {"part-0.parquet", "part-2.parquet"}
    assert (table / "_SUCCESS").read_bytes() == b""


@needs_late_metadata
@pytest.mark.parametrize("key", ["report", "has_ids", "outcomes", "findings", "examples"])
@pytest.mark.parametrize("value", [3, None, "x", [1]])
def test_a_file_with_unknown_facts_is_written_again(tmp_path: Path, key: str, value: object) -> None:
    """Such as of another version: its values were not checked, and ended in an `AttributeError`."""
    folder, table = simple(tmp_path / "c", parts=2), tmp_path / "t"
    before = batchfiles.join(folder).to_parquet(table, min_file_bytes=0)
    path = table / "part-1.parquet"
    metadata = pq.read_metadata(path).metadata
    facts = json.loads(metadata[b"batchfiles.part"])
    (facts if key in facts else facts["report"])[key] = value
    rows = pq.read_table(path)
    pq.write_table(rows.replace_schema_metadata({b"batchfiles.part": json.dumps(facts)}), path)
    report = batchfiles.join(folder).to_parquet(table, resume=True, min_file_bytes=0)
    assert report.kept_parts == 1
    assert counts(report) == counts(replace(before, kept_parts=1))


@needs_late_metadata
def test_resume_with_other_options_writes_all_parts(tmp_path: Path) -> None:
    """The fingerprint of a part has the options of the table and of Parquet."""
    folder, table = simple(tmp_path / "c"), tmp_path / "t"
    with batchfiles.join(folder) as job:
        job.to_parquet(table, min_file_bytes=0)
    for options, parquet in (({"request_bodies": "none"}, {}), ({"request_bodies": "none"}, {"compression": "snappy"})):
        before = written(table)
        with batchfiles.join(folder, **options) as job:
            assert job.to_parquet(table, resume=True, min_file_bytes=0, **parquet).kept_parts == 0
            assert read(table) == list(job)
        assert not set(before.values()) & set(written(table).values())


@needs_late_metadata
def test_a_killed_join_is_resumed(tmp_path: Path) -> None:
    """What the killed process left unfinished is removed, and no whole part is written again."""
    folder, table = simple(tmp_path / "c", parts=6), tmp_path / "t"
    program = f"""
import os, batchfiles
from batchfiles.jobs.join.part_join import PartsJoin
really, done = PartsJoin.write_file, []
def write_file(*args, **keywords):
    if len(done) == 3:
        os.kill(os.getpid(), 9)
    done.append(really(*args, **keywords))
    return done[-1]
PartsJoin.write_file = write_file
batchfiles.join({str(folder)!r}).to_parquet({str(table)!r}, min_file_bytes=0)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    before = written(table)
    assert len(before) == 3
    assert not (table / "_SUCCESS").exists()
    with batchfiles.join(folder) as job:
        assert job.to_parquet(table, resume=True, min_file_bytes=0).rows == 24
        assert read(table) == list(job)
    assert before.items() <= written(table).items()
    assert (table / "_SUCCESS").exists()


def test_resume_is_for_folders_of_campaigns(tmp_path: Path) -> None:
    """Other tables are written as a whole."""
    folder = simple(tmp_path / "c")
    with batchfiles.join(folder) as job, pytest.raises(ValueError, match="use resume=True only for a folder"):
        job.to_parquet(tmp_path / "t.parquet", resume=True)
    with at_once(folder) as job, pytest.raises(ValueError, match="use resume=True only for a folder"):
        job.to_parquet(tmp_path / "t", resume=True)


# Progress


def test_progress_reaches_the_total_and_never_falls(tmp_path: Path) -> None:
    """In a campaign it is counted in the bytes of its files; in a folder too."""
    folder = simple(tmp_path / "c")
    seen: list[tuple[int, int | None]] = []
    for output in ("t", "t.parquet"):
        seen.clear()
        with batchfiles.join(folder, progress=lambda done, total: seen.append((done, total))) as job:
            job.write(tmp_path / output)
        assert seen == sorted(seen)
        assert seen[-1] == (sum(path.stat().st_size for path in folder.glob("*.jsonl")),) * 2


def test_phases_count_by_their_cost() -> None:
    """A byte of a cheap phase counted as much as one of a dear phase: "5 s left" lasted 45."""
    seen: list[int] = []
    scan, rows = in_phases(lambda done, _: seen.append(done), 1000, (500, 1.0), (100, 9.0))
    for _ in range(5):
        scan(100)
    for _ in range(4):
        rows(25)
    assert seen == [20, 40, 60, 80, 100, 325, 550, 775, 1000]
    seen.clear()
    (only,) = in_phases(lambda done, _: seen.append(done), 10, (4, 1.0))
    only(4)
    assert seen == [10]


# Several attempts


def entry_of(path: Path) -> dict[str, Any]:
    """Return the entry of a request file in a manifest."""
    text = path.read_bytes()
    sha256 = hashlib.sha256(text).hexdigest()
    return {"file": path.name, "requests": text.count(b"\n"), "bytes": len(text), "sha256": sha256}


def statuses(folder: Path, **options: Any) -> dict[str, int]:
    """Return the status of each request in the joined table."""
    return {row["custom_id"]: row["status_code"] for row in batchfiles.join(folder, **options)}


def test_the_result_of_a_retry_counts_and_not_an_older_one(tmp_path: Path) -> None:
    """In the order of names, `part-1-retry-1_error` is before `part-1_error`: a request was sent and paid for again and again."""
    put(tmp_path / "part-1.jsonl", request("a"), request("b"))
    put(tmp_path / "part-1_output.jsonl", success("a"))
    put(tmp_path / "part-1_error.jsonl", expired("b"))
    for number in range(1, 12):
        put(tmp_path / f"part-1-retry-{number}.jsonl", request("b"))
        put(tmp_path / f"part-1-retry-{number}_error.jsonl", failure("b", 400 + number))
        assert statuses(tmp_path) == {"a": 200, "b": 400 + number}
    report = batchfiles.retry(tmp_path, output=tmp_path.with_name("again.jsonl"), overwrite=True)
    assert report.written == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_manifest_lists_the_attempts_in_their_order(tmp_path: Path, workers: int) -> None:
    """Names of batches are random: the last one of a part is its last attempt, and a retry is later than what it repeats."""
    lines = [request("a"), request("b")]
    entries = [
        {**entry_of(put(tmp_path / "part-1.jsonl", *lines)), "batches": ["batch_zzz", "batch_aaa"]},
        {**entry_of(put(tmp_path / "again.jsonl", lines[1])), "retry_of": ["part-1.jsonl"], "batches": ["batch_000"]},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "batchfiles-campaign", "version": 1, "parts": entries}))
    put(tmp_path / "batch_zzz_error.jsonl", failure("a", 401), failure("b", 402))
    put(tmp_path / "batch_aaa_error.jsonl", failure("a", 403), failure("b", 404))
    put(tmp_path / "batch_000_error.jsonl", failure("b", 405))
    assert statuses(tmp_path, workers=workers) == {"a": 403, "b": 405}


def test_batch_objects_show_the_order_of_attempts(tmp_path: Path) -> None:
    """`download` writes one next to the results; without them the order is that of the names."""
    put(tmp_path / "requests.jsonl", request("a"))
    for name, status, created in (("batch_zzz", 401, 100), ("batch_aaa", 402, 200)):
        put(tmp_path / f"{name}_error.jsonl", failure("a", status))
        batch = {"id": name, "object": "batch", "status": "completed", "input_file_id": "file-1", "created_at": created}
        (tmp_path / f"{name}.json").write_text(json.dumps(batch))
    assert statuses(tmp_path) == {"a": 402}
    (tmp_path / "batch_aaa.json").write_text("[]")
    (tmp_path / "batch_zzz.json").unlink()
    assert statuses(tmp_path) == {"a": 401}
