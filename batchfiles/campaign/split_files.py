"""The files that `split` puts into a campaign folder; whatever else lies there came later, and may have been paid for."""

from __future__ import annotations

import errno
from functools import cache

from batchfiles.campaign.manifest import MANIFEST, read_manifest
from batchfiles.errors import FileError
from batchfiles.streams.ours import Ours
from batchfiles.streams.remote import Place

__all__ = ["made_by_split"]


def made_by_split(folder: Place) -> Ours:
    """Return what tells whether a file of a folder is its manifest or one of the parts in it that `split` cut.

    Results are none of these, and retry files neither. The manifest is read once, when the first name is asked for. Then these
    errors are raised:

    Raises:
        FileError: The manifest can't be read, or it names batches: without it nobody knows whose results they will have.
        DataError: The manifest is damaged, or of a later version.
    """

    @cache
    def names() -> frozenset[str]:
        manifest = read_manifest(folder)
        if manifest is None:
            return frozenset()
        sent = next((batch for part in manifest.parts for batch in part.batches), None)
        if sent is not None:
            words = f"holds parts that were sent, in batch {sent} for one: choose another folder, or remove this one yourself"
            raise FileError(words, path=str(folder), number=errno.ENOTEMPTY)
        return frozenset({MANIFEST, *(part.file for part in manifest.parts if not part.retry_of)})

    return lambda name: name in names()
