"""The identity machine: a contract of one's own, deployed, proven, lost and found again (section 3.2)."""

from tests.helpers.driven import Driven
from tests.helpers.peers import ME, MY_WALLET, head, receipt

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import IdentityChanged, IdentityState
from learnae.protocol.policies import Policy
from learnae.protocol.registration import RETRY_POLLS
from learnae.protocol.types import Poid, Timer


def states(driven: Driven) -> list[IdentityState]:
    return [changed.identity for changed in driven.facts(IdentityChanged)]


NONE, DEPLOYING, REGISTERED = IdentityState.NONE, IdentityState.DEPLOYING, IdentityState.REGISTERED


def rolled_back(driven: Driven, height: int = 1) -> None:
    driven.tell(on.ChainRolledBack(driven.now, head(height)))


def test_a_peer_that_wishes_to_be_paid_deploys_its_contract_and_announces_it() -> None:
    driven = Driven()
    assert driven.asked(do.SignDeployment).poid == Poid(ME, MY_WALLET)
    driven.registered()
    assert states(driven) == [DEPLOYING, REGISTERED]
    driven.fires(Timer.ANNOUNCE)
    (announced,) = [action for action in driven.actions if isinstance(action, do.Announce)]
    assert announced.announcement.claim == driven.peer.status().claim  # type: ignore[union-attr]


def test_a_peer_that_does_not_wish_to_be_paid_has_no_business_with_the_chain() -> None:
    driven = Driven(wants_payment=False)
    assert states(driven) == [] and driven.waits(Timer.CHAIN) is None


def test_a_hijackers_contract_names_its_victim() -> None:
    driven = Driven(policy=Policy.HIJACKER, claimed_peer="bob")
    assert driven.asked(do.SignDeployment).poid == Poid(driven.config.claimed_peer, MY_WALLET)


def test_a_deployment_that_cannot_be_signed_is_tried_again_after_a_while() -> None:
    driven = Driven()
    driven.fails(do.SignDeployment, Reason.FUNDS)
    assert states(driven) == [DEPLOYING, NONE]
    for _ in range(RETRY_POLLS):
        assert not driven.all_asked(do.SignDeployment)
        driven.fires(Timer.CHAIN)
    assert driven.asked(do.SignDeployment).nonce == 0


def test_a_deployment_without_effect_is_given_up_when_that_is_final_and_made_anew() -> None:
    driven = Driven()
    driven.signs()
    driven.looks(1, receipt(0, block=1, succeeded=False, contract="0xhalf"))
    assert states(driven) == [DEPLOYING] and not driven.all_asked(do.SignClaim)
    driven.looks(2, receipt(0, block=1, succeeded=False, contract="0xhalf"))
    assert states(driven) == [DEPLOYING, NONE]
    for _ in range(RETRY_POLLS):
        driven.fires(Timer.CHAIN)
    assert driven.asked(do.SignDeployment).nonce == 1


def test_a_signature_that_fails_is_asked_for_again_with_the_next_poll() -> None:
    driven = Driven()
    driven.signs()
    driven.looks(1, receipt(0, block=1, contract="0xmine"))
    driven.fails(do.SignClaim, Reason.INVALID_RESPONSE)
    assert not driven.all_asked(do.SignClaim)
    driven.fires(Timer.CHAIN)
    assert driven.asked(do.SignClaim).contract == "0xmine"


def test_a_lost_deployment_is_sent_again_and_the_claim_signed_anew() -> None:
    driven = Driven().registered()
    rolled_back(driven)
    driven.looks(1)
    assert states(driven) == [DEPLOYING, REGISTERED, DEPLOYING]
    assert driven.asked(do.SendTransaction).signed.nonce == 0
    driven.looks(2, receipt(0, block=2, contract="0xmine"))
    driven.tell(on.ClaimSigned(driven.now, driven.asked(do.SignClaim).request, "proof"))
    assert states(driven)[-1] is REGISTERED


def test_a_deployment_that_is_still_there_after_a_rollback_stays_as_it_is() -> None:
    driven = Driven().registered()
    rolled_back(driven)
    driven.looks(3, receipt(0, block=2, contract="0xmine"))
    assert states(driven) == [DEPLOYING, REGISTERED]


def test_a_deployment_mined_by_another_form_is_claimed_anew() -> None:
    """The claim names the transaction; the others would look for one that is not there."""
    driven = Driven()
    driven.signs()
    driven.sent()
    driven.after(driven.config.chain.resend_after)
    driven.looks(1)
    driven.signs(version=1)
    driven.looks(2, receipt(0, version=0, block=2, contract="0xmine"))
    driven.tell(on.ClaimSigned(driven.now, driven.asked(do.SignClaim).request, "proof"))
    rolled_back(driven)
    driven.looks(2, receipt(0, version=1, block=2, contract="0xmine"))
    assert states(driven) == [DEPLOYING, REGISTERED, DEPLOYING]
    driven.tell(on.ClaimSigned(driven.now, driven.asked(do.SignClaim).request, "proof"))
    claim = driven.peer.status().claim
    assert claim and claim.deploy_tx == "0.1"


def test_a_deployment_that_fails_after_a_rollback_is_lost_and_made_anew() -> None:
    driven = Driven().registered()
    rolled_back(driven)
    driven.looks(9, receipt(0, block=2, succeeded=False))
    assert states(driven) == [DEPLOYING, REGISTERED, DEPLOYING, NONE]


def test_a_signature_for_a_contract_that_is_gone_is_worth_nothing() -> None:
    driven = Driven()
    driven.signs()
    driven.looks(1, receipt(0, block=1, contract="0xmine"))
    rolled_back(driven)
    driven.looks(1)
    driven.tell(on.ClaimSigned(driven.now, driven.asked(do.SignClaim).request, "proof"))
    assert states(driven) == [DEPLOYING]


def test_a_failed_deployment_that_a_rollback_mends_needs_no_second_one() -> None:
    driven = Driven()
    driven.signs()
    driven.looks(2, receipt(0, block=1, succeeded=False))
    for _ in range(RETRY_POLLS):
        driven.fires(Timer.CHAIN)
    asked = driven.asked(do.SignDeployment)
    rolled_back(driven)
    driven.looks(2, receipt(0, block=2, contract="0xmine"))
    driven.tell(on.ClaimSigned(driven.now, driven.asked(do.SignClaim).request, "proof"))
    assert states(driven)[-1] is REGISTERED
    driven.tell(on.RequestFailed(driven.now, asked.request, Reason.TIMEOUT))
    assert states(driven)[-1] is REGISTERED


def test_on_another_chain_a_peer_registers_anew() -> None:
    driven = Driven().registered()
    driven.tell(on.ChainRolledBack(driven.now, head(0, "another")))
    assert states(driven) == [DEPLOYING, REGISTERED, NONE, DEPLOYING]
    assert driven.asked(do.SignDeployment).nonce == 0


def test_a_deployment_that_waits_to_be_tried_again_is_tried_at_once_on_another_chain() -> None:
    driven = Driven()
    driven.tell(on.ChainRolledBack(driven.now, head(1)))
    driven.fails(do.SignDeployment)
    driven.after(2.0).tell(on.ChainRolledBack(driven.now, head(0, "another")))
    assert states(driven) == [DEPLOYING, NONE, DEPLOYING]
