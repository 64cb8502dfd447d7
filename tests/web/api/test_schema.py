"""The API against its own schema, with whatever schemathesis makes of it."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import given, settings
from schemathesis import GenerationMode, checks
from schemathesis.core.result import Ok
from tests.helpers.apis import BEARER, Asked
from tests.helpers.stages import Stage, all_of

EXAMPLES = 20  # of each operation
# A peer that has no model yet says 503, and the schema does not know how many features a session's rows have.
NOT_CHECKED = [checks.not_a_server_error, checks.positive_data_acceptance]


@pytest.fixture(scope="module", params=["starting", "over"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """Of a peer that has nothing to say yet, and of one that has a model, debts and a history."""

    async def session() -> FastAPI:
        asked = Asked(stage)
        if request.param == "over":
            asked.begin()
            assert asked.inside.live
            await all_of([asked.inside.live, stage.peer("p01"), stage.peer("p02")])
        asked.inside.end()  # or /v1/events would have no end
        return asked.app

    with ExitStack() as journals:
        stage = Stage(tmp_path_factory.mktemp("stage"), {}, journals)
        yield asyncio.run(session())


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_one_that_the_schema_promises(app: FastAPI, mode: GenerationMode) -> None:
    found = list(schemathesis.openapi.from_asgi("/v1/openapi.json", app).get_all_operations())
    assert len(found) == len(app.openapi()["paths"])
    for each in found:
        assert isinstance(each, Ok)
        operation = each.ok()
        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query):
            continue  # nothing could be wrong with it

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
        @given(operation.as_strategy(generation_mode=mode))
        def check(case: "schemathesis.Case[Any]") -> None:
            answer = case.call_and_validate(headers=BEARER, excluded_checks=NOT_CHECKED)
            assert answer.status_code < 500 or answer.status_code == 503

        check()


def test_every_operation_says_what_it_is_for(app: FastAPI) -> None:
    described = app.openapi()
    operations = [each for path in described["paths"].values() for each in path.values()]
    assert all(each["description"] and each["tags"] for each in operations)
    commands = [path for path, each in described["paths"].items() for what in each.values() if what.get("security")]
    assert commands == ["/v1/pause", "/v1/resume", "/v1/stop", "/v1/close"]
    assert all({"4XX", "5XX"} <= each["responses"].keys() for each in operations)
