"""How many tokens a request asks a model to read: by a rule of thumb, or by `tiktoken`.

Services limit the prompt tokens that wait in their queues, so what a model may write is not counted.

`measure` estimates the tokens and texts of a request. `RequestSizer` finds its size for the limits of a file, and the requests
with which it may share one; lines are decoded only if needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from batchfiles.bodies.fields import whole
from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError, MissingDependencyError
from batchfiles.rules.keys import embedding_inputs_of, may_embed

TokenCounter: TypeAlias = "Callable[[dict[str, Any]], int]"
"""Counts the tokens of a decoded body."""

COUNTERS: Final = ("estimate", "tiktoken", "tiktoken:ENCODING")

BYTES_PER_TOKEN: Final = 4
"""OpenAI's rule of thumb for English: a token is about four characters (help.openai.com, "What are tokens and how to count
them?"). UTF-8 bytes are counted instead, because other scripts take more bytes and more tokens a character."""

NOT_READ: Final = frozenset({"model"})
"""Keys of a body whose text is not part of the prompt."""

MEDIA_KEYS: Final = frozenset({
    "image_url", "video_url", "audio_url", "file_url", "fileUri",  # a URL, or an object that has one
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
        MissingDependencyError: `tiktoken` is not installed, or the encoding is not on this machine.
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
            raise MissingDependencyError("counting with tiktoken needs it to be installed: pip install tiktoken") from None
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

    def _encoding_of(self, model: str) -> Any:  # noqa: ANN401 - tiktoken is not a dependency
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
        kept, tiktoken.load.read_file = tiktoken.load.read_file, _refuse  # called for files that are not in its cache
        try:
            return self._tiktoken.get_encoding(name)
        except _NotCachedError:
            words = (
                f"tiktoken's encoding {name} is not on this machine, and nothing is downloaded here: let tiktoken load it once"
            )
            raise MissingDependencyError(f"{words} (tiktoken.get_encoding({name!r})), or count by 'estimate'") from None
        finally:
            tiktoken.load.read_file = kept


class _NotCachedError(Exception):
    """Tiktoken tried to download a file."""


def _refuse(blobpath: str) -> bytes:
    raise _NotCachedError(blobpath)


CONTENT_KEYS: Final = ("messages", "input", "prompt", "instructions")
"""Keys of a body that hold the texts of users."""

TEXT_KEYS: Final = frozenset({"content", "text", "input", "output", "arguments", "reasoning_content", "refusal"})
"""Keys within them that hold texts, unlike `role`, `type` and ids."""

LIMIT_KEYS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class Measure(NamedTuple):
    """The size of a request for a model.

    Attributes:
        input_tokens: An estimate, by the rule of thumb of `jobs/tokens.py`.
        output_tokens_at_most: The request's own limit, once for each answer that it asks for; None if it has no limit.
        characters: The length of its texts together, without the JSON around them.
    """

    input_tokens: int
    output_tokens_at_most: int | None
    characters: int


def measure(body: Any) -> Measure:  # noqa: ANN401 - any JSON value
    """Measure the decoded body of a request. It never raises; a value that is not an object is empty."""
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
    """Return the maximum tokens of all answers together."""
    found = next((value for key in LIMIT_KEYS if (value := whole(body.get(key))) is not None and value >= 0), None)
    answers = whole(body.get("n"))
    return found * answers if found is not None and answers is not None and answers > 0 else found


Division: TypeAlias = Literal["model", "url"]

DIVISIONS: tuple[Division, ...] = ("model", "url")
"""What files can be divided by."""

Group: TypeAlias = "tuple[str | None, ...]"
"""A value for each of the divisions; None if a request has none."""


class RequestSize(NamedTuple):
    """What one request adds to its file.

    Attributes:
        group: The requests with which it may share a file.
        inputs: Texts to embed.
        tokens: Tokens that the model reads; 0 if they are not counted.
    """

    group: Group
    inputs: int
    tokens: int


class RequestSizer:
    """Finds the size of request lines.

    Args:
        by: The divisions: `model`, `url`, both or none.
        counts_inputs: Whether texts to embed are limited.
        tokens: The token counter; None to count no tokens.

    Attributes:
        unreadable: How many of the lines are not JSON: only their bytes count.
    """

    def __init__(self, by: Sequence[str], *, counts_inputs: bool, tokens: TokenCounter | None) -> None:
        self.unreadable = 0
        self._by = tuple(by)
        self._counts_inputs = counts_inputs
        self._tokens = tokens

    def must_decode(self, text: bytes) -> bool:
        """Return whether the size of any of these lines needs decoding.

        Args:
            text: Any number of whole lines.
        """
        if self._by or self._tokens is not None:
            return True
        return self._counts_inputs and may_embed(text)

    def weigh(self, line: bytes) -> RequestSize:
        """Return the size of one line."""
        if not self.must_decode(line):
            return NOTHING
        try:
            request = loads(line)
        except InvalidLineError:
            self.unreadable += 1
            return RequestSize((None,) * len(self._by), 0, 0)
        body = request.get("body")
        if not isinstance(body, dict):
            body = {}
        url = request.get("url")
        values = {"model": body.get("model"), "url": url}
        group = tuple(value if isinstance(value := values[name], str) else None for name in self._by)
        inputs = embedding_inputs_of(url, body) if self._counts_inputs else 0
        return RequestSize(group, inputs, 0 if self._tokens is None else self._tokens(body))


NOTHING = RequestSize((), 0, 0)
