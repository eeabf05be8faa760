"""`join`: every request with its result, in the order of the requests; every line of every file is counted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from batchfiles.inputs.roles import Pairs
from batchfiles.io.sources import SourceLike
from batchfiles.io.threads import Progress
from batchfiles.jobs.join.campaign_join import open_campaign
from batchfiles.jobs.join.lazy_join import Join, join_options, open_join
from batchfiles.limits import RESULT_LINE_CAP

if TYPE_CHECKING:
    from batchfiles.table.parsed_schema import SchemaLike
    from batchfiles.table.read import TableLike
    from batchfiles.table.rows import TableName


def join(
    *files: SourceLike,
    inputs: Iterable[SourceLike] = (),
    pairs: Pairs = (),
    on_duplicate: Literal["best", "error"] = "best",
    with_table: TableLike | None = None,
    id_template: str | None = None,
    with_prefix: str = "",
    csv_nulls: Sequence[str] | None = None,
    table: TableName | None = None,
    dimensions: int | None = None,
    bodies: Literal["auto", "all", "none"] = "auto",
    request_bodies: Literal["all", "none"] = "all",
    parsed: bool = False,
    schema: SchemaLike | None = None,
    parse_dates: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = 1,
    progress: Progress | bool | None = None,
) -> Join:
    """Join results to their requests: one row for each request, in the order of the requests.

    Args:
        *files: Request files, output files and error files in any mix, sorted by what their lines are: paths, folders, globs,
            open binary files, `-`. Only results if `inputs` are given.
        inputs: Files that must be requests.
        pairs: Request files by name, each with the result file or files that belong to it: `{"monday.jsonl": "out-1.jsonl"}`. It
            is needed only if ids are in several request files and neither a manifest, nor the batch object next to the
            results, nor a name says which request file a result belongs to. The files are read whether `files` names them or not.
        on_duplicate: What to do if there are several results for a request: `"best"` prefers succeeded, then incomplete,
            then the rest, among equals the later one; `"error"` refuses.
        with_table: Your own table, such as the one that the requests were made from (see `prepare`): its columns come after those
            of the results, in the rows whose `custom_id` matches. It is read, and copied to a temporary file, when this is
            called.
        id_template: The template of the `custom_id`, such as `"{{doc}}-{{chunk}}"`; needed with `with_table`.
        csv_nulls: What null is in your CSV table, as for `prepare`.
        with_prefix: A prefix for the names of your columns: a column with the name of a result column is refused.
        table: `"requests"`, a row for each request; `"embeddings"`, a row for each vector; None chooses by the url of the first
            request.
        dimensions: The length of every vector, which makes the column a fixed-size list; only for embeddings.
        bodies: Which response bodies are kept in `response_body`: `"auto"`, `"all"` or `"none"`. `"auto"` keeps those whose
            content is not in the other columns.
        request_bodies: Whether the bodies of the requests are kept in `request_body`: `"all"` or `"none"`.
        parsed: Whether to add the columns `parsed` and `parse_error`: the answers, typed by a JSON Schema; only for requests.
        schema: The JSON Schema of `parsed`, a file with it, or a pydantic model; None for the first one in the
            requests.
        parse_dates: Whether dates and times in `parsed` become dates and timestamps; without it they stay strings.
        max_line_bytes: The longest line that is read, in bytes; a longer one has a row with the error code `line_too_long`.
        temp_dir: Where temporary files go; None for the system's temporary folder.
        filesystem: The filesystem of all paths, also of `with_table` and `schema`, from `pyarrow.fs` or fsspec; None for the
            local one.
        workers: Processes that decode, or threads with compiled code; None chooses by the size of the files.
        progress: Called repeatedly with the bytes done and the total bytes; True shows a bar.

    Returns:
        A `Join`: iterate it, or call `to_arrow()`, `to_parquet(path)`, `write(path)`, `report`.

    Raises:
        MismatchError: No file holds requests, a file is of the other kind than it must be, or of another service's format, or
            there is no JSON Schema for `parsed`.
        DuplicateCustomIdError, InvalidLineError: Two rows of `with_table` make the same id, or one makes none.
        FileError: A file can't be read, or the disk is full.
        TruncatedFileError: A compressed file is damaged.
        MissingDependencyError: `schema` is a pydantic model and pydantic is not installed.
        TypeError: There is no file, or `inputs` is a single path.
        ValueError: An option has an invalid value, or options exclude each other.

    When the table is made:
        FileError: A file is not what it was when this was called, or changed while it was being read: call this again.
        DuplicateCustomIdError: With `on_duplicate="error"`: there are two results for a request.
        MismatchError: A result could be that of two different requests, because their files share its id and nothing shows to
            which of them it belongs; there are results, but none belongs to a request; or a result is in a file of requests.
        InvalidLineError: With `dimensions`: a vector has another length.

    Example:
        >>> joined = batchfiles.join("fixtures/chat_completions")
        >>> report = joined.to_parquet("joined.parquet")
        >>> report.rows, report.missing, report.outcomes["succeeded"]
        (16, 1, 8)
    """
    options = join_options(locals())
    if not files and not inputs and not pairs:
        raise TypeError("join needs at least one file")
    if inputs or pairs:
        return open_join(files, options, inputs=inputs, pairs=pairs)
    return open_campaign(files, options)
