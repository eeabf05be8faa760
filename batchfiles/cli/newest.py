"""What the commands have in common that list what the service has, the newest first."""

from __future__ import annotations

import click

from batchfiles.cli.live_line import say

__all__ = ["all_option", "limit_option", "say_where_it_ends"]

limit_option = click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="How many.")

all_option = click.option("--all", "everything", is_flag=True, help="All there are, however many.")


def say_where_it_ends(count: int, limit: int | None, noun: str) -> None:
    """Say on standard error that a list is empty, or that there may be more.

    Args:
        count: How many are listed.
        limit: How many were asked for; None for all.
        noun: What is listed, as one calls several of them.
    """
    if not count:
        say(f"no {noun}")
    elif count == limit:
        say(f"the newest {limit:,}: --limit and --all show more")
