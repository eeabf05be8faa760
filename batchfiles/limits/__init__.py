"""Every number and rule that somebody set, each with its source, the date when it was read, and how sure it is.

A profile says what one service refuses, and `None`, `False` or an empty set say that it has no such rule. To add one, write
another `Limits` and put it among those `KNOWN`; a field that differs from `NONE` must have its sentence in `sources` (tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from batchfiles.findings import instead_of
from batchfiles.limits.compatible import DASHSCOPE, FIREWORKS, GROQ, MISTRAL, NEBIUS, PARASAIL, TOGETHER, VLLM
from batchfiles.limits.openai import AZURE, OPENAI
from batchfiles.limits.profile import LINE_CAP, NONE, RESULT_LINE_CAP, Limits

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
        ValueError: There is none of this name; the message names the nearest one, or lists those that are.
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
