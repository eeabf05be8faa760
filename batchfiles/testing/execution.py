"""Carrying out a batch: each line is answered, and the answers become two files, in another order."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchfiles.testing.answers import Answerer
from batchfiles.testing.quirks import Quirks

__all__ = ["Results", "execute"]


@dataclass(slots=True)
class Results:
    """What a batch has brought.

    Attributes:
        outputs: The lines of the output file.
        errors: The lines of the error file.
        total: How many requests there were.
        answered: How many were answered, well or not, before the batch ended.
        input_tokens: Tokens that went in.
        output_tokens: Tokens that came out.
    """

    outputs: list[bytes]
    errors: list[bytes]
    total: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


def execute(path: Path, batch_id: str, answer: Answerer, quirks: Quirks, *, stop_after: int | None = None) -> Results:
    """Answer the requests of a file.

    Args:
        path: The file; it was validated.
        batch_id: The batch, which makes the order of the results.
        answer: What answers a request.
        quirks: What happens to some.
        stop_after: Requests that are answered before the batch is cancelled; None for all.
    """
    results = Results([], [])
    for number, request in enumerate(_requests(path)):
        results.total += 1
        custom_id = request["custom_id"]
        if custom_id in quirks.missing:
            continue
        line_id = f"batch_req_{batch_id[6:]}{number:06d}"
        line: dict[str, Any] = {"id": line_id, "custom_id": custom_id, "response": None, "error": None}
        if stop_after is not None and number >= stop_after:
            line["error"] = {"code": "batch_cancelled", "message": "This request was not executed: the batch was cancelled."}
        elif quirks.expire_after is not None and number >= quirks.expire_after:
            line["error"] = {
                "code": "batch_expired",
                "message": "This request could not be executed before the completion window expired.",
            }
        else:
            status, body = _answered(request, answer, quirks.failing.get(custom_id))
            line["response"] = {"status_code": status, "request_id": f"req_{line_id[10:]}", "body": body}
            if 200 <= status < 300:
                _count(results, body)
        good = line["response"] is not None and 200 <= line["response"]["status_code"] < 300
        written = json.dumps(line, ensure_ascii=False).encode() + b"\n"
        copies = 2 if custom_id in quirks.duplicates else 1
        (results.outputs if good else results.errors).extend([written] * copies)
    chance = random.Random(batch_id)  # noqa: S311 - no secret
    chance.shuffle(results.outputs)
    chance.shuffle(results.errors)
    return results


def _requests(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _answered(request: dict[str, Any], answer: Answerer, failing: int | None) -> tuple[int, dict[str, Any]]:
    if failing is not None:
        words = {"message": f"The request failed with status {failing}.", "type": "server_error", "param": None, "code": None}
        return failing, {"error": words}
    return answer(request["url"], request["body"])


def _count(results: Results, body: dict[str, Any]) -> None:
    usage = body.get("usage") or {}
    results.input_tokens += usage.get("input_tokens", usage.get("prompt_tokens", 0))
    results.output_tokens += usage.get("output_tokens", usage.get("completion_tokens", 0))
