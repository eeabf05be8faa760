"""Services whose lines hold `custom_id` and `body` only; the endpoint, and for some the model, is named when the job is made."""

from __future__ import annotations

from batchfiles.limits.rules import Limits

__all__ = ["FIREWORKS", "MISTRAL", "TOGETHER"]

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
        "its page of known limitations says 100,000 in one batch, and which one holds is unverified",
        "max_bytes": f"'512 MB', {MISTRAL_LIMITS}; MB or MiB is unverified",
        "warn_bytes": MISTRAL_LIMITS,
    },
)
"""It takes a `method` and a `url` too and ignores them (LiteLLM's Mistral client, read 2026-11)."""
