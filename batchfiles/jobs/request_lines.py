"""Request lines taken apart: the id, the url, and the body as a value and as its own bytes."""

from __future__ import annotations

from typing import Any, TypeAlias

from batchfiles import codec, spans

__all__ = ["RequestLines", "Taken"]

Taken: TypeAlias = tuple[str, str | None, dict[str, Any], bytes | None]
"""`(custom_id, url, decoded body, bytes of the body)`."""


class RequestLines:
    r"""Takes request lines apart, in little more than the time of decoding their bodies.

    The lines of a file mostly differ in the id and the body only: what stands before the id, and between the id and the body, is
    learned from one ordinary line and compared in the next. Then only the body is decoded. If what stands between the known
    beginning and the last brace is one JSON value, then the line as a whole is JSON, has no other keys, and these are the body's
    own bytes. All other lines take the long way.

    Args:
        cut_bodies: Whether the bytes of the bodies are wanted.

    Attributes:
        repaired: How many of the lines that were taken are not quite JSON.
    """

    def __init__(self, *, cut_bodies: bool) -> None:
        self._cut_bodies = cut_bodies
        self._head = b"\n"  # stands in no line
        self._head_length = 1
        self._middle = b""
        self._middle_length = 0
        self._url = ""
        self.repaired = 0

    def take(self, line: bytes) -> Taken:
        """Take one line apart.

        Raises:
            InvalidLine: It is no JSON object, or has no `custom_id` that is a string or no `body` that is an object. A result
                that got among the requests is none: its row would be a request that nobody made.
        """
        # Slices are compared because `startswith` and its kin spend most of their time on their arguments.
        length = self._head_length
        if line[:length] == self._head and line[-2:] == b"}}":
            end = line.find(b'"', length)
            body_start = end + self._middle_length
            if line[end:body_start] == self._middle:
                try:
                    custom_id = line[length:end].decode()
                    cut = line[body_start - 1 : -1]  # with the first brace of the body, which ends the middle
                    body = codec.parse(cut)
                except ValueError:
                    return self._take_any(line)
                if custom_id.isprintable() and "\\" not in custom_id:
                    return custom_id, self._url, body, cut if self._cut_bodies else None
        return self._take_any(line)

    def _take_any(self, line: bytes) -> Taken:
        value = codec.request_of(line)
        custom_id, body, url = value["custom_id"], value["body"], value.get("url")
        if type(value) is not dict:
            self.repaired += 1
        self._learn(line)
        cut = spans.body_of_input(line, value) if self._cut_bodies else None
        return custom_id, url if type(url) is str else None, body, cut

    def _learn(self, line: bytes) -> None:
        """Remember how an ordinary line begins and how it goes on behind its id."""
        match = spans.ORDINARY_INPUT.match(line)
        if match is not None:
            self._head = line[: match.start("custom_id")]
            self._middle = line[match.end("custom_id") : match.end() + 1]
            self._head_length, self._middle_length = len(self._head), len(self._middle)
            self._url = match["url"].decode()
