"""`prepare`: one request for each row of a table."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, Self

from batchfiles.codec import GLUED, dumps, loads
from batchfiles.errors import (
    DuplicateCustomIdError,
    FileTooLargeError,
    InvalidLineError,
    TooManyEmbeddingInputsError,
    TooManyRequestsError,
)
from batchfiles.findings import Finding, Findings, first_findings, plural
from batchfiles.io.target import STDOUT, TargetLike
from batchfiles.io.texts import name_of, small_file
from batchfiles.jobs.template import (
    IdTemplate,
    IntegerTooLarge,
    NotANumber,
    NullInRow,
    NullPolicy,
    Template,
    columns_needed,
    no_column,
    single_braces,
)
from batchfiles.jsontext.edits import AS_TEXT, BEYOND, beyond_64_bits, loads_exactly
from batchfiles.jsontext.spans import shown
from batchfiles.layout import size, visible
from batchfiles.limits import LINE_CAP, Limits, LimitsLike, profile
from batchfiles.rules.requests import RequestRules
from batchfiles.summary import PYTHON, Block, Displayed, Interface, Sentences
from batchfiles.writing import InputWriter

if TYPE_CHECKING:
    from batchfiles.table.read import RowTable, TableLike, UserTable


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PrepareReport(Displayed):
    """What `prepare` did.

    Attributes:
        path: The display name of the request file.
        requests: Requests written, one for each row.
        bytes: The size of the file, uncompressed.
        tables: The tables that were read, and how many rows each had.
        nulls: Placeholders for which a row had no value; above 0 only where that is allowed.
        findings: Warnings: columns of CSV with numbers and words such as `NA`, which are text unless `csv_nulls` names them.
        seconds: How long it took.
    """

    path: str
    requests: int
    bytes: int
    tables: Mapping[str, int]
    nulls: int
    findings: tuple[Finding, ...]
    seconds: float

    def _blocks(self) -> Iterator[Block]:
        return prepare_blocks(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return asdict(self)


def prepare_blocks(report: PrepareReport, names: Interface = PYTHON, *, output: str | None = None) -> Iterator[Block]:
    """Yield the summary of `prepare`.

    Args:
        report: The report.
        names: What options are called.
        output: The target as it was named; None for the name in the report.
    """
    nulls = f", {plural(report.nulls, 'null')}" if report.nulls else ""
    where = "standard output" if output == STDOUT else visible(report.path)
    words = f"{where}: {plural(report.requests, 'request')}, {size(report.bytes)}{nulls}, in {report.seconds:,.1f} s"
    yield Sentences([*first_findings(report.findings, names), words])


def prepare(
    table: TableLike,
    output: TargetLike,
    *,
    template: Mapping[str, Any] | str | os.PathLike[str],
    id_template: str,
    url: str | None = None,
    null: NullPolicy = "error",
    csv_nulls: Sequence[str] | None = None,
    sample: int | None = None,
    limits: LimitsLike = "openai",
    overwrite: bool = False,
    max_line_bytes: int = LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
) -> PrepareReport:
    """Write a request file with one request for each row of a table.

    The rows are read a piece at a time, and the file appears whole or not at all. See `docs/prepare.md` for the template.

    Args:
        table: A Parquet, Arrow, CSV or JSONL file, a folder or a glob of such files, or a list of them; or a table in memory:
            any object with `__arrow_c_stream__`, such as those of polars, pandas and pyarrow, and relations of DuckDB.
        output: A path, `-` for standard output, or an open binary file.
        template: The request, as a dict, or the JSON file that holds it: a whole line without its `custom_id`, or a body alone.
        id_template: The template of the `custom_id`, such as `"{{doc}}-{{chunk}}"`.
        url: The endpoint, where the template has none.
        null: What to do with a null: `"error"`, `"null"`, or `"drop"` for leaving its key out. In an id it is always an error.
        csv_nulls: What null is in CSV, as written in the file: `""` for nothing between two commas, `'""'` for two quotes, and
            words such as `"NA"`; None takes `""` and `'""'`.
        sample: How many rows to take, from the first on; None takes all.
        limits: Whose limits the file keeps to: `Limits`, or a name such as `"azure"`.
        overwrite: Replace an existing file.
        max_line_bytes: The longest line of a JSONL table, in bytes.
        temp_dir: A folder for the ids after the first million, and for a remote output until it is complete; None for the
            system's.
        filesystem: The filesystem of all paths, also of the template, from `pyarrow.fs` or fsspec; None for the local one.

    Raises:
        ValueError: The template is invalid, names no column or an unknown one, or lacks a url; or an option has an unknown value.
        InvalidLineError: A row lacks a needed value, has a number that JSON can't represent, or makes a request that `validate`
            would refuse; the number of the row is named.
        DuplicateCustomIdError: Two rows make the same id; both are named.
        TooManyRequestsError, TooManyEmbeddingInputsError, FileTooLargeError, LineTooLongError: The service would refuse the file.
        MismatchError, TruncatedFileError: A file is not a table, or is damaged.
        OutputExistsError: The file exists and `overwrite` was not given.
        FileError: A file can't be read or written.

    Example:
        >>> import pyarrow as pa
        >>> table = pa.table({"doc": ["a", "b"], "text": ["One.", "Two."]})
        >>> body = {"model": "gpt-4o-mini", "input": "Translate: {{text}}"}
        >>> batchfiles.prepare(table, "prepared.jsonl", template=body, url="/v1/responses", id_template="{{doc}}").requests
        2
    """
    from batchfiles.table.csv import CSV_NULLS
    from batchfiles.table.read import user_tables

    started = time.perf_counter()
    limits = profile(limits)
    if sample is not None and sample < 1:
        raise ValueError(f"sample is a number of rows above 0, not {sample}")
    job = Preparation.of(template, id_template, url=url, null=null, limits=limits, filesystem=filesystem)
    writing = InputWriter(output, limits=limits, overwrite=overwrite, temp_dir=temp_dir, filesystem=filesystem)
    with rows_named(job, ONE_FILE), writing as writer:
        nulls = CSV_NULLS if csv_nulls is None else tuple(csv_nulls)
        with closing(user_tables(table, max_line_bytes=max_line_bytes, filesystem=filesystem, csv_nulls=nulls)) as tables:
            for opened in tables:
                rest = None if sample is None else sample - writer.count
                job.write(opened.name, islice(opened.rows(partial(job.choose, opened.name)), rest), writer)
                job.add_findings(opened)
                if writer.count == sample:
                    break
        job.check_names()
    return PrepareReport(
        path=writer.path,
        requests=writer.count,
        bytes=writer.bytes_written,
        tables=job.tables,
        nulls=job.nulls,
        findings=Findings(job.findings),
        seconds=round(time.perf_counter() - started, 3),
    )


class LineWriter(Protocol):
    """Takes requests, such as an `InputWriter`."""

    @property
    def count(self) -> int:
        """Requests written so far."""

    def write_line(self, line: bytes, custom_id: str) -> None:
        """Write one request."""


class Preparation:
    """The state of one call: the current row and table.

    Args:
        line: The template of a line, without its `custom_id`.
        ids: The template of the `custom_id`.
        rules: The rules of the service: requests that they refuse are not written.
        single: Names in the template that have a single brace around them.
    """

    def __init__(self, line: Template, ids: IdTemplate, rules: RequestRules, single: Collection[str]) -> None:
        self._line = line
        self._ids = ids
        self._rules = rules
        self._single = single
        self._holes = [*ids.template.holes, *line.holes]
        self._seen: dict[str, None] = {}
        self.tables: dict[str, int] = {}
        self.findings: list[Finding] = []

    @classmethod
    def of(
        cls,
        template: Mapping[str, Any] | str | os.PathLike[str],
        id_template: str,
        *,
        url: str | None,
        null: NullPolicy,
        limits: Limits,
        filesystem: object = None,
    ) -> Self:
        """Read and check the templates; the arguments are those of `prepare`.

        Raises:
            ValueError: A template is invalid, or lacks a url.
            FileError: The template can't be read.
        """
        if isinstance(template, Mapping):
            given, origin = dict(template), "the template"
        else:
            given, origin = read_template(template, filesystem=filesystem), name_of(template, filesystem=filesystem)
        if (place := beyond_64_bits(given)) is not None:
            raise ValueError(f"{origin}: {shown(place)} is {BEYOND}: {AS_TEXT}")
        whole = _whole_line(given, url, limits)
        return cls(Template(whole, null=null), IdTemplate(id_template), RequestRules(limits), single_braces(whole))

    @property
    def nulls(self) -> int:
        """Placeholders for which a row had no value."""
        return self._line.nulls

    def choose(self, name: str, there: list[str]) -> list[str]:
        """Return the columns to read, of those a table has.

        Raises:
            ValueError: The template names one that is not there, or a column only in single braces, which stay as they are.
        """
        wrong = next((column for column in there if column in self._single and column not in self._holes), None)
        if wrong is not None:
            raise ValueError(f"the template has {{{wrong}}} in single braces, which is just text: write {{{{{wrong}}}}}")
        self._seen |= dict.fromkeys(there)
        return columns_needed(self._holes, there, name)

    def write(self, name: str, rows: Iterator[dict[str, Any]], writer: LineWriter) -> None:
        """Write the requests of one table."""
        self.tables[name] = number = 0
        for number, row in enumerate(rows, 1):
            if number == 1:
                self._seen |= dict.fromkeys(row)
            self.tables[name] = number
            with bad_row(name, number):
                custom_id = self._ids.of(row)
            with bad_row(name, number, of_null=NULL_OPTIONS):
                text = dumps({"custom_id": custom_id, **self._line.fill(row)})
                self._check(text, writer.count + 1)
                writer.write_line(text, custom_id)
        self.tables[name] = number

    def add_findings(self, table: UserTable | RowTable) -> None:
        """Add the notes about columns of a table that the template names."""
        cells = getattr(table, "csv", None)
        if cells is not None:
            self.findings += cells.findings(columns_needed(self._holes, cells.header, table.name))

    def _check(self, text: bytes, number: int) -> None:
        """Refuse what `validate` would refuse.

        Raises:
            InvalidLineError: The service would refuse the request.
            ValueError: It equals the request before it.
        """
        request = loads(text)
        if number > 1 and not self._line.holes and request["body"]:
            raise ValueError("the template names no column, so all requests would be the same: write {{column}} in it")
        for fault in self._rules.violations(request, number):
            if fault.severity == "error":
                where = f" at {fault.json_path}" if fault.json_path else ""
                raise InvalidLineError(f"{fault.message}{where}", code=fault.code, json_path=fault.json_path)

    def check_names(self) -> None:
        """Refuse a placeholder without a value in any row: with nulls allowed, a misspelled one would go unnoticed.

        Raises:
            ValueError: There is one.
        """
        missing = self.without_values()
        if missing:
            raise ValueError(no_column(missing[0], list(self._seen)))

    def without_values(self) -> list[str]:
        """Return the placeholders that no row had a value for; none if there was no row."""
        unseen = self._line.unseen | self._ids.template.unseen
        return [name for name in self._holes if name in unseen] if any(self.tables.values()) else []

    def place_of(self, number: int) -> str:
        """Return the row of a line of the request file."""
        for name, count in self.tables.items():
            if number <= count:
                return f"row {number:,} of {name}"
            number -= count
        return "a row"


NULL_OPTIONS = ": use null='null' to write null, or null='drop' to leave out the key"
"""What helps if a template has a null; an id always needs a value."""


@contextmanager
def bad_row(name: str, number: int, *, of_null: str = "") -> Iterator[None]:
    """Name the row in its errors.

    Args:
        name: The name of the table.
        number: The number of the row.
        of_null: The end of the message about a null.

    Raises:
        InvalidLineError: The row has an error.
    """
    try:
        yield
    except NullInRow as error:
        code = "missing_value" if error.missing else "null_value"
        what = f"row {number:,} has {'no' if error.missing else 'a null for'} {error.name!r}"
        if not error.missing:
            what += of_null
    except NotANumber as error:
        code, what = "not_a_number", f"row {number:,} has NaN or an infinite number in {error.name!r}: JSON can't represent it"
    except IntegerTooLarge as error:
        code, what = "integer_too_large", f"row {number:,} has {BEYOND} in {error.name!r}: {AS_TEXT}"
    except InvalidLineError as error:
        code, what = error.code, f"row {number:,}: {error.reason}"
    else:
        return
    raise InvalidLineError(what, code=code, path=name, role="input")


ONE_FILE = ", or write all to one file with the limits 'none' and split that"


@contextmanager
def rows_named(job: Preparation, remedy: str = "") -> Iterator[None]:
    """Reword an error of the file for the table: name the rows with the same id, or what to do with too many requests."""
    try:
        yield
    except DuplicateCustomIdError as error:
        first, again = (job.place_of(number or 0) for number in (error.first_line_number, error.line_number))
        raise DuplicateCustomIdError(
            f"{first} and {again} both make the id {error.custom_id[:128]!r}: name more columns in it",
            custom_id=error.custom_id,
            first_path=None,
            first_line_number=None,
        ) from None
    except (TooManyRequestsError, TooManyEmbeddingInputsError, FileTooLargeError) as error:
        error.reason = f"{error.reason}{remedy}"
        raise


def read_template(path: str | os.PathLike[str], *, filesystem: object = None) -> dict[str, Any]:
    """Read a template from its JSON file.

    Raises:
        FileError: The file does not exist or can't be read.
        ValueError: It is not exactly one JSON object.
    """
    text = small_file(path, filesystem=filesystem)
    try:
        return loads_exactly(text.removeprefix(b"\xef\xbb\xbf"))
    except InvalidLineError as error:
        several = "holds several JSON objects, and a template is one" if error.code == GLUED else None
        reason = several or error.reason.replace("the line", "the template")
    raise ValueError(f"{name_of(path, filesystem=filesystem)}: {reason}")


def _whole_line(given: Mapping[str, Any], url: str | None, limits: Limits) -> dict[str, Any]:
    """Make a line without its id from a template that may be a body alone.

    Raises:
        ValueError: It has an id, a body that is not an object, two urls, or no url although the service needs one.
    """
    if "custom_id" in given:
        raise ValueError("the template has a custom_id, which the id (--id) makes: take it out")
    if "body" in given and not isinstance(given["body"], dict) and ({"url", "method"} & given.keys() or len(given) == 1):
        kind = {str: "a string", list: "a list", type(None): "null"}.get(type(given["body"]), "no object")
        raise ValueError(
            f"the template's body is {kind}, and an object is needed: write its keys out, each with a value or a {{{{column}}}}"
        )
    line: dict[str, Any] = dict(given) if isinstance(given.get("body"), dict) else {"body": dict(given)}
    if url is not None:
        if "url" in line:
            raise ValueError(f"the template has the url {line['url']!r} already: take it out, or don't give another")
        line["url"] = url
    if "url" not in line and limits.url_required:
        raise ValueError(f"{limits.name} wants a url in each line: put it into the template, or use url=")
    if "url" in line:
        line.setdefault("method", "POST")
    first = {key: line[key] for key in ("method", "url", "body") if key in line}
    return first | line
