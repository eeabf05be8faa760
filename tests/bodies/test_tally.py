"""What a column can hold."""

import math

import pytest

from batchfiles.bodies.fields import FieldReader


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [
        (0, 0),
        (1741570283, 1741570283_000000),
        (1741570283.25, 1741570283_250000),
        (1741570283.999999, 1741570283_999999),
        (0.9999999, 1_000_000),
        (-0.5, -500_000),
        (-62135596800, -62135596800_000000),
        (253402300799, 253402300799_000000),
        (253402300799.99997, 253402300799_999969),
        (-1e-9, 0),
    ],
)
def test_moments(seconds, microseconds):
    """Whole seconds or not, from the year 1 to the year 9999."""
    reader = FieldReader()

    assert reader.moment(seconds) == microseconds
    assert reader.conversion_errors == 0


@pytest.mark.parametrize(
    "value", [True, "1741570283", -62135596801, 253402300800, 253402300800.0, 10**400, math.nan, math.inf, [], {}]
)
def test_invalid_moments(value):
    """Milliseconds are beyond the year 9999."""
    reader = FieldReader()

    assert reader.moment(value) is None
    assert (reader.conversion_errors, reader.fully_mapped) == (1, False)


def test_null_fits_every_column():
    """It is the service's value."""
    reader = FieldReader()

    assert [read(None) for read in (reader.text, reader.count, reader.flag, reader.number, reader.moment)] == [None] * 5
    assert (reader.items(None), reader.mapping(None), reader.mappings(None)) == ([], {}, [])
    assert (reader.conversion_errors, reader.fully_mapped) == (0, True)


def test_numbers():
    """An integer beyond 2**53 would change on the way into a float."""
    reader = FieldReader()

    assert [reader.number(value) for value in (0.5, 1, 2**53)] == [0.5, 1.0, 2.0**53]
    assert reader.conversion_errors == 0
    assert [reader.number(value) for value in (2**53 + 1, True, "1")] == [None] * 3
    assert reader.conversion_errors == 3


@pytest.mark.parametrize("value", [None, [], {}, ""])
def test_an_empty_value_under_an_unknown_key_holds_nothing(value):
    """Null, an empty list, object or text."""
    reader = FieldReader()
    reader.check_unknown_keys({"known": 1, "unknown": value}, frozenset({"known"}))

    assert reader.fully_mapped


@pytest.mark.parametrize("value", [0, False, 0.0, "x", [None], {"a": None}])
def test_any_other_value_keeps_the_body(value):
    """A zero and a false have a meaning."""
    reader = FieldReader()
    reader.check_unknown_keys({"known": 1, "unknown": value}, frozenset({"known"}))

    assert (reader.fully_mapped, reader.conversion_errors) == (False, 0)


@pytest.mark.parametrize(
    ("value", "count"), [(7, 7), (7.0, 7), (-0.0, 0), (2.0**53, 2**53), (-(2.0**53), -(2**53)), (2**63 - 1, 2**63 - 1)]
)
def test_an_integer_may_be_written_as_a_float(value, count):
    """Protobuf's Struct has no other numbers; up to 2**53 nothing can have been rounded."""
    reader = FieldReader()
    found = reader.count(value)

    assert (found, type(found)) == (count, int)
    assert (reader.conversion_errors, reader.fully_mapped) == (0, True)


@pytest.mark.parametrize("value", [7.5, 9.007199254741e15, 2.0**63, math.nan, math.inf, -math.inf, True, "7", 2**63])
def test_invalid_counts(value):
    """A float beyond 2**53 may be another integer that was rounded."""
    reader = FieldReader()

    assert reader.count(value) is None
    assert (reader.conversion_errors, reader.fully_mapped) == (1, False)


@pytest.mark.parametrize("key", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize("value", [128009, 128009.0])
def test_the_number_of_a_stop_token_is_housekeeping(key, value):
    """As an integer and as a float."""
    reader = FieldReader()
    reader.check_unknown_keys({key: value}, frozenset())

    assert reader.fully_mapped
