"""Lines that are nearly plain, and a comparison of what compiled code and Python make of them.

`python -m tests.native.mutations 500000 7` compares so many lines, beginning with this seed; the tests compare a few thousand.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

import batchfiles
from batchfiles.jobs.stats.price import Price, Tier
from batchfiles.native import SWITCH
from batchfiles.table.rows import TableName
from tests.native.plain import FAILURES, REQUESTS, RESULTS, VECTOR_REQUESTS, VECTOR_RESULTS

WORDS = [
    "id", "custom_id", "response", "error", "status_code", "request_id", "body", "choices", "message", "content", "refusal",
    "annotations", "tool_calls",
    "function_call", "function", "arguments", "name", "reasoning", "reasoning_content", "audio", "usage",
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details", "cached_tokens",
    "cache_write_tokens", "audio_tokens", "reasoning_tokens", "model", "created", "object", "finish_reason", "logprobs", "index",
    "code", "type", "param", "errors", "success", "base_resp", "native_finish_reason", "stop_reason", "url", "method", "x", "",
    "data", "embedding", "embeddings", "encoding_format", "dimensions", "endianness",
    "choices\n", "detail", "custom", "input", "output", "texts", "service_tier", "system_fingerprint", "metadata", "user", "seed",
    "text", "native_finish_reason", "matched_stop", "content_filter_results", "prompt_filter_results", "content_filters",
    "filtered", "detected", "severity", "details", "blocked", "status", "incomplete_details", "reason", "created_at", "role",
    "phase", "summary", "call_id", "encrypted_content", "input_tokens", "output_tokens", "input_tokens_details", "results",
    "flagged", "categories", "category_scores", "category_applied_input_types", "citations", "prompt", "image_tokens",
    "messages", "role", "prompt", "tool_call_id", "tools", "stream", "text", "image_url", "temperature", "dimensions", "doc",
]  # fmt: skip
VALUES = [
    "null", "true", "false",
    "0", "1", "-1", "200", "200.0", "2e2", "-0", "01", "1.", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "1e400", "253402300800", "NaN", "Infinity", '""', '"stop"', '"STOP"', '"length"', '"tool_calls"',
    '"content_filter"', '"error"', '"eos"', '"a"', '"0"', '"200"', '"429"', '"batch_expired"', '"Batch_Cancelled"', '"expired"',
    '"chat.completion"', '"text_completion"', '"/v1/embeddings"', '"/v1/chat/completions?x=1"', '"/openai/chat/completions"',
    '"\\ud83d"',
    '"\\ud83d\\ude00"', '"\\ude00\\ud83d"', '"caf\\u00e9"', '"a\\u0000b"', '"\\x"', '"\t"', "[]", "{}", "[[]]", "[{}]",
    '[""]',
    '{"x": null}', '{"x": 1}', '["a", 200]', "[" * 130 + "]" * 130, "[" * 1100 + "]" * 1100, '{"code": 0, "message": "ok"}',
    '{"message": "no", "type": null, "param": null, "code": null}', '[{"type": "text", "text": "a"}]',
    '{"error": {"message": "inner"}}', '{"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 4}', "[1, 2, 3]",
    '"text"', '"message"', '"reasoning"', '"function_call"', '"custom_tool_call"', '"output_text"', '"refusal"', '"completed"',
    '"incomplete"', '"queued"', '"failed"', '"assistant"', '"user"', '"commentary"', '"final_answer"', '"max_output_tokens"',
    '"response"', '"/v1/moderations"', '"/v1/responses"', '"safe"', '"low"', '"MAX_TOKENS"', '"other"', "0.1", "-0.0", "1e-7",
    "123456789012345678.5", "0.30000000000000004", "1767000000.25", '["text"]', '["text", "image"]', "[null]", '[["a"]]',
    '{"hate": true, "hate": null}', '{"hate": 0.25}', '{"hate": {"filtered": true}}', '[{"content_filter_results": {}}]',
    '{"reasoning_tokens": 7}', '{"audio_tokens": 3}', '{"cached_tokens": 3, "cache_write_tokens": 4}',
    '"user"', '"assistant"', '"tool"', '"POST"', '"gpt-4o-mini"', '"o3"', '"/v1/responses"', '[{"role": "user", "content": "b"}]',
    '[{"role": "assistant", "content": ""}]', '[{"role": "assistant", "refusal": ""}]', "[5, 6]", "[[5], [6]]",
    '["a", ""]', "0.5", '{"doc": "b"}', '{"doc": 5}',
]  # fmt: skip
LINES = 5000
"""Requests of one comparison."""

BYTES = b'{}[],:"\\ \t\r\x00\x1f\x7f\x80\xc3\xa9\xed\xa0\xff0123456789eE.+-aunltrfs'


@lru_cache(maxsize=64)
def tokens(text: str) -> list[tuple[int, int]]:
    """Return where each value begins and ends that is a string, a number or a word; also keys."""
    found, at, decoder = [], 0, json.JSONDecoder()
    while at < len(text):
        if text[at] in '"-0123456789tfn':
            try:
                _, end = decoder.raw_decode(text, at)
            except ValueError:
                return found
            found.append((at, end))
            at = end
        else:
            at += 1
    return found


@lru_cache(maxsize=64)
def values(text: str) -> list[tuple[int, int]]:
    """Return where each value begins and ends, of any type."""
    found, decoder = [], json.JSONDecoder()
    at = 0
    while at < len(text):
        if text[at] == '"':
            try:
                _, at = decoder.raw_decode(text, at)
            except ValueError:
                return found
        if at < len(text) and text[at] in ":[,":
            start = at + 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip())
            try:
                _, end = decoder.raw_decode(text, start)
            except (ValueError, RecursionError):
                pass
            else:
                found.append((start, end))
        at += 1
    return found


def mutated(line: bytes, random: Random) -> bytes:
    """Return a line with a few changes, without a newline."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        line = random.choice(CHANGES)(line, random)
    return line.replace(b"\n", b" ")


def _value(line: bytes, random: Random) -> bytes:
    """Replace a value."""
    text = line.decode("utf-8", "surrogateescape")
    places = values(text)
    if not places:
        return line
    start, end = random.choice(places)
    return (text[:start] + random.choice(VALUES) + text[end:]).encode("utf-8", "surrogateescape")


def _key(line: bytes, random: Random) -> bytes:
    """Rename a key or a string."""
    text = line.decode("utf-8", "surrogateescape")
    strings = [place for place in tokens(text) if text[place[0]] == '"']
    if not strings:
        return line
    start, end = random.choice(strings)
    word = json.dumps(random.choice(WORDS)) if random.random() < 0.7 else escaped(text[start:end], random)
    return (text[:start] + word + text[end:]).encode("utf-8", "surrogateescape")


def escaped(string: str, random: Random) -> str:
    """Write one letter of a string as an escape."""
    if len(string) < 3 or "\\" in string:
        return string
    at = random.randrange(1, len(string) - 1)
    return f"{string[:at]}\\u{ord(string[at]) & 0xFFFF:04x}{string[at + 1 :]}"


def _member(line: bytes, random: Random) -> bytes:
    """Add a member to an object, which may repeat a key."""
    places = [at for at, byte in enumerate(line) if byte == ord("{")]
    if not places:
        return line
    at = random.choice(places) + 1
    comma = b"" if line[at : at + 1] == b"}" else b", "
    return line[:at] + json.dumps(random.choice(WORDS)).encode() + b": " + random.choice(VALUES).encode() + comma + line[at:]


def _removed(line: bytes, random: Random) -> bytes:
    """Remove a member of the decoded line, or move it to the end."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line
    objects = [value]
    for each in objects:
        objects += [inner for inner in (each.values() if isinstance(each, dict) else each) if isinstance(inner, dict | list)]
    chosen = random.choice([each for each in objects if isinstance(each, dict) and each] or [{"": 0}])
    key = random.choice(list(chosen))
    moved = chosen.pop(key)
    if random.random() < 0.5:
        chosen[key] = moved
    return json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _as_list(line: bytes, random: Random) -> bytes:
    """Write an object as the list of its values."""
    text = line.decode("utf-8", "surrogateescape")
    places = [(start, end) for start, end in values(text) if text[start] == "{"]
    if not places:
        return line
    start, end = random.choice(places)
    listed = json.dumps(list(json.loads(text[start:end]).values()))
    return (text[:start] + listed + text[end:]).encode("utf-8", "surrogateescape")


def _byte(line: bytes, random: Random) -> bytes:
    """Change, remove, repeat or insert a byte."""
    at = random.randrange(len(line) + 1)
    new = bytes([random.choice(BYTES)])
    return random.choice((line[:at] + new + line[at + 1 :], line[:at] + new + line[at:], line[:at] + line[at + 1 :], line[:at]))


CHANGES = (_value, _value, _value, _key, _key, _member, _member, _removed, _as_list, _byte)


NUMBERS = [
    "1e-7", "-0.0", "-0", "0", "-1", "0.1E+2", "0e5", "1e39", "1e400", "-1e400", "1e-400", "4.9e-324", "1e-45", "7e-46",
    "123456789012345678901234567890", "18446744073709551616", "9007199254740993", "9007199254740993.0", "16777217",
    "0.1000000014901161193847656250001", "0.100000001490116119384765625", "3.4028235677973366e38", "3.4028235677973362e+38",
    "0.123456789012345", "9.123456789012345", "0.1234567890123456", "0.12345678901234567890123456789", "00.5", "01", "1.", ".5",
    "1e", "1e+", "+1", "1.e5", "- 1", "1 ,", "--1", "0x1", "inf", "nan", "Infinity", "true", "null", '"1"', "[1]", "",
]  # fmt: skip
TEXTS = [
    "AAAAPw==",
    "AAAAPwAAgD8=",
    "AAAAPw=",
    "AAAAPx==",
    "AAAA Pw==",
    "AAAAgA==",
    "AQAAAA==",
    "AAAAAA==",
    "AAAA",
    "",
    "\\u0041AAAPw==",
]


def with_number(line: bytes, random: Random) -> bytes:
    """Write another number, or none, at the place of a number of a vector, or another text at the place of a text."""
    text = line.decode()
    start = text.find('"embedding":') + len('"embedding":')
    if start < len('"embedding":'):
        return line
    places = [(at, end) for at, end in tokens(text) if at >= start and text[at] in '-0123456789"']
    at, end = random.choice(places[: random.choice((1, 4, 20))])
    if text[at] == '"':
        new = '"' + random.choice(TEXTS) + '"'
    else:
        new = random.choice(NUMBERS) if random.random() < 0.5 else spelled(random)
    return (text[:at] + new + random.choice(("", "", "", " ", "\t", " \r")) + text[end:]).encode()


def spelled(random: Random) -> str:
    """Return a number with any digits, in any spelling of JSON."""
    number = random.choice(("", "-")) + str(random.randrange(10 ** random.randrange(1, 20)))
    if random.random() < 0.8:
        number += "." + "".join(random.choices("0123456789", k=random.randrange(1, 30)))
    if random.random() < 0.3:
        number += random.choice(("e", "E", "e-", "E+")) + str(random.randrange(60))
    return number


CHAT = REQUESTS, RESULTS
VECTORS = VECTOR_REQUESTS, VECTOR_RESULTS


def one_shape(random: Random) -> tuple[list[bytes], list[bytes]]:
    """Return one of the shapes of answers, and the requests."""
    return REQUESTS, [random.choice(RESULTS)]


def batch(count: int, random: Random, shapes: tuple[list[bytes], list[bytes]]) -> tuple[list[bytes], list[bytes]]:
    """Return request lines and result lines of the same ids, of which most are changed; the first is not."""
    requests, results = [], []
    request_shapes, result_shapes = shapes
    # Most lines of a file with one shape are as they are: compiled code compares them with a template that it learns from them.
    few = len(result_shapes) == 1
    for number in range(count):
        custom_id = f"id-{number}".encode()
        # First changed and then given an id: the places in a template are found once.
        request = random.choice(request_shapes) if number else request_shapes[0]
        result = random.choice(result_shapes if few else result_shapes + FAILURES)
        if shapes is VECTORS and random.random() < 0.6:
            result = with_number(result, random)
        changed = mutated(request, random) if number and random.random() < 0.3 else request
        requests.append(changed.replace(b"ID", custom_id))
        if random.random() < 0.97:
            changed = mutated(result, random) if number and random.random() < (0.4 if few else 0.9) else result
            results.append(changed.replace(b"ID", custom_id))
        if random.random() < 0.02:
            results.append(result.replace(b"ID", custom_id))
    random.shuffle(results)
    return requests, [result_shapes[0].replace(b"ID", b"id-0-again"), *results]


def compared(folder: Path, seed: int, count: int, shapes: tuple[list[bytes], list[bytes]] = CHAT) -> None:
    """Join and export a batch with compiled code and without, and compare tables and reports.

    Raises:
        AssertionError: They differ; the message has the first row that does.
    """
    random = Random(seed)
    requests, results = batch(count, random, shapes)
    compare_tables(folder, seed, requests, results, "embeddings" if shapes is VECTORS else "requests")


def compare_tables(folder: Path, seed: int, requests: list[bytes], results: list[bytes], table: TableName) -> None:
    """Join and export lines with compiled code and without, and compare tables and reports; without requests, only export.

    Raises:
        AssertionError: They differ; the message has the first row that does.
    """
    random = Random(seed)
    paths = folder / f"requests-{seed}.jsonl", folder / f"results-{seed}_output.jsonl"
    for path, lines in zip(paths, (requests, results), strict=True):
        path.write_bytes(b"\n".join(lines) + b"\n")
    bodies, request_bodies = random.choice(("auto", "auto", "all", "none")), random.choice(("all", "none"))
    tables = {}
    for switch in ("0", "1"):
        os.environ[SWITCH] = switch
        jobs: list[Any] = [batchfiles.export(paths[1], table=table, bodies=bodies)]
        if requests:
            jobs.append(batchfiles.join(*paths, table=table, bodies=bodies, request_bodies=request_bodies))
        tables[switch] = [(job.to_arrow(), job.report.to_dict() | {"seconds": 0}) for job in jobs]
    for (exact_table, exact_report), (fast_table, report) in zip(tables["0"], tables["1"], strict=True):
        fast_table.validate(full=True)
        assert fast_table.num_rows == exact_table.num_rows
        (exact, exact_vectors), (fast, vectors) = bits(exact_table), bits(fast_table)
        if not fast.equals(exact):
            for one, other in zip(exact.to_pylist(), fast.to_pylist(), strict=True):
                assert other == one, (seed, {name: (one[name], other[name]) for name in one if one[name] != other[name]})
        assert fast.equals(exact)
        assert vectors == exact_vectors, seed
        assert report == exact_report, seed


PRICES = {
    "gpt-4o-mini-2024-07-18": Price(Decimal("0.15"), Decimal("0.6"), tiers=(Tier(25, Price(Decimal(1), Decimal(2))),)),
    "gpt-5-mini-2025-08-07": "1/2",
}
CHOICES: list[dict[str, Any]] = [
    {},
    {"every": True},
    {"only": ["incomplete", "expired", "429"]},
    {"only": ["succeeded", "missing", "wrong"], "excluded": ["200", "500"]},
    {"excluded": ["missing", "5xx"], "values": {"body.seed": 5}},
]


def compared_reports(folder: Path, seed: int, count: int, choices: Iterable[dict[str, Any]] = CHOICES) -> None:
    """Compare what `stats`, `errors` and `retry` by results say and write with compiled code and without.

    Raises:
        AssertionError: They differ.
    """
    random = Random(seed)
    requests, results = batch(count, random, CHAT)
    cut = count // 2
    files = {
        "requests-1.jsonl": requests[:cut],
        "requests-2.jsonl": [*requests[cut:], *requests[:3], b" "],
        "results-1_output.jsonl": results[:cut],
        "results-2_output.jsonl": [*results[cut:], b"", requests[1]],
    }
    for name, lines in files.items():
        (folder / name).write_bytes(b"\n".join(lines) + random.choice((b"\n", b"")))
    paths = [folder / name for name in files]
    together = folder / "all-requests.jsonl"
    together.write_bytes(b"\n".join(requests) + b"\n")
    output = folder / "sent" / "retry.jsonl"  # in another folder, because a manifest would change what the next job does
    output.parent.mkdir(exist_ok=True)
    jobs: list[Callable[[], Any]] = [
        lambda: batchfiles.stats(*paths, prices=PRICES),
        lambda: batchfiles.stats(*paths[2:], max_line_bytes=700),
        lambda: batchfiles.error_digest(*paths, ids=None),
        *(
            partial(batchfiles.retry, *asked, *paths[2:], output=output, overwrite=True, **choice)
            for choice in choices
            for asked in (paths[:2], [together])
        ),
    ]
    for job in jobs:
        compare_reports(job, output, seed)


def compare_reports(job: Callable[[], Any], output: Path, seed: int) -> None:
    """Compare the reports of a job and the file that it writes with compiled code and without.

    Raises:
        AssertionError: They differ.
    """
    found = []
    for switch in ("0", "1"):
        os.environ[SWITCH] = switch
        output.unlink(missing_ok=True)
        try:
            said = job().to_dict() | {"seconds": 0}
        except batchfiles.BatchFilesError as error:
            said = {"error": str(error)}
        found.append((json.dumps(said, default=str), output.read_bytes() if output.exists() else b""))
    assert found[1] == found[0], seed


def bits(table: pa.Table) -> tuple[pa.Table, list[bytes | None]]:
    """Return a table without its vectors, and their bytes: -0.0 equals 0.0, and NaN equals nothing."""
    if "embedding" not in table.column_names:
        return table, []
    vectors = [each.values.to_numpy().tobytes() if each.is_valid else None for each in table["embedding"]]
    return table.drop_columns("embedding"), vectors


def main(lines: int, seed: int = 1000) -> None:
    """Compare many lines; without a seed, others than those of the tests."""
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, -(-lines // LINES) + 1):
            compared(Path(folder), seed + number, LINES, random.choice((CHAT, VECTORS, one_shape(random), one_shape(random))))
            compared_reports(Path(folder), seed + number, LINES, [random.choice(CHOICES)])
            for path in Path(folder).rglob("*.jsonl"):
                path.unlink()
            print(f"{number * LINES:,} requests and as many results: no difference", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
