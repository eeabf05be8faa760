"""Readers of response bodies by endpoint. They convert a body to an `Answer` and never raise, except `embeddings.vectors`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from batchfiles.bodies import chat_completions, embeddings, other, other_providers, responses
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.other import UNRECOGNIZED

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[Body], Answer]

__all__ = ["EMBEDDINGS", "UNRECOGNIZED", "can_answer", "endpoint_of", "is_audio", "is_text", "read"]

EMBEDDINGS: Final = "/v1/embeddings"
"""The endpoint whose answers have a separate table."""

ENDPOINTS: Final[dict[Reader, str]] = {
    chat_completions.read: "/v1/chat/completions",
    other.read_completion: "/v1/completions",
    responses.read: "/v1/responses",
    embeddings.read: "/v1/embeddings",
    other.read_moderation: "/v1/moderations",
    other_providers.read_message: "/v1/messages",
    other_providers.read_candidates: ":generateContent",
    other_providers.read_single_message: "/v2/chat",
    other_providers.read_converse: "/converse",
    other.read_audio: other.TRANSCRIPTIONS,
}

BY_OBJECT: Final[dict[object, Reader]] = {
    "chat.completion": chat_completions.read,
    "text_completion": other.read_completion,
    "response": responses.read,
}
"""Without `list`: vLLM's scores are lists too, so the items decide."""


def read(body: Body) -> Answer:
    """Read a body of any endpoint."""
    name = body.get("object")
    known = BY_OBJECT.get(name) if type(name) is str else None
    return (known or _reader_of(body) or other.read)(body)


def endpoint_of(body: Body) -> str | None:
    """Return the endpoint that a body comes from, such as `"/v1/chat/completions"`; None for one without columns."""
    body_reader = _reader_of(body)
    if body_reader is other.read_audio:
        return other.endpoint(body)
    return None if body_reader is None else ENDPOINTS[body_reader]


def _reader_of(body: Body) -> Reader | None:
    """Choose by `object` or, if that is missing or unknown, by the keys of the first choice, item or result."""
    name = body.get("object")
    if type(name) is str and name in BY_OBJECT:
        return BY_OBJECT[name]
    if body.keys() == ERROR_ALONE:
        return None
    choice = _first(body.get("choices"))
    if "message" in choice:
        return chat_completions.read
    if "text" in choice:  # Together calls these bodies `text.completion`
        return other.read_completion
    if type(body.get("output")) is list:
        return responses.read
    data = body.get("data")
    item = _first(data)
    if "embedding" in item or item.get("object") == "embedding" or (data == [] and body.get("object") == "list"):
        return embeddings.read
    if type(body.get("embeddings")) in (list, dict):  # Cohere: lists of vectors, by type or not
        return embeddings.read
    result = _first(body.get("results"))
    if "flagged" in result or "category_scores" in result:  # Mistral has no `flagged`
        return other.read_moderation
    return next((body_reader for matches, body_reader in BY_FAMILY if matches(body)), None)


ERROR_ALONE: Final = {"error"}
"""The keys of a failure's body, which does not show its endpoint."""

BY_FAMILY: Final = (
    (other_providers.is_message, other_providers.read_message),
    (other_providers.is_candidates, other_providers.read_candidates),
    (other_providers.is_single_message, other_providers.read_single_message),
    (other_providers.is_converse, other_providers.read_converse),
    (other.is_transcript, other.read_audio),
)


def can_answer(body: Body, url: str | None) -> bool:
    """Return whether a body can be the answer to a request with this url; True for an unknown url.

    Any text can answer a request for text, because gateways pass on their provider's format.
    """
    expected = _kind_of_url(url)
    if expected is None:
        return True
    endpoint = endpoint_of(body)
    return endpoint is not None and KINDS.get(endpoint.rpartition("/")[2], "text") == expected


@lru_cache(maxsize=256)
def is_text(url: str | None) -> bool:
    """Return whether the answers of a url are texts, or the url is unknown."""
    return _kind_of_url(url) in ("text", None)


def is_audio(url: str | None) -> bool:
    """Return whether a url belongs to transcriptions or translations."""
    return url is not None and url.partition("?")[0].rstrip("/").endswith(("/audio/transcriptions", "/audio/translations"))


@lru_cache(maxsize=256)
def _kind_of_url(url: str | None) -> str | None:
    """Return the kind of a url's answers; None for an unknown url.

    Azure omits the version, Zhipu has a `/v4`, gateways add prefixes, and a query may follow.
    """
    path = "" if url is None else url.partition("?")[0].rstrip("/")
    name = path.rpartition("/")[2]
    return "text" if path.endswith(TEXT_PATHS) else OTHER_KINDS.get(name)


TEXT_PATHS: Final = ("/chat/completions", "/completions", "/responses")
OTHER_KINDS: Final = {"embeddings": "embeddings", "moderations": "moderations"}
KINDS: Final = OTHER_KINDS | {"transcriptions": "audio", "translations": "audio"}
"""The kind of a body by the last word of its endpoint. Audio urls are not in `OTHER_KINDS`: they may also have other bodies."""


def _first(items: object) -> Body:
    """Return the first item of a list, or the value itself, if it is an object; else an empty object."""
    if type(items) is list and items:
        items = items[0]
    return items if type(items) is dict else {}
