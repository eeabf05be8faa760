"""The API over HTTP: routes, parameters, and the words of refusals."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from batchfiles.api.batch import Batch
from batchfiles.api.file import FileObject
from batchfiles.testing.content import content_of
from batchfiles.testing.parameters import page_size, sort_order
from batchfiles.testing.refusal import Refusal
from batchfiles.testing.service import Service

__all__ = ["app_of"]

Endpoint = Callable[[Request], Awaitable[Response]]

MOST_FILES, MOST_BATCHES, USUAL_BATCHES = 10_000, 100, 20
"""Objects of a page: at most, and where nothing is asked for [OpenAI's OpenAPI document, listFiles and listBatches]."""


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
        Route("/deployments/{deployment}/{endpoint:path}", _call(calls.live), methods=["POST"]),
        Route("/{endpoint:path}", _call(calls.live), methods=["POST"]),
    ]
    return Starlette(
        routes=[Mount(prefix, routes=routes) for prefix in ("/v1", "/openai/v1", "/openai")],
        exception_handlers={HTTPException: _refused_before},
    )


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
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if not (scheme.lower() == "bearer" and key.strip()) and not request.headers.get("api-key"):
        raise Refusal(401, "You didn't provide an API key.", code="invalid_api_key")


def _refused_before(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses: a call that there is not, or a form that can't be read."""
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    no_such_call = error.status_code in (404, 405)
    message = f"Invalid URL ({request.method} {request.url.path})" if no_such_call else error.detail
    return JSONResponse(Refusal(error.status_code, message).body, error.status_code)


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def create_file(self, request: Request) -> Response:
        try:
            form = await request.form()
        except ValueError:  # what old releases of python-multipart raise of a form that is none
            raise Refusal(400, "There was an error parsing the body.") from None
        try:
            return JSONResponse(self._created_file(form).encode())
        finally:
            await form.close()

    def _created_file(self, form: FormData) -> FileObject:
        upload, purpose = form.get("file"), form.get("purpose")
        if not isinstance(upload, UploadFile):
            raise Refusal(400, "'file' is a required property", code="missing_required_parameter", param="file")
        if not isinstance(purpose, str):
            raise Refusal(400, "'purpose' is a required property", code="missing_required_parameter", param="purpose")
        return self._service.create_file(
            upload.file,
            upload.filename or "",
            purpose,
            anchor=_text(form.get("expires_after[anchor]")),
            seconds=_text(form.get("expires_after[seconds]")),
        )

    async def list_files(self, request: Request) -> Response:
        query = request.query_params
        limit = page_size(query.get("limit"), MOST_FILES, MOST_FILES)
        order = sort_order(query.get("order"))
        return JSONResponse(self._service.list_files(query.get("purpose"), query.get("after"), limit, order).encode())

    async def retrieve_file(self, request: Request) -> Response:
        return JSONResponse(self._service.file(request.path_params["file_id"]).object.encode())

    async def delete_file(self, request: Request) -> Response:
        return JSONResponse(self._service.delete_file(request.path_params["file_id"]).encode())

    async def content(self, request: Request) -> Response:
        return content_of(self._service.file(request.path_params["file_id"]), request)

    async def create_batch(self, request: Request) -> Response:
        return self._batch(self._service.create_batch(await _json(request)))

    async def list_batches(self, request: Request) -> Response:
        query = request.query_params
        page = self._service.list_batches(query.get("after"), page_size(query.get("limit"), USUAL_BATCHES, MOST_BATCHES)).encode()
        page["data"] = [self._quirky(batch) for batch in page["data"]]
        return JSONResponse(page)

    async def retrieve_batch(self, request: Request) -> Response:
        return self._batch(self._service.batch(request.path_params["batch_id"]))

    async def cancel_batch(self, request: Request) -> Response:
        return self._batch(self._service.cancel_batch(request.path_params["batch_id"]))

    async def live(self, request: Request) -> Response:
        status, body = self._service.answer_live(f"/v1/{request.path_params['endpoint']}", await _json(request))
        return JSONResponse(body, status)

    def _batch(self, batch: Batch) -> Response:
        return JSONResponse(self._quirky(batch.encode()))

    def _quirky(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self._service.quirks.empty_ids:
            batch["output_file_id"] = batch["output_file_id"] or ""
            batch["error_file_id"] = batch["error_file_id"] or ""
        return batch


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


async def _json(request: Request) -> dict[str, Any]:
    try:
        value = json.loads(await request.body())
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text that could be repeated
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "We could not parse the JSON body of your request.")
    return value
