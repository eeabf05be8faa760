"""The `custom_id` of each line, exactly, and mostly without decoding the line."""

from __future__ import annotations

from batchfiles.codec import loads
from batchfiles.errors import InvalidLine
from batchfiles.jobs.survey import ID, ID_LETTERS, may_repeat_its_key

__all__ = ["ids_of"]


def ids_of(lines: list[bytes], text: bytes) -> list[str | None]:
    r"""Return the decoded id of each line; None where a line is no JSON object or has no id that is a string.

    Args:
        lines: Lines of requests or of results, with their newlines or without.
        text: The same in one piece.
    """
    # If each line begins with an id and there are no more ids than lines, none comes again behind the first.
    if text.count(b'"custom_id"') == len(lines) and not ID_LETTERS.stand_in(text):
        if (found := _alike(lines)) is not None:
            return found
        matches = list(map(ID.match, lines))
        if all(matches):
            try:
                return [match[1].decode() for match in matches]  # type: ignore[index]
            except UnicodeDecodeError:
                pass
    return list(map(_id_of, lines))


def _alike(lines: list[bytes]) -> list[str | None] | None:
    """Return the ids of lines that all begin as the first one does, up to the id; None where any does not."""
    first = ID.match(lines[0]) if lines else None
    if first is None:
        return None
    start = first.start(1)
    head = lines[0][:start]
    if [line[:start] for line in lines].count(head) != len(lines):
        return None
    # Each id with the quote behind it; nothing where there is no quote, and then the numbers don't agree.
    found = b"".join([line[start : line.find(b'"', start) + 1] for line in lines])
    if b"\\" in found:
        return None
    try:
        ids = found.decode().split('"')
    except UnicodeDecodeError:
        return None
    ids.pop()
    return ids if len(ids) == len(lines) else None  # type: ignore[return-value]


def _id_of(line: bytes) -> str | None:
    if not may_repeat_its_key(line) and (match := ID.match(line)):
        try:
            return match[1].decode()
        except UnicodeDecodeError:
            return None
    try:
        custom_id = loads(line).get("custom_id")
    except InvalidLine:
        return None
    return custom_id if isinstance(custom_id, str) else None
