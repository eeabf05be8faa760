"""The errors of the local server, with the status, code and parameter of the service."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx2
import pytest

from batchfiles.limits import AZURE, Limits
from batchfiles.testing import Server
from tests.testing.conftest import CHAT


def upload(http: httpx2.Client, content: bytes, name: str = "a.jsonl", **form: str) -> httpx2.Response:
    """Upload bytes."""
    return http.post("files", files={"file": (name, io.BytesIO(content))}, data={"purpose": "batch", **form})


def refusal(response: httpx2.Response) -> tuple[int, str | None, str | None]:
    """Return status, code and parameter."""
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


@pytest.mark.parametrize("content", [b"", b"\n", b"[1]\n", b"a,b\n"])
def test_a_file_that_does_not_begin_with_an_object_is_refused(http: httpx2.Client, content: bytes) -> None:
    """Empty or not JSONL."""
    response = upload(http, content)
    assert refusal(response) == (400, None, None)
    assert "jsonl" in response.json()["error"]["message"]


def test_only_the_beginning_of_a_file_is_looked_at(http: httpx2.Client) -> None:
    """Errors after the beginning are reported by the batch."""
    assert upload(http, b'{"custom_id": "a"}\nThis is not json\n').json()["status"] == "processed"


def test_a_file_that_is_too_large_is_refused(http: httpx2.Client, server: Server) -> None:
    """With status 413."""
    server.service.limits = Limits(name="small", max_bytes=10)
    assert upload(http, b'{"a":  1}\n').status_code == 200
    response = upload(http, b'{"a":   1}\n')
    assert refusal(response) == (413, None, None)
    assert response.json()["error"]["message"] == "File is too large."


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"purpose": "batches"}, "purpose"),
        ({"expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "2592001"}, "expires_after.seconds"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
    ],
)
def test_a_wrong_parameter_of_an_upload_is_named(http: httpx2.Client, form: dict[str, str], param: str) -> None:
    """Purposes are a fixed set, and files can live from an hour to 30 days."""
    assert refusal(upload(http, b"{}\n", **form)) == (400, "invalid_value", param)


def test_an_upload_without_a_file_or_a_purpose_is_refused(http: httpx2.Client) -> None:
    """Both are required."""
    assert refusal(http.post("files", data={"purpose": "batch"})) == (400, "missing_required_parameter", "file")
    nothing = http.post("files", files={"file": ("a.jsonl", b"{}\n")})
    assert refusal(nothing) == (400, "missing_required_parameter", "purpose")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"input_file_id": None}, (400, "missing_required_parameter", "input_file_id")),
        ({"input_file_id": 1}, (400, "invalid_type", "input_file_id")),
        ({"input_file_id": "file-none"}, (400, None, "file_id")),
        ({"endpoint": None}, (400, "missing_required_parameter", "endpoint")),
        ({"endpoint": "/chat/completions"}, (400, "invalid_value", "endpoint")),
        ({"completion_window": "48h"}, (400, "invalid_value", "completion_window")),
        ({"metadata": []}, (400, "invalid_type", "metadata")),
        ({"metadata": {"tags": ["a"]}}, (400, "invalid_type", "metadata.tags")),
        ({"metadata": {str(n): "" for n in range(17)}}, (400, "object_above_max_properties", "metadata")),
        ({"metadata": {"k" * 65: ""}}, (400, "string_above_max_length", f"metadata.{'k' * 65}")),
        ({"metadata": {"k": "v" * 513}}, (400, "string_above_max_length", "metadata.k")),
        ({"output_expires_after": 3600}, (400, "invalid_type", "output_expires_after")),
        ({"output_expires_after": {"seconds": 3600}}, (400, "invalid_value", "output_expires_after.anchor")),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            (400, "invalid_value", "output_expires_after.seconds"),
        ),
    ],
)
def test_a_wrong_parameter_of_a_batch_is_named(http: httpx2.Client, change: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Nothing is created."""
    file_id = upload(http, b"{}\n").json()["id"]
    asked = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", **change}
    assert refusal(http.post("batches", json=asked)) == expected
    assert http.get("batches").json()["data"] == []


def test_the_words_about_metadata_are_those_of_the_service(http: httpx2.Client) -> None:
    """As recorded."""
    asked = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h", "metadata": {"tags": ["a"]}}
    message = "Invalid type for 'metadata.tags': expected a string, but got an array instead."
    assert http.post("batches", json=asked).json()["error"]["message"] == message


@pytest.mark.parametrize("path", ["batches?limit=0", "batches?limit=101", "files?limit=10001", "files?limit=a", "files?limit=-1"])
def test_pages_have_bounds(http: httpx2.Client, path: str) -> None:
    """100 batches, 10,000 files."""
    assert refusal(http.get(path)) == (400, "invalid_value", "limit")


def test_lists_know_their_orders_and_cursors(http: httpx2.Client) -> None:
    """Other values are refused."""
    assert refusal(http.get("files?order=up")) == (400, "invalid_value", "order")
    assert refusal(http.get("files?after=file-none")) == (400, "invalid_value", "after")
    assert refusal(http.get("batches?after=batch_none")) == (400, "invalid_value", "after")


def test_what_is_not_there_is_not_found(http: httpx2.Client, server: Server) -> None:
    """Unknown files, batches and calls; all in JSON."""
    for method, path in (("GET", "files/file-1"), ("DELETE", "files/file-1"), ("GET", "files/file-1/content")):
        assert refusal(http.request(method, path)) == (404, None, "id")
    for method, path in (("GET", "batches/batch_1"), ("POST", "batches/batch_1/cancel")):
        assert refusal(http.request(method, path)) == (404, None, None)
    assert refusal(http.get("models"))[0] == 405
    assert (
        http.get(server.base_url.removesuffix("/v1") + "/elsewhere").json()["error"]["message"] == "Invalid URL (GET /elsewhere)"
    )


def test_a_body_that_is_no_object_is_refused(http: httpx2.Client) -> None:
    """Not JSON, another type, or a lone surrogate."""
    for content in (b"{", b"[]", b"", b'{"input_file_id": "\\ud83d"}'):
        assert refusal(http.post("batches", content=content)) == (400, None, None)


def test_a_form_that_is_none_is_refused(http: httpx2.Client) -> None:
    """The message is about the form, not the address."""
    response = http.post("files", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert refusal(response) == (400, None, None)
    assert "Invalid URL" not in response.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer"}, {"Authorization": "Basic eDp5"}, {"api-key": ""}])
def test_nobody_gets_in_without_a_key(server: Server, headers: dict[str, str]) -> None:
    """Any key is accepted, also in Azure's header."""
    with httpx2.Client(base_url=server.base_url, trust_env=False, verify=False) as nobody:
        assert refusal(nobody.get("batches", headers=headers)) == (401, "invalid_api_key", None)
        assert nobody.get("batches", headers={"api-key": "k"}).status_code == 200


def test_azures_addresses_lead_to_the_same_calls(server: Server, http: httpx2.Client, requests: Path) -> None:
    """With the prefix `/openai`, and the endpoints without `/v1` under its rules."""
    server.service.limits = AZURE
    root = server.base_url.removesuffix("/v1")
    file_id = upload(http, requests.read_bytes()).json()["id"]
    for path in ("/openai/files", "/openai/v1/files"):
        found = http.get(f"{root}{path}?api-version=2024-10-21", headers={"api-key": "k"})
        assert [file["id"] for file in found.json()["data"]] == [file_id]
    asked = {"input_file_id": file_id, "endpoint": "/chat/completions", "completion_window": "24h"}
    assert http.post("batches", json=asked).status_code == 200
    answered = http.post(f"{root}/openai/deployments/d/chat/completions", json={"model": "d", "messages": [{}]})
    assert answered.json()["object"] == "chat.completion"
