"""The compiled reader of plain lines, if `batchfiles-native` is installed. The only module that imports it.

It reads the shapes of `docs/native.md`, which have one meaning, and leaves all other lines to the Python code, whose results are
the same.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from batchfiles.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SWITCH", "NativeChecks", "NativeRows", "describe", "native_checks", "native_rows"]

SWITCH = "BATCHFILES_NATIVE"
"""The environment variable that switches it off with the value 0."""


class NativeRows(Protocol):
    """Builds the columns of plain lines, in the order of the lines. Without the interpreter lock, except for hashes."""

    def __len__(self) -> int:
        """Return how many rows wait."""

    def add_results(self, lines: list[bytes], file: int, line_number: int) -> list[tuple[int, int]]:
        """Add the rows of plain result lines.

        Returns:
            For each other line its number in `lines`, and how many rows wait before it.
        """

    def add_requests(
        self, lines: list[bytes], source: str, file: int, line_number: int, digests_of: Callable[[list[bytes]], list[int]]
    ) -> tuple[list[int | None], list[tuple[int, int]], list[int]]:
        """Add the rows of plain requests that have no result, or one plain result.

        Args:
            lines: Lines of a request file.
            source: The name of the file.
            file: The number of the file.
            line_number: That of the first line.
            digests_of: Returns the digests of ids, as the index has them.

        Returns:
            The digests of the ids, None for the other lines; the other lines, as `add_results` does; the numbers of the index
            entries that were used.
        """

    def take(self) -> tuple[dict[str, tuple[int, list[bytes | None]]], int]:
        """Return the columns that are not null everywhere, as the number of nulls and Arrow buffers, and the number of rows."""

    def take_outcomes(self) -> dict[str, int]:
        """Return how many rows there were by outcome since the last call."""


class NativeChecks(Protocol):
    """Finds the requests of a file that differ from one without a finding only in what can't be a finding."""

    def check(self, lines: list[bytes]) -> tuple[list[str], list[int], list[int], int]:
        """Read lines, in part without the interpreter lock.

        Returns:
            The ids of the requests that are certainly without a finding; the numbers of the other lines in `lines`; those of
            them for which `learn` may help; and how many texts to embed the requests have.
        """

    def learn(self, line: bytes, url: str | None, description: str) -> None:
        """Remember a request without a finding, of which Python knows the url and its `RequestRules.description`."""


def native_checks(custom_id: str) -> NativeChecks | None:
    """Return the checks of one file; None if the compiled code is not installed or switched off.

    Args:
        custom_id: The shape of ids, see `RequestRules.custom_id_shape`.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    module = _module()
    if module is None:
        return None
    checks: NativeChecks = module.Checks(custom_id)
    return checks


def native_rows(facts: Mapping[str, Any], files: Sequence[Any], index: Mapping[str, Any] | None = None) -> NativeRows | None:
    """Return a builder of columns; None if the compiled code is not installed or switched off.

    Args:
        facts: What decides outcomes, see `table.plain_rows`.
        files: The result files: each a `ResultFile`.
        index: `path`, `count`, `shift` and `starts` of the index of results; None without requests.

    Raises:
        MissingDependencyError: Another version of `batchfiles-native` is installed.
    """
    module = _module()
    if module is None or not all(map(_is_utf8, (name for file in files for name in (file.name, file.batch_id or "")))):
        return None
    rows: NativeRows = module.Rows(facts, list(files), index)
    return rows


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


def _is_utf8(name: str) -> bool:
    """Return whether a name has no half of a surrogate pair, as the names of files may."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _module() -> Any:  # noqa: ANN401 - compiled
    module = None if _is_off() else _imported()
    if module is not None and not _fits(module):
        raise MissingDependencyError(
            f"batchfiles-native {module.VERSION} does not fit batchfiles {_version()}: install the same version of "
            f"both, or set {SWITCH}=0 to do without it"
        )
    return module


def _fits(module: Any) -> bool:  # noqa: ANN401 - compiled
    """Return whether both are of one release: the facts that are passed to the compiled code have no version of their own."""
    return _version() == str(module.VERSION)


@cache
def _version() -> str:
    """Return the version of batchfiles, which takes milliseconds to find out."""
    return version("batchfiles")


@cache
def _imported() -> Any:  # noqa: ANN401 - compiled
    try:
        import batchfiles_native
    except ImportError:
        return None
    return batchfiles_native
