"""Transcripts and translations, and audio answers."""

import pytest

import batchfiles
from batchfiles import bodies
from batchfiles.bodies import chat_completions, other, responses
from tests.jobs.wire import put, request, result

TAPE = {"text": "hello from the tape", "usage": {"type": "duration", "seconds": 4}}
SEGMENT = {"id": 0, "start": 0.0, "end": 1.5, "text": " hello from"}


@pytest.mark.parametrize(
    ("body", "text", "endpoint", "fully_mapped"),
    [
        (TAPE, "hello from the tape", other.TRANSCRIPTIONS, False),
        ({"text": "hello"}, "hello", other.TRANSCRIPTIONS, True),
        ({"text": "hello", "x_groq": {"id": "req_1"}}, "hello", other.TRANSCRIPTIONS, True),
        ({"text": "hello", "logprobs": [{"token": "hello", "logprob": -0.1}]}, "hello", other.TRANSCRIPTIONS, False),
        (
            {"task": "transcribe", "language": "en", "duration": 2.5, "text": "hello", "segments": [SEGMENT], "words": []},
            "hello",
            other.TRANSCRIPTIONS,
            False,
        ),
        ({"duration": "2.5", "language": "en", "text": "hello", "segments": None}, "hello", other.TRANSCRIPTIONS, False),
        (
            {"task": "translate", "language": "german", "duration": 2.5, "text": "hello"},
            "hello",
            "/v1/audio/translations",
            False,
        ),
        (
            {"task": "transcribe", "text": "hello", "segments": [{**SEGMENT, "speaker": "A", "type": "transcript.text.segment"}]},
            "hello",
            other.TRANSCRIPTIONS,
            False,
        ),
        (
            {"segments": [SEGMENT, {**SEGMENT, "text": " the tape"}], "language": "en"},
            "hello from the tape",
            other.TRANSCRIPTIONS,
            False,
        ),
        (
            {"model": "voxtral-mini", "text": "hello", "language": None, "segments": [], "usage": {"prompt_audio_seconds": 4}},
            "hello",
            other.TRANSCRIPTIONS,
            False,
        ),
    ],
)
def test_a_transcript_has_its_text(body, text, endpoint, fully_mapped):
    """OpenAI, vLLM, Groq and Mistral write no `object`; values without a column keep the body."""
    answer = bodies.read(body)

    assert (answer.outcome, answer.text, answer.fully_mapped, answer.conversion_errors) == ("succeeded", text, fully_mapped, 0)
    assert bodies.endpoint_of(body) == endpoint


def test_tokens_of_a_transcript_are_counted():
    """Models that are billed by tokens have them in `usage`; then nothing else is left in the body."""
    counted = {
        "type": "tokens",
        "input_tokens": 14,
        "output_tokens": 45,
        "total_tokens": 59,
        "input_token_details": {"audio_tokens": 14},
    }
    answer = bodies.read({"text": "hello", "usage": counted})

    assert (answer.input_tokens, answer.output_tokens, answer.total_tokens, answer.fully_mapped) == (14, 45, 59, True)


def test_a_tape_without_words_is_an_empty_text():
    """It is a success anyway, and counted."""
    assert bodies.read({"text": "", "usage": {"type": "duration", "seconds": 1}})[:4] == ("succeeded", None, None, "")
    assert bodies.read({"text": ""}).noted == ("empty_text",)


def test_an_error_beside_a_text_is_a_failure():
    """As everywhere."""
    assert bodies.read({"text": "hello", "error": {"message": "no"}}).outcome == "failed"


@pytest.mark.parametrize(
    "body",
    [
        {"text": "Hi", "generation_id": "g", "finish_reason": "COMPLETE"},
        {"text": None, "usage": {}},
        {"text": ["a"], "language": "en"},
        {"segments": [], "language": "en"},
        {"segments": [{"id": 0}], "language": "en"},
    ],
)
def test_other_bodies_with_a_text_are_not_transcripts(body):
    """Cohere's chat of version 1 has a `text` at its top too."""
    assert bodies.endpoint_of(body) is None


@pytest.mark.parametrize(
    ("content", "text"), [(None, "Good morning."), ("", "Good morning."), ("Written.", "Written.")], ids=["null", "empty", "both"]
)
def test_the_speech_of_a_chat_is_its_text(content, text):
    """The audio is in no column, so the body is kept; written text comes before the transcript."""
    message = {"role": "assistant", "content": content, "audio": {"id": "audio_1", "data": "UklG", "transcript": "Good morning."}}
    answer = chat_completions.read(
        {"object": "chat.completion", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
    )

    assert (answer.text, answer.fully_mapped, answer.noted) == (text, False, ())


@pytest.mark.parametrize("sound", [None, {}, {"id": "audio_1"}, {"transcript": None}, {"transcript": ["a"]}, "UklG"])
def test_sound_without_a_transcript_is_not_text(sound):
    """VLLM writes `"audio": null` with every text."""
    for content in (None, "Written."):
        message = {"role": "assistant", "content": content, "audio": sound}
        assert chat_completions.read({"choices": [{"message": message, "finish_reason": "stop"}]}).text == content


def test_the_speech_in_parts_is_text():
    """In the content of a chat, and in that of a message of the Responses API."""
    part = {"type": "output_audio", "data": "UklG", "transcript": "Good morning."}
    chat = chat_completions.read({"choices": [{"message": {"content": [part]}, "finish_reason": "stop"}]})
    item = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response = responses.read({"object": "response", "status": "completed", "output": [item]})

    assert (chat.text, chat.fully_mapped) == ("Good morning.", False)
    assert (response.text, response.fully_mapped) == ("Good morning.", False)


def test_transcripts_among_other_answers(tmp_path):
    """End to end: the url comes from the request, or is inferred from the body."""
    requests = [
        request("w"),
        *[request(name, f"/v1/audio/{name}", file_url="https://x.example") for name in ("transcriptions", "translations")],
    ]
    results = put(tmp_path / "out.jsonl", result("translations", {"text": "Good morning."}), result("transcriptions", TAPE))
    job = batchfiles.join(put(tmp_path / "in.jsonl", *requests), results)

    assert [(row["custom_id"], row["outcome"], row["endpoint"], row["text"]) for row in job] == [
        ("w", "missing", "/v1/chat/completions", None),
        ("transcriptions", "succeeded", other.TRANSCRIPTIONS, "hello from the tape"),
        ("translations", "succeeded", "/v1/audio/translations", "Good morning."),
    ]
    assert [row["endpoint"] for row in batchfiles.export(results)] == [other.TRANSCRIPTIONS] * 2
