"""Files that are not JSON Lines: the mistake, recognized by their first bytes, and how to fix it.

Read line by line, such a file gives only noise: 3,000 pretty-printed requests are 42,000 broken lines. So the mistake is
reported once, for the file. Also tables in JSONL among batch files.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from batchfiles.campaign import RESULT_NAME
from batchfiles.codec import GLUED, glued_objects, glued_words, loads
from batchfiles.errors import BatchFilesError, InvalidLineError, MismatchError
from batchfiles.io.lines import BOM
from batchfiles.io.sources import Source

HEAD = 256 * 1024
"""Bytes of a file that are looked at."""

LINES_COMPARED = 20
"""Lines that must make the same mistake before it is one of the file."""


class FileMistake(NamedTuple):
    """The mistake of a whole file.

    Attributes:
        code: A word for programs.
        message: What the file is, and how to make request or result lines of it.
        is_of_lines: Whether each line is wrong by itself: readers of results count such lines as malformed.
    """

    code: str
    message: str
    is_of_lines: bool = False


UTF_8 = "Save it as UTF-8 without a byte order mark"
JQ = "jq writes one object to a line"

ASCII = rb"[\x09\x0a\x0d\x20-\x7e]"
ENCODINGS = (
    (re.compile(rb"(?:\xff\xfe\x00\x00)?(?:%b\x00\x00\x00){2}" % ASCII), "UTF-32LE"),
    (re.compile(rb"(?:\x00\x00\xfe\xff)?(?:\x00\x00\x00%b){2}" % ASCII), "UTF-32BE"),
    (re.compile(rb"(?:\xff\xfe)?(?:%b\x00){2}" % ASCII), "UTF-16LE"),
    (re.compile(rb"(?:\xfe\xff)?(?:\x00%b){2}" % ASCII), "UTF-16BE"),
)
"""Two ASCII characters, as JSON begins, with or without a byte order mark."""

BINARY = (
    (b"PAR1", "a Parquet table: write its rows as lines, for example with 'batchfiles prepare'"),
    (b"ARROW1", "an Arrow table: write its rows as lines, for example with 'batchfiles prepare'"),
    (b"%PDF-", "a PDF document"),
)
"""Files whose first bytes are text; others are recognized as they are opened (`io/compression.py`)."""

CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
"""Bytes that are in no text; a file with more than a tenth of them, and no object in its first lines, is binary."""
MARKUP = re.compile(rb"\s*<(?:!doctype|html|\?xml|head|body|error)\b", re.IGNORECASE)
BYTES_TEXT = re.compile(rb"""b(?:'\s*\{.*\}\s*(?:\\n)?'|"\s*\{.*\}\s*(?:\\n)?")""", re.DOTALL)
PYTHON_DICT = re.compile(rb"\{\s*'[^'\\]*'\s*:.*\}")
ARRAY = re.compile(rb"\s*\[\s*(?:\{|$)")
CSV_HEADER = re.compile(rb"""["']?\w[\w .-]*["']?(?:[,;\t]["']?\w[\w .-]*["']?)+""")
CSV_QUOTED = re.compile(rb'"\s*\{\s*""')

DECODER = json.JSONDecoder()


def file_mistake(head: bytes) -> FileMistake | None:
    """Return the mistake of a file as a whole; None if it has none, or only single lines are wrong.

    Args:
        head: The first bytes of the file, uncompressed: all of them, or `HEAD`.
    """
    if not head:
        return None
    found = _encoding(head) or _binary(head)
    if found is not None:
        return found
    text = head.removeprefix(BOM)
    first, _, others = text.lstrip().partition(b"\n")
    if _is_object(first):
        return None if others.strip() else _of_one_object(loads(first))
    lines = [line.strip() for line in text.split(b"\n") if line.strip()]
    if not lines:
        return None
    if len(lines) > 1 and len(head) >= HEAD:
        lines.pop()  # it may be incomplete
    return _of_structure(text, lines) or _of_lines(lines)


def _encoding(head: bytes) -> FileMistake | None:
    name = next((name for pattern, name in ENCODINGS if pattern.match(head)), None)
    if name is None:
        return None
    words = (
        f"The file is {name[:6]}, as PowerShell's '>' writes it, and not UTF-8. {UTF_8}: 'iconv -f {name} -t UTF-8' "
        "(and leave the mark out), or 'Set-Content -Encoding utf8NoBOM' in PowerShell."
    )
    return FileMistake("wrong_encoding", words)


def _binary(head: bytes) -> FileMistake | None:
    for magic, words in BINARY:
        if head.startswith(magic):
            return FileMistake("not_text", f"The file is {words}.")
    start = head[:1024]
    lines = head.split(b"\n", LINES_COMPARED)[:LINES_COMPARED]
    if len(CONTROL.findall(start)) * 10 > len(start) and not any(map(_is_object, lines)):
        return FileMistake("not_text", "The file is binary, and not text in JSON Lines.")
    if MARKUP.match(head):
        return FileMistake("not_text", "The file is an HTML or XML page, perhaps the answer of a server that refused a download.")
    return None


def _of_structure(text: bytes, lines: list[bytes]) -> FileMistake | None:
    """Return the mistake of JSON that spans several lines: an array, or objects."""
    if _has_good_line(lines):
        return None
    others = lines[1:LINES_COMPARED]
    if ARRAY.match(lines[0]) and not (_is_list(lines[0]) and any(map(_is_object, others))):
        words = f"The file is one JSON array, and not a line for each object; {JQ}: jq -c '.[]' FILE."
        return FileMistake("json_array", words)
    if not lines[0].startswith(b"{"):
        return None
    start = text.index(b"{")
    value, end = _first_value(text[start:])
    if value is not None and b"\n" in text[start : start + end].strip():
        return _of_one_object(value) or _several_lines()
    is_open = value is None and (lines[0] == b"{" or lines[0].endswith((b"{", b"[", b",")))
    if (
        is_open
        and len(lines) > 1
        and re.match(rb'["}\]{\[]', lines[1])
        and not _is_object(lines[1])
        and not _ends_with_comma(lines[0])
        and not any(map(_has_id, others))
    ):
        return _several_lines()
    return None


def _has_good_line(lines: list[bytes]) -> bool:
    """Return whether a line holds a request or a result by itself; an item of an array is followed by a comma or a bracket."""
    return any(
        line.startswith(b"{") and not after.startswith((b",", b"]")) and _is_object(line) and "custom_id" in loads(line)
        for line, after in zip(lines, [*lines[1:], b""], strict=True)
    )


def _several_lines() -> FileMistake:
    words = f"The file holds JSON objects over several lines (pretty-printed), and not a line for each; {JQ}: jq -c . FILE."
    return FileMistake("multiline_json", words)


def _of_one_object(value: dict[str, Any]) -> FileMistake | None:
    """Find one object of the API instead of lines of a batch."""
    if isinstance(value.get("error"), dict) and value.keys() <= {"error"}:
        message = str(value["error"].get("message", ""))[:200]
        return FileMistake("not_lines", f"The file holds the answer of a service that refused a call, and no lines: {message!r}.")
    if isinstance(value.get("object"), str) and "custom_id" not in value:
        name = value["object"][:50]
        return FileMistake("not_lines", f"The file holds the object {name!r} of the API, and no lines of a batch.")
    return None


def _of_lines(lines: list[bytes]) -> FileMistake | None:
    """Find a mistake that each line has."""
    some = lines[:LINES_COMPARED]
    if sum(map(_ends_with_comma, some)) >= max(1, len(some) - 1):
        words = "Each line of the file ends with a comma, as in an array; take the commas away: sed 's/,[[:space:]]*$//' FILE."
        return FileMistake("trailing_commas", words)
    if all(map(_is_double_encoded, some)):
        words = "Each line of the file is a JSON string with an object in it: it was encoded twice. Decode it once: jq -r . FILE."
        return FileMistake("double_encoded", words)
    if all(map(BYTES_TEXT.fullmatch, some)):
        words = "Each line of the file is the text of a Python bytes object, b'…': write the bytes themselves, or line.decode()."
        return FileMistake("python_bytes", words)
    if all(map(PYTHON_DICT.fullmatch, some)):
        words = "Each line of the file is the text of a Python dict, and not JSON: write json.dumps(line) in place of str(line)."
        return FileMistake("python_dicts", words, is_of_lines=True)
    if len(lines) == 1 and (count := glued_objects(lines[0])):
        return FileMistake(GLUED, f"The file holds {glued_words(count)}.", is_of_lines=True)
    if all(map(CSV_QUOTED.match, some)) or (CSV_HEADER.fullmatch(lines[0]) and not any(map(_is_object, some))):
        words = "The file is a table in CSV, and not JSON Lines: 'batchfiles prepare' makes requests of the rows of a table."
        return FileMistake("csv", words)
    return None


def _first_value(text: bytes) -> tuple[dict[str, Any] | None, int]:
    """Decode the object that a text begins with; returns the bytes that it takes too."""
    decoded = text.decode("utf-8", "surrogateescape")
    try:
        value, end = DECODER.raw_decode(decoded)
    except (ValueError, RecursionError):
        return None, 0
    if not isinstance(value, dict):
        return None, 0
    return value, len(decoded[:end].encode("utf-8", "surrogateescape"))


def _ends_with_comma(line: bytes) -> bool:
    return line.endswith(b",") and _is_object(line[:-1])


def _is_object(line: bytes) -> bool:
    try:
        loads(line)
    except InvalidLineError:
        return False
    return True


def _has_id(line: bytes) -> bool:
    """Return whether a line is a complete request or result, which pretty-printed objects never contain."""
    try:
        return "custom_id" in loads(line)
    except InvalidLineError:
        return False


def _is_list(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), list)
    except (ValueError, RecursionError):
        return False


def _is_double_encoded(line: bytes) -> bool:
    if not line.startswith(b'"'):
        return False
    try:
        inner = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(inner, str) and _is_object(inner.encode("utf-8", "surrogatepass"))


MIXED = (
    "a result in a file of requests, where its answer would be lost, and paid for again: put them into two files, "
    "with `jq -c 'select(.body)'` for the requests and `jq -c 'select(.body | not)'` for the results"
)
BODY, KEY = b'"body"', re.compile(rb'"(?:body|response|error)"')
"""The first of these keys tells a result from a request. In a string there is a backslash before the quote."""


def may_be_result(line: bytes) -> bool:
    """Return whether a line may be a result: it has `response` or `error`, and no `body` before it."""
    found = KEY.search(line)
    return found is not None and found[0] != BODY


def refuse_results(text: bytes, path: str, line_number: int) -> None:
    """Refuse results among the lines of a file of requests, of which the first has this number.

    Raises:
        MismatchError: A line is a result.
    """
    start = counted = 0
    while found := KEY.search(text, start):
        end = text.find(b"\n", found.end())
        if found[0] != BODY:
            line_number += text.count(b"\n", counted, found.start())
            counted = found.start()
            refuse_result(text[text.rfind(b"\n", 0, counted) + 1 : end if end >= 0 else None], path, line_number)
        if end < 0:
            return
        start = end + 1


def refuse_result(line: bytes, path: str, line_number: int) -> None:
    """Refuse a result in a file of requests.

    Raises:
        MismatchError: The line is a result.
    """
    try:
        value = loads(line)
    except InvalidLineError:
        return
    is_result = "custom_id" in value and not value.keys().isdisjoint(("response", "error"))
    if is_result and value.keys().isdisjoint(("body", "method", "url")):
        raise MismatchError(MIXED, path=path, line_number=line_number)


FIRST_BYTES = 1024 * 1024
"""Bytes of a file in which its first line is looked for."""


def first_line(source: Source) -> bytes:
    """Return the first line of a file that is not blank, or its beginning; nothing if the file can't be read."""
    head = b""
    try:
        with source.open() as stream:
            while len(head) < FIRST_BYTES and (chunk := stream.read(HEAD)):
                head += chunk
                if b"\n" in head.lstrip():
                    break
    except (BatchFilesError, OSError):
        return b""
    return head.removeprefix(BOM).lstrip().partition(b"\n")[0]


def is_found_table(source: Source) -> bool:
    """Return whether a local file that was found in a folder, or by a glob, is such a table; names of results are believed.

    The line is not decoded: one that is hostile would need much memory.
    """
    if not source.found or source.path is None or not source.is_again or RESULT_NAME.fullmatch(source.path.name):
        return False
    try:
        with source.open() as stream:
            head = stream.read(ROW_BYTES).removeprefix(BOM).lstrip()
    except (BatchFilesError, OSError):
        return False
    if not head or IN_ID.fullmatch(head):  # blank lines, or an id that is longer than what was read
        head = first_line(source)
    return ROW_BEGINNING.match(head) is not None


ROW_BYTES = 4096
"""Bytes that mostly show whether a file is a table: a folder may have thousands of compressed files."""

ROW_BEGINNING: Final = re.compile(rb'\{\s*"custom_id"\s*:\s*(?:null|"(?:[^"\\]|\\.)*")\s*,\s*"outcome"\s*:\s*"')
"""The first two columns of each table."""
IN_ID: Final = re.compile(rb'\{\s*"custom_id"\s*:\s*"(?:[^"\\]|\\.)*\\?', re.DOTALL)
