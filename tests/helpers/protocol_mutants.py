"""Ways to break the protocol and the ledger, one method each, and the checks that must notice.

A name in ``caught_by`` is a check of ``learnae.analysis.checks`` or a property in ``session_properties.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
from tests.helpers import chain_mutants as chain
from tests.helpers import peer_book_mutants as book
from tests.helpers import record_mutants as records
from tests.helpers.swarms import Faults, groups, nothing

from learnae.adapters.memory_network import MemoryNet
from learnae.backends.sim.faults import SimulatedLifecycle
from learnae.protocol import actions as do
from learnae.protocol import directory, reward
from learnae.protocol.debts import Debts
from learnae.protocol.decisions import DebtChanged, DebtState, Published, Verdict
from learnae.protocol.directory import Directory
from learnae.protocol.hooks import RefusesToPay
from learnae.protocol.pace import Pace
from learnae.protocol.payments import Payments
from learnae.protocol.publication import Publication
from learnae.protocol.reward import Rewards, RewardView
from learnae.protocol.training import Training
from learnae.protocol.transactions import Transactions
from learnae.protocol.types import Cid, ModelRef, Score, Wei
from learnae.runtime.simulator import Simulator
from learnae.session.faults import Component, Fault, Link, Links

Patch = pytest.MonkeyPatch

BASE: dict[str, Any] = {"peers": 5, "data": {"rows": 1000}, "work": {"slices": 3, "patience": 4}, "max_duration": 200.0}
UNEVEN = BASE | {"reward": {"factor": "0.055000000000000007"}}  # so that Eq. 1 does not come out even
CAPPED = BASE | {"reward": {"cap": "0.001"}}
REFUSER = BASE | groups({"count": 4}, {"count": 1, "policy": "refuses-to-pay"})
HIJACKED = BASE | groups({"count": 4}, {"count": 1, "policy": "hijacker", "victim": "p00", "joins_at": 5.0})
HIJACKED |= {"start": {"timeout": 4.0}}
PAPER_RULE = HIJACKED | {"identity": "paper"}
LATE_VICTIM = (
    BASE
    | {"seed": 6, "start": {"timeout": 3.0}, "work": {"slices": 6, "patience": 8}}
    | groups({"count": 1, "joins_at": 2.0}, {"count": 3}, {"count": 1, "policy": "hijacker", "victim": "p00"})
)
LATE = BASE | {"start": {"timeout": 3.0}, "linger": 60.0} | groups({"count": 4}, {"count": 1, "joins_at": 60.0})


COPIED = BASE | {"peers": 8} | groups({"count": 6}, {"count": 2, "policy": "copycat"})
CROWDED = BASE | {"peers": 10, "start": {"timeout": 1.0}, "network": {"max_peers": 4}}
CROWDED |= groups({"count": 5}, {"count": 5, "joins_at": 10.0})
PACED = BASE | {"work": {"slices": 9, "patience": 5}, "pace": {"slice": 2.0}, "network": {"announce_every": 4.0}}
PARTED = PACED | {"faults": [{"kind": "split", "at": 5, "duration": 6}]}
KILLED = PACED | {"faults": [{"kind": "kill", "at": 5, "duration": 6, "targets": ["p02"]}]}


def rollback(simulator: Simulator) -> None:
    simulator.at(10.0, lambda: simulator.roll_back(1000))


def replaced(simulator: Simulator) -> None:
    """With some payments final and others under way."""
    simulator.at(10.0, simulator.replace_chain)


def crashes(simulator: Simulator) -> None:
    """Once each, with payments under way."""
    for name in simulator.hosts:
        simulator.at(8.2, partial(simulator.kill, name))
        simulator.at(8.2, partial(simulator.start, name))


@dataclass(frozen=True)
class Mutant:
    name: str
    breaks: Callable[[Patch], None]
    caught_by: set[str]
    table: dict[str, Any] = field(default_factory=lambda: BASE)
    faults: Faults = nothing


# money


def pays_twice(patch: Patch) -> None:
    signed = Payments.transaction_signed
    patch.setattr(Payments, "_still_owed", lambda self, request: True)

    def twice(self: Payments, request: Any, event: Any) -> None:
        signed(self, request, event)
        if isinstance(request, do.SignPayment):
            purposes = [transaction.purpose for transaction in self.transactions.by_nonce]
            if purposes.count(request.debts) == 1:
                debts = [self.debts.by_number[debt] for debt in request.debts]
                self.transactions.sign_payment(debts, self.transactions.next_nonce)

    patch.setattr(Payments, "transaction_signed", twice)


def forgets_a_debt(patch: Patch) -> None:
    owe = Rewards.owe

    def forgetful(self: Rewards, model: ModelRef, before: Score, after: Score) -> None:
        if model.step % 2:
            owe(self, model, before, after)

    patch.setattr(Rewards, "owe", forgetful)


def owes_for_other_scores(patch: Patch) -> None:
    owe = Rewards.owe
    start = Score(500, 1000)
    patch.setattr(Rewards, "owe", lambda self, model, before, after: owe(self, model, start, after))


def rounds_up(patch: Patch) -> None:
    def ceiling(view: RewardView) -> int:
        before, after = view.before, view.after
        gain = after.correct * before.total - before.correct * after.total
        return -(-view.factor * gain // (before.total * after.total))

    patch.setattr(reward, "proportional", ceiling)


def pays_less_than_it_owes(patch: Patch) -> None:
    pay = Transactions.sign_payment

    def mean(self: Transactions, debts: Sequence[DebtChanged], nonce: int) -> None:
        pay(self, [replace(debt, wei=Wei(debt.wei - 1)) for debt in debts], nonce)

    patch.setattr(Transactions, "sign_payment", mean)


def names_another_model(patch: Patch) -> None:
    pay = Transactions.sign_payment

    def mute(self: Transactions, debts: Sequence[DebtChanged], nonce: int) -> None:
        pay(self, [replace(debts[0], cid=Cid("none")), *debts[1:]], nonce)

    patch.setattr(Transactions, "sign_payment", mute)


def ignores_its_cap(patch: Patch) -> None:
    patch.setattr(Debts, "decline_above_cap", lambda self, debts: list(debts))


def pays_though_it_refuses(patch: Patch) -> None:
    patch.setattr(RefusesToPay, "pays", lambda self, debt: True)


# the directory


def pays_a_rejected_claim(patch: Patch) -> None:
    def last(self: Directory, peer: Any) -> Any:
        wallets = [each.claim.poid.wallet for each in self.entries.values() if each.claim.poid.peer == peer]
        return wallets[-1] if wallets else None

    patch.setattr(Directory, "payee", last)


def believes_claims_without_proof(patch: Patch) -> None:
    patch.setattr(directory, "refusal", lambda policy, claim, facts: None)


def the_last_to_be_heard_wins(patch: Patch) -> None:
    """The order of arrival decides."""

    def rank(self: Directory, peer: Any) -> list[Any]:
        rivals = [key for key, entry in self.entries.items() if entry.facts and entry.facts.poid.peer == peer]
        for key in rivals:
            verdict = Verdict.WINNER if key == rivals[-1] else Verdict.LATER
            self.entries[key] = replace(self.entries[key], verdict=verdict)
        return rivals

    patch.setattr(Directory, "_rank", rank)


def pays_the_contract(patch: Patch) -> None:
    """The claim's contract in place of the wallet it names."""

    def contract(self: Directory, peer: Any) -> Any:
        return next((e.claim.contract for e in self.entries.values() if e.claim.poid.peer == peer), None)

    patch.setattr(Directory, "payee", contract)


# work


def adopts_what_is_equal(patch: Patch) -> None:
    patch.setattr(Score, "beats", lambda self, other: self.correct * other.total >= other.correct * self.total)


def adopts_what_is_worse(patch: Patch) -> None:
    patch.setattr(Score, "beats", lambda self, other: True)


def drops_training_that_made_it_worse(patch: Patch) -> None:
    trained = Training.slice_trained

    def picky(self: Training, request: Any, event: Any) -> None:
        before = self.score
        trained(self, request, event)
        if before and not event.score.beats(Score(before.correct + 100, before.total)):
            self.score = before

    patch.setattr(Training, "slice_trained", picky)


def averages_with_itself(patch: Patch) -> None:
    begin = Training._begin_attempt

    def lonely(self: Training, remote: ModelRef) -> None:
        if self.attempts.begun == 3 and self.publication.published:
            self._peer_book.add(self._config.peer)
            remote = self.publication.published
        begin(self, remote)

    patch.setattr(Training, "_begin_attempt", lonely)


def announces_the_unpublished(patch: Patch) -> None:
    stored = Publication.model_stored

    def silent(self: Publication, request: Any) -> None:
        record = self._requests.record
        self._requests.record = lambda decision: isinstance(decision, Published) or record(decision)  # type: ignore
        stored(self, request)
        self._requests.record = record  # type: ignore[method-assign]

    patch.setattr(Publication, "model_stored", silent)


def adopts_without_publishing(patch: Patch) -> None:
    attempt_scored = Training.attempt_scored

    def selfish(self: Training, remote: ModelRef, event: Any) -> None:
        publish = self.publication.publish
        self.publication.publish = partial(keep, self.publication)  # type: ignore[method-assign]
        attempt_scored(self, remote, event)
        self.publication.publish = publish  # type: ignore[method-assign]

    def keep(publication: Publication, weights: Any, parents: Any) -> None:
        publication.weights = weights
        publication.step += 1

    patch.setattr(Training, "attempt_scored", selfish)
    patch.setattr(Publication, "pending", False)


def never_wakes(patch: Patch) -> None:
    fetched = Training._model_arrived

    def asleep(self: Training, *fetched_model: Any) -> None:
        change = self._change
        self._change = lambda cause: None  # type: ignore[method-assign]
        fetched(self, *fetched_model)
        self._change = change  # type: ignore[method-assign]

    patch.setattr(Training, "_model_arrived", asleep)


def never_has_enough(patch: Patch) -> None:
    """Idle for ever where no candidate is left, also after the end."""
    patch.setattr(Pace, "has_waited", lambda self, seconds: False)
    patch.setattr(Training, "close", lambda self: None)


def has_endless_patience(patch: Patch) -> None:
    ended = Training._end_unit

    def patient(self: Training) -> None:
        self.patience = self._config.work.patience
        ended(self)

    patch.setattr(Training, "_end_unit", patient)


FINAL_AGAIN = partial(chain.pays_again_on_another_chain, states=(DebtState.FINAL,))
SENT_AGAIN = partial(chain.pays_again_on_another_chain, states=(DebtState.SIGNED, DebtState.SENT, DebtState.MINED))
COPIES_WIN = {"exact_copies_earn_nothing", "honest_peers_are_not_called_copiers"}
UNHEALED = {"recovered"}
UNPRICED = {"plugins_did_not_raise", "amounts_follow_reward_function"}  # no reward function has a price for a loss
UNPUBLISHED = {"averaged_models_were_published", "what_is_kept_is_published"}
# chaos


def forgets_to_heal(patch: Patch) -> None:
    set_links = MemoryNet.set_links

    async def cut_only(self: MemoryNet, links: Links) -> None:
        if links:
            await set_links(self, links)

    patch.setattr(MemoryNet, "set_links", cut_only)


def only_tells_of_faults(patch: Patch) -> None:
    async def nothing(self: MemoryNet, links: Links) -> None:
        pass

    patch.setattr(MemoryNet, "set_links", nothing)


def cuts_halfway(patch: Patch) -> None:
    set_links, leaky = MemoryNet.set_links, Link(loss=0.5)
    patch.setattr(MemoryNet, "set_links", lambda self, links: set_links(self, dict.fromkeys(links, leaky)))


def starts_nobody_again(patch: Patch) -> None:
    async def nothing(self: SimulatedLifecycle, component: Component, fault: Fault) -> None:
        self.simulator.away.discard(component.peer)

    patch.setattr(SimulatedLifecycle, "restore", nothing)


MUTANTS = [
    Mutant("pays twice", pays_twice, {"debts_paid_once", "payee_has_earliest_claim"}),
    Mutant("forgets a debt", forgets_a_debt, {"adoptions_create_debts"}),
    Mutant("owes for other scores", owes_for_other_scores, {"adoptions_create_debts"}),
    Mutant("rounds Eq. 1 up", rounds_up, {"amounts_follow_reward_function"}, UNEVEN),
    Mutant("pays less than it owes", pays_less_than_it_owes, {"payments_match_debts"}),
    Mutant("names another model", names_another_model, {"payments_match_debts"}),
    Mutant("ignores its cap", ignores_its_cap, {"spending_cap_respected"}, CAPPED),
    Mutant("pays though it refuses", pays_though_it_refuses, {"refusers_pay_nothing"}, REFUSER),
    Mutant("never confirms", chain.never_confirms, {"no_debt_left_open"}),
    Mutant("ignores a rollback", chain.ignores_a_rollback, {"debts_paid_once", "no_debt_left_open"}, faults=rollback),
    Mutant("takes a nonce twice", chain.takes_a_nonce_twice, {"payments_match_debts"}, faults=rollback),
    Mutant(
        "takes another chain for its own", chain.takes_another_chain_for_its_own, {"debts_paid_once"}, faults=replaced
    ),
    Mutant("pays again what is final", FINAL_AGAIN, {"debts_signed_on_one_chain"}, faults=replaced),
    Mutant("pays again what was sent", SENT_AGAIN, {"debts_signed_on_one_chain"}, faults=replaced),
    Mutant(
        "believes claims of another chain",
        chain.believes_claims_of_another_chain,
        {"payee_has_earliest_claim"},
        table=BASE | {"seed": 2},
        faults=replaced,
    ),
    Mutant(
        "signs again after a crash",
        chain.signs_again_after_a_crash,
        {"debts_paid_once", "payee_has_earliest_claim"},
        faults=crashes,
    ),
    Mutant("the ledger mints wei", chain.the_ledger_mints_wei, {"wei_conserved"}),
    Mutant("the ledger mines twice", chain.the_ledger_mines_twice, {"blocks_and_nonces_consecutive"}),
    Mutant(
        "pays a rejected claim", pays_a_rejected_claim, {"payee_has_earliest_claim", "only_creators_are_paid"}, HIJACKED
    ),
    Mutant("believes claims without proof", believes_claims_without_proof, {"only_creators_are_paid"}, LATE_VICTIM),
    Mutant("the last to be heard wins", the_last_to_be_heard_wins, {"payee_has_earliest_claim"}, PAPER_RULE),
    Mutant("pays the contract", pays_the_contract, {"payee_has_earliest_claim", "only_creators_are_paid"}),
    Mutant("adopts what is equal", adopts_what_is_equal, {"adopted_only_if_better"}),
    Mutant("adopts what is worse", adopts_what_is_worse, {"adopted_only_if_better", *UNPRICED}),
    Mutant("drops training that made it worse", drops_training_that_made_it_worse, {"adopted_only_if_better"}),
    Mutant("averages with itself", averages_with_itself, {"own_models_not_averaged"}),
    Mutant("announces what it has not published", announces_the_unpublished, UNPUBLISHED),
    Mutant("adopts without publishing", adopts_without_publishing, {"what_is_kept_is_published"}),
    Mutant("forgets to heal", forgets_to_heal, UNHEALED, PARTED),
    Mutant("forgets to heal what models of before travel around", forgets_to_heal, UNHEALED, PARTED | {"peers": 10}),
    Mutant("only tells of faults", only_tells_of_faults, {"faults_happened"}, PARTED),
    Mutant("lets half of it through a cut", cuts_halfway, {"faults_happened"}, PARTED),
    Mutant("starts nobody again", starts_nobody_again, {"recovered", "every_peer_finished"}, KILLED),
    Mutant("never wakes", never_wakes, {"news_wakes"}, LATE),
    Mutant("never has enough", never_has_enough, {"every_peer_finished"}),
    Mutant("has endless patience", has_endless_patience, {"patience_ends"}),
    Mutant(
        "lets strangers displace useful peers",
        book.lets_strangers_displace_useful_peers,
        {"useful_peers_stay_known"},
        CROWDED,
    ),
    Mutant(
        "believes announcements",
        book.believes_announcements,
        {"honest_peers_are_not_called_copiers"},
        faults=book.front_runs,
    ),
    Mutant("credits the first that arrives", book.credits_the_first_that_arrives, COPIES_WIN, COPIED),
    Mutant("takes a repetition for news", book.takes_a_repetition_for_news, {"nothing_is_tried_twice"}),
    Mutant("trains until it diverges", records.trains_until_it_diverges, {"training_did_not_diverge"}),
    Mutant("pays any price for gas", records.pays_any_price_for_gas, {"gas_within_limits"}),
    Mutant("names other roles", records.names_other_roles, {"roles_match_settings"}),
    Mutant("conceals attempts", records.conceals_attempts, {"attempts_are_recorded"}),
    Mutant("turns the clock back", records.turns_the_clock_back, {"records_in_order"}),
    Mutant("tests models that nobody had", records.tests_models_that_nobody_had, {"tested_models_exist"}),
]
