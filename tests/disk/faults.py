"""Each call of each writer to the system fails once: a process that dies, an error of the disk, a short write.

`python -m tests.disk.faults` does this at every call of all writers; `--kills 200` sends SIGKILL at so many random moments
instead. It needs a C compiler: `calls.c` is loaded before the C library, so that also the calls of Arrow and of compression
libraries are counted. A writer runs in a child process for each call.

Afterwards the target must be the old file or the whole new one, and no other file may be left, except unfinished ones of a
process that was killed.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from batchfiles.io.temporary import OLD_SUFFIX, UNFINISHED

SOURCE = Path(__file__).with_name("calls.c")
MODES = {"count": 0, "kill": 1, "fail": 2, "fail always": 3, "short": 4}
ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES)
LONGEST = 60
"""Seconds of one writer; a longer one hangs."""


@dataclass(frozen=True)
class Writer:
    """A way to write a file or a folder.

    Args:
        target: The name of the file or folder.
        write: Writes so many rows to a path, which it may replace.
    """

    target: str
    write: Callable[[Path, int], Any]


def writers(inputs: Path) -> dict[str, Writer]:
    """Return the writers of all formats, and the jobs that write folders.

    Args:
        inputs: A folder for the files that jobs read.
    """
    import batchfiles
    from batchfiles.table.open import open_table
    from tests.jobs.wire import request, success
    from tests.table.sample_tables import NORMAL

    for rows in (3, 40):
        lines = [(request(f"r-{number}", padding="x" * 900), success(f"r-{number}")) for number in range(rows)]
        (inputs / str(rows)).mkdir()
        for name, texts in zip(("requests.jsonl", "output.jsonl"), zip(*lines, strict=True), strict=True):
            (inputs / str(rows) / name).write_bytes(b"\n".join(texts) + b"\n")

    def table(path: Path, rows: int) -> None:
        with open_table(path, NORMAL.schema, overwrite=True) as writer:
            for _ in range(rows):
                writer.write(NORMAL)

    def lines_of(path: Path, rows: int) -> None:
        with batchfiles.InputWriter(path, overwrite=True) as writer:
            for number in range(rows):
                writer.write(batchfiles.BatchRequestInput(f"r-{number}", url="/v1/x", body={"text": os.urandom(0).hex() * 9}))

    def folder(name: str) -> Path:
        return inputs / name

    found = {suffix: Writer(f"t.{suffix}", table) for suffix in ("parquet", "arrow", "arrows", "csv", "csv.gz", "csv.zst")}
    found |= {suffix: Writer(f"t.{suffix}", table) for suffix in ("jsonl", "jsonl.gz", "jsonl.zst")}
    found |= {f"lines, {suffix}": Writer(f"requests.{suffix}", lines_of) for suffix in ("jsonl", "jsonl.gz", "jsonl.zst")}
    found["edit"] = Writer(
        "edited.jsonl",
        lambda path, rows: batchfiles.edit(
            folder(f"{rows}/requests.jsonl"), output=path, values={"body.model": "m"}, overwrite=True
        ),
    )
    found["merge"] = Writer(
        "merged.jsonl", lambda path, rows: batchfiles.merge(folder(f"{rows}/requests.jsonl"), output=path, overwrite=True)
    )
    found["retry"] = Writer(
        "retry.jsonl",
        lambda path, rows: batchfiles.retry(folder(f"{rows}"), output=path, only=["succeeded"], overwrite=True),
    )
    found["join"] = Writer("t.parquet", lambda path, rows: batchfiles.join(folder(f"{rows}")).to_parquet(path, overwrite=True))
    found["join, folder"] = Writer(
        "parts", lambda path, rows: batchfiles.join(folder(f"{rows}")).to_parquet(path, overwrite=True)
    )
    found["split"] = Writer(
        "campaign",
        lambda path, rows: batchfiles.split(folder(f"{rows}/requests.jsonl"), output=path, max_requests=10, overwrite=True),
    )
    return found


def contents(path: Path) -> Any:
    """Return the bytes of a file, or those of each file in a folder; None if there is neither."""
    if path.is_dir():
        return {file.name: file.read_bytes() for file in sorted(path.iterdir())}
    return path.read_bytes() if path.exists() else None


class Trials:
    """Runs a writer again and again with a fault, and checks what is left.

    Args:
        writer: The writer.
        folder: Where it writes.
        library: The functions of `calls.c`.
    """

    def __init__(self, writer: Writer, folder: Path, library: ctypes.CDLL) -> None:
        self.write, self.folder, self.library = writer.write, folder, library
        self.path = folder / writer.target
        self.states = {}
        for rows in (3, 40):
            self.clear()
            self.write(self.path, rows)
            self.states[rows] = contents(self.path)
        self.old, self.new = self.states[3], self.states[40]
        self.counts: Counter[str] = Counter()

    def clear(self) -> None:
        """Empty the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def start(self, *, older: bool) -> None:
        """Make the folder as it is before a trial."""
        self.clear()
        if not older:
            return
        if isinstance(self.old, dict):
            self.path.mkdir()
            for name, data in self.old.items():
                (self.path / name).write_bytes(data)
        else:
            self.path.write_bytes(self.old)

    def run(self, mode: str, at: int, number: int = 0, after: float | None = None) -> dict[str, Any] | None:
        """Write in a child process.

        Args:
            mode: A key of `MODES`.
            at: The call at which it happens, from 1.
            number: The error of the call.
            after: Seconds until the process is killed.

        Returns:
            The error, and the calls; None if the process was killed.
        """
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self.library.arm(os.fsencode(self.folder), MODES[mode], at, number)
            found: dict[str, Any] = {"error": None}
            try:
                self.write(self.path, 40)
            except BaseException as error:  # noqa: BLE001 - reported to the parent
                names = [each.__name__ for each in type(error).__mro__]
                found = {"error": names, "path": getattr(error, "path", None), "number": getattr(error, "errno", None)}
                found["text"] = repr(error)
            found["calls"] = self.library.counted()
            found["names"] = self.library.called()[: found["calls"]].decode()
            self.library.arm(b"", 0, 0, 0)
            os.write(writing, json.dumps(found).encode())
            os._exit(0)
        os.close(writing)
        end = time.monotonic() + (LONGEST if after is None else after)
        while not (status := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                os.close(reading)
                assert after is not None, ("the writer hangs", self.path.name, mode, at, number)
                return None
            time.sleep(0.001)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        assert os.WIFSIGNALED(status[1]) or said, ("the child ended without a report", status)
        return json.loads(said) if said else None

    def check(self, found: dict[str, Any] | None, number: int, place: object, *, older: bool, always: bool = False) -> None:
        """Check what is there after a trial.

        Raises:
            AssertionError: The file is torn, an error is not ours, or something is left.
        """
        before = self.old if older else None
        is_now = contents(self.path)
        left = {path.name for path in self.folder.iterdir()} - {self.path.name}
        unfinished = {name for name in left if name.endswith((UNFINISHED, OLD_SUFFIX))}
        assert left <= unfinished, (place, left)
        if is_now not in (before, self.new):
            assert found is None or always, ("torn", place, found)
            # A folder that steps aside has another name for a moment: the old one is complete next to it.
            assert is_now is None, ("torn", place)
            assert before in [contents(self.folder / name) for name in left], ("lost", place, left)
            self.counts["old folder under another name"] += 1
        if found is None:
            self.counts["killed"] += 1
            return
        # The job has succeeded even if the old folder can't be removed: the new one has its name. The next job removes it.
        is_aside = found["error"] is None and all(name.endswith(OLD_SUFFIX) for name in left)
        assert not left or always or is_aside, ("left over", place, left, found)
        if found["error"] is None:
            assert is_now == self.new, ("no error and not the new file", place)
            self.counts["complete"] += 1
            return
        assert "FileError" in found["error"], (place, found)
        # Arrow's error of a failed close has no number, and FileError has that of an input/output error then.
        assert found["number"] == number or "error closing file" in found["text"], (place, found)
        assert str(found["path"]).startswith(str(self.path)), (place, found)
        self.counts["error"] += 1

    def every_call(self, step: int = 1) -> int:
        """Let every call end the process, fail and take less, with and without an older file.

        Returns:
            How many trials there were.
        """
        trials = 0
        for older in (False, True):
            self.start(older=older)
            plain = self.run("count", 0)
            assert plain is not None
            assert plain["error"] is None, plain
            assert plain["calls"] > 4, plain
            for at, name in enumerate(plain["names"], 1):
                if at % step:
                    continue
                modes = ["kill", "fail", *(["short"] if name == "w" else []), *([] if older else ["fail always"])]
                for mode in modes:
                    # Over the calls and the two states, each error comes at each kind of call.
                    number = 0 if mode in ("kill", "short") else ERRORS[(at + older) % len(ERRORS)]
                    self.start(older=older)
                    found = self.run(mode, at, number)
                    place = f"{self.path.name}, call {at} ({name}), {mode} {number}, older={older}"
                    self.check(found, number, place, older=older, always=mode == "fail always")
                    trials += 1
        return trials

    def kills(self, count: int, random: Random) -> int:
        """Kill the writer at random moments."""
        self.start(older=True)
        begin = time.monotonic()
        self.run("count", 0)
        longest = (time.monotonic() - begin) * 1.2
        for trial in range(count):
            older = random.random() < 0.7
            self.start(older=older)
            found = self.run("count", 0, after=random.random() * longest)
            self.check(found, 0, f"{self.path.name}, kill {trial}", older=older)
        return count


def compiled(folder: Path) -> Path:
    """Compile `calls.c`.

    Raises:
        FileNotFoundError: No C compiler is installed.
    """
    library = folder / "calls.so"
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def main() -> None:
    """Run the trials, and print a line for each writer."""
    options = argparse.ArgumentParser(prog="python -m tests.disk.faults")
    options.add_argument("--only", action="append", help="only this writer; may be repeated")
    options.add_argument("--step", type=int, default=1, help="only every so many calls")
    options.add_argument("--kills", type=int, help="send SIGKILL at so many random moments instead")
    options.add_argument("--seed", type=int, default=1, help="of the random moments")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="batchfiles-disk-") as name:
        folder = Path(name)
        if "calls.so" not in os.environ.get("LD_PRELOAD", ""):
            environment = {**os.environ, "LD_PRELOAD": str(compiled(folder))}
            command = [sys.executable, "-m", "tests.disk.faults", *sys.argv[1:]]
            sys.exit(subprocess.run(command, env=environment, check=False).returncode)
        library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        library.called.restype = ctypes.c_char_p
        (folder / "inputs").mkdir()
        for writer_name, writer in writers(folder / "inputs").items():
            if chosen.only and writer_name not in chosen.only:
                continue
            trials = Trials(writer, folder / "out", library)
            if chosen.kills:
                count = trials.kills(chosen.kills, Random(f"{chosen.seed} {writer_name}"))
            else:
                count = trials.every_call(chosen.step)
            found = ", ".join(f"{number} {kind}" for kind, number in sorted(trials.counts.items()))
            print(f"{writer_name:<18}{count:>6} trials, 0 torn: {found}", flush=True)


if __name__ == "__main__":
    main()
