"""A profile of one's own: a TOML file with the fields of `Limits`."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.jobs.split_parts import PartLimits
from batchfiles.limits import NONE, OPENAI, PROFILES
from batchfiles.limits.profile import bytes_of, own_limits


@pytest.fixture
def read(tmp_path):
    """Read a profile from a file of this text."""

    def reading(text):
        path = tmp_path / "ours.toml"
        path.write_text(text, encoding="utf-8")
        return own_limits(path.read_bytes(), str(path), PROFILES)

    return reading


def test_without_extends_there_are_no_rules_but_those_of_the_file(read):
    """The profile `none` is where it begins."""
    limits = read('max_requests = 7\nknown_urls = ["/v1/responses"]\nblank_lines = "error"')
    assert (limits.max_requests, limits.max_bytes, limits.method_required) == (7, None, False)
    assert (limits.known_urls, limits.blank_lines) == ({"/v1/responses"}, "error")


def test_extends_begins_with_a_known_profile(read):
    """What the file doesn't name stays."""
    limits = read('extends = "OpenAI"\nmax_requests = 10_000')
    assert limits.max_requests == 10_000
    assert (limits.max_bytes, limits.one_model) == (OPENAI.max_bytes, True)


def test_none_takes_a_rule_away(read):
    """TOML has no null."""
    limits = read('extends = "openai"\nmax_requests = "none"')
    assert limits.max_requests is None
    assert "max_requests" not in limits.sources


def test_sizes_may_have_a_unit(read):
    """MB is a million bytes, MiB is not."""
    assert read('max_bytes = "100 MB"').max_bytes == 100_000_000
    assert read('max_line_bytes = "1MiB"').max_line_bytes == 1_048_576
    assert read("max_bytes = 5").max_bytes == 5


@pytest.mark.parametrize(("size", "expected"), [('"300 MB"', 300_000_000), ('"none"', None)])
def test_a_size_of_ones_own_takes_the_documented_one_away(read, size, expected):
    """A file could not raise or remove the size: the inherited 200 MB stayed, and `split` kept cutting there."""
    limits = read(f'extends = "openai"\nmax_bytes = {size}')
    assert (limits.max_bytes, limits.warn_bytes) == (expected, None)
    assert "warn_bytes" not in limits.sources
    assert PartLimits.of(limits, None).bytes == (expected or sys.maxsize)


def test_a_documented_size_of_ones_own_stays(read):
    """Both may be named."""
    limits = read('extends = "openai"\nmax_bytes = "300 MB"\nwarn_bytes = "250 MB"')
    assert (limits.max_bytes, limits.warn_bytes) == (300_000_000, 250_000_000)
    assert read('extends = "openai"\nmax_requests = 1').warn_bytes == OPENAI.warn_bytes


def test_the_name_is_the_files_unless_it_gives_one(read):
    """It is what messages call the profile."""
    assert read("").name == "ours"
    assert read('name = "our-gateway"').name == "our-gateway"


def test_sources_are_the_files_own_words_or_its_name(read, tmp_path):
    """A rule that the file sets without a source is from the file; an inherited one keeps its own."""
    limits = read('extends = "openai"\nmax_requests = 1\nmax_bytes = 2\n[sources]\nmax_bytes = "a mail"')
    assert limits.sources["max_bytes"] == "a mail"
    assert limits.sources["max_requests"] == str(tmp_path / "ours.toml")
    assert limits.sources["one_model"] == OPENAI.sources["one_model"]


def test_an_empty_file_is_the_profile_none(read):
    """Except for its name."""
    limits = read('name = "none"')
    assert limits == NONE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_request = 5", "unknown key 'max_request'; did you mean 'max_requests'?"),
        ("zzzzz = 5", "unknown key 'zzzzz'; expected extends, name, max_requests"),
        ('extends = "acme"', "unknown profile 'acme' in 'extends'; expected openai"),
        ("max_requests = 0", "'max_requests' is 0; expected a number above 0 or 'none'"),
        ("max_requests = true", "expected a number above 0"),
        ('max_bytes = "many"', "'max_bytes': 'many' is not a size"),
        ('one_model = "yes"', "expected true or false"),
        ('known_urls = "/v1"', "expected a list of strings"),
        ('blank_lines = "fatal"', "expected 'error', 'warning' or 'info'"),
        ("sources = 5", "expected a table of strings"),
        ("name = 5", "expected a string"),
        ("= 5", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(read, text, words):
    """Nothing is ignored: a rule that is misspelt would be no rule."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        read(text)
    assert words in str(caught.value)
    assert "ours.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("200000000", 200_000_000), ("200MB", 200_000_000), ("200 MiB", 209_715_200), ("1_000", 1000), ("0.5kb", 500), ("3 B", 3)],
)
def test_sizes_are_read_as_people_write_them(text, size):
    """In any case, with or without a space."""
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1 TB", "0", "-5", "0.3", "1e6", "1.5 B"])
def test_an_invalid_size_is_refused(text):
    """A file of 0 bytes holds no request."""
    with pytest.raises(ValueError, match=r"size|whole number"):
        bytes_of(text)


@given(st.integers(min_value=1, max_value=2**60))
def test_every_number_of_bytes_is_a_size(number):
    """Written out, and in bytes."""
    assert bytes_of(str(number)) == bytes_of(f"{number:,} b") == number
