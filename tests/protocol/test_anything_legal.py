"""Whatever a driver legally reports, in any order: nothing raises, and money, states and memory stay correct.

The invariants are in ``tests/helpers/random_faults.py``; they are checked after every event.
"""

import random
from collections import Counter
from decimal import Decimal

import pytest
from tests.helpers.peers import config, own_plugin
from tests.helpers.random_faults import RandomDriver

from learnae.errors import Reason
from learnae.protocol.decisions import DebtState
from learnae.protocol.policies import Forgery, Policy, Role
from learnae.protocol.settings import Defence, IdentityRule, MarketSettings, PeerConfig, Scope, Settle
from learnae.protocol.types import PeerId, Wei

MOODY = """
from learnae.protocol.hooks import Honest
from learnae.protocol.policies import Forgery

class Moody(Honest):
    def slice(self, view): return self.random.choice([None, *Forgery])
    def attempt(self, view, remote): return self.random.choice([None, *Forgery, 1])
    def publishes(self, view): return self.random.random() < 0.7
    def pays(self, debt): return self.random.choice([True, False, 1 // self.random.randrange(2)])
    def leaves(self, view): return self.random.random() < 0.01
"""
VARIANTS = {
    **{policy.value: config(policy=policy, max_peers=3, patience=9) for policy in Policy if policy is not Policy.OWN},
    "own": config(policy=Policy.OWN, behaviour=own_plugin(MOODY, "Moody"), max_peers=3, patience=9),
    "perturbing": config(policy=Policy.COPYCAT, forgery=Forgery.PERTURBED),
    "hijacker, paper": config(policy=Policy.HIJACKER, claimed_peer=PeerId("ann"), identity=IdentityRule.PAPER),
    "without rows": config(role=Role.PROFITEER, slices_planned=0),
    "provider": config(role=Role.PROVIDER, slices_planned=0),
    "keeper": config(role=Role.KEEPER, slices_planned=0),
    "profits only": config(slices_planned=0, expected_identities=3),
    "unpaid": config(wants_payment=False, function="flat"),
    "poor": config(cap=Decimal("0.02"), function="error-reduction"),
    "batched": config(settle=Settle.BATCHED, threshold=Decimal("0.02"), patience=9),
    "profiled": config(kind=Defence.PROFILES, window=40, patience=9),
    "reciprocal": config(kind=Defence.RECIPROCITY, scope=Scope.ALL, grace=1.0, forgive=9.0, patience=9),
    "costly": config(cost=Wei(400), market=MarketSettings(window=2), patience=9),
    "slow": config(slice=5.0, attempt=2.0, patience=5),
}


def session(config: PeerConfig, seed: int, steps: int) -> RandomDriver:
    driver = RandomDriver(config, random.Random(seed))
    for _ in range(steps):
        driver.step()
    return driver


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_legal_story_breaks_a_peer(variant: str) -> None:
    for seed in range(12):
        session(VARIANTS[variant], seed, 250).replayed()


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_outage_of_everything_ends_in_waiting_for_a_timer(variant: str) -> None:
    """No hot loop: requests that fail at once are not asked again at the same moment for ever."""
    for seed in range(8):
        driver = session(VARIANTS[variant], seed, 10 * seed)
        limit = 1200 if VARIANTS[variant].policy is Policy.SPAMMER else 60
        assert driver.fail_all() < limit
        assert not driver.open


def test_the_stories_reach_what_they_are_about() -> None:
    seen: Counter[str] = Counter()
    for seed in range(40):
        seen += session(config(max_peers=4, patience=9), seed, 300).seen
    for state in DebtState:
        assert seen[state], f"no debt became {state}"
    for reason in (Reason.REPEAT, Reason.STALE, Reason.RATE_LIMIT, Reason.PEER_LIMIT):
        assert seen[reason], f"nothing was dropped as {reason}"
    for action in ("SignPayment", "SignDeployment", "SendTransaction", "AverageModels", "SignClaim", "ReadReceipts"):
        assert seen[action], f"nothing led to {action}"


@pytest.mark.soak
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_long_legal_story_breaks_a_peer(variant: str) -> None:
    for seed in range(12, 400):
        session(VARIANTS[variant], seed, 500).replayed()
