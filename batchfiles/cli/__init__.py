"""The command line: one small file per group of commands."""

from __future__ import annotations

# Not `signal` and `typing`: a Ctrl-C during their import would show a traceback.
import _signal  # type: ignore[import-not-found]
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

__all__ = ["program"]


def program() -> NoReturn:
    """Run the program; a Ctrl-C is also handled during the imports."""
    _signal.signal(_signal.SIGINT, _interrupted)
    from batchfiles.cli import main

    main.run()


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """Exit without cleanup, because nothing has started; `main` replaces this handler when it is imported."""
    os.write(2, b"batchfiles: interrupted\n")
    os._exit(130)
