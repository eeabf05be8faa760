"""What a killed process leaves: named after its process, and removed by the next job in the same folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchfiles.io import temporary
from batchfiles.io.atomic import atomic_file, atomic_folder
from batchfiles.io.temporary import OLD_SUFFIX, UNFINISHED, Spool, clear_leftovers, unfinished_name

KILLED = """
import os, signal, sys
from pathlib import Path
from batchfiles.io.atomic import atomic_file, atomic_folder
from batchfiles.io.temporary import OLD_SUFFIX, unfinished_name
from batchfiles.io.temporary import Spool
folder, temporary = map(Path, sys.argv[1:])
spool = Spool(temporary)
spool.new_path("prompts").write_bytes(b"secret")
with atomic_file(folder / "a.jsonl") as file, atomic_folder(folder / "parts") as parts:
    file.write(b"half")
    file.flush()
    (parts / "part").write_bytes(b"half")
    (folder / "old").rename(unfinished_name(folder / "old", OLD_SUFFIX))
    (folder / "replaced.was").rename(unfinished_name(folder / "replaced", OLD_SUFFIX))
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each job look, also within a minute."""
    monkeypatch.setattr(temporary, "CLEAR_SECONDS", 0.0)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Return a folder for targets and one for temporary files."""
    for name in ("targets/old", "targets/replaced", "targets/replaced.was", "temporary"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "targets/old/part-1.parquet").write_bytes(b"old")
    return tmp_path / "targets", tmp_path / "temporary"


def names(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_the_next_job_removes_what_a_killed_one_left(places: tuple[Path, Path]) -> None:
    """Plain copies of prompts stayed in the temporary folder forever. A live process's files are left alone."""
    targets, temporary = places
    command = [sys.executable, "-c", KILLED, str(targets), str(temporary)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        assert process.stdout.readline() == b"ready\n"
        left = names(targets)
        assert len(left) == 5
        assert all(f"-{process.pid:x}-" in name for name in left if name.startswith("."))
        with atomic_file(targets / "b.jsonl"), Spool(temporary):
            assert len(names(temporary)) == 2
            assert set(left) < set(names(targets))
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Spool(temporary) as spool:
        assert names(temporary) == [spool.path.name]
    with atomic_folder(targets / "c"):
        pass
    assert names(targets) == ["b.jsonl", "c", "old", "replaced"]
    assert names(targets / "old") == ["part-1.parquet"]  # it had been moved aside, without a replacement


def mark(machine: str, boot: str, process: int, start: int) -> str:
    """Return the part of a name that identifies its process."""
    return f"{machine}{boot}-{process:x}-{start:x}-0a1b"


def test_only_what_is_surely_dead_is_removed(tmp_path: Path) -> None:
    """Another machine's, a container's and a live process's files stay, and so do files with other names."""
    machine, boot = temporary._machine()
    other = "000000" if machine != "000000" else "000001"
    own = temporary._start_of(os.getpid()) or 0
    parent = temporary._start_of(os.getppid()) or 0
    gone = 2**22 + 1  # above the largest number of a process
    stay = [
        mark(machine, boot, os.getpid(), own),
        mark(machine, boot, os.getppid(), parent),
        mark(machine, boot, os.getppid(), 0),
        mark(other, boot, gone, 1),
        mark(other, other, 1, 1),
        "0123abcd",
    ]
    go = [mark(machine, boot, gone, 1), mark(machine, other, os.getppid(), parent), mark(machine, boot, os.getpid(), own + 1)]
    if parent:
        go.append(mark(machine, boot, os.getppid(), parent + 1))
    for each in (*stay, *go):
        (tmp_path / f".a.jsonl.{each}{UNFINISHED}").write_bytes(b"half")
    others = [
        "a.jsonl",
        f"a.{go[0]}{UNFINISHED}",
        f".a.jsonl.{go[0]}",
        f"batchfiles-{go[0]}",
        f".{'x' * 160}.{go[0]}{OLD_SUFFIX}",
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"other")
    clear_leftovers(tmp_path)
    assert names(tmp_path) == sorted([*others, *(f".a.jsonl.{each}{UNFINISHED}" for each in stay)])


def test_a_folder_without_permission_is_not_an_error(tmp_path: Path) -> None:
    """The job itself reports the fault."""
    clear_leftovers(tmp_path / "gone")
    clear_leftovers(tmp_path / "gone", temporary=True)


def test_names_fit_into_a_folder(tmp_path: Path) -> None:
    """A name may have 255 bytes."""
    for name in ("x" * 255, "é" * 127, "a"):
        path = unfinished_name(tmp_path / name, OLD_SUFFIX)
        path.write_bytes(b"")
        assert path.name.startswith(f".{name[:1]}")


def test_one_look_a_minute_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest of a campaign is written again and again."""
    monkeypatch.setattr(temporary, "CLEAR_SECONDS", 60.0)
    machine, boot = temporary._machine()
    clear_leftovers(tmp_path)
    path = tmp_path / f".a.{mark(machine, boot, 2**22 + 1, 1)}{UNFINISHED}"
    path.write_bytes(b"")
    clear_leftovers(tmp_path)
    assert path.exists()
