"""build/swarm/: everything that a swarm in containers starts from, written before anything runs.

swarm.env  pods.yml  monitor/{targets,faults}.json       what Compose and Prometheus read; pods/files.py writes the rest
"""

import json
from collections.abc import Sequence
from pathlib import Path

from learnae.backends.compose import capacity
from learnae.backends.compose.feed_nodes import write_feed
from learnae.backends.compose.plan import Plan, pods, settings, targets
from learnae.backends.compose.prometheus_targets import write_faults
from learnae.backends.pods.files import model_size, write_swarm
from learnae.backends.pods.plan import excess
from learnae.checkout import REPOSITORY
from learnae.session.roster import Member
from learnae.session.settings import Session

FOLDER = REPOSITORY / "build" / "swarm"


def render(session: Session, plan: Plan, folder: Path = FOLDER, rpc: str | None = None) -> tuple[Member, ...]:
    """Write the folder anew, with new keys, wallets and chain.  ``rpc``: the URL of an external chain instead."""
    members = write_swarm(session, plan, folder, rpc)
    if excess(model := model_size(plan, folder)):
        capacity.check(len(plan.hosted), model)
    write_feed(plan, folder)
    write_plan(plan, members, folder)
    return members


def write_plan(plan: Plan, members: Sequence[Member], folder: Path) -> None:
    (folder / "swarm.env").write_text(settings(plan), encoding="utf-8")
    (folder / "pods.yml").write_text(pods(plan, model_size(plan, folder)), encoding="utf-8")
    (folder / "monitor").mkdir(exist_ok=True)
    (folder / "monitor" / "targets.json").write_text(
        json.dumps(targets(plan, members), indent=2) + "\n", encoding="utf-8"
    )
    write_faults(folder, ())
