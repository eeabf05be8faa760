"""The files of the local server, on disk."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from batchfiles.api.file import FileDeleted, FileObject
from batchfiles.testing.parameters import Refusal

__all__ = ["CHUNK", "FileStore", "StoredFile"]

CHUNK: Final = 256 * 1024
"""Bytes of a file that are read at once."""

DAY: Final = 24 * 60 * 60

LIFETIMES: Final = {"batch": 30 * DAY, "batch_output": 30 * DAY}
"""Seconds until files expire, by purpose; others don't expire [OpenAI's OpenAPI document, FileExpirationAfter, and the Batch
guide]."""


@dataclass(slots=True)
class StoredFile:
    """A file of the service.

    Attributes:
        object: Its file object.
        path: The path of its bytes.
        made: The time of its creation, in seconds since 1970-01-01 UTC.
    """

    object: FileObject
    path: Path
    made: float

    @property
    def etag(self) -> str:
        """The strong entity tag; the bytes of an id never change."""
        return f'"{self.object.id}"'


class FileStore:
    """Files by their ids, oldest first, in a temporary folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="batchfiles-testing-"))
        self._files: dict[str, StoredFile] = {}

    def close(self) -> None:
        """Remove the bytes."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(
        self, file_id: str, content: BinaryIO, filename: str, purpose: str, now: float, lifetime: int | None = None
    ) -> FileObject:
        """Store a file, which expires after `lifetime` seconds; None for the default of its purpose."""
        path = self._folder / file_id
        with path.open("wb") as file:
            shutil.copyfileobj(content, file, CHUNK)
        seconds = LIFETIMES.get(purpose) if lifetime is None else lifetime
        made = FileObject(
            id=file_id,
            bytes=path.stat().st_size,
            created_at=int(now),
            expires_at=None if seconds is None else int(now) + seconds,
            filename=filename,
            purpose=purpose,
            status="processed",
        )
        self._files[file_id] = StoredFile(made, path, now)
        return made

    def keep(self, stored: StoredFile, name: str) -> Path:
        """Return another path to the bytes of a file, which remains after the file is deleted."""
        path = self._folder / name
        path.hardlink_to(stored.path)
        return path

    def find(self, file_id: str, now: float) -> StoredFile | None:
        """Return a file; None if it does not exist or has expired."""
        found = self._files.get(file_id)
        if found is not None and found.object.expires_at is not None and now >= found.object.expires_at:
            self._remove(found)
            return None
        return found

    def get(self, file_id: str, now: float) -> StoredFile:
        """Return a file.

        Raises:
            Refusal: It does not exist.
        """
        found = self.find(file_id, now)
        if found is None:
            raise Refusal(404, f"No such File object: {file_id}", param="id")
        return found

    def delete(self, file_id: str, now: float) -> FileDeleted:
        """Delete a file.

        Raises:
            Refusal: It does not exist.
        """
        self._remove(self.get(file_id, now))
        return FileDeleted(id=file_id, deleted=True)

    def all(self, now: float) -> Iterator[StoredFile]:
        """Yield the files, oldest first."""
        yield from filter(None, [self.find(file_id, now) for file_id in list(self._files)])

    def _remove(self, stored: StoredFile) -> None:
        del self._files[stored.object.id]
        stored.path.unlink(missing_ok=True)
