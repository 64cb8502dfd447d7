"""`learnae chaos`: sessions in which links drop, peers die, chains stall or neighbours cheat."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Faults and cheats by plan, and proof that nothing is lost.", no_args_is_help=True)


class Where(StrEnum):
    COMPOSE = "compose"
    SIM = "sim"


Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", help="A name that `learnae chaos list` shows, or a file.")]
Peers = Annotated[int | None, typer.Option(help="How many peers, instead of the file's number.")]
Seed = Annotated[int | None, typer.Option(help="The dice, instead of the file's.")]


@app.command("list")
def show() -> int:
    """The scenarios that come with LEARNAE, and what each shows."""
    from learnae.cli import scenarios

    return scenarios.show()


@app.command()
def plan(scenario: Scenario, peers: Peers = None, seed: Seed = None) -> int:
    """What would go wrong, when and to whom."""
    from learnae.cli import scenarios

    return scenarios.plan(scenario, {"peers": peers, "seed": seed})


@app.command()
def run(
    scenario: Scenario,
    peers: Peers = None,
    seed: Seed = None,
    backend: Annotated[
        Where | None, typer.Option(help="Where it runs, instead of in containers if a Docker engine answers.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to write, instead of runs/TIME-NAME.")] = None,
) -> int:
    """Run a scenario, check it, and put it beside the same session without faults and cheats."""
    from learnae.cli import scenarios

    return scenarios.run(scenario, {"peers": peers, "seed": seed}, backend, out)
