"""`stats`: the numbers of requests and results in batch files, their tokens and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from decimal import Decimal
from operator import itemgetter

from batchfiles.errors import BatchFilesError
from batchfiles.findings import Finding
from batchfiles.inputs.folders import not_read_fields
from batchfiles.inputs.kinds import ClassifiedFile, FileRole, classified_files, is_blank
from batchfiles.inputs.local import copied
from batchfiles.inputs.roles import PairedFiles, Pairs, files_and_pairs, read_again
from batchfiles.io.lines import Block
from batchfiles.io.sources import Source, SourceLike
from batchfiles.io.temporary import Spool
from batchfiles.io.threads import Progress, progress_of, source_steps
from batchfiles.jobs.join.parts import whole_campaign
from batchfiles.jobs.join.repeated_requests import NO_FILES, RepeatedRequests, find_repeated
from batchfiles.jobs.retry.joined_table import JoinedTable, joined_tables
from batchfiles.jobs.stats.counts import RequestTotals, ResultCounts
from batchfiles.jobs.stats.prices import Prices, PricesLike, prices_of, total
from batchfiles.jobs.stats.report import AnsweredRequests, FileStats, ModelEstimate, ModelUsage, Stats
from batchfiles.jobs.stats.table_rows import OF_STATS, refuse_mixed, table_rows
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.outcome import MALFORMED
from batchfiles.table.read import TableLike
from batchfiles.workers import WorkerPool

RANGE_BYTES = 3 * 1024 * 1024

PLACES_KEPT = 5
"""Places of malformed lines that are listed."""


def stats(
    *sources: SourceLike | TableLike,
    pairs: Pairs = (),
    prices: PricesLike | Sequence[PricesLike] | None = None,
    progress: Progress | bool | None = None,
    max_line_bytes: int = RESULT_LINE_CAP,
    filesystem: object = None,
) -> Stats:
    """Count requests and results, their outcomes, sizes, tokens and costs.

    The tokens of requests are estimated; those of results are the sums of the counts in each line. Memory does not
    grow with the files. A request line that repeats a line of another request file, byte for byte, is one request with it, as for
    `join`: it is counted in `repeated_inputs` only. Standard input, pipes and open files are not compared.

    Args:
        *sources: Request files, output files and error files in any mix; paths, folders, globs, open binary files, or `-` for
            standard input; plain or compressed. A file named twice is read once, but a copy of it counts again. Or tables that
            `join` or `export` wrote: Parquet, Arrow, CSV or JSONL files, folders of them, or tables in memory. They have no
            lengths of lines, and a joined table only the results that it uses.
        pairs: Request files, each with its results, as for `join`; here they fix the roles of these files.
        prices: Prices per million tokens, the file that has them, `"genai"` for those of the package genai-prices (or
            `"genai:azure"` for one of its providers), or a sequence such as `["prices.toml", "genai"]`, of which the first that
            knows a model decides; None counts tokens only.
        progress: Called repeatedly with the bytes done and the total bytes (None if unknown); True shows a bar.
        max_line_bytes: The longest line that is read, in bytes; longer ones count as malformed.
        filesystem: The filesystem of all paths, also of `prices`, from `pyarrow.fs` or fsspec; None for the local one.

    Returns:
        What was counted.

    Raises:
        FileError: A file does not exist or can't be read.
        TruncatedFileError: Compressed bytes end too early or are damaged.
        MismatchError: A file is in the format of another service, or its role is not known.
        TypeError: No source is given, or one has a wrong type.
        MissingDependencyError: Prices are `"genai"`, and genai-prices is not installed.
        ValueError: Standard input is named twice, or the price file has a value that is not a price.

    Example:
        >>> stats = batchfiles.stats("fixtures/chat_completions")
        >>> stats.requests.count, stats.results.count
        (16, 15)
    """
    if not sources and not pairs:
        raise TypeError("stats needs at least one file")
    tables, others = joined_tables(sources, filesystem)
    refuse_mixed(tables, others, tuple(pairs))
    files = files_and_pairs(others, pairs, filesystem)
    known = None if prices is None else prices_of(prices, filesystem=filesystem)
    count = _Counts(known, _Repeats.among(files, max_line_bytes), [source.name for source in files.sources])
    shown = progress_of(progress, "stats")
    if tables:
        return count.tables(tables, shown)
    on_bytes = source_steps(shown, files.sources)
    for part in _parts(files.sources):
        for file in classified_files(
            part, count.notice, max_line_bytes=max_line_bytes, on_bytes=on_bytes, file_roles=files.file_roles
        ):
            count.take(file)
        count.end_part()
    return replace(count.report(), **not_read_fields(files.not_read))


def _names_of(table: JoinedTable) -> list[str]:
    return [part.name if isinstance(part, Source) else table.name for part in table.parts]


def _parts(sources: Sequence[Source]) -> Iterator[Sequence[Source]]:
    """Yield the files of each part of a campaign; all files if one of them is of no part."""
    try:
        whole = whole_campaign(sources) if all(source.found for source in sources) else None
    except BatchFilesError:  # a damaged manifest matters only if request files are compared
        whole = None
    if whole is None:
        yield sources
        return
    for part in whole.parts:
        yield [whole.sources[file.path] for file in part.files]


class _Repeats:
    """Which request lines repeat others.

    Args:
        numbers: The numbers of request files, by their names.
        repeated: Which of their lines repeat a line of another one.
        retries: The files all of whose requests are repeated, as a manifest says.
    """

    def __init__(self, numbers: dict[str, int], repeated: RepeatedRequests, retries: frozenset[str]) -> None:
        self._numbers = numbers
        self._repeated = repeated
        self._retries = retries

    @classmethod
    def among(cls, files: PairedFiles, max_line_bytes: int) -> _Repeats | None:
        """Compare the request files; None if there is nothing to compare."""
        found = read_again(files)
        if not (found.requests + found.retries)[1:]:
            return None
        retries = frozenset(file.name for file in found.retries)
        apart = found.parts.are_apart
        if all(apart(0, number) for number in range(1, len(found.requests))):
            return cls({}, RepeatedRequests.load(None), retries) if retries else None
        with Spool() as spool, WorkerPool() as pool:
            requests = copied(found.requests, files.sources, spool)
            if requests is None:
                return None
            _, repeated, _ = find_repeated(pool, requests, spool, size=RANGE_BYTES, max_line_bytes=max_line_bytes, apart=apart)
        return cls({file.name: number for number, file in enumerate(found.requests)}, repeated, retries)

    def cut(self, file: str, block: Block) -> Iterator[tuple[Block, AbstractSet[int] | None]]:
        """Cut a block of a file, as `RepeatedRequests.cut` does."""
        if file in self._retries:
            yield block, None
        elif file in self._numbers:
            yield from self._repeated.cut(block, self._numbers[file])
        else:
            yield block, NO_FILES


class _Counts:
    """Takes the files one by one.

    Args:
        prices: The prices; None to count tokens only.
        repeats: Which request lines repeat others.
        names: The files in the order of the report.
    """

    def __init__(self, prices: Prices | None, repeats: _Repeats | None, names: Sequence[str]) -> None:
        self._prices = prices
        self._repeats = repeats
        self._repeated = 0
        self._numbers = {name: number for number, name in enumerate(names)}
        self._number = 0
        self._files: list[tuple[int, FileStats]] = []
        self._answered = AnsweredRequests()
        self._requests = RequestTotals(prices, self._answered)
        self._results = ResultCounts(prices, self._answered)
        self._malformed: list[tuple[int, str]] = []
        self._blank = 0
        self._overlong = 0
        self._has_last_newline = True

    def notice(self, finding: Finding) -> None:
        """Take a finding about the current file."""
        if finding.code == "line_too_long":
            self._overlong += 1
            self._name(finding.path, finding.line_number)
        elif finding.code == "missing_newline":
            self._has_last_newline = False

    def take(self, file: ClassifiedFile) -> None:
        """Count the lines of a file."""
        self._number = self._numbers[file.name]
        has_results = file.file_role == "results"
        add = self._results.add if has_results else self._requests.add
        lines = end = 0
        for whole in file.blocks:
            for (path, number, _, block), repeating in self._cut(file.name, whole):
                lines += len(block)
                for at in self._results.add_plain(block) if has_results else range(len(block)):
                    if is_blank(block[at]):
                        self._blank += 1
                        lines -= 1
                    elif repeating is None:
                        self._repeated += 1
                    elif not add(block[at], len(self._files)):
                        self._name(path, number + at)
            end = whole.byte_offset + sum(map(len, whole.lines)) + len(whole.lines)
        if file.file_role == "results":
            self._results.add_overlong(self._overlong)
        else:
            self._requests.malformed += self._overlong
        size = end if self._has_last_newline else end - 1
        found = FileStats(name=file.name, role=file.file_role, lines=lines + self._overlong, bytes=size)
        self._files.append((self._number, found))
        self._overlong, self._has_last_newline = 0, True

    def tables(self, tables: Sequence[JoinedTable], progress: Progress | None) -> Stats:
        """Count the rows of tables, and return the report."""
        rows: Counter[str] = Counter({name: 0 for table in tables for name in _names_of(table)})
        sources: dict[object, int] = {}
        absent: set[str] = set()
        for row in table_rows(tables, OF_STATS, absent, progress):
            rows[row.table] += 1
            if row.has_request and row.cells["outcome"] == MALFORMED and not row.has_result:
                self._requests.malformed += 1
            elif row.has_request:
                file = sources.setdefault(row.cells["input_source"], len(sources))
                body = row.request_body()
                self._requests.add_request(row.cells["custom_id"], row.cells["endpoint"], body, file)
            if row.has_result and not self._results.add_result(row.result(), row.cells["custom_id"], row.endpoint()):
                self._name(*row.place())
        self.end_part()
        sizes = {part.name: part.size() or 0 for table in tables for part in table.parts if isinstance(part, Source)}
        files = [FileStats(name=name, role="table", lines=count, bytes=sizes.get(name, 0)) for name, count in rows.items()]
        self._files = list(enumerate(files))
        return replace(self.report(), absent_columns=tuple(name for name in OF_STATS if name in absent))

    def end_part(self) -> None:
        """End a part of a campaign: ids may restart in the next one."""
        self._answered.end_part()

    def _cut(self, file: str, block: Block) -> Iterator[tuple[Block, AbstractSet[int] | None]]:
        """Cut a block at the request lines that repeat others; they come with None."""
        return iter([(block, NO_FILES)]) if self._repeats is None else self._repeats.cut(file, block)

    def report(self) -> Stats:
        """Return what was counted."""
        prices = self._prices
        requests = self._requests.report(self._size("inputs"))
        results = self._results.report(self._size("results"), self._requests.model())
        paid = [usage for usage in results.models if usage.input_tokens or usage.output_tokens]
        costs: list[tuple[ModelUsage | ModelEstimate, Decimal | None]] = [(usage, usage.cost) for usage in paid]
        if not results.count:
            costs = [(estimate, estimate.input_cost) for estimate in requests.models if estimate.input_tokens]
        without_price = tuple(model.model for model, cost in costs if cost is None) if prices else ()
        near = {model: prices.similar(model) for model in without_price if model} if prices else {}
        models = (self._results if results.count else self._requests).models
        return Stats(
            files=tuple(file for _, file in sorted(self._files, key=itemgetter(0))),
            requests=requests,
            results=results,
            currency=prices.currency if prices else None,
            batch_discount=prices.batch_discount if prices else None,
            cost=total(usage.cost for usage in paid) if prices else None,
            without_price=without_price,
            malformed=tuple(place for _, place in self._malformed),
            blank_lines=self._blank,
            repeated_inputs=self._repeated,
            repaired_lines=self._requests.repaired + self._results.repaired,
            price_sources=tuple(dict.fromkeys(model.price_source for model, _ in costs if model.price_source)),
            similar_prices={model: name for model, name in near.items() if name is not None},
            tokens_without_own_price=models.without_own_price(),
            above_tiers=models.above_tiers(),
        )

    def _size(self, file_role: FileRole) -> int:
        return sum(file.bytes for _, file in self._files if file.role == file_role)

    def _name(self, path: str | None, line_number: int | None) -> None:
        # Parts are not read in the order of the files, so the first places are those of the first files.
        self._malformed = sorted([*self._malformed, (self._number, f"{path}:{line_number}")], key=itemgetter(0))[:PLACES_KEPT]
