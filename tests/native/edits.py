"""Lines with changes, thousands a second: a line is searched once for the places where it can be changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import NamedTuple, TypeVar

from tests.native.mutations import BYTES, NUMBERS, TEXTS, VALUES, WORDS, escaped, mutated, spelled

Item = TypeVar("Item")

TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.0-9eE]+|true|false|null|[{}\[\]:,]')

STRINGS = [*(value for value in VALUES if value[0] == '"'), *(json.dumps(text) for text in TEXTS), *(
    '"Why?"', '"é"', '"\U0001f600"', r'"\""', r'"\n"', r'"\ud83d\ude00"', r'"\ud83d"', r'"\udc00\ud83d"', r'"\u12"', r'"\q"',
    r'"\\"', r'"\/"', r'"\u0000"', '"' + "a" * 600 + '"', '"' + "é" * 40 + '"', '"\x7f"', r'"line\nline\n"', '"\u2028"',
    r'"I\u0044"',
)]  # fmt: skip
SAME = {
    b'"': [value.encode("utf-8", "surrogatepass") for value in STRINGS],
    b"0": [value.encode() for value in VALUES + NUMBERS if re.fullmatch(r"-?[0-9][-+0-9.eE]*", value)],
    b"{": [value.encode() for value in VALUES if value[0] == "{"],
    b"[": [value.encode() for value in VALUES if value[0] == "["],
    b"w": [b"true", b"false", b"null"],
}
"""Values by the kind of the one that they replace."""

ANY = [value.encode() for value in VALUES]
KEYS = [json.dumps(word).encode() for word in WORDS]
SPACES = [b" ", b"\t", b" \r", b"  "]


class Span(NamedTuple):
    """A part of a line."""

    start: int
    end: int


class Member(NamedTuple):
    """A member of an object: its key, its value, what goes if it is removed, and where the object ends."""

    key: Span
    value: Span
    removed: Span
    end: int


def one(random: Random, of: Sequence[Item]) -> Item:
    """Return one of some items, as `choice` does in three times the time."""
    return of[int(random.random() * len(of))]


class Template:
    """A line, and where it can be changed. It is searched once for thousands of changes.

    Args:
        line: Valid JSON.
        shape: What it is called in the counts.
    """

    def __init__(self, line: bytes, shape: str) -> None:
        self.line, self.shape = line, shape
        self.values: list[tuple[Span, bytes]] = []
        self.strings: list[Span] = []
        self.objects: list[tuple[Span, list[Member]]] = []
        self.tokens = [Span(*found.span()) for found in TOKEN.finditer(line)]
        self._search()
        self.members = [member for _, members in self.objects for member in members]
        self.has_vectors = b'"embedding"' in line

    def _search(self) -> None:
        """Find values, strings and members."""
        line, number = self.line, 0

        def value() -> Span:
            nonlocal number
            first = self.tokens[number]
            number += 1
            kind = line[first.start : first.start + 1]
            if kind == b"{":
                end, members = first.end, []
                pairs = list(items(b"}"))
                end = self.tokens[number - 1].end
                for place, (key, found) in enumerate(pairs):
                    last = place == len(pairs) - 1
                    start = pairs[place - 1][1].end if last and place else key.start
                    members.append(Member(key, found, Span(start, found.end if last else pairs[place + 1][0].start), end - 1))
                whole = Span(first.start, end)
                self.objects.append((whole, members))
            elif kind == b"[":
                for _ in items(b"]"):
                    pass
                whole = Span(first.start, self.tokens[number - 1].end)
            else:
                whole = first
                if kind == b'"':
                    self.strings.append(whole)
            kind = kind if kind in b'"{[' else b"w" if kind in b"tfn" else b"0"
            self.values.append((whole, kind))
            return whole

        def items(end: bytes) -> Iterator[tuple[Span, Span]]:
            nonlocal number
            while self._text(number) != end:
                key = self.tokens[number]
                if end == b"}":
                    self.strings.append(key)
                    number += 2
                yield key, value()
                if self._text(number) == b",":
                    number += 1
            number += 1

        value()

    def _text(self, number: int) -> bytes:
        start, end = self.tokens[number]
        return self.line[start:end]

    def changed(self, random: Random) -> bytes:
        """Return the line with one to three changes; it differs from this one."""
        while True:
            edits = [edit for _ in range(int(1 + 2.2 * random.random() ** 3)) for edit in one(random, CHANGES)(self, random)]
            edits.sort()
            parts, done = [], 0
            for start, end, new in edits:
                if start >= done:
                    parts += [self.line[done:start], new]
                    done = end
            parts.append(self.line[done:])
            line = b"".join(parts)
            if line != self.line:
                return line.replace(b"\n", b" ")


Edits = list[tuple[int, int, bytes]]


def _any(template: Template, random: Random) -> Edits:
    """Replace a value with any other."""
    (start, end), _ = one(random, template.values)
    return [(start, end, one(random, ANY))]


def _same(template: Template, random: Random) -> Edits:
    """Replace a value with one of its kind."""
    (start, end), kind = one(random, template.values)
    if kind == b"0" and random.random() < 0.5:
        return [(start, end, spelled(random).encode())]
    return [(start, end, one(random, SAME[kind]))]


def _number(template: Template, random: Random) -> Edits:
    """Replace a number or a text of a vector; another value in other lines."""
    vectors = [value for value in template.values if value[1] == b"0"] if template.has_vectors else []
    if not vectors:
        return _same(template, random)
    (start, end), _ = one(random, vectors)
    new = one(random, NUMBERS) if random.random() < 0.3 else spelled(random)
    return [(start, end, new.encode() + one(random, (b"", b"", b" ", b"\t")))]


def _key(template: Template, random: Random) -> Edits:
    """Replace a key or a string, or write one of its letters as an escape."""
    start, end = one(random, template.strings)
    if random.random() < 0.5:
        return [(start, end, one(random, KEYS))]
    text = template.line[start:end].decode()
    return [(start, end, escaped(text, random).encode())]


def _added(template: Template, random: Random) -> Edits:
    """Add a member to an object, which may repeat a key."""
    (start, _), members = one(random, template.objects)
    comma = b", " if members else b""
    return [(start + 1, start + 1, one(random, KEYS) + b": " + one(random, ANY) + comma)]


def _removed(template: Template, random: Random) -> Edits:
    """Remove a member, move it to the end of its object, or repeat it there."""
    member = one(random, template.members)
    start, end = member.removed
    how = random.random()
    edits = [(start, end, b"")] if how < 0.8 else []
    if how > 0.4:
        edits.append((member.end, member.end, b", " + template.line[member.key.start : member.value.end]))
    return edits


def _listed(template: Template, random: Random) -> Edits:
    """Write an object as the list of its values."""
    (start, end), members = one(random, template.objects)
    return [(start, end, b"[" + b", ".join(template.line[value.start : value.end] for _, value, _, _ in members) + b"]")]


def _byte(template: Template, random: Random) -> Edits:
    """Change, remove or insert a byte, or cut the line."""
    at = random.randrange(len(template.line))
    new = one(random, BYTES).to_bytes()
    return [one(random, ((at, at + 1, new), (at, at, new), (at, at + 1, b""), (at, len(template.line), b"")))]


def _spaced(template: Template, random: Random) -> Edits:
    """Insert white space between two tokens."""
    at = one(random, template.tokens).start
    return [(at, at, one(random, SPACES))]


CHANGES: list[Callable[[Template, Random], Edits]] = [
    *(_any, _any, _same, _same, _same, _same, _number, _number, _key, _key, _added, _added, _removed, _removed, _listed, _byte),
    *(_spaced, _spaced),
]  # fmt: skip


def spellings(lines: Iterable[bytes], shape: str) -> list[Template]:
    """Return lines as they are, with escapes, and without spaces."""
    found = []
    for line in lines:
        value = json.loads(line)
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        found += [Template(each, shape) for each in (line, json.dumps(value).encode(), compact)]
    return found


def mixed(chosen: list[Template], random: Random) -> list[Template]:
    """Return templates, and some of them with a change that leaves them valid JSON, so that later changes are within it."""
    found = list(chosen)
    while len(found) < len(chosen) * 5 // 4:
        template = random.choice(chosen)
        line = mutated(template.line, random)
        try:
            value = json.loads(line)
            if isinstance(value, dict) and value and b"NaN" not in line and b"Infinity" not in line and len(line) < 9000:
                found.append(Template(line, template.shape))
        except (ValueError, RecursionError):
            continue
    return found
