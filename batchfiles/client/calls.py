"""Every call of the clients as a flow, with their configuration filled in: what `Client` runs and `AsyncClient` awaits.

Where the service is and what the key is, from arguments and the environment.

The list of files, page by page.

What a client knows of the service, however it waits.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from batchfiles.api import batches, files
from batchfiles.api.batch import Batch
from batchfiles.api.batches import BatchFileExpirationAfter, BatchRequest
from batchfiles.api.config import OPENAI_BASE_URL, AzureConfig, Config, Key, RetryPolicy
from batchfiles.api.downloading import download, download_file
from batchfiles.api.effects import Flow, Log, call
from batchfiles.api.file import FileDeleted, FileObject, ListFilesResponse, Listing
from batchfiles.api.files import MAX_PAGE, Order
from batchfiles.api.responses import FilePart
from batchfiles.api.submitting import Submission, create, list_batches, submit, upload
from batchfiles.api.waiting import wait
from batchfiles.io.remote_path import file_error, make_folder
from batchfiles.open_strings import BatchCompletionWindow, BatchEndpoint

Expiry = BatchFileExpirationAfter | int | None
"""When files are to be deleted; a number counts the seconds from their making."""


def submission_of(
    path: str | os.PathLike[str],
    endpoint: BatchEndpoint | str,
    metadata: dict[str, str] | None,
    *,
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24,
    output_expires_after: Expiry = None,
) -> Submission:
    """Look at a file that is to become a batch.

    Raises:
        FileError: It can't be read.
        ValueError: The metadata has more than 15 pairs, or too long ones; the files can't be kept for such a time.
    """
    expires = BatchFileExpirationAfter.of(output_expires_after)
    file = Path(path)
    try:
        with file.open("rb") as stream:
            sha256, size = hashlib.file_digest(stream, "sha256").hexdigest(), os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise file_error(error, file) from None
    return Submission(
        path=str(file),
        size=size,
        sha256=sha256,
        filename=file.name,
        endpoint=endpoint,
        completion_window=completion_window,
        metadata=dict(metadata or {}),
        output_expires_after=expires,
    )


@dataclass(frozen=True, slots=True)
class Calls:
    """The flows of one client.

    Attributes:
        config: Where the service is.
        policy: How often a call is tried.
    """

    config: Config
    policy: RetryPolicy

    def create_batch(
        self,
        input_file_id: str,
        endpoint: BatchEndpoint | str,
        completion_window: str,
        metadata: dict[str, str] | None,
        output_expires_after: Expiry,
    ) -> Flow[Batch]:
        """Make a batch of a file that was uploaded."""
        params = BatchRequest(
            input_file_id=input_file_id,
            endpoint=endpoint,
            completion_window=completion_window,
            metadata=metadata,
            output_expires_after=BatchFileExpirationAfter.of(output_expires_after),
        )
        return create(self.config, params, self.policy)

    def retrieve_batch(self, batch_id: str) -> Flow[Batch]:
        """Look at a batch."""
        return call(batches.retrieve_request(self.config, batch_id), batches.retrieve_response, self.policy)

    def list_batches(self, after: str | None, limit: int | None) -> Flow[list[Batch]]:
        """Return batches, over as many pages as it takes."""
        return list_batches(self.config, self.policy, after=after, limit=limit)

    def cancel_batch(self, batch_id: str) -> Flow[Batch]:
        """Cancel a batch; a conflict is final."""
        return call(batches.cancel_request(self.config, batch_id), batches.cancel_response, self.policy, conflicts=False)

    def upload(self, path: str | os.PathLike[str], purpose: str, expires_after: Expiry, filename: str | None) -> Flow[FileObject]:
        """Upload a file.

        Raises:
            FileError: It can't be read.
        """
        file = Path(path)
        try:
            size = file.stat().st_size
        except OSError as error:
            raise file_error(error, file) from None
        part = FilePart(str(file), 0, size)
        expiry = BatchFileExpirationAfter.of(expires_after)
        return upload(self.config, part, filename or file.name, self.policy, purpose=purpose, expires_after=expiry)

    def list_files(
        self, purpose: str | None, after: str | None, limit: int | None, order: Order | None
    ) -> Flow[ListFilesResponse]:
        """Return one page of files."""
        request = files.list_request(self.config, purpose=purpose, after=after, limit=limit, order=order)
        return call(request, files.list_response, self.policy)

    def retrieve_file(self, file_id: str) -> Flow[FileObject]:
        """Look at a file."""
        return call(files.retrieve_request(self.config, file_id), files.retrieve_response, self.policy)

    def delete_file(self, file_id: str) -> Flow[FileDeleted]:
        """Delete a file."""
        return call(files.delete_request(self.config, file_id), files.delete_response, self.policy)

    def content(self, file_id: str, output: str | os.PathLike[str]) -> Flow[None]:
        """Fetch the bytes of a file to a path where nothing is yet."""
        return download_file(self.config, file_id, os.fspath(output), self.policy)

    def submit(
        self,
        path: str | os.PathLike[str],
        endpoint: BatchEndpoint | str,
        completion_window: str,
        metadata: dict[str, str] | None,
        output_expires_after: Expiry,
        *,
        again: bool,
    ) -> Flow[Batch]:
        """Upload a file and make one batch of it."""
        submission = submission_of(
            path, endpoint, metadata, completion_window=completion_window, output_expires_after=output_expires_after
        )
        return submit(self.config, submission, self.policy, again=again)

    def wait(self, batch_id: str, interval: float | None, timeout: float | None) -> Flow[Batch]:
        """Wait for a batch."""
        return wait(self.config, batch_id, self.policy, interval=interval, timeout=timeout)

    def download(self, batch: Batch, output: str | os.PathLike[str]) -> Flow[list[str]]:
        """Fetch the results of a batch into a folder, which is made if it isn't there.

        Raises:
            FileError: It is a file, or can't be made.
        """
        folder = os.fspath(output)
        make_folder(Path(folder))
        return download(self.config, batch, folder, self.policy)


def config_of(
    base_url: str | None = None, organization: str | None = None, project: str | None = None, *, allow_http: bool = False
) -> Config:
    """Return the configuration that arguments and, where they are silent, the variables of the official SDK describe.

    `OPENAI_BASE_URL`, `OPENAI_ORG_ID` and `OPENAI_PROJECT_ID`; with `AZURE_OPENAI_ENDPOINT`, and no base url, it is Azure, in the
    dialect that `OPENAI_API_VERSION` names.

    Raises:
        ValueError: An address is not valid.
    """
    found = base_url or os.environ.get("OPENAI_BASE_URL")
    azure = os.environ.get("AZURE_OPENAI_ENDPOINT")
    if azure and not found:
        return AzureConfig(base_url=azure, api_version=os.environ.get("OPENAI_API_VERSION") or None, allow_http=allow_http)
    return Config(
        base_url=found or OPENAI_BASE_URL,
        organization=organization or os.environ.get("OPENAI_ORG_ID") or None,
        project=project or os.environ.get("OPENAI_PROJECT_ID") or None,
        allow_http=allow_http,
    )


def key_variable(config: Config) -> str:
    """Name the variable that the key is read from: that of the official SDK for the service, or for a token of Entra ID."""
    if isinstance(config, AzureConfig):
        return "AZURE_OPENAI_AD_TOKEN" if config.entra else "AZURE_OPENAI_API_KEY"
    return "OPENAI_API_KEY"


def key_of(key: str | Key | Callable[[], str] | None, config: Config) -> Key:
    """Return the key: the one that was given, or that of the variable that `key_variable` names.

    Raises:
        ValueError: The API key is missing or not valid; it is not shown.
    """
    if isinstance(key, Key):
        return key
    if key is not None:
        return Key(key)
    name = key_variable(config)
    if not os.environ.get(name):
        raise ValueError(f"no API key: set {name}, or pass key=")
    return Key(os.environ[name])


def access_of(
    key: str | Key | Callable[[], str] | None,
    config: Config | None,
    base_url: str | None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> tuple[Config, Key] | ValueError:
    """Return where the service is and the key, or what is wrong with them.

    It is returned and not raised: the traceback would lead through frames whose locals hold the key.
    """
    try:
        found = (config or config_of(base_url)).with_more(headers, query)
        return found, key_of(key, found)
    except ValueError as error:
        problem = str(error)
    return ValueError(problem)


class FilePages:
    """The pages of a list of files, each to be asked for when the one before was read.

    Args:
        calls: The calls of the client.
        purpose: Only files of this purpose.
        limit: How many files at most; None for all.
        order: `asc` or `desc`.
    """

    def __init__(self, calls: Calls, purpose: str | None, limit: int | None, order: Order | None) -> None:
        self._calls = calls
        self._purpose = purpose
        self._left = limit
        self._order = order
        self._listing: Listing[FileObject] = Listing()

    @property
    def are_over(self) -> bool:
        """Whether the last page was read."""
        return self._listing.is_over or (self._left is not None and self._left <= 0)

    def read(self) -> Flow[list[FileObject]]:
        """Return the new files of the next page.

        Raises:
            APIError: The service refused, or returns the same page again.
            APIConnectionError: There was no answer.
        """
        size = None if self._left is None else min(self._left, MAX_PAGE)
        page = yield from self._calls.list_files(self._purpose, self._listing.after, size, self._order)
        for note in page.notes:
            yield Log(logging.WARNING, f"the list of files: {note}")
        found = self._listing.add(page)
        if self._left is not None:
            found = found[: self._left]
            self._left -= len(found)
        return found


LOGGER = logging.getLogger("batchfiles")
"""The logger of both clients: steps as INFO, retries as WARNING; never the key."""


class ServiceClient:
    """What both clients are: where the service is, the key, and the calls that they run.

    Args:
        access: What `access_of` returned. The key itself is not an argument: a traceback would show it.
        timeout: Seconds for a whole request.
        policy: How often a call is tried.

    Raises:
        ValueError: What `access_of` returned.

    Attributes:
        config: Where the service is.
        policy: How often a call is tried.
    """

    def __init__(self, access: tuple[Config, Key] | ValueError, timeout: float, policy: RetryPolicy | None) -> None:
        if isinstance(access, ValueError):
            raise access
        self.config, self._key = access
        self._timeout = timeout
        self.policy = policy or RetryPolicy()
        self._calls = Calls(self.config, self.policy)

    def __repr__(self) -> str:
        name = type(self).__name__
        if not hasattr(self, "config"):
            return f"{name}()"  # a traceback may show one whose making failed
        return f"{name}({self.config.base_url!r}, key={self._key})"
