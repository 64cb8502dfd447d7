"""`learnae compose`: the containers of a swarm."""

from typing import Annotated

import typer

from learnae.cli.arguments import SessionFile

app = typer.Typer(help="The containers of a swarm, as `make swarm` starts them where Docker is.", no_args_is_help=True)


@app.command()
def render(
    session: SessionFile,
    peers: Annotated[int | None, typer.Option(help="How many peers, instead of the file's number.")] = None,
) -> int:
    """Print what Compose would be given; nothing is written or started."""
    from learnae.cli import containers

    return containers.render(session, {"peers": peers})


@app.command()
def images() -> int:
    """Build the swarm's images; seconds where nothing has changed."""
    from learnae.cli import containers

    return containers.images()


@app.command()
def status() -> int:
    """Which containers there are, and how they are."""
    from learnae.cli import containers

    return containers.status()


@app.command()
def logs(name: Annotated[str, typer.Argument(metavar="WHOSE", help="p07 or 7 for a whole pod; chain.")]) -> int:
    """What the containers of one pod said."""
    from learnae.cli import containers

    return containers.logs(name)


@app.command()
def down() -> int:
    """Remove every container, network and volume of this checkout's swarm, also after a crash."""
    from learnae.cli import containers

    return containers.down()
