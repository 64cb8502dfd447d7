"""The codec: whatever a peer can be told, asked or say comes back equal from JSON, and nothing else comes back."""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Literal, get_args

import pytest

from learnae.errors import InputError
from learnae.messages.codec import decode, encode, to_json
from learnae.messages.foreign_json import from_json
from learnae.protocol.actions import Announce, ReadReceipts, SetTimer
from learnae.protocol.actions import RecordDecision as RecordAction
from learnae.protocol.blockchain import Head, Receipt, Signed
from learnae.protocol.decisions import Averaged, DebtChanged, DebtState, Decision, WorkChanged, WorkState
from learnae.protocol.events import (
    Announcement,
    ClaimReceived,
    Event,
    ModelAnnouncement,
    ModelReceived,
    ReceiptsRead,
    TransactionSigned,
)
from learnae.protocol.types import Address, Cid, Claim, ModelRef, PeerId, Poid, Score, Timer, TxHash, Wei, Weights
from learnae.records.chain_export import ChainRecord, Genesis
from learnae.records.history import Fact, History

POID = Poid(PeerId("12D3x"), Address("0xa"))
HEARD = ModelAnnouncement(Cid("bsession"), ModelRef(PeerId("12D3x"), 3, Weights(Cid("bm"), "digest")), ("/ip4/1",))
VALUES: list[tuple[Any, Any]] = [
    (Event, ModelReceived(1.5, HEARD)),
    (Event, ClaimReceived(1.5, PeerId("12D3x"), Claim(POID, Address("0xc"), TxHash("0xt"), "rows", "sig"), ())),
    (Event, ReceiptsRead(2.0, 7, Head("0xg", 3, "0xh", 99), (None, Receipt(TxHash("0xt"), 2, True, Address("0xc"))))),
    (Event, TransactionSigned(2.0, 8, Signed(0, "0xraw", TxHash("0xt"), "0xg"))),
    (Decision, WorkChanged(WorkState.TRAINING)),
    (Decision, Averaged(PeerId("12D3x"), Cid("br"), Score(1, 2), Score(3, 4), True, Cid("bc"), 5)),
    (Decision, DebtChanged(0, PeerId("p"), Cid("c"), Score(0, 1), Score(1, 1), Wei(2**60), DebtState.OWED)),
    (ReadReceipts, ReadReceipts(4, (TxHash("0x1"), TxHash("0x2")))),
    (SetTimer, SetTimer(Timer.WORK, 0.5)),
    (Announce, Announce(HEARD)),
    (RecordAction, RecordAction(WorkChanged(WorkState.DONE))),
    (ChainRecord, Genesis("0xg", 1, {Address("0xa"): Wei(10**30)})),
]


@pytest.mark.parametrize(("kind", "value"), VALUES, ids=[type(value).__name__ for _, value in VALUES])
def test_a_value_comes_back_equal_through_json(kind: Any, value: Any) -> None:
    assert decode(kind, from_json(to_json(encode(value)))) == value


@pytest.mark.parametrize("kind", [*get_args(Fact), *get_args(Event)], ids=lambda kind: kind.__name__)
def test_every_fact_and_event_has_a_rule_for_each_of_its_fields(kind: type) -> None:
    """A new field of a type the codec does not know fails here, and not in somebody's run."""
    with pytest.raises(ValueError, match="expected here"):
        decode(kind, {"kind": "Nothing"})


@pytest.mark.parametrize("kind", get_args(Fact), ids=lambda kind: kind.__name__)
def test_no_fact_has_a_field_that_a_record_needs_for_itself(kind: type) -> None:
    assert not {field.name for field in fields(kind)} & {"t", "peer", "kind"}


def test_the_kind_comes_first_and_the_fields_follow_in_their_order() -> None:
    averaged = Averaged(PeerId("12D3x"), Cid("br"), Score(1, 2), Score(3, 4), True, Cid("bc"), 5)
    assert to_json(encode(averaged)) == (
        '{"kind":"Averaged","creator":"12D3x","remote_cid":"br","before":[1,2],"after":[3,4],"adopted":true,'
        '"cid":"bc","step":5}'
    )


def test_wei_is_text_because_json_readers_lose_large_integers() -> None:
    debt = DebtChanged(0, PeerId("p"), Cid("c"), Score(0, 1), Score(1, 1), Wei(2**53 + 1), DebtState.OWED)
    assert encode(debt)["wei"] == "9007199254740993"


def test_a_nested_object_names_its_class_only_where_there_is_a_choice() -> None:
    assert "kind" not in encode(ModelReceived(1.5, HEARD))["announcement"]
    assert encode(Announce(HEARD))["announcement"]["kind"] == "ModelAnnouncement"
    assert len(get_args(Announcement)) == 3


SIGNED = encode(TransactionSigned(2.0, 8, Signed(0, "0xraw", TxHash("0xt"), "0xg")))
DEBT = encode(DebtChanged(0, PeerId("p"), Cid("c"), Score(0, 1), Score(1, 1), Wei(5), DebtState.OWED))


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        (Event, {**SIGNED, "kind": "Averaged"}, "no record of kind 'Averaged'"),
        (Event, {**SIGNED, "kind": ["Started"]}, "no record of kind"),
        (Event, {}, "no record of kind None"),
        (Event, [], "is not of type dict"),
        (Event, {**SIGNED, "colour": "red"}, "TransactionSigned has wrong or missing fields: colour"),
        (Event, {"kind": "Started"}, "Started has wrong or missing fields: at"),
        (Event, {**SIGNED, "at": "2"}, "is not of type float"),
        (Event, {**SIGNED, "at": True}, "is not of type float"),
        (Event, {**SIGNED, "request": True}, "is not of type int"),
        (Event, {**SIGNED, "request": 8.0}, "is not of type int"),
        (Event, {**SIGNED, "signed": None}, "is not of type dict"),
        (
            Event,
            {**SIGNED, "signed": {**SIGNED["signed"], "kind": "Signed"}},
            "Signed has wrong or missing fields: kind",
        ),
        (Event, {"kind": "TimerFired", "at": 1, "timer": "noon"}, "'noon' is not a valid Timer"),
        (Event, {**encode(VALUES[1][1]), "addresses": "/ip4"}, "is not of type list"),
        (Decision, {**DEBT, "wei": 5}, "is not an amount of wei"),
        (Decision, {**DEBT, "wei": "-5"}, "is not an amount of wei"),
        (Decision, {**DEBT, "wei": "9" * 3000}, "at most 256 bits"),
        (Decision, {**DEBT, "wei": str(1 << 256)}, "at most 256 bits"),
        (Decision, {**DEBT, "debt": 10**400}, "at most 256 bits"),
        (Decision, {**DEBT, "wei": "٥"}, "is not an amount of wei"),
        (Decision, {**DEBT, "before": [2, 1]}, "is not a score"),
        (Decision, {**DEBT, "before": [0, 0]}, "is not a score"),
        (Decision, {**DEBT, "before": [1, 10**400]}, "is not a score"),
        (Decision, {**DEBT, "before": [True, 1]}, "is not a score"),
        (Decision, {**DEBT, "before": [1, 2, 3]}, "is not a score"),
        (Decision, {**DEBT, "before": 0.5}, "is not a score"),
        (ChainRecord, {"kind": "Genesis", "hash": "0x", "chain_id": 1, "alloc": []}, "is not of type dict"),
    ],
)
def test_what_encode_could_not_have_written_is_refused(kind: Any, value: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        decode(kind, value)


def test_an_integer_serves_as_a_number_of_seconds() -> None:
    assert decode(Event, {"kind": "Started", "at": 1}).at == 1.0


def test_what_is_no_number_is_neither_written_nor_read() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(encode(SetTimer(Timer.WORK, float("nan"))))
    with pytest.raises(ValueError, match="Infinity is not a number"):
        from_json('{"delay":Infinity}')


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400])
def test_a_number_beyond_all_floats_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        decode(Event, from_json(f'{{"kind":"Started","at":{number}}}'))
    with pytest.raises(InputError, match="a record has a time t and a peer"):
        History.parse([f'{{"t":{number},"peer":"p00","kind":"PeerCrashed"}}'])


def test_a_hint_without_a_rule_is_a_bug_and_says_so() -> None:
    @dataclass(frozen=True)
    class Unruly:
        values: frozenset[int]

    with pytest.raises(TypeError, match="no rule for frozenset"):
        decode(Unruly, {"kind": "Unruly", "values": []})


@dataclass(frozen=True)
class Choice:
    method: Literal["mean", "median"]
    amount: Decimal


@pytest.mark.parametrize(
    ("method", "amount", "reason"),
    [
        ("mode", "0.5", "is not one of mean, median"),
        ("mean", "much", "is not a decimal number"),
        ("mean", 0.5, "is not a decimal number"),
    ],
)
def test_a_choice_or_an_amount_that_does_not_exist_is_refused(method: str, amount: object, reason: str) -> None:
    assert decode(Choice, {"kind": "Choice", "method": "mean", "amount": "0.5"}) == Choice("mean", Decimal("0.5"))
    with pytest.raises(ValueError, match=reason):
        decode(Choice, {"kind": "Choice", "method": method, "amount": amount})
