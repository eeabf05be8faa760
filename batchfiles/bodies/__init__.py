"""Readers of response bodies, a module for each endpoint; each reader converts a body to an `Answer`.

Nothing here raises, whatever a body holds, but for `embeddings.vectors`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from batchfiles.bodies import chat_completions, embeddings, other, other_families, responses
from batchfiles.bodies.answer import Answer, Body
from batchfiles.bodies.other import UNRECOGNIZED

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[Body], Answer]

__all__ = ["EMBEDDINGS", "UNRECOGNIZED", "can_answer", "endpoint_of", "is_of_sound", "is_text", "read"]

EMBEDDINGS: Final = "/v1/embeddings"
"""The one endpoint whose answers are no texts, and have a table of their own."""

ENDPOINTS: Final[dict[Reader, str]] = {
    chat_completions.read: "/v1/chat/completions",
    other.read_completion: "/v1/completions",
    responses.read: "/v1/responses",
    embeddings.read: "/v1/embeddings",
    other.read_moderation: "/v1/moderations",
    other_families.read_message: "/v1/messages",
    other_families.read_candidates: ":generateContent",
    other_families.read_single_message: "/v2/chat",
    other_families.read_converse: "/converse",
    other.read_audio: other.TRANSCRIPTIONS,
}

BY_OBJECT: Final[dict[object, Reader]] = {
    "chat.completion": chat_completions.read,
    "text_completion": other.read_completion,
    "response": responses.read,
}
"""`list` is missing on purpose: vLLM's scores are lists too, so the items are looked at."""


def read(body: Body) -> Answer:
    """Read a body of whatever endpoint.

    Returns:
        What it says, in the words of the table's columns.
    """
    name = body.get("object")
    body_reader = BY_OBJECT.get(name) if type(name) is str else None
    return (body_reader or _by_shape(body) or other.read)(body)


def endpoint_of(body: Body) -> str | None:
    """Tell the endpoint that a body comes from, by its `object` and, where that is missing or unknown, by its shape.

    Returns:
        An endpoint such as `"/v1/chat/completions"`, or None if it is not one of those that have columns.
    """
    name = body.get("object")
    body_reader = (BY_OBJECT.get(name) if type(name) is str else None) or _by_shape(body)
    if body_reader is other.read_audio:
        return other.endpoint(body)
    return None if body_reader is None else ENDPOINTS[body_reader]


def _by_shape(body: Body) -> Reader | None:
    """Tell the endpoint by the keys of the first choice, item or result."""
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
    for is_one, body_reader in FAMILIES:
        if is_one(body):
            return body_reader
    return other.read_audio if other.is_transcript(body) else None


FAMILIES: Final = (
    (other_families.is_message, other_families.read_message),
    (other_families.is_candidates, other_families.read_candidates),
    (other_families.is_single_message, other_families.read_single_message),
    (other_families.is_converse, other_families.read_converse),
)


def can_answer(body: Body, url: str | None) -> bool:
    """Return whether a body can be the answer to a request of a url.

    A text is one whichever endpoint it comes from: gateways answer a chat completion with what their provider wrote.

    Returns:
        True where nothing is known of the url.
    """
    expected = _kind_of_url(url)
    if expected is None:
        return True
    endpoint = endpoint_of(body)
    return endpoint is not None and KINDS.get(endpoint.rpartition("/")[2], "text") == expected


def is_text(url: str | None) -> bool:
    """Return whether the answers of a url are texts, or the url is unknown."""
    return _kind_of_url(url) in ("text", None)


def is_of_sound(url: str | None) -> bool:
    """Return whether a url belongs to transcriptions or translations."""
    return url is not None and url.partition("?")[0].rstrip("/").endswith(("/audio/transcriptions", "/audio/translations"))


@lru_cache(maxsize=256)
def _kind_of_url(url: str | None) -> str | None:
    """Return the kind of answers of a url: `"text"`, `"embeddings"` or `"moderations"`; None for an unknown url.

    Azure leaves the version out, Zhipu has a `/v4`, gateways put paths before it, and a query may follow.
    """
    path = "" if url is None else url.partition("?")[0].rstrip("/")
    name = path.rpartition("/")[2]
    return "text" if path.endswith(TEXT_PATHS) else OTHER_KINDS.get(name)


TEXT_PATHS: Final = ("/chat/completions", "/completions", "/responses")
OTHER_KINDS: Final = {"embeddings": "embeddings", "moderations": "moderations"}
KINDS: Final = OTHER_KINDS | {"transcriptions": "audio", "translations": "audio"}
"""The content of bodies, by the last word of their endpoint. Audio urls may also answer with other bodies."""


def _first(items: object) -> Body:
    """Return the first object of a list, the object itself where there is no list, or an empty one."""
    if type(items) is list and items:
        items = items[0]
    return items if type(items) is dict else {}
