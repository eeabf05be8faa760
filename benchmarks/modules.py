"""Count the modules of batchfiles in which a job runs code: `python -m benchmarks.modules join`, or `validate`.

A module counts if one of its functions runs while the job works on the example files in `fixtures/`. The job runs once before, so
that what runs on import does not count.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import batchfiles

PACKAGE = Path(batchfiles.__file__).parent
CHAT = Path(__file__).parent.parent / "fixtures" / "chat_completions"
REQUESTS = CHAT / "requests.jsonl"
RESULTS = sorted(CHAT.glob("batch_*.jsonl"))


def modules_run(job: Callable[[], object]) -> list[str]:
    """Run a job twice and return the modules in which its second run ran functions, as paths within the package."""
    job()
    files: set[str] = set()

    def called(frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 - what the interpreter gives
        if event == "call":
            files.add(frame.f_code.co_filename)

    threading.setprofile(called)
    sys.setprofile(called)
    try:
        job()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return sorted(str(path.relative_to(PACKAGE)) for path in map(Path, files) if path.is_relative_to(PACKAGE))


def join() -> None:
    """Join the example requests to their results, in this process, to one Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        batchfiles.join(REQUESTS, *RESULTS, workers=1).to_parquet(Path(folder) / "joined.parquet")


def validate() -> None:
    """Validate the example requests."""
    batchfiles.validate(REQUESTS)


if __name__ == "__main__":
    names = modules_run({"join": join, "validate": validate}[sys.argv[1]])
    print(*names, sep="\n")
    print(len(names), "modules")
