"""`batchfiles completion` and `batchfiles man`: completion for shells, and manual pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from batchfiles.cli.options import Command, overwrite_option
from batchfiles.cli.progress import print_note
from batchfiles.findings import instead_of, plural
from batchfiles.io.remote_path import make_folder
from batchfiles.io.target import PathTarget

NAME = "batchfiles"
VARIABLE = "_BATCHFILES_COMPLETE"
SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script with which a shell completes commands, options and values.

    Files, folders, campaigns, profiles, formats, outcomes, counts and the columns of the named table are completed. Add the line
    of your shell to its start file, and open a new terminal.

    \b
    Examples:
        echo 'eval "$(batchfiles completion bash)"' >> ~/.bashrc
        echo 'eval "$(batchfiles completion zsh)"' >> ~/.zshrc
        batchfiles completion fish > ~/.config/fish/completions/batchfiles.fish

    \b
    Exit codes:
        0   done
        2   wrong usage: an unknown shell, or a bash before 4.4
    """
    try:
        script = SHELLS[shell](context.find_root().command, {}, NAME, VARIABLE).source()
    except RuntimeError as error:
        raise click.UsageError(str(error)) from None
    # A value of a list has commas; the script of click for fish takes what is before the first one.
    script = script.replace('string split ","', 'string split -m 1 ","')
    click.echo(script, nl=not script.endswith("\n"))


@click.command(cls=Command)
@click.argument("command", required=False, metavar="[COMMAND]")
@click.option("-o", "--output", "folder", metavar="FOLDER", help="Write the pages of all commands to this folder instead.")
@overwrite_option
def man(command: str | None, *, folder: str | None, overwrite: bool) -> None:
    """Print a manual page, or write all of them to a folder.

    The pages are made from the help of the commands, in the format of man.

    \b
    Examples:
        batchfiles man join | man -l -
        batchfiles man -o ~/.local/share/man/man1 && man batchfiles-join

    \b
    Exit codes:
        0   done
        2   wrong usage: an unknown command, or a page that exists
        3   a page can't be written
    """
    from batchfiles.cli.main import COMMANDS, main, root_context

    top = root_context()
    if folder is None:
        if command is not None and command not in COMMANDS:
            raise click.UsageError(f"unknown command {command!r}{instead_of(command, COMMANDS)}")
        click.echo(page(main, top, command), nl=False)
        return
    if command is not None:
        raise click.UsageError("-o writes the pages of all commands: leave out COMMAND.")
    make_folder(Path(folder))
    targets = {each: PathTarget.at(Path(folder, f"{_called(each)}.1"), folder=False) for each in (None, *COMMANDS)}
    for target in targets.values():
        target.check(overwrite=overwrite)
    for each, target in targets.items():
        with target.open(overwrite=overwrite) as file:
            file.write(page(main, top, each).encode())
    print_note(f"{folder}: {plural(len(targets), 'page')}")


def _called(command: str | None) -> str:
    return NAME if command is None else f"{NAME}-{command}"


def page(root: click.Group, top: click.Context, name: str | None) -> str:
    """Return the manual page of a command, or of the whole program for None, in the format of man."""
    command = root if name is None else root.get_command(top, name) or root
    context = top if name is None else click.Context(command, info_name=name, parent=top)
    title = _called(name)
    lines = [
        f'.TH "{title.upper()}" "1" "" "{NAME} {version(NAME)}" "User Commands"',
        ".SH NAME",
        f"{_escaped(title)} \\- {_escaped(_summary(command).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_escaped(context.command_path)}",
        _escaped(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *_paragraphs(command.help or ""),
        *_options(command, context),
    ]
    if isinstance(command, click.Group):
        lines += _commands(command, context)
    others = root.list_commands(top) if name is None else [None]
    lines += [".SH SEE ALSO", ",\n".join(f".BR {_escaped(_called(each))} (1)" for each in others).replace(" (1),", " (1),")]
    return "\n".join(lines) + "\n"


def _summary(command: click.Command) -> str:
    """Return the first sentence of a help, as one line."""
    text = re.split(r"\n\s*\n", (command.help or "").strip())[0]
    return " ".join(text.split())


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a help; its blocks of lines begin with a mark of click, and may have a heading."""
    is_first = True
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if "\b" not in paragraph:
            if not is_first:
                yield ".PP"
            yield _escaped(" ".join(paragraph.split()))
        else:
            yield from _block([line for line in paragraph.splitlines() if line.strip("\b ")])
        is_first = False


HEADINGS = {"Examples:": "EXAMPLES", "Exit codes:": "EXIT STATUS"}


def _block(lines: list[str]) -> Iterator[str]:
    heading = HEADINGS.get(lines[0].strip())
    if heading == "EXIT STATUS":
        yield f".SH {heading}"
        for line in lines[1:]:
            code, _, words = line.strip().partition(" ")
            yield from (".TP", f".B {code}", _escaped(words.strip()))
        return
    if heading is not None:
        yield f".SH {heading}"
        lines = lines[1:]
    else:
        yield ".PP"
    yield ".nf"
    yield from map(_escaped, dedent("\n".join(lines).replace("\b", "")).splitlines())
    yield ".fi"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    options = (each for each in command.get_params(context) if isinstance(each, click.Option))
    records = [record for each in options if (record := each.get_help_record(context)) is not None]
    yield ".SH OPTIONS"
    yield from _list(records)


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    yield ".SH COMMANDS"
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    yield from _list((name, _summary(each)) for name, each in found if each is not None)


def _list(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, words in items:
        yield from (".TP", f".B {_escaped(name)}", _escaped(" ".join(words.split())))


ROFF = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})


ROFF = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"})


def _escaped(text: str) -> str:
    """Return a line for roff in ASCII: a hyphen is a minus, and no text is a request."""
    plain = "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in text.translate(ROFF))
    return f"\\&{plain}" if plain.startswith(".") else plain
