"""`run`: from requests to a table in one call, which may be killed at any moment and called again.

`plan_run`: what a run would send, without sending it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchfiles.api.batch_request import BatchFileExpirationAfter
from batchfiles.campaign.folder import request_sources
from batchfiles.campaign.manifest import Part, read_manifest, stem_of
from batchfiles.client import Client
from batchfiles.errors import MismatchError
from batchfiles.inputs.folder_files import FilesToRead, not_read_fields, requests_to_read
from batchfiles.io.atomic import file_error
from batchfiles.io.sources import Source, SourceLike
from batchfiles.io.spool import Spool
from batchfiles.io.target import TargetLike
from batchfiles.jobs.join.report import JoinReport
from batchfiles.limits import Limits, LimitsLike, profile
from batchfiles.open_strings import BatchCompletionWindow
from batchfiles.runner.journal import JOURNAL, LOCK, Journal, RunState, locked, read_journal
from batchfiles.runner.passes import OnUpdate, RunLoop
from batchfiles.runner.report import PlannedPart, RunPlan, RunReport, RunStatus
from batchfiles.runner.send import (
    Fingerprint,
    Sender,
    Terms,
    checked_divisions,
    endpoint_of,
    fingerprints,
    lay_parts,
    register,
    tokens_of,
)
from batchfiles.runner.table import RunTable, add_retry_round, write_table

if TYPE_CHECKING:
    from batchfiles.table.open import TableFormat

__all__ = ["campaign_folder", "plan_run", "refuse_changed", "run", "run_sources"]


def run(
    *files: SourceLike,
    output: TargetLike,
    campaign: str | os.PathLike[str] | None = None,
    client: Client | Callable[[], Client] | None = None,
    endpoint: str | None = None,
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24,
    output_expires_after: BatchFileExpirationAfter | int | None = None,
    limits: LimitsLike = "openai",
    max_parallel: int = 10,
    retries: int = 2,
    once: bool = False,
    recover: bool = False,
    again: bool = False,
    format: TableFormat | None = None,  # noqa: A002 - the usual word
    overwrite: bool = False,
    interval: float | None = None,
    workers: int | None = 1,
    on_update: OnUpdate | None = None,
) -> RunReport:
    """Check requests, split them, send the parts, wait, fetch, send again what may succeed then, and write the joined table.

    Every step that costs money is in the journal of the campaign folder before it is taken. Called again after whatever ended it,
    it goes on where it was; no part ever has two live batches. What is finished is not done again.

    Args:
        *files: Request files, folders and globs of them; no standard input, for it can't be read again. Every `custom_id` must
            be there once.
        output: The table: see `Join.write`.
        campaign: The folder that keeps parts, results and journal; None takes `NAME.campaign` beside the first file `NAME.jsonl`.
        client: The service, or a function that connects to it, which is called when something is to be asked and not before;
            None makes a `Client()` of the environment.
        endpoint: Where the requests go; None takes the `url` of the requests.
        completion_window: How long a batch may take, in the format of the service: `24h` for OpenAI, up to `14d` elsewhere.
        output_expires_after: When the service is to delete the files of results; a number counts the seconds from their making.
        limits: What one file may be, as `Limits` or by a name, such as `"azure"`: the requests are checked and split by it.
        max_parallel: Batches that may be at the service at once.
        retries: Rounds in which what is `retryable` is sent again.
        once: Do what can be done now, and wait for nothing.
        recover: Take over the batches that the service has of the same bytes: for a campaign folder that was lost.
        again: Send although the service has batches of the same bytes.
        format: The format of the table, where the name doesn't say it.
        overwrite: Replace a table that is there; a folder only if there is nothing in it but parts of a table.
        interval: Seconds between two looks at all batches; None lets the pauses grow from 5 to 60 seconds.
        workers: Processes that decode for the retries and the table; None takes as many as pay.
        on_update: Told what happens.

    Returns:
        How far it came; `finished` is False only with `once`.

    Raises:
        InvalidLineError: The service would refuse a request; nothing was sent.
        LineTooLongError: A line is too large for any part.
        MismatchError: The files are not what they were when the campaign was begun, or the folder holds something else.
        AlreadySubmittedError: The service has a batch of the same bytes, and the folder knows nothing of it.
        BatchFailedError: The service refused a part: called again, this sends it again.
        APIError: The service said no.
        APIConnectionError: The service could not be reached for an hour.
        OutputExistsError: The table is there and is none of this campaign's.
        FileError: A file can't be read, the disk refused, or another run is at work in the folder.
        DataError: The journal is damaged.
        ValueError: An option has no such value.

    Example:
        >>> report = batchfiles.run("requests.jsonl", output="answers.parquet", limits="openai")  # doctest: +SKIP
        >>> report.finished  # doctest: +SKIP
        True
    """
    if max_parallel < 1 or retries < 0:
        raise ValueError("max_parallel is 1 or more, and retries 0 or more")
    limits = profile(limits)
    terms = Terms(endpoint, completion_window, BatchFileExpirationAfter.of(output_expires_after))
    sources, not_read = run_sources(files)
    table = RunTable(output, format)
    folder = campaign_folder(campaign, sources)
    table.refuse_inside(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_error(error, folder) from None
    with locked(folder), closing(Journal(folder)) as journal:
        run_state = RunState(journal.records, folder, journal)
        table.refuse_foreign(run_state.tables, overwrite=overwrite)
        if on_update is not None and run_state.finished is None:
            on_update(_first_status(run_state, limits))
        _begin(folder, run_state, sources, limits, recover=recover)
        joined: JoinReport | None = None
        sent = 0
        if not _is_finished(run_state, retries):
            with _connected(client) as service:
                sender = Sender(service, folder, run_state, terms)
                _prepare(sender, folder, run_state, again=again)
                run_loop = RunLoop(
                    service,
                    folder,
                    run_state,
                    sender,
                    max_parallel=max_parallel,
                    once=once,
                    interval=interval,
                    on_update=on_update,
                )
                settled = _rounds(run_loop, folder, run_state, retries, workers)
                sent = sender.sent
            if settled is None:
                return _report(folder, table, run_state, sent, None, not_read, finished=False)
            joined = _table(folder, sources, table, run_state, overwrite=overwrite, workers=workers)
            run_state.note("finished", retries=retries, settled=settled)
        elif overwrite or not table.is_there(run_state.tables):
            joined = _table(folder, sources, table, run_state, overwrite=overwrite, workers=workers)
        return _report(folder, table, run_state, sent, joined, not_read, finished=True)


def _first_status(run_state: RunState, limits: Limits) -> RunStatus:
    """Say what comes first: the checking, or that limits come too late which others than these have made parts by."""
    news = None
    if run_state.parts and run_state.begun is not None and run_state.begun["limits"] != limits.name:
        news = f"the parts stay as they were made, by the limits {run_state.begun['limits']}, not {limits.name}"
    waiting, done = len(run_state.of_status("waiting")), len(run_state.of_status("done"))
    live = len(run_state.parts) - waiting - done
    return RunStatus(parts=len(run_state.parts), waiting=waiting, live=live, done=done, requests=0, answered=0, news=news)


def _connected(client: Client | Callable[[], Client] | None) -> AbstractContextManager[Client]:
    """Return a client as a context: one that was given stays open behind it."""
    if isinstance(client, Client):
        return nullcontext(client)
    return Client() if client is None else client()


def run_sources(files: Sequence[SourceLike]) -> FilesToRead:
    """Return the request files of a run, and what it does not read in folders.

    Raises:
        TypeError: There are none.
        ValueError: One can't be read again.
        FileError: One is not there.
    """
    if not files:
        raise TypeError("run needs at least one file")
    found = requests_to_read(request_sources(files))
    if any(source.place is None for source in found.sources):
        raise ValueError("a run reads its requests again when it is started again, which standard input can't: name a file")
    return found


def campaign_folder(campaign: str | os.PathLike[str] | None, sources: Sequence[Source]) -> Path:
    """Return the campaign folder: the one that was named, or `NAME.campaign` beside `NAME.jsonl`.

    Raises:
        ValueError: None was named, and the requests are not on this machine.
    """
    if campaign is not None:
        return Path(campaign)
    path = sources[0].path
    if path is None:
        raise ValueError("the requests are elsewhere: name a campaign folder on this machine")
    return path.with_name(f"{stem_of(path.name)}.campaign")


def _begin(folder: Path, run_state: RunState, sources: Sequence[Source], limits: Limits, *, recover: bool) -> None:
    """Check the requests, and lay the parts into the folder; if that was done, make sure that the requests are the same.

    Raises:
        InvalidLineError: The service would refuse a request.
        MismatchError: The files are not what they were, or the folder holds something else.
        FileError: A file can't be read, or the disk refused.
    """
    found = fingerprints(sources)
    if run_state.begun is None:
        _refuse_full(folder)
        by = checked_divisions(sources, limits)
        run_state.note("begun", sources=[asdict(each) for each in found], limits=limits.name, by=by, recover=recover)
    elif recover and not run_state.recovers:
        run_state.note("recovering")
    assert run_state.begun is not None  # noqa: S101 - it has just been noted
    refuse_changed(folder, run_state.begun, found)
    if not run_state.parts:
        manifest = lay_parts(sources, folder, limits, run_state.begun["by"])
        run_state.note("split", parts=[part.file for part in manifest.parts])


def refuse_changed(folder: Path, begun: Mapping[str, Any], found: Sequence[Fingerprint]) -> None:
    """Make sure that the requests are those with which a campaign was begun.

    Raises:
        MismatchError: They are not.
    """
    if [each.sha256 for each in found] != [source["sha256"] for source in begun["sources"]]:
        names = ", ".join(source["name"] for source in begun["sources"])
        raise MismatchError(
            f"was begun with other requests ({names}), or these have changed since: name another campaign folder for them",
            path=str(folder),
        )


def _refuse_full(folder: Path) -> None:
    """Make sure that a new campaign does not begin among other files.

    Raises:
        MismatchError: The folder holds some.
    """
    others = [path.name for path in folder.iterdir() if path.name != LOCK and not path.name.startswith(".")]
    if sorted(others) not in ([], [JOURNAL]):
        words = (
            "holds other files and no journal of a run: name another folder; if its journal was lost, --recover into a new one"
        )
        raise MismatchError(words, path=str(folder))


def _is_finished(run_state: RunState, retries: int) -> bool:
    if run_state.finished is None:
        return False
    allowed, settled = run_state.finished
    return settled or retries <= allowed


def _prepare(sender: Sender, folder: Path, run_state: RunState, *, again: bool) -> None:
    """Look at what the service has, before anything new is sent."""
    register(folder, run_state)  # a killed run may have noted a batch in the journal only
    if run_state.recovers:
        sender.recover()
    elif not again and not run_state.batches and all(part.token is None for part in run_state.parts.values()):
        manifest = read_manifest(folder)
        sender.refuse_repetition({part.file: part for part in manifest.parts} if manifest is not None else {})


def _rounds(run_loop: RunLoop, folder: Path, run_state: RunState, retries: int, workers: int | None) -> bool | None:
    """Take all parts to their end, and what may succeed then once more; tells whether nothing is left, None if it isn't over."""
    while run_loop.run():
        if run_state.rounds >= retries:
            return False
        if not add_retry_round(folder, run_state, workers=workers):
            return True
    return None


def _table(
    folder: Path, sources: Sequence[Source], table: RunTable, run_state: RunState, *, overwrite: bool, workers: int | None
) -> JoinReport:
    ours = table.key in run_state.tables
    if table.key is not None:
        run_state.note("table", path=table.key)
    return write_table(folder, run_state, sources, table.target, table.format, overwrite=overwrite or ours, workers=workers)


def _report(
    folder: Path,
    table: RunTable,
    run_state: RunState,
    sent: int,
    joined: JoinReport | None,
    not_read: Sequence[str],
    *,
    finished: bool,
) -> RunReport:
    return RunReport(
        folder=str(folder),
        output=table.output,
        finished=finished,
        sent=sent,
        batches=run_state.batch_count,
        parts=len(run_state.parts),
        done=len(run_state.of_status("done")),
        rounds=run_state.rounds,
        outcomes={} if joined is None else {outcome: count for outcome, count in joined.outcomes.items() if count},
        **not_read_fields(not_read),
    )


def plan_run(
    *files: SourceLike,
    campaign: str | os.PathLike[str] | None = None,
    endpoint: str | None = None,
    limits: LimitsLike = "openai",
    temp_dir: str | os.PathLike[str] | None = None,
) -> RunPlan:
    """Check and split requests as `run` would, in a temporary folder, and say what it would send now.

    Args:
        *files: As for `run`.
        campaign: As for `run`; a folder that was begun is looked at, and not changed.
        endpoint: As for `run`.
        limits: As for `run`.
        temp_dir: Where the parts are laid.

    Raises:
        InvalidLineError: The service would refuse a request.
        LineTooLongError: A line is too large for any part.
        MismatchError: The files are not what they were when the campaign was begun.
        FileError: A file can't be read, or the disk refused.
        DataError: The journal is damaged.
        ValueError: An option has no such value.

    Example:
        >>> plan = batchfiles.plan_run("fixtures/chat_completions/requests.jsonl")
        >>> [(part.file, part.requests) for part in plan.parts]
        [('requests-00001.jsonl', 16)]
    """
    limits = profile(limits)
    sources, not_read = run_sources(files)
    folder = campaign_folder(campaign, sources)
    run_state = RunState(read_journal(folder), folder)
    if run_state.begun is None:
        by = checked_divisions(sources, limits)
    else:
        refuse_changed(folder, run_state.begun, fingerprints(sources))
        by = run_state.begun["by"]
    manifest = read_manifest(folder) if run_state.parts else None
    with ExitStack() as stack:
        place = Path(folder)
        if manifest is None:
            place = stack.enter_context(Spool(temp_dir)).path
            manifest = lay_parts(sources, place, limits, by)
        sent = {state.name for state in run_state.parts.values() if state.status != "waiting"}
        parts = (part for part in manifest.parts if part.file not in sent)
        planned = tuple(_planned(place, parts, endpoint))
        return RunPlan(folder=str(folder), parts=planned, **not_read_fields(not_read))


def _planned(folder: Path, parts: Iterable[Part], endpoint: str | None) -> Iterable[PlannedPart]:
    for part in parts:
        yield PlannedPart(
            file=part.file,
            endpoint=endpoint_of(folder / part.file, endpoint),
            requests=part.requests,
            bytes=part.bytes,
            tokens=tokens_of(folder, part),
        )
