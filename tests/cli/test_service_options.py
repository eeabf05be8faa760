"""The options on the service, the key, and the hints for errors."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from batchfiles.api.config import AzureConfig
from batchfiles.cli.service_options import CommandKey, Service

from .conftest import KEY, Outcome

if TYPE_CHECKING:
    from batchfiles.testing import Server

Ask = Callable[..., Outcome]
RequestsFile = Callable[..., str]

PRINTS_A_KEY = "echo x >> asked; echo sk-from-command"
"""Counts how often it was run."""


def asked() -> int:
    """Return how often the command was run."""
    return len(Path("asked").read_text().split())


@pytest.fixture
def failing(server: Server) -> Callable[..., None]:
    """Let the list of batches fail, always or at one call."""
    from batchfiles.testing import Fault, Faults

    def fail(kind: str, *, at: int | None = None, **facts: Any) -> None:
        fault = Fault(kind, **facts)
        server.faults = Faults().always("batches.list", fault) if at is None else Faults().at("batches.list", at, fault)

    return fail


def test_without_a_key_nothing_is_sent(server: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that is missing is named, and the other way."""
    monkeypatch.delenv("OPENAI_API_KEY")
    code, out, err = ask("list")
    assert (code, out) == (2, "")
    assert "set OPENAI_API_KEY" in err
    assert "--key-command" in err
    assert not server.faults.seen


def test_a_key_that_is_none_is_not_shown(server: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is wrong with it."""
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    code, _, err = ask("list")
    assert code == 2
    assert "line end" in err


def test_the_key_comes_from_a_command(
    server: Server, ask: Ask, monkeypatch: pytest.MonkeyPatch, requests_file: RequestsFile
) -> None:
    """It is run once, however many calls there are, and the variable need not be there."""
    monkeypatch.delenv("OPENAI_API_KEY")
    code, out, err = ask("submit", requests_file(), "--wait", "--key-command", PRINTS_A_KEY)
    assert code == 0
    assert "sk-from-command" not in out + err
    assert asked() == 1


def test_a_refused_key_is_asked_for_again(ask: Ask, failing: Callable[..., None]) -> None:
    """Once: a token lives for an hour, and the second one is fresh."""
    failing("status", at=1, status=401)
    assert ask("list", "--key-command", PRINTS_A_KEY)[0] == 0
    assert asked() == 2
    failing("status", status=401)
    code, _, err = ask("list", "--key-command", PRINTS_A_KEY)
    assert code == 3
    assert "--key-command must print a key of this service" in err
    assert asked() == 4


def test_a_command_that_fails_is_a_sentence(server: Server, ask: Ask) -> None:
    """Its output is never shown."""
    code, out, err = ask("list", "--key-command", f"echo {KEY}; exit 7")
    assert (code, out) == (3, "")
    assert "the key command ended with exit code 7" in err
    code, _, err = ask("list", "--key-command", "true")
    assert code == 2
    assert "the key is empty" in err


@pytest.mark.parametrize("command", ["echo sk-from-$((1+1)); exit 7", 'echo "sk-from-$((1+1)) "', "echo sk-from-$((1+1))ß"])
def test_what_a_key_command_printed_is_in_no_traceback(command: str) -> None:
    """Nor in the values of its frames, which some tools log."""
    with pytest.raises((click.ClickException, ValueError)) as caught:
        CommandKey(command).reveal()
    values = [frame.frame.f_locals for frame in caught.traceback[1:]]
    assert values
    assert "sk-from-2" not in f"{values}{caught.value}"


def test_a_refused_key_says_which_variable_to_set(ask: Ask, failing: Callable[..., None]) -> None:
    """In one sentence, with exit code 3."""
    failing("status", status=401)
    code, out, err = ask("list")
    assert (code, out) == (3, "")
    assert "set OPENAI_API_KEY to a key of this service" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (403, "has no permission for this"),
        (429, "balance"),
        (503, "try again later"),
        (404, "project of their key"),
        (413, "split --max-bytes"),
        (307, "use it as --base-url"),
    ],
)
def test_what_the_service_refuses_is_said_with_what_to_do(ask: Ask, failing: Callable[..., None], status: int, hint: str) -> None:
    """After the attempts that are worth it."""
    failing("status", status=status)
    code, _, err = ask("list")
    assert code == 3
    *retries, last = err.splitlines()
    assert f"status {status}" in last
    assert hint in last
    assert all("tried again in" in line for line in retries)


def test_a_page_in_the_place_of_the_api_asks_for_the_address(server: Server, ask: Ask, failing: Callable[..., None]) -> None:
    """As where the version is missing in it."""
    failing("html", status=200)
    code, _, err = ask("list")
    assert code == 3
    assert f"check that {server.base_url} is the address of the API, with the version" in err


def test_where_nobody_listens_the_address_is_named(server: Server, ask: Ask) -> None:
    """After the attempts that are worth it; no time really passes here."""
    code, out, err = ask("list", "--base-url", "http://127.0.0.1:9/v1")
    assert (code, out) == (3, "")
    assert "check that a service runs at http://127.0.0.1:9/v1" in err


def test_plain_http_leads_nowhere_unless_it_is_asked_for(server: Server, ask: Ask) -> None:
    """It would send the key unencrypted; this machine itself is allowed."""
    code, _, err = ask("list", "--base-url", "http://service.example/v1")
    assert code == 2
    assert "https" in err
    assert Service(base_url="http://service.example/v1", allow_http=True).config().allow_http


def test_a_base_url_that_is_none_is_wrong_usage(server: Server, ask: Ask) -> None:
    """Before anything is sent."""
    for url in ("api.openai.com/v1", f"https://user:{KEY}@host/v1", "https://host/v1?key=1"):
        assert ask("list", "--base-url", url)[0] == 2


@pytest.mark.parametrize("version", [(), ("--azure-api-version", "2024-10-21")])
def test_azure_has_its_own_address_and_key(
    server: Server, ask: Ask, requests_file: RequestsFile, monkeypatch: pytest.MonkeyPatch, version: tuple[str, ...]
) -> None:
    """In both dialects; the variable of the key is Azure's."""
    azure = ("--azure-endpoint", server.base_url.removesuffix("/v1"), *version)
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_AD_TOKEN", raising=False)
    assert "set AZURE_OPENAI_API_KEY" in ask("list", *azure)[2]
    assert "set AZURE_OPENAI_AD_TOKEN" in ask("list", *azure, "--azure-entra")[2]
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    assert ask("submit", requests_file(), "--wait", *azure)[0] == 0


def test_the_options_of_azure_make_its_config(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says what they don't."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://name.openai.azure.com")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    base = "https://name.openai.azure.com"
    assert Service().config() == AzureConfig(base_url=base, api_version="2024-10-21")
    assert Service(azure_entra=True, azure_api_version="2025-01-01").config() == AzureConfig(
        base_url=base, api_version="2025-01-01", entra=True
    )


def test_options_that_contradict_each_other_are_wrong_usage(server: Server, ask: Ask) -> None:
    """Two services, or Azure's options without Azure."""
    assert ask("list", "--base-url", "https://a.example/v1", "--azure-endpoint", "https://b.example")[0] == 2
    assert ask("list", "--azure-entra")[0] == 2


def test_a_server_that_does_not_answer_ends_at_the_timeout(ask: Ask, failing: Callable[..., None]) -> None:
    """Of the single call, with exit code 3."""
    failing("drip", pause=0.05)
    code, _, err = ask("list", "--request-timeout", "0.1")
    assert code == 3
    assert "no answer from the service" in err


def test_without_the_extra_one_sentence_says_what_to_install() -> None:
    """`-h` works anyway."""
    code = "import sys; sys.modules['httpx2'] = None; from batchfiles.cli.main import run; run(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, "list"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the client needs httpx2: pip install 'httpx2>=2.12'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert subprocess.run([sys.executable, "-c", code, "submit", "-h"], capture_output=True, check=False).returncode == 0


def test_headers_and_parameters_go_along_with_every_call(
    server: Server, ask: Ask, requests_file: RequestsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gateways need them; one that is secret is taken from the environment, and shown nowhere."""
    seen: list[tuple[str, str, str]] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        seen.append((headers.get("x-team", ""), headers.get("x-secret", ""), scope["query_string"].decode()))
        await inner(scope, receive, send)

    inner, server._middleware._app = server._middleware._app, watched
    monkeypatch.setenv("GATEWAY", KEY)
    options = (
        "--header",
        "X-Team: atlas",
        "--header",
        "X-Secret:env:GATEWAY",
        "--query",
        "zone=eu=1",
        "--query",
        f"api-version={KEY}",
    )
    assert ask("submit", requests_file(), *options, "-v")[0] == 0
    batch = ask("list", "--json", *options)[1].split('"')[3]
    for command in (("status", batch), ("wait", batch), ("download", batch, "-o", "d"), ("files", "list"), ("cancel", batch)):
        assert ask(*command, *options)[0] in (0, 1)
    assert ask("run", requests_file(), "-o", "t.jsonl", "--recover", *options)[0] == 0
    assert ask("probe", requests_file(), *options)[0] == 0
    assert len(seen) > 10
    assert {each[:2] for each in seen} == {("atlas", KEY)}
    assert all("zone=eu%3D1" in each[2] and "api-version=" in each[2] for each in seen)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--header", f"X-Secret {KEY}"), "NAME:VALUE"),
        (("--query", f"={KEY}"), "NAME=VALUE"),
        (("--header", "X:env:NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE is not set"),
        (("--header", f"Authorization: {KEY}"), "the key's place"),
        (("--header", "Content-Length: 5"), "set for each request"),
        (("--header", "X y: 5"), "no header may have"),
        (("-q", "-v"), "use one of them"),
    ],
)
def test_headers_that_can_not_be_are_refused_before_anything_is_sent(
    server: Server, ask: Ask, options: tuple[str, ...], words: str
) -> None:
    """And never shown, for they may be secret."""
    code, _, err = ask("list", *options)
    assert code == 2
    assert words in err
    assert not server.faults.seen


def test_what_is_tried_again_is_said(server: Server, ask: Ask, failing: Callable[..., None]) -> None:
    """At once, with the reason and the pause; `-q` hides it, `-v` also reports each step."""
    failing("status", at=1, status=504)
    code, _, err = ask("list")
    assert (code, err.count("\n")) == (0, 2)
    assert err.startswith("batchfiles: GET /v1/batches: ")
    assert "status 504" in err
    assert "tried again in" in err
    failing("status", at=1, status=504)
    assert ask("list", "-q")[2] == ""


def test_quiet_says_nothing_but_errors_and_verbose_each_step(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """For every command that talks to the service."""
    code, out, err = ask("submit", requests_file(), "--wait", "-q")
    assert (code, err) == (0, "")
    batch = out.split("\n")[0].split()[-1]
    for command in (
        ("status", batch),
        ("wait", batch),
        ("download", batch, "-o", "d"),
        ("files", "list"),
        ("list",),
        ("list", "--limit", "1"),
    ):
        assert ask(*command, "-q")[2] == "", command
    assert "batchfiles: error" in ask("status", "batch_none", "-q")[2]
    verbose = ask("download", batch, "-o", "other", "-v")[2]
    assert "_output.jsonl: fetching file-" in verbose
    verbose = ask("run", requests_file("two.jsonl"), "-o", "t.jsonl", "--again", "-v")[2]
    assert "uploading" in verbose
    assert " was made and is " in verbose
    assert ask("run", requests_file("three.jsonl"), "-o", "u.jsonl", "--again", "-q")[2] == ""
    assert logging.getLogger("batchfiles").handlers == []


def test_a_list_that_has_no_end_is_an_error(server: Server, ask: Ask, requests_file: RequestsFile) -> None:
    """A service that ignores `after` repeats its first page forever."""
    ask("submit", requests_file())
    page = server.service.list_batches
    server.service.list_batches = lambda _after, limit: replace(page(None, limit), has_more=True)  # type: ignore[method-assign]
    code, _, err = ask("list", "--all")
    assert code == 3
    assert "the same page again" in err
    assert server.faults.seen["batches.list"] == 3
    server.service.list_files = (  # type: ignore[method-assign]
        lambda purpose, _after, limit, order, files=server.service.list_files: replace(
            files(purpose, None, limit, order), has_more=True
        )
    )
    assert ask("files", "list", "--all")[0] == 3


def test_odd_values_are_shown_with_a_note(
    server: Server, ask: Ask, requests_file: RequestsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cost neither the list nor the results, and the error does not blame the address."""
    from batchfiles.api.batch import Batch

    batch = ask("submit", requests_file())[1].strip()
    to_dict = Batch.to_dict

    def odd(self: Batch) -> dict[str, Any]:
        value = to_dict(self)
        counts = {name: str(count) for name, count in value["request_counts"].items()}
        return value | {
            "request_counts": counts,
            "created_at": value["created_at"] + 0.5,
            "error_file_id": {},
            "completion_window": 86400,
            "endpoint": [value["endpoint"]],
            "status": value["status"].replace("completed", "BATCH_STATE_SUCCEEDED"),
        }

    monkeypatch.setattr("batchfiles.testing.app.Batch.to_dict", odd)
    for command in (("list",), ("status", batch), ("wait", batch), ("download", batch, "-o", "d")):
        code, out, err = ask(*command)
        assert (code, batch in out) == (0, True), err
        assert f"{batch}: 'endpoint' is a list: read as null" in err
        assert f"{batch}: 'completion_window' is a number (86400): read as null" in err
        assert "address" not in err
    assert "2: 2 completed, 0 failed" in ask("status", batch)[1]
