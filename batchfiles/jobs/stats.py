"""How much there is in batch files, what it took, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from batchfiles.counts import not_read_fields
from batchfiles.findings import Finding
from batchfiles.jobs.families import Side
from batchfiles.jobs.file_roles import Pairs, files_and_pairs
from batchfiles.jobs.prices import Prices, PricesLike, prices_of, total
from batchfiles.jobs.sided_lines import SidedFile, is_blank, sided_files
from batchfiles.jobs.stats_report import FileStats, Stats
from batchfiles.jobs.stats_tally import RequestTally, ResultTally
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.streams.sources import SourceLike

__all__ = ["stats"]

PLACES_KEPT = 5
"""Places of malformed lines that are named."""


def stats(
    *sources: SourceLike,
    pairs: Pairs = (),
    prices: PricesLike | Sequence[PricesLike] | None = None,
    on_bytes: Callable[[int], None] | None = None,
    cap: int = RESULT_LINE_CAP,
    filesystem: object = None,
) -> Stats:
    """Count requests and results, their outcomes, sizes and tokens, and say what they cost.

    What requests will take is estimated; what results took is the sum of what the service counted in each line. Memory does not
    grow with the files.

    Args:
        *sources: Request files, output files and error files in any mix; paths, folders, globs, open binary files, or `-` for
            standard input; plain or compressed. A file named twice is read once, but a copy of it counts again.
        pairs: Request files, each with its results, as for `join`; here they fix the roles of these files.
        prices: Prices per million tokens, the file that has them, `"genai"` for those of the package genai-prices (or
            `"genai:azure"` for one of its providers), or a sequence such as `["prices.toml", "genai"]`, of which the first that
            knows a model decides; None counts tokens only.
        on_bytes: Gets the number of uncompressed bytes that were read, again and again, for a progress bar.
        cap: The longest line that is read, in bytes; longer ones count as malformed.
        filesystem: The filesystem in which paths are paths, that of `prices` too, of `pyarrow.fs` or of fsspec; None takes the
            local one.

    Returns:
        What was counted.

    Raises:
        FileError: A file is not there or can't be read.
        TruncatedFile: Compressed bytes end too early or are damaged.
        Mismatch: A file is in the format of another service, or nothing in it says what it is.
        TypeError: There is no source, or something is no source at all.
        MissingDependency: Prices are `"genai"`, and genai-prices is not installed.
        ValueError: Standard input is named twice, or the price file has a value that is not a price.
    """
    if not sources and not pairs:
        raise TypeError("stats needs at least one file")
    files = files_and_pairs(sources, pairs, filesystem)
    known = None if prices is None else prices_of(prices, filesystem=filesystem)
    count = _Count(known)
    for file in sided_files(files.sources, count.notice, cap=cap, on_bytes=on_bytes, sides=files.sides):
        count.take(file)
    return replace(count.report(), **not_read_fields(files.not_read))


class _Count:
    """Takes the files one by one."""

    def __init__(self, prices: Prices | None) -> None:
        self._prices = prices
        self._files: list[FileStats] = []
        self._requests = RequestTally(prices)
        self._results = ResultTally(prices)
        self._malformed: list[str] = []
        self._blank = 0
        self._overlong = 0
        self._has_last_newline = True

    def notice(self, finding: Finding) -> None:
        """Take what is noticed about the file that is being read."""
        if finding.code == "line_too_long":
            self._overlong += 1
            self._name(finding.path, finding.line_number)
        elif finding.code == "missing_newline":
            self._has_last_newline = False

    def take(self, file: SidedFile) -> None:
        """Count the lines of a file."""
        add = self._results.add if file.side == "results" else self._requests.add
        lines = end = 0
        for path, number, offset, block in file.blocks:
            for at, line in enumerate(block):
                if is_blank(line):
                    self._blank += 1
                    continue
                lines += 1
                if not add(line):
                    self._name(path, number + at)
            end = offset + sum(map(len, block)) + len(block)
        if file.side == "results":
            self._results.add_overlong(self._overlong)
        else:
            self._requests.malformed += self._overlong
        size = end if self._has_last_newline else end - 1
        self._files.append(FileStats(name=file.name, role=file.side, lines=lines + self._overlong, bytes=size))
        self._overlong, self._has_last_newline = 0, True

    def report(self) -> Stats:
        """Return what was counted."""
        prices = self._prices
        requests = self._requests.report(self._size("inputs"))
        results = self._results.report(self._size("results"), self._requests.model())
        paid = [usage for usage in results.models if usage.input_tokens or usage.output_tokens]
        without_price = tuple(usage.model for usage in paid if usage.cost is None) if prices else ()
        near = {model: prices.similar(model) for model in without_price if model} if prices else {}
        models = (self._results if results.count else self._requests).models
        return Stats(
            files=tuple(self._files),
            requests=requests,
            results=results,
            currency=prices.currency if prices else None,
            batch_discount=prices.batch_discount if prices else None,
            cost=total(usage.cost for usage in paid) if prices else None,
            without_price=without_price,
            malformed=tuple(self._malformed),
            blank_lines=self._blank,
            price_sources=tuple(dict.fromkeys(usage.price_source for usage in paid if usage.price_source)),
            similar_prices={model: name for model, name in near.items() if name is not None},
            tokens_without_own_price=models.without_own_price(),
            above_tiers=models.above_tiers(),
        )

    def _size(self, side: Side) -> int:
        return sum(file.bytes for file in self._files if file.role == side)

    def _name(self, path: str | None, line_number: int | None) -> None:
        if len(self._malformed) < PLACES_KEPT:
            self._malformed.append(f"{path}:{line_number}")
