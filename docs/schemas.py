"""Writes the JSON Schemas of `--json` and `--report` from the classes of the reports and their docstrings.

`python docs/schemas.py` writes them to `batchfiles/schemas`. A test compares them with the classes, and with real output.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

import batchfiles

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "batchfiles" / "schemas"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer"}
TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
LISTS: Final = (tuple, Sequence, list)


class Output(NamedTuple):
    """What a command prints.

    Attributes:
        title: What it is.
        commands: The options that print it.
        kind: The class of the report; None if the keys are in `KEYS`.
    """

    title: str
    commands: tuple[str, ...]
    kind: type | None = None


OUTPUTS: Final[dict[str, Output]] = {
    "validate": Output("The report of validate", ("validate --json",), batchfiles.Report),
    "prepare": Output("The report of prepare", ("prepare --json",), batchfiles.PrepareReport),
    "edit": Output("The report of edit", ("edit --json",), batchfiles.EditReport),
    "split": Output("The report of split", ("split --json",), batchfiles.SplitReport),
    "merge": Output("The report of merge", ("merge --json",), batchfiles.MergeReport),
    "join": Output("The report of join", ("join --json", "join --report"), batchfiles.JoinReport),
    "export": Output("The report of export", ("export --json", "export --report"), batchfiles.ExportReport),
    "retry": Output("The report of retry", ("retry --json",), batchfiles.RetryReport),
    "stats": Output("The report of stats", ("stats --json",), batchfiles.Stats),
    "errors": Output("The report of errors", ("errors --json",), batchfiles.ErrorDigest),
    "get": Output("A line that get found", ("get --json",), batchfiles.Occurrence),
    "limits": Output(
        "The limits of a service; without a name, a list of those of all services", ("limits --json",), batchfiles.Limits
    ),
    "row": Output("A row of the requests table", ("join --format jsonl", "export --format jsonl", "show --json")),
    "vector": Output("A row of the embeddings table", ("join --format jsonl", "export --format jsonl", "show --json")),
    "run": Output("The report of run", ("run --json", "run --report"), batchfiles.RunReport),
    "plan": Output("The parts that run would send", ("run --dry-run --json",), batchfiles.RunPlan),
    "probe": Output("A response of the live endpoint", ("probe --json",)),
    "batch": Output(
        "A batch", ("submit --json", "status --json", "list --json", "wait --json", "cancel --json"), batchfiles.Batch
    ),
    "download": Output("The files of a batch", ("download --json",)),
    "file": Output(
        "A file at the service", ("files upload --json", "files list --json", "files get --json"), batchfiles.FileObject
    ),
    "deleted": Output("A file that was deleted", ("files delete --json",), batchfiles.FileDeleted),
}
"""What the commands print, by the name of its schema."""


def described(schema: Schema, description: str) -> Schema:
    """Return a schema with a description."""
    return {"description": description, **schema}


KIND: Final = "What this object is."
DETAILS: Final[Schema] = {"type": "object", "additionalProperties": COUNT}

PLACE: Final = {
    "code": described(TEXT, "The code of the finding."),
    "path": described(TEXT_OR_NULL, "The file."),
    "line_number": described({"type": ["integer", "null"]}, "The line, counted from 1."),
}

ADDED: Final[dict[type, dict[str, Schema]]] = {
    batchfiles.Report: {
        "ok": described({"type": "boolean"}, "Whether there are no errors; there may be warnings."),
        "findings_not_listed": described(COUNT, "How many findings were counted, but are not among `findings`."),
    },
    batchfiles.FindingGroup: {
        "code": described(TEXT, "The code of the findings."),
        "severity": described({"enum": ["error", "warning", "info"]}, "Their severity."),
        "message": described(TEXT, "The message of the first one."),
        "path": described(TEXT_OR_NULL, "The file."),
        "json_path": described(TEXT_OR_NULL, "The place in the line."),
    },
    batchfiles.SplitReport: {
        "requests": described(COUNT, "The lines of all parts."),
        "bytes": described(COUNT, "The bytes of all parts, uncompressed."),
        "findings": described({"type": "array", "items": {"$ref": "#/$defs/Place"}}, "What was found in the lines."),
    },
    batchfiles.MergeReport: {
        "findings": described({"type": "array", "items": {"$ref": "#/$defs/Place"}}, "What was found in the lines."),
    },
    batchfiles.Manifest: {"format": described({"const": "batchfiles-campaign"}, "What this file is.")},
    batchfiles.Occurrence: {
        "outcome": described({"enum": [*batchfiles.OUTCOMES, None]}, "The outcome of a result; null for a request."),
        "line": described({"type": ["object", "null"]}, "The line; null if it can't be read."),
        "text": described(TEXT, "The text of a line that can't be read."),
    },
    batchfiles.RunPlan: {
        "requests": described(COUNT, "The requests of all parts."),
        "bytes": described(COUNT, "The bytes of all parts."),
        "tokens": described(COUNT, "The estimated input tokens of all parts."),
    },
    batchfiles.Batch: {
        "object": described({"const": "batch"}, KIND),
        "file": described(TEXT_OR_NULL, "The local request file, if it is known."),
    },
    batchfiles.BatchErrors: {"object": described({"const": "list"}, KIND)},
    batchfiles.BatchError: {"custom_id": described(TEXT, "The id of the request on the line, if the request file is known.")},
    batchfiles.BatchUsage: {
        "input_tokens_details": described(DETAILS, "How many input tokens came from a cache: `cached_tokens`."),
        "output_tokens_details": described(DETAILS, "How many output tokens went into reasoning: `reasoning_tokens`."),
    },
    batchfiles.FileObject: {"object": described({"const": "file"}, KIND)},
    batchfiles.FileDeleted: {"object": described({"const": "file"}, KIND)},
}
"""Keys that `to_dict()` computes, by the class of the report."""

LEFT_OUT: Final[dict[type, set[str]]] = {
    batchfiles.FindingGroup: {"first"},
    batchfiles.Occurrence: {"data"},
    batchfiles.BatchUsage: {"cached_tokens", "reasoning_tokens"},
}
"""Fields that `to_dict()` does not write, in addition to `extra` and `odd`."""

OPTIONAL: Final[dict[type, set[str]]] = {
    batchfiles.Occurrence: {"text"},
    batchfiles.Part: {"source", "first_line", "last_line", "by", "batches", "retry_of"},
    batchfiles.BatchError: {"custom_id"},
    batchfiles.FileObject: {"expires_at", "status_details"},
}
"""Keys that are missing if they have no value."""

FILES: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"path": TEXT, "role": {"enum": ["inputs", "results", "empty"]}, "bytes": {"type": ["integer", "null"]}},
        "required": ["path", "role", "bytes"],
        "additionalProperties": False,
    },
}

KEYS: Final[dict[str, dict[str, Schema]]] = {
    "probe": {
        "line": described(COUNT, "The line of the request."),
        "custom_id": described(TEXT, "The id of the request."),
        "outcome": described({"enum": list(batchfiles.OUTCOMES)}, "The outcome that the response has in a batch."),
        "status_code": described(COUNT, "The HTTP status."),
        "error_code": described(TEXT_OR_NULL, "The code of an error."),
        "error_message": described(TEXT_OR_NULL, "The message of an error."),
        "seconds": described({"type": "number"}, "How long the call took."),
        "body": described({}, "The body of the response: an object, a text that is not JSON, or null."),
    },
    "download": {
        "id": described(TEXT, "The id of the batch."),
        "status": described(TEXT, "The status of the batch."),
        "files": described({"type": "array", "items": TEXT}, "The files that were downloaded."),
    },
}
"""The keys of outputs without a class."""

PLAIN: Final[dict[Any, Schema]] = {
    str: TEXT,
    int: COUNT,
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    Decimal: described(TEXT, "An amount with all digits."),
    type(None): {"type": "null"},
    Any: {},
}


def attributes_of(kind: type) -> dict[str, str]:
    """Return the descriptions of the attributes in the docstrings of a class and its bases."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = re.search(r"^(?:Attributes|Args):\n((?:    .*\n?|\n)*)", inspect.cleandoc(base.__doc__ or ""), re.MULTILINE)
        for name, words in re.findall(r"^    (\w+): ((?:.*\n?)(?:^ {8,}.*\n?)*)", section[1] if section else "", re.MULTILINE):
            found[name] = " ".join(words.split())
    return found


class Writer:
    """Makes the schema of one output; the classes in it become its definitions."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def of_class(self, kind: type) -> Schema:
        """Return the schema of the object that `to_dict()` of a class returns."""
        hints = typing.get_type_hints(
            kind, localns={**vars(batchfiles), "Any": Any, "Mapping": Mapping, "Decimal": Decimal, "datetime": datetime}
        )
        names = [each.name for each in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else list(kind._fields)  # type: ignore[attr-defined]
        words, added = attributes_of(kind), ADDED.get(kind, {})
        left_out = LEFT_OUT.get(kind, set()) | {"extra", "odd"}
        properties: dict[str, Schema] = {}
        for name in names:
            if name not in left_out and name not in added:
                schema = FILES if name == "files" and issubclass(kind, TABLES) else self.of_type(hints[name])
                properties[name] = described(schema, words[name]) if name in words else schema
        properties |= added
        if any("Place" in json.dumps(each) for each in properties.values()):
            self.definitions["Place"] = closed(PLACE, ())
        return closed(properties, OPTIONAL.get(kind, ()), is_open="extra" in names)

    def of_type(self, hint: Any) -> Schema:  # noqa: ANN401 - any annotation
        """Return the schema of a value with this annotation.

        Raises:
            TypeError: There is no rule for it.
        """
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if hint in PLAIN:
            return PLAIN[hint]
        if origin is typing.Literal:
            return {"enum": list(arguments)}
        if origin in (typing.Union, types.UnionType):
            return either([self.of_type(each) for each in arguments])
        if origin in LISTS or origin in (frozenset, set):
            return {"type": "array", "items": self.of_type(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self.of_type(arguments[1])}
        if isinstance(hint, type) and issubclass(hint, str):
            return TEXT
        if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or hasattr(hint, "_fields")):
            if hint.__name__ not in self.definitions:
                self.definitions[hint.__name__] = {}  # it may contain itself
                self.definitions[hint.__name__] = self.of_class(hint)
            return {"$ref": f"#/$defs/{hint.__name__}"}
        raise TypeError(f"no schema for {hint!r}")


TABLES: Final = (batchfiles.JoinReport, batchfiles.ExportReport)


def closed(properties: dict[str, Schema], optional: Sequence[str] | set[str], *, is_open: bool = False) -> Schema:
    """Return the schema of an object without other keys; that of an object of the service may have more."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": is_open}


def either(schemas: list[Schema]) -> Schema:
    """Return the schema of one of several; simple types are a list of types."""
    if all(set(each) == {"type"} for each in schemas):
        return {"type": [each["type"] for each in schemas]}
    return {"anyOf": schemas}


def of_column(kind: pa.DataType) -> Schema:
    """Return the schema of a value of a column in JSONL; every column may be null."""
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return {"type": ["array", "null"], "items": of_column(kind.value_type)}
    if pa.types.is_map(kind):
        return {"type": ["object", "null"], "additionalProperties": of_column(kind.item_type)}
    if pa.types.is_struct(kind):
        names = [kind.field(number) for number in range(kind.num_fields)]
        return {**closed({each.name: of_column(each.type) for each in names}, ()), "type": ["object", "null"]}
    if pa.types.is_integer(kind):
        return {"type": ["integer", "null"]}
    if pa.types.is_floating(kind):
        return {"type": ["number", "null"]}
    return {"type": ["boolean", "null"]} if pa.types.is_boolean(kind) else TEXT_OR_NULL


def columns_of(table: batchfiles.TableName) -> dict[str, Schema]:
    """Return the schemas of all columns, with the descriptions of the page."""
    page = (ROOT / "docs" / "columns.md").read_text("utf-8")
    words = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| `[^|]*` \| ([^|]*?) \|", page, re.MULTILINE)}
    found = {field.name: described(of_column(field.type), words[field.name]) for field in batchfiles.schema(table)}
    return {**found, "outcome": described({"enum": list(batchfiles.OUTCOMES)}, words["outcome"])}


def schema_of(name: str) -> Schema:
    """Return the JSON Schema of an output."""
    output, writer = OUTPUTS[name], Writer()
    if output.kind is not None:
        body = writer.of_class(output.kind)
    elif name in KEYS:
        body = closed(KEYS[name], ())
    else:
        body = {**closed(columns_of("requests" if name == "row" else "embeddings"), ()), "additionalProperties": True}
    if name == "limits":
        writer.definitions["Limits"] = body
        body = {"anyOf": [{"$ref": "#/$defs/Limits"}, {"type": "array", "items": {"$ref": "#/$defs/Limits"}}]}
    version = ".".join(batchfiles.__version__.split(".")[:2])
    definitions = {"$defs": dict(sorted(writer.definitions.items()))} if writer.definitions else {}
    return {"$schema": DIALECT, "$id": f"urn:batchfiles:{version}:{name}", "title": output.title, **body, **definitions}


def text_of(name: str) -> str:
    """Return the text of the file with the schema."""
    return json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write all schemas."""
    FOLDER.mkdir(exist_ok=True)
    for name in OUTPUTS:
        (FOLDER / f"{name}.schema.json").write_text(text_of(name), "utf-8")


if __name__ == "__main__":
    main()
