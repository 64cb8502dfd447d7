"""docs/reference/api.md says what is so: its examples are sent, and no operation is missing."""

import asyncio
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.helpers.apis import HERE, TOKEN, Asked
from tests.helpers.stages import Stage, all_of
from typer.main import get_command

from learnae.cli.app import build_app

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text()


def examples() -> Iterator[tuple[str, str, dict[str, str], str | None]]:
    """Method, path, headers and body of each curl command."""
    for line in re.findall(r"^curl .*", PAGE, re.MULTILINE):
        words = iter(shlex.split(line.replace("$TOKEN", TOKEN), comments=True)[1:])
        method, path, headers, body = "GET", "", dict[str, str](), None
        for word in words:
            if word == "-X":
                method = next(words)
            elif word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            elif word == "-d":
                method, body = "POST", next(words)
            elif not word.startswith("-"):
                assert word.startswith(HERE)
                path = word.removeprefix(HERE)
        yield method, path, headers, body


def test_every_example_of_the_page_is_answered_and_every_operation_has_one(staged: Callable[..., Stage]) -> None:
    async def node() -> bytes:
        return b"up 1\n"

    async def play() -> None:
        stage = staged()
        asked = Asked(stage)
        asked.begin()
        asked.inside.kubo = node
        assert asked.inside.live
        await all_of([asked.inside.live, stage.peer("p01"), stage.peer("p02")])
        asked.inside.end()
        sent = set()
        for method, path, headers, body in examples():
            answer = await asked.client.request(method, path, headers=headers, content=body)
            assert answer.status_code in (200, 202), (path, answer.text)
            sent.add((method.lower(), path.partition("?")[0]))
        operations = {(method, path) for path, each in asked.app.openapi()["paths"].items() for method in each}
        assert sent == operations

    asyncio.run(play())


def test_every_option_of_the_page_exists() -> None:
    command = get_command(build_app()).commands["peer"]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= known
