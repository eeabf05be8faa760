"""What a campaign of many parts costs: `python -m benchmarks.campaigns PARTS REQUESTS [COMMAND …]`.

It makes campaigns whose ids restart in each part, and runs a command on each of them, by default a join into one file:

    ulimit -n 256; python -m benchmarks.campaigns 250,500,1000,2000 50
    python -m benchmarks.campaigns 250,500 50 retry '{campaign}' -o '{output}.jsonl' --force
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from benchmarks.process import Failed, process_tree, run, watch

JOIN = ("join", "{campaign}", "-o", "{output}.parquet", "--force", "--workers", "1")
INTERVAL = 0.02
"""Seconds between two looks at the temporary folder and the open files."""


def make(folder: Path, parts: int, requests: int) -> None:
    """Write a campaign: the last request of each part has no result, and the results come in another order."""
    folder.mkdir()
    entries = []
    for part in range(parts):
        asked = b"".join(_line(_request(part, number)) for number in range(requests))
        found = b"".join(_line(_result(part, number)) for number in reversed(range(requests - 1)))
        name, batch = f"part-{part:05d}.jsonl", f"batch_{part:08d}"
        (folder / name).write_bytes(asked)
        (folder / f"{batch}_output.jsonl").write_bytes(found)
        digest = hashlib.sha256(asked).hexdigest()
        entries.append({"file": name, "requests": requests, "bytes": len(asked), "sha256": digest, "batches": [batch]})
    manifest = {"format": "batchfiles-campaign", "version": 1, "limits": "openai", "sources": ["made"], "parts": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _line(value: dict[str, object]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _request(part: int, number: int) -> dict[str, object]:
    body = {"model": "m", "messages": [{"role": "user", "content": f"{part} {number}"}]}
    return {"custom_id": f"request-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def _result(part: int, number: int) -> dict[str, object]:
    message = {"role": "assistant", "content": f"answer {part} {number}", "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    response = {"status_code": 200, "request_id": "q", "body": body}
    return {"id": f"batch_req_{part}_{number}", "custom_id": f"request-{number}", "response": response, "error": None}


class _Look:
    """Looks at the temporary folder and at the open files of a process tree until it is stopped."""

    def __init__(self, folder: Path) -> None:
        self.bytes = self.handles = 0
        self._folder = folder
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        own = os.getpid()
        while not self._stopped.wait(INTERVAL):
            self.bytes = max(self.bytes, sum(_size(path) for path in _files(self._folder)))
            self.handles = max([self.handles, *(_handles(each) for each in process_tree(own) if each != own)])


def _files(folder: Path) -> list[str]:
    return [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names]  # noqa: PTH118 - quick


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - quick
    except OSError:
        return 0


def _handles(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - quick
    except OSError:
        return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on campaigns of each size, and print a row for each.

    Returns:
        0; 1 if the command failed.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    sizes, requests, command = [int(size) for size in arguments[0].split(",")], int(arguments[1]), arguments[2:] or JOIN
    print(f"{'parts':>7} {'CPU s':>8} {'ms/part':>8} {'peak MiB':>9} {'temp kB':>8} {'handles':>8}")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        for parts in sizes:
            folder, temporary = Path(name) / f"campaign-{parts}", Path(name) / "temporary"
            make(folder, parts, requests)
            temporary.mkdir()
            os.environ["TMPDIR"] = str(temporary)
            places = {"campaign": str(folder), "output": str(Path(name) / f"output-{parts}")}
            program = [
                sys.executable,
                "-c",
                "from batchfiles.cli.main import run; run()",
                *(word.format(**places) for word in command),
            ]
            try:
                cpu = min(run(program).cpu_seconds for _ in range(2))
                with _Look(temporary) as seen:
                    peak = watch(program).rss
            except Failed as error:
                print(error)
                return 1
            finally:
                shutil.rmtree(temporary)
            print(
                f"{parts:7,} {cpu:8.2f} {cpu / parts * 1000:8.2f} {peak / 2**20:9.1f} {seen.bytes / 1000:8.1f} {seen.handles:8,}",
                flush=True,
            )
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
