"""A retry of a campaign goes part by part, and writes and reports what a retry of all its files together does."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import batchfiles
from batchfiles import RetryReport
from batchfiles import campaign as campaign_files
from batchfiles.errors import BatchFilesError, DuplicateCustomIdError, FileError, MismatchError
from batchfiles.jobs.retry import by_results, lines, units
from tests.jobs.wire import expired, failure, put, request, result, success


def campaign(
    folder: Path,
    parts: Mapping[str, tuple[Sequence[bytes], Sequence[bytes]]],
    *,
    retries: Mapping[str, Sequence[str]] | None = None,
    compressed: bool = False,
) -> Path:
    """Write a campaign with the requests and the results of each part; retries are the parts that a part repeats."""
    folder.mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    for number, (name, (requests, results)) in enumerate(parts.items()):
        text = b"".join(line + b"\n" for line in requests)
        entry: dict[str, Any] = {"file": f"{name}.jsonl{'.gz' if compressed else ''}", "requests": len(requests)}
        entry |= {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest(), "batches": [f"batch_{number:08d}"]}
        if retries and name in retries:
            entry["retry_of"] = [f"{each}.jsonl{'.gz' if compressed else ''}" for each in retries[name]]
        entries.append(entry)
        answers = b"".join(line + b"\n" for line in results)
        for path, content in ((entry["file"], text), (f"batch_{number:08d}_output.jsonl{'.gz' if compressed else ''}", answers)):
            (folder / path).write_bytes(gzip.compress(content) if compressed else content)
    manifest = {"format": "batchfiles-campaign", "version": 1, "limits": "openai", "sources": ["x"], "parts": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def simple(folder: Path, parts: int = 3, requests: int = 4, **options: Any) -> Path:
    """Write a campaign whose ids restart; the last request of each part has no result."""
    ids = [f"request-{number}" for number in range(requests)]
    made = {
        f"part-{part}": ([request(each, user=str(part)) for each in ids], [success(each) for each in ids[:-1]])
        for part in range(parts)
    }
    return campaign(folder, made, **options)


def together(folder: Path) -> list[Path]:
    """Return the files of a campaign: named one by one, they are read together."""
    return sorted(path for path in folder.iterdir() if ".jsonl" in path.name)


def counted(report: RetryReport) -> RetryReport:
    """Return a report without its duration."""
    return replace(report, seconds=0)


def told(files: Callable[[], RetryReport]) -> RetryReport | str:
    """Return the report, or the message of an error."""
    try:
        return counted(files())
    except BatchFilesError as error:
        return f"{type(error).__name__}: {error}"


LINES: dict[str, Callable[[str], bytes]] = {
    "success": success,
    "refused": lambda custom_id: failure(custom_id, 400),
    "busy": lambda custom_id: failure(custom_id, 503),
    "late": expired,
    "unknown": lambda custom_id: success(f"other-{custom_id}"),
    "cut": lambda custom_id: b'{"id": "b", "custom_id": "%b", "respon' % custom_id.encode(),
    "blank": lambda _: b"",
    "repeated": lambda custom_id: (
        b'{"custom_id": "x", "id": "b", "response": null, "error": {}, "custom_id": "%b"}' % custom_id.encode()
    ),
}

PART = st.tuples(
    st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=4, unique=True),
    st.lists(st.tuples(st.sampled_from(list(LINES)), st.sampled_from("abcd")), max_size=5),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    parts=st.lists(PART, min_size=1, max_size=4),
    repeats=st.sets(st.integers(0, 3), max_size=2),
    compressed=st.booleans(),
    by_part=st.booleans(),
    options=st.sampled_from(
        [{}, {"every": True}, {"only": ["failed", "missing"]}, {"values": {"body.n": 2}, "excluded": ["503"]}]
    ),
    ids=st.none() | st.lists(st.sampled_from("abcdx"), max_size=3),
)
@example(
    parts=[(["b"], []), (["a"], [("success", "a")]), (["b"], [])],
    repeats={0, 2},
    compressed=False,
    by_part=True,
    options={},
    ids=None,
)
@example(parts=[(["a"], []), (["a"], [])], repeats=set(), compressed=False, by_part=True, options={}, ids=["a", "b", "b"])
def test_the_parts_give_what_all_files_together_give(
    parts: Any, repeats: set[int], compressed: bool, by_part: bool, options: dict[str, Any], ids: list[str] | None
) -> None:
    """The same bytes, counts, findings, errors and manifest, with ids that restart, and retries of one or several parts."""
    made = {
        f"part-{number}": (
            [request(each, user=str(number)) if each else b"{" for each in requests],
            [LINES[kind](each) for kind, each in results],
        )
        for number, (requests, results) in enumerate(parts)
    }
    origins = sorted(f"part-{number}" for number in repeats if number < len(parts))
    retries = {}
    if origins:
        made["part-0-retry-1"] = ([line for origin in origins for line in made[origin][0]][:2], [success("a")])
        retries["part-0-retry-1"] = origins
    with tempfile.TemporaryDirectory() as temporary:
        one, other = (Path(temporary) / name / "campaign" for name in ("one", "other"))
        campaign(one, made, retries=retries, compressed=compressed)
        shutil.copytree(one, other)
        listed = {} if ids is None else {"ids": put(Path(temporary) / "ids", *(each.encode() for each in ids))}
        selected = (
            {"values": options["values"]} if ids is not None and "values" in options else {} if ids is not None else options
        )
        reports = []
        for folder, files in ((one, [one]), (other, together(other))):
            output = folder if by_part else folder.parent / "retry.jsonl"
            found = told(lambda files=files, output=output: batchfiles.retry(*files, output=output, **listed, **selected))  # type: ignore[misc]
            reports.append(json.dumps(found if isinstance(found, str) else found.to_dict()).replace("/one/", "/other/"))
        if len(origins) > 1 and not any("a" in parts[number][0] for number in repeats if number < len(parts)):
            return  # together, the result of the retry may be that of a part that the retry does not repeat
        assert_same(*reports, several=len(origins) > 1)
        if "Error:" not in reports[1] or len(origins) <= 1:
            for path in sorted(other.parent.rglob("*")):
                if path.is_file():
                    assert (one.parent / path.relative_to(other.parent)).read_bytes() == path.read_bytes()


def assert_same(found: str, expected: str, *, several: bool) -> None:
    """Compare reports; of several errors, any may be reported."""
    if "Error: " in expected[:60]:
        # The ids of a retry of several parts are only compared within these parts, so less is ambiguous.
        assert several or found[:30].partition(":")[0] == expected[:30].partition(":")[0], (found, expected)
    else:
        assert json.loads(found) == json.loads(expected)


def test_lines_are_in_the_order_of_the_request_files(tmp_path: Path) -> None:
    """Parts that a retry connects are read together, but part 1 lies between them."""
    made = {f"part-{number}": ([request(f"id-{number}")], []) for number in range(3)}
    made["part-0-retry-1"] = ([request("id-0"), request("id-2")], [failure("id-0", 503)])
    folder = campaign(tmp_path / "campaign", made, retries={"part-0-retry-1": ["part-0", "part-2"]})
    batchfiles.retry(folder, output=tmp_path / "retry.jsonl")
    assert [line["custom_id"] for line in map(json.loads, (tmp_path / "retry.jsonl").read_text().splitlines())] == [
        "id-0",
        "id-1",
        "id-2",
    ]


def test_copies_and_indexes_are_those_of_one_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed campaign was copied whole into the temporary folder before the first line was read."""
    folder, temporary = simple(tmp_path / "campaign", 12, compressed=True), tmp_path / "temporary"
    temporary.mkdir()
    seen = []
    scan = by_results.scan_results

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(len(list(temporary.rglob("*source.jsonl"))))
        return scan(*arguments, **options)

    monkeypatch.setattr(by_results, "scan_results", watched)
    assert batchfiles.retry(folder, output=folder, temp_dir=temporary).written == 12
    assert seen == [2] * 12
    assert not list(temporary.iterdir())


def test_each_result_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one index for all parts, each request was compared with the results of its id in every part: a quadratic time."""
    folder = simple(tmp_path / "campaign", 20)
    looked = 0

    class Counted(lines.ResultLookup):
        def _candidate(self, *arguments: Any) -> Any:
            nonlocal looked
            looked += 1
            return super()._candidate(*arguments)

    monkeypatch.setattr(lines, "ResultLookup", Counted)
    batchfiles.retry(folder, output=folder)
    assert looked == 20 * 3


def test_the_manifest_is_read_once_to_choose_and_once_to_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was read for each part."""
    folder = simple(tmp_path / "campaign", 8)
    reads = []
    read = campaign_files.read_manifest
    monkeypatch.setattr(campaign_files, "read_manifest", lambda place: reads.append(place) or read(place))
    batchfiles.retry(folder, output=folder)
    assert len(reads) == 1


def test_results_without_a_request_are_refused_over_the_total(tmp_path: Path) -> None:
    """One part may have results of other requests only, such as those of an older version of it."""
    other = [success("x"), success("y")]
    made = {"part-0": ([request("a")], other), "part-1": ([request("a")], [success("a")])}
    report = batchfiles.retry(campaign(tmp_path / "one", made), output=tmp_path / "one")
    assert (report.written, report.unknown_results) == (1, 2)
    folder = campaign(tmp_path / "all", {**made, "part-1": ([request("a")], other)})
    with pytest.raises(MismatchError, match=r"0 of 4 results belong to a request of .*part-0.jsonl, .*part-1.jsonl"):
        batchfiles.retry(folder, output=folder)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_id_of_another_part_is_refused_in_one_file(tmp_path: Path, compressed: bool) -> None:
    """Its result could be taken for either, also where the other request has an answer. Two lines are copied again to compare."""
    made = {f"part-{number}": ([request("a", n=number)], [success("a")]) for number in range(5)}
    made["part-3"] = ([request("a", n=3)], [failure("a", 503)])
    folder, temporary = campaign(tmp_path / "campaign", made, compressed=compressed), tmp_path / "temporary"
    temporary.mkdir()
    with pytest.raises(DuplicateCustomIdError, match=r"also on line 1 of .*part-0.jsonl"):
        batchfiles.retry(folder, output=tmp_path / "retry.jsonl", temp_dir=temporary)
    assert not (tmp_path / "retry.jsonl").exists()
    assert batchfiles.retry(folder, output=folder).written == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_joined_table_is_divided_by_part(tmp_path: Path, workers: int) -> None:
    """Its rows name their request file, so ids may restart."""
    folder = simple(tmp_path / "campaign")
    batchfiles.join(folder).to_parquet(tmp_path / "joined.parquet")
    for path in folder.glob("*_output.jsonl"):
        path.unlink()
    seen = []
    found = batchfiles.retry(
        folder, tmp_path / "joined.parquet", output=folder, workers=workers, progress=lambda *each: seen.append(each)
    )
    assert [(Path(file.path).name, file.requests) for file in found.files] == [(f"part-{n}-retry-1.jsonl", 1) for n in range(3)]
    assert (found.inputs, found.unknown_results) == (12, 0)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("limit", [200_000, 1])
def test_listed_ids_may_be_in_several_parts(tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part gets its own file; an id is unknown if no part has it. A long list has an index, which is made once."""
    monkeypatch.setattr("batchfiles.jobs.retry.retry.LISTED_IN_MEMORY", limit)
    folder = simple(tmp_path / "campaign")
    listed = put(tmp_path / "ids.txt", b"request-1", b"request-3", b"other")
    scans = []
    scan = by_results.scan_results
    monkeypatch.setattr(by_results, "scan_results", lambda *each, **options: scans.append(each) or scan(*each, **options))
    report = batchfiles.retry(folder, ids=listed, output=folder)
    assert (report.written, report.left_out, report.unknown_ids, len(report.files)) == (6, 6, 1, 3)
    assert len(scans) == (limit == 1)


def test_progress_of_a_compressed_campaign_ends_at_its_total(tmp_path: Path) -> None:
    """Plain sizes are known only part by part, so the bytes are those as stored."""
    folder = simple(tmp_path / "campaign", compressed=True)
    seen: list[tuple[int, int | None]] = []
    batchfiles.retry(folder, output=folder, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] == sum(path.stat().st_size for path in folder.glob("*.gz"))


def test_files_that_are_not_what_the_manifest_says_are_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with the name of results that holds requests, and a result of no part."""
    taken: list[type] = []
    for kind in (units.AllFiles, units.PartByPart):
        opened = kind.opened
        monkeypatch.setattr(kind, "opened", lambda self, opened=opened: taken.append(type(self)) or opened(self))
    folder = simple(tmp_path / "campaign")
    put(folder / "batch_00000002_output.jsonl", request("other"))
    assert batchfiles.retry(folder, output=tmp_path / "1.jsonl", only=["failed"]).inputs == 13
    assert taken == [units.PartByPart, units.AllFiles]
    folder = simple(tmp_path / "campaign-2")
    put(folder / "stray_output.jsonl", success("x"))
    taken.clear()
    batchfiles.retry(folder, output=tmp_path / "2.jsonl", only=["failed"])
    assert taken == [units.AllFiles]


@pytest.mark.parametrize("job", ["retry", "stats", "get", "validate"])
def test_a_missing_part_is_an_error(tmp_path: Path, job: str) -> None:
    """Its requests were in no count, and were not sent again: only `join`, `merge`, `split` and `report` refused."""
    folder = simple(tmp_path / "campaign")
    (folder / "part-1.jsonl").unlink()
    calls: dict[str, Any] = {
        "retry": lambda: batchfiles.retry(folder, output=tmp_path / "again"),
        "stats": lambda: batchfiles.stats(folder),
        "get": lambda: batchfiles.get("request-1", folder),
        "validate": lambda: batchfiles.validate(folder),
    }
    with pytest.raises(FileError, match=r"part-1\.jsonl: this part of the manifest does not exist"):
        calls[job]()
    assert batchfiles.error_digest(folder).errors == 0  # which reads results only


def test_a_repeated_key_in_a_result_of_a_part(tmp_path: Path) -> None:
    """The result belongs to the last id of its line, and no line is written twice."""
    line = (
        result("b", {}, 200).replace(b'"custom_id": "b"', b'"custom_id": "x"').replace(b'"error"', b'"custom_id": "b", "error"')
    )
    made = {"part-0": ([request("a")], []), "part-1": ([request("b"), request("c")], [line])}
    report = batchfiles.retry(campaign(tmp_path / "campaign", made), output=tmp_path / "retry.jsonl")
    lines_written = [json.loads(each)["custom_id"] for each in (tmp_path / "retry.jsonl").read_text().splitlines()]
    assert lines_written[0] == "a"
    assert report.written == len(lines_written) == len(set(lines_written))
