"""A small batch with every kind of trouble, some of it hostile, in files of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCRIPT = "<script>document.title = 'RAN'</script>"
HOSTILE = (
    f"{SCRIPT}<img src=x onerror=\"document.title='RAN'\"></pre></details>\"'><svg onload=alert(1)>{{{{ 7*7 }}}}\u202eabc\x00"
)
SECRET = "the word only a user wrote"


def request(custom_id: str, text: str = "Hello", **body: Any) -> bytes:
    """Return a request line."""
    content = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}], **body}
    return line({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": content})


def answer(
    custom_id: str, text: str = "Good day", *, reason: str = "stop", tokens: int = 10, created: int = 1_767_000_000
) -> bytes:
    """Return the line of a success."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": created,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 2 * tokens, "total_tokens": 3 * tokens},
    }
    return line({"id": f"r-{custom_id}", "custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None})


def failure(custom_id: str, message: str, *, status: int = 400, code: str = "bad_value") -> bytes:
    """Return the line of a failure."""
    body = {"error": {"message": message, "code": code, "type": "invalid_request_error", "param": None}}
    return line(
        {"id": f"r-{custom_id}", "custom_id": custom_id, "response": {"status_code": status, "body": body}, "error": None}
    )


def line(value: object) -> bytes:
    """Return a line of JSON."""
    return json.dumps(value).encode() + b"\n"


def write_batch(folder: Path, *, hostile: str = HOSTILE) -> Path:
    """Write two request files and their results: 8 and 4 requests."""
    folder.mkdir()
    first = [request(f"a-{number}", SECRET) for number in range(7)] + [request(hostile, hostile)]
    (folder / "monday.jsonl").write_bytes(b"".join(first))
    (folder / "tuesday.jsonl").write_bytes(b"".join(request(f"b-{number}") for number in range(4)))
    (folder / "monday_output.jsonl").write_bytes(
        b"".join(
            [
                answer("a-0"),
                answer("a-1", tokens=1000),
                answer("a-1", "Another answer", tokens=1000),
                answer("a-2", "Cut", reason="length"),
                failure("a-3", "No model 'x' in req_0123456789abcdef"),
                failure("a-4", "No model 'y' in req_fedcba9876543210"),
                failure("a-5", "Slow down", status=429, code="rate_limit_exceeded"),
                failure(hostile, hostile, code=SCRIPT),
                answer("nobody"),
                b"{broken\n",
            ]
        )
    )
    (folder / "tuesday_output.jsonl").write_bytes(b"".join(answer(f"b-{number}") for number in range(4)))
    return folder
