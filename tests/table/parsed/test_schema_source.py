"""Where a JSON Schema may come from: a value, a file, a pydantic model."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import batchfiles
from batchfiles import FileError, MismatchError, MissingDependencyError
from batchfiles.table.parsed_schema import load_schema

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}

MODEL = """
from datetime import date
from enum import Enum
from typing import Literal, Optional

from pydantic import BaseModel


class Branch(Enum):
    NORTH = "north"
    SOUTH = "south"


class Author(BaseModel):
    name: str
    born: Optional[date] = None


class Book(BaseModel):
    title: str
    copies: int
    price: float | None
    branch: Branch
    kind: Literal["book", "map"]
    authors: list[Author]
    extra: dict[str, int]


count = 5
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Go to a folder with a module of pydantic models, whose name no other test uses."""
    monkeypatch.chdir(tmp_path)
    name = f"models_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODEL)
    return name


def test_a_file_and_a_value_say_the_same(tmp_path: Path) -> None:
    """With a byte order mark or without."""
    path = tmp_path / "answer.json"
    path.write_text(json.dumps(SCHEMA))
    assert load_schema(path) == load_schema(str(path)) == load_schema(SCHEMA) == SCHEMA
    path.write_text(json.dumps(SCHEMA), "utf-8-sig")
    assert load_schema(path) == SCHEMA


def test_a_model_of_the_current_folder_is_found_by_its_name(module: str) -> None:
    """Nested models, enums, literals and unions with None have types; a map has none. The imported module is unchanged."""
    pytest.importorskip("pydantic")
    before = list(sys.path)
    kind = batchfiles.schema(parsed=f"{module}:Book", parse_dates=True).field("parsed").type
    text = pa.string()
    assert kind == pa.struct(
        [
            ("title", text),
            ("copies", pa.int64()),
            ("price", pa.float64()),
            ("branch", text),
            ("kind", text),
            ("authors", pa.list_(pa.struct([("name", text), ("born", pa.date32())]))),
            ("extra", text),
        ]
    )
    assert sys.path == before


def test_a_class_is_taken_as_it_is() -> None:
    """A model, and any other type that pydantic understands."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Answer", n=(int, ...))
    assert batchfiles.schema(parsed=model).field("parsed").type == pa.struct([("n", pa.int64())])
    assert batchfiles.schema(parsed=list[int]).field("parsed").type == pa.list_(pa.int64())


def test_a_file_named_like_a_model_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An existing file has precedence."""
    monkeypatch.chdir(tmp_path)
    Path("answer:json").write_text(json.dumps(SCHEMA))
    assert load_schema("answer:json") == SCHEMA


def test_a_model_without_pydantic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, before anything is imported."""
    monkeypatch.setattr("batchfiles.table.parsed_schema.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install pydantic"):
        load_schema("models:Book")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module_here:Book", "ModuleNotFoundError"),
        ("{module}:Boook", "has no attribute 'Boook'"),
        ("{module}:count", "makes no JSON Schema"),
    ],
)
def test_an_invalid_model_is_reported_in_one_sentence(module: str, name: str, words: str) -> None:
    """No traceback of another module."""
    pytest.importorskip("pydantic")
    assert importlib.util.find_spec("no_such_module_here") is None
    with pytest.raises(MismatchError, match=words) as caught:
        load_schema(name.format(module=module))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '"a"', "\xff"])
def test_a_file_that_holds_no_schema_is_named(tmp_path: Path, text: str) -> None:
    """With the fault."""
    path = tmp_path / "answer.json"
    path.write_text(text, "latin-1")
    with pytest.raises(MismatchError, match=r"answer\.json: a JSON Schema was expected"):
        load_schema(path)


def test_a_file_that_is_not_there_can_not_be_read(tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(FileError, match="no such file"):
        load_schema(tmp_path / "answer.json")


def test_a_value_that_is_not_json_is_refused() -> None:
    """It has to travel to other processes and into the file."""
    with pytest.raises(MismatchError, match="the JSON Schema can't be used"):
        load_schema({"enum": [object()]})
