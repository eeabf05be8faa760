"""`batchfiles probe`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from batchfiles.api.batches import live_request
from batchfiles.api.config import AzureConfig, Config

from .conftest import Outcome, request

if TYPE_CHECKING:
    from batchfiles.testing import Server

Ask = Callable[..., Outcome]
Objects = Callable[..., list[dict[str, Any]]]
RequestsFile = Callable[..., str]


def test_the_first_requests_are_answered(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """Five by default, a line for each, and no more are sent."""
    lines = tuple(request(f"r{number}") for number in range(7))
    code, out, err = ask("probe", requests_file(lines=lines))
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [[f"r{number}", "succeeded"] for number in range(5)]
    assert err == "5 requests sent, 5 succeeded\n"
    assert server.faults.seen["live"] == 5
    ask("probe", "requests.jsonl", "-n", "1")
    assert server.faults.seen["live"] == 6


def test_a_bad_request_is_1_and_its_error_the_answer(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """The others are sent anyway."""
    server.service.answer = lambda _, body: (
        (400, {"error": {"message": "No such model.", "code": "model_not_found"}})
        if body["messages"][0]["content"] == "bad"
        else (200, {"object": "chat.completion", "choices": []})
    )
    code, out, _ = ask("probe", requests_file(lines=(request("a", "bad"), request("b"))))
    assert code == 1
    assert out.splitlines()[1].split()[:2] == ["a", "failed"]
    assert "No such model." in out
    assert server.faults.seen["live"] == 2


def test_the_bytes_of_the_body_are_sent_as_they_stand(server: Server, objects: Objects, requests_file: RequestsFile) -> None:
    """Numbers keep their digits, and keys their order; the answer is in the object."""
    seen = []
    server.service.answer = lambda url, body: (seen.append((url, json.dumps(body))) or 200, {"object": "list", "data": []})
    body = b'{"model":"m", "input":"x","dimensions":12345678901234567890}'
    line = b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":' + body + b"}\n"
    (answer,) = objects("probe", requests_file(lines=(line,)))
    assert seen == [("/v1/embeddings", json.dumps(json.loads(body)))]
    assert (answer["line"], answer["custom_id"], answer["status_code"]) == (1, "a", 200)
    assert answer["body"] == {"object": "list", "data": []}


def test_a_line_that_is_no_request_is_named(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """With its file and its number; the lines before it were sent."""
    code, _, err = ask("probe", requests_file(lines=(request("a"), b"{\n")))
    assert code == 3
    assert "requests.jsonl:2: " in err
    code, _, err = ask("probe", requests_file(lines=(b'{"custom_id": "a", "body": {}}\n',)))
    assert code == 3
    assert "'url'" in err


def test_a_page_in_the_place_of_an_answer_is_an_answer_too(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """As a proxy's is in a batch."""
    from batchfiles.testing import Fault, Faults

    server.faults = Faults().always("live", Fault("html", status=502))
    code, out, _ = ask("probe", requests_file())
    assert code == 1
    assert "502" in out


def test_a_refused_key_ends_it_at_once(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """All others would be refused as well."""
    from batchfiles.testing import Fault, Faults

    server.faults = Faults().always("live", Fault("status", status=401))
    code, _, err = ask("probe", requests_file())
    assert code == 3
    assert "OPENAI_API_KEY" in err
    assert server.faults.seen["live"] == 1


def test_a_file_without_requests_is_wrong_usage(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """There is nothing to send."""
    assert ask("probe", requests_file(lines=()))[0] == 2


def test_the_address_is_made_of_the_base_url_and_the_url_of_the_line() -> None:
    """The version is in both, and is used once; Azure's dated API has the deployment in it."""
    v1 = "/v1/chat/completions"
    groq = Config(base_url="https://api.groq.com/openai/v1")
    assert live_request(groq, v1, b"{}").url == "https://api.groq.com/openai/v1/chat/completions"
    azure = AzureConfig(base_url="https://name.openai.azure.com")
    assert live_request(azure, "/chat/completions", b"{}", model="m").url == (
        "https://name.openai.azure.com/openai/v1/chat/completions"
    )
    dated = AzureConfig(base_url="https://name.openai.azure.com", api_version="2024-10-21")
    assert live_request(dated, v1, b"{}", model="my model").url == (
        "https://name.openai.azure.com/openai/deployments/my%20model/chat/completions?api-version=2024-10-21"
    )


def test_a_url_that_leads_elsewhere_is_refused(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """The key goes to the service only."""
    for url in ("https://elsewhere.example/v1/chat/completions", "//elsewhere.example/v1", "/v1/../../admin"):
        code, _, err = ask("probe", requests_file(lines=(request("a", url=url),)))
        assert code == 2
        assert "error:" in err
    assert server.faults.seen["live"] == 0
