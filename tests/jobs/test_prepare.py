"""`prepare`: a request for each row of a table, and errors that name the row."""

import datetime as dt
import decimal
import io
import json
from dataclasses import replace

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import NONE, OPENAI, TOGETHER, prepare, validate
from batchfiles.codec import decode_input
from batchfiles.errors import (
    DuplicateCustomIdError,
    FileError,
    InvalidLineError,
    MismatchError,
    OutputExistsError,
    TooManyEmbeddingInputsError,
    TooManyRequestsError,
    TruncatedFileError,
)
from batchfiles.limits import Limits

CHAT = {
    "url": "/v1/chat/completions",
    "body": {"model": "m", "max_tokens": "{{budget}}", "messages": [{"role": "user", "content": "In {{language}}: {{text}}"}]},
}

ROWS = [
    {"id": "a", "budget": 10, "language": "German", "text": "Hi"},
    {"id": "b", "budget": 20, "language": "French", "text": "Two\nlines"},
]


def made(table, template, id="{{id}}", **options):  # noqa: A002 - as the function has it
    """The requests that a table becomes, as records."""
    file = io.BytesIO()
    prepare(table, file, template=template, id_template=id, **{"limits": NONE, **options})
    return [decode_input(line) for line in file.getvalue().splitlines()]


def body_of(row, body, **options):
    """The body that one row becomes; the values are columns of an Arrow table."""
    table = pa.table({"id": ["a"], **{name: [value] for name, value in row.items()}})
    return made(table, body, url="/v1/responses", **options)[0].body


# The template


def test_each_row_becomes_a_request_that_the_service_takes(tmp_path):
    """In the order of the rows, with a method, under the id that was asked for."""
    path = tmp_path / "requests.jsonl"
    report = prepare(pa.Table.from_pylist(ROWS), path, template=CHAT, id_template="row-{{id}}")
    first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert first == {
        "custom_id": "row-a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "In German: Hi"}]},
    }
    assert second["body"]["messages"][0]["content"] == "In French: Two\nlines"
    assert (report.requests, report.bytes, dict(report.tables)) == (2, path.stat().st_size, {"<table>": 2})
    assert validate(path).ok


def test_a_body_alone_is_a_template_with_a_url_beside():
    """The usual case, in two lines."""
    (request,) = made(pa.table({"id": ["a"]}), {"model": "m", "input": "{{id}}"}, url="/v1/responses")
    assert (request.url, request.body) == ("/v1/responses", {"model": "m", "input": "a"})


def test_a_template_may_be_a_file(tmp_path):
    """With a byte order mark or without."""
    path = tmp_path / "template.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(CHAT).encode())
    assert len(made(pa.Table.from_pylist(ROWS), path)) == 2


def test_lines_of_short_services_have_an_id_and_a_body_only():
    """Together documents no url."""
    file = io.BytesIO()
    prepare(pa.table({"id": ["a"]}), file, template={"body": {"model": "m"}}, id_template="{{id}}", limits=TOGETHER)
    assert json.loads(file.getvalue()) == {"custom_id": "a", "body": {"model": "m"}}


@pytest.mark.parametrize("value", [1, 1.5, True, "text", [1, 2], ["a"], {"x": {"y": [1]}}])
def test_a_string_that_is_one_placeholder_keeps_the_type(value):
    """Numbers, lists and objects go in as they are."""
    assert body_of({"v": value}, {"v": "{{v}}"}) == {"v": value}
    assert body_of({"v": value}, {"v": "{{ v }}"}) == {"v": value}


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.5, "1.5"), (True, "true"), ("text", "text"), ([1, 2], "[1,2]"), ({"x": "é"}, '{"x":"é"}')]
)
def test_within_a_longer_string_a_value_is_text(value, text):
    """Strings as they are, everything else as JSON."""
    assert body_of({"v": value}, {"v": "<{{v}}>"}) == {"v": f"<{text}>"}


def test_a_dot_names_a_field_unless_a_column_has_the_whole_name():
    """At any depth."""
    row = {"author": {"name": {"first": "Ada"}}, "author.mail": "a@example.org"}
    assert body_of(row, {"n": "{{author.name.first}}", "m": "{{author.mail}}"}) == {"n": "Ada", "m": "a@example.org"}


def test_four_braces_mean_two():
    """With placeholders beside them or without; closing braces are just braces, and keys name nothing."""
    assert body_of({"v": 1}, {"a": "{{{{v}} is {{v}}", "b": ["{{{{v}}"], "{{v}}": "}}"}) == {
        "a": "{{v}} is 1",
        "b": ["{{v}}"],
        "{{v}}": "}}",
    }


def test_what_a_value_holds_is_never_a_placeholder():
    """The author of a row's text can't reach into other columns."""
    assert body_of({"v": "{{id}}"}, {"v": "{{v}}", "w": "<{{v}}>"}) == {"v": "{{id}}", "w": "<{{id}}>"}


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (dt.date(2026, 8, 1), pa.date32(), "2026-08-01"),
        (dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC).replace(tzinfo=None), pa.timestamp("us"), "2026-08-01T12:00:00.000000"),
        (dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC), pa.timestamp("s", "UTC"), "2026-08-01T12:00:00Z"),
        (dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC), pa.timestamp("s", "Europe/Berlin"), "2026-08-01T14:00:00+02:00"),
        (dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC), pa.timestamp("ms", "America/St_Johns"), "2026-08-01T09:30:00.000-02:30"),
        (dt.time(12, 30), pa.time32("s"), "12:30:00"),
        (decimal.Decimal("1.50"), pa.decimal128(5, 2), "1.50"),
        (b"\x00\xff", pa.binary(), "AP8="),
        ("x", pa.dictionary(pa.int32(), pa.string()), "x"),
    ],
    ids=str,
)
def test_what_json_has_no_type_for_has_a_text_form(value, kind, text):
    """ISO 8601, the digits of a decimal, Base64; also within other values.

    Offsets once came out as `+0200`, which ISO 8601 does not allow after a time with colons.
    """
    table = pa.table(
        {"id": ["a"], "v": pa.array([value], kind), "s": pa.array([{"x": [value]}], pa.struct([("x", pa.list_(kind))]))}
    )
    (request,) = made(table, {"v": "{{v}}", "t": "<{{v}}>", "s": "{{s}}"}, url="/v1/responses")
    assert request.body == {"v": text, "t": f"<{text}>", "s": {"x": [text]}}


# Integers beyond 64 bits


BEYOND = [2**64, -(2**63) - 1, 10**300]


@pytest.mark.parametrize("integer", BEYOND)
def test_a_template_with_an_integer_beyond_64_bits_is_refused(tmp_path, integer):
    """It once silently became a rounded float, such as 1.8446744073709552e+19."""
    path = tmp_path / "template.json"
    path.write_text('{"url": "/v1/x", "body": {"seeds": [1, {"seed": INTEGER}]}}'.replace("INTEGER", str(integer)))
    with pytest.raises(ValueError, match=r"template\.json: \$\.body\.seeds\[1\]\.seed is an integer beyond 64 bits.*in quotes"):
        made(NULLS, path)
    with pytest.raises(ValueError, match=r"the template: \$\.seed is an integer beyond 64 bits.*in quotes"):
        made(NULLS, {"seed": integer}, url="/u")


@pytest.mark.parametrize("value", ["INTEGER", "[1, INTEGER]", '{"n": INTEGER}'])
@pytest.mark.parametrize("integer", BEYOND)
@pytest.mark.parametrize("body", [{"v": "{{v}}"}, {"v": "<{{v}}>"}])
def test_an_integer_beyond_64_bits_in_a_table_names_file_row_and_column(tmp_path, value, integer, body):
    """It once became a rounded float in the body."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "a", "v": 1}\n{"id": "b", "v": VALUE}\n'.replace("VALUE", value.replace("INTEGER", str(integer))))
    with pytest.raises(InvalidLineError, match=r"t\.jsonl: row 2 has an integer beyond 64 bits in 'v'.*in quotes"):
        made(path, body, url="/u")


def test_an_id_is_never_made_of_a_rounded_integer(tmp_path):
    """It once was `1.2345678901234569e+23`, and the row could not be found from it."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": 123456789012345678901234}\n')
    with pytest.raises(InvalidLineError, match="row 1 has an integer beyond 64 bits in 'id'"):
        made(path, {}, url="/u")


def test_what_nothing_names_may_hold_any_integer(tmp_path):
    """It goes nowhere, so nothing is changed."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "a", "v": 1e2, "big": 123456789012345678901234, "w": 1e30}\n')
    (request,) = made(path, {"v": "{{v}}", "w": "{{w}}"}, url="/u")
    assert request.body == {"v": 100.0, "w": 1e30}


def test_integers_of_64_bits_keep_all_digits(tmp_path):
    """Signed and unsigned, of a template and of a table, as numbers, text and ids."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"v": {v}}}\n' for v in (2**64 - 1, -(2**63))))
    requests = made(path, {"v": "{{v}}", "t": "<{{v}}>", "most": 2**64 - 1}, "{{v}}", url="/u")
    assert [(request.custom_id, request.body) for request in requests] == [
        (str(v), {"v": v, "t": f"<{v}>", "most": 2**64 - 1}) for v in (2**64 - 1, -(2**63))
    ]


# What a row may lack


def test_a_tuple_in_a_template_is_a_list():
    """It was written as a list, with the placeholders in it."""
    template = {"model": "m", "messages": ({"role": "user", "content": "{{q}}"},)}
    (request,) = made(pa.table({"id": ["1"], "q": ["one"]}), template, url="/v1/chat/completions")
    assert request.body["messages"] == [{"role": "user", "content": "one"}]


NULLS = pa.table({"id": ["a", "b"], "v": pa.array([1, None])})
BODY = {"v": "{{v}}", "list": ["{{v}}", 2], "text": "<{{v}}>", "kept": None}


def test_a_null_is_an_error_that_names_row_and_column(tmp_path):
    """And no file appears."""
    path = tmp_path / "requests.jsonl"
    with pytest.raises(InvalidLineError, match="row 2 has a null for 'v'"):
        prepare(NULLS, path, template=BODY, id_template="{{id}}", url="/v1/responses", limits=NONE)
    assert not path.exists()


def test_null_may_be_a_null_and_nothing_within_a_text():
    """`null="null"`."""
    assert made(NULLS, BODY, url="/u", null="null")[1].body == {"v": None, "list": [None, 2], "text": "<>", "kept": None}


def test_null_may_drop_the_key_or_the_item():
    """`null="drop"`; a null in the template itself stays."""
    assert made(NULLS, BODY, url="/u", null="drop")[1].body == {"list": [2], "kept": None}


@pytest.mark.parametrize("null", ["null", "drop"])
def test_a_null_in_an_id_is_always_an_error(null):
    """The results are matched by the id."""
    with pytest.raises(InvalidLineError, match="row 1 has a null for 'x'"):
        made(pa.table({"x": pa.array([None], pa.string())}), {}, "{{x}}", url="/u", null=null)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, float("nan")]])
def test_numbers_that_json_has_no_word_for_name_row_and_column(value):
    """A null in their place would differ from the table."""
    with pytest.raises(InvalidLineError, match="row 1 has NaN or an infinite number in 'v'"):
        body_of({"v": value}, {"v": "{{v}}"})


def test_a_column_that_is_not_there_names_the_nearest(tmp_path):
    """Before any row is looked at."""
    with pytest.raises(ValueError, match=r"names \{\{langauge\}\}, and there is no such column, did you mean \{\{language\}\}"):
        made(pa.Table.from_pylist(ROWS), {"x": "{{langauge}}"}, url="/u")
    with pytest.raises(ValueError, match="there are id, v"):
        made(NULLS, {"x": "{{zzzz}}"}, url="/u")


def test_a_column_that_one_file_of_many_lacks_names_the_file(tmp_path):
    """The error once named no file of a folder."""
    (tmp_path / "a.csv").write_text("id,v\n1,x\n")
    (tmp_path / "b.csv").write_text("id,w\n2,y\n")
    with pytest.raises(ValueError, match=r"b\.csv: the template names \{\{v\}\}, and there is no such column"):
        made(tmp_path, {"v": "{{v}}"}, url="/u")


@pytest.mark.parametrize("null", ["null", "drop"])
def test_a_field_that_no_row_has_is_a_mistake_also_where_nulls_are_allowed(null, tmp_path):
    """JSONL has no header that would tell."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": "a", "author": {"name": "Ada"}}\n{"id": "b"}\n')
    assert [request.body.get("x") for request in made(path, {"x": "{{author.name}}"}, url="/u", null=null)] == ["Ada", None]
    with pytest.raises(ValueError, match="no such column"):
        made(path, {"x": "{{author.nme}}"}, url="/u", null=null)


# Ids


def test_two_rows_with_one_id_are_an_error_that_names_both(tmp_path):
    """By table and row."""
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("id\n1\n2\n")
    two.write_text("id\n3\n2\n")
    with pytest.raises(DuplicateCustomIdError) as caught:
        made([one, two], {}, "x{{id}}", url="/u")
    assert f"row 2 of {one} and row 2 of {two} both make the id 'x2'" in str(caught.value)


def test_ids_that_only_look_alike_are_different(tmp_path):
    """CSV cells are text: `001` is not 1."""
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n001\n1.0\n")
    assert [request.custom_id for request in made(path, {}, url="/u")] == ["1", "001", "1.0"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "row 1: 'custom_id' is empty"),
        ("x" * 3, "has 3 characters, and 4 are needed"),
        ("x" * 65, "has 65 characters, and 64 are allowed"),
    ],
)
def test_an_id_that_a_service_does_not_take_names_the_row(text, words):
    """Where the service's limit is known."""
    with pytest.raises(InvalidLineError, match=words):
        made(pa.table({"id": [text]}), {"body": {}}, limits=replace(TOGETHER, min_custom_id_length=4))


def test_an_id_that_names_no_column_is_refused():
    """All rows would have the same."""
    with pytest.raises(ValueError, match="names no column"):
        made(NULLS, {}, "row", url="/u")


# Templates that can't be


@pytest.mark.parametrize(
    ("template", "options", "words"),
    [
        ({"x": "{{id"}, {"url": "/u"}, "is not closed"),
        ({"x": "{{ }}"}, {"url": "/u"}, "names no column"),
        ({"custom_id": "x", "body": {}}, {"url": "/u"}, "has a custom_id"),
        ({"body": {}, "url": "/v"}, {"url": "/u"}, "has the url '/v' already"),
        ({"body": {}}, {"limits": OPENAI}, "openai wants a url"),
        ({"body": "{{v}}"}, {}, "the template's body is a string, and an object is needed"),
        ({"body": "{{v}}"}, {"url": "/u"}, "the template's body is a string, and an object is needed"),
        ({"body": [], "url": "/u"}, {}, "the template's body is a list, and an object is needed"),
        ({"body": None, "method": "POST"}, {"url": "/u"}, "the template's body is null, and an object is needed"),
        ({}, {"url": "/u", "null": "none"}, "null is one of error, null, drop"),
        ({}, {"url": "/u", "sample": 0}, "sample is a number of rows above 0"),
    ],
)
def test_a_template_or_an_option_that_cannot_be_is_refused(template, options, words):
    """With a message that has the remedy; for a body that is not an object it once reported a missing url."""
    with pytest.raises(ValueError, match=words):
        made(NULLS, template, **options)


def test_a_body_alone_may_have_a_key_called_body():
    """Only an object with the keys of a whole line is read as one."""
    assert made(NULLS, {"model": "{{id}}", "body": "x"}, url="/u")[0].body == {"model": "a", "body": "x"}


def test_a_template_file_that_is_none_is_named(tmp_path):
    """Not there, or no JSON object."""
    with pytest.raises(FileError, match="no such file"):
        made(NULLS, tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match=r"list\.json: the template is JSON but not an object"):
        made(NULLS, tmp_path / "list.json")
    (tmp_path / "lines.jsonl").write_text('{"url": "/u"}\n{"url": "/u"}\n')  # the message once was about missing newlines
    with pytest.raises(ValueError, match=r"lines\.jsonl: holds several JSON objects, and a template is one"):
        made(NULLS, tmp_path / "lines.jsonl")


@pytest.mark.parametrize("value", ["NaN", '"\\ud83d"', "1e999"])
def test_a_template_file_that_is_not_strictly_json_is_refused(tmp_path, value):
    """An invalid number once silently became null, and half a surrogate pair U+FFFD."""
    (tmp_path / "template.json").write_text('{"url": "/u", "body": {"x": VALUE}}'.replace("VALUE", value))
    with pytest.raises(ValueError, match=r"template\.json: not strictly JSON"):
        made(NULLS, tmp_path / "template.json")


# Limits and files


def test_more_requests_than_the_service_takes_are_refused_with_a_hint(tmp_path):
    """No file appears, for half of a table is none."""
    path = tmp_path / "requests.jsonl"
    with pytest.raises(TooManyRequestsError, match="limits 'none' and split"):
        prepare(NULLS, path, template={}, id_template="{{id}}", url="/u", limits=Limits(name="small", max_requests=1))
    assert not path.exists()


def test_more_texts_to_embed_than_the_service_takes_are_refused():
    """They count over all requests, a list as many times as it has items."""
    table = pa.table({"id": ["a", "b"], "v": [["x", "y"], ["z"]]})
    options = {"url": "/v1/embeddings", "template": {"model": "m", "input": "{{v}}"}}
    assert len(made(table, limits=Limits(name="small", max_embedding_inputs=3), **options)) == 2
    with pytest.raises(TooManyEmbeddingInputsError, match=r"small takes 2 texts to embed in one file.*limits 'none' and split"):
        made(table, limits=Limits(name="small", max_embedding_inputs=2), **options)


def test_an_empty_csv_has_no_columns(tmp_path):
    """It is reported, without suggestions from an empty list."""
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(ValueError, match="the table has no columns: is it empty"):
        made(tmp_path / "t.csv", {}, url="/u")


def test_a_sample_is_the_first_rows(tmp_path):
    """Of all tables together; later ones are not read."""
    (tmp_path / "a.csv").write_text("id\n1\n2\n")
    (tmp_path / "b.csv").write_text("id\n3\n4\n")
    (tmp_path / "c.csv").write_bytes(b"\xff")
    assert [request.custom_id for request in made(tmp_path, {}, url="/u", sample=3)] == ["1", "2", "3"]


def test_a_file_that_is_there_is_kept_unless_forced(tmp_path):
    """As everywhere."""
    path = tmp_path / "requests.jsonl"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        prepare(NULLS, path, template={}, id_template="{{id}}", url="/u", limits=NONE)
    prepare(NULLS, path, template={}, id_template="{{id}}", url="/u", limits=NONE, overwrite=True)
    assert len(path.read_text().splitlines()) == 2


def write_parquet(table, path):
    """A Parquet file of several row groups."""
    pq.write_table(table, path, row_group_size=1)


def write_arrow(table, path):
    """An Arrow file."""
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def write_arrows(table, path):
    """An Arrow stream."""
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


def write_jsonl(table, path):
    """JSONL."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))


@pytest.mark.parametrize(
    ("name", "write"),
    [("t.parquet", write_parquet), ("t.arrow", write_arrow), ("t.arrows", write_arrows), ("t.jsonl", write_jsonl)],
)
def test_every_format_gives_the_same_requests(tmp_path, name, write):
    """A folder of tables too."""
    write(pa.Table.from_pylist(ROWS), tmp_path / name)
    expected = made(pa.Table.from_pylist(ROWS), CHAT)
    assert made(tmp_path / name, CHAT) == expected
    assert made(tmp_path, CHAT) == expected


def test_csv_gives_texts_and_an_empty_cell_is_null(tmp_path):
    """Quotes, commas and line ends in cells are kept."""
    path = tmp_path / "t.csv"
    path.write_bytes('id,v,w\r\n1,"a, ""b""\r\nc",\r\n2,2,é\r\n'.encode())
    requests = made(path, {"v": "{{v}}", "w": "{{w}}"}, url="/u", null="drop")
    assert [request.body for request in requests] == [{"v": 'a, "b"\r\nc'}, {"v": "2", "w": "é"}]


def test_tables_in_memory_are_taken_as_they_are():
    """Polars and DuckDB hand their rows over by the Arrow C stream protocol."""
    frame = pl.DataFrame(ROWS)
    expected = made(pa.Table.from_pylist(ROWS), CHAT)
    assert made(frame, CHAT) == expected
    assert made(duckdb.sql("SELECT * FROM frame").to_arrow_table(), CHAT) == expected


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("t.csv", b"id,id\n1,2\n", MismatchError, "two columns are called 'id'"),
        ("t.csv", b"id,v\n1\n", MismatchError, "row 1 has 1 cells, and the header has 2"),
        ("t.csv", b'id\n"1', TruncatedFileError, "the CSV can't be read"),
        ("t.csv", b"id\n\xe9\n", MismatchError, "not UTF-8"),
        ("t.jsonl", b'{"id": "1"}\n{"id": \n', InvalidLineError, r"t\.jsonl:2: not valid JSON"),
        ("t.jsonl", b'{"id": "1", "v": NaN}\n', InvalidLineError, "NaN"),
        ("t.parquet", b"PAR1", TruncatedFileError, "damaged"),
        ("t.parquet", b"id\n", TruncatedFileError, "does not begin as its name says"),
        ("t", b"\x00\x01", MismatchError, "not a table"),
    ],
)
def test_a_fault_of_a_table_is_reported_with_its_name(tmp_path, name, content, error, words):
    """Never a traceback, never a guess."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error, match=words):
        made(path, {}, url="/u")


def test_an_empty_table_makes_an_empty_file():
    """Nothing was asked, and nothing is sent."""
    assert made(NULLS.slice(0, 0), BODY, url="/u") == []


JSON_VALUES = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON_VALUES, max_size=20))
def test_what_goes_in_comes_out(values):
    """Any JSON value, as a JSONL table, through a placeholder, a request file and the decoder."""
    table = io.BytesIO(b"".join(json.dumps({"id": number, "v": v}).encode() + b"\n" for number, v in enumerate(values)))
    requests = made(table, {"v": "{{v}}", "s": "<{{v}}>"}, "{{id}}", url="/u", limits=NONE)
    assert [request.body["v"] for request in requests] == values
    assert [request.custom_id for request in requests] == [str(number) for number in range(len(values))]
    texts = [request.body["s"] for request in requests]
    assert all(
        text == f"<{v}>" if isinstance(v, str) else json.loads(text[1:-1]) == v for text, v in zip(texts, values, strict=True)
    )


@given(
    st.lists(
        st.tuples(
            st.text(), st.integers(-(2**63), 2**63 - 1), st.binary(), st.none() | st.floats(allow_nan=False, allow_infinity=False)
        )
    )
)
def test_columns_of_a_typed_table_come_out_as_they_are(rows):
    """Through Arrow: text, 64-bit integers, floats and nulls are the same values in the request."""
    kinds = [pa.string(), pa.int64(), pa.binary(), pa.float64()]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 4
    table = pa.table(
        {"id": list(range(len(rows))), **{n: pa.array(c, k) for n, c, k in zip("tibf", columns, kinds, strict=True)}}
    )
    requests = made(table, {"t": "{{t}}", "i": "{{i}}", "f": "{{f}}"}, "{{id}}", url="/u", null="null")
    assert [(request.body["t"], request.body["i"], request.body["f"]) for request in requests] == [
        (t, i, f) for t, i, _, f in rows
    ]


# What validate would refuse


CHAT_URL = "/v1/chat/completions"
QUESTIONS = pa.table({"id": ["a", "b"], "question": ["Why?", "How?"], "model": ["m", "n"], "budget": [10, -1]})
ASK = [{"role": "user", "content": "{{question}}"}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": "m", "messages": ASK, "stream": True}, r"row 1: Streaming is not supported.* at \$\.body\.stream"),
        ({"messages": ASK}, r"row 1: Model parameter is required\. at \$\.body\.model"),
        ({"model": "m", "messages": "{{question}}"}, "row 1: Invalid type for 'body.messages'"),
        ({"model": "m", "messages": ASK, "max_tokens": "{{budget}}"}, "row 2: Invalid 'body.max_tokens': -1 is below"),
        ({"model": "{{model}}", "messages": ASK}, "row 2: The model 'n' for this request does not match"),
        ({"model": "m", "messages": ASK, "tools": [{"name": "f"}]}, "row 1: Missing required parameter: 'body.tools"),
    ],
    ids=str,
)
def test_what_validate_would_refuse_is_not_written(body, words, tmp_path):
    """A template with `stream` or without a model made a file of which every line failed."""
    path = tmp_path / "requests.jsonl"
    with pytest.raises(InvalidLineError, match=words):
        prepare(QUESTIONS, path, template={"url": CHAT_URL, "body": body}, id_template="{{id}}")
    assert not path.exists()


def test_a_template_that_names_no_column_is_refused():
    """It made 2,000 identical requests."""
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with pytest.raises(ValueError, match="names no column, so all requests would be the same"):
        made(QUESTIONS, body, url=CHAT_URL)
    assert len(made(QUESTIONS, body, url=CHAT_URL, sample=1)) == 1


@pytest.mark.parametrize("text", ["Answer: {question}", "{question}", "{{id}}: {question}?"])
def test_a_column_in_single_braces_is_refused(text):
    """They are the syntax of Python's `format`; here they were sent unchanged, 2,000 times."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    with pytest.raises(ValueError, match=r"has {question} in single braces.*write {{question}}"):
        made(QUESTIONS, body, url=CHAT_URL)


def test_single_braces_around_other_words_are_text():
    """JSON in a prompt has braces too, and so have names that are also used correctly."""
    for text in ('Answer as {"answer": …}: {{question}}', "{answer}: {{question}}", "{question} is {{question}}"):
        body = {"model": "m", "messages": [{"role": "user", "content": text}]}
        assert len(made(QUESTIONS, body, url=CHAT_URL)) == 2
