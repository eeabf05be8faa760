"""`batchfiles limits`, and the options on limits that other commands share."""

import json

import click
import pytest
from click.testing import CliRunner

from batchfiles.cli.limits import limits, limits_options
from batchfiles.limits import OPENAI, PROFILES, TOGETHER


def run(command, *arguments):
    """Run a command in this process."""
    try:
        runner = CliRunner(mix_stderr=False)
    except TypeError:  # click 8.2 and later always keep them apart
        runner = CliRunner()
    # A command keeps the names of its help from its first call: without the group it would be --help alone, for all tests.
    return runner.invoke(command, list(map(str, arguments)), help_option_names=["-h", "--help"])


@click.command()
@limits_options
def probe(*, limits):
    """Print the limits that a command gets."""
    click.echo(json.dumps([limits.name, limits.max_requests, limits.max_bytes, limits.warn_bytes, limits.max_custom_id_length]))


def given(*arguments):
    """Return what a command with the options gets."""
    result = run(probe, *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_the_table_has_a_row_for_each_profile():
    """Numbers as the services write them."""
    result = run(limits)
    assert result.exit_code == 0
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.split()}
    assert set(PROFILES) <= set(rows)
    assert "50,000" in rows["together"]
    assert "100 MB" in rows["together"]
    assert "1-64 characters" in rows["together"]
    assert "10 GB" in rows["nebius"]


def test_one_profile_is_told_with_its_sources():
    """Each rule, and below it where it is from."""
    result = run(limits, "Together")
    lines = result.stdout.splitlines()
    assert lines[0] == "together"
    place = lines.index("max_custom_id_length: 64")
    assert "docs.together.ai" in lines[place + 1]
    assert result.stdout.count("\n    ") >= len(TOGETHER.sources)


def test_the_profile_without_rules_says_so():
    """It has no sources either."""
    assert "no limits" in run(limits, "none").stdout


def test_json_gives_every_field_of_one_profile_or_of_all():
    """Numbers are numbers."""
    one = json.loads(run(limits, "openai", "--json").stdout)
    every = json.loads(run(limits, "--json").stdout)
    assert (one["name"], one["max_requests"], one["sources"]["max_requests"]) == (
        "openai",
        50_000,
        OPENAI.sources["max_requests"],
    )
    assert [profile["name"] for profile in every] == list(PROFILES)
    assert every[0] == one


def test_a_file_of_ones_own_is_printed_like_the_others(tmp_path):
    """So that somebody can see what it comes to."""
    path = tmp_path / "ours.toml"
    path.write_text('extends = "together"\nmax_requests = 10\n[sources]\nmax_requests = "a mail"\n')
    lines = run(limits, path).stdout.splitlines()
    assert lines[0] == "ours"
    assert lines[lines.index("max_requests: 10") + 1] == "    a mail"


def test_an_unknown_name_names_the_nearest():
    """The message is the help."""
    result = run(limits, "togehter")
    assert result.exit_code == 2
    assert "unknown profile 'togehter', did you mean 'together'?" in result.stderr


def test_a_command_gets_openais_limits_unless_told_otherwise():
    """The name in any case."""
    assert given() == ["openai", 50_000, 200 * 1024 * 1024, 200_000_000, None]
    assert given("--limits", "TOGETHER")[0] == "together"


def test_single_numbers_replace_those_of_the_profile_and_the_name_says_so():
    """A size on the command line replaces the documented size, too."""
    assert given("--max-requests", "10", "--max-bytes", "100MB") == [
        "openai with max_requests=10, max_bytes=100000000",
        10,
        100_000_000,
        None,
        None,
    ]


def test_none_takes_a_single_limit_away():
    """As in a file of one's own."""
    assert given("--limits", "together", "--max-custom-id-length", "none")[-1] is None


def test_the_options_take_a_file(tmp_path):
    """And numbers on top of it."""
    path = tmp_path / "ours.toml"
    path.write_text('extends = "openai"\nmax_requests = 10\n')
    assert given("--limits", path, "--max-custom-id-length", "64") == [
        "ours with max_custom_id_length=64",
        10,
        200 * 1024 * 1024,
        200_000_000,
        64,
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limits", "opnai"], "did you mean 'openai'?"),
        (["--max-requests", "0"], "'0' is neither a number above 0"),
        (["--max-requests", "many"], "'many' is neither a number above 0"),
        (["--max-bytes", "10 XB"], "'10 XB' is not a size"),
    ],
)
def test_what_is_no_limit_is_wrong_usage(arguments, words):
    """LabeledText before anything is done."""
    result = run(probe, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_mistake_in_the_file_is_wrong_usage_and_names_the_nearest_key(tmp_path):
    """A rule that is misspelt would be no rule."""
    path = tmp_path / "ours.toml"
    path.write_text("max_byte = 10\n")
    result = run(probe, "--limits", path)
    assert result.exit_code == 2
    assert "did you mean 'max_bytes'?" in result.stderr
