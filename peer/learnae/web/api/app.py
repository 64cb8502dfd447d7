"""The common part of all applications: access control, /v1/openapi.json, and errors as problem details."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from learnae.web.api.guard import Guard, GuardMiddleware
from learnae.web.api.problems import RESPONSES, install_handlers


def create_app(title: str, guard: Guard, description: str = "") -> FastAPI:
    app = FastAPI(
        title=title,
        version="1",
        description=description,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # FastAPI's pages load scripts from other sites
        redoc_url=None,
        responses=RESPONSES,
        middleware=[Middleware(GuardMiddleware, guard=guard)],
    )
    install_handlers(app)
    return app
