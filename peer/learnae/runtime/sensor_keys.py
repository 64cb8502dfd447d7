"""The keys of simulated sensors: derived from the seed, so that the same seed gives the same readings."""

import hashlib

from learnae.ed25519 import SensorKey
from learnae.protocol.types import Address, PeerId
from learnae.session.roster import Keys
from learnae.session.sensor_rules import sensors
from learnae.session.settings import Session


def sensor_keys(session: Session) -> dict[str, SensorKey]:
    """By name of the sensor."""
    secrets = {name: hashlib.sha256(f"sensor {session.seed} {name}".encode()).digest() for name in sensors(session)}
    return {name: SensorKey.from_secret(secret) for name, secret in secrets.items()}


def with_sensor_keys(session: Session, keys: Keys) -> Keys:
    """``keys``, with the ids of the sensors' keys."""
    own = sensor_keys(session)

    def ids(name: str) -> tuple[PeerId, Address]:
        peer, wallet = keys(name)
        return (own[name].peer if name in own else peer), wallet

    return ids
