"""Bodies of endpoints without special columns (images, videos), and bodies without an answer: the fields that all bodies have.

The body of `/v1/audio/transcriptions` and `/v1/audio/translations`: a transcript as json, verbose_json or diarized_json.

The Batch API of OpenAI does not accept such requests; vLLM's `run-batch` and compatible services do.

The body of the legacy `/v1/completions`.

The body of `/v1/moderations`: no `object`, no `usage`, and a list of results, one for each input.
"""

from __future__ import annotations

from typing import Final

from batchfiles.bodies import chat_completions, errors, fields
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import FieldReader

__all__ = [
    "TRANSCRIPTIONS",
    "UNRECOGNIZED",
    "endpoint",
    "is_transcript",
    "read",
    "read_audio",
    "read_completion",
    "read_moderation",
]

UNRECOGNIZED: Final = "unrecognized_body"
"""The error code of a body that does not answer the request."""

HOLDERS: Final = ("choices", "output", "data", "results", "candidates")
"""Keys that hold the answer in bodies of every family."""

PROMPTS: Final = frozenset({"messages", "input", "prompt", "contents"})
"""Keys of a request that hold the input of the model."""

NAMED: Final = frozenset({"model", "messages", "contents"})
"""A body without any of these may be the answer of a private service."""

PARAMETERS: Final = PROMPTS | {
    "model", "max_tokens", "max_completion_tokens", "max_output_tokens", "temperature", "top_p", "top_k", "n", "stop", "stream",
    "stream_options", "seed", "user", "tools", "tool_choice", "parallel_tool_calls", "response_format", "logprobs",
    "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "repetition_penalty", "min_p", "reasoning_effort",
    "reasoning", "thinking", "metadata", "store", "service_tier", "modalities", "prediction", "verbosity", "instructions",
    "truncation", "include", "previous_response_id", "encoding_format", "dimensions", "size", "quality", "system",
    "stop_sequences", "generationConfig", "generation_config", "safetySettings", "systemInstruction", "extra_body",
    "chat_template_kwargs",
}  # fmt: skip
"""Keys of requests, of all families. A body that has only these is the request."""


def read(body: Body) -> Answer:
    """Read model, id, time and token counts, where there are any.

    Returns:
        The answer, never `fully_mapped`; `failed` if it is an error object, holds one, or its `status` is a failure (videos);
        `no_response` where the place of the answer is empty, or where it is the request itself.
    """
    reader = FieldReader()
    outcome = errors.outcome_of_status(body.get("status"), reader) if type(body.get("status")) is str else "succeeded"
    wrong = None
    if errors.stated(body) or errors.is_alone(body):
        outcome = "failed"  # `{"object": "error", "message": …}` is how vLLM wrote errors
    elif outcome == "failed":
        wrong = errors.error_info(body["status"])
    elif outcome == "succeeded":
        wrong = _what_is_wrong(body)
        outcome = "no_response" if wrong else outcome
    created_at = body.get("created")
    inputs, outputs, total, cached, reasoned, written = fields.read_usage(body.get("usage"), reader)
    return Answer(
        outcome=outcome,
        model=reader.text(body.get("model")),
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoned,
        created_at=reader.moment(body.get("created_at") if created_at is None else created_at),
        response_id=reader.text(body.get("id")),
        fully_mapped=False,
        conversion_errors=reader.conversion_errors,
        noted=reader.noted,
        fault=wrong,
        cache_write_tokens=written,
    )


def _what_is_wrong(body: Body) -> ErrorInfo | None:
    """Return why a body can't be the answer of any endpoint; None if it may be one."""
    holders = [key for key in HOLDERS if key in body]
    if holders and all(body[key] in EMPTY for key in holders):
        return chat_completions.no_answer(holders[0])
    if holders or not is_request(body):
        return None
    return ErrorInfo(UNRECOGNIZED, message="the body is the request and not an answer")


EMPTY: Final[tuple[object, ...]] = (None, [], {}, [{}], [None])


def is_request(body: Body) -> bool:
    """Return whether a body is the request, sent back: messages without an answer to the last, or only keys of a request."""
    if PROMPTS.isdisjoint(body):
        return False
    messages = body.get("messages")
    if type(messages) is list and messages:
        last = messages[-1]
        return "model" in body and type(last) is dict and last.get("role") in REQUEST_ROLES
    return PARAMETERS.issuperset(body) and not NAMED.isdisjoint(body)


REQUEST_ROLES: Final = ("user", "system", "developer", "tool")

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
        The answer; `fully_mapped` only if there is only the text, and tokens were counted.
    """
    reader = FieldReader()
    reader.more(body, AUDIO_KEYS)
    outcome = "succeeded"
    if errors.said(body.get("error")):
        outcome = "failed"
        reader.fully_mapped = False
    text = reader.text(body.get("text"))
    if text is None:
        text = _said_in_segments(body)
    if not text and outcome == "succeeded":
        reader.note("empty_text")
    counted = body.get("usage")
    if type(counted) is dict and any(counted.get(key) is not None for key in SECONDS):
        reader.fully_mapped = False
    fully_mapped, conversion_errors = reader.fully_mapped, reader.conversion_errors
    inputs, outputs, total, *_ = fields.read_usage(counted, reader)  # the other counts are of chats
    if reader.conversion_errors == conversion_errors:
        reader.fully_mapped = fully_mapped  # all tokens of a transcript are audio tokens, so nothing is lost
    return Answer(
        outcome=outcome,
        model=reader.text(body.get("model")),
        text=text,
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        created_at=reader.moment(body.get("created")),
        response_id=reader.text(body.get("id")),
        fully_mapped=reader.fully_mapped,
        conversion_errors=reader.conversion_errors,
        noted=reader.noted,
    )


def _said_in_segments(body: Body) -> str | None:
    """Join the texts of the segments, for a body without a text."""
    segments = body.get("segments")
    if type(segments) is not list:
        return None
    texts = [segment["text"].strip() for segment in segments if type(segment) is dict and type(segment.get("text")) is str]
    return " ".join(texts) if texts else None


COMPLETION_KEYS: Final = frozenset({
    # in columns
    "id", "created", "model", "choices", "usage",
    # housekeeping
    "object", "system_fingerprint", "service_tier", "x_groq",
    # read on their own
    "error", "errors",
})  # fmt: skip

CHOICE_KEYS: Final = chat_completions.SHARED_CHOICE_KEYS | {"text"}


def read_completion(body: Body) -> Answer:
    """Read a legacy completion; its choices hold a text where those of a chat hold a message.

    Returns:
        The answer. Its outcome is that of the worst choice; `no_response` without choices.
    """
    reader = FieldReader()
    reader.more(body, COMPLETION_KEYS)
    found = [_choice(choice, reader) for choice in reader.mappings(body.get("choices"))]
    texts = chat_completions.all_texts([text for text, _ in found], reader)
    text, finish_reason = (found[0][0], found[0][1].finish_reason) if found else (None, None)
    outcome, wrong = chat_completions.worst([end for _, end in found])
    if errors.stated(body):
        outcome, reader.fully_mapped = "failed", False
    if not text and not texts and outcome == "succeeded":
        reader.note("empty_text")
    model, response_id = reader.text(body.get("model")), reader.text(body.get("id"))
    created_at = reader.moment(body.get("created"))
    inputs, outputs, total, cached, reasoned, written = fields.read_usage(body.get("usage"), reader)
    return Answer(
        outcome=outcome,
        model=model,
        finish_reason=finish_reason,
        text=text,
        texts=texts,
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoned,
        created_at=created_at,
        response_id=response_id,
        fully_mapped=reader.fully_mapped,
        conversion_errors=reader.conversion_errors,
        noted=reader.noted,
        fault=wrong,
        cache_write_tokens=written,
    )


def _choice(choice: Body, reader: FieldReader) -> tuple[str | None, chat_completions.End]:
    """Return the text of one choice and how it ended."""
    reader.more(choice, CHOICE_KEYS)
    text, end = choice.get("text"), chat_completions.choice_end(choice, reader)
    if text is None:
        end, reader.fully_mapped = chat_completions.without_answer(end, "text"), False
    return reader.text(text), end


MODERATION_KEYS: Final = frozenset({"id", "model", "results", "object", "error", "created", "usage"})
"""OpenAI writes the first three; Mistral adds `usage`."""

RESULT_KEYS: Final = frozenset({"flagged", "categories", "category_scores", "category_applied_input_types"})

ONLY_TEXT: Final[tuple[list[str] | None, ...]] = ([], ["text"], None)
"""What `category_applied_input_types` says of a text without images: nothing that one would not know."""


def read_moderation(body: Body) -> Answer:
    """Read moderation results, all of them together: flagged if any is, each category's highest score.

    Returns:
        What it says; `fully_mapped` only where there is exactly one result, and it is of a text.
    """
    reader = FieldReader()
    reader.more(body, MODERATION_KEYS)
    results = reader.mappings(body.get("results"))
    if len(results) != 1:
        reader.fully_mapped = False
    for result in results:
        reader.more(result, RESULT_KEYS)
        if not all(kinds in ONLY_TEXT for kinds in reader.mapping(result.get("category_applied_input_types")).values()):
            reader.fully_mapped = False
    outcome = "succeeded" if results else "no_response"
    if errors.stated(body):
        outcome = "failed"
        reader.fully_mapped = False
    inputs, outputs, total, cached, reasoned, written = fields.read_usage(body.get("usage"), reader)
    return Answer(
        outcome=outcome,
        model=reader.text(body.get("model")),
        input_tokens=inputs,
        output_tokens=outputs,
        total_tokens=total,
        cached_tokens=cached,
        reasoning_tokens=reasoned,
        flagged=_flagged(results, reader),
        flagged_categories=_flagged_categories(results, reader),
        category_scores=_category_scores(results, reader),
        created_at=reader.moment(body.get("created")),
        response_id=reader.text(body.get("id")),
        fully_mapped=reader.fully_mapped,
        conversion_errors=reader.conversion_errors,
        noted=reader.noted,
        fault=None if results else chat_completions.no_answer("results"),
        cache_write_tokens=written,
    )


def _flagged(results: list[Body], reader: FieldReader) -> bool | None:
    """Return whether any result is flagged; None if no result has the key (Mistral has only categories)."""
    flags = [reader.flag(result.get("flagged")) for result in results]
    return True if True in flags else False if False in flags else None


def _flagged_categories(results: list[Body], reader: FieldReader) -> list[str] | None:
    """Return the names of the categories that are true in any result, sorted; `illicit` may be null and counts as not."""
    known = [reader.mapping(result["categories"]) for result in results if result.get("categories") is not None]
    names = {name for categories in known for name, value in categories.items() if value is not False and reader.flag(value)}
    return sorted(names) if known else None


def _category_scores(results: list[Body], reader: FieldReader) -> list[tuple[str, float]] | None:
    """Return each category with its highest score, in the order of the wire."""
    known = [reader.mapping(result["category_scores"]) for result in results if result.get("category_scores") is not None]
    highest: dict[str, float] = {}
    for scores in known:
        for name, value in scores.items():
            score = value if type(value) is float else reader.number(value)
            if score is not None and score >= highest.get(name, score):
                highest[name] = score
    return list(highest.items()) if known else None
