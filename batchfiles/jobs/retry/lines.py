"""Which requests are sent again, and the pass over a range of a request file that yields their lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from batchfiles import bodies
from batchfiles.bodies.answer import EMPTY
from batchfiles.codec import request_of
from batchfiles.errors import InvalidLineError
from batchfiles.findings import Finding, nearest
from batchfiles.ids.index import Index, IndexEntries, ResultFlags, digest, digests_of_bytes
from batchfiles.inputs.file_mistakes import may_be_result, refuse_result
from batchfiles.inputs.local import ResultFile
from batchfiles.io.lines import Block
from batchfiles.io.sources import Source, read_blocks
from batchfiles.io.texts import Text, texts
from batchfiles.jobs.join.lookup import ResultLookup
from batchfiles.jobs.join.repeated_requests import RepeatedRequests
from batchfiles.jobs.retry.joined_table import PARSE_ERROR, STATUS, has_parse_error, read_known_outcome
from batchfiles.jobs.retry.report import NOT_IN_TABLE, NOT_LISTED, TOO_LONG, GroupCounts
from batchfiles.jsontext.edits import Edit, edited
from batchfiles.native import NativeRetries, native_retries
from batchfiles.outcome import ANSWERED, MALFORMED, OUTCOMES, SUCCEEDED, Result, id_in, read_result
from batchfiles.table.plain_rows import outcome_facts
from batchfiles.table.rows import MISSING, ResultRef
from batchfiles.workers import Job, Product, Spec

ERROR_CODES = ("batch_expired", "batch_cancelled", "rate_limit_exceeded", "server_error", "context_length_exceeded")
"""Error codes that are similar to an outcome."""

STATUSES = ("4xx", "5xx", "400", "401", "403", "404", "408", "409", "422", "429", "500", "502", "503", "504")
ALMOST = 0.75
"""The similarity to a known word from which a word counts as a misspelling of it."""


def words_of(texts: Iterable[str]) -> list[str]:
    """Return the words of lists with commas between.

    Raises:
        TypeError: It is a single string, whose letters would be taken for words.
    """
    if isinstance(texts, str):
        raise TypeError("a list of outcomes, statuses and error codes is expected, not a single string")
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def check_word(word: str) -> None:
    """Refuse a word that is almost an outcome or a status: it would match no request, and nothing would be retried.

    Any other word may be an error code: services have their own codes.

    Raises:
        ValueError: The word is probably misspelled.
    """
    known = (*OUTCOMES, PARSE_ERROR, *ERROR_CODES)
    if word in known or STATUS.fullmatch(word):
        return
    near = nearest(word, STATUSES if word[:1].isdigit() else known, likeness=ALMOST)
    if near is not None:
        raise ValueError(f"{word!r} is not an outcome, a status or a known error code; did you mean {near!r}?")


class RetryChoice:
    """Decides about each request.

    Args:
        only: Outcomes, statuses (`429`, `5xx`), error codes and `parse_error`: these and no others, retryable or not; None takes
            what is retryable.
        but: The same: never these.
        everything: Whether to take all requests without a success.
        listed: Whether to take all requests that are found, as ids in a list are.
        by_table: Whether a joined table has the outcomes of the requests; those without a row are never selected.

    Attributes:
        listed: As given.
        by_table: As given; it may be set when the files are known.
        matched: The words that matched a request.
    """

    def __init__(
        self,
        only: Iterable[str] | None,
        but: Iterable[str],
        *,
        everything: bool = False,
        listed: bool = False,
        by_table: bool = False,
    ) -> None:
        self._only = None if only is None else frozenset(only)
        self._but = frozenset(but)
        self._everything = everything
        self.listed = listed
        self.by_table = by_table
        self.matched: set[str] = set()

    def to_spec(self) -> dict[str, Any]:
        """Describe the choice in values that JSON can hold, for another process."""
        return {
            "only": None if self._only is None else sorted(self._only),
            "but": sorted(self._but),
            "everything": self._everything,
            "listed": self.listed,
            "by_table": self.by_table,
        }

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> Self:
        """Return the choice that `to_spec` described."""
        return cls(spec["only"], spec["but"], everything=spec["everything"], listed=spec["listed"], by_table=spec["by_table"])

    @property
    def words(self) -> frozenset[str]:
        """The words of the choice."""
        return self._but | (self._only or frozenset())

    def why_not(self, result: Result, *, is_found: bool, has_parse_error: bool = False) -> str | None:
        """Return why a request is left out; None if it is wanted.

        Args:
            result: Its result.
            is_found: Whether it has a result, or a known outcome.
            has_parse_error: Whether the text of its answer did not parse.
        """
        if self.listed:
            return None if is_found else NOT_LISTED
        if self.by_table and not is_found:
            return NOT_IN_TABLE
        if self._only is not None:
            if not self._matches(self._only, result, has_parse_error=has_parse_error):
                return "succeeded" if result.outcome == SUCCEEDED else "not chosen"
        elif result.outcome == SUCCEEDED:
            return "succeeded"
        elif result.outcome == MALFORMED and result.error_code == "line_too_long":
            return TOO_LONG
        elif not self._everything and not result.retryable:
            return "not retryable"
        if self._but and self._matches(self._but, result, has_parse_error=has_parse_error):
            return "excluded"
        return None

    def _matches(self, words: frozenset[str], result: Result, *, has_parse_error: bool) -> bool:
        status = result.status_code
        names = {result.outcome, result.error_code}
        if status:
            names |= {str(status), f"{status // 100}xx"}
        if has_parse_error:
            names.add(PARSE_ERROR)
        found = words & names
        self.matched |= found
        return bool(found)


REPEATED = "repeats a line of another request file"
"""Why a line is left out that is the same request as an earlier one."""

SUCCESSES = range(200, 300)
"""The statuses of answers."""

CODE_LENGTH = 64
FINDINGS_KEPT = 100
"""Findings of a range that are listed; all are counted."""


class RetryLines(Job):
    r"""Yields the wanted lines of a range, each with its `\n`; then their positions, the positions of all lines, and a summary.

    Args:
        spec: `inputs`: `[[name, path], …]`; `numbers`: the number that each of them has in the positions; `results`, `index`,
            `count` and `flags` as for `JoinRows`; `known_outcomes`: whether the results are lines of known outcomes; `choice`,
            `edits`; `note_all`: whether all lines are indexed; `repeated`: what `RepeatedRequests` saved, or None;
            `max_line_bytes`.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._index = Index(Path(spec["index"]), spec["count"])
        self._flags = ResultFlags(Path(spec["flags"]), spec["count"])
        self._files = [ResultFile(*fields) for fields in spec["results"]]
        reader = read_known_outcome if spec["known_outcomes"] else read_result
        self._lookup = ResultLookup(self._index, self._flags, self._files, reader=reader)
        self._repeated = RepeatedRequests.load(spec["repeated"])
        self._edits = [Edit.from_spec(each) for each in spec["edits"]]

    @cached_property
    def _plain(self) -> NativeRetries | None:
        """What finds most of the requests that are left out; None without compiled code, and if there are known outcomes."""
        if self._spec["known_outcomes"]:
            return None
        shift, starts = self._index.directory()
        index = {"path": self._spec["index"], "count": self._spec["count"], "shift": shift, "starts": starts}
        return native_retries(self._facts, self._files, index)

    def _facts(self) -> dict[str, Any]:
        """Return what compiled code has to know: also the answers whose requests are left out."""
        choice = RetryChoice.from_spec(self._spec["choice"])
        return outcome_facts() | {
            "left_out": {
                outcome: {status for status in SUCCESSES if choice.why_not(_answered(outcome, status), is_found=True) is not None}
                for outcome in ANSWERED
            },
            "leaves_missing": choice.why_not(MISSING.result, is_found=False) is not None,
            "other_urls": list(bodies.OTHER_KINDS),
            "keeps_entries": self._spec["note_all"],
        }

    def close(self) -> None:
        """Close the result files, then the flags and the index, which they use."""
        self._lookup.close()
        self._flags.close()
        self._index.close()

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Do one range."""
        self._choice = RetryChoice.from_spec(self._spec["choice"])
        self._why_missing = self._choice.why_not(MISSING.result, is_found=False)
        self._groups = GroupCounts()
        self._counts: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._wanted: list[bytes] = []
        self._written, self._all = IndexEntries(), IndexEntries()
        name, path = self._spec["inputs"][task["file"]]
        self._number = self._spec["numbers"][task["file"]]
        where = {key: task[key] for key in ("start", "end", "line_number")}
        where["max_line_bytes"] = self._spec["max_line_bytes"]
        source = Source(name, path=Path(path))
        if self._plain is None:
            for block in read_blocks(source, self._notice, **where):
                for lines in self._unrepeated(block, task["file"]):
                    keys = self._take(lines, task["file"])
                    if self._spec["note_all"]:
                        sizes = list(map(len, lines.lines))
                        self._all.add_lines(keys, self._number, lines.byte_offset, sizes, lines.line_number)
        else:
            with source.open() as stream:
                for text in texts(stream, source.name, self._notice, **where):
                    self._take_text(self._plain, text, task["file"])
        self._wanted.append(b"")
        yield b"\n".join(self._wanted)
        yield self._written.to_bytes()
        yield self._all.to_bytes() if self._plain is None else self._plain.take_entries()
        yield {
            "bytes": task["end"] - task["start"],
            "counts": dict(self._counts),
            "groups": [[*group, count] for group, count in self._groups.found.items()],
            "matched": sorted(self._choice.matched),
            "findings": self._findings,
        }

    def _unrepeated(self, block: Block, file: int) -> Iterator[Block]:
        return self._repeated.without_repeats(
            block, file, self._lookup, lambda line: self._count(None, None, None, self._why_repeated(line.lines[0], file))
        )

    def _take_text(self, plain: NativeRetries, text: Text, file: int) -> None:
        """Take the wanted lines of a text; compiled code counts most of the others."""
        for each in [text] if not self._repeated else map(Text.of, self._unrepeated(text.block(), file)):
            place = (each.line_number, each.byte_offset)
            others, used, missing, answers = plain.leave_out(each.text, file, self._number, *place, digests_of_bytes)
            for entry in used:
                self._flags.used[entry] = 1
            self._count_missing(missing)
            for (outcome, status), count in answers.items():
                result = _answered(outcome, status)
                self._count(*self._shown(result), self._choice.why_not(result, is_found=True), more=count)
            for lines in each.blocks(others):
                plain.set_digests(lines.line_number - each.line_number, self._take(lines, file))

    def _take(self, block: Block, file: int) -> list[int | None]:
        """Take the wanted lines of a block, and return the digests of all.

        Flat on purpose: it runs once a line of every input without compiled code.

        Raises:
            MismatchError: A line is a result.
        """
        lines, best, why_missing = block.lines, self._lookup.best, self._why_missing
        ids = list(map(id_in, lines))
        keys = [None if custom_id is None else digest(custom_id) for custom_id in ids]
        absent, checks_all = 0, not self._choice.listed
        number, offset = block.line_number - 1, block.byte_offset
        end = offset
        for custom_id, key, line in zip(ids, keys, lines, strict=True):
            number, offset, end = number + 1, end, end + len(line) + 1
            if custom_id is None or key is None:
                self._refuse(block.path, line, number, offset)
                continue
            if checks_all and not self._is_request(block.path, line, number, offset):
                continue
            found = best(custom_id, key, file, line)
            if found is MISSING and why_missing is not None:
                absent += 1
            elif self._is_wanted(found) and (checks_all or self._is_request(block.path, line, number, offset)):
                self._write(block.path, line, number, offset)
                self._count_result(found.result, None)
                self._written.add(key, self._number, offset, len(line), number)
        self._count_missing(absent)
        return keys

    def _count_missing(self, count: int) -> None:
        """Count requests that have no result and are left out."""
        if count:
            unknown = (None, None, None) if self._choice.by_table else self._shown(MISSING.result)
            self._count(*unknown, self._why_missing, more=count)

    def _why_repeated(self, line: bytes, file: int) -> str:
        """Return why a line that repeats one of another file is left out."""
        custom_id = id_in(line)
        if self._choice.listed and custom_id is not None and self._lookup.best(custom_id, digest(custom_id), file) is MISSING:
            return NOT_LISTED
        return REPEATED

    def _is_wanted(self, found: ResultRef) -> bool:
        """Decide about a request, and count it if it is left out."""
        why = self._choice.why_not(found.result, is_found=found is not MISSING, has_parse_error=has_parse_error(found.value))
        if why is not None:
            self._count_result(found.result, why)
        return why is None

    def _is_request(self, path: str, line: bytes, number: int, offset: int) -> bool:
        """Return whether a line is a request, and report another one; only wanted lines are decoded where a list chooses.

        Raises:
            MismatchError: It is a result.
        """
        if may_be_result(line):
            refuse_result(line, path, number)
        try:
            request_of(line)
        except InvalidLineError:
            self._refuse(path, line, number, offset)
            return False
        return True

    def _write(self, path: str, line: bytes, number: int, offset: int) -> None:
        """Keep a line, with the edits.

        Raises:
            InvalidLineError: An edit can't be made in it.
        """
        try:
            new = edited(line, self._edits) if self._edits else line
        except InvalidLineError as error:
            raise Finding.of(error, path=path, line_number=number, byte_offset=offset).exception() from None
        self._counts["changed"] += new is not line
        self._counts["written"] += 1
        self._wanted.append(new)

    def _count_result(self, result: Result, why: str | None) -> None:
        self._count(*self._shown(result), why)

    def _shown(self, result: Result) -> tuple[str | None, int | None, str | None]:
        """Return what is known of a request: nothing for listed ones."""
        if self._choice.listed:
            return None, None, None
        return result.outcome, result.status_code, result.error_code

    def _count(self, outcome: str | None, status: int | None, code: str | None, why: str | None, more: int = 1) -> None:
        self._groups.add((outcome, status, code and code[:CODE_LENGTH], why), more)

    def _refuse(self, path: str, line: bytes, number: int, offset: int) -> None:
        """Report a line that is not a request; a blank one is only counted.

        Raises:
            MismatchError: It is a result.
        """
        if not line.strip():
            self._counts["blank_line"] += 1
            return
        try:
            request_of(line)
        except InvalidLineError as error:
            refuse_result(line, path, number)
            self._notice(Finding.of(error, path=path, line_number=number, byte_offset=offset))

    def _notice(self, finding: Finding) -> None:
        if finding.severity == "error":
            self._count(MALFORMED, None, finding.code, "can't be read")
        if len(self._findings) < FINDINGS_KEPT:
            self._findings.append(finding)


def _answered(outcome: str, status: int) -> Result:
    """Return what a retry looks at in a result with an answer."""
    return Result(outcome, status, None, None, None, None, None, False, None, EMPTY, 0)
