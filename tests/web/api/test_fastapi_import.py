"""FastAPI is imported without the models of OpenAPI, and describes an API with them all the same."""

import subprocess
import sys

PROGRAM = """
import sys
from learnae.web.api.fastapi_import import import_fastapi
if sys.argv[1] == "deferred":
    import_fastapi()
from fastapi.openapi.models import OpenAPI
from pydantic import BaseModel
from learnae.web.api.guard import Guard
from learnae.web.api.peer_api import peer_api
class Peer: name = "p00"
class Later(BaseModel): pass
api = peer_api(Peer(), Guard())
print(OpenAPI.__pydantic_complete__, Later.__pydantic_complete__)
print(api.openapi())"""


def test_the_description_of_an_api_is_the_same_with_deferred_models() -> None:
    deferred, whole = (
        subprocess.run([sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True).stdout
        for how in ("deferred", "whole")
    )
    assert deferred.splitlines()[0] == "False True" and whole.splitlines()[0] == "True True"
    assert len(whole) > 10_000 and deferred.splitlines()[1:] == whole.splitlines()[1:]
