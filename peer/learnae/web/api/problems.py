"""Errors as ``application/problem+json`` (RFC 9457): a status and one sentence, never a traceback."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from learnae.web.api.peer_api_port import BadRequest, NotReady
from learnae.web.api.views import Problem

MEDIA_TYPE = "application/problem+json"
SENTENCES = {
    404: "there is nothing at this address",
    405: "this address does not support the method: see the Allow header",
}
# for FastAPI(responses=...), for every operation
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}}
    for status, text in (("4XX", "The request is not valid"), ("5XX", "Not ready yet, or an internal error"))
}


def problem_response(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] | None = None,
) -> Response:
    content = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=None if errors is None else [dict(error) for error in errors],
    )
    body = json.dumps(content.model_dump(exclude_none=True)).encode()
    return Response(body, status, dict(headers or {}), MEDIA_TYPE)


def install_handlers(app: FastAPI) -> None:
    """Answer every error of this app with problem details."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(NotReady, _not_ready)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(Exception, _internal_error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    standard = error.detail == HTTPStatus(error.status_code).phrase
    detail = SENTENCES.get(error.status_code, error.detail) if standard else error.detail
    return problem_response(error.status_code, detail, error.headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    """The input is not repeated: it may be large, or not JSON."""
    assert isinstance(error, RequestValidationError)
    errors = [{"at": ".".join(map(str, part["loc"])), "message": part["msg"]} for part in error.errors()[:20]]
    return problem_response(422, f"{errors[0]['at']}: {errors[0]['message']}", errors=errors)


async def _not_ready(request: Request, error: Exception) -> Response:
    return problem_response(503, str(error), {"Retry-After": "1"})


async def _bad_request(request: Request, error: Exception) -> Response:
    return problem_response(422, str(error))


async def _internal_error(request: Request, error: Exception) -> Response:
    return problem_response(500, "internal error: see the log of this server")
