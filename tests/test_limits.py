"""The limits of the services: their values and their sources."""

import dataclasses
import json
from typing import get_args

import pyarrow as pa
import pytest

import batchfiles
from batchfiles.limits import (
    AZURE,
    DASHSCOPE,
    FIREWORKS,
    MISTRAL,
    NEBIUS,
    NONE,
    OPENAI,
    PROFILES,
    TOGETHER,
    VLLM,
    Limits,
    LimitsLike,
    profile,
)


def test_openai_refuses_above_200_mib_and_warns_above_200_mb():
    """The guide has 200 MB, the refusal comes at 200 MiB."""
    assert (OPENAI.warn_bytes, OPENAI.max_bytes) == (200_000_000, 209_715_200)


def test_openai_takes_50000_requests_and_50000_embedding_inputs():
    """Both limits are 50,000, and they are two limits."""
    assert (OPENAI.max_requests, OPENAI.max_embedding_inputs) == (50_000, 50_000)
    assert OPENAI.max_embedding_items_per_request == 2048


def test_openai_documents_eight_endpoints():
    """An endpoint is known by its whole name."""
    assert len(OPENAI.known_urls) == 8
    assert OPENAI.knows_url("/v1/responses")
    assert not OPENAI.knows_url("/responses")
    assert not OPENAI.knows_url("/v1/score")


def test_azure_takes_urls_with_and_without_v1():
    """The dated API has no /v1, the newer one has."""
    assert AZURE.max_requests == 100_000
    assert AZURE.knows_url("/chat/completions")
    assert AZURE.knows_url("/v1/chat/completions")


def test_vllm_has_no_limits_and_takes_mixed_urls_by_their_ends():
    """With any path before /score or /rerank."""
    assert VLLM.max_requests is VLLM.max_bytes is None
    assert not VLLM.one_url
    assert not VLLM.one_model
    assert VLLM.knows_url("/v2/rerank")
    assert VLLM.knows_url("/score")
    assert not VLLM.knows_url("/v1/videos")


def test_together_takes_short_lines_with_short_ids():
    """50,000 requests, 100 MB, ids of 64 characters, lines of custom_id and body."""
    assert (TOGETHER.max_requests, TOGETHER.warn_bytes, TOGETHER.max_custom_id_length) == (50_000, 100_000_000, 64)
    assert TOGETHER.short_lines
    assert FIREWORKS.short_lines
    assert not MISTRAL.short_lines  # it accepts a method and a url too


def test_dashscope_has_a_longest_line_and_one_thinking_mode():
    """The only service that documents either."""
    assert DASHSCOPE.max_line_bytes == 6 * 1024 * 1024
    assert DASHSCOPE.same_in_every_body == {"enable_thinking"}


def test_nebius_takes_the_most_requests():
    """Five million in 10 GB."""
    assert (NEBIUS.max_requests, NEBIUS.warn_bytes) == (5_000_000, 10_000_000_000)


@pytest.mark.parametrize("limits", PROFILES.values(), ids=PROFILES)
def test_every_source_says_how_sure_it_is(limits: Limits):
    """Documented, seen, from somebody's source, claimed, or unverified."""
    for name, words in limits.sources.items():
        assert any(sure in words for sure in ("documented", "seen", "source", "claimed", "unverified", "refusal")), name


def test_none_knows_every_url_and_has_no_rule():
    """The profile for files of no service in particular."""
    assert NONE.knows_url("/anything")
    assert Limits(name="none") == NONE


@pytest.mark.parametrize("limits", PROFILES.values(), ids=PROFILES)
def test_every_rule_has_its_source(limits: Limits):
    """A field that differs from NONE has a sentence, and a field without a rule has none."""
    ruled = {
        field.name
        for field in dataclasses.fields(Limits)
        if field.name not in {"name", "sources"} and getattr(limits, field.name) != getattr(NONE, field.name)
    }
    assert set(limits.sources) == ruled


def test_profiles_are_found_by_name_in_any_case():
    """`--limits OpenAI` works."""
    assert profile("OpenAI") is OPENAI
    assert profile("none") is NONE


def test_an_unknown_profile_names_those_that_are_known():
    """The message is the help."""
    with pytest.raises(ValueError, match="unknown limits 'acme'; expected openai, azure, together"):
        profile("acme")


def test_limits_are_accepted_by_name(tmp_path):
    """A misspelt name is an error with the nearest one, in every function."""
    calls = {
        "validate": lambda limits: batchfiles.validate(tmp_path / "r.jsonl", limits=limits),
        "split": lambda limits: batchfiles.split(tmp_path / "r.jsonl", output=tmp_path / "parts", limits=limits, overwrite=True),
        "writer": lambda limits: batchfiles.InputWriter(tmp_path / "w.jsonl", limits=limits),
        "prepare": lambda limits: batchfiles.prepare(
            pa.table({"id": ["a"]}),
            tmp_path / "p.jsonl",
            template={"url": "/chat/completions", "body": {"model": "m", "messages": [{"role": "user", "content": "{{id}}"}]}},
            id_template="{{id}}",
            limits=limits,
        ),
        "plan_run": lambda limits: batchfiles.plan_run(tmp_path / "r.jsonl", limits=limits),
    }
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    line = {"custom_id": "a", "method": "POST", "url": "/chat/completions", "body": body}
    (tmp_path / "r.jsonl").write_text(json.dumps(line) + "\n")
    for call in calls.values():
        call("azure")
        with pytest.raises(ValueError, match=r"unknown limits 'azur'; did you mean 'azure'\?"):
            call("azur")
        with pytest.raises(TypeError, match="limits are the name of a profile"):
            call(7)
    assert batchfiles.validate(tmp_path / "r.jsonl", limits="azure").limits == "azure"


def test_every_profile_can_be_named():
    """The names in the annotation are those of the profiles: an editor offers them all."""
    assert get_args(get_args(LimitsLike)[1]) == tuple(PROFILES)


def test_the_repr_of_limits_is_short():
    """It is in the signature of functions, where every rule of a profile once took ten lines."""
    assert repr(NONE) == "Limits('none')"
    words = repr(OPENAI)
    assert words.startswith("Limits('openai', max_requests=50_000, max_bytes=209_715_200, max_embedding_inputs=50_000")
    assert max(len(repr(limits)) for limits in PROFILES.values()) < 200


def test_limits_are_hashable_values():
    """They can be keys and defaults, and are not changed by accident."""
    assert len({OPENAI, AZURE, VLLM, NONE}) == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        OPENAI.max_requests = 1
