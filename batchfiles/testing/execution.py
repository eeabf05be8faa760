"""Carrying out a batch: each line is answered, and the answers become two files, in another order."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from batchfiles.api.batch import Batch
from batchfiles.testing.answers import Answerer
from batchfiles.testing.quirks import Quirks
from batchfiles.testing.refusal import error_body
from batchfiles.testing.result_lines import ResultLines
from batchfiles.testing.validation import requests_of

__all__ = ["Results", "answered", "execute"]

CANCELLED: Final = {"code": "batch_cancelled", "message": "This request was not executed: the batch was cancelled."}
EXPIRED: Final = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


@dataclass(slots=True)
class Results:
    """What a batch has brought.

    Attributes:
        outputs: The lines of the output file.
        errors: The lines of the error file.
        completed: How many requests were answered well.
        failed: How many were answered otherwise; those that were not answered at all are in neither number.
        expired: How many were not answered because their time was over.
        input_tokens: Tokens that went in.
        output_tokens: Tokens that came out.
        chance: Makes the order of the lines.
    """

    outputs: ResultLines
    errors: ResultLines
    chance: random.Random
    completed: int = 0
    failed: int = 0
    expired: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@contextmanager
def execute(
    path: Path, batch: Batch, answer: Answerer, quirks: Quirks, *, stop_after: int | None, ended_by: dict[str, str]
) -> Iterator[Results]:
    """Answer the requests of a file; what came of it is there as long as the block lasts.

    Args:
        path: The file; it was validated.
        batch: The batch; its id makes the order of the results.
        answer: What answers a request.
        quirks: What happens to some.
        stop_after: Requests that are answered before the batch ends; None for all.
        ended_by: The error of the others.
    """
    with ResultLines() as outputs, ResultLines() as errors:
        results = Results(outputs, errors, random.Random(batch.id))  # noqa: S311 - no secret
        for number, (_, request) in enumerate(requests_of(path)):
            custom_id = request["custom_id"]
            fate = _fate(custom_id, batch.id, quirks)
            if custom_id in quirks.missing or fate == "drop":
                continue
            request.setdefault("url", batch.endpoint)
            line: dict[str, Any] = {
                "id": f"batch_req_{batch.id.removeprefix('batch_')}{number:06d}",
                "custom_id": custom_id,
                "response": None,
                "error": None,
            }
            if stop_after is not None and number >= stop_after:
                line["error"], good = ended_by, False
            elif fate == "expire":
                line["error"], good = EXPIRED, False
                results.expired += 1
            else:
                line["response"], good = _response(request, answer, quirks, results, line["id"], fate)
            written = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"  # \udXXX is JSON
            for _ in range(2 if custom_id in quirks.duplicates else 1):
                (outputs if good or quirks.one_file else errors).add(written)
        yield results


def _fate(custom_id: str, batch_id: str, quirks: Quirks) -> int | str | None:
    """Draw what happens to a request: the status that it fails with, `expire`, `drop`, or nothing."""
    if not (quirks.fail or quirks.expire or quirks.drop):
        return None
    chance = random.Random(f"{quirks.seed} {batch_id} {custom_id}")  # noqa: S311 - no secret
    drawn = chance.random()
    for share, fate in ((quirks.fail, chance.choice(STATUSES)), (quirks.expire, "expire"), (quirks.drop, "drop")):
        if drawn < share:
            return fate
        drawn -= share
    return None


STATUSES: Final = (400, 429, 500, 503)
"""What requests fail with: one that fails again if it is sent again, and three that pass."""


def _response(
    request: dict[str, Any], answer: Answerer, quirks: Quirks, results: Results, line_id: str, fate: int | str | None
) -> tuple[dict[str, Any], bool]:
    """Answer a request, and count it; also tells whether it went well."""
    custom_id = request["custom_id"]
    if custom_id in quirks.no_response:  # ten such lines were counted as completed
        results.completed += 1
        return {"status_code": 0, "request_id": "", "body": {}}, False
    failing = quirks.failing.get(custom_id, fate if isinstance(fate, int) else None)
    status, body = answered(request["url"], request["body"], answer) if failing is None else (failing, _failure(failing))
    good = 200 <= status < 300
    if good:
        results.completed += 1
        usage = body.get("usage") or {}
        results.input_tokens += usage.get("input_tokens", usage.get("prompt_tokens", 0))
        results.output_tokens += usage.get("output_tokens", usage.get("completion_tokens", 0))
    else:
        results.failed += 1
    return {"status_code": status, "request_id": f"req_{line_id.removeprefix('batch_req_')}", "body": body}, good


def answered(url: str, body: dict[str, Any], answer: Answerer) -> tuple[int, dict[str, Any]]:
    """Answer one request; one that the answer function breaks on has failed with status 500, and the others go on."""
    try:
        return answer(url, body)
    except Exception as error:  # noqa: BLE001 - a function of the user's may raise anything
        return 500, _failure(500, f"The answer function raised {type(error).__name__}: {error}")


def _failure(status: int, message: str | None = None) -> dict[str, Any]:
    words = message or f"The request failed with status {status}."
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return error_body(words, kind=kind)
