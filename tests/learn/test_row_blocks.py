"""Row blocks: what a peer packs, what it trains on, and what it refuses with a reason."""

import random

import pytest
import safetensors.torch
import torch
from tests.learn.small import SESSION, TABLE, Swarm
from tests.learn.test_trainer import refusal

from learnae.errors import PortError, Reason
from learnae.learn.row_blocks import decode_rows, encode_rows
from learnae.messages.readings import SensorRows
from learnae.messages.wire import cid_of
from learnae.protocol.types import Cid

WIDTH = TABLE.shape[0]
FEATURES = torch.arange(10.0 * WIDTH).reshape(10, WIDTH)
LABELS = torch.tensor([0, 1] * 5)
SMALL_LABELS = LABELS.int()


def put(swarm: Swarm, block: bytes) -> Cid:
    swarm.blocks[cid_of(block)] = block
    return cid_of(block)


def changed(features: torch.Tensor = FEATURES, labels: torch.Tensor = SMALL_LABELS, **more: torch.Tensor) -> bytes:
    return safetensors.torch.save({"features": features, "labels": labels, **more})


def with_value(value: float) -> torch.Tensor:
    features = FEATURES.clone()
    features[3, 2] = value
    return features


def test_a_packed_slice_holds_the_rows_of_the_slice_and_no_others() -> None:
    swarm = Swarm()
    rows = swarm.split.peers[0].train
    size = len(rows) // SESSION.work.slices
    for number in range(SESSION.work.slices):
        found = decode_rows(swarm.blocks[swarm.trainers[0].pack(number, 0.0).result()], *TABLE.shape[:2]).dataset
        expected, labels = TABLE.select(rows[number * size : (number + 1) * size].unsqueeze(0))
        assert torch.equal(found.features, expected[0]) and torch.equal(found.labels, labels[0])


def test_training_on_a_received_block_gives_the_bits_that_its_owner_would_get() -> None:
    swarm = Swarm()
    block = swarm.trainers[0].pack(1, 0.0).result()
    own = swarm.trainers[1].train(swarm.initial, 0, 5, 1, block).result()
    assert own == swarm.trainers[1].train(swarm.initial, 0, 5, 1, block).result()
    assert own != swarm.trainers[1].train(swarm.initial, 1, 5, 1).result()


def test_jobs_on_own_and_on_received_rows_in_one_batch_give_the_bits_that_they_give_alone() -> None:
    swarm, alone = Swarm(), Swarm()
    block = swarm.trainers[0].pack(1, 0.0).result()
    assert alone.trainers[0].pack(1, 0.0).result() == block
    jobs = [
        swarm.trainers[1].train(swarm.initial, 0, 5, 1, block),
        swarm.trainers[1].train(swarm.initial, 0, 6, 1),
    ]
    together = [job.result() for job in jobs]
    assert together == [
        alone.trainers[1].train(alone.initial, 0, 5, 1, block).result(),
        alone.trainers[1].train(alone.initial, 0, 6, 1).result(),
    ]


def test_a_poisoner_flips_exactly_its_share_of_the_labels() -> None:
    swarm = Swarm()
    honest, poisoned = (
        decode_rows(swarm.blocks[swarm.trainers[0].pack(0, share).result()], *TABLE.shape[:2]).dataset
        for share in (0.0, 0.4)
    )
    assert torch.equal(honest.features, poisoned.features)
    assert int((honest.labels != poisoned.labels).sum()) == round(0.4 * len(honest))


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"no tensors at all", Reason.MALFORMED),
        (changed(FEATURES[:, :-1].contiguous()), Reason.SHAPE),
        (changed(FEATURES.double()), Reason.SHAPE),
        (changed(labels=LABELS), Reason.SHAPE),
        (changed(labels=LABELS[:-1].int()), Reason.SHAPE),
        (changed(FEATURES[:0], LABELS[:0].int()), Reason.SHAPE),
        (changed(more=torch.ones(3)), Reason.SHAPE),
        (changed(with_value(float("nan"))), Reason.NOT_FINITE),
        (changed(with_value(float("-inf"))), Reason.NOT_FINITE),
        (changed(labels=LABELS.int() - 1), Reason.LABELS),
        (changed(labels=LABELS.int() + 1), Reason.LABELS),
        (changed(torch.ones(10, WIDTH)), Reason.DUPLICATE),
        (bytes(1 << 20) + b"0", Reason.OVERSIZE),
        (safetensors.torch.save({"features": FEATURES, "labels": LABELS.int()}, {"note": "x"}), Reason.MALFORMED),
    ],
)
def test_a_bad_block_is_refused_with_a_reason(block: bytes, reason: Reason) -> None:
    swarm = Swarm()
    before = dict(swarm.blocks)
    cid = put(swarm, block)
    assert refusal(swarm.trainers[0].train(swarm.initial, 0, 0, 1, cid)) is reason
    assert swarm.blocks.keys() == before.keys() | {cid}


def test_rows_that_a_peer_has_already_are_refused_in_any_order_and_with_any_labels() -> None:
    swarm = Swarm()
    own = decode_rows(swarm.blocks[swarm.trainers[0].pack(0, 0.0).result()], *TABLE.shape[:2]).dataset
    again = put(swarm, encode_rows(own.features.flip(0), 1 - own.labels))
    assert refusal(swarm.trainers[0].train(swarm.initial, 0, 0, 1, again)) is Reason.DUPLICATE
    assert swarm.trainers[1].train(swarm.initial, 0, 0, 1, again).result()
    original = swarm.trainers[0].pack(0, 0.0).result()
    assert refusal(swarm.trainers[1].train(swarm.initial, 0, 0, 1, original, (again,))) is Reason.DUPLICATE


def test_what_was_refused_makes_nothing_a_duplicate_and_a_block_that_is_gone_is_not_found() -> None:
    swarm = Swarm()
    bad, block = put(swarm, b"bad"), swarm.trainers[0].pack(0, 0.0).result()
    assert swarm.trainers[1].train(swarm.initial, 0, 0, 1, block, (bad,)).result()
    assert refusal(swarm.trainers[1].train(swarm.initial, 0, 0, 1, Cid("gone"))) is Reason.NOT_FOUND


def test_a_slice_that_is_larger_than_a_block_is_not_packed() -> None:
    with pytest.raises(PortError, match="bytes"):
        encode_rows(torch.zeros(9000, 29), torch.zeros(9000))


def fuzz(seed: int, count: int) -> None:
    """Damaged blocks are refused as such, or are blocks of rows that this session allows.

    Half of them keep their length, because most others are refused for it.
    """
    rng, good = random.Random(seed), changed()
    for _ in range(count):
        block, in_place = bytearray(good), rng.random() < 0.5
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(block))
            end = min(at + rng.randrange(1, 9), len(block))
            block[at:end] = rng.randbytes(end - at if in_place else rng.randrange(9))
        try:
            found = decode_rows(bytes(block), *TABLE.shape[:2])
        except PortError:
            continue
        assert torch.isfinite(found.dataset.features).all() and found.dataset.features.shape[1] == WIDTH
        assert 0 <= int(found.dataset.labels.min()) <= int(found.dataset.labels.max()) < TABLE.classes


def test_damaged_blocks_are_refused_or_sound() -> None:
    fuzz(1, 500)


@pytest.mark.soak
def test_a_million_damaged_blocks_are_refused_or_sound() -> None:
    fuzz(2, 1_000_000)


def test_the_rows_of_a_reading_are_the_block_that_a_peer_would_pack() -> None:
    features = FEATURES.numpy().astype("<f4").tobytes()
    reading = SensorRows(WIDTH, features, bytes(LABELS.tolist()))
    assert reading.block == encode_rows(FEATURES, LABELS)
