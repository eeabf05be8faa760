"""One request and all its results."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from batchfiles import MismatchError, error_digest, get, split, stats
from tests.jobs.wire import expired, failure, put, request, success


def test_the_request_and_all_its_results_wherever_they_are(tmp_path: Path) -> None:
    """In the order of the files, with their places."""
    put(tmp_path / "a_error.jsonl", failure("1"), expired("2"))
    put(tmp_path / "b_output.jsonl", b"", success("2"), success("3"))
    put(tmp_path / "requests.jsonl", request("1"), request("2"), request("22"))
    found = get("2", tmp_path)
    assert [(Path(each.path).name, each.line_number, each.role) for each in found] == [
        ("a_error.jsonl", 2, "result"),
        ("b_output.jsonl", 2, "result"),
        ("requests.jsonl", 2, "request"),
    ]
    for each in found:
        assert Path(each.path).read_bytes()[each.byte_offset :].startswith(each.data + b"\n")


def test_an_id_is_compared_whole_and_as_decoded_text(tmp_path: Path) -> None:
    """Escapes in the id, or in the key, hide nothing; the same text elsewhere in a line is not an id."""
    lines = [
        b'{"custom_id": "caf\\u00e9", "body": {}}',
        '{"custom_id": "café", "body": {}}'.encode(),
        b'{"custom_i\\u0064" : "caf\\u00E9", "body": {}}',
        '{"body": {}, "custom_id"\t:\t"café"}'.encode(),
    ]
    others = ['{"custom_id": "café 2", "body": {"user": "café"}}'.encode(), b'{"custom_id": "cafe", "body": {"user": "\\u00e9"}}']
    path = put(tmp_path / "requests.jsonl", *lines, *others)
    assert [each.data for each in get("café", path)] == lines


def test_the_last_of_repeated_keys_counts(tmp_path: Path) -> None:
    """As in every other job."""
    line = b'{"custom_id": "a", "body": {}, "custom_id": "b"}'
    path = put(tmp_path / "requests.jsonl", line)
    assert get("a", path) == []
    assert [each.data for each in get("b", path)] == [line]


def test_a_damaged_line_is_found_if_its_id_can_be_read(tmp_path: Path) -> None:
    """It is the line that explains a missing result."""
    cut = b'{"id": "batch_req_1", "custom_id": "1", "response": {"status_co'
    path = put(tmp_path / "out.jsonl", success("0"), cut, b'{"id": "1')
    assert [each.data for each in get("1", path)] == [cut]


def test_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    """Digits, spaces, a carriage return."""
    line = b'{ "custom_id":"1" ,"body":{"seed":18446744073709551616,"t":1E2} }\r'
    (path := tmp_path / "requests.jsonl").write_bytes(line + b"\n" + request("2"))
    assert [each.data for each in get("1", path)] == [line]
    assert [each.data for each in get("2", path)] == [request("2")]


def test_streams_and_compressed_files(tmp_path: Path) -> None:
    """A stream is read where it is."""
    packed = tmp_path / "requests.jsonl.gz"
    packed.write_bytes(gzip.compress(request("1") + b"\n"))
    found = get("1", packed, io.BytesIO(success("1") + b"\n"))
    assert [(each.path, each.role) for each in found] == [(str(packed), "request"), ("<stream>", "result")]


def test_each_line_is_what_it_is_itself(tmp_path: Path) -> None:
    """A result in a file that begins with requests was called a request; an ambiguous line has the kind of its file."""
    silent = b'{"custom_id": "1", "note": 1}'
    foreign = b'{"custom_id": "1", "params": {}}'
    cut = b'{"id": "b", "custom_id": "1", "response": {"sta'
    requests = put(tmp_path / "a.jsonl", request("0"), success("1"), request("1"), cut, silent, foreign)
    results = put(tmp_path / "b.jsonl", success("0"), request("1"), success("1"), silent)
    assert [(each.line_number, each.role) for each in get("1", requests)] == [
        (2, "result"),
        (3, "request"),
        (4, "result"),
        (5, "request"),
        (6, "request"),
    ]
    assert [(each.line_number, each.role) for each in get("1", results)] == [(2, "request"), (3, "result"), (4, "result")]


def test_other_formats_and_no_file_are_refused(tmp_path: Path) -> None:
    """Nothing is found there, but not because there is no such id."""
    with pytest.raises(MismatchError):
        get("1", put(tmp_path / "x.jsonl", b'{"recordId": "1", "modelInput": {}}'))
    with pytest.raises(TypeError):
        get("1")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8)), st.booleans())
def test_any_id_is_found_in_any_spelling(custom_ids: list[str], ascii_only: bool) -> None:
    """Quotes, line ends, the empty id."""
    lines = [json.dumps({"custom_id": each, "body": {"n": "\\"}}, ensure_ascii=ascii_only).encode() for each in custom_ids]
    for wanted in {*custom_ids, "never"}:
        found = get(wanted, io.BytesIO(b"\n".join(lines)))
        assert [each.line_number - 1 for each in found] == [place for place, each in enumerate(custom_ids) if each == wanted]


def test_paths_may_be_those_of_another_filesystem(tmp_path: Path) -> None:
    """For all three jobs that look at files."""
    put(tmp_path / "campaign" / "in.jsonl", request("1"))
    put(tmp_path / "campaign" / "out.jsonl", failure("1"))
    elsewhere = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    assert [each.role for each in get("1", "campaign", filesystem=elsewhere)] == ["request", "result"]
    assert stats("campaign", filesystem=elsewhere).results.outcomes == {"failed": 1}
    assert error_digest("campaign", filesystem=elsewhere).errors == 1


@pytest.mark.parametrize("evidence", ["name", "batch object"])
def test_a_result_names_the_request_file_that_evidence_gives_it(tmp_path: Path, evidence: str) -> None:
    """Two days of one script have the same ids: the answers of Tuesday are not those of Monday, and `get` distinguishes them."""
    folder = tmp_path / "results"
    folder.mkdir()
    for day in ("monday", "tuesday"):
        asked = put(tmp_path / f"{day}.jsonl", request("1", model=day), request("2", model=day))
        if evidence == "name":
            put(folder / f"{day}_output.jsonl", success("1"), success("2"))
        else:
            batch = f"batch_{day}00000001"
            metadata = {"sha256": hashlib.sha256(asked.read_bytes()).hexdigest()}
            put(folder / f"{batch}.json", json.dumps({"id": batch, "object": "batch", "metadata": metadata}).encode())
            put(folder / f"{batch}_output.jsonl", success("1"), success("2"))
    found = get("2", tmp_path / "tuesday.jsonl", tmp_path / "monday.jsonl", folder)
    named = [Path(each.requests).name for each in found if each.requests is not None]
    assert named == ["monday.jsonl", "tuesday.jsonl"]


def test_equal_lines_in_parts_of_a_campaign_are_different_requests(tmp_path: Path) -> None:
    """As for `join`: each part is its own batch, so neither line repeats the other."""
    path = put(tmp_path / "requests.jsonl", request("1"), request("1"))
    split(path, output=tmp_path / "campaign", max_requests=1)
    assert [each.repeats for each in get("1", tmp_path / "campaign")] == [None, None]
