"""The count of what did not fit while one body is read, and whether the columns will say everything that it says.

What Azure's content filter says beside an answer, and whether it says anything at all.

The token counts of all providers, normalized: each part is included in its total.

Chat says prompt and completion, Responses input and output, and LiteLLM mixes them in one object. Providers have other names for
cached tokens, and some count reasoning or cached tokens outside the total instead of inside it. The numbers themselves show which
of the two it is, so the provider need not be known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

__all__ = [
    "NO_USAGE",
    "FieldReader",
    "TokenCounts",
    "all_safe",
    "exact_counts",
    "fast_counts",
    "modalities",
    "read_usage",
    "says_nothing",
    "settled",
    "whole",
]


VERDICTS: Final = frozenset({"filtered", "detected", "severity", "details"})
"""The words of one category's verdict [docs: Azure content filter annotations]."""

LISTED: Final = frozenset({"prompt_index", "blocked", "source_type", "content_filter_results", "content_filter_offsets"})
"""One entry of `prompt_filter_results` (chat) or `content_filters` (Responses); the offsets only say which text was looked at."""


def all_safe(found: object) -> bool:
    """Return whether the filter looked and found nothing, as it does with nearly every answer.

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


INT64: Final = range(-(2**63), 2**63)
"""What an int64 column holds; orjson hands out integers up to 2**64, the standard library any."""

EXACT: Final = 2**53
"""Up to here a float holds every integer."""

YEAR_1: Final = -62_135_596_800
YEAR_10000: Final = 253_402_300_800
"""Seconds since 1970: what Python's datetime, and so most readers of the table, can hold lies between them."""

AZURE: Final = frozenset({"content_filter_results", "prompt_filter_results", "prompt_annotations", "content_filters"})
"""Where Azure OpenAI says what its content filter found."""

STOP_TOKENS: Final = frozenset({"stop_reason", "matched_stop"})
"""Which stop string or token ended the text (vLLM, SGLang). A number is a token's, mostly the end-of-text one: housekeeping."""


HOLLOW: Final = (list, dict, str)
"""An empty one of these says nothing; a 0 or a false does."""


def whole(value: object) -> int | None:
    """Return an integer of 64 bits, also one that is written as a float, as protobuf's `Struct` does: `429.0` is 429.

    Beyond 2**53 a float may be a different integer after rounding, so it is not read as one.
    """
    if type(value) is int:
        return value if value in INT64 else None
    return int(value) if type(value) is float and -EXACT <= value <= EXACT and value.is_integer() else None


def says_nothing(value: object, *, empty: bool = False) -> bool:
    """Return whether a value is null, or an object whose values are all null, at any depth.

    A table has the same keys in every row: who writes results back from one (polars, DuckDB) leaves an object of nulls where
    there was a null.

    Args:
        value: Any JSON value.
        empty: Whether empty texts, lists and objects, a zero and a false count as null too.
    """
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += value.values()
        elif value is not None and (value or not empty):
            return False
    return True


class FieldReader:
    """What did not fit, for one body. The methods take any JSON value and give what the column can hold, or None.

    Attributes:
        conversion_errors: How many values did not fit; None and an absent value fit every column.
        fully_mapped: Whether the columns say everything so far.
        noted: What is worth counting: see `note`.
    """

    # Defaults of the class and no __init__: one is made for every line of every file, and this is the cheapest way.
    conversion_errors: int = 0
    fully_mapped: bool = True
    noted: tuple[str, ...] = ()

    def reject(self) -> None:
        """Note one value that fits no column."""
        self.conversion_errors += 1
        self.fully_mapped = False

    def note(self, name: str, example: str | None = None) -> None:
        """Note that the answer counts as `name`, one of `counts.COUNTS`; the report names the first examples."""
        self.noted += (name if example is None else f"{name}:{example}",)

    def text(self, value: object) -> str | None:
        """Return a string as it is; anything else is None and, but for null, a conversion error."""
        if type(value) is str:
            return value
        if value is not None:
            self.reject()
        return None

    def count(self, value: object) -> int | None:
        """Return an integer that fits int64, `200.0` as 200; other values are None and a conversion error."""
        if type(value) is int and value in INT64:
            return value
        found = whole(value)
        if found is None and value is not None:
            self.reject()
        return found

    def flag(self, value: object) -> bool | None:
        """Return a bool as it is; a 0 or a 1 is no bool."""
        if type(value) is bool:
            return value
        if value is not None:
            self.reject()
        return None

    def number(self, value: object) -> float | None:
        """Return a number as a float; an integer that a float can't hold exactly is None and a conversion error."""
        if type(value) is float:
            return value
        if type(value) is int and -EXACT <= value <= EXACT:
            return float(value)
        if value is not None:
            self.reject()
        return None

    def moment(self, value: object) -> int | None:
        """Return seconds since 1970, whole or not (`/v1/responses` types them as number), as microseconds."""
        if type(value) is int and YEAR_1 <= value < YEAR_10000:
            return value * 1_000_000
        if type(value) is float and YEAR_1 <= value < YEAR_10000:  # NaN is never between
            # The fraction is rounded on its own: the whole seconds would take up most of a float's digits.
            seconds = int(value // 1)
            return min(seconds * 1_000_000 + round((value - seconds) * 1_000_000), YEAR_10000 * 1_000_000 - 1)
        if value is not None:
            self.reject()
        return None

    def items(self, value: object) -> list[Any]:
        """Return a list, a null as an empty one, and a single object as the only item: SGLang writes that.

        An empty object does not count as an item, neither alone nor in a list.
        """
        if type(value) is list:
            return value if all(value) else [item for item in value if item != {}]
        if type(value) is dict:
            return [value] if value else []
        if value is not None:
            self.reject()
        return []

    def mapping(self, value: object) -> dict[str, Any]:
        """Return an object as it is, and an empty one for anything else."""
        if type(value) is dict:
            return value
        if value is not None:
            self.reject()
        return {}

    def mappings(self, value: object) -> list[dict[str, Any]]:
        """Return the objects of a list; an item that is none becomes an empty one."""
        items = self.items(value)
        return [item if type(item) is dict else self.mapping(item) for item in items] if items else items

    def more(self, mapping: Mapping[str, object], known: frozenset[str]) -> None:
        """Note whether a key that is not `known` holds something: None, `[]`, `{}` and `""` are nothing."""
        if known.issuperset(mapping):
            return
        for key, value in mapping.items():
            if key in known or value is None or (not value and type(value) in HOLLOW):
                continue
            if key in AZURE and all_safe(value):
                continue
            if key in STOP_TOKENS and whole(value) is not None:
                continue
            self.fully_mapped = False
            return


TokenCounts: TypeAlias = tuple[int | None, int | None, int | None, int | None, int | None, int | None]
"""`(input, output, total, cached, reasoning, cache_write)`, called as `Answer`'s fields."""

NO_USAGE: Final[TokenCounts] = (None, None, None, None, None, None)

LIMIT: Final = 2**63

PLAIN: Final = frozenset({
    "prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens",
    "prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details",
    "queue_time", "prompt_time", "completion_time", "total_time",  # Groq
    "cost", "cost_details", "is_byok",  # OpenRouter
})  # fmt: skip
"""The keys of a usage whose counts are where OpenAI puts them."""

INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details")
OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details", "completion_token_details")
"""Where the parts are listed: chat, Responses, transcriptions (`input_token_details`), and spellings seen elsewhere."""

CACHED: Final = (
    "cached_tokens",  # OpenAI and most others in the details; Moonshot next to the counts
    "prompt_cache_hit_tokens",  # DeepSeek
    "cache_read_input_tokens",  # Anthropic, and LiteLLM and Databricks for it
    "cache_read_tokens",  # gateways
    "num_cached_tokens",  # Mistral
    "cached_input_tokens",
    "cached_prompt_tokens",
)
CACHE_WRITE: Final = (
    "cache_write_tokens",  # OpenAI from gpt-5.6, OpenRouter
    "cache_creation_input_tokens",  # Anthropic, Qwen in the details
    "cache_creation_tokens",  # LiteLLM, in the details
    "cached_creation_tokens",  # new-api, in the details
    "cache_write_input_tokens",
)
REASONING: Final = (
    "reasoning_tokens",  # in the details; SGLang and Perplexity next to the counts
    "thinking_tokens",
)
"""The names of a part, in the details or next to the counts; the first that is not 0 counts."""

CACHE_BESIDE: Final = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
"""Anthropic's own words. Without a total they come with its arithmetic: `input_tokens` are those that were neither read from
a cache nor written to it."""

MODALITIES: Final = {"audio_tokens": "audio", "image_tokens": "image", "video_tokens": "video"}
"""Parts that are priced otherwise than text, and have no column."""

PLAIN_INPUT: Final = frozenset({"cached_tokens", "cache_write_tokens", "text_tokens", "audio_tokens"})
PLAIN_OUTPUT: Final = frozenset({
    "reasoning_tokens", "text_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens",
})  # fmt: skip
"""The keys of details that need no closer look, as long as `audio_tokens` is 0."""

COUNT: Final = (int, type(None))
"""The types of what is stated as a count, or not stated."""


def read_usage(usage: object, reader: FieldReader) -> TokenCounts:
    """Read the `usage` object of any endpoint.

    Audio, image and video tokens are in no column: they keep the body. Other keys of it (Groq's times, OpenRouter's cost) are
    housekeeping and never looked at.

    Args:
        usage: The value of the `usage` key; any JSON value, or None where there is none.
        reader: Counts what does not fit; notes `token_sum`.

    Returns:
        The counts, None where they are missing. Input includes cached and written tokens, output those of reasoning, wherever the
        numbers show that the provider left them out; the total is the provider's.
    """
    if type(usage) is not dict:
        if usage is not None:
            reader.reject()
        return NO_USAGE
    return fast_counts(usage) or exact_counts(usage, reader)


def fast_counts(usage: Mapping[str, Any]) -> TokenCounts | None:
    """Return the counts of a usage that has them where OpenAI puts them, with sums that agree; None for any other one."""
    inputs = usage.get("prompt_tokens") or usage.get("input_tokens")
    outputs = usage.get("completion_tokens") or usage.get("output_tokens")
    total = usage.get("total_tokens")
    asked = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    given = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    if not (
        type(inputs) is type(outputs) is type(total) is int
        and type(asked) is type(given) is dict
        and PLAIN.issuperset(usage)
        and PLAIN_INPUT.issuperset(asked)
        and PLAIN_OUTPUT.issuperset(given)
        and not asked.get("audio_tokens")
        and not given.get("audio_tokens")
    ):
        return None
    cached, written, reasoned = asked.get("cached_tokens"), asked.get("cache_write_tokens"), given.get("reasoning_tokens")
    read, made, thought = cached or 0, written or 0, reasoned or 0
    if (
        type(cached) in COUNT
        and type(written) in COUNT
        and type(reasoned) in COUNT
        and 0 <= inputs | outputs | total | read | made | thought < LIMIT  # a union of bits is as long as the longest
        and inputs + outputs == total
        and read + made <= inputs
        and thought <= outputs
    ):
        return inputs, outputs, total, cached, reasoned, written
    return None


def exact_counts(usage: Mapping[str, Any], reader: FieldReader) -> TokenCounts:
    """Return the counts of any usage: see `read_usage`."""
    inputs = usage.get("prompt_tokens")
    if not inputs and "input_tokens" in usage:  # in a mixed object the unused dialect stands at 0
        inputs = usage["input_tokens"]
    outputs = usage.get("completion_tokens")
    if not outputs and "output_tokens" in usage:
        outputs = usage["output_tokens"]
    total = usage.get("total_tokens")
    cached, written, reasoned = _parts(usage, reader)
    cache_beside = total is None and "input_tokens" in usage and not CACHE_BESIDE.isdisjoint(usage)
    return settled((inputs, outputs, total, cached, reasoned, written), reader, cache_beside=cache_beside)


def settled(stated: tuple[object, ...], reader: FieldReader, *, cache_beside: bool = False) -> TokenCounts:
    """Bring counts that were read elsewhere to the one arithmetic.

    Args:
        stated: The six counts in the order of `Counts`, as the body has them.
        reader: Counts what does not fit; notes `token_sum`.
        cache_beside: Whether the input is known to exclude cached and written tokens, as in Anthropic's API.

    Returns:
        As `read`.
    """
    inputs, outputs, total, cached, reasoned, written = map(reader.count, stated)
    return _within((inputs, outputs, total, cached, reasoned, written), reader, cache_beside=cache_beside)


def modalities(usage: object) -> dict[str, int]:
    """Count the tokens that are priced otherwise than text: `{"audio_input": 12, "image_output": 1120}`, without zeros."""
    found: dict[str, int] = {}
    if isinstance(usage, dict):
        for side, keys in (("input", INPUT_DETAILS), ("output", OUTPUT_DETAILS)):
            for details in filter(None, map(usage.get, keys)):
                for key, kind in MODALITIES.items() if isinstance(details, dict) else ():
                    tokens = details.get(key)
                    if type(tokens) is int and 0 < tokens < LIMIT:
                        found.setdefault(f"{kind}_{side}", tokens)
    return found


def _parts(usage: Mapping[str, Any], reader: FieldReader) -> list[Any]:
    """Look for cached, written and reasoning tokens wherever providers put them.

    Returns:
        For each the first count that is not 0, 0 if all are 0, None without counts.
    """
    found: list[Any] = [None, None, None]
    for names, keys in ((OF_INPUT, INPUT_DETAILS), (OF_OUTPUT, OUTPUT_DETAILS)):
        for key in keys:
            if details := usage.get(key):
                details = reader.mapping(details)
                _look(details, names, found)
                if any(details.get(kind) for kind in MODALITIES):
                    reader.fully_mapped = False
    _look(usage, OF_BOTH, found)
    return found


OF_INPUT: Final = {name: place for place, names in enumerate((CACHED, CACHE_WRITE)) for name in names}
OF_OUTPUT: Final = dict.fromkeys(REASONING, 2)
OF_BOTH: Final = OF_INPUT | OF_OUTPUT
"""The names of a part, with its place in what `_parts` returns."""


def _look(place: Mapping[str, Any], names: Mapping[str, int], found: list[Any]) -> None:
    for key, value in place.items():
        part = names.get(key)
        if part is not None and value is not None and not found[part]:
            found[part] = value


def _within(found: TokenCounts, reader: FieldReader, *, cache_beside: bool) -> TokenCounts:
    """Bring the parts into their wholes.

    If the total is more than input and output, the difference shows the part that they exclude: xAI's reasoning
    (input + completion + reasoning = total), a gateway's cached tokens. A part that is larger than its whole was counted beside
    it too, for any total: Perplexity's reasoning, LiteLLM's old cache writes.

    Args:
        found: The counts as they are stated.
        reader: Notes `token_sum` where input and output are not the total and no part explains it.
        cache_beside: Whether the input is known to exclude cached and written tokens.
    """
    if found[0] is None or found[1] is None or any(each is not None and each < 0 for each in found):
        return found
    inputs, outputs, cached, reasoned, written = (each or 0 for each in (*found[:2], *found[3:]))
    total = found[2]
    add_in = add_out = 0
    missing = 0 if total is None else total - inputs - outputs
    if missing:
        for add_in, add_out in (
            (0, reasoned), (cached + written, 0), (written, 0), (cached, 0), (cached + written, reasoned),
        ):  # fmt: skip
            if missing == add_in + add_out:
                break
        else:
            reader.note("token_sum")
            return found
    elif cache_beside:
        add_in = cached + written
    if max(cached, written) > inputs + add_in:
        add_in = cached + written
    if reasoned > outputs + add_out:
        add_out = reasoned
    if cached + written > inputs + add_in or inputs + add_in >= LIMIT or outputs + add_out >= LIMIT:
        reader.note("token_sum")
        return found
    return (inputs + add_in if add_in else found[0], outputs + add_out if add_out else found[1], *found[2:])
