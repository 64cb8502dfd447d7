"""Every error as ``application/problem+json`` (RFC 9457): a status, one sentence, never a traceback."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from learnae.web.api.peer_api_port import BadRequest, NotReady
from learnae.web.api.views import Problem

MEDIA = "application/problem+json"
SENTENCES = {
    404: "there is nothing at this address",
    405: "this address does not know that method: see Allow",
}
# for FastAPI(responses=...): every operation may end so
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA: {"schema": Problem.model_json_schema()}}}
    for status, text in (("4XX", "The request cannot be answered"), ("5XX", "Not yet, or our fault"))
}


def problem_response(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] | None = None,
) -> Response:
    said = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=None if errors is None else [dict(each) for each in errors],
    )
    content = json.dumps(said.model_dump(exclude_none=True)).encode()
    return Response(content, status, dict(headers or {}), MEDIA)


def install_handlers(app: FastAPI) -> None:
    """Make every error of this app a problem."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotReady, _not_yet)
    app.add_exception_handler(BadRequest, _unfit)
    app.add_exception_handler(Exception, _ours)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    standard = error.detail == HTTPStatus(error.status_code).phrase
    detail = SENTENCES.get(error.status_code, error.detail) if standard else error.detail
    return problem_response(error.status_code, detail, error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    """What was sent is not repeated: it may be large, or no JSON."""
    assert isinstance(error, RequestValidationError)
    errors = [{"at": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors()[:20]]
    return problem_response(422, f"{errors[0]['at']}: {errors[0]['message']}", errors=errors)


async def _not_yet(request: Request, error: Exception) -> Response:
    return problem_response(503, str(error), {"Retry-After": "1"})


async def _unfit(request: Request, error: Exception) -> Response:
    return problem_response(422, str(error))


async def _ours(request: Request, error: Exception) -> Response:
    return problem_response(500, "this is a fault of the program: see its log")
