"""Single exchanges with servers that behave badly: the key stays where it belongs, and every end is one of our errors."""

from __future__ import annotations

import gzip
import json
import os
import random
import socket
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from batchfiles import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BatchFilesError,
    Config,
    FileError,
    InternalServerError,
    RetryPolicy,
)
from batchfiles.api import AzureConfig, FilePart
from batchfiles.api.submitting import upload
from batchfiles.testing import Fault, Server
from tests.canary import CANARY
from tests.client.conftest import Opener
from tests.client.raw import RawServer, answered_with, head_of, response

# Old releases of httpx2 leave the transport of an upload that was broken off to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


ONCE = RetryPolicy(max_retries=0)
BATCH = b'{"id": "batch_1", "object": "batch", "status": "in_progress"}'
MUTATIONS = int(os.environ.get("BATCHFILES_MUTATIONS", "200"))
"""Spoiled answers that a client is given."""


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("follow", [False, True])
def test_no_redirect_carries_the_key_elsewhere(open_client: Opener, driver: str, status: str, *, follow: bool) -> None:
    """It is not followed, not even by a client of one's own that follows others."""
    kind = httpx2.Client if driver == "sync" else httpx2.AsyncClient
    with RawServer(answered_with(response("200 OK", BATCH))) as elsewhere:
        moved = response(status, Location=f"{elsewhere.base_url}/batches/batch_1")
        with RawServer(answered_with(moved)) as server:
            http = kind(trust_env=False, verify=False, follow_redirects=follow)
            with (
                open_client(base_url=server.base_url, http=http) as client,
                pytest.raises(APIError, match=f"status {status[:3]}"),
            ):
                client.batches.retrieve("batch_1")
        assert elsewhere.connections == 0


@pytest.mark.parametrize("lingering", [True, False])
def test_an_answer_that_comes_before_the_upload_is_over_is_shown(
    open_client: Opener, driver: str, tmp_path: Path, *, lingering: bool
) -> None:
    """The server answers 413 after the head, and closes its side, or the whole connection; its answer is reported.

    asyncio throws away what was received before a connection is reset, so that only the other client can show that.
    """
    if driver == "async" and not lingering:
        pytest.skip("asyncio forgets what came before the reset")
    path = tmp_path / "large.jsonl"
    path.write_bytes(b"{}\n" * 3_000_000)

    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(
            response("413 Too Large", b'{"error": {"message": "File is too large."}}', Content_Type="application/json")
        )
        if lingering:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1_000_000):
                pass

    with (
        RawServer(serve) as server,
        open_client(base_url=server.base_url) as client,
        pytest.raises(APIError, match="File is too large"),
    ):
        client.files.create(path)


def test_an_upload_that_is_cut_anywhere_is_an_error_of_ours(open_client: Opener, tmp_path: Path) -> None:
    """After each 64 KiB the connection is closed, without an answer: nothing says that the file is there."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"{}\n" * 200_000)
    limits = range(0, 600_000, 65_536)
    todo = iter(limits)

    def serve(connection: socket.socket) -> None:
        left = next(todo) - len(head_of(connection))
        while left > 0:
            left -= len(connection.recv(min(left, 65_536)))

    with RawServer(serve) as server, open_client(base_url=server.base_url, policy=ONCE) as client:
        for _ in limits:
            with pytest.raises(APIConnectionError):
                client.files.create(path)
    assert list(todo) == []


def test_a_server_that_drips_ends_at_the_deadline(open_client: Opener, server: Server, requests: Path) -> None:
    """A byte every 0.2 s keeps each read busy; the request as a whole has one second."""
    server.faults.always("batches.list", Fault("drip", pause=0.2))
    with open_client(timeout=1.0, policy=ONCE) as client:
        began = time.monotonic()
        with pytest.raises(APITimeoutError, match="the time for the whole request has ended"):
            client.batches.list()
        assert time.monotonic() - began < 2.0
    assert requests.exists()


def test_a_silent_server_ends_at_the_deadline(open_client: Opener) -> None:
    """Before its first byte."""
    with (
        RawServer(lambda connection: (head_of(connection), connection.recv(1))) as server,
        open_client(base_url=server.base_url, timeout=0.3, policy=ONCE) as client,
    ):
        began = time.monotonic()
        with pytest.raises(APITimeoutError, match="the time for the whole request has ended"):
            client.batches.retrieve("batch_1")
        assert time.monotonic() - began < 1.3


def dripping_head(connection: socket.socket) -> None:
    """Send a byte of the head now and then, forever."""
    head_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def only_hints(connection: socket.socket) -> None:
    """Announce the answer, forever."""
    head_of(connection)
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        time.sleep(0.01)


def hints_and_a_dripping_head(connection: socket.socket) -> None:
    """Both."""
    head_of(connection)
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20 + b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def dripping_body(connection: socket.socket) -> None:
    """Send a byte of the body now and then."""
    head_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def stalling_body(connection: socket.socket) -> None:
    """Send half of the body, and nothing more."""
    head_of(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n ")
    connection.recv(1)


@pytest.mark.parametrize("serve", [dripping_head, only_hints, hints_and_a_dripping_head, dripping_body, stalling_body])
@pytest.mark.parametrize("reused", [False, True])
def test_no_way_of_being_slow_outlasts_the_deadline(
    open_client: Opener, serve: Callable[[socket.socket], None], *, reused: bool
) -> None:
    """Each read is short, and the whole is not; also on a connection that has served a request already."""
    connections: list[socket.socket] = []

    def serve_after_one(connection: socket.socket) -> None:
        connections.append(connection)
        if reused:
            head_of(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BATCH), BATCH))
        serve(connection)

    with RawServer(serve_after_one) as server, open_client(base_url=server.base_url, timeout=1.0, policy=ONCE) as client:
        if reused:
            assert client.batches.retrieve("batch_1").id == "batch_1"
        began = time.monotonic()
        with pytest.raises(APITimeoutError, match="the time for the whole request has ended"):
            client.batches.retrieve("batch_1")
        took = time.monotonic() - began
    assert 0.9 < took < 4.5  # far below the time of these servers, and generous to a busy machine
    assert len(connections) == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("own", [False, True])
def test_contents_are_followed_elsewhere_and_nothing_of_us_goes_along(
    open_client: Opener, driver: str, tmp_path: Path, status: str, the_key_is_never_seen: list[str], *, own: bool
) -> None:
    """Neither the key nor the organization, cookies, or headers of a custom client that follows redirects itself.

    The log of httpx2 has the address without its signature.
    """
    content = b"the bytes of a store"
    heads: list[bytes] = []

    def store(connection: socket.socket) -> None:
        heads.append(head_of(connection))
        connection.sendall(response("200 OK", content))

    with RawServer(store) as elsewhere:

        def serve(connection: socket.socket) -> None:
            head = head_of(connection)
            if b"/content" in head.split(b"\r\n")[0]:
                assert CANARY.encode() in head
                connection.sendall(response(status, Location=f"{elsewhere.origin}/signed?sig=1", Set_Cookie="from=service"))
            else:
                connection.sendall(response("200 OK", json.dumps({"id": "file-1", "bytes": len(content)}).encode()))

        options: dict[str, Any] = {}
        if own:
            kind = httpx2.Client if driver == "sync" else httpx2.AsyncClient
            headers = {"X-Own": "secret", "Authorization": "Basic c2VjcmV0"}
            options["http"] = kind(
                trust_env=False,
                verify=False,
                follow_redirects=True,
                cookies={"own": "secret"},
                headers=headers,
                auth=("u", "secret"),
            )
        with RawServer(serve) as server:
            config = Config(base_url=server.base_url, organization="org-secret", headers={"X-Gateway": "secret"})
            with open_client(config=config, **options) as client:
                client.files.content("file-1", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == content
    (head,) = heads
    names = {line.split(b":")[0].lower() for line in head.split(b"\r\n")[1:] if line}
    assert names == {b"host", b"accept", b"accept-encoding"}
    assert b"secret" not in head
    logged = [text for text in the_key_is_never_seen if text.startswith(f"HTTP Request: GET {elsewhere.origin}")]
    assert [text.split()[3] for text in logged] == [f"{elsewhere.origin}/signed"]


def test_a_key_that_has_expired_is_asked_for_once_more(open_client: Opener, server: Server) -> None:
    """By a function that makes keys; the second one is used."""
    made: list[str] = []

    def key() -> str:
        made.append(f"{CANARY}{len(made)}")
        return made[-1]

    server.faults.at("batches.list", 1, Fault("status", status=401))
    with open_client(key) as client:
        assert client.batches.list() == []
        assert len(made) == 2
        server.faults.always("batches.list", Fault("status", status=401))
        with pytest.raises(AuthenticationError):
            client.batches.list()
        assert len(made) == 4


def test_a_key_that_stays_the_same_is_refused_once(client: Any, server: Server) -> None:
    """Asking again with it changes nothing."""
    server.faults.always("batches.list", Fault("status", status=401))
    with pytest.raises(AuthenticationError):
        client.batches.list()
    assert server.faults.seen["batches.list"] == 1


def test_the_key_goes_into_the_header_of_its_service(open_client: Opener) -> None:
    """A bearer token, or Azure's own header."""
    heads: list[bytes] = []
    with RawServer(
        lambda connection: (heads.append(head_of(connection)), connection.sendall(response("200 OK", BATCH)))
    ) as server:
        for config in (
            Config(base_url=server.base_url),
            AzureConfig(base_url=server.origin, api_version="2024-10-21"),
            AzureConfig(base_url=server.origin, entra=True),
        ):
            with open_client(config=config) as client:
                client.batches.retrieve("batch_1")
    assert [f"\r\nAuthorization: Bearer {CANARY}\r\n".lower().encode() in head.lower() for head in heads] == [True, False, True]
    assert [f"\r\napi-key: {CANARY}\r\n".encode() in head.lower() for head in heads] == [False, True, False]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_answers_that_come_compressed_are_read(open_client: Opener, encoding: str) -> None:
    """Services compress JSON."""
    body = gzip.compress(BATCH) if encoding == "gzip" else BATCH
    answer = response("200 OK", body, Content_Encoding=encoding, Content_Type="application/json")
    with RawServer(answered_with(answer)) as server, open_client(base_url=server.base_url) as client:
        assert client.batches.retrieve("batch_1").status == "in_progress"


def test_a_compressed_error_that_is_endless_needs_little_memory(open_client: Opener) -> None:
    """httpx2 before 2.12 decompressed all that had arrived at once: 261 bytes became 829 MiB (GHSA-8xx6-hgc6-gc2m)."""
    body = gzip.compress(gzip.compress(bytes(64 * 2**20)))
    answer = response("500 Internal Server Error", body, Content_Encoding="gzip, gzip", Content_Type="application/json")
    with RawServer(answered_with(answer)) as server, open_client(base_url=server.base_url, policy=ONCE) as client:
        tracemalloc.start()
        try:
            with pytest.raises(InternalServerError, match="65,536 bytes"):
                client.batches.retrieve("batch_1")
            assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
        finally:
            tracemalloc.stop()


HOSTILE = {
    "garbage": b"\x00\xff garbage\r\n\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a status of words": b"HTTP/1.1 fine OK\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n" + BATCH,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n" + BATCH,
    "a length too long": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + BATCH,
    "a header of 200 KB": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no gzip": response("200 OK", BATCH, Content_Encoding="gzip"),
    "a page": response("520 Unknown", b"<html>203.0.113.7</html>", Content_Type="text/html"),
    "a status that nobody knows": response("999 Denied"),
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_what_no_server_should_say_is_an_error_of_ours(open_client: Opener, answer: bytes) -> None:
    """And is not quoted at length."""
    with RawServer(answered_with(answer)) as server, open_client(base_url=server.base_url, policy=ONCE) as client:
        with pytest.raises(BatchFilesError) as caught:
            client.batches.retrieve("batch_1")
        assert len(str(caught.value)) < 400
        assert "203.0.113.7" not in str(caught.value)


def test_answers_spoiled_at_random_end_in_a_value_or_an_error_of_ours(open_client: Opener) -> None:
    """Bytes changed, added and removed, in the head and in the body; a seed makes the same damage again."""
    chance = random.Random(9)
    good = response("200 OK", json.dumps({"object": "list", "data": [json.loads(BATCH)], "has_more": False}).encode())
    answers: list[bytes] = []
    for _ in range(MUTATIONS):
        spoiled = bytearray(good)
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(spoiled))
            spoiled[place : place + chance.choice([0, 1, 1, 1, 20])] = chance.randbytes(chance.choice([0, 1, 1, 3]))
        answers.append(bytes(spoiled))
    todo = iter(answers)
    with (
        RawServer(lambda connection: (head_of(connection), connection.sendall(next(todo)))) as server,
        open_client(base_url=server.base_url, policy=ONCE, timeout=5.0) as client,
    ):
        for answer in answers:
            try:
                found = client.batches.list(limit=1)
            except BatchFilesError:
                continue
            assert isinstance(found, list), answer


def test_nobody_there_is_an_error_that_says_that_nothing_was_sent(open_client: Opener, turned: object) -> None:
    """The phase identifies it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with open_client(base_url=address) as client, pytest.raises(APIConnectionError) as caught:
        client.batches.list()
    assert caught.value.phase == "connect"
    assert turned


def test_a_file_that_becomes_shorter_while_it_is_sent_is_an_error(open_client: Opener, server: Server, requests: Path) -> None:
    """Raised without the frames of the libraries below, which know the key."""
    config = Config(base_url=server.base_url)
    longer = FilePart(str(requests), 0, requests.stat().st_size + 10)
    with open_client() as client, pytest.raises(FileError, match="became shorter while it was sent"):
        client.run(upload(config, longer, "requests.jsonl", ONCE))


def test_a_client_of_one_s_own_is_used_and_not_closed(open_client: Opener, driver: str, server: Server) -> None:
    """With its proxies and certificates."""
    seen: list[str] = []

    def note(request: httpx2.Request) -> None:
        seen.append(request.url.path)

    async def note_async(request: httpx2.Request) -> None:
        note(request)

    if driver == "sync":
        http: Any = httpx2.Client(trust_env=False, verify=False, event_hooks={"request": [note]})
    else:
        http = httpx2.AsyncClient(trust_env=False, verify=False, event_hooks={"request": [note_async]})
    with open_client(http=http) as client:
        client.batches.list()
        client.close()
        assert not http.is_closed
        http.close() if driver == "sync" else client._runner.run(http.aclose())
    assert seen == ["/v1/batches"]
    assert server.faults.seen["batches.list"] == 1


def test_lists_go_over_all_pages(client: Any, requests: Path) -> None:
    """And stop at the limit."""
    files = [client.files.create(requests).id for _ in range(3)]
    assert [file.id for file in client.files.list(order="asc")] == files
    assert [file.id for file in client.files.list(limit=2)] == files[:0:-1]
    assert len(list(client.files.list(limit=20_000))) == len(files)  # once a limit above the size of a page was refused
    assert client.files.delete(files[0]).deleted
    made = [client.batches.create(files[1], "/v1/chat/completions").id for _ in range(103)]
    assert [batch.id for batch in client.batches.list()] == made[::-1]
    assert [batch.id for batch in client.batches.list(after=made[50], limit=3)] == made[49:46:-1]


def test_without_a_key_or_with_a_bad_one_no_socket_is_opened(
    driver: str, open_client: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable, and never the value."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(socket, "socket", None)
    for key, words in ((None, "set OPENAI_API_KEY"), (CANARY + "\n", "newline"), (f'"{CANARY}"', "quotes"), ("", "empty")):
        with pytest.raises(ValueError, match=words):
            open_client(key, base_url="http://127.0.0.1:9/v1", http=object())
    with pytest.raises(ValueError, match="in the open"):
        open_client(CANARY, base_url="http://api.example/v1", http=object())
    assert driver


def test_the_environment_says_where_the_service_is(open_client: Opener, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the official SDK."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    with open_client(None, base_url=None) as client:
        assert client.batches.list() == []
        assert repr(client).endswith(f"Client('{server.base_url}', key=***)")


def test_nothing_of_netrc_files_and_proxies_of_the_environment_is_used(
    open_client: Opener, driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password of `.netrc` would replace the key, and a proxy would see it."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password netrc-password\ndefault login somebody password netrc-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    heads: list[bytes] = []
    proxied: list[bytes] = []
    with (
        RawServer(lambda one: (heads.append(head_of(one)), one.sendall(response("200 OK", BATCH)))) as server,
        RawServer(lambda one: (proxied.append(head_of(one)), one.sendall(response("200 OK", BATCH)))) as proxy,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        with httpx2.Client(verify=False) as http:  # one that uses the environment, to show that it is there
            http.get(f"{server.base_url}/batches")
        assert (len(heads), len(proxied)) == (0, 1)
        with open_client(base_url=server.base_url, http=None) as client:
            assert client.batches.retrieve("batch_1").id == "batch_1"
    assert (len(heads), len(proxied)) == (1, 1)
    assert [line for line in heads[0].split(b"\r\n") if b"uthorization" in line] == [f"Authorization: Bearer {CANARY}".encode()]
    assert driver
