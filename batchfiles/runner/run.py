"""`run`: from requests to a table in one resumable call; `run_async`, the same for asyncio; `plan_run`, what would be sent."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, closing, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Literal

from batchfiles.api.batches import BatchFileExpirationAfter
from batchfiles.client import AsyncClient, Client
from batchfiles.client.asynchronous import in_thread
from batchfiles.io.sources import SourceLike
from batchfiles.io.target import TargetLike
from batchfiles.io.threads import Progress, progress_of
from batchfiles.limits import LimitsLike, profile
from batchfiles.open_strings import BatchCompletionWindow
from batchfiles.runner.parts import campaign_folder, plan_of, run_sources
from batchfiles.runner.report import RunPlan, RunReport, RunStatus
from batchfiles.runner.steps import campaign_run

if TYPE_CHECKING:
    from batchfiles.table.open import TableFormat
    from batchfiles.table.parsed_schema import SchemaLike
    from batchfiles.table.read import TableLike


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
    interval: float | None = None,
    with_table: TableLike | None = None,
    id_template: str | None = None,
    with_prefix: str = "",
    csv_nulls: Sequence[str] | None = None,
    bodies: Literal["auto", "all", "none"] = "auto",
    request_bodies: Literal["all", "none"] = "all",
    parsed: bool = False,
    schema: SchemaLike | None = None,
    parse_dates: bool = False,
    format: TableFormat | None = None,  # noqa: A002 - the usual word
    csv_safe: bool = False,
    rejects: TargetLike | None = None,
    report_file: TargetLike | None = None,
    overwrite: bool = False,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = 1,
    on_update: Callable[[RunStatus], object] | None = None,
    progress: Progress | bool | None = None,
) -> RunReport:
    """Validate requests, split them, send the parts, wait, download, retry, and write the joined table.

    Every step that costs money is in the journal of the campaign folder before it is taken. The same call resumes a run that was
    interrupted; no part ever has two live batches. A finished run is not repeated. If the call fails before it has sent anything,
    the new campaign folder is removed.

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
        interval: Seconds between two checks of all batches; None for increasing pauses from 5 to 60 seconds.
        with_table: Your own table, whose columns are added: see `join`. It is checked before anything is sent, and read again for
            the table. It can't be an open file or standard input, which can't be read twice.
        id_template: The template of the `custom_id` of its rows, such as `"{{doc}}-{{chunk}}"`.
        with_prefix: A prefix for the names of its columns.
        csv_nulls: What null is in your CSV table, as for `prepare`.
        bodies: The response bodies in the table: `"auto"`, `"all"` or `"none"`, as for `join`.
        request_bodies: The request bodies in the table: `"all"` or `"none"`.
        parsed: Add the columns `parsed` and `parse_error`: the answers, typed by a JSON Schema.
        schema: The JSON Schema of `parsed`: a schema, its file, or a pydantic model; None for the first one in the requests.
        parse_dates: Convert dates and times in `parsed` to dates and timestamps.
        format: The format of the table, if its name doesn't have a suffix.
        csv_safe: Make CSV cells harmless that a spreadsheet would run.
        rejects: A file for the result lines that are not in the table, byte for byte.
        report_file: A file for the report, as JSON; also written if the run has not finished (`once`).
        overwrite: Replace existing files; a folder only if it has only parts of a table. Files of this campaign are always
            replaced.
        temp_dir: The folder for temporary files; None for the system's.
        filesystem: The filesystem of `files`, `output`, `rejects`, `report_file`, `with_table` and `schema`, from `pyarrow.fs` or
            fsspec; None for the local one. The campaign folder is always local.
        workers: Processes that decode for the retries and the table; None chooses automatically.
        on_update: Called with each change of the status.
        progress: Called as `progress(done, total)` with the bytes of the current step (`RunStatus.step`): the check, an upload, a
            download, the table. `total` is None where it is unknown. True shows a bar.

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
        OutputExistsError: The table, `rejects` or `report_file` exists and is not from this campaign.
        DuplicateCustomIdError: Two rows of `with_table` have the same id.
        FileError: A file can't be read or written, or another run uses the folder.
        DataError: The journal is damaged.
        ValueError: An option has an invalid value, or options exclude each other.
        TypeError: No file is named, or a table can't be read twice.

    Example:
        >>> report = batchfiles.run("requests.jsonl", output="answers.parquet", limits="openai")  # doctest: +SKIP
        >>> report.finished  # doctest: +SKIP
        True
    """
    progress = progress_of(progress, "run")
    with closing(campaign_run(files, locals())) as steps:
        if on_update is not None:
            for status in steps.statuses():
                on_update(status)
        steps.check()
        if steps.needs_service:
            with _connected(client) as service:
                service.run(steps.steps(service.config, service.policy), on_update=on_update, progress=progress)
        if on_update is not None and steps.writes_table:
            on_update(steps.status("join"))
        return steps.finish()


def _connected(client: Client | Callable[[], Client] | None) -> AbstractContextManager[Client]:
    """Return a context manager for the client; a given client is not closed."""
    if isinstance(client, Client):
        return nullcontext(client)
    return Client() if client is None else client()


async def run_async(  # noqa: D417 - the other arguments are those of `run`
    *files: SourceLike,
    output: TargetLike,
    campaign: str | os.PathLike[str] | None = None,
    client: AsyncClient | Callable[[], AsyncClient] | None = None,
    endpoint: str | None = None,
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24,
    output_expires_after: BatchFileExpirationAfter | int | None = None,
    limits: LimitsLike = "openai",
    max_parallel: int = 10,
    retries: int = 2,
    once: bool = False,
    recover: bool = False,
    again: bool = False,
    interval: float | None = None,
    with_table: TableLike | None = None,
    id_template: str | None = None,
    with_prefix: str = "",
    csv_nulls: Sequence[str] | None = None,
    bodies: Literal["auto", "all", "none"] = "auto",
    request_bodies: Literal["all", "none"] = "all",
    parsed: bool = False,
    schema: SchemaLike | None = None,
    parse_dates: bool = False,
    format: TableFormat | None = None,  # noqa: A002 - the usual word
    csv_safe: bool = False,
    rejects: TargetLike | None = None,
    report_file: TargetLike | None = None,
    overwrite: bool = False,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = 1,
    on_update: Callable[[RunStatus], Awaitable[object] | object] | None = None,
    progress: Progress | bool | None = None,
) -> RunReport:
    """Do what `run` does, for asyncio: the arguments, the report, the errors and the campaign folder are the same.

    Local work, such as the check of the requests and the table, is done in threads. If the task is cancelled, its
    current local work is finished first; the next call resumes.

    Args:
        *files: The request files. Arguments that are not listed here are those of `run`.
        client: An `AsyncClient`, or a function that creates one when it is needed; None for `AsyncClient()`.
        on_update: Called with each change of the status; it may be a coroutine function.
        progress: As for `run`; for local work it is called from another thread.

    Returns:
        The report; `finished` is always True without `once`.

    Raises:
        BatchFilesError: As `run`.
        ValueError: An option has an invalid value, or options exclude each other.
        TypeError: No file is named, or a table can't be read twice.

    Example:
        >>> report = await batchfiles.run_async("requests.jsonl", output="answers.parquet")  # doctest: +SKIP
        >>> report.finished  # doctest: +SKIP
        True
    """
    progress = progress_of(progress, "run")
    steps = await in_thread(partial(campaign_run, files, locals()))
    try:
        for status in steps.statuses():
            await _notify(on_update, status)
        await in_thread(steps.check)
        if steps.needs_service:
            async with _connected_async(client) as service:
                await service.run(steps.steps(service.config, service.policy), on_update=on_update, progress=progress)
        if steps.writes_table:
            await _notify(on_update, steps.status("join"))
        return await in_thread(steps.finish)
    finally:
        steps.close()


async def _notify(on_update: Callable[[RunStatus], Awaitable[object] | object] | None, status: RunStatus) -> None:
    result = on_update(status) if on_update is not None else None
    if inspect.isawaitable(result):
        await result


def _connected_async(client: AsyncClient | Callable[[], AsyncClient] | None) -> AbstractAsyncContextManager[AsyncClient]:
    """Return a context manager for the client; a given client is not closed."""
    if isinstance(client, AsyncClient):
        return nullcontext(client)
    return AsyncClient() if client is None else client()


def plan_run(
    *files: SourceLike,
    campaign: str | os.PathLike[str] | None = None,
    endpoint: str | None = None,
    limits: LimitsLike = "openai",
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    progress: Progress | bool | None = None,
) -> RunPlan:
    """Check and split requests as `run` does, in a temporary folder, and return what it would send now.

    Args:
        *files: As for `run`.
        campaign: As for `run`; an existing folder is read, but not changed.
        endpoint: As for `run`.
        limits: As for `run`.
        temp_dir: The folder for temporary files.
        filesystem: The filesystem of `files`; None for the local one.
        progress: Called as `progress(done, total)` with the bytes of the check and of the split; True shows a bar.

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
    found = run_sources(files, filesystem=filesystem)
    folder = campaign_folder(campaign, found.sources)
    return plan_of(found, folder, profile(limits), endpoint, temp_dir=temp_dir, progress=progress_of(progress, "plan"))
