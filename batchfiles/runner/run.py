"""`run`: from requests to a table in one resumable call, and `plan_run`: what it would send."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchfiles.api.batch_request import BatchFileExpirationAfter
from batchfiles.campaign.folder import request_sources
from batchfiles.campaign.manifest import Part, parts_of, stem_of
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
    """Validate requests, split them, send the parts, wait, download, retry, and write the joined table.

    Every step that costs money is in the journal of the campaign folder before it is taken. The same call resumes a run that was
    interrupted; no part ever has two live batches. A finished run is not repeated.

    Args:
        *files: Request files, folders and globs, but not standard input, which can't be read twice. Each `custom_id` must be
            unique.
        output: The table: see `Join.write`.
        campaign: The folder for parts, results and journal; None for `NAME.campaign` next to the first file `NAME.jsonl`.
        client: The client, or a function that creates it when it is needed; None for `Client()`.
        endpoint: The endpoint; None for the `url` of the requests.
        completion_window: The completion window, in the format of the service: `24h` for OpenAI, up to `14d` elsewhere.
        output_expires_after: The lifetime of the result files; a number is in seconds from their creation.
        limits: The limits for one file, as `Limits` or by a name such as `"azure"`, by which the requests are checked and split.
        max_parallel: The greatest number of live batches.
        retries: Rounds in which `retryable` requests are sent again.
        once: Do what can be done now, without waiting.
        recover: Take over existing batches of the same bytes, if the campaign folder was lost.
        again: Send even if the service has batches of the same bytes.
        format: The format of the table, if its name doesn't have a suffix.
        overwrite: Replace an existing table; a folder only if it has only parts of a table.
        interval: Seconds between two checks of all batches; None for increasing pauses from 5 to 60 seconds.
        workers: Processes that decode for the retries and the table; None chooses automatically.
        on_update: Called with each change of the status.

    Returns:
        The report; `finished` is always True without `once`.

    Raises:
        InvalidLineError: The service would refuse a request; nothing was sent.
        LineTooLongError: A line is too large for any part.
        MismatchError: The files have changed since the campaign was started, or the folder contains something else.
        AlreadySubmittedError: The service has a batch of the same bytes that is not in the folder.
        BatchFailedError: The service refused a part; the next call sends it again.
        APIError: The service returned an error.
        APIConnectionError: The service could not be reached for an hour.
        OutputExistsError: The table exists and is not from this campaign.
        FileError: A file can't be read or written, or another run uses the folder.
        DataError: The journal is damaged.
        ValueError: An option has an invalid value.

    Example:
        >>> report = batchfiles.run("requests.jsonl", output="answers.parquet", limits="openai")  # doctest: +SKIP
        >>> report.finished  # doctest: +SKIP
        True
    """
    if max_parallel < 1 or retries < 0:
        raise ValueError("max_parallel must be 1 or more, and retries 0 or more")
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
        elif overwrite or not table.exists(run_state.tables):
            joined = _table(folder, sources, table, run_state, overwrite=overwrite, workers=workers)
        return _report(folder, table, run_state, sent, joined, not_read, finished=True)


def _first_status(run_state: RunState, limits: Limits) -> RunStatus:
    """Return the first status, with a message if the parts were made with other limits."""
    news = None
    if run_state.parts and run_state.begun is not None and run_state.begun["limits"] != limits.name:
        news = f"the existing parts were made with the limits {run_state.begun['limits']}, not {limits.name}, and are kept"
    waiting, done = len(run_state.of_status("waiting")), len(run_state.of_status("done"))
    live = len(run_state.parts) - waiting - done
    return RunStatus(parts=len(run_state.parts), waiting=waiting, live=live, done=done, requests=0, answered=0, news=news)


def _connected(client: Client | Callable[[], Client] | None) -> AbstractContextManager[Client]:
    """Return a context manager for the client; a given client is not closed."""
    if isinstance(client, Client):
        return nullcontext(client)
    return Client() if client is None else client()


def run_sources(files: Sequence[SourceLike]) -> FilesToRead:
    """Return the request files of a run, and the skipped files of folders.

    Raises:
        TypeError: There are no files.
        ValueError: One is standard input.
        FileError: One does not exist.
    """
    if not files:
        raise TypeError("run needs at least one file")
    found = requests_to_read(request_sources(files))
    if any(source.place is None for source in found.sources):
        raise ValueError("a run reads its requests again when it is resumed, so standard input can't be used: name a file")
    return found


def campaign_folder(campaign: str | os.PathLike[str] | None, sources: Sequence[Source]) -> Path:
    """Return the campaign folder: the given one, or `NAME.campaign` next to `NAME.jsonl`.

    Raises:
        ValueError: None was given, and the requests are remote.
    """
    if campaign is not None:
        return Path(campaign)
    path = sources[0].path
    if path is None:
        raise ValueError("the requests are remote: name a local campaign folder")
    return path.with_name(f"{stem_of(path.name)}.campaign")


def _begin(folder: Path, run_state: RunState, sources: Sequence[Source], limits: Limits, *, recover: bool) -> None:
    """Check the requests, and write the parts; if that was done, check that the requests are the same."""
    found = fingerprints(sources)
    if run_state.begun is None:
        _refuse_full(folder)
        by = checked_divisions(sources, limits)
        run_state.note("begun", sources=[asdict(each) for each in found], limits=limits.name, by=by, recover=recover)
    elif recover and not run_state.recovers:
        run_state.note("recovering")
    assert run_state.begun is not None  # noqa: S101 - set by the step `begun`
    refuse_changed(folder, run_state.begun, found)
    if not run_state.parts:
        manifest = lay_parts(sources, folder, limits, run_state.begun["by"])
        run_state.note("split", parts=[part.file for part in manifest.parts])


def refuse_changed(folder: Path, begun: Mapping[str, Any], found: Sequence[Fingerprint]) -> None:
    """Raise `MismatchError` if the requests are not those with which a campaign was started."""
    if [each.sha256 for each in found] != [source["sha256"] for source in begun["sources"]]:
        names = ", ".join(source["name"] for source in begun["sources"])
        raise MismatchError(
            f"was started with other requests ({names}), or these have changed since: choose another campaign folder for them",
            path=str(folder),
        )


def _refuse_full(folder: Path) -> None:
    """Raise `MismatchError` if the folder of a new campaign has other files."""
    others = [path.name for path in folder.iterdir() if path.name not in (LOCK, JOURNAL) and not path.name.startswith(".")]
    if others:
        message = "has other files and no journal of a run: choose another folder, with --recover if the journal was lost"
        raise MismatchError(message, path=str(folder))


def _is_finished(run_state: RunState, retries: int) -> bool:
    if run_state.finished is None:
        return False
    allowed, settled = run_state.finished
    return settled or retries <= allowed


def _prepare(sender: Sender, folder: Path, run_state: RunState, *, again: bool) -> None:
    """Check what the service has before anything is sent."""
    register(folder, run_state)  # a killed run may have noted a batch only in the journal
    if run_state.recovers:
        sender.recover()
    elif not again and not run_state.batches and all(part.token is None for part in run_state.parts.values()):
        sender.refuse_repetition(parts_of(folder))


def _rounds(run_loop: RunLoop, folder: Path, run_state: RunState, retries: int, workers: int | None) -> bool | None:
    """Run all parts and rounds of retries; return whether nothing is retryable, or None if parts are not done."""
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
    """Check and split requests as `run` does, in a temporary folder, and return what it would send now.

    Args:
        *files: As for `run`.
        campaign: As for `run`; an existing folder is read, but not changed.
        endpoint: As for `run`.
        limits: As for `run`.
        temp_dir: The folder for temporary files.

    Raises:
        InvalidLineError: The service would refuse a request.
        LineTooLongError: A line is too large for any part.
        MismatchError: The files have changed since the campaign was started.
        FileError: A file can't be read or written.
        DataError: The journal is damaged.
        ValueError: An option has an invalid value.

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
    parts, place = parts_of(folder) if run_state.parts else (), folder
    with ExitStack() as stack:
        if not parts:
            place = stack.enter_context(Spool(temp_dir)).path
            parts = lay_parts(sources, place, limits, by).parts
        sent = {state.name for state in run_state.parts.values() if state.status != "waiting"}
        planned = tuple(_planned(place, (part for part in parts if part.file not in sent), endpoint))
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
