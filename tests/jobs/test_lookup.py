"""Results larger than the system's memory: the next reads are announced to the system, and nothing else changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchfiles import join
from batchfiles.jobs.join import lazy_join as join_module

REQUESTS = b"".join(
    b'{"custom_id": "r-%d", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}\n' % number
    for number in range(50)
)
REPAIRED = b'{"custom_id": "r-x", "method": "POST", "url": "/v1/chat/completions", "body": {"note": NaN}}\n'
RESULTS = b"".join(
    b'{"id": "b-%d", "custom_id": "r-%d", "response": {"status_code": 200, "request_id": "q", "body": {"object": '
    b'"chat.completion", "choices": [{"message": {"content": "answer %d"}, "finish_reason": "stop"}]}}, "error": null}\n'
    % (number, number, number)
    for number in reversed(range(50))
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fifty requests and their results, in opposite orders, one request that is not quite JSON, and one that is none."""
    (tmp_path / "requests.jsonl").write_bytes(REQUESTS + REPAIRED + b"not JSON\n")
    (tmp_path / "batch_1_output.jsonl").write_bytes(RESULTS)
    return tmp_path


def test_announcing_changes_only_the_order_of_reading(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table and report are the same, repaired and unreadable lines counted once."""
    plain = join(folder)
    table, report = plain.to_arrow(), plain.report
    monkeypatch.setattr(join_module, "cached_bytes", lambda: 0)
    prefetched = join(folder)
    assert prefetched.to_arrow().equals(table)
    assert prefetched.report.to_dict() | {"seconds": 0} == report.to_dict() | {"seconds": 0}
    assert report.repaired_lines == 1


def test_lines_are_announced_in_the_order_of_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests ask from the last result to the first; the system hears of them from the first to the last."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(join_module, "cached_bytes", lambda: 0)
    monkeypatch.setattr(os, "posix_fadvise", lambda _, offset, length, advice: told.append((offset, length)))
    assert join(folder).summarize().used == 50
    assert len(told) == 50
    assert told == sorted(told)
    assert sum(length + 1 for _, length in told) == len(RESULTS)
