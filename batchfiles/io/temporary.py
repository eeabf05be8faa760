"""Temporary files: their names, the removal of those whose process is dead, and copies of other files for one job.

A process that is killed can't clean up. The name of each of its files identifies its owner: machine, boot, process and
its start time. The next job in the same folder removes the files of dead processes: only those that the same user made on this
machine, and only if the process is gone.

A spool has local, regular, uncompressed copies, for jobs that read lines again by their offsets.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
import weakref
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

from batchfiles.errors import FileError
from batchfiles.io.remote_path import file_error

if TYPE_CHECKING:
    from batchfiles.io.sources import Source

LOG = logging.getLogger(__name__)

UNFINISHED = ".batchfiles-part"
"""How the names of unfinished files and folders end."""

OLD_SUFFIX = ".batchfiles-old"
"""The suffix of a folder that is being replaced: it is restored if the new one did not take its place."""

TEMPORARY = "batchfiles-"
"""How the names of temporary folders begin."""

MARK = re.compile(r"([0-9a-f]{6})([0-9a-f]{6})-([0-9a-f]{1,8})-([0-9a-f]{1,16})-[0-9a-f]{4,16}")
"""Machine, its start, process, the start of that, and what makes the name a new one."""

NEXT_TO_TARGET = re.compile(rf"\.(.+)\.({MARK.pattern})({re.escape(UNFINISHED)}|{re.escape(OLD_SUFFIX)})")
IN_TEMPORARY = re.compile(rf"{TEMPORARY}({MARK.pattern})")

CUT = 150
"""Bytes of a target's name in the name of its unfinished file: names may have 255."""


def _new_mark() -> str:
    """Return the part of a name that identifies this process, with letters that make it unique among thousands."""
    machine, boot = _machine()
    process = os.getpid()
    return f"{machine}{boot}-{process:x}-{_start_of(process) or 0:x}-{secrets.token_hex(8)}"


def unfinished_name(target: Path, ending: str = UNFINISHED) -> Path:
    """Return a new hidden name next to a target that identifies its owner."""
    name = target.name.encode(errors="surrogateescape")[:CUT].decode(errors="ignore")
    return target.with_name(f".{name}.{_new_mark()}{ending}")


def new_temporary_folder(directory: str | os.PathLike[str] | None) -> Path:
    """Make a private folder for temporary files, and remove those that dead processes have left there.

    Args:
        directory: Where; None takes the system's.

    Raises:
        OSError: It can't be made.
    """
    where = Path(directory or tempfile.gettempdir())
    clear_leftovers(where, temporary=True)
    folder = where / f"{TEMPORARY}{_new_mark()}"
    folder.mkdir(mode=0o700)
    return folder


def clear_leftovers(folder: Path, *, temporary: bool = False) -> None:
    """Remove the unfinished files that dead processes have left in a folder; looks once a minute at most.

    Args:
        folder: The folder of a target, or one for temporary files.
        temporary: Whether it is for temporary files.
    """
    key, now = (os.path.realpath(folder), temporary), time.monotonic()
    if now - CLEARED_AT.get(key, -CLEAR_SECONDS) >= CLEAR_SECONDS:
        if len(CLEARED_AT) >= MOST_FOLDERS:
            CLEARED_AT.clear()
        CLEARED_AT[key] = now
        with suppress(OSError):
            _clear(key[0], temporary=temporary)


CLEAR_SECONDS = 60.0
"""Seconds from one look to the next: a manifest may be written many times."""

MOST_FOLDERS = 1000
"""Folders whose last look is remembered: a process that lives long may write into a new folder each time."""

CLEARED_AT: dict[tuple[str, bool], float] = {}


def _clear(folder: str, *, temporary: bool) -> None:
    pattern = IN_TEMPORARY if temporary else NEXT_TO_TARGET
    with os.scandir(folder) as entries:
        found = [(entry.path, match) for entry in entries if (match := pattern.fullmatch(entry.name))]
    for path, match in found:
        mark = match[1] if temporary else match[2]
        with suppress(OSError):
            if os.lstat(path).st_uid == os.getuid() and _has_ended(mark):
                _remove(Path(path), None if temporary or match[0].endswith(UNFINISHED) else Path(folder, match[1]))


def _remove(path: Path, target: Path | None) -> None:
    """Remove a file or folder, or put a folder back in the place from which it had stepped aside."""
    if target is not None and len(os.fsencode(target.name)) >= CUT:
        return  # its name may have been cut, so its owner is unknown
    if target is not None and not os.path.lexists(target):
        path.rename(target)
    elif stat.S_ISDIR(path.lstat().st_mode):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _has_ended(mark: str) -> bool:
    """Return whether a process of this machine has certainly ended."""
    match = MARK.fullmatch(mark)
    machine, boot = _machine()
    if match is None or match[1] != machine:
        return False
    if match[2] != boot:
        return True
    process, start = int(match[3], 16), int(match[4], 16)
    if process == os.getpid():
        return start != (_start_of(process) or 0)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # of another user
        pass
    now = _start_of(process)
    return start != 0 and now is not None and now != start


@lru_cache(maxsize=1)
def _machine() -> tuple[str, str]:
    """Return the identity of this machine, and that of its current boot.

    Processes of another namespace can't be looked up, so a container counts as a separate machine.
    """
    boot = _text("/proc/sys/kernel/random/boot_id")
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return _digest(f"{socket.gethostname()} {_text('/etc/machine-id') or boot} {namespace}"), _digest(boot)


def _text(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    return ""


def _digest(text: str) -> str:
    return hashlib.blake2s(text.encode(errors="surrogateescape"), digest_size=3).hexdigest()


def _start_of(process: int) -> int | None:
    """Return when a process started, in ticks since the boot; None if the process is unknown or the system does not report it."""
    # The second field is the program's name in brackets, which may hold spaces and brackets.
    fields = _text(f"/proc/{process}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 else None


READ_BYTES = 1024 * 1024
RESERVE = 64 * 1024 * 1024
"""Bytes that are left free on the disk."""

MOST_RATIO = 50
"""How many times as large as its compressed bytes a file is believed to be without a look: JSONL is mostly 5 to 20 times."""


class Spool:
    """A temporary folder that goes away when the job ends.

    Args:
        directory: Where to make it; None takes the system's temporary folder. Never `/dev/shm` by our own choice: containers
            have 64 MB of it.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        try:
            self.path = new_temporary_folder(directory)
        except OSError as error:
            raise file_error(error, os.fspath(directory or tempfile.gettempdir())) from None
        # Not a TemporaryDirectory, which warns when it is not closed: a job lives as long as there is a reference to its table.
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder and everything in it."""
        self._remove()

    def new_path(self, name: str) -> Path:
        """Name a file in the folder that is not there yet."""
        self._count += 1
        return self.path / f"{self._count:05d}-{name}"

    def local(self, source: Source) -> Path:
        """Return a path at which the source's plain bytes can be read by offset: the file itself, or a copy of it.

        Raises:
            FileError: The source can't be read, or the disk has no room for the copy.
            TruncatedFileError: The source is compressed and damaged.
        """
        if source.is_seekable_text():
            return cast("Path", source.path)
        target = self.new_path("source.jsonl")
        try:
            self._check_free_space_first(source)
            LOG.info("%s: copied to %s, to be read by position", source.name, self.path)
            with source.open() as stream, target.open("xb") as copy:
                while chunk := stream.read(READ_BYTES):
                    self._check_free_space(len(chunk))
                    copy.write(chunk)
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise file_error(error, target) from None
        return target

    def _check_free_space_first(self, source: Source) -> None:
        """Make sure that a copy fits before it is started: a full disk harms every program that uses it.

        Where there is plenty of room, the file is not read for that.
        """
        needed = source.size()
        free = shutil.disk_usage(self.path).free - RESERVE
        if needed is None or needed * MOST_RATIO <= free:
            return
        if source.remote is None and needed <= free:
            needed = 0
            with source.open() as stream:
                while needed <= free and (chunk := stream.read(READ_BYTES)):
                    needed += len(chunk)
        if needed > free:
            words = f"no room for a plain copy of it in {self.path.parent}, where {max(free, 0):,} bytes may be used"
            raise FileError(f"{words}: name another place for temporary files (--temp-dir)", path=source.name, number=28)

    def _check_free_space(self, size: int) -> None:
        free = shutil.disk_usage(self.path).free
        if free < size + RESERVE:
            raise FileError(
                f"only {free:,} bytes are left for temporary files: name another place for them (--temp-dir)",
                path=str(self.path),
                number=28,
            )
