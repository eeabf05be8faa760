"""Lines as services write them, for the tests of jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def request(custom_id: Any, url: str = "/v1/chat/completions", **body: Any) -> bytes:
    """Make a request line."""
    value = {"custom_id": custom_id, "method": "POST", "url": url, "body": {"model": "gpt-x", **body}}
    return json.dumps(value, ensure_ascii=False).encode()


def completion(text: str = "Hi", *, created: Any = 1, finish_reason: str = "stop", index: Any = 0) -> dict[str, Any]:
    """Make the body of a chat completion."""
    choice = {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": created, "model": "gpt-x-1", "choices": [choice]}


def result(custom_id: Any, body: Any, status: Any = 200, error: Any = None) -> bytes:
    """Make a result line with an answer."""
    response = {"status_code": status, "request_id": "req_1", "body": body}
    value = {"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": error}
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def success(custom_id: Any, text: str = "Hi", **details: Any) -> bytes:
    """Make the line of an answered request."""
    return result(custom_id, completion(text, **details))


def failure(custom_id: Any, status: int = 400, message: str = "No") -> bytes:
    """Make the line of a refused request."""
    return result(custom_id, {"error": {"message": message, "type": "invalid_request_error"}}, status)


def expired(custom_id: Any) -> bytes:
    """Make the line of a request that expired in the queue."""
    error = {"code": "batch_expired", "message": "This request could not be executed before the completion window expired."}
    return json.dumps({"id": "batch_req_1", "custom_id": custom_id, "response": None, "error": error}).encode()


def put(path: Path, *lines: bytes) -> Path:
    r"""Write lines to a file, each with its `\n`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
