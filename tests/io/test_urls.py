"""URLs as text: which texts are URLs, and that no piece of a secret is ever shown."""

import os
import pickle
import random
import string
from pathlib import Path

import pytest

import batchfiles
from batchfiles.cli.main import exit_code
from batchfiles.io.filesystems import local_path_of, parse_url, shown_name, shown_path
from batchfiles.io.remote_path import located
from batchfiles.io.sources import expand
from batchfiles.io.texts import small_file
from batchfiles.table.open import format_of
from batchfiles.table.read import user_tables

URLS = int(os.environ.get("BATCHFILES_TEST_URLS", "1000"))
"""Generated URLs; 10000 is the whole test."""

SCHEMES = ["s3", "gs", "gcs", "abfs", "abfss", "http", "https", "ftp", "sftp", "hdfs", "file", "S3", "HTTPS", "memory", "az"]
ODD = "/?@:#%&=+ \t\"'\\[]{}|^`~!$(),;<>é"
PIECE = 6
"""Characters of a secret that must not be shown: fewer may be anywhere by chance."""


def generated(chance):
    """Return a URL with a secret as its password or an option, and the pieces of the secret."""
    pieces = ["".join(chance.choices(string.ascii_letters + string.digits, k=chance.randrange(PIECE, 20))) for _ in range(4)]
    secret = "".join(piece + chance.choice(ODD) * chance.randrange(3) for piece in pieces)
    slashes = chance.choice(["://", "://", ":/", ":///"])
    scheme = chance.choice(SCHEMES)
    host = chance.choice(["bucket", "my-bucket", "account.dfs.core.windows.net", "host:9000", "[::1]", ""])
    path = chance.choice(["x.jsonl", "a/b/x.jsonl.gz", "t.parquet", "", "user@example.com/x.jsonl", "a b.jsonl", "t.csv"])
    if scheme == "file":  # after three slashes comes a path, not a secret
        slashes = chance.choice(["://", ":/"])
    user = chance.choice(["AKIA12345", "user", "", "user%40home"])
    if chance.random() < 0.2 and scheme != "file":
        return f"{scheme}{slashes}{host}/{path}?{chance.choice(['sig', 'secret_key', 'token'])}={secret}", pieces
    return f"{scheme}{slashes}{user}:{secret}@{host}/{path}{chance.choice(['', '', '?region=x', '#part'])}", pieces


def said(action):
    """Return everything that an action shows in its value or its exception."""
    try:
        found = action()
    except Exception as error:  # noqa: BLE001 - any exception may be logged
        return f"{error} {error!r} {vars(error)} {pickle.dumps(error)!r}"
    return f"{found} {found!r}" if not isinstance(found, Path) else ""


ACTIONS = {
    "shown_name": shown_name,
    "shown_path": shown_path,
    "repr": parse_url,
    "located": lambda url: None if parse_url(url) else located(url),
    "expand": lambda url: None if parse_url(url) else expand([url]),
    "validate": lambda url: None if parse_url(url) else batchfiles.validate(url),
    "join": lambda url: None if parse_url(url) else batchfiles.join(url),
    "join of a single path": lambda url: None if parse_url(url) else batchfiles.join(inputs=url),
    "writer": lambda url: None if parse_url(url) else batchfiles.InputWriter(url).__enter__(),
    "merge": lambda url: None if parse_url(url) else batchfiles.merge(__file__, output=url),
    "small_file": lambda url: None if parse_url(url) else small_file(url),
    "user_tables": lambda url: None if parse_url(url) else next(user_tables(url)),
    "format_of": format_of,
}


def test_no_piece_of_a_secret_is_shown(tmp_path, monkeypatch):
    """Half of Amazon's secrets hold a "/", and such a URL was printed whole; so were those of schemes that are not known."""
    monkeypatch.chdir(tmp_path)
    chance = random.Random(7)
    for _ in range(URLS):
        url, pieces = generated(chance)
        for name, action in ACTIONS.items():
            words = said(lambda url=url, action=action: action(url))
            assert not [piece for piece in pieces if piece in words], (name, url, words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["validate", "show", "split -o parts", "show more.jsonl", "join -o - --temp-dir"])
def test_no_piece_of_a_secret_is_shown_by_a_command(command, tmp_path, monkeypatch, capfd):
    """Click repeats the arguments: too many of them, or folders that do not exist."""
    monkeypatch.chdir(tmp_path)
    chance = random.Random(8)
    for _ in range(URLS // 20):
        url, pieces = generated(chance)
        if parse_url(url) is not None and not command.endswith(("more.jsonl", "--temp-dir")):
            continue
        assert exit_code([*command.split(), url]) in (2, 3)
        words = "".join(capfd.readouterr())
        assert not [piece for piece in pieces if piece in words], (url, words)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://user:secret@host/x.jsonl", "https:// URLs can't be read or written"),
        ("https:/user:secret@host/x.jsonl", "https:// URLs can't be read or written"),
        ("ftp://host/x.jsonl", "ftp:// URLs can't be read or written"),
        ("s3://AKIA:sec/ret@bucket/x.jsonl", "write '/', '\\?' and '@' in a key or password as %2F"),
        ("s3://AKIA:sec?ret@bucket/x.jsonl", "as %2F"),
        ("s3://AKIA:s@e/x@bucket/x.jsonl", "as %2F"),
        ("abfs://account:12/34@host/x.jsonl", "as %2F"),
        ("file://host/x.jsonl", "names another machine"),
        ("s3://", "names no bucket"),
        (" s3://bucket/x", "has a space before it"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_by_its_scheme(url, words):
    """As a wrong call; it was a local file that is not there."""
    with pytest.raises(ValueError, match=words):
        located(url)


def test_ordinary_urls_and_paths_are_what_they_were(tmp_path, monkeypatch):
    """Secrets with escapes, an `@` in a key, ports, and folders whose names look like schemes."""
    shown = {
        "s3://AKIA:sec%2Fret@bucket/a/x.jsonl": "s3://bucket/a/x.jsonl",
        "S3://bucket/x": "s3://bucket/x",
        "s3://bucket/user@example.com/a:b.jsonl": "s3://bucket/user@example.com/a:b.jsonl",
        "s3:/bucket/x": "s3://bucket/x",
        "gs://anonymous@bucket/x?retry_limit_seconds=1": "gs://bucket/x",
        "abfs://container@account.dfs.core.windows.net/x": "abfs://container@account.dfs.core.windows.net/x",
        "abfs://account:k%2Fy@127.0.0.1:10000/c/x": "abfs://account@127.0.0.1:10000/c/x",
        "a/b.jsonl": "a/b.jsonl",
        "C:/x.jsonl": "C:/x.jsonl",
        "https://user:secret@host/x.jsonl": "https://…",
    }
    assert {url: shown_name(url) for url in shown} == shown
    parsed = parse_url("s3://AKIA:sec%2Fret@bucket/a/x.jsonl")
    assert parsed is not None
    assert (parsed.user, parsed.password) == ("AKIA", "sec/ret")
    for url in ("file:///tmp/a%20b", "file://localhost/tmp/a%20b", "file:/tmp/a%20b", "FILE:///tmp/a%20b"):
        assert local_path_of(url) == Path("/tmp/a b")
    assert shown_path("https://user:secret@host/x.jsonl?sig=1") == "https://host/x.jsonl"
    assert shown_path("bucket/a@b/x") == "bucket/a@b/x"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day:").mkdir()
    assert located("day:/x.jsonl") == Path("day:/x.jsonl")
