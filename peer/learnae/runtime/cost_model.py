"""How long everything takes in the simulator: the session's ``[cost]`` and ``[network]``, with seeded variation."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from learnae.protocol import actions as do
from learnae.protocol.types import PeerId
from learnae.session.faults import Link
from learnae.session.settings import Session


@dataclass
class PeerCosts:
    """The durations of one peer's work, in seconds.

    ``slice_rows``: training rows of one slice.  ``speed``: how much slower than others this peer trains.
    """

    session: Session
    slice_rows: int
    rng: random.Random
    speed: float = 1.0
    sensors: Collection[PeerId] = ()

    def work(self, action: do.TrainerAction) -> float:
        """Of a job of the trainer."""
        cost = self.session.cost
        match action:
            case do.TrainSlice():
                of_sensor = action.rows is not None and action.rows.creator in self.sensors
                rows = self.session.feed.rows if of_sensor else self.slice_rows
                seconds = cost.train * rows * self.session.model.epochs
            case do.AverageModels():
                seconds = cost.average
            case _:
                seconds = cost.average / 4
        return seconds * (self.speed * self._jitter())

    def fetch(self, link: Link, size: int, late: bool) -> float:
        """Of a block of ``size`` bytes over ``link``.  ``late``: the peer has trained all its slices."""
        rate = min(self.session.network.bandwidth, link.bandwidth or float("inf"))
        crossings = self.latency(late) + self.latency(late) + 2 * link.delay
        return (crossings + size / rate) / (1 - link.loss)  # what is lost is sent again

    def store(self, late: bool) -> float:
        return self.latency(late) + self.delay(self.session.cost.store, late)

    def delay(self, seconds: float, late: bool) -> float:
        """A duration of the cost model, varied."""
        return seconds and seconds * self._factor(late) * self._jitter()

    def latency(self, late: bool) -> float:
        """Of one message over a link."""
        return self._factor(late) * self.session.network.latency * (0.5 + self.rng.random())

    # private

    def _factor(self, late: bool) -> float:
        return self.session.cost.late_delay_factor if late else 1.0

    def _jitter(self) -> float:
        return self.rng.lognormvariate(0.0, self.session.cost.jitter)
