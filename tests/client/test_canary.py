"""The search for the key finds it where it is, so that finding nothing means something."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from batchfiles import APIError, BatchFilesError, InternalServerError, RetryPolicy
from batchfiles.testing import Fault, Server
from tests.canary import CANARY, findings, findings_in, told_by
from tests.client.conftest import Opener
from tests.client.raw import RawServer, answered_with, response


def raised_by(code: str, **names: Any) -> BaseException:
    """Run code as if it were in a library, with the key instead of its name, and return what it raises."""
    try:
        exec(compile(code.replace("CANARY", repr(CANARY)), "library.py", "exec"), names)
    except Exception as error:  # noqa: BLE001 - any exception
        return error
    raise AssertionError(code)


@pytest.mark.parametrize(
    "code",
    [
        "raise ValueError(CANARY)",
        "def call(key): raise ValueError('no')\ncall(CANARY)",
        "try:\n  raise KeyError(CANARY)\nexcept KeyError:\n  raise ValueError('no')",
        "try:\n  raise KeyError(CANARY)\nexcept KeyError:\n  raise ValueError('no') from None",
        "error = ValueError('no')\nerror.add_note(CANARY)\nraise error",
        "error = ValueError('no')\nerror.request = {'Authorization': CANARY}\nraise error",
    ],
)
def test_it_is_found_in_exceptions(code: str) -> None:
    """In their messages, notes, attributes, causes, and in the locals of frames."""
    assert findings(told_by(raised_by(code)))


def test_it_is_found_in_what_httpx_raises() -> None:
    """Which is why its exceptions are never passed on: their frames hold the request."""
    with httpx2.Client(trust_env=False, verify=False) as http:
        code = "http.get('http://127.0.0.1:9/', headers={'api-key': CANARY})"
        assert findings(told_by(raised_by(code, http=http)))


def test_it_is_found_in_files(tmp_path: Path) -> None:
    """Anywhere below the folder."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text(f"key={CANARY}")
    assert findings_in(tmp_path) == [str(tmp_path / "a" / "b")]
    (tmp_path / "a" / "b").unlink()


def test_it_is_in_nothing_that_a_client_shows(open_client: Opener, server: Server, the_key_is_never_seen: list[str]) -> None:
    """Printed, copied, or asked for its parts; and it is not pickled."""
    server.faults.always("batches.list", Fault("reset"))
    with open_client() as client:
        own = getattr(client, "_client", client)
        for shown in (own, own._key, own.config, own.batches, vars(own), copy.copy(own)):
            assert findings(repr(shown) + str(shown)) == []
        with pytest.raises(TypeError):
            pickle.dumps(own)
        assert "key=***" in repr(own)
    assert the_key_is_never_seen


@pytest.mark.parametrize("form", ['{{"error": {{"message": "Incorrect key {}"}}}}', '{{"detail": "{}"}}', "no such key: {}"])
def test_a_key_that_the_service_repeats_is_not_repeated_here(open_client: Opener, form: str) -> None:
    """Neither in the error nor in the log, in any form that the service repeats it."""
    body = form.format(CANARY).encode()
    with (
        RawServer(answered_with(response("503 Busy", body, Content_Type="text/plain"))) as server,
        open_client(base_url=server.base_url, policy=RetryPolicy(max_retries=1)) as client,
        pytest.raises(InternalServerError, match=r"\*\*\*"),
    ):
        client.batches.list()


KEY = "tok/ab+cd123456789=="
"""It has punctuation, which JSON, addresses and XML may write in another way."""

REPEATED = {
    "as it is": (KEY, "401 Unauthorized"),
    "PHP": (r"tok\/ab+cd123456789==", "401 Unauthorized"),
    ".NET": (r"tok/ab\u002Bcd123456789\u003D\u003D", "503 Busy"),
    "an address": ("tok%2Fab%2bcd123456789%3D%3d", "400 Bad Request"),
    "with success": (KEY, "200 OK"),
}


@pytest.mark.parametrize(("form", "status"), REPEATED.values(), ids=REPEATED)
def test_a_key_is_found_however_its_punctuation_is_written(
    open_client: Opener, form: str, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Gateways showed it in JSON with escapes, and in errors with status 200."""
    body = f'{{"error": {{"message": "Incorrect key {form}!"}}}}'.encode()
    with (
        RawServer(answered_with(response(status, body, Content_Type="application/json"))) as server,
        open_client(KEY, base_url=server.base_url, policy=RetryPolicy(max_retries=1)) as client,
        pytest.raises(APIError) as caught,
    ):
        client.batches.list()
    assert str(caught.value) == f"Incorrect key ***! (status {status[:3]})"
    assert [record for record in caplog.records if record.name == "batchfiles" and "tok" in record.getMessage()] == []


PLACES = {
    "the name of the request": response("400 Bad Request", b"{}", X_Request_Id=f"req-{KEY}"),
    "a redirect": response("302 Found", Location=f"https://login.example/{KEY}"),
    "a broken status line": f"HTTP/1.1 fine {KEY}\r\n\r\n".encode(),
}


@pytest.mark.parametrize("answer", PLACES.values(), ids=PLACES)
def test_a_key_is_hidden_in_the_head_of_an_answer(open_client: Opener, answer: bytes) -> None:
    """Identifiers of requests, redirects and what can't be read are quoted, too."""
    with (
        RawServer(answered_with(answer)) as server,
        open_client(KEY, base_url=server.base_url, policy=RetryPolicy(max_retries=0)) as client,
        pytest.raises(BatchFilesError, match=r"\*\*\*") as caught,
    ):
        client.batches.retrieve("batch_1")
    assert "tok" not in str(caught.value)


def test_a_short_key_does_not_change_what_succeeds(open_client: Opener) -> None:
    """Local servers take any key; `test` may be a part of an id."""
    body = b'{"id": "batch_test_1", "object": "batch", "status": "completed"}'
    with (
        RawServer(answered_with(response("200 OK", body))) as server,
        open_client("test", base_url=server.base_url) as client,
    ):
        assert client.batches.retrieve("batch_test_1").id == "batch_test_1"


def test_it_is_in_no_line_of_the_log(client: Any, requests: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Nor are headers and parameters that gateways need; steps are there."""
    more = client.config.with_more({"X-Gateway": CANARY}, {"token": CANARY})
    assert CANARY not in repr(more)
    batch = client.wait(client.submit(requests, "/v1/chat/completions").id)
    client.download(batch, tmp_path / "results")
    ours = [record.getMessage() for record in caplog.records if record.name == "batchfiles"]
    assert [words.split()[0] for words in ours if batch.id in words and ".jsonl" not in words] == [batch.id, batch.id]
    assert any("uploading" in words for words in ours)
    assert any(words.endswith(" bytes") for words in ours)
    assert findings(caplog.text) == []


def test_parameters_of_a_gateway_are_in_no_log_and_no_exception(
    open_client: Opener, server: Server, the_key_is_never_seen: list[str]
) -> None:
    """httpx2 logged the address of each request with them, and a request in a traceback showed them."""
    with open_client(query={"code": CANARY}, policy=RetryPolicy(max_retries=0)) as client:
        assert client.batches.list() == []
        server.faults.always("batches.list", Fault("status", 500))
        with pytest.raises(InternalServerError):
            client.batches.list()
    assert any("HTTP Request: GET" in text for text in the_key_is_never_seen)


def test_a_test_whose_output_shows_the_key_fails(tmp_path: Path) -> None:
    """In each folder, what a test has printed or logged is searched, unless it took it away itself."""
    test = tmp_path / "test_one.py"
    test.write_text("from tests.canary import CANARY\ndef test_one(): print(CANARY)\ndef test_other(): print(CANARY[1:])\n")
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(root),
        test,
    ]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert "The key is in the captured stdout call" in ran.stdout
    assert "1 failed, 1 passed" in ran.stdout
