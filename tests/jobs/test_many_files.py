"""Thousands of files and a process that may open few: every job gives the same as elsewhere."""

import json
import os
import resource
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from batchfiles.inputs.local import LocalFile, OpenFiles, most_open

FILES = int(os.environ.get("BATCHFILES_TEST_FILES", "150"))
"""Result files, more than a process may open here; 2000 is the whole test."""

ALLOWED = 64


def request(number):
    """Return a request line, of one of forty models."""
    body = {"model": f"m{number % 40}", "messages": [{"role": "user", "content": "x"}]}
    return json.dumps({"custom_id": f"r-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n"


def result(custom_id):
    """Return a result line."""
    choice = {"index": 0, "message": {"role": "assistant", "content": f"answer {custom_id}"}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    answer = {"status_code": 200, "request_id": "q", "body": body}
    return json.dumps({"id": "x", "custom_id": custom_id, "response": answer, "error": None}) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One request file and many result files, whose lines alternate: each request looks into another file than the one before."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "requests.jsonl").write_text("".join(map(request, range(3 * FILES))))
    (folder / "results").mkdir()
    for number in range(FILES):
        ids = [f"r-{each}" for each in range(number, 3 * FILES, FILES) if each % 50] + [f"nobody-{number}"]
        (folder / "results" / f"b{number:05}_output.jsonl").write_text("".join(map(result, ids)))
    return folder


def run(folder, allowed, *arguments):
    """Run a command with a limit on open files."""
    code = "import sys; from batchfiles.cli.main import run; sys.argv[0] = 'batchfiles'; run()"
    limits = (allowed, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


COMMANDS = {
    "join": ("join", "requests.jsonl", "results", "--workers", "1", "--rejects", "OUT/rejects.jsonl", "-o", "OUT/t.parquet"),
    "join in workers": ("join", "requests.jsonl", "results", "--workers", "2", "-o", "OUT/t.parquet"),
    "retry": ("retry", "requests.jsonl", "results", "-o", "OUT/retry.jsonl"),
    "export": ("export", "results", "-o", "OUT/t.parquet"),
    "merge": ("merge", "results", "--on-duplicate", "last", "-o", "OUT/merged.jsonl"),
    "stats": ("stats", "requests.jsonl", "results", "--json"),
    "errors": ("errors", "results", "--json"),
    "get": ("get", "--id", "r-7", "requests.jsonl", "results"),
    "split": ("split", "requests.jsonl", "--by", "model", "-o", "OUT/parts"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_few_descriptors_give_the_same_as_many(folder, name):
    """`ulimit -n 1024` and 2,000 result files ended join and retry with "too many open files"; macOS allows 256."""
    found = []
    for allowed in (ALLOWED, 4096):
        out = folder / f"{name.replace(' ', '-')}-{allowed}"
        out.mkdir()
        said = run(folder, allowed, *(word.replace("OUT", out.name) for word in COMMANDS[name]))
        written = {
            str(path.relative_to(out)): pq.read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_bytes()
            for path in out.rglob("*.*")
            if path.is_file()
        }
        found.append((said if "--json" in COMMANDS[name] or name == "get" else None, written))
    assert found[0] == found[1]
    assert any(found[0])


def test_a_retry_beside_each_of_many_parts_keeps_no_file_open(folder, tmp_path):
    """A line of each part waits in its own file, and a joined table is divided by parts."""
    for number in range(FILES):
        part = tmp_path / f"part-{number:05}.jsonl"
        part.write_text(request(2 * number) + request(2 * number + 1))
        part.with_name(f"part-{number:05}_output.jsonl").write_text(result(f"r-{2 * number}"))
    run(tmp_path, ALLOWED, "join", ".", "-o", "../joined.parquet", "--force")
    shutil.copytree(tmp_path, folder / "again")
    run(tmp_path, ALLOWED, "retry", ".", "-o", ".")
    again = folder / "again"
    for results in again.glob("*_output.jsonl"):
        results.unlink()
    run(again, ALLOWED, "retry", ".", tmp_path.parent / "joined.parquet", "-o", ".")
    for where in (tmp_path, again):
        retries = sorted(where.glob("part-*-retry-1.jsonl"))
        assert [path.read_text() for path in retries] == [request(2 * number + 1) for number in range(FILES)]


def test_files_are_closed_in_the_order_in_which_they_were_opened(tmp_path, monkeypatch):
    """They are reopened on demand; a missing file is an error of that file."""
    files = []
    for number in range(5):
        path = tmp_path / str(number)
        path.write_text(f"file {number}")
        files.append(LocalFile.of(path.name, path, path))
    monkeypatch.setattr("batchfiles.inputs.local.most_open", lambda: 2)
    with OpenFiles(files) as opened:
        for number in (0, 1, 2, 0, 4, 3, 1):
            assert os.pread(opened[number], 100, 0) == f"file {number}".encode()
            assert sum(descriptor >= 0 for descriptor in opened.held) <= 2
        (tmp_path / "2").unlink()
        with pytest.raises(OSError, match="2: no such file"):
            opened[2]
    assert opened.held == [-1] * 5


def test_most_open_leaves_room_for_the_others(monkeypatch):
    """Workers have pipes, tables have files, and libraries have their own."""
    for allowed, most in ((64, 16), (256, 64), (1024, 256), (100_000, 256), (resource.RLIM_INFINITY, 256), (2, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, allowed=allowed: (allowed, allowed))
        assert most_open() == most
