"""Which request a result answers, where request files have ids in common: by evidence, or the join refuses."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import batchfiles
from batchfiles import MismatchError
from batchfiles.campaign import Manifest, Part, write_manifest
from batchfiles.cli.main import exit_code
from tests.jobs.wire import expired, put, request, success

DAYS = ("monday", "tuesday")


def question(custom_id: str, day: str) -> bytes:
    """Make a request whose answer differs from that of another day."""
    return request(custom_id, messages=[{"role": "user", "content": f"{custom_id} of {day}"}])


def answer(custom_id: str, day: str) -> bytes:
    """Make the answer to it."""
    return success(custom_id, f"answer to {custom_id} of {day}")


@pytest.fixture
def week(tmp_path: Path) -> Path:
    """Make two request files of different questions under the same ids."""
    for day in DAYS:
        put(tmp_path / f"{day}.jsonl", *(question(f"request-{number}", day) for number in (1, 2, 3)))
    return tmp_path


def answers(day: str) -> list[bytes]:
    """Make the results of a day, in another order than the requests."""
    return [answer(f"request-{number}", day) for number in (3, 1, 2)]


def batch_object(day: str, **values: Any) -> dict[str, Any]:
    """Make a batch as the service returns it."""
    return {
        "id": f"batch_{day}0123",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "input_file_id": f"file-{day}",
        "output_file_id": f"file-{day}-out",
        "error_file_id": None,
        "status": "completed",
        "metadata": None,
        **values,
    }


def fingerprint(path: Path) -> str:
    """Return what `submit` writes on a batch."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wrong_answers(*files: Any, **options: Any) -> list[dict[str, Any]]:
    """Join, and return the rows whose answer is to another question, or to none; every row must have one."""
    rows = list(batchfiles.join(*files, **options))
    assert len(rows) == 6
    return [row for row in rows if row["text"] != f"answer to {row['custom_id']} of {Path(row['input_source']).stem}"]


def test_the_batch_object_beside_the_results_says_whose_they_are(week: Path) -> None:
    """Tuesday's answers were once joined to Monday's questions: both had been downloaded into one folder, with their batches."""
    for day in reversed(DAYS):
        batch = batch_object(day, metadata={"batchfiles": f"token {fingerprint(week / f'{day}.jsonl')}"})
        put(week / "results" / f"{batch['id']}_output.jsonl", *answers(day))
        (week / "results" / f"{batch['id']}.json").write_text(json.dumps(batch, indent=2))
    assert wrong_answers(week / "monday.jsonl", week / "tuesday.jsonl", week / "results") == []
    assert wrong_answers(week / "tuesday.jsonl", week / "monday.jsonl", *(week / "results").iterdir()) == []


def by_sha256(week: Path, day: str) -> dict[str, Any]:
    """Note the fingerprint of the request file."""
    return batch_object(day, metadata={"sha256": fingerprint(week / f"{day}.jsonl").upper()})


def by_name_in_metadata(week: Path, day: str) -> dict[str, Any]:
    """Note its path."""
    return batch_object(day, metadata={"source": str(week / f"{day}.jsonl")})


def by_stem_in_metadata(_: Path, day: str) -> dict[str, Any]:
    """Note its name without the suffix."""
    return batch_object(day, metadata={"description": day})


@pytest.mark.parametrize("make", [by_sha256, by_name_in_metadata, by_stem_in_metadata])
@pytest.mark.parametrize("layout", ["by batch id", "by file id", "one list", "a folder each", "compressed"])
def test_batches_that_scripts_keep_are_evidence_too(week: Path, make: Callable[[Path, str], dict[str, Any]], layout: str) -> None:
    """Scripts write a fingerprint or a file name on the batch, and keep batches in one file each, or all in one."""
    kept = []
    for day in DAYS:
        batch = make(week, day)
        kept.append(batch)
        folder = week / "out" / (day if layout == "a folder each" else "")
        name = {"by file id": batch["output_file_id"], "a folder each": "output"}.get(layout, f"{batch['id']}_output")
        path = put(folder / f"{name}.jsonl", *answers(day))
        if layout == "compressed":
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        if layout != "one list":
            (folder / f"{'batch' if layout == 'a folder each' else batch['id']}.json").write_text(json.dumps(batch))
    if layout == "one list":
        (week / "out" / "batches.json").write_text(json.dumps({"object": "list", "data": kept}))
    results = list((week / "out").rglob("*.jsonl*"))
    assert wrong_answers(*(week / f"{day}.jsonl" for day in DAYS), *results) == []


def test_an_uploaded_file_leads_from_the_batch_to_the_requests(week: Path) -> None:
    """A script keeps the service's answers to the upload and to the batch."""
    for day in DAYS:
        batch = batch_object(day)
        put(week / "out" / f"{batch['id']}_output.jsonl", *answers(day))
        (week / "out" / f"{batch['id']}.json").write_text(json.dumps(batch))
        uploaded = {"id": batch["input_file_id"], "object": "file", "filename": f"{day}.jsonl", "purpose": "batch"}
        (week / "out" / f"{day}-upload.json").write_text(json.dumps(uploaded))
    assert wrong_answers(*(week / f"{day}.jsonl" for day in DAYS), week / "out") == []


@pytest.mark.parametrize(
    "name",
    [
        "{day}_output.jsonl",
        "out/{day}_output.jsonl",
        "out/{day}.jsonl",
        "out/{day}-results.jsonl",
        "out/output_{day}.jsonl",
        "out/{day}.output.jsonl.gz",
        "out/{day}_batch_68b0f2c1d2e3_output.jsonl",
    ],
)
def test_a_name_says_whose_results_they_are(week: Path, name: str) -> None:
    """Next to the requests or in their own folder, with "results" before or after."""
    for day in DAYS:
        path = put(week / name.format(day=day), *answers(day))
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(path.read_bytes()))
    results = [week / name.format(day=day) for day in DAYS]
    assert wrong_answers(*(week / f"{day}.jsonl" for day in DAYS), *results) == []


def test_requests_and_results_may_share_the_rest_of_their_names(tmp_path: Path) -> None:
    """`monday_requests.jsonl` and `monday_results.jsonl`."""
    for day in DAYS:
        put(tmp_path / f"{day}_requests.jsonl", question("x", day))
        put(tmp_path / f"{day}_results.jsonl", answer("x", day))
    assert [row["text"] for row in batchfiles.join(tmp_path)] == ["answer to x of monday", "answer to x of tuesday"]


def test_each_day_may_have_a_folder(tmp_path: Path) -> None:
    """If every folder has one request file and its results, the folder decides; if one has none, nothing does."""
    for day in DAYS:
        put(tmp_path / day / "requests.jsonl", question("x", day))
        put(tmp_path / day / "output.jsonl", answer("x", day))
    folders = [tmp_path / day for day in DAYS]
    assert [row["text"] for row in batchfiles.join(*folders)] == ["answer to x of monday", "answer to x of tuesday"]
    (tmp_path / "tuesday" / "output.jsonl").rename(tmp_path / "monday" / "more.jsonl")
    with pytest.raises(MismatchError, match="nothing shows which of the two"):
        batchfiles.join(*folders).to_arrow()


def test_a_manifest_says_it(tmp_path: Path) -> None:
    """Results of a campaign are called by their batches, which the manifest names."""
    parts = []
    for day in DAYS:
        path = put(tmp_path / f"{day}.jsonl", question("x", day))
        put(tmp_path / f"batch_{day}_output.jsonl", answer("x", day))
        size = path.stat().st_size
        parts.append(Part(file=path.name, requests=1, bytes=size, sha256=fingerprint(path), batches=(f"batch_{day}",)))
    write_manifest(tmp_path, Manifest(parts=tuple(parts)))
    assert [row["text"] for row in batchfiles.join(tmp_path)] == ["answer to x of monday", "answer to x of tuesday"]


def test_pairs_say_it(week: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In Python and in the shell, with the files named once or twice; the results may be a folder."""
    outs = {day: put(week / f"out-{number}.jsonl", *answers(day)) for number, day in enumerate(DAYS)}
    pairs = {week / f"{day}.jsonl": outs[day] for day in DAYS}
    assert wrong_answers(pairs=pairs) == []
    assert wrong_answers(week, pairs=[(requests, [results]) for requests, results in pairs.items()]) == []
    words = [word for requests, results in pairs.items() for word in ("--pair", f"{requests}={results}")]
    for output in ("a.parquet", "b.parquet"):
        files = [str(week)] if output == "b.parquet" else []
        assert exit_code(["join", *files, *words, "-o", str(week / output)]) == 0
    capsys.readouterr()
    with pytest.raises(ValueError, match="is paired with"):
        batchfiles.join(pairs=[(requests, outs["monday"]) for requests in pairs])
    with pytest.raises(MismatchError, match="was paired as requests"):
        batchfiles.join(pairs={outs["monday"]: week / "monday.jsonl"})
    assert exit_code(["join", "--pair", "monday.jsonl", "-o", str(week / "c.parquet")]) == 2
    assert "is not REQUESTS=RESULTS" in capsys.readouterr().err
    assert exit_code(["join", "-o", str(week / "c.parquet")]) == 2
    assert "Missing argument 'FILE...'" in capsys.readouterr().err


def test_pairs_are_taken_by_all_commands_that_take_both_kinds(week: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them check the pairs; `get` names the request of a result, and another request with the same id."""
    outs = [put(week / f"out-{number}.jsonl", *answers(day)) for number, day in enumerate(DAYS)]
    pairs = {week / f"{day}.jsonl": results for day, results in zip(DAYS, outs, strict=True)}
    assert batchfiles.stats(pairs=pairs).requests.count == batchfiles.stats(week, pairs=pairs).results.count == 6
    assert batchfiles.error_digest(pairs=pairs).results == 6
    put(week / "again.jsonl", question("request-1", "monday"))
    found = batchfiles.get("request-1", week, pairs=pairs)
    names = {Path(each.path).name: (each.requests, each.repeats) for each in found}
    assert names == {
        "again.jsonl": (None, None),
        "monday.jsonl": (None, f"{week / 'again.jsonl'}:1"),
        "tuesday.jsonl": (None, None),
        "out-0.jsonl": (str(week / "monday.jsonl"), None),
        "out-1.jsonl": (str(week / "tuesday.jsonl"), None),
    }
    words = [word for requests, results in pairs.items() for word in ("--pair", f"{requests}={results}")]
    for command in (["stats"], ["errors"], ["get", "--id", "request-1"]):
        assert exit_code([*command, *words]) == 0
        assert exit_code([*command, "--pair", f"{outs[0]}={week / 'monday.jsonl'}"]) == 2
        assert "was paired as" in capsys.readouterr().err
        assert exit_code(command) == 2
    assert batchfiles.retry(pairs=pairs, output=week / "retry.jsonl").left_out == 6


def test_where_nothing_says_it_nothing_is_written(week: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message has the id, the files, the result and the remedies; it is the same in `join` and `retry`."""
    for number, day in enumerate(DAYS):
        put(week / f"out-{number}.jsonl", *answers(day))
    output = week / "both.parquet"
    assert exit_code(["join", str(week), "-o", str(output)]) == 2
    said = capsys.readouterr().err
    assert "custom_id 'request-" in said
    for words in ("monday.jsonl", "tuesday.jsonl", "out-", "--pair", "BATCH.json", "monday_output.jsonl"):
        assert words in said
    assert not output.exists()
    assert exit_code(["retry", str(week), "-o", str(week / "again.jsonl")]) == 2
    assert "--pair" in capsys.readouterr().err
    with pytest.raises(MismatchError, match="nothing shows which of the two"):
        next(iter(batchfiles.join(week)))


@pytest.mark.parametrize("name", ["results-1.jsonl", "1.jsonl", "monday_output (1).jsonl", "tues.jsonl", "output.jsonl"])
def test_a_name_that_is_only_similar_is_ignored(week: Path, name: str) -> None:
    """Numbers count downloads, and a second download of one file is not the first of another."""
    put(week / "1_requests.jsonl", question("request-1", "another day"))
    put(week / name, *answers("tuesday"))
    with pytest.raises(MismatchError, match="nothing shows which"):
        batchfiles.join(week).to_arrow()


def test_a_batch_of_other_bytes_is_ignored(week: Path) -> None:
    """The requests were changed since they were sent, so its name proves nothing either."""
    for day in DAYS:
        batch = batch_object(day, metadata={"sha256": hashlib.sha256(b"others").hexdigest()})
        put(week / f"{batch['id']}_output.jsonl", *answers(day))
        (week / f"{batch['id']}.json").write_text(json.dumps(batch))
    with pytest.raises(MismatchError, match="nothing shows which"):
        batchfiles.join(week).to_arrow()


def test_results_of_ids_that_one_file_has_may_belong_to_anybody(tmp_path: Path) -> None:
    """Only ambiguous results are refused; an id without a result is missing in both."""
    put(tmp_path / "a.jsonl", question("x", "a"), question("only a", "a"))
    put(tmp_path / "b.jsonl", question("x", "b"), question("only b", "b"))
    put(tmp_path / "out.jsonl", answer("only b", "b"), answer("only a", "a"))
    outcomes = {(row["custom_id"], row["text"]) for row in batchfiles.join(tmp_path)}
    assert outcomes == {("x", None), ("only a", "answer to only a of a"), ("only b", "answer to only b of b")}


# The same request in two files


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b" \n"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_retry_file_beside_its_requests_doubles_no_row(tmp_path: Path, ends: bytes, workers: int) -> None:
    """`retry . -o retry.jsonl`, sent, and its results put into the folder: 5,000 requests gave 5,138 rows."""
    put(tmp_path / "requests.jsonl", *(request(name) for name in "abcd"))
    put(tmp_path / "batch_1_output.jsonl", success("a"), expired("b"), expired("c"))
    batchfiles.retry(tmp_path, output=tmp_path / "retry.jsonl")
    again = (tmp_path / "retry.jsonl").read_bytes().replace(b"\n", ends)
    (tmp_path / "retry.jsonl").write_bytes(again)
    put(tmp_path / "batch_2_output.jsonl", success("b", "second"), success("d", "second"))
    job = batchfiles.join(tmp_path, workers=workers)
    rows = [(row["custom_id"], row["outcome"], row["attempts"], Path(row["input_source"]).name) for row in job]
    first = "requests.jsonl"
    assert rows == [
        ("a", "succeeded", 1, first),
        ("b", "succeeded", 2, first),
        ("c", "expired", 1, first),
        ("d", "succeeded", 1, first),
    ]
    report = job.summarize()
    assert (report.inputs, report.repeated_inputs, report.duplicate_inputs) == (4, 3, 0)
    assert report.examples["repeated_inputs"][0] == f"{tmp_path / 'retry.jsonl'}:1"
    again_report = batchfiles.retry(tmp_path, output=tmp_path / "third.jsonl")
    assert (tmp_path / "third.jsonl").read_bytes() == request("c") + b"\n"
    assert again_report.inputs == again_report.written + again_report.left_out == 7
    assert sum(group.requests for group in again_report.groups if group.left_out and "repeats a line" in group.left_out) == 3


@pytest.mark.parametrize("target", ["rows", "file", "folder"])
def test_lines_that_repeat_far_away_are_found_by_every_reader_of_the_table(tmp_path: Path, target: str) -> None:
    """Where the first lines have no id in common, others may have."""
    put(tmp_path / "in.jsonl", *(request(name) for name in "abcd"))
    put(tmp_path / "more.jsonl", request("e"), request("d"), request("b"))
    put(tmp_path / "out.jsonl", *(success(name) for name in "abcde"))
    job = batchfiles.join(tmp_path / "in.jsonl", tmp_path / "more.jsonl", tmp_path / "out.jsonl")
    if target == "rows":
        list(job)
    else:
        job.to_parquet(tmp_path / ("t.parquet" if target == "file" else "parts"))
    assert (job.summarize().inputs, job.summarize().repeated_inputs, job.summarize().used) == (5, 2, 5)
    put(tmp_path / "more.jsonl", request("e"), request("d", n=2))
    with pytest.raises(MismatchError, match="nothing shows which"):
        batchfiles.join(tmp_path).to_parquet(tmp_path / "u.parquet")
    assert not (tmp_path / "u.parquet").exists()


def test_a_line_that_is_too_long_is_not_another_request(tmp_path: Path) -> None:
    """It is not read, so nothing says what it asks for: the join was refused once long lines were indexed by their ids."""
    put(tmp_path / "in.jsonl", request("a"), request("b"))
    put(tmp_path / "more.jsonl", request("b", n="x" * 2000), request("c"))
    put(tmp_path / "out.jsonl", success("a"), success("b"), success("c"))
    job = batchfiles.join(tmp_path, max_line_bytes=1000)
    assert [(row["custom_id"], row["outcome"]) for row in job] == [
        ("a", "succeeded"),
        ("b", "succeeded"),
        (None, "malformed"),
        ("c", "succeeded"),
    ]


def test_results_of_either_file_are_attempts_where_names_tell_them_apart(tmp_path: Path) -> None:
    """The results of the retry are called after it, those of the first batch after the requests."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "retry.jsonl", request("b"))
    put(tmp_path / "requests_output.jsonl", success("a"), expired("b"))
    put(tmp_path / "retry_output.jsonl", success("b", "second"))
    job = batchfiles.join(tmp_path)
    assert [(row["text"], row["attempts"]) for row in job] == [("Hi", 1), ("second", 2)]
    assert (job.summarize().used, job.summarize().superseded, job.summarize().unknown) == (2, 1, 0)


def test_a_line_that_is_twice_in_one_file_stays_two_requests(tmp_path: Path) -> None:
    """The service answers both, or refuses the file; a copy of the file adds no rows."""
    put(tmp_path / "a.jsonl", request("x"), request("x"))
    put(tmp_path / "out.jsonl", success("x"))
    assert batchfiles.join(tmp_path).summarize().duplicate_inputs == 1
    shutil.copy(tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    report = batchfiles.join(tmp_path).summarize()
    assert (report.inputs, report.duplicate_inputs, report.repeated_inputs) == (2, 1, 2)


def test_parts_of_one_manifest_are_files_of_their_own(tmp_path: Path) -> None:
    """What `split` cut is one file to `merge`, whose equal lines it keeps."""
    parts = []
    for name in "ab":
        path = put(tmp_path / f"{name}.jsonl", request("x"))
        put(tmp_path / f"{name}_output.jsonl", success("x", f"of {name}"))
        parts.append(Part(file=path.name, requests=1, bytes=path.stat().st_size, sha256=fingerprint(path)))
    write_manifest(tmp_path, Manifest(parts=tuple(parts)))
    assert [row["text"] for row in batchfiles.join(tmp_path)] == ["of a", "of b"]


def test_a_changed_line_is_another_request(tmp_path: Path) -> None:
    """On the second line too, and where the files are cut into ranges."""
    put(tmp_path / "a.jsonl", request("w"), request("x", n=1))
    put(tmp_path / "b.jsonl", request("y"), request("x", n=2))
    put(tmp_path / "out.jsonl", success("w"), success("x"))
    with pytest.raises(
        MismatchError, match=r"custom_id 'x' is on line 2 of .*a\.jsonl and, with another request, on line 2 of .*b"
    ):
        batchfiles.join(tmp_path).to_arrow()


def test_a_changed_retry_says_in_a_manifest_what_it_repeats(tmp_path: Path) -> None:
    """`retry --set` writes other lines, so their bytes prove nothing; its results are still attempts."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "batch_1_output.jsonl", success("a"), success("b", "cut", finish_reason="length"))
    options: dict[str, Any] = {"only": ["incomplete"], "values": {"body.max_tokens": 4000}}
    batchfiles.retry(tmp_path, output=tmp_path / "longer.jsonl", **options)
    put(tmp_path / "longer_output.jsonl", success("b", "longer"))
    assert [(row["text"], row["attempts"]) for row in batchfiles.join(tmp_path)] == [("Hi", 1), ("longer", 2)]
    put(tmp_path / "longer_output.jsonl", success("b", "cut again", finish_reason="length"))
    batchfiles.retry(tmp_path, output=tmp_path / "longest.jsonl", only=["incomplete"], values={"body.max_tokens": 9000})
    put(tmp_path / "batch_3_output.jsonl", success("b", "longest"))
    assert [(row["text"], row["attempts"]) for row in batchfiles.join(tmp_path)] == [("Hi", 1), ("longest", 3)]
    batchfiles.retry(tmp_path, output=tmp_path / "same.jsonl", only=["succeeded"])
    assert [part["file"] for part in json.loads((tmp_path / "manifest.json").read_text())["parts"]] == [
        "requests.jsonl",
        "longer.jsonl",
        "longest.jsonl",
        "same.jsonl",
    ]


def test_a_changed_retry_elsewhere_is_another_request(tmp_path: Path) -> None:
    """No file next to it states what it repeats, so a result that could belong to either is refused."""
    requests = put(tmp_path / "requests.jsonl", request("a"))
    results = put(tmp_path / "out.jsonl", success("a", "cut", finish_reason="length"))
    (tmp_path / "elsewhere").mkdir()
    longer = tmp_path / "elsewhere" / "longer.jsonl"
    batchfiles.retry(requests, results, output=longer, only=["incomplete"], values={"body.max_tokens": 4000})
    assert not list(tmp_path.rglob("manifest.json"))
    with pytest.raises(MismatchError, match="nothing shows which of the two"):
        batchfiles.join(requests, longer, results).to_arrow()


def test_a_manifest_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Every second tool calls its file so."""
    put(tmp_path / "requests.jsonl", request("a"))
    put(tmp_path / "out.jsonl", expired("a"))
    (tmp_path / "manifest.json").write_text('{"name": "mine"}')
    batchfiles.retry(tmp_path, output=tmp_path / "again.jsonl", values={"body.n": 2})
    with pytest.raises(batchfiles.FileError, match="belongs to another program"):
        batchfiles.retry(tmp_path / "requests.jsonl", tmp_path / "out.jsonl", output=tmp_path)
    assert (tmp_path / "manifest.json").read_text() == '{"name": "mine"}'


def test_a_merge_takes_the_same_request_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A retry file next to its requests adds nothing to them; a line that was changed is refused with both places."""
    requests = put(tmp_path / "requests.jsonl", request("a"), request("b"), request("c"))
    retry = put(tmp_path / "retry.jsonl", request("c") + b"\r", request("b"), request("d"))
    output = tmp_path / "all.jsonl"
    report = batchfiles.merge(requests, retry, output=output, ids_in_memory=2)
    assert output.read_bytes() == b"".join(request(name) + b"\n" for name in "abcd")
    assert (report.lines, report.dropped, report.repeated_inputs) == (4, 2, 2)
    assert exit_code(["merge", str(requests), str(retry), "-o", str(output), "--force"]) == 0
    assert "2 lines left out: the same request" in capsys.readouterr().err
    for lines in ([request("b", n=2)], [request("b"), request("b")], [request("e"), request("b"), request("a", n=2)]):
        put(retry, *lines)
        if lines[0] == lines[-1]:
            put(requests, request("a"), request("b"), request("b"))
        with pytest.raises(batchfiles.DuplicateCustomIdError):
            batchfiles.merge(requests, retry, output=output, overwrite=True)
    results = [put(tmp_path / name, success("a")) for name in ("one.jsonl", "two.jsonl")]
    with pytest.raises(batchfiles.DuplicateCustomIdError):
        batchfiles.merge(*results, output=output, overwrite=True)


# Whatever the names are

NAMES = ("monday", "tuesday", "requests", "part-1", "part-10", "1", "batch_1", "a")
RESULT_NAMES = (
    "{name}_output",
    "{name}_error",
    "{name}-results",
    "output_{name}",
    "{name}",
    "{batch}_output",
    "{batch}",
    "{number}",
)
FOLDERS = ("", "results", "{name}")


@st.composite
def campaigns(draw: st.DrawFn) -> dict[str, Any]:
    """Draw request files that share ids, the batches they were sent in, and how their results are named and kept."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    ids = [f"request-{number}" for number in range(draw(st.integers(1, 4)))]
    files = []
    for number, name in enumerate(names):
        own = draw(st.lists(st.sampled_from(ids), min_size=1, max_size=4, unique=True))
        shared = {each for each in own if draw(st.integers(0, 3)) == 0}  # with the same line in every file
        files.append((name, [(each, "all" if each in shared else str(number)) for each in own]))
    batches = []
    for number, (name, lines) in enumerate(files):
        for attempt in range(draw(st.integers(0, 2))):
            answered = draw(st.lists(st.sampled_from(lines), unique=True))
            batches.append(
                {
                    "number": number,
                    "id": f"batch_{number}{attempt}abcdef01",
                    "name": draw(st.sampled_from(RESULT_NAMES)).format(
                        name=name, batch=f"batch_{number}{attempt}abcdef01", number=f"results-{draw(st.integers(0, 3))}"
                    ),
                    "folder": draw(st.sampled_from(("", "results"))),
                    "answered": answered,
                    "object": draw(st.sampled_from((None, "sha256", "name", "nothing"))),
                }
            )
    return {"files": files, "batches": batches, "order": draw(st.randoms(use_true_random=False))}


@given(campaigns())
@settings(max_examples=60)
def test_every_answer_is_to_its_own_request_or_the_join_refuses(campaign: dict[str, Any]) -> None:
    """With any names of files and results, a row has the answer to its own line, or no table is written."""
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        requests = [
            put(room / f"{name}.jsonl", *(question(each, variant) for each, variant in lines))
            for name, lines in campaign["files"]
        ]
        results: dict[Path, None] = {}
        for batch in campaign["batches"]:
            path = room / batch["folder"] / f"{batch['name']}.jsonl"
            if path in requests or path in results or not batch["answered"]:
                continue
            results[put(path, *(answer(each, variant) for each, variant in batch["answered"]))] = None
            source = requests[batch["number"]]
            metadata = {"sha256": {"sha": fingerprint(source)}, "name": {"file": source.name}}.get(batch["object"], {})
            if batch["object"] is not None:
                value = batch_object("x", id=batch["id"], input_file_id=None, output_file_id=None, metadata=metadata)
                (path.parent / f"{batch['id']}.json").write_text(json.dumps(value))
        named: list[Path] = [*requests, *results]
        campaign["order"].shuffle(named)
        refused = "no"
        rows: list[dict[str, Any]] = []
        try:
            rows = list(batchfiles.join(*named))
        except MismatchError as error:
            refused = str(error)
        event("refused" if refused != "no" else "joined")
        if refused != "no":
            assert "nothing shows which of the two" in refused
            return
        lines = {(name, each): variant for name, lines in campaign["files"] for each, variant in lines}
        for row in rows:
            if row["text"] is not None:
                variant = lines[Path(row["input_source"]).stem, row["custom_id"]]
                assert row["text"] == f"answer to {row['custom_id']} of {variant}"
        distinct = {(each, variant if variant == "all" else name) for name, found in campaign["files"] for each, variant in found}
        assert len(rows) == len(distinct)


@pytest.mark.parametrize("others", [["monday_output"], []])
def test_the_only_batch_object_of_a_folder_is_not_of_results_named_after_other_requests(
    tmp_path: Path, others: list[str]
) -> None:
    """It was taken for that of `requests-results`, because the other results had already been attributed by name."""
    monday = put(tmp_path / "monday.jsonl", question("request-1", "monday"))
    requests = put(tmp_path / "requests.jsonl", question("request-1", "tuesday"))
    results = [put(tmp_path / f"{name}.jsonl", answer("request-1", "monday")) for name in others]
    results.append(put(tmp_path / "requests-results.jsonl", answer("request-1", "tuesday")))
    value = batch_object("x", input_file_id=None, output_file_id=None, metadata={"sha256": fingerprint(monday)})
    (tmp_path / "batch_x0123.json").write_text(json.dumps(value))
    if not others:
        with pytest.raises(MismatchError, match="nothing shows which of the two"):
            batchfiles.join(monday, requests, *results).to_arrow()
        return
    texts = {Path(row["input_source"]).stem: row["text"] for row in batchfiles.join(requests, monday, *results)}
    assert texts == {"monday": "answer to request-1 of monday", "requests": "answer to request-1 of tuesday"}


def test_the_first_result_that_may_be_of_either_is_named_each_time(tmp_path: Path) -> None:
    """Ids were compared in an order that another process had otherwise, and all of them were held in memory."""
    ids = [f"request-{number}" for number in range(300)]
    for day in ("monday", "tuesday"):
        put(tmp_path / f"{day}.jsonl", *(request(each, model=day) for each in ids))
    put(tmp_path / "answers" / "a.jsonl", *map(success, reversed(ids)))
    words = r"a\.jsonl:1: the custom_id 'request-299' is on line 300 of .*monday\.jsonl .* \(299 more ids"
    with pytest.raises(MismatchError, match=words):
        batchfiles.join(tmp_path / "monday.jsonl", tmp_path / "tuesday.jsonl", tmp_path / "answers").to_arrow()


def test_a_batch_object_speaks_for_the_results_of_its_own_batch_only(tmp_path: Path) -> None:
    """One object, one output file and one error file in a folder were joined as one batch, although their names had two."""
    monday, tuesday = put(tmp_path / "monday.jsonl", question("a", "1")), put(tmp_path / "tuesday.jsonl", question("a", "2"))
    put(tmp_path / "results" / "monday_error.jsonl", answer("a", "1"))
    put(tmp_path / "results" / "output_tuesday.jsonl", answer("a", "2"))
    value = batch_object("batch_10abcdef01", input_file_id=None, output_file_id=None, metadata={"sha": fingerprint(monday)})
    (tmp_path / "results" / "batch_10abcdef01.json").write_text(json.dumps(value))
    rows = list(batchfiles.join(monday, tuesday, tmp_path / "results"))
    assert [row["text"] for row in rows] == ["answer to a of 1", "answer to a of 2"]
