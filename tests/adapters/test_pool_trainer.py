"""The pool's trainer keeps every promise of its port.  Imports torch."""

from collections.abc import MutableMapping

import pytest
from tests.adapters.trainers import TrainerSuite
from tests.learn.small import Swarm, name

from learnae.ports import Trainer
from learnae.protocol.types import Cid


class Trainers:
    def __init__(self) -> None:
        swarm = Swarm()
        self.mine: Trainer = swarm.trainers[0]
        self.theirs: Trainer = swarm.trainers[1]
        self.peers = (name(0), name(1))
        self.initial = swarm.initial
        self.blocks: MutableMapping[Cid, bytes] = swarm.blocks


class TestPoolTrainer(TrainerSuite):
    @pytest.fixture
    def world(self) -> Trainers:
        return Trainers()
