"""The rules on one request, and on how it must agree with the other requests of its file.

Codes and sentences are from where those of `key_rules` are; so are `empty_array` and `array_above_max_length`, which OpenAI's API
uses elsewhere for the same fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchfiles.codec import NOT_STRICT, Repaired, same, write
from batchfiles.findings import instead_of
from batchfiles.limits import Limits
from batchfiles.rules.bodies import BodyRules, unknown_key
from batchfiles.rules.endpoints import Content, content_of, count_embedding_inputs, has_default_model
from batchfiles.rules.keys import LINE_KEYS, KeyRules, Violation, cut, wrong_type
from batchfiles.rules.strict_schemas import faults_of_schema, strict_schemas

__all__ = ["RequestRules"]

MOST_KNOWN = 64
LONGEST_KNOWN = 256 * 1024
"""How many bodies without their content are remembered, and the longest text of one: together 16 MB at the worst."""

USUAL = 8
"""Times that another rest than the expected one must come before it is expected in its place."""

KNOWN_KEYS = frozenset(LINE_KEYS)
KEYS = len(KNOWN_KEYS)

CONTENT_KEYS = ("messages", "input", "prompt")
"""What differs from line to line at endpoints that are not known."""

ANY_KIND = frozenset({str, list, dict, int, float, bool})

NO_KEY = ""
"""The content key of an endpoint that is not known, before its first body."""

NOT_SEEN = object()
"""Equal to no value of a line: it sends the first request of a file through the closer look."""


class RequestRules:
    """The rules of one service for the requests of one file.

    Most requests are like the one before them in all but the id and the content (the messages, the input). So `passes` compares
    the rest of a body with those in which no rule found anything, and runs only the rules on the content. `violations` runs all
    rules on the other requests. A request that `passes` would have no fault; one that doesn't may still have none.

    Attributes:
        url: The url of the first request that has one.
        model: The model of the first request that names one.
        embedding_inputs: Texts to embed so far, of the requests that went through `violations`.
    """

    def __init__(self, limits: Limits) -> None:
        self.url: str | None = None
        self.model: str | None = None
        self.embedding_inputs = 0
        self._limits = limits
        self._url_line = 0
        self._model_line = 0
        self._unknown_urls: set[str] = set()
        self._keys = KeyRules(limits)
        self._shortest_id = self._keys.shortest_id
        self._longest_id = self._keys.longest_id
        self._any_length = limits.max_custom_id_length is None and self._shortest_id == 1
        self._first_values: dict[str, tuple[Any, int]] = {}
        self._short_lines = self._short = limits.short_lines
        self._expected_url: object = NOT_SEEN
        self._content: Content | None = None
        self._content_key = NO_KEY
        self._content_path = "body"
        self._content_kinds: frozenset[type] = frozenset()
        self._takes_all_kinds = False  # or the check of the content says which it takes
        self._found_in_rests: dict[bytes, tuple[Violation, ...]] = {}
        self._good_rests: set[bytes] = set()
        self._good_texts: dict[int, bytes] = {}
        self._good_body: dict[str, Any] = {}
        self._good_request: dict[str, Any] = {}
        self._expected_model: object = NOT_SEEN
        self._good_kinds: list[tuple[str, type]] = []
        self._good_nested: list[str] = []
        self._good_nested_text = b""
        self._last_text = b""
        self._streak = 0
        self._use(BodyRules(None, limits))

    def _use(self, rules: BodyRules) -> None:
        self._body_rules = rules
        self._check_content = rules.check_content
        self._good_rests.clear()
        self._good_texts.clear()
        self._found_in_rests.clear()
        self._good_body = {}
        self._good_request = {}

    def passes(self, request: dict[str, Any]) -> bool:
        """Tell quickly whether a request is like the ones before it and right; on False, ask `violations`.

        It takes what `codec.parse` returns, of any type; a line that is not strict JSON is not good.
        """
        # One try and no `get`: this runs once a line, and a key that is missing is as good as a wrong one.
        try:
            custom_id = request["custom_id"]
            body = request["body"]
            key = self._content_key
            content = body[key]
            if not content:
                return False
            good = self._good_request
            good["custom_id"] = custom_id
            self._good_body[key] = content
            if request == good:  # 1 also equals true and 1.0
                for name, kind in self._good_kinds:
                    if type(body[name]) is not kind:
                        return False
                if self._good_nested and write([body[name] for name in self._good_nested]) != self._good_nested_text:
                    return False
            elif (
                request["url"] != self._expected_url
                or request["method"] != "POST"
                or len(request) != KEYS
                or not self._is_good(body)
            ):
                return False
            return (
                type(custom_id) is str
                and (custom_id != "" if self._any_length else self._shortest_id <= len(custom_id) <= self._longest_id)
                and (self._takes_all_kinds or type(content) in self._content_kinds)
                and not self._check_content(content, self._content_path)
            )
        except (KeyError, TypeError):
            return False

    def _is_good(self, body: dict[str, Any]) -> bool:
        """Return whether the rest of a body is one in which no rule found anything; expects a body that occurs often."""
        text = self._rest_text(body) if type(body) is dict else b""
        if text != self._good_texts.get(len(text)) and text not in self._good_rests:  # a long text takes long to be hashed
            return False
        self._streak = self._streak + 1 if text == self._last_text else 0
        self._last_text = text
        if self._streak == USUAL:
            self._expect_rest(body)
        return True

    def _expect_rest(self, body: dict[str, Any]) -> None:
        """Expect the next body to be like this one in all but its content."""
        rest = {key: value for key, value in body.items() if key != self._content_key and _may_equal_others(value)}
        self._good_nested = [key for key, value in rest.items() if isinstance(value, (dict, list))]
        self._good_nested_text = write([rest[key] for key in self._good_nested])
        self._good_kinds = [(key, type(value)) for key, value in rest.items() if isinstance(value, (int, float))]
        self._good_body = dict(body)
        self._good_request = {"custom_id": None, "method": "POST", "url": self._expected_url, "body": self._good_body}

    def plain_requests_embed(self) -> bool:
        """Return whether the requests that `passes` lets through are embeddings, each of one text."""
        return self._content is not None and self._content.counts_inputs and bool(self._content_kinds)

    def violations(self, request: dict[str, Any], line_number: int) -> Iterator[Violation]:
        """Say everything that is wrong with a request, in the order of its keys; and learn what to expect from the next one."""
        if type(request) is Repaired:
            yield Violation(
                "invalid_json_line",
                f"Not strictly JSON: {NOT_STRICT}.",
            )
        yield from self._keys.custom_id_faults(request.get("custom_id"))
        yield from self._keys.method_faults(request.get("method"))
        yield from self._url_faults(request.get("url"), line_number)
        if self._short_lines:
            yield from self._length_faults(request)
        body = request.get("body")
        yield from self._keys.body_faults(body)
        yield from self._unknown_keys(request)
        if isinstance(body, dict):
            model_faults = [*self._model_faults(body, line_number)]
            yield from model_faults
            yield from self._unlike_faults(body, line_number)
            yield from self._body_faults(body, request.get("url"), is_of_model=not model_faults)

    def _unknown_keys(self, request: dict[str, Any]) -> Iterator[Violation]:
        """Report the keys of a line that no service reads; a parameter among them was meant for the body."""
        if (len(request) <= KEYS and request.keys() <= KNOWN_KEYS) or not (self._limits.method_required or self._short):
            return
        yield from (unknown_key(key) for key in request if key not in KNOWN_KEYS)

    def _length_faults(self, request: dict[str, Any]) -> Iterator[Violation]:
        """Say once that a line has more than the service's own lines have."""
        key = next((key for key in ("method", "url") if key in request), None)
        if key is not None:
            self._short_lines = False
            words = f"{self._limits.name} documents lines of 'custom_id' and 'body' only, and here stands '{key}' (said once)."
            yield Violation("unknown_parameter", words, f"$.{key}", "warning")

    def _url_faults(self, url: Any, line_number: int) -> Iterator[Violation]:  # noqa: ANN401 - any JSON value
        violation = next(self._keys.url_faults(url), None)
        if violation is not None:
            yield violation
            return
        if self._expected_url is NOT_SEEN or not self._limits.one_url:
            yield from self._expect_url(url, line_number)
        elif url != self._expected_url:
            first = f"'{cut(url or '')}' here, '{cut(self.url or '')}' on line {self._url_line}"
            yield Violation(
                "invalid_url", f"The URL provided for this request does not match the batch endpoint: {first}.", "$.url"
            )

    def _expect_url(self, url: str | None, line_number: int) -> Iterator[Violation]:
        """Take a url for the endpoint of the requests that follow."""
        self._expected_url = url
        if self.url is None and url is not None:
            self.url, self._url_line = url, line_number
        self._use(BodyRules(url, self._limits))
        self._content = content = self._content_rule(url)
        if content is None:  # the key is learned from the first body
            self._content_key, self._content_kinds = NO_KEY, ANY_KIND
        else:
            self._content_key, self._content_kinds = content.key, content.plain_kinds
        if self._body_rules.content_rules or (content and content.counts_inputs and not self._limits.one_url):
            self._content_kinds = frozenset()  # each is looked at closely; among other endpoints, each is counted by itself
        self._takes_all_kinds = bool(
            content
            and self._content_kinds == content.kinds
            and self._body_rules.content_key
            and self._limits.body_rules != "vllm"
        )
        self._content_path = f"body.{self._content_key}"
        if (
            url is not None
            and not self._limits.knows_url(url)
            and url not in self._unknown_urls
            and len(self._unknown_urls) < 100
        ):
            self._unknown_urls.add(url)
            words = f"'{cut(url)}' is not an endpoint that {self._limits.name} is known to have (reported once)"
            yield Violation("unknown_url", f"{words}{self._near_url(url)}", "$.url", self._limits.unknown_urls)

    def _near_url(self, url: str) -> str:
        """Return the end of the message about an unknown url."""
        if self._limits.unknown_urls == "error":
            return f": the whole run ends there{instead_of(url, sorted(self._limits.known_urls))}"
        return instead_of(url, sorted(self._limits.known_urls))

    def _model_faults(self, body: dict[str, Any], line_number: int) -> Iterator[Violation]:
        model = body.get("model")
        if model is None or model == "":
            if self._limits.one_model:
                if self.url is not None and has_default_model(self.url, body):
                    words = "No model: the request has a default one, but whether a batch accepts that is unverified."
                    yield Violation("invalid_request", words, "$.body.model", "warning")
                else:
                    yield Violation("invalid_request", "Model parameter is required.", "$.body.model")
            else:
                self._expected_model = model
        elif not isinstance(model, str):
            yield wrong_type("body.model", "a string", model)
        elif self.model is None or not self._limits.one_model:
            self._expected_model = model
            if self.model is None:
                self.model, self._model_line = model, line_number
        elif model != self.model:
            yield Violation(
                "mismatched_model",
                f"The model '{cut(model)}' for this request does not match the rest of the batch: "
                f"line {self._model_line} has '{cut(self.model)}'.",
                "$.body.model",
            )

    def _unlike_faults(self, body: dict[str, Any], line_number: int) -> Iterator[Violation]:
        """Look at what must be the same in all requests of a file."""
        for key in sorted(self._limits.same_in_every_body):
            if body.get(key) is None:
                continue
            value, first = self._first_values.setdefault(key, (body[key], line_number))
            if not same(value, body[key]):
                words = f"'body.{key}' must be the same in all requests of a file, and is another on line {first}."
                yield Violation("mismatched_parameter", words, f"$.body.{key}")

    def _body_faults(self, body: dict[str, Any], url: Any, *, is_of_model: bool) -> Iterator[Violation]:  # noqa: ANN401 - any JSON value
        is_expected = url == self._expected_url
        if is_expected and self._content_key == NO_KEY:
            self._learn_content_key(body)
        rules = self._body_rules if is_expected else BodyRules(url, self._limits)
        content = self._content_rule(url)
        if content is not None:
            yield from self._content_faults(body, content)
            if type(body.get(content.key)) in content.kinds:
                yield from rules.content_faults(body)
        if not is_expected:
            yield from self._rest_faults(body, rules)
            return
        text = self._rest_text(body)
        found = self._found_in_rests.get(text) if text else None
        if found is None:
            found = tuple(self._rest_faults(body, rules))
            if 0 < len(text) <= LONGEST_KNOWN:
                if len(self._found_in_rests) >= MOST_KNOWN:
                    self._found_in_rests.clear()
                    self._good_rests.clear()
                    self._good_texts.clear()
                self._found_in_rests[text] = found
        yield from found
        if not found and is_of_model and text in self._found_in_rests and self._limits.same_in_every_body.isdisjoint(body):
            self._good_rests.add(text)
            self._good_texts[len(text)] = text
            self._expect_rest(body)

    def _learn_content_key(self, body: dict[str, Any]) -> None:
        """Take the key whose values differ from the first body of an endpoint that is not known."""
        self._content_key = next((key for key in CONTENT_KEYS if key in body), "model")
        if self._content_key == "model":
            self._check_content = self._check_model

    def _check_model(self, model: Any, path: str) -> list[Violation]:  # noqa: ANN401 - any JSON value
        """Send a model that is not the expected one to the closer look."""
        return [] if type(model) is str and model == self._expected_model else [wrong_type(path, "a string", model)]

    def _rest_text(self, body: dict[str, Any]) -> bytes:
        """Return the JSON text of a body with null for its content; empty if it can't be written."""
        key = self._content_key
        content = body.get(key)
        if content is not None:
            body[key] = None
        try:
            return write(body)
        except TypeError:  # nested deeper than orjson writes
            return b""
        finally:
            if content is not None:
                body[key] = content

    def _rest_faults(self, body: dict[str, Any], rules: BodyRules) -> Iterator[Violation]:
        """Return what is wrong with a body without its content; files repeat the rest, so the findings are cached."""
        if self._limits.stream_refused and body.get("stream") not in (None, False):
            yield Violation("streaming_unsupported", "Streaming is not supported in the Batch API.", "$.body.stream")
        yield from rules.violations(body)
        if self._limits.strict_schemas:
            for holder in strict_schemas(body):
                for message, json_path in faults_of_schema(holder.schema):
                    words = f"Invalid schema for {cut(holder.user)}: {cut(message, 500)}"
                    yield Violation(holder.code, words, cut(f"$.body{holder.json_path}{json_path}", 500))

    def _content_rule(self, url: Any) -> Content | None:  # noqa: ANN401 - any JSON value
        """Return what a body must hold: by its own url, also where that is not the file's; a profile without urls has no rule."""
        return content_of(url) if isinstance(url, str) and self._limits.known_urls else None

    def _content_faults(self, body: dict[str, Any], rule: Content) -> Iterator[Violation]:
        content = body.get(rule.key)
        if content is None:
            if rule.instead.isdisjoint(body):
                yield Violation("invalid_request", f"{rule.key.capitalize()} parameter is required.", f"$.body.{rule.key}")
        elif type(content) not in rule.kinds:
            yield wrong_type(f"body.{rule.key}", rule.kinds_in_words, content)
        elif content == []:
            yield Violation("empty_array", f"Invalid 'body.{rule.key}': empty array.", f"$.body.{rule.key}")
        elif rule.counts_inputs:
            yield from self._count(content)

    def _count(self, content: str | list[Any]) -> Iterator[Violation]:
        count = count_embedding_inputs(content)
        self.embedding_inputs += count
        most = self._limits.max_embedding_items_per_request
        if most is not None and count > most:
            words = f"Invalid 'body.input': array too long. It has {count:,} items, and {most:,} are allowed in one request."
            yield Violation("array_above_max_length", words, "$.body.input")


def _may_equal_others(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Return whether a value equals, in Python, one that is not the same JSON: 1 equals 1.0 and true."""
    if isinstance(value, dict):
        return any(map(_may_equal_others, value.values()))
    if isinstance(value, list):
        return any(map(_may_equal_others, value))
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
