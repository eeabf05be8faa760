"""`plan_run`: what a run would send, without sending it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from batchfiles.campaign.manifest import Part, read_manifest
from batchfiles.campaign_run.journal import read_journal
from batchfiles.campaign_run.ledger import Ledger
from batchfiles.campaign_run.parts import checked_divisions, endpoint_of, fingerprints, lay_parts, tokens_of
from batchfiles.campaign_run.report import PlannedPart, RunPlan
from batchfiles.campaign_run.run import campaign_folder, refuse_changed, run_sources
from batchfiles.counts import not_read_fields
from batchfiles.limits import OPENAI, Limits
from batchfiles.streams.sources import SourceLike
from batchfiles.streams.spool import Spool

__all__ = ["plan_run"]


def plan_run(
    *files: SourceLike,
    campaign: str | os.PathLike[str] | None = None,
    endpoint: str | None = None,
    limits: Limits = OPENAI,
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
        InvalidLine: The service would refuse a request.
        LineTooLong: A line is too large for any part.
        Mismatch: The files are not what they were when the campaign was begun.
        FileError: A file can't be read, or the disk refused.
        DataError: The journal is damaged.
        ValueError: An option has no such value.
    """
    sources, not_read = run_sources(files)
    folder = campaign_folder(campaign, sources)
    ledger = Ledger(read_journal(folder), folder)
    if ledger.begun is None:
        by = checked_divisions(sources, limits)
    else:
        refuse_changed(folder, ledger.begun, fingerprints(sources))
        by = ledger.begun["by"]
    manifest = read_manifest(folder) if ledger.parts else None
    with ExitStack() as stack:
        place = Path(folder)
        if manifest is None:
            place = stack.enter_context(Spool(temp_dir)).path
            manifest = lay_parts(sources, place, limits, by)
        sent = {state.name for state in ledger.parts.values() if state.status != "waiting"}
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
