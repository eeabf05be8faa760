"""Services that take OpenAI's own lines, with `method` and `url`, under numbers of their own."""

from __future__ import annotations

from batchfiles.limits.rules import Limits

__all__ = ["DASHSCOPE", "GROQ", "NEBIUS", "PARASAIL"]

GROQ_GUIDE = "Groq batch guide, console.groq.com/docs/batch, copy of 2025: documented"
PARASAIL_CODE = "providers.py of parasail-ai/openai-batch, read 2026-11: its maker's source"
NEBIUS_GUIDE = "Nebius Token Factory batch guide, read 2026-11: documented"
DASHSCOPE_GUIDE = "Alibaba Cloud Model Studio batch guide, read 2026-08: documented"
SAME_LINES = "its examples have OpenAI's lines; whether a line may do without is unverified"

GROQ = Limits(
    name="groq",
    warn_bytes=100_000_000,
    method_required=True,
    url_required=True,
    sources={
        "warn_bytes": "'100 MB', claimed of files.create in groq/groq-python; unverified, as is every other number of Groq's",
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
"""It takes several models in one file."""

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
"""`/v1/chat/ds-test` costs nothing and tests a file."""
