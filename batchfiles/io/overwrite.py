"""Which folders `overwrite` may replace: those that contain only files of the same command.

Names of unfinished files and temporary folders, and the removal of those whose process is dead.

A process that is killed can't clean up. The name of each of its files identifies its owner: machine, boot, process and
its start time. The next job in the same folder removes the files of dead processes: only those that the same user made on this
machine, and only if the process is gone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from batchfiles.errors import FileError
from batchfiles.io.remote.path import Place

__all__ = [
    "ASIDE",
    "UNFINISHED",
    "IsOwnFile",
    "clear_leftovers",
    "new_temporary_folder",
    "no_file",
    "refuse_others_files",
    "unfinished_name",
]


IsOwnFile: TypeAlias = Callable[[str], bool]
"""Predicate: is this file name one that the same command could have written?"""


def no_file(_: str) -> bool:
    """Return False: no file is our own."""
    return False


def refuse_others_files(folder: Place, entries: Iterable[tuple[str, bool]], ours: IsOwnFile) -> None:
    """Make sure that a folder can be replaced without loss of other files.

    Args:
        folder: Where it is.
        entries: The name of each thing in it, and whether it is a folder itself.
        ours: Which names are those of our files.

    Raises:
        FileError: A folder is in it, which we never write, or a file that is not ours.
    """
    entries = sorted(entries)
    if any(is_folder for _, is_folder in entries):
        raise FileError("holds folders, so it is not replaced: remove it yourself", path=str(folder), number=errno.ENOTEMPTY)
    for name, _ in entries:
        if not ours(name):
            words = f"holds files that are not ours to delete, {name} for one: choose another folder, or remove this one yourself"
            raise FileError(words, path=str(folder), number=errno.ENOTEMPTY)


UNFINISHED = ".batchfiles-part"
"""How the names of unfinished files and folders end."""

ASIDE = ".batchfiles-old"
"""The suffix of a folder that is being replaced: it is restored if the new one did not take its place."""

TEMPORARY = "batchfiles-"
"""How the names of temporary folders begin."""

MARK = re.compile(r"([0-9a-f]{6})([0-9a-f]{6})-([0-9a-f]{1,8})-([0-9a-f]{1,16})-[0-9a-f]{4,16}")
"""Machine, its start, process, the start of that, and what makes the name a new one."""

BESIDE = re.compile(rf"\.(.+)\.({MARK.pattern})({re.escape(UNFINISHED)}|{re.escape(ASIDE)})")
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
    if now - LOOKED.get(key, -AGAIN) >= AGAIN:
        LOOKED[key] = now
        with suppress(OSError):
            _clear(key[0], temporary=temporary)


AGAIN = 60.0
"""Seconds from one look to the next: a manifest may be written many times."""

LOOKED: dict[tuple[str, bool], float] = {}


def _clear(folder: str, *, temporary: bool) -> None:
    pattern = IN_TEMPORARY if temporary else BESIDE
    with os.scandir(folder) as entries:
        found = [(entry.path, match) for entry in entries if (match := pattern.fullmatch(entry.name))]
    for path, match in found:
        mark = match[1] if temporary else match[2]
        with suppress(OSError):
            if os.lstat(path).st_uid == os.getuid() and _is_dead(mark):
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


def _is_dead(mark: str) -> bool:
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
