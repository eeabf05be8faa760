"""The page of codes: every code of a finding or an error in the code is on it, and nothing else.

The codes are collected from the syntax trees of the modules: each value that reaches a parameter, a field or a class attribute
called `code` or `error_code`. A value that is neither a constant nor such a field of another object fails the test, so that no
code can be missed.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from batchfiles import errors
from batchfiles.errors import DataError
from batchfiles.limits import AZURE, PROFILES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "batchfiles"
PAGE = (ROOT / "docs" / "codes.md").read_text("utf-8")

CODE = {"code", "error_code"}
FORMATS = {"<e", "<f"}
"""Formats of `struct`, in a parameter that is called `code` too."""

WORDS_OF_SERVICES = {"api/batch.py", "api/responses.py", "bodies/chat_completions.py", "bodies/errors.py"}
"""Modules that read codes from the answers of services; they may create codes too."""
GROUPS_OF_RESULTS = {"jobs/retry/report.py", "jobs/stats/error_digest.py"}
"""Modules that count results by their codes."""
WITHOUT_SEVERITY = {"APIError", "ErrorInfo", "_malformed", "_replace", "malformed_input"}
"""Callables that make errors and results, and no findings."""
SEVERITIES = ("error", "warning", "info")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Scan:
    """The codes of the package.

    Attributes:
        modules: By code, the modules that create it.
        severities: By code, the severities of its findings; none for a code that only results have.
        unknown: Values at the place of a code whose origin the scan can't follow.
    """

    def __init__(self, trees: dict[str, ast.Module]) -> None:
        self.modules: dict[str, set[str]] = defaultdict(set)
        self.severities: dict[str, set[str]] = defaultdict(set)
        self.unknown: list[str] = []
        self._trees = trees
        self._parameters = {key: names for name, tree in trees.items() for key, names in _callables(name, tree)}
        for name, tree in trees.items():
            self._scan(name, tree)
        for code in self.severities.keys() & PROFILES["none"].__dataclass_fields__.keys():  # `validate` asks the profile
            self.severities[code] |= {getattr(profile, code) for profile in PROFILES.values()}

    def _scan(self, module: str, tree: ast.Module) -> None:
        functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
        within = {id(inner): function for function in functions for inner in ast.walk(function)}  # the innermost comes last
        for node in ast.walk(tree):
            function = within.get(id(node))
            if isinstance(node, ast.Call):
                self._scan_call(module, node, function)
            elif isinstance(node, ast.ClassDef):
                for each in node.body:
                    if isinstance(each, ast.Assign) and CODE & {getattr(target, "id", "") for target in each.targets}:
                        self._add(module, each.value, None, {"error"})
            elif isinstance(node, ast.Assign) and CODE & {getattr(target, "attr", "") for target in node.targets}:
                self._add(module, node.value, function, set())

    def _scan_call(self, module: str, node: ast.Call, function: Function | None) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        homes = ["", module, *self._imported_from(module, name)]
        names = next((self._parameters[home, name] for home in homes if (home, name) in self._parameters), ())
        given = dict(zip(names, node.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        severities = set() if name in WITHOUT_SEVERITY else self._severities_of(given.get("severity"))
        for key in CODE & given.keys():
            self._add(module, given[key], function, severities)

    def _add(self, module: str, value: ast.expr, function: Function | None, severities: set[str]) -> None:
        for code in self._values(module, value, function) - FORMATS:
            self.modules[code].add(module)
            self.severities[code] |= severities

    def _values(self, module: str, value: ast.expr, function: Function | None) -> set[str]:
        """Return the constants that a value may be."""
        several: list[ast.expr] = []
        match value:
            case ast.Constant(value=constant):
                return {constant} if constant else set()
            case ast.IfExp():
                several = [value.body, value.orelse]
            case ast.BoolOp():
                several = value.values
            case ast.Attribute(attr=name) if name in CODE:  # collected where the object was made
                return set()
            case ast.Call(func=ast.Attribute(attr="get")):  # a key of a decoded line
                return set()
            case ast.Attribute(attr=name) if name.isupper():
                several = [each for tree in self._trees.values() for each in _assigned(tree, name)]
            case ast.Name(id=name):
                several = [*_assigned(function, name)] if function else []
                if not several and function and name in CODE & _parameters_of(function):
                    return set()  # its calls are scanned
                several = several or [*self._constants(module, name)]
        if several:
            return set().union(*(self._values(module, each, function) for each in several))
        if module not in WORDS_OF_SERVICES | GROUPS_OF_RESULTS:
            self.unknown.append(f"{module}:{value.lineno}: {ast.unparse(value)}")
        return set()

    def _constants(self, module: str, name: str) -> Iterator[ast.expr]:
        """Yield the value of a name of a module, which may be imported."""
        yield from _assigned(self._trees[module], name)
        for file in self._imported_from(module, name):
            yield from self._constants(file, name)

    def _imported_from(self, module: str, name: str) -> Iterator[str]:
        """Yield the module that a module imports a name from."""
        for node in self._trees[module].body:
            if isinstance(node, ast.ImportFrom) and name in {each.name for each in node.names}:
                path = (node.module or "").removeprefix("batchfiles").lstrip(".").replace(".", "/")
                yield from (file for file in (f"{path}.py", f"{path}/__init__.py") if file in self._trees)

    def _severities_of(self, value: ast.expr | None) -> set[str]:
        """Return the severities of a finding: a constant, one of two, or a field of the profiles."""
        match value:
            case None:
                return {"error"}
            case ast.Constant(value=constant):
                return {constant}
            case ast.IfExp():
                return self._severities_of(value.body) | self._severities_of(value.orelse)
            case ast.Attribute(attr=name) if name != "severity":
                return {getattr(profile, name) for profile in PROFILES.values()}
            case ast.Name():  # a parameter, which is an error by default
                return {"error", "warning"}
        return set()


def _callables(module: str, tree: ast.Module) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Yield each callable that takes a code, with its parameters; private functions only for their own module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            names = [
                each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            ]
            if "code" in names:
                yield ("", node.name), names
        elif isinstance(node, Function) and node.name != "__init__":
            arguments = [each for each in node.args.args if each.arg not in ("self", "cls")]
            if any(each.arg in CODE and "int" not in ast.unparse(each.annotation or each) for each in arguments):
                yield (module if node.name.startswith("_") else "", node.name), [each.arg for each in arguments]


def _parameters_of(function: Function) -> set[str]:
    return {each.arg for each in [*function.args.args, *function.args.kwonlyargs]}


def _assigned(tree: Function | ast.Module, name: str) -> Iterator[ast.expr]:
    """Yield what is assigned to a name in a function or at the top of a module, also as one of several."""
    for node in tree.body if isinstance(tree, ast.Module) else ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and node.value and getattr(node.target, "id", "") == name:
            yield node.value
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name) and target.id == name:
                yield node.value
            elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=True)
                yield from (value for each, value in pairs if getattr(each, "id", "") == name)


@cache
def package() -> Scan:
    """Scan the package without the local server, which uses the codes of services."""
    files = {str(file.relative_to(PACKAGE)): file for file in sorted(PACKAGE.rglob("*.py"))}
    return Scan({name: ast.parse(file.read_text("utf-8")) for name, file in files.items() if not name.startswith("testing/")})


def rows(width: int) -> list[list[str]]:
    """Return the rows of the tables of the page that have so many columns."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    found = [[cell.strip() for cell in line[2:-2].split(" | ")] for line in lines]
    return [row for row in found if len(row) == width]


def test_the_scan_understands_each_code() -> None:
    """A code whose origin it can't follow could be missing on the page."""
    assert package().unknown == []


def test_each_code_is_on_the_page_once() -> None:
    """In both directions: no code of the code is missing, and none of the page has gone."""
    named = [row[0].strip("`") for row in rows(4)]
    assert sorted(named) == sorted(package().modules)


@pytest.mark.parametrize("row", rows(4), ids=lambda row: row[0].strip("`"))
def test_the_page_has_the_severities_and_modules_of_a_code(row: list[str]) -> None:
    """As the scan finds them; the modules of the exceptions' own codes are in another table."""
    code, severities, meaning, modules = row
    found = package()
    code = code.strip("`")
    assert severities == (", ".join(each for each in SEVERITIES if each in found.severities[code]) or "-")
    assert set(re.findall(r"`([^`]+)`", modules)) == found.modules[code] - {"errors.py"}
    assert meaning


def test_the_page_has_each_exception_with_its_code() -> None:
    """Those with their own code, in the order of the tree of exceptions."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DataError)]
    wanted = [[f"`{kind.__name__}`", f"`{kind.code}`"] for kind in kinds if "code" in vars(kind)]
    assert [row for row in rows(2) if row[0].endswith("Error`")] == wanted


def test_the_page_has_the_words_of_azure() -> None:
    """As the profile has them."""
    assert {row[0].strip("`"): row[1].strip("`") for row in rows(2) if not row[0].endswith("Error`")} == AZURE.service_codes


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('Finding(code="a", message="m")', {"a"}),
        ('class Violation(NamedTuple):\n    code: str\n\nyield_ = Violation("a", "m")', {"a"}),
        ('NAME = "a"\ndef f():\n    raise InvalidLineError("m", code=NAME)', {"a"}),
        ('def f(x):\n    code, path = "a", x\n    if x:\n        code = "b"\n    return g(code=code)', {"a", "b"}),
        ('def _say(code: str): ...\ndef f(x):\n    _say("a" if x else "b")', {"a", "b"}),
        ('class E(DataError):\n    code = "a"', {"a"}),
        ('result._replace(error_code="a")', {"a"}),
        ("def f(error):\n    return Finding(code=error.code)", set()),
    ],
)
def test_the_scan_finds_codes_in_each_form(text: str, codes: set[str]) -> None:
    """In calls by keyword and by position, in constants, variables, parameters and class attributes."""
    found = Scan({"module.py": ast.parse(text)})
    assert set(found.modules) == codes
    assert found.unknown == []


def test_the_scan_reports_what_it_does_not_understand() -> None:
    """Such as a code that is put together."""
    assert Scan({"module.py": ast.parse('Finding(code="a" + name)')}).unknown == ["module.py:1: 'a' + name"]
