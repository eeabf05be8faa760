"""`stats`, `errors` and `retry` say and write the same with compiled code and without."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import batchfiles
from batchfiles.jobs.stats import counts
from batchfiles.jobs.stats import report as stats_report
from batchfiles.jobs.stats.report import KEPT_BITS, LengthHistogram
from batchfiles.native import SWITCH, native_totals
from batchfiles.outcome import MALFORMED, SUCCEEDED, read_result
from batchfiles.table.plain_rows import outcome_facts
from tests.native.mutations import CHOICES, compared_reports
from tests.native.plain import FAILURES, NEAR, PLAIN, REQUESTS, RESULTS, TEXT, result

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    find_spec("batchfiles_native") is None, reason="batchfiles-native is not installed: pip install ./native"
)


@pytest.fixture(autouse=True)
def _is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "1")


def stats_of(path: Path, lines: list[bytes], monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[dict[str, Any]]:
    """Return the statistics of result lines without compiled code and with it."""
    path.write_bytes(b"\n".join([*lines, b""]))
    found = []
    for switch in "01":
        monkeypatch.setenv(SWITCH, switch)
        found.append(batchfiles.stats(path, **options).to_dict())
    return found


@pytest.mark.parametrize("line", [*PLAIN, *FAILURES[:5]])
def test_plain_results_are_counted(line: bytes) -> None:
    """If the grammar became narrower, only the time would show it."""
    totals = native_totals(outcome_facts, KEPT_BITS)
    assert totals is not None
    outcome, custom_id = read_result(line)[1].outcome, "ID"
    new = [(read_result(line)[1].answer.model, 1)]
    assert totals.add([line, b"{"], lambda models, others: [() for each in new if models == [each[0]] and others == each[1]]) == (
        [1],
        [custom_id] if outcome == SUCCEEDED else [],
    )
    assert totals.without_successes([line, line]) == ([] if outcome == SUCCEEDED else [0, 1])


@pytest.mark.parametrize("seed", [1, 2])
def test_lines_that_are_nearly_plain(tmp_path: Path, seed: int) -> None:
    """Reports and files, of lines with a value, a key or a byte changed."""
    compared_reports(tmp_path, seed, 300, CHOICES[seed::2])


def test_the_example_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All services and endpoints."""
    for folder in sorted(path for path in (ROOT / "fixtures").iterdir() if any(path.glob("*_output.jsonl"))):
        found = []
        for switch in "01":
            monkeypatch.setenv(SWITCH, switch)
            said = [batchfiles.stats(f"{folder}/*.jsonl"), batchfiles.error_digest(f"{folder}/*_output.jsonl", ids=None)]
            if (folder / "requests.jsonl").is_file() and (folder / "requests.jsonl").stat().st_size:
                said.append(batchfiles.retry(folder, output=tmp_path / "retry.jsonl", every=True, overwrite=True))
            found.append([each.to_dict() | {"seconds": 0} for each in said])
        assert json.dumps(found[0], default=str) == json.dumps(found[1], default=str), folder


def test_lines_of_all_shapes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also blank lines, lines that are not JSON, counts of 63 bits, and texts with characters of several bytes."""
    most = {"prompt_tokens": 2**63 - 2, "completion_tokens": 1, "total_tokens": 2**63 - 1}
    lines = [*RESULTS, *NEAR, *FAILURES, b"", b" ", b"{", result(TEXT, usage=most), result(TEXT, usage=most)] * 3
    prices = {"gpt-4o-mini": "0.15/0.6", "gpt-5-mini": "0.25/2"}
    exact, fast = stats_of(tmp_path / "results.jsonl", lines, monkeypatch, prices=prices)
    assert json.dumps(fast) == json.dumps(exact)
    assert exact["results"]["input_tokens"]["total"] > 2**64
    assert exact["results"]["outcomes"][MALFORMED] > 0


def test_models_with_their_own_totals_are_the_first_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among plain lines and others: those after a limit are counted together."""
    monkeypatch.setattr(counts, "MOST_NAMES", 20)
    lines = [result({**TEXT, "extra": 1} if number % 3 else TEXT, model=f"m{number % 40}") for number in range(400)]
    exact, fast = stats_of(tmp_path / "results.jsonl", lines, monkeypatch)
    assert json.dumps(fast) == json.dumps(exact)
    assert len(exact["results"]["models"]) == 21
    long = [result(TEXT, model="m" * 200 + str(number % 3)) for number in range(30)]
    exact, fast = stats_of(tmp_path / "results.jsonl", long, monkeypatch)
    assert (fast, len(exact["results"]["models"])) == (exact, 1)


def test_tiers_of_prices_divide_the_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request costs what its own tier says; a step that is not a 64-bit integer is left to Python."""
    usages = [
        {"prompt_tokens": n, "completion_tokens": 7, "total_tokens": n + 7} for n in (0, 1, 9, 10, 11, 128_000, 128_001, 300_000)
    ]
    lines = [result(TEXT, usage=usage, model=model) for usage in usages for model in ("a", "b", "c-2024-07-18")]
    tiers = (
        batchfiles.Tier(10, batchfiles.Price(Decimal(3), Decimal(4))),
        batchfiles.Tier(128_000, batchfiles.Price(Decimal(5))),
    )
    prices = {
        "a": batchfiles.Price(Decimal(1), Decimal(2), tiers=tiers),
        "b": "1/2",
        "c": batchfiles.Price(Decimal(7), Decimal(7), tiers=(batchfiles.Tier(2**70, batchfiles.Price(Decimal(1))),)),
    }
    exact, fast = stats_of(tmp_path / "results.jsonl", lines, monkeypatch, prices=prices)
    assert json.dumps(fast) == json.dumps(exact)


def test_above_a_million_ids_the_successes_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the request file before the results, and a limit of a few ids."""
    requests, results = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    requests.write_bytes(b"\n".join(REQUESTS[0].replace(b"ID", b"%d" % number) for number in range(5)))
    results.write_bytes(b"\n".join(RESULTS[0].replace(b"ID", b"%d" % (number % 7)) for number in range(10)))
    for most, answered in ((1000, 5), (11, None)):
        monkeypatch.setattr(stats_report, "MOST_IDS", most)
        found = []
        for switch in "01":
            monkeypatch.setenv(SWITCH, switch)
            found.append(batchfiles.stats(requests, results).results)
        assert found[0] == found[1]
        assert found[0].succeeded_requests == answered


def test_lengths_counted_elsewhere_are_added() -> None:
    """The least length is that of both, also if one has none."""
    one, other = LengthHistogram(), LengthHistogram()
    other.add_counted({}, 0, None, 0)
    assert other.lengths() is None
    for length in (300, 5, 70_000):
        one.add(length)
    other.add_counted({301: 1, 5: 1}, 305, 5, 300)
    other.add(70_000)
    assert other.lengths() == one.lengths()


def test_answers_of_another_endpoint_are_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is not the answer of a request for vectors; moderations answer only a request for them."""
    moderations = next(line for line in PLAIN if b"modr-" in line)
    urls = [
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/moderations",
        "/v1/\\u0065mbeddings",
        "moderations",
        "/v1/responses?a=1",
    ]
    tool = next(line for line in PLAIN if b"call_1" in line)
    requests, results = [], []
    for number, (url, answer) in enumerate((url, answer) for url in urls for answer in (RESULTS[0], tool, moderations)):
        custom_id = b"id-%d" % number
        requests.append(b'{"custom_id": "%b", "method": "POST", "url": "%b", "body": {"input": "a"}}' % (custom_id, url.encode()))
        results.append(answer.replace(b"ID", custom_id))
    (tmp_path / "requests.jsonl").write_bytes(b"\n".join(requests))
    (tmp_path / "results_output.jsonl").write_bytes(b"\n".join(results))
    written = []
    for switch in "01":
        monkeypatch.setenv(SWITCH, switch)
        output = tmp_path / f"retry-{switch}.jsonl"
        report = batchfiles.retry(tmp_path / "requests.jsonl", tmp_path / "results_output.jsonl", output=output)
        written.append((output.read_bytes(), report.groups))
    assert written[0] == written[1]
    assert written[0][0].count(b"\n") == 12
