"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# The duration of one example is meaningless on a shared machine.
settings.register_profile("batchfiles", deadline=None)
# In CI the examples are always the same; on a desk each run has new ones.
settings.register_profile("batchfiles-ci", deadline=None, derandomize=True)
settings.load_profile("batchfiles-ci" if os.environ.get("CI") else "batchfiles")
