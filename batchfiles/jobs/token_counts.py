"""How many tokens a request asks a model to read: by a rule of thumb, or by `tiktoken`.

Services limit the prompt tokens that wait in their queues, so what a model may write is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from batchfiles.bodies.tally import whole
from batchfiles.errors import MissingDependency

__all__ = ["COUNTERS", "TokenCounter", "estimated_tokens", "is_media", "token_counter"]

TokenCounter: TypeAlias = "Callable[[dict[str, Any]], int]"
"""Counts the tokens of a decoded body."""

COUNTERS: Final = ("estimate", "tiktoken", "tiktoken:ENCODING")

BYTES_PER_TOKEN: Final = 4
"""OpenAI's rule of thumb for English: a token is about four characters (help.openai.com, "What are tokens and how to count
them?"). UTF-8 bytes are counted instead, because other scripts take more bytes and more tokens a character."""

NOT_READ: Final = frozenset({"model"})
"""Keys of a body whose text is not part of the prompt."""

MEDIA_KEYS: Final = frozenset({
    "image_url", "video_url", "audio_url", "file_url", "fileUri",  # an address, or an object that has one
    "file_data", "input_audio", "input_image", "image", "images", "video", "audio",
    "image_base64", "video_base64", "image_embeds", "audio_embeds", "prompt_embeds",  # Voyage, vLLM
    "inline_data", "inlineData", "fileData",  # Gemini
})  # fmt: skip
"""Keys of images, audio and files: strings in them are never text that the model reads."""

MEDIA_DATA: Final = frozenset({"data", "url", "b64_json", "base64"})
MEDIA_TYPES: Final = ("image", "audio", "video", "base64")
MEDIA_NAMES: Final = ("media_type", "mime_type", "mimeType")
"""Keys that hold them in an object with such a `type` or a media type: Anthropic's `source`, results of tools."""

MEDIA_RESULTS: Final = {"image_generation_call": "result"}
"""Items of Responses whose own key holds an image, by their `type`."""

SCHEMA_KEYS: Final = frozenset({"schema", "parameters", "input_schema", "response_schema", "responseSchema", "guided_json"})
"""Keys of JSON Schemas, whose own keys are most of what the model reads of them."""


def token_counter(name: str) -> TokenCounter:
    """Return the counter of this name.

    Args:
        name: `"estimate"`, `"tiktoken"` for the encoding of each body's model, or `"tiktoken:ENCODING"` for the same encoding
            for every model name, such as `"tiktoken:o200k_base"`.

    Raises:
        MissingDependency: `tiktoken` is not installed, or the encoding is not on this machine.
        ValueError: The counter or the encoding is unknown.
    """
    kind, colon, encoding = name.partition(":")
    if name == "estimate":
        return estimated_tokens
    if kind == "tiktoken" and (encoding or not colon):
        return _Tiktoken(encoding or None)
    raise ValueError(f"tokens are counted by {', '.join(COUNTERS[:-1])} or {COUNTERS[-1]}, not by {name!r}")


def estimated_tokens(body: dict[str, Any]) -> int:
    """Estimate by the rule of thumb: the UTF-8 bytes of all texts in the body by four, rounded up; a token in a list is one.

    Images, audio and files count as zero anywhere in a body: their cost depends on their size and the model. The
    keys of JSON Schemas count as texts.
    """
    size = tokens = 0
    for item in _read_by_the_model(body):
        if isinstance(item, str):
            size += len(item) if item.isascii() else len(item.encode(errors="replace"))
        else:
            tokens += item
    return tokens + -(-size // BYTES_PER_TOKEN)


def is_media(holder: dict[str, Any], key: str) -> bool:
    """Return whether the value of a key is an image, audio or a file, by its place and never by its first bytes."""
    if key in MEDIA_KEYS:
        return True
    kind = holder.get("type")
    if key in MEDIA_DATA:
        return kind in MEDIA_TYPES or (kind != "text" and any(name in holder for name in MEDIA_NAMES))
    return isinstance(kind, str) and MEDIA_RESULTS.get(kind) == key


def _read_by_the_model(body: dict[str, Any]) -> Iterator[str | int]:
    """Yield the texts of a body, and the lengths of lists of tokens."""
    waiting: list[Any] = [{key: value for key, value in body.items() if key not in NOT_READ}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for key, item in value.items():
                if key in SCHEMA_KEYS and isinstance(item, dict):
                    yield from _schema(item)
                elif not is_media(value, key):
                    waiting.append(item)
        elif isinstance(value, list):
            if value and all(whole(item) is not None for item in value):
                yield len(value)
            else:
                waiting += value


def _schema(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the keys and the texts of a JSON Schema; none of them is media, under any property name."""
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


class _Tiktoken:
    """Counts with one encoding, or that of each body's model. It must be on this machine: nothing is downloaded."""

    def __init__(self, encoding: str | None = None) -> None:
        try:
            import tiktoken
        except ImportError:
            raise MissingDependency("counting with tiktoken needs it to be installed: pip install tiktoken") from None
        self._tiktoken: Any = tiktoken
        self._encodings: dict[str, Any] = {}
        self._encoding = None if encoding is None else self._loaded(encoding)

    def __call__(self, body: dict[str, Any]) -> int:
        """Count the tokens of the texts of a body, each by itself, without those that a service puts around messages."""
        model = body.get("model")
        encoding = self._encoding or self._encoding_of(model if isinstance(model, str) else "")
        tokens = 0
        for item in _read_by_the_model(body):
            tokens += len(encoding.encode(item, disallowed_special=())) if isinstance(item, str) else item
        return tokens

    def _encoding_of(self, model: str) -> Any:  # noqa: ANN401 - tiktoken is no dependency of ours
        if model not in self._encodings:
            try:
                name = self._tiktoken.encoding_name_for_model(model)
            except KeyError:
                words = f"tiktoken has no encoding for the model {model[:100]!r}: name one, such as 'tiktoken:o200k_base'"
                raise ValueError(f"{words}, or count by 'estimate'") from None
            self._encodings[model] = self._loaded(name)
        return self._encodings[model]

    def _loaded(self, name: str) -> Any:  # noqa: ANN401 - as above
        import tiktoken.load

        known = self._tiktoken.list_encoding_names()
        if name not in known:
            near = get_close_matches(name, known, 1)
            words = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known))}"
            raise ValueError(f"tiktoken has no encoding {name[:100]!r}: {words}")
        kept, tiktoken.load.read_file = tiktoken.load.read_file, _refuse  # what it calls for what is not in its cache
        try:
            return self._tiktoken.get_encoding(name)
        except _NotAtHandError:
            words = (
                f"tiktoken's encoding {name} is not on this machine, and nothing is downloaded here: have tiktoken load it once"
            )
            raise MissingDependency(f"{words} (tiktoken.get_encoding({name!r})), or count by 'estimate'") from None
        finally:
            tiktoken.load.read_file = kept


class _NotAtHandError(Exception):
    """Tiktoken wants to download."""


def _refuse(blobpath: str) -> bytes:
    raise _NotAtHandError(blobpath)
