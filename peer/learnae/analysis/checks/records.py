"""Checks of the records themselves: their order, roles, attempts, and the models whose test accuracy they state."""

from collections import defaultdict
from collections.abc import Iterator

from learnae.analysis.checks.result import check, session_began
from learnae.protocol.decisions import Adopted, AttemptFailed, Averaged, Published, Trained, WorkChanged, WorkState
from learnae.protocol.policies import Policy
from learnae.protocol.types import Cid
from learnae.records.history import Evaluated, History, PeerCrashed, SessionBegan, SessionEnded
from learnae.session.roster import group_of_each_peer

FORGING = (
    Policy.COPYCAT,
    Policy.SLEEPER,
    Policy.SYBIL,
    Policy.OWN,
)  # may publish a forgery as the result of an attempt


@check
def records_in_order(history: History) -> Iterator[str]:
    """The history begins and ends with the session, once each, and the times of a peer never run backwards."""
    session_began(history)
    first, last = history.records[0].fact, history.records[-1].fact
    begins, ends = len(history.of(SessionBegan)), len(history.of(SessionEnded))
    if begins > 1 or not isinstance(first, SessionBegan):
        yield f"SessionBegan is recorded {begins} times, or not first"
    if ends > 1 or (ends and not isinstance(last, SessionEnded)):
        yield f"SessionEnded is recorded {ends} times, or not last"
    times: defaultdict[str, float] = defaultdict(float)
    for record in history.records:
        if record.t < times[record.peer]:
            yield f"a record of {record.peer} at {record.t} s follows one at {times[record.peer]} s"
        if not isinstance(record.fact, Evaluated):  # may be measured while the peer works
            times[record.peer] = record.t


@check
def roles_match_settings(history: History) -> Iterator[str]:
    """Each peer of the roster has the role and the pay-out wallet of its group in the settings."""
    began = session_began(history)
    groups = group_of_each_peer(began.session.groups, began.session.peers)
    if len(groups) != len(began.roster):
        yield f"the roster has {len(began.roster)} peers, the settings {len(groups)}"
    for entry, group in zip(began.roster, groups, strict=False):
        role = (entry.has_rows, entry.computes, entry.wants_payment, entry.policy, entry.sensor, entry.stakes)
        wanted = (group.has_rows, group.computes, group.wants_payment, group.policy, group.sensor, group.stakes)
        if role != wanted:
            yield f"{entry.name} has another role than the settings give it"
        if (entry.payout or "") != (group.payout or "").lower():
            yield f"{entry.name} is paid at {entry.payout}, but the settings name {group.payout}"


@check
def attempts_are_recorded(history: History) -> Iterator[str]:
    """Each attempt that a peer began has one result: an average that was scored, or a failure."""
    crashed = _crashed(history)
    forgers = {entry.name for entry in session_began(history).roster if entry.policy in FORGING}
    attempts: dict[str, str] = {}  # the current one of each peer: begun, failed or over
    for record in history.of(WorkChanged, Averaged, AttemptFailed):
        name, fact = record.peer, record.fact
        if name in crashed or name in forgers:
            continue
        match fact, attempts.get(name):
            case WorkChanged(WorkState.MERGING), _:
                attempts[name] = "begun"
            case WorkChanged(), "begun":
                yield f"an attempt of {name} that ended at {record.t} s has no result"
                attempts[name] = "over"
            case Averaged(), "over":
                yield f"{name} averaged at {record.t} s outside of an attempt"
            case ((WorkChanged() | Averaged()), str()):
                attempts[name] = "over"
            case AttemptFailed(), "begun":  # or of a model that was refused when it was announced
                attempts[name] = "failed"


@check
def tested_models_exist(history: History) -> Iterator[str]:
    """Each model with a test accuracy is one that its peer had, and all were tested on equally many rows."""
    session_began(history)
    crashed = _crashed(history)
    had: set[tuple[str, Cid]] = set()
    for record in history.records:
        match record.fact:
            case Published(cid=cid) | Adopted(cid=cid) | Trained(cid=cid) | Averaged(adopted=True, cid=cid):
                had.add((record.peer, cid))
    tests = list(history.facts(Evaluated))
    for record, fact in tests:
        if record.peer not in crashed and (record.peer, fact.cid) not in had:
            yield f"{record.peer} never had the tested model {fact.cid}"
        if fact.test.total != tests[0][1].test.total:
            yield f"{record.peer} was tested on {fact.test.total} rows, others on {tests[0][1].test.total}"


def _crashed(history: History) -> set[str]:
    """Peers whose observers may have missed decisions."""
    return {record.peer for record, _ in history.facts(PeerCrashed)}
