"""A driver for flows that has no socket, no clock and no disk: answers from a list, time that sleeping turns, files in a dict."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from batchfiles import APIConnectionError, Batch
from batchfiles.api import Request, Response, effects
from batchfiles.api.effects import Flow, Running

__all__ = ["Stage", "batch", "lost", "page", "said"]

T = TypeVar("T")

Answer = Response | APIConnectionError | Callable[[Request], Response]


def said(value: object, status: int = 200, **headers: str) -> Response:
    """Make an answer in JSON."""
    return Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, json.dumps(value).encode())


def batch(status: str = "in_progress", batch_id: str = "batch_1", **more: object) -> Response:
    """Make an answer with a batch."""
    return said({"id": batch_id, "status": status, **more})


def page(*batches: dict[str, Any], more: bool = False) -> Response:
    """Make an answer with a page of batches."""
    return said({"object": "list", "data": list(batches), "has_more": more})


def lost(phase: str = "receive") -> APIConnectionError:
    """Make the error that is raised instead of an answer."""
    return APIConnectionError("no answer from the service", phase=phase)


class Stage:
    """Runs flows.

    Args:
        answers: What each request meets, in order; the last one again and again if `repeat` is set.
        repeat: Whether the last answer is for all requests to come.
        jumps: Seconds by which the clock jumps at the n-th sleep.
    """

    def __init__(self, *answers: Answer, repeat: bool = False, jumps: dict[int, float] | None = None) -> None:
        self._answers = list(answers)
        self._repeat = repeat
        self._jumps = jumps or {}
        self._body = b""
        self.now = 1_000.0
        self.sleeps: list[float] = []
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.told: list[Batch] = []
        self.files: dict[str, bytes] = {}
        self.locks: list[str] = []
        self.busy: list[bool] = []
        self.logged: list[tuple[int, str]] = []
        self.tokens = 0

    @property
    def calls(self) -> list[str]:
        """The requests so far, as `GET /batches`."""
        return [f"{request.method} {request.url.removeprefix('https://api.openai.com/v1')}" for request in self.requests]

    def run(self, flow: Flow[T]) -> T:
        """Perform what a flow asks for, until it returns."""
        running = Running(flow)
        try:
            while (effect := running.asks()) is not None:
                try:
                    running.answer(self._perform(effect))
                except APIConnectionError as error:
                    running.fail(error)
            return running.result
        finally:
            self._let_go()

    def _let_go(self) -> None:
        """Remove a work file in which nothing is yet, as the drivers do."""
        if self.locks and not self.files.get(self.locks[-1], b"x"):
            del self.files[self.locks[-1]]

    def _perform(self, effect: effects.Effect) -> Any:  # noqa: C901 - one line for each effect
        match effect:
            case effects.Open(request):
                return self._open(request)
            case effects.ReadBody(limit):
                return self._body[:limit]
            case effects.SaveBody(path, offset):
                self.files[path] = self.files.get(path, b"")[:offset] + self._body
                return effects.Saved(len(self.files[path]), None)
            case effects.Sleep(seconds):
                assert seconds >= 0
                self.sleeps.append(seconds)
                self.now += seconds + self._jumps.get(len(self.sleeps), 0.0)
                return None
            case effects.Now():
                return self.now
            case effects.Random():
                return 0.5
            case effects.Token():
                self.tokens += 1
                return f"{self.tokens:032d}"
            case effects.Notify(Batch() as seen):
                return self.told.append(seen)
            case effects.Size(path):
                return len(self.files[path]) if path in self.files else None
            case effects.ReadFile(path):
                return self.files.get(path)
            case effects.WriteFile(path, content):
                self.files[path] = content
                return None
            case effects.Lock(path):
                self._let_go()
                self.locks.append(path)
                self.files.setdefault(path, b"")
                return self.busy.pop(0) if self.busy else True
            case effects.Truncate(path):
                self.files[path] = b""
                return None
            case effects.Discard(path, leftover):
                self.files.pop(path)
                return self.files.pop(leftover, None) and None
            case effects.Move(path, target, leftover, size):
                self.files[target] = self.files.pop(path)
                assert len(self.files[target]) == size
                return self.files.pop(leftover, None) and None
            case effects.Log(level, words):
                return self.logged.append((level, words))

    def _open(self, request: Request) -> Response:
        self.requests.append(request)
        self.times.append(self.now)
        assert self._answers, f"one request too many: {self.calls[-1]}"
        answer = self._answers[0] if self._repeat and len(self._answers) == 1 else self._answers.pop(0)
        if isinstance(answer, APIConnectionError):
            raise answer
        found = answer(request) if callable(answer) else answer
        self._body = found.body
        return Response(found.status_code, found.headers)
