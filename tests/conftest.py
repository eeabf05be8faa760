"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# readline sets it in the process that starts the workers of pytest-xdist, and terminals export it: then tables would be cut.
os.environ.pop("COLUMNS", None)

# The duration of one example is meaningless on a shared machine.
settings.register_profile("batchfiles", deadline=None)
# In CI the examples are always the same; on a desk each run has new ones.
settings.register_profile("batchfiles-ci", deadline=None, derandomize=True)
# With the oldest dependencies a few of them are enough.
settings.register_profile("batchfiles-few", deadline=None, derandomize=True, max_examples=10)
settings.load_profile(os.environ.get("EXAMPLES") or ("batchfiles-ci" if os.environ.get("CI") else "batchfiles"))
