"""`batchfiles probe`: sends the first requests of a file to the live endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from batchfiles.cli.options import Command
from batchfiles.cli.progress import print_error, print_lines, print_note, screen
from batchfiles.cli.service_options import Service, service_options
from batchfiles.findings import plural
from batchfiles.layout import cut, text_table, visible

if TYPE_CHECKING:
    from batchfiles.api.responses import Response
    from batchfiles.client.synchronous import Client
    from batchfiles.findings import Finding
    from batchfiles.io.sources import Source
    from batchfiles.outcome import Result

FOUND = 1
ID_WIDTH, TEXT_WIDTH = 30, 60
OPTIONAL = ("seconds", "line", "tokens")
HEADINGS = ("custom_id", "outcome", "answer", "line", "status", "tokens", "seconds")


@dataclass(frozen=True, slots=True)
class Probed:
    """A request and its response, interpreted as `result`."""

    line_number: int
    custom_id: str
    status_code: int
    seconds: float
    body: Any
    result: Result


@click.command(cls=Command)
@click.argument("file")
@click.option(
    "-n", "--requests", "count", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="How many to send."
)
@click.option("--json", "as_json", is_flag=True, help="Print each response as one JSON object a line.")
@service_options
@click.pass_context
def probe(context: click.Context, file: str, *, count: int, as_json: bool, service: Service) -> None:
    """Send the first requests of a file to the live endpoint, one after the other, and show the responses.

    This finds faulty requests before a batch takes up to a day. The calls cost the price of the live endpoint.

    FILE is a request file, or - for standard input; gzip, bz2 and zstd are decompressed. The outcomes are those of
    'batchfiles join'.

    \b
    Examples:
        batchfiles probe requests.jsonl
        batchfiles probe requests.jsonl -n 1 --json | jq .body

    \b
    Exit codes:
        0   all requests succeeded
        1   a request did not succeed
        2   wrong usage, or no key
        3   the key was refused, or the service did not answer; the file can't be read
    """
    from batchfiles.io.sources import expand

    rows = []
    bad = total = 0
    with service.connect() as client:
        for probed in _answers(client, expand([file]), count):
            total += 1
            bad += probed.result.outcome != "succeeded"
            if as_json:
                click.echo(_json(probed))
            else:
                rows.append(_row(probed))
    print_lines(
        text_table(HEADINGS, rows, texts=3, whole=("outcome",), optional=OPTIONAL, sentences=("answer",), screen=screen())
    )
    if not total:
        raise click.UsageError(f"{file} has no requests.")
    print_note(f"{plural(total, 'request')} sent, {total - bad:,} succeeded")
    if bad:
        context.exit(FOUND)


def _answers(client: Client, sources: list[Source], count: int) -> Iterator[Probed]:
    """Send the first requests, and yield the responses; a refused key is an error, because it fails for all of them."""
    from batchfiles.api.batches import live_request
    from batchfiles.api.effects import exchange
    from batchfiles.api.responses import error_of

    for number, custom_id, url, model, body in _requests(sources, count):
        request = live_request(client.config, url, body, model=model)
        began = time.monotonic()
        response = client.run(exchange(request))
        if response.status_code == 401:
            raise error_of(response)
        yield _probed(number, custom_id, url, response, time.monotonic() - began)


def _requests(sources: list[Source], count: int) -> Iterator[tuple[int, str, str, str | None, bytes]]:
    """Yield line number, id, url, model and the bytes of the body of the first requests."""
    from batchfiles.codec import input_of, loads
    from batchfiles.errors import InvalidLineError
    from batchfiles.jsontext.spans import body_of_input
    from batchfiles.reading import read_lines

    for line in islice(read_lines(*sources, on_error=_print_finding), count):
        place: dict[str, Any] = {"path": line.path, "line_number": line.line_number, "role": "input"}
        try:
            value = loads(line.data)
            request = input_of(value)
        except InvalidLineError as error:
            raise InvalidLineError(error.reason, code=error.code, json_path=error.json_path, **place) from None
        body = body_of_input(line.data, value)
        if request.url is None or body is None:
            reason = "Missing required parameter: 'url'."
            raise InvalidLineError(reason, code="missing_required_parameter", json_path="$.url", **place)
        model = request.body.get("model")
        yield line.line_number, request.custom_id, request.url, model if isinstance(model, str) else None, body


def _print_finding(finding: Finding) -> None:
    print_error(str(finding))


def _probed(number: int, custom_id: str, url: str, response: Response, seconds: float) -> Probed:
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError
    from batchfiles.outcome import as_answer_to, outcome_of

    try:
        body: Any = loads(response.body)
    except InvalidLineError:
        body = response.body.decode("utf-8", "replace") or None
    answer = {"status_code": response.status_code, "request_id": response.request_id, "body": body}
    line = {"custom_id": custom_id, "response": answer, "error": None}
    result = as_answer_to(outcome_of(line), url, line)
    return Probed(number, custom_id, response.status_code, seconds, body, result)


def _row(probed: Probed) -> tuple[str, ...]:
    result = probed.result
    words = result.error_message or result.answer.text or result.answer.refusal or ""
    tokens = result.answer.total_tokens
    return (
        cut(visible(probed.custom_id), ID_WIDTH),
        result.outcome,
        cut(visible(words), TEXT_WIDTH),
        f"{probed.line_number:,}",
        str(probed.status_code),
        "-" if tokens is None else f"{tokens:,}",
        f"{probed.seconds:.1f}",
    )


def _json(probed: Probed) -> str:
    value = {
        "line": probed.line_number,
        "custom_id": probed.custom_id,
        "outcome": probed.result.outcome,
        "status_code": probed.status_code,
        "error_code": probed.result.error_code,
        "error_message": probed.result.error_message,
        "seconds": round(probed.seconds, 3),
        "body": probed.body,
    }
    return json.dumps(value)
