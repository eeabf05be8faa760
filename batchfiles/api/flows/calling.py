"""One call, tried again where that can't do harm."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from batchfiles.api.answers import error_of
from batchfiles.api.flows.effects import Chance, Flow, Log, Now, Open, ReadBody, Sleep
from batchfiles.api.messages import Request, Response
from batchfiles.api.retry_policy import RetryPolicy, is_passing
from batchfiles.errors import APIError, TransportError, UnreadableResponse

__all__ = ["ANSWER_LIMIT", "ERROR_LIMIT", "again_in", "call", "exchange"]

T = TypeVar("T")

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of an answer that are read; ours. A page of 10,000 files has some 3 MB."""

ERROR_LIMIT = 64 * 1024
"""Bytes of an error that are read; ours. A gigabyte of error page must not fill the memory."""


def exchange(request: Request) -> Flow[Response]:
    """Send a request once and read its answer.

    Raises:
        TransportError: There was no whole answer.
        UnreadableResponse: It is longer than any answer of this API.
    """
    head: Response = yield Open(request)
    limit = ANSWER_LIMIT if head.is_success else ERROR_LIMIT
    body: bytes = yield ReadBody(limit + 1)
    if len(body) > limit and head.is_success:
        raise UnreadableResponse(
            f"the answer is longer than {limit:,} bytes", status_code=head.status_code, request_id=head.request_id
        )
    return Response(head.status_code, head.headers, body[:limit])


def call(request: Request, read: Callable[[Response], T], policy: RetryPolicy, *, conflicts: bool = True) -> Flow[T]:
    """Make a call whose repetition does no harm, and read its answer.

    Args:
        request: What is sent.
        read: What makes a value of the answer.
        policy: How often it is tried.
        conflicts: Whether a conflict (409) is worth another attempt.

    Raises:
        APIError: The service said no, to the last attempt.
        TransportError: There was no answer to the last attempt.
    """
    began: float = yield Now()
    attempt = 0
    while True:
        attempt += 1
        problem: APIError | TransportError
        headers: dict[str, str] = {}
        try:
            response = yield from exchange(request)
        except TransportError as error:
            problem = error
        else:
            headers = dict(response.headers)
            if is_passing(response, conflicts=conflicts) and not response.is_success:
                problem = error_of(response)
            else:
                try:
                    return read(response)
                except UnreadableResponse as error:  # a proxy's page with a good status, or half an answer
                    problem = error
        chance: float = yield Chance()
        pause = policy.pause(attempt, headers, chance)
        now: float = yield Now()
        if pause is None or now - began + pause > policy.max_seconds:
            raise problem
        yield again_in(pause, request.name, problem)
        yield Sleep(pause)


def again_in(pause: float, what: str, why: Exception) -> Log:
    """Say that something went wrong and is tried again: no wait is silent."""
    return Log(logging.WARNING, f"{what}: {why}; tried again in {pause:.1f} s")
