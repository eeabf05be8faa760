"""What a table makes of a JSON Schema: a small tree, of which both the Arrow type and the check of values are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Array", "Field", "JsonText", "Kind", "Node", "Object", "Scalar"]

Kind: TypeAlias = Literal["string", "integer", "number", "boolean", "date", "date-time"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text, a number, a truth value or a time.

    Attributes:
        kind: Which of them.
        choices: The values that an `enum` or a `const` allows; None where any will do.
        nullable: Whether it may be null.
    """

    kind: Kind
    choices: frozenset[str | int | float] | None = None
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Array:
    """A list of values of one type."""

    items: Node
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A property of an object."""

    name: str
    node: Node
    required: bool


@dataclass(frozen=True, slots=True)
class Object:
    """An object with known properties.

    Attributes:
        fields: The properties in the order of the schema; at least one.
        closed: Whether there may be no others.
        nullable: Whether it may be null.
    """

    fields: tuple[Field, ...]
    closed: bool
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class JsonText:
    """What has no Arrow type: any JSON value, kept as text."""

    nullable: bool = True


Node: TypeAlias = Scalar | Array | Object | JsonText
