"""What `validate` finds is the same with compiled code and without. `docs/native.md` describes the requests that it takes."""

from __future__ import annotations

import io
import json
from importlib.util import find_spec
from random import Random
from typing import Any
from unittest import mock

import pytest

import batchfiles
from batchfiles.jobs import validate_file
from batchfiles.limits import KNOWN, NONE, OPENAI, VLLM, Limits
from batchfiles.native import SWITCH, NativeChecks, native_checks
from batchfiles.rules.bodies import TABLES, VLLM_TABLES
from batchfiles.rules.chat import PARAMETERS
from batchfiles.rules.kinds import SHAPES, Check, Shape, shape_of
from batchfiles.rules.requests import RequestRules
from tests.native.checks import BODIES, PROFILES, compared

compiled = pytest.mark.skipif(
    find_spec("batchfiles_native") is None, reason="batchfiles-native is not installed: pip install ./native"
)


@pytest.fixture(autouse=True)
def _is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")


@compiled
@pytest.mark.parametrize("seed", range(2 * len(PROFILES)), ids=lambda seed: f"{PROFILES[seed % len(PROFILES)].name}-{seed}")
def test_findings_of_requests_that_are_nearly_plain(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Findings, their order and their places, counts and reports, for each service and lines of all endpoints."""
    monkeypatch.setenv(SWITCH, "1")  # which is restored, because `compared` changes it
    assert compared(seed, 500) > 0


def request(url: str, body: dict[str, Any], custom_id: str, text: str) -> bytes:
    """Return a request line with a text in all its places."""
    line = {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "gpt-4o-mini", **body}}
    return json.dumps(line).replace("TEXT", json.dumps(text)[1:-1]).encode()


def whole(lines: list[bytes]) -> bytes:
    """Return lines as they are in a file."""
    return b"".join(line + b"\n" for line in lines)


def learned(limits: Limits, url: str, line: bytes) -> NativeChecks:
    """Return checks that know one request."""
    rules = RequestRules(limits)
    assert not rules.violations(json.loads(line), 1)
    checks, description = native_checks(rules.custom_id_shape()), rules.description(url)
    assert checks is not None
    assert description is not None
    checks.learn(line, url, description)
    return checks


@compiled
@pytest.mark.parametrize(("url", "body"), [(url, body) for url in sorted(OPENAI.known_urls) for body in BODIES[url]], ids=str)
def test_requests_that_differ_in_their_texts_are_taken(url: str, body: dict[str, Any]) -> None:
    """If the shapes became narrower, only the time would show it. The texts that are not free are the same here."""
    same = ("stop", "size", "images", "conversation")
    fixed = json.loads(json.dumps(body).replace("TEXT", "same"))
    body = {**body, **{key: fixed[key] for key in same if key in body}}
    texts = ["Why?", "No.", 'A "line"\n', "é \U0001f600", "\\", "long " * 12, "b"]
    if url == "/v1/videos":
        body = {**body, "input_reference": "same"}
    checks = learned(OPENAI, url, request(url, body, "a", "first"))
    lines = [request(url, body, f"id-{number}", text) for number, text in enumerate(texts)]
    ids, others, unknown, _ = checks.check(whole(lines))
    assert (ids, others, unknown) == ([f"id-{number}" for number in range(len(texts))], [], [])


@compiled
def test_an_empty_text_in_the_place_of_the_only_one_is_left_to_python() -> None:
    """A message of the assistant may have a refusal instead of a content, and then the refusal is not empty."""
    url, body = "/v1/chat/completions", {"messages": [{"role": "assistant", "refusal": "TEXT"}]}
    checks = learned(OPENAI, url, request(url, body, "a", "I can't."))
    lines = [request(url, body, str(number), text) for number, text in enumerate(["No.", "Never.", "", "No."])]
    assert checks.check(whole(lines)) == (["0", "1", "3"], [2], [], 0)


@compiled
def test_texts_to_embed_are_counted() -> None:
    """A list of tokens is one text, and other requests have none."""
    url = "/v1/embeddings"
    lines = [request(url, {"input": value}, str(value)[:20], "") for value in ("a", ["a", "b"], [1, 2, 3], [[1], [2], [3]])]
    checks = learned(VLLM, url, lines[0])
    assert checks.check(whole(lines)) == (["a", "['a', 'b']", "[1, 2, 3]", "[[1], [2], [3]]"], [], [], 1 + 2 + 1 + 3)
    chat = request("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}] * 5}, "a", "")
    description = RequestRules(VLLM).description("/v1/chat/completions")
    assert description is not None
    checks.learn(chat, "/v1/chat/completions", description)
    assert checks.check(whole([chat, chat])) == (["a", "a"], [], [], 0)


@compiled
def test_a_long_line_is_found_where_all_lines_of_a_block_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of the service on a line was only checked in blocks that had a line for Python."""
    monkeypatch.setattr(validate_file, "BLOCK_SIZE", 4096)
    body = {"messages": [{"role": "user", "content": "TEXT"}]}
    texts = ["a" * 50] * 60 + ["b" * 900]
    lines = [request("/v1/chat/completions", body, f"id-{number}", text) for number, text in enumerate(texts)]
    report = batchfiles.validate(io.BytesIO(whole(lines)), limits=Limits(name="short", max_line_bytes=900))
    assert [(finding.code, finding.line_number) for finding in report.findings] == [("line_too_long", 61)]


@compiled
def test_files_with_few_plain_lines_are_left_to_python() -> None:
    """Compiled code would read each line in vain."""
    url = "/v1/chat/completions"
    lines = [
        request(url, {"messages": [{"role": "user", "content": "a"}], "temperature": number / 5000}, str(number), "")
        for number in range(5000)
    ]
    calls = []
    real = validate_file.native_checks

    class Counted:
        def __init__(self, custom_id: str) -> None:
            self._checks = real(custom_id)
            assert self._checks is not None
            self.learn = self._checks.learn

        def check(self, text: bytes) -> tuple[list[str], list[int], list[int], int]:
            assert self._checks is not None
            calls.append(text.count(b"\n"))
            return self._checks.check(text)

    with mock.patch.object(validate_file, "BLOCK_SIZE", 4096), mock.patch.object(validate_file, "native_checks", Counted):
        assert batchfiles.validate(io.BytesIO(b"\n".join(lines) + b"\n")).ok
    assert 0 < sum(calls) < 1000


class NothingFits(Exception):
    """A shape has no value."""


def sample(shape: Shape, random: Random) -> Any:
    """Return a value of a shape.

    Raises:
        NothingFits: It has none, or none in the place that was chosen.
    """
    if not shape:
        raise NothingFits
    kind = random.choice(list(shape))
    if kind == "any":
        return random.choice([None, True, 5, "a", [1], {"a": 1}])
    if kind in ("null", "boolean"):
        return None if kind == "null" else random.random() < 0.5
    if kind in ("integer", "number"):
        low, high = shape[kind]
        low, high = -9 if low is None else low, 9 if high is None else high
        return random.choice([low, max(low, high), random.randint(low, max(low, high))])
    if kind == "text":
        words, least, most = (shape[kind].get(key) for key in ("words", "least", "most"))
        return random.choice(words) if words else "é" * random.choice([least or 0, min(most or 9, 600)])
    if kind == "lists":
        chosen = random.choice(shape[kind])
        most = 4 if chosen["most"] is None else min(chosen["most"], 4)
        return [sample(chosen["item"], random) for _ in range(max(chosen["least"], random.randint(0, most)))]
    if kind == "tags":
        _, kinds = random.choice(shape[kind])
        return members(random.choice(kinds)[1], random)
    return members(shape[kind], random)


def members(shape: dict[str, Any], random: Random) -> dict[str, Any]:
    """Return an object of a shape."""
    keys = [(key, value) for key, value, is_needed in shape.get("keys", ()) if is_needed or random.random() < 0.5]
    found = {key: sample(value, random) for key, value in keys}
    some_of = shape.get("some_of", ())
    if some_of and not any(found.get(key) for key in some_of):
        found[some_of[0]] = "a"
    if shape.get("others"):
        length = min(shape.get("longest_key") or 9, 64)
        found |= {
            f"k{random.randrange(9)}".ljust(length, "e"): sample(shape["others"], random) for _ in range(random.randint(0, 2))
        }
    return found


ALL_TABLES = [*TABLES.values(), *VLLM_TABLES.values()]
CHECKS = dict.fromkeys(check for table in ALL_TABLES for check in [*table.parameters.values(), table.content])
"""In the order of the tables: sets of functions have another order in each process, and pytest-xdist refuses to run the tests."""


@pytest.mark.parametrize("check", [check for check in CHECKS if check in SHAPES])
def test_a_check_finds_nothing_in_values_of_its_shape(check: Check) -> None:
    """Compiled code takes them without asking."""
    random, count = Random(5), 0
    for _ in range(300):
        try:
            value = sample(shape_of(check), random)
        except NothingFits:
            continue
        count += 1
        assert list(check(value, "body.x")) == [], value
    # The names of functions are a pattern, which no shape has.
    assert count > 20 or shape_of(check) == shape_of(PARAMETERS["functions"])


def test_each_service_describes_its_requests() -> None:
    """With the parameters that differ from request to request."""
    for limits in KNOWN:
        for url in BODIES:
            description = json.loads(RequestRules(limits).description(url) or "null")
            assert description["contents"]
    chat = json.loads(RequestRules(OPENAI).description("/v1/chat/completions") or "null")
    free = {key for key, _ in chat["free"]}
    assert {"metadata", "user", "seed", "safety_identifier", "prompt_cache_key", "max_completion_tokens"} <= free
    assert {"model", "temperature", "tools", "stream", "reasoning_effort"} <= set(chat["compared"])
    own = json.loads(RequestRules(Limits(name="own", same_in_every_body=frozenset({"a"}))).description(None) or "null")
    assert own["compared"] == ["model", "a"]
    assert json.loads(RequestRules(NONE).description(None) or "null")["others"] == {"any": True}
