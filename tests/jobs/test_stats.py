"""Stats: counts, tokens, costs."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles import MismatchError, Price, Prices, TruncatedFileError, stats
from batchfiles.jobs.stats.price import Tier
from tests.jobs.wire import completion, expired, failure, put, request, result, success

FIXTURES = Path(__file__).parents[2] / "fixtures"


def answered(
    custom_id: str, inputs: Any, outputs: Any, *, model: str | None = "gpt-x-1", cached: Any = 0, **details: Any
) -> bytes:
    """Make the line of an answer with its usage."""
    body = completion(**details) | {
        "model": model,
        "usage": {
            "prompt_tokens": inputs,
            "completion_tokens": outputs,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }
    return result(custom_id, body)


def test_requests_and_results_are_distinguished_and_counted(tmp_path: Path) -> None:
    """In any order and mix, as a folder holds them."""
    put(tmp_path / "a_output.jsonl", success("1", "Hello"), success("2"))
    put(tmp_path / "b_error.jsonl", failure("3"), expired("4"))
    put(tmp_path / "requests.jsonl", *(request(str(number), messages=[]) for number in range(5)))
    (tmp_path / "z_error.jsonl").touch()
    found = stats(tmp_path)
    assert [(Path(file.name).name, file.role, file.lines) for file in found.files] == [
        ("a_output.jsonl", "results", 2),
        ("b_error.jsonl", "results", 2),
        ("requests.jsonl", "inputs", 5),
        ("z_error.jsonl", "empty", 0),
    ]
    assert [file.bytes for file in found.files] == [path.stat().st_size for path in sorted(tmp_path.iterdir())]
    assert (found.requests.count, found.results.count) == (5, 4)
    assert found.requests.endpoints == {"/v1/chat/completions": 5}
    assert found.results.endpoints == {"/v1/chat/completions": 2, None: 2}
    assert found.results.outcomes == {"succeeded": 2, "failed": 1, "expired": 1}
    assert found.results.text_characters is not None
    assert found.results.text_characters.total == len("Hello" + "Hi")


def test_tokens_are_summed_by_the_model_that_answered(tmp_path: Path) -> None:
    """A snapshot is another model than its alias."""
    path = put(
        tmp_path / "out.jsonl",
        answered("1", 10, 5, cached=8),
        answered("2", 1, 2),
        answered("3", 100, 200, model="gpt-y"),
    )
    models = stats(path).results.models
    assert [(each.model, each.results, each.input_tokens, each.cached_tokens, each.output_tokens) for each in models] == [
        ("gpt-x-1", 2, 11, 8, 7),
        ("gpt-y", 1, 100, 0, 200),
    ]


@pytest.mark.parametrize(
    ("inputs", "outputs", "cached", "left_out"),
    [("10", 5.5, 0, 2), (2**70, 2**63, 0, 2), (-1, 5, -3, 2), (True, 5, [], 2), (3, 4, 5, 0), (None, None, None, 0)],
)
def test_token_counts_that_are_in_no_sum_are_counted(
    tmp_path: Path, inputs: Any, outputs: Any, cached: Any, left_out: int
) -> None:
    """They were left out of sums and cost, and the report did not mention it."""
    path = put(tmp_path / "out.jsonl", answered("1", inputs, outputs, cached=cached), answered("2", 1, 2))
    assert stats(path).results.token_conversion_errors == left_out


def test_only_values_that_a_sum_would_take_are_token_conversion_errors(tmp_path: Path) -> None:
    """A total is not summed, and a time is not a token count; a `usage` that is not an object is one value."""
    total = completion(created="soon") | {"usage": {"prompt_tokens": 1, "total_tokens": "2"}}
    assert stats(put(tmp_path / "out.jsonl", result("1", total))).results.token_conversion_errors == 0
    assert stats(put(tmp_path / "out.jsonl", result("1", completion() | {"usage": "free"}))).results.token_conversion_errors == 1


def test_a_token_count_too_large_for_a_float_is_in_a_line_that_is_counted(tmp_path: Path) -> None:
    """1e400 is null after reading, so no conversion fails; its tokens were left out of the sums without a word."""
    huge = answered("1", 7, 2).replace(b'"prompt_tokens": 7', b'"prompt_tokens":1e400')
    put(tmp_path / "r_output.jsonl", huge, answered("2", 5, 5))
    put(tmp_path / "r.jsonl", request("1", seed=0).replace(b'"seed": 0', b'"seed":NaN'), request("2"))
    found = stats(tmp_path)
    assert (found.repaired_lines, found.results.models[0].input_tokens) == (2, 5)
    assert "2 lines in JSON that is not strict, read anyway: half a surrogate pair" in str(found)


def test_results_that_name_no_model_are_the_requests_own_if_that_is_one_for_all(tmp_path: Path) -> None:
    """A failure does not name the model that failed."""
    results = put(tmp_path / "out.jsonl", failure("1"), answered("2", 3, 4, model=None))
    one = put(tmp_path / "one.jsonl", request("1"), request("2"))
    two = put(tmp_path / "two.jsonl", request("1"), request("2", model="gpt-z"))
    assert [(each.model, each.results, each.input_tokens) for each in stats(results, one).results.models] == [("gpt-x", 2, 3)]
    assert [(each.model, each.results, each.input_tokens) for each in stats(results, two).results.models] == [(None, 2, 3)]
    assert [each.model for each in stats(results).results.models] == [None]


def test_superseded_results_are_billed_too(tmp_path: Path) -> None:
    """Two answers to one request are two answers on the bill."""
    put(tmp_path / "requests.jsonl", request("1"))
    put(tmp_path / "first_output.jsonl", answered("1", 10, 5, finish_reason="length"))
    put(tmp_path / "second_output.jsonl", answered("1", 10, 50))
    found = stats(tmp_path, prices=Prices({"gpt-x-1": Price(Decimal(1), Decimal(2))}))
    assert found.results.models[0].output_tokens == 55
    assert found.cost == Decimal(20 + 110) / 1_000_000


def test_a_model_without_a_price_is_named_and_not_in_the_sum(tmp_path: Path) -> None:
    """Models without tokens need no price."""
    path = put(tmp_path / "out.jsonl", answered("1", 10, 5), answered("2", 10, 5, model="gpt-y"), failure("3"))
    found = stats(path, prices=Prices({"gpt-x-1": Price(Decimal(1), Decimal(2))}, "USD", Decimal("0.5")))
    assert (found.cost, found.without_price) == (Decimal("0.00001"), ("gpt-y",))
    assert (found.currency, found.batch_discount) == ("USD", Decimal("0.5"))
    assert stats(path, prices=Prices()).cost is None


def test_without_prices_costs_are_not_reported(tmp_path: Path) -> None:
    """None is built in."""
    found = stats(put(tmp_path / "out.jsonl", answered("1", 10, 5)))
    assert (found.cost, found.without_price, found.results.models[0].cost) == (None, (), None)


def test_before_anything_is_sent_tokens_are_estimated(tmp_path: Path) -> None:
    """With a limit in each request there is an upper bound of the cost."""
    path = put(tmp_path / "requests.jsonl", *(request(str(number), prompt="abcd" * 100, max_tokens=50) for number in range(10)))
    prices = Prices({"gpt-x": Price(Decimal(1), Decimal(2))})
    (estimate,) = stats(path, prices=prices).requests.models
    assert (estimate.requests, estimate.input_tokens, estimate.output_tokens_at_most) == (10, 1000, 500)
    assert (estimate.input_cost, estimate.cost_at_most) == (Decimal("0.001"), Decimal("0.002"))
    put(path, request("1", max_tokens=50), request("2"))
    (estimate,) = stats(path, prices=prices).requests.models
    assert (estimate.output_tokens_at_most, estimate.without_limit, estimate.cost_at_most) == (50, 1, None)


def test_what_can_not_be_read_is_counted_and_named_and_costs_nothing_else(tmp_path: Path) -> None:
    """Blank lines belong to no model."""
    requests = put(tmp_path / "in.jsonl", request("1"), b"{", b"", request("2"))
    results = put(tmp_path / "out.jsonl", success("1"), b'{"id": "b", "custom_id": "2", "resp', success("3"))
    found = stats(requests, results)
    assert (found.requests.count, found.requests.malformed, found.blank_lines) == (2, 1, 1)
    assert found.results.outcomes == {"succeeded": 2, "malformed": 1}
    assert found.malformed == (f"{requests}:2", f"{results}:2")


def test_a_line_that_is_too_long_is_malformed_on_its_own_side(tmp_path: Path) -> None:
    """The lines around it count."""
    requests = put(tmp_path / "in.jsonl", request("1"), request("2", prompt="x" * 9000), request("3"))
    results = put(tmp_path / "out.jsonl", success("1"), success("2", "x" * 9000))
    found = stats(requests, results, max_line_bytes=5000)
    assert (found.requests.count, found.requests.malformed) == (2, 1)
    assert found.results.outcomes == {"succeeded": 1, "malformed": 1}
    assert found.malformed == (f"{requests}:2", f"{results}:2")


def test_streams_and_compressed_files_are_read_once_without_a_copy(tmp_path: Path) -> None:
    """Sizes are those of the plain bytes."""
    data = answered("1", 10, 5)
    packed = tmp_path / "out.jsonl.gz"
    packed.write_bytes(gzip.compress(data))
    done: list[tuple[int, int | None]] = []
    found = stats(packed, io.BytesIO(data + b"\n"), progress=lambda *step: done.append(step))
    assert found.results.models[0].input_tokens == 20
    assert [file.bytes for file in found.files] == [len(data), len(data) + 1]
    assert done[-1] == (2 * (len(data) + 1), None)


def test_a_damaged_file_has_no_sums(tmp_path: Path) -> None:
    """A bill that leaves out half a file is wrong."""
    packed = tmp_path / "out.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\n".join(answered(str(number), 10, 5) for number in range(9999)))[:-100])
    with pytest.raises(TruncatedFileError):
        stats(packed)


def test_another_services_file_is_refused() -> None:
    """Its tokens are in another object."""
    with pytest.raises(MismatchError, match="Anthropic"):
        stats(FIXTURES / "other_providers" / "anthropic_results.jsonl")
    with pytest.raises(TypeError):
        stats()


def test_memory_does_not_grow_with_the_names_in_the_data(tmp_path: Path) -> None:
    """After a thousand models the rest is counted together."""
    path = put(tmp_path / "out.jsonl", *(answered(str(number), 1, 0, model=f"model-{number}") for number in range(1500)))
    models = stats(path).results.models
    assert len(models) == 1001
    assert {each.model: each.results for each in models}["(other)"] == 500
    assert sum(each.input_tokens for each in models) == 1500


def test_the_whole_of_it_is_plain_values_for_json(tmp_path: Path) -> None:
    """Amounts are strings with every digit."""
    path = put(tmp_path / "out.jsonl", answered("1", 1, 0), failure("2"))
    value = stats(path, prices=Prices({"gpt-x-1": Price(Decimal("0.123456789"))})).to_dict()
    assert json.loads(json.dumps(value))["cost"] == "0.000000123456789"
    assert value["results"]["endpoints"] == {"/v1/chat/completions": 1, "": 1}
    assert value["results"]["text_characters"]["p50"] == 2


COUNTS = st.integers(0, 2**40) | st.none() | st.just("7") | st.just(1.5)
LINES = st.one_of(
    st.builds(
        lambda number, *counts: answered(str(number), counts[0], counts[1], cached=counts[2]),
        st.integers(0, 5),
        COUNTS,
        COUNTS,
        COUNTS,
    ),
    st.builds(lambda number: failure(str(number)), st.integers(0, 5)),
    st.builds(lambda number: answered(str(number), 3, 4, finish_reason="length"), st.integers(0, 5)),
    st.just(b"{"),
)


@given(st.lists(LINES), st.lists(LINES), st.integers(0, 6))
def test_tokens_are_those_of_the_joined_table_and_of_the_results_that_it_leaves_out(
    first: list[bytes], second: list[bytes], requests: int
) -> None:
    """A join has one result for each request; the bill has all of them."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        put(
            place / "requests.jsonl",
            request("never answered"),
            request("always"),
            *(request(str(number)) for number in range(requests)),
        )
        put(place / "a_output.jsonl", success("nobody"), success("always"), *first)
        put(place / "b_output.jsonl", success("nobody"), *second)
        joined = batchfiles.join(place)
        table = joined.to_arrow()
        rejects = place / "rejects"
        joined.write_rejects(rejects)
        left_out = list(batchfiles.export(rejects)) if rejects.stat().st_size else []
        usages = stats(*sorted(place.glob("*.jsonl"))).results.models
    for column in ("input_tokens", "output_tokens", "cached_tokens"):
        values = [*table.column(column).to_pylist(), *(row[column] for row in left_out)]
        assert sum(getattr(usage, column) for usage in usages) == sum(value or 0 for value in values)


def used(custom_id: str, usage: dict[str, Any] | None, model: str = "gpt-x-1") -> bytes:
    """Make the line of an answer with this usage."""
    return result(custom_id, completion() | {"model": model, "usage": usage})


def test_reasoning_beside_completion_is_billed(tmp_path: Path) -> None:
    """The counts of xAI in Wei-Shaw/sub2api#5771, which were billed 0.0232856; `stats` said 0.0162631."""
    usage = {
        "prompt_tokens": 10120,
        "completion_tokens": 1499,
        "total_tokens": 14428,
        "prompt_tokens_details": {"cached_tokens": 128},
        "completion_tokens_details": {"reasoning_tokens": 2809},
    }
    prices = Prices({"gpt-x-1": Price(Decimal("1.25"), Decimal("2.50"), Decimal("0.20"))})
    found = stats(put(tmp_path / "out.jsonl", success("0"), used("1", usage)), prices=prices)
    assert found.cost == Decimal("0.0232856")
    assert found.results.models[0].output_tokens == 4308
    assert (found.results.no_token_counts, found.results.token_sum) == (1, 0)


def test_answers_whose_counts_are_missing_or_do_not_add_up_are_counted(tmp_path: Path) -> None:
    """Their cost is unknown, and the report shows it; a failure took nothing."""
    path = put(
        tmp_path / "out.jsonl",
        used("1", None),
        used("2", {}),
        used("3", {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}),
        failure("4"),
    )
    results = stats(path).results
    assert (results.no_token_counts, results.token_sum) == (2, 1)
    report = batchfiles.export(path).summarize()
    assert (report.no_token_counts, report.token_sum) == (2, 1)


def test_cache_writes_and_sound_have_prices_or_are_named(tmp_path: Path) -> None:
    """A quarter more for cache writes, twenty times as much for audio: both were silently priced as text."""
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 400, "audio_tokens": 200},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 50},
    }
    path = put(tmp_path / "out.jsonl", used("0", None), used("1", usage))
    plain = Price(Decimal(1), Decimal(10))
    found = stats(path, prices=Prices({"gpt-x-1": plain}))
    assert found.cost == Decimal("0.002")
    assert found.tokens_without_own_price == {"cache_write": 400, "audio_input": 200, "audio_output": 50}
    (usage_of_model,) = found.results.models
    assert usage_of_model.cache_write_tokens == 400
    assert usage_of_model.other_tokens == {"audio_input": 200, "audio_output": 50}
    own = replace(plain, cache_write=Decimal("1.25"), audio_input=Decimal(20), audio_output=Decimal(200))
    found = stats(path, prices=Prices({"gpt-x-1": own}))
    assert found.cost == Decimal("0.0154")
    assert found.tokens_without_own_price == {}


def big(custom_id: str, inputs: int, **names: Any) -> bytes:
    """Make the line of an answer to a large prompt."""
    return used(custom_id, {"prompt_tokens": inputs, "completion_tokens": 0, "total_tokens": inputs}, **names)


def test_each_request_is_in_its_tier(tmp_path: Path) -> None:
    """Two requests of 200,000 tokens are not one of 400,000."""
    path = put(tmp_path / "out.jsonl", big("1", 200_000), big("2", 200_000), big("3", 300_000))
    tier = Tier(272_000, Price(Decimal(4)))
    found = stats(path, prices=Prices({"gpt-x-1": Price(Decimal(2), tiers=(tier,))}))
    assert found.cost == Decimal("0.8") + Decimal("1.2")
    assert found.above_tiers == {}


def test_large_requests_of_models_without_a_tier_are_counted(tmp_path: Path) -> None:
    """Their prices are probably too low."""
    path = put(tmp_path / "out.jsonl", big("1", 272_000), big("2", 272_001), big("3", 128_000), big("4", 900_000, model="other"))
    found = stats(path, prices=Prices({"gpt-x-1": Price(Decimal(2))}))
    assert found.above_tiers == {"128000": 2, "200000": 2, "272000": 1}
    assert stats(path).above_tiers == {}


def test_results_without_a_model_are_in_the_tiers_of_the_requests_model(tmp_path: Path) -> None:
    """Whether they are read before the requests or after."""
    line = result("1", {key: value for key, value in completion().items() if key != "model"} | {
        "usage": {"prompt_tokens": 300_000, "completion_tokens": 0, "total_tokens": 300_000}})  # fmt: skip
    results, requests = put(tmp_path / "out.jsonl", success("0"), line), put(tmp_path / "in.jsonl", request("1"))
    prices = Prices({"gpt-x": Price(Decimal(2), tiers=(Tier(272_000, Price(Decimal(4))),))})
    for order in ((results, requests), (requests, results)):
        models = {each.model: each.cost for each in stats(*order, prices=prices).results.models}
        assert models["gpt-x"] == Decimal("1.2")


def test_whose_prices_they_are(tmp_path: Path) -> None:
    """The file with its date, the package with its version; the alias whose price is taken is named."""
    path = put(
        tmp_path / "out.jsonl",
        big("1", 10, model="gpt-4o-mini-2024-07-18"),
        big("2", 10, model="gpt-5.6"),
        big("3", 10, model="x"),
    )
    file = tmp_path / "prices.toml"
    file.write_text("date = 2026-11-20\n[models.gpt-4o-mini]\ninput = 1\n")
    found = stats(path, prices=[file, "genai"])
    assert [each.price_of for each in found.results.models] == ["gpt-4o-mini", "openai/gpt-5.6-sol", None]
    assert found.price_sources[0].endswith("prices.toml of 2026-11-20")
    assert found.price_sources[1].startswith("genai-prices ")
    assert found.without_price == ("x",)
    json.dumps(found.to_dict())


@pytest.mark.parametrize("ends", [b"\n", b" \r\n"])
def test_a_retry_file_beside_its_requests_counts_nothing_twice(tmp_path: Path, ends: bytes) -> None:
    """It repeats lines of the requests, except white space at their ends, which `stats` counted twice and `join` did not."""
    lines = [request(str(number), messages=[{"role": "user", "content": "x" * 40}]) for number in range(5)]
    put(tmp_path / "requests.jsonl", *lines)
    alone = batchfiles.stats(tmp_path / "requests.jsonl")
    (tmp_path / "retry.jsonl").write_bytes(ends.join([lines[3], lines[1], request("9"), b""]))
    put(tmp_path / "retry_output.jsonl", success("3"))
    found = batchfiles.stats(tmp_path)
    assert (found.requests.count, found.repeated_inputs) == (6, 2)
    assert found.requests.models[0].input_tokens == alone.requests.models[0].input_tokens
    assert [file.lines for file in found.files] == [5, 3, 1]
    assert found.requests.count + found.repeated_inputs == sum(file.lines for file in found.files if file.role == "inputs")
    assert found.to_dict()["repeated_inputs"] == 2
    assert batchfiles.join(tmp_path).summarize().repeated_inputs == 2


def test_parts_of_a_campaign_are_batches_of_their_own_and_its_retries_are_not(tmp_path: Path) -> None:
    """Equal lines in two parts are two requests; a retry file repeats requests even where its lines were changed."""
    campaign = tmp_path / "campaign"
    batchfiles.split(put(tmp_path / "requests.jsonl", request("1"), request("1")), output=campaign, max_requests=1)
    assert batchfiles.stats(campaign).requests.count == 2
    put(campaign / "requests-00001_output.jsonl", failure("1", 500))
    put(campaign / "requests-00002_output.jsonl", success("1"))
    report = batchfiles.retry(campaign, output=campaign, values={"body.seed": 1})
    assert report.written == 1
    found = batchfiles.stats(campaign)
    assert (found.requests.count, found.repeated_inputs) == (2, 1)


def test_an_answer_with_a_status_of_an_error_has_no_tokens_in_a_table_either(tmp_path: Path) -> None:
    """It is a failure, whose body is not read; from the body in the table its tokens were counted."""
    results = put(
        tmp_path / "out.jsonl",
        result("a", completion() | {"usage": {"prompt_tokens": 1000, "completion_tokens": 50}}, 500),
        success("b"),
    )
    table = tmp_path / "out.parquet"
    batchfiles.export(results).to_parquet(table)
    lines, rows = stats(results).to_dict()["results"], stats(table).to_dict()["results"]
    assert lines["models"] == rows["models"]
    assert lines["outcomes"] == rows["outcomes"] == {"failed": 1, "succeeded": 1}
