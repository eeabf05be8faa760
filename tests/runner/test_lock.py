"""The lock: one run at a time in a folder, and a dead process does not hold it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from batchfiles.errors import FileError
from batchfiles.runner.journal import locked

HOLDER = """
import sys
from pathlib import Path
from batchfiles.runner.journal import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_two_processes_are_kept_apart_and_a_dead_one_is_no_obstacle(tmp_path: Path) -> None:
    """The error names the process that holds the folder; when it is killed, the folder is free."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(FileError, match=f"another run uses this campaign .process {holder.pid}."), locked(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with locked(tmp_path):
            pass


def test_a_folder_is_free_behind_its_run(tmp_path: Path) -> None:
    """Neither the lock nor its file remains."""
    for _ in range(2):
        with locked(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
        assert list(tmp_path.iterdir()) == []
