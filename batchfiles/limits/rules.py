"""The fields of a profile: what a service can refuse in a request file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from batchfiles.findings import Severity

__all__ = ["BODY_RULES", "LINE_CAP", "NONE", "RESULT_LINE_CAP", "BodyRuleSet", "Limits"]

BodyRuleSet: TypeAlias = Literal["none", "openai", "azure", "vllm"]

BODY_RULES: tuple[BodyRuleSet, ...] = ("none", "openai", "azure", "vllm")
"""Whose rules the parameters of a body keep to."""

LINE_CAP = 64 * 1024 * 1024
"""Bytes; ours. No service documents a longest line but DashScope (6 MB, Model Studio batch docs, read 2026-08); an input file may
have 200 MB and an ordinary line has kilobytes. Decoded JSON takes up to 30 times its length in memory."""


RESULT_LINE_CAP = 256 * 1024 * 1024
"""Bytes; ours, for lines that a service wrote. Ten images of 5 MB in base64 have 67 MB, and 2,048 vectors of 3,072 numbers up to
130 MB; a line twice as long is not known. Answers of this size are a few long texts, which decode to little more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one service accepts in a request file.

    Attributes:
        name: What `--limits` calls it.
        max_requests: Requests in one file.
        max_bytes: Bytes of one file, uncompressed; above it is an error.
        warn_bytes: Bytes above which it is a warning: the documented number where a larger one is what really counts.
        max_line_bytes: Bytes of one line without its newline.
        max_embedding_inputs: Texts to embed, summed over all requests of a file.
        max_embedding_items_per_request: Items of the array `input` of one embeddings request.
        min_custom_id_length: Characters that a `custom_id` must have.
        max_custom_id_length: Characters that it may have.
        method_required: Whether a line must have a `method`.
        url_required: Whether a line must have a `url`; the short lines of some services have none.
        short_lines: Whether a line is documented with `custom_id` and `body` only; a `method` or `url` is worth a warning.
        one_model: Whether all requests of a file must name the same model.
        one_url: Whether all requests of a file must name the same url.
        same_in_every_body: Keys of a body whose values, where there are any, must be the same in all requests of a file.
        stream_refused: Whether `"stream": true` in a body is an error.
        strict_schemas: Whether schemas with `"strict": true` must keep to the rules that OpenAI documents for them. Others
            compile schemas with engines of their own, which take more (vLLM) or less.
        known_urls: The endpoints that are documented. Another one is worth a warning only: OpenAI's list grew from 1 to 8.
        known_url_endings: Ends of urls that are taken whatever stands before them.
        unknown_urls: How bad another endpoint is.
        body_rules: Whose rules the parameters of a body keep to: `"openai"`; `"azure"`, which adds parameters and names models
            as it likes; `"vllm"`, which takes any parameter and stops at a value of a wrong type; or `"none"`.
        blank_lines: How bad a blank line is.
        byte_order_mark: How bad a byte order mark is.
        service_codes: The service's own words for our finding codes, where they differ.
        sources: For each field with a rule: where it is from, when that was read, and how sure it is.
    """

    name: str
    max_requests: int | None = None
    max_bytes: int | None = None
    warn_bytes: int | None = None
    max_line_bytes: int | None = None
    max_embedding_inputs: int | None = None
    max_embedding_items_per_request: int | None = None
    min_custom_id_length: int | None = None
    max_custom_id_length: int | None = None
    method_required: bool = False
    url_required: bool = False
    short_lines: bool = False
    one_model: bool = False
    one_url: bool = False
    same_in_every_body: frozenset[str] = frozenset()
    stream_refused: bool = False
    strict_schemas: bool = False
    known_urls: frozenset[str] = frozenset()
    known_url_endings: tuple[str, ...] = ()
    unknown_urls: Severity = "warning"
    body_rules: BodyRuleSet = "none"
    blank_lines: Severity = "warning"
    byte_order_mark: Severity = "warning"
    service_codes: Mapping[str, str] = field(default_factory=dict, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False, repr=False)

    def knows_url(self, url: str) -> bool:
        """Return whether the service documents this endpoint; with no list of endpoints, every url is known."""
        if not self.known_urls and not self.known_url_endings:
            return True
        return url in self.known_urls or url.endswith(self.known_url_endings)


NONE = Limits(name="none")
"""No service in mind: only what every reader of batch files needs."""
