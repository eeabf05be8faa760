"""`batchfiles limits`: the limits of the services, with sources; and the options that choose limits for other commands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from batchfiles.cli.completion import files_beginning
from batchfiles.cli.options import Command, Size, with_options
from batchfiles.cli.progress import print_lines, screen
from batchfiles.errors import FileError
from batchfiles.findings import nearest
from batchfiles.io.filesystems import shown_name
from batchfiles.io.texts import small_file
from batchfiles.layout import Screen, size, text_table, visible, wrapped
from batchfiles.limits import NONE, OPENAI, PROFILES, Limits
from batchfiles.limits.profile import own_limits

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

NUMBERS = ("max_requests", "max_bytes", "max_line_bytes", "max_embedding_inputs", "max_custom_id_length")
"""The fields with an option."""

NO_LIMIT = -1
"""The value of `none` in click, where None means that an option was not given."""

if TYPE_CHECKING:
    LimitsBase = click.ParamType[Limits]
    NumberBase = click.ParamType[int]
else:  # not generic in old releases of click
    LimitsBase = NumberBase = click.ParamType


class LimitsName(LimitsBase):
    """The name of a profile, or a TOML file with a custom one."""

    name = "limits"

    def convert(self, value: str | Limits, param: click.Parameter | None, ctx: click.Context | None) -> Limits:
        """Return the profile; an unknown name is an error that suggests a similar one."""
        if isinstance(value, Limits):
            return value
        if value.lower() in PROFILES:
            return PROFILES[value.lower()]
        if not Path(value).suffix and os.sep not in value and not Path(value).is_file():
            near = nearest(value, PROFILES)
            hint = f", did you mean {near!r}?" if near else "."
            self.fail(f"unknown profile {value!r}{hint} Choose one of {', '.join(PROFILES)}, or a TOML file.", param, ctx)
        try:
            return own_limits(small_file(value), shown_name(value), PROFILES)
        except FileError:
            raise
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the profiles, or files if no profile begins like this."""
        return [CompletionItem(name) for name in PROFILES if name.startswith(incomplete)] or files_beginning(incomplete)


class Number(NumberBase):
    """A number above 0, with a unit of bytes if it is a `size`, or `none` for no limit."""

    def __init__(self, *, size: bool = False) -> None:
        self.name = "size" if size else "number"
        self._size = size

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; NO_LIMIT for `none`."""
        if isinstance(value, int):
            return value
        if value.lower() == "none":
            return NO_LIMIT
        if self._size:
            return Size().convert(value, param, ctx)
        if not value.replace("_", "").isdecimal() or int(value) == 0:
            self.fail(f"{value!r} is neither a number above 0 nor 'none'.", param, ctx)
        return int(value)


def limits_options(command: Decorated) -> Decorated:
    """Add the options on limits to a command; they are passed as one argument, `limits: Limits`."""

    @wraps(command)
    def with_limits(*arguments: Any, limits: Limits, **options: Any) -> Any:  # noqa: ANN401 - any command
        given = {field: options.pop(field) for field in NUMBERS}
        return command(*arguments, limits=changed(limits, given), **options)

    decorated: Any = with_limits
    kept: Decorated = with_options(decorated, OPTIONS)
    return kept


def changed(limits: Limits, given: dict[str, int | None]) -> Limits:
    """Return a profile with single numbers replaced; its name lists them."""
    new = {field: None if number == NO_LIMIT else number for field, number in given.items() if number is not None}
    if not new:
        return limits
    words = ", ".join(f"{field}={'none' if number is None else number}" for field, number in new.items())
    # A size on the command line replaces both sizes of the service, the documented and the enforced one.
    rest: dict[str, Any] = {"warn_bytes": None} if "max_bytes" in new else {}
    sources = {name: words for name, words in limits.sources.items() if name not in new and name not in rest}
    given_sources = {field: "named on the command line" for field, number in new.items() if number is not None}
    return replace(limits, name=f"{limits.name} with {words}", sources={**sources, **given_sources}, **{**new, **rest})


OPTIONS = (
    click.option(
        "--limits",
        type=LimitsName(),
        default=OPENAI.name,
        show_default=True,
        metavar="NAME|FILE",
        help=f"The service whose limits to apply: {', '.join(PROFILES)}; 'none' for only the basic format. Or a TOML file with "
        "custom limits. 'batchfiles limits' lists them.",
    ),
    click.option("--max-requests", type=Number(), metavar="N", help="Requests in one file, instead of the service's limit."),
    click.option("--max-bytes", type=Number(size=True), metavar="SIZE", help="Bytes of one file: 200000000, 200MB, 200MiB."),
    click.option("--max-line-bytes", type=Number(size=True), metavar="SIZE", help="Bytes of one line."),
    click.option("--max-embedding-inputs", type=Number(), metavar="N", help="Texts to embed in one file."),
    click.option("--max-custom-id-length", type=Number(), metavar="N", help="Characters of a custom_id."),
)


WIDEST = 120
"""The maximum width of the output."""

SOURCE_LINES = 6
"""The maximum number of lines of a source."""


@click.command(cls=Command)
@click.argument("profile", type=LimitsName(), required=False, metavar="[NAME|FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of all profiles, or the named one.")
def limits(profile: Limits | None, *, as_json: bool) -> None:
    """Print the limits of the services, with sources.

    Without NAME: a table of all profiles for --limits. With the name of a profile, or with a TOML file: each of its limits, with
    its source, when it was read, and how reliable it is. Numbers that were not verified are marked.

    A TOML file has the fields of a profile as keys (the names in the JSON), sizes as in "100 MB", "none" for no limit, and may
    extend a profile:

    \b
        extends = "openai"
        max_requests = 10_000

    \b
    Examples:
        batchfiles limits
        batchfiles limits together
        batchfiles limits ours.toml
        batchfiles limits azure --json | jq .max_requests

    \b
    Exit codes:
        0   done
        2   unknown profile, or the file is not a valid profile
        3   the file can't be read
    """
    if as_json:
        found = [each.to_dict() for each in PROFILES.values()] if profile is None else profile.to_dict()
        click.echo(json.dumps(found, indent=2))
        return
    shown = screen(fallback=WIDEST)
    width = min(shown.width or WIDEST, WIDEST)
    print_lines(all_profiles(Screen(width, shown.colors)) if profile is None else one_profile(profile, width))


def all_profiles(screen: Screen) -> list[str]:
    """Return a table of all profiles."""
    rows = [_row(profile) for profile in PROFILES.values()]
    table = text_table(HEADINGS, rows, texts=HEADINGS, whole=HEADINGS, optional=OPTIONAL, screen=screen)
    return [*table, "", "An empty cell: no such limit is known. 'batchfiles limits NAME' shows the sources."]


HEADINGS = ("name", "requests", "file", "line", "embedding inputs", "custom_id", "line has", "one per file")
OPTIONAL = ("line has", "one per file", "line", "custom_id", "embedding inputs")
"""The columns that narrow terminals leave out, in this order."""


def _row(profile: Limits) -> tuple[str, ...]:
    least, most = profile.min_custom_id_length, profile.max_custom_id_length
    return (
        profile.name,
        _count(profile.max_requests),
        _size(profile.warn_bytes or profile.max_bytes),
        _size(profile.max_line_bytes),
        _count(profile.max_embedding_inputs),
        f"{least or 1}-{most} characters" if most else "",
        "custom_id, body" if profile.short_lines else "method, url too" if profile.url_required else "",
        ", ".join(word for word, held in (("model", profile.one_model), ("url", profile.one_url)) if held),
    )


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _size(number: int | None) -> str:
    """Format a size as the services do: 200 MB, 10 GB."""
    if number is None:
        return ""
    return f"{number / 1e9:.3g} GB" if number >= 10**9 else f"{number / 1e6:.3g} MB"


def one_profile(profile: Limits, width: int) -> list[str]:
    """Return each rule of a profile with its source."""
    rules = [
        field.name
        for field in fields(profile)
        if field.name not in ("name", "sources") and getattr(profile, field.name) != getattr(NONE, field.name)
    ]
    if not rules:
        return [f"{visible(profile.name)}: no limits, only the basic format."]
    lines = [visible(profile.name)]
    for name in rules:
        value = _words(name, getattr(profile, name))
        lines += wrapped(f"{name}: {visible(value)}", width, SOURCE_LINES)
        source = profile.sources.get(name, "no source")
        lines += [f"    {line}" for line in wrapped(visible(source), width - 4, SOURCE_LINES)]
    return lines


def _words(name: str, value: Any) -> str:  # noqa: ANN401 - any value of a field
    if value is True:
        return "yes"
    if isinstance(value, int):
        return f"{value:,}" + (f" ({size(value)})" if name.endswith("_bytes") else "")
    if isinstance(value, (frozenset, tuple)):
        return ", ".join(sorted(value))
    if isinstance(value, str):
        return value
    return ", ".join(f"{ours} is {theirs}" for ours, theirs in value.items())
