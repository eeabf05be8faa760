"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes says nothing on a machine that is used by others too.
settings.register_profile("batchfiles", deadline=None)
settings.load_profile("batchfiles")
