"""Random and mutated model files, taken as a stranger's block is: refused with a reason, or just what was announced."""

import json
import pickle
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.small import Swarm

from learnae.checkout import REPOSITORY
from learnae.errors import PortError, Reason
from learnae.learn.serialization import MAX_HEADER
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.protocol.types import ModelRef, Weights

SWARM = Swarm()
MODEL = SWARM.published(1)
BLOCK = SWARM.blocks[MODEL.weights.cid]
SIZE = int.from_bytes(BLOCK[:8], "little")
HEADER: dict[str, Any] = json.loads(BLOCK[8 : 8 + SIZE])
DATA = BLOCK[8 + SIZE :]
NAME = next(name for name in HEADER if name != "__metadata__")
REFUSALS = {Reason.OVERSIZE, Reason.MALFORMED, Reason.SHAPE, Reason.NOT_FINITE, Reason.CREATOR, Reason.DIGEST}
PEAK = 8 * MAX_BLOCK  # bytes that looking at any one block may take
WILD: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    1 << 40,
    1 << 64,
    10**400,
    "",
    "F64",
    [],
    {},
    [[]],
    [0],
    [-1, 8],
    [1 << 62, 4],
]


def packed(header: str | bytes, data: bytes = DATA) -> bytes:
    text = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(text)) + text + data


def flipped(dice: random.Random) -> bytes:
    """Anywhere, or in the header, where it matters most."""
    spoilt = bytearray(BLOCK)
    for _ in range(dice.randint(1, 8)):
        spoilt[dice.randrange(dice.choice((len(spoilt), 8 + SIZE, 8)))] = dice.randrange(256)
    return bytes(spoilt)


def cut(dice: random.Random) -> bytes:
    return BLOCK[: dice.randrange(len(BLOCK))]


def grown(dice: random.Random) -> bytes:
    return BLOCK + dice.randbytes(dice.choice((1, 8, 4096, MAX_BLOCK)))


def noise(dice: random.Random) -> bytes:
    return dice.randbytes(dice.choice((0, 1, 7, 8, 9, 1000, len(BLOCK))))


def lied_about_its_size(dice: random.Random) -> bytes:
    return struct.pack("<Q", dice.choice((0, SIZE - 1, SIZE + 1, MAX_HEADER, 1 << 32, (1 << 64) - 1))) + BLOCK[8:]


def huge_header(dice: random.Random) -> bytes:
    return packed(json.dumps(HEADER) + " " * dice.choice((MAX_HEADER, MAX_BLOCK // 2)))


def nested(dice: random.Random) -> bytes:
    return packed(dice.choice(("[", '{"a":')) * dice.choice((1000, 10_000)))


def many_tensors(dice: random.Random) -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return packed(json.dumps(HEADER | {f"t{number}": entry for number in range(dice.choice((1, 500)))}))


def duplicated(dice: random.Random) -> bytes:
    """One name twice: which of them counts must not matter."""
    other = HEADER[NAME] | {"data_offsets": dice.choice(WILD)}
    first, second = json.dumps(HEADER)[:-1], json.dumps({NAME: other})[1:]
    return packed(first + ", " + second)


def retyped(dice: random.Random) -> bytes:
    """One value of a tensor's entry is anything."""
    name = dice.choice([each for each in HEADER if each != "__metadata__"])
    field = dice.choice(("dtype", "shape", "data_offsets"))
    value = dice.choice(("F16", "F64", "I32", "BOOL", "BF16", "F8_E5M2")) if dice.random() < 0.3 else dice.choice(WILD)
    return packed(json.dumps(HEADER | {name: HEADER[name] | {field: value}}))


def restamped(dice: random.Random) -> bytes:
    key, value = dice.choice(("session", "creator", "step", "more")), dice.choice([*WILD, "9", "٣", "p00"])
    return packed(json.dumps(HEADER | {"__metadata__": HEADER["__metadata__"] | {key: value}}))


def renamed(dice: random.Random) -> bytes:
    return packed(json.dumps({dice.choice(("x", "", "__metadata__", NAME + "\0")): HEADER[NAME]} | HEADER))


def not_finite(dice: random.Random) -> bytes:
    value = struct.pack("<f", dice.choice((float("nan"), float("inf"), -float("inf"))))
    at = 4 * dice.randrange(len(DATA) // 4)
    return BLOCK[: 8 + SIZE] + DATA[:at] + value + DATA[at + 4 :]


def other_tensors(dice: random.Random) -> bytes:
    """A sound model, and not the announced one."""
    at = 4 * dice.randrange(len(DATA) // 4)
    return BLOCK[: 8 + SIZE] + DATA[:at] + struct.pack("<f", dice.gauss(0, 1)) + DATA[at + 4 :]


def pickled(dice: random.Random) -> bytes:
    whole = pickle.dumps({NAME: torch.zeros(3), "run": print})
    return dice.choice((whole, packed(whole), BLOCK[: 8 + SIZE] + whole))


def unchanged(dice: random.Random) -> bytes:
    return BLOCK


MAKERS: list[Callable[[random.Random], bytes]] = [
    flipped, flipped, flipped, cut, grown, noise, lied_about_its_size, huge_header, nested, many_tensors, duplicated,
    retyped, retyped, restamped, renamed, not_finite, other_tensors, pickled, unchanged,
]  # fmt: skip


def taken(block: bytes) -> Reason | None:
    """What becomes of a block under the announcement of a sound model; None: it was averaged with."""
    cid = cid_of(block)
    SWARM.blocks[cid] = block
    announced = replace(MODEL, weights=Weights(cid, MODEL.weights.digest))
    before = set(SWARM.blocks)
    try:
        SWARM.trainers[0].average(SWARM.initial, announced, 1).result()
    except PortError as error:
        assert set(SWARM.blocks) == before
        return error.reason
    finally:
        for made in set(SWARM.blocks) - before | {cid} - {MODEL.weights.cid}:
            del SWARM.blocks[made]
    return None


def fuzzed(blocks: int, seed: int) -> Counter[Reason | None]:
    dice, found = random.Random(seed), Counter[Reason | None]()
    for number in range(blocks):
        block = MAKERS[number % len(MAKERS)](dice)
        reason = taken(block)
        found[reason] += 1
        assert reason in REFUSALS or block[-len(DATA) :] == DATA, MAKERS[number % len(MAKERS)].__name__
    return found


def test_no_model_file_is_taken_for_another_and_each_refusal_has_its_reason() -> None:
    found = fuzzed(2000, seed=1)
    assert found.keys() == {*REFUSALS, None}
    assert found[None] < 2000 / 4


def grown_by(work: Callable[[], object]) -> int:
    """Bytes, whoever allocates: Python, torch or safetensors."""
    Path("/proc/self/clear_refs").write_text("5")  # the most this process has held is what it holds now
    before = held()
    work()
    return held() - before


def held() -> int:
    """Bytes in memory at most, as the kernel counts them."""
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(peak.split()[1]) * 1024


def measure() -> None:
    """What to look at the worst of each kind takes, and at what certainly takes too much; one line each."""
    dice = random.Random(2)
    print(grown_by(lambda: torch.ones(PEAK)), "ones")  # four times as many bytes
    for make in MAKERS:
        blocks = [make(dice) for _ in range(10)]
        print(grown_by(partial(list, map(taken, blocks))), make.__name__)


def test_looking_at_a_model_file_takes_no_more_memory_than_a_few_blocks() -> None:
    """In a new process: one that once held more has room to take from unseen."""
    command = [sys.executable, "-c", f"from {__name__} import measure; measure()"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    taken = {name: int(size) for size, name in (line.split() for line in done.stdout.splitlines())}
    assert taken.pop("ones") >= PEAK
    assert taken.keys() == {make.__name__ for make in MAKERS}
    assert {name: size for name, size in taken.items() if size >= PEAK} == {}


def test_an_honest_model_is_averaged_with_and_nobodys_is_not_found() -> None:
    assert taken(BLOCK) is None
    stranger = ModelRef(MODEL.creator, MODEL.step, Weights(cid_of(b"nobody's"), MODEL.weights.digest))
    with pytest.raises(PortError) as refusal:
        SWARM.trainers[0].average(SWARM.initial, stranger, 1).result()
    assert refusal.value.reason is Reason.NOT_FOUND


@pytest.mark.soak
def test_no_model_file_of_a_hundred_thousand_is_taken_for_another() -> None:
    assert fuzzed(100_000, seed=3).keys() == {*REFUSALS, None}
