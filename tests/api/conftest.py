"""The tests of this folder run without a network: what `batchfiles.api` decides needs no socket."""

from __future__ import annotations

import socket
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that opens a socket or looks up a name."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("batchfiles.api must not use the network")

    for name in ("socket", "create_connection", "getaddrinfo", "socketpair"):
        monkeypatch.setattr(socket, name, refused)
