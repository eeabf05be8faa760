"""`filesystem=` in Python: every path of a call is a path in it, for any filesystem."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import FileError, OutputExistsError
from batchfiles.io.filesystems import as_file_error
from batchfiles.io.target import Target
from batchfiles.io.texts import MOST_BYTES, small_file

CHAT = Path(__file__).parents[2] / "fixtures" / "chat_completions"
LINE = b'{"custom_id": "%d", "method": "POST", "url": "/v1/responses", "body": {"model": "m", "input": 1E2}}\n'
TEMPLATE = {"url": "/v1/responses", "body": {"model": "m", "input": "{{q}}"}}


@dataclass
class Service:
    """A filesystem, and its paths for a folder of the disk.

    Attributes:
        filesystem: What is given as `filesystem=`.
        folder: The folder of the disk.
        prefix: What its paths begin with.
    """

    filesystem: Any
    folder: Path
    prefix: str

    def path(self, name: str) -> str:
        """Return the path of a file in the filesystem."""
        return f"{self.prefix}{name}"

    def put(self, name: str, data: bytes) -> str:
        """Write a file; returns its path in the filesystem."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return self.path(name)

    def get(self, name: str) -> bytes:
        """Read a file."""
        return (self.folder / name).read_bytes()


@pytest.fixture(params=["subtree", "local", "fsspec"])
def service(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A folder of the disk: as a filesystem object, as a path, and by fsspec. The current folder is another one."""
    folder, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    if request.param == "subtree":
        return Service(pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem()), folder, "")
    if request.param == "local":
        return Service(pafs.LocalFileSystem(), folder, f"{folder}/")
    return Service(pytest.importorskip("fsspec").filesystem("file"), folder, f"{folder}/")


def test_what_was_split_there_is_merged_there(service: Service) -> None:
    """Byte for byte; the folder and the file are in the filesystem."""
    data = b"".join(LINE % number for number in range(25))
    fs = service.filesystem
    report = batchfiles.split(service.put("r.jsonl", data), output=service.path("c"), max_requests=10, filesystem=fs)
    assert report.folder == service.path("c")
    assert sorted(file.name for file in (service.folder / "c").iterdir()) == ["manifest.json", *(p.file for p in report.parts)]
    assert [part.requests for part in report.parts] == [10, 10, 5]
    merged = batchfiles.merge(service.path("c"), output=service.path("m.jsonl"), filesystem=fs)
    assert (merged.output, merged.lines) == (service.path("m.jsonl"), 25)
    assert service.get("m.jsonl") == data
    assert not list(Path.cwd().iterdir())


def test_lines_are_edited_there(service: Service) -> None:
    """From a pattern to one file."""
    for number in range(3):
        service.put(f"{number}.jsonl", LINE % number)
    fs = service.filesystem
    report = batchfiles.edit(
        service.path("[01].jsonl"), output=service.path("e.jsonl"), values={"body.model": "n"}, filesystem=fs
    )
    assert report.changed == 2
    assert service.get("e.jsonl") == ((LINE % 0) + (LINE % 1)).replace(b'"m"', b'"n"')


def test_requests_are_prepared_there(service: Service) -> None:
    """The tables of a folder, the template and the request file all are there."""
    for number, day in enumerate(("x=1", "x=2")):
        (service.folder / "own" / day).mkdir(parents=True)
        pq.write_table(pa.table({"q": [f"hello {number}"]}), service.folder / "own" / day / "t.parquet")
    service.put("own/_SUCCESS.csv", b"")
    template = service.put("template.json", json.dumps(TEMPLATE).encode())
    fs = service.filesystem
    report = batchfiles.prepare(
        service.path("own"), service.path("p.jsonl"), template=template, id_template="{{q}}", filesystem=fs
    )
    assert (report.path, report.requests, len(report.tables)) == (service.path("p.jsonl"), 2, 2)
    assert service.get("p.jsonl").count(b"hello 1") == 2
    (service.folder / "empty").mkdir()
    with pytest.raises(FileError, match="holds no table"):
        batchfiles.prepare(service.path("empty"), service.path("q.jsonl"), template=template, id_template="{{q}}", filesystem=fs)


def test_what_failed_is_sent_again_there(service: Service) -> None:
    """By the results, and by the joined table; a list of ids is there too."""
    for file in CHAT.iterdir():
        service.put(f"chat/{file.name}", file.read_bytes())
    fs, requests = service.filesystem, service.path("chat/requests.jsonl")
    first = batchfiles.retry(service.path("chat"), output=service.path("r.jsonl"), filesystem=fs)
    assert (first.files[0].path, first.written) == (service.path("r.jsonl"), 3)
    batchfiles.join(service.path("chat"), filesystem=fs).to_parquet(service.path("t.parquet"), filesystem=fs)
    batchfiles.retry(requests, service.path("t.parquet"), output=service.path("again.jsonl"), filesystem=fs)
    assert service.get("again.jsonl") == service.get("r.jsonl")
    ids = service.put("ids.txt", b"ticket-0002\n")
    assert batchfiles.retry(requests, ids=ids, output=service.path("one.jsonl"), filesystem=fs).written == 1
    with pytest.raises(ValueError, match="is a file that is read"):
        batchfiles.retry(service.path("chat"), output=requests, overwrite=True, filesystem=fs)
    with pytest.raises(ValueError, match="is a file that is read"):
        batchfiles.retry(requests, service.path("t.parquet"), output=service.path("t.parquet"), overwrite=True, filesystem=fs)


def test_tables_schemas_and_prices_of_one_s_own_are_there(service: Service) -> None:
    """Other paths of a call are found in the same filesystem as the batch files."""
    for file in CHAT.iterdir():
        service.put(f"chat/{file.name}", file.read_bytes())
    fs, folder = service.filesystem, service.path("chat")
    own = service.put("own.csv", b"id,team\nticket-0001,a\n")
    schema = service.put("schema.json", b'{"type": "object", "properties": {"city": {"type": "string"}}}')
    joined = batchfiles.join(folder, with_table=own, id_template="{{id}}", parsed=True, schema=schema, filesystem=fs)
    assert joined.schema.field("parsed").type == pa.struct([("city", pa.string())])
    assert [row["team"] for row in joined if row["custom_id"] == "ticket-0001"] == ["a"]
    outputs = service.path("chat/*_output.jsonl")
    exported = batchfiles.export(outputs, parsed=True, schema=schema, filesystem=fs)
    assert exported.schema.field("parsed").type == joined.schema.field("parsed").type
    prices = service.put("prices.toml", b'[models."gpt-4o-mini"]\r\ninput = 1\r\noutput = 2\r\n')
    assert batchfiles.stats(folder, prices=prices, filesystem=fs).to_dict()["cost"] is not None


def test_a_url_and_a_filesystem_are_too_much(service: Service) -> None:
    """It is ambiguous."""
    with pytest.raises(ValueError, match="is a URL, which names its own filesystem"):
        batchfiles.split("s3://b/r.jsonl", output="c", filesystem=service.filesystem)
    with pytest.raises(ValueError, match="is a URL, which names its own filesystem"):
        batchfiles.merge(service.put("r.jsonl", LINE % 1), output="s3://b/r.jsonl", filesystem=service.filesystem)


def test_a_retry_for_each_part_goes_into_local_folders_only(service: Service) -> None:
    """A remote one is refused with a message that has the remedy."""
    service.put("c/r.jsonl", LINE % 1)
    service.put("c/ids.txt", b"1")
    folder, ids, fs = service.path("c/"), service.path("c/ids.txt"), service.filesystem
    if isinstance(fs, pafs.LocalFileSystem):
        assert batchfiles.retry(folder, ids=ids, output=folder, filesystem=fs).files[0].path.endswith("c/r-retry-1.jsonl")
    else:
        with pytest.raises(ValueError, match=r"name one file, such as .*c/retry\.jsonl"):
            batchfiles.retry(folder, ids=ids, output=folder, filesystem=fs)


def test_a_small_file_that_is_large_is_taken_for_a_mistake(service: Service) -> None:
    """Before it fills the memory."""
    path = service.put("big.json", b"")
    with (service.folder / "big.json").open("r+b") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(FileError, match="has more than 16,777,216 bytes"):
        small_file(path, filesystem=service.filesystem)
    with pytest.raises(FileError, match="no such file"):
        small_file(service.path("none.json"), filesystem=service.filesystem)
    assert small_file(service.put("empty.json", b""), filesystem=service.filesystem) == b""


def test_a_target_means_a_folder_by_its_name_unless_that_is_said(service: Service) -> None:
    """Without a suffix, or with a slash at the end; a file that is there is kept unless `overwrite` is given."""
    names = {"a.jsonl": False, "a.jsonl/": True, "a": True}
    for name, is_folder in names.items():
        assert Target.at(service.path(name), filesystem=service.filesystem).is_folder == is_folder
        for given in (True, False):
            assert Target.at(service.path(name), filesystem=service.filesystem, folder=given).is_folder == given
    target = Target.at(service.put("there.jsonl", b"old"), filesystem=service.filesystem)
    with pytest.raises(OutputExistsError), target.open():
        pass
    with pytest.raises(OutputExistsError):
        target.check()
    with target.open(overwrite=True) as file:
        file.write(b"new")
    assert service.get("there.jsonl") == b"new"


def test_a_folder_that_is_there_is_kept_unless_it_is_to_be_replaced(service: Service) -> None:
    """Also with nothing said, for a job that forgets to pass it on."""
    service.put("folder/a.jsonl", b"old")
    target = Target.at(service.path("folder"), filesystem=service.filesystem)
    with pytest.raises(OutputExistsError), target.open_folder():
        pass
    with pytest.raises(OutputExistsError):
        target.check()
    assert service.get("folder/a.jsonl") == b"old"


AMAZON = "When reading information for key 'a' in bucket 'b': AWS Error {} during HeadObject operation: No response body."
GOOGLE = "google::cloud::Status({}: Permanent error in GetObjectMetadata) error_info={{}}"
AZURE = "GetProperties for 'https://x.example/b/a?sig=SECRET' failed. Azure Error: [{}] 403 Server failed"
BOTO = "An error ({}) occurred when calling the HeadObject operation: Forbidden"


@pytest.mark.parametrize(
    ("written", "codes", "words", "number"),
    [
        (AMAZON, ["ACCESS_DENIED"], "access denied", errno.EACCES),
        (BOTO, ["AccessDenied"], "access denied", errno.EACCES),
        (GOOGLE, ["PERMISSION_DENIED"], "access denied", errno.EACCES),
        (AZURE, ["AuthorizationFailure", "AuthorizationPermissionMismatch"], "access denied", errno.EACCES),
        (
            AMAZON,
            ["INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "SIGNATURE_DOES_NOT_MATCH", "UNRECOGNIZED_CLIENT"],
            "does not accept the credentials",
            errno.EACCES,
        ),
        (BOTO, ["ExpiredToken"], "does not accept the credentials", errno.EACCES),
        (GOOGLE, ["UNAUTHENTICATED"], "does not accept the credentials", errno.EACCES),
        (AZURE, ["AuthenticationFailed"], "does not accept the credentials", errno.EACCES),
        (AMAZON, ["NETWORK_CONNECTION"], "can't be reached", errno.EHOSTUNREACH),
        (GOOGLE, ["UNAVAILABLE"], "can't be reached", errno.EHOSTUNREACH),
        (AMAZON, ["REQUEST_TIMEOUT"], "can't be reached", errno.ETIMEDOUT),
        (GOOGLE, ["DEADLINE_EXCEEDED"], "can't be reached", errno.ETIMEDOUT),
        (AMAZON, ["NO_SUCH_BUCKET"], "no such bucket", errno.ENOENT),
        (BOTO, ["NoSuchBucket"], "no such bucket", errno.ENOENT),
        (AZURE, ["ContainerNotFound"], "no such bucket", errno.ENOENT),
        (AMAZON, ["NO_SUCH_KEY", "RESOURCE_NOT_FOUND"], "no such file", errno.ENOENT),
        (GOOGLE, ["NOT_FOUND"], "no such file", errno.ENOENT),
        (AZURE, ["BlobNotFound"], "no such file", errno.ENOENT),
        (AMAZON, ["SLOW_DOWN", "THROTTLING"], "too busy", errno.EAGAIN),
        (GOOGLE, ["RESOURCE_EXHAUSTED"], "too busy", errno.EAGAIN),
    ],
)
def test_errors_of_the_services_have_plain_words(written: str, codes: list[str], words: str, number: int) -> None:
    """Each code that a library reports, in the sentence in which it reports it; nothing of the sentence is repeated."""
    for code in codes:
        with pytest.raises(FileError, match=words) as caught, as_file_error("s3://b/a"):
            raise OSError(5, written.format(code))
        assert (caught.value.path, caught.value.errno) == ("s3://b/a", number)
        assert "SECRET" not in str(caught.value)
        assert code not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "words", "number"),
    [
        (RuntimeError("Failed to get token from DefaultAzureCredential"), "none were found", errno.EACCES),
        (RuntimeError("Unable to locate credentials"), "none were found", errno.EACCES),
        (FileNotFoundError("b/a"), "no such file", errno.ENOENT),
        (PermissionError("Forbidden"), "access denied", errno.EACCES),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device", errno.ENOSPC),
        (OSError("AWS Error TEAPOT during it\nmore"), "AWS Error TEAPOT during it", errno.EIO),
        (ValueError("bad https://user:SECRET@x.example/a?sig=SECRET here"), "bad https://x.example/a here", errno.EIO),
        (ValueError("x" * 400), "x" * 300, errno.EIO),
        (KeyError(), "KeyError", errno.EIO),
    ],
)
def test_other_errors_of_filesystems_keep_their_first_line(error: Exception, words: str, number: int) -> None:
    """At most 300 characters, without what may be a key."""
    with pytest.raises(FileError, match=words) as caught, as_file_error("s3://b/a"):
        raise error
    assert caught.value.errno == number
    assert "SECRET" not in str(caught.value)
    assert "more" not in str(caught.value)
    assert "x" * 301 not in str(caught.value)
