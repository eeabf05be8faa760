"""What real services do to batches now and then, for whoever wants to see how a pipeline takes it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

__all__ = ["Quirks"]


@dataclass(slots=True, kw_only=True)
class Quirks:
    """What happens to the batches of a local server. It may be changed at any time.

    Attributes:
        expire_after: Requests that are answered before the batch expires; None for all.
        missing: Ids of requests that are in no file in the end.
        duplicates: Ids of requests whose line comes twice.
        failing: Ids of requests that fail, with the status they get.
        no_response: Ids of requests whose line has the status 0, an empty body and no error (tidyverse/ellmer#830).
        empty_ids: Whether a file that is not there has the id `""` and not null (OpenAI and Azure, tobert/kaibo#93).
        empty_error_file: Whether a batch without failures has an error file of no bytes (Azure).
        late_files: Seconds after the end at which the files are named (567-labs/instructor#1745).
        new_file_pause: Seconds for which a file that was just uploaded is unknown to `/batches` (bespokelabsai/curator#116).
        pending_files: Seconds for which a file that was just uploaded is `pending`, and no batch can be made of it (Azure,
            openai/openai-dotnet#312).
        list_lag: Seconds after which a new batch is in the list.
        enqueued_requests: Requests that may wait in the queue, all batches together; a batch beyond it fails with
            `token_limit_exceeded`. None for any number.
        unknown_status: A status that nobody knows, in the place of `in_progress`.
    """

    expire_after: int | None = None
    missing: AbstractSet[str] = frozenset()
    duplicates: AbstractSet[str] = frozenset()
    failing: dict[str, int] = field(default_factory=dict)
    no_response: AbstractSet[str] = frozenset()
    empty_ids: bool = False
    empty_error_file: bool = False
    late_files: float = 0.0
    new_file_pause: float = 0.0
    pending_files: float = 0.0
    list_lag: float = 0.0
    enqueued_requests: int | None = None
    unknown_status: str | None = None
