"""The usual script: `json.loads` for each line, one dict for each request, a merge, a DataFrame, `to_parquet`.

`python -m benchmarks.rivals.pandas_script FILES -o FILE`. It makes fewer columns than we do.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["main"]


def _lines(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open(encoding="utf-8") as file:  # splits at newlines alone, as it should
            for line in file:
                yield json.loads(line)


def _request(line: dict[str, Any]) -> dict[str, Any]:
    body = line["body"]
    return {
        "custom_id": line["custom_id"],
        "endpoint": line["url"],
        "request_model": body["model"],
        "request_body": json.dumps(body),
    }


def _result(line: dict[str, Any]) -> dict[str, Any]:
    response = line["response"] or {}
    body = response.get("body") or {}
    choice = (body.get("choices") or [{}])[0]
    message = choice.get("message") or {}
    usage = body.get("usage") or {}
    error = line["error"] or body.get("error") or {}
    return {
        "custom_id": line["custom_id"],
        "outcome": _outcome(response.get("status_code"), choice.get("finish_reason"), error.get("code")),
        "status_code": response.get("status_code"),
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "model": body.get("model"),
        "finish_reason": choice.get("finish_reason"),
        "text": message.get("content"),
        "refusal": message.get("refusal"),
        "tool_calls": json.dumps(message["tool_calls"]) if message.get("tool_calls") else None,
        "input_tokens": usage.get("prompt_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "total_tokens": usage.get("total_tokens"),
        "created": body.get("created"),
    }


def _outcome(status: int | None, finish_reason: str | None, code: str | None) -> str:
    if code == "batch_expired":
        return "expired"
    if status != 200:
        return "failed"
    return "incomplete" if finish_reason in ("length", "content_filter") else "succeeded"


def main(argv: Sequence[str] | None = None) -> int:
    """Join the files."""
    parser = argparse.ArgumentParser(description="Join in pandas.")
    parser.add_argument("inputs", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(argv)
    requests = pd.DataFrame([_request(line) for line in _lines([options.inputs])])
    results = pd.DataFrame([_result(line) for line in _lines(options.results)])
    table = requests.merge(results.drop_duplicates("custom_id", keep="last"), on="custom_id", how="left")
    table["outcome"] = table["outcome"].fillna("missing")
    table["created"] = pd.to_datetime(table["created"], unit="s", utc=True)
    table.to_parquet(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
