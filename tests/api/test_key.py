"""The key is used and never seen."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest

from batchfiles.api import Key

CANARY = "sk-canary-7f3a"


def test_a_key_is_printed_as_stars() -> None:
    """In every kind of output."""
    for key in (Key(CANARY), Key(lambda: CANARY)):
        shown = [str(key), repr(key), f"{key}", f"{key!r}", "%s" % key, str([key]), str({"key": key})]  # noqa: UP031
        assert all("***" in text and CANARY not in text for text in shown)
        assert key.reveal() == CANARY


def test_a_key_does_not_travel() -> None:
    """Not in a pickle; a copy is itself."""
    key = Key(CANARY)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="a key is not pickled"):
            pickle.dumps(key, protocol)
    assert copy.copy(key) is key
    assert copy.deepcopy([key])[0] is key
    assert not hasattr(key, "__dict__")


BAD_KEYS = [
    (CANARY + "\n", "its newline"),
    (CANARY + "\r\n", "its newline"),
    (" " + CANARY, "space"),
    (CANARY + "\t" + CANARY, "space"),
    (CANARY + "\0", "line end"),
    (CANARY + "\u2013", "beyond ASCII"),
    (f'"{CANARY}"', "quotes"),
    (f"'{CANARY}'", "quotes"),
    ("", "empty"),
    (CANARY.encode(), "not a string"),
    (7, "not a string"),
]


@pytest.mark.parametrize(("value", "reason"), BAD_KEYS)
def test_what_can_be_no_key_is_refused_without_being_shown(value: Any, reason: str) -> None:
    """By itself, and out of a function."""
    with pytest.raises(ValueError, match=reason) as given:
        Key(value)
    assert CANARY not in str(given.value)
    made = Key(lambda: value)
    assert made.is_renewable
    with pytest.raises(ValueError, match=reason) as returned:
        made.reveal()
    for caught in (given, returned):
        assert CANARY not in str(caught.value)


def test_a_refused_key_is_in_no_frame_of_the_traceback_but_the_caller_s() -> None:
    """Reporters of errors print the locals of every frame."""
    with pytest.raises(ValueError, match="its newline") as caught:
        Key(CANARY + "\n")
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert [frame.filename for frame in told.stack if CANARY in str(frame.locals)] == []
