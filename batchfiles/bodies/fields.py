"""The reader of a body's fields, which counts conversion errors, and the token counts of all providers.

Token counts are normalized, so that each part is included in its total. Chat has prompt and completion, Responses input and
output, and LiteLLM mixes them in one object. Providers have other names for cached tokens, and some count reasoning or cached
tokens in addition to input and output. The numbers show which of the two it is, so the provider need not be known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

VERDICTS: Final = frozenset({"filtered", "detected", "severity", "details"})
"""The keys of one category's result [docs: Azure content filter annotations]."""

LISTED: Final = frozenset({"prompt_index", "blocked", "source_type", "content_filter_results", "content_filter_offsets"})
"""The keys of an item of `prompt_filter_results` (chat) or `content_filters` (Responses); the offsets are those of the text."""


def all_safe(found: object) -> bool:
    """Return whether Azure's content filter found nothing: every category is unfiltered, undetected and safe.

    Args:
        found: The value of `content_filter_results`, `prompt_filter_results` or `content_filters`.
    """
    return all(map(_entry_is_safe, found)) if type(found) is list else _results_are_safe(found)


def _entry_is_safe(entry: object) -> bool:
    if type(entry) is not dict or entry.get("blocked") or not _results_are_safe(entry.get("content_filter_results", {})):
        return False
    # Real bodies also have other lists (`content_filter_raw`), which are empty if nothing was found.
    return not any(value for key, value in entry.items() if key not in LISTED)


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
"""The values of an int64 column; orjson returns integers up to 2**64."""

EXACT: Final = 2**53
"""A float has every integer up to this number."""

YEAR_1: Final = -62_135_596_800
YEAR_10000: Final = 253_402_300_800
"""The range of Python's datetime, in seconds since 1970."""

AZURE: Final = frozenset({"content_filter_results", "prompt_filter_results", "prompt_annotations", "content_filters"})
"""The keys of Azure's content filter."""

STOP_TOKENS: Final = frozenset({"stop_reason", "matched_stop"})
"""The stop string or token that ended the text (vLLM, SGLang). A number is a token, mostly end-of-text: housekeeping."""

CONTAINERS: Final = (list, dict, str)
"""Types whose empty values have no information, unlike 0 and false."""


def whole(value: object) -> int | None:
    """Return a 64-bit integer; also from a float that is exactly one, such as `429.0` of protobuf's `Struct`; else None."""
    if type(value) is int:
        return value if value in INT64 else None
    return int(value) if type(value) is float and -EXACT <= value <= EXACT and value.is_integer() else None


def is_all_null(value: object, *, empty: bool = False) -> bool:
    """Return whether a value is null, or an object whose values are all null, at any depth.

    polars and DuckDB write such objects for a null in a struct column.

    Args:
        value: Any JSON value.
        empty: Whether empty strings, lists and objects, a zero and a false also count as null.
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
    """Converts the values of one body to those of columns.

    The methods take any JSON value. Values that do not fit, except null, are conversion errors and returned as None or empty.

    Attributes:
        conversion_errors: How many values did not fit.
        fully_mapped: Whether the columns have everything so far.
        noted: The counts of the answer, see `note`.
    """

    # Class attributes instead of __init__ for speed: there is one reader for each line.
    conversion_errors: int = 0
    fully_mapped: bool = True
    noted: tuple[str, ...] = ()

    def reject(self) -> None:
        """Count one value that does not fit."""
        self.conversion_errors += 1
        self.fully_mapped = False

    def note(self, name: str, example: str | None = None) -> None:
        """Count the answer as `name`, one of `findings.COUNTS`; the report has the first examples."""
        self.noted += (name if example is None else f"{name}:{example}",)

    def _none_or_error(self, value: object) -> Any:  # noqa: ANN401 - None for any type
        """Return None, and count a value other than null as a conversion error."""
        if value is not None:
            self.reject()

    def text(self, value: object) -> str | None:
        """Return a string."""
        return value if type(value) is str else self._none_or_error(value)

    def count(self, value: object) -> int | None:
        """Return an integer that fits int64, `200.0` as 200."""
        if type(value) is int and value in INT64:
            return value
        found = whole(value)
        return self._none_or_error(value) if found is None else found

    def flag(self, value: object) -> bool | None:
        """Return a bool; 0 and 1 are conversion errors."""
        return value if type(value) is bool else self._none_or_error(value)

    def number(self, value: object) -> float | None:
        """Return a number as a float; an integer that a float can't represent exactly is a conversion error."""
        if type(value) is float or (type(value) is int and -EXACT <= value <= EXACT):
            return float(value)
        self._none_or_error(value)
        return None

    def moment(self, value: object) -> int | None:
        """Return seconds since 1970, integer or float (`/v1/responses` types them as number), as microseconds."""
        if type(value) is int and YEAR_1 <= value < YEAR_10000:
            return value * 1_000_000
        if type(value) is float and YEAR_1 <= value < YEAR_10000:
            # The fraction is rounded alone: with the seconds, a float does not have enough digits.
            seconds = int(value // 1)
            return min(seconds * 1_000_000 + round((value - seconds) * 1_000_000), YEAR_10000 * 1_000_000 - 1)
        self._none_or_error(value)
        return None

    def items(self, value: object) -> list[Any]:
        """Return a list without empty objects; an object that is not in a list (SGLang) is the only item."""
        if type(value) is list:
            return value if all(value) else [item for item in value if item != {}]
        if type(value) is dict:
            return [value] if value else []
        return self._none_or_error(value) or []

    def mapping(self, value: object) -> dict[str, Any]:
        """Return an object; an empty one for other values."""
        return value if type(value) is dict else self._none_or_error(value) or {}

    def mappings(self, value: object) -> list[dict[str, Any]]:
        """Return the items of a list as objects; other items become empty objects."""
        return [item if type(item) is dict else self.mapping(item) for item in self.items(value)]

    def check_unknown_keys(self, mapping: Mapping[str, object], known: frozenset[str]) -> None:
        """Clear `fully_mapped` if a key that is not `known` has a value other than None, `[]`, `{}` and `""`."""
        if known.issuperset(mapping):
            return
        for key, value in mapping.items():
            if key in known or value is None or (not value and type(value) in CONTAINERS):
                continue
            if key in AZURE and all_safe(value):
                continue
            if key in STOP_TOKENS and whole(value) is not None:
                continue
            self.fully_mapped = False
            return


TokenCounts: TypeAlias = tuple[int | None, int | None, int | None, int | None, int | None, int | None]
"""`(input, output, total, cached, reasoning, cache_write)`, with the meaning of the fields of `Answer`."""

NO_USAGE: Final[TokenCounts] = (None, None, None, None, None, None)

LIMIT: Final = 2**63

INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details")
OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details", "completion_token_details")
"""The objects with the parts: chat, Responses, transcriptions (`input_token_details`), and other spellings."""

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

CACHE_EXCLUDED: Final = frozenset({"cache_read_input_tokens", "cache_creation_input_tokens"})
"""Anthropic's names. Without a total, `input_tokens` do not include tokens that were read from a cache or written to it."""

MODALITIES: Final = {"audio_tokens": "audio", "image_tokens": "image", "video_tokens": "video"}
"""Parts without a column, whose price differs from that of text."""


PLAIN_CHAT: Final = frozenset({
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
    "queue_time", "prompt_time", "completion_time", "total_time",  # Groq
    "cost", "cost_details", "is_byok",  # OpenRouter
})  # fmt: skip
PLAIN_RESPONSES: Final = frozenset({
    "input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details",
})  # fmt: skip
PLAIN_INPUT: Final = frozenset({"cached_tokens", "cache_write_tokens", "text_tokens", "audio_tokens"})
PLAIN_OUTPUT: Final = frozenset({
    "reasoning_tokens", "text_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens",
})  # fmt: skip
"""The keys of a usage and its details in OpenAI's APIs, where `_parts` is not needed as long as `audio_tokens` is 0."""

NO_DETAILS: Final[Mapping[str, Any]] = {}


def read_usage(usage: object, reader: FieldReader) -> TokenCounts:
    """Read the `usage` object of any endpoint.

    Audio, image and video tokens have no column: they keep the body. Other keys (Groq's times, OpenRouter's cost) are
    housekeeping.

    Args:
        usage: The value of the `usage` key: any JSON value, or None.
        reader: Counts conversion errors; notes `token_sum`.

    Returns:
        The counts, None if missing. Input includes cached and written tokens, and output reasoning tokens, if the numbers show
        that the provider excludes them; the total is the provider's.
    """
    if type(usage) is not dict:
        if usage is not None:
            reader.reject()
        return NO_USAGE
    return fast_counts(usage) or exact_counts(usage, reader)


def fast_counts(usage: Mapping[str, Any]) -> TokenCounts | None:
    """Return the counts of a usage with OpenAI's keys and sums that agree; None for others."""
    get: Callable[[str], Any] = usage.get
    if PLAIN_CHAT.issuperset(usage):
        inputs, outputs = get("prompt_tokens"), get("completion_tokens")
        asked, given = get("prompt_tokens_details") or NO_DETAILS, get("completion_tokens_details") or NO_DETAILS
    elif PLAIN_RESPONSES.issuperset(usage):
        inputs, outputs = get("input_tokens"), get("output_tokens")
        asked, given = get("input_tokens_details") or NO_DETAILS, get("output_tokens_details") or NO_DETAILS
    else:
        return None
    if type(asked) is not dict or type(given) is not dict or asked.get("audio_tokens") or given.get("audio_tokens"):
        return None
    total, cached, reasoning, written = get("total_tokens"), asked.get("cached_tokens"), given.get("reasoning_tokens"), None
    if "cache_write_tokens" in asked:
        written = asked["cache_write_tokens"]
    read, made, thought = (
        0 if cached is None else cached,
        0 if written is None else written,
        0 if reasoning is None else reasoning,
    )
    if (
        type(inputs) is type(outputs) is type(total) is type(read) is type(made) is type(thought) is int
        and 0 <= inputs | outputs | total | read | made | thought < LIMIT  # as long as the longest of them
        and inputs + outputs == total
        and read + made <= inputs
        and thought <= outputs
        and PLAIN_INPUT.issuperset(asked)
        and PLAIN_OUTPUT.issuperset(given)
    ):
        return inputs, outputs, total, cached, reasoning, written
    return None


def exact_counts(usage: Mapping[str, Any], reader: FieldReader) -> TokenCounts:
    """Return the counts of any usage, see `read_usage`."""
    get = usage.get
    inputs = get("prompt_tokens") or get("input_tokens", get("prompt_tokens"))  # LiteLLM has 0 for the unused name
    outputs = get("completion_tokens") or get("output_tokens", get("completion_tokens"))
    total = get("total_tokens")
    cached, written, reasoning = _parts(usage, reader)
    cache_excluded = total is None and "input_tokens" in usage and not CACHE_EXCLUDED.isdisjoint(usage)
    return normalized((inputs, outputs, total, cached, reasoning, written), reader, cache_excluded=cache_excluded)


def modalities(usage: object) -> dict[str, int]:
    """Count the tokens whose price differs from that of text: `{"audio_input": 12, "image_output": 1120}`, without zeros."""
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
    """Find cached, written and reasoning tokens: for each the first count that is not 0, 0 if all are 0, None without counts."""
    found: list[Any] = [None, None, None, None]
    for key, names in DETAILS.items():
        if counts := usage.get(key):
            _find_parts(reader.mapping(counts), names, found)
    if not PARTS.keys().isdisjoint(usage):
        _find_parts(usage, PARTS, found)
    if found.pop():
        reader.fully_mapped = False
    return found


def _find_parts(counts: Mapping[str, Any], names: Mapping[str, int], found: list[Any]) -> None:
    for name, value in counts.items():
        if name in names and value is not None and not found[names[name]]:
            found[names[name]] = value


INPUT_PARTS: Final = dict.fromkeys(CACHED, 0) | dict.fromkeys(CACHE_WRITE, 1)
OUTPUT_PARTS: Final = dict.fromkeys(REASONING, 2)
PARTS: Final = INPUT_PARTS | OUTPUT_PARTS
"""The names of the parts, with their index in `_parts`."""

NO_COLUMN: Final = dict.fromkeys(MODALITIES, 3)
DETAILS: Final[dict[str, dict[str, int]]] = {
    **dict.fromkeys(INPUT_DETAILS, INPUT_PARTS | NO_COLUMN),
    **dict.fromkeys(OUTPUT_DETAILS, OUTPUT_PARTS | NO_COLUMN),
}


def normalized(stated: tuple[object, ...], reader: FieldReader, *, cache_excluded: bool = False) -> TokenCounts:
    """Include each part in its total.

    If the total is more than input and output, the difference shows the part that they exclude: xAI's reasoning
    (input + completion + reasoning = total), a gateway's cached tokens. A part that is larger than its whole is also excluded:
    Perplexity's reasoning, LiteLLM's old cache writes.

    Args:
        stated: The counts in the order of `TokenCounts`, as in the body.
        reader: Counts conversion errors; notes `token_sum` if input and output are not the total and no part explains it.
        cache_excluded: Whether the input is known to exclude cached and written tokens, as in Anthropic's API.
    """
    found: TokenCounts = tuple(map(reader.count, stated))  # type: ignore[assignment]  # six values
    if found[0] is None or found[1] is None or any(each is not None and each < 0 for each in found):
        return found
    inputs, outputs, total, cached, reasoning, written = (each or 0 for each in found)
    add_in = add_out = 0
    missing = 0 if found[2] is None else total - inputs - outputs
    if missing:
        for add_in, add_out in (
            (0, reasoning), (cached + written, 0), (written, 0), (cached, 0), (cached + written, reasoning),
        ):  # fmt: skip
            if missing == add_in + add_out:
                break
        else:
            reader.note("token_sum")
            return found
    elif cache_excluded:
        add_in = cached + written
    if max(cached, written) > inputs + add_in:
        add_in = cached + written
    if reasoning > outputs + add_out:
        add_out = reasoning
    if cached + written > inputs + add_in or inputs + add_in >= LIMIT or outputs + add_out >= LIMIT:
        reader.note("token_sum")
        return found
    return (inputs + add_in, outputs + add_out, *found[2:])
