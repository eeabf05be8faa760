"""Downloads over a real connection: a file is complete or there is an error, for any break of the connection."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from batchfiles import APIConnectionError, APIError, FileError, IncompleteDownloadError, RetryPolicy
from batchfiles.client import Client, disk
from batchfiles.testing import Fault, Faults, Server
from tests.canary import CANARY
from tests.client.drivers import Turned

SMALL = b'{"custom_id": "r0", "response": "a line of an output file"}\n'
LARGE = random.Random(7).randbytes(300_000)
LARGEST = random.Random(8).randbytes(1 << 20) * int(os.environ.get("BATCHFILES_DOWNLOAD", "0")) or LARGE
"""A file that is cut often: of so many MiB, or a small one."""

PIECE = 4 << 20 if len(LARGEST) > len(LARGE) else 30_000
"""Bytes between two cuts."""

CUTS = int(os.environ.get("BATCHFILES_CUTS", "200"))
"""Random places at which a larger file is cut."""


def stored(client: Any, folder: Path, content: bytes) -> str:
    """Put a file at the service, and return its id."""
    path = folder / "stored.jsonl"
    path.write_bytes(content)
    return str(client.files.create(path, purpose="user_data").id)


@pytest.mark.usefixtures("turned")
@pytest.mark.parametrize("kind", ["cut", "cut_chunk", "no_length"])
def test_a_small_file_is_cut_after_every_byte_and_comes_whole(client: Any, server: Server, tmp_path: Path, kind: str) -> None:
    """The rest is requested, and appended to what was received."""
    file_id = stored(client, tmp_path, SMALL)
    for after in range(len(SMALL)):
        server.faults = Faults().at("files.content", 1, Fault(kind, after=after))
        target = tmp_path / f"{kind}{after}"
        client.files.content(file_id, target)
        assert target.read_bytes() == SMALL
        assert server.faults.seen["files.content"] == 2
        assert list(tmp_path.glob("*.part*")) == []


@pytest.mark.usefixtures("turned")
def test_a_larger_file_is_cut_at_random_places_and_comes_whole(client: Any, server: Server, tmp_path: Path) -> None:
    """Two cuts each; a seed makes the same places again."""
    file_id = stored(client, tmp_path, LARGE)
    chance = random.Random(20261123)
    for number in range(CUTS // 2):
        kinds = chance.choices(["cut", "cut_chunk", "no_length", "long_length", "no_range", "other_range", "changed"], k=2)
        server.faults = Faults()
        for call, kind in enumerate(kinds, start=1):
            server.faults.at("files.content", call, Fault(kind, after=chance.randrange(len(LARGE))))
        target = tmp_path / str(number)
        try:
            client.files.content(file_id, target)
        except APIConnectionError:
            assert not target.exists()
        else:
            assert target.read_bytes() == LARGE, kinds
            target.unlink()


@pytest.mark.usefixtures("turned")
@pytest.mark.parametrize("kind", ["cut", "cut_chunk", "no_length", "short_length", "long_length"])
def test_a_file_that_never_comes_whole_has_never_its_name(client: Any, server: Server, tmp_path: Path, kind: str) -> None:
    """Every attempt ends too early, or claims another length: it is an error, or the very bytes."""
    file_id = stored(client, tmp_path, SMALL)
    server.faults.always("files.content", Fault(kind, after=0))
    with contextlib.suppress(IncompleteDownloadError):
        client.files.content(file_id, tmp_path / "target")
        assert (tmp_path / "target").read_bytes() == SMALL
    assert not (tmp_path / "target").exists() or kind in ("short_length", "long_length")


@pytest.mark.usefixtures("turned")
def test_a_second_download_does_nothing(client: Any, server: Server, requests: Path, tmp_path: Path) -> None:
    """The file has the size that the service reports: not a byte is requested."""
    batch = client.wait(client.submit(requests, "/v1/chat/completions").id)
    first = client.download(batch, tmp_path / "results")
    assert [Path(path).name for path in first] == [f"{batch.id}_output.jsonl"]
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [f"{batch.id}.json", f"{batch.id}_output.jsonl"]
    server.faults = Faults()
    assert client.download(batch.id, tmp_path / "results") == first
    assert server.faults.seen == {"batches.retrieve": 1, "files.retrieve": 1}


KILLED = """
import sys
from batchfiles import Client
with Client(base_url=sys.argv[1]) as client:
    client.files.content(sys.argv[2], sys.argv[3])
"""


def test_after_a_kill_another_process_resumes(server: Server, tmp_path: Path) -> None:
    """The bytes that were received are not fetched again."""
    target, part = tmp_path / "target", tmp_path / "target.part"
    with httpx2.Client(trust_env=False) as http, Client(CANARY, base_url=server.base_url, http=http) as client:
        file_id = stored(client, tmp_path, LARGE)
        server.faults = Faults().at("files.content", 1, Fault("drip", pause=0.0))
        command = [sys.executable, "-c", KILLED, server.base_url, file_id, str(target)]
        process = subprocess.Popen(command, env={**os.environ, "OPENAI_API_KEY": CANARY})
        end = time.monotonic() + 30
        while (not part.exists() or not part.stat().st_size) and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        came = part.stat().st_size
        assert 0 < came < len(LARGE)
        ranges: list[str | None] = []
        http.event_hooks = {"request": [lambda request: ranges.append(request.headers.get("range"))]}
        client.files.content(file_id, target)
    assert target.read_bytes() == LARGE
    assert ranges == [None, f"bytes={came}-"]


@pytest.mark.usefixtures("turned")
def test_a_file_that_is_cut_often_is_fetched_about_once(open_client: Any, driver: str, server: Server, tmp_path: Path) -> None:
    """Each attempt requests what is missing: for each cut, at most 4 KiB of what was sent are requested again."""
    starts: list[int] = []

    def note(request: httpx2.Request) -> None:
        if request.url.path.endswith("/content"):
            starts.append(int(request.headers.get("range", "bytes=0-")[6:-1]))

    async def note_async(request: httpx2.Request) -> None:
        note(request)

    with open_client() as client:
        file_id = stored(client, tmp_path, LARGEST)
    cuts = len(LARGEST) // PIECE - 1
    server.faults = Faults()
    for call in range(1, cuts + 1):
        server.faults.at("files.content", call, Fault("cut", after=PIECE))
    kind, hook = (httpx2.Client, note) if driver == "sync" else (httpx2.AsyncClient, note_async)
    http = kind(trust_env=False, verify=False, event_hooks={"request": [hook]})
    with open_client(http=http, policy=RetryPolicy(max_retries=cuts)) as client:
        client.files.content(file_id, tmp_path / "target")
        http.close() if driver == "sync" else client._runner.run(http.aclose())
    assert (tmp_path / "target").read_bytes() == LARGEST
    assert len(starts) == cuts + 1
    assert cuts * PIECE + len(LARGEST) - starts[-1] <= len(LARGEST) + cuts * (4096 if LARGEST is LARGE else 65_536)


def test_a_full_disk_is_an_error_and_never_a_shorter_file(tmp_path: Path) -> None:
    """The system writes a part silently; here, by a limit on the size of files."""
    with pytest.raises(FileError, match="file too large"):
        save_beyond_the_limit(tmp_path / "part", limit=600)
    assert (tmp_path / "part").stat().st_size == 600


def save_beyond_the_limit(path: Path, limit: int) -> None:
    """Write more to a file than the system allows."""
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    work = disk.WorkFile.locked(str(path))
    assert work is not None
    with contextlib.closing(work), work.appended(0) as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            file.write(b"x" * 1_000_000)  # more than Python buffers
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_folder_that_can_not_be_is_an_error_of_ours(client: Any, requests: Path, turned: Turned) -> None:
    """With its path."""
    batch = client.wait(client.submit(requests, "/v1/chat/completions").id)
    assert turned.monotonic() > 0
    with pytest.raises(FileError, match=r"requests\.jsonl"):
        client.download(batch, requests / "results")
    with pytest.raises(FileError, match="is a file, and a folder was asked for"):
        client.download(batch, requests)


@pytest.mark.parametrize("kind", ["folder", "device"])
def test_what_is_no_file_is_not_taken_for_the_download(client: Any, requests: Path, tmp_path: Path, kind: str) -> None:
    """Where the service states no size, a folder at the path counted as the file, and nothing was fetched."""
    file = client.files.create(requests)
    path = tmp_path / "target"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(FileError, match="target: is not a file that can be written"):
        client.files.content(file.id, path)


PAIRS = int(os.environ.get("BATCHFILES_PAIRS", "4"))
"""Pairs of downloads of one batch into one folder; 1,000 are the whole test."""

PAIR = """
import sys
from batchfiles import Client
with Client(base_url=sys.argv[1]) as client:
    for number in range(int(sys.argv[3]), int(sys.argv[4])):
        client.files.content(sys.argv[2], f"{sys.argv[5]}/{number}")
"""


@pytest.mark.parametrize("kind", ["drip", None])
def test_of_two_downloads_at_once_none_leaves_a_torn_file(server: Server, tmp_path: Path, kind: str | None) -> None:
    """Both write to the same folder, one of them is killed at some moment, and another one takes its place.

    At a final name is the whole file or none, at every moment; in the end all are there.
    """
    results = tmp_path / "results"
    results.mkdir()
    chance = random.Random(20261127)
    content = LARGE[:40_000] if kind == "drip" else LARGE * 10
    with httpx2.Client(trust_env=False) as http, Client(CANARY, base_url=server.base_url, http=http) as client:
        file_id = stored(client, tmp_path, content)
    if kind is not None:
        server.faults.always("files.content", Fault(kind, pause=0.0))
    step = 5
    for first in range(0, PAIRS, step):
        last = min(first + step, PAIRS)
        command = [sys.executable, "-c", PAIR, server.base_url, file_id, str(first), str(last), str(results)]
        environment = {**os.environ, "OPENAI_API_KEY": CANARY}
        killed, kept = (subprocess.Popen(command, env=environment) for _ in range(2))
        end = time.monotonic() + 60
        while not list(results.glob(f"{first}*")) and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.1)
        killed.kill()
        killed.wait()
        assert {len(path.read_bytes()) for path in results.iterdir() if path.suffix == ""} <= {len(content)}
        again = subprocess.Popen(command, env=environment)
        assert [process.wait(timeout=300) for process in (kept, again)] == [0, 0]
        for number in range(first, last):
            assert (results / str(number)).read_bytes() == content
    # A process that is killed as it writes a small file leaves that one under a hidden name.
    left = {path.name for path in results.iterdir() if not (path.name.startswith(".") and path.name.endswith("batchfiles-part"))}
    assert left == set(map(str, range(PAIRS)))


def test_two_downloads_in_one_process_share_the_work(open_client: Any, server: Server, tmp_path: Path) -> None:
    """Threads of one program, each with its client: the bytes are fetched once."""
    with open_client() as client:
        file_id = stored(client, tmp_path, LARGE)
    server.faults.always("files.content", Fault("drip", pause=0.0))
    ended: list[bool] = []

    def fetch() -> None:
        with open_client() as client:
            client.files.content(file_id, tmp_path / "target")
        ended.append(True)

    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ended) == 3
    assert (tmp_path / "target").read_bytes() == LARGE
    assert list(tmp_path.glob("*.part*")) == []
    assert server.faults.seen["files.content"] == 1


def test_a_torn_file_of_another_program_is_fetched_again(client: Any, requests: Path, tmp_path: Path, turned: Turned) -> None:
    """Its size is not the one that the service reports."""
    batch = client.wait(client.submit(requests, "/v1/chat/completions").id)
    (path,) = client.download(batch, tmp_path / "results")
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:10])
    assert client.download(batch, tmp_path / "results") == [path]
    assert Path(path).read_bytes() == whole
    assert turned.monotonic() > 0


def test_a_download_that_brought_nothing_leaves_nothing(client: Any, tmp_path: Path) -> None:
    """An empty work file stayed beside a file that the service doesn't have."""
    with pytest.raises(APIError):
        client.files.content("file-0", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_a_work_file_that_another_process_replaced_is_not_renamed(tmp_path: Path) -> None:
    """The renamed file is the one that was locked and written, with the size that it has to have."""
    for spoil in ("replace", "append"):
        work = disk.WorkFile.locked(str(tmp_path / "part"))
        assert work is not None
        with work.appended(0) as file:
            file.write(b"ours")
        if spoil == "replace":
            (tmp_path / "part").unlink()
            (tmp_path / "part").write_bytes(b"four")
        else:
            with (tmp_path / "part").open("ab") as other:
                other.write(b"more")
        with pytest.raises(FileError, match="another process has changed it"):
            work.move(str(tmp_path / "target"), 4)
        assert not (tmp_path / "target").exists()
        (tmp_path / "part").unlink()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_locks_is_written_anyway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Stores that are mounted as folders know none."""

    def refuse(*_: object) -> None:
        raise OSError(number, "no locks here")

    monkeypatch.setattr(disk.fcntl, "flock", refuse)
    work = disk.WorkFile.locked(str(tmp_path / "part"))
    assert work is not None
    with work.appended(0) as file:
        file.write(b"bytes")
    work.move(str(tmp_path / "target"), 5)
    assert (tmp_path / "target").read_bytes() == b"bytes"


def test_a_work_file_that_was_renamed_in_the_moment_of_its_locking_is_opened_anew(tmp_path: Path) -> None:
    """Else the finished file of another process would be locked, cut and written."""
    first = disk.WorkFile.locked(str(tmp_path / "part"))
    assert first is not None
    assert disk.WorkFile.locked(str(tmp_path / "part")) is None
    with first.appended(0) as file:
        file.write(b"whole")
    real = disk.fcntl.flock
    moved: list[bool] = []

    def flock(file: Any, flags: int) -> None:
        if not moved:
            moved.append(True)
            first.move(str(tmp_path / "target"), 5)
        real(file, flags)

    disk.fcntl.flock = flock
    try:
        second = disk.WorkFile.locked(str(tmp_path / "part"))
    finally:
        disk.fcntl.flock = real
    assert second is not None
    with second.appended(0) as file:
        file.write(b"x")
    second.discard()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("target", b"whole")]
