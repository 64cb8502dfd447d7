"""Session files: what is read, what is written, and one sentence for each thing that is wrong."""

from pathlib import Path
from typing import Any

import pytest

from learnae.errors import InputError
from learnae.protocol.policies import Role
from learnae.session.faults import FaultKind
from learnae.session.fee_pool import depositors, pool_terms
from learnae.session.session_file import load, parse, resolved, schema, to_toml
from learnae.session.settings import Session

ROOT = Path(__file__).parents[2]
FOLDERS = ("examples", "peer/learnae/resources", "tests/scenarios")
PAID_OUT = {"count": 1, "payout": "0x" + "AB" * 20}
STAKE = {"stake": "0.01"}
SEAL = 'defence.access = "sealed"'
SEALED = {"kind": "reciprocity", "access": "sealed"}
PROFILES: dict[str, Any] = {"defence": {"kind": "profiles"}}
EXAMPLES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.toml"))


def nested(name: str, value: Any) -> dict[str, Any]:
    """``name``: dotted; a group's settings are those of the first group."""
    *sections, last = name.split(".")
    table: dict[str, Any] = {last: value}
    for section in reversed(sections):
        entry = {"groups": [table], "faults": [{"kind": "loss", "at": 1, **table}]}
        table = {section: entry.get(section, table)}
    return table


def refused(table: dict[str, Any]) -> str:
    with pytest.raises(InputError) as refusal:
        parse(table, "my.toml", own=True)
    return str(refusal.value)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_reads_back_as_it_was_written(path: Path) -> None:
    session = load(path)
    assert parse(resolved(session)) == session


def test_a_file_that_sets_nothing_is_the_default_session() -> None:
    assert parse({}) == Session()


def test_what_a_file_leaves_out_fits_the_rows_that_are_counted() -> None:
    table = {"data": {"path": "own.csv", "label": "k", "test_rows": 50}}
    session = parse(table, count_rows=lambda data: {"own.csv": 400}[str(data.path)])
    assert (session.peers, session.data.test_rows) == (4, 50)
    assert session.peers * (session.data.rows + session.data.validation_rows) < 400
    assert parse(table, count_rows=lambda _: None) == parse(table)
    assert parse(resolved(session), count_rows=lambda _: pytest.fail("all is set")) == session


def test_groups_that_do_not_fit_are_refused_when_the_rest_is_fitted() -> None:
    with pytest.raises(InputError, match=r"^my\.toml: the groups count 30 peers"):
        parse({"groups": [{"count": 30}]}, "my.toml", count_rows=lambda _: 400)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_bytes(b"\xef\xbb\xbfpeers = 7\n")
    assert load(tmp_path / "session.toml").peers == 7


def test_overrides_win_and_none_overrides_nothing(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(to_toml(Session(peers=7, seed=3)))
    session = load(tmp_path / "session.toml", {"peers": 9, "seed": None, "work.patience": 3})
    assert (session.peers, session.seed, session.work.patience, session.work.slices) == (9, 3, 3, Session().work.slices)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"label = income", r"9\): label = income; texts need quotes$"), (b"x = '\xff'", "TOML: .* save it as UTF-8")],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "session.toml").write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load(tmp_path / "session.toml")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("name", "../../x", "letters, digits, '.', '-' and '_', max 100"),
        ("name", "", "letters, digits, '.', '-' and '_', max 100"),
        ("seed", -1, "an integer from 0 to 9223372036854775807"),
        ("peers", 1, "an integer from 2 to 100000"),
        ("peers", 10**9, "an integer from 2 to 100000"),
        ("peers", "many", "an integer from 2 to 100000"),
        ("identity", "trust", "one of proven, paper"),
        ("max_duration", 0, "a number from 0.001 to 86400 (s)"),
        ("max_duration", float("nan"), "a number from 0.001 to 86400 (s)"),
        ("linger", -1, "a number from 0 to 86400 (s)"),
        ("evaluation_peers", -1, "an integer from 0 to 1000000"),
        ("data.rows", 0, "an integer from 1 to 100000000"),
        ("data.validation_rows", 0, "an integer from 1 to 100000000"),
        ("data.judging_rows", 0, "an integer from 1 to 100000000"),
        ("data.test_rows", 0, "an integer from 1 to 100000000"),
        ("data.own_test_rows", 0, "an integer from 1 to 100000000"),
        ("data.partition", "by-hand", "one of iid, by-mass, by-column, dirichlet, unequal"),
        ("data.alpha", 0, "a number above 0, max 1000000"),
        ("data.size_sigma", -0.1, "a number from 0 to 10"),
        ("model.hidden.0", 0, "an integer from 1 to 65536"),
        ("model.optimizer", "lion", "one of sgd, adam"),
        ("model.learning_rate", -1, "a number above 0, max 1000"),
        ("model.learning_rate", 1e9, "a number above 0, max 1000"),
        ("model.momentum", 1.5, "a number from 0, below 1"),
        ("model.momentum", -0.1, "a number from 0, below 1"),
        ("model.batch", 0, "an integer from 1 to 100000000"),
        ("model.epochs", 0, "an integer from 1 to 1000000"),
        ("work.slices", 0, "an integer from 1 to 1000000"),
        ("work.passes", 0, "an integer from 1 to 1000000"),
        ("work.patience", 0, "an integer from 1 to 1000000"),
        ("work.idle_after", -1, "a number from 0 to 86400 (s)"),
        ("work.max_attempts_per_creator", 0, "an integer from 1 to 1000000"),
        ("start.peers", 0, "an integer from 1"),
        ("start.timeout", -1, "a number from 0 to 86400 (s)"),
        ("pace.slice", -1, "a number from 0 to 86400 (s)"),
        ("pace.attempt", -1, "a number from 0 to 86400 (s)"),
        ("reward.function", "lottery", "proportional, flat, error-reduction, or a plug-in as file.py:name"),
        ("reward.factor", -1, "a number from 0 to 1000000000 (ETH)"),
        ("reward.cap", "nan", "a number from 0 to 1000000000 (ETH)"),
        ("reward.adapt", 2, "a number from 0 to 1"),
        ("reward.target", -1, "a number from 0 to 1"),
        ("reward.lowest", 2, "a number from 0 to 1"),
        ("reward.highest", 0, "a number from 1 to 1000"),
        ("chain.id", 0, "an integer from 1 to 9007199254740992"),
        ("chain.block_time", 0, "a number from 0.001 to 86400 (s)"),
        ("chain.confirmations", 0, "an integer from 1 to 10000 (blocks)"),
        ("chain.poll", 0, "a number from 0.001 to 86400 (s)"),
        ("chain.resend_after", 0, "a number from 0.001 to 86400 (s)"),
        ("chain.balance", -1, "a number from 0 to 1000000000 (ETH)"),
        ("chain.gas_price", -1, "a number from 0 to 1000000 (gwei)"),
        ("chain.max_fee", 0, "a number from 0.001 to 1000000 (gwei)"),
        ("chain.gas_cap", -1, "a number from 0 to 1000000000 (ETH)"),
        ("network.dial", "10.0.0.0/24", "a list of texts"),
        ("network.degree", 1, "an integer from 2"),
        ("network.latency", -1, "a number from 0 to 86400 (s)"),
        ("network.bandwidth", 0, "a number from 1 to 1000000000000 (bytes/s)"),
        ("network.loss", 1, "a number from 0, below 1"),
        ("network.announce_every", 0, "a number from 0.001 to 86400 (s)"),
        ("network.fetch_timeout", -1, "a number from 0.001 to 86400 (s)"),
        ("network.max_peers", 0, "an integer from 1 to 1000000"),
        ("network.max_announcements", 0, "an integer from 1 to 1000000"),
        ("cost.train", -1, "a number from 0 to 86400 (s)"),
        ("cost.average", -1, "a number from 0 to 86400 (s)"),
        ("cost.chain_call", -1, "a number from 0 to 86400 (s)"),
        ("cost.store", -1, "a number from 0 to 86400 (s)"),
        ("cost.announce", -1, "a number from 0 to 86400 (s)"),
        ("cost.late_delay_factor", -1, "a number from 0 to 1000"),
        ("cost.speed_sigma", -1, "a number from 0 to 10"),
        ("cost.jitter", -1, "a number from 0 to 10"),
        ("groups.count", 0, "an integer from 1"),
        ("groups.count", -3, "an integer from 1"),
        (
            "groups.policy",
            "thief",
            "one of honest, refuses-to-pay, conceals-averages, poisoner, copycat, hijacker, row-poisoner, spammer, "
            "sleeper, sybil, under-reporter, own",
        ),
        ("groups.joins_at", -1, "a number from 0 to 86400 (s)"),
        ("faults.kind", "meteor", "one of " + ", ".join(FaultKind)),
        ("faults.at", float("nan"), "a number from 0 to 86400 (s)"),
        ("faults.duration", -1, "a number from 0 to 86400 (s)"),
        ("faults.share", 0, "a number above 0, max 1"),
        ("faults.every", 0.5, "a number from 1 to 86400 (s)"),
        ("faults.groups", 1, "an integer from 2"),
        ("faults.probability", 0, "a number from 0.0001 to 1"),
        ("faults.delay", 1e9, "a number from 0 to 60 (s)"),
        ("faults.bandwidth", -1, "a number from 0 to 1000000000 (bytes/s)"),
        ("faults.blocks", -1, "an integer from 0 (blocks)"),
        ("expect.recovery", float("inf"), "a number from 0.001 to 86400 (s)"),
        ("privacy", "perhaps", "a boolean"),
        ("work", 3, "a table"),
        ("groups", 3, "a list of tables, each written as [[groups]]"),
    ],
)
def test_a_value_out_of_range_is_one_sentence(name: str, value: Any, wanted: str) -> None:
    table = {"model": {"hidden": [value]}} if name == "model.hidden.0" else nested(name, value)
    sentence = refused(table)
    place = (
        name.replace("groups.", "groups.0.")
        .replace("faults.", "faults.0.")
        .replace("faults.0.groups.0", "faults.0.groups")
    )
    assert sentence.startswith(f"my.toml: {place} = ") and sentence.endswith(f" is not allowed: give {wanted}")


def test_an_empty_list_of_groups_is_refused() -> None:
    assert refused({"groups": []}) == "my.toml: groups is empty: leave it out, or add a table [[groups]]"


def test_a_list_that_is_too_long_is_refused() -> None:
    assert refused({"model": {"hidden": [1] * 33}}).endswith("give a list of integers with max 32 elements")


@pytest.mark.parametrize(("name", "table"), [("groups", {}), ("faults", {"kind": "kill", "at": 1})])
def test_more_tables_than_a_session_can_have_are_refused(name: str, table: dict[str, object]) -> None:
    assert refused({name: [table] * 1001}).endswith(
        f"{name} is not allowed: give a list of tables with max 1000 elements"
    )


@pytest.mark.parametrize(
    ("value", "written"), [(16**5000, ""), ("x" * 1000, ' = "' + "x" * 99 + "...")], ids=["number", "text"]
)
def test_a_value_without_end_is_not_quoted_whole(value: object, written: str) -> None:
    assert refused({"peers": value}).startswith(f"my.toml: peers{written} is not allowed: give an integer")


def test_a_missing_setting_is_named() -> None:
    assert refused({"faults": [{"at": 3}]}).startswith("my.toml: faults.0.kind is missing: give one of cut, ")


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"wrok": {"slices": 3}}, "wrok: no such setting; did you mean work?"),
        ({"work": {"slcies": 3}}, "work.slcies: no such setting; did you mean work.slices?"),
        ({"groups": [{}, {"cuont": 3}]}, "groups.1.cuont: no such setting; did you mean groups.1.count?"),
        ({"patience": 3}, "patience: no such setting here; patience belongs in [work]"),
        ({"work": {"loss": "mse"}}, "work.loss: no such setting here; loss belongs in [model] or [network]"),
        ({"pace": {"colour": 3}}, "pace.colour: no such setting; there are slice, attempt"),
    ],
)
def test_an_unknown_setting_is_answered_with_what_it_may_be(table: dict[str, Any], sentence: str) -> None:
    assert refused(table) == f"my.toml: {sentence}"


OPEN: dict[str, Any] = {"privacy": False}
BRIDGE = {"bridge": True}
SENSOR = {"count": 2, "sensor": True, "computes": False, "wants_payment": False}


def test_a_session_with_sensors_is_accepted() -> None:
    session = parse({**OPEN, "groups": [BRIDGE, SENSOR], "feed": {"rows": 1000, "kind": "mqtt"}})
    assert [group.role for group in session.groups] == [Role.TRAINER, Role.SENSOR]
    only = parse({**OPEN, "peers": 4, "groups": [{"has_rows": False, **BRIDGE}, SENSOR], "feed": {"rows": 1000}})
    assert only.feed.kind == "memory"


@pytest.mark.parametrize("url", ["mqtt://", "http://host", "mqtt://user:secret@host", "mqtt://host:port", "host"])
def test_a_broker_is_named_by_host_and_port_only(url: str) -> None:
    assert "give mqtt://HOST or mqtt://HOST:PORT" in refused({"feed": {"kind": "mqtt", "url": url}})
    feed = {"rows": 1000, "kind": "mqtt", "url": "mqtt://broker.example:1883"}
    named = parse({**OPEN, "groups": [BRIDGE, SENSOR], "feed": feed})
    assert named.feed.url == "mqtt://broker.example:1883"


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"groups": [{"policy": "row-poisoner"}]}, "groups: a row-poisoner publishes rows, which privacy forbids"),
        (
            {"groups": [BRIDGE, SENSOR]},
            "groups: sensors publish their rows, which privacy forbids: set privacy = false",
        ),
        ({**OPEN, "groups": [BRIDGE, {**SENSOR, "computes": True}]}, "groups: a sensor only publishes rows: set"),
        ({**OPEN, "groups": [BRIDGE, {**SENSOR, "wants_payment": True}]}, "groups: a sensor only publishes rows: set"),
        ({**OPEN, "groups": [BRIDGE, {**SENSOR, "bridge": True}]}, "groups: a sensor follows no feed: set bridge"),
        ({"faults": [{"kind": "feed-kill", "at": 1}]}, "faults: feed-kill needs sensors: leave it out, or set sensor"),
        (
            {"reward": {"data": "0.1"}},
            "reward.data pays for rows of others, which privacy forbids: set privacy = false",
        ),
        ({"feed": {"kind": "tangle", "url": "mqtt://host"}}, "feed.url names an MQTT broker: set feed.kind"),
        ({"feed": {"url": "mqtt://host"}}, "feed.url names an MQTT broker: set feed.kind"),
        ({"feed": {"kind": "mqtt"}}, "feed is where sensors publish, and the session has none: set sensor = true"),
        ({**OPEN, "feed": {"every": 9.0}}, "feed is where sensors publish, and the session has none: set sensor ="),
        ({**OPEN, "groups": [{}, SENSOR]}, "groups: sensors need a peer that follows the feed, and such a peer needs"),
        ({**OPEN, "groups": [BRIDGE]}, "groups: sensors need a peer that follows the feed, and such a peer needs"),
        ({**OPEN, "groups": [BRIDGE, SENSOR]}, "a sensor publishes 100 readings, more than peers accept: raise"),
        (
            {
                **OPEN,
                "groups": [BRIDGE, SENSOR],
                "feed": {"rows": 999},
                "faults": [{"kind": "kill", "targets": ["p00"], "at": 1}],
            },
            "faults: a session with sensors can only have faults of the feed and of sensors yet",
        ),
        ({"data": {"rows": 9}}, "data.rows = 9 cannot be cut into 10 slices: lower work.slices"),
        ({"start": {"peers": 21}}, "start.peers = 21 is above the number of peers: max 20"),
        (PROFILES | {"peers": 33}, 'defence.kind = "profiles" is for up to 32 peers, not 33'),
        (PROFILES | {"groups": [{"wants_payment": False}]}, 'defence.kind = "profiles": a peer makes its deposit'),
        (PROFILES | {"payment": {"settle": "batched"}}, 'defence.kind = "profiles": nobody pays for single'),
        (
            PROFILES | {"chain": {"balance": "0.014"}},
            "defence.fee = 0.01 and 0.0048 ETH of gas for the calls of the fee",
        ),
        (
            PROFILES | {"chain": {"gas_cap": "0.004"}},
            'defence.kind = "profiles" needs 0.0048 ETH of gas, which is above',
        ),
        (
            PROFILES | {"peers": 2, "groups": [{"count": 1}, {"joins_at": 451}]},
            "groups.joins_at is after three quarters of defence.window = 600",
        ),
        ({"defence": {"stake": "0.01", "window": 15}}, "defence.window = 15 is too short to deposit and report"),
        (PROFILES | {"max_duration": 600}, "defence.window = 600 ends after the session: lower it below max_duration"),
        ({"market": {"window": 9}}, "market is for peers whose work has a cost: set groups.unit_cost"),
        (
            {"groups": [{"unit_cost": 1, "computes": False}, {"count": 1}]},
            "groups.unit_cost is per slice and averaging attempt",
        ),
        (
            {"groups": [{"unit_cost": 1, "wants_payment": False}]},
            "groups.unit_cost: a peer that wants no payment has no income",
        ),
        (
            PROFILES | {"groups": [{"unit_cost": 1}]},
            'groups.unit_cost: with defence.kind = "profiles" nobody pays before',
        ),
        ({"reward": {"target": "0.5"}}, "reward: target, lowest, highest belong to a factor that changes"),
        ({"reward": {"adapt": "0.1", "lowest": 1, "highest": 1}}, "reward.lowest = reward.highest leaves reward.adapt"),
        (
            {"defence": {"access": "sealed"}},
            'defence.access belongs to defence.kind = "reciprocity": set that, or leave',
        ),
        ({"defence": SEALED, "identity": "paper"}, f"{SEAL} needs signed claims, which name the keys of peers: set"),
        (
            {"defence": SEALED, "groups": [{"wants_payment": False}]},
            f"{SEAL}: a peer without a contract could read no model: leave",
        ),
        (
            {"defence": SEALED, "network": {"max_peers": 201}},
            f"{SEAL}: an announcement holds the keys of 200 peers: lower",
        ),
        ({"defence": {"fee": 1}}, 'defence.fee belongs to defence.kind = "profiles": set that, or leave fee out'),
        (PROFILES | {"defence": {"kind": "profiles", "limit": 3}}, 'defence.limit belongs to defence.kind = "recip'),
        ({"groups": [PAID_OUT | {"count": 2}, {}]}, "groups.payout is the address of one peer: set count = 1"),
        (
            {"groups": [PAID_OUT, PAID_OUT | {"payout": "0x" + "ab" * 20}, {}]},
            "groups.payout: two peers have one address",
        ),
        ({"groups": [PAID_OUT | {"payout": "0x" + "0" * 40}, {}]}, "groups.payout is an address from which nobody can"),
        ({"groups": [PAID_OUT | {"wants_payment": False}, {}]}, "groups.payout: a sensor, or a peer that wants no"),
        (PROFILES | {"groups": [PAID_OUT, {}]}, 'groups.payout: with defence.kind = "profiles" the wallet that'),
        (
            PROFILES | {"groups": [{"count": 1, "stakes": False}, {}]},
            'defence.kind = "profiles": each peer deposits',
        ),
        ({"groups": [{"count": 1, "stakes": False}, {}]}, "groups.stakes belongs to defence.stake: set that"),
        ({"defence": {"window": 9}}, 'defence.window belongs to defence.kind = "profiles" and defence.stake: set one'),
        ({"defence": {"stake": 1}}, "defence.stake = 1 and 0.0048 ETH of gas for the calls of the fee pool are above"),
        ({"defence": STAKE, "groups": [{"wants_payment": False}]}, "defence.stake: a peer makes its deposit with its"),
        ({"defence": STAKE, "groups": [PAID_OUT, {}]}, "groups.payout: with defence.stake the wallet that a contract"),
        (OPEN | {"defence": STAKE, "reward": {"data": 1}}, "defence.stake is about models, but reward.data pays for"),
        ({"chain": {"max_fee": "1.5"}}, "chain.gas_price = 2 is above chain.max_fee = 1.5, so nobody could ever pay"),
        ({"data": {"path": "a.csv"}}, 'data.path = "a.csv": name the column with the classes'),
        (
            {"data": {"label": "class"}},
            "data.label, data.features, data.header, data.encoding and data.encode belong to a file of your own",
        ),
        (
            {"data": {"header": False}},
            "data.label, data.features, data.header, data.encoding and data.encode belong to a file of your own",
        ),
        ({"data": {"path": "a", "label": "x", "features": ["x"]}}, "data.label is among data.features"),
        ({"data": {"path": "a", "label": "x", "features": ["y", "y"]}}, "data.features names a column twice"),
        ({"data": {"partition": "by-column"}}, 'data.partition = "by-column", and only that, names its column'),
        ({"groups": [{"policy": "copycat", "computes": False}]}, "groups: a copycat, sleeper or sybil makes models"),
        ({"groups": [{"policy": "poisoner", "computes": False}]}, "groups: a poisoner or spammer poses"),
        ({"groups": [{"policy": "sybil"}]}, "groups: a sybil, and only a sybil, names its leader"),
        ({"groups": [{"policy": "hijacker"}]}, "groups: a hijacker, and only a hijacker, names its victim"),
        ({"groups": [{"victim": "p00"}]}, "groups: a hijacker, and only a hijacker, names its victim"),
    ],
)
def test_settings_that_contradict_each_other_are_one_sentence(table: dict[str, Any], sentence: str) -> None:
    assert refused(table).startswith(f"my.toml: {sentence}")


def test_the_schema_knows_ranges_choices_units_and_descriptions() -> None:
    definitions = schema()["$defs"]
    slices = definitions["WorkSettings"]["properties"]["slices"]
    assert (slices["minimum"], slices["default"], slices["type"]) == (1, 10, "integer")
    reward = definitions["RewardSettings"]["properties"]
    assert reward["function"]["examples"] == ["proportional", "flat", "error-reduction"]
    assert reward["cap"]["unit"] == "ETH" and reward["cap"]["description"]


def test_sensors_have_no_place_in_the_fee_pool() -> None:
    sensors = {"sensor": True, "computes": False, "wants_payment": False}
    feed = {
        "feed": {"rows": 1000},
        "privacy": False,
        "peers": 4,
        "groups": [{"count": 2, "bridge": True}, sensors | {"count": 2}],
    }
    assert depositors(parse(feed)) == 2 == depositors(parse(feed | {"groups": [{"count": 2, "bridge": True}, sensors]}))
    assert pool_terms(parse(feed)) is None
    terms = pool_terms(parse(PROFILES | feed))
    assert terms and terms.places == 2
