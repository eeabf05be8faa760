"""What to do when the service says no, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from batchfiles.errors import (
    APIError,
    AuthenticationError,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerFault,
    SubmissionUnknown,
    TransportError,
    UnreadableResponse,
)

if TYPE_CHECKING:
    from batchfiles.cli.service_options import Service

__all__ = ["advice", "what_to_do"]


@contextmanager
def advice(service: Service) -> Iterator[None]:
    """Add to a refusal of the service what its reader can do about it.

    Raises:
        ClickException: The service said no, or there was no answer; `main` makes the exit code 3 of it.
    """
    try:
        yield
    except (APIError, TransportError) as error:
        hint = what_to_do(error, service)
        words = f"{error}: {hint}" if hint else str(error)
        raise click.ClickException(words) from error


def what_to_do(error: APIError | TransportError, service: Service) -> str | None:
    """Return a hint; None where the error says enough."""
    address = service.config().base_url
    if isinstance(error, TransportError):
        if isinstance(error, SubmissionUnknown) or error.phase not in PHASES:
            return None
        return PHASES[error.phase].format(address=address)
    if isinstance(error, AuthenticationError):
        return _about_the_key(service)
    if isinstance(error, UnreadableResponse):
        return f"is {address} the address of the API, version included?"
    if error.status_code is not None and 300 <= error.status_code < 400:
        return "where that is another address of the same API, name it with --base-url"
    if error.status_code == 413:
        return "'batchfiles split --max-bytes' makes smaller files"
    return next((words for kind, words in BY_KIND.items() if isinstance(error, kind)), None)


def _about_the_key(service: Service) -> str:
    from batchfiles.client.environment import key_variable

    if service.key_command is not None:
        return "--key-command must print a key of this service"
    return f"set {key_variable(service.config())} to a key of this service, or say --key-command"


PHASES = {
    "resolve": "is {address} right, and is there a network?",
    "connect": "does {address} listen, and is there a network?",
    "tls": "the certificate of {address} is not one that this machine trusts",
}
"""Hints by the phase in which an exchange broke, before anything was sent."""

BY_KIND: dict[type[APIError], str] = {
    PermissionDenied: "the key may not do this; its project or its owner's role decides",
    NotFound: "ids are known in the project of their key only",
    RateLimited: "wait, or look at the limits and the balance of the account",
    ServerFault: "the trouble is at the service; try again later",
}
"""Hints by what the service said."""
