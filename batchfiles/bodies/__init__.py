"""What a response body says, one module per endpoint, all with a `read(body) -> Answer`.

Nothing here raises, whatever a body holds, but for `embeddings.vectors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchfiles.bodies import audio, chat_completions, completions, embeddings, moderations, other, responses
from batchfiles.bodies.answer import Answer, Body

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[Body], Answer]

__all__ = ["EMBEDDINGS", "endpoint_of", "read"]

EMBEDDINGS: Final = "/v1/embeddings"
"""The one endpoint whose answers are no texts, and have a table of their own."""

ENDPOINTS: Final[dict[Reader, str]] = {
    chat_completions.read: "/v1/chat/completions",
    completions.read: "/v1/completions",
    responses.read: "/v1/responses",
    embeddings.read: "/v1/embeddings",
    moderations.read: "/v1/moderations",
    audio.read: audio.TRANSCRIPTIONS,
}

BY_OBJECT: Final[dict[object, Reader]] = {
    "chat.completion": chat_completions.read,
    "text_completion": completions.read,
    "response": responses.read,
}
"""`list` is missing on purpose: vLLM's scores are lists too, so the items are looked at."""


def read(body: Body) -> Answer:
    """Read a body of whatever endpoint.

    Returns:
        What it says, in the words of the table's columns.
    """
    name = body.get("object")
    reader = BY_OBJECT.get(name) if type(name) is str else None
    return (reader or _by_shape(body) or other.read)(body)


def endpoint_of(body: Body) -> str | None:
    """Tell the endpoint that a body comes from, by its `object` and, where that is missing or unknown, by its shape.

    Returns:
        An endpoint such as `"/v1/chat/completions"`, or None if it is not one of those that have columns.
    """
    name = body.get("object")
    reader = (BY_OBJECT.get(name) if type(name) is str else None) or _by_shape(body)
    if reader is audio.read:
        return audio.endpoint(body)
    return None if reader is None else ENDPOINTS[reader]


def _by_shape(body: Body) -> Reader | None:
    """Tell the endpoint by the keys of the first choice, item or result."""
    choice = _first(body.get("choices"))
    if "message" in choice:
        return chat_completions.read
    if "text" in choice:  # Together calls these bodies `text.completion`
        return completions.read
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
        return moderations.read
    return audio.read if audio.is_transcript(body) else None


def _first(items: object) -> Body:
    """Return the first object of a list, the object itself where there is no list, or an empty one."""
    if type(items) is list and items:
        items = items[0]
    return items if type(items) is dict else {}
