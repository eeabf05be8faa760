"""`python -m batchfiles.testing`, as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from batchfiles.testing import QUIRKS, Fault, Faults, Quirks
from batchfiles.testing.__main__ import faults_of, main, parser, quirks_of

COMMAND = [sys.executable, "-m", "batchfiles.testing"]
WITHOUT = (
    "import runpy, sys\n"
    "sys.modules[sys.argv.pop(1)] = None\n"
    "runpy.run_module('batchfiles.testing', run_name='__main__', alter_sys=True)\n"
)


@contextmanager
def started(*options: str, temporary: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start it on a free port, and yield the process and its printed line."""
    command = [*COMMAND, "--port", "0", *options]
    environment = {"TMPDIR": str(temporary), "PATH": ""}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_it_prints_what_to_export_when_it_is_ready(tmp_path: Path) -> None:
    """It prints a line for the shell, and answers at that address."""
    with started("--stage-seconds", "0", temporary=tmp_path) as (_, line):
        match = re.fullmatch(r"export OPENAI_BASE_URL=(http://127\.0\.0\.1:\d+/v1) OPENAI_API_KEY=(sk-local)\n", line)
        assert match is not None
        with httpx2.Client(trust_env=False, verify=False) as http:
            found = http.get(f"{match[1]}/batches", headers={"Authorization": f"Bearer {match[2]}"})
        assert found.json()["data"] == []


def test_it_may_have_faults_by_chance(tmp_path: Path) -> None:
    """A third of the calls has faults."""
    with (
        started("--faults-by-chance", "1", temporary=tmp_path) as (_, line),
        httpx2.Client(trust_env=False, verify=False) as http,
    ):
        url = line.split("=")[1].split()[0]
        good = 0
        for _ in range(30):
            try:
                found = http.get(f"{url}/batches", headers={"Authorization": "Bearer k"})
                good += found.status_code == 200 and found.content.endswith(b"}")
            except httpx2.HTTPError:
                continue
        assert 10 < good < 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """After Ctrl-C and SIGTERM."""
    with started(temporary=tmp_path) as (process, _):
        assert list(tmp_path.iterdir()) != []
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_command_is_run_against_a_server_of_its_own(tmp_path: Path) -> None:
    """It finds the address in its environment, its exit code is returned, and no files are left."""
    code = (
        "import os, sys, urllib.request as r\n"
        "headers = {'Authorization': 'Bearer ' + os.environ['OPENAI_API_KEY']}\n"
        "with r.urlopen(r.Request(os.environ['OPENAI_BASE_URL'] + '/batches', headers=headers)) as answer:\n"
        "    print(answer.status)\n"
        "sys.exit(7)"
    )
    command = [*COMMAND, sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (7, "200\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_not_there_is_one_sentence() -> None:
    """With exit code 3."""
    done = subprocess.run([*COMMAND, "./not-there"], capture_output=True, text=True, check=False)
    words = "batchfiles.testing: can't run ./not-there: No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", words)


def test_a_busy_port_is_one_sentence() -> None:
    """The message says what to do."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    words = f"port {port} of 127.0.0.1 is in use: choose another one with --port, or 0 for any free port"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"batchfiles.testing: {words}\n")


def test_it_plays_an_odd_service_with_failures(tmp_path: Path) -> None:
    """A whole run accounts for every request; the same seed selects the same ones."""
    pytest.importorskip("httpx2")
    body = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}
    lines = [{"custom_id": f"r{n}", "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(200)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    odd = ["--statuses", "expired=EARLY_STOPPED", "--odd-values", "--no-last-newline", "--redirect-contents", "307"]
    shares = ["--fail", "10%", "--expire", "0.05", "--drop", "5%", "--delay", "0.01"]
    faults = ["--fault", "batches.retrieve:1=html,status=504", "--fault", "files.content:1=cut,after=100"]
    run = [sys.executable, "-c", "from batchfiles.cli.main import run; run()", "run", "requests.jsonl", "--retries", "0"]

    def outcomes(seed: str) -> list[str]:
        folder = tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "requests.jsonl").write_text(text)
        table = folder / "table.jsonl"
        command = [*COMMAND, *odd, *shares, *faults, "--seed", seed, *run, "-o", table.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        assert table.exists(), done.stderr
        return [json.loads(line)["outcome"] for line in table.read_text().splitlines()]

    first = outcomes("1")
    counts = Counter(first)
    assert counts.keys() == {"succeeded", "failed", "expired", "missing"}
    assert 8 <= counts["failed"] <= 35
    assert first == outcomes("1")
    assert first != outcomes("2")


def parsed(*options: str) -> tuple[Quirks, Faults]:
    """Parse options as the command does."""
    found = parser().parse_args(options)
    return quirks_of(found), faults_of(found)


def test_every_quirk_is_an_option_with_its_words() -> None:
    """With its name in hyphens and a description in the help."""
    told = " ".join(parser().format_help().split())
    for name, words in QUIRKS.items():
        assert f"--{name.replace('_', '-')} " in told
        assert " ".join(words.replace("`", "").split()) in told
    assert parsed()[0] == Quirks()


def test_the_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text around the options had 120 columns, and broke in the middle of words."""
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, parser().format_help().splitlines())) < 80


@pytest.mark.parametrize(
    ("options", "quirks"),
    [
        (["--fail", "2%", "--expire", "0.01", "--drop", "100%", "--seed", "7"], None),
        (["--fail", "2%", "--expire", "0.01", "--drop", ".5%"], Quirks(fail=0.02, expire=0.01, drop=0.005)),
        (["--seed", "7", "--delay", "0.2"], Quirks(seed=7, delay=0.2)),
        (["--pending-files", "5", "--broken-files"], Quirks(pending_files=5.0, broken_files=True)),
        (["--missing", "a,b", "--failing", "c=429,d=400"], Quirks(missing={"a", "b"}, failing={"c": 429, "d": 400})),
        (
            ["--statuses", "completed=succeeded,failed=JOB_STATE_FAILED", "--status-key", "state"],
            Quirks(statuses={"completed": "succeeded", "failed": "JOB_STATE_FAILED"}, status_key="state"),
        ),
        (["--gone-files", "error", "--error-form", "detail"], Quirks(gone_files={"error"}, error_form="detail")),
        (["--redirect-contents", "302", "--ignore-after"], Quirks(redirect_contents=302, ignore_after=True)),
        (["--completion-windows", "24h,7d"], Quirks(completion_windows={"24h", "7d"})),
        (["--required-headers", "X-Team=atlas"], Quirks(required_headers={"X-Team": "atlas"})),
        (["--required-query", "api-version=2024=1"], Quirks(required_query={"api-version": "2024=1"})),
        (["--expire-after", "0", "--enqueued-requests", "0"], Quirks(expire_after=0, enqueued_requests=0)),
    ],
)
def test_options_set_quirks(options: list[str], quirks: Quirks | None) -> None:
    """Shares as percentages or fractions, lists with commas, pairs with an equals sign."""
    if quirks is None:
        with pytest.raises(ValueError, match="the sum of fail, expire and drop"):
            parsed(*options)
        return
    assert parsed(*options)[0] == quirks


def test_a_script_of_faults_is_read() -> None:
    """One call, some calls, or all of a kind; in addition to random faults."""
    options = [
        "--fault",
        "batches.retrieve:2-4=html,status=504",
        "--fault",
        "files.create=drip,pause=0.5",
        "--fault",
        "live:1=lost",
    ]
    _, faults = parsed(*options)
    assert [faults.next("batches.retrieve") for _ in range(5)] == [None, *[Fault("html", status=504)] * 3, None]
    assert [faults.next("files.create") for _ in range(2)] == [Fault("drip", pause=0.5)] * 2
    assert [faults.next("live") for _ in range(2)] == [Fault("lost"), None]
    _, by_chance = parsed("--faults-by-chance", "3", "--fault", "live:2=lost")
    alone = Faults.by_chance(3)
    assert [by_chance.next("files.list") for _ in range(40)] == [alone.next("files.list") for _ in range(40)]
    assert [by_chance.next("live") for _ in range(2)][1] == Fault("lost")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (("--port", "65536"), "65536 is not a port; expected 0 to 65535"),
        (("--port", "http"), "'http' is not a number >= 0"),
        (("--stage-seconds", "-1"), "'-1' is not a number >= 0"),
        (("--delay", "nan"), "'nan' is not a number >= 0"),
        (("--fail", "101%"), "'101%' is more than 100%; expected a share such as 2% or 0.02"),
        (("--fail", "2"), "'2' is more than 100%; expected a share such as 2% or 0.02"),
        (("--statuses", "completed"), "'completed' is not of the form NAME=VALUE,NAME=VALUE"),
        (("--statuses", "over=done"), "unknown value 'over' of statuses; expected validating, failed, in_progress"),
        (("--gone-files", "input"), "unknown value 'input' of gone_files; expected output, error"),
        (("--error-form", "xml"), "unknown value 'xml' of error_form; expected openai, detail"),
        (("--redirect-contents", "200"), "unknown value 200 of redirect_contents; expected 301, 302, 303, 307, 308"),
        (("--fault", "html"), "'html' is not of the form CALL=FAULT, CALL:N=FAULT or CALL:N-M=FAULT"),
        (("--fault", "batches.make=html"), "unknown call 'batches.make'; expected files.create"),
        (("--fault", "live=explode"), "unknown fault 'explode'; expected status"),
        (("--fault", "live=html,code=3"), "unknown key 'code'; expected status, after, pause"),
        (("--fault", "live:0=html"), "'live:0=html': calls are counted from 1"),
        (("--fault", "live:4-3=html"), "'live:4-3=html': calls are counted from 1"),
        (("--expir", "2%"), "unrecognized arguments: --expir"),
    ],
)
def test_wrong_usage_is_said_and_ends_with_2(option: tuple[str, str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2 and what is expected; options can't be abbreviated."""
    with pytest.raises(SystemExit) as end:
        main(option)
    assert end.value.code == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]


def test_azure_is_one_option() -> None:
    """Azure's variables without OpenAI's, its rules for files, pending files, and an empty error file."""
    shell = 'echo "$AZURE_OPENAI_ENDPOINT ${AZURE_OPENAI_API_KEY:+key} ${OPENAI_BASE_URL:-none}"'
    environment = os.environ | {"OPENAI_BASE_URL": "https://elsewhere.example/v1"}
    command = [sys.executable, "-m", "batchfiles.testing", "--azure", "sh", "-c", shell]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ key none\n", done.stdout)
    options = parser().parse_args(["--azure"])
    assert quirks_of(options) == Quirks(pending_files=2.0, empty_error_file=True)
    assert quirks_of(parser().parse_args(["--azure", "--pending-files", "0"])).pending_files == 0


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_its_extra_it_says_what_to_install(package: str) -> None:
    """In one sentence, without a traceback."""
    done = subprocess.run([sys.executable, "-c", WITHOUT, package], capture_output=True, text=True, check=False)
    words = rf"batchfiles\.testing: the local server needs {package}: pip install 'httpx2>=[\d.]+' .*'uvicorn>=[\d.]+'\n"
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(words, done.stderr)


def test_the_rest_of_the_package_needs_no_extra() -> None:
    """It imported starlette with the faults; now only the server needs the extra, and reports it as an ImportError."""
    code = (
        "import sys\nsys.modules['starlette'] = None\n"
        "from batchfiles.testing import Clock, Faults, Quirks, Service\n"
        "Service(clock=Clock(0), quirks=Quirks()).close()\n"
        "try:\n    from batchfiles.testing import Server\n"
        "except ImportError as error:\n    print(type(error).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "MissingDependencyError\n"
