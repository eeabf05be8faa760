"""`batchfiles stats`: what it prints where, and how it exits."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from batchfiles.cli.main import exit_code
from batchfiles.jobs.stats.price import money
from tests.jobs.wire import completion, put, result

ROOT = Path(__file__).parents[2]
CHAT = str(ROOT / "fixtures" / "chat_completions")
REQUESTS = f"{CHAT}/requests.jsonl"

Outcome = tuple[int, str, str]
PRICES = """\
currency = "USD"
batch_discount = 0.5
[models."gpt-4o-mini"]
input = 1
output = 10
"""


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run `batchfiles stats` in this process; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> Outcome:
        code = exit_code(["stats", *map(str, arguments)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Write a file of prices."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    return path


def cells(out: str, first: str) -> list[str]:
    """Return the cells of the line that begins with a word."""
    return next(line.split() for line in out.splitlines() if line.split()[:1] == [first])


def test_a_folder_is_counted_in_tables_on_standard_output(ask: Callable[..., Outcome]) -> None:
    """Files, outcomes, tokens, lengths; no cost without prices."""
    code, out, err = ask(CHAT)
    assert (code, err) == (0, "")
    assert cells(out, "requests")[1:] == ["16", "in", "1", "file,", "6.3", "kB,", "/v1/chat/completions"]
    assert cells(out, "succeeded")[1:] == ["8", "53.3%"]
    assert cells(out, "gpt-4o-mini-2024-07-18")[1:] == ["11", "3,484", "1,024", "236", "0"]
    assert cells(out, "all")[1:] == ["15", "3,484", "1,024", "236", "0"]
    assert cells(out, "length")[1:] == ["count", "min", "50%", "90%", "99%", "max"]
    assert "cost" not in out


def test_a_file_of_prices_makes_a_column_of_costs(ask: Callable[..., Outcome], prices: Path) -> None:
    """With the discount, which is reported."""
    code, out, err = ask(CHAT, "--prices", prices)
    assert code == 0
    assert cells(out, "gpt-4o-mini-2024-07-18")[-1] == "0.002922"
    assert "cost (USD)" in out
    assert "batch discount 50%" in err


def test_a_single_price_and_discount_go_before_the_file(ask: Callable[..., Outcome], prices: Path) -> None:
    """So that one can try what another would cost."""
    _, out, _ = ask(CHAT, "--prices", prices, "--price", "gpt-4o-mini=2/20", "--batch-discount", "0", "--json")
    assert json.loads(out)["cost"] == "0.011688"
    _, out, _ = ask(CHAT, "--price", "gpt-4o-mini=2/20", "--json")
    assert json.loads(out)["cost"] == "0.011688"


@pytest.mark.parametrize(
    ("discount", "percent"), [("1", "100%"), ("1.00", "100%"), ("0.1", "10%"), ("0.125", "12.5%"), ("0.001", "0.1%"), ("0", "0%")]
)
def test_the_discount_is_told_in_percent(ask: Callable[..., Outcome], discount: str, percent: str) -> None:
    """A discount of 1 was shown as 1%, because the zeros of 100 were removed like those after a point."""
    assert f"batch discount {percent};" in ask(CHAT, "--price", "m=1/1", "--batch-discount", discount)[2]


def test_token_counts_that_are_none_are_told(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """They were left out of the sums, and so of the bill, without a word."""
    usage = {"prompt_tokens": "10", "completion_tokens": 5.5}
    path = put(tmp_path / "out.jsonl", result("1", completion() | {"usage": usage}))
    words = "2 token counts below 0, over 64 bits or not an integer: not in the sums"
    assert ask(path)[2] == f"{words}\n"
    assert f"{words}, nor in the cost\n" in ask(path, "--price", "gpt-x-1=1/1")[2]
    assert json.loads(ask(path, "--json")[1])["results"]["token_conversion_errors"] == 2


def test_an_unknown_price_is_told_and_never_0(ask: Callable[..., Outcome]) -> None:
    """In the table, and in a sentence."""
    code, out, err = ask(CHAT, "--price", "other=1/2")
    assert code == 0
    assert cells(out, "gpt-4o-mini-2024-07-18")[-2:] == ["no", "price"]
    assert cells(out, "all")[-2:] == ["no", "price"]
    assert "no price for gpt-4o-mini-2024-07-18: their cost is not in the sum" in err


def test_requests_alone_are_estimated(ask: Callable[..., Outcome], prices: Path) -> None:
    """A note says that these are estimates."""
    _, out, err = ask(REQUESTS, "--prices", prices)
    assert cells(out, "gpt-4o-mini")[1] == "16"
    assert "output at most  input cost (USD)  cost at most" in out
    assert "13 without limit" in out
    assert "estimated: one for each 4 bytes of text" in err


def test_the_file_to_fill_in_is_read_back(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Empty as it is, it means no price; it is not overwritten by chance."""
    path = tmp_path / "new.toml"
    code, _, err = ask(CHAT, "--write-prices", path)
    assert code == 0
    assert f"{path}: fill in the prices" in err
    assert path.read_text().count("[models.") == 1
    assert cells(ask(CHAT, "--prices", path)[1], "all")[-2:] == ["no", "price"]
    assert ask(CHAT, "--write-prices", path)[0] == 2
    path.write_text(path.read_text().replace('output = ""', "output = 7"))
    assert ask(CHAT, "--prices", path, "--write-prices", path, "--force")[0] == 0
    assert "output = 7" in path.read_text()


def test_the_file_to_fill_in_goes_down_a_pipe(ask: Callable[..., Outcome]) -> None:
    """Then nothing else goes to standard output."""
    code, out, _ = ask(CHAT, "--write-prices", "-")
    assert code == 0
    assert out.startswith("# Prices per million tokens.")
    assert "outcome" not in out
    assert ask(CHAT, "--write-prices", "-", "--json")[0] == 2


def test_json_is_one_object(ask: Callable[..., Outcome]) -> None:
    """For programs, without other text."""
    code, out, err = ask(CHAT, "--json")
    assert (code, err) == (0, "")
    value = json.loads(out)
    assert value["results"]["outcomes"]["succeeded"] == 8
    assert value["requests"]["models"][0]["requests"] == 16
    assert value["cost"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--price", "gpt-4o"], "is not MODEL=INPUT/OUTPUT"),
        (["--price", "gpt-4o=x/1"], "is not a number >= 0"),
        (["--batch-discount", "50"], "a number from 0 to 1"),
        (["--batch-discount", "half"], "is not a number >= 0"),
    ],
)
def test_prices_that_are_none_are_wrong_usage(ask: Callable[..., Outcome], options: list[str], words: str) -> None:
    """LabeledText before anything is read."""
    code, out, err = ask("/no/such/file", *options)
    assert (code, out) == (2, "")
    assert words in err


def test_errors_have_their_exit_codes(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """A file of prices that is none is wrong usage; a file that is not there is not."""
    (tmp_path / "prices.toml").write_text("[models.m]\ninput = -1\n")
    code, _, err = ask(CHAT, "--prices", tmp_path / "prices.toml")
    assert code == 2
    assert err.startswith(f"batchfiles: error: {tmp_path}/prices.toml: models.\"m\".input: '-1' is not a number >= 0")
    assert ask(CHAT, "--prices", tmp_path / "gone.toml")[0] == 3
    assert ask(tmp_path / "gone.jsonl")[0] == 3
    assert ask(ROOT / "fixtures/other_providers/gemini_results.jsonl")[0] == 2


def test_lines_that_can_not_be_read_are_named(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """And so is what was skipped."""
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"custom_id": "1", "body": {}}\n\n{\n')
    code, out, err = ask(path)
    assert code == 0
    assert f"1 line that can't be read: {path}:3" in err
    assert "1 blank line, skipped" in err
    assert "(no model named)" in out


def test_what_a_file_holds_can_not_write_on_the_terminal(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Models and urls come from anybody."""
    wicked = "\x1b[2J\n\u2028"
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"custom_id": "1", "url": wicked, "body": {"model": wicked}}) + "\n")
    _, out, err = ask(path, "--price", "m=1")
    assert r"\x1b[2J\n\u2028" in out
    assert (out + err).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "no price"),
        ("0", "0"),
        ("0.0000001", "<0.000001"),
        ("0.00012345", "0.0001234"),
        ("9.87654", "9.877"),
        ("12345.678", "12,345.68"),
    ],
)
def test_money_is_rounded_for_people(cost: str | None, text: str) -> None:
    """Nothing that costs something is written as 0."""
    assert money(None if cost is None else Decimal(cost)) == text


def chat(custom_id: str, model: str, inputs: int, outputs: int = 0, **more: object) -> bytes:
    """Make the line of an answer with its token counts."""
    usage = {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs, **more}
    return result(custom_id, completion() | {"model": model, "usage": usage})


def test_what_makes_a_cost_too_low_is_said(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Tiers, audio, cache writes, answers without counts and counts that do not add up: each is reported."""
    details = {"prompt_tokens_details": {"cache_write_tokens": 1, "audio_tokens": 5}}
    lines = [
        result("0", completion() | {"model": "m"}),
        chat("1", "m", 300_000),
        chat("2", "m", 130_000, **details),
        result("3", completion() | {"model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}}),
    ]
    path = put(tmp_path / "out.jsonl", *lines)
    said = ask(path, "--price", "m=1/1")[2].splitlines()
    assert "1 answer without token counts: their tokens are not in the sums, nor in the cost" in said
    assert "1 answer with token counts that do not add up to their total: summed as stated" in said
    assert (
        "2 requests have more than 128,000 input tokens, 1 of them more than 272,000: prices often have a higher tier there"
        in said
    )
    assert "5 audio input tokens without a separate price (audio_input): priced as other input tokens" in said
    assert "1 cache write token without a separate price (cache_write): priced as other input tokens" in said
    assert "cost: prices from --price; batch discount 0%; all result lines count, also superseded ones" in said
    assert "tier" not in ask(path)[2]


def test_requests_above_one_usual_tier_are_said_once(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Sizes below the one that all requests exceed add no information."""
    path = put(tmp_path / "out.jsonl", chat("1", "m", 300_000))
    assert (
        "1 request has more than 272,000 input tokens: prices often have a higher tier there\n"
        in ask(path, "--price", "m=1/1")[2]
    )


def test_a_misspelt_model_of_the_file_is_named(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """It would only be "no price" for a model that seems to be in the file; names that differ by a digit may be two models."""
    path = put(tmp_path / "out.jsonl", chat("1", "gpt-4o-mini", 3))
    code, _, said = ask(path, "--price", "gpt-4o-mni=1/1")
    assert (code, "but no request or result of this model; did you mean 'gpt-4o-mini'?" in said) == (2, True)
    code, _, said = ask(path, "--price", "gpt-5o-mini=1/1")
    assert code == 0
    assert "no price for gpt-4o-mini (there is one for gpt-5o-mini): their cost is not in the sum\n" in said


def test_prices_of_the_package_after_those_of_the_file(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """The notes name the source, the alias, and models without a price for batches."""
    path = put(
        tmp_path / "out.jsonl",
        chat("1", "gpt-4o-mini-2024-07-18", 1_000_000),
        chat("2", "gpt-4o-2024-08-06", 1_000_000),
        chat("3", "text-embedding-3-small", 1_000_000),
    )
    file = tmp_path / "prices.toml"
    file.write_text('currency = "USD"\ndate = 2026-11-20\nbatch_discount = 0.5\n[models.gpt-4o]\ninput = 4\n')
    code, out, said = ask(path, "--prices", "genai", "--prices", file)
    assert code == 0
    costs = {line.split()[0]: line.split()[-1] for line in out.splitlines() if "1,000,000" in line}
    assert costs["gpt-4o-2024-08-06"] == "2.0"
    assert costs["gpt-4o-mini-2024-07-18"] == "0.075"
    assert costs["text-embedding-3-small"] == "0.010"
    assert "gpt-4o-2024-08-06: at the price of gpt-4o\n" in said
    assert "standard price, less 50%, because no batch price is known: text-embedding-3-small\n" in said
    assert f"by {file} of 2026-11-20, genai-prices " in said.replace("\n", " ") or "genai-prices" in said
    assert "price for batches, without discount: gpt-4o-mini-2024-07-18\n" in said
    assert "batch discount 50%; all result lines count" in said.replace("\n", " ")
    code, _, said = ask(path, "--prices", "genai:azur")
    assert (code, said) == (2, "batchfiles: error: genai-prices knows no provider 'azur'; did you mean 'azure'?\n")


def test_a_discount_is_not_said_of_prices_that_have_it_in_them(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """`--prices genai --batch-discount 0.5` said "batch discount 50%" of costs from which nothing was taken off."""
    path = put(tmp_path / "out.jsonl", chat("1", "gpt-4o-mini", 1_000_000))
    code, out, said = ask(path, "--prices", "genai", "--batch-discount", "0.5")
    assert (code, "0.075" in out) == (0, True)
    assert "price for batches, without discount: gpt-4o-mini\n" in said
    assert "discount of" not in said
    assert "price for batches: gpt-4o-mini\n" in ask(path, "--prices", "genai")[2]


def test_requests_alone_say_whose_prices_they_are(ask: Callable[..., Outcome]) -> None:
    """The costs of requests had no source, and a model without a price was a dash without a word."""
    requests = f"{CHAT}/requests.jsonl"
    said = ask(requests, "--prices", "genai")[2]
    assert "price for batches: gpt-4o-mini\ncost: prices from genai-prices " in said
    assert json.loads(ask(requests, "--prices", "genai", "--json")[1])["price_sources"][0].startswith("genai-prices ")
    assert ask(requests, "--price", "gpt-4o-mini=1/1")[2].endswith("cost: prices from --price; batch discount 0%\n")
    assert "no price for gpt-4o-mini: their cost is not in the sum\n" in ask(requests, "--price", "other=1/1")[2]


def test_two_files_of_prices_are_refused(ask: Callable[..., Outcome], prices: Path) -> None:
    """Their priority would be ambiguous."""
    code, _, err = ask(CHAT, "--prices", prices, "--prices", prices)
    assert (code, "not two files" in err) == (2, True)


@pytest.mark.parametrize(
    ("conditions", "code"),
    [("no_token_counts", 1), ("token_sum", 1), ("no_token_counts>2,token_sum>50%", 0), ("failed,missing_", 2), ("failed", 0)],
)
def test_fail_on_makes_an_exit_code_of_what_is_counted(
    ask: Callable[..., Outcome], tmp_path: Path, conditions: str, code: int
) -> None:
    """A nightly cost report must not pass over answers whose tokens are in no sum; the tables are printed anyway."""
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 99}
    lines = [
        result("1", completion("a")),
        result("2", completion("b") | {"usage": None}),
        result("3", completion("c") | {"usage": usage}),
    ]
    path = put(tmp_path / "out.jsonl", *lines)
    found, out, err = ask(path, "--fail-on", conditions)
    assert found == code
    assert ("fail-on: " in err) == (code == 1)
    assert ("succeeded" in out) == (code != 2)


def test_fail_on_speaks_of_the_numbers_of_the_json(ask: Callable[..., Outcome], tmp_path: Path) -> None:
    """Broken request lines without results are a share of the requests; a path that was not read was called one of them."""
    (tmp_path / "requests.jsonl").write_bytes(Path(REQUESTS).read_bytes() + b"{broken\n")
    (tmp_path / "notes.txt").write_text("not for us")
    code, out, err = ask(tmp_path, "--json", "--fail-on", "malformed>5%,not_read")
    assert (code, json.loads(out)["not_read"], json.loads(out)["requests"]["malformed"]) == (1, 1, 1)
    assert "fail-on: malformed>5%: 1 of 17 requests\n" in err
    assert "fail-on: not_read: 1 path\n" in err
