"""The search for the key in everything that a client leaves."""

from __future__ import annotations

import base64
import copy
import pickle
import traceback
from pathlib import Path
from typing import Any

__all__ = ["CANARY", "everything_of", "findings", "told_by"]

CANARY = "canary0key0that0nobody0may0see"
"""It doesn't look like a key, so that nothing is hidden by its looks."""

TESTS = str(Path(__file__).parents[1])


def told_by(error: BaseException) -> str:
    """Return all that an exception shows: messages, notes, pickles, and the locals of every frame outside the tests."""
    shown = [repr(error), str(error), repr(error.args), repr(vars(error)), repr(copy.copy(error).args)]
    try:
        shown.append(pickle.dumps(error, 0).decode("latin-1"))
    except (pickle.PicklingError, TypeError, AttributeError):
        shown.append("(not pickled)")
    todo: list[Any] = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while todo:
        told = todo.pop()
        shown += [str(told), *(getattr(told, "__notes__", None) or [])]
        shown += [str(frame.locals) for frame in told.stack if not frame.filename.startswith(TESTS)]
        todo += [other for other in (told.__cause__, told.__context__) if other is not None]
    return "\n".join(shown)


def everything_of(folder: Path) -> str:
    """Return all bytes below a folder."""
    return "\n".join(path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file())


def findings(text: str) -> list[str]:
    """Return where the key is in a text, as it is or in base64."""
    forms = [CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("=")]
    return [text[max(text.find(form) - 60, 0) : text.find(form) + 60] for form in forms if form in text]
