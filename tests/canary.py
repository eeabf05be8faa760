"""A key that must never be seen, and the search for it in everything that a client or a job leaves."""

from __future__ import annotations

import base64
import copy
import logging
import mmap
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["CANARY", "findings", "findings_in", "told_by", "watch"]

CANARY = "canary0key0that0nobody0may0see"
"""It doesn't look like a key, so that nothing is hidden by its looks."""

TESTS = str(Path(__file__).parent)


def told_by(error: BaseException) -> str:
    """Return all that an exception shows: messages, notes, pickles, and the locals of every frame outside the tests."""
    shown = [repr(error), str(error), repr(error.args), repr(vars(error)), repr(copy.copy(error).args)]
    try:
        shown.append(pickle.dumps(error, 0).decode("latin-1"))
    except (pickle.PicklingError, TypeError, AttributeError):
        shown.append("(not pickled)")
    todo: list[BaseException] = [error]
    while todo:
        found = todo.pop()
        shown += [str(found), *getattr(found, "__notes__", [])]
        frames = [frame for frame, _ in traceback.walk_tb(found.__traceback__)]
        shown += [repr(frame.f_locals) for frame in frames if not frame.f_code.co_filename.startswith(TESTS)]
        todo += [other for other in (found.__cause__, found.__context__) if other is not None]
    return "\n".join(shown)


FORMS = [CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("=")]
"""As it is, and in base64."""


def findings(text: str) -> list[str]:
    """Return where the key is in a text."""
    return [text[max(text.find(form) - 60, 0) : text.find(form) + 60] for form in FORMS if form in text]


def findings_in(folder: Path) -> list[str]:
    """Return the files below a folder that have the key in their bytes, or in their names."""
    found = []
    for path in sorted(folder.rglob("*")):
        is_named = bool(findings(path.name))
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                is_named |= any(data.find(form.encode()) >= 0 for form in FORMS)
        if is_named:
            found.append(str(path))
    return found


@contextmanager
def levels_kept(*names: str) -> Iterator[list[logging.Logger]]:
    """Yield loggers, and give them their levels back at the end."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        yield loggers
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Keep what clients show and raise, and what is logged at level DEBUG, and search for the key in it at the end.

    Yields:
        The texts so far.
    """
    from batchfiles.client import asynchronous, synchronous

    seen: list[str] = []
    handler = Kept(seen)
    for kind in (synchronous.Client, asynchronous.AsyncClient):
        monkeypatch.setattr(kind, "__init__", watched(kind.__init__, seen))
    monkeypatch.setattr(synchronous.Client, "run", watched(synchronous.Client.run, seen))
    monkeypatch.setattr(asynchronous.AsyncClient, "run", watched_async(asynchronous.AsyncClient.run, seen))
    with levels_kept("", "batchfiles", "httpx2", "httpcore2", "h11", "asyncio") as loggers:
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        loggers[0].addHandler(handler)
        yield seen
        loggers[0].removeHandler(handler)
    found = [found for text in seen for found in findings(text)]
    assert found == [], found


class Kept(logging.Handler):
    """Keeps what is logged.

    Args:
        seen: Where it is kept.
    """

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self._seen = seen

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, and its exception."""
        self._seen.append(self.format(record))


def watched(method: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    """Keep what the exceptions of a method show, and how its client prints itself."""

    def called(self: Any, *args: Any, **options: Any) -> Any:
        try:
            answer = method(self, *args, **options)
        except Exception as error:
            seen.append(told_by(error))
            raise
        seen.append(repr(self) + str(self) + repr(vars(self)) + repr(answer))
        return answer

    return called


def watched_async(method: Callable[..., Any], seen: list[str]) -> Callable[..., Any]:
    """As `watched`, for awaitables."""

    async def called(self: Any, *args: Any, **options: Any) -> Any:
        try:
            answer = await method(self, *args, **options)
        except Exception as error:
            seen.append(told_by(error))
            raise
        seen.append(repr(self) + repr(vars(self)) + repr(answer))
        return answer

    return called
