"""The compiled reader of plain lines, if `batchfiles-native` is installed. The only module that imports it.

It reads the shapes of `docs/native.md`, which have one meaning, and leaves all other lines to the Python code, whose results are
the same. Each function returns None if it is not installed or switched off.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from batchfiles.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    Counts = list[tuple[str | None, int]]
    Lengths = tuple[dict[int, int], int, int | None, int]

SWITCH = "BATCHFILES_NATIVE"
"""The environment variable that switches it off with the value 0."""


class NativeRows(Protocol):
    """Builds the columns of plain lines, in the order of the lines. Without the interpreter lock, except for digests."""

    def __len__(self) -> int:
        """Return how many rows wait."""

    def add_results(self, text: bytes, file: int, line_number: int) -> list[tuple[int, int, int, int]]:
        """Add the rows of plain result lines.

        Args:
            text: Lines of a result file, each with its newline.
            file: The number of the file.
            line_number: That of the first line.

        Returns:
            For each other line its number in `text`, where it begins and ends there, and how many rows wait before it.
        """

    def add_requests(
        self,
        text: bytes,
        source: str,
        file: int,
        line_number: int,
        offset: int,
        digests_of: Callable[[list[bytes]], list[int]],
    ) -> tuple[list[tuple[int, int, int, int]], list[int]]:
        """Add the rows of plain requests that have no result, or one plain result.

        Args:
            text: Lines of a request file, each with its newline.
            source: The name of the file.
            file: The number of the file.
            line_number: That of the first line.
            offset: Where the first line begins in the file.
            digests_of: Returns the digests of ids, as the index has them.

        Returns:
            The other lines, as `add_results` does; the numbers of the index entries that were used.
        """

    def set_digests(self, number: int, digests: list[int | None]) -> None:
        """Set the digests of neighbouring lines of the last `text`, from the line with this number there on."""

    def take_entries(self) -> bytes:
        """Return the entries of all requests that have a digest, packed as `IndexEntries` are, and forget them."""

    def take(self, allocate: Callable[[int], Any]) -> tuple[dict[str, tuple[int, list[Any]]], int]:
        """Return the columns that are not null everywhere, as the number of nulls and buffers, and the number of rows.

        Args:
            allocate: Makes a `pyarrow.Buffer` of some bytes.
        """

    def take_outcomes(self) -> dict[str, int]:
        """Return how many rows there were by outcome since the last call."""


class NativeChecks(Protocol):
    """Finds the requests of a file that differ from one without a finding only in what can't be a finding."""

    def check(self, text: bytes) -> tuple[list[str], list[int], list[int], int]:
        """Read lines, each with its newline, without the interpreter lock.

        Returns:
            The ids of the requests that are certainly without a finding; the numbers of the other lines in `text`; those of
            them for which `learn` may help; and how many texts to embed the requests have.
        """

    def learn(self, line: bytes, url: str | None, description: str) -> None:
        """Remember a request without a finding, of which Python knows the url and its `RequestRules.description`."""


class NativeLines(Protocol):
    """Functions that search and count, without the interpreter lock."""

    def count_newlines(self, text: bytes) -> int:
        """Return how many newlines a text has."""

    def may_hold(self, text: bytes, word: bytes) -> bool:
        """Return whether a text has an ASCII word, or an escape of one of its letters."""

    def measure_lines(self, text: bytes) -> tuple[int, int, list[int]]:
        """Return the number of lines, the length of the longest with its newline, and the numbers of blank lines from 0."""

    def repeated(self, numbers: bytes) -> list[int]:
        """Return the numbers of 64 bits that are there more than once."""


class NativeIds(Protocol):
    """Reads the ids at the beginning of lines, and keeps their digests. The ids are read without the interpreter lock."""

    def read(self, text: bytes) -> bytes | None:
        """Return the ids of whole lines with a newline between; None if one is not plain, or has a digest that is known."""

    def take(self) -> list[bytes]:
        """Return the digests, signed, in 64 parts by their last bits, and forget them."""


class NativeListed(Protocol):
    """Selects the lines of listed ids, without the interpreter lock."""

    def find(self, text: bytes) -> list[tuple[int, int, str | None, bool]]:
        """Return the lines whose id is listed or not plain.

        Returns:
            Where each begins and ends, the id or None, and whether the line is certainly a request.
        """


class NativeEntries(Protocol):
    """Entries of an index, as `ids.index.IndexEntries`."""

    def add(self, digest: int, file: int, offset: int, length: int, line_number: int) -> None:
        """Add one line."""

    def add_lines(
        self, text: bytes, file: int, offset: int, line_number: int, digests_of: Callable[[list[bytes]], list[int]]
    ) -> list[tuple[int, int, int]]:
        """Add neighbouring lines, which are read without the interpreter lock.

        Args:
            text: The lines, each with its newline.
            file: The number of the file.
            offset: Where the first one begins.
            line_number: That of the first one.
            digests_of: Returns the digests of ids.

        Returns:
            For each line whose id is not plain its number in `text`, and where it begins and ends there.
        """

    def set_digest(self, number: int, digest: int) -> None:
        """Set the digest of a line of the last `text`; without one it is left out."""

    def take(self) -> bytes:
        """Return the packed columns, as `IndexEntries.to_bytes` does, and forget them."""


class NativeTotals(Protocol):
    """Counts plain results, read without the interpreter lock."""

    def add(
        self, lines: list[bytes], steps_of: Callable[[list[str | None], int], list[tuple[int, ...]] | None]
    ) -> tuple[list[int], list[str]] | None:
        """Count lines.

        Args:
            lines: Lines of a result file, without their newlines.
            steps_of: Called with the models that are new, and how many lines are not plain. It returns for each model the numbers
                of input tokens that divide its requests into tiers, or None to count nothing.

        Returns:
            The numbers of the lines that are not plain, and the ids of successes; None if nothing was counted.
        """

    def without_successes(self, lines: list[bytes]) -> list[int]:
        """Return the numbers of the lines that are not plain, or not successes."""

    def take(self) -> tuple[Counts, Counts, list[tuple[str | None, int, list[int]]], list[Lengths]]:
        """Return the sums, and forget them.

        Returns:
            The counts by outcome and by endpoint. For each model and tier: the name; the step that its requests exceed, or 0;
            results, and tokens: input, output, cached, reasoning, cache write. Buckets, sum, minimum and maximum of lengths: of
            lines, of texts in characters, of input tokens, of output tokens.
        """


class NativeRetries(Protocol):
    """Finds requests that are certainly not sent again, without the interpreter lock, except for digests."""

    def leave_out(
        self,
        text: bytes,
        part: int,
        file: int,
        line_number: int,
        offset: int,
        digests_of: Callable[[list[bytes]], list[int]],
    ) -> tuple[list[tuple[int, int, int]], list[int], int, dict[tuple[str, int], int]]:
        """Count requests that are left out.

        Args:
            text: As for `NativeEntries.add_lines`, like all others.
            part: The number of the file among those of the index.
            file: Its number in the entries.
            line_number: As there.
            offset: As there.
            digests_of: As there.

        Returns:
            The other lines, as `add_lines` does; the numbers of the index entries that were used; how many of the requests have
            no result; how many have an answer, by outcome and status.
        """

    def set_digests(self, number: int, digests: list[int | None]) -> None:
        """Set the digests of neighbouring lines of the last `text`, from the line with this number there on."""

    def take_entries(self) -> bytes:
        """Return the entries of all lines that have a digest, packed as `IndexEntries` are, and forget them."""


def native_checks(custom_id: str) -> NativeChecks | None:
    """Return the checks of one file; None if the compiled code is not installed or switched off.

    Args:
        custom_id: The shape of ids, see `RequestRules.custom_id_shape`.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    checks: NativeChecks | None = _made("Checks", custom_id)
    return checks


def native_lines() -> NativeLines | None:
    """Return what counts lines and searches in them.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    module: NativeLines | None = _module()
    return module


def native_ids(known: Iterable[int]) -> NativeIds | None:
    """Return a reader of ids.

    Args:
        known: Digests of other ids.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    ids: NativeIds | None = _made("PlainIds", set(known))
    return ids


def native_listed(ids: AbstractSet[str]) -> NativeListed | None:
    """Return what selects lines by their ids.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    listed: NativeListed | None = _made("ListedIds", ids)
    return listed


def native_entries() -> NativeEntries | None:
    """Return empty entries of an index.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    entries: NativeEntries | None = _made("IndexEntries")
    return entries


def native_rows(
    facts: Callable[[], Mapping[str, Any]], files: Sequence[Any], index: Mapping[str, Any] | None = None
) -> NativeRows | None:
    """Return a builder of columns; None also if a name is not valid UTF-8.

    Args:
        facts: Returns what decides outcomes, see `table.plain_rows`; called only if there is compiled code.
        files: The result files: each a `ResultFile`.
        index: `path`, `count`, `shift` and `starts` of the index of results; None without requests.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    module = _module()
    if module is None or not _have_utf8_names(files):
        return None
    rows: NativeRows = module.Rows(facts(), list(files), index)
    return rows


def native_totals(facts: Callable[[], Mapping[str, Any]], kept_bits: int) -> NativeTotals | None:
    """Return what counts results.

    Args:
        facts: As for `native_rows`.
        kept_bits: The leading bits by which lengths are counted.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    module = _module()
    totals: NativeTotals | None = None if module is None else module.Totals(facts(), kept_bits)
    return totals


def native_retries(
    facts: Callable[[], Mapping[str, Any]], files: Sequence[Any], index: Mapping[str, Any]
) -> NativeRetries | None:
    """Return what finds requests that are not sent again; None also if a name is not valid UTF-8.

    Args:
        facts: As for `native_rows`; also `left_out`, the statuses of answers by outcome; `leaves_missing`; `other_urls`, the last
            words of urls whose answers are not texts; `keeps_entries`.
        files: As for `native_rows`.
        index: As for `native_rows`.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    module = _module()
    if module is None or not _have_utf8_names(files):
        return None
    known = facts()
    retries: NativeRetries = module.Retries(known, known, list(files), index)
    return retries


def describe() -> str:
    """Return which code reads the lines, for `batchfiles --version`."""
    if _is_off():
        return f"pure Python: {SWITCH}=0"
    module = _imported()
    if module is None:
        return "pure Python"
    return "with batchfiles-native" if _fits(module) else f"refuses batchfiles-native {module.VERSION}"


def _is_off() -> bool:
    return os.environ.get(SWITCH) == "0"


def _have_utf8_names(files: Sequence[Any]) -> bool:
    return all(_is_utf8(name) for file in files for name in (file.name, file.batch_id or ""))


def _is_utf8(name: str) -> bool:
    """Return whether a name has no half of a surrogate pair, as the names of files may."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _made(kind: str, *arguments: object) -> Any:  # noqa: ANN401 - compiled
    """Return an object of the compiled code; None without it."""
    module = _module()
    return None if module is None else getattr(module, kind)(*arguments)


def _module() -> Any:  # noqa: ANN401 - compiled
    module = None if _is_off() else _imported()
    if module is not None and not _fits(module):
        raise MissingDependencyError(
            f"batchfiles-native {module.VERSION} does not fit batchfiles {_own_version()}: install the same version of "
            f"both, or set {SWITCH}=0 to do without it"
        )
    return module


def _fits(module: Any) -> bool:  # noqa: ANN401 - compiled
    """Return whether both are of one release: the facts that are passed to the compiled code have no version of their own."""
    return _own_version() == str(module.VERSION)


@cache
def _own_version() -> str:
    """Return the version of batchfiles, which takes milliseconds to find out, and so does the import."""
    from importlib.metadata import version

    return version("batchfiles")


@cache
def _imported() -> Any:  # noqa: ANN401 - compiled
    try:
        import batchfiles_native
    except ImportError:
        return None
    return batchfiles_native
