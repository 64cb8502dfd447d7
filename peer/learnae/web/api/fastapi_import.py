"""Imports FastAPI in less time and memory than ``import fastapi``."""

from pydantic import BaseModel


def import_fastapi() -> None:
    """Import FastAPI, if it is not imported yet, without building its models of OpenAPI.

    Pydantic builds them when the API is first asked for its description, which takes a peer 20 ms and 2 MB.
    """
    BaseModel.model_config["defer_build"] = True
    try:
        import fastapi  # noqa: F401
    finally:
        del BaseModel.model_config["defer_build"]
