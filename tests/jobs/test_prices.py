"""Prices: the file, the alias of a snapshot, and exact sums."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import FileError, MissingDependencyError
from batchfiles.jobs.stats.price import Price, Tier, alias_of, price_of, to_toml
from batchfiles.jobs.stats.prices import GenaiPrices, Prices, prices_of, total

AMOUNTS = st.decimals(0, 1000, places=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def write(path: Path, text: str) -> Path:
    """Write a file of prices."""
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_prices(tmp_path: Path) -> None:
    """Numbers keep their digits, also in quotes; an empty cell is not a price."""
    path = write(
        tmp_path / "prices.toml",
        'currency = "EUR"\nbatch_discount = 0.5\n'
        '[models."gpt-4.1"]\ninput = 2.00\ncached_input = "0.50"\noutput = 8\n[models.other]\ninput = ""\n',
    )
    prices = Prices.read(path)
    assert prices == Prices(
        {"gpt-4.1": Price(Decimal("2.00"), Decimal(8), Decimal("0.50")), "other": Price()}, "EUR", Decimal("0.5")
    )


def test_the_parts_of_a_sum() -> None:
    """Cached tokens are part of the input, and have their own price if there is one."""
    price = Price(Decimal(2), Decimal(8), Decimal("0.5"))
    assert price.cost(1_000_000, 400_000, 500_000) == Decimal("1.2") + Decimal("0.2") + Decimal(4)
    assert price.cost(1_000_000, 400_000, 500_000, Decimal("0.5")) == Decimal("2.7")
    assert Price(Decimal(2), Decimal(8)).cost(1_000_000, 400_000, 0) == Decimal(2)


def test_tokens_without_a_price_have_no_cost_and_no_tokens_cost_nothing() -> None:
    """An unknown price is never 0."""
    assert Price(input=Decimal(2)).cost(10, 0, 1) is None
    assert Price(output=Decimal(2)).cost(10, 0, 0) is None
    assert Price(input=Decimal(2)).cost(10, 0, 0) == Decimal("0.00002")
    assert Price().cost(0, 0, 0) == 0
    assert Price(Decimal(0), Decimal(0)).cost(10, 5, 10) == 0


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.decimals(0, 1, places=4), st.tuples(*[st.integers(0, 2**70)] * 3))
def test_sums_are_exact(first: Decimal, cached: Decimal, last: Decimal, discount: Decimal, counts: tuple[int, int, int]) -> None:
    """As if it had been done with fractions."""
    inputs, cached_tokens, outputs = counts
    cached_tokens = min(inputs, cached_tokens)
    cost = Price(first, last, cached).cost(inputs, cached_tokens, outputs, discount)
    exact = (inputs - cached_tokens) * Fraction(first) + cached_tokens * Fraction(cached) + outputs * Fraction(last)
    assert cost is not None
    assert Fraction(cost) == exact * (1 - Fraction(discount)) / 1_000_000


def test_a_total_leaves_out_what_is_not_known() -> None:
    """But not if nothing is known: that would look like a small bill."""
    assert total([Decimal(1), None, Decimal("0.5")]) == Decimal("1.5")
    assert total([None, None]) is None
    assert total([]) == 0


@pytest.mark.parametrize(
    ("model", "alias"),
    [
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("claude-sonnet-20250219", "claude-sonnet"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("gpt-4-0613", "gpt-4"),
        ("kimi-k2-0905", "kimi-k2"),
        ("mistral-large-2411", "mistral-large"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "anthropic.claude-3-5-sonnet"),
        ("anthropic.claude-opus-4-20250514-v1", "anthropic.claude-opus-4"),
        ("gpt-4-9999", "gpt-4-9999"),
        ("gpt-4-20259999", "gpt-4-20259999"),
        ("text-embedding-3-4096", "text-embedding-3-4096"),
        ("gpt-4o-mini-v1:0", "gpt-4o-mini-v1:0"),
        ("2024-07-18", "2024-07-18"),
        ("ft:gpt-4o-mini-2024-07-18:us::x", "ft:gpt-4o-mini-2024-07-18:us::x"),
    ],
)
def test_a_dated_snapshot_has_an_alias(model: str, alias: str) -> None:
    """A fine-tuned model has its own prices."""
    assert alias_of(model) == alias


def test_a_snapshot_has_the_price_of_its_alias_unless_it_is_listed_itself() -> None:
    """Some snapshots have other prices than the rest."""
    alias, own = Price(Decimal(1), Decimal(2)), Price(Decimal(3), Decimal(4))
    prices = Prices({"gpt-4o": alias, "gpt-4o-2024-05-13": own})
    assert prices.price("gpt-4o-2024-08-06") == alias
    assert prices.price("gpt-4o-2024-05-13") == own
    assert prices.price("gpt-4") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.m]\ninput = -1\n", "models.\"m\".input: '-1' is not a number >= 0"),
        ("[models.m]\ninput = true\n", "is not a number"),
        ('[models.m]\ninput = "cheap"\n', "is not a number"),
        ("[models.m]\ninput = nan\n", "is not a number"),
        ("[models.m]\ninput = 1e-99\n", "more than 30 digits"),
        ("[models.m]\ninputs = 1\n", "unknown key 'inputs'; expected input, cached_input, output"),
        ("[models.gpt-4.1]\ninput = 1\n", "a name with a dot in it needs quotes"),
        ("[prices]\n", "unknown key 'prices'; expected currency, date, batch_discount, models"),
        ("models = 1\n", 'tables such as [models."gpt-4o-mini"]'),
        ("[models]\nm = 1\n", "a model has a table with input"),
        ("currency = 1\n", "currency"),
        ("batch_discount = 50\n", "a number from 0 to 1"),
        ("[models\n", "not valid TOML"),
    ],
)
def test_a_fault_in_a_file_is_reported_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """People write these files by hand."""
    path = write(tmp_path / "prices.toml", text)
    with pytest.raises(ValueError, match=r"prices\.toml: ") as caught:
        Prices.read(path)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    """The one is an error of the disk, the other of its content."""
    with pytest.raises(FileError, match="no such file"):
        Prices.read(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'currency = "\xa3"')
    with pytest.raises(ValueError, match="not UTF-8"):
        Prices.read(tmp_path / "latin.toml")


def test_a_file_to_fill_in_has_a_place_for_each_model_under_its_alias() -> None:
    """Known prices stay."""
    known = Prices({"gpt-4o": Price(Decimal("2.50"), Decimal(10))}, "USD", Decimal("0.5"))
    text = to_toml(known, ["gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"])
    assert text.count("[models.") == 2
    assert '[models."gpt-4o"]\ninput = 2.50\ncached_input = ""\noutput = 10\n' in text
    assert '[models."gpt-4o-mini"]\ninput = ""\ncached_input = ""\noutput = ""\n' in text


@given(st.dictionaries(TEXTS, st.builds(Price, *[st.none() | AMOUNTS] * 3)), st.none() | TEXTS, st.decimals(0, 1, places=3))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, models: dict[str, Price], currency: str | None, discount: Decimal
) -> None:
    """For any names of models: quotes, line ends, emoji."""
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    prices = Prices(models, currency, discount)
    path.write_text(to_toml(prices), encoding="utf-8", newline="")
    assert Prices.read(path) == prices


def test_a_price_on_the_command_line() -> None:
    """Input and output, or input alone; the model may have an equals sign in it."""
    assert price_of("gpt-4o-mini=0.15/0.60") == ("gpt-4o-mini", Price(Decimal("0.15"), Decimal("0.60")))
    assert price_of("text-embedding-3-small=0.02") == ("text-embedding-3-small", Price(Decimal("0.02")))
    assert price_of("a=b=1/2") == ("a=b", Price(Decimal(1), Decimal(2)))


@pytest.mark.parametrize("text", ["gpt-4o", "=1/2", "gpt-4o=", "gpt-4o=1/", "gpt-4o=1/2/3", "gpt-4o=a/b", "gpt-4o=-1/2"])
def test_a_price_that_is_none(text: str) -> None:
    """The sentence quotes it."""
    with pytest.raises(ValueError, match=r"gpt-4o|=1/2"):
        price_of(text)


def test_parts_with_their_own_price() -> None:
    """Cache writes cost more than other input, audio more than text; without their own price they cost the same."""
    price = Price(
        Decimal(2), Decimal(8), Decimal("0.5"), cache_write=Decimal("2.5"), audio_input=Decimal(40), audio_output=Decimal(80)
    )
    parts = {"cache_write": 200_000, "audio_input": 100_000, "audio_output": 300_000}
    cost = price.cost(1_000_000, 400_000, 500_000, parts=parts)
    assert cost == Decimal("0.2") + Decimal("0.5") + Decimal(4) + Decimal("0.6") + Decimal(24) + Decimal("1.6")
    plain = Price(Decimal(2), Decimal(8))
    assert plain.cost(1_000_000, 0, 500_000, parts=parts) == plain.cost(1_000_000, 0, 500_000)
    assert plain.cost(10, 0, 0, parts={"audio_input": 999}) == Decimal("0.00002")


def test_a_tier_is_for_requests_above_its_size() -> None:
    """All tokens of such a request have the price of the tier; prices that it does not name are those below it."""
    high = Tier(272_000, Price(Decimal(4), Decimal(12)))
    price = Price(Decimal(2), Decimal(8), Decimal("0.5"), tiers=(Tier(128_000, Price(Decimal(3))), high))
    assert price.at(128_000).input == Decimal(2)
    assert (price.at(128_001).input, price.at(272_000).output) == (Decimal(3), Decimal(8))
    assert (price.at(272_001).input, price.at(272_001).output, price.at(272_001).cached_input) == (4, 12, Decimal("0.5"))
    prices = Prices({"m": price})
    assert prices.cost("m", 300_000, 0, 0) == Decimal("0.6")
    assert prices.cost("m", 300_000, 0, 0, request_tokens=300_000) == Decimal("1.2")


def test_a_file_with_tiers_and_parts(tmp_path: Path) -> None:
    """One tier as a table, several as a list; whose prices they are, and of which date."""
    text = (
        'date = 2026-11-20\n[models.a]\ninput = 2\noutput = 8\ncache_write = 2.5\naudio_input = 40\nimage_output = "30"\n'
        "[models.a.tier]\nabove = 272000\ninput = 4\noutput = 12\n"
        "[models.b]\ninput = 1\n[[models.b.tier]]\nabove = 200000\ninput = 3\n[[models.b.tier]]\nabove = 128_000\ninput = 2\n"
    )
    prices = Prices.read(write(tmp_path / "prices.toml", text))
    assert prices.models["a"] == Price(
        Decimal(2),
        Decimal(8),
        cache_write=Decimal("2.5"),
        audio_input=Decimal(40),
        image_output=Decimal(30),
        tiers=(Tier(272_000, Price(Decimal(4), Decimal(12))),),
    )
    assert [tier.above for tier in prices.models["b"].tiers] == [128_000, 200_000]
    assert prices.source.endswith("prices.toml of 2026-11-20")
    again = Prices.read(write(tmp_path / "again.toml", to_toml(prices)))
    assert again == prices
    assert again.source.endswith("again.toml, without a date")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models.m]\ncache_wirte = 1\n", "did you mean 'cache_write'?"),
        ("[models.m]\ntiers = 1\n", "did you mean 'tier'?"),
        ("[models.m]\ntier = 1\n", 'models."m".tier: a tier is a table with above = 272000'),
        ("[models.m.tier]\ninput = 1\n", "a tier is a table with above"),
        ("[models.m.tier]\nabove = 0\n", "above: '0' is not a whole number >= 1"),
        ("[models.m.tier]\nabove = 1\nimput = 1\n", "did you mean 'input'?"),
        ("[models.m.tier]\nabove = 1\ninput = -1\n", "tier.input: '-1' is not a number >= 0"),
        ("date = 7\n", "date: it is a date"),
        ("curency = 'USD'\n", "did you mean 'currency'?"),
    ],
)
def test_a_fault_in_a_tier_or_a_key_is_reported(tmp_path: Path, text: str, words: str) -> None:
    """With the nearest valid name."""
    with pytest.raises(ValueError, match=r"prices\.toml: ") as caught:
        Prices.read(write(tmp_path / "prices.toml", text))
    assert words in str(caught.value)


def test_a_name_that_is_nearly_one_with_a_price() -> None:
    """A misspelt model in the file would only show as "no price"."""
    prices = Prices({"gpt-4o-mni": Price(Decimal(1))})
    assert prices.similar("gpt-4o-mini") == prices.similar("gpt-4o-mini-2024-07-18") == "gpt-4o-mni"
    assert prices.similar("claude-sonnet") is None


# Prices of the package genai-prices, from the snapshot that it ships


def test_prices_for_batches_are_taken_where_the_package_knows_them() -> None:
    """They include the discount, so that none is applied again."""
    found = GenaiPrices().find("gpt-4o-mini-2024-07-18")
    assert found is not None
    assert (found.price.input, found.price.output) == (Decimal("0.075"), Decimal("0.3"))
    assert (found.name, found.is_standard) == ("openai/gpt-4o-mini", False)
    assert re.fullmatch(r"genai-prices \d+\.\d+\.\d+ for 20\d\d-\d\d-\d\d", found.source)
    assert found.price.cost(1_000_000, 0, 0, Decimal("0.5")) == Decimal("0.075")


def test_tiers_and_cache_writes_of_the_package() -> None:
    """gpt-5.6 costs twice as much above 272,000 input tokens, and cache writes cost a quarter more."""
    price = GenaiPrices().find("gpt-5.6").price
    assert price.tiers[0].above == 272_000
    assert price.at(272_001).input == 2 * price.input
    assert price.cache_write == Decimal("1.25") * price.input


@pytest.mark.parametrize(
    ("provider", "model"),
    [("azure", "gpt-4o-mini"), ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"), (None, "text-embedding-3-small")],
)
def test_where_the_package_knows_no_price_for_batches_it_is_the_standard_price(provider: str | None, model: str) -> None:
    """It silently returns the full price; here this is reported, and the user's discount is subtracted."""
    found = GenaiPrices(provider).find(model)
    assert found is not None
    assert (found.is_standard, found.price.is_batch_price) == (True, False)
    assert found.price.cost(10**6, 0, 0, Decimal("0.5")) * 2 == found.price.input


def test_a_prefix_names_the_provider_and_an_unknown_model_has_no_price() -> None:
    """Gateways call models so."""
    prices = GenaiPrices()
    assert prices.find("openai/gpt-5").name == "openai/gpt-5"
    assert prices.find("no-such-model") is None
    with pytest.raises(ValueError, match="genai-prices knows no provider 'nobody'"):
        GenaiPrices("nobody")


def test_the_users_own_file_goes_before_the_package(tmp_path: Path) -> None:
    """Each model has the source of its price."""
    path = write(tmp_path / "prices.toml", "[models.gpt-4o-mini]\ninput = 7\n")
    for several in ([path, "genai"], ["genai", path]):
        prices = prices_of(several)
        assert prices.find("gpt-4o-mini-2024-07-18")[:2] == (Price(Decimal(7)), "gpt-4o-mini")
        assert prices.find("gpt-5.6").name == "openai/gpt-5.6-sol"
        assert prices.currency == "USD"
    with pytest.raises(ValueError, match="not two files"):
        prices_of([path, path])
    euros = write(tmp_path / "euros.toml", 'currency = "EUR"\n[models.m]\ninput = 7\n')
    with pytest.raises(ValueError, match="'EUR' and 'USD' can't be summed"):
        prices_of([euros, "genai"])


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(MissingDependencyError, match=r"needs genai-prices: pip install 'genai-prices>="):
        prices_of("genai")


def test_prices_may_be_a_dict() -> None:
    """`stats(prices={…})` said that there is no file called like the model."""
    found = prices_of({"gpt-4o-mini": "0.15/0.60", "other": Price(Decimal(1), Decimal(2)), "embeds": "0.02"})
    assert found.models["gpt-4o-mini"] == Price(Decimal("0.15"), Decimal("0.60"))
    assert found.models["other"].output == 2
    assert found.models["embeds"].output is None
    with pytest.raises(TypeError, match=r"the price of 'm' is 'INPUT/OUTPUT' per million tokens, such as '0.15/0.60'"):
        prices_of({"m": 5})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="is not MODEL=INPUT/OUTPUT"):
        prices_of({"m": "1/2/3"})
