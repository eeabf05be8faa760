"""One batch: its request file, its output file and its error file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

from benchmarks.generate.kinds import Kind, kinds
from benchmarks.generate.plan import Fate, Plan

__all__ = ["Written", "generate"]

_INPUT = b'{"custom_id": "%s", "method": "POST", "url": "%s", "body": %s}\n'
_ANSWERED = (
    b'{"id": "batch_req_6769%028x", "custom_id": "%s", "response": {"status_code": %d, "request_id": "%032x", "body": %s}, '
    b'"error": null}\n'
)
_EXPIRED = (
    b'{"id": "batch_req_6769%028x", "custom_id": "%s", "response": null, "error": {"code": "batch_expired", "message": '
    b'"This request could not be executed before the completion window expired."}}\n'
)
_FAILURES = (
    (400, "Invalid 'temperature': got 3.", "invalid_request_error", "temperature", "decimal_above_max_value"),
    (400, "Please reduce the length of the messages.", "invalid_request_error", "messages", "context_length_exceeded"),
    (429, "Rate limit reached for requests", "requests", None, "rate_limit_exceeded"),
    (500, "The server had an error while processing your request. Sorry about that!", "server_error", None, None),
)
_CREATED = 1_767_000_000
_RETRIED = 7_200
_REQUEST, _FIRST_RESULT, _SECOND_RESULT = range(3)


class Written(NamedTuple):
    """A file that was written."""

    path: Path
    lines: int
    size: int


def generate(
    directory: Path,
    kind: str,
    lines: int,
    *,
    seed: int = 0,
    dimensions: int = 1536,
    failures: bool = True,
    duplicates: float = 0.0,
) -> list[Written]:
    """Write a batch into a folder; the same arguments give the same bytes.

    Args:
        directory: Where the files go; made if it does not exist.
        kind: One of `kinds.NAMES`.
        lines: How many requests.
        seed: Decides all that is random, and the name of the batch.
        dimensions: The length of the embeddings.
        failures: Whether some requests fail, expire and go missing; without them there is no error file.
        duplicates: The share of the ids that get a second, later result, which is a success with other words.

    Returns:
        What was written: requests, outputs and, with `failures`, errors.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = Random(seed)
    endpoints = kinds(kind, rng, dimensions)
    plan = Plan.draw(rng, lines, failures=failures, duplicates=duplicates)
    batch_id = f"batch_{blake2b(b'%d' % seed, digest_size=8).hexdigest()}"
    requests, outputs, errors = (directory / f"{name}.jsonl" for name in ("requests", f"{batch_id}_output", f"{batch_id}_error"))
    errors.unlink(missing_ok=True)  # that of an earlier run would belong to other requests
    paths = [requests, outputs, errors] if failures else [requests, outputs]
    counts = [0] * len(paths)
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb", buffering=1 << 20)) for path in paths]
        for number, line in _lines(endpoints, plan, seed):
            files[number].write(line)
            counts[number] += 1
    return [Written(path, count, path.stat().st_size) for path, count in zip(paths, counts, strict=True)]


def _lines(endpoints: tuple[Kind, ...], plan: Plan, seed: int) -> Iterator[tuple[int, bytes]]:
    """Yield every line with the number of its file: 0 requests, 1 outputs, 2 errors."""
    # Every line has its own seed: a result can be made in any order, and knows nothing of its neighbours.
    rng = Random()
    for index in range(len(plan.fates)):
        endpoint = endpoints[index % len(endpoints)]
        rng.seed(_line_seed(seed, index, _REQUEST))
        yield 0, _INPUT % (_custom_id(seed, index), endpoint.url, endpoint.request(rng, index))
    for position, index, second in _turns(plan.order, len(plan.fates)):
        rng.seed(_line_seed(seed, index, _SECOND_RESULT if second else _FIRST_RESULT))
        custom_id = _custom_id(seed, index)
        fate = Fate.SUCCEEDED if second else plan.fates[index]
        if fate == Fate.EXPIRED:
            yield 2, _EXPIRED % (rng.getrandbits(112), custom_id)
            continue
        if fate == Fate.FAILED:
            status, body = _failure(rng)
        else:
            created = _CREATED + position // 20 + (_RETRIED if second else 0)
            status, body = 200, endpoints[index % len(endpoints)].answer(rng, index, created)
        line = _ANSWERED % (rng.getrandbits(112), custom_id, status, rng.getrandbits(128), body)
        yield 2 if fate == Fate.FAILED else 1, line


def _turns(order: Iterable[int], requests: int) -> Iterator[tuple[int, int, bool]]:
    """Yield the position of each result, the index of its request, and whether it is that request's second result."""
    seen = bytearray(requests)
    for position, index in enumerate(order):
        yield position, index, bool(seen[index])
        seen[index] = 1


def _failure(rng: Random) -> tuple[int, bytes]:
    """Return a status and the body that goes with it."""
    status, message, kind, param, code = rng.choice(_FAILURES)
    error = {"message": message, "type": kind, "param": param, "code": code}
    return status, json.dumps({"error": error}).encode()


def _line_seed(seed: int, index: int, side: int) -> int:
    return (seed << 64) | (index << 2) | side


def _custom_id(seed: int, index: int) -> bytes:
    """Name a request: three of four by their number, one of four by a UUID."""
    if index % 4:
        return b"request-%07d" % index
    return b"doc-%s" % str(UUID(bytes=blake2b(b"%d:%d" % (seed, index), digest_size=16).digest(), version=4)).encode()
