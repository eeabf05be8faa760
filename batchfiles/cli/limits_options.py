"""The options that say whose limits a request file must keep to: a profile, one's own file, and single numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batchfiles.cli.options import Size, with_options
from batchfiles.errors import FileError
from batchfiles.limits import OPENAI, PROFILES, Limits
from batchfiles.limits.own import own_limits
from batchfiles.nearest import nearest
from batchfiles.streams.small_files import small_file
from batchfiles.streams.urls import shown_name

__all__ = ["LimitsName", "limits_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

NUMBERS = ("max_requests", "max_bytes", "max_line_bytes", "max_embedding_inputs", "max_custom_id_length")
"""The fields that have an option of their own."""

NO_LIMIT = -1
"""What `none` is between click and `Limits`: None already says that an option was not given."""

if TYPE_CHECKING:
    LimitsBase = click.ParamType[Limits]
    NumberBase = click.ParamType[int]
else:  # old releases of click have no brackets here
    LimitsBase = NumberBase = click.ParamType


class LimitsName(LimitsBase):
    """The name of a profile, or a TOML file with one's own."""

    name = "limits"

    def convert(self, value: str | Limits, param: click.Parameter | None, ctx: click.Context | None) -> Limits:
        """Return the profile, or say which one may have been meant."""
        if isinstance(value, Limits):
            return value
        if value.lower() in PROFILES:
            return PROFILES[value.lower()]
        if not Path(value).suffix and os.sep not in value and not Path(value).is_file():
            near = nearest(value, PROFILES)
            meant = f", did you mean {near!r}?" if near else "."
            self.fail(f"there is no profile {value!r}{meant} Choose one of {', '.join(PROFILES)}, or a TOML file.", param, ctx)
        try:
            return own_limits(small_file(value), shown_name(value), PROFILES)
        except FileError:
            raise
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Number(NumberBase):
    """A number above 0, or `none` for no limit.

    Args:
        size: Whether it counts bytes, so that it may have a unit.
    """

    def __init__(self, *, size: bool = False) -> None:
        self.name = "size" if size else "number"
        self._size = size

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number, or say what is wrong with it."""
        if isinstance(value, int):
            return value
        if value.lower() == "none":
            return NO_LIMIT
        if self._size:
            return Size().convert(value, param, ctx)
        if not value.replace("_", "").isdecimal() or int(value) == 0:
            self.fail(f"{value!r} is no number above 0, nor 'none'.", param, ctx)
        return int(value)


def limits_options(command: Command) -> Command:
    """Give a command the options on limits; it gets them as one keyword argument, `limits: Limits`."""

    @wraps(command)
    def with_limits(*arguments: Any, limits: Limits, **options: Any) -> Any:  # noqa: ANN401 - a command's own
        given = {field: options.pop(field) for field in NUMBERS}
        return command(*arguments, limits=changed(limits, given), **options)

    decorated: Any = with_limits
    kept: Command = with_options(decorated, OPTIONS)
    return kept


def changed(limits: Limits, given: dict[str, int | None]) -> Limits:
    """Return a profile with single numbers replaced; its name says which."""
    new = {field: None if number == NO_LIMIT else number for field, number in given.items() if number is not None}
    if not new:
        return limits
    words = ", ".join(f"{field}={'none' if number is None else number}" for field, number in new.items())
    # The documented size stands beside the one that counts; who names a size of their own means that alone.
    rest: dict[str, Any] = {"warn_bytes": None} if "max_bytes" in new else {}
    sources = {name: words for name, words in limits.sources.items() if name not in new and name not in rest}
    told = {field: "named on the command line" for field, number in new.items() if number is not None}
    return replace(limits, name=f"{limits.name} with {words}", sources={**sources, **told}, **{**new, **rest})


OPTIONS = (
    click.option(
        "--limits",
        type=LimitsName(),
        default=OPENAI.name,
        show_default=True,
        metavar="NAME|FILE",
        help=f"The service whose rules to apply: {', '.join(PROFILES)}; 'none' asks only for what every reader of batch files "
        "needs. Or a TOML file with rules of your own. 'batchfiles limits' shows them.",
    ),
    click.option("--max-requests", type=Number(), metavar="N", help="Requests in one file, in place of the service's number."),
    click.option("--max-bytes", type=Number(size=True), metavar="SIZE", help="Bytes of one file: 200000000, 200MB, 200MiB."),
    click.option("--max-line-bytes", type=Number(size=True), metavar="SIZE", help="Bytes of one line."),
    click.option("--max-embedding-inputs", type=Number(), metavar="N", help="Texts to embed in one file."),
    click.option("--max-custom-id-length", type=Number(), metavar="N", help="Characters of a custom_id."),
)
