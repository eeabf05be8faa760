"""One call of `run`, step by step: what is checked before anything is written, what needs the service, and the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from batchfiles.api.batches import BatchFileExpirationAfter
from batchfiles.api.config import Config, RetryPolicy
from batchfiles.api.effects import Flow, Notify, Work
from batchfiles.api.waiting import SLOW
from batchfiles.campaign import MANIFEST, parts_of
from batchfiles.client.calls import Calls
from batchfiles.inputs.folders import FilesToRead, not_read_fields
from batchfiles.io.remote_path import make_folder
from batchfiles.io.sources import SourceLike
from batchfiles.io.threads import Progress
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.tokens import Division
from batchfiles.limits import Limits, profile
from batchfiles.runner.batches import Sender, Terms, register
from batchfiles.runner.journal import JOURNAL, LOCK, Journal, RunState, locked, read_journal
from batchfiles.runner.parts import (
    SPLITTING_FOLDER,
    Fingerprint,
    campaign_folder,
    checked_divisions,
    fingerprints,
    plan_of,
    refuse_changed,
    refuse_full,
    run_sources,
    write_parts,
)
from batchfiles.runner.passes import RunLoop, live_batches, seconds_of, status_of
from batchfiles.runner.report import RunPlan, RunReport, RunStatus, RunStep
from batchfiles.runner.table import OutputOptions, RunTable, add_retry_round, changed_words


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of `run` on parts, batches and rounds.

    Raises:
        ValueError: One has an invalid value.
    """

    campaign: str | os.PathLike[str] | None
    terms: Terms
    limits: Limits
    max_parallel: int
    retries: int
    once: bool
    recover: bool
    again: bool
    interval: float | None
    workers: int | None
    filesystem: object
    temp_dir: str | os.PathLike[str] | None
    progress: Progress | None

    def __post_init__(self) -> None:
        if self.max_parallel < 1 or self.retries < 0:
            raise ValueError("max_parallel must be 1 or more, and retries 0 or more")
        if self.interval is not None and self.interval <= 0:
            raise ValueError(f"interval is a number of seconds above 0, not {self.interval!r}")


class CampaignRun:
    """One call of `run`. Its methods are called in their order; `steps` is a flow for the client, all others work locally.

    Nothing is written before `steps` or `finish`. What this call has written is removed by `close` if nothing was sent.

    Args:
        files: The request files.
        options: The options.
        outputs: The table and the other files to write.

    Raises:
        BatchFilesError: As `run`.
        TypeError, ValueError: An argument is invalid.
    """

    def __init__(self, files: Sequence[SourceLike], options: RunOptions, outputs: OutputOptions) -> None:
        self._options = options
        self._sources, self._not_read = run_sources(files, filesystem=options.filesystem)
        self._table = RunTable(outputs)
        self._folder = campaign_folder(options.campaign, self._sources)
        self._table.refuse_inside(self._folder)
        self._state = RunState(read_journal(self._folder), self._folder)
        self._settings = self._table.settings()
        self._stack = ExitStack()
        self._created: list[Path] = []
        self._is_new = self._state.begun is None
        self._is_locked = False
        self._found: list[Fingerprint] = []
        self._by: tuple[Division, ...] = ()
        self._run_loop: RunLoop | None = None
        self._sender: Sender | None = None
        self._settled: bool | None = None

    def close(self) -> None:
        """Unlock the folder; if it is new and nothing was sent, remove it."""
        with self._stack:
            if self._is_locked and self._is_new and not self._state.has_sent:
                self._remove_folder()

    def statuses(self) -> list[RunStatus]:
        """Return the first statuses: what has changed since the last call, and that the requests are checked."""
        return [status_of(self._state, "check", news) for news in (*self._changes(), None)]

    def status(self, step: RunStep) -> RunStatus:
        """Return the status at a step that is not one of `steps`."""
        return status_of(self._state, step)

    def check(self) -> None:
        """Make sure that the run is possible, as far as that can be known without the service."""
        if any((self._folder / name).exists() for name in (JOURNAL, LOCK)):
            self._lock()
        self._table.refuse_foreign(self._state.outputs)
        self._check_requests()
        if self._settings != self._state.promised or self._is_new:
            self._table.check(self._sources)

    def plan(self) -> RunPlan:
        """Check the same without a lock, and return what would be sent."""
        self._table.refuse_foreign(self._state.outputs)
        self._table.check(self._sources)
        options = self._options
        return plan_of(
            FilesToRead(self._sources, self._not_read),
            self._folder,
            options.limits,
            options.terms.endpoint,
            temp_dir=options.temp_dir,
            progress=options.progress,
        )

    @property
    def needs_service(self) -> bool:
        """Whether not everything is done; else only the table is written."""
        if self._state.finished is None:
            return True
        allowed, settled = self._state.finished
        return not settled and self._options.retries > allowed

    def steps(self, config: Config, policy: RetryPolicy) -> Flow[None]:
        """Write the parts, and send, wait, download and retry until all is done, or as far as possible with `once`."""
        calls = Calls(config, policy)
        if not self._state.parts:
            yield Notify(status_of(self._state, "split"))
        yield Work(self._begin)
        options = self._options
        self._sender = Sender(calls, self._folder, self._state, options.terms)
        yield Notify(status_of(self._state, "send"))
        yield from self._prepare(self._sender)
        self._run_loop = RunLoop(
            calls,
            self._folder,
            self._state,
            self._sender,
            max_parallel=options.max_parallel,
            once=options.once,
            interval=options.interval,
        )
        self._settled = yield from self._rounds(self._run_loop)

    @property
    def is_finished(self) -> bool:
        """Whether all parts are done."""
        return self._run_loop is None or self._settled is not None

    @property
    def writes_table(self) -> bool:
        """Whether `finish` writes the table: all parts are done, and it does not exist yet as it was asked for."""
        if self._run_loop is None:
            return not self._table.is_complete(self._state, self._settings)
        return self.is_finished

    def finish(self) -> RunReport:
        """Write the table if all parts are done, and return the report."""
        joined: JoinReport | None = None
        if self.writes_table:
            self._open_journal()
            joined = self._table.write(self._folder, self._state, self._sources, self._settings)
            if self._run_loop is not None:
                self._state.note("finished", retries=self._options.retries, settled=self._settled)
        report = self._report(joined)
        self._table.write_report(report, self._state)
        return report

    def _changes(self) -> list[str]:
        """Return what has changed since the last call, in words for the user."""
        state, options = self._state, self._options
        if state.begun is None:
            return []
        found = []
        if self.needs_service:
            before, now = state.begun["limits"], options.limits.name
            if state.parts and before != now:
                found.append(f"the existing parts were made with the limits {before}, not {now}, and are kept")
            if state.terms is not None and (words := changed_words(state.terms, options.terms.to_dict())):
                found.append(f"changed since the last call: {words}; this applies to new batches only")
        written = state.promised if self.needs_service else state.settings.get(self._table.key or "", self._settings)
        if words := changed_words(written, self._settings):
            found.append(f"changed since the last call: {words}; the table gets the new options")
        return found

    def _check_requests(self) -> None:
        """Check the requests; if that was done, check that they are the same."""
        options = self._options
        self._found = fingerprints(self._sources)
        if self._state.begun is None:
            refuse_full(self._folder)
            self._by = checked_divisions(self._sources, options.limits, temp_dir=options.temp_dir, progress=options.progress)
        else:
            refuse_changed(self._folder, self._state.begun, self._found)

    def _lock(self) -> None:
        """Lock the folder, and read the journal again: another process may have changed it."""
        if self._is_locked:
            return
        self._stack.enter_context(locked(self._folder))
        self._is_locked = True
        self._state = RunState(read_journal(self._folder), self._folder)
        self._is_new = self._state.begun is None

    def _open_journal(self) -> None:
        """Lock the folder, which is created if needed, and open the journal."""
        if self._state.is_open:
            return
        missing = [self._folder, *self._folder.parents]
        self._created = [path for path in missing if not path.exists()]
        make_folder(self._folder)
        self._lock()
        journal = Journal(self._folder)
        self._stack.callback(journal.close)
        self._state = RunState(journal.records, self._folder, journal)

    def _begin(self) -> None:
        """Write the first records and the parts, unless that was done."""
        options, terms = self._options, self._options.terms.to_dict()
        self._open_journal()
        state = self._state
        if state.begun is None:
            refuse_full(self._folder)
            sources = [asdict(each) for each in self._found]
            more = {"settings": self._settings, "terms": terms}
            state.note("begun", sources=sources, limits=options.limits.name, by=self._by, recover=options.recover, **more)
        else:
            refuse_changed(self._folder, state.begun, self._found)
            if options.recover and not state.recovers:
                state.note("recovering")
            if self._settings != state.promised or terms != state.terms:
                state.note("options", settings=self._settings, terms=terms)
        assert state.begun is not None  # noqa: S101 - set by the step `begun`
        if not state.parts:
            by = state.begun["by"]
            manifest = write_parts(
                self._sources, self._folder, options.limits, by, temp_dir=options.temp_dir, progress=options.progress
            )
            state.note("split", parts=[part.file for part in manifest.parts])

    def _prepare(self, sender: Sender) -> Flow[None]:
        """Check what the service has before anything is sent."""
        state = self._state
        yield Work(partial(register, self._folder, state))  # a killed run may have noted a batch only in the journal
        if state.recovers:
            yield from sender.recover()
        elif not self._options.again and not state.batches and all(part.token is None for part in state.parts.values()):
            yield from sender.refuse_repetition(parts_of(self._folder))

    def _rounds(self, run_loop: RunLoop) -> Flow[bool | None]:
        """Run all parts and rounds of retries; return whether nothing is retryable, or None if parts are not done."""
        options = self._options
        while True:
            is_done = yield from run_loop.run()
            if not is_done:
                return None
            if self._state.rounds >= options.retries:
                return False
            yield Notify(status_of(self._state, "retry"))
            more: list[str] = yield Work(
                partial(
                    add_retry_round,
                    self._folder,
                    self._state,
                    workers=options.workers,
                    temp_dir=options.temp_dir,
                    progress=options.progress,
                )
            )
            if not more:
                return True

    def _report(self, joined: JoinReport | None) -> RunReport:
        state = self._state
        assert state.began_at is not None  # noqa: S101 - a run that has a report has begun
        pause = timedelta(seconds=self._options.interval or SLOW)
        return RunReport(
            folder=str(self._folder),
            output=self._table.output,
            finished=self.is_finished,
            sent=0 if self._sender is None else self._sender.sent,
            batches=state.batch_count,
            parts=len(state.parts),
            done=len(state.of_status("done")),
            rounds=state.rounds,
            began_at=state.began_at,
            seconds=seconds_of(state),
            next_look=None if self.is_finished else datetime.now(UTC) + pause,
            live_batches=live_batches(state, {}) if self._run_loop is None else self._run_loop.live_batches(),
            outcomes={} if joined is None else {outcome: count for outcome, count in joined.outcomes.items() if count},
            table=joined,
            **not_read_fields(self._not_read),
        )

    def _remove_folder(self) -> None:
        """Remove the files of this new campaign, and the folders that were created for it; not those of anybody else."""
        state = self._state
        own = [*state.parts, *(part.file for part in parts_of(self._folder)), MANIFEST, JOURNAL, LOCK]
        with suppress(OSError):
            for name in dict.fromkeys(own):
                (self._folder / name).unlink(missing_ok=True)
            shutil.rmtree(self._folder / SPLITTING_FOLDER, ignore_errors=True)
            for path in self._created:
                path.rmdir()


def campaign_run(files: Sequence[SourceLike], arguments: Mapping[str, Any]) -> CampaignRun:
    """Return the steps of a call of `run`.

    Args:
        files: The request files.
        arguments: The other arguments of `run` by name; others are ignored.

    Raises:
        BatchFilesError, TypeError, ValueError: As `CampaignRun`.
    """
    expiry = BatchFileExpirationAfter.of(arguments["output_expires_after"])
    terms = Terms(arguments["endpoint"], arguments["completion_window"], expiry)
    given = {**arguments, "terms": terms, "limits": profile(arguments["limits"])}
    given["join"] = {name: given[name] for name in JOINED}
    options, outputs = ({each.name: given[each.name] for each in fields(kind)} for kind in (RunOptions, OutputOptions))
    return CampaignRun(files, RunOptions(**options), OutputOptions(**outputs))


JOINED = (
    *("with_table", "id_template", "with_prefix", "csv_nulls", "bodies", "request_bodies", "parsed", "schema", "parse_dates"),
    *("temp_dir", "filesystem", "workers", "progress"),
)
"""The arguments of `run` that are those of `join`."""
