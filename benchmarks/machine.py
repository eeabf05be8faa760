"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["facts", "line"]

PACKAGES = ("batchfiles", "orjson", "pyarrow", "duckdb", "pandas", "polars", "openai")


def facts() -> dict[str, Any]:
    """Return the machine and the versions, without anything that names the machine."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "versions": {name: _version(name) for name in PACKAGES},
        "optimized": sys.flags.optimize,
    }


def line(found: dict[str, Any]) -> str:
    """Return the facts as one line."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    machine = f"{found['cores']} cores, {found['processor']}, {found['system']}, load {found['load']}"
    return f"{machine}, Python {found['python']}, {versions}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
