"""Edits: the value that is named changes, and no other byte of the line."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchfiles.errors import InvalidLineError
from batchfiles.jsontext.edits import Edit, _fast_replacements, _replaced, _replacements, edited, json_text
from batchfiles.jsontext.spans import parse_path, shown

STRANGE = (
    b'{ "custom_id" : "a-1",\t"method":"POST", "url": "/v1/chat/completions", "body": {"model":"old", "seed": '
    b"18446744073709551616 ,"
    b'"temperature":1E2, "model" : "older","top_p":1.0, "messages":[ {"role":"user","content":"\\u0048i \\"}"} ] } }\r'
)
"""A line with 2^64, `1E2`, a key that comes twice, odd white space and escapes."""


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("custom_id", ("custom_id",)),
        ("body.messages[0].content", ("body", "messages", 0, "content")),
        ("$.body.model", ("body", "model")),
        ('body["a.b=c"]', ("body", "a.b=c")),
        ('body."a.b"[12]', ("body", "a.b", 12)),
        ('"caf\\u00e9 au lait".x', ("café au lait", "x")),
    ],
)
def test_a_path_names_keys_and_indices(text: str, path: tuple[str | int, ...]) -> None:
    """With dots, brackets and quotes."""
    assert parse_path(text) == path


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.integers(0, 999_999_999), max_size=4))
def test_a_path_that_is_shown_can_be_read_again(steps: list[str | int]) -> None:
    """With any keys."""
    path = ("body", *steps)
    assert parse_path(shown(path)) == path


@pytest.mark.parametrize(
    "text", ["", ".", "body.", "[0]", "body..model", "body[x]", "body[-1]", "body[0", 'body["\\x"]', "a=b", 'a"b"']
)
def test_an_invalid_path_is_a_wrong_call(text: str) -> None:
    """And the message has the syntax of one."""
    with pytest.raises(ValueError, match=r"path|JSON string"):
        parse_path(text)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("4000", b"4000"),
        ("18446744073709551616", b"18446744073709551616"),
        ("1E2", b"1E2"),
        ('{"a" : 1.0}', b'{"a" : 1.0}'),
        ('{"a" :\n  [1.0,\r\n "b c\\n"]}\n', b'{"a":[1.0,"b c\\n"]}'),
        ("gpt-4o", b'"gpt-4o"'),
        ('"4"', b'"4"'),
        ("NaN", b'"NaN"'),
        ("01", b'"01"'),
        ("", b'""'),
        ("-Infinity", b'"-Infinity"'),
        ("1e400", b"1e400"),
        ("9" * 5000, b"9" * 5000),
        ('{"a" : [-1E999]}', b'{"a" : [-1E999]}'),
        ('"\\ud83d"', b'"\\ud83d"'),
        ("1e400,", b'"1e400,"'),
        ("[1e400, NaN]", b'"[1e400, NaN]"'),
        ('[1e400,\n "a b"]', b'[1e400,"a b"]'),
        ('say "Hi"\n', b'"say \\"Hi\\"\\n"'),
    ],
)
def test_a_value_is_json_as_it_was_typed_or_else_a_string(typed: str, value: bytes) -> None:
    """Only line breaks between its tokens go, for a line has none.

    `1e400`, 5,000 digits and half a surrogate pair once became strings, because the fast decoder refuses them.
    """
    assert json_text(typed) == value


def test_a_value_that_is_nested_more_deeply_than_a_decoder_reads_does_not_become_a_string() -> None:
    """It once silently did. Newer Pythons decode deeper values than older ones: these are accepted, the rest is a wrong call."""
    typed = "[" * 1_500 + "]" * 1_500
    try:
        taken = json_text(typed).decode()
    except ValueError as error:
        taken = str(error)
    assert taken == typed or "nested too deeply" in taken
    assert Edit.parse(f"body.x={typed}", as_string=True).value == f'"{typed}"'.encode()


def test_two_hundred_thousand_brackets_are_a_wrong_call() -> None:
    """Whether they are JSON is not found out, so they are not called a string either."""
    with pytest.raises(ValueError, match="nested too deeply"):
        Edit.parse("body.x=" + "[" * 200_000)


def test_a_line_with_a_number_beyond_a_double_can_be_edited_on() -> None:
    """Each edit reads the line that the one before it wrote."""
    line = edited(b'{"body": {"a": 1}}', [Edit.parse("body.e=1e400"), Edit.parse("body.a=2"), Edit.parse("body.n=3")])
    assert line == b'{"body": {"a": 2,"e":1e400,"n":3}}'


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (Edit.parse("body.seed=1"), b"18446744073709551616 ", b"1 "),
        (Edit.parse("body.temperature=100.0"), b"1E2", b"100.0"),
        (Edit.parse("url=/chat/completions"), b'"/v1/chat/completions"', b'"/chat/completions"'),
        (Edit.parse("body.messages[0].content=Ho"), b'"\\u0048i \\"}"', b'"Ho"'),
        (Edit.parse("body.user=42", as_string=True), b'"}"} ] }', b'"}"} ],"user":"42" }'),
        (Edit.parse("body.a.b=[1]"), b'"}"} ] }', b'"}"} ],"a":{"b":[1]} }'),
        (Edit.unset("body.top_p"), b',"top_p":1.0', b""),
        (Edit.unset("custom_id"), b'"custom_id" : "a-1",\t', b""),
        (Edit.unset("body.messages[0]"), b'{"role":"user","content":"\\u0048i \\"}"}', b""),
        (Edit.default("method", "GET"), b"", b""),
        (Edit.default("extra", None), b"} }\r", b'},"extra":null }\r'),
    ],
)
def test_no_other_byte_changes(edit: Edit, before: bytes, after: bytes) -> None:
    """Neighbours keep their digits, escapes and spaces; a new key goes last."""
    assert STRANGE.count(before) == 1 or before == after
    assert edited(STRANGE, [edit]) == STRANGE.replace(before, after)


def test_every_occurrence_of_a_repeated_key_changes() -> None:
    """Services differ in which one they read."""
    changed = edited(STRANGE, [Edit.set("body.model", "new")])
    assert changed == STRANGE.replace(b'"old"', b'"new"').replace(b'"older"', b'"new"')
    assert edited(STRANGE, [Edit.unset("body.model")]) == STRANGE.replace(b'"model":"old", ', b"").replace(
        b', "model" : "older"', b""
    )
    assert edited(b'{"a": {"b": 1}, "\\u0061": {"b": 2}}', [Edit.set("a.b", 3)]) == b'{"a": {"b": 3}, "\\u0061": {"b": 3}}'


@pytest.mark.parametrize(
    "edit",
    [
        Edit.set("method", "POST"),
        Edit.unset("body.n"),
        Edit.unset("body.model.x"),
        Edit.unset("body.messages[1]"),
        Edit.unset("url[0]"),
    ],
)
def test_a_line_without_need_of_change_is_the_same_object(edit: Edit) -> None:
    """The value is there already, or there is nothing to remove."""
    assert edited(STRANGE, [edit]) is STRANGE


def test_edits_are_made_one_after_the_other() -> None:
    """In the order given."""
    line = b'{"body": {"a": {"b": 1}}}'
    assert edited(line, [Edit.unset("body.a"), Edit.set("body.a.c", 2)]) == b'{"body": {"a":{"c":2}}}'
    assert edited(line, [Edit.set("body.a.c", 2), Edit.unset("body.a")]) == b'{"body": {}}'


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("body.model.x=1", "$.body.model", "the value is a string"),
        ("body.messages.x=1", "$.body.messages", "the value is an array"),
        ("body[0]=1", "$.body", "the value is an object"),
        ("body.seed.x=1", "$.body.seed", "the value is a number"),
        ("body.messages[1]=1", "$.body.messages", "the array has 1 element,"),
        ("body.stop[0]=1", "$.body.stop", "there is no array"),
    ],
)
def test_a_value_whose_path_leads_through_something_else_is_refused(text: str, where: str, words: str) -> None:
    """With the place that is in the way."""
    with pytest.raises(InvalidLineError, match=words) as caught:
        edited(STRANGE, [Edit.parse(text)])
    assert (caught.value.code, caught.value.json_path) == ("path_not_found", where)


@pytest.mark.parametrize("line", [b"[1]", b'"x"', b'{"a": 1', b"", b'{"a": "\xff"}'])
def test_a_line_that_is_not_an_object_is_refused(line: bytes) -> None:
    """Also where there is nothing to change in it."""
    with pytest.raises(InvalidLineError) as caught:
        edited(line, [])
    assert caught.value.code == "invalid_json_line"


def test_a_thousand_levels_of_nesting_are_walked() -> None:
    """The value beside them changes, and one within them, as deep as a path may lead."""
    deep = b'{"a":' * 1000 + b"1E2" + b"}" * 1000
    line = b'{"x":' + deep + b',"y":1}'
    assert edited(line, [Edit.set("y", 2)]) == b'{"x":' + deep + b',"y":2}'
    path = "x" + ".a" * 99
    assert edited(line, [Edit.set(path, 3)]) == b'{"x":' + b'{"a":' * 99 + b"3" + b"}" * 99 + b',"y":1}'
    assert edited(line, [Edit.unset(path)]) == b'{"x":' + b'{"a":' * 98 + b"{}" + b"}" * 98 + b',"y":1}'
    with pytest.raises(ValueError, match="101 steps"):
        Edit.unset(path + ".a")


@pytest.mark.parametrize("text", ["body.n", "=1", "body=", "body.x 1"])
def test_an_edit_without_a_value_or_a_path_is_a_wrong_call(text: str) -> None:
    """But an empty value is the empty string."""
    if text == "body=":
        assert Edit.parse(text).value == b'""'
        return
    with pytest.raises(ValueError, match=r"path|PATH=VALUE"):
        Edit.parse(text)


@pytest.mark.parametrize(
    ("text", "breaks_off"), [("body..x=1", "..x=1"), ("body.=1", ".=1"), ("body[x]=1", "[x]=1"), ('body."a"b=1', "b=1")]
)
def test_a_bad_path_is_named_and_not_a_missing_value(text: str, breaks_off: str) -> None:
    """`body..x=1` was once reported to have no value, which it has."""
    with pytest.raises(ValueError, match="path") as caught:
        Edit.parse(text)
    assert f"unexpected {breaks_off!r}" in str(caught.value)
    assert "no value" not in str(caught.value)


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 2**70, -(10**400)])
def test_an_integer_beyond_64_bits_is_written_with_all_its_digits(number: int) -> None:
    """As on the command line; Python's `set` once refused it."""
    assert Edit.set("a", number).value == str(number).encode()
    assert Edit.default("a", {"b": [number, (1, number)]}).value == b'{"b":[%d,[1,%d]]}' % (number, number)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [1.0, float("-inf")]}, ({"a": float("nan")},)])
def test_a_float_that_json_lacks_is_a_wrong_call(value: Any) -> None:
    """It once silently became null in every line."""
    for make in (Edit.set, Edit.default):
        with pytest.raises(ValueError, match=r"not a JSON value: (nan|-?inf)"):
            make("a", value)


def test_a_value_that_holds_itself_is_a_wrong_call() -> None:
    """It is detected at once, at any depth."""
    endless: list[Any] = []
    endless += [endless, endless]
    with pytest.raises(ValueError, match="254 deep"):
        Edit.set("a", endless)


def test_a_value_that_is_not_json_is_a_wrong_call() -> None:
    """An object of Python, or half a surrogate pair."""
    with pytest.raises(ValueError, match="not a JSON value"):
        Edit.set("a", object())
    with pytest.raises(ValueError, match="not a JSON value"):
        Edit.set("a", {1: 2})
    with pytest.raises(ValueError, match="not a JSON value"):
        Edit.parse("a=\udcff")


KEYS = st.sampled_from(["a", "b", "é", "", 'x"y', "a.b", "[0]"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
LINES = st.dictionaries(KEYS, VALUES, max_size=4)
WHITE = st.sampled_from(["", " ", "\t", " \r "])
PATHS = st.tuples(KEYS, st.lists(KEYS | st.integers(0, 3), max_size=3)).map(lambda parts: (parts[0], *parts[1]))
MISSING = object()


def spelled(value: Any, draw: st.DrawFn) -> str:
    """Write a value with any white space and any escapes."""
    white = [draw(WHITE) for _ in range(3)]
    if isinstance(value, dict):
        members = (
            f"{json.dumps(k, ensure_ascii=draw(st.booleans()))}{white[0]}:{white[1]}{spelled(v, draw)}" for k, v in value.items()
        )
        return "{" + white[2] + f"{white[1]},{white[0]}".join(members) + white[0] + "}"
    if isinstance(value, list):
        return "[" + white[2] + f"{white[1]},{white[0]}".join(spelled(item, draw) for item in value) + white[0] + "]"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """Write a line in some way."""
    return (draw(WHITE) + spelled(draw(LINES), draw) + draw(WHITE)).encode()


def set_in(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Do with decoded JSON what `set` does; `MISSING` if it can't be done."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(step, str) and (value is MISSING or isinstance(value, dict)):
        inner = set_in(value.get(step, MISSING) if isinstance(value, dict) else MISSING, rest, new)
        return MISSING if inner is MISSING else {**({} if value is MISSING else value), step: inner}
    if isinstance(step, int) and isinstance(value, list) and step < len(value):
        inner = set_in(value[step], rest, new)
        return MISSING if inner is MISSING else [*value[:step], inner, *value[step + 1 :]]
    return MISSING


def unset_in(value: Any, path: tuple[str | int, ...]) -> Any:
    """Do with decoded JSON what `unset` does."""
    step, rest = path[0], path[1:]
    inside = (isinstance(step, str) and isinstance(value, dict) and step in value) or (
        isinstance(step, int) and isinstance(value, list) and step < len(value)
    )
    if not inside:
        return value
    items = dict(value.items() if isinstance(value, dict) else enumerate(value))
    if rest:
        items[step] = unset_in(items[step], rest)
    else:
        del items[step]
    return items if isinstance(value, dict) else list(items.values())


@settings(max_examples=500, deadline=None)
@given(line=written(), path=PATHS, new=VALUES)
def test_setting_agrees_with_setting_in_decoded_json(line: bytes, path: tuple[str | int, ...], new: Any) -> None:
    """And where the path leads nowhere, both refuse."""
    expected = set_in(json.loads(line), path, new)
    edit = Edit("set", path, json.dumps(new).encode())
    if expected is MISSING:
        with pytest.raises(InvalidLineError):
            edited(line, [edit])
        return
    changed = edited(line, [edit])
    assert json.loads(changed) == expected
    assert list(json.loads(changed)) == list(expected)
    assert edited(changed, [edit]) is changed


@settings(max_examples=500, deadline=None)
@given(line=written(), path=PATHS, action=st.sampled_from(["set", "default", "unset"]))
def test_the_fast_path_and_the_slow_path_give_the_same(line: bytes, path: tuple[str | int, ...], action: Any) -> None:
    """An ordinary line is searched, any other one is walked."""
    edit = Edit(action, path, b'{"c":1.0}')
    try:
        fast = _fast_replacements(line, json.loads(line), edit)
    except InvalidLineError as error:
        with pytest.raises(InvalidLineError, match=re.escape(str(error))):
            _replacements(line, edit)
    else:
        assert fast is None or _replaced(line, fast) == _replaced(line, _replacements(line, edit))


def test_a_repeated_key_does_not_mislead_the_fast_path() -> None:
    """Decoded, the object seems to be the last one; another one follows it."""
    line = b'{"a":1,"body":{"x":1},"a":{}}'
    assert edited(line, [Edit.set("body.y", 2)]) == b'{"a":1,"body":{"x":1,"y":2},"a":{}}'
    line = b'{"a":1,"body":{"x":1},"a":"}"}'
    assert edited(line, [Edit.set("body.y", 2)]) == b'{"a":1,"body":{"x":1,"y":2},"a":"}"}'


@settings(max_examples=500, deadline=None)
@given(line=written(), path=PATHS)
def test_unsetting_agrees_with_deleting_in_decoded_json(line: bytes, path: tuple[str | int, ...]) -> None:
    """Where there is nothing, nothing is done."""
    changed = edited(line, [Edit("unset", path)])
    expected = unset_in(json.loads(line), path)
    assert json.loads(changed) == expected
    assert (changed is line) == (expected == json.loads(line))


@settings(max_examples=500, deadline=None)
@given(line=written(), path=PATHS, new=VALUES)
def test_what_is_set_can_be_taken_back_byte_for_byte(line: bytes, path: tuple[str | int, ...], new: Any) -> None:
    """So nothing beside the value was touched: a new member is unset, and an old value is set as it was written."""
    marked = b'"\\u0000 a mark"'
    try:
        changed = edited(line, [Edit("set", path, marked)])
    except InvalidLineError:
        return
    before, _, behind = changed.partition(marked)
    old = line[len(before) : len(line) - len(behind)]
    if line.startswith(before) and line.endswith(behind) and old.strip():
        assert edited(changed, [Edit("set", path, old)]) == line
        return
    depth = next(number for number in range(1, len(path) + 1) if unset_in(json.loads(line), path[:number]) == json.loads(line))
    assert edited(changed, [Edit("unset", path[:depth])]) == line
