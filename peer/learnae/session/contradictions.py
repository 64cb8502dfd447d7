"""What no single setting can say: settings of a session that do not go together, each with a sentence."""

from math import ceil

from learnae.messages.wire import MAX_READERS
from learnae.protocol.blockchain import MAX_MEMBERS
from learnae.protocol.policies import Policy, Role
from learnae.protocol.settings import Defence, DefenceSettings, IdentityRule, MarketSettings, RewardSettings, Settle
from learnae.protocol.types import wei
from learnae.session.fee_pool import gas_of_calls, pool_terms
from learnae.session.sensor_rules import sensor_contradictions
from learnae.session.settings import DataSettings, EncodeSettings, Session
from learnae.session.task import task_contradictions

RESERVED = 0x10000  # addresses below: burnt money goes to 0, and the fee pool and the chain's own contracts are here
POSING = (Policy.POISONER, Policy.SPAMMER)  # as trainers
COPYING = (Policy.COPYCAT, Policy.SLEEPER, Policy.SYBIL)
OF_ADAPT = ("target", "lowest", "highest")  # of reward.adapt
OF_KINDS = {Defence.PROFILES: ("fee",), Defence.RECIPROCITY: ("scope", "limit", "grace", "forgive", "access")}


def contradictions(session: Session) -> list[tuple[bool, str]]:
    """What no single setting can say."""
    work, data, groups = session.work, session.data, session.groups
    start, peers, chain = session.start.peers, session.peers, session.chain
    return [
        *_pool_contradictions(session),
        *task_contradictions(session),
        *_market_contradictions(session),
        *_unused_money_settings(session),
        *_invisible_sums(session),
        *_payout_contradictions(session),
        *_sealing_contradictions(session),
        (
            session.privacy and any(group.policy is Policy.ROW_POISONER for group in groups),
            "groups: a row-poisoner publishes rows, which privacy forbids: set privacy = false",
        ),
        (
            session.privacy and session.reward.data > 0,
            "reward.data pays for rows of others, which privacy forbids: set privacy = false, or leave it out",
        ),
        (
            data.rows < work.slices,
            f"data.rows = {data.rows} cannot be cut into {work.slices} slices: lower work.slices",
        ),
        (
            session.model.kind != "mlp" and session.compute.dtype != "float32",
            f'compute.dtype = "{session.compute.dtype}" needs model.kind = "mlp": leave it out',
        ),
        *data_contradictions(data),
        *sensor_contradictions(session),
        (start is not None and start > peers, f"start.peers = {start} is above the number of peers: max {peers}"),
        (
            chain.gas_price > chain.max_fee,
            f"chain.gas_price = {chain.gas_price} is above chain.max_fee = {chain.max_fee}, so nobody could ever pay: "
            "lower the one or raise the other",
        ),
        (
            any(group.policy in POSING and group.role is not Role.TRAINER for group in groups),
            "groups: a poisoner or spammer poses as a trainer: leave has_rows and computes true",
        ),
        (
            any(group.policy in COPYING and not group.computes for group in groups),
            "groups: a copycat, sleeper or sybil makes models of others': leave computes true",
        ),
        (
            any((group.policy is Policy.SYBIL) != (group.leader is not None) for group in groups),
            'groups: a sybil, and only a sybil, names its leader, such as leader = "p00"',
        ),
        (
            any((group.policy is Policy.OWN) != (group.behaviour is not None) for group in groups),
            'groups: policy = "own" needs behaviour, such as "lazy.py:Lazy", and other policies must not set it',
        ),
        (
            any((group.policy is Policy.HIJACKER) != (group.victim is not None) for group in groups),
            'groups: a hijacker, and only a hijacker, names its victim, such as victim = "p00"',
        ),
    ]


def _pool_contradictions(session: Session) -> list[tuple[bool, str]]:
    defence, terms, chain = session.defence, pool_terms(session), session.chain
    absent = any(not group.stakes for group in session.groups)
    if terms is None:
        return [
            (absent, "groups.stakes belongs to defence.stake: set that, or leave stakes true"),
            (
                defence.window != DefenceSettings().window,
                'defence.window belongs to defence.kind = "profiles" and defence.stake: set one, or leave window out',
            ),
        ]
    gas, splits = gas_of_calls(session), defence.kind is Defence.PROFILES
    kind = 'defence.kind = "profiles"' if splits else "defence.stake"
    least = ceil(4 * max(chain.block_time, chain.poll) * (chain.confirmations + 2))  # the last quarter is for reports
    deposits = [f"defence.fee = {defence.fee}"] * splits + [f"defence.stake = {defence.stake}"] * (defence.stake > 0)
    return [
        (terms.places > MAX_MEMBERS, f"{kind} is for up to {MAX_MEMBERS} peers, not {terms.places}: lower peers"),
        (
            any(not group.wants_payment and not group.sensor for group in session.groups),
            f"{kind}: a peer makes its deposit with its contract: leave groups.wants_payment true",
        ),
        (
            splits and session.payment.settle is not Settle.EACH,
            f'{kind}: nobody pays for single models: leave payment.settle = "each"',
        ),
        (
            defence.fee * splits + defence.stake + gas > chain.balance,
            f"{' and '.join(deposits)} and {gas} ETH of gas for the calls of the fee pool are above "
            f"chain.balance = {chain.balance}: raise it",
        ),
        (
            not splits and terms.places == 0,
            "defence.stake is set, but no group makes the deposit: leave groups.stakes true in one, or stake out",
        ),
        (splits and absent, f"{kind}: each peer deposits its fee: leave groups.stakes true"),
        (
            defence.stake > 0 and session.reward.data > 0,
            "defence.stake is about models, but reward.data pays for rows of identities without it: leave one out",
        ),
        (
            gas > chain.gas_cap,
            f"{kind} needs {gas} ETH of gas, which is above chain.gas_cap = {chain.gas_cap}: raise it",
        ),
        (
            any(4 * group.joins_at > 3 * defence.window for group in session.groups if not group.sensor),
            f"groups.joins_at is after three quarters of defence.window = {defence.window}, when no more than "
            "reporting is left: lower it, or raise window",
        ),
        (
            defence.window < least,
            f"defence.window = {defence.window} is too short to deposit and report, because blocks take "
            f"{chain.block_time:g} s and peers ask the chain every {chain.poll:g} s: raise it to {least} or more",
        ),
        (
            defence.window >= session.max_duration,
            f"defence.window = {defence.window} ends after the session: lower it below max_duration",
        ),
    ]


def _payout_contradictions(session: Session) -> list[tuple[bool, str]]:
    paid = [group for group in session.groups if group.payout]
    addresses = [(group.payout or "").lower() for group in paid]
    deposits = 'defence.kind = "profiles"' if session.defence.kind is Defence.PROFILES else "defence.stake"
    return [
        (
            any(group.count != 1 for group in paid),
            "groups.payout is the address of one peer: set count = 1 in its group",
        ),
        (
            len(set(addresses)) < len(addresses),
            "groups.payout: two peers have one address, so that their income cannot be told apart: give each its own",
        ),
        (
            any(int(address, 16) < RESERVED for address in addresses),
            "groups.payout is an address from which nobody can take money: give that of a wallet of yours",
        ),
        (
            any(not group.wants_payment or group.sensor for group in paid),
            "groups.payout: a sensor, or a peer that wants no payment, is paid nothing: leave payout out",
        ),
        (
            bool(paid) and session.defence.deposit_wei > 0,
            f"groups.payout: with {deposits} the wallet that a contract names makes the deposit itself and gets its "
            "money back, so the peer needs its key: leave one of them out",
        ),
    ]


def _sealing_contradictions(session: Session) -> list[tuple[bool, str]]:
    sealed, setting = session.defence.sealed, 'defence.access = "sealed"'
    return [
        (
            sealed and session.identity is not IdentityRule.PROVEN,
            f'{setting} needs signed claims, which name the keys of peers: set identity = "proven"',
        ),
        (
            sealed and any(not group.wants_payment and not group.sensor for group in session.groups),
            f"{setting}: a peer without a contract could read no model: leave groups.wants_payment true",
        ),
        (
            sealed and session.network.max_peers > MAX_READERS,
            f"{setting}: an announcement holds the keys of {MAX_READERS} peers: lower network.max_peers",
        ),
    ]


def _market_contradictions(session: Session) -> list[tuple[bool, str]]:
    costly = [group for group in session.groups if group.unit_cost]
    return [
        (
            not costly and session.market != MarketSettings(),
            "market is for peers whose work has a cost: set groups.unit_cost, or leave market out",
        ),
        (
            any(group.sensor or not group.computes for group in costly),
            "groups.unit_cost is per slice and averaging attempt: leave it out for peers that do not compute",
        ),
        (
            any(not group.wants_payment for group in costly),
            "groups.unit_cost: a peer that wants no payment has no income: leave wants_payment true, or unit_cost out",
        ),
        (
            bool(costly) and session.defence.kind is Defence.PROFILES,
            'groups.unit_cost: with defence.kind = "profiles" nobody pays before the end: leave one of them out',
        ),
    ]


def _unused_money_settings(session: Session) -> list[tuple[bool, str]]:
    """Settings that would be ignored."""
    reward, kind, unused = session.reward, session.defence.kind, DefenceSettings()
    return [
        (
            not reward.adapt and any(getattr(reward, name) != getattr(RewardSettings(), name) for name in OF_ADAPT),
            f"reward: {', '.join(OF_ADAPT)} belong to a factor that changes: set reward.adapt, or leave them out",
        ),
        (
            bool(reward.adapt) and reward.lowest == reward.highest,
            "reward.lowest = reward.highest leaves reward.adapt nothing to change: move them apart, or leave adapt out",
        ),
        *(
            (
                kind is not owner and getattr(session.defence, name) != getattr(unused, name),
                f'defence.{name} belongs to defence.kind = "{owner}": set that, or leave {name} out',
            )
            for owner, names in OF_KINDS.items()
            for name in names
        ),
    ]


def _invisible_sums(session: Session) -> list[tuple[bool, str]]:
    """Sums that a chain, which counts in wei, would take for nothing."""
    reward, defence = session.reward, session.defence
    sums = [
        ("reward.factor", reward.factor),
        ("reward.cap", reward.cap),
        ("reward.data", reward.data),
        ("payment.threshold", session.payment.threshold),
        ("defence.stake", defence.stake),
        ("defence.fee", defence.fee),
        ("chain.balance", session.chain.balance),
        ("chain.gas_cap", session.chain.gas_cap),
        *(("groups.unit_cost", group.unit_cost) for group in session.groups),
    ]
    return [
        (amount > 0 and wei(amount) == 0, f"{name} = {amount} is below 1 wei (1e-18 ETH), which is nothing: raise it")
        for name, amount in sums
    ]


def data_contradictions(data: DataSettings) -> list[tuple[bool, str]]:
    encode = data.encode
    ordered = [entry[0] for entry in encode.ordinal if entry]
    return [
        (
            data.path is not None and data.label is None,
            f'data.path = "{data.path}": name the column with the classes, such as label = "class"',
        ),
        (
            data.path is None
            and (data.label, data.features, data.header, data.encoding, encode)
            != (None, (), True, None, EncodeSettings()),
            "data.label, data.features, data.header, data.encoding and data.encode belong to a file of your own: name "
            "it with data.path",
        ),
        (data.label is not None and data.label in data.features, "data.label is among data.features: take it out"),
        (
            data.label in (*encode.one_hot, *ordered, *encode.impute),
            "data.label is in data.encode: take it out, because classes need no encoding",
        ),
        (
            any(len(entry) < 3 or len(set(entry[1:])) < len(entry) - 1 for entry in encode.ordinal),
            'data.encode.ordinal: write each entry as a column and its different values, such as ["size", "S", "M"]',
        ),
        (
            len(set(ordered)) < len(ordered) or not set(ordered).isdisjoint(encode.one_hot),
            "data.encode names a column twice in ordinal, or in ordinal and one_hot: take one out",
        ),
        (len(set(data.features)) < len(data.features), "data.features names a column twice: take one out"),
        (
            (data.partition == "by-column") != (data.column is not None),
            'data.partition = "by-column", and only that, names its column, such as column = "country"',
        ),
    ]
