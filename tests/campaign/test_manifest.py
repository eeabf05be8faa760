"""The manifest of a campaign folder: it is read as it was written, and damage is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.campaign import MANIFEST, Manifest, Part, read_manifest, write_manifest
from batchfiles.errors import DataError

PART = {"file": "a-00001.jsonl", "requests": 2, "bytes": 9, "sha256": "00"}
GOOD: dict[str, Any] = {
    "format": "batchfiles-campaign",
    "version": 1,
    "limits": "openai",
    "sources": ["a.jsonl"],
    "parts": [PART],
}


def put(folder: Path, value: Any) -> Path:
    """Write a manifest as another program would."""
    (folder / MANIFEST).write_text(json.dumps(value))
    return folder


texts = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).filter(lambda text: text != "..")
surrogates = st.text(st.sampled_from("a\udcff"), max_size=3)
parts = st.builds(
    Part,
    file=texts.filter(lambda text: text != "."),
    requests=st.integers(0),
    bytes=st.integers(0),
    sha256=texts,
    source=st.none() | texts | surrogates,
    first_line=st.none() | st.integers(1),
    last_line=st.none() | st.integers(1),
    by=st.dictionaries(st.sampled_from(["model", "url"]), st.none() | texts),
    batches=st.lists(texts, max_size=2).map(tuple),
    retry_of=st.lists(texts, max_size=2).map(tuple),
    extra=st.dictionaries(st.just("note"), st.integers() | texts),
)


@given(st.builds(Manifest, sources=st.lists(texts).map(tuple), parts=st.lists(parts, max_size=3).map(tuple), limits=texts))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> None:
    """Including names that are not UTF-8, and unknown keys."""
    folder = tmp_path_factory.mktemp("campaign")
    write_manifest(folder, manifest)
    assert read_manifest(folder) == manifest


def test_unknown_keys_are_kept_where_they_stood(tmp_path: Path) -> None:
    """A later version or a user may have added them."""
    value = {**GOOD, "owner": "ann", "parts": [{**PART, "sent": {"at": 3}}]}
    manifest = read_manifest(put(tmp_path, value))
    assert manifest is not None
    write_manifest(tmp_path, manifest)
    assert json.loads((tmp_path / MANIFEST).read_text()) == value


def test_a_folder_without_a_manifest_has_none(tmp_path: Path) -> None:
    """Nor has a file, or a missing folder."""
    (tmp_path / "file").touch()
    assert [read_manifest(tmp_path / name) for name in (".", "file", "nowhere")] == [None] * 3


@pytest.mark.parametrize("value", [[], {"manifest_version": 3, "name": "an extension"}, {"format": "other", "version": 99}])
def test_the_manifest_of_another_program_is_not_ours(tmp_path: Path, value: Any) -> None:
    """It is ignored."""
    assert read_manifest(put(tmp_path, value)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "has version 2, but the latest known version is 1"),
        ({"version": None}, "version None"),
        ({"parts": {}}, "no list of parts"),
        ({"parts": ["a"]}, "no list of parts"),
        ({"parts": [{"file": "a"}]}, "without requests, bytes, sha256"),
        ({"parts": [{**PART, "requests": "2"}]}, "has an invalid 'requests'"),
        ({"parts": [{**PART, "requests": True}]}, "has an invalid 'requests'"),
        ({"parts": [{**PART, "bytes": -1}]}, "has an invalid 'bytes'"),
        ({"parts": [{**PART, "batches": "batch_1"}]}, "has an invalid 'batches'"),
        ({"parts": [{**PART, "by": {"model": 1}}]}, "has an invalid 'by'"),
        ({"parts": [{**PART, "file": "../a.jsonl"}]}, "not a file of this folder"),
        ({"parts": [{**PART, "file": ".."}]}, "not a file of this folder"),
        ({"sources": [1]}, "has an invalid 'sources'"),
    ],
)
def test_a_damaged_manifest_is_an_error_that_names_it(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """Otherwise results would be joined to the wrong part, unnoticed."""
    with pytest.raises(DataError, match=words) as caught:
        read_manifest(put(tmp_path, {**GOOD, **change}))
    assert caught.value.path == str(tmp_path / MANIFEST)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_no_json_is_an_error(tmp_path: Path, text: bytes) -> None:
    """It may have been a manifest of batchfiles."""
    (tmp_path / MANIFEST).write_bytes(text)
    with pytest.raises(DataError, match="not valid JSON"):
        read_manifest(tmp_path)
