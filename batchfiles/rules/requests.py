"""The rules on one request, and on how it must agree with the other requests of its file.

Codes and sentences are from where those of `keys` are; so are `empty_array` and `array_above_max_length`, which OpenAI's API uses
elsewhere for the same fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from batchfiles.codec import NOT_STRICT, Repaired, same, write
from batchfiles.findings import instead_of
from batchfiles.limits import Limits
from batchfiles.rules.bodies import BodyRules, unknown_key
from batchfiles.rules.keys import (
    LINE_KEYS,
    Content,
    KeyRules,
    Violation,
    content_of,
    count_embedding_inputs,
    cut,
    has_default_model,
    wrong_type,
)
from batchfiles.rules.kinds import ANY, Check, Shape, items, only, shape_of

MOST_KNOWN = 64
LONGEST_KNOWN = 256 * 1024
"""How many requests without id and content are remembered, and the longest text of one: together 16 MB at the worst."""

MOST_URLS = 100
"""Unknown urls that are reported, and urls whose rules are remembered."""

KNOWN_KEYS = frozenset(LINE_KEYS)

CONTENT_KEYS = ("messages", "input", "prompt")
"""What differs from line to line at endpoints that are not known."""

NO_KEY = ""
"""The content key of a body that has none."""

ANY_KIND = frozenset({str, list, dict, int, float, bool})

KINDS: dict[type, str] = {str: "text", list: "list"}
"""The kinds of a content, in the words of `only`."""

NOT_SEEN = object()
"""The url of a file before its first request."""


class _Endpoint(NamedTuple):
    """The rules for the requests to one url.

    Attributes:
        content: What the content must be, where a rule for it is known.
        rules: The rules on the body.
        kinds: The types of a content on which only `rules.check_content` runs.
    """

    content: Content | None
    rules: BodyRules
    kinds: frozenset[type]


class _Rest(NamedTuple):
    """What is known of a request without its id and its content.

    Attributes:
        check: The check of the content.
        path: The path of the content.
        kinds: As in `_Endpoint`.
        endpoint: The rules of its url.
        before: Faults of the other keys of the line, and of what must agree with other lines.
        after: Faults of the other parameters.
    """

    check: Check
    path: str
    kinds: frozenset[type]
    endpoint: _Endpoint
    before: list[Violation]
    after: list[Violation]


class RequestRules:
    """The rules of one service for the requests of one file.

    The requests of a file mostly differ in the id and the content only (the messages, the input). The rules on these two run on
    each request. All other rules see a request in which both are null. What they find is remembered by the JSON text of that
    request, so that they run once for all requests with the same text.

    Attributes:
        url: The url of the first request that has one.
        model: The model of the first request that names one.
        embedding_inputs: Texts to embed so far.
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
        self._has_contents = bool(limits.known_urls) or limits.body_rules != "none"
        self._first_values: dict[str, tuple[Any, int]] = {}
        self._short_lines = self._short = limits.short_lines
        self._expected_url: object = NOT_SEEN
        self._endpoints: dict[str | None, _Endpoint] = {}
        self._content_key = NO_KEY
        self._known: dict[bytes, _Rest] = {}  # by the JSON text of the request, with null for the id and for `_content_key`

    def violations(self, request: dict[str, Any], line_number: int) -> Sequence[Violation]:
        """Return everything that is wrong with a request, in the order of its keys. The request stays as it is."""
        # Flat on purpose: this runs once a line.
        key = self._content_key
        try:
            custom_id, body = request["custom_id"], request["body"]
            content = body[key]
            request["custom_id"] = body[key] = None
            try:
                text = write(request)
            finally:
                request["custom_id"] = custom_id
                body[key] = content
            check, path, kinds, endpoint, before, after = self._known[text]
        except (KeyError, TypeError):  # nothing like it is known, or it is not like any other
            return self._new_faults(request, line_number)
        found = self._keys.custom_id_faults(custom_id)
        within = check(content, path) if type(content) in kinds and content else self._content_faults(body, endpoint)
        if found or before or within or after or type(request) is Repaired:
            return [*_not_strict(request), *found, *before, *within, *after]
        return ()

    def custom_id_shape(self) -> str:
        """Return the lengths of ids without a fault, as JSON."""
        return write(self._keys.custom_id_shape()).decode()

    def description(self, url: str | None) -> str | None:
        """Return what compiled code has to know of the requests to a url, as JSON; None if their content has other rules.

        It finds requests that are the same as one without a finding, except for the id and for values of these shapes. So they
        have no finding either.
        """
        rule, rules, _ = self._endpoint(url)
        if rules.content_rules:
            return None
        compared = {key: dict[str, Any]() for key in self._limits.same_in_every_body}
        shapes, others = rules.parameter_shapes()
        contents = dict.fromkeys(CONTENT_KEYS, ANY) | compared if rule is None else {rule.key: self._content_shape(rule, rules)}
        shapes = shapes | compared
        found = {
            "contents": [(key, contents[key]) for key in contents if contents[key]],
            "counts": rule is not None and rule.counts_inputs,
            "free": [(key, shape) for key, shape in shapes.items() if shape],
            "compared": [key for key, shape in shapes.items() if not shape],
            "others": others,
        }
        return write(found).decode()

    def _content_shape(self, rule: Content, rules: BodyRules) -> Shape:
        """Return the shape of contents that are not empty, of the right kind, and in which the check finds nothing."""
        whole = shape_of(rules.check_content)
        if rule.counts_inputs and whole == ANY:
            whole = {"text": {}, "lists": [items({"text": {}}), items({"number": (None, None)}, is_one=True)]}
        shape = {key: value for kind in rule.kinds for key, value in only(KINDS[kind], whole).items()}
        most = self._limits.max_embedding_items_per_request if rule.counts_inputs else None
        shape["lists"] = [
            {**each, "least": max(1, each["least"]), "most": each["most"] if each["is_one"] or most is None else most}
            for each in shape.get("lists", ())
        ]
        return shape

    def _new_faults(self, request: dict[str, Any], line_number: int) -> Sequence[Violation]:
        """Run all rules on a request, and remember what those find that look at neither the id nor the content."""
        url, body = request.get("url"), request.get("body")
        endpoint = self._endpoint(url)
        rest = {**request, "custom_id": None}
        within: Sequence[Violation] = ()
        key = NO_KEY
        if isinstance(body, dict):
            key = endpoint.content.key if endpoint.content else next((key for key in CONTENT_KEYS if key in body), NO_KEY)
            within = self._content_faults(body, endpoint)
            rest["body"] = {**body, key: None} if key in body else body
        counted_before = len(self._unknown_urls), self._short_lines
        before = [*self._line_faults(rest, line_number)]
        after = endpoint.rules.violations(rest["body"]) if isinstance(body, dict) else []
        if counted_before == (len(self._unknown_urls), self._short_lines):  # else there was a finding that is reported once
            self._remember(rest, key, _Rest(endpoint.rules.check_content, f"body.{key}", endpoint.kinds, endpoint, before, after))
        return [*_not_strict(request), *self._keys.custom_id_faults(request.get("custom_id")), *before, *within, *after]

    def _remember(self, rest: dict[str, Any], key: str, known: _Rest) -> None:
        try:
            text = write(rest)
        except TypeError:  # nested deeper than orjson writes
            return
        if len(self._known) >= MOST_KNOWN or key != self._content_key:
            self._known.clear()
            self._content_key = key
        if len(text) <= LONGEST_KNOWN:
            self._known[text] = known

    def _endpoint(self, url: object) -> _Endpoint:
        """Return the rules for a url. A profile without urls and without rules on bodies has no rule on the content."""
        name = url if isinstance(url, str) else None
        found = self._endpoints.get(name)
        if found is None:
            rules = BodyRules(name, self._limits)
            content = content_of(name) if name is not None and self._has_contents else None
            is_more = content is not None and (content.counts_inputs or bool(rules.content_rules))
            kinds = ANY_KIND if content is None else frozenset() if is_more else content.kinds
            if len(self._endpoints) >= MOST_URLS:
                self._endpoints.clear()
            found = self._endpoints[name] = _Endpoint(content, rules, kinds)
        return found

    def _line_faults(self, request: dict[str, Any], line_number: int) -> Iterator[Violation]:
        """Yield the faults of the keys of a line, and where the request is unlike the others of its file."""
        body = request.get("body")
        yield from self._keys.method_faults(request.get("method"))
        yield from self._url_faults(request.get("url"), line_number)
        yield from self._length_faults(request)
        yield from self._keys.body_faults(body)
        yield from self._unknown_keys(request)
        if isinstance(body, dict):
            yield from self._model_faults(body, line_number)
            yield from self._unlike_faults(body, line_number)

    def _unknown_keys(self, request: dict[str, Any]) -> Iterator[Violation]:
        """Report the keys of a line that no service reads; a parameter among them was meant for the body."""
        if self._limits.method_required or self._short:
            yield from (unknown_key(key) for key in request if key not in KNOWN_KEYS)

    def _length_faults(self, request: dict[str, Any]) -> Iterator[Violation]:
        """Report once that a line has keys that the service's lines do not have."""
        key = next((key for key in ("method", "url") if key in request), None)
        if self._short_lines and key is not None:
            self._short_lines = False
            words = f"{self._limits.name} documents lines of 'custom_id' and 'body' only; this one has '{key}' (reported once)."
            yield Violation("unknown_parameter", words, f"$.{key}", "warning")

    def _url_faults(self, url: Any, line_number: int) -> Iterator[Violation]:  # noqa: ANN401 - any JSON value
        violation = next(self._keys.url_faults(url), None)
        if violation is not None:
            yield violation
        elif self._expected_url is NOT_SEEN or not self._limits.one_url:
            yield from self._expect_url(url, line_number)
        elif url != self._expected_url:
            first = f"'{cut(url or '')}' here, '{cut(self.url or '')}' on line {self._url_line}"
            yield Violation(
                "invalid_url", f"The URL provided for this request does not match the batch endpoint: {first}.", "$.url"
            )

    def _expect_url(self, url: str | None, line_number: int) -> Iterator[Violation]:
        """Take a url for that of the requests that follow."""
        self._expected_url = url
        if url is None:
            return
        if self.url is None:
            self.url, self._url_line = url, line_number
        if not self._limits.knows_url(url) and url not in self._unknown_urls and len(self._unknown_urls) < MOST_URLS:
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
        elif not isinstance(model, str):
            yield wrong_type("body.model", "a string", model)
        elif self.model is None:
            self.model, self._model_line = model, line_number
        elif model != self.model and self._limits.one_model:
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

    def _content_faults(self, body: dict[str, Any], endpoint: _Endpoint) -> Sequence[Violation]:
        """Return what is wrong with the content of a body, and count its texts to embed."""
        rule, rules = endpoint.content, endpoint.rules
        if rule is None:
            return ()
        content: Any = body.get(rule.key)
        if type(content) in rule.kinds:
            found = rules.content_faults(body, content)
            if content == []:
                return [Violation("empty_array", f"Invalid 'body.{rule.key}': empty array.", f"$.body.{rule.key}"), *found]
            return [*self._count(content), *found] if rule.counts_inputs else found
        if content is not None:
            return [wrong_type(f"body.{rule.key}", rule.kinds_in_words, content)]
        if rule.instead.isdisjoint(body):
            return [Violation("invalid_request", f"{rule.key.capitalize()} parameter is required.", f"$.body.{rule.key}")]
        return ()

    def _count(self, content: str | list[Any]) -> Iterator[Violation]:
        count = count_embedding_inputs(content)
        self.embedding_inputs += count
        most = self._limits.max_embedding_items_per_request
        if most is not None and count > most:
            words = f"Invalid 'body.input': array too long. It has {count:,} items, and {most:,} are allowed in one request."
            yield Violation("array_above_max_length", words, "$.body.input")


def _not_strict(request: dict[str, Any]) -> Iterator[Violation]:
    if type(request) is Repaired:
        yield Violation("invalid_json_line", f"Not strictly JSON: {NOT_STRICT}.")
