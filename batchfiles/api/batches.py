"""The calls of `/batches`: for each a function that builds the request and one that reads the response. Nothing is sent here.

https://platform.openai.com/docs/api-reference/batch
"""

from __future__ import annotations

import json

from batchfiles.api.answers import json_of
from batchfiles.api.batch import Batch
from batchfiles.api.batch_request import BatchRequest
from batchfiles.api.config import Config
from batchfiles.api.ids import checked_id
from batchfiles.api.messages import Request, Response
from batchfiles.api.page import ListBatchesResponse

__all__ = [
    "MAX_PAGE",
    "cancel_request",
    "cancel_response",
    "create_request",
    "create_response",
    "list_request",
    "list_response",
    "retrieve_request",
    "retrieve_response",
]

MAX_PAGE = 100
"""Batches of a page at most [OpenAI's OpenAPI document, listBatches, f85dbe2]."""


def create_request(config: Config, params: BatchRequest) -> Request:
    """Build the request that makes a batch. It is never to be repeated blindly: each one that arrives may make another batch."""
    headers = config.all_headers(Content_Type="application/json")
    return Request("POST", config.url("batches"), headers, (json.dumps(params.encode()).encode(),))


def batch_of(response: Response) -> Batch:
    """Read the batch: whether it is made, looked at or cancelled, the service answers with it as it stands then.

    Raises:
        Conflict: It is over, and can't be cancelled.
        APIError: The service said no.
    """
    return Batch.decode(json_of(response))


create_response = retrieve_response = cancel_response = batch_of


def retrieve_request(config: Config, batch_id: str) -> Request:
    """Build the request for one batch.

    Raises:
        ValueError: That is no id.
    """
    return Request("GET", config.url("batches", checked_id(batch_id, "batch")), config.all_headers())


def list_request(config: Config, *, after: str | None = None, limit: int | None = None) -> Request:
    """Build the request for a page of batches.

    Args:
        config: Where the service is.
        after: The id of the last batch of the page before.
        limit: How many, from 1 to 100; the service's default is 20.

    Raises:
        ValueError: The limit or the id is none.
    """
    if limit is not None and not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} batches, not {limit}")
    cursor = None if after is None else checked_id(after, "batch")
    return Request("GET", config.url("batches", query={"after": cursor, "limit": limit}), config.all_headers())


def list_response(response: Response) -> ListBatchesResponse:
    """Read the page.

    Raises:
        APIError: The service said no.
    """
    return ListBatchesResponse.decode(json_of(response))


def cancel_request(config: Config, batch_id: str) -> Request:
    """Build the request that cancels a batch. A conflict (409) means that it can't be cancelled any more, and is final.

    Raises:
        ValueError: That is no id.
    """
    return Request("POST", config.url("batches", checked_id(batch_id, "batch"), "cancel"), config.all_headers())
