"""What every application here is: guarded, described by /v1/openapi.json alone, its errors problems."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from learnae.web.api.guard import Guard, Guarded
from learnae.web.api.problems import RESPONSES, install


def guarded(title: str, guard: Guard, description: str = "") -> FastAPI:
    app = FastAPI(
        title=title,
        version="1",
        description=description,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        responses=RESPONSES,
        middleware=[Middleware(Guarded, guard=guard)],
    )
    install(app)
    return app
