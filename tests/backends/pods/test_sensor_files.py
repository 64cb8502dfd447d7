"""A sensor in a container publishes exactly the rows that its session gives it."""

from pathlib import Path

import pytest

from learnae.adapters.ipfs_keys import create_identity
from learnae.backends.pods.sensor_files import CSV, SENSOR, write_sensor
from learnae.ed25519 import SensorKey
from learnae.messages.wire import cid_of
from learnae.runtime.sensor_file import SensorFile
from learnae.runtime.torch_learning import TorchLearning
from learnae.sensor.device import RowReader
from learnae.session.session_file import parse

ROWS = {"rows": 30, "validation_rows": 10, "test_rows": 50}
GROUPS = [{"count": 1, "bridge": True}, {"sensor": True, "computes": False, "wants_payment": False}]
SESSION = parse({"peers": 2, "privacy": False, "data": ROWS, "groups": GROUPS, "feed": {"rows": 10}})


@pytest.fixture(scope="module")
def learning() -> TorchLearning:
    return TorchLearning(SESSION, 1)


def test_its_readings_are_those_that_it_publishes_in_one_process(tmp_path: Path, learning: TorchLearning) -> None:
    identity = create_identity()
    write_sensor(tmp_path, "p01", 1, identity, learning, cid_of(b"session"), "mqtt://10.0.0.2")
    file = SensorFile.read(tmp_path / SENSOR)
    assert (file.name, file.session, file.feed) == ("p01", cid_of(b"session"), "mqtt://10.0.0.2")
    assert SensorKey.from_secret(bytes.fromhex(file.secret)).peer == identity.peer_id
    header, *lines = (tmp_path / CSV).read_text().splitlines()
    reader = RowReader(file, header, CSV)
    assert [reader.rows(lines[at : at + 10]) for at in (0, 10, 20)] == learning.readings(1)
    assert reader.bad == 0
