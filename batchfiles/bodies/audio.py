"""The body of `/v1/audio/transcriptions` and `/v1/audio/translations`: a transcript as json, verbose_json or diarized_json.

The Batch API of OpenAI does not accept such requests; vLLM's `run-batch` and compatible services do.
"""

from __future__ import annotations

from typing import Final

from batchfiles.bodies import fault, usage
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.tally import Tally

__all__ = ["TRANSCRIPTIONS", "endpoint", "is_transcript", "read_audio"]

TRANSCRIPTIONS: Final = "/v1/audio/transcriptions"
TRANSLATIONS: Final = "/v1/audio/translations"

HOUSEKEEPING: Final = frozenset({"object", "task", "x_groq", "error"})
AUDIO_KEYS: Final = HOUSEKEEPING | {"id", "created", "model", "text", "usage"}

OF_TRANSCRIPTS: Final = frozenset({"usage", "segments", "words", "duration", "language", "languages", "task", "logprobs"})
"""A transcript has one of these keys, or only `BODY_KEYS`; Cohere's old chat has a `text` too."""

SECONDS: Final = ("seconds", "prompt_audio_seconds")
"""The usage keys of models that are billed by duration (OpenAI, vLLM; Mistral): no column has them, so the body is kept."""


def is_transcript(body: Body) -> bool:
    """Return whether a body is a transcript, by its keys: it has no `object`."""
    if type(body.get("text")) is not str and not _said_in_segments(body):
        return False
    return not OF_TRANSCRIPTS.isdisjoint(body) or AUDIO_KEYS.issuperset(body)


def endpoint(body: Body) -> str:
    """Return the endpoint that a transcript comes from, if its `task` states it."""
    return TRANSLATIONS if body.get("task") == "translate" else TRANSCRIPTIONS


def read_audio(body: Body) -> Answer:
    """Read a transcript. Times, speakers and words are in no column.

    Returns:
        The answer; `carried` only if there is only the text, and tokens were counted.
    """
    tally = Tally()
    tally.more(body, AUDIO_KEYS)
    outcome = "succeeded"
    if fault.said(body.get("error")):
        outcome = "failed"
        tally.carried = False
    text = tally.text(body.get("text"))
    if text is None:
        text = _said_in_segments(body)
    if not text and outcome == "succeeded":
        tally.note("empty_text")
    counted = body.get("usage")
    if type(counted) is dict and any(counted.get(key) is not None for key in SECONDS):
        tally.carried = False
    carried, misfits = tally.carried, tally.misfits
    inputs, outputs, total, *_ = usage.read_usage(counted, tally)  # the other counts are of chats
    if tally.misfits == misfits:
        tally.carried = carried  # all tokens of a transcript are audio tokens, so nothing is lost
    return Answer(
        outcome=outcome,
        model=tally.text(body.get("model")),
        text=text,
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        created_at=tally.moment(body.get("created")),
        response_id=tally.text(body.get("id")),
        carried=tally.carried,
        misfits=tally.misfits,
        noted=tally.noted,
    )


def _said_in_segments(body: Body) -> str | None:
    """Join the texts of the segments, for a body without a text."""
    segments = body.get("segments")
    if type(segments) is not list:
        return None
    texts = [segment["text"].strip() for segment in segments if type(segment) is dict and type(segment.get("text")) is str]
    return " ".join(texts) if texts else None
