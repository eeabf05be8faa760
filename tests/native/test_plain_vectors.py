"""The vectors that compiled code reads are those that Python reads, bit for bit. `docs/native.md` describes the lines."""

from __future__ import annotations

import struct
from base64 import b64encode
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles.errors import InvalidLineError
from batchfiles.ids.index import digests_of_bytes
from batchfiles.inputs.local import ResultFile
from batchfiles.io.lines import Block
from batchfiles.io.texts import Text
from batchfiles.native import SWITCH
from batchfiles.outcome import read_result
from batchfiles.table.embedding_rows import EmbeddingRows
from batchfiles.table.plain_rows import PlainEmbeddingRows, plain_reader
from batchfiles.table.rows import ResultRef, schema
from tests.native.mutations import NUMBERS, VECTORS, bits, compared, spelled
from tests.native.plain import FAILURES, VECTOR_REQUESTS, VECTOR_RESULTS, vectors

FILE = ResultFile("results.jsonl", "/nowhere", "batch_1", None)

compiled = pytest.mark.skipif(
    find_spec("batchfiles_native") is None, reason="batchfiles-native is not installed: pip install ./native"
)


@pytest.fixture(autouse=True)
def _is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")


def reader(**options: Any) -> Any:
    """Return the compiled reader of the table of vectors."""
    found = plain_reader([FILE], bodies="auto", table="embeddings", **options)
    assert found is not None
    return found


def table_of(lines: list[bytes], *, fast: bool, dimensions: int | None = None) -> pa.Table:
    """Return the rows of result lines, with compiled code or without."""
    columns = EmbeddingRows(schema("embeddings", dimensions=dimensions), dimensions=dimensions)
    if fast:
        native = reader(dimensions=dimensions)
        columns = PlainEmbeddingRows(columns._schema, keep="auto", dimensions=dimensions, reader=native)
    block = Block(FILE.name, 1, 0, lines)
    for others in columns.add_results(Text.of(block), 0) if isinstance(columns, PlainEmbeddingRows) else [block]:
        for number, line in enumerate(others.lines, others.line_number):
            value, outcome = read_result(line)
            assert value is not None
            columns.add(None, ResultRef(outcome, line, value, FILE.name, number, FILE.batch_id, None))
    table = pa.Table.from_batches([columns.flush()])
    table.validate(full=True)
    return table


def is_same(lines: list[bytes], dimensions: int | None = None) -> bool:
    """Return whether the rows are the same with compiled code and without."""
    fast, exact = (bits(table_of(lines, fast=fast, dimensions=dimensions)) for fast in (True, False))
    return fast == exact


@compiled
@pytest.mark.parametrize("line", [*VECTOR_RESULTS[:6], *FAILURES[:5]])
def test_plain_results_are_taken(line: bytes) -> None:
    """If the grammar became narrower, only the time would show it."""
    found = reader()
    assert found.add_results(line + b"\n", 0, 1) == []
    assert len(found) == max(1, line.count(b'"embedding":'))


@compiled
@pytest.mark.parametrize("line", [*VECTOR_RESULTS[6:], *FAILURES[5:]])
def test_other_results_are_left_to_python(line: bytes) -> None:
    """Their rows are between the others, in the order of the lines; a result may have several."""
    assert reader().add_results(line + b"\n", 0, 1) == [(0, 0, len(line), 0)]
    assert is_same([VECTOR_RESULTS[1], line, VECTOR_RESULTS[0], line, line, FAILURES[0], VECTOR_RESULTS[1], line])


@compiled
def test_plain_requests_are_taken(tmp_path: Path) -> None:
    """A request for vectors of another format is not plain, nor is one for tokens or for texts."""
    path = tmp_path / "index"
    path.write_bytes(b"")
    found = reader(index={"path": path, "count": 0, "shift": 64, "starts": [0, 0]})
    others, _ = found.add_requests(b"\n".join([*VECTOR_REQUESTS, b""]), "requests.jsonl", 0, 1, 0, digests_of_bytes)
    assert [(number, before) for number, _, _, before in others] == [(3, 3), (4, 3), (5, 3)]
    assert found.take_outcomes() == {"missing": 3}


@compiled
@pytest.mark.parametrize("seed", [1, 2])
def test_lines_that_are_nearly_plain(tmp_path: Path, seed: int) -> None:
    """Tables and reports of a join and an export, of lines with a number, a value, a key or a byte changed."""
    compared(tmp_path, seed, 800, VECTORS)


@compiled
def test_numbers_of_any_spelling() -> None:
    """Also those that are not JSON, do not fit 32 bits, or lie between two floats."""
    random = Random(5)
    written = [*NUMBERS, *(spelled(random) for _ in range(8_000)), *map(_between, range(3_000))]
    plain = [vectors([0.5]).replace(b"0.5", number.encode()) for number in written]
    lines = [line for line in plain if read_result(line)[0] is not None]
    assert len(lines) > 11_000
    assert len(reader().add_results(b"\n".join([*lines, b""]), 0, 1)) < 0.15 * len(lines)
    assert is_same(lines)


def _between(seed: int) -> str:
    """Return a number that is half-way between two floats of 32 bits, or has other digits near it."""
    random = Random(seed)
    (low,) = struct.unpack("<f", struct.pack("<I", random.randrange(0x7F000000)))
    (high,) = struct.unpack("<f", struct.pack("<I", struct.unpack("<I", struct.pack("<f", low))[0] + 1))
    return random.choice(("", "-")) + repr((low + high) / 2) if seed % 2 else f"{(low + high) / 2:.{random.randrange(7, 30)}e}"


@compiled
@given(st.lists(st.binary(min_size=4, max_size=24), min_size=1, max_size=3), st.text("=Aa/ \\", max_size=2))
def test_texts_of_any_bytes(found: list[bytes], tail: str) -> None:
    """Padded or not, of four bytes a number or not."""
    line = vectors(*(b64encode(each).decode() + tail for each in found))
    assert is_same([line, VECTOR_RESULTS[2], line])


@compiled
def test_lists_of_one_length() -> None:
    """A null takes the room of a vector, and a vector of another length is refused in Python's words."""
    lines = [FAILURES[0], VECTOR_RESULTS[1], FAILURES[3], VECTOR_RESULTS[2]]
    assert is_same(lines, dimensions=4)
    with pytest.raises(InvalidLineError, match="the vector has 1 dimension and not 4"):
        table_of([*lines, vectors([0.25])], fast=True, dimensions=4)


@compiled
def test_a_list_is_a_vector_only_at_its_place() -> None:
    """A list below another key, a key with an escape, and text that looks like a vector are not cut out."""
    line = VECTOR_RESULTS[0]
    strange = [
        line.replace(b'"data":', b'"metadata": {"embedding": [1, 2]}, "data":'),
        line.replace(
            b': "embedding", "index": 0, "embedding": [', b': {"embedding": [1]}, "index": 0, "embeddin\\u0067": [], "x": ['
        ),
        line.replace(b'"embedding": [', b'"embeddin\\u0067": ['),
        line.replace(b'"text-embedding-3-small"', b'"\\"embedding\\": [1, 2]"'),
        line.replace(b'"text-embedding-3-small"', b'"\\"embedding", "embedding": [1, 2]'),
        line.replace(b'"index": 0', b'"index": null'),
        line.replace(b'"index": 0', b'"index": 1'),
        line.replace(b"12.25]", b"12.25"),
        line.replace(b"12.25]", b"12.25,]"),
        line.replace(b"[-0.1", b"[[-0.1"),
    ]
    lines = [each for each in strange if read_result(each)[0] is not None]
    assert len(lines) == 7
    assert len(reader().add_results(b"\n".join([*strange, b""]), 0, 1)) == len(strange) - 1
    assert is_same([line, *lines])


@compiled
def test_texts_of_another_size_than_others_are_left_to_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export has no request that says what the texts are."""
    path = tmp_path / "results_output.jsonl"
    lines = [VECTOR_RESULTS[2].replace(b"ID", b"id-%d" % number) for number in range(5)]
    path.write_bytes(b"\n".join([*lines, vectors(b64encode(struct.pack("<2f", 1, 2)).decode())]) + b"\n")
    found = []
    for switch in "01":
        monkeypatch.setenv(SWITCH, switch)
        job = batchfiles.export(path)
        found.append((job.to_arrow(), job.report.to_dict() | {"seconds": 0}))
    assert found[0] == found[1]
    assert found[0][0]["embedding"].null_count == 1
