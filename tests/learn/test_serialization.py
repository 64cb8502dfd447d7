"""Blocks come from strangers: whatever is not exactly a model of this session is refused with its reason."""

import json
import pickle
import struct
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from tests.learn.small import network, weights

from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata
from learnae.learn.serialization import decode_block, encode_block, weights_digest
from learnae.messages.wire import MAX_BLOCK

NET = network()
FLAT = weights(NET)
STAMP = BlockMetadata("bsession", "p00", 3)
BLOCK = encode_block(NET, FLAT, STAMP)
METADATA = {"session": "bsession", "creator": "p00", "step": "3"}


def refusal(block: bytes) -> Reason:
    with pytest.raises(PortError) as caught:
        decode_block(NET, block)
    return caught.value.reason


def saved(metadata: dict[str, str] | None = None, **changes: torch.Tensor | None) -> bytes:
    """A block by the safetensors library; ``bias`` replaces 0.bias, ``extra`` is one more, None leaves one out."""
    names = {"bias": "0.bias", "extra": "extra"}
    tensors = NET.tensors(FLAT) | {names[key]: value for key, value in changes.items() if value is not None}
    for key in [key for key, value in changes.items() if value is None]:
        del tensors[names[key]]
    return safetensors.torch.save(tensors, METADATA if metadata is None else metadata)


def headed(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def test_what_is_dumped_is_loaded_bit_by_bit_with_its_stamp_and_digest() -> None:
    model = decode_block(NET, BLOCK)
    assert torch.equal(model.weights, FLAT)
    assert model.metadata == STAMP
    assert model.digest == weights_digest(FLAT)


def test_a_block_is_a_plain_safetensors_file(tmp_path: Any) -> None:
    (tmp_path / "model.safetensors").write_bytes(BLOCK)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == METADATA
        assert {name: tuple(file.get_tensor(name).shape) for name in file.keys()} == NET.shapes


def test_equal_weights_give_equal_blocks() -> None:
    assert encode_block(NET, FLAT.clone(), STAMP) == BLOCK


def test_the_digest_is_of_the_tensors_alone() -> None:
    restamped = decode_block(NET, encode_block(NET, FLAT, BlockMetadata("bsession", "p01", 9)))
    assert restamped.digest == weights_digest(FLAT)
    assert weights_digest(FLAT) != weights_digest(weights(NET, 1))
    assert len(weights_digest(FLAT)) == 32


def test_the_digest_is_the_sha256_of_the_data_section() -> None:
    size = int.from_bytes(BLOCK[:8], "little")
    assert torch.equal(torch.frombuffer(bytearray(BLOCK[8 + size :]), dtype=torch.float32), FLAT)


def test_the_facts_of_an_averaging_rule_are_in_the_metadata() -> None:
    stamp = BlockMetadata("bsession", "p01", 9, 120, (65536, 0, 7, 32768, 1, 2))
    assert decode_block(NET, encode_block(NET, FLAT, stamp)).metadata == stamp
    for wrong in (
        {"rows": 7},
        {"rows": "-7"},
        {"mix": ""},
        {"mix": "1,x"},
        {"mix": [1]},
        {"mix": "1" * 10},
        {"more": "1"},
    ):
        header = json.dumps({"__metadata__": {**METADATA, **wrong}}).encode()
        assert refusal(headed(header, BLOCK)) is Reason.MALFORMED, wrong


def test_a_block_over_1_mib_is_refused_unread() -> None:
    assert refusal(bytes(MAX_BLOCK + 1)) is Reason.OVERSIZE
    assert refusal(BLOCK + bytes(MAX_BLOCK)) is Reason.OVERSIZE


@pytest.mark.parametrize("length", range(0, len(BLOCK), 97))
def test_a_truncated_block_is_malformed(length: int) -> None:
    assert refusal(BLOCK[:length]) is Reason.MALFORMED


def test_surplus_bytes_are_malformed() -> None:
    assert refusal(BLOCK + b"\0") is Reason.MALFORMED


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_malformed(seed: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    noise = bytes(torch.randint(0, 256, (len(BLOCK),), generator=dice, dtype=torch.uint8).tolist())
    assert refusal(noise) is Reason.MALFORMED
    assert refusal(headed(noise[:100], noise)) is Reason.MALFORMED


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_header_never_raises_anything_but_a_refusal(seed: int) -> None:
    dice = torch.Generator().manual_seed(seed)
    size = int.from_bytes(BLOCK[:8], "little")
    damaged = bytearray(BLOCK)
    for place in torch.randint(0, 8 + size, (3,), generator=dice).tolist():
        damaged[place] = int(torch.randint(0, 256, (1,), generator=dice))
    try:
        decode_block(NET, bytes(damaged))
    except PortError as error:
        assert error.reason in (Reason.MALFORMED, Reason.SHAPE)


def test_pickles_are_malformed_and_never_run() -> None:
    assert refusal(pickle.dumps({"0.weight": FLAT})) is Reason.MALFORMED
    assert refusal(headed(pickle.dumps(print))) is Reason.MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"7",
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"__metadata__": 7}',
        b'{"0.bias": 7}',
        b"{}" + b" " * 70_000,
    ],
)
def test_a_header_that_is_no_header_is_malformed(header: bytes) -> None:
    assert refusal(headed(header, BLOCK)) is Reason.MALFORMED


def test_a_header_that_claims_to_be_huge_is_malformed() -> None:
    for size in (1 << 17, 1 << 40, (1 << 64) - 1):
        assert refusal(struct.pack("<Q", size) + BLOCK[8:]) is Reason.MALFORMED


@pytest.mark.parametrize("offsets", [[0, 1 << 40], [-4, 28], [8, 4], [0, 31], "07"])
def test_offsets_outside_the_data_are_malformed(offsets: Any) -> None:
    header = {"__metadata__": METADATA, "0.bias": {"dtype": "F32", "shape": [8], "data_offsets": offsets}}
    assert refusal(headed(json.dumps(header).encode(), bytes(32))) is Reason.MALFORMED


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"session": "s", "creator": "p"},
        METADATA | {"more": "x"},
        *[METADATA | {"step": step} for step in ("", "-1", "1.0", "x", "1" * 10, "\u0661", "03", "00")],
        METADATA | {"rows": "07"},
        *[METADATA | {"mix": mix} for mix in ("", "0", "65537", "1,2", "01", "1,x", ",".join(["1"] * 20_000))],
    ],
)
def test_other_metadata_is_malformed(metadata: dict[str, str]) -> None:
    assert refusal(saved(metadata)) is Reason.MALFORMED


def test_missing_surplus_and_misshapen_tensors_are_of_wrong_shape() -> None:
    for block in (
        saved(bias=None),
        saved(extra=torch.zeros(1)),
        saved(bias=torch.zeros(9)),
        saved(bias=torch.zeros(8, 1)),
    ):
        assert refusal(block) is Reason.SHAPE


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.bool])
def test_anything_but_float32_is_of_wrong_shape(dtype: torch.dtype) -> None:
    assert refusal(saved(bias=torch.zeros(8, dtype=dtype))) is Reason.SHAPE


def test_a_type_that_torch_does_not_have_is_refused() -> None:
    header = {"__metadata__": METADATA, "0.bias": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}
    assert refusal(headed(json.dumps(header).encode(), bytes(3))) in (Reason.MALFORMED, Reason.SHAPE)


def test_another_networks_weights_are_of_wrong_shape() -> None:
    other = network(7)
    assert refusal(encode_block(other, weights(other), STAMP)) is Reason.SHAPE


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 17, -1])
def test_one_number_that_is_not_finite_is_enough(value: float, place: int) -> None:
    spoilt = FLAT.clone()
    spoilt[place] = value
    assert refusal(encode_block(NET, spoilt, STAMP)) is Reason.NOT_FINITE
