"""Links, faults, flows, claims and latencies: what the page's pictures of the swarm mean."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from tests.analysis.test_checks_faults import CROSSED, fault, session
from tests.helpers.histories import CONTRACT, GOOD, NAMES, PEER, fact_is, judged

from learnae.analysis.claims import judged_claims
from learnae.analysis.figures.spec import RED
from learnae.analysis.money import Flow, accounts, flows
from learnae.analysis.peer_status import peer_statuses
from learnae.analysis.topology import MAX_LINKS, Topology, reachable_groups, topology
from learnae.protocol.decisions import (
    Averaged,
    DebtChanged,
    DebtState,
    IdentityChanged,
    IdentityState,
    Published,
    Verdict,
)
from learnae.protocol.types import ETHER, PeerId, Wei
from learnae.records.history import Effect, History, PeerCrashed, PeerRestarted, Record, SessionBegan
from learnae.session.faults import FaultKind
from learnae.web.charts import fault_timeline, sankey
from learnae.web.charts.plotly_layout import Chart
from learnae.web.charts.topology_chart import topology_chart
from learnae.web.report import latencies


def seen(history: History) -> Topology:
    return topology(history, peer_statuses(history))


def marks(history: History) -> Chart:
    """The trace of the peers."""
    chart: Chart = topology_chart(seen(history))["data"][-1]
    return chart


def unfinished(history: History) -> History:
    """Without its last record, that the session ended."""
    return replace(history, records=history.records[:-1])


def during(kind: FaultKind, *targets: str) -> History:
    return unfinished(session(*fault(kind, *targets, end=None)))


# links


@pytest.mark.parametrize(
    ("kind", "targets", "cut"),
    [
        (FaultKind.SPLIT, (), 6),  # two against three
        (FaultKind.CUT, ("ann", "bob"), 6),
        (FaultKind.ISOLATE, ("ann", "bob"), 7),
        (FaultKind.KILL, ("ann",), 0),
        (FaultKind.LOSS, ("ann",), 0),
    ],
)
def test_links_are_cut_as_long_as_a_fault_that_cuts_them_is_open(
    kind: FaultKind, targets: tuple[str, ...], cut: int
) -> None:
    assert len(seen(during(kind, *targets)).cut) == cut
    assert not seen(unfinished(session(*fault(kind, *targets)))).cut
    assert not seen(session(*fault(kind, *targets, end=None))).cut, "a session that is over has no links"


def test_links_that_lose_or_delay_are_told_from_those_that_are_cut() -> None:
    shown = seen(during(FaultKind.LOSS, "ann"))
    assert len(shown.poor) == 4 and all("ann" in pair for pair in shown.poor)
    assert shown.description == "4 links are lossy or slow."


def test_a_link_that_is_cut_is_not_lossy_besides() -> None:
    both = [*fault(FaultKind.ISOLATE, "ann", end=None), *fault(FaultKind.LOSS, "ann", end=None)]
    shown = seen(unfinished(session(*both)))
    assert (len(shown.cut), len(shown.poor)) == (4, 0)


def test_who_cannot_be_reached_stands_apart_from_the_others() -> None:
    assert reachable_groups(NAMES, []) == [list(NAMES)]
    assert reachable_groups(NAMES, seen(during(FaultKind.SPLIT)).cut) == [["ann", "bob"], ["cat", "dan", "eve"]]
    assert reachable_groups(NAMES, seen(during(FaultKind.ISOLATE, "bob")).cut) == [
        ["ann", "cat", "dan", "eve"],
        ["bob"],
    ]


def test_who_is_reached_through_others_stands_with_them() -> None:
    assert reachable_groups(("a", "b", "c"), [("a", "c")]) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (FaultKind.PAUSE, "frozen"),
        (FaultKind.IPFS_STOP, "without its Kubo node"),
        (FaultKind.KILL, "down"),
        (FaultKind.SENSOR_KILL, "down"),
        (FaultKind.SENSOR_SLEEP, "asleep"),
    ],
)
def test_who_is_away_is_marked_and_it_is_said_why(kind: FaultKind, why: str) -> None:
    told = [(11.0, "bob", PeerCrashed())] if kind is FaultKind.KILL else []
    history = unfinished(session(*fault(kind, "bob", end=None), *told))
    assert seen(history).description == f"No link is cut; bob is {why}."
    assert marks(history)["marker"]["symbol"] == ["circle", "x", "circle", "circle", "circle"]


def test_a_peer_that_came_back_is_marked_no_more() -> None:
    history = unfinished(session((11.0, "bob", PeerCrashed()), (12.0, "bob", PeerRestarted())))
    assert not seen(history).unavailable


def test_of_each_peer_the_last_averagings_are_drawn_and_during_a_cut_only_those_since() -> None:
    told = [(float(t), "bob", replace(CROSSED, adopted=t < 9)) for t in range(6, 16)]
    assert [each.t for each in seen(session(*told)).transfers] == [15.0, 14.0, 8.0, 7.0]
    cut = unfinished(session(*told[:5], *fault(FaultKind.SPLIT, end=None)))
    assert [each.t for each in seen(cut).transfers] == [10.0]


MANY = [f"p{number:02}" for number in range(60)]


def among_sixty(history: History) -> History:
    roster = tuple(replace(GOOD.roster["ann"], name=name, peer=PeerId(name)) for name in MANY)
    began, *others = history.records
    assert isinstance(began.fact, SessionBegan)
    return History((replace(began, fact=replace(began.fact, roster=roster)), *others))


def test_of_many_disturbed_links_a_share_is_drawn_and_named() -> None:
    shown = seen(among_sixty(during(FaultKind.ISOLATE, *MANY)))
    drawn = topology_chart(shown)["data"][0]["x"].count(None)
    assert len(shown.cut) == 60 * 59 // 2 and 0.5 * MAX_LINKS < drawn <= MAX_LINKS
    assert shown.description.endswith(f"Only {MAX_LINKS / len(shown.cut):.0%} of the disturbed links are drawn.")


def test_dividers_between_few_groups_replace_many_cut_links() -> None:
    shown = seen(among_sixty(during(FaultKind.CUT, *MANY[:5])))
    *_, walls, _ = topology_chart(shown)["data"]
    assert len(shown.cut) == 5 * 55 and shown.single_cuts == []
    assert walls["line"]["color"] == RED and walls["x"].count(None) == 2
    assert shown.description == (
        "275 links are cut. Dividers separate 2 groups that cannot reach each other. "
        "Models from before the cut may still be averaged across a divider."
    )


def test_a_swarm_without_peers_has_a_picture() -> None:
    assert topology_chart(seen(History(())))["data"]


# faults


@pytest.mark.parametrize(
    ("history", "effect"),
    [
        (during(FaultKind.SPLIT), "active"),
        (session(*fault(FaultKind.SPLIT)), "applied"),
        (session(*fault(FaultKind.SPLIT, effect=Effect.INEFFECTIVE)), "no effect"),
        (session(*fault(FaultKind.SPLIT, end=None)), "not ended"),
    ],
)
def test_each_fault_has_targets_times_and_effect(history: History, effect: str) -> None:
    (row,) = fault_timeline.fault_rows(history)
    assert row[:3] == ("#1 split", "ann bob | cat dan eve", "10.0")
    assert row[3] == ("20.0" if effect in ("applied", "no effect") else "-")
    assert row[4] == effect


def test_a_fault_that_is_open_reaches_to_now() -> None:
    (trace,) = fault_timeline.timeline_chart(
        unfinished(session(*fault(FaultKind.KILL, "ann", end=None), (30.0, "ann", CROSSED)))
    )["data"]
    assert (trace["base"], trace["x"]) == ([10.0], [20.0])


def test_the_progress_of_the_plan_is_a_sentence() -> None:
    assert fault_timeline.fault_progress(session(faulty=False, planned=0)) == "No faults are planned in this session."
    assert (
        fault_timeline.fault_progress(unfinished(session(planned=0)))
        == "No fault has begun: the plan starts when all peers work."
    )
    assert fault_timeline.fault_progress(session(planned=0)) == "No fault has begun: the session ended first."
    assert fault_timeline.fault_progress(during(FaultKind.KILL, "ann")) == "1 of 1 faults have begun. Active: #1 kill."
    assert (
        fault_timeline.fault_progress(session(*fault(FaultKind.KILL, "ann"), planned=2)) == "1 of 2 faults have begun."
    )


def test_a_fault_of_the_chain_or_the_feed_hits_what_all_peers_share() -> None:
    assert fault_timeline.fault_rows(during(FaultKind.FEED_KILL))[0][1] == "the feed"
    assert fault_timeline.fault_rows(during(FaultKind.CHAIN_PAUSE))[0][1] == "the chain"


# flows


def crowd(peers: int) -> list[Flow]:
    """Each pays the next, the later the more."""
    return [Flow(f"p{at}", f"p{(at + 1) % peers}", 1, Wei(ETHER * (at + 1) // 1000)) for at in range(peers)]


def test_a_stream_leads_from_payer_to_payee_and_is_as_wide_as_its_ether() -> None:
    (trace,) = sankey.sankey_chart(flows(GOOD), {account.name: account.kind for account in accounts(GOOD)})["data"]
    labels, link = trace["node"]["label"], trace["link"]
    streams = zip(link["source"], link["target"], link["value"], strict=True)
    assert {(labels[one], labels[other], ether) for one, other, ether in streams} == {
        ("ann", "bob", 0.00275),
        ("bob", "ann", 0.00165),
    }
    assert labels == ["ann", "bob", "bob", "ann"], "the most comes first on each side"


@pytest.mark.parametrize("peers", [5, 20, 100])
def test_the_picture_is_as_rich_at_any_size_and_loses_no_wei(peers: int) -> None:
    paid = crowd(peers)
    drawn = sankey.merge_small_flows(paid)
    assert sum(each.wei for each in drawn) == sum(each.wei for each in paid)
    assert len({each.payer for each in drawn}) <= sankey.MAX_NAMES + 1
    assert ("only the 20 with the largest amounts are named" in sankey.omitted_names(paid)) == (
        peers > sankey.MAX_NAMES
    )


def test_who_moved_most_is_named_and_all_others_are_one() -> None:
    named = {each.payer for each in sankey.merge_small_flows(crowd(100))} - {sankey.OTHERS}
    assert named == {f"p{at}" for at in range(80, 100)}


# claims


def test_a_claim_has_the_verdict_that_most_peers_have_now() -> None:
    (anns, *bobs) = judged_claims(GOOD)
    assert (anns.claim.contract, anns.verdict) == (CONTRACT["ann"], Verdict.WINNER)
    assert [(each.claim.sender, each.verdict) for each in bobs] == [
        (PEER["bob"], Verdict.WINNER),
        (PEER["dan"], Verdict.LATER),
        (PEER["eve"], Verdict.REJECTED),
    ]


def test_peers_that_disagree_are_counted() -> None:
    told = [judged("dan", "bob", "dan", verdict, (1, 1, 2)) for verdict in (Verdict.WINNER, Verdict.LATER)]
    said = [("ann", told[1]), ("cat", told[1]), ("eve", told[0])]
    (found,) = judged_claims(History((GOOD.records[0], *(Record(1.0, *each) for each in said))))
    assert found.verdict is Verdict.LATER and found.verdicts.total() == 3
    assert list(found.minority) == [(Verdict.WINNER, 1)]


def test_a_claim_to_an_id_that_is_nobodys_comes_last() -> None:
    strange = judged("dan", "bob", "dan", Verdict.WINNER, (1, 1, 1))
    strange = replace(strange, sender=PEER["cat"], poid=replace(strange.poid, peer=PeerId("who")))
    found = judged_claims(replace(GOOD, records=(*GOOD.records, Record(99.0, "ann", strange))))
    assert found[-1].claim.sender == PEER["cat"]


# latencies


def times(found: Iterable[latencies.Latency]) -> list[tuple[float, ...]]:
    return [each.seconds for each in found]


def at(history: History, kind: type, peer: str, **fields: object) -> float:
    return next(record.t for record in history.records if fact_is(peer, kind, **fields)(record))


def test_a_model_is_on_its_way_from_its_announcement_to_the_first_averaging_by_another() -> None:
    first = {
        ("bob", "ann 1"): at(GOOD, Averaged, "bob", adopted=False) - at(GOOD, Published, "ann", step=1),
        ("ann", "bob 1"): at(GOOD, Averaged, "ann", adopted=True) - at(GOOD, Published, "bob"),
        ("bob", "ann 2"): at(GOOD, Averaged, "bob", adopted=True) - at(GOOD, Published, "ann", step=2),
    }
    (travel, _) = times(latencies.model_latencies(GOOD))
    assert set(first.values()) <= set(travel) and len(travel) == 4


def test_a_payment_takes_from_its_first_sending_to_the_last_time_it_became_final() -> None:
    states = (DebtState.SENT, DebtState.MINED, DebtState.FINAL)
    sent, mined, final = (at(GOOD, DebtChanged, "ann", debt=0, state=state) for state in states)
    (_, to_mined, to_final) = times(latencies.payment_latencies(GOOD))
    assert (to_mined, to_final) == ((mined - sent,), (final - mined,))


def test_registering_takes_from_deployment_to_identity() -> None:
    steps = [(IdentityState.DEPLOYING, 2.0), (IdentityState.DEPLOYING, 3.0), (IdentityState.REGISTERED, 5.0)]
    told = (Record(t, "ann", IdentityChanged(state, None, None)) for state, t in steps)
    assert times(latencies.payment_latencies(History((GOOD.records[0], *told))))[0] == (3.0,)


def test_shares_are_those_of_the_sorted_times() -> None:
    told = latencies.Latency("x", "#000000", tuple(float(t) for t in range(10)))
    assert (told.quantile(0.0), told.quantile(0.5), told.quantile(0.9), told.quantile(1.0)) == (0.0, 5.0, 9.0, 9.0)


def test_a_session_without_events_has_no_latencies() -> None:
    assert "nothing to measure" in latencies.latency_section(History(()), {})
