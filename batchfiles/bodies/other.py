"""The bodies of legacy completions, moderations and transcriptions, and all bodies without a reader, such as images and videos.

OpenAI's Batch API does not accept transcriptions and translations; vLLM's `run-batch` and compatible services do.
"""

from __future__ import annotations

from typing import Final

from batchfiles.bodies import chat_completions, errors
from batchfiles.bodies.answer import Answer, Body, answer_of
from batchfiles.bodies.errors import ErrorInfo
from batchfiles.bodies.fields import NO_USAGE, FieldReader, read_usage

UNRECOGNIZED: Final = "unrecognized_body"
"""The error code of a body that does not answer the request."""

HOLDERS: Final = ("choices", "output", "data", "results", "candidates")
"""The keys of the answer, in bodies of every provider."""

PROMPTS: Final = frozenset({"messages", "input", "prompt", "contents"})
"""The keys of the model's input in requests."""

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
"""Keys of requests, of all providers. A body that has only these is the request."""


def read(body: Body) -> Answer:
    """Read model, id, time and token counts.

    Returns:
        The answer, never `fully_mapped`; `failed` if it is or contains an error, or its `status` is a failure (videos);
        `no_response` if the answer is empty, or the body is the request itself.
    """
    reader = FieldReader()
    outcome = errors.outcome_of_status(body.get("status"), reader) if type(body.get("status")) is str else "succeeded"
    fault = None
    if errors.stated(body) or errors.is_error_body(body):
        outcome = "failed"  # vLLM wrote errors as `{"object": "error", "message": …}`
    elif outcome == "failed":
        fault = errors.error_info(body["status"])
    elif outcome == "succeeded":
        fault = _no_answer(body)
        outcome = "no_response" if fault else outcome
    if body.get("created") is None:
        body = body | {"created": body.get("created_at")}
    return answer_of(body, reader, read_usage(body.get("usage"), reader), outcome=outcome, fully_mapped=False, fault=fault)


def _no_answer(body: Body) -> ErrorInfo | None:
    """Return why a body can't be the answer of any endpoint; None if it may be one."""
    holders = [key for key in HOLDERS if key in body]
    if holders and all(body[key] in EMPTY for key in holders):
        return chat_completions.no_answer(holders[0])
    if holders or not is_request(body):
        return None
    return ErrorInfo(UNRECOGNIZED, message="the body is the request and not an answer")


EMPTY: Final[tuple[object, ...]] = (None, [], {}, [{}], [None])


def is_request(body: Body) -> bool:
    """Return whether a body is the request, echoed: messages without an answer to the last, or only keys of a request."""
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

TRANSCRIPT_KEYS: Final = frozenset({"usage", "segments", "words", "duration", "language", "languages", "task", "logprobs"})
"""A transcript has one of these keys, or only `AUDIO_KEYS`; Cohere's old chat also has a `text`."""

SECONDS: Final = ("seconds", "prompt_audio_seconds")
"""The usage keys of models that are billed by duration (OpenAI, vLLM; Mistral): they have no column, so the body is kept."""


def is_transcript(body: Body) -> bool:
    """Return whether a body is a transcript, by its keys: it has no `object`."""
    if type(body.get("text")) is not str and not _segment_texts(body):
        return False
    return not TRANSCRIPT_KEYS.isdisjoint(body) or AUDIO_KEYS.issuperset(body)


def endpoint(body: Body) -> str:
    """Return the endpoint of a transcript, from its `task`."""
    return TRANSLATIONS if body.get("task") == "translate" else TRANSCRIPTIONS


def read_audio(body: Body) -> Answer:
    """Read a transcript as json, verbose_json or diarized_json; `fully_mapped` if it has only a text and token counts."""
    reader = FieldReader()
    reader.check_unknown_keys(body, AUDIO_KEYS)
    outcome = "succeeded"
    if errors.stated(body):
        outcome = "failed"
        reader.fully_mapped = False
    text = reader.text(body.get("text"))
    if text is None:
        text = _segment_texts(body)
    if not text and outcome == "succeeded":
        reader.note("empty_text")
    usage = body.get("usage")
    if type(usage) is dict and any(usage.get(key) is not None for key in SECONDS):
        reader.fully_mapped = False
    fully_mapped, conversion_errors = reader.fully_mapped, reader.conversion_errors
    counts = (*read_usage(usage, reader)[:3], *NO_USAGE[3:])  # the other counts are of chats
    if reader.conversion_errors == conversion_errors:
        reader.fully_mapped = fully_mapped  # all tokens of a transcript are audio tokens, so nothing is lost
    return answer_of(body, reader, counts, outcome=outcome, text=text)


def _segment_texts(body: Body) -> str | None:
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
    """Read a legacy completion, whose choices have a text instead of a message. The outcome is that of the worst choice."""
    reader = FieldReader()
    reader.check_unknown_keys(body, COMPLETION_KEYS)
    found = [_choice(choice, reader) for choice in reader.mappings(body.get("choices"))]
    texts = chat_completions.all_texts([text for text, _ in found], reader)
    text, finish_reason = (found[0][0], found[0][1].finish_reason) if found else (None, None)
    outcome, fault = chat_completions.worst([end for _, end in found])
    if errors.stated(body):
        outcome, reader.fully_mapped = "failed", False
    if not text and not texts and outcome == "succeeded":
        reader.note("empty_text")
    counts = read_usage(body.get("usage"), reader)
    return answer_of(body, reader, counts, outcome=outcome, finish_reason=finish_reason, text=text, texts=texts, fault=fault)


def _choice(choice: Body, reader: FieldReader) -> tuple[str | None, chat_completions.End]:
    """Return the text of one choice and how it ended."""
    reader.check_unknown_keys(choice, CHOICE_KEYS)
    text, end = choice.get("text"), chat_completions.choice_end(choice, reader)
    if text is None:
        end, reader.fully_mapped = chat_completions.without_answer(end, "text"), False
    return reader.text(text), end


MODERATION_KEYS: Final = frozenset({"id", "model", "results", "object", "error", "created", "usage"})
"""OpenAI's bodies have the first three; Mistral adds `usage`."""

RESULT_KEYS: Final = frozenset({"flagged", "categories", "category_scores", "category_applied_input_types"})

ONLY_TEXT: Final[tuple[list[str] | None, ...]] = ([], ["text"], None)
"""The values in `category_applied_input_types` for a text without images, which need no column."""


def read_moderation(body: Body) -> Answer:
    """Read moderation results, one for each input, all together: flagged if any is, the highest score of each category.

    `fully_mapped` only with exactly one result, of a text.
    """
    reader = FieldReader()
    reader.check_unknown_keys(body, MODERATION_KEYS)
    results = reader.mappings(body.get("results"))
    if len(results) != 1:
        reader.fully_mapped = False
    for result in results:
        reader.check_unknown_keys(result, RESULT_KEYS)
        if not all(kinds in ONLY_TEXT for kinds in reader.mapping(result.get("category_applied_input_types")).values()):
            reader.fully_mapped = False
    outcome = "succeeded" if results else "no_response"
    if errors.stated(body):
        outcome = "failed"
        reader.fully_mapped = False
    flags = [reader.flag(result.get("flagged")) for result in results]  # Mistral has only categories
    return answer_of(
        body,
        reader,
        read_usage(body.get("usage"), reader),
        outcome=outcome,
        flagged=True if True in flags else False if False in flags else None,
        flagged_categories=_flagged_categories(results, reader),
        category_scores=_category_scores(results, reader),
        fault=None if results else chat_completions.no_answer("results"),
    )


def _flagged_categories(results: list[Body], reader: FieldReader) -> list[str] | None:
    """Return the names of the categories that are true in any result, sorted; `illicit` may be null, which is not true."""
    known = [reader.mapping(result["categories"]) for result in results if result.get("categories") is not None]
    names = {name for categories in known for name, value in categories.items() if value is not False and reader.flag(value)}
    return sorted(names) if known else None


def _category_scores(results: list[Body], reader: FieldReader) -> list[tuple[str, float]] | None:
    """Return each category with its highest score, in the order of the body."""
    known = [reader.mapping(result["category_scores"]) for result in results if result.get("category_scores") is not None]
    highest: dict[str, float] = {}
    for scores in known:
        for name, value in scores.items():
            score = value if type(value) is float else reader.number(value)
            if score is not None and score >= highest.get(name, score):
                highest[name] = score
    return list(highest.items()) if known else None
