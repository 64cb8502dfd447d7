"""What must hold of a session beyond the checks of its verdict, because it is about behaviour and not about money."""

from collections import Counter
from collections.abc import Callable, Iterator

from tests.helpers.swarms import Run

from learnae.errors import Reason
from learnae.protocol.decisions import AttemptFailed, Averaged, DebtState, Published, WorkChanged, WorkState
from learnae.protocol.policies import Policy
from learnae.records.history import kept_score


def what_is_kept_is_published(run: Run) -> bool:
    """The last weights of a peer that is DONE; earlier ones may have been overtaken while they were stored."""
    published = {(record.peer, fact.cid) for record, fact in run.history.facts(Published)}
    last: dict[str, object] = {}
    for record in run.records:
        if kept_score(record.fact) is not None and (hasattr(record.fact, "step")):
            last[record.peer] = record.fact.cid  # type: ignore[union-attr]
    return all((peer, cid) in published for peer, cid in last.items())


def nothing_is_tried_twice(run: Run) -> bool:
    tried = Counter((record.peer, fact.remote_cid) for record, fact in run.history.facts(Averaged))
    return max(tried.values(), default=0) <= 1


def news_wakes(run: Run) -> bool:
    """Whoever joins a swarm that is DONE is averaged with: somebody is, by everybody that has room for it."""
    late = max(run.simulation.simulator.hosts.values(), key=lambda host: host.joins_at)
    tried = {record.peer for record, fact in run.history.facts(Averaged) if fact.creator == late.config.peer}
    full = run.simulation.session.network.max_peers < run.simulation.session.peers
    return late.joins_at == 0 or full or tried == run.history.roster.keys() - {late.name}


def patience_ends(run: Run) -> bool:
    """No more scored attempts without an adoption than patience allows, once all slices are seen, but after waking."""
    patience = run.simulation.session.work.patience
    return all(spent <= patience for name in run.history.roster for spent in _impatience(run, name))


def _impatience(run: Run, name: str) -> Iterator[int]:
    slices, spent = run.simulation.session.work.slices, 0
    for record in run.records:
        if record.peer == name:
            match record.fact:
                case WorkChanged(work=WorkState.TRAINING):
                    slices -= 1
                case Averaged(adopted=adopted) if slices == 0:
                    spent = 0 if adopted else spent + 1
                case WorkChanged(work=WorkState.DONE):
                    spent = min(spent, run.simulation.session.work.patience - 1)
            yield spent


def only_creators_are_paid(run: Run) -> bool:
    """Where claims need a proof of possession, what is paid for a peer's models reaches that peer's pay-out wallet."""
    wallets = {entry.peer: entry.payee for entry in run.history.roster.values()}
    debts = [changes[-1][1] for changes in run.history.debts.values()]
    paid = [(debt.payee, wallets[debt.creator]) for debt in debts if debt.state is DebtState.FINAL]
    return run.simulation.session.identity != "proven" or all(payee == owner for payee, owner in paid)


def useful_peers_stay_known(run: Run) -> bool:
    """Peers of whom two models were adopted have up to three quarters of a peer's book before strangers get a place.

    Of whom one was adopted may have made room during the attempt.
    """
    most = run.simulation.session.network.max_peers * 3 // 4
    for name, host in run.simulation.simulator.hosts.items():
        adopted = Counter(fact.creator for fact in run.attempts(name) if fact.adopted)
        useful = {creator for creator, count in adopted.items() if count > 1}
        if host.peer and len(useful & host.peer._peer_book.peers.keys()) < min(most, len(useful)):
            return False
    return True


def honest_peers_are_not_called_copiers(run: Run) -> bool:
    honest = {run.history.roster[name].peer for name in run.history.honest}
    failed = (fact for _, fact in run.history.facts(AttemptFailed) if fact.reason is Reason.COPY)
    return not any(fact.creator in honest for fact in failed)


def exact_copies_earn_nothing(run: Run) -> bool:
    """Nobody adopts a copycat's model that has the tensors of an earlier one."""
    digests, sold = dict[str, str](), set[str]()
    copycats = {entry.peer for entry in run.history.roster.values() if entry.policy is Policy.COPYCAT}
    for _, fact in run.history.facts(Published):
        digest = run.simulation.swarm.blocks[fact.cid].decode().split()[-1]
        if digests.setdefault(digest, fact.cid) != fact.cid:
            sold.add(fact.cid)
    adopted = (fact for _, fact in run.history.facts(Averaged) if fact.adopted)
    return not any(fact.creator in copycats and fact.remote_cid in sold for fact in adopted)


PROPERTIES: dict[str, Callable[[Run], bool]] = {
    "what_is_kept_is_published": what_is_kept_is_published,
    "nothing_is_tried_twice": nothing_is_tried_twice,
    "news_wakes": news_wakes,
    "patience_ends": patience_ends,
    "only_creators_are_paid": only_creators_are_paid,
    "useful_peers_stay_known": useful_peers_stay_known,
    "honest_peers_are_not_called_copiers": honest_peers_are_not_called_copiers,
    "exact_copies_earn_nothing": exact_copies_earn_nothing,
}
