"""Files that are not JSON Lines: every command that reads files names the mistake once, with the fix."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles.errors import MismatchError
from batchfiles.inputs.file_mistakes import HEAD, file_mistake, may_be_result, refuse_result, refuse_results
from batchfiles.jobs.edit import edit
from batchfiles.jobs.join.export import export
from batchfiles.jobs.join.join import join
from batchfiles.jobs.merge import merge
from batchfiles.jobs.retry.retry import retry
from batchfiles.jobs.split import split
from batchfiles.jobs.stats.stats import stats
from batchfiles.jobs.validate import validate

CHAT = "/v1/chat/completions"


def request(number):
    """A request."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": f"Hi, {number}: [1], {{2}}"}]}
    return {"custom_id": str(number), "method": "POST", "url": CHAT, "body": body}


def result(number):
    """Its result."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "[{"}, "finish_reason": "stop"}
    response = {"status_code": 200, "request_id": "r", "body": {"object": "chat.completion", "choices": [choice]}}
    return {"id": f"batch_req_{number}", "custom_id": str(number), "response": response, "error": None}


def plain(objects):
    """The objects as a batch file has them."""
    return "".join(json.dumps(each) + "\n" for each in objects)


MISTAKES = {
    "utf-16 of PowerShell": ("wrong_encoding", lambda objects: plain(objects).replace("\n", "\r\n").encode("utf-16")),
    "utf-16 big-endian": ("wrong_encoding", lambda objects: b"\xfe\xff" + plain(objects).encode("utf-16-be")),
    "utf-16 without a mark": ("wrong_encoding", lambda objects: plain(objects).encode("utf-16-le")),
    "utf-16 big-endian without a mark": ("wrong_encoding", lambda objects: plain(objects).encode("utf-16-be")),
    "utf-32": ("wrong_encoding", lambda objects: plain(objects).encode("utf-32")),
    "utf-32 without a mark": ("wrong_encoding", lambda objects: plain(objects).encode("utf-32-be")),
    "an array in one line": ("json_array", lambda objects: json.dumps(objects).encode()),
    "an array, a line each": (
        "json_array",
        lambda objects: ("[" + ",\n".join(map(json.dumps, objects)) + "]\n").encode(),
    ),
    "an array with brackets of their own": (
        "json_array",
        lambda objects: ("[\n" + ",\n".join(map(json.dumps, objects)) + "\n]\n").encode(),
    ),
    "an array with the commas first": (
        "json_array",
        lambda objects: ("[\n  " + "\n, ".join(map(json.dumps, objects)) + "\n]\n").encode(),
    ),
    "a pretty array": ("json_array", lambda objects: json.dumps(objects, indent=2).encode()),
    "a pretty array with a mark": ("json_array", lambda objects: b"\xef\xbb\xbf" + json.dumps(objects, indent=2).encode()),
    "pretty objects": ("multiline_json", lambda objects: "\n".join(json.dumps(each, indent=2) for each in objects).encode()),
    "pretty objects by tabs": (
        "multiline_json",
        lambda objects: "\r\n".join(json.dumps(each, indent="\t").replace("\n", "\r\n") for each in objects).encode(),
    ),
    "objects broken after a key": ("multiline_json", lambda objects: plain(objects).replace(', "', ',\n"').encode()),
    "objects without indentation": (
        "multiline_json",
        lambda objects: "\n\n".join(json.dumps(each, indent=0) for each in objects).encode(),
    ),
    "commas at the ends": ("trailing_commas", lambda objects: plain(objects).replace("}\n", "},\n").encode()),
    "commas at all ends but the last": ("trailing_commas", lambda objects: ",\n".join(map(json.dumps, objects)).encode()),
    "commas and blanks": ("trailing_commas", lambda objects: plain(objects).replace("}\n", "} , \r\n").encode()),
    "encoded twice": ("double_encoded", lambda objects: plain([json.dumps(each) for each in objects]).encode()),
    "encoded twice with newlines in them": (
        "double_encoded",
        lambda objects: plain([plain([each]) for each in objects]).encode(),
    ),
    "the text of bytes": ("python_bytes", lambda objects: "".join(f"{json.dumps(each).encode()}\n" for each in objects).encode()),
    "the text of bytes with newlines in them": (
        "python_bytes",
        lambda objects: "".join(f"{plain([each]).encode()}\n" for each in objects).encode(),
    ),
    "Parquet": ("not_text", lambda objects: b"PAR1" + plain(objects).encode() + b"PAR1"),
    "a binary file": ("not_text", lambda objects: bytes(range(256))),
    "a page of a server": ("not_text", lambda objects: b"<!DOCTYPE html>\n<html><body>403</body></html>\n"),
    "an error of S3": ("not_text", lambda objects: b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n'),
    "a refusal of the API": ("not_lines", lambda objects: json.dumps({"error": {"message": "No such File"}}, indent=2).encode()),
    "a refusal of the API in one line": ("not_lines", lambda objects: b'{"error": {"message": "No such File"}}\n'),
    "an object of the API in one line": ("not_lines", lambda objects: b'{"id": "batch_1", "object": "batch"}'),
    "an object of the API": ("not_lines", lambda objects: json.dumps({"id": "batch_1", "object": "batch"}, indent=2).encode()),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_validate_names_the_mistake_once(name):
    """3,000 pretty-printed requests were 42,000 findings."""
    code, make = MISTAKES[name]
    report = validate(io.BytesIO(make([request(n) for n in range(500)])))
    assert [(each.code, each.severity, each.line_number) for each in report.findings] == [(code, "error", None)]
    assert report.error_count == 1


def test_a_file_without_lines_has_its_size(tmp_path):
    """It was shown with 0 bytes, since none was counted."""
    for name in ("array.jsonl", "table.parquet"):
        (tmp_path / name).write_bytes(b"[" + b"{}," * 9 + b"{}]" if name == "array.jsonl" else b"PAR1" + bytes(40) + b"PAR1")
        (file,) = validate(tmp_path / name).files
        assert (file.bytes, file.errors) == ((tmp_path / name).stat().st_size, 1)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_short_file_makes_the_same_mistake(name, count):
    """People try one or two requests first."""
    code, make = MISTAKES[name]
    if name == "commas at all ends but the last" and count == 1:
        return
    (finding,) = validate(io.BytesIO(make([request(n) for n in range(count)]))).findings
    assert finding.code == code


@pytest.mark.parametrize("name", MISTAKES)
def test_other_commands_refuse_the_file_with_the_same_words(name, tmp_path):
    """A join of such results had all requests missing, and a retry paid for all of them."""
    code, make = MISTAKES[name]
    requests, results = tmp_path / "requests.jsonl", tmp_path / "b_output.jsonl"
    requests.write_text(plain([request(n) for n in range(3)]))
    results.write_bytes(make([result(n) for n in range(3)]))
    message = file_mistake(results.read_bytes()).message.removeprefix("The file ").rstrip(".")
    for work in (
        lambda: join(requests, results).to_parquet(tmp_path / "joined.parquet"),
        lambda: export(results).to_parquet(tmp_path / "exported.parquet"),
        *(  # these read tables, and say that this one is damaged
            []
            if name == "Parquet"
            else [lambda: retry(requests, results, output=tmp_path / "retry.jsonl"), lambda: stats(results)]
        ),
        lambda: merge(results, results, output=tmp_path / "merged.jsonl"),
    ):
        with pytest.raises(MismatchError, match=r"b_output\.jsonl") as refused:
            work()
        assert message in str(refused.value), code


NO_MISTAKES = {
    "lines": plain([request(1), request(2)]),
    "an array among lines": "[]\n" + plain([request(1)]),
    "a list of objects before lines": '[{"a": 1}]\n' + plain([request(1)]),
    "a cut first line": '{"custom_id": "a", "method":\n' + plain([request(1)]),
    "a first line that is cut at a comma": '{"custom_id": "a",\n' + plain([request(1)]),
    "a first line that is cut at a brace": '{"custom_id": "a", "body": {\n' + plain([request(1)]),
    "a comma at the end of one line": plain([request(1)]).replace("}\n", "},\n") + plain([request(2), request(3), request(4)]),
    "one string": '"{}"\n' + plain([request(1)]),
    "no objects": '[1]\n"x"\nnull\n',
    "blank lines first": "\n\n" + plain([request(1)]),
    "nothing": "",
}


@pytest.mark.parametrize("name", NO_MISTAKES)
def test_single_broken_lines_are_not_a_mistake_of_the_file(name):
    """A bad line never costs the good lines around it."""
    assert file_mistake(NO_MISTAKES[name].encode()) is None


def test_an_object_that_is_longer_than_what_is_looked_at():
    """The first bytes of a long pretty object don't show its end."""
    long = request(1)
    long["body"]["messages"][0]["content"] = "x" * (2 * HEAD)
    assert file_mistake(json.dumps(long, indent=2).encode()[:HEAD]).code == "multiline_json"
    assert file_mistake(json.dumps([long]).encode()[:HEAD]).code == "json_array"
    assert file_mistake(json.dumps(long).encode()[:HEAD]) is None


def test_a_table_in_csv_is_named():
    """Requests are made of it by `prepare`."""
    for text in ("custom_id,question\n1,Why?\n", '"custom_id";"question"\n1;Why?\n', "doc\tquestion\n1\tWhy?\n"):
        (finding,) = validate(io.BytesIO(text.encode())).findings
        assert finding.code == "csv"
        assert "prepare" in finding.message


# Objects without a newline between them


def test_a_file_of_glued_requests_is_one_finding():
    """Lines that were written without their newlines."""
    text = "".join(json.dumps(request(n)) for n in range(3))
    (finding,) = validate(io.BytesIO(text.encode())).findings
    assert (finding.code, "3 JSON objects" in finding.message) == ("glued_lines", True)


def test_glued_results_are_named_by_the_join_and_not_paid_for_again(tmp_path):
    """Three results on one line were one malformed and two missing, and a retry sent all three again."""
    requests, results = tmp_path / "requests.jsonl", tmp_path / "b_output.jsonl"
    requests.write_text(plain([request(n) for n in range(5)]))
    glued = "".join(json.dumps(result(n)) for n in (1, 2, 3))
    results.write_text(plain([result(0)]) + glued + "\n" + plain([result(4)]))
    for files in ([results], [results, tmp_path / "more_output.jsonl"]):
        if len(files) == 2:  # the id of the first is not checked
            files[1].write_text(json.dumps(result(7)) + " " + json.dumps(result(8)) + "\n")
        report = join(requests, *files).to_parquet(tmp_path / "joined.parquet", overwrite=True)
        found = [(each.code, each.line_number, each.severity) for each in report.findings]
        assert found == [("glued_lines", 2, "error"), *([("glued_lines", 1, "error")] if len(files) == 2 else [])]
        assert "3 JSON objects without a newline" in report.findings[0].message
        assert "jq -c ." in report.findings[0].message
    with pytest.raises(MismatchError, match=r"b_output\.jsonl.*line 2 is several results"):
        retry(requests, results, output=tmp_path / "retry.jsonl")
    assert not (tmp_path / "retry.jsonl").exists()
    exported = export(results).to_parquet(tmp_path / "exported.parquet")
    assert [(each.code, each.line_number) for each in exported.findings] == [("glued_lines", 2)]


def test_glued_requests_are_a_finding_of_their_line():
    """`cat` of two files, the first without a newline at its end."""
    text = plain([request(1)]) + json.dumps(request(2)) + plain([request(3), request(4)])
    (finding,) = validate(io.BytesIO(text.encode())).findings
    assert (finding.code, finding.line_number) == ("glued_lines", 2)


@pytest.mark.parametrize("last", ["\n", ""])
def test_a_result_among_requests_is_refused_by_the_commands_that_copy_lines(tmp_path, last):
    """`split` made requests of results, and `edit` put a body into them; it is also the last line without a newline."""
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(plain([request(n) for n in range(3)]) + "\n" + plain([request(3)]) + json.dumps(result(4)) + last)
    for job in (
        lambda: split(mixed, output=tmp_path / "parts"),
        lambda: edit(mixed, output=tmp_path / "edited.jsonl", values={"body.temperature": 0}, bad_lines="copy"),
        lambda: merge(mixed, output=tmp_path / "merged.jsonl", on_duplicate="keep"),
    ):
        with pytest.raises(MismatchError, match="a result in a file of requests") as caught:
            job()
        assert (caught.value.path, caught.value.line_number) == (str(mixed), 6)
    assert [path.name for path in tmp_path.iterdir()] == ["mixed.jsonl"]


LINES = [
    json.dumps(result(1)),
    json.dumps(request(1)),
    '{"error": null, "custom_id": "a", "url": "u", "body": {"response": 1}}',
    '{"custom_id": "a", "error": {}}',
    '{"custom_id": "a \\"error\\"", "body": {}}',
    '{"custom_id": "a"}',
    '"error": {',
    "",
]


@given(st.lists(st.sampled_from(LINES), max_size=8), st.sampled_from(["", "\n"]))
def test_many_lines_are_refused_as_each_would_be(lines, last):
    """With the number of the first line that is a result."""

    def refused(lines, first=1, whole=False):
        try:
            if whole:
                refuse_results(("\n".join(lines) + last).encode(), "f", first)
            else:
                for number, line in enumerate(lines, first):
                    if may_be_result(line.encode()):
                        refuse_result(line.encode(), "f", number)
        except MismatchError as error:
            return error.line_number

    assert refused(lines, 7, whole=True) == refused(lines, 7)
