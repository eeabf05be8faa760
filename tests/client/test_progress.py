"""`progress(done, total)` of uploads and downloads, for both clients."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from batchfiles.client.transport import CHUNK
from tests.canary import CANARY
from tests.client.drivers import opened
from tests.client.raw import RawServer, head_of, response


def test_an_upload_reports_its_bytes(client: Any, tmp_path: Path) -> None:
    """After each piece; the last call has the size of the file."""
    path = tmp_path / "large.jsonl"
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 1000}]}
    line = {"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": body}
    path.write_text("".join(json.dumps({**line, "custom_id": f"r{number}"}) + "\n" for number in range(700)))
    size = path.stat().st_size
    assert size > 2 * CHUNK
    for upload in (lambda note: client.files.create(path, progress=note), submitted(client, path)):
        calls: list[tuple[int, int | None]] = []
        upload(lambda done, total, calls=calls: calls.append((done, total)))
        assert calls == [(done, size) for done in (*range(CHUNK, size, CHUNK), size)]


def submitted(client: Any, path: Path) -> Any:
    """Return the upload that `submit` makes."""
    return lambda note: client.submit(path, "/v1/chat/completions", progress=note)


def test_a_download_reports_its_bytes(client: Any, requests: Path, tmp_path: Path) -> None:
    """The numbers grow up to the size that the service states, for single files and for a batch."""
    batch = client.wait(client.submit(requests, "/v1/chat/completions").id)
    output = tmp_path / "copy.jsonl"
    calls: list[tuple[int, int | None]] = []
    client.files.content(batch.output_file_id, output, progress=lambda done, total: calls.append((done, total)))
    size = output.stat().st_size
    assert calls == sorted(calls)
    assert calls[-1] == (size, size)
    calls.clear()
    client.download(batch, tmp_path / "results", progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (size, size)


def test_a_size_that_is_not_stated_is_none(driver: str, tmp_path: Path) -> None:
    """It was 0, which looked like an empty file and divided by zero; the same in `submit`, `download` and `run`."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in (b'{"a": 1}\n', b'{"b": 2}\n', b""))

    def serve(connection: socket.socket) -> None:
        if b"/content" in head_of(connection).partition(b"\r\n")[0]:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            connection.sendall(head + body)
        else:
            connection.sendall(response("404 Not Found", b'{"error": {"message": "no such call"}}'))

    calls: list[tuple[int, int | None]] = []
    with RawServer(serve) as raw, opened(driver, CANARY, base_url=raw.base_url) as client:
        client.files.content("file-1", tmp_path / "copy.jsonl", progress=lambda done, total: calls.append((done, total)))
    assert (tmp_path / "copy.jsonl").read_bytes() == b'{"a": 1}\n{"b": 2}\n'
    assert calls[-1] == (18, None)
    assert {total for _, total in calls} == {None}


# starlette 0.37, in the local server, leaves the file of a form open whose upload is cut.
@pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")
def test_an_error_of_the_function_ends_the_transfer(client: Any, requests: Path) -> None:
    """It is the caller's own, and not treated as a network error, which would be retried."""

    def stop(_done: int, _total: int | None) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        client.files.create(requests, progress=stop)
