"""The package itself: its names, and how little it costs to import."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import FunctionType

import pytest

import batchfiles
from batchfiles import _HOME_OF
from batchfiles import errors as every_error

UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
"""Measuring coverage imports a lot."""

LIGHT = """
import sys, time
start = time.perf_counter()
import batchfiles
seconds = time.perf_counter() - start
heavy = [name for name in ("pyarrow", "orjson", "click", "json", "dataclasses") if name in sys.modules]
print(seconds, *heavy)
"""


def test_the_names_are_sorted_and_each_is_there() -> None:
    """Constants, then classes, then functions, as ruff sorts `__all__`; nothing is listed twice or leads nowhere."""
    assert len(set(batchfiles.__all__)) == len(batchfiles.__all__)
    for name in batchfiles.__all__:
        assert getattr(batchfiles, name) is not None
    assert {*_HOME_OF, "__version__"} == set(batchfiles.__all__)
    assert set(batchfiles.__all__) <= set(dir(batchfiles))


def test_every_exception_is_public() -> None:
    """To catch an error, a caller must be able to name it."""
    assert set(every_error.__all__) <= set(batchfiles.__all__)


def test_a_function_is_not_hidden_by_a_module_of_its_name() -> None:
    """`batchfiles.join` stays the function after any import."""
    import batchfiles.cli.join
    import batchfiles.jobs.join
    import batchfiles.jobs.join.export
    import batchfiles.jobs.validate
    import batchfiles.table.rows

    for name in ("join", "export", "validate", "schema"):
        assert isinstance(getattr(batchfiles, name), FunctionType)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As with any module."""
    with pytest.raises(AttributeError, match="module 'batchfiles' has no attribute 'jion'"):
        _ = batchfiles.jion  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_package() -> None:
    """It is in one place: the package's metadata."""
    assert batchfiles.__version__ == version("batchfiles")


def test_importing_the_package_is_fast_and_imports_nothing_heavy() -> None:
    """Under 0.1 s, in the best of three runs: the machine may be busy."""
    seconds = []
    for _ in range(3):
        answer = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True, env=UNMEASURED)
        time, *heavy = answer.stdout.split()
        assert heavy == []
        seconds.append(float(time))
    assert min(seconds) < 0.1


def test_help_imports_nothing_heavy() -> None:
    """`batchfiles --help` answers fast."""
    code = "import sys; from batchfiles.cli.main import exit_code; exit_code(['--help']); sys.exit('pyarrow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def public_functions() -> list[FunctionType]:
    """Return the public functions, and the public methods of public classes."""
    found = []
    for name in batchfiles.__all__:
        value = getattr(batchfiles, name)
        if isinstance(value, FunctionType):
            found.append(value)
        elif isinstance(value, type) and not issubclass(value, BaseException):
            members = {key: each for base in value.__mro__ for key, each in vars(base).items()}
            found += [each for key, each in members.items() if isinstance(each, FunctionType) and not key.startswith("_")]
    return found


@pytest.mark.parametrize("function", public_functions(), ids=lambda function: function.__qualname__)
def test_parameters_have_the_agreed_names(function: FunctionType) -> None:
    """One name for one thing, and none that hides a builtin: a caller who knows one function can guess the others."""
    old = {"force", "cap", "set", "all", "id", "except_", "on_bytes", "target", "folder"}
    assert not old & set(inspect.signature(function).parameters)


@pytest.mark.parametrize("function", public_functions(), ids=lambda function: function.__qualname__)
def test_signatures_are_written_out(function: FunctionType) -> None:
    """`help()` and an editor show each option with its default: `**options` hid them all."""
    if not function.__module__.startswith("batchfiles.api"):  # their own data has keys that services choose
        parameters = inspect.signature(function).parameters.values()
        assert all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters)


FOREIGN = frozenset(
    [
        "Any",
        "Awaitable",
        "Callable",
        "DataFrame",
        "Decimal",
        "ForwardRef",
        "Iterable",
        "Iterator",
        "Mapping",
        "None",
        "PathLike",
        "RecordBatch",
    ]
) | frozenset(["RecordBatchReader", "Schema", "Self", "Sequence", "Table"])
"""Names of the standard library, pyarrow, pandas and polars."""

INNER = frozenset(["Action", "Body", "Division", "JSONBytes", "OnUpdate", "Path", "ReportT"])
"""Short names for builtin types and closed choices, which an annotation can say without them."""


def test_types_that_are_reachable_are_public() -> None:
    """The type of a parameter or a result is imported from `batchfiles`, not from a module."""
    words: dict[str, str] = {}
    for function in public_functions():
        if function.__module__.startswith(("batchfiles.api", "batchfiles.client")):
            continue
        signature = inspect.signature(function)
        for annotation in (*(each.annotation for each in signature.parameters.values()), signature.return_annotation):
            plain = re.sub(r"Literal\[.*?\]", "", str(annotation))
            words |= dict.fromkeys(re.findall(r"\b[A-Z]\w+", plain), function.__qualname__)
    assert {name: where for name, where in words.items() if name not in FOREIGN | INNER | {*batchfiles.__all__}} == {}


def test_every_report_and_record_becomes_plain_values() -> None:
    """`to_dict()` is the same for all of them, and JSON can hold its value."""
    folder = Path(__file__).parents[1] / "fixtures" / "chat_completions"
    requests = folder / "requests.jsonl"
    report = batchfiles.validate(requests)
    digest = batchfiles.error_digest(folder)
    values = [
        report,
        *report.files,
        batchfiles.join(folder).summarize(),
        digest,
        *digest.groups,
        batchfiles.stats(folder),
        *batchfiles.get("ticket-0001", folder),
        *batchfiles.read_inputs(requests),
        *batchfiles.read_outputs(*folder.glob("batch_*.jsonl")),
        batchfiles.OPENAI,
        batchfiles.Finding(code="blank_line", message="It is blank."),
    ]
    for value in values:
        assert json.loads(json.dumps(value.to_dict())), value
    line = next(batchfiles.read_inputs(requests))
    assert batchfiles.encode_input(line) == json.dumps(line.to_dict(), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
