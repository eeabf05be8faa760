"""`batchfiles validate`: what it prints where, and how it exits."""

import gzip
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchfiles.cli.validate import validate
from batchfiles.io.sources import expand
from batchfiles.io.threads import total_of
from batchfiles.jobs import validate as validate_module
from batchfiles.layout import size

FIXTURES = Path(__file__).parents[2] / "fixtures"
GOOD = FIXTURES / "chat_completions" / "requests.jsonl"
TWICE = FIXTURES / "shapes" / "input_duplicate_ids.jsonl"

LINE = b'{"custom_id": "%s", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": "Hi"}}\n'


STREAM = int(os.environ.get("BATCHFILES_TEST_STREAM", "30")) * 1_000_000
"""Bytes of a long stream."""

MEASURED = """
import resource, sys
from batchfiles.cli.main import run
try:
    run(["validate", "-", "--limits", "none", "--json", "--temp-dir", sys.argv[1]])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""
"""`validate` of standard input; it prints the largest memory that it had, in MiB."""


def run(*arguments, stdin=None):
    """Run the command in this process."""
    try:
        runner = CliRunner(mix_stderr=False)
    except TypeError:  # click 8.2 and later always keep them apart
        runner = CliRunner()
    # A command keeps the names of its help from its first call: without the group it would be --help alone, for all tests.
    return runner.invoke(validate, list(map(str, arguments)), input=stdin, help_option_names=["-h", "--help"])


@pytest.fixture
def requests(tmp_path):
    """Write a request file of these ids and return its path."""

    def write(*custom_ids, name="requests.jsonl", end=b""):
        path = tmp_path / name
        path.write_bytes(b"".join(LINE % custom_id.encode() for custom_id in custom_ids) + end)
        return path

    return write


def test_ids_wait_in_the_folder_that_is_named(requests, tmp_path, monkeypatch):
    """`validate` had no `--temp-dir`, and filled /tmp with the ids of a large campaign."""
    made = []
    real = validate_module.UniqueIds
    monkeypatch.setattr(validate_module, "UniqueIds", lambda *given, **options: made.append(options) or real(*given, **options))
    assert run(requests("a", "b"), "--temp-dir", tmp_path).exit_code == 0
    assert [options["temp_dir"] for options in made] == [str(tmp_path)]
    assert run(requests("a"), "--temp-dir", tmp_path / "gone").exit_code == 2


def test_a_good_file_exits_with_0_and_prints_no_finding():
    """The table on standard error describes the file."""
    result = run(GOOD)
    assert (result.exit_code, result.stdout) == (0, "")
    heading, row, verdict = result.stderr.splitlines()
    assert heading.split() == ["file", "requests", "size", "endpoint", "model", "errors", "warnings"]
    assert row.split() == [str(GOOD), "16", "6.3", "kB", "/v1/chat/completions", "gpt-4o-mini", "0", "0"]
    assert verdict == "0 errors, 0 warnings (limits: openai)"


def test_errors_exit_with_1_and_stand_one_a_line_on_standard_output(requests):
    """Place first, as compilers have it, so that editors can jump there."""
    path = requests("a", "b", "a")
    result = run(path)
    assert result.exit_code == 1
    words = "The custom_id for this request is a duplicate of another request: 'a' is already on line 1."
    assert result.stdout.splitlines() == [f"{path}:3: error: {words} at $.custom_id (duplicate_custom_id)"]
    assert "errors: duplicate_custom_id 1" in result.stderr.splitlines()
    assert result.stderr.endswith("1 error, 0 warnings (limits: openai)\n")


def test_warnings_alone_exit_with_0_and_with_1_if_strict(requests):
    """A scheduler must not stop for a blank line unless it was asked to."""
    path = requests("a", end=b"\n")
    assert run(path).exit_code == 0
    assert ":2: warning: The line is blank. (blank_line)" in run(path).stdout
    assert run(path, "--strict").exit_code == 1
    assert ":2: error: The line is blank. (blank_line)" in run(path, "--strict").stdout


def test_the_first_findings_are_printed_and_all_are_counted(requests):
    """The number of other findings is printed."""
    path = requests(*"aaaaaa")
    with path.open("ab") as file:
        file.write(LINE.replace(b"POST", b"GET") % b"b" + LINE.replace(b'"m"', b'"n"') % b"c" + b"{\n")
    result = run(path, "--max-findings", 2)
    assert [line.split(": ")[1:3] for line in result.stdout.splitlines()] == [
        ["error", "5 lines (2, 3, 4, 5, 6)"],
        ["error", "Invalid value"],
    ]
    assert "errors: duplicate_custom_id 5" in result.stderr
    assert "2 findings are not listed" in result.stderr
    assert run(path, "--max-findings", 0).stdout == ""
    assert run(path, "--max-findings", 0).exit_code == 1


def test_ids_must_differ_across_files_only_when_asked(requests):
    """Two files are two batches."""
    paths = requests("a", name="1.jsonl"), requests("a", name="2.jsonl")
    assert run(*paths).exit_code == 0
    result = run(*paths, "--across")
    assert result.exit_code == 1
    assert f"line 1 of {paths[0]}" in result.stdout


def test_json_is_one_object_on_standard_output():
    """The report for programs, without other text."""
    result = run(TWICE, "--json", "--max-findings", 1)
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["ok"] is False
    assert report["errors"] == {"duplicate_custom_id": 2}
    assert report["files"][0]["requests"] == 4
    assert [finding["line_number"] for finding in report["findings"]] == [2]
    assert report["findings_not_listed"] == 1
    assert json.loads(run(GOOD, "--json").stdout)["ok"] is True


def test_the_service_is_chosen_by_name(requests):
    """In any case; an unknown one is wrong usage, and the known ones are listed."""
    azure = FIXTURES / "azure" / "requests.jsonl"
    assert "unknown_url" in run(azure).stdout
    assert run(azure, "--limits", "AZURE").stdout == ""
    result = run(azure, "--limits", "aol")
    assert result.exit_code == 2
    assert "vllm" in result.stderr


def test_standard_input_is_a_file(requests):
    """So it is visible at the end of a pipe."""
    result = run("-", stdin=LINE % b"a" + b"{\n")
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:2: error: ")


def test_no_file_is_wrong_usage():
    """It must not wait for standard input in silence."""
    assert run().exit_code == 2


def test_another_services_file_is_said_in_words():
    """One finding for all missing keys."""
    result = run(FIXTURES / "other_providers" / "anthropic_requests.jsonl")
    (line,) = result.stdout.splitlines()
    assert "Anthropic" in line


def test_what_a_file_holds_can_not_write_on_the_terminal(tmp_path):
    """Escape sequences and line ends in ids, models and urls are printed escaped."""
    wicked = "\x1b[2J\n\r\u2028\x9b"
    request = {"custom_id": wicked, "method": wicked, "url": f"/v1/{wicked}", "body": {"model": wicked}}
    path = tmp_path / "requests.jsonl"
    path.write_text(f"{json.dumps(request)}\n" * 2)
    result = run(path)
    assert "\\x1b[2J\\n\\r\\u2028\\x9b" in result.stdout
    for text in (result.stdout, result.stderr):
        assert text.replace("\n", "").isprintable()
    assert len(result.stdout.splitlines()) == len(result.stdout.split("\n")) - 1 == 3


def test_help_says_what_an_exit_code_means_and_gives_examples():
    """No manual is needed."""
    text = " ".join(run("--help").stdout.split())
    for words in ("batchfiles validate requests.jsonl", "Exit codes", "--across", "standard input", "jq"):
        assert words in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (200_000_000, "200.0 MB"), (209_715_200, "209.7 MB")],
)
def test_sizes_are_in_the_unit_of_the_limits(count, text):
    """Powers of ten, as in '200 MB'."""
    assert size(count) == text


def test_a_progress_bar_knows_its_end_only_if_the_files_say_it(requests, tmp_path):
    """Local files do; a pipe and a compressed file don't."""
    paths = [requests("a", name="1.jsonl"), requests("b", "c", name="2.jsonl")]
    assert total_of(expand(paths)) == 3 * (len(LINE) - 1)
    packed = tmp_path / "3.jsonl.gz"
    packed.write_bytes(gzip.compress(LINE))
    assert total_of(expand([*paths, packed])) is None
    assert total_of(expand([io.BytesIO(LINE)])) is None


def test_as_a_program(requests, tmp_path):
    """The real thing: exit codes, both streams, and a file that is not there."""
    program = [sys.executable, "-c", "from batchfiles.cli.main import run; run()", "validate"]

    def call(*arguments):
        return subprocess.run([*program, *map(str, arguments)], capture_output=True, text=True, check=False)

    good = call(GOOD)
    assert (good.returncode, good.stdout) == (0, "")
    bad = call(requests("a", "a"), "--json")
    assert (bad.returncode, json.loads(bad.stdout)["errors"]) == (1, {"duplicate_custom_id": 1})
    gone = call(tmp_path / "gone.jsonl")
    assert (gone.returncode, gone.stdout) == (3, "")
    assert "gone.jsonl" in gone.stderr
    assert "Traceback" not in gone.stderr
    assert call(GOOD, "--no-such-option").returncode == 2


def validated_stream(count, folder):
    """Validate requests of 8 kB as they are made, of which the last one repeats the first id; return report and MiB."""
    command = [sys.executable, "-c", MEASURED, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for number in range(count):
            process.stdin.write(LINE.replace(b"Hi", b"Why? " * 1600) % (b"request-%d" % (number % (count - 1))))
        process.stdin.close()
        report, memory = process.stdout.read(), process.stderr.read()
    return json.loads(report), int(memory.split()[-1])


def test_a_long_stream_needs_the_memory_of_a_short_one(tmp_path):
    """All lines are read and all ids compared, while the memory does not grow with them, and nothing is left."""
    size_of_one = len(LINE) + 8000
    _, memory_of_few = validated_stream(100, tmp_path)
    count = STREAM // size_of_one
    report, memory = validated_stream(count, tmp_path)
    assert report["files"][0]["requests"] == count
    assert [(group["code"], group["line_numbers"]) for group in report["groups"]] == [("duplicate_custom_id", [count])]
    assert memory < memory_of_few + 48
    assert list(tmp_path.iterdir()) == []
