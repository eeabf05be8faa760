"""Every command that reads a user's table detects the same format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as pa_feather
import pyarrow.parquet as pq
import pytest

from batchfiles import join, prepare, retry
from batchfiles.errors import BatchFilesError
from batchfiles.io.temporary import Spool
from batchfiles.table.preview import first_rows
from batchfiles.table.typed_rows import typed_tables

ROWS = [
    {"custom_id": "a", "outcome": "failed", "retryable": True},
    {"custom_id": "b", "outcome": "succeeded", "retryable": False},
]
TABLE = pa.Table.from_pylist(ROWS)


def _to_arrow(path: Path) -> None:
    with pa.ipc.new_file(str(path), TABLE.schema) as writer:
        writer.write_table(TABLE)


def _to_stream(path: Path) -> None:
    with pa.ipc.new_stream(str(path), TABLE.schema) as writer:
        writer.write_table(TABLE)


def _to_jsonl(path: Path) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))


def _to_csv(path: Path) -> None:
    pa_csv.write_csv(TABLE, str(path))


def _zipped(write: Callable[[Path], None]) -> Callable[[Path], None]:
    def write_zipped(path: Path) -> None:
        write(path)
        path.write_bytes(gzip.compress(path.read_bytes()))

    return write_zipped


def _to_parquet(path: Path) -> None:
    pq.write_table(TABLE, str(path))


def _to_feather(path: Path) -> None:
    pa_feather.write_feather(TABLE, str(path))


GOOD: dict[str, Callable[[Path], None]] = {
    "t.parquet": _to_parquet,
    "t.arrow": _to_arrow,
    "t.feather": _to_feather,
    "t.arrows": _to_stream,
    "t.csv": _to_csv,
    "t.jsonl": _to_jsonl,
    "t.ndjson": _to_jsonl,
    "t.csv.gz": _zipped(_to_csv),
    "t.jsonl.gz": _zipped(_to_jsonl),
    "t.arrows.gz": _zipped(_to_stream),
    # The name is missing or wrong: the content decides.
    "parquet": _to_parquet,
    "arrow": _to_arrow,
    "stream": _to_stream,
    "csv": _to_csv,
    "jsonl": _to_jsonl,
    "t.txt": _to_csv,
    "t.json": _to_jsonl,
    "t.csv.parquet": _to_parquet,
    "parquet.jsonl": _to_parquet,
}


def _bad(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "t.feather": (_bad(b'{"custom_id": "a"}\n'), "does not begin as its name says"),
    "t.parquet": (_bad(b"custom_id\na\n"), "does not begin as its name says"),
    "t.arrows": (_bad(b""), "does not begin as its name says"),
    "cut.parquet": (_bad(b"PAR1 and no more"), "damaged or cut short"),
    "t.parquet.gz": (_zipped(_to_parquet), "decompress it first"),
    "t.arrow.gz": (_zipped(_to_arrow), "decompress it first"),
    "t.bin": (_bad(b"\x00\x01\x02\x03"), "not a table"),
}


@pytest.fixture
def requests(tmp_path: Path) -> Path:
    """Write requests for the rows of the table, and a folder for what the commands make."""
    (tmp_path / "out").mkdir()
    path = tmp_path / "requests.jsonl"
    body = {"model": "gpt-4o-mini", "messages": []}
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    path.write_text("".join(f"{json.dumps({'custom_id': row['custom_id'], **line})}\n" for row in ROWS))
    return path


def _show(path: str, requests: Path) -> list[str]:
    return [str(row["custom_id"]) for row in first_rows(path, 10).rows]


def _prepared(path: str, requests: Path) -> list[str]:
    output, template = requests.parent / "out" / "prepared.jsonl", requests.parent / "template.json"
    template.write_text('{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "{{outcome}}"}]}')
    prepare(path, output, template=template, id_template="{{custom_id}}", url="/v1/chat/completions", overwrite=True)
    return [json.loads(line)["custom_id"] for line in output.read_text().splitlines()]


def _joined(path: str, requests: Path) -> list[str]:
    with join(requests, with_table=path, id_template="{{custom_id}}", with_prefix="my_") as table:
        return [str(row["my_custom_id"]) for row in table]


def _typed(path: str, requests: Path) -> list[str]:
    with Spool() as spool:
        return [str(each) for _, _, batches in typed_tables(path, spool) for batch in batches for each in batch["custom_id"]]


def _retried(path: str, requests: Path) -> list[str]:
    output = requests.parent / "out" / "retry.jsonl"
    retry(requests, path, output=output, every=True, only=None, overwrite=True)
    failed = [json.loads(line)["custom_id"] for line in output.read_text().splitlines()]
    return [*failed, "b"]


COMMANDS: dict[str, Callable[[str, Path], list[str]]] = {
    "show": _show,
    "prepare": _prepared,
    "with": _joined,
    "typed": _typed,
    "retry": _retried,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", GOOD)
def test_every_command_reads_every_format(name: str, command: str, requests: Path) -> None:
    """A table without a suffix was read by `show` and `prepare`, and `retry` read it as damaged lines."""
    path = requests.parent / name
    GOOD[name](path)
    assert COMMANDS[command](str(path), requests) == ["a", "b"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_every_command_reads_file_urls(name: str, command: str, requests: Path) -> None:
    """A `file://` URL is a path."""
    path = requests.parent / name
    GOOD[name](path)
    assert COMMANDS[command](path.as_uri(), requests) == ["a", "b"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", BAD)
def test_every_command_refuses_the_same(name: str, command: str, requests: Path) -> None:
    """A `.feather` that holds lines was JSONL to `show` and damaged to `prepare`."""
    write, words = BAD[name]
    path = requests.parent / name
    write(path)
    if (command, name) == ("retry", "t.bin"):
        words = "is binary"  # it may be a file of lines
    with pytest.raises(BatchFilesError, match=words):
        COMMANDS[command](str(path), requests)


@pytest.mark.parametrize("command", ["show", "prepare", "with", "typed"])
def test_a_folder_of_tables_is_read_whole(command: str, requests: Path, tmp_path: Path) -> None:
    """`show` read folders of Parquet only."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, row in enumerate(ROWS):
        (folder / f"part-{number}.jsonl").write_text(json.dumps(row))
    assert COMMANDS[command](str(folder), requests) == ["a", "b"]


def test_the_names_of_formats(requests: Path) -> None:
    """`show` names the format by the content."""
    names: dict[str, Any] = {}
    for name, write in GOOD.items():
        write(requests.parent / name)
        names[name] = first_rows(str(requests.parent / name), 1).format
    assert [names[name] for name in ("t.parquet", "t.feather", "t.arrows", "t.csv.gz", "jsonl")] == [
        "Parquet",
        "Arrow file",
        "Arrow stream",
        "CSV",
        "JSONL",
    ]
