"""OpenAI, and Azure that runs the same service under its own rules."""

from __future__ import annotations

from dataclasses import replace

from batchfiles.limits.profile import Limits

__all__ = ["AZURE", "ENDPOINTS", "OPENAI"]

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
