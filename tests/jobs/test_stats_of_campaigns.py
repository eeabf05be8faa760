"""Statistics of a campaign: nothing is copied or compared, and the successes are those of `join`, or a note says why not."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import batchfiles
from batchfiles import campaign as campaign_files
from batchfiles.cli.stats import stats as stats_command
from batchfiles.errors import MismatchError
from batchfiles.io.temporary import Spool
from batchfiles.jobs.stats import report as stats_report
from tests.jobs.test_retry_by_part import PART, campaign, simple, together
from tests.jobs.wire import failure, put, request, success


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(PART, min_size=1, max_size=4), compressed=st.booleans(), retry=st.lists(st.sampled_from("abx"), max_size=3))
def test_the_requests_with_a_success_are_those_of_a_join(parts: Any, compressed: bool, retry: list[str]) -> None:
    """Ids restart in each part, and lines are repeated or unknown; the rest of the report is that of the files by name."""
    answers = {"success": success, "refused": failure, "unknown": lambda custom_id: success(f"other-{custom_id}")}
    made = {
        f"part-{number}": (
            [request(each, user=str(number)) for each in requests if each],
            [answers.get(kind, success)(each) for kind, each in results],
        )
        for number, (requests, results) in enumerate(parts)
    }
    made["part-0-retry-1"] = (made["part-0"][0][:1], [success(each) for each in retry])
    with tempfile.TemporaryDirectory() as temporary:
        folder = campaign(Path(temporary) / "campaign", made, retries={"part-0-retry-1": ["part-0"]}, compressed=compressed)
        found = batchfiles.stats(folder).results
        if not any(made[f"part-{number}"][0] for number in range(len(parts))):
            assert found.succeeded_requests is None
            return
        joined = batchfiles.join(*together(folder))
        try:
            rows = list(joined)
        except MismatchError:  # no result belongs to a request
            assert found.succeeded_requests == 0
            return
        assert found.succeeded_requests == sum(row["outcome"] == "succeeded" for row in rows)
        assert found.repeated_successes is not None
        assert found.unknown_successes is not None
        lines = found.outcomes.get("succeeded", 0)
        assert found.succeeded_requests + found.repeated_successes + found.unknown_successes == lines
        assert found.unknown_successes <= joined.report.unknown
        named = batchfiles.stats(*together(folder)).to_dict()
        own = batchfiles.stats(folder).to_dict()
        for report in (named, own):
            for name in ("succeeded_requests", "repeated_successes", "unknown_successes"):
                del report["results"][name]
            del report["not_read"], report["examples"]
        assert own == named


def test_a_compressed_campaign_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request files were copied and compared, though one manifest says that they are separate batches."""
    folder = simple(tmp_path / "campaign", compressed=True)
    monkeypatch.setattr(Spool, "__init__", lambda *_: pytest.fail("nothing needs a temporary folder"))
    found = batchfiles.stats(folder)
    assert (found.requests.count, found.results.count, found.results.succeeded_requests) == (12, 9, 9)


@pytest.mark.parametrize("job", [batchfiles.stats, batchfiles.error_digest])
def test_the_manifest_is_read_at_most_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Any) -> None:
    """To find out which files repeat others, and to read part by part; it was read for each question about a file."""
    folder = simple(tmp_path / "campaign", 8)
    reads: list[Any] = []
    read = campaign_files.read_manifest
    monkeypatch.setattr(campaign_files, "read_manifest", lambda place: reads.append(place) or read(place))
    job(folder)
    assert len(reads) <= 2


def test_files_and_places_are_in_the_order_of_the_names(tmp_path: Path) -> None:
    """Though parts are read one after the other, and results lie before requests."""
    made = {f"part-{number}": ([request("a"), b"{"], [success("a"), b"["]) for number in range(2)}
    found = batchfiles.stats(campaign(tmp_path / "campaign", made))
    assert [Path(file.name).name for file in found.files] == [
        "batch_00000000_output.jsonl",
        "batch_00000001_output.jsonl",
        "part-0.jsonl",
        "part-1.jsonl",
    ]
    assert [place.rpartition("/")[2] for place in found.malformed] == [
        "batch_00000000_output.jsonl:2",
        "batch_00000001_output.jsonl:2",
        "part-0.jsonl:2",
        "part-1.jsonl:2",
    ]


def test_a_note_says_why_there_are_more_successes_than_requests(tmp_path: Path) -> None:
    """`stats` said 5 and `join` 2, and nothing explained it."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "out_output.jsonl", success("a"), success("a"), success("b"), success("x"), success("x"))
    found = batchfiles.stats(tmp_path)
    values = found.to_dict()["results"]
    assert (values["succeeded_requests"], values["repeated_successes"], values["unknown_successes"]) == (2, 1, 2)
    shown = CliRunner().invoke(stats_command, [str(tmp_path)]).output
    assert "5 successes for 2 requests: 1 repeats another one, 2 have no request" in shown
    (tmp_path / "out_output.jsonl").unlink()
    put(tmp_path / "out_output.jsonl", success("a"))
    assert "success" not in CliRunner().invoke(stats_command, [str(tmp_path)]).output.replace("succeeded", "")


def test_requests_with_one_id_share_a_success(tmp_path: Path) -> None:
    """Each has a row in a join."""
    put(tmp_path / "requests.jsonl", request("a"), request("a", n=2))
    put(tmp_path / "out_output.jsonl", success("a"))
    assert (
        batchfiles.stats(tmp_path).results.succeeded_requests == batchfiles.join(tmp_path).summarize().outcomes["succeeded"] == 2
    )
    assert "1 success for 2 requests: 1 request with the custom_id of an earlier one" in (
        CliRunner().invoke(stats_command, [str(tmp_path)]).output
    )


def test_what_only_a_join_can_know_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that restart without a manifest, results alone, and more ids than are kept."""
    put(tmp_path / "a.jsonl", request("a"))
    put(tmp_path / "a_output.jsonl", success("a"))
    assert batchfiles.stats(tmp_path / "a_output.jsonl").results.succeeded_requests is None
    assert batchfiles.stats(tmp_path).results.succeeded_requests == 1
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(request("a", n=2)))
    assert batchfiles.stats(tmp_path).results.succeeded_requests is None
    (tmp_path / "b.jsonl.gz").unlink()
    monkeypatch.setattr(stats_report, "MOST_IDS", 1)
    assert batchfiles.stats(tmp_path).results.succeeded_requests is None
