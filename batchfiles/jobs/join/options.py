"""How a table is made: the options that `join` and `export` share, and the names of the files of a folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Self

from batchfiles.io.progress import Progress
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.workers.pool import MOST_WORKERS, WORTH_PROCESSES_FROM, Spec, cores

if TYPE_CHECKING:
    from batchfiles.table.parsed.source import SchemaLike
    from batchfiles.table.schema import TableName

__all__ = ["NOT_OF_VECTORS", "TableOptions", "is_part_name", "part_name"]

PART_NAME = re.compile(r"part-[0-9]{5,}\.parquet")


def part_name(number: int) -> str:
    """Return the name of a part, counted from 0; the names sort as the parts do."""
    return f"part-{number:05d}.parquet"


def is_part_name(name: str) -> bool:
    """Return whether a file in a folder of parts has the name of a part, so that `overwrite` may replace the folder."""
    return PART_NAME.fullmatch(name) is not None


NOT_OF_VECTORS = "parsed answers are for the requests table, and this would be the embeddings table: vectors are no texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What a table is to look like and how it is made; the schema depends on this and on nothing else.

    Attributes:
        table: `"requests"`, `"embeddings"`, or None to choose by the first request's url.
        dimensions: The length of every vector, which makes the column a fixed-size list; only for embeddings.
        bodies: Which response bodies are kept: `"auto"`, `"all"` or `"none"`.
        request_bodies: `"all"` or `"none"`.
        max_line_bytes: The longest line that is read, in bytes.
        temp_dir: Where temporary files go.
        workers: Processes that decode; None takes as many as pay.
        progress: Told how far the work is.
        parsed: Whether the table has the columns `parsed` and `parse_error`; only for requests.
        schema: The JSON Schema of `parsed`, its file, or a pydantic model; None takes the first one that a request asks for.
        parse_dates: Whether dates and times in `parsed` are such; without it they are texts.
    """

    table: TableName | None = None
    dimensions: int | None = None
    bodies: Literal["auto", "all", "none"] = "auto"
    request_bodies: Literal["all", "none"] = "all"
    max_line_bytes: int = RESULT_LINE_CAP
    temp_dir: str | os.PathLike[str] | None = None
    workers: int | None = 1
    progress: Progress | None = None
    parsed: bool = False
    schema: SchemaLike | None = None
    parse_dates: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("table", self.table, (None, "requests", "embeddings")),
            ("bodies", self.bodies, ("auto", "all", "none")),
            ("request_bodies", self.request_bodies, ("all", "none")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}, not {value!r}")
        if self.dimensions is not None and self.table == "requests":
            raise ValueError("dimensions are for the embeddings table")
        if self.parsed and self.table == "embeddings":
            raise ValueError(NOT_OF_VECTORS)
        for name, given in (("schema", self.schema is not None), ("parse_dates", self.parse_dates)):
            if given and not self.parsed:
                raise ValueError(f"{name} goes with parsed: no other column depends on it")

    def spec(self) -> Spec:
        """Return what the rows depend on, for a `RowJob`."""
        return {
            "table": self.table,
            "dimensions": self.dimensions,
            "bodies": self.bodies,
            "request_bodies": self.request_bodies == "all",
            "max_line_bytes": self.max_line_bytes,
        }

    def workers_for(self, size: int, *, parts: bool) -> int:
        """Return how many worker processes to start for so many bytes."""
        if self.workers is not None:
            return self.workers
        most = cores() if parts else min(cores(), MOST_WORKERS)
        return max(1, min(most, size // WORTH_PROCESSES_FROM))

    def with_schema_of(self, filesystem: object) -> Self:
        """Return the same options, the schema loaded where its name is a path in a filesystem.

        Raises:
            BatchFilesError: As `load_schema` says.
        """
        if filesystem is None or self.schema is None:
            return self
        from batchfiles.table.parsed.source import load_schema

        return replace(self, schema=load_schema(self.schema, filesystem=filesystem))
