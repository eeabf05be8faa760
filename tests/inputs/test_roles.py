"""Which files are requests, which are results, and to which requests results belong."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import batchfiles
from batchfiles import FileError, MismatchError
from tests.jobs.wire import put, request, success


def texts(*files: str | Path, **options: list[Path]) -> list[str | None]:
    """Join and return the answers in the order of the requests."""
    return [row["text"] for row in batchfiles.join(*files, **options)]  # type: ignore[arg-type]


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """Make two batches that both call a request `x`, each with its own result, as downloads are named."""
    for name in "ab":
        put(tmp_path / f"{name}.jsonl", request("x", part=name))
        put(tmp_path / f"{name}_output.jsonl", success("x", f"answer of {name}"))
    return tmp_path


NAMES = ("a.jsonl", "b.jsonl", "a_output.jsonl", "b_output.jsonl")


@pytest.mark.parametrize("prefix", ["", "./", "../{name}/", "{folder}//", "{folder}/./", "{folder}/"])
def test_results_belong_to_the_batch_that_their_name_says(campaign: Path, monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """A `custom_id` is unique in its batch and not in the world, however the paths are spelled."""
    monkeypatch.chdir(campaign)
    prefix = prefix.format(name=campaign.name, folder=campaign)
    assert texts(*[prefix + name for name in NAMES]) == ["answer of a", "answer of b"]


def test_spellings_may_be_mixed(campaign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One relative, one absolute, one with a dot."""
    monkeypatch.chdir(campaign)
    assert texts("a.jsonl", campaign / "b.jsonl", "./a_output.jsonl", "b_output.jsonl") == ["answer of a", "answer of b"]


@pytest.mark.parametrize("folder", [".", "./", "{folder}", "*.jsonl"])
def test_a_folder_or_a_glob_means_its_files(campaign: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """Sorted by what they hold."""
    monkeypatch.chdir(campaign)
    assert texts(folder.format(folder=campaign)) == ["answer of a", "answer of b"]


def test_compressed_batches_belong_together_too(campaign: Path) -> None:
    """The suffix of the compression does not belong to the name."""
    for path in list(campaign.iterdir()):
        (campaign / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert texts(campaign) == ["answer of a", "answer of b"]


def test_results_of_the_same_name_elsewhere_belong_to_that_file_where_ids_repeat(tmp_path: Path) -> None:
    """Results are often kept in a separate folder. If each id is in only one file, the name does not matter."""
    inputs = [put(tmp_path / f"{name}.jsonl", request("x", part=name)) for name in "ab"]
    results = put(tmp_path / "elsewhere" / "a_output.jsonl", success("x", "one of a"))
    assert texts(*inputs, results) == ["one of a", None]
    put(inputs[0], request("y"))
    assert texts(*inputs, results) == [None, "one of a"]


def test_a_single_request_file_takes_all_results(tmp_path: Path) -> None:
    """Where there is only one batch, a name can't lead astray."""
    inputs = put(tmp_path / "b.jsonl", request("x"))
    assert texts(inputs, put(tmp_path / "a_output.jsonl", success("x", "hers"))) == ["hers"]


def test_a_result_of_one_batch_that_only_another_asked_for_is_unknown(tmp_path: Path) -> None:
    """It is not lent to the neighbour."""
    put(tmp_path / "a.jsonl", request("x"), request("z"))
    put(tmp_path / "b.jsonl", request("y"))
    put(tmp_path / "a_output.jsonl", success("y"), success("z"))
    job = batchfiles.join(tmp_path)
    assert [row["outcome"] for row in job] == ["missing", "succeeded", "missing"]
    assert job.summarize().unknown == 1


def test_an_id_may_be_once_in_each_batch(tmp_path: Path) -> None:
    """Only within a batch is it a duplicate; files without results of their own are one batch together."""
    for name in "abcd":
        put(tmp_path / f"{name}.jsonl", request("x", part=name))
    put(tmp_path / "a_output.jsonl", success("x"))
    put(tmp_path / "b_error.jsonl", success("x"))
    assert batchfiles.join(tmp_path).summarize().duplicate_inputs == 1


def test_one_result_may_be_the_best_here_and_second_best_there(tmp_path: Path) -> None:
    """What is in the table counts as used, and is not counted again."""
    put(tmp_path / "a.jsonl", request("x"), request("x"))
    put(tmp_path / "a_output.jsonl", success("x", "later", created=9), success("x", "earlier", created=1))
    job = batchfiles.join(tmp_path)
    assert [(row["text"], row["attempts"]) for row in job] == [("later", 2), ("later", 2)]
    assert (job.summarize().used, job.summarize().superseded, job.summarize().conflicting) == (1, 1, 1)


@pytest.mark.parametrize(
    ("name", "batch_id"),
    [
        ("batch_67ab_output.jsonl", "batch_67ab"),
        ("batch_67ab_error.jsonl", "batch_67ab"),
        ("batch-0f-1_output.ndjson", "batch-0f-1"),
        ("part-1_output.jsonl", None),
        ("output.jsonl", None),
        ("batch_1.jsonl", None),
    ],
)
def test_a_download_names_its_batch(tmp_path: Path, name: str, batch_id: str | None) -> None:
    """Only a name that a service gives is read as the id of a batch."""
    inputs = put(tmp_path / "in.jsonl", request("x"))
    assert [row["batch_id"] for row in batchfiles.join(inputs, put(tmp_path / name, success("x")))] == [batch_id]


def test_a_forced_input_must_hold_requests(tmp_path: Path) -> None:
    """Results there are a mistake, reported before any work."""
    inputs, results = put(tmp_path / "in.jsonl", request("x")), put(tmp_path / "out.jsonl", success("x"))
    with pytest.raises(MismatchError, match="holds results, and was given as requests"):
        batchfiles.join(results, inputs=[results])
    with pytest.raises(MismatchError, match="holds requests, and was given as results"):
        batchfiles.join(put(tmp_path / "more.jsonl", request("y")), results, inputs=[inputs])


def test_a_folder_may_hold_the_input_that_was_named(campaign: Path) -> None:
    """It is then read once, as requests; so may a file be named twice."""
    (campaign / "b.jsonl").unlink()
    assert texts(campaign, inputs=[campaign / "a.jsonl"]) == ["answer of b"]
    assert texts(campaign, campaign / "a.jsonl", campaign / "a_output.jsonl") == ["answer of b"]


def test_an_ambiguous_file_has_the_requested_role(tmp_path: Path) -> None:
    """Unreadable lines are requests or results if an option decides it, and are refused otherwise."""
    noise = put(tmp_path / "noise.jsonl", b"noise", b"{")
    inputs, results = put(tmp_path / "in.jsonl", request("x")), put(tmp_path / "out.jsonl", success("x"))
    assert batchfiles.join(results, inputs=[noise]).summarize().malformed_inputs == 2
    assert batchfiles.join(noise, inputs=[inputs]).summarize().malformed_unmatched == 2
    with pytest.raises(MismatchError, match=r"noise\.jsonl: holds no line that can be read"):
        batchfiles.join(inputs, noise)
    noise.rename(tmp_path / "batch_1_error.jsonl")
    assert batchfiles.join(inputs, tmp_path / "batch_1_error.jsonl").summarize().malformed_unmatched == 2


REST = b'tus_code": 200, "request_id": "r", "body": {"id": "chatcmpl-1", "choices": []}}, "error": null}'


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(REST, id="the beginning lost"),
        pytest.param(b'{"' + REST, id="the beginning lost up to a quote"),
        pytest.param(b'{"batch": 1, "body": {"id": "chatc', id="keys of its own"),
        pytest.param(success("x")[:-9] + b"\xff", id="no UTF-8"),
        pytest.param(b'{"id": "batch_req_1", "custom_id": "x', id="cut in the id"),
    ],
)
def test_what_was_named_as_results_is_refused_on_clear_evidence_only(tmp_path: Path, line: bytes) -> None:
    """A key in the rest of a cut line is not evidence."""
    damaged = put(tmp_path / "damaged.jsonl", line)
    inputs = put(tmp_path / "in.jsonl", request("x"), request("z"))
    results = put(tmp_path / "out.jsonl", success("y"), success("z"))
    assert [row["outcome"] for row in batchfiles.export(damaged)] == ["malformed"]
    report = batchfiles.join(damaged, results, inputs=[inputs]).summarize()
    assert (report.malformed_results, report.unknown) == (1, 1)
    damaged.rename(tmp_path / "batch_1_output.jsonl")
    assert batchfiles.join(inputs, tmp_path / "batch_1_output.jsonl").summarize().malformed_results == 1


@pytest.mark.parametrize(
    "line", [b'"url": "/v1/x", "response": {', b'{"id": 7, "custom_id": "x", "error": "my own"', success("x")[12:]]
)
def test_what_was_named_as_requests_is_refused_on_clear_evidence_only(tmp_path: Path, line: bytes) -> None:
    """So the file's lines are requests that can't be read."""
    damaged = put(tmp_path / "damaged.jsonl", line)
    assert batchfiles.join(put(tmp_path / "out.jsonl", success("x")), inputs=[damaged]).summarize().malformed_inputs == 1


@pytest.mark.parametrize("end", [25, 45, -3])
def test_unreadable_lines_that_begin_as_the_other_kind_are_clear_evidence(tmp_path: Path, end: int) -> None:
    """Cut requests are never results, and cut results never requests, also if an option names them so."""
    requests = put(tmp_path / "requests.jsonl", request("x")[: max(end, 30) if end > 0 else end])
    results = put(tmp_path / "results.jsonl", success("x")[: end + 30 if end > 0 else end])
    with pytest.raises(MismatchError, match="holds requests"):
        batchfiles.export(requests)
    with pytest.raises(MismatchError, match="holds requests, and was given as results"):
        batchfiles.join(requests, inputs=[put(tmp_path / "in.jsonl", request("x"))])
    with pytest.raises(MismatchError, match="holds results"):
        batchfiles.join(inputs=[results])


def test_empty_files_are_neither(tmp_path: Path) -> None:
    """A batch without failures has an error file of no bytes."""
    job = batchfiles.join(
        put(tmp_path / "in.jsonl", request("x")), put(tmp_path / "out.jsonl", success("x")), put(tmp_path / "batch_1_error.jsonl")
    )
    assert [file["role"] for file in job.summarize().files] == ["inputs", "results", "empty"]
    assert job.summarize().used == 1


def test_results_alone_are_not_joined(tmp_path: Path) -> None:
    """The message says what to do instead."""
    with pytest.raises(MismatchError, match=r"no file holds requests.*export"):
        batchfiles.join(put(tmp_path / "out.jsonl", success("x")))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Before any table is asked for."""
    with pytest.raises(FileError, match=r"nowhere\.jsonl"):
        batchfiles.join(put(tmp_path / "in.jsonl", request("x")), tmp_path / "nowhere.jsonl")
