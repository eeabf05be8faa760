"""`batchfiles files`: the files at the service."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.cli.batches import all_option, limit_option, noted, report_pagination
from batchfiles.cli.main import Group
from batchfiles.cli.options import Command, overwrite_option
from batchfiles.cli.progress import TransferProgress, print_error, print_lines, print_note, screen
from batchfiles.cli.service_options import Service, service_options
from batchfiles.io.target import PathTarget, Target
from batchfiles.layout import age, local_time, size, text_table, visible

if TYPE_CHECKING:
    from batchfiles.api.file import FileObject

CELL = 40
OPTIONAL = ("age", "purpose", "name")
FILE_HEADINGS = ("file", "purpose", "age", "name", "size")
USAGE, FAILED = 2, 3

json_option = click.option("--json", "as_json", is_flag=True, help="Print each file as one JSON object a line.")


class FileCommands(Group):
    """A group whose commands have the options of all commands."""

    command_class = Command


@click.group(cls=FileCommands, invoke_without_command=True)
@click.pass_context
def files(context: click.Context) -> None:
    """Upload, list, download and delete files at the service.

    'batchfiles submit' and 'batchfiles download' do this for batches.

    \b
    Examples:
        batchfiles files upload requests.jsonl
        batchfiles files list --purpose batch_output
        batchfiles files download file-abc123 -o - | head
        batchfiles files delete file-abc123

    \b
    Exit codes:
        0   done
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown file id; a file can't be written
    """
    if context.invoked_subcommand is None:  # releases of click differ here
        click.echo(context.get_help(), err=True)
        context.exit(USAGE)


@files.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@click.option("--purpose", default="batch", show_default=True, metavar="WORD", help="The purpose of the files.")
@click.option(
    "--expires-after",
    type=click.IntRange(3_600, 2_592_000),
    metavar="SECONDS",
    help="When the service deletes them: an hour to 30 days.",
)
@json_option
@service_options
def upload(paths: tuple[str, ...], *, purpose: str, expires_after: int | None, as_json: bool, service: Service) -> None:
    """Upload files unchanged, and print their ids.

    \b
    Examples:
        batchfiles files upload requests.jsonl --expires-after 86400

    \b
    Exit codes:
        0   done
        2   wrong usage, or no key
        3   the service refused or did not answer; a file can't be read
    """
    from batchfiles.api.batches import BatchFileExpirationAfter

    expiry = None if expires_after is None else BatchFileExpirationAfter(expires_after)
    with service.connect() as client:
        for path in paths:
            with TransferProgress(path, quiet=as_json) as progress:
                file = client.files.create(path, purpose=purpose, expires_after=expiry, progress=progress.update)
            click.echo(json.dumps(file.to_dict()) if as_json else visible(file.id))
            if not as_json:
                print_note(f"{path}: {_size(file)} uploaded")


@files.command("list")
@click.option("--purpose", metavar="WORD", help="List only files with this purpose, such as batch_output.")
@limit_option
@all_option
@json_option
@service_options
def list_files(*, purpose: str | None, limit: int, everything: bool, as_json: bool, service: Service) -> None:
    """List the files at the service, newest first.

    \b
    Examples:
        batchfiles files list
        batchfiles files list --all --json | jq -r 'select(.bytes > 100000000) | .id'

    \b
    Exit codes:
        0   done
        2   wrong usage, or no key
        3   the service refused or did not answer
    """
    most = None if everything else limit
    with service.connect() as client:
        found = islice(client.files.list(purpose=purpose, limit=most), most)  # some services return more
        if as_json:
            for file in found:
                click.echo(json.dumps(file.to_dict()))
            return
        rows = [_row(file) for file in map(noted, found)]
    print_lines(text_table(FILE_HEADINGS, rows, texts=4, whole=("file", "age"), optional=OPTIONAL, screen=screen()))
    report_pagination(len(rows), most, "files")


@files.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
@service_options
def get(ids: tuple[str, ...], *, as_json: bool, service: Service) -> None:
    """Show the metadata of files.

    \b
    Examples:
        batchfiles files get file-abc123

    \b
    Exit codes:
        0   done
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown file id
    """
    with service.connect() as client:
        for number, file_id in enumerate(ids):
            file = noted(client.files.retrieve(file_id))
            if as_json:
                click.echo(json.dumps(file.to_dict()))
                continue
            if number:
                click.echo("")
            for label, words in _facts(file):
                click.echo(f"{label:8}  {visible(words)}")


@files.command()
@click.argument("file_id", metavar="ID")
@click.option("-o", "--output", required=True, metavar="FILE", help="The file to write; - for standard output.")
@overwrite_option
@service_options
def download(file_id: str, *, output: str, overwrite: bool, service: Service) -> None:
    """Download a file. It gets its name when it is complete. Repeat the command to resume an interrupted download.

    \b
    Examples:
        batchfiles files download file-abc123 -o results.jsonl
        batchfiles files download file-abc123 -o - | head

    \b
    Exit codes:
        0   done
        2   wrong usage, no key, or an output that exists
        3   the service refused or did not answer; a file can't be written
    """
    from batchfiles.io.temporary import Spool

    target = Target.at(Path(output), folder=False)
    target.check(overwrite=overwrite)
    with service.connect() as client, TransferProgress(file_id) as progress:
        if isinstance(target, PathTarget) and not target.exists():
            client.files.content(file_id, Path(output), progress=progress.update)
            return
        with Spool() as spool:
            copy = spool.new_path("content")
            client.files.content(file_id, copy, progress=progress.update)
            with copy.open("rb") as content, target.open(overwrite=True) as file:
                shutil.copyfileobj(content, file)


@files.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
@service_options
@click.pass_context
def delete(context: click.Context, ids: tuple[str, ...], *, as_json: bool, service: Service) -> None:
    """Delete files at the service.

    \b
    Examples:
        batchfiles files delete file-abc123
        batchfiles files list --purpose batch --all --json | jq -r .id | xargs batchfiles files delete

    \b
    Exit codes:
        0   done
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown file id
    """
    kept = 0
    with service.connect() as client:
        for file_id in ids:
            done = client.files.delete(file_id)
            kept += not done.deleted
            if as_json:
                click.echo(json.dumps(done.to_dict()))
            elif done.deleted:
                print_note(f"{done.id}: deleted")
            else:
                print_error(f"{done.id}: not deleted")
    if kept:
        context.exit(FAILED)


def _size(file: FileObject) -> str:
    return "-" if file.bytes is None else size(file.bytes)


def _row(file: FileObject) -> tuple[str, ...]:
    created = "-" if file.created_at is None else age(file.created_at).removesuffix(" ago")
    name = visible(file.filename or "-")
    return visible(file.id), visible(file.purpose or "-"), created, name, _size(file)


def _facts(file: FileObject) -> Iterator[tuple[str, str]]:
    yield "file", file.id
    yield "name", file.filename or "-"
    yield "purpose", file.purpose or "-"
    yield "size", _size(file)
    if file.created_at is not None:
        yield "created", f"{local_time(file.created_at)} ({age(file.created_at)})"
    if file.expires_at is not None:
        yield "expires", f"{local_time(file.expires_at)} ({age(file.expires_at)})"
    if file.status is not None:
        yield "status", file.status
