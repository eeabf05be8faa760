"""Files of any size go through the clients in little memory.

With `BATCHFILES_TRANSFERS=full` 300 MB are uploaded and 1 GB is downloaded, else 150 MB each; `-s` shows the figures.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import CANARY
from tests.client.raw import RawServer, head_of, response

MB = 1_000_000
UP, DOWN = (300 * MB, 1_000 * MB) if os.environ.get("BATCHFILES_TRANSFERS") == "full" else (150 * MB, 150 * MB)
CHILD = """
import asyncio, re, sys
from batchfiles import AsyncClient, Client
kind, base_url, source, target = sys.argv[1:]
def peak():
    # ru_maxrss would be that of the parent, which was there before exec.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024
def transfer():
    with Client(base_url=base_url) as client:
        client.files.retrieve("file-1")
        print(peak())
        client.files.create(source)
        print(peak())
        client.files.content("file-1", target)
        print(peak())
async def transfer_async():
    async with AsyncClient(base_url=base_url) as client:
        await client.files.retrieve("file-1")
        print(peak())
        await client.files.create(source)
        print(peak())
        await client.files.content("file-1", target)
        print(peak())
transfer() if kind == "sync" else asyncio.run(transfer_async())
"""


def serve(connection: socket.socket) -> None:
    """Take any file, and have one of a certain size."""
    head, _, begun = head_of(connection).partition(b"\r\n\r\n")
    connection.settimeout(120.0)
    if head.startswith(b"POST"):
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        left = length - len(begun)
        while left:
            left -= len(connection.recv(min(left, MB)))
    if b"/content" in head.split(b"\r\n")[0]:
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % DOWN)
        for _ in range(DOWN // MB):
            connection.sendall(b"x" * MB)
    else:
        connection.sendall(response("200 OK", b'{"id": "file-1", "bytes": %d}' % DOWN))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_a_transfer_takes_less_than_100_mib(driver: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """More than the process had before, for any size of the file."""
    folder = tmp_path_factory.mktemp("transfers")
    source, target = folder / "up.jsonl", folder / "down.jsonl"
    with source.open("wb") as file:
        file.truncate(UP)
    try:
        with RawServer(serve) as server:
            command = [sys.executable, "-c", CHILD, driver, server.base_url, str(source), str(target)]
            told = subprocess.run(
                command, env={**os.environ, "OPENAI_API_KEY": CANARY}, capture_output=True, text=True, check=True
            )
        base, after_upload, after_download = (int(line) for line in told.stdout.split())
        print(f"{driver}: base {base} MiB, {UP // MB} MB up {after_upload} MiB, {DOWN // MB} MB down {after_download} MiB")
        assert target.stat().st_size == DOWN
        assert after_download - base <= 100
        assert after_upload - base <= 100
    finally:
        remove(source, target)


def remove(*paths: Path) -> None:
    """Don't keep gigabytes."""
    for path in paths:
        path.unlink(missing_ok=True)
