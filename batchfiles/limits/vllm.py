"""vLLM's `run-batch`: a tool that reads files, so nothing is limited but what it can read."""

from __future__ import annotations

from batchfiles.limits.rules import Limits

__all__ = ["VLLM"]

RUN_BATCH = "vllm/entrypoints/openai/run_batch.py of vllm-project/vllm at 0056ae7, read 2026-11: its source"

STOPS = "the checks of its pydantic models end the whole run, seen with vLLM 0.32.0: no request of the file gets an output"

SCORING = ("/v1/rerank", "/v1/score", "/v2/rerank")
"""They are also recognized by their endings, after any prefix."""

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
