"""Words that are not in a closed list: the nearest one is named, and the exit code is that of wrong usage."""

import json

import pytest

from batchfiles.cli.main import exit_code
from batchfiles.findings import instead_of, nearest


def test_the_nearest_word_whatever_its_case():
    """Or none, where none is near."""
    assert nearest("EXPIRD", ["failed", "expired"]) == "expired"
    assert nearest("zzz", ["failed", "expired"]) is None
    assert instead_of("faild", ["failed"]) == "; did you mean 'failed'?"
    assert instead_of("zzz", ["failed", "expired"]) == "; expected failed, expired"


BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with requests, results, a table, prices and files that are not schemas."""
    monkeypatch.chdir(tmp_path)
    request = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": BODY}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"object": "chat.completion", "model": "gpt-4o-mini-2024-07-18", "choices": [], "usage": usage}
    response = {"status_code": 200, "request_id": "r", "body": body}
    result = {"id": "1", "custom_id": "a", "response": response, "error": None}
    (tmp_path / "q.jsonl").write_text(json.dumps(request) + "\n")
    (tmp_path / "r.jsonl").write_text(json.dumps(result) + "\n")
    for name, value in {
        "template.json": BODY,
        "line.json": request,
        "format.json": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
        "text.json": {"type": "json_schema", "name": "n", "schema": SCHEMA},
        "words.json": {"hello": "world"},
        "typo.json": {"type": "objct", "properties": {}},
    }.items():
        (tmp_path / name).write_text(json.dumps(value))
    for name in ("gpt-4o-mni", "gpt-4o-mini"):
        (tmp_path / f"{name}.toml").write_text(f'[models."{name}"]\ninput = 1\noutput = 2\n')
    assert exit_code(["join", "q.jsonl", "r.jsonl", "-o", "t.parquet"]) == 0
    return tmp_path


JOIN = ["join", "q.jsonl", "r.jsonl", "-o", "new.parquet"]
WRONG = [
    (["retry", "q.jsonl", "r.jsonl", "-o", "x.jsonl", "--only", "expird"], "did you mean 'expired'?"),
    (["retry", "q.jsonl", "r.jsonl", "-o", "x.jsonl", "--only", "failed,canceled"], "did you mean 'cancelled'?"),
    (["retry", "q.jsonl", "r.jsonl", "-o", "x.jsonl", "--except", "no-response"], "did you mean 'no_response'?"),
    (["retry", "q.jsonl", "r.jsonl", "-o", "x.jsonl", "--only", "5XX"], "did you mean '5xx'?"),
    (["retry", "q.jsonl", "r.jsonl", "-o", "x.jsonl", "--only", "rate_limit_exeeded"], "did you mean 'rate_limit_exceeded'?"),
    (["show", "t.parquet", "-c", "custom_id,txt"], "unknown column 'txt'; did you mean 'text'?"),
    (["show", "t.parquet", "-c", "Outcome"], "did you mean 'outcome'?"),
    ([*JOIN, "--fail-on", "mising"], "did you mean 'missing'?"),
    ([*JOIN, "--fail-on", "conflicts>1%"], "did you mean 'conflicting'?"),
    (["validate", "q.jsonl", "--limits", "opnai"], "did you mean 'openai'?"),
    ([*JOIN, "--parsed", "--schema", "template.json"], "it is a request, not a JSON Schema"),
    ([*JOIN, "--parsed", "--schema", "line.json"], "it is a request, not a JSON Schema"),
    ([*JOIN, "--parsed", "--schema", "format.json"], "the schema is in its 'json_schema.schema'"),
    ([*JOIN, "--parsed", "--schema", "text.json"], "the schema is in its 'schema'"),
    ([*JOIN, "--parsed", "--schema", "words.json"], "none of its keys (hello) is a keyword of one"),
    ([*JOIN, "--parsed", "--schema", "typo.json"], "did you mean 'object'?"),
    ([*JOIN, "--format", "parket"], "Did you mean 'parquet'?"),
    (["stats", "r.jsonl", "--prices", "gpt-4o-mni.toml"], "did you mean 'gpt-4o-mini'?"),
    (["stats", "r.jsonl", "--price", "gpt4o-mini=1/2"], "did you mean 'gpt-4o-mini'?"),
    (["valdate", "q.jsonl"], "did you mean 'validate'?"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_a_misspelt_word_is_wrong_usage(folder, capsys, arguments, words):
    """`retry --only expird` wrote an empty file and exited with 0."""
    assert exit_code(arguments) == 2
    assert words in capsys.readouterr().err
    assert not (folder / "x.jsonl").exists()
    assert not (folder / "new.parquet").exists()


RIGHT = [
    ["retry", "q.jsonl", "r.jsonl", "-o", "x.jsonl", "--only", "my_own_code,429,5xx,expired,batch_expired,parse_error"],
    ["stats", "r.jsonl", "--prices", "gpt-4o-mini.toml"],
    ["stats", "r.jsonl", "--price", "gpt-4o=1/2"],
    ["stats", "r.jsonl", "--price", "gpt-4.1-mini=1/2"],
    ["show", "t.parquet", "-c", "text"],
]


@pytest.mark.parametrize("arguments", RIGHT, ids=" ".join)
def test_words_that_may_be_right_are_taken(folder, capsys, arguments):
    """Services have their own error codes, and a price file has other models."""
    if "parse_error" in arguments[-1]:
        arguments = [*arguments[:-1], arguments[-1].removesuffix(",parse_error")]
    assert exit_code(arguments) == 0, capsys.readouterr().err
    assert folder.exists()
