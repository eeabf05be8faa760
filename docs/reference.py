"""What the site has in addition to the pages: the options of all commands, from the code, the README and the security policy."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from batchfiles.cli.main import SECTIONS, SERVICE_COMMANDS, main, root_context

MARK = "<!-- here the site lists all options -->"

ROOT = Path(__file__).parents[1]

AT_THE_TOP = {"readme": ROOT / "README.md", "security": ROOT / "SECURITY.md"}
"""The pages whose text is in the folder of the project."""

OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(findings/[^)#]*)[^)]*\)")
"""A link to a page outside `docs`, which is not on the site."""

Record = tuple[str, str]
"""The declaration of an option, and its help."""


def on_site(name: str, text: str) -> str:
    """Return the Markdown that the site has for a page.

    Args:
        name: The page, such as `howto/ci`.
        text: Its file.
    """
    if name in AT_THE_TOP:
        text = AT_THE_TOP[name].read_text("utf-8").replace("](docs/", "](").replace('="docs/', '="')
        return text.replace("# batchfiles\n", "# README\n", 1).replace("](SECURITY.md", "](security.md")
    text = text.replace("](../README.md", "](readme.md").replace("](../../README.md", "](../readme.md")
    text = OUTSIDE.sub(r"\1 (`\2` in the repository)", text)
    return commands_page(text) if name == "commands" else text


def commands_page(text: str) -> str:
    """Replace the mark of the page by a section for each command, and link the names in the tables to them."""
    linked = re.sub(r"^\| (`([a-z]+)`) \|", r"| [\1](#\2) |", text, flags=re.MULTILINE)
    return linked.replace(MARK, "\n".join(_sections()))


def commands_of(group: click.Group, names: Iterable[str], context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield the full names of commands, each followed by its own commands."""
    for name in names:
        command = group.get_command(context, name)
        assert command is not None, name
        full = f"{context.command_path} {name}"
        yield full, command
        if isinstance(command, click.Group):
            inner = click.Context(command, info_name=name, parent=context)
            yield from commands_of(command, command.list_commands(inner), inner)


def records_of(command: click.Command) -> list[Record]:
    """Return the options of a command as its help shows them."""
    context = click.Context(command, parent=root_context())
    records = (option.get_help_record(context) for option in command.get_params(context))
    return [record for record in records if record is not None and record[1] and record[0] != "-h, --help"]


def shared_records() -> list[Record]:
    """Return the options that all commands for the service have."""
    context = root_context()
    found = commands_of(main, SERVICE_COMMANDS, context)
    options = [records_of(command) for _, command in found if not isinstance(command, click.Group)]
    return [record for record in options[0] if all(record in others for others in options)]


def _sections() -> Iterator[str]:
    context = root_context()
    shared = shared_records()
    for heading, names in SECTIONS:
        yield f"## {heading}\n"
        if names is SERVICE_COMMANDS:
            yield "All of them have these options:\n"
            yield from _options(shared)
        for full, command in commands_of(main, names, context):
            yield from _section(full, command, shared)


def _section(full: str, command: click.Command, shared: list[Record]) -> Iterator[str]:
    context = click.Context(command, info_name=full, parent=root_context())
    pieces = command.collect_usage_pieces(context)
    name = full.removeprefix("batchfiles ")
    yield f"### {name}\n\n```text\n{' '.join([full, *pieces])}\n```\n"
    for block in re.split(r"\n{2,}", inspect.cleandoc((command.help or "").replace("\f", "\n"))):
        yield from _block(block)
    own = records_of(command)
    yield from _options([record for record in own if record not in shared])
    if all(record in own for record in shared):
        yield "And the [options of all commands for the service](#commands-for-the-service).\n"


def _block(block: str) -> Iterator[str]:
    """Yield a paragraph of the help as Markdown; what `-h` prints line by line is code, and exit codes are a table."""
    if not block.startswith("\b"):
        yield f"{_escaped(' '.join(block.split()))}\n"
        return
    title, *lines = block.lstrip("\b\n").splitlines()
    if title == "Exit codes:":
        entries = [re.match(r"\s*(\d+)\s+(.*)", line) for line in lines]
        yield _table("exit code", "meaning", [(entry[1], _escaped(entry[2])) for entry in entries if entry])
    elif title.startswith(" "):
        yield f"```text\n{inspect.cleandoc(chr(10).join(['', title, *lines]))}\n```\n"
    else:
        yield f"{_escaped(title)}\n\n```shell\n{inspect.cleandoc(chr(10).join(['', *lines]))}\n```\n"


def _options(records: list[Record]) -> Iterator[str]:
    if records:
        yield _table("option", "meaning", [(f"`{name.replace('|', chr(92) + '|')}`", _escaped(words)) for name, words in records])


def _table(first: str, second: str, rows: list[tuple[str, str]]) -> str:
    return "\n".join([f"| {first} | {second} |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows), ""])


def _escaped(words: str) -> str:
    """Escape what Markdown would read as markup."""
    return re.sub(r"([\\`*_\[\]<>|{}#~])", r"\\\1", words)
