"""`python -m batchfiles.testing`, as a process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

COMMAND = [sys.executable, "-m", "batchfiles.testing"]
WITHOUT = (
    "import runpy, sys\n"
    "sys.modules[sys.argv.pop(1)] = None\n"
    "runpy.run_module('batchfiles.testing', run_name='__main__', alter_sys=True)\n"
)


@contextmanager
def started(*options: str, temporary: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start it on a free port, and yield the process and the line that it prints."""
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
    """A line for the shell, and the server answers at that address."""
    with started("--stage-seconds", "0", temporary=tmp_path) as (_, line):
        match = re.fullmatch(r"export OPENAI_BASE_URL=(http://127\.0\.0\.1:\d+/v1) OPENAI_API_KEY=(sk-local)\n", line)
        assert match is not None
        with httpx2.Client(trust_env=False, verify=False) as http:
            found = http.get(f"{match[1]}/batches", headers={"Authorization": f"Bearer {match[2]}"})
        assert found.json()["data"] == []


def test_it_may_have_faults_by_chance(tmp_path: Path) -> None:
    """A third of the calls."""
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
    """After Ctrl-C, and when the system ends it."""
    with started(temporary=tmp_path) as (process, _):
        assert list(tmp_path.iterdir()) != []
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_command_is_run_against_a_server_of_its_own(tmp_path: Path) -> None:
    """It finds the address in its environment, its exit code is passed on, and nothing is left."""
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
    """And ends with 3."""
    done = subprocess.run([*COMMAND, "./not-there"], capture_output=True, text=True, check=False)
    words = "batchfiles.testing: can't run ./not-there: No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", words)


def test_a_busy_port_is_one_sentence() -> None:
    """With what to do."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False)
    words = f"port {port} of 127.0.0.1 is taken: choose another one with --port, or 0 for any that is free"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"batchfiles.testing: {words}\n")


@pytest.mark.parametrize("option", [("--port", "65536"), ("--port", "http"), ("--stage-seconds", "-1")])
def test_wrong_usage_is_said_and_ends_with_2(option: tuple[str, str]) -> None:
    """As in every command."""
    done = subprocess.run([*COMMAND, *option], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert option[0] in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_its_extra_it_says_what_to_install(package: str) -> None:
    """In one sentence, without a traceback."""
    done = subprocess.run([sys.executable, "-c", WITHOUT, package], capture_output=True, text=True, check=False)
    words = f"batchfiles.testing: the local server needs {package}: pip install 'batchfiles[testing]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", words)


def test_the_rest_of_the_package_needs_no_extra() -> None:
    """Scripts of faults, the clock and the service itself; the server says what is missing, as an ImportError."""
    code = (
        "import sys\nsys.modules['starlette'] = None\n"
        "from batchfiles.testing import Clock, Faults, Quirks, Service\n"
        "Service(clock=Clock(0), quirks=Quirks()).close()\n"
        "try:\n    from batchfiles.testing import Server\n"
        "except ImportError as error:\n    print(type(error).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "MissingDependency\n"
