"""Strings with known values, to which services may add others."""

from __future__ import annotations

import copy
import json
import pickle

import orjson
import pytest

from batchfiles import (
    Batch,
    BatchCompletionWindow,
    BatchEndpoint,
    BatchFileExpirationAfter,
    BatchFileExpirationAnchor,
    BatchRequest,
    BatchRequestInputMethod,
    BatchStatus,
)

TYPES = (BatchStatus, BatchEndpoint, BatchCompletionWindow, BatchRequestInputMethod, BatchFileExpirationAnchor)


@pytest.mark.parametrize("kind", TYPES)
def test_known_values_are_constants_of_the_type(kind: type[BatchStatus]) -> None:
    """Each is an instance of its type and in `known()`, in the order of the class."""
    constants = [value for name, value in vars(kind).items() if name.isupper()]
    assert constants
    assert tuple(constants) == kind.known()
    assert all(type(value) is kind and value.is_known for value in constants)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("word", ["paused", "", "24 H", "/v1/new"])
def test_other_strings_are_kept(kind: type[BatchStatus], word: str) -> None:
    """A value that only one service has is a string like any other: equal, hashed, copied and serialized."""
    value = kind(word)
    assert value == word
    assert not value.is_known
    assert hash(value) == hash(word)
    assert repr(value) == repr(word)
    assert json.loads(json.dumps(value)) == orjson.loads(orjson.dumps(value)) == word
    for again in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert (again, type(again)) == (value, kind)


def test_the_types_are_importable_from_both_places() -> None:
    """`batchfiles` and `batchfiles.api` export the same objects."""
    import batchfiles.api

    for kind in TYPES:
        assert getattr(batchfiles, kind.__name__) is getattr(batchfiles.api, kind.__name__) is kind


def test_a_batch_has_a_status_with_any_content() -> None:
    """Also one that was made from a plain string, or got one later."""
    batch = Batch(id="batch_1", status="completed")  # type: ignore[arg-type]
    assert batch.status is not BatchStatus.FAILED
    assert batch.status.is_terminal
    assert batch.status == BatchStatus.COMPLETED
    batch.status = "in_progress"  # type: ignore[assignment]
    assert not batch.is_terminal
    assert not Batch.from_dict({"id": "batch_1", "status": "defrosting"}).status.is_known


def test_a_changed_request_is_a_copy() -> None:
    """`with_metadata` and `with_output_expires_after` leave the request as it was, also its dictionaries."""
    request = BatchRequest(input_file_id="file-1", endpoint=BatchEndpoint.EMBEDDINGS, metadata={"a": "b"}, extra={"model": "m"})
    before = copy.deepcopy(request)
    other = request.with_metadata({"c": "d"}).with_output_expires_after(3_600)
    assert other.metadata == {"c": "d"}
    assert other.output_expires_after == BatchFileExpirationAfter(3_600)
    other.metadata["e"] = "f"
    other.extra["n"] = 1
    kept = request.with_output_expires_after(None)
    kept.metadata["g"] = "h"  # type: ignore[index]
    assert request == before
    assert other.with_metadata(None).metadata is None
    with pytest.raises(ValueError, match="metadata may have 16 pairs"):
        request.with_metadata({str(number): "" for number in range(17)})
    with pytest.raises(ValueError, match="a file may expire after"):
        request.with_output_expires_after(1)
