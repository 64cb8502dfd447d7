"""Groups become named members, and the neighbour graph connects all peers."""

import random

import pytest

from learnae.errors import InputError
from learnae.protocol.policies import Policy
from learnae.protocol.types import Address, PeerId
from learnae.session.roster import Member, first_at_work, names, neighbourhood, roster
from learnae.session.settings import Group


def keys(name: str) -> tuple[PeerId, Address]:
    return PeerId(f"id of {name}"), Address(f"0x{name}")


def members(count: int, *groups: Group) -> tuple[Member, ...]:
    return roster(groups, count, keys, privacy=True)


def test_names_sort_in_the_order_of_the_members() -> None:
    assert names(3) == ["p00", "p01", "p02"]
    for count in (100, 101, 1001):
        assert names(count) == sorted(names(count))
        assert len(set(names(count))) == count


def test_a_role_is_what_somebody_does_or_the_policy_of_who_does_not_play_by_the_rules() -> None:
    groups = (Group(1), Group(1, has_rows=False), Group(policy=Policy.SPAMMER))
    assert [member.role for member in members(3, *groups)] == ["trainer", "profiteer", "spammer"]


def test_a_member_has_the_keys_of_its_name_and_claims_its_own_id() -> None:
    assert members(2, Group())[1] == Member("p01", PeerId("id of p01"), Address("0xp01"), PeerId("id of p01"), Group())


def test_members_come_in_the_order_of_the_groups_and_one_group_takes_the_rest() -> None:
    few, many = Group(count=1, has_rows=False), Group()
    assert [member.group for member in members(3, few, many)] == [few, many, many]
    assert [member.group for member in members(3, many, few)] == [many, many, few]
    assert [member.group for member in members(2, Group(2))] == [Group(2)] * 2


def test_a_hijacker_claims_the_id_of_its_victim() -> None:
    eve = Group(1, policy=Policy.HIJACKER, victim="p00")
    assert members(3, Group(), eve)[2].claimed_peer == "id of p00"


def test_a_member_is_paid_at_its_own_wallet_or_at_the_one_that_its_group_names() -> None:
    own, cold = members(2, Group(), Group(1, payout="0x" + "AB" * 20))
    assert (own.payout, own.payee) == (None, own.wallet)
    assert cold.payout == cold.payee == "0x" + "ab" * 20 != cold.wallet


def test_the_wallet_of_a_peer_is_no_pay_out_wallet() -> None:
    with pytest.raises(InputError, match="the payout of p02 is the wallet of p00: give an address of no peer"):
        members(3, Group(), Group(1, payout="0xP00"))


def test_a_victim_that_is_not_there_is_one_sentence_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match="victim p99 is not in this swarm: name one of p00 to p02"):
        members(3, Group(1, policy=Policy.HIJACKER, victim="p99"), Group())


def test_two_groups_cannot_both_take_the_rest() -> None:
    with pytest.raises(InputError, match="more than one group has no count"):
        members(3, Group(), Group())


@pytest.mark.parametrize("groups", [(Group(2),), (Group(4),), (Group(4), Group())])
def test_counts_must_fit_the_swarm(groups: tuple[Group, ...]) -> None:
    with pytest.raises(InputError, match="the swarm has 3"):
        members(3, *groups)


def test_somebody_has_to_train() -> None:
    groups = Group(1, has_rows=False), Group(computes=False)
    with pytest.raises(InputError, match="no peer trains"):
        members(3, *groups)
    assert len(roster(groups, 3, keys, privacy=False)) == 3  # profiteers train on the rows of providers


def test_faults_wait_for_peers_that_compute_or_for_sensors_if_there_are_any() -> None:
    keeper, provider = Group(1, has_rows=False, computes=False), Group(1, computes=False)
    sensor, profiteer = Group(1, computes=False, sensor=True), Group(1, has_rows=False)
    late = Group(1, joins_at=5.0)
    everybody = roster((keeper, provider, sensor, profiteer, late, Group()), 6, keys, privacy=False)
    assert first_at_work(everybody) == ["p02"]
    assert first_at_work(each for each in everybody if not each.group.sensor) == ["p03", "p05"]
    assert first_at_work(members(3, keeper, late, Group(1, joins_at=9.0))) == ["p01"], "all that work join late"
    assert first_at_work([]) == []


@pytest.mark.parametrize("degree", [None, 4, 9])
def test_in_a_small_swarm_everybody_hears_everybody(degree: int | None) -> None:
    assert neighbourhood(5, degree, random.Random(1)) == [
        [other for other in range(5) if other != each] for each in range(5)
    ]


@pytest.mark.parametrize("degree", [2, 3, 6, 20])
def test_a_large_swarm_is_connected_both_ways_with_about_as_many_neighbours_as_asked(degree: int) -> None:
    links = neighbourhood(60, degree, random.Random(1))
    reached, waiting = {0}, [0]
    while waiting:
        for other in links[waiting.pop()]:
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    assert len(reached) == 60
    for each, others in enumerate(links):
        assert each not in others and others == sorted(set(others))
        assert all(each in links[other] for other in others)
        assert 2 <= len(others) <= max(2, degree)


def test_the_same_dice_link_the_same_swarm() -> None:
    assert neighbourhood(30, 6, random.Random(7)) == neighbourhood(30, 6, random.Random(7))
    assert neighbourhood(30, 6, random.Random(7)) != neighbourhood(30, 6, random.Random(8))
