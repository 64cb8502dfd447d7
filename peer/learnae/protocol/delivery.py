"""How reliably the models of one creator arrive, and when the next fetch from it is worthwhile."""

from dataclasses import dataclass

RETRY_AFTER = 2.0  # s until a creator is tried again after a failed fetch; doubles with each failure
MAX_RETRY_AFTER = 32.0  # s
MAX_FAILURES = 8  # failed fetches until a creator that never delivered is given up
FAILURES_PER_DELIVERY = 3  # further failures that each delivered model allows
TRIAL_AFTER = 60.0  # s until a creator that was given up is tried again; doubles with each trial of the session


@dataclass(slots=True)
class Delivery:
    """Announcements renew nothing here, because they cost nothing; delivered models do.

    A creator that was given up is tried again now and then, because what failed may have been the network.
    """

    delivered: int = 0
    failures: int = 0  # since the last delivery
    charged: int = 0  # failures since which, or since the one before, a model of another creator has arrived
    trials: int = 0  # waits since it was given up
    renewed: int = 0  # waits that a new announcement has ended
    not_before: float = 0.0  # s: of the next fetch
    began_at: float = 0.0  # s: of the last fetch
    judged_at: float = 0.0  # s: of the last delivery or failure

    @property
    def reliable(self) -> bool:
        return self.delivered > 0 and self.failures == 0

    @property
    def given_up(self) -> bool:
        return self.charged >= MAX_FAILURES + FAILURES_PER_DELIVERY * self.delivered

    @property
    def failing(self) -> bool:
        return self.failures > 0 and not self.given_up

    def succeed(self, now: float) -> None:
        self.delivered += 1
        self.failures, self.not_before, self.judged_at = 0, 0.0, now

    def fail(self, now: float, last_arrival: float) -> None:
        """``last_arrival``: of a model of anybody.  While none arrives, the fault may be in the peer's own network."""
        self.charged += last_arrival > self.judged_at and not self.given_up
        wait = min(RETRY_AFTER * 2**self.failures, MAX_RETRY_AFTER)
        if self.given_up:
            wait = TRIAL_AFTER * 2**self.trials
            self.trials += 1
        self.not_before = now + wait
        self.failures, self.judged_at = self.failures + 1, now

    def announced(self) -> None:
        """A new model ends the wait once per delivered model: after an outage, what is new arrives soon."""
        if self.renewed < self.delivered and self.failing:
            self.renewed += 1
            self.not_before = 0.0
