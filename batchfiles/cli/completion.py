"""Values that a shell completes: files, folders, campaigns, words of a list, and columns of the named table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    Base = click.ParamType[str]
else:  # not generic in old releases of click
    Base = click.ParamType

FILES = frozenset({"FILE", "FILE...", "RESULT...", "TABLE", "TABLE...", "INPUT", "REQUESTS=RESULTS"})
FOLDERS = frozenset({"FOLDER", "DIR"})
BATCHES = frozenset({"BATCH..."})
"""What the help calls values that are files, folders and batches."""


def with_completion(parameters: Iterable[click.Parameter]) -> None:
    """Make a shell complete the parameters whose values are files, folders or batches."""
    for parameter in parameters:
        if not isinstance(parameter.type, click.types.StringParamType):
            continue
        called = parameter.metavar or str(parameter.name).upper()
        if called in FILES:
            parameter.type = FileName()
        elif called in FOLDERS:
            parameter.type = FolderName()
        elif called in BATCHES:
            parameter.type = BatchName()


def words_beginning(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the words that complete the last one of a list with commas."""
    before, comma, last = incomplete.rpartition(",")
    return [CompletionItem(before + comma + word) for word in words if word.startswith(last)]


def files_beginning(incomplete: str) -> list[CompletionItem]:
    """Let the shell complete a file name."""
    return [CompletionItem(incomplete, type="file")]


class Text(Base):
    """A text, like that of click."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's signature
        """Return the text."""
        return value


class FileName(Text):
    """The name of a file."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the marker for files."""
        return files_beginning(incomplete)


class FolderName(Text):
    """The name of a folder."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the marker for folders."""
        return [CompletionItem(incomplete, type="dir")]


class BatchName(Text):
    """The id of a batch, a request file or a campaign folder."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return campaign folders; if there is none of such a name, files."""
        parent = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
        try:
            found = sorted(str(path.parent) for path in parent.glob("*/manifest.json"))
        except OSError:
            found = []
        campaigns = [CompletionItem(f"{each}/") for each in found if each.startswith(incomplete.removeprefix("./"))]
        return campaigns or files_beginning(incomplete)


class WordList(Text):
    """A list of known words, and of others, with commas."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the words that complete the last one."""
        return words_beginning(self._words, incomplete)


NAME = re.compile(r"[\w.]*\Z")
"""The name at the end of a condition."""


class ColumnName(Text):
    """A list of columns, or a condition, on the table that the command names before."""

    def __init__(self, argument: str, *, in_condition: bool = False) -> None:
        self._argument = argument
        self._in_condition = in_condition

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the columns that complete the last name."""
        # The parser of click stops at an option without its value, and leaves the arguments before it in `args`.
        columns = _columns_of(ctx.params.get(self._argument) or next(iter(ctx.args), None))
        if not self._in_condition:
            return words_beginning(columns, incomplete)
        start = NAME.search(incomplete).start()  # type: ignore[union-attr]  # it always matches
        before, name = incomplete[:start], incomplete[start:]
        return [CompletionItem(before + column) for column in columns if column.startswith(name)]


def _columns_of(file: object) -> list[str]:
    """Return the columns of a local table; none if it can't be read."""
    if not isinstance(file, str) or not Path(file).exists():
        return []
    from batchfiles.table.preview import first_rows

    try:
        return first_rows(file, 1).columns
    except Exception:  # noqa: BLE001 - a completion shows no errors
        return []
