"""`batchfiles limits`: the numbers and rules of the services, and where each is from."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from batchfiles.cli.layout import lay_out
from batchfiles.cli.limits_options import LimitsName
from batchfiles.cli.terminal import visible, wrapped
from batchfiles.cli.validate import size
from batchfiles.limits import NONE, PROFILES

if TYPE_CHECKING:
    from batchfiles.limits import Limits

__all__ = ["limits"]

WIDEST = 120
"""Columns of the page: longer lines are hard to read."""

SOURCE_LINES = 6
"""Lines that a source may take."""


@click.command(short_help="Print the limits of the services, and where each number is from.")
@click.argument("profile", type=LimitsName(), required=False, metavar="[NAME|FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: an object for each profile, or the one that was named.")
def limits(profile: Limits | None, *, as_json: bool) -> None:
    """Print the limits of the services, and where each number is from.

    Without NAME: a table of all profiles that --limits takes. With the name of one, or with a TOML file of your own: each of its
    rules, with its source, when that was read, and how sure it is. A number that nobody has verified says so.

    A file of your own has the fields of a profile as keys (the names in the JSON), sizes as in "100 MB", "none" for no limit, and
    may begin with a profile that is known:

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
        2   there is no such profile, or the file is no profile
        3   the file can't be read
    """  # noqa: D301 - click wants its \b
    if as_json:
        found = [as_dict(each) for each in PROFILES.values()] if profile is None else as_dict(profile)
        click.echo(json.dumps(found, indent=2))
        return
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    lines = all_profiles(width) if profile is None else one_profile(profile, width)
    click.echo("\n".join(lines))


def as_dict(profile: Limits) -> dict[str, Any]:
    """Return a profile as plain values, for JSON."""
    values = {field.name: getattr(profile, field.name) for field in fields(profile)}
    return {name: sorted(value) if isinstance(value, frozenset) else _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a field
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, (int, str, type(None))) else dict(value)


def all_profiles(width: int) -> list[str]:
    """Return a table of all profiles."""
    rows = [_row(profile) for profile in PROFILES.values()]
    layout = lay_out(list(rows[0]), rows, width, asked=True)
    return [
        *layout.lines,
        "",
        *layout.notes,
        "An empty cell: no such limit is known. 'batchfiles limits NAME' shows the sources.",
    ]


def _row(profile: Limits) -> dict[str, Any]:
    least, most = profile.min_custom_id_length, profile.max_custom_id_length
    return {
        "name": profile.name,
        "requests": _count(profile.max_requests),
        "file": _size(profile.warn_bytes or profile.max_bytes),
        "line": _size(profile.max_line_bytes),
        "embedding inputs": _count(profile.max_embedding_inputs),
        "custom_id": f"{least or 1}-{most} characters" if most else "",
        "line has": "custom_id, body" if profile.short_lines else "method, url too" if profile.url_required else "",
        "one per file": ", ".join(word for word, held in (("model", profile.one_model), ("url", profile.one_url)) if held),
    }


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _size(number: int | None) -> str:
    """Write a size as the services do: 200 MB, 10 GB."""
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
        return [f"{visible(profile.name)}: no limits; only what every reader of batch files needs."]
    lines = [visible(profile.name)]
    for name in rules:
        value = _words(name, getattr(profile, name))
        lines += wrapped(f"{name}: {visible(value)}", width, SOURCE_LINES)
        source = profile.sources.get(name, "no source is named")
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
