"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# How long one example takes says nothing on a machine that is used by others too.
settings.register_profile("batchfiles", deadline=None)
# A check of a change says the same each time it is run; whoever runs the tests at his desk looks at new examples each time.
settings.register_profile("batchfiles-ci", deadline=None, derandomize=True)
settings.load_profile("batchfiles-ci" if os.environ.get("CI") else "batchfiles")
