"""What a fast way accepts, the exact way finds nothing in; the line that is changed is never the first one of its file."""

from __future__ import annotations

import copy
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from batchfiles import codec, outcome
from batchfiles.bodies import chat_completions, fields
from batchfiles.errors import InvalidLineError
from batchfiles.ids.index import IndexEntries, digest
from batchfiles.jobs.join.scan import UnkeyedLines, _index
from batchfiles.jobs.validate import validate
from batchfiles.jsontext import edits, spans
from batchfiles.limits import OPENAI
from batchfiles.outcome import read_result
from batchfiles.rules.requests import RequestRules

REQUEST = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": 1, "temperature": 0.5, "store": True},
}
USAGE = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9, "prompt_tokens_details": {"cached_tokens": 2}}
MESSAGE = {"role": "assistant", "content": "hi", "refusal": None}
BODY = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop", "logprobs": None}],
    "usage": USAGE,
}
RESULT = {"id": "r", "custom_id": "a", "response": {"status_code": 200, "request_id": "q", "body": BODY}, "error": None}

VALUES = st.sampled_from(
    [None, True, False, 0, 1, 1.0, -1, 2**63, "", "stop", "length", "body", "custom_id", [], {}, [1], {"body": {"n": 2}}]
)
KEYS = st.sampled_from(["custom_id", "body", "error", "n", "model", "response", "x"])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return every place within a JSON value but the whole."""
    inner = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [found for key, each in inner for found in ((*path, key), *places(each, (*path, key)))]


@st.composite
def lines(draw: st.DrawFn, good: dict[str, Any]) -> list[bytes]:
    """Write three lines: in the second a value is another one, a key is added, removed or repeated."""
    value = copy.deepcopy(good)
    *path, last = draw(st.sampled_from(places(value)))
    place = value
    for key in path:
        place = place[key]
    if draw(st.booleans()):
        place[last] = draw(VALUES)
    elif isinstance(place, dict):
        del place[last]
        place |= draw(st.dictionaries(KEYS, VALUES, max_size=2))
    text = json.dumps(value)
    if draw(st.integers(0, 3)) == 0:
        repeated = draw(st.sampled_from(['"custom_id"', '"body"', '"custom_i\\u0064"', '"bod\\u0079"', '"error"']))
        text = f"{text[:-1]}, {repeated}: {json.dumps(draw(VALUES))}}}"
    return [
        json.dumps({**good, "custom_id": "first"}).encode(),
        text.encode(),
        json.dumps({**good, "custom_id": "last"}).encode(),
    ]


@given(lines(REQUEST))
def test_a_request_that_is_like_others_has_the_faults_that_it_has_alone(written: list[bytes]) -> None:
    """The rules on all but id and content run once for each different text, with the same findings for the next request."""
    rules = RequestRules(OPENAI)
    for number, line in enumerate(written, 1):
        request = codec.loads(line)
        before = copy.deepcopy(request)
        fast = list(rules.violations(request, number))
        rules._known.clear()
        assert list(rules.violations(request, number)) == fast
        assert repr(request) == repr(before)
    five = [written[0], written[1], *(written[2].replace(b"last", b"last%d" % n) for n in range(3))]
    report = validate(io.BytesIO(b"\n".join(five) + b"\n"))
    assert {finding.line_number for finding in report.findings if finding.code != "duplicate_custom_id"} <= {2}


@given(lines(RESULT))
def test_results_are_indexed_under_the_ids_that_decoding_gives(written: list[bytes]) -> None:
    """Together or one by one, and also if the key is repeated."""
    ids = [codec.loads(line).get("custom_id") for line in written]
    wanted = [digest(custom_id) for custom_id in ids if isinstance(custom_id, str)]
    for blocks in ([written], [[line] for line in written]):
        entries = IndexEntries()
        for block in blocks:
            _index(block, 1, 0, 0, entries, UnkeyedLines(), Counter())
        assert list(entries.digests) == wanted


@given(lines(BODY))
def test_a_chat_body_has_the_answer_of_the_exact_way(written: list[bytes]) -> None:
    """One text takes a shorter way; any other value in any place does not change what is read."""
    for line in written[1:]:
        body = codec.loads(line)
        assert repr(chat_completions.read(body)) == repr(chat_completions.read_exact(body))


@given(lines(RESULT))
def test_a_result_has_the_outcome_that_the_rules_give(written: list[bytes]) -> None:
    """And its body is cut out as walking the line does."""
    for line in written:
        value, result = read_result(line)
        if value is None:
            continue
        assert repr(result) == repr(outcome._read_any(value))
        response = value.get("response")
        if isinstance(response, dict) and "body" in response:
            member = spans.last_member(line, "response")
            assert member is not None
            body = spans.last_member(line, "body", member.start)
            assert body is not None
            assert spans.body_of_output(line, value) == line[body.start : body.end]
        if isinstance(value.get("custom_id"), str | None) and (response is None or isinstance(response, dict)):
            assert repr(codec.output_of(value)) == repr(codec._other_output(value, None, None, None))


@given(lines(REQUEST))
def test_a_record_and_an_edit_are_those_of_the_exact_way(written: list[bytes]) -> None:
    """The record of a request; and a value that is set where a search finds it, or where a walk through the line does."""
    edit = edits.Edit.set("body.model", "other")
    for line in written:
        value = codec.loads(line)
        try:
            record = codec._other_input(value, None, None, None)
        except InvalidLineError:
            continue
        assert repr(codec.input_of(value)) == repr(record)
        assert codec.loads(edits.edited(line, [edit])) == codec.loads(edits._replaced(line, edits._replacements(line, edit)))


ODD = [None, 0, 0.0, -0.0, 1, 1.0, -1, True, False, "", "a", [], {}, [0], {"x": None}, {"x": 0}, 2**63, 1e300]
"""Among them all that Python takes for false."""


def with_odd_values(value: Any) -> Iterator[Any]:
    """Yield copies of a JSON value, each with one odd value in one place."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            for changed in [*ODD, *with_odd_values(inner)]:
                copied = copy.copy(value)
                copied[key] = changed
                yield copied


PIECES = [
    '"',
    "\\",
    "\\u",
    "\\ud8",
    "\\uD83d",
    "\\ude00",
    "\\u00e9",
    "NaN",
    "Infinity",
    "-",
    "1",
    "9" * 299,
    "e",
    "E+",
    ".",
    "[",
    ",",
    "x",
    "d8",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40))
@example("1e999")
@example("9" * 310)
@example('"\\ud83d"')
def test_lines_without_a_sign_of_it_have_nothing_to_repair(text: str) -> None:
    """Damaged lines are searched for half surrogate pairs and the like only if they may have one, since that takes long."""
    line = text.encode()
    if not codec.is_repairable(line):
        assert codec.TOKEN.sub(codec._repaired_token, line) == line


EACH_TOKEN = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*"?|NaN|-?Infinity|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', re.DOTALL
)


@given(st.lists(st.sampled_from([*PIECES, '"a"', '"b":', '"\\ud83d"', '"c"' * 70]), max_size=12).map("".join))
@example('{"a":"b","c":"\\ude00\\ud83d","d":[1e999,"NaN",NaN]}')
@example('{"a":01e999}')
def test_strings_that_are_skipped_together_hide_no_token(text: str) -> None:
    """Runs of strings without a backslash are one match: what follows is repaired as if each were matched by itself."""
    line = text.encode()
    repair = codec._repaired_token
    assert codec.TOKEN.sub(repair, line) == EACH_TOKEN.sub(repair, line)


def test_each_odd_value_in_each_place_is_read_in_the_exact_way() -> None:
    """A body with annotations of 0 or false was not kept: the shorter way took them for none."""
    message = {"role": "assistant", "content": "a", "refusal": None, "annotations": []}
    choices = [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}]
    parts = [{"cached_tokens": 4, "audio_tokens": 0}, {"reasoning_tokens": 3, "audio_tokens": 0}]
    usages: list[dict[str, Any]] = [
        {"prompt_tokens": 26, "completion_tokens": 9, "total_tokens": 35}
        | {"prompt_tokens_details": parts[0], "completion_tokens_details": parts[1]},
        {"input_tokens": 26, "output_tokens": 9, "total_tokens": 35}
        | {"input_tokens_details": parts[0], "output_tokens_details": parts[1]},
    ]
    body = {"id": "a", "object": "chat.completion", "created": 5, "model": "m", "choices": choices, "usage": usages[0]}
    found = list(with_odd_values(body))
    assert len(found) > 400
    for each in found:
        assert repr(chat_completions.read(each)) == repr(chat_completions.read_exact(each)), each
    for usage in chain.from_iterable(map(with_odd_values, usages)):
        counts, reader = fields.fast_counts(usage), fields.FieldReader()
        if counts is not None:
            assert repr(counts) == repr(fields.exact_counts(usage, reader)), usage
            assert (reader.conversion_errors, reader.fully_mapped, reader.noted) == (0, True, ()), usage
    line = {"id": "r", "custom_id": "a", "response": {"status_code": 200, "request_id": "q", "body": body}, "error": None}
    for each in with_odd_values(line):
        assert repr(outcome.read(each)) == repr(outcome._read_any(each)), each
