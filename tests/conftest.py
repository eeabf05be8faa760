"""What holds for every test."""

from __future__ import annotations

import os
from itertools import groupby
from random import Random

import pytest
from hypothesis import settings

# readline sets it in the process that starts the workers of pytest-xdist, and terminals export it: then tables would be cut.
os.environ.pop("COLUMNS", None)

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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat each test."""
    if REPEAT > 1:
        metafunc.fixturenames.append("repetition")
        metafunc.parametrize("repetition", range(REPEAT))


settings.load_profile(os.environ.get("EXAMPLES") or ("batchfiles-ci" if os.environ.get("CI") else "batchfiles"))
