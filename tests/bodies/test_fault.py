"""The error object, in the many ways in which providers write it."""

import pytest

from batchfiles.bodies.fault import Fault, merge, read, said

OPENAI = {"message": "Invalid value.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}
READ = Fault("invalid_value", "invalid_request_error", "n", "Invalid value.")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OPENAI, READ),
        ({"error": OPENAI}, READ),
        ({"error": {"error": OPENAI}}, READ),
        ([{"error": OPENAI}], READ),
        ("Invalid value.", Fault(message="Invalid value.")),
        ({"error": "Invalid value."}, Fault(message="Invalid value.")),
        ({"object": "error", "code": 404, "message": "no"}, Fault("404", message="no")),
        ({"error_code": "bad", "error_message": "no"}, Fault("bad", message="no")),
        ({"detail": "no"}, Fault(message="no")),
        ({"detail": [{"loc": ["body", "n"], "msg": "too small", "type": "t"}, "and odd"]}, Fault(message="too small; and odd")),
        ({"detail": {"code": "bad", "message": "no"}}, Fault("bad", message="no")),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            Fault(None, "overloaded_error", None, "busy"),
        ),
        (["no", "and no"], Fault(message="no; and no")),
        (503, Fault("503")),
        ({"unheard_of": 1}, Fault()),
        ({"code": "", "message": "no"}, Fault(message="no")),
    ],
)
def test_every_form_of_an_error(error, fault):
    """Object, nested, text, number, list; and other people's names for the same keys."""
    assert read(error) == fault


@pytest.mark.parametrize("error", [None, {}, "", [], 0, False, {"code": None, "message": ""}, {"error": {}}])
def test_an_error_that_says_nothing(error):
    """Some servers always write the key."""
    assert not said(error)
    assert read(error) is None


@pytest.mark.parametrize(
    "error",
    [
        {"code": 1.5},
        {"code": True},
        {"code": 10**5000},
        {"type": ["t"]},
        {"param": 1},
        {"message": {"text": "no"}},
        {"message": ["no", 1]},
        {"detail": [{"loc": []}]},
        1.5,
        True,
        [1, 2],
    ],
)
def test_a_value_that_does_not_fit_is_null_and_counted(error):
    """But the error is one."""
    assert read(error) == Fault(misfits=1)


def test_the_inner_error_comes_first_and_the_outer_fills_its_gaps():
    """The inner one is nearer to the cause."""
    assert read({"code": 500, "message": "outer", "error": {"message": "inner"}}) == Fault("500", message="inner")


def test_errors_nested_without_end_are_opened_a_few_times():
    """Reading one never takes long."""
    error = {"message": "deep"}
    for _ in range(100):
        error = {"error": error}

    assert read(error) == Fault()


def test_merging_with_nothing():
    """The other one is the whole."""
    assert merge(None, READ) == merge(READ, None) == READ
    assert merge(None, None) is None
