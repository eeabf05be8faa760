"""What holds for every test."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings

from tests.canary import findings

# readline sets it in the process that starts the workers of pytest-xdist, and terminals export it: then tables would be cut.
os.environ.pop("COLUMNS", None)

# nohup and background jobs of a shell ignore them, and so would the programs that the tests interrupt.
for number, usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

# The duration of one example is meaningless on a shared machine.
settings.register_profile("batchfiles", deadline=None)
# In CI the examples are always the same; on a desk each run has new ones.
settings.register_profile("batchfiles-ci", deadline=None, derandomize=True)
# With the oldest dependencies a few of them are enough.
settings.register_profile("batchfiles-few", deadline=None, derandomize=True, max_examples=10)
ORDER = os.environ.get("BATCHFILES_TEST_ORDER")
"""A seed: the files, and the tests in each file, run in a random order."""

REPEAT = int(os.environ.get("BATCHFILES_TEST_REPEAT", "1"))
"""How often each test runs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Change the order of the tests; those of a file stay together, for what they share is made once."""
    if ORDER is not None:
        random = Random(ORDER)
        files = [list(tests) for _, tests in groupby(items, lambda item: item.path)]
        random.shuffle(files)
        items[:] = [test for tests in files for test in random.sample(tests, len(tests))]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seed of the order, also in quiet runs."""
    if ORDER is not None:
        terminalreporter.write_line(f"To repeat this order: BATCHFILES_TEST_ORDER={ORDER}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Search for the key in what a test printed and logged; only failing tests have it there."""
    report = yield
    for name, text in report.sections:
        if report.outcome == "passed" and findings(text):
            report.outcome, report.longrepr = "failed", f"The key is in the {name.lower()}: {findings(text)}"
    return report


READ = ("BATCHFILES_", "OPENAI_", "AZURE_", "COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "HOME", "TMPDIR", "PATH")
"""The beginnings of variables that change what the tests do; libraries set others when they are imported."""


def process_state() -> dict[str, object]:
    """Return what a test may change for all tests after it."""
    progress = sys.modules.get("batchfiles.cli.progress")
    state = progress.STATE if progress is not None else None
    loggers = [logging.getLogger(name) for name in ("", "batchfiles")]
    return {
        "logs": [(each.level, [one for one in each.handlers if "pytest" not in type(one).__module__]) for each in loggers],
        "messages": (state.is_quiet, state.color, state.drawn) if state is not None else (False, "auto", None),
        "folder": Path.cwd(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
    }


@pytest.fixture(autouse=True)
def nothing_is_left_changed() -> Iterator[None]:
    """Compare the process with what it was before the test: what one leaves made others fail, in some orders only."""
    before, variables = process_state(), os.environ.copy()
    yield
    after = process_state()
    changed = {item for item in os.environ.items() ^ variables.items() if item[0].startswith(READ)}
    assert {name: value for name, value in after.items() if value != before[name]} | dict.fromkeys(changed, "changed") == {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat each test."""
    if REPEAT > 1:
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(REPEAT))


settings.load_profile(os.environ.get("EXAMPLES") or ("batchfiles-ci" if os.environ.get("CI") else "batchfiles"))
