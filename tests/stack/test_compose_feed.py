"""Sensors on containers: their readings cross a feed of containers, and all of them are trained on.

A sensor or a node of the Tangle is killed when the last sensor is one second old; each sensor lives for 18 s at least.
"""

import asyncio
from pathlib import Path

import pytest
from tests.helpers.command_line import ALL_PASSED, here
from tests.helpers.docker_engine import require_engine
from tests.stack.compose_swarm import PROJECT, Command, left

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.compose import images
from learnae.checkout import REPOSITORY
from learnae.protocol.decisions import Trained
from learnae.protocol.row_types import RowsForwarded
from learnae.records.history import Effect, FaultEnded, ReadingPublished

pytestmark = pytest.mark.docker

SESSION = """
name = "feed"
peers = 5
privacy = false
linger = 20.0
max_duration = 600.0
[data]
rows = 300
validation_rows = 300
[model]
hidden = [16]
[work]
slices = 3
patience = 2
[start]
timeout = 60.0
[expect]
recovery = 120.0
[[groups]]
count = 1
bridge = true
[[groups]]
count = 1
has_rows = false
[[groups]]
count = 1
has_rows = false
computes = false
bridge = true
[[groups]]
count = 2
sensor = true
computes = false
wants_payment = false
[feed]
rows = 100
every = 6.0
"""
MOSQUITTO = """
kind = "mqtt"
[[faults]]
kind = "sensor-kill"
targets = ["p03"]
at = 1.0
duration = 3.0
"""
TANGLE = """
kind = "tangle"
nodes = 3
[[faults]]
kind = "feed-kill"
at = 1.0
duration = 3.0
"""


@pytest.mark.parametrize(
    ("image", "feed"), [(images.BROKER, MOSQUITTO), (images.TANGLE, TANGLE)], ids=["mosquitto", "tangle"]
)
def test_every_reading_of_sensors_is_trained_on_once_by_each_peer_although_a_sensor_or_a_node_of_the_feed_is_killed(
    image: str, feed: str, tmp_path: Path
) -> None:
    (tmp_path / "session.toml").write_text(SESSION + feed)
    require_engine()
    if image == images.TANGLE and not (REPOSITORY / ".tools" / "bin" / "hornet").exists():
        pytest.skip("HORNET is not there: make tools")
    asyncio.run(images.build(PROJECT, image))
    swarm = Command(tmp_path / "run", "swarm", tmp_path / "session.toml", "--port", 0)
    try:
        swarm.when("3 of 3 registered")
        assert swarm.end() == 0, "\n".join(swarm.lines)
    finally:
        here(tmp_path, "compose", "down")
    swarm.when(ALL_PASSED)
    swarm.when("6 of 6 readings of sensors were trained on; the first model came .* s .median. after the feed had it")
    swarm.when("The last models of peers descend, by training and averaging, from .*6 of these readings")
    assert left() == ""
    history = RunDirectory(swarm.run).read()
    published = {fact.cid for _, fact in history.facts(ReadingPublished)}
    assert {record.peer for record, _ in history.facts(ReadingPublished)} == {"p03", "p04"}
    assert {fact.cid for _, fact in history.facts(RowsForwarded)} == published
    trained = [(record.peer, fact.rows) for record, fact in history.facts(Trained) if fact.rows in published]
    assert sorted(trained) == sorted((name, cid) for name in ("p00", "p01") for cid in published), "once by each"
    assert [fact.effect for _, fact in history.facts(FaultEnded)] == [Effect.APPLIED]
    audited = here(swarm.run, "audit", swarm.run, "--replay")  # code 2 if a job could not be executed again
    assert audited.returncode == 0, audited.stdout + audited.stderr
