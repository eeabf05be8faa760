"""The HTTP application: routes, parameters, error responses, and file contents with ranges (RFC 9110, section 14)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from batchfiles.api.batch import Batch
from batchfiles.api.file import FileObject
from batchfiles.testing.parameters import Refusal, page_size, sort_order
from batchfiles.testing.quirks import odd_batch, odd_file, odd_page
from batchfiles.testing.service import CHUNK, Service, StoredFile


def content_of(stored: StoredFile, request: Request) -> Response:
    """Stream a file, or the requested range of it."""
    size = stored.object.bytes or 0
    headers = {"ETag": stored.etag, "Accept-Ranges": "bytes"}
    start = _start_of_range(request.headers.get("range", ""))
    if_range = request.headers.get("if-range")
    if start is None or (if_range is not None and if_range != stored.etag):
        return _streamed(stored.path, 0, size, 200, headers)
    if start >= size:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    return _streamed(stored.path, start, size, 206, {**headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"})


def _streamed(path: Path, start: int, size: int, status: int, headers: dict[str, str]) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(CHUNK):
                yield piece

    return StreamingResponse(
        pieces(), status, {**headers, "Content-Length": str(size - start)}, media_type="application/octet-stream"
    )


def _start_of_range(header: str) -> int | None:
    """Return the start of a range `bytes=N-`; other ranges are ignored, as servers may do."""
    unit, _, span = header.partition("=")
    start = span.removesuffix("-")
    known = unit == "bytes" and span.endswith("-") and start.isascii() and start.isdigit() and len(start) <= 18
    return int(start) if known else None


Endpoint = Callable[[Request], Awaitable[Response]]

MOST_FILES, MOST_BATCHES, USUAL_BATCHES = 10_000, 100, 20
"""The greatest and the default number of objects of a page [OpenAI's OpenAPI document, listFiles and listBatches]."""

STORAGE = "/storage"
"""The path of redirected file contents, on another port."""

CREDENTIALS = ("authorization", "api-key", "openai-organization", "openai-project", "cookie")
"""Headers that the storage refuses, as cloud storage does for signed URLs."""

OCTETS = frozenset({"application/octet-stream", "application/*", "*/*"})
"""The `Accept` values that allow file contents."""


def app_of(service: Service) -> Starlette:
    """Return the application, with the same routes under `/v1` and Azure's `/openai/v1` and `/openai`.

    Its `state.storage` is the origin to which contents are redirected.
    """
    calls = _Calls(service)
    api: list[tuple[str, Endpoint, str]] = [
        ("/files", calls.create_file, "POST"),
        ("/files", calls.list_files, "GET"),
        ("/files/{file_id}", calls.retrieve_file, "GET"),
        ("/files/{file_id}", calls.delete_file, "DELETE"),
        ("/files/{file_id}/content", calls.content, "GET"),
        ("/batches", calls.create_batch, "POST"),
        ("/batches", calls.list_batches, "GET"),
        ("/batches/{batch_id}", calls.retrieve_batch, "GET"),
        ("/batches/{batch_id}/cancel", calls.cancel_batch, "POST"),
        ("/deployments/{deployment}/{endpoint:path}", calls.live, "POST"),
        ("/{endpoint:path}", calls.live, "POST"),
    ]
    routes = [Route(path, calls.answered(endpoint), methods=[method]) for path, endpoint, method in api]
    mounts: list[BaseRoute] = [Mount(prefix, routes=routes) for prefix in ("/v1", "/openai/v1", "/openai")]
    return Starlette(
        routes=[Route(f"{STORAGE}/{{file_id}}", calls.stored, methods=["GET"]), *mounts],
        exception_handlers={HTTPException: calls.refused_before},
    )


def _check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if not (scheme.lower() == "bearer" and key.strip()) and not request.headers.get("api-key"):
        raise Refusal(401, "You didn't provide an API key.", code="invalid_api_key")


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service

    def answered(self, endpoint: Endpoint) -> Endpoint:
        """Wrap an endpoint: check the key and the parameters of a gateway, and turn a `Refusal` into a response."""

        async def called(request: Request) -> Response:
            if self._service.quirks.delay:
                await asyncio.sleep(self._service.quirks.delay)
            try:
                _check_key(request)
                self._check_gateway(request)
                return await endpoint(request)
            except Refusal as refusal:
                return self._refused(refusal)

        return called

    def _check_gateway(self, request: Request) -> None:
        quirks = self._service.quirks
        for what, found, needed in (
            ("header", request.headers, quirks.required_headers),
            ("query parameter", request.query_params, quirks.required_query),
        ):
            for name, value in needed.items():
                if found.get(name) != value:
                    raise Refusal(403, f"The {what} '{name}' is missing or wrong.", code="forbidden", param=name)

    def _refused(self, refusal: Refusal) -> Response:
        body = refusal.in_form(self._service.quirks.error_form)
        return PlainTextResponse(body, refusal.status) if isinstance(body, str) else JSONResponse(body, refusal.status)

    def refused_before(self, request: Request, error: Exception) -> Response:
        """Answer what Starlette itself refuses: an unknown call, or a malformed form."""
        assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this class
        no_such_call = error.status_code in (404, 405)
        message = f"Invalid URL ({request.method} {request.url.path})" if no_such_call else error.detail
        return self._refused(Refusal(error.status_code, message))

    async def create_file(self, request: Request) -> Response:
        try:
            form = await request.form()
        except ValueError:  # raised by old releases of python-multipart
            raise Refusal(400, "There was an error parsing the body.") from None
        try:
            return self._file(self._created_file(form))
        finally:
            await form.close()

    def _created_file(self, form: FormData) -> FileObject:
        upload, purpose = form.get("file"), form.get("purpose")
        if not isinstance(upload, UploadFile):
            raise Refusal(400, "'file' is a required property", code="missing_required_parameter", param="file")
        if not isinstance(purpose, str):
            raise Refusal(400, "'purpose' is a required property", code="missing_required_parameter", param="purpose")
        anchor, seconds = (_text(form.get(f"expires_after[{key}]")) for key in ("anchor", "seconds"))
        return self._service.create_file(upload.file, upload.filename or "", purpose, anchor=anchor, seconds=seconds)

    async def list_files(self, request: Request) -> Response:
        query = request.query_params
        limit = page_size(query.get("limit"), MOST_FILES, MOST_FILES)
        order = sort_order(query.get("order"))
        page = self._service.list_files(query.get("purpose"), query.get("after"), limit, order)
        return JSONResponse(odd_page(page.to_dict(), self._service.quirks))

    async def retrieve_file(self, request: Request) -> Response:
        return self._file(self._service.file(request.path_params["file_id"]).object)

    async def delete_file(self, request: Request) -> Response:
        return JSONResponse(self._service.delete_file(request.path_params["file_id"]).to_dict())

    async def content(self, request: Request) -> Response:
        stored, quirks = self._service.file(request.path_params["file_id"]), self._service.quirks
        accepted = {kind.partition(";")[0].strip() for kind in request.headers.get("accept", "*/*").split(",")}
        if quirks.strict_accept and not accepted & OCTETS:
            raise Refusal(406, "The contents of a file are 'application/octet-stream'.", code="not_acceptable")
        if quirks.redirect_contents is not None:
            place = f"{request.app.state.storage}{STORAGE}/{stored.object.id}?signature=local"
            return Response(status_code=quirks.redirect_contents, headers={"Location": place})
        return content_of(stored, request)

    async def stored(self, request: Request) -> Response:
        """Serve redirected contents; a request with a key is refused."""
        if any(name in request.headers for name in CREDENTIALS):
            return PlainTextResponse("Only one way to authenticate is allowed: the signature is there.", 400)
        try:
            return content_of(self._service.file(request.path_params["file_id"]), request)
        except Refusal as refusal:
            return self._refused(refusal)

    async def create_batch(self, request: Request) -> Response:
        return self._batch(self._service.create_batch(await _json(request)))

    async def list_batches(self, request: Request) -> Response:
        query = request.query_params
        page = self._service.list_batches(query.get("after"), page_size(query.get("limit"), USUAL_BATCHES, MOST_BATCHES))
        return JSONResponse(odd_page(page.to_dict(), self._service.quirks))

    async def retrieve_batch(self, request: Request) -> Response:
        return self._batch(self._service.batch(request.path_params["batch_id"]))

    async def cancel_batch(self, request: Request) -> Response:
        return self._batch(self._service.cancel_batch(request.path_params["batch_id"]))

    async def live(self, request: Request) -> Response:
        status, body = self._service.answer_live(f"/v1/{request.path_params['endpoint']}", await _json(request))
        return JSONResponse(body, status)

    def _batch(self, batch: Batch) -> Response:
        return JSONResponse(odd_batch(batch.to_dict(), self._service.quirks))

    def _file(self, file: FileObject) -> Response:
        return JSONResponse(odd_file(file.to_dict(), self._service.quirks))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


async def _json(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
        json.dumps(value, ensure_ascii=False).encode()  # fails for a lone surrogate
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "We could not parse the JSON body of your request.")
    return value
