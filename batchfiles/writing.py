"""Requests and results out, one line each: a file that appears whole or not at all, and that keeps to the limits of a service."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain
from types import TracebackType
from typing import BinaryIO, NoReturn, Self, cast

from batchfiles.codec import encode_input, encode_output
from batchfiles.errors import (
    DuplicateCustomIdError,
    FileTooLargeError,
    InvalidLineError,
    LineTooLongError,
    TooManyEmbeddingInputsError,
    TooManyRequestsError,
)
from batchfiles.ids.unique import UniqueIds
from batchfiles.io.compression import compressed, compression_of_name
from batchfiles.io.remote_path import file_error
from batchfiles.io.target import Target, TargetLike
from batchfiles.io.threads import PIECE, BackgroundFile, write_all
from batchfiles.limits import LimitsLike, profile
from batchfiles.records import BatchRequestInput, BatchRequestOutput, not_a_record
from batchfiles.rules.keys import KeyRules, Violation, embedding_inputs_of, embedding_inputs_of_line, is_for_embeddings

BUFFER = 256 * 1024
"""Bytes that are handed to the file at a time."""


class _LineWriter:
    """What both writers share: where the bytes go, and how many went.

    Attributes:
        path: The display name of the target.
        count: Lines written so far.
        bytes_written: Bytes written so far, before compression.
    """

    def __init__(
        self,
        output: TargetLike,
        *,
        overwrite: bool = False,
        temp_dir: str | os.PathLike[str] | None = None,
        filesystem: object = None,
    ) -> None:
        self._target = Target.at(output, filesystem=filesystem, folder=False)
        self._overwrite = overwrite
        self._temp_dir = temp_dir
        self._stack = ExitStack()
        self._sink: BinaryIO | None = None
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._piece = BUFFER
        self.path = self._target.name
        self.count = 0
        self.bytes_written = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._sink = self._open(stack)
            stack.push(self._finish)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, traceback)

    def _open(self, stack: ExitStack) -> BinaryIO:
        """Open the target; its context managers, which make a new file whole or none, are put on the stack."""
        file = stack.enter_context(self._target.open(overwrite=self._overwrite, temp_dir=self._temp_dir))
        compression = compression_of_name(self._target.name) if self._target.stream is None else None
        return stack.enter_context(compressed(file, compression))

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what waits, if all went well; an exception raised here makes the file not appear."""
        try:
            if kind is None:
                self._flush()
        finally:
            self._sink = None

    def _put(self, line: bytes) -> None:
        if self._sink is None:
            raise ValueError("the writer is not open: write inside of its `with` block")
        self._waiting.append(line)
        self.count += 1
        self.bytes_written += len(line)
        self._waiting_size += len(line)
        if self._waiting_size >= self._piece:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_size = 0
        try:
            write_all(cast("BinaryIO", self._sink), data)
        except BrokenPipeError:  # the reader of our standard output has closed it: that is not an error of the disk
            raise
        except OSError as error:
            raise file_error(error, self.path) from None


class InputWriter(_LineWriter):
    """Write a request file that a service will take.

    Use it as a context manager. A file appears only when the block ends without an exception, and is never appended to; an open
    file or standard output gets each line at once, and is flushed but not closed.

    Args:
        output: A path or a URL, whose suffix may ask for compression (`.gz`, `.bz2`, `.zst`); `-` for standard output; an open
            file.
        limits: Whose limits the file keeps to, as it grows: `Limits`, or a name such as `"azure"`.
        overwrite: Whether a file that is there may be replaced.
        in_memory: How many ids are compared at once; those after them are compared at the end.
        temp_dir: A folder for the ids after those, and for a remote file until it is whole; None takes the system's.
        filesystem: The filesystem in which `output` is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

    Attributes:
        path: The display name of the target.
        count: Requests written so far.
        bytes_written: Bytes written so far, before compression.

    Raises:
        OutputExistsError: The file is there and `overwrite` was not given.
        FileError: The disk or the system refused.
        DuplicateCustomIdError: At the end of the block: an id beyond the first `in_memory` ones is there twice.
    """

    def __init__(
        self,
        output: TargetLike,
        *,
        limits: LimitsLike = "openai",
        overwrite: bool = False,
        in_memory: int = 1_000_000,
        temp_dir: str | os.PathLike[str] | None = None,
        filesystem: object = None,
    ) -> None:
        super().__init__(output, overwrite=overwrite, temp_dir=temp_dir, filesystem=filesystem)
        limits = profile(limits)
        self.limits = limits
        self._most_requests = _or_endless(limits.max_requests)
        self._most_bytes = _or_endless(limits.max_bytes)
        self._longest_line = _or_endless(limits.max_line_bytes)
        self._most_inputs = _or_endless(limits.max_embedding_inputs)
        self._counts_inputs = limits.max_embedding_inputs is not None
        self._inputs = 0
        self._keys = KeyRules(limits)
        self._usual_url: object = object()  # that of the request before, if it embeds nothing; at first equal to none
        self._ids = UniqueIds(in_memory, temp_dir=temp_dir)

    def write(self, request: BatchRequestInput) -> None:
        """Write one request.

        After an error the file is as it was before, and the next request can be written.

        Raises:
            InvalidLineError: Its id, method, url or body is missing, of the wrong type or none that the service takes; or it
                holds something that JSON can't. The codes are those of `validate`.
            DuplicateCustomIdError: Its id was written before.
            TooManyRequestsError: The file is full, by number.
            TooManyEmbeddingInputsError: The file is full, by texts to embed.
            FileTooLargeError: The file is full, by size.
            LineTooLongError: The line is longer than the service takes.
        """
        try:
            custom_id = request.custom_id
        except AttributeError:
            raise not_a_record(request, "BatchRequestInput") from None
        usual = (
            request.url == self._usual_url
            and type(request.body) is dict
            and request.method == "POST"
            and not self._keys.custom_id_faults(custom_id)
        )
        inputs = 0 if usual else self._look_closer(request)
        self._write(encode_input(request, strict=True), custom_id, inputs)

    def write_line(self, line: bytes, custom_id: str) -> None:
        r"""Write one request whose line is there already, byte by byte as it is.

        Args:
            line: The line, with or without its `\n`.
            custom_id: The decoded id in it.

        Raises:
            ValueError: It is blank or more than one line.
            InvalidLineError: The service does not take the id; the rest of the line is not checked.
            DuplicateCustomIdError: And the others, as for `write`.
        """
        line = _one_line(line)
        self._raise_first(self._keys.custom_id_faults(custom_id))
        self._write(line, custom_id, embedding_inputs_of_line(line) if self._counts_inputs else 0)

    def _look_closer(self, request: BatchRequestInput) -> int:
        """Refuse a request that is not like the one before it, if anything is wrong with it; return its texts to embed."""
        keys = self._keys
        self._raise_first(
            chain(
                keys.custom_id_faults(request.custom_id),
                keys.method_faults(request.method),
                keys.url_faults(request.url),
                keys.body_faults(request.body),
            )
        )
        if self._counts_inputs and is_for_embeddings(request.url):
            return embedding_inputs_of(request.url, request.body)
        self._usual_url = request.url
        return 0

    def _raise_first(self, faults: Iterable[Violation]) -> None:
        for fault in faults:
            raise InvalidLineError(
                fault.message,
                code=fault.code,
                json_path=fault.json_path,
                path=self.path,
                line_number=self.count + 1,
                byte_offset=self.bytes_written,
                role="input",
            )

    def _write(self, line: bytes, custom_id: str, inputs: int) -> None:
        number = self.count + 1
        size = len(line)
        if (
            number > self._most_requests
            or self.bytes_written + size > self._most_bytes
            or size - 1 > self._longest_line
            or (inputs and self._inputs + inputs > self._most_inputs)
        ):
            self._refuse(size, inputs)
        first = self._ids.add(custom_id, number)
        if first is not None:
            raise _duplicate(custom_id, first, number, self.path)
        self._put(line)
        if inputs:
            self._inputs += inputs

    def _refuse(self, size: int, inputs: int) -> NoReturn:
        """Raise the error of the limit that one more line would break."""
        limits = self.limits
        if limits.max_requests is not None and self.count >= limits.max_requests:
            raise TooManyRequestsError(
                f"{limits.name} takes {limits.max_requests:,} requests in one file: begin another one",
                limit=limits.max_requests,
                path=self.path,
                line_number=self.count + 1,
            )
        if limits.max_line_bytes is not None and size - 1 > limits.max_line_bytes:
            raise LineTooLongError(
                f"{limits.name} takes lines of {limits.max_line_bytes:,} bytes, and this one has {size - 1:,}",
                limit=limits.max_line_bytes,
                path=self.path,
                line_number=self.count + 1,
                byte_offset=self.bytes_written,
            )
        if limits.max_bytes is not None and self.bytes_written + size > limits.max_bytes:
            words = f"{limits.name} takes {limits.max_bytes:,} bytes in one file: begin another one"
            raise FileTooLargeError(words, limit=limits.max_bytes, path=self.path)
        most = self._most_inputs
        remedy = ": begin another one" if inputs <= most else f", and this request has {inputs:,}: divide it"
        raise TooManyEmbeddingInputsError(
            f"{limits.name} takes {most:,} texts to embed in one file{remedy}",
            limit=most,
            path=self.path,
            line_number=self.count + 1,
        )

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._ids:
            if kind is None:
                repeated = min(self._ids.duplicates(), key=lambda found: found[2], default=None)
                if repeated is not None:
                    self._sink = None
                    raise _duplicate(*repeated, self.path)
        super()._finish(kind)


class OutputWriter(_LineWriter):
    """Write an output or error file, as `InputWriter` does, but without limits: it is not uploaded.

    Args:
        output: A path or a URL, whose suffix may ask for compression (`.gz`, `.bz2`, `.zst`); `-` for standard output; an open
            file.
        overwrite: Whether a file that is there may be replaced.
        temp_dir: A folder for a remote file until it is whole; None takes the system's.
        filesystem: The filesystem in which `output` is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

    Attributes:
        path: The display name of the target.
        count: Results written so far.
        bytes_written: Bytes written so far, before compression.

    Raises:
        OutputExistsError: The file is there and `overwrite` was not given.
        FileError: The disk or the system refused.
    """

    def write(self, result: BatchRequestOutput) -> None:
        """Write one result.

        Raises:
            InvalidLineError: It holds something that JSON can't.
        """
        self._put(encode_output(result, strict=True))

    def write_line(self, line: bytes) -> None:
        r"""Write one line that is there already, byte by byte as it is, with or without its `\n`.

        Raises:
            ValueError: It is blank or more than one line.
        """
        self._put(_one_line(line))


class CopyWriter(_LineWriter):
    """Write lines of other files, byte by byte, many at a time, without checks. See `OutputWriter` for targets and exceptions."""

    def _open(self, stack: ExitStack) -> BinaryIO:
        """Open the target, and write to it in another thread if it is ours alone."""
        sink = super()._open(stack)
        if self._target.stream is not None:
            return sink
        self._piece = PIECE
        return cast("BinaryIO", stack.enter_context(BackgroundFile(sink)))

    def write_lines(self, text: bytes, count: int) -> None:
        r"""Write so many whole lines, each with its `\n`."""
        self._put(text)
        self.count += count - 1


def _or_endless(limit: int | None) -> int:
    return sys.maxsize if limit is None else limit


def _one_line(line: bytes) -> bytes:
    if not line or line.isspace():
        raise ValueError("a blank line is not a line of a batch file")
    if not line.endswith(b"\n"):
        line += b"\n"
    if line.find(b"\n") != len(line) - 1:
        raise ValueError("these are several lines: write them one by one")
    return line


def _duplicate(custom_id: str, first: int, number: int, path: str) -> DuplicateCustomIdError:
    return DuplicateCustomIdError(
        f"the custom_id {custom_id[:128]!r} is already on line {first}: each request of a batch needs its own",
        custom_id=custom_id,
        first_path=path,
        first_line_number=first,
        path=path,
        line_number=number,
    )
