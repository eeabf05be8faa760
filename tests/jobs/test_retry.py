"""`retry`: the lines that may succeed if they are sent again, byte for byte, and every other one accounted for."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import batchfiles
from batchfiles.campaign import read_manifest
from batchfiles.errors import DuplicateCustomIdError, FileError, InvalidLineError, MismatchError, OutputExistsError
from batchfiles.jobs.retry import retry
from batchfiles.jobs.retry.report import GROUPS_KEPT, GroupCounts
from batchfiles.outcome import SUCCEEDED
from tests.jobs.wire import completion, expired, failure, put, request, result, success

STRANGE = (
    b'{ "custom_id" : "strange",\t"method":"POST","url":"/v1/x", "body":{"seed":18446744073709551616,"t":1E2 , "a":1, "a":2} }\r'
)
DEEP = b'{"custom_id":"deep","body":{"model":"gpt-x","x":' + b'{"a":' * 1000 + b"1" + b"}" * 1001 + b"}"
ESCAPED = b'{"body": {"model": "gpt-x"}, "custom_\\u0069d": "caf\\u00e9"}'

RESULTS = {
    "ok": success("ok"),
    "cut": result("cut", completion(finish_reason="length")),
    "bad": failure("bad", 400),
    "slow": failure("slow", 429),
    "down": failure("down", 503),
    "late": expired("late"),
    "broken": b'{"id": "b", "custom_id": "broken", "response": {"sta',
}
"""A result of each kind by its id; `lost` has none."""
IDS = [*RESULTS, "lost"]
RETRYABLE = ["slow", "down", "late", "broken", "lost"]


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """Return a folder with a request for each id, and the results in another order."""
    put(tmp_path / "batch" / "requests.jsonl", *map(request, IDS))
    put(tmp_path / "batch" / "batch_1_output.jsonl", *reversed(RESULTS.values()))
    return tmp_path / "batch"


def ids_in(path: Path) -> list[str]:
    """Return the ids of a request file."""
    return [record.custom_id for record in batchfiles.read_inputs(path)]


def test_what_may_succeed_is_written_in_the_order_of_the_requests(batch: Path, tmp_path: Path) -> None:
    """By the rule of the column `retryable`."""
    report = batchfiles.retry(batch, output=tmp_path / "retry.jsonl")
    assert (tmp_path / "retry.jsonl").read_bytes() == b"".join(request(each) + b"\n" for each in RETRYABLE)
    assert ids_in(tmp_path / "retry.jsonl") == [row["custom_id"] for row in batchfiles.join(batch) if row["retryable"]]
    assert (report.inputs, report.written, report.left_out, report.changed) == (8, 5, 3, 0)
    left_out = {(group.outcome, group.status_code): group.left_out for group in report.groups if group.left_out is not None}
    assert left_out == {
        ("succeeded", 200): "succeeded",
        ("incomplete", 200): "not retryable",
        ("failed", 400): "not retryable",
    }
    assert sum(group.requests for group in report.groups) == report.inputs


NO_REQUESTS = {
    "text": b'{"custom_id": "text", "method": "POST", "url": "/v1/x", "body": "text"}',
    "list": b'{"custom_id": "list", "method": "POST", "url": "/v1/x", "body": []}',
    "null": b'{"custom_id": "null", "method": "POST", "url": "/v1/x", "body": null}',
    "none": b'{"custom_id": "none", "method": "POST", "url": "/v1/x"}',
    "later": b'{"custom_id": "later", "method": "POST", "url": "/v1/x", "body": {}, "body": 1}',
    "number": b'{"custom_id": 1, "method": "POST", "url": "/v1/x", "body": {}}',
}


@pytest.mark.parametrize("way", ["results", "ids", "table"])
def test_a_line_that_is_not_a_request_to_join_is_not_sent_again(tmp_path: Path, way: str) -> None:
    """`"body": "text"` was malformed in the table, and retry wrote it as missing: the service refuses the whole file for it."""
    lines = [request("first"), *NO_REQUESTS.values(), request("last")]
    inputs = put(tmp_path / "requests.jsonl", *lines)
    results = put(tmp_path / "results.jsonl", success("first"))
    joined = batchfiles.join(inputs, results)
    wanted = [row["custom_id"] for row in joined if row["retryable"]]
    output = tmp_path / "retry.jsonl"
    if way == "results":
        report = batchfiles.retry(inputs, results, output=output)
    elif way == "ids":
        ids = put(tmp_path / "ids.txt", *(each.encode() for each in (*NO_REQUESTS, "last")))
        report = batchfiles.retry(inputs, output=output, ids=ids)
    else:
        joined.to_parquet(tmp_path / "t.parquet")
        report = batchfiles.retry(inputs, tmp_path / "t.parquet", output=output)
    assert ids_in(output) == wanted == ["last"]
    assert report.left_out == len(NO_REQUESTS) + 1
    if way == "table":  # which has no ids for them
        return
    malformed = sum(group.requests for group in report.groups if group.outcome == "malformed")
    assert malformed == joined.summarize().malformed_inputs == len(NO_REQUESTS)
    assert len(report.findings) == len(NO_REQUESTS)


@pytest.mark.parametrize("native", ["0", "1"])
@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ([expired("b")], {}),
        ([success("a"), expired("b")], {}),
        ([success("a"), expired("b")], {"only": ["expired"]}),
        ([success("b")], {"only": ["expired"]}),
        ([], {"ids": b"a"}),
    ],
)
def test_a_result_among_the_requests_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: str, lines: list[bytes], options: dict[str, Any]
) -> None:
    """Requests whose answers were in the same file were sent again; results that were left out counted as requests."""
    monkeypatch.setenv("BATCHFILES_NATIVE", native)
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b"), success("a"))
    files = [inputs, put(tmp_path / "output.jsonl", *lines)] if lines else [inputs]
    if "ids" in options:
        options = {"ids": put(tmp_path / "ids.txt", options["ids"])}
    with pytest.raises(MismatchError, match="a result in a file of requests") as caught:
        batchfiles.retry(*files, output=tmp_path / "retry.jsonl", **options)
    assert (caught.value.path, caught.value.line_number) == (str(inputs), 3)
    assert not (tmp_path / "retry.jsonl").exists()


@pytest.mark.parametrize("native", ["0", "1"])
def test_requests_with_the_keys_of_results_are_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: str) -> None:
    """People add keys of their own; a JSON Schema may have an answer called response."""
    monkeypatch.setenv("BATCHFILES_NATIVE", native)
    lines = [b'{"custom_id": "%d", "error": null, "url": "/v1/x", "body": {"response": {}}}' % number for number in range(3)]
    inputs = put(tmp_path / "requests.jsonl", *lines)
    results = put(tmp_path / "output.jsonl", success("0"), expired("1"))
    report = batchfiles.retry(inputs, results, output=tmp_path / "retry.jsonl", only=["expired"])
    assert (report.inputs, report.written, ids_in(tmp_path / "retry.jsonl")) == (3, 1, ["1"])


@pytest.mark.parametrize("workers", [1, 2])
def test_lines_are_byte_identical(tmp_path: Path, workers: int) -> None:
    """With 2^64, `1E2`, repeated keys, odd spaces, escapes, a thousand levels, a carriage return."""
    lines = [STRANGE, request("ok"), DEEP, ESCAPED]
    inputs = put(tmp_path / "requests.jsonl", *lines)
    output = put(tmp_path / "output.jsonl", success("ok"), failure("café", 500))
    batchfiles.retry(inputs, output, output=tmp_path / "retry.jsonl", workers=workers)
    assert (tmp_path / "retry.jsonl").read_bytes() == b"".join(line + b"\n" for line in (STRANGE, DEEP, ESCAPED))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"only": ["expired", "5xx"]}, ["down", "late"]),
        ({"only": ["expired,5xx , incomplete"]}, ["cut", "down", "late"]),
        ({"only": ["429", "batch_expired"]}, ["slow", "late"]),
        ({"only": ["succeeded"]}, ["ok"]),
        ({"only": ["failed"], "excluded": ["4xx"]}, ["down"]),
        ({"excluded": ["missing", "malformed"]}, ["slow", "down", "late"]),
        ({"every": True}, [each for each in IDS if each != "ok"]),
        ({"every": True, "excluded": ["400"]}, [each for each in IDS if each not in ("ok", "bad")]),
    ],
)
def test_others_can_be_named(batch: Path, tmp_path: Path, options: dict[str, Any], expected: list[str]) -> None:
    """By outcome, status and error code."""
    report = batchfiles.retry(batch, output=tmp_path / "retry.jsonl", **options)
    assert ids_in(tmp_path / "retry.jsonl") == expected
    assert (report.written, report.unmatched) == (len(expected), ())


def test_what_litellm_writes_for_expired_requests_can_be_named(tmp_path: Path) -> None:
    """LiteLLM 1.110 writes a request of Anthropic that expired as a 400, which would never be sent again by itself."""
    error = {"error": {"message": "Batch request was expired", "type": "invalid_request_error"}}
    source = put(tmp_path / "in.jsonl", request("a"), request("b"))
    results = put(tmp_path / "results.jsonl", success("a"), result("b", error, status=400))
    assert batchfiles.retry(source, results, output=tmp_path / "none.jsonl").written == 0
    assert batchfiles.retry(source, results, output=tmp_path / "again.jsonl", only=["400"]).written == 1
    assert ids_in(tmp_path / "again.jsonl") == ["b"]


def test_a_word_that_no_request_has_is_reported(batch: Path, tmp_path: Path) -> None:
    """Services have their own error codes, so it may be right."""
    assert batchfiles.retry(batch, output=tmp_path / "retry.jsonl", only=["my_own_code", "5xx"]).unmatched == ("my_own_code",)


def test_listed_ids_need_no_results(batch: Path, tmp_path: Path) -> None:
    """Exactly these, with any outcome; unknown ids are counted."""
    (tmp_path / "ids.txt").write_bytes(b"\xef\xbb\xbflate\r\nok\n\nnobody\n")
    report = batchfiles.retry(batch / "requests.jsonl", output=tmp_path / "retry.jsonl", ids=tmp_path / "ids.txt")
    assert ids_in(tmp_path / "retry.jsonl") == ["ok", "late"]
    assert (report.written, report.left_out, report.unknown_ids) == (2, 6, 1)
    assert {(group.outcome, group.left_out) for group in report.groups} == {(None, None), (None, "not in the list of ids")}


LISTED_LINES = st.lists(
    st.one_of(
        st.sampled_from([request("a"), request("b"), request("é"), STRANGE, DEEP, ESCAPED, b'{"custom_id": "a"']),
        st.sampled_from([b"", b"  ", b'{"custom_id": 1}', b'{"custom_id": "a", "x": 1, "custom_id": "c"}']),
        st.integers(0, 30).map(lambda number: request(f"id-{number}")),
    ),
    max_size=12,
)


@settings(max_examples=200)
@given(
    files=st.lists(LISTED_LINES, min_size=1, max_size=2),
    ids=st.lists(st.sampled_from(["a", "b", "c", "é", "strange", "deep", "café", *(f"id-{n}" for n in range(30))]), max_size=8),
    options=st.sampled_from([{}, {"values": {"body.seed": 7}}, {"values": {"body.x.y": 1}}, {"max_line_bytes": 400}]),
    by_part=st.booleans(),
)
@example(files=[[request("a")]], ids=["a", "b", "a", "b", "b"], options={}, by_part=False)
def test_the_short_way_and_the_long_way_write_and_say_the_same(
    files: list[list[bytes]],
    ids: list[str],
    options: dict[str, Any],
    by_part: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A list of ids is handled in one pass for ordinary files; for others the result must be the same.

    An unknown id that was listed twice was counted once in the first way, and twice in the second.
    """
    said = []
    for most in (retry.LISTED_IN_MEMORY, -1):
        folder = tmp_path_factory.mktemp("retry")
        inputs = [folder / f"part-{number}.jsonl" for number in range(len(files))]
        for path, lines in zip(inputs, files, strict=True):
            path.write_bytes(b"\n".join(lines))
        (folder / "ids").write_text("\n".join(ids))
        output = folder if by_part else folder / "retry.jsonl"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(retry, "LISTED_IN_MEMORY", most)
            try:
                found: Any = batchfiles.retry(inputs=inputs, output=output, ids=folder / "ids", **options).to_dict()
            except batchfiles.BatchFilesError as error:
                found = {"error": (type(error), str(error))}
        found["seconds"] = 0
        written = {path.name: path.read_bytes() for path in folder.glob("*retry*")}
        said.append(repr(found).replace(str(folder), "") + repr(written))
    assert said[0] == said[1]


def test_a_joined_table_replaces_the_results(batch: Path, tmp_path: Path) -> None:
    """A file or a folder of parts; the same lines are written."""
    batchfiles.join(batch).to_parquet(tmp_path / "joined.parquet")
    batchfiles.join(batch).to_parquet(tmp_path / "parts")
    expected = batchfiles.retry(batch, output=tmp_path / "retry.jsonl")
    for number, table in enumerate((tmp_path / "joined.parquet", tmp_path / "parts")):
        output = tmp_path / f"retry-{number}.jsonl"
        report = batchfiles.retry(batch / "requests.jsonl", table, output=output)
        assert output.read_bytes() == (tmp_path / "retry.jsonl").read_bytes()
        assert Counter(report.groups) == Counter(expected.groups)


def test_tables_of_an_older_version_replace_the_results_too(batch: Path, tmp_path: Path) -> None:
    """Version 1 had a column less; a file of it, and a folder that has parts of both."""
    new = batchfiles.join(batch).to_arrow()
    old = new.drop_columns(["cache_write_tokens"])
    pq.write_table(old, tmp_path / "old.parquet")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    pq.write_table(old.slice(0, 3), mixed / "part-00001.parquet")
    pq.write_table(new.slice(3), mixed / "part-00002.parquet")
    batchfiles.retry(batch, output=tmp_path / "retry.jsonl")
    for number, table in enumerate((tmp_path / "old.parquet", mixed)):
        output = tmp_path / f"retry-{number}.jsonl"
        batchfiles.retry(batch / "requests.jsonl", table, output=output)
        assert output.read_bytes() == (tmp_path / "retry.jsonl").read_bytes()


def test_answers_that_did_not_parse_are_known_from_a_table(batch: Path, tmp_path: Path) -> None:
    """The column `parse_error` reports it; without it the outcome is refused."""
    import pyarrow as pa

    table = batchfiles.join(batch).to_arrow()
    pq.write_table(table, tmp_path / "plain.parquet")
    words = ["no number" if each == "cut" else None for each in table["custom_id"].to_pylist()]
    pq.write_table(table.append_column("parse_error", pa.array(words, pa.string())), tmp_path / "parsed.parquet")
    ask = {"output": tmp_path / "retry.jsonl", "only": ["parse_error"]}
    batchfiles.retry(batch / "requests.jsonl", tmp_path / "parsed.parquet", **ask)
    assert ids_in(tmp_path / "retry.jsonl") == ["cut"]
    with pytest.raises(MismatchError, match="no column parse_error"):
        batchfiles.retry(batch / "requests.jsonl", tmp_path / "plain.parquet", **ask, overwrite=True)
    with pytest.raises(ValueError, match="from a joined table only"):
        batchfiles.retry(batch, **ask, overwrite=True)


def test_a_table_of_several_parts_keeps_their_ids_apart(tmp_path: Path) -> None:
    """Rows of one request file do not apply to another one with the same ids; the folder may have moved."""
    for part, lines in (("a", [success("1"), expired("2")]), ("b", [expired("1"), success("2")])):
        put(tmp_path / "old" / f"{part}.jsonl", request("1", part=part), request("2", part=part))
        put(tmp_path / "old" / f"{part}_output.jsonl", *lines)
    batchfiles.join(tmp_path / "old").to_parquet(tmp_path / "joined.parquet")
    (tmp_path / "old").rename(tmp_path / "new")
    for part, expected in (("a", ["2"]), ("b", ["1"])):
        output = tmp_path / f"{part}-retry.jsonl"
        batchfiles.retry(tmp_path / "new" / f"{part}.jsonl", tmp_path / "joined.parquet", output=output)
        assert ids_in(output) == expected
    put(tmp_path / "c.jsonl", request("1"))
    with pytest.raises(MismatchError, match=r"no rows of .*c\.jsonl"):
        batchfiles.retry(tmp_path / "c.jsonl", tmp_path / "joined.parquet", output=tmp_path / "c-retry.jsonl")


def test_values_can_be_set_on_the_way(batch: Path, tmp_path: Path) -> None:
    """Nothing else changes; a value that can't be set is refused with its place."""
    report = batchfiles.retry(batch, output=tmp_path / "retry.jsonl", only=["incomplete"], values={"body.max_tokens": 4000})
    assert (tmp_path / "retry.jsonl").read_bytes() == request("cut")[:-2] + b',"max_tokens":4000}}\n'
    assert report.changed == 1
    with pytest.raises(InvalidLineError) as caught:
        batchfiles.retry(batch, output=tmp_path / "retry.jsonl", values={"body.model.x": 1}, overwrite=True)
    assert (caught.value.path, caught.value.line_number) == (str(batch / "requests.jsonl"), IDS.index("slow") + 1)


def test_a_request_that_cannot_be_read_is_left_out_and_reported(tmp_path: Path) -> None:
    """It costs no other; blank lines are counted."""
    inputs = put(tmp_path / "requests.jsonl", request("a"), b'{"custom_id": "b", "bo', b"", b'{"body": {}}', request("c"))
    report = batchfiles.retry(inputs, put(tmp_path / "o.jsonl", success("a")), output=tmp_path / "retry.jsonl")
    assert ids_in(tmp_path / "retry.jsonl") == ["c"]
    assert (report.inputs, report.written, report.blank_lines) == (4, 1, 1)
    assert [(each.line_number, each.code) for each in report.findings] == [
        (2, "invalid_json_line"),
        (4, "missing_required_parameter"),
    ]
    assert {group.left_out for group in report.groups if group.outcome == "malformed"} == {"can't be read"}


@pytest.mark.parametrize(("native", "workers"), [("0", 1), ("0", 2), ("1", 1)])
def test_results_that_cannot_be_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: str, workers: int
) -> None:
    """A result file in Latin-1 made every request be sent again, and no word said that its lines can't be read."""
    monkeypatch.setenv("BATCHFILES_NATIVE", native)
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b"))
    lines = [success(each, "caf\xe9").decode().encode("latin-1") for each in ("a", "b", "x")]
    results = put(tmp_path / "output.jsonl", *lines)
    report = batchfiles.retry(inputs, results, output=tmp_path / "retry.jsonl", workers=workers)
    assert (report.written, report.malformed_results, report.unknown_results) == (2, 3, 0)
    assert report.examples == {"malformed": tuple(f"{results}:{number}" for number in (1, 2, 3))}
    assert report.findings == batchfiles.join(inputs, results).summarize().findings
    assert [(each.path, each.line_number, each.code) for each in report.findings] == [
        (str(results), number, "invalid_json_line") for number in (1, 2, 3)
    ]
    words = " ".join(str(report).split())
    assert f"3 result lines that can't be read {results}:1: error: " in words
    assert f"{results}:1: error: not valid UTF-8" in words


def test_unreadable_results_of_a_campaign_are_added_up(tmp_path: Path) -> None:
    """Each part has its own results; skipped files are among the examples, too."""
    for part in ("one", "two"):
        put(tmp_path / f"{part}.jsonl", request("a", part=part), request("b", part=part))
        put(tmp_path / f"{part}_output.jsonl", success("a"), success("b")[:-9])
    (tmp_path / "notes.txt").write_text("not read")
    report = batchfiles.retry(tmp_path, output=tmp_path)
    places = tuple(f"{tmp_path / part}_output.jsonl:2" for part in ("one", "two"))
    assert (report.written, report.malformed_results, report.examples["malformed"]) == (2, 2, places)
    assert report.examples["not_read"] == (str(tmp_path / "notes.txt"),)


def test_without_results_nothing_is_sent_again(batch: Path, tmp_path: Path) -> None:
    """Otherwise everything would be paid for twice; so with results alone, and with results and a table."""
    with pytest.raises(MismatchError, match="no file holds results"):
        batchfiles.retry(batch / "requests.jsonl", output=tmp_path / "retry.jsonl", every=True)
    with pytest.raises(MismatchError, match="no file holds requests"):
        batchfiles.retry(batch / "batch_1_output.jsonl", output=tmp_path / "retry.jsonl")
    batchfiles.join(batch).to_parquet(tmp_path / "joined.parquet")
    with pytest.raises(MismatchError, match="name one table, and no results"):
        batchfiles.retry(batch, tmp_path / "joined.parquet", output=tmp_path / "retry.jsonl")
    assert not (tmp_path / "retry.jsonl").exists()


def test_an_empty_result_file_says_that_all_are_missing(batch: Path, tmp_path: Path) -> None:
    """The service sends such a file when nothing was done."""
    report = batchfiles.retry(batch / "requests.jsonl", put(tmp_path / "e_output.jsonl"), output=tmp_path / "retry.jsonl")
    assert report.written == len(IDS)


@pytest.mark.parametrize("exact", [False, True])
def test_results_of_another_batch_are_refused(batch: Path, tmp_path: Path, exact: bool) -> None:
    """All requests were silently written as missing, and would have been paid for twice."""
    again = b', "custom_id": "zz"}' if exact else b"}"  # a repeated key: a fast scan is not enough
    other = put(tmp_path / "other.jsonl", success("zz-a"), success("zz-b")[:-1] + again)
    with pytest.raises(MismatchError, match=r"other\.jsonl: 0 of 2 results belong to a request of .*requests\.jsonl"):
        batchfiles.retry(batch / "requests.jsonl", other, output=tmp_path / "retry.jsonl", every=True)
    damaged = put(tmp_path / "damaged.jsonl", success("zz"), b'{"id": "x", "cust')
    with pytest.raises(MismatchError, match="0 of 2 results belong"):
        batchfiles.retry(batch / "requests.jsonl", damaged, output=tmp_path / "retry.jsonl")
    put(tmp_path / "more.jsonl", request("zz-a"))
    batchfiles.join(tmp_path / "more.jsonl", other).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(MismatchError, match=r"other\.parquet: 0 of 1 results belong"):
        batchfiles.retry(batch / "requests.jsonl", tmp_path / "other.parquet", output=tmp_path / "retry.jsonl")
    assert not (tmp_path / "retry.jsonl").exists()


def test_results_that_no_request_asked_for_are_counted(batch: Path, tmp_path: Path) -> None:
    """They were not reported, though the join counts them; the number is the join's."""
    other = put(tmp_path / "other.jsonl", success("zz"), success("yy"), b'{"custom_id": "xx", "resp')
    report = batchfiles.retry(batch, other, output=tmp_path / "retry.jsonl")
    assert ids_in(tmp_path / "retry.jsonl") == RETRYABLE
    joined = batchfiles.join(batch, other)
    joined.to_arrow()
    assert report.unknown_results == joined.summarize().unknown == 2
    assert batchfiles.retry(batch, output=tmp_path / "first.jsonl").unknown_results == 0


def test_a_result_whose_id_is_repeated_later_is_found(tmp_path: Path) -> None:
    """It was noted under its first id, so that its request counted as missing and was sent again."""
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b"))
    twice = success("b")[:-1] + b', "custom_id": "a"}'
    batchfiles.retry(inputs, put(tmp_path / "o.jsonl", twice), output=tmp_path / "retry.jsonl", every=True)
    assert ids_in(tmp_path / "retry.jsonl") == ["b"]
    other = success("other")[:-1] + b', "custom_id": "a"}'
    batchfiles.retry(inputs, put(tmp_path / "o.jsonl", other), output=tmp_path / "retry.jsonl", every=True, overwrite=True)
    assert ids_in(tmp_path / "retry.jsonl") == ["b"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"only": ["expired"], "every": True}, "exclude each other"),
        ({"only": [" , "]}, "only is empty"),
        ({"ids": "ids.txt", "excluded": ["5xx"]}, "list of ids selects requests"),
        ({"values": {"custom_id": "x"}}, "same custom_id"),
    ],
)
def test_options_that_contradict_each_other_are_refused(batch: Path, tmp_path: Path, options: dict[str, Any], words: str) -> None:
    """Before anything is read."""
    with pytest.raises(ValueError, match=words):
        batchfiles.retry(batch, output=tmp_path / "retry.jsonl", **options)


def test_what_is_there_stays_unless_forced(batch: Path, tmp_path: Path) -> None:
    """As everywhere."""
    put(tmp_path / "retry.jsonl", b"mine")
    with pytest.raises(OutputExistsError):
        batchfiles.retry(batch, output=tmp_path / "retry.jsonl")
    assert (tmp_path / "retry.jsonl").read_bytes() == b"mine\n"
    batchfiles.retry(batch, output=tmp_path / "retry.jsonl", overwrite=True)
    assert ids_in(tmp_path / "retry.jsonl") == RETRYABLE


def test_a_repeated_id_in_a_request_file_is_not_sent_twice(tmp_path: Path) -> None:
    """No service accepts it."""
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b"), request("a"))
    output = put(tmp_path / "output.jsonl", success("b"))
    with pytest.raises(DuplicateCustomIdError) as caught:
        batchfiles.retry(inputs, output, output=tmp_path / "retry.jsonl")
    assert (caught.value.first_line_number, caught.value.line_number) == (1, 3)
    assert not (tmp_path / "retry.jsonl").exists()


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    """Return a folder of two parts whose ids restart."""
    for part, lines in (("a", [success("1"), expired("2")]), ("b", [failure("1", 500), success("2")])):
        put(tmp_path / "parts" / f"{part}.jsonl", request("1", user=part), request("2", user=part))
        put(tmp_path / "parts" / f"{part}_output.jsonl", *lines)
    return tmp_path / "parts"


def test_ids_that_restart_in_each_part_are_refused_in_one_file(campaign: Path, tmp_path: Path) -> None:
    """A result of it could be matched with the other part's, also where only one of them is sent again."""
    with pytest.raises(DuplicateCustomIdError, match="folder of the request files") as caught:
        batchfiles.retry(campaign, output=tmp_path / "retry.jsonl")
    assert {caught.value.first_path, caught.value.path} == {str(campaign / "a.jsonl"), str(campaign / "b.jsonl")}
    assert not (tmp_path / "retry.jsonl").exists()


def test_each_part_of_a_campaign_gets_its_own_retry(campaign: Path) -> None:
    """The manifest then names them, so that their results are those of their parts; again and again."""
    first = batchfiles.retry(campaign, output=campaign)
    assert [Path(file.path).name for file in first.files] == ["a-retry-1.jsonl", "b-retry-1.jsonl"]
    assert (campaign / "a-retry-1.jsonl").read_bytes() == request("2", user="a") + b"\n"
    assert (campaign / "b-retry-1.jsonl").read_bytes() == request("1", user="b") + b"\n"
    with pytest.raises(MismatchError, match="in progress"):
        batchfiles.retry(campaign, output=campaign)
    put(campaign / "a-retry-1_output.jsonl", success("2", "again", created=5))
    put(campaign / "b-retry-1_output.jsonl", expired("1"))
    second = batchfiles.retry(campaign, output=campaign)
    assert [Path(file.path).name for file in second.files] == ["b-retry-2.jsonl"]
    put(campaign / "b-retry-2_output.jsonl", success("1", "at last", created=9))
    joined = batchfiles.join(campaign)
    rows = [(row["input_source"], row["custom_id"], row["text"], row["attempts"]) for row in joined]
    a, b = str(campaign / "a.jsonl"), str(campaign / "b.jsonl")
    assert rows == [(a, "1", "Hi", 1), (a, "2", "again", 2), (b, "1", "at last", 3), (b, "2", "Hi", 1)]
    assert (joined.summarize().superseded, joined.summarize().unknown, joined.summarize().duplicate_inputs) == (3, 0, 0)
    third = batchfiles.retry(campaign, output=campaign)
    assert (third.written, third.files) == (0, ())


def parts_in(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the parts of a manifest, with the parts that each of them repeats."""
    manifest = read_manifest(folder)
    assert manifest is not None
    return {part.file: part.retry_of for part in manifest.parts}


@pytest.mark.parametrize("name", ["again.jsonl", "retry.jsonl", "zz.jsonl", "requests-retry-1.jsonl"])
@pytest.mark.parametrize("way", ["folder", "set"])
def test_an_earlier_retry_file_does_not_become_a_part(batch: Path, name: str, way: str) -> None:
    """A new manifest made a part of it, and then join had a second row for each request that was sent again."""
    batchfiles.retry(batch, output=batch / name)
    assert batchfiles.join(batch).summarize().rows == len(IDS)
    if way == "folder":
        report = batchfiles.retry(batch, output=batch)
    else:
        report = batchfiles.retry(batch, output=batch / "changed.jsonl", values={"body.user": "me"})
    (file,) = report.files
    assert (report.written, report.inputs) == (len(RETRYABLE), len(IDS))
    expected = {"requests.jsonl": (), name: ("requests.jsonl",), Path(file.path).name: ("requests.jsonl",)}
    assert parts_in(batch) == expected
    assert [row["custom_id"] for row in batchfiles.join(batch)] == IDS
    put(batch / f"{Path(name).stem}_output.jsonl", success("slow", created=9))
    put(batch / f"{Path(file.path).stem}_output.jsonl", success("late", created=9))
    rows = {row["custom_id"]: (row["outcome"], row["attempts"]) for row in batchfiles.join(batch)}
    assert (list(rows), rows["slow"], rows["late"]) == (IDS, (SUCCEEDED, 2), (SUCCEEDED, 2))
    later = batchfiles.retry(batch, output=batch / "later.jsonl")
    assert (later.written, batchfiles.join(batch).summarize().rows) == (len(RETRYABLE) - 2, len(IDS))


def test_a_manifest_has_the_facts_of_an_earlier_retry_file(batch: Path) -> None:
    """Its lines, its size and its digest, which join compares."""
    again = batch / "again.jsonl"
    batchfiles.retry(batch, output=again)
    batchfiles.retry(batch, output=batch)
    manifest = read_manifest(batch)
    assert manifest is not None
    (part,) = (part for part in manifest.parts if part.file == again.name)
    text = again.read_bytes()
    assert (part.requests, part.bytes, part.sha256) == (len(RETRYABLE), len(text), hashlib.sha256(text).hexdigest())


@pytest.mark.parametrize("way", ["ids", "table"])
def test_listed_requests_are_found_next_to_an_earlier_retry_file(batch: Path, tmp_path: Path, way: str) -> None:
    """The table has the rows under the name of the retry file, which is read first."""
    batchfiles.retry(batch, output=batch / "again.jsonl")
    if way == "ids":
        report = batchfiles.retry(batch, output=batch, ids=put(tmp_path / "ids.txt", b"late", b"ok"))
        assert (report.written, report.unknown_ids) == (2, 0)
    else:
        batchfiles.join(batch).to_parquet(tmp_path / "t.parquet")
        requests = [batch / "again.jsonl", batch / "requests.jsonl"]
        report = batchfiles.retry(*requests, tmp_path / "t.parquet", output=batch / "changed.jsonl", values={"body.n": 1})
        assert (report.written, report.not_in_table) == (len(RETRYABLE), 0)
    assert parts_in(batch)["again.jsonl"] == ("requests.jsonl",)
    assert batchfiles.join(batch).summarize().rows == len(IDS)


@pytest.mark.parametrize("names", list(permutations("abc")))
def test_a_retry_of_a_retry_repeats_the_first_requests(tmp_path: Path, names: tuple[str, ...]) -> None:
    """In every order of the names, also if all requests were sent again."""
    folder = tmp_path / "batch"
    for name, ids in zip(names, (["1", "2", "3"], ["2", "3"], ["3"]), strict=True):
        put(folder / f"{name}.jsonl", *map(request, ids))
    put(folder / "results.jsonl", success("1"), failure("2", 500), failure("3", 500))
    batchfiles.retry(folder, output=folder)
    first, second, third = (f"{name}.jsonl" for name in names)
    assert parts_in(folder) == {
        first: (),
        second: (first,),
        third: (first,),
        f"{names[0]}-retry-3.jsonl": (first,),
    }
    assert [row["custom_id"] for row in batchfiles.join(folder)] == ["1", "2", "3"]


@pytest.mark.parametrize("names", list(permutations("abc")))
@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_common_retry_file_repeats_several_parts(tmp_path: Path, names: tuple[str, ...], size: int) -> None:
    """Also one that has all requests of a file, or of both."""
    folder = tmp_path / "batch"
    lines = [request(each) for each in "1234"]
    for name, part in zip(names, (lines[:2], lines[2:], lines[1:3] if size == 2 else lines[-size:]), strict=True):
        put(folder / f"{name}.jsonl", *part)
    put(folder / "results.jsonl", *(failure(each, 500) for each in "1234"))
    batchfiles.retry(folder, output=folder)
    parts = parts_in(folder)
    one, other, common = (f"{name}.jsonl" for name in names)
    if size == 4:  # nothing shows which of them were first: the one with all requests is taken
        assert (parts[one], parts[other], parts[common]) == ((common,), (common,), ())
    else:
        assert (parts[one], parts[other], parts[common]) == ((), (), tuple(sorted((one, other))))
    assert sorted(row["custom_id"] for row in batchfiles.join(folder)) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("lines", [("12", "23"), ("11", "11"), ("112", "112"), ("15", "35", "19", "38")])
def test_files_that_share_only_some_requests_are_refused_as_parts(tmp_path: Path, lines: tuple[str, ...]) -> None:
    """As parts of a campaign both would have them, and join would count them twice."""
    folder = tmp_path / "batch"
    for name, ids in zip("abcd", lines, strict=False):
        put(folder / f"{name}.jsonl", *map(request, ids))
    put(folder / "results.jsonl", failure("2", 500), failure("3", 500))
    before = sorted(folder.iterdir())
    with pytest.raises(MismatchError, match="batchfiles merge") as caught:
        batchfiles.retry(folder, output=folder)
    assert (caught.value.path, sorted(folder.iterdir())) == (str(folder / "b.jsonl"), before)


def test_no_file_is_refused_as_a_part_of_the_manifest_of_another_program(tmp_path: Path) -> None:
    """It is not changed, so equal lines stay one request."""
    folder = tmp_path / "batch"
    for name, ids in (("a", "12"), ("b", "23")):
        put(folder / f"{name}.jsonl", *map(request, ids))
    put(folder / "results.jsonl", success("1"), failure("2", 500), failure("3", 500))
    put(folder / "manifest.json", b"{}")
    report = batchfiles.retry(folder, output=tmp_path / "batch" / "again.jsonl", values={"body.n": 2})
    assert (report.written, (folder / "manifest.json").read_bytes()) == (2, b"{}\n")
    with pytest.raises(FileError, match="another program"):
        batchfiles.retry(folder / "a.jsonl", folder / "b.jsonl", folder / "results.jsonl", output=folder)


def test_a_file_that_was_added_to_a_campaign_becomes_a_part(batch: Path) -> None:
    """Its retry repeated a part that the manifest did not name, and then no request had the results of the retry."""
    batchfiles.retry(batch, output=batch)
    put(batch / "requests-retry-1_output.jsonl", *map(success, RETRYABLE))
    put(batch / "added.jsonl", request("new"))
    put(batch / "added_output.jsonl", failure("new", 500))
    put(batch / "again.jsonl", request("new"), request("slow"))
    batchfiles.retry(batch, output=batch)
    parts = parts_in(batch)
    assert (parts["added.jsonl"], parts["again.jsonl"]) == ((), ("added.jsonl", "requests.jsonl"))
    assert parts["added-retry-2.jsonl"] == ("added.jsonl",)
    put(batch / "added-retry-2_output.jsonl", success("new"))
    joined = batchfiles.join(batch)
    rows = {row["custom_id"]: row["outcome"] for row in joined}
    assert (sorted(rows), rows["new"], joined.summarize().unknown) == (sorted([*IDS, "new"]), SUCCEEDED, 0)


def test_a_folder_that_does_not_hold_the_requests_is_refused(campaign: Path, tmp_path: Path) -> None:
    """Results of a retry file in another folder would not find their part."""
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(MismatchError, match="is not in"):
        batchfiles.retry(campaign, output=tmp_path / "elsewhere")
    with pytest.raises(MismatchError, match="is not in") as caught:
        batchfiles.retry(campaign, output=f"{tmp_path}/again.d/")
    assert "suffix" not in str(caught.value)


def test_a_name_without_a_suffix_is_reported_as_a_folder(batch: Path, tmp_path: Path) -> None:
    """`-o again` was meant as a file, and the error named an unexpected folder."""
    with pytest.raises(MismatchError, match=r"its name has no suffix: .* or a file such as .*again\.jsonl"):
        batchfiles.retry(batch, output=tmp_path / "again")


def test_first_results_and_those_of_the_retry_make_one_table(batch: Path, tmp_path: Path) -> None:
    """Every request once, with the better result, the attempts counted, nothing unknown."""
    retry = tmp_path / "again" / "retry.jsonl"
    retry.parent.mkdir()
    batchfiles.retry(batch, output=retry)
    again = put(tmp_path / "retry_output.jsonl", *(success(each, "again", created=9) for each in RETRYABLE if each != "down"))
    errors = put(tmp_path / "retry_error.jsonl", failure("down", 500))
    joined = batchfiles.join(batch, again, errors)
    rows = {row["custom_id"]: (row["outcome"], row["attempts"]) for row in joined}
    assert list(rows) == IDS
    assert rows == {
        "ok": (SUCCEEDED, 1),
        "cut": ("incomplete", 1),
        "bad": ("failed", 1),
        "slow": (SUCCEEDED, 2),
        "down": ("failed", 2),
        "late": (SUCCEEDED, 2),
        "broken": (SUCCEEDED, 2),
        "lost": (SUCCEEDED, 1),
    }
    assert (
        joined.summarize().used,
        joined.summarize().superseded,
        joined.summarize().unknown,
        joined.summarize().conflicting,
    ) == (8, 4, 0, 0)
    report = batchfiles.retry(batch, again, errors, output=tmp_path / "third.jsonl")
    assert ids_in(tmp_path / "third.jsonl") == ["down"]
    assert report.written == 1


def test_a_file_that_changes_meanwhile_ends_it(batch: Path, tmp_path: Path) -> None:
    """Nothing appears."""

    def meddle(done: int, total: int) -> None:
        with (batch / "requests.jsonl").open("ab") as file:
            file.write(request("new") + b"\n")

    with pytest.raises(FileError, match="changed"):
        batchfiles.retry(batch, output=tmp_path / "retry.jsonl", progress=meddle)
    assert not (tmp_path / "retry.jsonl").exists()


KINDS = st.sampled_from(["success", "cut", "expired", "429", "500", "400", "none", "malformed"])


def made(kind: str, custom_id: str) -> bytes | None:
    """Make a result of a kind."""
    if kind == "none":
        return None
    if kind == "malformed":
        return json.dumps({"custom_id": custom_id, "response": 1}).encode()[:-2]
    if kind.isdigit():
        return failure(custom_id, int(kind))
    known = {"success": success, "expired": expired}
    return known[kind](custom_id) if kind in known else result(custom_id, completion(finish_reason="length"))


@settings(max_examples=60, deadline=None)
@given(kinds=st.lists(st.tuples(KINDS, KINDS), max_size=12), data=st.data())
def test_what_is_written_is_what_the_join_calls_retryable(
    kinds: list[tuple[str, str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For results of any kinds, two for some requests, in any order."""
    folder = tmp_path_factory.mktemp("retry")
    inputs = put(folder / "requests.jsonl", *(request(f"é-{number}") for number in range(len(kinds))))
    lines = [made(kind, f"é-{number}") for number, both in enumerate(kinds) for kind in both]
    results = put(folder / "batch_output.jsonl", *data.draw(st.permutations([line for line in lines if line is not None])))
    if not kinds:
        return
    report = batchfiles.retry(inputs, results, output=folder / "retry.jsonl")
    rows = batchfiles.join(inputs, results).to_arrow().to_pylist()
    assert ids_in(folder / "retry.jsonl") == [row["custom_id"] for row in rows if row["retryable"]]
    counted: Counter[Any] = Counter()
    for group in report.groups:
        counted[group.outcome] += group.requests
    assert counted == Counter(row["outcome"] for row in rows)


def test_a_list_that_is_not_utf8_names_its_line(tmp_path: Path) -> None:
    """The lines of a block are decoded together, and the number of the first bad one is counted in the bytes."""
    inputs = put(tmp_path / "in.jsonl", request("a"))
    ids = tmp_path / "ids.txt"
    ids.write_bytes("é\r\n\n".encode() + b"a\nb\xff\nc\n")
    with pytest.raises(MismatchError, match="line 4 is not UTF-8"):
        batchfiles.retry(inputs, output=tmp_path / "again.jsonl", ids=ids)


@pytest.mark.parametrize("url", ["/v1/embeddings", "/v1/\\u0065mbeddings", "moderations", "/v1/moderati\\u006fns?a=1"])
def test_a_text_is_not_the_answer_of_another_endpoint(tmp_path: Path, url: str) -> None:
    """With letters of the url as escapes, or without a slash, `retry` took it for a success, and `join` did not."""
    folder = tmp_path / "batch"
    put(folder / "requests.jsonl", request("a").replace(b"/v1/chat/completions", url.encode()))
    put(folder / "batch_1_output.jsonl", success("a"))
    assert batchfiles.retry(folder, output=tmp_path / "retry.jsonl").written == 1
    assert [row["retryable"] for row in batchfiles.join(folder)] == [True]


def test_outcomes_without_a_code_leave_room_for_error_codes() -> None:
    """The first codes are distinguished, whatever else is counted before them."""
    found = []
    for others in (0, GROUPS_KEPT):
        groups = GroupCounts()
        for status in range(others):
            groups.add(("succeeded", status, None, "succeeded"))
        for number in range(GROUPS_KEPT + 2):
            groups.add(("failed", 400, f"code {number}", "not retryable"))
        groups.add(("failed", 400, "code 5", "not retryable"))
        found.append({group: count for group, count in groups.found.items() if group[0] == "failed"})
    assert found[0] == found[1]
    assert len(found[0]) == GROUPS_KEPT + 1
    assert found[0]["failed", 400, None, "not retryable"] == 2
    assert found[0]["failed", 400, "code 5", "not retryable"] == 2


DAMAGED = {
    "cut": request("b")[:-5],
    "no body": b'{"custom_id": "b", "method": "POST", "url": "/v1/chat/completions"}',
    "a list as the body": b'{"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": []}',
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("answer", [success("b"), failure("b", 400), failure("b", 429), expired("b"), None])
@pytest.mark.parametrize("by_table", [False, True])
def test_a_request_line_that_can_not_be_read_is_reported_whatever_its_result(
    tmp_path: Path, line: bytes, answer: bytes | None, by_table: bool
) -> None:
    """With an answer it counted as succeeded, although `join` calls it malformed; in a whole table it was called absent."""
    inputs = put(tmp_path / "in.jsonl", request("a"), line, request("c"))
    results = put(tmp_path / "out.jsonl", success("a"), *([] if answer is None else [answer]), success("c"))
    joined = batchfiles.join(inputs, results)
    table = tmp_path / "joined.parquet"
    joined.to_parquet(table)
    report = batchfiles.retry(inputs, table if by_table else results, output=tmp_path / "retry.jsonl")
    assert (report.written, report.not_in_table, joined.summarize().malformed_inputs) == (0, 0, 1)
    assert sorted((group.outcome, group.left_out, group.requests) for group in report.groups) == [
        ("malformed", "can't be read", 1),
        ("succeeded", "succeeded", 2),
    ]
    assert report.unknown_results == (0 if by_table or answer is None else 1)
