"""What chat and legacy completions share: a list of choices, each with a reason why it ended, and maybe an error."""

from __future__ import annotations

from typing import Final, NamedTuple

from batchfiles.bodies import fault, finish_reasons
from batchfiles.bodies.answer import Body
from batchfiles.bodies.fault import Fault
from batchfiles.bodies.tally import Tally

__all__ = [
    "EMPTY",
    "ORDINARY",
    "SHARED_CHOICE_KEYS",
    "End",
    "all_texts",
    "choice_end",
    "no_answer",
    "with_error",
    "without_answer",
    "worst",
]

SHARED_CHOICE_KEYS: Final = frozenset({"index", "finish_reason", "native_finish_reason", "error", "seed"})
"""`seed` is Together's echo of the request. `logprobs` is missing on purpose: a value there is in no column."""

OUTCOMES: Final = ("succeeded", "incomplete", "no_response", "failed")
"""From good to bad."""

EMPTY: Final = "empty_answer"
"""The error code of a body that should hold an answer and holds none."""


class End(NamedTuple):
    """How one choice ended.

    Attributes:
        finish_reason: In the one vocabulary, or the provider's own word.
        outcome: `"succeeded"`, `"incomplete"` or `"failed"`.
        fault: What went wrong with a failed one.
    """

    finish_reason: str | None
    outcome: str
    fault: Fault | None


ORDINARY: Final = {
    word: End(word, finish_reasons.WORDS[word].outcome, None)
    for word in ("stop", "length", "tool_calls", "content_filter", "function_call")
}
"""The words of OpenAI, for choices that hold nothing else that could matter: looking them up here saves three calls a line."""


def choice_end(choice: Body, tally: Tally) -> End:
    """Read how a choice ended: its `finish_reason`, and the `error` that OpenRouter writes next to it.

    OpenRouter also repeats the provider's own word, which counts where its own is null.
    """
    reason, native = choice.get("finish_reason"), choice.get("native_finish_reason")
    if reason is None and type(native) is str:
        reason = native
    elif type(native) is str and finish_reasons.meaning_of(native) != finish_reasons.meaning_of(str(reason)):
        tally.carried = False
    return with_error(choice.get("error"), reason, tally)


def with_error(error: object, reason: object, tally: Tally) -> End:
    """Read a finish reason and the error next to it; with an error, the choice is a failure."""
    word, outcome = finish_reasons.read(reason, tally)
    found = fault.read(error)
    if found is None and outcome != "failed":
        return End(word, outcome, None)
    tally.carried = False
    if found is not None:
        tally.misfits += found.misfits
    return End(word, "failed", fault.merge(found, Fault(code=word) if outcome == "failed" else None))


def without_answer(end: End, key: str) -> End:
    """Return how a choice ended in which a key holds no answer: one that was cut or failed has said so itself."""
    return End(end.finish_reason, "no_response", no_answer(key)) if end.outcome == "succeeded" else end


def worst(ends: list[End]) -> tuple[str, Fault | None]:
    """Return the outcome of an answer with several choices, and its error.

    One that failed makes a failure, one that was cut an incomplete answer. A choice without an answer counts only where no other
    has one.
    """
    kept = [end for end in ends if end.outcome != "no_response"] or ends
    if not kept:
        return "no_response", no_answer("choices")
    found = max(kept, key=lambda end: OUTCOMES.index(end.outcome))
    return found.outcome, found.fault


def no_answer(key: str) -> Fault:
    """Return the error of a body in which a key should hold an answer and holds none."""
    return Fault(EMPTY, message=f"the body holds no answer: `{key}` is empty or missing")


def all_texts(found: list[str | None], tally: Tally) -> list[str] | None:
    """Return the texts of all choices where there is more than one choice; no choice, or a second one, keeps the body."""
    if len(found) == 1:
        return None
    tally.carried = False
    listed = [text for text in found if text is not None]
    return listed if len(listed) > 1 else None
