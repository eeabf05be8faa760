r"""The expected result of a join, computed as simply as possible: plain `json`, dicts and lists, in memory, without batchfiles.

It knows the shapes of results that the random files are made of, not all that services write; those are tested with `outcome`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

BOM = b"\xef\xbb\xbf"
WHITE = re.compile(r"[ \t\r\n]*")
SURROGATE = re.compile("[\ud800-\udfff]")
RAW = json.JSONDecoder()
NONE_BELONGS = r"0 of [\d,]+ results belong"


class Line(NamedTuple):
    """A line of a file that is not blank."""

    file: int
    name: str
    number: int
    bytes: bytes
    value: dict[str, Any] | None
    custom_id: str | None
    repaired: bool

    @property
    def place(self) -> str:
        """The place, as reports name it."""
        return f"{self.name}:{self.number}"


@dataclass
class Expected:
    """The expected join: the rows, the numbers, the places of lines of each kind, and the bytes of the rejects."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    counts: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    rejects: bytes = b""
    refusal: str | None = None


def without_repeats(asked: list[Line]) -> tuple[list[Line], dict[Line, set[int]]]:
    """Leave out the request lines that are in an earlier file too, byte for byte; return also the files that repeat a line."""
    kept: list[Line] = []
    others: dict[Line, set[int]] = {}
    for line in asked:
        same = [
            first
            for first in kept
            if line.custom_id is not None
            and (first.custom_id, first.bytes.strip()) == (line.custom_id, line.bytes.strip())
            and first.file != line.file
            and all(each.value is not None and is_request(each.value) for each in (first, line))
        ]
        if same:
            others.setdefault(same[0], set()).add(line.file)
        else:
            kept.append(line)
    return kept, others


def is_contested(asked: list[Line], unattributed: list[Line]) -> bool:
    """Return whether a result without a known file has the id of different lines in several files."""
    for custom_id in {line.custom_id for line in unattributed} - {None}:
        lines = [line for line in asked if line.custom_id == custom_id and line.value is not None and is_request(line.value)]
        if len({line.file for line in lines}) > 1 and len({line.bytes.strip() for line in lines}) > 1:
            return True
    return False


def expected(
    inputs: list[tuple[str, bytes]], results: list[tuple[str, bytes]], *, max_line_bytes: int, parts: dict[int, int] | None = None
) -> Expected:
    """Join in memory.

    Args:
        inputs: Names and bytes of the request files.
        results: Names and bytes of the result files.
        max_line_bytes: The longest line that is read.
        parts: The number of the input file to which a result file belongs, for those that belong to one.
    """
    parts = parts or {}
    all_asked, blank_inputs = _lines(inputs, max_line_bytes)
    found, blank_results = _lines(results, max_line_bytes)
    asked, repeating = without_repeats(all_asked)
    wanted = Expected()
    if is_contested(all_asked, [line for line in found if line.file not in parts]):
        wanted.refusal = "nothing shows which of the two"
        return wanted
    asked_ids = {line.custom_id for line in asked if line.value is not None and is_request(line.value)}
    readable = [line for line in found if is_result(line.value)]
    malformed = [line for line in found if not is_result(line.value)]
    used: set[Line] = set()
    beaten: set[Line] = set()
    contested: set[Line] = set()
    seen: set[tuple[str, int | None]] = set()
    repetitions = []
    for line in asked:
        row = dict.fromkeys(COLUMNS) | {"input_source": line.name, "input_line_number": line.number, "attempts": 0}
        wanted.rows.append(row)
        if line.value is None or not is_request(line.value):
            row["outcome"] = "malformed"
            continue
        custom_id = line.value["custom_id"]
        batch = custom_id, line.file if line.file in parts.values() else None
        if batch in seen:
            repetitions.append(line)
        seen.add(batch)
        row |= {
            "custom_id": custom_id,
            "outcome": "missing",
            "endpoint": line.value.get("url"),
            "request_body": raw_value(line.bytes, "body"),
        }
        files = {line.file, *repeating.get(line, ())}
        rivals = [other for other in found if other.custom_id == custom_id and parts.get(other.file, line.file) in files]
        if not rivals:
            continue
        best = max(rivals, key=_rank)
        used.add(best)
        others = [other for other in rivals if other is not best]
        beaten.update(others)
        contested.update(other for other in others if _differ(best, other))
        row |= _cells(best) | {"attempts": len(rivals)}
    if asked_ids and readable and not used and any(line.custom_id is not None for line in found):
        wanted.refusal = NONE_BELONGS
        return wanted
    wanted.outcomes.update(row["outcome"] for row in wanted.rows)
    unknown = [line for line in readable if line not in used | beaten]
    kinds = {
        "unknown": unknown,
        "superseded": [line for line in found if line in beaten - used],
        "conflicting": [line for line in found if line in contested - used],
        "malformed": malformed,
        "duplicate": repetitions,
    }
    wanted.places = {kind: [line.place for line in lines] for kind, lines in kinds.items()}
    wanted.rejects = b"".join(line.bytes + b"\n" for line in found if line not in used or line in malformed)
    wanted.counts = {
        "rows": len(wanted.rows),
        "inputs": len(asked),
        "malformed_inputs": sum(row["custom_id"] is None for row in wanted.rows),
        "duplicate_inputs": len(repetitions),
        "repeated_inputs": len(all_asked) - len(asked),
        "missing": wanted.outcomes["missing"],
        "result_lines": len(found),
        "used": len(used),
        "superseded": len(kinds["superseded"]),
        "conflicting": len(kinds["conflicting"]),
        "unknown": len(unknown),
        "malformed_results": len(malformed),
        "malformed_unmatched": len([line for line in malformed if line not in used | beaten]),
        "blank_lines": blank_inputs + blank_results,
        "repaired_lines": sum(line.repaired for line in asked if line.value is not None and is_request(line.value))
        + sum(line.repaired for line in readable),
    }
    return wanted


def is_request(value: dict[str, Any]) -> bool:
    """Tell whether a decoded line asks for something; a result that got among the requests does not."""
    return isinstance(value.get("custom_id"), str) and isinstance(value.get("body"), dict)


COLUMNS = (
    "custom_id",
    "outcome",
    "status_code",
    "endpoint",
    "text",
    "attempts",
    "result_source",
    "result_line_number",
    "input_source",
    "input_line_number",
    "request_body",
    "response_body",
)
"""The columns that the oracle knows."""


def _lines(files: list[tuple[str, bytes]], max_line_bytes: int) -> tuple[list[Line], int]:
    r"""Split files at `\n`, decode every line, and count the blank ones."""
    lines = []
    blank = 0
    for file, (name, data) in enumerate(files):
        pieces = data.removeprefix(BOM).split(b"\n")
        if not pieces[-1]:
            pieces.pop()
        for number, piece in enumerate(pieces, 1):
            if not piece.strip():
                blank += 1
                continue
            value, repaired = (None, False) if len(piece) > max_line_bytes else decode(piece)
            custom_id = value.get("custom_id") if value is not None else id_before_damage(piece)
            custom_id = custom_id if isinstance(custom_id, str) else None
            lines.append(Line(file, name, number, piece, _Hidden(value) if value is not None else None, custom_id, repaired))
    return lines, blank


class _Hidden(dict[str, Any]):
    """Make a decoded line hashable: compared by identity, not by content."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


def decode(line: bytes) -> tuple[dict[str, Any] | None, bool]:
    """Decode an object; return also whether lone surrogates or non-JSON constants had to be replaced."""
    mended = []

    def constant(name: str) -> None:
        mended.append(name)

    def mend(value: Any) -> Any:
        if isinstance(value, str) and SURROGATE.search(value):
            mended.append(value)
            return SURROGATE.sub("\ufffd", value)
        return [mend(item) for item in value] if isinstance(value, list) else value

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {mend(key): mend(value) for key, value in pairs}

    try:
        value = json.loads(line.decode("utf-8"), parse_constant=constant, object_pairs_hook=members)
    except ValueError:
        return None, False
    return (value, bool(mended)) if isinstance(value, dict) else (None, False)


def is_result(value: dict[str, Any] | None) -> bool:
    """A result has a `response` or an `error`, and an id that is a string, null or left away."""
    return value is not None and ("response" in value or "error" in value) and isinstance(value.get("custom_id"), str | None)


def id_before_damage(line: bytes) -> str | None:
    """Read the id of a line that is not JSON, if it is the first member, or the second after a plain `id`."""
    text = line.decode("utf-8", "surrogateescape")
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        return None
    at = _skip(text, at + 1)
    try:
        for key in ('"id"', '"custom_id"'):
            if key == '"id"' and not text.startswith(key, at):
                continue
            if not text.startswith(key, at):
                return None
            at = _skip(text, at + len(key))
            if text[at : at + 1] != ":":
                return None
            start = _skip(text, at + 1)
            value, at = RAW.raw_decode(text, start)
            written = text[start:at]
            if not isinstance(value, str):
                return None
            if key == '"custom_id"':
                return None if SURROGATE.search(written) else SURROGATE.sub("\ufffd", value)
            at = _skip(text, at)
            if "\\" in written or text[at : at + 1] != ",":
                return None
            at = _skip(text, at + 1)
    except ValueError:
        pass
    return None


def raw_value(line: bytes, key: str) -> str | None:
    """Return the text of the last value of a key, unchanged; None if there is none."""
    return _members(line.decode()).get(key)


def _members(text: str) -> dict[str, str]:
    """Return the text of each member's value; of repeated keys the last."""
    found = {}
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        key, at = RAW.raw_decode(text, at)
        start = _skip(text, _skip(text, at) + 1)
        _, end = RAW.raw_decode(text, start)
        found[SURROGATE.sub("\ufffd", key)] = text[start:end]
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def response_body_of(line: bytes, value: dict[str, Any]) -> str | None:
    """Return the text of `response.body`; of `response` where it has no `body`."""
    if not isinstance(value.get("response"), dict):
        return None
    response = _members(line.decode())["response"]
    return _members(response).get("body", response)


def _skip(text: str, at: int) -> int:
    match = WHITE.match(text, at)
    assert match is not None
    return match.end()


def outcome_of(value: dict[str, Any]) -> str:
    """Return the outcome of a request, for the shapes that the random files have."""
    if value.get("error") is not None:
        return {"batch_expired": "expired", "batch_cancelled": "cancelled"}.get(value["error"].get("code"), "failed")
    response = value.get("response")
    if response is None or response["status_code"] == 0:
        return "no_response"
    if response["status_code"] >= 400:
        return "failed"
    return "incomplete" if response["body"]["choices"][0]["finish_reason"] == "length" else "succeeded"


def _cells(line: Line) -> dict[str, Any]:
    """Return the cells of the table that come from a result."""
    where = {"result_source": line.name, "result_line_number": line.number}
    if line.value is None or not is_result(line.value):
        return {"outcome": "malformed"} | where
    response = line.value.get("response") or {}
    outcome = outcome_of(line.value)
    answered = outcome in ("succeeded", "incomplete")
    return where | {
        "outcome": outcome,
        "status_code": response.get("status_code"),
        "text": response["body"]["choices"][0]["message"]["content"] if answered else None,
        "response_body": response_body_of(line.bytes, line.value),
    }


def _rank(line: Line) -> tuple[int, float, int, int]:
    """Order results: readable, then success, then time, then the file named later, then the later line."""
    quality = created = -1
    if line.value is not None and is_result(line.value):
        quality = {"succeeded": 2, "incomplete": 1}.get(outcome_of(line.value), 0)
        if quality > 0:
            created = line.value["response"]["body"].get("created") or -1
    return quality, created, line.file, line.number


def _differ(best: Line, other: Line) -> bool:
    """Tell whether two results are successes that differ; to JSON, 1 is not true."""
    if best.value is None or other.value is None or not is_result(best.value) or not is_result(other.value):
        return False
    if not outcome_of(best.value) == outcome_of(other.value) == "succeeded":
        return False
    one, two = (json.dumps(line.value["response"]["body"], sort_keys=True) for line in (best, other))  # type: ignore[index]
    return one != two
