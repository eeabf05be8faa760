"""Plays `vllm run-batch` on a machine without a GPU: one result file in vLLM's format, in the order of the requests.

The answers are those of the local server. The format is that of `vllm/entrypoints/openai/run_batch.py`: `id` and `request_id`
begin with `vllm-`, all keys are there, and a failure has its error in the same file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from uuid import uuid4

from batchfiles.testing import answer


def main() -> None:
    """Read the requests and write the results."""
    parser = argparse.ArgumentParser(prog="vllm")
    parser.add_argument("command", choices=["run-batch"])
    parser.add_argument("-i", "--input-file", type=Path, required=True)
    parser.add_argument("-o", "--output-file", type=Path, required=True)
    parser.add_argument("--model", required=True)
    options = parser.parse_args()
    with options.output_file.open("w") as output:
        for line in options.input_file.read_text("utf-8").splitlines():
            request = json.loads(line)
            status, body = answer(request["url"], request["body"] | {"model": options.model})
            found = {
                "id": f"vllm-{uuid4().hex}",
                "custom_id": request["custom_id"],
                "response": {"status_code": status, "request_id": f"vllm-batch-{uuid4().hex}", "body": body},
                "error": None,
            }
            if status != 200:
                found |= {"response": found["response"] | {"body": None}, "error": body}
            output.write(json.dumps(found) + "\n")


main()
