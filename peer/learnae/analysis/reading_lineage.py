"""The readings of sensors that are in a model: it, or a model that it descends from, was trained on them.  Pure."""

from learnae.protocol.decisions import Adopted, Averaged, Trained
from learnae.protocol.types import Cid
from learnae.records.history import History, ReadingPublished


def readings_of_sensors(history: History) -> dict[str, dict[Cid, int]]:
    """By sensor: a bit for each reading that the feed has confirmed."""
    known: dict[str, dict[Cid, int]] = {}
    bits: dict[Cid, int] = {}
    for record, reading in history.facts(ReadingPublished):
        bit = bits.setdefault(reading.cid, 1 << len(bits))
        known.setdefault(record.peer, {})[reading.cid] = bit
    return known


def readings_in_models(history: History) -> dict[str, dict[str, int]]:
    """For the last model of each peer: how many readings of each sensor are in it."""
    sensors = readings_of_sensors(history)
    if not sensors:
        return {}
    bits = {cid: bit for readings in sensors.values() for cid, bit in readings.items()}
    models, last = dict[Cid, int](), dict[str, int]()
    for record in history.of(Adopted, Trained, Averaged):
        own = last.get(record.peer, 0)
        match record.fact:
            case Adopted(cid=cid):
                inside = models.get(cid, 0)
            case Trained(cid=cid, rows=rows):
                inside = own | (bits.get(rows, 0) if rows else 0)
            case Averaged(cid=cid, remote_cid=remote, adopted=True):  # a provider takes the remote model itself
                inside = models.get(remote, 0) | (own if cid != remote else 0)
            case _:
                continue
        models[cid] = last[record.peer] = inside
    masks = {name: sum(readings.values()) for name, readings in sensors.items()}
    return {peer: {name: (inside & mask).bit_count() for name, mask in masks.items()} for peer, inside in last.items()}
