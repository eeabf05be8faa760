"""The options that say what to change in every line, in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from batchfiles.cli.options import with_options
from batchfiles.edits import Edit

__all__ = ["EditingCommand", "edit_options", "edits_of"]

Function = TypeVar("Function", bound=Callable[..., Any])

NAMES = ("set_", "set_string", "unset")
ORDER = "batchfiles.edits.order"
"""Where a context keeps the names of these options as they came: click sorts the values by option."""


class EditingCommand(click.Command):
    """A command that knows in which order `--set`, `--set-string` and `--unset` came."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note the order, and parse as always."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[ORDER] = [parameter.name for parameter in order if parameter.name in NAMES]
        return super().parse_args(ctx, args)


def edit_options(command: Function) -> Function:
    """Give a command the options; it must be an `EditingCommand`."""
    options = (
        click.option(
            "--set",
            "set_",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a value, such as body.max_tokens=4000: JSON, or a string if it is none. Repeatable.",
        ),
        click.option(
            "--set-string",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a string, whatever it looks like, such as body.user=42. Repeatable.",
        ),
        click.option("--unset", multiple=True, metavar="PATH", help="Take a value away, where there is one. Repeatable."),
    )
    return with_options(command, options)


def edits_of(context: click.Context, values: dict[str, tuple[str, ...]]) -> list[Edit]:
    """Return the edits in the order of the command line.

    Args:
        context: Of the command.
        values: What was given to each of the three options, by their names in Python.

    Raises:
        click.UsageError: A path or a value is none.
    """
    waiting = {name: iter(given) for name, given in values.items()}
    found = []
    for name in context.meta[ORDER]:
        text = next(waiting[name])
        try:
            found.append(Edit.unset(text) if name == "unset" else Edit.parse(text, as_string=name == "set_string"))
        except ValueError as error:
            raise click.UsageError(f"--{name.strip('_').replace('_', '-')}: {error}.") from None
    return found
