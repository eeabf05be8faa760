"""The codec: which bytes are a line, the content of its record, and writing and reading back."""

import io
import json
import math
import random
import sys
from functools import partial

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.codec import (
    Repaired,
    decode_input,
    decode_output,
    dumps,
    encode_input,
    encode_output,
    glued_objects,
    input_of,
    loads,
    output_of,
    same,
)
from batchfiles.errors import InvalidLineError
from batchfiles.records import BatchRequestInput, BatchRequestOutput, BatchRequestOutputError, BatchRequestOutputResponse
from batchfiles.writing import InputWriter, OutputWriter

# JSON texts, each judged bare and within a line -------------------------------------------------------------------------------

VALID = [
    *[
        b"null",
        b"true",
        b"false",
        b"0",
        b"-0",
        b"7",
        b"-7",
        b"1E2",
        b"1e+2",
        b"1e-2",
        b"0.5",
        b"-0.5e-7",
        b"1.0",
        b"0e1",
        b"0e+1",
    ],
    *[b"123456789012345678", b"18446744073709551615", b"-9223372036854775808", b"1e308", b"1e-400", b"5e-324", b"20e1", b"0.1e5"],
    *[b'""', b'" "', b'"a"', b'"\\""', b'"\\\\"', b'"\\/"', b'"\\b\\f\\n\\r\\t"', b'"\\u0000"', b'"\\u001f"', b'"\x7f"', b'"/"'],
    *[b'"\\u00e9"', b'"\\u00E9"', "é".encode().join([b'"', b'"']), "\u2028\u2029\x85\ufeff".encode().join([b'"', b'"'])],
    *[
        b'"\\ud83d\\ude00"',
        b'"\\uD83D\\uDE00"',
        "\U0001f600".encode().join([b'"', b'"']),
        "\uffff\U0010ffff".encode().join([b'"', b'"']),
    ],
    *[
        b'"\\u2028"',
        b'"\\\\u0000"',
        b'"\\\\ud83d"',
        b'"NaN"',
        b'"\'"',
        b'"// no comment"',
        b'"\\"\\\\\\""',
        b'"\\u0022"',
        b'"\\ufffe"',
    ],
    *[b"[]", b"[[]]", b"[1]", b"[1,2]", b"[ 1 , 2 ]", b"[\t1\t]", b'[null,true,0,"",[],{}]', b"[[[[[[[[[[]]]]]]]]]]", b"[\r]"],
    *[b"{}", b'{"a":1}', b'{ "a" : 1 }', b'{"":0}', b'{"a":{"a":{"a":{}}}}', b'{"a\\u0000":1}', b'{"a":[]}', b'{"a":1,"b":2}'],
    *[b" 1 ", b"\t1", b"1\t", b"  {}  ", b"[" * 500 + b"]" * 500],
    *[b"-0.0", b"1E-2", b"1.5E+3", b"-1e-2", b"9223372036854775807", b"-9223372036854775807", b"0.000000000000000000001"],
    *[b"100000000000000000000e-20", b'"\\u0061"', b'"\\t"', b'"\\ud83d\\ude00\\ud83d\\ude00"', b'"\\udbff\\udfff"', b'"true"'],
    *[b'"\\u0000\\u0000"', b'" \\n "', b'"[1,2]"', b'"{}"', b"[[],[[]],{}]", b'[{"a":[{"a":[]}]}]', b'[""]', b'{"\\u0061":1}'],
    *[b'{"a b":1}', b'{"\\"":1}', b'{"1":1}', b'{"null":null}', b'{\r\t"a"\r:\t1\r}', b"[1.0,1e0,1]"],
]

INVALID = [
    *[
        b"",
        b" ",
        b"nul",
        b"Null",
        b"TRUE",
        b"True",
        b"undefined",
        b"nan",
        b"inf",
        b"-",
        b"+1",
        b"01",
        b"01e999",
        b"-01e999",
        b"-01",
        b"00",
        b"1.",
        b".5",
    ],
    *[
        b"1.e1",
        b"1e",
        b"1e+",
        b"1eE2",
        b"0x1",
        b"0b1",
        b"1_000",
        b"1 000",
        b"--1",
        b"1.2.3",
        b"1a",
        b"-NaN",
        b"+Infinity",
        b"-nan",
    ],
    *["\uff11".encode(), b"1,", b"2.e-3", b"-.1", b"0e", b"0E+", b"9.e+", b"1e1.5", b"-foo", b"1/2"],
    *[b'"', b'"a', b"a", b"'a'", b'"\\"', b'"\\x41"', b'"\\a"', b'"\\u12"', b'"\\u12g4"', b'"\\ u0041"', b'"\\U0041"', b'"\\u"'],
    *[b'"\n"', b'"\t"', b'"\x00"', b'"\x1f"', b'"\r"', b'"a" "b"', b'"a"b', b"`a`", "“a”".encode(), b'"\\\x00"', b'"\\"a'],
    *[b"[", b"]", b"[1", b"[1,", b"[,1]", b"[1,,2]", b"[1 2]", b"[1]]", b"[1:2]", b"(1)", b"[1;2]", b"[a]", b"[--]", b"[...]"],
    *[b"{", b"}", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a"}', b"{a:1}", b"{'a':1}", b"{1:1}", b"{null:1}"],
    *[b'{"a" 1}', b'{"a"::1}', b'{"a":1 "b":2}', b'{"a":1;"b":2}', b'{,"a":1}', b'{"a":}', b"{:1}", b'{"a":1}}', b"{[]:1}"],
    *[b"/* c */ 1", b"1 // c", b"# c", b"1;", b"1\x00", b"\x0b1", b"1\x0c", b"\xa01", "\u30001".encode(), b"<html>", b"data: {}"],
    *[b'"\xff"', b'"\x80"', b'"\xc3"', b'"\xc0\x80"', b'"\xe2\x82"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b"\xff\xfe1\x00"],
    *[b"tru", b"truE", b"falsey", b"nulll", b"null null", b"NULL", b"infinity", b"-Inf", b"1..0", b"1.0.", b"1e1e1", b"1e--1"],
    *[
        b"0.e1",
        b"1,000",
        b"1'000",
        b"$1",
        b"1%",
        b"0o7",
        "1e²".encode(),
        b'"\\v"',
        b'"\\0"',
        b'"\\\n"',
        b'"\\uD83D',
        b'"\\u+061"',
    ],
    *[b'"\\u00 1"', b'"\\u{61}"', b"'\"'", b'"""a"""', b'u"a"', b'b"a"', b'r"a"', b"[1;]", b"[1,,]", b"[,,]", b"[null,}", b"{]"],
    *[b"[}", b"({})", b'{"a"=1}', b'{"a"=>1}', b'{"a":1,,"b":2}', b'{"a":1}[1]', b"[]{}", b"[1]x", b"{...{}}"],
    *[b'{"a":undefined}', b'{"a":new Date()}', b"<!-- a -->1", b"%7B%7D", b"\x1e1", "1\x85".encode(), "\u20281".encode()],
    *["\u200b1".encode(), b"\xfe\xff\x001", b'"\xf0\x9f\x98"', b'"\xf8\x88\x80\x80\x80"', b'"\xe0\x80\xaf"'],
    *[b'"caf\xe9"', b"\xc3\xa9", b"[" * 100_000, b'{"a":' * 100_000, b"[" * 2000 + b"]" * 2000, b"[1" + b",[1" * 3000],
]

TRAILING_COMMAS = [b"[1,]", b'{"a":1,}', b"[,]", b"{,}"]
"""Invalid JSON, also as a body such as `{"body": [1,]}`."""

LOOSE = [
    (b"NaN", None),
    (b"Infinity", None),
    (b"-Infinity", None),
    (b"1e400", None),
    (b"-1e400", None),
    (b"9" * 309, None),
    (b"9" * 5000, None),
    (b"-" + b"9" * 5000, None),
    (b'"\\ud83d"', "\ufffd"),
    (b'"\\ude00"', "\ufffd"),
    (b'"\\ude00\\ud83d"', "\ufffd\ufffd"),
    (b'"a\\ud83dz"', "a\ufffdz"),
    (b'"\\ud83d\\ud83d\\ude00"', "\ufffd\U0001f600"),
    (b'["\\ud800",{"\\udfff":[NaN,1e5,1]}]', ["\ufffd", {"\ufffd": [None, 1e5, 1]}]),
    (b"[NaN, 18446744073709551615, 18446744073709551616, -9223372036854775809]", [None, 2**64 - 1, 2.0**64, -(2.0**63)]),
]
"""Not quite JSON, found in real files or the like of it: read, and marked."""

FLOATS = [
    (b"18446744073709551616", 2.0**64),
    (b"-9223372036854775809", -(2.0**63)),
    (b"123456789012345678901234567890", 123456789012345678901234567890.0),
    (b"9" * 308, 1e308),
]
"""Integers beyond 64 bits become floats, unmarked; their digits are in the bytes."""


def named(texts):
    """Short names for long texts."""
    return [repr(text)[:30] for text in texts]


@pytest.mark.parametrize("text", VALID, ids=named(VALID))
def test_valid_json_is_read_as_a_body(text):
    """With the same value as in the standard library."""
    value = loads(b'{"body":' + text + b"}")
    assert type(value) is dict
    assert value == {"body": json.loads(text)}


@pytest.mark.parametrize("text", [b"1", b"[]", b'""', b"null", b"true", b'[{"custom_id": "a"}]', b" 1 ", b"NaN", b'"\\ud800"'])
def test_a_bare_value_that_is_not_an_object_is_refused(text):
    """It is JSON, but no line."""
    with pytest.raises(InvalidLineError, match="JSON but not an object") as caught:
        loads(text)
    assert caught.value.code == "invalid_json_line"


@pytest.mark.parametrize("text", [b"{}", b' {"a": 1}\t', b"{}\n", b"{}\r\n", b"\n{}"])
def test_a_bare_object_is_a_line(text):
    """White space around it is none of its business."""
    assert loads(text) == json.loads(text)


@pytest.mark.parametrize("text", INVALID + TRAILING_COMMAS, ids=named(INVALID + TRAILING_COMMAS))
def test_invalid_json_is_refused_bare_and_as_a_body(text):
    """With `invalid_json_line`, a reason, and no chained exception that could hold the line."""
    for line in (text, b'{"body":' + text + b"}"):
        with pytest.raises(InvalidLineError) as caught:
            loads(line)
        assert caught.value.code == "invalid_json_line"
        assert 0 < len(caught.value.reason) < 150
        assert caught.value.__context__ is caught.value.__cause__ is None


@pytest.mark.parametrize(("text", "value"), LOOSE, ids=named([row[0] for row in LOOSE]))
def test_what_is_not_quite_json_is_repaired_and_marked(text, value):
    """Half a surrogate pair becomes U+FFFD; a value that JSON numbers lack becomes null."""
    found = loads(b'{"body":' + text + b"}")
    assert type(found) is Repaired
    assert found == {"body": value}
    orjson.dumps(dict(found))  # it can be written, so nothing of it stops a table


@pytest.mark.parametrize(("text", "value"), FLOATS, ids=named([row[0] for row in FLOATS]))
def test_integers_beyond_64_bits_are_floats(text, value):
    """As orjson has it."""
    found = loads(b'{"body":' + text + b"}")
    assert type(found) is dict
    assert found == {"body": value}
    assert type(found["body"]) is float


def test_a_repeated_key_means_its_last_value():
    """As everywhere; the bytes keep both."""
    assert loads(b'{"a":1,"a":2}') == {"a": 2}


def test_a_byte_order_mark_is_not_json():
    """The reader strips it from the first line; anywhere else it is an error."""
    with pytest.raises(InvalidLineError, match="BOM"):
        loads(b"\xef\xbb\xbf{}")


@pytest.mark.parametrize("count", [2, 3, 12])
def test_objects_on_one_line_are_counted(count):
    """The number is in the message; nothing noticed when it was one too many."""
    with pytest.raises(InvalidLineError, match=rf"^{count} JSON objects without a newline between them"):
        loads(b' {"a": 1}' * count + b" ")


def test_1024_levels_can_be_read_and_254_written():
    """Both limits are orjson's; nothing breaks beyond."""
    deep = b'{"a":' * 1023 + b"{}" + b"}" * 1023
    assert type(loads(deep)) is dict
    with pytest.raises(InvalidLineError, match="nested too deeply"):
        loads(b'{"a":' + deep + b"}")
    dumps(loads(b'{"a":' * 253 + b"1" + b"}" * 253))
    with pytest.raises(InvalidLineError, match="can't be written as JSON: Recursion limit") as caught:
        dumps(loads(deep))
    assert caught.value.code == "unencodable"


def test_a_deep_line_near_the_end_of_the_stack_is_read_as_anywhere():
    """It was read by one pass over the file and refused by another, which was deeper in the stack."""
    line = b'{"a":' * 900 + b"NaN" + b"}" * 900

    def nested(depth):
        return nested(depth - 1) if depth else loads(line)

    assert type(nested(0)) is type(nested(sys.getrecursionlimit() // 2)) is Repaired


@pytest.mark.parametrize("rest", [b"", b', "more": 1'])
@pytest.mark.parametrize(
    ("value", "repaired"),
    [(b"1", False), (b'"\\ud83d\\ude00"', False), (b"NaN", True), (b"[-Infinity]", True), (b'"\\ud800"', True), (b"1e999", True)],
)
def test_a_record_says_whether_its_line_was_repaired(value, repaired, rest):
    """The readers report it; decoding single lines did not, and other lines than the original were written."""
    request = decode_input(b'{"custom_id": "a", "method": "POST", "url": "/v1/x", "body": {"x": ' + value + b"}" + rest + b"}")
    answer = b'{"status_code": 200, "request_id": "r", "body": {"x": ' + value + b"}}"
    result = decode_output(b'{"id": "x", "custom_id": "a", "response": ' + answer + b', "error": null' + rest + b"}")
    assert request.repaired is result.repaired is repaired
    assert decode_input(encode_input(request)) == request  # it is not part of the record
    assert "repaired" not in repr(request)


@pytest.mark.parametrize("depth", [10, 254, 255, 1010])
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("1", "1", True),
        ("1", "2", False),
        ("1", "true", False),
        ("0", "false", False),
        ("1", "1.0", False),
        ("0.0", "-0.0", False),
        ("[1]", "[1, 1]", False),
        ("[]", "{}", False),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', True),
        ('{"a": 1}', '{"b": 1}', False),
        ('{"a": [true]}', '{"a": [1]}', False),
    ],
)
def test_values_are_compared_at_any_depth(depth, one, other, expected):
    """Beyond 254 levels orjson can't write them, beyond some 900 Python can't compare them."""
    nested = [loads('{"a":' + "[" * depth + text + "]" * depth + "}") for text in (one, other)]
    assert same(*nested) is expected


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("text", [b'{"custom_id":"a","body":{}}', b'{"custom_id":"\\ud800","body":{"x":NaN}}', b"{", b"\xff"])
def test_any_kind_of_bytes_is_read_the_same(kind, text):
    """Bytes, bytearray and memoryview; text, too."""
    expected = answer(text)
    assert answer(kind(text)) == expected
    if text.isascii():
        assert answer(text.decode()) == expected


def answer(text):
    """Return the value, or the reason of the error."""
    try:
        return loads(text)
    except InvalidLineError as error:
        return error.reason


# Requests ---------------------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)


def others(*known):
    """Objects without the keys that have their own field."""
    return OBJECTS.map(lambda value: {key: item for key, item in value.items() if key not in known})


REQUESTS = st.builds(
    BatchRequestInput,
    custom_id=st.text(),
    method=st.text(),
    url=st.none() | st.text(),
    body=OBJECTS,
    extra=others("custom_id", "method", "url", "body"),
)


@given(REQUESTS)
def test_a_request_reads_back_as_it_was_written(request_):
    """Record, line, record; and the line is one line."""
    line = encode_input(request_)
    assert line.index(b"\n") == len(line) - 1
    assert decode_input(line) == request_
    assert encode_input(decode_input(line)) == line


def test_a_request_has_its_keys_in_the_order_of_the_documentation():
    """And the extra ones after them."""
    record = BatchRequestInput("a", "POST", "/v1/responses", {"model": "m"}, {"priority": 1})
    assert encode_input(record) == (
        b'{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"m"},"priority":1}\n'
    )


def test_extra_keys_never_replace_a_records_own():
    """Or a file would hold another id than the one that was checked."""
    assert decode_input(encode_input(BatchRequestInput("a", extra={"custom_id": "b", "x": 1}))).custom_id == "a"
    output = BatchRequestOutput("r", "a", BatchRequestOutputResponse(200, extra={"status_code": 500}), extra={"id": "s"})
    assert decode_output(encode_output(output)) == BatchRequestOutput("r", "a", BatchRequestOutputResponse(200))


@pytest.mark.parametrize(
    ("value", "record"),
    [
        ({"custom_id": "a", "body": {}}, BatchRequestInput("a", "POST", None, {})),
        ({"custom_id": "a", "body": {}, "url": None}, BatchRequestInput("a", "POST", None, {})),
        ({"custom_id": "", "body": {"a": 1}, "method": "post", "url": ""}, BatchRequestInput("", "post", "", {"a": 1})),
        ({"custom_id": "a", "body": {}, "x": None}, BatchRequestInput("a", "POST", None, {}, {"x": None})),
        ({"custom_id": "a", "body": {}, "url": "u", "x": 1}, BatchRequestInput("a", "POST", "u", {}, {"x": 1})),
    ],
)
def test_short_and_long_request_lines_are_read(value, record):
    """Some services have no method and no url; unknown keys are kept."""
    assert decode_input(orjson.dumps(value)) == record
    assert input_of(value) == record


@pytest.mark.parametrize(
    ("value", "code", "json_path"),
    [
        ({}, "missing_required_parameter", "$.custom_id"),
        ({"custom_id": None, "body": {}}, "missing_required_parameter", "$.custom_id"),
        ({"custom_id": 7, "body": {}}, "invalid_type", "$.custom_id"),
        ({"custom_id": ["a"], "body": {}, "method": "POST", "url": "u"}, "invalid_type", "$.custom_id"),
        ({"custom_id": "a"}, "missing_required_parameter", "$.body"),
        ({"custom_id": "a", "method": "POST", "url": "u", "body": None}, "missing_required_parameter", "$.body"),
        ({"custom_id": "a", "method": "POST", "url": "u", "body": "{}"}, "invalid_type", "$.body"),
        ({"custom_id": "a", "body": []}, "invalid_type", "$.body"),
        ({"custom_id": "a", "body": {}, "url": 5}, "invalid_type", "$.url"),
        ({"custom_id": "a", "body": {}, "method": 5}, "invalid_type", "$.method"),
        ({"custom_id": "a", "body": {}, "method": None, "url": "u"}, "invalid_type", "$.method"),
    ],
)
def test_a_request_without_its_parts_is_refused(value, code, json_path):
    """With the service's own code and the place in the line."""
    with pytest.raises(InvalidLineError) as caught:
        decode_input(orjson.dumps(value))
    assert (caught.value.code, caught.value.json_path) == (code, json_path)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("value", [None, 1, "custom_id", ["custom_id"], [], True])
def test_a_record_must_be_an_object(value):
    """Loops that decode with `parse` rely on it."""
    for build in (input_of, output_of):
        with pytest.raises(InvalidLineError, match="not an object") as caught:
            build(value)
        assert caught.value.code == "invalid_json_line"
        assert caught.value.__context__ is None


# Results ----------------------------------------------------------------------------------------------------------------------

RESPONSES = st.builds(
    BatchRequestOutputResponse,
    status_code=st.none() | st.integers(0, 599),
    request_id=st.none() | st.text(),
    body=JSON,
    extra=others("status_code", "request_id", "body"),
)
ERRORS = st.builds(BatchRequestOutputError, code=JSON, message=JSON, extra=others("code", "message"))
RESULTS = st.builds(
    BatchRequestOutput,
    id=st.none() | st.text(),
    custom_id=st.none() | st.text(),
    response=st.none() | RESPONSES,
    error=st.none() | st.text() | ERRORS,
    extra=others("id", "custom_id", "response", "error"),
)


@given(RESULTS)
def test_a_result_reads_back_as_it_was_written(result):
    """Record, line, record; and the line is one line."""
    line = encode_output(result)
    assert line.index(b"\n") == len(line) - 1
    assert decode_output(line) == result
    assert encode_output(decode_output(line)) == line


CHAT = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0, "message": {"content": "hi"}}]}

SHAPES = {
    "success": {"id": "r", "custom_id": "a", "response": {"status_code": 200, "request_id": "q", "body": CHAT}, "error": None},
    "HTTP failure": {
        "id": "r",
        "custom_id": "a",
        "response": {"status_code": 400, "request_id": "q", "body": {"error": {"message": "m", "code": None}}},
        "error": None,
    },
    "expired": {"id": "r", "custom_id": "a", "response": None, "error": {"code": "batch_expired", "message": "Too late."}},
    "cancelled": {"id": "r", "custom_id": "a", "response": None, "error": {"code": "batch_cancelled", "message": "m"}},
    "vLLM: error is a string": {
        "id": "vllm-1",
        "custom_id": "a",
        "response": {"status_code": 400, "request_id": "q", "body": None},
        "error": "in words",
    },
    "vLLM: error one level deeper": {
        "id": "vllm-1",
        "custom_id": "a",
        "response": {"status_code": 400, "request_id": "q", "body": None},
        "error": {"error": {"message": "m", "type": "t", "param": None, "code": 400}},
    },
    "SGLang: no code": {"id": "r", "custom_id": "a", "response": None, "error": {"message": "m"}},
    "Mistral: no request_id": {
        "id": "r",
        "custom_id": "a",
        "response": {"status_code": 429, "body": None},
        "error": {"message": "m"},
    },
    "watsonx: no error": {"id": "r", "custom_id": "a", "response": {"status_code": 200, "body": {}}, "processed_at": 1},
    "no status": {
        "id": "r",
        "custom_id": "a",
        "response": {"status_code": None, "request_id": "", "body": None},
        "error": {"code": "rate_limit_exceeded"},
    },
    "status 0": {"id": "r", "custom_id": "a", "response": {"status_code": 0, "request_id": "", "body": {}}, "error": None},
    "DashScope: other names": {"id": "r", "custom_id": "a", "response": None, "error": {"error_code": "c", "error_message": "m"}},
    "Azure: no id": {"custom_id": "a", "response": {"status_code": 200, "request_id": "q", "body": CHAT}, "error": None},
    "llama-stack: the body is text": {
        "id": "r",
        "custom_id": "a",
        "response": {"status_code": 200, "request_id": "q", "body": '{"data": []}'},
        "error": None,
    },
    "old vLLM: the response is the completion": {"id": "r", "custom_id": "a", "response": CHAT, "error": None},
    "no custom_id": {"id": "r", "custom_id": None, "response": {"status_code": 200, "body": {}}, "error": None},
    "nothing said": {"id": "r", "custom_id": "a", "response": None, "error": None},
    "only an error": {"custom_id": "a", "error": {"code": "c"}},
    "only a response": {"custom_id": "a", "response": None},
    "error is a number": {"custom_id": "a", "response": None, "error": 5},
    "five keys": {"id": "r", "custom_id": "a", "response": {"status_code": 200, "x": 1, "body": 1}, "error": None, "object": "o"},
}


def filled(value):
    """The same line with its absent keys as null."""
    line = {"id": None, "custom_id": None, "response": None, "error": None} | value
    if line["response"] is not None:
        line["response"] = {"status_code": None, "request_id": None, "body": None} | line["response"]
    if isinstance(line["error"], dict):
        line["error"] = {"code": None, "message": None} | line["error"]
    return line


@pytest.mark.parametrize("value", SHAPES.values(), ids=SHAPES)
def test_every_shape_of_a_result_is_read_and_nothing_of_it_is_lost(value):
    """Line, record, line: the same JSON, with absent keys as null."""
    record = decode_output(orjson.dumps(value))
    assert orjson.loads(encode_output(record)) == filled(value)
    assert decode_output(encode_output(record)) == record


def test_the_values_are_the_wires():
    """Nothing is interpreted: an error may be a string, a body text."""
    assert decode_output(orjson.dumps(SHAPES["vLLM: error is a string"])).error == "in words"
    assert decode_output(orjson.dumps(SHAPES["llama-stack: the body is text"])).response.body == '{"data": []}'
    old = decode_output(orjson.dumps(SHAPES["old vLLM: the response is the completion"]))
    assert old.response == BatchRequestOutputResponse(None, None, None, CHAT)
    nested = decode_output(orjson.dumps(SHAPES["vLLM: error one level deeper"]))
    assert nested.error == BatchRequestOutputError(
        None, None, {"error": {"message": "m", "type": "t", "param": None, "code": 400}}
    )


@pytest.mark.parametrize(
    ("value", "code", "json_path"),
    [
        ({"custom_id": 7, "response": None}, "invalid_type", "$.custom_id"),
        ({"custom_id": {}, "response": {"status_code": 1}, "id": 1, "error": None}, "invalid_type", "$.custom_id"),
        ({"custom_id": "a", "response": "text"}, "invalid_type", "$.response"),
        ({"id": "r", "custom_id": "a", "response": [1, 2, 3], "error": None}, "invalid_type", "$.response"),
        ({"id": "r", "custom_id": "a", "response": 200, "error": None}, "invalid_type", "$.response"),
        ({"custom_id": "a"}, "missing_required_parameter", "$.response"),
        ({"custom_id": "a", "method": "POST", "url": "u", "body": {}}, "missing_required_parameter", "$.response"),
    ],
)
def test_a_line_that_is_not_a_result_is_refused(value, code, json_path):
    """A request among them."""
    with pytest.raises(InvalidLineError) as caught:
        decode_output(orjson.dumps(value))
    assert (caught.value.code, caught.value.json_path) == (code, json_path)
    assert caught.value.__context__ is None


def test_a_record_that_was_built_in_haste_is_complete():
    """The ordinary line skips `__init__`; nothing of the record may be missing for it."""
    built = decode_output(orjson.dumps(SHAPES["success"]))
    response = BatchRequestOutputResponse(200, "q", CHAT)
    assert repr(built) == repr(BatchRequestOutput("r", "a", response))
    assert (built.path, built.line_number, built.byte_offset) == (None, None, None)
    request = decode_input(b'{"custom_id":"a","method":"POST","url":"u","body":{}}')
    assert repr(request) == repr(BatchRequestInput("a", "POST", "u"))
    assert (request.path, request.line_number, request.byte_offset) == (None, None, None)
    assert built.extra is not built.response.extra


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"bytes", 2**64, {1: "a"}, "\ud800", {"a": ["\udfff"]}], ids=lambda value: type(value).__name__
)
def test_what_json_can_not_hold_is_not_written(value):
    """With `unencodable`, from each of the three functions that write."""
    for write in (
        lambda: dumps(value),
        lambda: encode_input(BatchRequestInput("a", body={"x": value})),
        lambda: encode_output(BatchRequestOutput("r", "a", BatchRequestOutputResponse(200, "q", value))),
    ):
        with pytest.raises(InvalidLineError, match="can't be written as JSON") as caught:
            write()
        assert caught.value.code == "unencodable"
        assert caught.value.__context__ is None


def test_nan_is_written_as_null():
    """As in orjson: JSON has no other value for it."""
    assert dumps([math.nan, math.inf]) == b"[null,null]"


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf], {"a": [{"b": math.nan}]}, (None, math.nan)])
def test_strictly_a_record_with_a_nan_is_refused(value):
    """A `temperature` of NaN became null in files too, and the service used its default for it."""
    request = BatchRequestInput("a", url="/v1/chat/completions", body={"x": value})
    output = BatchRequestOutput("r", "a", BatchRequestOutputResponse(200, "q", {"x": value}))
    for write in (partial(encode_input, request), partial(encode_output, output)):
        assert b"null" in write()
        with pytest.raises(InvalidLineError, match="infinite or NaN"):
            write(strict=True)
    for writer, record in ((InputWriter, request), (OutputWriter, output)):
        with writer(io.BytesIO()) as open_writer, pytest.raises(InvalidLineError, match="infinite or NaN"):
            open_writer.write(record)
    assert b'"x":[null,1.5,"null"]' in encode_input(BatchRequestInput("a", body={"x": [None, 1.5, "null"]}), strict=True)


# Hostile lines ----------------------------------------------------------------------------------------------------------------

SEEDS = [
    *[orjson.dumps(value) for value in SHAPES.values()],
    b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"n": 1.5e3, "s": "\\ud83d\\ude00"}}',
    '{"custom_id": "é\u2028", "body": {"messages": [{"role": "user", "content": "\\"q\\" \\\\ \U0001f600"}]}}'.encode(),
]
SPLICES = [
    b'"',
    b"\\",
    b"\\ud800",
    b"NaN",
    b"1e999",
    b"-",
    b"[" * 50,
    b"{",
    b"}",
    b"\xff",
    b"\x00",
    b"\n",
    b"null",
    b"9" * 30,
    b":",
    b",",
]


def mutated(chance):
    """Take a real line and flip, cut, insert, repeat or splice."""
    line = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(line) + 1)
        kind = chance.randrange(5)
        if kind == 0 and at < len(line):
            line[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del line[at : at + chance.randrange(1, 9)]
        elif kind == 2:
            line[at:at] = chance.choice(SPLICES)
        elif kind == 3:
            line[at:at] = line[: chance.randrange(len(line) + 1)]
        else:
            line[at : at + 1] = chance.randbytes(1)
    return bytes(line)


@pytest.mark.parametrize("seed", range(4))
def test_garbage_raises_invalid_line_and_nothing_else(seed):
    """100,000 mutated lines; a readable one has an id or none, and can be written unless it is too deep."""
    chance = random.Random(seed)
    read = 0
    for _ in range(25_000):
        line = mutated(chance)
        for decode, encode in ((decode_input, encode_input), (decode_output, encode_output)):
            try:
                record = decode(line)
            except InvalidLineError:
                continue
            read += 1
            assert record.custom_id is None or type(record.custom_id) is str
            assert decode(encode(record)) == record
    assert read > 1000


def test_objects_on_one_line_are_counted_also_if_a_text_is_not_utf_8():
    """The count is for a message about the line, which may be damaged in more than one way."""
    assert glued_objects(b'{"a": "\xff"} {"b": 1}') == 2
    assert glued_objects(b'{"a": "\xff"}') == 0
