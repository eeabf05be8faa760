"""What the service finds wrong in the file of a batch: its codes and its words, with the lines they are about."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from batchfiles.api.batch import BatchError
from batchfiles.findings import Finding
from batchfiles.jobs.validate import validate
from batchfiles.limits import Limits

__all__ = ["Validation", "requests_of", "validated"]

NOT_JSON: Final = ("invalid_json_line", None, "This line is not parseable as valid JSON.")

REPEATED: Final = (
    "The custom_id for this request is a duplicate of another request. "
    "The custom_id parameter must be unique for each request in a batch."
)

OWN_WORDS: Final[dict[str, tuple[str, str | None, str]]] = {
    "invalid_json_line": NOT_JSON,
    "byte_order_mark": NOT_JSON,
    **dict.fromkeys(
        ("glued_lines", "json_array", "multiline_json", "trailing_commas", "double_encoded", "python_bytes"), NOT_JSON
    ),
    **dict.fromkeys(("wrong_encoding", "python_dicts", "csv", "not_text", "not_lines"), NOT_JSON),
    "wrong_family": ("missing_required_parameter", "method", "Missing required parameter: 'method'."),
    "duplicate_custom_id": ("duplicate_custom_id", "custom_id", REPEATED),
}
"""Code, parameter and words of the service for what we say in other words [recorded in llama-stack's test_batches_errors.py,
2025-08; community.openai.com/t/723696]."""

OTHER_URL: Final = "The URL provided for this request does not match the batch endpoint."
MOST_ERRORS: Final = 100
"""Errors of a batch that are listed; ours, how many the service lists is not known."""


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found.

    Attributes:
        requests: How many there are.
        model: Theirs.
        errors: What is wrong, in the order of the lines.
    """

    requests: int
    model: str | None
    errors: list[BatchError] = field(default_factory=list)


def validated(path: Path, endpoint: str, limits: Limits, models: Collection[str] | None) -> Validation:
    """Look at a file as the service does once a batch was made of it.

    Args:
        path: The file.
        endpoint: The endpoint of the batch; each line must have it.
        limits: The rules.
        models: The models there are; None for any.
    """
    report = validate(path, limits=replace(limits, body_rules="none"))  # the service finds those as it runs each request
    file = report.files[0]
    found = [finding for finding in report.findings if finding.severity == "error"]
    errors = [_error(finding, endpoint) for finding in found if finding.code != "invalid_url"]
    if models is not None or (limits.one_url and (len(errors) < len(found) or file.endpoint != endpoint)):
        errors += islice(_other_errors(path, endpoint if limits.one_url else None, limits, models), MOST_ERRORS)
    errors.sort(key=lambda error: error.line or 0)
    return Validation(file.requests, file.model, errors[:MOST_ERRORS])


def requests_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the requests of a file with the numbers of their lines; what is none is passed over."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                request = json.loads(line)
            except ValueError:
                continue
            if isinstance(request, dict):
                yield number, request


def _error(finding: Finding, endpoint: str) -> BatchError:
    param = None if finding.json_path is None else finding.json_path.removeprefix("$.")
    code, param, message = OWN_WORDS.get(finding.code, (finding.service_code or finding.code, param, finding.message))
    if finding.code == "mismatched_model":
        message = f"{message.partition(':')[0]}. Each batch must contain requests for a single model."
    elif finding.code == "streaming_unsupported" and endpoint == "/v1/chat/completions":
        message = f"Chat Completions: {message}"
    return BatchError(code=code, param=param, line=finding.line_number, message=message)


def _other_errors(path: Path, endpoint: str | None, limits: Limits, models: Collection[str] | None) -> Iterator[BatchError]:
    """Say which lines go elsewhere than the batch, or ask for a model that there is not."""
    for line, request in requests_of(path):
        url, body = request.get("url"), request.get("body")
        if endpoint is not None and isinstance(url, str) and url != endpoint:
            code = limits.service_codes.get("invalid_url", "invalid_url")
            yield BatchError(code=code, param="url", line=line, message=OTHER_URL)
        model = body.get("model") if isinstance(body, dict) else None
        if models is not None and isinstance(model, str) and model not in models:
            message = f"The provided model '{model[:100]}' is not supported by the Batch API."
            yield BatchError(code="model_not_found", param="body.model", line=line, message=message)
