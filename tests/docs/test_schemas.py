"""The JSON Schemas of `--json` and `--report`: they are those of the classes, and the output of every command is valid."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from batchfiles.cli.main import COMMANDS, exit_code, main, root_context

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

sys.path.insert(0, str(DOCS))
import schemas  # noqa: E402 - a script next to the pages

FIXTURES = ("chat_completions", "responses", "embeddings", "moderations", "all_failed", "azure")

PREPARE = "prepare rows.csv -o made.jsonl --template template.json --id 'r{{id}}' --json"
SHAPES = " ".join(
    f"fixtures/shapes/{name}.jsonl" for name in ("requests", "chat_*", "cut_line", "error_*", "responses_*", "blank_lines")
)
SEND = "submit requests.jsonl --no-validate"

RECIPES: dict[str, dict[str, list[str]]] = {
    "validate": {
        "validate --json": [
            "validate fixtures/chat_completions fixtures/shapes/input_*.jsonl --json",
            "validate broken.jsonl --json",
        ]
    },
    "prepare": {"prepare --json": [PREPARE]},
    "edit": {"edit --json": ["edit requests.jsonl -o edited.jsonl --set body.n=1 --json"]},
    "split": {"split --json": ["split requests.jsonl unended.jsonl -o campaign --max-requests 5 --json"]},
    "merge": {"merge --json": ["merge requests.jsonl unended.jsonl -o merged.jsonl --json"]},
    "join": {
        "join --json": [f"join fixtures/{name} -o {name}.parquet --json" for name in FIXTURES],
        "join --report": [f"join {SHAPES} -o shapes.parquet --report report.json", "cat report.json"],
    },
    "export": {
        "export --json": [f"export fixtures/{name}/*_*.jsonl -o {name}.parquet --json" for name in FIXTURES],
        "export --report": ["export fixtures/azure/*_output.jsonl -o azure.parquet --report report.json", "cat report.json"],
    },
    "retry": {"retry --json": ["retry fixtures/chat_completions -o again.jsonl --json"]},
    "stats": {
        "stats --json": [
            "stats fixtures/chat_completions fixtures/embeddings --json",
            "stats fixtures/chat_completions --price gpt-4o-mini=0.15/0.60 --batch-discount 0.5 --json",
            f"stats {SHAPES} --json",
        ]
    },
    "errors": {"errors --json": [f"errors {SHAPES} --json", "errors fixtures/chat_completions --ids --json"]},
    "get": {"get --json": ["get --id ticket-0013 fixtures/chat_completions --json"]},
    "limits": {"limits --json": ["limits --json", "limits vllm --json"]},
    "row": {
        "join --format jsonl": ["join fixtures/chat_completions -o - --format jsonl"],
        "export --format jsonl": ["export fixtures/moderations/*_*.jsonl -o - --format jsonl"],
        "show --json": ["join fixtures/responses -o joined.parquet", "show joined.parquet --json"],
    },
    "vector": {
        "join --format jsonl": ["join fixtures/embeddings -o - --format jsonl"],
        "export --format jsonl": ["export fixtures/embeddings/*_*.jsonl -o - --format jsonl"],
        "show --json": ["join fixtures/embeddings -o joined.parquet", "show joined.parquet --json"],
    },
    "run": {
        "run --json": ["run requests.jsonl -o table.parquet --json"],
        "run --report": [
            *("run requests.jsonl -o table.parquet --once --report report.json", "cat report.json"),
            *("run requests.jsonl -o table.parquet --report report.json", "cat report.json"),
        ],
    },
    "plan": {"run --dry-run --json": ["run requests.jsonl -o table.parquet --dry-run --json"]},
    "probe": {"probe --json": ["probe requests.jsonl -n 2 --json"]},
    "batch": {
        "submit --json": ["submit requests.jsonl --json"],
        "status --json": ["submit repeated.jsonl --no-validate", "status repeated.jsonl --json"],
        "list --json": [SEND, "list --json"],
        "wait --json": [SEND, "wait requests.jsonl --json"],
        "cancel --json": [SEND, "cancel requests.jsonl --json"],
    },
    "download": {"download --json": [SEND, "download requests.jsonl -o results --json"]},
    "file": {
        "files upload --json": ["files upload requests.jsonl --json"],
        "files list --json": ["files upload requests.jsonl", "files list --json"],
        "files get --json": ["files upload requests.jsonl", "files get ID --json"],
    },
    "deleted": {"files delete --json": ["files upload requests.jsonl", "files delete ID --json"]},
}
"""For each schema and command, commands that print JSON or prepare for it; `ID` is what the one before printed."""

SERVICE = ("run", "plan", "probe", "batch", "download", "file", "deleted")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with the fixtures and a few files."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    monkeypatch.chdir(tmp_path)
    requests = Path("fixtures/chat_completions/requests.jsonl").read_bytes()
    lines = requests.splitlines(keepends=True)
    Path("requests.jsonl").write_bytes(requests)
    Path("repeated.jsonl").write_bytes(b"".join([*lines, lines[0]]))
    Path("unended.jsonl").write_bytes(requests.replace(b"ticket-", b"second-").rstrip(b"\n"))
    Path("broken.jsonl").write_bytes(b"".join([*lines, b"{\n", b"\n", b"[]\n", lines[0]]))
    Path("rows.csv").write_text("id,text\n1,Hello\n2,Good day\n")
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "{{text}}"}]}
    Path("template.json").write_text(json.dumps({"method": "POST", "url": "/v1/chat/completions", "body": body}))
    return tmp_path


@pytest.fixture
def service(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a local server for the commands that need it."""
    if name not in SERVICE:
        yield
        return
    for needed in ("starlette", "uvicorn", "httpx2"):
        pytest.importorskip(needed)
    from batchfiles.testing import Server

    with Server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
        yield


def values_of(text: str) -> list[Any]:
    """Return the JSON values of an output: one, or one a line."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line]


def schema(name: str) -> Any:
    """Return an installed schema."""
    return json.loads((schemas.FOLDER / f"{name}.schema.json").read_text("utf-8"))


def run(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command line, with globs, and return its output; `cat` prints a file."""
    first, *arguments = shlex.split(command)
    if first == "cat":
        return Path(arguments[0]).read_text()
    found = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in arguments]
    code = exit_code([first, *(word for words in found for word in words)])
    shown = capsys.readouterr()
    assert code in (0, 1), shown.err
    return shown.out


CASES = [(name, command) for name, recipes in RECIPES.items() for command in recipes]


@pytest.mark.usefixtures("place", "service")
@pytest.mark.parametrize(("name", "command"), CASES, ids=[f"{name}-{command}" for name, command in CASES])
def test_the_output_of_a_command_is_valid(name: str, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every line that it prints. A new key needs a description in its class, and `python docs/schemas.py`."""
    validator = jsonschema.Draft202012Validator(schema(name))
    printed = 0
    words = ""
    for each in RECIPES[name][command]:
        words = run(each.replace(" ID ", f" {words.strip()} "), capsys)
        if each.endswith((" --json", "--format jsonl")) or each.startswith("cat "):
            values = values_of(words)
            assert [error.message for value in values for error in validator.iter_errors(value)] == []
            printed += len(values)
    assert printed


def json_options(group: click.Group, context: click.Context) -> Iterator[str]:
    """Yield each command with `--json` or `--report`."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        path = f"{context.command_path} {name}".removeprefix("batchfiles ")
        if isinstance(command, click.Group):
            yield from json_options(command, click.Context(command, info_name=name, parent=context))
        for parameter in command.params:
            for option in {"--json", "--report"} & {*parameter.opts}:
                yield f"{path} {option}"


def test_each_output_has_a_schema_and_a_recipe() -> None:
    """Of every command with `--json` or `--report`."""
    named = {command for output in schemas.OUTPUTS.values() for command in output.commands}
    assert {*json_options(main, root_context())} <= named
    assert {name: set(output.commands) for name, output in schemas.OUTPUTS.items()} == {
        name: set(recipes) for name, recipes in RECIPES.items()
    }
    assert {command.split()[0] for command in named} <= set(COMMANDS)


def test_the_schemas_are_those_of_the_classes() -> None:
    """After a change of a report, `python docs/schemas.py` writes them again."""
    assert {path.name for path in schemas.FOLDER.iterdir()} == {f"{name}.schema.json" for name in schemas.OUTPUTS}
    for name in schemas.OUTPUTS:
        assert (schemas.FOLDER / f"{name}.schema.json").read_text("utf-8") == schemas.text_of(name), name


def properties_of(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the properties of a schema and its definitions."""
    for key, each in value.get("properties", {}).items():
        yield f"{place}.{key}", each
    for key, each in value.get("$defs", {}).items():
        yield from properties_of(each, f"{place} {key}")


@pytest.mark.parametrize("name", schemas.OUTPUTS)
def test_a_schema_describes_every_key_and_allows_no_other(name: str) -> None:
    """Objects of the service, manifests, and tables with the user's columns may have more."""
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert [place for place, each in properties_of(found, name) if "description" not in each] == []
    is_open = name in {"row", "vector", "batch", "file", "split"}
    assert is_open or '"additionalProperties": true' not in json.dumps(found)
    assert re.fullmatch(rf"urn:batchfiles:\d+\.\d+:{name}", found["$id"])


def test_the_page_lists_each_schema() -> None:
    """With its commands, in the order of the script."""
    page = (DOCS / "json.md").read_text("utf-8")
    rows = re.findall(r"^\| \[`(\w+)`\]\(([^)]*)\) \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE)
    assert rows == [
        (name, f"../batchfiles/schemas/{name}.schema.json", output.title, ", ".join(f"`{each}`" for each in output.commands))
        for name, output in schemas.OUTPUTS.items()
    ]


def test_a_wrong_output_would_be_found() -> None:
    """A key that is missing, one that is not described, and one of another type."""
    validator = jsonschema.Draft202012Validator(schema("download"))
    right = {"id": "batch_1", "status": "completed", "files": ["a.jsonl"]}
    assert validator.is_valid(right)
    assert not any(map(validator.is_valid, ({**right, "more": 1}, {**right, "files": "a.jsonl"}, {"id": "batch_1", "files": []})))
