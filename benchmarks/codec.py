"""`decode` and `encode`: typed records beside a bare loop over orjson and the models of the official SDK, in one process."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import orjson
from openai.types.chat import ChatCompletion

import batchfiles
from batchfiles.codec import decode_input, encode_input
from benchmarks.data import batch
from benchmarks.figures import Comparison, Finding
from benchmarks.process import Failed
from benchmarks.rounds import in_process

__all__ = ["decode", "encode"]

DECODE_TARGET = 1.3
ENCODE_TARGET = 1.5

PREPARED = 50_000
"""Records that are kept in memory to be encoded."""

OURS = "batchfiles"
BARE = "bare orjson loop"
SDK = "the official SDK's model"


def decode(data: Path, lines: int, rounds: int) -> Finding:
    """Read an output file as records."""
    path = batch(data, "chat", lines).output
    count = 0

    def ours() -> None:
        for _ in batchfiles.read_outputs(path):
            pass

    def bare() -> None:
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)

    def models() -> None:
        with path.open("rb") as file:
            for line in file:
                response = orjson.loads(line)["response"]
                if response is not None and response["status_code"] == 200:
                    ChatCompletion.model_validate(response["body"])

    with path.open("rb") as file:
        for line, record in zip(file, batchfiles.read_outputs(path), strict=True):
            count += 1
            value = orjson.loads(line)
            response = None if record.response is None else (record.response.status_code, record.response.body)
            wire = None if value["response"] is None else (value["response"]["status_code"], value["response"]["body"])
            if (record.id, record.custom_id, response, record.error) != (value["id"], value["custom_id"], wire, value["error"]):
                raise Failed(f"line {count} was decoded to something else")
    seconds = in_process({OURS: ours, BARE: bare, SDK: models}, rounds)
    return Finding(
        benchmark="decode",
        work=f"{count:,} output lines ({path.stat().st_size / 1e6:,.0f} MB) to typed records",
        comparisons=[
            Comparison("time", "s", seconds[OURS], seconds[BARE], DECODE_TARGET),
            Comparison("time", "s", seconds[OURS], seconds[SDK]),
        ],
        not_equal=[
            "The bare loop keeps no position and checks no type, and what orjson refuses ends it; records know their positions.",
            "The SDK has no model of a result line, only of bodies, with each member typed; a record's body is a dict.",
        ],
        agreement={"lines": count, "id, custom_id, status, body, error": "of every line"},
    )


def encode(data: Path, lines: int, rounds: int) -> Finding:
    """Write request records as lines."""
    path = batch(data, "chat", lines).requests
    with path.open("rb") as file:
        wire = list(islice(file, PREPARED))
    records, values = [decode_input(line) for line in wire], [orjson.loads(line) for line in wire]
    size = sum(map(len, wire))

    def ours() -> None:
        for record in records:
            encode_input(record)

    def bare() -> None:
        for value in values:
            orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)

    for record, value in zip(records, values, strict=True):
        line = encode_input(record)
        if orjson.loads(line) != value or line != orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE):
            raise Failed(f"{record.custom_id} was encoded to something else")
    seconds = in_process({OURS: ours, BARE: bare}, rounds)
    return Finding(
        benchmark="encode",
        work=f"{len(records):,} request records to lines ({size / 1e6:,.0f} MB), nothing written",
        comparisons=[Comparison("time", "s", seconds[OURS], seconds[BARE], ENCODE_TARGET)],
        not_equal=["The bare loop has ready-made dicts and checks nothing."],
        agreement={"lines": len(records), "JSON values": "of every line"},
    )
