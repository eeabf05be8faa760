"""Every number and rule that somebody set, each with its source, the date when it was read, and how sure it is.

A profile says what one service refuses, and `None`, `False` or an empty set say that it has no such rule. To add one, write
another `Limits` and put it into `PROFILES`; a field that differs from `NONE` must have its sentence in `sources` (tested).
"""

from __future__ import annotations

from collections.abc import Mapping

from batchfiles.limits.openai import AZURE, OPENAI
from batchfiles.limits.rules import LINE_CAP, NONE, Limits
from batchfiles.limits.vllm import VLLM

__all__ = ["AZURE", "LINE_CAP", "NONE", "OPENAI", "PROFILES", "VLLM", "Limits", "profile"]

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
