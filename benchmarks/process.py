"""One run of a program: how long it took, and how much memory it and its children held at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Failed", "Run", "process_tree", "run", "watch"]

INTERVAL = 0.02
"""Seconds between two looks at the memory."""

FIELDS = ("Rss", "Pss", "Private_Clean", "Private_Dirty")


class Failed(Exception):
    """A program ended with an error, or two programs gave different answers."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took.

    Attributes:
        seconds: Wall time from start to end of the process.
        cpu_seconds: Processor time of the process and its children; less moved by what else the machine does.
        stdout: What it printed.
        pss: The peak of all processes' memory together, in bytes; shared pages count once. 0 if not measured.
        private: The same of pages that no other process has.
        rss: The same with shared pages counted in each process.
    """

    seconds: float
    cpu_seconds: float
    stdout: str
    pss: int = 0
    private: int = 0
    rss: int = 0


def run(command: Sequence[str]) -> Run:
    """Run a program and take its time; its memory is not measured, because that costs time.

    Raises:
        Failed: It ended with an error; its standard error is the message.
    """
    return _run(command, None)


def watch(command: Sequence[str]) -> Run:
    """Run a program and look at its memory 50 times a second; the time is not to be used.

    Raises:
        Failed: It ended with an error.
    """
    return _run(command, _Memory())


def _run(command: Sequence[str], memory: _Memory | None) -> Run:
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        started = time.perf_counter()
        # A program is started by wait4's rules, not Popen.wait's: only so its children's processor time is known.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=Path.cwd())
        if memory is not None:
            memory.start(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if memory is not None:
            memory.stop()
        stdout.seek(0)
        stderr.seek(0)
        if process.returncode:
            raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{stderr.read().decode(errors='replace')}")
        output = stdout.read().decode()
    peaks = memory.peaks if memory is not None else {}
    return Run(seconds, usage.ru_utime + usage.ru_stime, output, **peaks)


class _Memory:
    """Looks at the memory of a process and of its descendants until it is stopped."""

    def __init__(self) -> None:
        self.peaks = {"pss": 0, "private": 0, "rss": 0}
        self._stopped = threading.Event()

    def start(self, pid: int) -> None:
        self._thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self, pid: int) -> None:
        while not self._stopped.wait(INTERVAL):
            rss = pss = private = 0
            for each in process_tree(pid):
                found = _rollup(each)
                rss += found["Rss"]
                pss += found["Pss"]
                private += found["Private_Clean"] + found["Private_Dirty"]
            for name, value in (("pss", pss), ("private", private), ("rss", rss)):
                self.peaks[name] = max(self.peaks[name], value)


def process_tree(pid: int) -> Iterable[int]:
    """Yield a process and its descendants."""
    yield pid
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended
        return
    for thread in threads:
        try:
            text = (thread / "children").read_text()
        except OSError:  # a thread that has ended
            continue
        for child in text.split():
            yield from process_tree(int(child))


def _rollup(pid: int) -> dict[str, int]:
    """Read the sums over a process's pages, in bytes; zeros if it has ended."""
    found = dict.fromkeys(FIELDS, 0)
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return found
    for line in text.splitlines()[1:]:
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found
