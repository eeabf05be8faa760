"""Sending parts: each becomes one batch, never two, whenever the process dies: what is paid for is in the journal beforehand."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from batchfiles.api.batch import Batch
from batchfiles.api.batch_request import BatchRequest
from batchfiles.api.flows import create, list_batches, search
from batchfiles.api.flows.submitting import ENDED_BADLY, marker_of
from batchfiles.campaign.manifest import Part, read_manifest, write_manifest
from batchfiles.campaign_run.failures import is_queue_full
from batchfiles.campaign_run.ledger import Ledger, PartState
from batchfiles.campaign_run.parts import endpoint_of
from batchfiles.client import Client
from batchfiles.errors import AlreadySubmitted, APIError, TransportError

__all__ = ["Sender", "register"]

NEWEST = 2000
"""Batches among which those of the same bytes are looked for: a long list is a matter of minutes."""


class Sender:
    """Makes batches of parts.

    Args:
        client: The service.
        folder: The campaign folder.
        ledger: How the run stands.
        endpoint: Where all requests go; None for the url of each part's own requests.

    Attributes:
        sent: The batches that were made here.
    """

    def __init__(self, client: Client, folder: Path, ledger: Ledger, endpoint: str | None) -> None:
        self._client = client
        self._folder = folder
        self._ledger = ledger
        self._endpoint = endpoint
        self._left: dict[str, list[Batch]] = {}
        self.sent = 0

    def refuse_repetition(self, parts: Mapping[str, Part]) -> None:
        """Make sure that the service has no live or finished batch of the same bytes.

        Raises:
            AlreadySubmitted: It has one.
            APIError: The service said no.
            TransportError: It could not be reached.
        """
        ours = {part.sha256 for part in parts.values()}
        for batch in self._listed(NEWEST):
            marker = marker_of(batch)
            if marker is not None and marker[1] in ours and batch.status not in ENDED_BADLY:
                raise AlreadySubmitted(batch.id, batch.status)

    def recover(self) -> None:
        """Look up the batches that a lost folder knew: parts of the same bytes take them over, oldest first.

        Raises:
            APIError: The service said no.
            TransportError: It could not be reached.
        """
        known = {batch_id for ids in self._ledger.batches.values() for batch_id in ids}
        for batch in reversed(self._listed(None)):
            marker = marker_of(batch)
            if marker is not None and batch.status != "failed" and batch.id not in known:
                self._left.setdefault(marker[1], []).append(batch)

    def _listed(self, limit: int | None) -> list[Batch]:
        client = self._client
        return client.run(list_batches(client.config, client.policy, limit=limit))

    def resolve(self, state: PartState) -> None:
        """Find out whether the batch was made of which nobody has said so.

        Raises:
            TransportError: The service can't be asked.
        """
        assert state.token is not None  # noqa: S101 - it was noted before
        found, looked = self._client.run(search(self._client.config, state.token, self._client.policy))
        if found is not None:
            self._created(state, found)
        elif looked:
            self._ledger.note("not_created", part=state.name, why="it is in no list", keep_file=True)
        else:
            raise TransportError(f"nobody can say whether {state.name} is at the service already", phase="receive")

    def send(self, state: PartState, part: Part) -> bool:
        """Make a batch of a part, or take over the one that was made of it before the folder was lost.

        Returns:
            Whether there was room for it.

        Raises:
            APIError: The service said no.
            TransportError: It could not be reached; where a batch may have been made all the same, the part is `unsure` now.
            FileError: The part can't be read.
        """
        if self._left.get(part.sha256):
            batch = self._left[part.sha256].pop(0)
            marker = marker_of(batch)
            self._ledger.note("creating", part=state.name, token=marker[0] if marker else "", recovered=True)
            self._created(state, batch)
            return True
        path = self._folder / part.file
        endpoint = endpoint_of(path, self._endpoint)
        if state.file_id is None:
            self._ledger.note("uploading", part=state.name, sha256=part.sha256)
            self._ledger.note("uploaded", part=state.name, file_id=self._client.files.create(path).id)
        assert state.file_id is not None  # noqa: S101 - it has just been noted
        token = secrets.token_hex(16)
        self._ledger.note("creating", part=state.name, token=token, file_id=state.file_id, endpoint=endpoint)
        params = BatchRequest(input_file_id=state.file_id, endpoint=endpoint)
        client = self._client
        try:
            batch = client.run(create(client.config, params, client.policy, token=token, sha256=part.sha256))
        except APIError as error:
            full = is_queue_full(error)
            self._ledger.note("not_created", part=state.name, why=str(error), keep_file=full)
            if full:
                return False
            raise
        self.sent += 1
        self._created(state, batch)
        return True

    def _created(self, state: PartState, batch: Batch) -> None:
        """Note a batch in the journal, and then in the manifest, so that `join` knows whose its results are."""
        self._ledger.note("created", part=state.name, token=state.token, batch_id=batch.id)
        register(self._folder, self._ledger)


def register(folder: Path, ledger: Ledger) -> None:
    """Write the batches of the journal into the manifest.

    Raises:
        FileError: The disk refused.
    """
    manifest = read_manifest(folder)
    assert manifest is not None  # noqa: S101 - parts have one
    parts = tuple(replace(part, batches=tuple(ledger.batches.get(part.file, ()))) for part in manifest.parts)
    if parts != manifest.parts:
        write_manifest(folder, replace(manifest, parts=parts))
