"""Prices: the file, the alias of a snapshot, and exact sums."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import FileError
from batchfiles.jobs.price_file import price_of, read_prices, to_toml
from batchfiles.jobs.prices import Price, Prices, alias_of, total

AMOUNTS = st.decimals(0, 1000, places=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def write(path: Path, text: str) -> Path:
    """Write a file of prices."""
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_prices(tmp_path: Path) -> None:
    """Numbers keep their digits, also in quotes; an empty place is no price."""
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
    """Cached tokens are part of the input, and have a price of their own where there is one."""
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
        ("gpt-4-0613", "gpt-4-0613"),
        ("2024-07-18", "2024-07-18"),
        ("ft:gpt-4o-mini-2024-07-18:us::x", "ft:gpt-4o-mini-2024-07-18:us::x"),
    ],
)
def test_a_dated_snapshot_has_an_alias(model: str, alias: str) -> None:
    """A fine-tuned model has prices of its own."""
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
        ("[models.m]\ninput = -1\n", "models.\"m\".input: '-1' is no number from 0 on"),
        ("[models.m]\ninput = true\n", "is no number"),
        ('[models.m]\ninput = "cheap"\n', "is no number"),
        ("[models.m]\ninput = nan\n", "is no number"),
        ("[models.m]\ninput = 1e-99\n", "more than 30 digits"),
        ("[models.m]\ninputs = 1\n", "there is no 'inputs' here, but input, cached_input, output"),
        ("[models.gpt-4.1]\ninput = 1\n", "a name with a dot in it needs quotes"),
        ("[prices]\n", "there is no 'prices' here, but currency, batch_discount, models"),
        ("models = 1\n", 'tables such as [models."gpt-4o-mini"]'),
        ("[models]\nm = 1\n", "a model has a table with input"),
        ("currency = 1\n", "currency"),
        ("batch_discount = 50\n", "a share from 0 to 1"),
        ("[models\n", "it is no TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """People write these files by hand."""
    path = write(tmp_path / "prices.toml", text)
    with pytest.raises(ValueError, match=r"prices\.toml: ") as caught:
        read_prices(path)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    """The one is an error of the disk, the other of its content."""
    with pytest.raises(FileError, match="no such file"):
        read_prices(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b'currency = "\xa3"')
    with pytest.raises(ValueError, match="not UTF-8"):
        read_prices(tmp_path / "latin.toml")


def test_a_file_to_fill_in_has_a_place_for_each_model_under_its_alias() -> None:
    """What is known already stays."""
    known = Prices({"gpt-4o": Price(Decimal("2.50"), Decimal(10))}, "USD", Decimal("0.5"))
    text = to_toml(known, ["gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"])
    assert text.count("[models.") == 2
    assert '[models."gpt-4o"]\ninput = 2.50\ncached_input = ""\noutput = 10\n' in text
    assert '[models."gpt-4o-mini"]\ninput = ""\ncached_input = ""\noutput = ""\n' in text


@given(st.dictionaries(TEXTS, st.builds(Price, *[st.none() | AMOUNTS] * 3)), st.none() | TEXTS, st.decimals(0, 1, places=3))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, models: dict[str, Price], currency: str | None, discount: Decimal
) -> None:
    """Whatever models are called: quotes, line ends, emoji."""
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    prices = Prices(models, currency, discount)
    path.write_text(to_toml(prices), encoding="utf-8", newline="")
    assert read_prices(path) == prices


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
