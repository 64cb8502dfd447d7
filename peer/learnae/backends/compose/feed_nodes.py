"""What the containers of the feed start from: build/swarm/feed/, with a folder for each node that no other one sees."""

import shutil
from pathlib import Path

from learnae import resources
from learnae.backends.compose.plan import Plan
from learnae.backends.pods.files import restrict
from learnae.runtime.feeds import MQTT_PORT, REST_PORT

FEED = "feed"  # folder
GOSSIP_PORT, INX_PORT = 15600, 9029
ANY = "0.0.0.0"  # in a container, whose ports are not published


def write_feed(plan: Plan, folder: Path) -> None:
    """A new network of the Tangle, or an empty folder in which the broker keeps its state.  Raises InputError."""
    if not plan.feed_services:
        return
    if plan.tangle:
        from learnae.adapters.tangle.network import Endpoints, find_programs, write_network  # needs aiomqtt

        nodes = [
            Endpoints(host, f"{ANY}:{GOSSIP_PORT}", f"{ANY}:{REST_PORT}", f"127.0.0.1:{INX_PORT}", f"{ANY}:{MQTT_PORT}")
            for host in plan.feed_hosts
        ]
        for path in write_network(folder / FEED, nodes, find_programs()):
            shutil.copy(resources.TANGLE_NODE, path / "tangle_node.sh")
    else:
        (folder / FEED / "node-0").mkdir(parents=True)
    restrict([folder / FEED], plan.user)
