"""The columns of the user's table: each row of the join gets the row of the user's table with its `custom_id`.

The user's table is copied once to an uncompressed Arrow file in the temporary folder, with an index of 16 bytes per row, sorted
by a digest of the id. Every process that makes rows maps both, so that memory holds a batch of rows and the system's cache of
the files. Making the index takes about 50 bytes of memory per row.

Also the JSON Schema that types the answers of a table: a given one, or the first one in the requests.
"""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from batchfiles.errors import DuplicateCustomIdError, FileError, MismatchError
from batchfiles.inputs.kinds import first_request
from batchfiles.inputs.local import LocalFile
from batchfiles.io.remote_path import file_error
from batchfiles.jobs.prepare import bad_row
from batchfiles.jobs.template import IdTemplate, columns_needed
from batchfiles.table.parsed_schema import SchemaLike, load_schema, may_ask, schema_of_request
from batchfiles.table.parsed_types import read_schema

if TYPE_CHECKING:
    from batchfiles.io.temporary import Spool
    from batchfiles.table.read import TableLike

ID = "batchfiles.custom_id"
"""The last column of the copy: the id that each row makes."""


class UserTableSpec(TypedDict):
    """What a process needs to add the user's columns to its rows.

    Attributes:
        path: The Arrow file with the user's columns, as they are called in the result, and the ids.
        index: The file with the sorted digests, then the rows.
        rows: How many rows there are.
    """

    path: str
    index: str
    rows: int


def add_user_table(
    table: TableLike,
    id_template: str,
    spool: Spool,
    taken: list[str],
    *,
    prefix: str = "",
    max_line_bytes: int,
    filesystem: object = None,
    csv_nulls: Sequence[str] | None = None,
) -> UserTableSpec:
    """Copy the user's table to a file from which rows are fetched by id.

    Args:
        table: As for `prepare`.
        id_template: The template that makes the `custom_id` of a row.
        spool: Where the copy and the index go.
        taken: The columns of the results.
        prefix: The prefix for the names of the user's columns.
        max_line_bytes: The longest line of a JSONL table.
        filesystem: As for `prepare`.
        csv_nulls: As for `prepare`.

    Raises:
        MismatchError: A column has the name of a result column, or several tables have different columns.
        DuplicateCustomIdError: Two rows make the same id; both are named.
        InvalidLineError: A row makes no id.
        ValueError: The template names a column that isn't there.
        FileError: The table can't be read, or the disk is full.
    """
    from batchfiles.table.csv import CSV_NULLS
    from batchfiles.table.typed_rows import typed_tables

    copy = _Copy(spool, IdTemplate(id_template), set(taken), prefix)
    try:
        try:
            nulls = CSV_NULLS if csv_nulls is None else csv_nulls
            for name, schema, batches in typed_tables(
                table, spool, max_line_bytes=max_line_bytes, filesystem=filesystem, csv_nulls=nulls
            ):
                copy.add(name, schema, batches)
        finally:
            copy.close()
        return copy.finish()
    except FileError:
        raise
    except OSError as error:  # the disk is full
        raise file_error(error, spool.path) from None


def with_own_columns(schema: Any, user_columns: UserTableSpec) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return the schema of the rows with the user's columns last."""
    import pyarrow as pa

    with pa.memory_map(user_columns["path"]) as file:
        own = pa.ipc.open_file(file).schema
    return pa.schema([*schema, *(field for field in own if field.name != ID)])


class _Copy:
    """The copy that is being made."""

    def __init__(self, spool: Spool, ids: IdTemplate, taken: set[str], prefix: str) -> None:
        self._path = spool.new_path("beside.arrow")
        self._index = spool.new_path("beside.index")
        self._ids = ids
        self._taken = {name.casefold() for name in (*taken, ID)}
        self._prefix = prefix
        self._schema: Any = None
        self._kept: list[str] = []
        self._writer: Any = None
        self._digests = array("Q")
        self._starts: list[tuple[int, str]] = []

    def add(self, name: str, schema: Any, batches: Iterator[Any]) -> None:  # noqa: ANN401 - pyarrow has no types
        """Copy one table."""
        import pyarrow as pa

        needed = columns_needed(list(self._ids.template.holes), schema.names, name)
        if self._schema is None:
            self._begin(schema, name)
        if missing := [column for column in self._kept if column not in schema.names]:
            raise MismatchError(f"it has no column {missing[0]!r}, which the first table has", path=name)
        first = len(self._digests)
        self._starts.append((first, name))
        for batch in batches:
            ids = self._ids_of(name, batch, needed, len(self._digests) - first)
            kinds = dict(zip(self._kept, self._schema.types, strict=False))  # the last column is the id's
            columns = [_cast(batch.column(column), kind, name, column) for column, kind in kinds.items()]
            self._writer.write_batch(pa.RecordBatch.from_arrays([*columns, pa.array(ids, pa.string())], schema=self._schema))
            self._digests.extend(map(_digest, ids))

    def _begin(self, schema: Any, name: str) -> None:  # noqa: ANN401 - pyarrow has no types
        """Set the columns by the first table."""
        import pyarrow as pa

        # A column that is the whole id would be in the table twice.
        self._kept = [column for column in schema.names if column != "custom_id" or self._ids.only != "custom_id" or self._prefix]
        names = [f"{self._prefix}{column}" for column in self._kept]
        clashes = [column for column in names if column.casefold() in self._taken]
        if clashes:
            shown = ", ".join(map(repr, clashes))
            raise MismatchError(f"the results have columns called {shown} too: use with_prefix=, or rename them", path=name)
        fields = [pa.field(new, _plain(schema.field(old).type)) for new, old in zip(names, self._kept, strict=True)]
        self._schema = pa.schema([*fields, pa.field(ID, pa.string())])
        self._writer = pa.ipc.new_file(str(self._path), self._schema)

    def _ids_of(self, name: str, batch: Any, needed: list[str], before: int) -> list[str]:  # noqa: ANN401 - pyarrow
        from batchfiles.table.read import column_values

        cells = [column_values(batch.column(column), column, name, before) for column in needed]
        ids = []
        for number, row in enumerate(zip(*cells, strict=True), before + 1):
            with bad_row(name, number):
                ids.append(self._ids.of(dict(zip(needed, row, strict=True))))
        return ids

    def close(self) -> None:
        """Finish the Arrow file."""
        if self._writer is not None:
            self._writer.close()

    def finish(self) -> UserTableSpec:
        """Sort the index, and make sure that each id is unique."""
        import pyarrow as pa
        import pyarrow.compute as pc

        count = len(self._digests)
        digests = pa.Array.from_buffers(pa.uint64(), count, [None, pa.py_buffer(self._digests)])
        rows = pc.array_sort_indices(digests).cast(pa.uint64())
        ordered = digests.take(rows)
        with self._index.open("xb") as file:
            for column in (ordered, rows):
                if count:
                    file.write(column.buffers()[1])
        spec = UserTableSpec(path=str(self._path), index=str(self._index), rows=count)
        repeated = pc.indices_nonzero(pc.equal(ordered[1:], ordered[:-1])).to_pylist() if count > 1 else []
        if repeated:
            self._refuse_repeated(spec, sorted({place for index in repeated for place in (index, index + 1)}), rows)
        return spec

    def _refuse_repeated(self, spec: UserTableSpec, places: list[int], rows: Any) -> None:  # noqa: ANN401 - pyarrow
        """Refuse two rows with the same id; two different ids may share a digest."""
        seen: dict[str, int] = {}
        found = UserColumns(spec)
        try:
            for row in sorted(rows[place].as_py() for place in places):
                custom_id = found.id_of(row)
                if custom_id in seen:
                    first, again = self._place_of(seen[custom_id]), self._place_of(row)
                    raise DuplicateCustomIdError(
                        f"{first} and {again} both make the id {custom_id[:128]!r}: name more columns in it", custom_id=custom_id
                    )
                seen[custom_id] = row
        finally:
            found.close()

    def _place_of(self, row: int) -> str:
        start, name = self._starts[bisect_right(self._starts, row, key=lambda known: known[0]) - 1]
        return f"row {row - start + 1:,} of {name}"


class UserColumns:
    """Finds the rows of the user's table, in the process that makes the rows of the join.

    Args:
        spec: What `add_user_table` returned.

    Attributes:
        unmatched: Rows without a match until now.
    """

    def __init__(self, spec: UserTableSpec) -> None:
        import pyarrow as pa

        self.unmatched = 0
        self._file = pa.memory_map(spec["path"])
        self._reader = pa.ipc.open_file(self._file)
        self._schema = self._reader.schema
        self._starts = [0]
        for number in range(self._reader.num_record_batches):
            self._starts.append(self._starts[-1] + self._reader.get_batch(number).num_rows)
        self._count = count = spec["rows"]
        self._map: mmap.mmap | None = None
        view = memoryview(b"")
        if count:
            with Path(spec["index"]).open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            view = memoryview(self._map)
        self._digests, self._rows = view[: 8 * count].cast("Q"), view[8 * count :].cast("Q")

    def close(self) -> None:
        """Close the files."""
        self._digests.release()
        self._rows.release()
        self._file.close()

    def put(self, batch: Any, schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return a batch of the join with the user's columns last."""
        import pyarrow as pa

        custom_ids = batch.column(0).to_pylist()
        rows = [None if custom_id is None else self._find(custom_id) for custom_id in custom_ids]
        *columns, ids = self._taken(rows)
        found = ids.to_pylist()
        if any(one is not None and one != other for one, other in zip(found, custom_ids, strict=True)):  # a digest of two ids
            rows = [row if one == other else None for row, one, other in zip(rows, found, custom_ids, strict=True)]
            *columns, _ = self._taken(rows)
        self.unmatched += rows.count(None)
        return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)

    def id_of(self, row: int) -> str:
        """Return the id that a row makes."""
        number = bisect_right(self._starts, row) - 1
        custom_id: str = self._reader.get_batch(number).column(ID)[row - self._starts[number]].as_py()
        return custom_id

    def _find(self, custom_id: str) -> int | None:
        """Return the row that may have an id: the one with its digest, and among several the right one."""
        digests, digest = self._digests, _digest(custom_id)
        place = bisect_left(digests, digest)
        if place == self._count or digests[place] != digest:
            return None
        if place + 1 == self._count or digests[place + 1] != digest:
            return self._rows[place]
        while place < self._count and digests[place] == digest:
            if self.id_of(self._rows[place]) == custom_id:
                return self._rows[place]
            place += 1
        return None

    def _taken(self, rows: list[int | None]) -> list[Any]:
        """Fetch rows in the given order, from all batches of the copy that have them; the last column has their ids."""
        import pyarrow as pa

        by_batch: dict[int, list[int]] = {}
        for row in dict.fromkeys(rows):
            if row is not None:
                by_batch.setdefault(bisect_right(self._starts, row) - 1, []).append(row)
        place_of = {row: place for place, row in enumerate(chain.from_iterable(by_batch.values()))}
        pieces = []
        for number, wanted in by_batch.items():
            start = self._starts[number]
            pieces.append(self._reader.get_batch(number).take(pa.array([row - start for row in wanted])))
        order = pa.array([None if row is None else place_of[row] for row in rows], pa.int64())
        fields = list(self._schema)
        if not pieces:
            return [pa.nulls(len(rows), field.type) for field in fields]
        return [pa.concat_arrays([piece.column(place) for piece in pieces]).take(order) for place in range(len(fields))]


def _digest(custom_id: str) -> int:
    """Return a digest that is the same in every process."""
    return int.from_bytes(blake2b(custom_id.encode(errors="surrogatepass"), digest_size=8).digest())


def _plain(kind: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return a type that every reader supports: without dictionaries, views and null columns."""
    import pyarrow as pa

    if isinstance(kind, pa.ExtensionType):
        return _plain(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_null(kind) or str(kind) == "string_view":
        return pa.string()
    return pa.binary() if str(kind) == "binary_view" else kind


def _cast(column: Any, kind: Any, table: str, name: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Cast a column to the type of the first table."""
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.type == kind:
        return column
    try:
        if pa.types.is_dictionary(column.type) or str(column.type).endswith("_view"):
            return pa.array(column.to_pylist(), kind)  # pyarrow does not cast the views of polars, or only later versions do
        return column.cast(kind)
    except pa.ArrowException as error:
        reason = str(error).partition("\n")[0]
    raise MismatchError(f"column {name!r} is {column.type} here and {kind} in the first table: {reason}", path=table)


class AnswerSchema(TypedDict):
    """What worker processes need to know; it is JSON.

    Attributes:
        json_schema: The schema of the answers.
        parse_dates: Whether dates and times become dates and timestamps; without it they stay strings.
        named: Whether the user named the schema; else it is the first one that a request asks for.
        requests_ask: Whether any request has a schema; then requests without one expect other answers.
    """

    json_schema: dict[str, Any]
    parse_dates: bool
    named: bool
    requests_ask: bool


def named_schema(source: SchemaLike, inputs: Sequence[LocalFile], *, parse_dates: bool, max_line_bytes: int) -> AnswerSchema:
    """Load the schema that the user named.

    Args:
        source: Where it is.
        inputs: The request files; none for results alone.
        parse_dates: Whether dates and times become dates and timestamps; without it they stay strings.
        max_line_bytes: The longest line that the job reads, in bytes.

    Raises:
        FileError: The file can't be read.
        MismatchError: It is not a JSON Schema that can be converted to a type, or there is no such model.
        MissingDependencyError: A model was named and pydantic is not installed.
    """
    json_schema = load_schema(source)
    read_schema(json_schema, parse_dates=parse_dates)
    has_schema = first_request(inputs, _has_schema, max_line_bytes=max_line_bytes) is not None
    return {"json_schema": json_schema, "parse_dates": parse_dates, "named": True, "requests_ask": has_schema}


def requested_schema(inputs: Sequence[LocalFile], *, parse_dates: bool, max_line_bytes: int) -> AnswerSchema:
    """Take the schema from the first request that asks for one.

    Raises:
        MismatchError: There is none, or its schema can't be converted to a type.
    """
    found = first_request(inputs, _has_schema, max_line_bytes=max_line_bytes)
    if found is None:
        raise MismatchError(
            "no request asks for a JSON Schema that could type the answers: use schema=",
            path=inputs[0].name if len(inputs) == 1 else None,
            role="input",
        )
    name, line_number, request = found
    json_schema = schema_of_request(request.get("body")) or {}
    try:
        read_schema(load_schema(json_schema), parse_dates=parse_dates)
    except MismatchError as error:
        reason = f"{error.reason}: correct it, or use schema= with another one"
    else:
        return {"json_schema": json_schema, "parse_dates": parse_dates, "named": False, "requests_ask": True}
    raise MismatchError(reason, path=name, line_number=line_number, role="input")


def _has_schema(line: bytes, request: dict[str, Any] | None) -> bool:
    """Return whether a request asks for a schema; before it is decoded, whether it may."""
    return may_ask(line) if request is None else schema_of_request(request.get("body")) is not None
