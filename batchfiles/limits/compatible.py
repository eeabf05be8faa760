"""Compatible services.

Groq, Parasail, Nebius and DashScope take OpenAI's lines, with `method` and `url`. Together, Fireworks and Mistral take lines with
`custom_id` and `body` only: the endpoint, and sometimes the model, belongs to the job. vLLM's `run-batch` reads local files, so
it limits only what it can't read.
"""

from __future__ import annotations

from batchfiles.limits.profile import Limits

__all__ = ["DASHSCOPE", "FIREWORKS", "GROQ", "MISTRAL", "NEBIUS", "PARASAIL", "TOGETHER", "VLLM"]

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
