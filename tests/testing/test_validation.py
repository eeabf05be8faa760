"""What the local server finds wrong in a file, against what was recorded from the real one.

The codes, parameters, lines and words are those of llama-stack's `tests/integration/batches/test_batches_errors.py` (2025-08).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batchfiles.limits import AZURE, NONE, OPENAI, Limits
from batchfiles.testing.parameters import validated
from tests.testing.conftest import CHAT, chat_line

OTHER_URL = "The URL provided for this request does not match the batch endpoint."
REPEATED = (
    "The custom_id for this request is a duplicate of another request. "
    "The custom_id parameter must be unique for each request in a batch."
)
OTHER_MODEL = (
    "The model 'gpt-5' for this request does not match the rest of the batch. "
    "Each batch must contain requests for a single model."
)
BODY = chat_line("x")["body"]


def without(key: str) -> dict[str, Any]:
    """Return the body of a request without a key."""
    return {name: value for name, value in BODY.items() if name != key}


def found(tmp_path: Path, *lines: dict[str, Any] | bytes, **options: Any) -> list[tuple[str | None, str | None, int | None, str]]:
    """Validate lines as a file, and return code, parameter, line and message of each error."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines) + b"\n")
    limits: Limits = options.get("limits", OPENAI)
    errors = validated(path, options.get("endpoint", CHAT), limits, options.get("models")).errors
    return [(error.code, error.param, error.line, error.message or "") for error in errors]


@pytest.mark.parametrize(
    ("line", "code", "param", "message"),
    [
        (b"This is not json", "invalid_json_line", None, "This line is not parseable as valid JSON."),
        (chat_line("b", custom_id=None), "missing_required_parameter", "custom_id", "Missing required parameter: 'custom_id'."),
        (chat_line("b", method=None), "missing_required_parameter", "method", "Missing required parameter: 'method'."),
        (chat_line("b", url=None), "missing_required_parameter", "url", "Missing required parameter: 'url'."),
        (chat_line("b", body=None), "missing_required_parameter", "body", "Missing required parameter: 'body'."),
        (chat_line("b", url="/v1/embeddings"), "invalid_url", "url", OTHER_URL),
        (chat_line("b", body=without("model")), "invalid_request", "body.model", "Model parameter is required."),
        (chat_line("b", body=without("messages")), "invalid_request", "body.messages", "Messages parameter is required."),
        (
            chat_line("b", body={**BODY, "stream": True}),
            "streaming_unsupported",
            "body.stream",
            "Chat Completions: Streaming is not supported in the Batch API.",
        ),
        (
            chat_line("a"),
            "duplicate_custom_id",
            "custom_id",
            REPEATED,
        ),
        (
            chat_line("b", body={**BODY, "model": "gpt-5"}),
            "mismatched_model",
            "body.model",
            OTHER_MODEL,
        ),
    ],
)
def test_a_wrong_line_has_the_code_the_parameter_the_line_and_the_words_of_the_service(
    tmp_path: Path, line: dict[str, Any] | bytes, code: str, param: str | None, message: str
) -> None:
    """After a valid first line."""
    errors = found(tmp_path, chat_line("a"), line, chat_line("c"))
    if param == "url" and code == "invalid_url":  # the body of a chat is not one of an embedding
        errors = [error for error in errors if error[1] == "url"]
    assert errors == [(code, param, 2, message)]


def test_every_line_is_held_against_the_endpoint_of_the_batch(tmp_path: Path) -> None:
    """Not with the first line, which may be the wrong one."""
    lines = [chat_line("a", url="/v1/responses"), chat_line("b"), chat_line("c")]
    assert [error[:3] for error in found(tmp_path, *lines) if error[1] == "url"] == [("invalid_url", "url", 1)]
    assert [error[:3] for error in found(tmp_path, *lines[1:], endpoint="/v1/responses")] == [
        ("invalid_url", "url", 1),
        ("invalid_url", "url", 2),
    ]


def test_all_errors_are_listed_in_the_order_of_the_lines(tmp_path: Path) -> None:
    """Also several errors of one line."""
    lines = [chat_line("a", method=None, url=None), b"{", chat_line("b"), chat_line("b", method=None)]
    assert [error[:3] for error in found(tmp_path, *lines)] == [
        ("missing_required_parameter", "method", 1),
        ("missing_required_parameter", "url", 1),
        ("invalid_json_line", None, 2),
        ("missing_required_parameter", "method", 4),
        ("duplicate_custom_id", "custom_id", 4),
    ]


def test_a_byte_order_mark_makes_the_first_line_no_json(tmp_path: Path) -> None:
    """With the message of the service, as users have reported it."""
    line = b"\xef\xbb\xbf" + json.dumps(chat_line("a")).encode()
    assert [error[:3] for error in found(tmp_path, line)] == [("invalid_json_line", None, 1)]


def test_requests_of_another_service_lack_their_method(tmp_path: Path) -> None:
    """Anthropic's lines have `params` (567-labs/instructor#1119)."""
    errors = found(tmp_path, {"custom_id": "a", "params": {"model": "claude"}})
    assert errors == [("missing_required_parameter", "method", 1, "Missing required parameter: 'method'.")]


def test_models_may_be_the_only_ones_there_are(tmp_path: Path) -> None:
    """A request for another model is not found, with its line."""
    lines = [chat_line("a"), chat_line("b")]
    assert found(tmp_path, *lines, models={"gpt-4o-mini"}) == []
    message = "The provided model 'gpt-4o-mini' is not supported by the Batch API."
    assert found(tmp_path, *lines, models={"gpt-5"}) == [
        ("model_not_found", "body.model", 1, message),
        ("model_not_found", "body.model", 2, message),
    ]


def test_azure_has_its_own_codes(tmp_path: Path) -> None:
    """The same errors under Azure's codes."""
    lines = [chat_line("a"), chat_line("b", url="/v1/responses"), chat_line("c", body={**BODY, "model": "other"})]
    codes = [error[0] for error in found(tmp_path, *lines, limits=AZURE) if error[1] in ("url", "body.model")]
    assert codes == ["url_mismatch", "model_mismatch"]


def test_without_limits_urls_may_differ(tmp_path: Path) -> None:
    """As in files for vLLM."""
    assert found(tmp_path, chat_line("a"), chat_line("b", url="/v1/responses"), limits=NONE) == []


def test_no_more_than_a_hundred_errors_are_listed(tmp_path: Path) -> None:
    """Only the first ones."""
    errors = found(tmp_path, *(chat_line(f"r{number}", url="/v1/responses", method=None) for number in range(300)))
    assert len(errors) == 100
    assert {error[2] for error in errors} <= set(range(1, 101))
