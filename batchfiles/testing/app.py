"""The API over HTTP: routes, parameters, and the words of refusals."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from batchfiles.testing.refusal import Refusal
from batchfiles.testing.service import Service, StoredFile

__all__ = ["CALL", "app_of"]

CALL = "batchfiles.call"
"""Where a request's scope says which kind of call it is: see `faults.CALLS`."""

CHUNK = 256 * 1024

Endpoint = Callable[[Request], Awaitable[Response]]


def app_of(service: Service) -> Starlette:
    """Return the application; the same calls stand under `/v1`, and under Azure's `/openai/v1` and `/openai`."""
    calls = _Calls(service)
    routes: list[BaseRoute] = [
        Route("/files", _call(calls.create_file), methods=["POST"]),
        Route("/files", _call(calls.list_files), methods=["GET"]),
        Route("/files/{file_id}", _call(calls.retrieve_file), methods=["GET"]),
        Route("/files/{file_id}", _call(calls.delete_file), methods=["DELETE"]),
        Route("/files/{file_id}/content", _call(calls.content), methods=["GET"]),
        Route("/batches", _call(calls.create_batch), methods=["POST"]),
        Route("/batches", _call(calls.list_batches), methods=["GET"]),
        Route("/batches/{batch_id}", _call(calls.retrieve_batch), methods=["GET"]),
        Route("/batches/{batch_id}/cancel", _call(calls.cancel_batch), methods=["POST"]),
        Route("/{endpoint:path}", _call(calls.live), methods=["POST"]),
    ]
    return Starlette(routes=[Mount(prefix, routes=routes) for prefix in ("/v1", "/openai/v1", "/openai")])


def _call(endpoint: Endpoint) -> Endpoint:
    """Ask for a key, and say no in the service's words."""

    async def called(request: Request) -> Response:
        try:
            _check_key(request)
            return await endpoint(request)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)

    return called


def _check_key(request: Request) -> None:
    if not request.headers.get("authorization", "").startswith("Bearer ") and not request.headers.get("api-key"):
        raise Refusal(401, "You didn't provide an API key.", code="invalid_api_key")


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def create_file(self, request: Request) -> Response:
        async with request.form() as form:
            upload, purpose = form.get("file"), form.get("purpose")
            if not isinstance(upload, UploadFile):
                raise Refusal(400, "'file' is a required property", code="missing_required_parameter", param="file")
            if not isinstance(purpose, str):
                raise Refusal(400, "'purpose' is a required property", code="missing_required_parameter", param="purpose")
            seconds = form.get("expires_after[seconds]")
            with tempfile.NamedTemporaryFile(delete=False) as copy:
                while piece := await upload.read(CHUNK):
                    copy.write(piece)
            expires = int(seconds) if isinstance(seconds, str) and seconds.isdigit() else None
            try:
                made = self._service.create_file(Path(copy.name), upload.filename or "", purpose, expires)
            finally:
                Path(copy.name).unlink(missing_ok=True)
        return JSONResponse(made.encode())

    async def list_files(self, request: Request) -> Response:
        query = request.query_params
        limit = _limit(query.get("limit"), 10_000, 10_000)
        page = self._service.list_files(query.get("purpose"), query.get("after"), limit, query.get("order", "desc"))
        return JSONResponse(page.encode())

    async def retrieve_file(self, request: Request) -> Response:
        return JSONResponse(self._service.file(request.path_params["file_id"]).object.encode())

    async def delete_file(self, request: Request) -> Response:
        return JSONResponse(self._service.delete_file(request.path_params["file_id"]).encode())

    async def content(self, request: Request) -> Response:
        return _content(self._service.file(request.path_params["file_id"]), request)

    async def create_batch(self, request: Request) -> Response:
        return self._batch(self._service.create_batch(await _json(request)))

    async def list_batches(self, request: Request) -> Response:
        query = request.query_params
        page = self._service.list_batches(query.get("after"), _limit(query.get("limit"), 20, 100)).encode()
        page["data"] = [self._quirky(batch) for batch in page["data"]]
        return JSONResponse(page)

    async def retrieve_batch(self, request: Request) -> Response:
        return self._batch(self._service.batch(request.path_params["batch_id"]))

    async def cancel_batch(self, request: Request) -> Response:
        return self._batch(self._service.cancel_batch(request.path_params["batch_id"]))

    async def live(self, request: Request) -> Response:
        status, body = self._service.answer(f"/v1/{request.path_params['endpoint']}", await _json(request))
        return JSONResponse(body, status)

    def _batch(self, batch: Any) -> Response:  # noqa: ANN401 - a Batch
        return JSONResponse(self._quirky(batch.encode()))

    def _quirky(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self._service.quirks.empty_ids:
            batch["output_file_id"] = batch["output_file_id"] or ""
            batch["error_file_id"] = batch["error_file_id"] or ""
        return batch


def _content(stored: StoredFile, request: Request) -> Response:
    """Answer with the bytes of a file, or with the part of them that was asked for (RFC 9110, section 14)."""
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
    unit, _, span = header.partition("=")
    start = span.removesuffix("-")
    return int(start) if unit == "bytes" and span.endswith("-") and start.isascii() and start.isdigit() else None


def _limit(text: str | None, usual: int, most: int) -> int:
    if text is None:
        return usual
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise Refusal(400, f"Invalid 'limit': it must be from 1 to {most}.", code="invalid_value", param="limit")
    return int(text)


async def _json(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "We could not parse the JSON body of your request.")
    return value
