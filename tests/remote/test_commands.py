"""The command line with remote files: which are read and written, and messages without a key."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchfiles.cli.main import exit_code
from batchfiles.codec import loads
from batchfiles.io import filesystems
from batchfiles.io.filesystems import parse_url, shown_name
from tests.remote.bucket import Bucket

CHAT = Path(__file__).parents[2] / "fixtures" / "chat_completions"
SECRET = "hush-hush"


class Run(Protocol):
    """Runs the command in this process."""

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Return its output and its messages, which must not contain a key."""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Make the command, for a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")

    def _run(*arguments: str, code: int = 0) -> tuple[str, str]:
        found = exit_code(arguments)
        wrote, said = capsys.readouterr()
        assert found == code, said
        for key in (SECRET, "AKIAEXAMPLE", "endpoint_override="):
            assert key not in said + wrote
        return wrote, said

    return _run


@pytest.fixture
def chat(bucket: Bucket) -> Bucket:
    """A bucket with the example files."""
    for file in CHAT.iterdir():
        bucket.put(f"chat/{file.name}", file.read_bytes())
    return bucket


def test_validate_names_the_file_without_its_options(chat: Bucket, run: Run) -> None:
    """In the table, and in the report."""
    url = chat.url_through(chat.server, "chat/requests.jsonl")
    assert f"\n{chat.url('chat/requests.jsonl')} " in run("validate", url)[1]
    assert loads(run("validate", url, "--json")[0].encode())["files"][0]["name"] == chat.url("chat/requests.jsonl")


def test_join_reads_and_writes_there(chat: Bucket, run: Run) -> None:
    """Table, rejects and report, from a folder; no key is in any of them."""
    targets = {
        option: f"out/{name}" for option, name in (("-o", "t.parquet"), ("--rejects", "r.jsonl.gz"), ("--report", "r.json"))
    }
    options = [word for option, key in targets.items() for word in (option, chat.url_through(chat.server, key))]
    said = run("join", chat.url_through(chat.server, "chat"), *options)[1]
    assert f"{chat.url('out/t.parquet')}: 16 rows, " in said
    table = pq.read_table(pa.BufferReader(chat.get("out/t.parquet")))
    assert table.num_rows == 16
    for data in (str(table.schema.metadata), str(table.to_pylist()), *map(str, map(chat.get, targets.values()))):
        assert SECRET not in data
    assert loads(chat.get("out/r.json"))["rows"] == 16
    assert chat.get("out/r.jsonl.gz")[:2] == b"\x1f\x8b"


def test_what_is_there_is_refused_before_any_work(chat: Bucket, run: Run) -> None:
    """With force it is replaced; a folder that is read is not."""
    arguments = ["export", chat.url("chat/*_output.jsonl"), "-o", chat.url("parts/")]
    assert "1 Parquet file" in run(*arguments)[1]
    assert "exists already" in run(*arguments, code=2)[1]
    assert "1 Parquet file" in run(*arguments, "--force")[1]
    chat.put("parts/thesis.txt", b"precious")
    assert "not ours to delete, thesis.txt for one" in run(*arguments, "--force", code=3)[1]
    assert [key for key in chat.listed() if key.startswith("parts/")] == ["parts/part-00000.parquet", "parts/thesis.txt"]
    assert "names the folder of an input file" in run(*arguments[:3], chat.url("chat"), "--force", code=2)[1]
    same = ["-o", chat.url("t.csv"), "--report", chat.url("t.csv")]
    assert "name the same file" in run(*arguments[:2], *same, code=2)[1]


def test_show_reads_tables_and_batch_files(chat: Bucket, run: Run) -> None:
    """A Parquet file, a folder of parts, an Arrow file, JSONL."""
    for target in ("t.parquet", "parts/", "t.arrow", "t.jsonl.gz"):
        run("export", chat.url("chat/*_output.jsonl"), "-o", chat.url(target))
        shown = run("show", chat.url(target), "-n", "1", "--columns", "custom_id")[0]
        assert shown.startswith(chat.url(target).rstrip("/"))
        assert "ticket-0002" in shown


def test_impossible_calls_are_reported_in_a_sentence(chat: Bucket, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name, and exit code 3."""
    monkeypatch.setattr(filesystems, "ATTEMPTS", 1)
    for url, words in (
        (chat.url_through(chat.server, "none"), f"{chat.url('none')}: no such file"),
        (chat.url("chat/*.csv"), f"{chat.url('chat/*.csv')}: no file matches"),
        (chat.url("out"), f"{chat.url('out')}: no such file"),
        ("s3://no-such-bucket/x", "s3://no-such-bucket/x: there is no bucket no-such-bucket"),
        ("s3://*/x", "s3://*/x: a bucket is named as it is, without wildcards"),
        (
            "gs://anonymous@b/x?endpoint_override=127.0.0.1:1&scheme=http&retry_limit_seconds=1",
            "gs://b/x: the service can't be reached",
        ),
    ):
        assert run("validate", url, code=3)[1].startswith(f"batchfiles: error: {words}"), url
    nowhere = f"s3://AKIAEXAMPLE:{SECRET}@bucket/x?endpoint_override=127.0.0.1:1&scheme=http"
    assert "s3://bucket/x: the service can't be reached" in run("validate", nowhere, code=3)[1]


def test_an_option_that_there_is_not_is_wrong_usage(chat: Bucket, run: Run) -> None:
    """And its value is not repeated."""
    said = run("validate", f"s3://AKIAEXAMPLE:{SECRET}@b/x?secret={SECRET}", code=2)[1]
    assert "there is no option 'secret' for s3://b: choose from region, scheme, endpoint_override" in said
    assert "the URL s3:// names no bucket" in run("validate", "s3://?region=x", code=2)[1]


def test_a_missing_permission_is_reported(tmp_path: Path, run: Run) -> None:
    """A server that asks for credentials, and gets wrong ones."""
    refuse = tmp_path / "refuse.py"
    refuse.write_text(
        "import http.server, sys\n"
        "class Refuse(http.server.BaseHTTPRequestHandler):\n"
        "    def answer(self):\n"
        "        self.send_response(403)\n"
        "        self.send_header('Content-Length', '0')\n"
        "        self.end_headers()\n"
        "    do_GET = do_HEAD = do_PUT = do_POST = answer\n"
        "    def log_message(self, *_): pass\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Refuse)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, str(refuse)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = f"127.0.0.1:{process.stdout.readline().strip()}"
        url = f"s3://AKIAEXAMPLE:{SECRET}@bucket/x.jsonl?endpoint_override={address}&scheme=http&region=r"
        said = run("validate", url, code=3)[1]
        process.kill()
    assert (
        said == "batchfiles: error: s3://bucket/x.jsonl: access denied: check the credentials and what they are allowed to do\n"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:secret@bucket/a%20b/c.jsonl?region=x", "s3://bucket/a%20b/c.jsonl"),
        ("gs://anonymous@bucket/a", "gs://bucket/a"),
        ("abfss://container@account.dfs.core.windows.net/a", "abfss://container@account.dfs.core.windows.net/a"),
        ("abfs://account:key@host/container/a?enable_tls=false", "abfs://account@host/container/a"),
        ("s3:/bucket/a/", "s3://bucket/a"),
        ("data/s3://x", "data/s3://x"),
        ("https://host/x?y", "https://…"),
    ],
)
def test_names_hold_neither_keys_nor_options(url: str, shown: str) -> None:
    """Except for the names of Azure's containers and accounts. Other text is a path, or named by its scheme."""
    assert shown_name(url) == shown
    assert "secret" not in repr(parse_url(url))


def test_importing_the_library_does_not_import_a_filesystem() -> None:
    """Users of local files pay nothing."""
    code = "import sys, batchfiles.writing, batchfiles.reading; print('pyarrow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout == b"False\n"


def test_a_campaign_is_split_joined_and_merged_there(chat: Bucket, run: Run) -> None:
    """The manifest maps results to parts; merging gives the original file."""
    run("split", chat.url("chat/requests.jsonl"), "-o", chat.url_through(chat.server, "c"), "--max-requests", "10")
    assert chat.listed()[:3] == ["c/manifest.json", "c/requests-00001.jsonl", "c/requests-00002.jsonl"]
    name = next(key for key in chat.listed() if key.endswith("_output.jsonl"))
    chat.put("c/requests-00001_output.jsonl", chat.get(name))
    run("join", chat.url_through(chat.server, "c"), "-o", chat.url("t.parquet"), "--report", chat.url("r.json"))
    roles = {file["path"].rpartition("/")[2]: file["role"] for file in loads(chat.get("r.json"))["files"]}
    assert roles["requests-00002.jsonl"] == "inputs"
    assert {"requests-00001_output.jsonl": "results"}.items() <= roles.items()
    run("merge", chat.url("c/requests-0000[12].jsonl"), "-o", chat.url("m.jsonl"))
    assert chat.get("m.jsonl") == chat.get("chat/requests.jsonl")


def test_the_other_commands_read_and_write_there(chat: Bucket, run: Run, tmp_path: Path) -> None:
    """Retry, edit, stats, errors, get, prepare, and a user's own table beside a join."""
    folder = chat.url_through(chat.server, "chat")
    run("retry", folder, "-o", chat.url("retry.jsonl"))
    assert chat.get("retry.jsonl").count(b"\n") == 3
    run("edit", chat.url("retry.jsonl"), "-o", chat.url("edited.jsonl.gz"), "--set", "body.model=other")
    assert gzip.decompress(chat.get("edited.jsonl.gz")).count(b'"other"') == 3
    assert "ticket-0001" in run("get", "--id", "ticket-0001", folder)[0]
    assert "content_filter" in run("errors", folder)[0]
    assert "gpt-4o-mini" in run("stats", folder)[0]
    run("join", folder, "-o", chat.url("t.parquet"))
    template = tmp_path / "template.json"
    template.write_text('{"method": "POST", "url": "/v1/x", "body": {"model": "m", "input": "{{text}}"}}')
    run(
        "prepare",
        chat.url("t.parquet"),
        "-o",
        chat.url("p.jsonl"),
        "--template",
        str(template),
        "--id",
        "{{custom_id}}",
        "--null",
        "null",
    )
    assert chat.get("p.jsonl").count(b"\n") == 16


# Content of one's own files


def test_templates_prices_schemas_ids_and_limits_are_read_there(chat: Bucket, run: Run) -> None:
    """With keys and options in the URL, which no message contains."""
    for key, text in {
        "prices.toml": b'[models."gpt-4o-mini"]\ninput = "1"\noutput = "2"\n',
        "schema.json": b'{"type": "object", "properties": {"city": {"type": "string"}}}',
        "ids.txt": b"ticket-0003\nticket-0001\n",
        "limits.toml": b'extends = "none"\nmax_requests = 3\n',
        "template.json": b'{"url": "/v1/responses", "body": {"model": "m", "input": "{{q}}"}}',
        "t.csv": b"q\nhello\n",
    }.items():
        chat.put(key, text)
    folder = chat.url("chat")

    def there(key: str) -> str:
        return chat.url_through(chat.server, key)

    assert loads(run("stats", folder, "--prices", there("prices.toml"), "--json")[0].encode())["cost"] is not None
    run("join", folder, "-o", chat.url("t.parquet"), "--parsed", "--schema", there("schema.json"))
    kind = pq.read_table(pa.BufferReader(chat.get("t.parquet"))).schema.field("parsed").type
    assert kind == pa.struct([("city", pa.string())])
    run("retry", chat.url("chat/requests.jsonl"), "-o", chat.url("some.jsonl"), "--ids", there("ids.txt"))
    assert [loads(line)["custom_id"] for line in chat.get("some.jsonl").splitlines()] == ["ticket-0001", "ticket-0003"]
    said = run("validate", chat.url("chat/requests.jsonl"), "--limits", there("limits.toml"), code=1)[1]
    assert "(limits: limits)" in said
    run("prepare", there("t.csv"), "-o", chat.url("p.jsonl"), "--template", there("template.json"), "--id", "{{q}}")
    assert loads(chat.get("p.jsonl"))["body"]["input"] == "hello"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["stats", "{f}", "--prices", "{u}"], 3),
        (["join", "{f}", "-o", "-", "--format", "jsonl", "--parsed", "--schema", "{u}"], 3),
        (["retry", "{f}", "-o", "-", "--ids", "{u}"], 3),
        (["validate", "{f}", "--limits", "{u}"], 3),
        (["prepare", "{f}", "-o", "-", "--template", "{u}", "--id", "x"], 3),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_file_of_one_s_own_that_is_not_there_is_named(chat: Bucket, run: Run, arguments: list[str], code: int) -> None:
    """Without the query after its name."""
    words = [word.format(f=chat.url("chat/requests.jsonl"), u=chat.url_through(chat.server, "none.x")) for word in arguments]
    assert f"{chat.url('none.x')}: no such file" in run(*words, code=code)[1]


def test_a_folder_of_tables_is_read_there(chat: Bucket, run: Run) -> None:
    """Deep folders too; hidden files and those of Spark are left out."""
    rows = [{"id": "ticket-0001", "team": "a"}, {"id": "ticket-0002", "team": "b"}]
    for key, row in zip(("own/x=1/a.parquet", "own/x=2/b.parquet"), rows, strict=True):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([row]), sink)
        chat.put(key, sink.getvalue().to_pybytes())
    for key in ("own/_temporary/c.parquet", "own/.hidden.parquet", "own/_SUCCESS"):
        chat.put(key, b"no table")
    chat.put("template.json", b'{"url": "/v1/responses", "body": {"model": "m", "input": "{{team}}"}}')
    folder = chat.url_through(chat.server, "own")
    run("prepare", folder, "-o", chat.url("p.jsonl"), "--template", chat.url("template.json"), "--id", "{{id}}")
    assert [loads(line)["body"]["input"] for line in chat.get("p.jsonl").splitlines()] == ["a", "b"]
    run("join", chat.url("chat"), "-o", chat.url("t.parquet"), "--with", folder, "--id", "{{id}}")
    teams = pq.read_table(pa.BufferReader(chat.get("t.parquet")), columns=["custom_id", "team"]).to_pylist()
    assert {row["custom_id"]: row["team"] for row in teams if row["team"]} == {"ticket-0001": "a", "ticket-0002": "b"}
    chat.put("notes/a.txt", b"")
    said = run("prepare", chat.url("notes"), "-o", "-", "--template", chat.url("template.json"), "--id", "{{id}}", code=3)[1]
    assert f"{chat.url('notes')}: the folder holds no table" in said


def test_what_prepare_reads_it_does_not_write(chat: Bucket, run: Run) -> None:
    """Not even with force: neither a table, nor one of a folder, nor the template."""
    chat.put("own/t.csv", b"q\nhello\n")
    chat.put("template.json", b'{"url": "/v1/responses", "body": {"model": "m", "input": "{{q}}"}}')
    template = chat.url("template.json")
    for table, output in (("own/t.csv", "own/t.csv"), ("own", "own/t.csv"), ("own/*.csv", "own/t.csv"), ("own", "template.json")):
        arguments = ("--template", template, "--id", "{{q}}", "--force")
        said = run("prepare", chat.url(table), "-o", chat.url(output), *arguments, code=2)[1]
        assert "-o names an input file" in said
    assert chat.get("own/t.csv") == b"q\nhello\n"


# Campaigns


@pytest.mark.parametrize("target", ["t.parquet", "parts/"])
def test_a_joined_table_there_replaces_the_results(chat: Bucket, run: Run, target: str) -> None:
    """A file, or a folder of parts: the retry is the same as of the results."""
    run("retry", chat.url("chat"), "-o", chat.url("r.jsonl"))
    run("join", chat.url("chat"), "-o", chat.url(target))
    table = chat.url_through(chat.server, target)
    run("retry", chat.url("chat/requests.jsonl"), table, "-o", chat.url("of_table.jsonl"))
    assert chat.get("of_table.jsonl") == chat.get("r.jsonl") != b""
    assert "is a file that is read" in run("retry", chat.url("chat"), "-o", chat.url("chat/requests.jsonl"), "--force", code=2)[1]


def test_a_retry_in_a_campaign_there_is_named_in_its_manifest(chat: Bucket, run: Run) -> None:
    """So that a join knows that it repeats requests; a file for each part is refused, with a message."""
    run("split", chat.url("chat/requests.jsonl"), "-o", chat.url("c"))
    output = next(key for key in chat.listed() if key.endswith("_output.jsonl"))
    chat.put("c/requests-00001_output.jsonl", chat.get(output))
    for target in (chat.url("c"), chat.url_through(chat.server, "c/"), chat.url("new/")):
        said = run("retry", chat.url("c"), "-o", target, code=2)[1]
        assert "can't be written to a remote folder" in said
    run("retry", chat.url("c"), "-o", chat.url("c/again.jsonl"))
    assert loads(chat.get("c/manifest.json"))["parts"][1]["retry_of"] == ["requests-00001.jsonl"]
    report = loads(run("join", chat.url("c"), "-o", chat.url("t.parquet"), "--json")[0].encode())
    assert report["rows"] == chat.get("chat/requests.jsonl").count(b"\n")
    assert report["duplicate_inputs"] == 0


def test_a_campaign_with_results_is_kept_even_by_force(chat: Bucket, run: Run) -> None:
    """As long as there are none, it is replaced."""
    arguments = ["split", chat.url("chat/requests.jsonl"), "-o", chat.url("c")]
    run(*arguments, "--max-requests", "10")
    run(*arguments, "--force")
    ours = ["c/manifest.json", "c/requests-00001.jsonl"]
    assert [key for key in chat.listed() if key.startswith("c/")] == ours
    chat.put("c/requests-00001_output.jsonl", b"paid for")
    assert "not ours to delete, requests-00001_output.jsonl for one" in run(*arguments, "--force", code=3)[1]
    assert [key for key in chat.listed() if key.startswith("c/")] == [*ours, "c/requests-00001_output.jsonl"]


def test_a_split_that_fails_leaves_no_campaign(chat: Bucket, run: Run, tmp_path: Path) -> None:
    """It is written to the folder for temporary files until it is whole, and an existing folder is refused before any work."""
    files = chat.url("chat/requests.jsonl")
    arguments = ["split", files, "-o", chat.url("c"), "--temp-dir", str(tmp_path)]
    run(*arguments, "--max-bytes", "700", code=3)
    assert not [key for key in chat.listed() if key.startswith("c/")]
    run(*arguments, "--compress", "gz")
    assert [key for key in chat.listed() if key.startswith("c/")] == ["c/manifest.json", "c/requests-00001.jsonl.gz"]
    assert not list(tmp_path.iterdir())
    assert "exists already" in run(*arguments, code=2)[1]
    run(*arguments, "--force")
    assert [key for key in chat.listed() if key.startswith("c/")] == ["c/manifest.json", "c/requests-00001.jsonl"]
