"""The calls of `/batches`: for each a function that builds the request and one that reads the response. Nothing is sent here.

https://platform.openai.com/docs/api-reference/batch

One request of a batch file, sent to the live endpoint itself: what it costs to be wrong there shows at once.

The service's own news of a batch, for those who wait by webhook: parsed, and proved to come from the service.

The signature is that of standardwebhooks.com, which OpenAI uses (https://platform.openai.com/docs/guides/webhooks, read 2026-11).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from batchfiles.api import values
from batchfiles.api.batch import Batch
from batchfiles.api.batch_request import BatchRequest
from batchfiles.api.config import AzureConfig, Config, checked_id
from batchfiles.api.file import ListBatchesResponse
from batchfiles.api.responses import Request, Response, json_of
from batchfiles.errors import APIResponseValidationError, InvalidWebhookError

__all__ = [
    "BATCH_EVENTS",
    "MAX_PAGE",
    "TOLERANCE",
    "BatchEvent",
    "cancel_request",
    "cancel_response",
    "create_request",
    "create_response",
    "list_request",
    "list_response",
    "live_request",
    "read_event",
    "retrieve_request",
    "retrieve_response",
    "verify",
]

MAX_PAGE = 100
"""Batches of a page at most [OpenAI's OpenAPI document, listBatches, f85dbe2]."""


def create_request(config: Config, params: BatchRequest) -> Request:
    """Build the request that makes a batch. It is never to be repeated blindly: each one that arrives may make another batch."""
    headers = config.all_headers(Content_Type="application/json")
    return Request("POST", config.url("batches"), headers, (json.dumps(params.to_dict()).encode(),))


def batch_of(response: Response) -> Batch:
    """Read the batch: the service answers with it when it is made, looked at or cancelled.

    Raises:
        ConflictError: It has ended, and can't be cancelled.
        APIError: The service refused it.
    """
    return Batch.from_dict(json_of(response))


create_response = retrieve_response = cancel_response = batch_of


def retrieve_request(config: Config, batch_id: str) -> Request:
    """Build the request for one batch.

    Raises:
        ValueError: It is not an id.
    """
    return Request("GET", config.url("batches", checked_id(batch_id, "batch")), config.all_headers())


def list_request(config: Config, *, after: str | None = None, limit: int | None = None) -> Request:
    """Build the request for a page of batches.

    Args:
        config: Where the service is.
        after: The id of the last batch of the page before.
        limit: How many, from 1 to 100; the service's default is 20.

    Raises:
        ValueError: The limit or the id is not valid.
    """
    if limit is not None and not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} batches, not {limit}")
    cursor = None if after is None else checked_id(after, "batch")
    return Request("GET", config.url("batches", query={"after": cursor, "limit": limit}), config.all_headers())


def list_response(response: Response) -> ListBatchesResponse:
    """Read the page.

    Raises:
        APIError: The service refused it.
    """
    return ListBatchesResponse.from_dict(json_of(response))


def cancel_request(config: Config, batch_id: str) -> Request:
    """Build the request that cancels a batch. A conflict (409) means that it can't be cancelled any more, and is final.

    Raises:
        ValueError: It is not an id.
    """
    return Request("POST", config.url("batches", checked_id(batch_id, "batch"), "cancel"), config.all_headers())


def live_request(config: Config, url: str, body: bytes, *, model: str | None = None) -> Request:
    """Build the call of a line of a batch file.

    Args:
        config: Where the service is.
        url: The url of the line, such as `/v1/chat/completions`.
        body: The bytes of its body.
        model: The deployment; in Azure's dated API it is part of the address.

    Raises:
        ValueError: The url is not a path.
    """
    path = urlsplit(url).path
    if not path.startswith("/") or path != url:
        raise ValueError(f"the url of a request is a path such as /v1/chat/completions, not {url[:60]!r}")
    parts = path.strip("/").split("/")
    # The base url holds the version already.
    parts = parts[1:] if parts[0] == "v1" else parts
    if isinstance(config, AzureConfig) and config.api_version and model:
        parts = ["deployments", model, *parts]
    return Request("POST", config.url(*parts), config.all_headers(Content_Type="application/json"), (body,))


BATCH_EVENTS: Final = ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled")
"""The events of batches [OpenAI's OpenAPI document, WebhookBatch…, f85dbe2]."""

TOLERANCE: Final = 300
"""Seconds by which the sender's clock and ours may differ [standardwebhooks.com: five minutes]."""

PREFIX = "whsec_"
ADDRESSES = str.maketrans("-_", "+/")


@dataclass(slots=True, kw_only=True)
class BatchEvent:
    """A batch has ended.

    Attributes:
        id: The event's own name; the same event may come twice.
        type: One of `BATCH_EVENTS`, or a word that we don't know yet.
        created_at: Seconds since 1970-01-01 UTC.
        batch_id: The batch.
        extra: Keys that the specification doesn't name.
    """

    id: str
    type: str
    created_at: int | None
    batch_id: str
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value, as the service posts it."""
        own = {"id": self.id, "object": "event", "type": self.type, "created_at": self.created_at, "data": {"id": self.batch_id}}
        return values.with_others(own, self.extra)


def read_event(body: bytes, headers: Mapping[str, str], secret: str, *, now: float, tolerance: float = TOLERANCE) -> BatchEvent:
    """Prove and read what was posted.

    Args:
        body: The received bytes, unchanged; JSON that was read and written again has another signature.
        headers: `webhook-id`, `webhook-timestamp` and `webhook-signature`, in any case.
        secret: What the service gave out for the endpoint; `whsec_` and base64.
        now: The time, in seconds since 1970-01-01 UTC.
        tolerance: Seconds by which the message may be old, or ahead.

    Raises:
        InvalidWebhookError: It does not come from the service, is too old, or is not an event of a batch.
        ValueError: The secret is not valid.
    """
    verify(body, headers, secret, now=now, tolerance=tolerance)
    try:
        event = values.mapping(json.loads(body), "event")
        kind = values.required_text(event.get("type"), "type")
        if not kind.startswith("batch."):
            raise InvalidWebhookError(f"an event of another kind: {kind[:60]!r}")
        return BatchEvent(
            id=values.required_text(event.get("id"), "id"),
            type=kind,
            created_at=values.Fields(event, {}).moment("created_at"),
            batch_id=values.required_text(values.mapping(event.get("data"), "data").get("id"), "data.id"),
            extra=values.others(event, frozenset({"id", "type", "created_at", "data", "object"})),
        )
    except (ValueError, RecursionError):
        problem = "the event is not JSON"
    except APIResponseValidationError as error:
        problem = f"not an event of a batch: {error.reason}"
    raise InvalidWebhookError(problem)


def verify(body: bytes, headers: Mapping[str, str], secret: str, *, now: float, tolerance: float = TOLERANCE) -> None:
    """Check that the sender of a message has the secret, and that it is not an old message sent again.

    Raises:
        InvalidWebhookError: It does not, or is.
        ValueError: The secret is not valid.
    """
    found = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    if not message_id or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise InvalidWebhookError("the message has no webhook-id or no webhook-timestamp")
    if abs(now - int(stamp)) > tolerance:
        raise InvalidWebhookError("the message is too old, or from the future")
    wanted = hmac.new(_secret_bytes(secret), f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    for signature in found.get("webhook-signature", "").split():
        version, _, text = signature.partition(",")
        if version == "v1" and hmac.compare_digest(_decoded(text), wanted):
            return
    raise InvalidWebhookError("no signature fits: the message does not come from the service, or was changed in transit")


def _secret_bytes(secret: str) -> bytes:
    found = _decoded(secret.strip().removeprefix(PREFIX))
    if not found:
        raise ValueError("a webhook's secret is whsec_ and base64")
    return found


def _decoded(text: str) -> bytes:
    """Read base64, also of the alphabet for addresses, and without the `=` at its end, which copied secrets often lack."""
    digits = text.rstrip("=").translate(ADDRESSES)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
