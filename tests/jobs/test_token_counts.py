"""Who counts tokens: the rule of thumb (see test_split.py), or tiktoken where it and its encoding are on the machine."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from batchfiles import MissingDependency
from batchfiles.jobs.token_counts import token_counter


def test_without_tiktoken_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no dependency."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(MissingDependency, match="pip install tiktoken"):
        token_counter("tiktoken")


def test_a_counter_of_another_name_is_refused() -> None:
    """The names are those of the command line."""
    with pytest.raises(ValueError, match="'estimate' or 'tiktoken', not by 'guess'"):
        token_counter("guess")


@pytest.fixture
def tiktoken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return tiktoken with an encoding at hand that makes a token of each byte, and no other."""
    module = pytest.importorskip("tiktoken")
    import tiktoken.registry

    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = module.Encoding(name="o200k_base", pat_str=r"\S+|\s+", mergeable_ranks=ranks, special_tokens={"<|end|>": 256})
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {"o200k_base": encoding})
    return module


def test_tiktoken_counts_the_texts_of_a_body(tiktoken: Any) -> None:
    """By the encoding of its model; what looks like a special token is text."""
    assert token_counter("tiktoken")({"model": "gpt-4o-mini", "input": ["abc", "<|end|>"]}) == 10


def test_a_model_that_tiktoken_does_not_know_is_refused(tiktoken: Any) -> None:
    """A guess would be no better than the rule of thumb."""
    with pytest.raises(ValueError, match="no encoding for the model 'llama'"):
        token_counter("tiktoken")({"model": "llama", "input": "a"})


def test_an_encoding_that_would_be_downloaded_is_not(tiktoken: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The cache is empty, and nobody is asked."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    with pytest.raises(MissingDependency, match="cl100k_base is not on this machine"):
        token_counter("tiktoken")({"model": "gpt-4", "input": "a"})
