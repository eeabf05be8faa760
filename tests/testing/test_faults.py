"""Each kind of fault, seen from a socket: the bytes that the server sends, and whether it called the application."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from batchfiles.testing import CALLS, FAULTS, Fault, Faults, Server
from batchfiles.testing.server import call_of
from tests.testing.conftest import CHAT

CONTENT = b'{"custom_id": "a"}\n' * 10


class Answer(NamedTuple):
    """The bytes received until the socket was closed.

    Attributes:
        raw: All bytes.
        reset: Whether the connection was broken and not closed.
    """

    raw: bytes
    reset: bool

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ")[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Send one request, and read until the connection ends."""
    given = {"Host": "x", "Authorization": "Bearer k", "Connection": "close", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    raw = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"{method} /v1{path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        try:
            while piece := connection.recv(65_536):
                raw += piece
        except ConnectionResetError:
            return Answer(raw, reset=True)
    return Answer(raw, reset=False)


@pytest.fixture
def stored(http: httpx2.Client) -> str:
    """Upload a file of 190 bytes, and return the path of its content."""
    found = http.post("files", files={"file": ("a.jsonl", CONTENT)}, data={"purpose": "batch"})
    return f"/files/{found.json()['id']}/content"


def test_status_answers_and_does_nothing(server: Server, stored: str) -> None:
    """With its headers."""
    server.faults.at("files.delete", 1, Fault("status", status=429, headers={"retry-after": "7"}))
    answer = ask(server, "DELETE", stored.removesuffix("/content"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")
    assert json.loads(answer.body)["error"]["type"] == "server_error"
    assert len(server.service.files) == 1


def test_early_answers_before_the_request_was_read(server: Server) -> None:
    """The answer arrives before the last byte of the request is sent."""
    server.faults.at("batches.create", 1, Fault("early", status=413))
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Length: 1000000\r\n\r\n{")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
        connection.sendall(b" " * 999_999)
        while connection.recv(65_536):
            pass


def test_status_after_does_it_and_answers(server: Server, stored: str) -> None:
    """The file is deleted, although the answer is an error."""
    server.faults.at("files.delete", 1, Fault("status_after", status=502))
    assert ask(server, "DELETE", stored.removesuffix("/content")).status == 502
    assert server.service.files == []


def test_lost_does_it_and_says_nothing(server: Server, stored: str) -> None:
    """The response has zero bytes."""
    server.faults.at("files.delete", 1, Fault("lost"))
    assert ask(server, "DELETE", stored.removesuffix("/content")).raw == b""
    assert server.service.files == []


def test_reset_does_nothing_and_says_nothing(server: Server, stored: str) -> None:
    """The response has zero bytes."""
    server.faults.at("files.delete", 1, Fault("reset"))
    assert ask(server, "DELETE", stored.removesuffix("/content")).raw == b""
    assert len(server.service.files) == 1


def test_stall_says_nothing_for_a_while(server: Server, stored: str) -> None:
    """And then closes."""
    server.faults.at("files.delete", 1, Fault("stall", pause=0.3))
    began = time.monotonic()
    assert ask(server, "DELETE", stored.removesuffix("/content")).raw == b""
    assert time.monotonic() - began >= 0.3
    assert len(server.service.files) == 1


def test_html_answers_with_a_page(server: Server) -> None:
    """As proxies do, with the given status."""
    server.faults.at("batches.list", 1, Fault("html", status=520))
    answer = ask(server, "GET", "/batches")
    assert (answer.status, answer.headers["content-type"]) == (520, "text/html")
    assert answer.body.startswith(b"<html>")


def test_empty_answers_with_nothing(server: Server) -> None:
    """A successful status without a body."""
    server.faults.at("batches.list", 1, Fault("empty"))
    answer = ask(server, "GET", "/batches")
    assert (answer.status, answer.headers["content-length"], answer.body) == (200, "0", b"")


def test_not_json_answers_with_half_of_it(server: Server) -> None:
    """With the length of the half, so only the content shows it."""
    server.faults.at("batches.list", 1, Fault("not_json"))
    answer = ask(server, "GET", "/batches")
    whole = ask(server, "GET", "/batches").body
    assert answer.body == whole[: len(whole) // 2]
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("after", [0, 1, 100, 189, 190, 1000])
def test_cut_ends_the_body_before_its_length(server: Server, stored: str, after: int) -> None:
    """At least one byte is missing."""
    server.faults.at("files.content", 1, Fault("cut", after=after))
    answer = ask(server, "GET", stored)
    assert (answer.status, answer.headers["content-length"]) == (200, "190")
    assert answer.body == CONTENT[: min(after, 189)]


def test_cut_holds_for_the_part_that_was_asked_for(server: Server, stored: str) -> None:
    """The range is answered, and cut."""
    server.faults.at("files.content", 1, Fault("cut", after=10))
    answer = ask(server, "GET", stored, Range="bytes=100-")
    assert (answer.status, answer.headers["content-range"]) == (206, "bytes 100-189/190")
    assert answer.body == CONTENT[100:110]


def test_long_length_promises_ten_bytes_more(server: Server, stored: str) -> None:
    """All bytes arrive, and then the connection ends."""
    server.faults.at("files.content", 1, Fault("long_length"))
    answer = ask(server, "GET", stored)
    assert (answer.headers["content-length"], answer.body) == ("200", CONTENT)


def test_short_length_keeps_ten_bytes_back(server: Server, stored: str) -> None:
    """The answer is consistent: only a client that knows the size can detect it."""
    server.faults.at("files.content", 1, Fault("short_length"))
    answer = ask(server, "GET", stored)
    assert (answer.headers["content-length"], answer.body) == ("180", CONTENT[:180])


def test_no_length_ends_without_a_word(server: Server, stored: str) -> None:
    """Nothing in the answer shows that it is incomplete."""
    server.faults.at("files.content", 1, Fault("no_length", after=50))
    answer = ask(server, "GET", stored)
    assert "content-length" not in answer.headers
    assert answer.body == CONTENT[:50]


def test_cut_chunk_ends_in_the_middle_of_a_chunk(server: Server, stored: str) -> None:
    """The last chunk is missing."""
    server.faults.at("files.content", 1, Fault("cut_chunk", after=50))
    answer = ask(server, "GET", stored)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.body == b"33\r\n" + CONTENT[:50]


def test_drip_sends_a_byte_at_a_time(server: Server) -> None:
    """The complete answer arrives."""
    server.faults.at("files.retrieve", 1, Fault("drip", pause=0.003))
    began = time.monotonic()
    answer = ask(server, "GET", "/files/file-none")
    assert json.loads(answer.body)["error"]["param"] == "id"
    assert time.monotonic() - began >= 0.003 * len(answer.body)


def test_drip_head_sends_the_head_a_byte_at_a_time(server: Server) -> None:
    """The body follows at once."""
    server.faults.at("files.retrieve", 1, Fault("drip_head", pause=0.003))
    began = time.monotonic()
    answer = ask(server, "GET", "/files/file-none")
    assert json.loads(answer.body)["error"]["param"] == "id"
    assert time.monotonic() - began >= 0.003 * len("HTTP/1.1 404 OK\r\ncontent-type: application/json\r\n")


def test_hints_come_before_the_answer(server: Server) -> None:
    """The given number of 103 responses, and then the answer."""
    server.faults.at("files.retrieve", 1, Fault("hints", after=3, pause=0.0))
    found = ask(server, "GET", "/files/file-none").raw
    assert found.count(b"HTTP/1.1 103 ") == 3
    assert found.index(b"HTTP/1.1 404 ") > found.rindex(b"HTTP/1.1 103 ")
    assert json.loads(found.rpartition(b"\r\n\r\n")[2])["error"]["param"] == "id"


def test_no_range_sends_the_whole_file(server: Server, stored: str) -> None:
    """In answer to a range request."""
    server.faults.at("files.content", 1, Fault("no_range"))
    answer = ask(server, "GET", stored, Range="bytes=100-")
    assert (answer.status, answer.body) == (200, CONTENT)


def test_other_range_sends_another_part(server: Server, stored: str) -> None:
    """With the `Content-Range` of that part."""
    server.faults.at("files.content", 1, Fault("other_range"))
    answer = ask(server, "GET", stored, Range="bytes=100-")
    assert (answer.status, answer.headers["content-range"]) == (206, "bytes 1-189/190")


def test_changed_names_another_file(server: Server, stored: str) -> None:
    """The entity tag differs from that of the same file before and after."""
    server.faults.at("files.content", 2, Fault("changed"))
    tags = [ask(server, "GET", stored).headers["etag"] for _ in range(3)]
    assert tags[0] == tags[2] != tags[1]


def test_a_range_is_answered_with_that_part(server: Server, stored: str) -> None:
    """Without a fault: the range, 416 after the end, and the whole file if the entity tag differs."""
    tag = ask(server, "GET", stored).headers["etag"]
    assert ask(server, "GET", stored, Range="bytes=180-", **{"If-Range": tag}).body == CONTENT[180:]
    behind = ask(server, "GET", stored, Range="bytes=190-")
    assert (behind.status, behind.headers["content-range"]) == (416, "bytes */190")
    assert ask(server, "GET", stored, Range="bytes=180-", **{"If-Range": '"x"'}).body == CONTENT
    assert ask(server, "GET", stored, Range="bytes=0-9,20-29").status == 200


def test_every_kind_of_fault_has_a_test_here() -> None:
    """Each kind occurs in this file."""
    text = Path(__file__).read_text()
    assert [kind for kind in FAULTS if f'Fault("{kind}"' not in text] == []


def test_a_script_speaks_of_the_nth_call_of_a_kind(server: Server) -> None:
    """Other calls have none; `seen` and `met` count them."""
    server.faults.at("batches.list", 2, Fault("status", status=503)).always("files.list", Fault("status", status=504))
    assert [ask(server, "GET", "/batches").status for _ in range(3)] == [200, 503, 200]
    assert [ask(server, "GET", "/files").status for _ in range(2)] == [504, 504]
    server.faults.always("files.list", None)
    assert ask(server, "GET", "/files").status == 200
    assert server.faults.seen == {"batches.list": 3, "files.list": 3}
    assert [(call, number) for call, number, _ in server.faults.met] == [
        ("batches.list", 2),
        ("files.list", 1),
        ("files.list", 2),
    ]


def test_a_seed_makes_the_same_script_again() -> None:
    """Another seed gives other faults."""

    def planned(seed: int) -> list[Fault | None]:
        faults = Faults.by_chance(seed)
        return [faults.next(call) for call in CALLS for _ in range(40)]

    assert planned(1) == planned(1) != planned(2)
    assert 0 < planned(1).count(None) < len(planned(1))


def test_what_there_is_not_is_an_error() -> None:
    """The error names the known ones."""
    with pytest.raises(ValueError, match="unknown fault 'explode'; expected status"):
        Fault("explode")
    with pytest.raises(ValueError, match=r"unknown call 'files\.put'"):
        Faults().at("files.put", 1, Fault("reset"))


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("POST", "/v1/files", "files.create"),
        ("GET", "/openai/files", "files.list"),
        ("GET", "/openai/v1/files/file-1", "files.retrieve"),
        ("DELETE", "/v1/files/file-1", "files.delete"),
        ("GET", "/v1/files/file-1/content", "files.content"),
        ("POST", "/v1/batches", "batches.create"),
        ("GET", "/v1/batches", "batches.list"),
        ("GET", "/v1/batches/batch_1", "batches.retrieve"),
        ("POST", "/v1/batches/batch_1/cancel", "batches.cancel"),
        ("POST", CHAT, "live"),
    ],
)
def test_a_call_is_known_by_its_method_and_path(method: str, path: str, call: str) -> None:
    """With all prefixes."""
    assert call_of(method, path) == call
    assert call in CALLS


def test_a_server_goes_on_after_every_fault(server: Server, http: httpx2.Client) -> None:
    """For calls that read, write and transfer files."""
    for kind in FAULTS:
        fault = Fault(kind, pause=0.0)
        server.faults = Faults().at("files.create", 1, fault).at("batches.list", 1, fault)
        ask(server, "POST", "/files", b"--b\r\n", **{"Content-Type": "multipart/form-data; boundary=b"})
        ask(server, "GET", "/batches")
        assert http.get("batches").status_code == 200
        assert http.post("files", files={"file": ("a.jsonl", CONTENT)}, data={"purpose": "batch"}).status_code == 200
