"""The checks of one request file in one pass, which report each finding at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, BinaryIO, TypeAlias, cast

from batchfiles.codec import loads, parse
from batchfiles.errors import InvalidLineError, MismatchError, TruncatedFileError
from batchfiles.findings import Finding, Severity
from batchfiles.ids.unique import PLACE_BITS, UniqueIds
from batchfiles.inputs.file_mistakes import HEAD, file_mistake
from batchfiles.inputs.kinds import LineFormat, describe, line_format_of
from batchfiles.io.lines import BLOCK_SIZE, Block, blocks
from batchfiles.io.sources import Source, plain_name
from batchfiles.io.texts import Text, texts
from batchfiles.limits import Limits
from batchfiles.native import NativeChecks, native_checks
from batchfiles.rules.keys import Violation
from batchfiles.rules.requests import RequestRules

MOST_FOREIGN_LINES = 1000
"""After so many first lines of another format, the file is of that format: one finding instead of one per line."""

MOST_DESCRIPTIONS = 16
"""Urls whose requests compiled code takes."""

MOST_LEARNED = 64
"""Requests of a block that compiled code learns; it remembers so many."""

LONGEST_PAUSE = 15
"""Blocks that are not given to compiled code while it takes few lines."""

Notice: TypeAlias = Callable[[Finding], None]
Repeated: TypeAlias = Callable[[str, int, int, int], None]


class FileCheck:
    """The state of one file that is being checked.

    Args:
        source: The file.
        number: Its place among the files that are checked together.
        limits: The service's rules.
        ids: The ids; shared by all files if they must be unique across files.
        notice: Called with each finding.
        repeated: Called with each repeated id, its first place, this place, and the offset of this line.
        max_line_bytes: The longest line that is read, in bytes.
        on_bytes: Called with the uncompressed bytes of every piece that was read.
    """

    def __init__(
        self,
        source: Source,
        number: int,
        limits: Limits,
        ids: UniqueIds,
        notice: Notice,
        repeated: Repeated,
        *,
        max_line_bytes: int,
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        self.rules = RequestRules(limits)
        self.requests = 0
        self.bytes = 0
        self._source = source
        self._limits = limits
        self._ids = ids
        self._notice = notice
        self._repeated = repeated
        self._max_line_bytes = max_line_bytes
        self._on_bytes = on_bytes
        self._base = number << PLACE_BITS
        self._requests_seen = False
        self._foreign_lines: list[tuple[int, int, LineFormat]] = []
        self._is_foreign_file = False
        self._checks = native_checks(self.rules.custom_id_shape())
        self._descriptions: dict[str | None, str | None] = {}
        self._pause = self._skipping = 0

    def run(self) -> None:
        """Read the file.

        Raises:
            FileError: It does not exist or can't be read, or the ids don't fit on the disk.
        """
        self._check_name()
        try:
            with self._source.open() as stream:
                counted = _Counted(stream, self._count_bytes)
                mistake = file_mistake(counted.peek(HEAD))
                if mistake is not None:
                    self._holds_no_lines(mistake.code, mistake.message)
                    return
                self._check_stream(cast("BinaryIO", counted))
        except TruncatedFileError as error:
            self._add_finding(error.code, f"The file can't be read to its end: {error.reason}.")
            if not self.requests:  # the rest is not known
                return
        except MismatchError as error:
            self._holds_no_lines(error.code, f"{error.reason[:1].upper()}{error.reason[1:]}.")
            return
        self._check_whole()

    def _holds_no_lines(self, code: str, words: str) -> None:
        """Report a file without lines; its size is known without reading it, unless it is compressed or remote."""
        self._add_finding(code, words)
        if self._source.is_seekable_text():
            self.bytes = self._source.size() or 0

    def _count_bytes(self, count: int) -> None:
        self.bytes += count
        if self._on_bytes is not None:
            self._on_bytes(count)

    def _reading_notice(self, finding: Finding) -> None:
        """Pass on a finding about the bytes; its severity depends on the service."""
        if finding.code == "byte_order_mark":
            finding = replace(finding, severity=self._limits.byte_order_mark)
        elif finding.code == "line_too_long":
            self.requests += 1
        self._notice(finding)

    def _check_stream(self, stream: BinaryIO) -> None:
        """Check all lines: in blocks that are not cut apart, if compiled code can take whole ones of them."""
        name, notice, longest = self._source.name, self._reading_notice, self._max_line_bytes
        # A limit of the service on the length of a line is a finding before all others of its block.
        if self._checks is None or self._limits.max_line_bytes is not None or not self._source.is_seekable_text():
            for block in blocks(stream, name, notice, max_line_bytes=longest, block_size=BLOCK_SIZE):
                self._check_block(block, None)
        else:
            for text in texts(stream, name, notice, max_line_bytes=longest, block_size=BLOCK_SIZE):
                self._check_block(None, text)

    def _check_block(self, block: Block | None, text: Text | None) -> None:
        """Check the lines of a block or a text."""
        if block is not None:
            self._check_lengths(block)
        checks = self._checks
        if checks is None or self._skipping > 0:
            self._skipping -= 1
            block = block or cast("Text", text).block()
            self._check_lines(block.lines, block.line_number, _Offsets(block))
            return
        text = text or Text.of(cast("Block", block))
        ids, others, unknown, inputs = checks.check(text.text)
        self.rules.embedding_inputs += inputs
        is_worth_it = not self._descriptions or len(ids) > len(others) // 3
        self._pause = 0 if is_worth_it else min(2 * self._pause + 1, LONGEST_PAUSE)
        self._skipping = self._pause
        if others or not self._ids.add_all(ids, self._base + text.line_number):
            self._check_others(checks, block or text.block(), ids, others, unknown)
        else:
            self.requests += len(ids)

    def _check_others(self, checks: NativeChecks, block: Block, ids: list[str], others: list[int], unknown: list[int]) -> None:
        """Check the lines that compiled code did not take, and add the ids of the others, in the order of the lines."""
        offsets = _Offsets(block)
        special: set[int] = set()
        done = taken = 0
        for first, end in _runs(others):
            self._add_ids(ids[taken : taken + first - done], block.line_number + done, offsets)
            taken += first - done
            special.update(self._check_lines(block.lines[first:end], block.line_number + first, offsets))
            done = end
        self._add_ids(ids[taken:], block.line_number + done, offsets)
        clean = (place for place in unknown if block.line_number + place not in special)
        for place in islice(clean, MOST_LEARNED):
            self._learn(checks, block.lines[place])

    def _learn(self, checks: NativeChecks, line: bytes) -> None:
        """Let compiled code take the requests that are as this one, which has no finding."""
        url = parse(line).get("url")
        if url not in self._descriptions:
            if len(self._descriptions) >= MOST_DESCRIPTIONS:
                return
            self._descriptions[url] = self.rules.description(url)
        description = self._descriptions[url]
        if description is not None:
            checks.learn(line, url, description)

    def _check_lines(self, lines: list[bytes], number: int, offsets: _Offsets) -> list[int]:
        """Check neighbouring lines, and return the numbers of those that may have a finding."""
        # Flat for speed: this runs for each line. The ids of requests without a finding are added together.
        violations = self.rules.violations
        ids: list[str] = []  # the first one is that of line `number`
        special: list[int] = []
        for line in lines:
            try:
                request = parse(line)
            except ValueError:
                request = None
            if type(request) is dict and "body" in request and "response" not in request:  # as `line_format_of` has it
                found = violations(request, number + len(ids))
                if not found and self._requests_seen:
                    ids.append(request["custom_id"])
                    continue
            else:
                found = None
            self._add_ids(ids, number, offsets)
            number += len(ids)
            ids.clear()
            if found is None:
                self._take_special(line, number, offsets)
            else:
                self._add_request(request, found, number, offsets)
            special.append(number)
            number += 1
        self._add_ids(ids, number, offsets)
        return special

    def _add_ids(self, ids: list[str], number: int, offsets: _Offsets) -> None:
        """Count requests without a finding, and add their ids; the first one has this line number."""
        self.requests += len(ids)
        place = self._base + number
        if self._ids.add_all(ids, place):
            return
        for each, custom_id in enumerate(ids):
            first = self._ids.add(custom_id, place + each)
            if first is not None:
                self._repeated(custom_id, first, place + each, offsets.of(number + each))

    def _take_special(self, line: bytes, number: int, offsets: _Offsets) -> None:
        """Check a line that is not strict JSON, or not a request by its keys."""
        try:
            value = loads(line)
        except InvalidLineError as error:
            self._unreadable(error, line, number, offsets)
            return
        line_format = line_format_of(value)
        if line_format in ("input", "unknown"):
            self._add_request(value, self.rules.violations(value, number), number, offsets)
        else:
            self._add_foreign_line(line_format, number, offsets.of(number))

    def _unreadable(self, error: InvalidLineError, line: bytes, number: int, offsets: _Offsets) -> None:
        if not line.strip():
            self._add_finding("blank_line", "The line is blank.", number, offsets.of(number), severity=self._limits.blank_lines)
            return
        self.requests += 1
        self._add_finding(
            error.code, f"{error.reason[:1].upper()}{error.reason[1:]}.", number, offsets.of(number), error.json_path
        )

    def _add_request(self, request: dict[str, Any], violations: Sequence[Violation], number: int, offsets: _Offsets) -> None:
        """Report the violations of a request, and add its id."""
        self._requests_seen = True
        self._report_foreign_lines()
        self.requests += 1
        custom_id = request.get("custom_id")
        if not isinstance(custom_id, str):
            custom_id = None
        for violation in violations:
            place = (number, offsets.of(number), violation.json_path)
            self._add_finding(violation.code, violation.message, *place, custom_id=custom_id, severity=violation.severity)
        if custom_id:
            first = self._ids.add(custom_id, self._base + number)
            if first is not None:
                self._repeated(custom_id, first, self._base + number, offsets.of(number))

    def _add_foreign_line(self, line_format: LineFormat, number: int, offset: int) -> None:
        """Report a line of another format: at once after a request, else when it is known whether all lines have this format."""
        if self._is_foreign_file:
            return
        if self._requests_seen:
            self._add_finding("wrong_format", f"A request is expected, but found {describe(line_format)}.", number, offset)
            return
        self._foreign_lines.append((number, offset, line_format))
        if len(self._foreign_lines) >= MOST_FOREIGN_LINES:
            self._report_foreign_file()

    def _report_foreign_lines(self) -> None:
        """Report single lines of another format, when a request follows them."""
        foreign_lines, self._foreign_lines = self._foreign_lines, []
        for number, offset, line_format in foreign_lines:
            self._add_foreign_line(line_format, number, offset)

    def _report_foreign_file(self) -> None:
        self._is_foreign_file = True
        number, offset, line_format = self._foreign_lines[0]
        self._add_finding("wrong_format", f"Requests are expected, but the file holds {describe(line_format)}.", number, offset)
        self._foreign_lines.clear()

    def _check_lengths(self, block: Block) -> None:
        most = self._limits.max_line_bytes
        if most is None or max(map(len, block.lines)) <= most:
            return
        offsets = _Offsets(block)
        for number, line in enumerate(block.lines, block.line_number):
            if len(line) > most:
                words = f"The line has {len(line):,} bytes, and {most:,} are allowed."
                self._add_finding("line_too_long", words, number, offsets.of(number))

    def _check_name(self) -> None:
        """A service with a limit on the size takes uploads, and those must be called `.jsonl` (seen in BerriAI/litellm#37527).

        `submit` and `run` send a compressed file uncompressed, with the name without the compression suffix.
        """
        name = self._source.file_name
        if self._limits.max_bytes is not None and name is not None and not plain_name(name.lower()).endswith(".jsonl"):
            words = "The file's name does not end in .jsonl: the service refuses it under this name."
            self._add_finding("invalid_file_name", words, severity="warning")

    def _check_whole(self) -> None:
        """Report the findings that are known at the end of the file."""
        limits = self._limits
        if self._foreign_lines:
            self._report_foreign_file()
        if self.requests == 0 and not self._is_foreign_file:
            words = "The input file is empty. Please ensure that the batch contains at least one request."
            self._add_finding("empty_file", words)
        if limits.max_requests is not None and self.requests > limits.max_requests:
            words = f"The file holds {self.requests:,} requests, and {limits.max_requests:,} are allowed: split it."
            self._add_finding("too_many_requests", words)
        inputs, most = self.rules.embedding_inputs, limits.max_embedding_inputs
        if most is not None and inputs > most:
            words = f"The file holds {inputs:,} texts to embed, and {most:,} are allowed: split it."
            self._add_finding("too_many_embedding_inputs", words)
        if limits.max_bytes is not None and self.bytes > limits.max_bytes:
            words = f"The file has {self.bytes:,} bytes, and {limits.max_bytes:,} are allowed: split it."
            self._add_finding("file_too_large", words)
        elif limits.warn_bytes is not None and self.bytes > limits.warn_bytes:
            words = f"The file has {self.bytes:,} bytes, above the documented {limits.warn_bytes:,}; it may be refused."
            self._add_finding("file_too_large", words, severity="warning")

    def _add_finding(
        self,
        code: str,
        message: str,
        number: int | None = None,
        offset: int | None = None,
        json_path: str | None = None,
        *,
        custom_id: str | None = None,
        severity: Severity = "error",
    ) -> None:
        self._notice(
            Finding(
                code=code,
                message=message,
                severity=severity,
                path=self._source.name,
                line_number=number,
                byte_offset=offset,
                json_path=json_path,
                custom_id=custom_id,
            )
        )


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first number of each run of ascending numbers, and the number after its last."""
    first = end = -1
    for number in numbers:
        if number != end:
            if end >= 0:
                yield first, end
            first = number
        end = number + 1
    if end >= 0:
        yield first, end


class _Offsets:
    """The offsets of the lines of a block; requested in order, and only for findings."""

    def __init__(self, block: Block) -> None:
        self._first = block.line_number
        self._lines = block.lines
        self._number = block.line_number
        self._offset = block.byte_offset

    def of(self, number: int) -> int:
        """Return the offset of a line; numbers must be ascending."""
        between = self._lines[self._number - self._first : number - self._first]
        self._offset += sum(map(len, between)) + len(between)
        self._number = number
        return self._offset


class _Counted:
    """A stream that counts the bytes read from it, each once, and whose first bytes can be peeked at."""

    def __init__(self, stream: BinaryIO, count: Callable[[int], None]) -> None:
        self._stream = stream
        self._count = count
        self._head = b""
        self._at = self._counted = 0

    def peek(self, size: int) -> bytes:
        """Return the first bytes, which `read` returns again."""
        pieces: list[bytes] = []
        missing = size
        while missing > 0 and (piece := self._stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        self._head = b"".join(pieces)
        return self._head

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        if self._head:
            piece, self._head = self._head[:size], self._head[size:]
        else:
            piece = self._stream.read(size)
        self._at += len(piece)
        if self._at > self._counted:
            self._count(self._at - self._counted)
            self._counted = self._at
        return piece

    def seek(self, position: int) -> int:
        """Go to a place from the start, if the stream can."""
        self._head = b""
        self._at = self._stream.seek(position)
        return self._at
