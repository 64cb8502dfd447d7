"""The local directory (section 3.2): one IPFS id, one payee, whatever is claimed and in whatever order."""

from itertools import permutations
from typing import Any

import pytest
from tests.helpers.peers import claim, facts

from learnae.errors import Reason
from learnae.protocol.decisions import ClaimJudged, Verdict
from learnae.protocol.directory import Directory, rank_of, refusal
from learnae.protocol.settings import IdentityRule
from learnae.protocol.types import Address, ClaimFacts, PeerId, Poid

BOB, ANN, EVE = PeerId("bob"), PeerId("ann"), PeerId("eve")


def enter(directory: Directory, sender: str, says: ClaimFacts, contract: str = "") -> list[ClaimJudged]:
    """``sender`` announces a contract that says this."""
    peer, wallet = says.poid.peer, says.poid.wallet
    return directory.judge(PeerId(sender), claim(peer, wallet, contract or f"contract of {sender}"), says)


def verdicts(judged: list[ClaimJudged]) -> dict[str, Verdict]:
    return {each.sender: each.verdict for each in judged}


@pytest.mark.parametrize("rule", IdentityRule)
def test_the_earliest_claim_wins_whatever_order_they_arrive_in(rule: IdentityRule) -> None:
    claims = {
        "ann": facts("bob", "0xann", timestamp=7, block=2, index=1),
        "bob": facts("bob", "0xbob", timestamp=7, block=2, index=0),
        "eve": facts("bob", "0xeve", timestamp=8, block=1, index=0),
    }
    for order in permutations(claims):
        directory = Directory(rule)
        for sender in order:
            enter(directory, sender, claims[sender])
        assert directory.payee(BOB) == "0xbob"
        assert {entry.sender: entry.verdict for entry in directory.entries.values()} == {
            "ann": Verdict.LATER,
            "bob": Verdict.WINNER,
            "eve": Verdict.LATER,
        }


def test_the_same_key_and_wallet_again_is_a_duplicate_and_no_fraud() -> None:
    directory = Directory(IdentityRule.PROVEN)
    enter(directory, "bob", facts("bob", timestamp=5))
    assert verdicts(enter(directory, "bob", facts("bob", timestamp=9), "a second contract")) == {
        "bob": Verdict.DUPLICATE
    }
    assert directory.payee(BOB) == "0xbob"


def test_an_earlier_contract_of_the_same_owner_takes_over() -> None:
    directory = Directory(IdentityRule.PROVEN)
    enter(directory, "bob", facts("bob", timestamp=5))
    judged = enter(directory, "bob", facts("bob", timestamp=3), "an earlier contract")
    assert [each.verdict for each in judged] == [Verdict.WINNER, Verdict.DUPLICATE]


FLAWS = [
    ({"code_matches": False}, Reason.CODE_MISMATCH),
    ({"receipt_matches": False}, Reason.RECEIPT),
    ({"poid": Poid(BOB, Address("0xeve"))}, Reason.WALLET),
    ({"signature_valid": False}, Reason.SIGNATURE),
]


@pytest.mark.parametrize(("flaw", "reason"), FLAWS, ids=[reason for _, reason in FLAWS])
def test_an_unproven_claim_is_rejected_by_name_and_admitted_by_the_papers_rule(
    flaw: dict[str, Any], reason: Reason
) -> None:
    flawed = facts("bob", **flaw)
    assert refusal(IdentityRule.PROVEN, claim("bob"), flawed) is reason
    assert refusal(IdentityRule.PAPER, claim("bob"), flawed) is None
    directory = Directory(IdentityRule.PROVEN)
    (judged,) = directory.judge(BOB, claim("bob"), flawed)
    assert (judged.verdict, judged.reason) == (Verdict.REJECTED, reason)
    assert directory.payee(BOB) is None


def test_squatting_an_id_before_its_owner_pays_under_the_papers_rule_only() -> None:
    squat = facts("bob", "0xeve", timestamp=1, signature_valid=False)
    for rule, paid in ((IdentityRule.PAPER, "0xeve"), (IdentityRule.PROVEN, "0xbob")):
        directory = Directory(rule)
        enter(directory, "eve", squat)
        enter(directory, "bob", facts("bob", timestamp=9))
        assert directory.payee(BOB) == paid


def test_whoever_repeats_a_good_claim_with_a_bad_proof_does_not_displace_it() -> None:
    directory = Directory(IdentityRule.PROVEN)
    enter(directory, "bob", facts("bob"))
    enter(directory, "eve", facts("bob", signature_valid=False), "contract of bob")
    assert directory.payee(BOB) == "0xbob"


def test_what_the_chain_does_not_know_is_rejected_and_pays_nobody() -> None:
    directory = Directory(IdentityRule.PAPER)
    (judged,) = directory.refuse(BOB, claim("bob"), Reason.NOT_FOUND)
    assert judged == ClaimJudged(
        BOB, claim("bob").poid, Address("contract of bob"), Verdict.REJECTED, Reason.NOT_FOUND, None, None, None
    )
    assert directory.payee(BOB) is None


def test_a_rollback_that_takes_the_winner_makes_the_next_one_win() -> None:
    directory = Directory(IdentityRule.PAPER)
    enter(directory, "bob", facts("bob", timestamp=1))
    enter(directory, "eve", facts("bob", "0xeve", timestamp=2))
    judged = directory.refuse(BOB, claim("bob"), Reason.NOT_FOUND)
    assert verdicts(judged) == {"bob": Verdict.REJECTED, "eve": Verdict.WINNER}
    assert directory.payee(BOB) == "0xeve"


def test_a_claim_read_again_may_have_another_rank() -> None:
    directory = Directory(IdentityRule.PAPER)
    enter(directory, "bob", facts("bob", timestamp=1))
    enter(directory, "eve", facts("bob", "0xeve", timestamp=2))
    assert verdicts(enter(directory, "bob", facts("bob", timestamp=3))) == {
        "bob": Verdict.LATER,
        "eve": Verdict.WINNER,
    }


def test_a_contract_that_names_another_id_after_a_rollback_leaves_the_first_to_its_rival() -> None:
    directory = Directory(IdentityRule.PAPER)
    enter(directory, "bob", facts("bob", timestamp=1))
    enter(directory, "eve", facts("bob", "0xeve", timestamp=2))
    assert verdicts(enter(directory, "bob", facts("ann", timestamp=1))) == {
        "bob": Verdict.WINNER,
        "eve": Verdict.WINNER,
    }
    assert (directory.payee(ANN), directory.payee(BOB)) == ("0xann", "0xeve")


def test_a_winner_that_loses_its_proof_leaves_the_id_to_its_rival() -> None:
    directory = Directory(IdentityRule.PROVEN)
    enter(directory, "bob", facts("bob", timestamp=1))
    enter(directory, "eve", facts("bob", "0xeve", timestamp=2))
    judged = enter(directory, "bob", facts("bob", timestamp=1, receipt_matches=False))
    assert verdicts(judged) == {"bob": Verdict.REJECTED, "eve": Verdict.WINNER}


def test_who_has_to_make_room_takes_its_claims_along() -> None:
    directory = Directory(IdentityRule.PAPER)
    enter(directory, "eve", facts("bob", "0xeve", timestamp=1))
    enter(directory, "bob", facts("bob", timestamp=2))
    directory.refuse(EVE, claim("ann", contract="nowhere"), Reason.NOT_FOUND)
    assert verdicts(directory.forget(EVE)) == {"bob": Verdict.WINNER}
    assert [entry.sender for entry in directory.entries.values()] == ["bob"]


def test_claims_are_ranked_by_chain_time_then_block_then_place_in_it() -> None:
    inside = [facts("bob", timestamp=1, block=2, index=3), facts("bob", timestamp=1, block=3, index=0)]
    later = facts("bob", timestamp=2, block=1, index=0)
    assert sorted(map(rank_of, [later, *inside])) == [
        (1, 2, 3),
        (1, 3, 0),
        (2, 1, 0),
    ]
