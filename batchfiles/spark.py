"""Spark: a campaign as a data source, requests from the rows of a data frame, and the joined table written by all executors.

The part is the unit: a task joins one part with the rules that hold on one machine. This is the only module that needs pyspark.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceArrowWriter, DataSourceReader, InputPartition, WriterCommitMessage

from batchfiles.findings import instead_of
from batchfiles.io.sources import Source
from batchfiles.io.target import PathTarget
from batchfiles.jobs.join.campaign_join import NumberedFiles, open_listed
from batchfiles.jobs.join.export import export
from batchfiles.jobs.join.lazy_join import CampaignChoices
from batchfiles.jobs.join.part_join import PartJoin, unit_of
from batchfiles.jobs.join.parts import CampaignFile, CampaignPart, check_listed
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.prepare_parts import (
    ROWS_OPTIONS,
    NewCampaign,
    OptionKinds,
    WrittenParts,
    absolute,
    json_or_path,
    option_values,
)
from batchfiles.table.cells import any_length
from batchfiles.table.parquet import parquet_options
from batchfiles.table.parsed_schema import load_schema
from batchfiles.table.rows import schema as table_schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

    from batchfiles.jobs.join.lazy_join import JoinOptions

__all__ = ["BatchFilesDataSource", "write_parquet"]

JOIN_OPTIONS: dict[str, type] = dict.fromkeys(("table", "bodies", "request_bodies", "schema", "on_duplicate", "temp_dir"), str)
JOIN_OPTIONS |= dict.fromkeys(("dimensions", "max_line_bytes"), int) | dict.fromkeys(("parsed", "parse_dates"), bool)
READ_OPTIONS = JOIN_OPTIONS | {"kind": str}
KINDS = {"join": (), "results": ("on_duplicate", "request_bodies"), "reports": ()}  # and what has no meaning
PARQUET = parquet_options()


class BatchFilesDataSource(DataSource):
    """A campaign as a data source: `spark.dataSource.register(BatchFilesDataSource)`, then the format `"batchfiles"`.

    To read: `spark.read.format("batchfiles").load(campaign)`. The options are those of `batchfiles.join`; `kind` is `"join"`,
    the joined table with a partition for each part; `"results"`, the table of `batchfiles.export` with a partition for each
    result file; or `"reports"`, a row for each part with its counts and its report as JSON.

    To write: `rows.write.format("batchfiles").options(template=FILE, id=TEMPLATE).mode("append").save(campaign)` makes a request
    of each row, as `batchfiles.prepare` does, in parts within the limits. The options are `template`, `id`, `url`, `null`,
    `limits`, `compress`, `max_requests` and `max_bytes`. Ids are unique in the whole campaign.
    """

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "batchfiles"

    def schema(self) -> str:
        """Return the columns; they are decided here, once for all parts. Sail wants them as Arrow has them."""
        columns = self._plan.schema
        return cast("str", columns) if "pysail" in sys.modules else ddl_of(columns)

    def reader(self, schema: object) -> DataSourceReader:  # noqa: ARG002 - the columns depend on the options
        """Return what lists the partitions and reads each."""
        return _Reader(self._plan)

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceArrowWriter:
        """Check options and target before any task, and return what writes the rows."""
        path, given = _parsed(self.options, ROWS_OPTIONS)
        names = getattr(schema, "names", None) or schema.fieldNames()
        return _Writer(NewCampaign.begin(path, given, list(names), overwrite=overwrite))

    @cached_property
    def _plan(self) -> _Plan:
        return _Plan.of(self.options)


@dataclass(frozen=True)
class _Plan:
    """What is decided on the driver, which lists the campaign once, and given to the tasks."""

    kind: str
    options: dict[str, Any]
    choices: CampaignChoices
    parts: tuple[CampaignPart, ...]

    @classmethod
    def of(cls, options: Mapping[str, str]) -> _Plan:
        path, given = _parsed(options, READ_OPTIONS)
        kind = given.pop("kind", "join")
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}{instead_of(kind, KINDS)}")
        if ignored := [name for name in KINDS[kind] if name in given]:
            raise ValueError(f"{ignored[0]} has no meaning with the kind {kind!r}")
        if "schema" in given:
            given["schema"] = json_or_path("schema", given["schema"])
        with open_listed(path, cast("JoinOptions", given)) as campaign:
            choices = campaign.choices_of_all()
            parts = tuple(campaign.parts)
        schema = {} if choices["parsed"] is None else {"schema": choices["parsed"]["json_schema"]}
        return cls(kind, {**given, **schema, "table": choices["table"]}, choices, parts)

    @property
    def schema(self) -> pa.Schema:
        if self.kind == "reports":
            return REPORTS
        answers = self.choices["parsed"]
        dates, parsed = self.options.get("parse_dates", False), None if answers is None else answers["json_schema"]
        return table_schema(self.choices["table"], parsed=parsed, parse_dates=dates)  # vectors have any length in Spark


class _Reader(DataSourceReader):
    def __init__(self, plan: _Plan) -> None:
        self._plan = plan

    def __getstate__(self) -> dict[str, Any]:
        """Return what tasks need: each of them gets its own part only."""
        return {"_plan": replace(self._plan, parts=())}

    def partitions(self) -> list[InputPartition]:
        parts = self._plan.parts
        if self._plan.kind != "results":
            return [InputPartition(json.dumps(part.to_dict())) for part in parts]
        files = sorted((file for part in parts for file in part.results), key=lambda file: file.path)
        return [InputPartition(json.dumps(file.to_dict())) for file in files]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        if partition.value is None:  # Spark reads once from an empty list of partitions
            return
        plan, values = self._plan, json.loads(partition.value)
        if plan.kind == "results":
            file, source = CampaignFile.from_dict(values), Source.named(values["path"])
            check_listed([file], [source])
            with export(source, **plan.options) as table:
                yield from map(spark_batch, table.to_batches())
            return
        part = CampaignPart.from_dict(values)
        with PartJoin.open(unit_of(part), cast("JoinOptions", plan.options), plan.choices) as joined:
            if plan.kind == "join":
                yield from map(spark_batch, joined.to_batches())
                return
            yield report_row(part.name, joined.summarize())


@dataclass
class _Message(WriterCommitMessage):
    written: WrittenParts


class _Writer(DataSourceArrowWriter):
    """Writes requests; made on the driver, and used by the tasks and the commit in other processes."""

    def __init__(self, campaign: NewCampaign) -> None:
        self._campaign = campaign

    def write(self, iterator: Iterator[pa.RecordBatch]) -> _Message:
        return _Message(self._campaign.write(iterator, _task_name()))

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        self._campaign.commit([message.written for message in messages if isinstance(message, _Message)])

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:  # noqa: ARG002 - files of failed tasks are there too
        self._campaign.abort()


def write_parquet(
    spark: SparkSession,
    campaign: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    min_file_bytes: int | None = None,
    **options: Any,  # noqa: ANN401
) -> JoinReport:
    """Join a campaign on all executors, and write a folder with the Parquet files that `Join.to_parquet` writes there.

    A task writes a file: that of a part, or of several small ones. The empty file `_SUCCESS` is written last. After an error
    nothing is left.

    Args:
        spark: The session; classic, or of Spark Connect.
        campaign: The campaign, a path or a URL that all executors can read.
        target: A new folder, a path or a URL that all executors can write.
        min_file_bytes: The bytes of input from which on a file is large enough, as in `Join.to_parquet`.
        **options: The options of `BatchFilesDataSource`, without `kind`.

    Returns:
        The total of the reports of all parts.

    Raises:
        OutputExistsError: The target exists.
        MismatchError: There are results, but none belongs to a request.
        ValueError: An option is unknown or invalid.
    """
    path = absolute(os.fspath(campaign))
    folder = PathTarget.at(absolute(os.fspath(target)), folder=True)
    given = {name: str(value) for name, value in options.items() if value is not None and name != "schema"}
    values = option_values(given, JOIN_OPTIONS)
    if options.get("schema") is not None:
        values["schema"] = load_schema(options["schema"])

    with open_listed(path, cast("JoinOptions", values)) as joined:
        return joined.write_listed(folder, PARQUET, min_file_bytes, partial(_in_tasks, spark))


def _in_tasks(spark: SparkSession, files: NumberedFiles) -> list[str]:
    """Write one file in each task.

    An RDD needs 3 s less processor time than a query: nothing is planned or compiled. Spark Connect has none.
    """
    count = len(files.tasks)
    context = getattr(spark, "sparkContext", None)
    if context is not None:
        return cast("list[str]", context.parallelize(range(count), count).map(files).collect())
    from pyspark.sql.functions import udf

    run = udf(files, "string", useArrow=False).asNondeterministic()
    rows = spark.range(0, count, 1, count).select("id", run("id").alias("facts")).collect()
    return [row["facts"] for row in sorted(rows, key=itemgetter("id"))]


def _parsed(options: Mapping[str, str], kinds: OptionKinds) -> tuple[str, dict[str, Any]]:
    """Return the absolute path, and the other options as values."""
    given = dict(options)
    path = given.pop("path", None)
    if path is None:
        raise ValueError("name one campaign: load(path), or save(path)")
    return absolute(path), option_values(given, kinds)


def _task_name() -> str:
    """Return what errors call the rows of this task."""
    try:
        from pyspark import TaskContext

        context = TaskContext.get()
    except ImportError:  # pyspark-client
        context = None
    return "the partitions" if context is None else f"partition {context.partitionId()}"


PLAIN = {
    pa.string(): "STRING",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP",
}
"""The types of our columns."""


def ddl_of(columns: Any, mark: str = " ") -> str:  # noqa: ANN401 - a schema or a struct
    """Return the columns of a schema, or the fields of a struct, as in `CREATE TABLE`.

    Args:
        columns: The schema, or the type of the struct.
        mark: What is between a name and its type.

    Example:
        >>> ddl_of(batchfiles.schema())[:44]
        '`custom_id` STRING, `outcome` STRING, `statu'
    """
    return ", ".join("`{}`{}{}".format(field.name.replace("`", "``"), mark, _type(field.type)) for field in columns)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return f"STRUCT<{ddl_of(kind, ': ')}>"
    if pa.types.is_map(kind):
        return f"MAP<{_type(kind.key_type)}, {_type(kind.item_type)}>"
    return f"ARRAY<{_type(kind.value_type)}>" if hasattr(kind, "value_field") else PLAIN[kind]


def spark_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch without lists of a fixed size, which Spark does not have."""
    columns = [any_length(cells) if pa.types.is_fixed_size_list(cells.type) else cells for cells in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


COUNTS = [field.name for field in fields(JoinReport) if field.type == "int"]

REPORTS = pa.schema(
    [
        ("part", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
        ("outcomes", pa.map_(pa.string(), pa.int64())),
        ("report", pa.string()),
    ]
)
"""The name of the part, the counts of its report, and the whole report as JSON."""


def report_row(part: str, report: JoinReport) -> pa.RecordBatch:
    """Return the report of a part as a row."""
    values = report.to_dict()
    row = {"part": part, **values, "outcomes": list(report.outcomes.items()), "report": json.dumps(values)}
    return pa.RecordBatch.from_pylist([row], schema=REPORTS)
