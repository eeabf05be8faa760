"""Every number and rule that somebody set, each with its source, the date when it was read, and how sure it is.

A profile says what one service refuses, and `None`, `False` or an empty set say that it has no such rule. To add one, write
another `Limits` and put it into `PROFILES`; a field that differs from `NONE` must have its sentence in `sources` (tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batchfiles.findings import Severity

__all__ = ["AZURE", "LINE_CAP", "NONE", "OPENAI", "PROFILES", "VLLM", "Limits", "profile"]

LINE_CAP = 64 * 1024 * 1024
"""Bytes; ours. No service documents a longest line but DashScope (6 MB, Model Studio batch docs, read 2026-08); an input file may
have 200 MB and an ordinary line has kilobytes. Decoded JSON takes up to 30 times its length in memory."""


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
        one_model: Whether all requests of a file must name the same model.
        one_url: Whether all requests of a file must name the same url.
        stream_refused: Whether `"stream": true` in a body is an error.
        known_urls: The endpoints that are documented. Another one is worth a warning only: OpenAI's list grew from 1 to 8.
        known_url_endings: Ends of urls that are taken whatever stands before them.
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
    one_model: bool = False
    one_url: bool = False
    stream_refused: bool = False
    known_urls: frozenset[str] = frozenset()
    known_url_endings: tuple[str, ...] = ()
    blank_lines: Severity = "warning"
    byte_order_mark: Severity = "warning"
    service_codes: Mapping[str, str] = field(default_factory=dict, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False, repr=False)

    def knows_url(self, url: str) -> bool:
        """Tell whether the service documents this endpoint; with no list of endpoints, every url is known."""
        if not self.known_urls and not self.known_url_endings:
            return True
        return url in self.known_urls or url.endswith(self.known_url_endings)


GUIDE = "OpenAI Batch guide, developers.openai.com/api/docs/guides/batch, copy of 2026-06: documented"
SPEC = "OpenAI's OpenAPI document, openai/openai-openapi at f85dbe2, 2026-08-21: documented"
RECORDED = "recorded from the service in llama-stack's tests/integration/batches/test_batches_errors.py, 2025-08: seen"
AZURE_GUIDE = "Azure OpenAI batch how-to, MicrosoftDocs/azure-ai-docs how-to/batch.md, copy of 2025: documented"
RUN_BATCH = "vllm/entrypoints/openai/run_batch.py of vllm-project/vllm at 0056ae7, read 2026-11: its source"

ENDPOINTS = frozenset(
    {
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/images/edits",
        "/v1/images/generations",
        "/v1/moderations",
        "/v1/responses",
        "/v1/videos",
    }
)

OPENAI = Limits(
    name="openai",
    max_requests=50_000,
    max_bytes=200 * 1024 * 1024,
    warn_bytes=200_000_000,
    max_embedding_inputs=50_000,
    max_embedding_items_per_request=2048,
    method_required=True,
    url_required=True,
    one_model=True,
    one_url=True,
    stream_refused=True,
    known_urls=ENDPOINTS,
    byte_order_mark="error",
    sources={
        "max_requests": GUIDE,
        "max_bytes": "the refusal names 209,715,200 bytes (200 MiB), bespokelabsai/curator#610, read 2026-11: seen by others",
        "warn_bytes": f"'200 MB' in {GUIDE}; the refusal comes at 200 MiB",
        "max_embedding_inputs": SPEC,
        "max_embedding_items_per_request": SPEC,
        "method_required": RECORDED,
        "url_required": RECORDED,
        "one_model": GUIDE,
        "one_url": RECORDED,
        "stream_refused": RECORDED,
        "known_urls": SPEC,
        "byte_order_mark": "reported as a line that is no JSON, read 2026-11: claimed without data; Azure documents the same",
    },
)

AZURE = Limits(
    name="azure",
    max_requests=100_000,
    max_bytes=200 * 1024 * 1024,
    warn_bytes=200_000_000,
    max_embedding_items_per_request=2048,
    method_required=True,
    url_required=True,
    one_model=True,
    one_url=True,
    stream_refused=True,
    known_urls=ENDPOINTS | {url.removeprefix("/v1") for url in ENDPOINTS},
    byte_order_mark="error",
    service_codes={
        "invalid_url": "url_mismatch",
        "mismatched_model": "model_mismatch",
        "too_many_requests": "too_many_tasks",
    },
    sources={
        "max_requests": AZURE_GUIDE,
        "max_bytes": f"'200 MB' in {AZURE_GUIDE}; MB or MiB is unverified (1 GB with own Blob storage)",
        "warn_bytes": AZURE_GUIDE,
        "max_embedding_items_per_request": "Azure OpenAI quotas and limits, learn.microsoft.com, read 2026-11: documented",
        "method_required": "the same as OpenAI: unverified",
        "url_required": AZURE_GUIDE,
        "one_model": AZURE_GUIDE,
        "one_url": f"error code url_mismatch in {AZURE_GUIDE}",
        "stream_refused": "the same as OpenAI: unverified",
        "known_urls": f"without /v1 on the dated API, with it on /openai/v1, {AZURE_GUIDE}; which of the 8 it runs is unverified",
        "byte_order_mark": AZURE_GUIDE,
        "service_codes": AZURE_GUIDE,
    },
)

VLLM = Limits(
    name="vllm",
    method_required=True,
    url_required=True,
    stream_refused=True,
    known_urls=frozenset({"/v1/chat/completions", "/v1/embeddings"}),
    known_url_endings=("/score", "/rerank"),
    byte_order_mark="error",
    sources={
        "method_required": RUN_BATCH,
        "url_required": RUN_BATCH,
        "stream_refused": RUN_BATCH,
        "known_urls": f"{RUN_BATCH}; urls may be mixed in one file",
        "known_url_endings": RUN_BATCH,
        "byte_order_mark": f"opens the file as utf-8, which keeps the mark before the JSON, {RUN_BATCH}",
    },
)

NONE = Limits(name="none")
"""No service in mind: only what every reader of batch files needs."""

PROFILES: Mapping[str, Limits] = {limits.name: limits for limits in (OPENAI, AZURE, VLLM, NONE)}


def profile(name: str) -> Limits:
    """Return the profile of a service by its name, in any case.

    Raises:
        ValueError: There is none of this name; the message lists those that are.
    """
    try:
        return PROFILES[name.lower()]
    except KeyError:
        raise ValueError(f"no limits are known by the name {name!r}: choose one of {', '.join(PROFILES)}") from None
