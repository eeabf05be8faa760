"""What can be said of a request before it is sent: its text, the tokens that it may take, and the most that it may get."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from batchfiles.bodies.tally import whole
from batchfiles.jobs.token_counts import estimated_tokens, is_media

__all__ = ["Measure", "measure"]

CONTENT_KEYS: Final = ("messages", "input", "prompt", "instructions")
"""Keys of a body under which the texts stand that people wrote."""

TEXT_KEYS: Final = frozenset({"content", "text", "input", "output", "arguments", "reasoning_content", "refusal"})
"""Keys within them that hold texts; `role`, `type` and ids are none."""

LIMIT_KEYS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class Measure(NamedTuple):
    """What one request asks.

    Attributes:
        input_tokens: An estimate, by the rule of thumb of `jobs/token_counts.py`.
        output_tokens_at_most: The request's own limit, once for each answer that it asks for; None where it names none.
        characters: The length of its texts together, without the JSON around them.
    """

    input_tokens: int
    output_tokens_at_most: int | None
    characters: int


def measure(body: Any) -> Measure:  # noqa: ANN401 - any JSON value
    """Measure the decoded body of a request. It never raises; what is no object has nothing in it."""
    if not isinstance(body, dict):
        return Measure(0, None, 0)
    return Measure(estimated_tokens(body), _limit(body), _characters(body))


def _characters(body: dict[str, Any]) -> int:
    """Count the letters of the texts; images and files are under other keys."""
    count = 0
    waiting: list[Any] = [body.get(key) for key in CONTENT_KEYS]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            count += len(value)
        elif isinstance(value, dict):
            waiting += [value[key] for key in TEXT_KEYS if key in value and not is_media(value, key)]
        elif isinstance(value, list):
            waiting += value
    return count


def _limit(body: dict[str, Any]) -> int | None:
    """Return the most tokens that the answers may have together."""
    found = next((value for key in LIMIT_KEYS if (value := whole(body.get(key))) is not None and value >= 0), None)
    answers = whole(body.get("n"))
    return found * answers if found is not None and answers is not None and answers > 0 else found
