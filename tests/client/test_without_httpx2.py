"""The clients where their extra is not installed."""

from __future__ import annotations

import subprocess
import sys

WITHOUT = "import sys; sys.modules['httpx2'] = None\nimport batchfiles\n"


def run_without_httpx2(code: str) -> str:
    """Run a few lines in a process that has no httpx2, and return what they print."""
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, check=True).stdout


def test_asking_for_a_client_says_what_to_install() -> None:
    """In one sentence, as an ImportError of ours."""
    code = (
        "for name in ('Client', 'AsyncClient'):\n"
        "    try:\n        getattr(batchfiles, name)\n"
        "    except batchfiles.MissingDependencyError as error:\n"
        "        print(type(error).__name__, isinstance(error, ImportError), error)"
    )
    sentence = "MissingDependencyError True the client needs httpx2: pip install 'httpx2>=2.12'\n"
    assert run_without_httpx2(code) == sentence * 2


def test_everything_but_the_clients_works() -> None:
    """The API's objects, its errors and the webhooks need no HTTP at all."""
    code = (
        "print(batchfiles.Batch.from_dict({'id': 'batch_1', 'status': 'completed'}).is_terminal)\n"
        "print(batchfiles.Config().base_url, batchfiles.RateLimitError('slow').reason, batchfiles.read_event.__name__)"
    )
    assert run_without_httpx2(code) == "True\nhttps://api.openai.com/v1 slow read_event\n"
