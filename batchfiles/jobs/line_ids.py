"""The `custom_id` of each line, exactly, and mostly without decoding the line."""

from __future__ import annotations

from batchfiles.codec import loads
from batchfiles.errors import InvalidLine
from batchfiles.jobs.survey import ESCAPED_LETTER, ID, may_repeat_its_key

__all__ = ["ids_of"]


def ids_of(lines: list[bytes], text: bytes) -> list[str | None]:
    r"""Return the decoded id of each line; None where a line is no JSON object or has no id that is a string.

    Args:
        lines: Lines of requests or of results.
        text: The same in one piece.
    """
    # If each line begins with an id and there are no more ids than lines, none comes again behind the first.
    if text.count(b'"custom_id"') == len(lines) and not (b"\\u00" in text and ESCAPED_LETTER.search(text)):
        matches = list(map(ID.match, lines))
        if all(matches):
            try:
                return [match[1].decode() for match in matches]  # type: ignore[index]
            except UnicodeDecodeError:
                pass
    return list(map(_id_of, lines))


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
