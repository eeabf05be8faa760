"""Request files are checked by the service's rules: the findings, their places, and no others."""

import gzip
import io
import json
import random
import tracemalloc
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.errors import FileError
from batchfiles.jobs.validate import validate
from batchfiles.limits import AZURE, DASHSCOPE, NONE, OPENAI, TOGETHER, VLLM

FIXTURES = Path(__file__).parents[2] / "fixtures"

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "Hi"}]


def request(custom_id="a", *, url=CHAT, method="POST", body=None, without=(), **more):
    """A valid request, except for the given values; as a dict."""
    value = {
        "custom_id": custom_id,
        "method": method,
        "url": url,
        "body": {"model": "m", "messages": HI} if body is None else body,
    }
    return {key: item for key, item in {**value, **more}.items() if key not in without}


def chat(custom_id="a", **more):
    """A chat request whose body has more keys, or others; None removes one."""
    body = {"model": "m", "messages": HI, **more}
    return request(custom_id, body={key: item for key, item in body.items() if item is not None})


def to(url, **body):
    """A request to another endpoint."""
    return request(url=url, body={"model": "m", **body})


def file_of(*lines):
    """An open file of these lines; dicts are encoded, bytes are written unchanged."""
    return io.BytesIO(b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines))


def found(*lines, **options):
    """The findings of a file of these lines: (line, code, json_path)."""
    findings = validate(file_of(*lines), **options).findings
    return [(finding.line_number, finding.code, finding.json_path) for finding in findings]


def messages(*lines, **options):
    """The messages of the findings."""
    return [finding.message for finding in validate(file_of(*lines), **options).findings]


GOOD = [
    chat(),
    chat(temperature=0.5, n=2, stop=["\n"]),
    chat(stream=False),
    request("ü" * 1000),
    to("/v1/completions", prompt="Once"),
    to("/v1/completions", prompt=[1, 2]),
    to("/v1/responses", input="Hi"),
    to("/v1/responses", input=[{"role": "user", "content": "Hi"}]),
    to("/v1/responses", prompt={"id": "pmpt_1"}),
    to("/v1/responses", previous_response_id="resp_1", input=None),
    to("/v1/embeddings", input="text"),
    to("/v1/embeddings", input=["a", "b"]),
    to("/v1/embeddings", input=[1, 2, 3]),
    to("/v1/embeddings", input=[[1], [2, 3]]),
    to("/v1/moderations", input=["a", "b"]),
    to("/v1/images/generations", prompt="A boat"),
]


@pytest.mark.parametrize("line", GOOD, ids=json.dumps)
def test_a_good_request_has_no_finding(line):
    """Neither alone nor after another one like it."""
    assert found(line) == []
    assert found({**line, "custom_id": "first"}, line, {**line, "custom_id": "last"}) == []


ONE_LINE = [
    # the faults of a line, and their places
    (b"{", "invalid_json_line", None),
    (b'{"custom_id": "a"', "invalid_json_line", None),
    (b"[1]", "invalid_json_line", None),
    (b'"text"', "invalid_json_line", None),
    (b'{"custom_id": "\xff"}', "invalid_json_line", None),
    (json.dumps(chat(temperature=float("nan"))).encode(), "invalid_json_line", None),
    (json.dumps(chat(user="\ud83d")).encode(), "invalid_json_line", None),
    (request(without=["custom_id"]), "missing_required_parameter", "$.custom_id"),
    (request(without=["method"]), "missing_required_parameter", "$.method"),
    (request(without=["url"]), "missing_required_parameter", "$.url"),
    (request(without=["body"]), "missing_required_parameter", "$.body"),
    (request(None), "missing_required_parameter", "$.custom_id"),
    (request(7), "invalid_type", "$.custom_id"),
    (request(""), "invalid_value", "$.custom_id"),
    (request(method=1), "invalid_type", "$.method"),
    (request(method="GET"), "invalid_value", "$.method"),
    (request(method="post"), "invalid_value", "$.method"),
    (request(url=["/v1/responses"]), "invalid_type", "$.url"),
    (request(body=[1]), "invalid_type", "$.body"),
    (request(body="text"), "invalid_type", "$.body"),
    (chat(model=None), "invalid_request", "$.body.model"),
    (chat(model=""), "invalid_request", "$.body.model"),
    (chat(model=4), "invalid_type", "$.body.model"),
    (chat(stream=True), "streaming_unsupported", "$.body.stream"),
    (chat(messages=None), "invalid_request", "$.body.messages"),
    (chat(messages="Hi"), "invalid_type", "$.body.messages"),
    (chat(messages=[]), "empty_array", "$.body.messages"),
    (to("/v1/responses"), "invalid_request", "$.body.input"),
    (to("/v1/responses", input=5), "invalid_type", "$.body.input"),
    (to("/v1/completions"), "invalid_request", "$.body.prompt"),
    (to("/v1/embeddings"), "invalid_request", "$.body.input"),
    (to("/v1/embeddings", input=[]), "empty_array", "$.body.input"),
    (to("/v1/embeddings", input={}), "invalid_type", "$.body.input"),
    (to("/v1/embeddings", input=["x"] * 2049), "array_above_max_length", "$.body.input"),
    (to("/v1/moderations"), "invalid_request", "$.body.input"),
    (to("/v1/videos"), "invalid_request", "$.body.prompt"),
]


@pytest.mark.parametrize(("line", "code", "json_path"), ONE_LINE, ids=lambda value: str(value)[:60])
def test_a_line_that_the_service_would_refuse(line, code, json_path):
    """It is reported with the service's code and the place, first in the file or after good lines."""
    assert found(line) == [(1, code, json_path)]
    url = line["url"] if isinstance(line, dict) and isinstance(line.get("url"), str) else CHAT
    key = {CHAT: "messages", "/v1/completions": "prompt", "/v1/videos": "prompt"}.get(url, "input")
    good = {**to(url, **{key: HI if key == "messages" else "t"}), "custom_id": "0"}
    assert found(good, line) == [(2, code, json_path)]


def test_the_sentences_are_the_services_own():
    """Searching for a sentence of the service finds it here, too."""
    assert messages(request(without=["method"])) == ["Missing required parameter: 'method'."]
    assert messages(chat(model=None)) == ["Model parameter is required."]
    assert messages(chat(messages=None)) == ["Messages parameter is required."]
    assert messages(chat(stream=True)) == ["Streaming is not supported in the Batch API."]


def test_all_faults_of_a_line_are_reported_at_once():
    """In the order of its keys."""
    assert found({"body": {"stream": True}}) == [
        (1, "missing_required_parameter", "$.custom_id"),
        (1, "missing_required_parameter", "$.method"),
        (1, "missing_required_parameter", "$.url"),
        (1, "invalid_request", "$.body.model"),
        (1, "streaming_unsupported", "$.body.stream"),
    ]


def test_a_finding_knows_its_place():
    """File, line, offset in bytes and request; so that an editor can jump there."""
    lines = [chat("é"), b"", chat("b", stream=True)]
    (blank, finding) = validate(file_of(*lines)).findings
    encoded = [json.dumps(lines[0]).encode(), b"", json.dumps(lines[2]).encode()]
    assert (blank.code, blank.line_number, blank.byte_offset) == ("blank_line", 2, len(encoded[0]) + 1)
    assert (finding.path, finding.line_number, finding.byte_offset) == ("<stream>", 3, len(encoded[0]) + 2)
    assert finding.custom_id == "b"
    assert finding.severity == "error"


def test_findings_stay_small():
    """For values of any size: a finding quotes a hundred characters."""
    long = "x" * 1_000_000
    lines = [request(long), request("b", url=long, method=long), chat("c", model=long), request(long)]
    report = validate(file_of(*lines, chat("d", **{long: 1}, tools=[{"strict": True, "name": long, "parameters": {long: 1}}])))
    assert report.errors["duplicate_custom_id"] == 1
    assert all(len(repr(finding)) < 2000 for finding in report.findings)


# One endpoint and one model in a file


def test_every_request_has_the_url_of_the_first():
    """The finding names both urls and the place of the first one."""
    lines = [chat("1"), chat("2"), {**to("/v1/embeddings", input="t"), "custom_id": "3"}, chat("4")]
    assert found(*lines) == [(3, "invalid_url", "$.url")]
    (sentence,) = messages(*lines)
    assert "'/v1/embeddings' here" in sentence
    assert f"'{CHAT}' on line 1" in sentence


def test_a_request_to_another_url_is_checked_by_that_urls_rules():
    """A wrong url is one mistake; that it has no messages is none."""
    assert found(chat("1"), {**to("/v1/responses"), "custom_id": "2"}) == [
        (2, "invalid_url", "$.url"),
        (2, "invalid_request", "$.body.input"),
    ]


def test_every_request_has_the_model_of_the_first():
    """The finding names both models."""
    lines = [chat("1", model=None), chat("2", model="gpt-4o"), chat("3", model="gpt-5"), chat("4", model="gpt-4o")]
    assert found(*lines) == [(1, "invalid_request", "$.body.model"), (3, "mismatched_model", "$.body.model")]
    assert "'gpt-5'" in messages(*lines)[1]
    assert "line 2 has 'gpt-4o'" in messages(*lines)[1]


def test_an_unknown_endpoint_is_a_warning_said_once():
    """Endpoints are added over the years: no list of them may stop a file."""
    report = validate(file_of(*({**to("/v1/dreams"), "custom_id": str(number)} for number in range(5))))
    assert [(finding.line_number, finding.code, finding.severity) for finding in report.findings] == [
        (1, "unknown_url", "warning")
    ]
    assert report.ok


def test_endpoints_with_their_own_model_get_a_warning():
    """Moderations and images don't require `model`; whether a batch of theirs does is not known."""
    report = validate(file_of(request(url="/v1/moderations", body={"input": "t"})))
    assert report.ok
    assert dict(report.warnings) == {"invalid_request": 1}


# Unique ids


def test_a_repeated_id_is_named_with_both_places():
    """The first place is in the finding and in the sentence."""
    report = validate(file_of(chat("a"), chat("b"), b"", chat("a"), chat("a", stream=True)))
    repeated = [finding for finding in report.findings if finding.code == "duplicate_custom_id"]
    assert [(finding.line_number, finding.first_line_number, finding.custom_id) for finding in repeated] == [
        (4, 1, "a"),
        (5, 1, "a"),
    ]
    assert repeated[0].first_path == repeated[0].path == "<stream>"
    assert "'a' is already on line 1" in repeated[0].message


def test_ids_are_compared_decoded():
    r"""`caf\u00e9` and `café` are one id, `A` and `a` are two."""
    lines = [json.dumps(chat("café")).encode(), json.dumps(chat("café"), ensure_ascii=False).encode(), chat("A"), chat("a")]
    assert found(*lines) == [(2, "duplicate_custom_id", "$.custom_id")]


def test_the_same_id_may_be_in_two_files(tmp_path):
    """A custom_id is unique within its batch; with `across`, in all files, and the finding names the other file."""
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    first.write_bytes(file_of(chat("x"), chat("a")).read())
    second.write_bytes(file_of(chat("a"), chat("b")).read())
    assert validate(first, second).ok
    (finding,) = validate(first, second, across=True).findings
    assert (finding.path, finding.line_number) == (str(second), 1)
    assert (finding.first_path, finding.first_line_number) == (str(first), 2)
    assert f"line 2 of {first}" in finding.message
    assert [file.errors for file in validate(first, second, across=True).files] == [0, 1]


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("in_memory", [0, 3, 50, 1000])
def test_uniqueness_is_exact_when_ids_wait_on_the_disk(tmp_path, in_memory, across):
    """The same repetitions are found with room for no id in memory as with room for all."""
    rng = random.Random(5)
    expected, first_of = [], {}
    for number in range(3):
        path = tmp_path / f"{number}.jsonl"
        ids = [str(rng.randrange(150)) for _ in range(200)]
        path.write_bytes(file_of(*map(chat, ids)).read())
        if not across:
            first_of.clear()
        for line, custom_id in enumerate(ids, 1):
            first = first_of.setdefault(custom_id, (str(path), line))
            if first != (str(path), line):
                expected.append((str(path), line, *first))
    report = validate(tmp_path, across=across, max_findings=10_000, ids_in_memory=in_memory, temp_dir=tmp_path)
    places = [
        (f.path, f.line_number, f.first_path, f.first_line_number) for f in report.findings if f.code == "duplicate_custom_id"
    ]
    assert sorted(places) == sorted(expected)
    assert report.error_count == len(expected)
    assert sum(file.errors for file in report.files) == len(expected)


def test_an_id_of_the_wrong_type_is_not_compared():
    """It has its own finding; two of them are not a repetition."""
    assert [code for _, code, _ in found(request(7), request(7), request(None), request(""), request(""))] == [
        "invalid_type",
        "invalid_type",
        "missing_required_parameter",
        "invalid_value",
        "invalid_value",
    ]


# How much a file may hold


def test_one_request_too_many():
    """The count is of requests: blank lines don't count, broken ones do."""
    limits = replace(OPENAI, max_requests=3)
    assert found(chat("1"), chat("2"), b"{", limits=limits) == [(3, "invalid_json_line", None)]
    assert found(chat("1"), b"", chat("2"), chat("3"), chat("4"), limits=limits) == [
        (2, "blank_line", None),
        (None, "too_many_requests", None),
    ]
    assert "4 requests, and 3 are allowed" in messages(chat("1"), chat("2"), chat("3"), chat("4"), limits=limits)[0]


def test_fifty_thousand_and_one_requests():
    """The real limit, once, on a real file."""
    lines = [
        b'{"custom_id":"%d","method":"POST","url":"/v1/responses","body":{"model":"m","input":"t"}}' % n for n in range(50_001)
    ]
    assert validate(file_of(*lines[:-1])).ok
    assert found(*lines) == [(None, "too_many_requests", None)]
    assert validate(file_of(*lines), limits=AZURE).ok


def test_a_file_above_the_documented_size_is_a_warning_and_above_the_real_one_an_error():
    """The documents give 200 MB, the service refuses above 200 MiB; each counted to the byte, the last newline included."""
    data = file_of(chat()).getvalue()
    for max_bytes, warn_bytes, expected in [
        (len(data), len(data), []),
        (len(data), len(data) - 1, [("file_too_large", "warning")]),
        (len(data) - 1, 1, [("file_too_large", "error")]),
    ]:
        report = validate(io.BytesIO(data), limits=replace(OPENAI, max_bytes=max_bytes, warn_bytes=warn_bytes))
        assert [(finding.code, finding.severity) for finding in report.findings] == expected
        assert report.files[0].bytes == len(data)
    assert (OPENAI.warn_bytes, OPENAI.max_bytes) == (200_000_000, 209_715_200)


def test_texts_to_embed_are_counted_by_the_services_rule():
    """A string is one, a list of strings as many as it has, a list of tokens one, a list of such lists as many as it has."""
    inputs = ["one", ["a", "b", "c"], [1, 2, 3, 4], [[1, 2], [3]], " ", "one more"]
    lines = [{**to("/v1/embeddings", input=text), "custom_id": str(number)} for number, text in enumerate(inputs)]
    report = validate(file_of(*lines))
    assert report.files[0].embedding_inputs == 1 + 3 + 1 + 2 + 1 + 1
    assert validate(file_of(*lines), limits=replace(OPENAI, max_embedding_inputs=9)).ok
    assert found(*lines, limits=replace(OPENAI, max_embedding_inputs=8)) == [(None, "too_many_embedding_inputs", None)]


@pytest.mark.parametrize("limits", [OPENAI, VLLM])
def test_texts_to_embed_are_counted_among_other_endpoints(limits):
    """Also where a file may mix them."""
    lines = [
        to("/v1/embeddings", input="a"),
        chat(),
        chat(),
        to("/v1/embeddings", input="b"),
        to("/v1/embeddings", input=["c", "d"]),
    ]
    lines = [{**line, "custom_id": str(number)} for number, line in enumerate(lines)]
    assert validate(file_of(*lines), limits=limits).files[0].embedding_inputs == 4
    assert (
        validate(file_of(*lines[1:], *({**lines[0], "custom_id": f"x{n}"} for n in range(5))), limits=limits)
        .files[0]
        .embedding_inputs
        == 8
    )


def test_other_endpoints_have_no_texts_to_embed():
    """Not even where the key is called `input`, too."""
    assert validate(file_of(to("/v1/responses", input=["a"]), chat("2"))).files[0].embedding_inputs == 0


def test_the_length_of_an_id_is_the_profiles_business():
    """OpenAI has no documented limit; others take from 6 to 64 characters, counted as characters."""
    limits = replace(OPENAI, min_custom_id_length=2, max_custom_id_length=4)
    lines = [chat("é" * length) for length in range(1, 6)]
    assert found(*lines, limits=limits) == [
        (1, "string_below_min_length", "$.custom_id"),
        (5, "string_above_max_length", "$.custom_id"),
    ]


def test_the_length_of_a_line_is_the_profiles_business():
    """Counted in bytes, without the newline."""
    lines = [chat("a"), chat("bb"), chat("c")]
    limits = replace(OPENAI, max_line_bytes=len(json.dumps(lines[0])))
    assert found(*lines, limits=limits) == [(2, "line_too_long", None)]


# Bytes and lines


@pytest.mark.parametrize("strict", [False, True])
def test_blank_lines_are_warnings_or_errors_if_strict_and_a_missing_newline_is_information(strict):
    """They may work; the wise don't send them."""
    data = b"\n" + file_of(chat("1"), b" \t\r", chat("2")).read()[:-1]
    report = validate(io.BytesIO(data), strict=strict)
    assert [(f.line_number, f.code) for f in report.findings] == [(1, "blank_line"), (3, "blank_line"), (4, "missing_newline")]
    blank = "error" if strict else "warning"
    assert [finding.severity for finding in report.findings] == [blank, blank, "info"]
    assert (report.info, report.not_listed) == ({"missing_newline": 1}, 0)
    assert report.ok is not strict
    assert report.files[0].requests == 2


def test_a_byte_order_mark_is_as_bad_as_the_service_says():
    """OpenAI and Azure treat the line as broken JSON; without a service it is a warning."""
    data = b"\xef\xbb\xbf" + file_of(chat()).read()
    for limits, severity in [(OPENAI, "error"), (AZURE, "error"), (NONE, "warning")]:
        (finding,) = validate(io.BytesIO(data), limits=limits).findings
        assert (finding.code, finding.line_number, finding.severity) == ("byte_order_mark", 1, severity)


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\r\n  \n"])
def test_a_file_without_requests_is_empty(data):
    """Blank lines don't fill it."""
    report = validate(io.BytesIO(data))
    assert report.errors == {"empty_file": 1}
    assert report.files[0].requests == 0


def test_a_line_that_is_too_long_is_one_finding():
    """Reading continues after it, and it counts as a request."""
    report = validate(file_of(chat("1"), chat("2", user="x" * 5000), chat("3", stream=True)), max_line_bytes=1000)
    assert [(f.line_number, f.code) for f in report.findings] == [(2, "line_too_long"), (3, "streaming_unsupported")]
    assert report.files[0].requests == 3


def test_carriage_returns_and_separators_in_texts_are_not_line_ends():
    """Lines end at a newline and nowhere else."""
    lines = [json.dumps(chat(str(n), user="a\u2028b\u0085c"), ensure_ascii=False).encode() + b"\r" for n in range(3)]
    report = validate(file_of(*lines))
    assert report.ok
    assert report.files[0].requests == 3


def test_a_compressed_file_is_read(tmp_path):
    """Its size is that of its content; `submit` sends it under its uncompressed name, so its name gives no warning."""
    data = file_of(chat("1"), chat("2")).read()
    path = tmp_path / "requests.jsonl.gz"
    path.write_bytes(gzip.compress(data))
    report = validate(path)
    assert not report.warnings
    assert (report.files[0].bytes, report.files[0].requests) == (len(data), 2)


def test_a_damaged_file_is_a_finding_and_the_next_one_is_read(tmp_path):
    """Damage is distinguished from the end of the file; the lines before it were checked."""
    lines = [chat(str(number), user=random.Random(number).randbytes(50).hex()) for number in range(1000)]
    damaged, good = tmp_path / "1.jsonl.gz", tmp_path / "2.jsonl"
    damaged.write_bytes(gzip.compress(file_of(*lines).read())[:-20])
    good.write_bytes(file_of(chat()).read())
    report = validate(tmp_path)
    assert report.errors["truncated_file"] == 1
    assert [file.name for file in report.files] == [str(damaged), str(good)]
    assert report.files[1].requests == 1


def test_a_missing_file_is_not_a_finding(tmp_path):
    """It could not be checked: that is a separate kind of error."""
    with pytest.raises(FileError):
        validate(tmp_path / "gone.jsonl")
    with pytest.raises(TypeError, match="at least one"):
        validate()


# Files in another format

RESULT = {"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200, "body": {}}, "error": None}
ANTHROPIC = {"custom_id": "a", "params": {"model": "claude", "messages": []}}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (RESULT, "results"),
        (ANTHROPIC, "Anthropic"),
        ({"custom_id": "a", "result": {"type": "expired"}}, "Anthropic"),
        ({"key": "a", "request": {"contents": []}}, "Gemini"),
        ({"request": {"contents": []}}, "Vertex"),
        ({"recordId": "a", "modelInput": {}}, "Bedrock"),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 999, 1000, 3000])
def test_a_file_of_another_family_is_one_finding(line, words, count):
    """It names the service, not the keys that each line lacks, and not on each line."""
    report = validate(file_of(*[line] * count))
    (finding,) = report.findings
    assert (finding.code, finding.line_number, report.error_count) == ("wrong_format", 1, 1)
    assert words in finding.message
    assert report.files[0].requests == 0


def test_single_lines_of_another_family_are_named():
    """Before the first request or after it; they are not requests, and their ids are not repetitions."""
    assert found(RESULT, ANTHROPIC, chat("a"), RESULT, chat("b")) == [
        (1, "wrong_format", None),
        (2, "wrong_format", None),
        (4, "wrong_format", None),
    ]
    assert validate(file_of(RESULT, chat("a"), RESULT)).files[0].requests == 1


def test_lines_of_no_family_are_reported_with_the_missing_keys():
    """The file may be one for fine-tuning: the missing keys show it best."""
    assert {code for _, code, _ in found({"messages": HI})} == {"missing_required_parameter", "unknown_parameter"}


@pytest.mark.parametrize("path", sorted((FIXTURES / "other_providers").glob("*.jsonl")), ids=lambda path: path.stem)
def test_the_fixtures_of_other_services_are_named(path):
    """Each of them gets exactly the one finding."""
    report = validate(path)
    assert report.errors == {"wrong_format": 1}
    assert path.name.split("_")[0] in report.findings[0].message.lower()


# Strict schemas


def structured(custom_id, schema):
    """A request for an answer that follows a schema."""
    return chat(
        custom_id, response_format={"type": "json_schema", "json_schema": {"name": "loan", "strict": True, "schema": schema}}
    )


def test_a_strict_schema_that_the_service_would_refuse():
    """With the path of the schema, on every line that has it."""
    inner = {"type": "object", "properties": {"days": {"type": "integer"}}, "additionalProperties": False}
    schema = {"type": "object", "properties": {"loan": inner}, "required": ["loan"], "additionalProperties": False}
    lines = [
        structured("1", schema),
        structured("2", {**schema, "properties": {"loan": {"type": "string"}}}),
        structured("3", schema),
    ]
    path = "$.body.response_format.json_schema.schema.properties.loan"
    assert found(*lines) == [(1, "invalid_json_schema", path), (3, "invalid_json_schema", path)]
    assert messages(*lines)[0].startswith("Invalid schema for response_format 'loan': 'required' is required")


def test_a_strict_function_that_the_service_would_refuse():
    """The parameters of a tool are a schema, too."""
    tool = {"type": "function", "function": {"name": "find", "strict": True, "parameters": {"type": "object", "properties": {}}}}
    path = "$.body.tools[0].function.parameters"
    assert found(chat("1"), chat("2", tools=[tool]), chat("3", tools=[tool])) == [
        (2, "invalid_function_parameters", path),
        (3, "invalid_function_parameters", path),
    ]


def test_more_schemas_than_are_remembered():
    """Each is checked, whether an earlier line had the same one or not."""
    good = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    schemas = [good if number % 3 else {"type": "object", "title": str(number // 2)} for number in range(400)]
    lines = [structured(str(number), {**schema, "description": str(number % 150)}) for number, schema in enumerate(schemas)]
    expected = [number + 1 for number, schema in enumerate(schemas) if schema is not good]
    assert sorted({line for line, _, _ in found(*lines, max_findings=1000)}) == expected


def test_a_schema_that_is_nested_too_deeply_to_be_remembered():
    """It is looked at on every line."""
    schema = {"type": "object"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": False}
    assert [line for line, _, _ in found(structured("1", schema), structured("2", schema))] == [1, 2]


def test_strict_schemas_are_openais_business():
    """The engine of vLLM is another: it accepts other schemas."""
    line = structured("1", {"type": "object"})
    assert not validate(file_of(line), limits=AZURE).ok
    assert validate(file_of(line), limits=VLLM).ok
    assert validate(file_of(line), limits=NONE).ok


# Profiles


def test_a_service_of_short_lines_wonders_once_about_a_full_one():
    """Together documents `custom_id` and `body` only; how it treats other keys is unknown, so they are not an error."""
    short = [request(str(number), without=("method", "url")) for number in range(3)]
    assert found(*short, limits=TOGETHER) == []
    report = validate(file_of(*short, request("3"), request("4")), limits=TOGETHER)
    assert report.ok
    assert [(finding.line_number, finding.code, finding.json_path) for finding in report.findings] == [
        (4, "unknown_parameter", "$.method")
    ]


def test_together_takes_ids_of_64_characters():
    """And none longer."""
    lines = [request("a" * 64, without=("method", "url")), request("b" * 65, without=("method", "url"))]
    assert found(*lines, limits=TOGETHER) == [(2, "string_above_max_length", "$.custom_id")]


def test_dashscope_takes_one_thinking_mode_in_a_file():
    """A request that doesn't name the mode has no other one."""
    lines = [
        chat("1", enable_thinking=True),
        chat("2"),
        chat("3", enable_thinking=True),
        chat("4", enable_thinking=False),
        chat("5", enable_thinking=1),
    ]
    assert found(*lines, limits=DASHSCOPE) == [
        (4, "mismatched_parameter", "$.body.enable_thinking"),
        (5, "mismatched_parameter", "$.body.enable_thinking"),
    ]
    assert found(*lines, limits=replace(DASHSCOPE, same_in_every_body=frozenset())) == []


def test_azure_has_words_of_its_own():
    """Our code stays OpenAI's; theirs is next to it."""
    lines = [request("1", url="/chat/completions"), chat("2", model="other")]
    findings = validate(file_of(*lines), limits=AZURE).findings
    assert [(finding.code, finding.service_code) for finding in findings] == [
        ("invalid_url", "url_mismatch"),
        ("mismatched_model", "model_mismatch"),
    ]
    assert all(finding.service_code is None for finding in validate(file_of(*lines)).findings)


def test_azures_urls_are_known_with_and_without_version():
    """Its dated API has none, its newer one has."""
    for url in ("/chat/completions", CHAT):
        assert found(request(url=url), limits=AZURE) == []


def test_vllm_takes_any_mix_of_urls_and_models():
    """Its file runner looks at each line alone; what a line must hold stays the same."""
    lines = [
        chat("1"),
        {**to("/v1/embeddings", input="t"), "custom_id": "2"},
        request("3", url="/v1/score", body={"model": "other", "text_1": "a"}),
        request("4", url="/v1/embeddings", body={"model": "third"}),
        chat("5", stream=True),
    ]
    assert found(*lines, limits=VLLM) == [(4, "invalid_request", "$.body.input"), (5, "streaming_unsupported", "$.body.stream")]


def test_none_asks_for_what_every_reader_needs():
    """An id, a body, and JSON; the short lines of Together and others pass."""
    lines = [
        {"custom_id": "1", "body": {"messages": []}},
        {"custom_id": "2", "body": {}, "url": "/any", "method": "GET"},
        {"custom_id": "2", "body": {"stream": True}},
        {"custom_id": "3"},
        {"body": {}},
    ]
    assert found(*lines, limits=NONE) == [
        (3, "duplicate_custom_id", "$.custom_id"),
        (4, "missing_required_parameter", "$.body"),
        (5, "missing_required_parameter", "$.custom_id"),
    ]


# The report


def test_all_findings_are_counted_and_the_first_are_listed():
    """`on_finding` hears of all of them."""
    heard = []
    report = validate(file_of(*(chat(str(n), stream=True) for n in range(250)), b""), max_findings=10, on_finding=heard.append)
    assert [finding.line_number for finding in report.findings] == list(range(1, 11))
    assert (report.errors, report.warnings) == ({"streaming_unsupported": 250}, {"blank_line": 1})
    assert (report.error_count, report.warning_count, report.not_listed) == (250, 1, 241)
    assert len(heard) == 251
    assert tuple(heard[:10]) == report.findings


def test_the_report_describes_each_file(tmp_path):
    """Files in the order given, those of a folder by name."""
    (tmp_path / "b.jsonl").write_bytes(file_of(to("/v1/embeddings", input=["x", "y"])).read())
    (tmp_path / "a.jsonl").write_bytes(file_of(b"", chat(), chat("b")).read())
    first, second = validate(tmp_path).files
    assert asdict(first) == {
        "name": str(tmp_path / "a.jsonl"),
        "requests": 2,
        "bytes": (tmp_path / "a.jsonl").stat().st_size,
        "endpoint": CHAT,
        "model": "m",
        "embedding_inputs": 0,
        "errors": 0,
        "warnings": 1,
    }
    assert (second.endpoint, second.embedding_inputs, second.warnings) == ("/v1/embeddings", 2, 0)


def test_the_report_is_plain_values_for_programs():
    """It goes through JSON unchanged."""
    value = validate(file_of(chat("1"), chat("1"), b"")).to_dict()
    assert json.loads(json.dumps(value)) == value
    assert value["ok"] is False
    assert value["errors"] == {"duplicate_custom_id": 1}
    assert value["findings"][0]["first_line_number"] == 1
    assert value["findings_not_listed"] == 0


def test_progress_is_reported_in_bytes_done_and_in_all(tmp_path):
    """The last step is the whole file; the size of a stream is unknown."""
    data = file_of(*(chat(str(number)) for number in range(5000))).read()
    (tmp_path / "r.jsonl").write_bytes(data)
    for source, total in ((tmp_path / "r.jsonl", len(data)), (io.BytesIO(data), None)):
        steps = []
        validate(source, progress=lambda *step, steps=steps: steps.append(step))
        assert steps[-1] == (len(data), total)
        assert len(steps) > 2


def test_memory_does_not_grow_with_the_file():
    """Eight times the lines, the same memory; the ids after the first ones wait on the disk."""

    class Endless(io.RawIOBase):
        def __init__(self, lines):
            self.lines = (json.dumps(chat(f"{n:032d}", user="x" * 2000)).encode() + b"\n" for n in range(lines))

        def readable(self):
            return True

        def read(self, size=-1):
            if not size:
                return b""
            return b"".join(line for _, line in zip(range(max(1, size // 2200)), self.lines, strict=False))

    peaks = []
    for lines in (1_000, 8_000):
        tracemalloc.start()
        assert validate(Endless(lines), ids_in_memory=500).files[0].requests == lines
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


# Fixtures and properties

REQUESTS = [path for path in sorted(FIXTURES.glob("*/requests.jsonl")) if path.parent.name not in ("shapes", "empty")]


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.parent.name)
def test_the_requests_of_the_fixtures_are_valid(path):
    """The service accepted them."""
    report = validate(path, limits=AZURE if path.parent.name == "azure" else OPENAI)
    assert [str(finding) for finding in report.findings] == []
    assert report.files[0].requests == path.read_bytes().count(b"\n")


def test_the_requests_of_the_odd_shapes_have_ids_and_bodies():
    """They mix endpoints and services; every one of them can be joined."""
    assert validate(FIXTURES / "shapes" / "requests.jsonl", limits=NONE).ok


FAULTS = {
    "invalid_json_line": lambda line: json.dumps(line).encode()[:-1],
    "missing_required_parameter": lambda line: {key: value for key, value in line.items() if key != "url"},
    "invalid_type": lambda line: {**line, "body": [line["body"]]},
    "invalid_value": lambda line: {**line, "method": "PUT"},
    "invalid_url": lambda line: {**line, "url": "/v1/completions", "body": {"model": "m", "prompt": "x"}},
    "mismatched_model": lambda line: {**line, "body": {**line["body"], "model": "other"}},
    "streaming_unsupported": lambda line: {**line, "body": {**line["body"], "stream": True}},
    "invalid_request": lambda line: {**line, "body": {"model": "m"}},
    "empty_array": lambda line: {**line, "body": {"model": "m", "messages": []}},
    "duplicate_custom_id": lambda line: {**line, "custom_id": "first"},
    "wrong_format": lambda line: {"custom_id": line["custom_id"], "response": None, "error": {"code": "batch_expired"}},
    "blank_line": lambda _: b"  ",
}


@given(
    faults=st.lists(st.one_of(st.none(), st.none(), st.sampled_from(sorted(FAULTS))), max_size=60),
    in_memory=st.integers(0, 60),
    keys=st.lists(st.sampled_from(["temperature", "n", "response_format", "stream"]), unique=True),
)
def test_exactly_the_lines_with_a_fault_are_named(faults, in_memory, keys):
    """For any faults in any lines, each has its one finding, and no other line has any."""
    extra = {"temperature": 1, "n": 2, "response_format": {"type": "json_object"}, "stream": False}
    lines = [chat("first")]
    expected = []
    for number, fault in enumerate(faults, 2):
        line = chat(f"id-{number}", **{key: extra[key] for key in keys})
        lines.append(FAULTS[fault](line) if fault else line)
        if fault:
            expected.append((number, fault))
    report = validate(file_of(*lines), ids_in_memory=in_memory)
    assert sorted((finding.line_number, finding.code) for finding in report.findings) == sorted(expected)
    assert Counter(report.errors) + Counter(report.warnings) == Counter(fault for _, fault in expected)
    no_requests = sum(fault in ("blank_line", "wrong_format") for fault in faults)
    assert report.files[0].requests == len(lines) - no_requests


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_garbage_gives_findings_and_nothing_else(lines):
    """No bytes make it raise, and a line of garbage is never accepted as a good request."""
    report = validate(io.BytesIO(b"\n".join(lines)))
    assert not report.ok


@pytest.mark.parametrize("end", ["}}", "}} ", "}}\r"])
def test_a_complete_last_line_without_its_newline_is_information(end):
    """Tools such as mistralai and relay-llm write whole files without one; `strict` accepts them."""
    data = file_of(chat("1"), chat("2")).read()[:-3] + end.encode()
    (finding,) = validate(io.BytesIO(data), strict=True).findings
    assert (finding.severity, finding.code, finding.line_number) == ("info", "missing_newline", 2)
    assert "complete" in finding.message


@pytest.mark.parametrize("lost", [2, 3, 10, 60])
def test_a_last_line_that_was_cut_is_a_warning(lost):
    """It is also broken JSON."""
    data = file_of(chat("1"), chat("2")).read()[:-lost]
    assert [(each.severity, each.code) for each in validate(io.BytesIO(data)).findings] == [
        ("warning", "missing_newline"),
        ("error", "invalid_json_line"),
    ]


# Groups


def test_findings_of_one_code_at_one_path_are_one_group():
    """One mistake in a tool was 300 findings, of which 100 lines were printed."""
    lines = [chat(str(n), n=0 if n % 3 == 0 else 1, top_k=5 if n == 7 else None) for n in range(1, 1001)]
    report = validate(file_of(*lines), max_findings=10)
    (group, other) = report.groups
    assert (group.count, group.line_numbers) == (333, (3, 6, 9, 12, 15, 18, 21, 24, 27, 30))
    assert str(group) == (
        "<stream>: error: 333 lines (3, 6, 9, 12, 15, 18, 21, 24, 27, 30, …): "
        "Invalid 'body.n': 0 is below the minimum of 1. at $.body.n (invalid_body)"
    )
    assert str(other) == str(report.findings[2])  # a finding alone is as it was
    assert (report.error_count, len(report.findings)) == (333, 10)
    assert report.to_dict()["groups"][0]["count"] == 333


def test_a_mistake_in_any_message_is_one_group():
    """The place in an array does not make another mistake of it."""
    lines = [chat(str(n), messages=[*HI * n, {"role": "usr", "content": "Hi"}]) for n in range(1, 4)]
    (group,) = validate(file_of(*lines)).groups
    assert (group.count, group.first.json_path, group.same_message) == (3, "$.body.messages[1].role", False)
    assert "3 lines (1, 2, 3), the first of them: " in str(group)


def test_files_codes_and_severities_have_groups_of_their_own(tmp_path):
    """Only findings with the same fix are grouped."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(file_of(chat("1", n=0), chat("2", n=None, tools=None), chat("3", n="x")).read())
    groups = validate(tmp_path).groups
    assert [(group.first.path[-7:], group.first.code, group.count) for group in groups] == [
        ("a.jsonl", "invalid_body", 2),
        ("b.jsonl", "invalid_body", 2),
    ]


def test_no_more_groups_are_kept_than_memory_allows():
    """A file may make a new mistake on each line; all are counted."""
    report = validate(file_of(*(chat(str(n), **{f"key_{n}": 1}) for n in range(1500))), max_findings=2000)
    assert (report.warning_count, len(report.groups), len(report.findings)) == (1500, 1000, 1500)


def test_a_mistake_that_a_line_makes_several_times_is_counted_by_lines():
    """Three messages without a role are one line to fix."""
    bad = [{"content": "Hi"}] * 3
    (group,) = validate(file_of(chat("1", messages=bad))).groups
    assert str(group).startswith("<stream>:1: error: 3 times, the first of them: Missing required parameter")
    (group,) = validate(file_of(chat("1", messages=bad), chat("2", messages=bad))).groups
    assert (group.count, group.lines, group.line_numbers) == (6, 2, (1, 2))
    assert "6 times on 2 lines (1, 2), the first of them: " in str(group)
