"""What sensors publish, and what a session with sensors cannot contain."""

from math import ceil

from learnae.protocol.policies import Policy
from learnae.session.fault_plan import MIN_DOWNTIME
from learnae.session.faults import FaultKind
from learnae.session.roster import group_of_each_peer, names
from learnae.session.settings import FeedSettings, Session


def sensors(session: Session) -> tuple[str, ...]:
    """Names of the session's sensors."""
    groups = zip(names(session.peers), group_of_each_peer(session.groups, session.peers), strict=True)
    return tuple(name for name, group in groups if group.sensor)


def peers_without_sensors(session: Session) -> int:
    """How many peers the session really has: the setting ``peers`` counts sensors, too."""
    return session.peers - len(sensors(session))


def cheating_peers(session: Session) -> int:
    groups = group_of_each_peer(session.groups, session.peers)
    return sum(group.policy is not Policy.HONEST for group in groups)


def members_text(session: Session, kind: str = "peers", elsewhere: int = 0) -> str:
    """Such as "6 peers and 2 sensors", without those peers that are ``elsewhere``."""
    devices, peers = len(sensors(session)), f"{peers_without_sensors(session) - elsewhere} {kind}"
    return f"{peers} and {devices} sensor{'s' * (devices > 1)}" if devices else peers


def readings_of_each(session: Session) -> int:
    """How many readings a sensor publishes."""
    return ceil(session.data.rows / session.feed.rows)


def publishing_time(session: Session) -> float:
    """Seconds until the last sensor has published its rows at the latest; 0 without sensors.

    Sensors start when peers are at work, and a fault may hold each of them up for all of its duration.
    """
    joins = [group.joins_at for group in session.groups if group.sensor]
    held = sum(fault.duration + MIN_DOWNTIME for fault in session.faults if _of_feed(fault.kind))
    return session.start.timeout + max(joins) + readings_of_each(session) * session.feed.every + held if joins else 0.0


def sensor_contradictions(session: Session) -> list[tuple[bool, str]]:
    """Whether each applies, and the sentence that says so."""
    sensors = [group for group in session.groups if group.sensor]
    limits, readings = session.network, readings_of_each(session)
    count, most = sum(group.count or 1 for group in sensors), limits.max_row_blocks_per_creator
    return [
        (
            bool(sensors) and session.privacy,
            "groups: sensors publish their rows, which privacy forbids: set privacy = false",
        ),
        (
            any(
                (group.has_rows, group.computes, group.wants_payment, group.policy)
                != (True, False, False, Policy.HONEST)
                for group in sensors
            ),
            "groups: a sensor only publishes rows: set computes = false and wants_payment = false, and leave has_rows "
            "and policy as they are",
        ),
        (any(group.bridge for group in sensors), "groups: a sensor follows no feed: set bridge = true for peers only"),
        (
            bool(sensors) != any(group.bridge for group in session.groups),
            "groups: sensors need a peer that follows the feed, and such a peer needs sensors: set bridge = true in "
            "one group of peers and sensor = true in another, or neither",
        ),
        (
            bool(sensors) and max(readings - most, count * readings - limits.max_row_blocks) > 0,
            f"a sensor publishes {readings} readings, more than peers accept: raise feed.rows, "
            "network.max_row_blocks_per_creator or network.max_row_blocks",
        ),
        (
            session.feed.kind != "mqtt" and session.feed.url is not None,
            'feed.url names an MQTT broker: set feed.kind = "mqtt", or leave feed.url out',
        ),
        (
            not sensors and session.feed != FeedSettings(),
            "feed is where sensors publish, and the session has none: set sensor = true in one group and bridge = true "
            "in another, or leave feed out",
        ),
        (
            bool(sensors) and any(not _of_feed(fault.kind) for fault in session.faults),
            "faults: a session with sensors can only have faults of the feed and of sensors yet: leave out the others",
        ),
        *(
            (
                not sensors and _of_feed(fault.kind),
                f"faults: {fault.kind} needs sensors: leave it out, or set sensor = true in one group",
            )
            for fault in session.faults
        ),
    ]


def _of_feed(kind: FaultKind) -> bool:
    """Whether it hits the feed or sensors."""
    return kind is FaultKind.FEED_KILL or kind.of_sensors
