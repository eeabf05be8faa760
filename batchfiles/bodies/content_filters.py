"""What Azure's content filter says beside an answer, and whether it says anything at all."""

from __future__ import annotations

from typing import Final

__all__ = ["all_safe"]

VERDICTS: Final = frozenset({"filtered", "detected", "severity", "details"})
"""The words of one category's verdict [docs: Azure content filter annotations]."""

LISTED: Final = frozenset({"prompt_index", "blocked", "source_type", "content_filter_results", "content_filter_offsets"})
"""One entry of `prompt_filter_results` (chat) or `content_filters` (Responses); the offsets only say which text was looked at."""


def all_safe(found: object) -> bool:
    """Return whether the filter looked and found nothing, as it does beside nearly every answer.

    Args:
        found: The value of `content_filter_results`, `prompt_filter_results` or `content_filters`.

    Returns:
        True if every category is unfiltered, undetected and safe, and nothing else stands there.
    """
    if type(found) is list:
        return all(_entry_is_safe(entry) for entry in found)
    return _results_are_safe(found)


def _entry_is_safe(entry: object) -> bool:
    if type(entry) is not dict:
        return False
    # Real bodies have other lists too (`content_filter_raw`), all empty when nothing was found.
    rest = (value for key, value in entry.items() if key not in LISTED)
    return (
        not entry.get("blocked")
        and _results_are_safe(entry.get("content_filter_results", {}))
        and not any(value for value in rest)
    )


def _results_are_safe(results: object) -> bool:
    return type(results) is dict and all(_verdict_is_safe(verdict) for verdict in results.values())


def _verdict_is_safe(verdict: object) -> bool:
    return (
        type(verdict) is dict
        and verdict.get("severity", "safe") == "safe"
        and not verdict.get("filtered")
        and not verdict.get("detected")
        and not verdict.get("details")
        and VERDICTS.issuperset(verdict)
    )
