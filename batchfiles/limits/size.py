"""Sizes as people write them: 200000000, 200MB, 200 MiB."""

from __future__ import annotations

import re

__all__ = ["bytes_of"]

WORDS = re.compile(r"\s*(?P<number>\d[\d_,]*(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)\s*", re.ASCII)

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
"""MB is a million bytes and MiB 2 to the power of 20, in any case; services mean one and write the other, so we take both."""


def bytes_of(text: str) -> int:
    """Return a size in bytes.

    Raises:
        ValueError: It is no size, or not a whole number of bytes above 0.
    """
    match = WORDS.fullmatch(text)
    unit = UNITS.get(match["unit"].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is no size: write bytes, or a unit as in 200MB or 200MiB")
    whole, _, fraction = re.sub("[_,]", "", match["number"]).partition(".")
    scale: int = 10 ** len(fraction)
    size, rest = divmod(int(whole + fraction) * unit, scale)
    if rest or size == 0:
        raise ValueError(f"{text!r} is not a whole number of bytes above 0")
    return size
