"""What a client knows of the service, however it waits."""

from __future__ import annotations

import logging

from batchfiles.api.config import Config
from batchfiles.api.key import Key
from batchfiles.api.retry_policy import RetryPolicy
from batchfiles.client.calls import Calls

__all__ = ["LOGGER", "ServiceClient"]

LOGGER = logging.getLogger("batchfiles")
"""The logger of both clients: steps as INFO, retries as WARNING; never the key."""


class ServiceClient:
    """What both clients are: where the service is, the key, and the calls that they run.

    Args:
        access: What `access_of` returned. The key itself is no argument: a traceback would show it.
        timeout: Seconds for a whole request.
        policy: How often a call is tried.

    Raises:
        ValueError: What `access_of` returned.

    Attributes:
        config: Where the service is.
        policy: How often a call is tried.
    """

    def __init__(self, access: tuple[Config, Key] | ValueError, timeout: float, policy: RetryPolicy | None) -> None:
        if isinstance(access, ValueError):
            raise access
        self.config, self._key = access
        self._timeout = timeout
        self.policy = policy or RetryPolicy()
        self._calls = Calls(self.config, self.policy)

    def __repr__(self) -> str:
        name = type(self).__name__
        if not hasattr(self, "config"):
            return f"{name}()"  # a traceback may show one whose making failed
        return f"{name}({self.config.base_url!r}, key={self._key})"
