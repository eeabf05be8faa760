"""Files in; lines, requests and results out, each knowing its place. What is wrong is raised or handed over.

With `on_error=None` the first error is raised as `InvalidLineError` (`LineTooLongError` for a line that is too long) and warnings
are silent. A callable gets every `Finding` while reading continues. `strict` makes errors of the warnings: a blank line, a byte
order mark, a last line without a newline, a line that is not quite JSON and was repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from batchfiles.codec import JSON_WHITESPACE, input_of, loads, output_of, parse
from batchfiles.errors import InvalidLineError, LineTooLongError, MismatchError, TruncatedFileError
from batchfiles.findings import Finding, OnError
from batchfiles.io.lines import Block
from batchfiles.io.sources import Source, SourceLike, expand, read_blocks
from batchfiles.limits import LINE_CAP, RESULT_LINE_CAP
from batchfiles.records import BatchRequestInput, BatchRequestOutput
from batchfiles.summary import record_page, short_repr

Record = TypeVar("Record")


class Line(NamedTuple):
    r"""One line of a file, unchanged.

    Attributes:
        path: The file's display name.
        line_number: Counted from 1, blank lines included.
        byte_offset: Where the line begins, in bytes of the uncompressed file.
        data: Its bytes, without the `\n` and without a `\r` before it.
    """

    path: str
    line_number: int
    byte_offset: int
    data: bytes

    def to_dict(self) -> dict[str, Any]:
        r"""Return the line as plain values, for JSON: `data` is the text, with `\xhh` for bytes that are not UTF-8."""
        return {**self._asdict(), "data": self.data.decode(errors="backslashreplace")}

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        """Return the line for notebooks."""
        return record_page("Line", [("line", f"{self.path}:{self.line_number}")], self.to_dict()["data"])


def read_lines(
    *sources: SourceLike,
    on_error: OnError = None,
    strict: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    filesystem: object = None,
) -> Iterator[Line]:
    """Read the lines of any number of files, undecoded.

    Args:
        sources: Paths, folders, globs, URLs of them (`s3://`, `gs://`, `abfs://`), open binary files, or `-` for standard input;
            plain, gzip, bz2 or zstd.
        on_error: None raises the first error; a callable gets each finding while reading continues.
        strict: Whether warnings are errors.
        max_line_bytes: The longest line that is read, in bytes.
        filesystem: The filesystem in which paths are paths, of `pyarrow.fs` or of fsspec; None takes the local one.

    Yields:
        The lines that are not blank.

    Raises:
        LineTooLongError: A line is above `max_line_bytes`.
        InvalidLineError: `strict` and something worth a warning.
        TruncatedFileError: Compressed bytes end too early or are damaged; after the good lines.
        FileError: A file is not there (raised by the call itself) or can't be read.

    Example:
        >>> line = next(batchfiles.read_lines("fixtures/chat_completions/requests.jsonl"))
        >>> line.line_number, line.byte_offset, line.data[:28]
        (1, 0, b'{"custom_id": "ticket-0001",')
    """
    return _lines(expand(sources, filesystem=filesystem), _Notices(on_error, strict=strict, max_line_bytes=max_line_bytes))


def read_inputs(
    *sources: SourceLike,
    on_error: OnError = None,
    strict: bool = False,
    max_line_bytes: int = LINE_CAP,
    filesystem: object = None,
) -> Iterator[BatchRequestInput]:
    """Read the requests of any number of request files; the arguments are those of `read_lines`.

    Raises:
        InvalidLineError: A line is not a request.
        LineTooLongError: A line is above `max_line_bytes`.
        TruncatedFileError: Compressed bytes end too early or are damaged; after the good lines.
        FileError: A file is not there (raised by the call itself) or can't be read.

    Example:
        >>> request = next(batchfiles.read_inputs("fixtures/chat_completions/requests.jsonl"))
        >>> request.custom_id, request.url
        ('ticket-0001', '/v1/chat/completions')
    """
    return _records(
        expand(sources, filesystem=filesystem), input_of, _Notices(on_error, strict=strict, max_line_bytes=max_line_bytes)
    )


def read_outputs(
    *sources: SourceLike,
    on_error: OnError = None,
    strict: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    filesystem: object = None,
) -> Iterator[BatchRequestOutput]:
    """Read the results of any number of output and error files; the arguments are those of `read_lines`.

    Raises:
        InvalidLineError: A line is not a result.
        LineTooLongError: A line is above `max_line_bytes`.
        TruncatedFileError: Compressed bytes end too early or are damaged; after the good lines.
        FileError: A file is not there (raised by the call itself) or can't be read.

    Example:
        >>> from collections import Counter
        >>> results = batchfiles.read_outputs("fixtures/chat_completions/*_output.jsonl")
        >>> Counter(batchfiles.outcome_of(result).outcome for result in results)["succeeded"]
        8
    """
    return _records(
        expand(sources, filesystem=filesystem), output_of, _Notices(on_error, strict=strict, max_line_bytes=max_line_bytes)
    )


class _Notices:
    """Where findings go: to the caller's callable, or the first error waits in `problem` to be raised.

    It waits, and is raised by the loop below, so that no frame of its traceback holds the lines around it.
    """

    def __init__(self, on_error: OnError, *, strict: bool, max_line_bytes: int) -> None:
        self.on_error = on_error
        self.strict = strict
        self.max_line_bytes = max_line_bytes
        self.problem: Finding | None = None

    def __call__(self, finding: Finding) -> None:
        if self.strict:
            finding = finding.as_error()
        if self.on_error is not None:
            self.on_error(finding)
        elif self.problem is None and finding.severity == "error":
            self.problem = finding

    def raise_problem(self) -> None:
        """Raise what waits, if anything does."""
        problem = self.problem
        if problem is None:
            return
        if problem.code == LineTooLongError.code:
            raise LineTooLongError(
                problem.message,
                limit=self.max_line_bytes,
                path=problem.path,
                line_number=problem.line_number,
                byte_offset=problem.byte_offset,
            )
        raise problem.exception()


def _blocks(sources: list[Source], notices: _Notices) -> Iterator[Block]:
    """Read the sources one after the other; a damaged one ends early."""
    for source in sources:
        damage: Finding | None = None
        block: Block | None = None
        try:
            for block in read_blocks(source, notices, max_line_bytes=notices.max_line_bytes):
                if notices.problem is not None:
                    break
                yield block
        except (TruncatedFileError, MismatchError) as error:
            if notices.on_error is None:
                raise
            damage = Finding.of(error, path=error.path, line_number=None, byte_offset=None)
        if damage is not None:
            notices(damage)
        block = None  # the exception's traceback must not hold it
        notices.raise_problem()


def _lines(sources: list[Source], notices: _Notices) -> Iterator[Line]:
    for path, first, start, lines in _blocks(sources, notices):
        number, offset = first, start
        for line in lines:
            if line and not line.isspace():
                yield Line(path, number, offset, line[:-1] if line.endswith(b"\r") else line)
            elif line.strip(JSON_WHITESPACE):  # a form feed or a vertical tab: space to Python, but not to JSON
                yield Line(path, number, offset, line)
            else:
                notices(_blank_line(path, number, offset))
                notices.raise_problem()
            number += 1
            offset += len(line) + 1


def _records(sources: list[Source], make: Callable[[Any, str, int, int], Record], notices: _Notices) -> Iterator[Record]:
    for path, first, start, lines in _blocks(sources, notices):
        number, offset = first, start
        for line in lines:
            try:
                record = make(parse(line), path, number, offset)
            except ValueError:  # it is looked at again outside of this block, where no exception holds the line
                record = None
            if record is None:
                record = _look_again(line, path, number, offset, make, notices)
            if record is not None:
                yield record
            elif notices.problem is not None:
                break
            number += 1
            offset += len(line) + 1
        del line, lines
        notices.raise_problem()


def _look_again(
    line: bytes, path: str, number: int, offset: int, make: Callable[[Any, str, int, int], Record], notices: _Notices
) -> Record | None:
    """Report a line that could not be decoded; return its record if it could be repaired."""
    if not line.strip(JSON_WHITESPACE):
        notices(_blank_line(path, number, offset))
        return None
    record = None
    try:
        value = loads(line)
        record = make(value, path, number, offset)
        finding = _repaired_line(path, number, offset)
    except InvalidLineError as error:
        finding = Finding.of(error, path=path, line_number=number, byte_offset=offset)
    notices(finding)
    return record if notices.problem is None else None


def _blank_line(path: str, number: int, offset: int) -> Finding:
    return Finding(
        code="blank_line",
        message="The line is blank: it is skipped here, and some services refuse the file.",
        severity="warning",
        path=path,
        line_number=number,
        byte_offset=offset,
    )


def _repaired_line(path: str, number: int, offset: int) -> Finding:
    return Finding(
        code="repaired_json",
        message="The line is not quite JSON: half a surrogate pair was read as U+FFFD, or NaN or an infinity as null.",
        severity="warning",
        path=path,
        line_number=number,
        byte_offset=offset,
    )
