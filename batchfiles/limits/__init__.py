"""The limits of each service, each with its source, the date when it was read, and how reliable it is.

In a profile, `None`, `False` or an empty set mean no such rule. To add a profile, write another `Limits` and add it to `KNOWN`.
A field that differs from `NONE` must have an entry in `sources` (tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from batchfiles.findings import instead_of
from batchfiles.limits.profile import LINE_CAP, NONE, RESULT_LINE_CAP, Limits
from batchfiles.limits.services import AZURE, DASHSCOPE, FIREWORKS, GROQ, MISTRAL, NEBIUS, OPENAI, PARASAIL, TOGETHER, VLLM

__all__ = [
    "AZURE",
    "DASHSCOPE",
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
