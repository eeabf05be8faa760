"""The format of a line, by service, and whether a file holds requests or results.

A file of one service given to another is a common accident: a popular library once wrote Anthropic's `params` lines for OpenAI,
and its batches failed with "Missing required parameter: 'method'" (567-labs/instructor#1119). So messages name the format.

Also what the first lines decide: which table fits, and what the first request asks for.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, MutableSequence, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from batchfiles.bodies import EMBEDDINGS, embeddings, endpoint_of
from batchfiles.campaign import RESULT_NAME
from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.file_mistakes import HEAD, file_mistake
from batchfiles.inputs.local import LocalFile
from batchfiles.io.lines import Block
from batchfiles.io.sources import Source, read_blocks
from batchfiles.limits import LINE_CAP
from batchfiles.outcome import SUCCEEDED, read

if TYPE_CHECKING:
    from batchfiles.table.rows import TableName

LOG = logging.getLogger(__name__)

ROLE_NAMES = {"inputs": "requests", "results": "results", "empty": "empty"}
"""What the log calls the roles."""

LineFormat: TypeAlias = Literal[
    "input", "output", "anthropic_input", "anthropic_output", "gemini", "vertex", "bedrock", "unknown"
]
FileRole: TypeAlias = Literal["inputs", "results", "empty"]

LINES_LOOKED_AT = 100
BYTES_LOOKED_AT = 1024 * 1024
"""How much is read to find a line that shows what a file holds; after that its bytes are searched for key names."""

DESCRIPTIONS: dict[LineFormat, str] = {
    "input": "requests: lines for the service, with custom_id, method, url and body",
    "output": "results: lines of an output file or an error file, which come from the service",
    "anthropic_input": "requests for Anthropic's Message Batches: move each line's 'params' to 'body' and add 'method' "
    "and 'url', or send them to Anthropic",
    "anthropic_output": "results of Anthropic's Message Batches, which have another shape than those of the OpenAI Batch API: "
    "read them with Anthropic's tools",
    "gemini": "lines of the Gemini API's batch mode ('key' with 'request' or 'response'): "
    "rewrite them as custom_id, method, url and body, or use Google's tools",
    "vertex": "lines of a Vertex AI batch prediction job, which have no custom_id: "
    "rewrite them as custom_id, method, url and body, or use Google's tools",
    "bedrock": "records of an Amazon Bedrock batch inference job ('recordId' with 'modelInput'): "
    "rewrite them as custom_id, method, url and body, or use Amazon's tools",
    "unknown": "lines of a shape that is not known here: "
    "a request has custom_id, method, url and body; a result has custom_id, response and error",
}

ROLE_KEY = re.compile(rb"""["'](?:(body|method|url)|(id|response|error|status_code))["']\s*:""")
"""The first of these keys decides for a line that can't be decoded: a result begins with `id`, or has `response` before
`body`. A quote inside a string has a backslash before it, so that quoted JSON does not match."""

ID = rb"""["'](?:custom_)?id["']\s*:\s*(?:"[^"\\]*"|'[^'\\]*')\s*,\s*"""
ROLE_BEGINNING = re.compile(rb"""\s*{\s*(?:%b){0,2}["'](?:(method|url|body)|(response|error))["']\s*:""" % ID)
"""The beginning of a line that can't be decoded, up to the first key that is of one kind only. Where the caller
has named the kind of a file, nothing less overrules it: what is left of a line without its beginning may contain any key."""


NOT_JSON = "holds no line that can be read as JSON, and nothing in it looks like a request or a result"
NO_JSON_LINES = f"{NOT_JSON}: a table has to become requests first (`batchfiles prepare`)"
TEMPLATE = "holds one request without its own custom_id: a template, for `batchfiles prepare --template`"

LIKE_JSON = re.compile(rb"""^\s*[\[{]|(?<!["'])["']\s*:""")
"""A line that may be what is left of JSON: it begins as an object, or a key is in it. In CSV a quote in a cell is doubled."""


def line_format_of(line: dict[str, Any]) -> LineFormat:
    """Return which service's format a decoded line has, by its keys.

    The keys of the OpenAI format go first: people add keys of their own, such as `key` or `params`, to lines that are otherwise
    good.
    """
    if "body" in line and "response" not in line:
        return "input"
    if ("response" in line or "error" in line) and ("custom_id" in line or "id" in line):
        return "output"
    return _other_format_of(line)


def _other_format_of(line: dict[str, Any]) -> LineFormat:
    result = line.get("result")
    signs: tuple[tuple[bool, LineFormat], ...] = (
        ("recordId" in line or "modelInput" in line, "bedrock"),
        ("params" in line, "anthropic_input"),
        (isinstance(result, dict) and "type" in result, "anthropic_output"),
        ("processed_time" in line and "request" in line, "vertex"),
        ("key" in line and not line.keys().isdisjoint(("request", "response", "error")), "gemini"),
        ("contents" in line, "gemini"),
        (isinstance(line.get("request"), dict) and "contents" in line["request"], "vertex"),
        ("response" in line, "output"),
        ("url" in line or "method" in line, "input"),
    )
    return next((line_format for sign, line_format in signs if sign), "unknown")


def describe(line_format: LineFormat) -> str:
    """Describe the lines of a format and, for those that are not read here, what to do with them."""
    return DESCRIPTIONS[line_format]


def classify(source: Source, *, otherwise: FileRole | None = None, max_line_bytes: int = LINE_CAP) -> FileRole:
    """Return whether a file holds requests or results, by its first line that shows it, also one above `max_line_bytes`.

    Args:
        source: The file.
        max_line_bytes: The longest line that the job reads, in bytes.
        otherwise: The role that the caller gives it. It decides if no line can be decoded, and is refused if a line or the
            file as a whole clearly shows something else; None decides by the lines, or raises.

    Returns:
        `"inputs"`, `"results"`, or `"empty"` for a file of no bytes, or of blank lines only.

    Raises:
        MismatchError: The file is in the format of another service, or nothing in it shows what it is.
        FileError: The file is not there or can't be read.
        TruncatedFileError: Its compressed bytes are damaged.
        ValueError: The source is an open stream, which could not be read again: spool it first.
    """
    if source.path is None and source.remote is None:
        raise ValueError(f"{source.name} can be read once only: spool it before it is classified")
    heads: list[bytes] = []
    found = read_blocks(source, lambda _: None, max_line_bytes=max_line_bytes, on_long=heads.append)
    file_role = classify_lines(first_lines(found, heads), source.name, otherwise=otherwise)
    LOG.info("%s: %s", source.name, ROLE_NAMES[file_role])
    return file_role


def first_lines(blocks: Iterable[Block], heads: MutableSequence[bytes]) -> Iterator[bytes]:
    """Yield the lines of blocks, and the beginnings of lines above `max_line_bytes`, which are enough to classify them.

    Args:
        blocks: What `read_blocks` yields.
        heads: Where its `on_long` puts the beginnings.
    """
    for block in blocks:
        yield from heads
        heads.clear()
        yield from block.lines
    yield from heads


def classify_lines(lines: Iterable[bytes], name: str | None = None, *, otherwise: FileRole | None = None) -> FileRole:
    """Do what `classify` does for lines that are available already; no more of them are taken than needed.

    Args:
        lines: The first lines of a file, or all of them.
        name: The file's display name, for the exception.
        otherwise: What it is if that is known, as for `classify`.

    Returns:
        `"inputs"`, `"results"`, or `"empty"` if there is no line, or blank ones only.

    Raises:
        MismatchError: As `classify`.
    """
    unreadable: list[bytes] = []
    seen: list[bytes] = []
    size = 0
    decoded = has_id = False
    lines = iter(lines)
    for line in lines:
        if not line.strip():
            continue
        line_format: LineFormat = "unknown"
        seen.append(line)
        try:
            value = loads(line)
            line_format = line_format_of(value)
            decoded = True
            has_id = has_id or "custom_id" in value
        except InvalidLineError:
            unreadable.append(line)
        if line_format != "unknown":
            if unreadable:  # what follows distinguishes an item of an array from a line
                seen.append(next((each for each in lines if each.strip()), b""))
                _refuse_mistake(seen, name)
            if line_format == "input" and not unreadable and len(seen) == 1 and _is_template(value, name):
                raise MismatchError(TEMPLATE, path=name)
            return _role(line_format, name)
        size += len(line)
        if size > BYTES_LOOKED_AT or len(unreadable) >= LINES_LOOKED_AT:
            break
    if not size:
        return "empty"
    if unreadable or len(seen) == 1:
        _refuse_mistake(seen, name)
    # A service may write a line with an id and nothing else: it is a result that can't be read.
    is_strange = decoded and not (has_id and otherwise == "results")
    return _role_of_unreadable(unreadable, name, decoded=is_strange, otherwise=otherwise)


def _refuse_mistake(lines: list[bytes], name: str | None) -> None:
    """Refuse a file that is not JSON Lines: read line by line, its results would be lost silently."""
    mistake = file_mistake(b"\n".join(lines)[:HEAD])
    if mistake is not None and not mistake.is_of_lines:
        raise MismatchError(mistake.message.removeprefix("The file ").rstrip("."), path=name)


def _role(line_format: LineFormat, name: str | None) -> FileRole:
    if line_format == "input":
        return "inputs"
    if line_format == "output":
        return "results"
    raise MismatchError(f"holds {describe(line_format)}", path=name)


def _is_template(value: dict[str, Any], name: str | None) -> bool:
    """Return whether a request in a `.json` file is a template: it has no id, or one with a placeholder."""
    custom_id = value.get("custom_id", "{{")
    return name is not None and name.endswith(".json") and isinstance(custom_id, str) and "{{" in custom_id


def _role_of_unreadable(lines: list[bytes], name: str | None, *, decoded: bool, otherwise: FileRole | None) -> FileRole:
    if decoded:
        raise MismatchError(f"holds {describe('unknown')}", path=name)
    if lines and not any(LIKE_JSON.search(line) for line in lines):
        raise MismatchError(NO_JSON_LINES, path=name)
    search = ROLE_KEY.search if otherwise is None else ROLE_BEGINNING.match
    for line in lines:
        if found := search(line):
            return "inputs" if found[1] else "results"
    if otherwise is not None:
        return otherwise
    raise MismatchError(NOT_JSON, path=name)


SAMPLE = 100
"""Lines of a result file that show the size of its vectors if they are texts."""


def table_of_inputs(files: Iterable[LocalFile], *, max_line_bytes: int) -> TableName:
    """Choose by the `url` of the first request, and, where that makes vectors, by all: files that mix endpoints make requests."""
    found: TableName = "requests"
    for line in _lines(files, max_line_bytes):
        if EMBEDDINGS_URL.search(line):
            found = "embeddings"
        elif (value := _object(line)) is not None:
            url = value.get("url")
            if not isinstance(url, str) or not url.endswith("/embeddings"):
                return "requests"
            found = "embeddings"
    return found


EMBEDDINGS_URL = re.compile(rb'^{ ?"custom_id": ?"[^"\\]*", ?"method": ?"POST", ?"url": ?"[^"\\]*/embeddings", ?"body"')
"""The beginning of an ordinary request for vectors; other lines are decoded."""


def table_of_results(files: Sequence[LocalFile], *, max_line_bytes: int) -> TableName:
    """Choose by the body of each file's first success: all must be vectors."""
    found: set[str] = set()
    for most in (LINES_LOOKED_AT, None):  # the beginnings mostly decide: an error file is not read to its end for a success
        for file in files:
            values = filter(None, map(_object, islice(_lines([file], max_line_bytes), most)))
            found.update(islice(filter(None, map(_endpoint_of_success, values)), 1))
        if found - {EMBEDDINGS}:
            return "requests"
    return "embeddings" if found else "requests"


def first_request(
    files: Iterable[LocalFile], is_wanted: Callable[[bytes, dict[str, Any] | None], bool], *, max_line_bytes: int
) -> tuple[str, int, dict[str, Any]] | None:
    """Return the first wanted request that can be read, with its file's name and its line number; None if there is none.

    Args:
        files: The request files.
        is_wanted: Gets a line and None and returns whether to decode it; then gets the line and the request.
        max_line_bytes: The longest line that the job reads, in bytes.
    """
    for file in files:
        for block in read_blocks(file.source, lambda _: None, max_line_bytes=max_line_bytes):
            for number, line in enumerate(block.lines, block.line_number):
                value = _object(line) if is_wanted(line, None) else None
                if value is not None and isinstance(value.get("custom_id"), str) and is_wanted(line, value):
                    return file.name, number, value
    return None


def text_sizes_of(file: LocalFile, *, max_line_bytes: int) -> dict[str, int]:
    """Return, by model, the most common size in bytes of the first text vectors of a file; without a model under ""."""
    found: dict[str, Counter[int]] = {}
    for line in islice(_lines([file], max_line_bytes), SAMPLE):
        value = _object(line)
        if value is None or _endpoint_of_success(value) != EMBEDDINGS:
            continue
        body = read(value).body or {}
        model = body.get("model")
        sizes = found.setdefault(model if isinstance(model, str) else "", Counter())
        sizes.update(embeddings.text_sizes(body))
    return {model: sizes.most_common(1)[0][0] for model, sizes in found.items() if sizes}


def _endpoint_of_success(line: dict[str, Any]) -> str | None:
    result = read(line)
    return endpoint_of(result.body) if result.outcome == SUCCEEDED and result.body else None


def _lines(files: Iterable[LocalFile], max_line_bytes: int) -> Iterator[bytes]:
    for file in files:
        for block in read_blocks(file.source, lambda _: None, max_line_bytes=max_line_bytes):
            yield from block.lines


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        return loads(line)
    except InvalidLineError:
        return None


JSON_SPACE = b" \t\r\n"


class ClassifiedFile(NamedTuple):
    """A file that is about to be read.

    Attributes:
        name: Its display name.
        file_role: `"inputs"`, `"results"`, or `"empty"` for a file without a line that shows it.
        blocks: All its lines; to be read before the next file is asked for.
    """

    name: str
    file_role: FileRole
    blocks: Iterator[Block]


def classified_files(
    sources: Iterable[Source],
    notice: Callable[[Finding], None],
    *,
    max_line_bytes: int,
    on_bytes: Callable[[int], None] | None = None,
    file_roles: Mapping[Hashable, FileRole] | None = None,
) -> Iterator[ClassifiedFile]:
    """Open the files one after the other. Unlike a join, nothing is read twice, so a pipe needs no copy on the disk.

    Args:
        sources: What `expand` returns.
        notice: Gets a finding for a line above `max_line_bytes`, and warnings.
        max_line_bytes: The longest line that is read, in bytes.
        on_bytes: Gets the number of uncompressed bytes that were read, block by block.
        file_roles: The given roles of files, by their keys.

    Yields:
        Each file with its lines.

    Raises:
        MismatchError: A file is in the format of another service, or nothing in it shows its role, or it differs from the given
            role.
        FileError: A file is not there or can't be read.
        TruncatedFileError: While reading: compressed bytes end too early or are damaged; after the good lines.
    """
    for source in sources:
        heads: deque[bytes] = deque(maxlen=LINES_LOOKED_AT)
        blocks = read_blocks(source, notice, max_line_bytes=max_line_bytes, on_long=heads.append)
        counted = blocks if on_bytes is None else _counted(blocks, on_bytes)
        seen: list[Block] = []
        known = None if file_roles is None or source.key is None else file_roles.get(source.key)
        named = RESULT_NAME.fullmatch(Path(source.name).name)
        lines = first_lines(_kept(counted, seen), heads)
        file_role = classify_lines(lines, source.name, otherwise=known or ("results" if named else None))
        if known is not None and file_role not in (known, "empty"):
            raise MismatchError(paired_as(file_role), path=source.name)
        LOG.info("%s: %s", source.name, ROLE_NAMES[file_role])
        yield ClassifiedFile(source.name, file_role, chain(seen, counted))


def paired_as(file_role: FileRole) -> str:
    """Return a message: a file of a pair has the other role."""
    is_of, was = ("results", "requests") if file_role == "results" else ("requests", "results")
    return f"holds {is_of}, and was paired as {was}: use REQUESTS=RESULTS"


def is_blank(line: bytes) -> bool:
    """Return whether a line holds only JSON white space."""
    return not line.strip(JSON_SPACE)


def _kept(blocks: Iterator[Block], seen: list[Block]) -> Iterator[Block]:
    """Yield blocks and keep them: only as many as are needed to classify the file."""
    for block in blocks:
        seen.append(block)
        yield block


def _counted(blocks: Iterator[Block], on_bytes: Callable[[int], None]) -> Iterator[Block]:
    for block in blocks:
        on_bytes(sum(map(len, block.lines)) + len(block.lines))
        yield block
