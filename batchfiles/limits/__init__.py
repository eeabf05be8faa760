"""The limits of each service, each with its source, the date when it was read, and how reliable it is.

In a profile, `None`, `False` or an empty set mean no such rule. To add a profile, write another `Limits` and add it to `KNOWN`.
A field that differs from `NONE` must have an entry in `sources` (tested).

Azure runs the service of OpenAI under its own rules. Groq, Parasail, Nebius and DashScope take OpenAI's lines, with `method` and
`url`. Together, Fireworks and Mistral take lines with `custom_id` and `body` only: the endpoint, and sometimes the model, belongs
to the job. vLLM's `run-batch` reads local files, so it limits only what it can't read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from batchfiles.findings import instead_of
from batchfiles.limits.profile import LINE_CAP, NONE, RESULT_LINE_CAP, Limits

__all__ = [
    "AZURE",
    "DASHSCOPE",
    "ENDPOINTS",
    "FIREWORKS",
    "GROQ",
    "LINE_CAP",
    "MISTRAL",
    "NEBIUS",
    "NONE",
    "OPENAI",
    "PARASAIL",
    "PROFILES",
    "RESULT_LINE_CAP",
    "TOGETHER",
    "VLLM",
    "Limits",
    "LimitsLike",
    "profile",
]


GUIDE = "OpenAI Batch guide, developers.openai.com/api/docs/guides/batch, copy of 2026-06: documented"
SPEC = "OpenAI's OpenAPI document, openai/openai-openapi at f85dbe2, 2026-08-21: documented"
RECORDED = "recorded from the service in llama-stack's tests/integration/batches/test_batches_errors.py, 2025-08: seen"
AZURE_GUIDE = "Azure OpenAI batch how-to, MicrosoftDocs/azure-ai-docs how-to/batch.md, copy of 2025: documented"

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
    strict_schemas=True,
    known_urls=ENDPOINTS,
    body_rules="openai",
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
        "strict_schemas": "Structured Outputs guide, developers.openai.com/api/docs/guides/structured-outputs: documented",
        "known_urls": SPEC,
        "body_rules": f"{SPEC}, and the types of openai-python 3.57",
        "byte_order_mark": "reported as a line that is not JSON, read 2026-11: claimed without data; Azure documents the same",
    },
)

AZURE = replace(
    OPENAI,
    name="azure",
    max_requests=100_000,
    max_embedding_inputs=None,
    known_urls=ENDPOINTS | {url.removeprefix("/v1") for url in ENDPOINTS},
    body_rules="azure",
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
        "strict_schemas": "the same as OpenAI: unverified",
        "known_urls": f"without /v1 on the dated API, with it on /openai/v1, {AZURE_GUIDE}; which of the 8 it runs is unverified",
        "body_rules": "the same as OpenAI, with the parameters that Azure adds: unverified",
        "byte_order_mark": AZURE_GUIDE,
        "service_codes": AZURE_GUIDE,
    },
)

GROQ_GUIDE = "Groq batch guide, console.groq.com/docs/batch, copy of 2025: documented"
PARASAIL_CODE = "providers.py of parasail-ai/openai-batch, read 2026-11: its maker's source"
NEBIUS_GUIDE = "Nebius Token Factory batch guide, read 2026-11: documented"
DASHSCOPE_GUIDE = "Alibaba Cloud Model Studio batch guide, read 2026-08: documented"
SAME_LINES = "its examples have OpenAI's lines; whether it is optional is unverified"

GROQ = Limits(
    name="groq",
    warn_bytes=100_000_000,
    method_required=True,
    url_required=True,
    sources={
        "warn_bytes": "'100 MB', in files.create of groq/groq-python; unverified, as all other numbers of Groq",
        "method_required": GROQ_GUIDE,
        "url_required": GROQ_GUIDE,
    },
)

PARASAIL = Limits(
    name="parasail",
    max_requests=50_000,
    max_bytes=500 * 1024 * 1024,
    warn_bytes=500_000_000,
    method_required=True,
    url_required=True,
    sources={
        "max_requests": PARASAIL_CODE,
        "max_bytes": f"'500 MB', {PARASAIL_CODE}; MB or MiB is unverified",
        "warn_bytes": PARASAIL_CODE,
        "method_required": SAME_LINES,
        "url_required": SAME_LINES,
    },
)
"""It accepts several models in one file."""

NEBIUS = Limits(
    name="nebius",
    max_requests=5_000_000,
    max_bytes=10 * 1024**3,
    warn_bytes=10_000_000_000,
    method_required=True,
    url_required=True,
    sources={
        "max_requests": NEBIUS_GUIDE,
        "max_bytes": f"'10 GB', {NEBIUS_GUIDE}; GB or GiB is unverified",
        "warn_bytes": NEBIUS_GUIDE,
        "method_required": SAME_LINES,
        "url_required": SAME_LINES,
    },
)

DASHSCOPE = Limits(
    name="dashscope",
    max_requests=50_000,
    max_bytes=500 * 1024 * 1024,
    warn_bytes=500_000_000,
    max_line_bytes=6 * 1024 * 1024,
    method_required=True,
    url_required=True,
    one_model=True,
    same_in_every_body=frozenset({"enable_thinking"}),
    known_urls=frozenset({"/v1/chat/completions", "/v1/embeddings", "/v1/chat/ds-test"}),
    sources={
        "max_requests": DASHSCOPE_GUIDE,
        "max_bytes": f"'500 MB', {DASHSCOPE_GUIDE}; MB or MiB is unverified",
        "warn_bytes": DASHSCOPE_GUIDE,
        "max_line_bytes": f"'6 MB', {DASHSCOPE_GUIDE}; MB or MiB is unverified",
        "method_required": SAME_LINES,
        "url_required": SAME_LINES,
        "one_model": DASHSCOPE_GUIDE,
        "same_in_every_body": f"one thinking mode in a file, {DASHSCOPE_GUIDE}",
        "known_urls": DASHSCOPE_GUIDE,
    },
)
"""`/v1/chat/ds-test` is free, for testing a file."""

TOGETHER_GUIDE = "Together batch guide, docs.together.ai/docs/batch-inference, read 2026-11: documented"
FIREWORKS_GUIDE = "Fireworks batch guide, docs.fireworks.ai/guides/batch-inference, read 2026-11: documented"
MISTRAL_LIMITS = "Mistral's known limitations, docs.mistral.ai/resources/known-limitations, read 2026-11: documented"

TOGETHER = Limits(
    name="together",
    max_requests=50_000,
    max_bytes=100 * 1024 * 1024,
    warn_bytes=100_000_000,
    max_custom_id_length=64,
    short_lines=True,
    sources={
        "max_requests": TOGETHER_GUIDE,
        "max_bytes": f"'100 MB', {TOGETHER_GUIDE}; MB or MiB is unverified",
        "warn_bytes": TOGETHER_GUIDE,
        "max_custom_id_length": TOGETHER_GUIDE,
        "short_lines": f"{TOGETHER_GUIDE}; whether it takes a method and a url too is unverified",
    },
)

FIREWORKS = Limits(
    name="fireworks",
    max_bytes=500 * 1024 * 1024,
    warn_bytes=500_000_000,
    short_lines=True,
    sources={
        "max_bytes": f"'under 500MB', {FIREWORKS_GUIDE}; MB or MiB is unverified",
        "warn_bytes": FIREWORKS_GUIDE,
        "short_lines": f"{FIREWORKS_GUIDE}; whether it takes a method and a url too is unverified",
    },
)

MISTRAL = Limits(
    name="mistral",
    max_requests=1_000_000,
    max_bytes=512 * 1024 * 1024,
    warn_bytes=512_000_000,
    sources={
        "max_requests": "docs.mistral.ai/capabilities/batch, read 2026-11: documented, for all pending requests of a workspace; "
        "its page of known limitations says 100,000 in one batch; which of them applies is unverified",
        "max_bytes": f"'512 MB', {MISTRAL_LIMITS}; MB or MiB is unverified",
        "warn_bytes": MISTRAL_LIMITS,
    },
)
"""It accepts and ignores a `method` and a `url` (LiteLLM's Mistral client, read 2026-11)."""

RUN_BATCH = "vllm/entrypoints/openai/run_batch.py of vllm-project/vllm at 0056ae7, read 2026-11: its source"

STOPS = "the checks of its pydantic models end the whole run, seen with vLLM 0.32.0: no request of the file gets an output"

SCORING = ("/v1/rerank", "/v1/score", "/v2/rerank")
"""Also recognized after any prefix, by their endings."""

VLLM = Limits(
    name="vllm",
    method_required=True,
    url_required=True,
    stream_refused=True,
    known_urls=frozenset(
        {"/v1/audio/transcriptions", "/v1/audio/translations", "/v1/chat/completions", "/v1/embeddings", *SCORING}
    ),
    known_url_endings=("/score", "/rerank"),
    unknown_urls="error",
    body_rules="vllm",
    byte_order_mark="error",
    sources={
        "method_required": RUN_BATCH,
        "url_required": RUN_BATCH,
        "stream_refused": RUN_BATCH,
        "known_urls": f"{RUN_BATCH}; urls may be mixed in one file",
        "known_url_endings": RUN_BATCH,
        "unknown_urls": STOPS,
        "body_rules": STOPS,
        "byte_order_mark": f"opens the file as utf-8, which keeps the mark before the JSON, {RUN_BATCH}",
    },
)


LimitsLike: TypeAlias = (
    Limits
    | Literal["openai", "azure", "together", "mistral", "fireworks", "groq", "parasail", "nebius", "dashscope", "vllm", "none"]
)
"""Limits, or the name of a profile."""

KNOWN = (OPENAI, AZURE, TOGETHER, MISTRAL, FIREWORKS, GROQ, PARASAIL, NEBIUS, DASHSCOPE, VLLM, NONE)

PROFILES: Mapping[str, Limits] = {limits.name: limits for limits in KNOWN}


def profile(limits: LimitsLike) -> Limits:
    """Return limits as they are, or the profile of a service by its name, in any case.

    Raises:
        ValueError: The name is unknown; the message names the nearest or all profiles.
        TypeError: It is neither limits nor a name.
    """
    if isinstance(limits, Limits):
        return limits
    if not isinstance(limits, str):
        raise TypeError(f"limits are the name of a profile, such as 'openai', or Limits, not {limits!r}")
    try:
        return PROFILES[limits.lower()]
    except KeyError:
        raise ValueError(f"unknown limits {limits!r}{instead_of(limits, PROFILES)}") from None
