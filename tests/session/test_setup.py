"""All that take part in a session compute the same agreement from the same files."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from learnae.errors import InputError
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.protocol.policies import Policy
from learnae.protocol.settings import NetworkSettings, RewardSettings, StartSettings, WorkSettings
from learnae.protocol.types import Address, Commitment, PeerId
from learnae.session.roster import roster
from learnae.session.settings import AveragingSettings, Group, ScoreSettings, Session
from learnae.session.setup import SessionSetup

GROUPS = (
    Group(1),
    Group(1, has_rows=False, wants_payment=False),
    Group(1, policy=Policy.HIJACKER, victim="p00"),
    Group(),
)
ROWS = Commitment("ab" * 32, "salt")
SESSION = Session(peers=8, groups=GROUPS, work=WorkSettings(slices=5, passes=3))


def _ids(name: str) -> tuple[PeerId, Address]:
    return PeerId(f"id of {name}"), Address(f"0x{name}")


def setup(session: Session = SESSION, degree: int | None = None) -> SessionSetup:
    members = roster(session.groups, session.peers, _ids, session.privacy)
    return SessionSetup(session, members, 28, "ab", str.encode, degree)


def test_the_sessions_id_is_the_cid_of_a_manifest_in_canonical_json() -> None:
    agreed = json.loads(setup().manifest)
    assert setup().session_id == cid_of(setup().manifest)
    assert setup().manifest == json.dumps(agreed, sort_keys=True, separators=(",", ":")).encode()
    assert agreed["initial_weights"] == cid_of(b"p00") and agreed["data"]["features"] == 28
    assert agreed["reward"] == {"factor_wei": "52000000000000000", "function": "proportional"}
    assert agreed["model"]["hidden"] == [64, 64] and agreed["model"]["kind"] == "mlp"


def test_a_price_for_rows_is_in_the_manifest() -> None:
    assert "data_wei" not in json.loads(setup().manifest)["reward"]
    priced = replace(SESSION, privacy=False, reward=RewardSettings(data=Decimal("0.02")))
    assert json.loads(setup(priced).manifest)["reward"]["data_wei"] == "20000000000000000"


def test_the_share_of_parents_is_in_the_manifest() -> None:
    assert "lineage" not in json.loads(setup().manifest)["reward"]
    split = replace(SESSION, reward=RewardSettings(lineage=Decimal("0.5")))
    assert json.loads(setup(split).manifest)["reward"]["lineage"] == "0.5"


def test_an_averaging_rule_other_than_the_papers_is_in_the_manifest() -> None:
    assert "averaging" not in json.loads(setup().manifest)
    ours = replace(SESSION, averaging=AveragingSettings("line-search"))
    assert json.loads(setup(ours).manifest)["averaging"] == {"rule": "line-search"}


def test_a_metric_other_than_accuracy_is_in_the_manifest() -> None:
    assert "score" not in json.loads(setup().manifest)
    ours = replace(SESSION, score=ScoreSettings("auc"))
    assert json.loads(setup(ours).manifest)["score"] == {"metric": "auc"}


def test_the_sessions_id_covers_the_rows() -> None:
    members = setup().members
    assert SessionSetup(SESSION, members, 28, "cd", str.encode).session_id != setup().session_id


def test_the_manifest_says_how_columns_are_encoded_and_of_an_open_session_how_rows_are_standardised() -> None:
    facts = {"encoding": [{"column": "job", "values": ["chef"]}], "classes": 2, "mean": [0.5], "std": [2.0]}

    def data(session: Session) -> set[str]:
        made = SessionSetup(session, setup().members, 28, "ab", str.encode, statistics=facts)
        return set(json.loads(made.manifest)["data"])

    assert data(SESSION) & facts.keys() == {"encoding"}
    assert data(replace(SESSION, privacy=False)) >= facts.keys()


def test_the_manifest_says_how_a_label_that_is_a_number_is_standardised() -> None:
    facts = {"classes": 1, "label": {"mean": 150.5, "std": 77.0}, "mean": [0.5], "std": [2.0]}
    made = SessionSetup(SESSION, setup().members, 28, "ab", str.encode, statistics=facts)
    assert json.loads(made.manifest)["data"]["label"] == facts["label"]


def test_in_an_open_session_a_slice_must_fit_into_a_block() -> None:
    wide = replace(SESSION, privacy=False, data=replace(SESSION.data, rows=50_000))
    with pytest.raises(InputError, match="a slice of 1,160,000 bytes is no row block of 1 MiB: raise work.slices"):
        setup(wide)
    setup(replace(wide, privacy=True))


def test_no_peer_fetches_more_than_a_model_or_a_block_of_rows_of_the_session_has() -> None:
    assert setup().largest_block == MAX_BLOCK
    members = roster(SESSION.groups, SESSION.peers, _ids, SESSION.privacy)
    large = SessionSetup(SESSION, members, 28, "ab", lambda name: bytes(2 * MAX_BLOCK))
    assert 2 * MAX_BLOCK < large.largest_block < 3 * MAX_BLOCK


def test_all_peers_are_given_the_same_settings_and_each_its_own_weights() -> None:
    configs = [setup().config(index, ROWS) for index in range(8)]
    assert {config.session for config in configs} == {setup().session_id}
    assert [config.initial_weights for config in configs] == [cid_of(f"p{index:02}".encode()) for index in range(8)]
    assert all(config.work is SESSION.work for config in configs)


def test_only_trainers_have_slices_and_a_hijacker_claims_its_victims_id() -> None:
    configs = [setup().config(index, ROWS) for index in range(8)]
    assert [config.slices_planned for config in configs] == [15, 0, *[15] * 6]
    assert configs[2].claimed_peer == configs[0].peer and configs[3].claimed_peer == configs[3].peer


@pytest.mark.parametrize(("peers", "expected"), [(None, 6), (3, 3), (8, 6)])
def test_no_peer_waits_for_more_identities_than_there_are(peers: int | None, expected: int) -> None:
    assert setup(replace(SESSION, start=StartSettings(peers=peers))).config(0, ROWS).expected_identities == expected


def test_a_peer_with_few_neighbours_expects_only_theirs() -> None:
    ring = setup(replace(SESSION, network=NetworkSettings(degree=2)), degree=2)
    assert [len(neighbours) for neighbours in ring.neighbours] == [2] * 8
    assert all(ring.config(index, ROWS).expected_identities <= 3 for index in range(8))


def test_only_blocks_that_were_asked_for_are_held() -> None:
    live = setup()
    live.config(3, ROWS)
    assert set(live.blocks.values()) == {b"p00", b"p03"}


def test_peers_that_follow_the_feed_know_the_sensors_and_no_others_do() -> None:
    sensors = Group(2, sensor=True, computes=False, wants_payment=False)
    open_session = replace(SESSION, privacy=False, groups=(Group(1, bridge=True), sensors, Group()))
    configs = [setup(open_session).config(index, ROWS) for index in range(8)]
    assert configs[0].sensors == (PeerId("id of p01"), PeerId("id of p02"))
    assert all(config.sensors == () for config in configs[1:])
    assert configs[0].expected_identities == 6


def test_a_reading_must_fit_into_a_message() -> None:
    sensor = Group(1, sensor=True, computes=False, wants_payment=False)
    session = replace(SESSION, privacy=False, groups=(Group(bridge=True), sensor))
    members = roster(session.groups, session.peers, _ids, session.privacy)
    SessionSetup(session, members, 79, "ab", str.encode)
    with pytest.raises(InputError, match="a reading holds 98 rows of 80 columns: lower feed.rows = 100"):
        SessionSetup(session, members, 80, "ab", str.encode)
