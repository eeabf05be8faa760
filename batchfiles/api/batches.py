"""The calls of `/batches`: what a batch is made of, and for each call a function for the request and one for the response.

What is wrong is refused here; nothing is sent. Also one request of a batch file for the live endpoint itself.

https://platform.openai.com/docs/api-reference/batch
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self
from urllib.parse import urlsplit

from batchfiles.api import values
from batchfiles.api.batch import Batch
from batchfiles.api.config import AzureConfig, Config, checked_id
from batchfiles.api.file import ListBatchesResponse
from batchfiles.api.responses import Request, Response, json_of
from batchfiles.errors import APIResponseValidationError, InvalidWebhookError
from batchfiles.open_strings import BatchCompletionWindow, BatchEndpoint, BatchFileExpirationAnchor

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
    signed = f"{message_id}.{stamp}.".encode(errors="surrogateescape") + body
    wanted = hmac.new(_secret_bytes(secret), signed, hashlib.sha256).digest()
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


MAX_PAIRS, MAX_KEY, MAX_VALUE = 16, 64, 512
"""Pairs, characters of a key and characters of a value of metadata [OpenAI's OpenAPI document, f85dbe2, schema Metadata]."""

EXPIRY: Final = range(3_600, 2_592_001)
"""Seconds from one hour to 30 days [the same document, schema BatchFileExpirationAfter]."""


@dataclass(frozen=True, slots=True)
class BatchFileExpirationAfter:
    """When a file is to be deleted, counted from its making.

    Args:
        seconds: From 3,600 (an hour) to 2,592,000 (30 days).
        anchor: From when the seconds are counted.

    Raises:
        ValueError: It is another one.
    """

    seconds: int
    anchor: BatchFileExpirationAnchor | str = BatchFileExpirationAnchor.CREATED_AT

    def __post_init__(self) -> None:
        if isinstance(self.seconds, bool) or self.seconds not in EXPIRY:
            raise ValueError(f"a file may expire after 3,600 to 2,592,000 seconds, not {self.seconds!r}")

    @classmethod
    def of(cls, value: BatchFileExpirationAfter | int | None) -> BatchFileExpirationAfter | None:
        """Return what a number of seconds means, or the value itself.

        Raises:
            ValueError: The number is too small or too large.
        """
        return value if value is None or isinstance(value, cls) else cls(seconds=value)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value."""
        return {"anchor": self.anchor, "seconds": self.seconds}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> BatchFileExpirationAfter:
        """Read the JSON value."""
        return cls(seconds=value["seconds"], anchor=value.get("anchor", BatchFileExpirationAnchor.CREATED_AT))


@dataclass(slots=True, kw_only=True)
class BatchRequest:
    """What `batches.create_request` sends.

    Args:
        input_file_id: An uploaded file with the purpose `batch`.
        endpoint: Where its requests go; the same as the `url` of each line.
        completion_window: How long it may take.
        metadata: At most 16 pairs of keys of 64 and values of 512 characters.
        output_expires_after: When the files of results are to be deleted.
        extra: Parameters that a provider adds.

    Raises:
        ValueError: Something is missing or too long.
    """

    input_file_id: str
    endpoint: BatchEndpoint | str
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24
    metadata: dict[str, str] | None = None
    output_expires_after: BatchFileExpirationAfter | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.input_file_id:
            raise ValueError("a batch needs an input_file_id: upload the file first")
        if not self.completion_window:
            raise ValueError("a batch needs a completion window, such as 24h")
        if not self.endpoint.startswith("/"):
            raise ValueError(f"an endpoint is a path such as /v1/chat/completions, not {self.endpoint!r}")
        self.metadata = None if self.metadata is None else checked_metadata(self.metadata)

    def with_metadata(self, metadata: dict[str, str] | None) -> Self:
        """Return a copy with this metadata in place of the old.

        Raises:
            ValueError: There are more than 16 pairs, or a key or value is too long or not a string.

        Example:
            >>> request = BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings")
            >>> request.with_metadata({"project": "library"}).metadata
            {'project': 'library'}
        """
        return replace(self, metadata=metadata, extra=dict(self.extra))

    def with_output_expires_after(self, expires_after: BatchFileExpirationAfter | int | None) -> Self:
        """Return a copy whose result files expire after this time.

        Args:
            expires_after: A number is in seconds after the creation of a file; None for the service's default.

        Raises:
            ValueError: The number is too small or too large.

        Example:
            >>> request = BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings")
            >>> request.with_output_expires_after(86_400).output_expires_after.seconds
            86400
        """
        expires = BatchFileExpirationAfter.of(expires_after)
        return replace(self, output_expires_after=expires, extra=dict(self.extra))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON value; what was not given is left out."""
        found: dict[str, Any] = {
            "input_file_id": self.input_file_id,
            "endpoint": self.endpoint,
            "completion_window": self.completion_window,
        }
        if self.metadata is not None:
            found["metadata"] = self.metadata
        if self.output_expires_after is not None:
            found["output_expires_after"] = self.output_expires_after.to_dict()
        return values.with_others(found, self.extra)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> BatchRequest:
        """Read the JSON value.

        Raises:
            ValueError: A value is missing or too long.
            KeyError: A required key is missing.
        """
        expires = value.get("output_expires_after")
        return cls(
            input_file_id=value["input_file_id"],
            endpoint=value["endpoint"],
            completion_window=value.get("completion_window", BatchCompletionWindow.H24),
            metadata=value.get("metadata"),
            output_expires_after=None if expires is None else BatchFileExpirationAfter.from_dict(expires),
            extra=values.others(value, KEYS),
        )


KEYS: Final = values.keys_of(BatchRequest)


def checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Return metadata that the service takes.

    Raises:
        ValueError: There are more than 16 pairs, or a key or value is too long or no string.
    """
    if len(metadata) > MAX_PAIRS:
        raise ValueError(f"metadata may have {MAX_PAIRS} pairs, not {len(metadata)}")
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(f"metadata is of strings only: {key!r} is not")  # noqa: TRY004 - a rule of the service
        if len(key) > MAX_KEY:
            raise ValueError(f"a key of metadata may have {MAX_KEY} characters: {key[:20]!r}… has {len(key)}")
        if len(value) > MAX_VALUE:
            raise ValueError(f"a value of metadata may have {MAX_VALUE} characters: that of {key!r} has {len(value)}")
    return dict(metadata)
