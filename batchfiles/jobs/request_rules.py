"""The rules on one request, and on how it must agree with the other requests of its file.

Codes and sentences are from where those of `key_rules` are; so are `empty_array` and `array_above_max_length`, which OpenAI's API
uses elsewhere for the same fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchfiles.codec import NOT_STRICT, Repaired, dumps, same
from batchfiles.embedding_inputs import count_embedding_inputs
from batchfiles.endpoint_rules import Content, content_of, has_default_model
from batchfiles.errors import InvalidLine
from batchfiles.jobs.strict_schemas import faults_of_schema, strict_schemas
from batchfiles.key_rules import Fault, KeyRules, cut, wrong_type
from batchfiles.limits import Limits

__all__ = ["RequestRules"]

SCHEMA_HOLDERS = frozenset({"response_format", "text", "tools"})

MOST_KNOWN = 64
LONGEST_KNOWN = 256 * 1024
"""How many schemas are remembered, and the longest text of one: together 16 MB at the worst."""

NOT_SEEN = object()
"""Equal to no value of a line: it sends the first request of a file through the closer look."""


class RequestRules:
    """The rules of one service for the requests of one file.

    Most requests are like the one before them, so `passes` looks only whether all is as expected, and `faults` looks closer at
    the others. A request that `passes` would have no fault; one that doesn't may still have none.

    Attributes:
        url: The url of the first request that has one.
        model: The model of the first request that names one.
        embedding_inputs: Texts to embed so far, of the requests that went through `faults`.
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
        self._strict_schemas = limits.strict_schemas
        self._closer_keys = (SCHEMA_HOLDERS if self._strict_schemas else frozenset()) | (
            frozenset({"stream"}) if limits.stream_refused else frozenset()
        )
        self._closer_keys |= limits.same_in_every_body
        self._first_values: dict[str, tuple[Any, int]] = {}
        self._short_lines = limits.short_lines
        self._expected_url: object = NOT_SEEN
        self._expected_model: object = NOT_SEEN
        self._content: Content | None = None
        self._content_key = "model"
        self._content_kinds: frozenset[type] = frozenset()
        self._known_holders: dict[bytes, tuple[Fault, ...]] = {}

    def passes(self, request: dict[str, Any]) -> bool:
        """Tell quickly whether a request is like the ones before it and right; on False, ask `faults`."""
        # One try and no `get`: this runs once a line, and a key that is missing is as good as a wrong one.
        try:
            custom_id = request["custom_id"]
            body = request["body"]
            content = body[self._content_key]
            if not content:
                return False
            return (
                request["url"] == self._expected_url
                and body["model"] == self._expected_model
                and request["method"] == "POST"
                and type(content) in self._content_kinds
                and type(custom_id) is str
                and self._shortest_id <= len(custom_id) <= self._longest_id
                and (self._closer_keys.isdisjoint(body) or self._was_good(body))
                and type(request) is dict
            )
        except (KeyError, TypeError):
            return False

    def _was_good(self, body: dict[str, Any]) -> bool:
        """Tell whether a body asks for no stream and has the very schemas of an earlier one that had no fault in them."""
        keys = self._limits.same_in_every_body
        return "stream" not in body and keys.isdisjoint(body) and self._known_holders.get(self._holders_text(body)) == ()

    @staticmethod
    def _holders_text(body: dict[str, Any]) -> bytes:
        """Return the JSON text of what may hold schemas; empty if it can't be written."""
        try:
            return dumps([body.get("response_format"), body.get("text"), body.get("tools")])
        except InvalidLine:  # nested deeper than orjson writes
            return b""

    def plain_requests_embed(self) -> bool:
        """Tell whether the requests that `passes` lets through are embeddings, each of one text."""
        return self._content is not None and self._content.counts_inputs and bool(self._content_kinds)

    def faults(self, request: dict[str, Any], line_number: int) -> Iterator[Fault]:
        """Say everything that is wrong with a request, in the order of its keys; and learn what to expect from the next one."""
        if type(request) is Repaired:
            yield Fault(
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
        if isinstance(body, dict):
            yield from self._model_faults(body, line_number)
            yield from self._unlike_faults(body, line_number)
            yield from self._body_faults(body, request.get("url"))

    def _length_faults(self, request: dict[str, Any]) -> Iterator[Fault]:
        """Say once that a line has more than the service's own lines have."""
        key = next((key for key in ("method", "url") if key in request), None)
        if key is not None:
            self._short_lines = False
            words = f"{self._limits.name} documents lines of 'custom_id' and 'body' only, and here stands '{key}' (said once)."
            yield Fault("unknown_parameter", words, f"$.{key}", "warning")

    def _url_faults(self, url: Any, line_number: int) -> Iterator[Fault]:  # noqa: ANN401 - any JSON value
        fault = next(self._keys.url_faults(url), None)
        if fault is not None:
            yield fault
            return
        if self._expected_url is NOT_SEEN or not self._limits.one_url:
            yield from self._expect_url(url, line_number)
        elif url != self._expected_url:
            first = f"'{cut(url or '')}' here, '{cut(self.url or '')}' on line {self._url_line}"
            yield Fault("invalid_url", f"The URL provided for this request does not match the batch endpoint: {first}.", "$.url")

    def _expect_url(self, url: str | None, line_number: int) -> Iterator[Fault]:
        """Take a url for the endpoint of the requests that follow."""
        self._expected_url = url
        if self.url is None and url is not None:
            self.url, self._url_line = url, line_number
        self._content = self._content_rule(url)
        # Where no content is asked for, the model, which is always looked at, stands in for it.
        self._content_key = self._content.key if self._content else "model"
        self._content_kinds = self._content.plain_kinds if self._content else frozenset({str})
        if self._content and self._content.counts_inputs and not self._limits.one_url:
            self._content_kinds = frozenset()  # among other endpoints, each is counted by itself
        if (
            url is not None
            and not self._limits.knows_url(url)
            and url not in self._unknown_urls
            and len(self._unknown_urls) < 100
        ):
            self._unknown_urls.add(url)
            words = f"'{cut(url)}' is not an endpoint that {self._limits.name} is known to have (said once)."
            yield Fault("unknown_url", words, "$.url", "warning")

    def _model_faults(self, body: dict[str, Any], line_number: int) -> Iterator[Fault]:
        model = body.get("model")
        if model is None or model == "":
            if self._limits.one_model:
                has_default = self.url is not None and has_default_model(self.url)
                yield Fault(
                    "invalid_request", "Model parameter is required.", "$.body.model", "warning" if has_default else "error"
                )
            else:
                self._expected_model = model
        elif not isinstance(model, str):
            yield wrong_type("body.model", "a string", model)
        elif self.model is None or not self._limits.one_model:
            self._expected_model = model
            if self.model is None:
                self.model, self._model_line = model, line_number
        elif model != self.model:
            yield Fault(
                "mismatched_model",
                f"The model '{cut(model)}' for this request does not match the rest of the batch: "
                f"line {self._model_line} has '{cut(self.model)}'.",
                "$.body.model",
            )

    def _unlike_faults(self, body: dict[str, Any], line_number: int) -> Iterator[Fault]:
        """Look at what must be the same in all requests of a file."""
        for key in sorted(self._limits.same_in_every_body):
            if body.get(key) is None:
                continue
            value, first = self._first_values.setdefault(key, (body[key], line_number))
            if not same(value, body[key]):
                words = f"'body.{key}' must be the same in all requests of a file, and is another on line {first}."
                yield Fault("mismatched_parameter", words, f"$.body.{key}")

    def _body_faults(self, body: dict[str, Any], url: Any) -> Iterator[Fault]:  # noqa: ANN401 - any JSON value
        if self._limits.stream_refused and body.get("stream") not in (None, False):
            yield Fault("streaming_unsupported", "Streaming is not supported in the Batch API.", "$.body.stream")
        rule = self._content_rule(url)
        if rule is not None:
            yield from self._content_faults(body, rule)
        if self._strict_schemas and not SCHEMA_HOLDERS.isdisjoint(body):
            yield from self._schema_faults(body)

    def _schema_faults(self, body: dict[str, Any]) -> tuple[Fault, ...]:
        """Look at the strict schemas of a body; files repeat them on each line, so what was found is remembered."""
        text = self._holders_text(body)
        if text in self._known_holders:
            return self._known_holders[text]
        faults = tuple(
            Fault(
                holder.code,
                f"Invalid schema for {cut(holder.user)}: {cut(message, 500)}",
                cut(f"$.body{holder.json_path}{json_path}", 500),
            )
            for holder in strict_schemas(body)
            for message, json_path in faults_of_schema(holder.schema)
        )
        if 0 < len(text) <= LONGEST_KNOWN:
            if len(self._known_holders) >= MOST_KNOWN:
                self._known_holders.clear()
            self._known_holders[text] = faults
        return faults

    def _content_rule(self, url: Any) -> Content | None:  # noqa: ANN401 - any JSON value
        """Return what a body must hold: by its own url, also where that is not the file's; a profile without urls has no rule."""
        return content_of(url) if isinstance(url, str) and self._limits.known_urls else None

    def _content_faults(self, body: dict[str, Any], rule: Content) -> Iterator[Fault]:
        content = body.get(rule.key)
        if content is None:
            if rule.instead.isdisjoint(body):
                yield Fault("invalid_request", f"{rule.key.capitalize()} parameter is required.", f"$.body.{rule.key}")
        elif type(content) not in rule.kinds:
            yield wrong_type(f"body.{rule.key}", rule.kinds_in_words, content)
        elif content == []:
            yield Fault("empty_array", f"Invalid 'body.{rule.key}': empty array.", f"$.body.{rule.key}")
        elif rule.counts_inputs:
            yield from self._count(content)

    def _count(self, content: str | list[Any]) -> Iterator[Fault]:
        count = count_embedding_inputs(content)
        self.embedding_inputs += count
        most = self._limits.max_embedding_items_per_request
        if most is not None and count > most:
            words = f"Invalid 'body.input': array too long. It has {count:,} items, and {most:,} are allowed in one request."
            yield Fault("array_above_max_length", words, "$.body.input")
