"""Who counts tokens: the rule of thumb (see test_split.py), or tiktoken where it and its encoding are on the machine."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from batchfiles import MissingDependencyError
from batchfiles.jobs.tokens import token_counter


def test_without_tiktoken_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not a dependency."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(MissingDependencyError, match="pip install tiktoken"):
        token_counter("tiktoken")


def test_a_counter_of_another_name_is_refused() -> None:
    """The names are those of the command line."""
    for name in ("guess", "tiktoken:", "o200k_base", "estimate:o200k_base"):
        with pytest.raises(ValueError, match=rf"estimate, tiktoken or tiktoken:ENCODING, not by '{name}'"):
            token_counter(name)


@pytest.fixture
def tiktoken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return tiktoken with one available encoding, which makes a token of each byte."""
    import tiktoken as module
    import tiktoken.registry

    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = module.Encoding(name="o200k_base", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={"<|end|>": 256})
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {"o200k_base": encoding})
    return module


def test_tiktoken_counts_the_texts_of_a_body(tiktoken: Any) -> None:
    """By the encoding of its model; what looks like a special token is text."""
    assert token_counter("tiktoken")({"model": "gpt-4o-mini", "input": ["abc", "<|end|>"]}) == 10


def test_a_model_that_tiktoken_does_not_know_is_refused(tiktoken: Any) -> None:
    """A guess would be no better than the rule of thumb."""
    with pytest.raises(ValueError, match="no encoding for the model 'llama': name one, such as 'tiktoken:o200k_base'"):
        token_counter("tiktoken")({"model": "llama", "input": "a"})


def test_an_encoding_that_would_be_downloaded_is_not(tiktoken: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The cache is empty, and no server is contacted."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="cl100k_base is not on this machine"):
        token_counter("tiktoken")({"model": "gpt-4", "input": "a"})


@pytest.mark.parametrize("model", ["gpt-6", "openai/gpt-5", "my-azure-deployment", None, 7])
def test_an_encoding_can_be_named_for_models_of_any_name(tiktoken: Any, model: Any) -> None:
    """Azure deployments and gateways call models as they like."""
    assert token_counter("tiktoken:o200k_base")({"model": model, "input": ["abc", "<|end|>"]}) == 10


@pytest.mark.parametrize(("name", "words"), [("o200k_bas", "did you mean 'o200k_base'?"), ("llama3", "it has cl100k_base")])
def test_an_encoding_that_tiktoken_does_not_have_is_refused_at_once(tiktoken: Any, name: str, words: str) -> None:
    """Before a line is read."""
    with pytest.raises(ValueError, match=f"tiktoken has no encoding {name!r}: ") as caught:
        token_counter(f"tiktoken:{name}")
    assert words in str(caught.value)


def test_a_named_encoding_is_not_downloaded_either(tiktoken: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The cache is empty."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="cl100k_base is not on this machine"):
        token_counter("tiktoken:cl100k_base")


EVENTS = 'data: {"delta": "Hi"}\n' * 500

TEXTS = {
    "a whole input": {"input": EVENTS},
    "an item of a list": {"input": ["a", EVENTS]},
    "a prompt": {"prompt": EVENTS},
    "instructions": {"instructions": EVENTS, "input": ""},
    "a message": {"messages": [{"role": "user", "content": EVENTS}]},
    "a part of a message": {"messages": [{"role": "user", "content": [{"type": "text", "text": EVENTS}]}]},
    "a data URL as a text": {"messages": [{"role": "user", "content": "data:image/png;base64," + "QUJD" * 3000}]},
    "the result of a tool": {"messages": [{"role": "tool", "tool_call_id": "c", "content": EVENTS}]},
    "the output of a call": {"input": [{"type": "function_call_output", "call_id": "c", "output": EVENTS}]},
    "the description of a tool": {"tools": [{"type": "function", "function": {"name": "f", "description": EVENTS}}]},
    "a document in plain text": {"messages": [{"role": "user", "content": [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": EVENTS}}]}]},
}  # fmt: skip


@pytest.mark.parametrize("body", TEXTS.values(), ids=TEXTS)
def test_a_text_counts_with_any_beginning(body: dict[str, Any]) -> None:
    """A dump of server-sent events begins with `data:`, and 100 kB of it counted as one token."""
    assert token_counter("estimate")(body) >= len(EVENTS) // 4


SOUND = "QUJD" * 100_000

MEDIA = {
    "chat, a picture": {"type": "image_url", "image_url": {"url": "data:image/png;base64," + SOUND, "detail": "low"}},
    "chat, a picture as a string": {"type": "image_url", "image_url": "data:image/png;base64," + SOUND},
    "chat, the address of a picture": {"type": "image_url", "image_url": {"url": "https://example.com/" + SOUND}},
    "chat, sound": {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
    "chat, a file": {"type": "file", "file": {"file_data": "data:application/pdf;base64," + SOUND, "filename": "a.pdf"}},
    "Responses, a picture": {"type": "input_image", "image_url": "data:image/png;base64," + SOUND},
    "Responses, a file": {"type": "input_file", "file_data": SOUND, "filename": "a.pdf"},
    "Responses, the address of a file": {"type": "input_file", "file_url": "https://example.com/" + SOUND},
    "Responses, a picture that was made": {"type": "image_generation_call", "id": "ig", "result": SOUND},
    "Responses, a screenshot": {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": SOUND}},
    "vLLM, a video": {"type": "video_url", "video_url": {"url": SOUND}},
    "vLLM, sound": {"type": "audio_url", "audio_url": {"url": SOUND}},
    "Qwen, a picture": {"type": "image", "image": SOUND},
    "Anthropic, a picture": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": SOUND}},
    "Gemini, sound": {"inline_data": {"mime_type": "audio/wav", "data": SOUND}},
    "a tool's picture": {"type": "image", "data": SOUND, "mimeType": "image/png"},
}


@pytest.mark.parametrize("part", MEDIA.values(), ids=MEDIA)
def test_pictures_sound_and_files_count_nothing_by_their_place(part: dict[str, Any]) -> None:
    """0.4 MB of audio counted as 136,539 tokens, because its base64 does not begin with `data:`."""
    count = token_counter("estimate")
    assert count({"messages": [{"role": "user", "content": [part]}]}) < 30
    assert count({"input": [{"role": "user", "content": [part]}]}) < 30
    assert count({"input": [part]}) < 30


def test_the_keys_of_a_schema_are_read_by_the_model() -> None:
    """In every place of a schema: without its keys, half of it was counted; and a property may be called `image`."""
    schema = {
        "type": "object",
        "properties": {"a_long_name_of_a_property": {"type": "string"}, "image": {"description": "x" * 400}},
    }
    whole = token_counter("estimate")({"input": "".join(["type", "object", "properties", "a_long_name_of_a_property", "type",
        "string", "image", "description", "x" * 400])})  # fmt: skip
    for body in (
        {"response_format": {"json_schema": {"schema": schema}}},
        {"text": {"format": {"schema": schema}}},
        {"tools": [{"function": {"parameters": schema}}]},
        {"tools": [{"parameters": schema}]},
        {"functions": [{"parameters": schema}]},
        {"tools": [{"input_schema": schema}]},
        {"guided_json": schema},
    ):
        assert token_counter("estimate")(body) == whole
    assert token_counter("estimate")({"metadata": {"a_long_name_of_a_key": "abcd"}}) == 1
