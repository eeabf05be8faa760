"""Request files of all services that are nearly plain, and a comparison of what `validate` finds with compiled code and without.

`python -m tests.native.checks 500000` compares so many lines; the tests compare a few thousand.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import batchfiles
from batchfiles.findings import Finding
from batchfiles.jobs import validate_file
from batchfiles.limits import KNOWN, OPENAI, Limits
from batchfiles.native import SWITCH
from tests.native.mutations import mutated

LINES = 2000
"""Requests of one comparison."""

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "TEXT"}}
PICTURE = {"type": "image_url", "image_url": {"url": "TEXT", "detail": "low"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}
ASK = {"role": "user", "content": "TEXT"}

CHATS: list[dict[str, Any]] = [
    {"messages": [{"role": "system", "content": "TEXT"}, ASK], "temperature": 0.2, "max_completion_tokens": 800},
    {"messages": [ASK], "user": "TEXT", "seed": 7, "metadata": {"doc": "TEXT", "page": "TEXT"}, "store": True},
    {"messages": [ASK, {"role": "assistant", "content": "TEXT"}, ASK], "safety_identifier": "TEXT", "logit_bias": {"5": 1}},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "TEXT"}, PICTURE]}], "stop": ["TEXT"]},
    {
        "messages": [ASK, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "a", "content": "TEXT"}],
        "tools": [TOOL],
        "tool_choice": "auto",
    },
    {"messages": [{"content": "TEXT", "role": "assistant", "refusal": None}, {"role": "assistant", "refusal": "TEXT"}]},
    {"messages": [{"role": "function", "name": "f", "content": None}, {**ASK, "name": "TEXT"}], "n": 2, "logprobs": True},
    {
        "messages": [ASK],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": SCHEMA}},
    },
]
INPUTS: list[dict[str, Any]] = [
    {"input": "TEXT", "instructions": "TEXT", "max_output_tokens": 80, "metadata": {"doc": "TEXT"}},
    {"input": [ASK, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "TEXT"}]}]},
    {"input": [{"role": "user", "content": [{"type": "input_text", "text": "TEXT"}, {"type": "input_image", "file_id": "a"}]}]},
    {
        "input": [
            ASK,
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "TEXT"},
            {"type": "function_call_output", "call_id": "c", "output": "TEXT"},
        ],
        "reasoning": {"effort": "low"},
        "conversation": {"id": "TEXT"},
    },
]
TEXTS: list[dict[str, Any]] = [
    {"input": "TEXT", "encoding_format": "float"},
    {"input": ["TEXT", "TEXT", "b"], "dimensions": 256, "user": "TEXT"},
    {"input": [5, 17, 900]},
    {"input": [[5, 17], [900]]},
]
BODIES: dict[str, list[dict[str, Any]]] = {
    "/v1/chat/completions": CHATS,
    "/v1/responses": INPUTS,
    "/v1/embeddings": TEXTS,
    "/v1/completions": [
        {"prompt": "TEXT", "max_tokens": 5, "suffix": "TEXT"},
        {"prompt": ["TEXT", ""], "echo": True},
        {"prompt": [[1], [2, 3]]},
    ],
    "/v1/moderations": [{"input": "TEXT"}, {"input": ["TEXT"]}, {"input": [{"type": "text", "text": "TEXT"}, PICTURE]}],
    "/v1/images/generations": [{"prompt": "TEXT", "n": 1, "size": "TEXT", "user": "TEXT"}],
    "/v1/images/edits": [{"prompt": "TEXT", "images": [{"image_url": "TEXT"}], "quality": "high"}],
    "/v1/videos": [{"prompt": "TEXT", "seconds": "4", "input_reference": "TEXT"}],
    "/v1/score": [{"text_1": "TEXT", "text_2": "TEXT"}],
}
MODELS = ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini", "o3", "gpt-5.2", "text-embedding-ada-002", "dall-e-3"]

MORE = [
    "Why?", "", "é", "\U0001f600", '\\"', "\\n", "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\udc00\\ud83d", "\\u12", "\\q", "\t",
    "\\\\", "\\/", "\\u0000", "a" * 40, "a" * 600, "\\u0041" * 20, "é" * 40, "\x7f", "line\\nline\\n" * 9, '"', "\udc80", " ",
]  # fmt: skip
"""Texts as they are written in a line; some are not valid."""

PROFILES: list[Limits] = [
    *KNOWN,
    Limits(name="own", body_rules="openai", one_url=True, same_in_every_body=frozenset({"user", "messages", "metadata"})),
    Limits(
        name="short", short_lines=True, min_custom_id_length=2, max_custom_id_length=12, stream_refused=True, max_line_bytes=900
    ),
    Limits(name="few", known_urls=OPENAI.known_urls, max_embedding_items_per_request=2, max_embedding_inputs=50),
]


def lines_of(url: str, body: dict[str, Any], model: str, random: Random) -> bytes:
    """Return a request line with the id `ID`, in one of the spellings that programs write."""
    line = {"custom_id": "ID", "method": "POST", "url": url, "body": {"model": model, **body}}
    if random.random() < 0.1:
        line = dict(random.sample(list(line.items()), 4))
    if random.random() < 0.2:
        del line["method"], line["url"]
    separators = random.choice([None, (",", ":")])
    return json.dumps(line, ensure_ascii=False, separators=separators).encode("utf-8", "surrogatepass")


def templates(random: Random) -> list[bytes]:
    """Return the lines that a file repeats: mostly of one url and one model."""
    url, model = random.choice(list(BODIES)), random.choice(MODELS)
    urls = random.choices(list(BODIES), k=3) if random.random() < 0.3 else [url]
    bodies = [(each, body) for each in urls for body in random.sample(BODIES[each], min(3, len(BODIES[each])))]
    return [lines_of(*each, model if random.random() < 0.9 else random.choice(MODELS), random) for each in bodies]


def filled(line: bytes, custom_id: str, random: Random) -> bytes:
    """Return a template with an id and texts."""
    parts = line.replace(b"ID", custom_id.encode()).split(b"TEXT")
    texts = [random.choice(MORE if random.random() < 0.03 else MORE[:3]).encode("utf-8", "surrogateescape") for _ in parts]
    return b"".join(piece for pair in zip(parts, texts, strict=True) for piece in pair)[: -len(texts[-1]) or None]


def file_of(count: int, random: Random) -> bytes:
    """Return a request file with so many lines."""
    repeated, lines = templates(random), list[bytes]()
    for number in range(count):
        line = random.choice(repeated)
        if random.random() < 0.07:
            line = mutated(line, random)
        custom_id = f"id-{number if random.random() < 0.97 else random.randrange(count)}"
        lines.append(filled(line, custom_id * (30 if random.random() < 0.01 else 1), random))
        if random.random() < 0.01:
            lines.append(random.choice([b"", b" \r", b"{", b'{"custom_id": "a", "response": null}', b"x" * 3000, b"[]"]))
    mark, end = random.choice([b"", b"", b"\xef\xbb\xbf"]), random.choice([b"\n", b"\r\n", b""])
    return mark + b"\n".join(lines) + end


def compared(seed: int, count: int) -> int:
    """Validate files with compiled code and without, and compare reports and findings.

    Returns:
        How many findings there were.

    Raises:
        AssertionError: They differ.
    """
    random = Random(seed)
    contents, is_stream = [file_of(count // 2, random) for _ in range(2)], random.random() < 0.3
    options: dict[str, Any] = {
        "limits": PROFILES[seed % len(PROFILES)],
        "across": random.random() < 0.5,
        "ids_in_memory": random.choice([10, 200_000]),
        "max_line_bytes": random.choice([2000, 1 << 20]),
    }
    results = []
    for switch in "01":
        os.environ[SWITCH] = switch
        findings: list[Finding] = []
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(validate_file, "BLOCK_SIZE", 4096), chdir(folder):
            for number, content in enumerate(contents):
                Path(f"{number}.jsonl").write_bytes(content)
            files = [io.BytesIO(content) if is_stream else f"{number}.jsonl" for number, content in enumerate(contents)]
            report = batchfiles.validate(*files, **options, on_finding=findings.append)
        results.append((findings, report.to_dict()))
    (exact, exact_report), (fast, fast_report) = results
    for one, other in zip(exact, fast, strict=False):
        assert one == other, (seed, one, other)
    assert len(exact) == len(fast), seed
    assert exact_report == fast_report, seed
    return len(exact)


def main(lines: int, seed: int = 1000) -> None:
    """Compare many lines; without a seed, others than those of the tests."""
    found = 0
    for number in range(1, -(-lines // LINES) + 1):
        found += compared(seed + number, LINES)
        print(f"{number * LINES:,} requests with {found:,} findings: no difference", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
