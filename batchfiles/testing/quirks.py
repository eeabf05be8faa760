"""Quirks of real services, to test how a pipeline handles them, and the clock of the local server.

Injected faults: the n-th call of a kind fails in a given way.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from batchfiles.open_strings import BatchCompletionWindow, BatchStatus
from batchfiles.testing.parameters import ERROR_FORMS

GONE: Final = ("output", "error")
"""Result files that may be gone."""

REDIRECTS: Final = (301, 302, 303, 307, 308)
"""Statuses of redirects."""

SHARES: Final = ("fail", "expire", "drop")
"""Quirks that are shares of all requests."""

QUIRKS: Final = {
    "fail": "this share of the requests fails, with one of the statuses 400, 429, 500 and 503",
    "expire": "this share of the requests expires, and so does the batch",
    "drop": "this share of the requests is in no result file",
    "seed": "which requests fail, expire and are dropped; the same seed and calls select the same ones",
    "delay": "every call takes this many seconds longer",
    "expire_after": "the batch expires after this many answers",
    "missing": "the requests of these ids are in no result file",
    "duplicates": "the lines of these ids occur twice",
    "failing": "the requests of these ids fail, with these statuses",
    "no_response": "the lines of these ids have the status 0 and an empty body",
    "empty_ids": 'a file that is not there has the id `""` and not null',
    "empty_error_file": "a batch without failures has an error file of no bytes",
    "one_file": "all lines are in the output file, also failures",
    "no_last_newline": "files of results end without a newline",
    "late_files": "the batch names its files this many seconds after its end",
    "gone_files": "the batch names these files, `output` or `error`, but they do not exist",
    "new_file_pause": "`/batches` does not know a file for this many seconds after its upload",
    "pending_files": "a file is `pending` for this many seconds after its upload and can't be used for a batch",
    "broken_files": "a file has the status `error` and can't be used for a batch",
    "list_lag": "a batch is not in the list for this many seconds after its creation",
    "ignore_after": "lists ignore `after`: each page is the first one",
    "enqueued_requests": "a batch above this number of waiting requests fails with `token_limit_exceeded`",
    "unknown_status": "an unknown status in place of `in_progress`",
    "statuses": "other words for the statuses of a batch",
    "status_key": "the key of the status, such as `state`",
    "odd_values": "counts are strings, times have fractions, a missing file is `{}`, the endpoint is a list",
    "error_form": "errors have the format of another service",
    "redirect_contents": "file contents are redirected, with this status, to a storage that accepts no key",
    "strict_accept": "file contents are refused with 406 unless `Accept` has `application/octet-stream` or `*/*`",
    "completion_windows": "the completion windows that are accepted",
    "required_headers": "a call without these headers is refused, as gateways do",
    "required_query": "a call without these URL parameters is refused",
}
"""Every quirk, and what happens."""


@dataclass(slots=True, kw_only=True)
class Quirks:
    """Quirks of a local server, as described in `QUIRKS`; they may be changed at any time.

    Raises:
        ValueError: A share is not from 0 to 1, or a value is unknown.
    """

    fail: float = 0.0
    expire: float = 0.0
    drop: float = 0.0
    seed: int = 0
    delay: float = 0.0
    expire_after: int | None = None
    missing: AbstractSet[str] = frozenset()
    duplicates: AbstractSet[str] = frozenset()
    failing: dict[str, int] = field(default_factory=dict)
    no_response: AbstractSet[str] = frozenset()  # tidyverse/ellmer#830
    empty_ids: bool = False  # OpenAI and Azure, tobert/kaibo#93
    empty_error_file: bool = False  # Azure
    one_file: bool = False  # vLLM's run_batch
    no_last_newline: bool = False  # mistralai, relay-llm, steadybatch
    late_files: float = 0.0  # 567-labs/instructor#1745
    gone_files: AbstractSet[str] = frozenset()
    new_file_pause: float = 0.0  # bespokelabsai/curator#116
    pending_files: float = 0.0  # Azure, openai/openai-dotnet#312
    broken_files: bool = False
    list_lag: float = 0.0
    ignore_after: bool = False
    enqueued_requests: int | None = None
    unknown_status: str | None = None
    statuses: dict[str, str] = field(default_factory=dict)  # maritaca-ai/maritalk-api#177
    status_key: str = "status"  # Fireworks, Google
    odd_values: bool = False
    error_form: str = "openai"
    redirect_contents: int | None = None
    strict_accept: bool = False
    completion_windows: AbstractSet[str] = frozenset({BatchCompletionWindow.H24})
    required_headers: dict[str, str] = field(default_factory=dict)
    required_query: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is not a share from 0 to 1")
        if self.fail + self.expire + self.drop > 1:
            raise ValueError("the sum of fail, expire and drop is greater than 1")
        for name, found, known in (
            ("statuses", self.statuses, BatchStatus.known()),
            ("gone_files", self.gone_files, GONE),
            ("error_form", (self.error_form,), ERROR_FORMS),
            ("redirect_contents", (self.redirect_contents,), (None, *REDIRECTS)),
        ):
            for word in found:
                if word not in known:
                    raise ValueError(f"unknown value {word!r} of {name}; expected {', '.join(map(str, filter(None, known)))}")


def odd_batch(batch: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    """Apply the quirks to an encoded batch, in place."""
    if quirks.empty_ids:
        batch["output_file_id"] = batch["output_file_id"] or ""
        batch["error_file_id"] = batch["error_file_id"] or ""
    status = batch.pop("status")
    word = quirks.unknown_status if status == "in_progress" else None
    batch[quirks.status_key] = quirks.statuses.get(status) or word or status
    if quirks.odd_values:
        batch["request_counts"] = {name: str(count) for name, count in batch["request_counts"].items()}
        batch["created_at"] += 0.5
        batch["expires_at"] = datetime.fromtimestamp(batch["expires_at"], UTC).isoformat()
        batch["error_file_id"] = batch["error_file_id"] or {}
        batch["completion_window"] = 86_400
        batch["endpoint"] = [batch["endpoint"]]
    return batch


def odd_file(file: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    """Apply the quirks to an encoded file, in place."""
    if quirks.odd_values:
        file["bytes"] = str(file["bytes"])
        file["created_at"] += 0.5
        file["expires_at"] = ""
    return file


def odd_page(page: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    """Apply the quirks to an encoded page and its objects, in place."""
    for value in page["data"]:
        (odd_batch if value.get("object") == "batch" else odd_file)(value, quirks)
    if quirks.odd_values:
        page["has_more"] = str(page["has_more"]).lower()
    return page


class Clock:
    """A clock.

    Args:
        start: A fixed time in seconds since 1970-01-01 UTC, which changes only with `turn`; None for the real time.
    """

    def __init__(self, start: float | None = None) -> None:
        self._start = start
        self._turned = 0.0

    def now(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return (time.time() if self._start is None else self._start) + self._turned

    def turn(self, seconds: float) -> None:
        """Move the clock forward, or back with a negative number."""
        self._turned += seconds


CALLS = (
    "files.create",
    "files.list",
    "files.retrieve",
    "files.content",
    "files.delete",
    "batches.create",
    "batches.list",
    "batches.retrieve",
    "batches.cancel",
    "live",
)
"""The kinds of calls; `live` are the endpoints of the models."""

SHORT = frozenset({"files.create", "files.retrieve", "files.delete", "batches.create", "batches.retrieve", "batches.cancel"})
"""Calls with short answers: a long answer that drips would take too long in tests with a thousand seeds."""

FAULTS = {
    "status": "answers with `status` and an error in JSON, without doing anything",
    "early": "answers with `status` before the request was read, reads it, and closes the connection, without doing anything",
    "status_after": "does what was asked, and then answers with `status`",
    "lost": "does what was asked, and closes the connection instead of answering",
    "reset": "closes the connection without doing anything",
    "stall": "sends nothing for `pause` seconds, and then closes the connection, without doing anything",
    "html": "answers with `status` and a page of HTML, as proxies do",
    "empty": "answers with 200 and nothing else",
    "not_json": "answers with 200 and half of the JSON",
    "cut": "ends the body after `after` bytes, with the length of the whole",
    "long_length": "says that the body is ten bytes longer than it is",
    "short_length": "says that the body is ten bytes shorter than it is, and sends no more",
    "no_length": "ends the body after `after` bytes, without a length, by closing the connection",
    "cut_chunk": "ends the body after `after` bytes, in the middle of a chunk (`Transfer-Encoding: chunked`)",
    "drip": "sends one byte every `pause` seconds",
    "drip_head": "sends the head, one byte every `pause` seconds, and then the body",
    "hints": "sends `after` responses with status 103, one every `pause` seconds, and then the real one",
    "no_range": "sends the whole file to a request for a part",
    "other_range": "sends a part that begins elsewhere",
    "changed": "says that the file has another entity tag",
}
"""Every fault, and what the server does."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Args:
        kind: One of `FAULTS`.
        status: For kinds that answer with a status.
        after: Bytes, for kinds that end a body early; responses, for `hints`.
        pause: Seconds, for `drip`, `drip_head`, `hints` and `stall`.
        headers: Additional response headers, such as `retry-after`.

    Raises:
        ValueError: The kind is unknown.
    """

    kind: str
    status: int = 500
    after: int = 0
    pause: float = 1.0
    headers: dict[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"unknown fault {self.kind!r}; expected {', '.join(FAULTS)}")


class Faults:
    """The faults to inject, by call.

        faults = Faults().at("batches.create", 1, Fault("lost")).at("files.content", 2, Fault("cut", after=100))

    Attributes:
        seen: The number of calls of each kind.
        met: The calls with a fault, in order: the kind of the call, its number, and the fault.
    """

    def __init__(self) -> None:
        self._planned: dict[tuple[str, int], Fault] = {}
        self._always: dict[str, Fault] = {}
        self.seen: Counter[str] = Counter()
        self.met: list[tuple[str, int, Fault]] = []

    def at(self, call: str, number: int, fault: Fault) -> Faults:
        """Inject a fault into the n-th call of a kind, counted from 1.

        Raises:
            ValueError: The kind of call is unknown.
        """
        self._planned[_known(call), number] = fault
        return self

    def always(self, call: str, fault: Fault | None) -> Faults:
        """Inject a fault into every call of a kind; None stops that.

        Raises:
            ValueError: The kind of call is unknown.
        """
        if fault is None:
            self._always.pop(_known(call), None)
        else:
            self._always[_known(call)] = fault
        return self

    @classmethod
    def by_chance(cls, seed: int, *, calls: int = 40, share: float = 0.3) -> Faults:
        """Return random temporary faults, which a client must survive or report.

        Args:
            seed: The same seed gives the same faults.
            calls: The number of calls of each kind that can have one.
            share: The share of these calls that have one.
        """
        chance = random.Random(seed)  # noqa: S311 - for tests
        faults = cls()
        for call in CALLS:
            for number in range(1, calls + 1):
                if chance.random() < share:
                    faults.at(call, number, _some_fault(call, chance))
        return faults

    def next(self, call: str) -> Fault | None:
        """Count a call, and return its fault."""
        self.seen[call] += 1
        fault = self._planned.get((call, self.seen[call]), self._always.get(call))
        if fault is not None:
            self.met.append((call, self.seen[call], fault))
        return fault


def _some_fault(call: str, chance: random.Random) -> Fault:
    kinds = ["status", "status", "early", "html", "reset", "lost", "status_after", "not_json", "empty", "cut"]
    if call in SHORT:
        kinds.append("drip")
    if call == "files.content":
        kinds += ["cut", "no_length", "cut_chunk", "long_length", "short_length", "no_range", "other_range", "changed"]
    kind = chance.choice(kinds)
    # 409 and 429 mean that nothing was done.
    statuses = [408, 500, 502, 503, 520] if kind == "status_after" else [408, 409, 429, 500, 502, 503, 520]
    return Fault(kind, status=chance.choice(statuses), after=chance.randrange(400), pause=0.0)


def _known(call: str) -> str:
    if call not in CALLS:
        raise ValueError(f"unknown call {call!r}; expected {', '.join(CALLS)}")
    return call
