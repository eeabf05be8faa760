"""The made-up batches: the same for a seed, complete, and of the size that the measurements name."""

from __future__ import annotations

import struct
from base64 import b64decode
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.generate.__main__ import main
from benchmarks.generate.batch import Written, generate
from benchmarks.generate.kinds import NAMES

LINES = 2_000


def read(written: Written) -> list[Any]:
    """Decode every line of a file."""
    lines = written.path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert (written.lines, written.size) == (len(lines), written.path.stat().st_size)
    return [orjson.loads(line) for line in lines]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> list[Written]:
    """A batch of chat completions."""
    return generate(tmp_path_factory.mktemp("chat"), "chat", LINES, seed=1)


def test_the_same_seed_gives_the_same_bytes(chat: list[Written], tmp_path: Path) -> None:
    """A second run writes files of the same names and the same content."""
    for first, second in zip(chat, generate(tmp_path, "chat", LINES, seed=1), strict=True):
        assert first.path.name == second.path.name
        assert first.path.read_bytes() == second.path.read_bytes()


def test_another_seed_gives_other_bytes(chat: list[Written], tmp_path: Path) -> None:
    """Texts, order and the batch's name all follow the seed."""
    requests, outputs, _ = generate(tmp_path, "chat", LINES, seed=2)
    assert requests.path.read_bytes() != chat[0].path.read_bytes()
    assert outputs.path.name != chat[1].path.name


def test_every_request_has_one_fate(chat: list[Written]) -> None:
    """Successes, failures, expired and missing requests add up, in about the shares that are promised."""
    requests, outputs, errors = map(read, chat)
    asked = [line["custom_id"] for line in requests]
    answered = [line["custom_id"] for line in outputs + errors]
    assert len(set(asked)) == len(asked) == LINES
    assert len(set(answered)) == len(answered)
    assert set(answered) < set(asked)
    expired = sum(line["response"] is None for line in errors)
    shares = [count / LINES for count in (len(errors) - expired, expired, LINES - len(answered))]
    assert shares == [pytest.approx(0.02, abs=0.01), pytest.approx(0.005, abs=0.005), pytest.approx(0.005, abs=0.005)]
    assert min(shares) > 0


def test_results_come_in_another_order(chat: list[Written]) -> None:
    """The shuffle covers the whole file: results are far from the places of their requests."""
    requests, outputs, _ = map(read, chat)
    place = {line["custom_id"]: number for number, line in enumerate(requests)}
    distances = [abs(place[line["custom_id"]] - number) for number, line in enumerate(outputs)]
    assert sum(distances) / len(distances) > LINES / 5


def test_chat_lines_are_as_long_as_the_measurements_say(chat: list[Written]) -> None:
    """300,000 lines are about 240 MB of requests and 400 to 450 MB of outputs."""
    requests, outputs, _ = chat
    assert requests.size / requests.lines == pytest.approx(800, rel=0.03)
    assert 400e6 < outputs.size / LINES * 300_000 < 450e6


def test_chat_texts_hold_what_texts_hold(chat: list[Written]) -> None:
    """Line breaks, quotation marks, raw and escaped characters beyond ASCII, and U+2028 all occur, and most is ASCII."""
    data = chat[1].path.read_bytes()
    for mark in (rb"\n", rb"\"", rb"\u00e9", rb"\ud83d\ude80", "\u00e9", "\N{BOOKS}", "\u2028"):
        assert (mark.encode() if isinstance(mark, str) else mark) in data
    assert sum(byte > 127 for byte in data) < len(data) / 50
    reasons = Counter(line["response"]["body"]["choices"][0]["finish_reason"] for line in read(chat[1]))
    assert set(reasons) == {"stop", "length", "tool_calls"}


def test_outputs_are_written_as_the_service_writes_them(chat: list[Written]) -> None:
    """The beginning, the order of the keys and the end of each line are those of the wire, spaces included."""
    for line in chat[1].path.read_bytes().split(b"\n")[:-1]:
        assert line.startswith(b'{"id": "batch_req_6769')
        assert list(orjson.loads(line)) == ["id", "custom_id", "response", "error"]
        assert line.endswith(b'}}, "error": null}')


@pytest.mark.parametrize("kind", NAMES)
def test_every_kind_writes_lines_that_decode(kind: str, tmp_path: Path) -> None:
    """Each line of each file is JSON, with an answer that belongs to the url that was asked."""
    requests, outputs, errors = map(read, generate(tmp_path, kind, 200, dimensions=12))
    urls = {line["custom_id"]: line["url"] for line in requests}
    objects = {"/v1/chat/completions": "chat.completion", "/v1/responses": "response", "/v1/embeddings": "list"}
    assert len(requests) == 200
    assert len(set(urls.values())) == (3 if kind == "mixed" else 1)
    assert all(line["response"]["body"]["object"] == objects[urls[line["custom_id"]]] for line in outputs)
    assert all(line["error"] is None or line["error"]["code"] == "batch_expired" for line in errors)


@pytest.mark.parametrize("dimensions", [1536, 20, 3])
def test_vectors_have_the_dimensions_that_were_asked_for(dimensions: int, tmp_path: Path) -> None:
    """Floats and base64 hold the same number of values, one vector for each text, of a length near one."""
    for kind in ("embeddings", "embeddings-base64"):
        requests, outputs = map(read, generate(tmp_path / kind, kind, 40, dimensions=dimensions, failures=False))
        texts = {line["custom_id"]: line["body"]["input"] for line in requests}
        for line in outputs:
            wanted = texts[line["custom_id"]]
            vectors = [item["embedding"] for item in line["response"]["body"]["data"]]
            assert len(vectors) == (1 if isinstance(wanted, str) else len(wanted))
            for vector in vectors:
                numbers = struct.unpack(f"<{dimensions}f", b64decode(vector)) if isinstance(vector, str) else vector
                assert len(numbers) == dimensions
                assert dimensions < 100 or sum(number**2 for number in numbers) == pytest.approx(1, abs=0.2)


def test_without_failures_everything_succeeds_and_no_error_file_is_left(tmp_path: Path) -> None:
    """An error file of an earlier run is removed, since it would belong to other requests."""
    generate(tmp_path, "chat", 300)
    requests, outputs = map(read, generate(tmp_path, "chat", 300, failures=False))
    assert {line["custom_id"] for line in requests} == {line["custom_id"] for line in outputs}
    assert not list(tmp_path.glob("*_error.jsonl"))


def test_duplicates_are_second_and_later_results(tmp_path: Path) -> None:
    """Their share is about the requested one; the later one is after the first and is another answer."""
    _, outputs = map(read, generate(tmp_path, "chat", 1_000, failures=False, duplicates=0.2))
    first: dict[str, Any] = {}
    repeated = 0
    for line in outputs:
        body = line["response"]["body"]
        before = first.setdefault(line["custom_id"], body)
        repeated += before is not body
        assert before is body or (before["created"] < body["created"] and before["id"] != body["id"])
    assert len(first) == 1_000
    assert repeated == pytest.approx(200, abs=50)


def test_the_command_says_what_it_wrote_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names, lines and bytes, a line for each file, and nothing on stdout."""
    assert main(["chat", "50", "--seed", "7", "-o", str(tmp_path / "new")]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    requests = tmp_path / "new" / "requests.jsonl"
    told = captured.err.splitlines()
    assert len(told) == 3
    assert told[0] == f"{requests}: 50 lines, {requests.stat().st_size:,} bytes"


@pytest.mark.parametrize("arguments", [["chat", "-1"], ["chat", "10", "--duplicates", "1.5"], ["poems", "10"]])
def test_the_command_refuses_what_makes_no_sense(arguments: list[str], tmp_path: Path) -> None:
    """Negative counts, shares above one and unknown kinds are wrong usage."""
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "-o", str(tmp_path)])
    assert caught.value.code == 2
