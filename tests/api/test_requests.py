"""Requests to the service: addresses, headers and bodies, checked before anything is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

try:
    from python_multipart import FormParser
except ImportError:  # its name before 0.0.13
    from multipart import FormParser

from batchfiles import AzureConfig, BatchFileExpirationAfter, BatchRequest, Config
from batchfiles.api import FilePart, Request, batches, files
from batchfiles.api.files import content_type

OPENAI = Config()
DATED = AzureConfig(base_url="https://name.openai.azure.com", api_version="2024-10-21")
NEWER = AzureConfig(base_url="https://name.openai.azure.com/openai/v1/")


def every_request(config: Config) -> list[Request]:
    """Build one of each."""
    params = BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings")
    return [
        batches.create_request(config, params),
        batches.retrieve_request(config, "batch_1"),
        batches.list_request(config, after="batch_1", limit=100),
        batches.cancel_request(config, "batch_1"),
        files.create_request(config, FilePart("requests.jsonl", 0, 10), filename="requests.jsonl", boundary="b"),
        files.retrieve_request(config, "file-1"),
        files.list_request(config, purpose="batch", after="file-1", limit=10_000, order="asc"),
        files.delete_request(config, "file-1"),
        files.content_request(config, "file-1"),
    ]


def test_the_addresses_are_those_of_the_api() -> None:
    """Nine calls."""
    assert [f"{request.method} {request.url.removeprefix('https://api.openai.com')}" for request in every_request(OPENAI)] == [
        "POST /v1/batches",
        "GET /v1/batches/batch_1",
        "GET /v1/batches?after=batch_1&limit=100",
        "POST /v1/batches/batch_1/cancel",
        "POST /v1/files",
        "GET /v1/files/file-1",
        "GET /v1/files?purpose=batch&after=file-1&limit=10000&order=asc",
        "DELETE /v1/files/file-1",
        "GET /v1/files/file-1/content",
    ]


def test_azure_is_spoken_to_in_both_dialects() -> None:
    """With a version in the address, or under `/openai/v1`; the resource may be given with its path."""
    root = "https://name.openai.azure.com/openai"
    assert batches.cancel_request(DATED, "batch_1").url == f"{root}/batches/batch_1/cancel?api-version=2024-10-21"
    assert batches.list_request(DATED, limit=5).url == f"{root}/batches?api-version=2024-10-21&limit=5"
    assert batches.cancel_request(NEWER, "batch_1").url == f"{root}/v1/batches/batch_1/cancel"
    assert DATED.key_header == ("api-key", "")
    assert AzureConfig(base_url="https://name.openai.azure.com", entra=True).key_header == ("Authorization", "Bearer ")


def test_a_configuration_adds_its_headers_and_parameters_to_every_request() -> None:
    """Gateways want them."""
    config = Config(
        base_url="https://gateway.example/v1/",
        organization="org-1",
        project="proj_1",
        headers={"X-Team": "a"},
        query={"zone": "eu"},
    )
    for request in every_request(config):
        assert "zone=eu" in request.url
        assert request.url.startswith("https://gateway.example/v1/")
        sent = dict(request.headers)
        assert (sent["X-Team"], sent["OpenAI-Organization"], sent["OpenAI-Project"]) == ("a", "org-1", "proj_1")


def test_no_request_holds_a_key() -> None:
    """The driver adds it as the request leaves; headers that look like one are refused."""
    for request in every_request(OPENAI) + every_request(DATED):
        assert not {"authorization", "api-key"} & {name.lower() for name in request.headers}
    for name in ("Authorization", "api-key", "COOKIE"):
        with pytest.raises(ValueError, match="give the key to the client"):
            Config(headers={name: "secret"})


@pytest.mark.parametrize(
    "address",
    ["http://api.example/v1", "http://192.168.0.7:8000/v1", "http://127.0.0.1.example/v1", "http://localhost.example/v1"],
)
def test_plain_http_is_refused(address: str) -> None:
    """It would send the key unencrypted, unless an option allows it."""
    with pytest.raises(ValueError, match="in the open"):
        Config(base_url=address)
    assert Config(base_url=address, allow_http=True).base_url == address


@pytest.mark.parametrize("address", ["http://localhost:8000/v1", "http://127.0.0.1:8000/v1", "http://[::1]:8000/v1"])
def test_plain_http_is_fine_on_this_machine(address: str) -> None:
    """There is no network to listen on."""
    assert Config(base_url=address).base_url == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "api.openai.com/v1",
        "ftp://host/v1",
        "https:///v1",
        "https://u:secret@host/v1",
        "ftp://u:secret@host",
        "https://h/v1?a=secret",
        "https://h/v1#x",
        "https://[::1/v1",
        "https://host:secret/v1",
        "https://host:99999/v1",
        "https://ho st/v1",
        "https://host/v1\n",
    ],
)
def test_an_invalid_address_is_refused_without_its_credentials(address: str) -> None:
    """At once, and not at the first call."""
    with pytest.raises(ValueError, match="base url") as caught:
        Config(base_url=address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("config", [{"organization": "org\n"}, {"project": "é"}, {"headers": {"X-A": "b\r\nX-C: d"}}])
def test_values_that_no_header_may_have_are_refused(config: dict[str, Any]) -> None:
    """They come from files with their line ends."""
    with pytest.raises(ValueError, match="no header may have"):
        Config(**config)


NO_IDS = [
    "",
    ".",
    "..",
    "../files",
    "%2e%2e",
    "a/b",
    "a?b=c",
    "a#b",
    "a\0b",
    "a b",
    "a\n",
    "é",
    "a\\b",
    "x" * 10_000,
    "-rf",
    7,
    None,
]


@pytest.mark.parametrize("value", NO_IDS)
def test_an_invalid_id_never_becomes_an_address(value: Any) -> None:
    """It could lead to another endpoint."""
    builders = [
        lambda: batches.retrieve_request(OPENAI, value),
        lambda: batches.cancel_request(OPENAI, value),
        lambda: files.retrieve_request(OPENAI, value),
        lambda: files.delete_request(OPENAI, value),
        lambda: files.content_request(OPENAI, value),
    ]
    if value is not None:
        builders += [lambda: batches.list_request(OPENAI, after=value), lambda: files.list_request(OPENAI, after=value)]
    for build in builders:
        with pytest.raises(ValueError, match=r"is not an id of a (batch|file)") as caught:
            build()
        assert len(str(caught.value)) < 100


@given(st.text(min_size=1))
def test_a_part_of_an_address_stays_one_part(part: str) -> None:
    """With any content: slashes, question marks and dots are escaped or refused."""
    try:
        url = Config(base_url="https://host/v1").url("files", part, "content")
    except (ValueError, UnicodeEncodeError):
        return
    path = url.removeprefix("https://host/v1/")
    assert path.split("/")[0::2] == ["files", "content"]
    assert not set("?#\\ \n") & set(path)


@pytest.mark.parametrize(
    "metadata",
    [
        {f"key{number}": "" for number in range(17)},
        {"k" * 65: "v"},
        {"k": "v" * 513},
        {"k": 1},
    ],
)
def test_metadata_that_the_service_would_refuse_is_not_sent(metadata: dict[str, Any]) -> None:
    """At most 16 pairs, of 64 and 512 characters, all texts."""
    with pytest.raises(ValueError, match="metadata"):
        BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings", metadata=metadata)


def test_metadata_at_the_limit_is_sent() -> None:
    """Sixteen pairs of 64 and 512 characters; characters, not bytes."""
    metadata = {f"{number:02d}" + "é" * 62: "ü" * 512 for number in range(16)}
    request = batches.create_request(OPENAI, BatchRequest(input_file_id="file-1", endpoint="/v1/embeddings", metadata=metadata))
    (body,) = request.body
    assert isinstance(body, bytes)
    assert json.loads(body)["metadata"] == metadata


@pytest.mark.parametrize("seconds", [3_599, 2_592_001, -1, 0, True, 3600.5, "3600", None])
def test_an_expiry_is_from_an_hour_to_thirty_days(seconds: Any) -> None:
    """In whole seconds."""
    with pytest.raises(ValueError, match="3,600 to 2,592,000"):
        BatchFileExpirationAfter(seconds)


def test_a_batch_request_is_written_as_the_specification_says_and_read_again() -> None:
    """Absent values are left out."""
    params = BatchRequest(
        input_file_id="file-1",
        endpoint="/v1/responses",
        metadata={"a": "b"},
        output_expires_after=BatchFileExpirationAfter(3_600),
        extra={"model": "m"},
    )
    assert params.to_dict() == {
        "input_file_id": "file-1",
        "endpoint": "/v1/responses",
        "completion_window": "24h",
        "metadata": {"a": "b"},
        "output_expires_after": {"anchor": "created_at", "seconds": 3600},
        "model": "m",
    }
    assert BatchRequest.from_dict(params.to_dict()) == params
    assert set(BatchRequest(input_file_id="f", endpoint="/v1/x").to_dict()) == {"input_file_id", "endpoint", "completion_window"}


@pytest.mark.parametrize(("file_id", "endpoint"), [("", "/v1/responses"), ("file-1", "v1/responses"), ("file-1", "")])
def test_a_batch_needs_a_file_and_an_endpoint(file_id: str, endpoint: str) -> None:
    """Checked before anything is sent."""
    with pytest.raises(ValueError, match=r"input_file_id|endpoint"):
        BatchRequest(input_file_id=file_id, endpoint=endpoint)


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_page_of_batches_has_one_to_a_hundred(limit: int) -> None:
    """The service's rule."""
    with pytest.raises(ValueError, match="1 to 100"):
        batches.list_request(OPENAI, limit=limit)


def test_a_range_is_asked_for_with_the_tag_of_what_is_there() -> None:
    """Never compressed, because lengths would be meaningless."""
    headers = files.content_request(OPENAI, "file-1", start=100, etag='"abc"').headers
    assert (headers["Range"], headers["If-Range"], headers["Accept-Encoding"]) == ("bytes=100-", '"abc"', "identity")
    assert "Range" not in files.content_request(OPENAI, "file-1").headers


def parsed_form(request: Request) -> tuple[dict[str, bytes], str, bytes]:
    """Read a form as a server does: its fields, and the name and bytes of its file."""
    fields: dict[str, bytes] = {}
    found: list[Any] = []
    parser = FormParser(
        "multipart/form-data",
        on_field=lambda field: fields.update({field.field_name.decode(): field.value}),
        on_file=found.append,
        boundary=request.headers["Content-Type"].partition('boundary="')[2].rstrip('"'),
    )
    for part in request.body:
        parser.write(part if isinstance(part, bytes) else Path(part.path).read_bytes()[part.offset : part.offset + part.length])
    parser.finalize()
    (file,) = found
    file.file_object.seek(0)
    content = file.file_object.read()
    file.close()
    return fields, file.file_name.decode(), content


@given(
    content=st.binary(max_size=300),
    filename=st.text(st.characters(exclude_characters='\r\n"\\', exclude_categories=["Cs", "Cc"]), min_size=1).map(
        lambda name: f"{name}.jsonl"
    ),
)
def test_a_form_is_read_back_by_a_real_parser(tmp_path_factory: pytest.TempPathFactory, content: bytes, filename: str) -> None:
    """The bytes of the file, its name, and the fields."""
    path = tmp_path_factory.getbasetemp() / "form.jsonl"
    path.write_bytes(content)
    part = FilePart(str(path), 0, len(content))
    expires = BatchFileExpirationAfter(3_600)
    request = files.create_request(OPENAI, part, filename=filename, boundary="0123456789abcdef" * 2, expires_after=expires)
    fields, name, found = parsed_form(request)
    assert fields == {"purpose": b"batch", "expires_after[anchor]": b"created_at", "expires_after[seconds]": b"3600"}
    assert (name, found) == (filename, content)
    assert request.content_length == sum(len(part) if isinstance(part, bytes) else part.length for part in request.body)


def test_a_name_can_not_add_headers_to_a_form() -> None:
    """Line ends and quotes are escaped as browsers do it."""
    part = FilePart("requests.jsonl", 0, 0)
    head = files.create_request(OPENAI, part, filename='a"\r\nX-Evil: 1.jsonl', boundary="b").body[0]
    assert isinstance(head, bytes)
    assert b'filename="a%22%0D%0AX-Evil: 1.jsonl"\r\n' in head


@pytest.mark.parametrize("boundary", ["", "a b", 'a"b', "a\r\nb", "x" * 71])
def test_an_invalid_boundary_is_refused(boundary: str) -> None:
    """RFC 2046."""
    with pytest.raises(ValueError, match="is not a valid boundary"):
        content_type(boundary)


def test_a_parameter_of_the_caller_reaches_azure_s_newer_dialect() -> None:
    """A version that is not set must not remove the caller's; one that is set wins."""
    preview = {"api-version": "preview"}
    newer = AzureConfig(base_url="https://name.openai.azure.com", query=preview)
    assert newer.url("batches") == "https://name.openai.azure.com/openai/v1/batches?api-version=preview"
    assert DATED.with_more(query=preview).url("batches").endswith("?api-version=2024-10-21")


OF_A_REQUEST = ["Host", "Content-Length", "content-type", "Transfer-Encoding", "range", "If-Range"]


@pytest.mark.parametrize("name", ["Authorization", "api-key", "Cookie", *OF_A_REQUEST, "a b", "", "é", "a:b"])
def test_a_header_that_can_not_be_is_refused(name: str) -> None:
    """The key has its own place, and what a request is decides the request."""
    with pytest.raises(ValueError, match="header"):
        Config(headers={name: "x"})
    with pytest.raises(ValueError, match="header"):
        OPENAI.with_more({"X-Fine": "line\nend"})


def test_contents_are_asked_for_in_a_way_that_every_service_can_answer() -> None:
    """Strict ones answer 406 to `application/binary` alone."""
    assert files.content_request(OPENAI, "file-1").headers["Accept"] == "application/binary, */*"


def test_a_header_has_one_name_in_capital_and_small_letters() -> None:
    """Both were sent."""
    assert OPENAI.with_more({"X-Org": "a", "X-Team": "t"}).with_more({"x-org": "b"}).headers == {"X-Team": "t", "x-org": "b"}
