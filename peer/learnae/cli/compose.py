"""`learnae compose`: the containers of a swarm."""

import asyncio
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from learnae.cli.arguments import Json, SessionFile
from learnae.cli.output import print_document, say
from learnae.errors import InputError

if TYPE_CHECKING:
    from learnae.backends.compose.containers import Containers

app = typer.Typer(help="Manage the containers of a swarm that `make swarm` started.", no_args_is_help=True)


@app.command()
def render(
    session: SessionFile,
    peers: Annotated[int | None, typer.Option(help="Number of peers; overrides the session file.")] = None,
) -> int:
    """Print the Compose files of a session.  Nothing is written or started."""
    from learnae.backends.compose.plan import pods, settings
    from learnae.backends.compose.prepare import available_profiles, plan_for
    from learnae.backends.pods.plan import least_model
    from learnae.runs.sessions import load_session
    from learnae.session.environment import external_chain_settings

    _require_engine()
    chosen = load_session(session, {"peers": peers})
    plan = plan_for(chosen, available_profiles(), external_chain=external_chain_settings() is not None)
    files = settings(plan), pods(plan, least_model(chosen))
    print("# build/swarm/swarm.env\n{}\n# build/swarm/pods.yml\n{}".format(*files), end="")
    return 0


@app.command()
def images() -> int:
    """Build the swarm's images; this takes seconds if nothing has changed."""
    from learnae.backends.compose.images import OURS, build
    from learnae.backends.compose.plan import project
    from learnae.checkout import REPOSITORY

    _require_engine()
    name = project(REPOSITORY)
    asyncio.run(build(name))
    say(f"Built {', '.join(f'{name}-{image}' for image in OURS)}")
    return 0


@app.command()
def push(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX[:TAG]", help="Such as registry.example/team/learnae:1.0.")],
) -> int:
    """Tag the images that `make images` built as PREFIX-peer:TAG etc., and push them."""
    from learnae.backends.compose.images import OURS, built, publish
    from learnae.backends.compose.plan import project
    from learnae.backends.pods.images import Images
    from learnae.checkout import REPOSITORY

    _require_engine()
    names, name = Images.named(prefix), project(REPOSITORY)
    if not built(name):
        raise InputError("the images are not built: run make images")
    for image in OURS:
        asyncio.run(publish(f"{name}-{image}", names[image]))
        say(f"Pushed {names[image]}")
    say(f"Use them: learnae swarm SESSION --backend kubernetes --images {prefix}")
    return 0


@app.command()
def status(json: Json = False) -> int:
    """List the containers and their states."""

    containers = sorted(_containers().containers(), key=lambda container: container.service)
    if json:
        print_document([asdict(container) for container in containers])
        return 0
    for container in containers:
        say(f"{container.service:<12} {container.state:<8} {container.status}")
    running = sum(container.state == "running" for container in containers)
    say(f"{running} of {len(containers)} containers are running." if containers else "No swarm of this checkout is up.")
    return 0


@app.command()
def logs(name: Annotated[str, typer.Argument(metavar="NAME", help="p07 or 7 for a pod; or a service: chain.")]) -> int:
    """Print the logs of the containers of one pod."""
    containers = _containers()
    services = [container.service for container in containers.containers()]
    pods = (name, f"p{name:0>2}", f"p{name:0>3}")
    chosen = [service for service in services if service == name or service.partition("-")[2] in pods]
    if not chosen:
        raise InputError(f"there is no container of {name}: see make status")
    containers.compose("logs", *chosen, shown=True)
    return 0


@app.command()
def down() -> int:
    """Remove every container, network and volume of this checkout's swarm, also after a crash."""
    from learnae.cli.run_session import ask_for_patience, handled

    containers = _containers()
    with handled(ask_for_patience, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        removed = containers.down()
    say(f"Removed {removed} containers with their network and volumes." if removed else "There was nothing to remove.")
    stuck = containers.networks()
    if stuck:
        raise InputError(
            f"Docker says that {', '.join(stuck)} is still in use: restart Docker, then run make down again"
        )
    return 0


def _require_engine() -> None:
    """Raises InputError."""
    from learnae.backends.compose import engine

    missing = engine.missing()
    if missing:
        raise InputError(missing)


def _containers() -> "Containers":
    from learnae.backends.compose.containers import Containers
    from learnae.backends.compose.plan import project
    from learnae.backends.compose.render import FOLDER
    from learnae.checkout import REPOSITORY

    _require_engine()
    return Containers(project(REPOSITORY), FOLDER)
