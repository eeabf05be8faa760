"""The command line: one small file per group of commands."""

from __future__ import annotations

# `signal` and `typing` take longer to import than a Ctrl-C may: so the built-in module is used.
import _signal  # type: ignore[import-not-found]
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

__all__ = ["interrupted", "program"]


def program() -> NoReturn:
    """Be the program; a Ctrl-C gets its sentence also while the parts of the program are imported."""
    _signal.signal(_signal.SIGINT, interrupted)
    from batchfiles.cli import main

    main.run()


def interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """Exit without cleanup, because nothing has started; `main` replaces this handler once it is imported."""
    os.write(2, b"batchfiles: interrupted\n")
    os._exit(130)
