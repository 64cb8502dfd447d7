"""A model on IPFS: one safetensors file with the metadata ``{session, creator, step}``.  Never pickle.

With an averaging rule other than the paper's, the metadata also has ``rows`` and, of an average, ``mix``.

Blocks come from untrusted peers.  Sizes are checked before anything is parsed.  A block that deviates in any way is
rejected as a whole, with the reason under which it is counted.
"""

import hashlib
import json
import math
from functools import cache
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata, DecodedModel
from learnae.learn.network import Network
from learnae.messages.foreign_json import from_json
from learnae.messages.wire import MAX_BLOCK
from learnae.protocol.averaging import ONE, is_mix

MAX_HEADER = 1 << 16  # bytes of JSON
MAX_DIGITS = 9  # of a number in the metadata
NEEDED = {"session", "creator", "step"}
KNOWN = NEEDED | {"rows", "mix"}

_json = json.JSONEncoder(separators=(",", ":")).encode


def weights_digest(weights: Tensor) -> str:
    """32 hexadecimal digits of the SHA-256 of the tensors alone, in the order of their names.

    A copy under another creator's name has a different CID and the same digest.
    """
    return hashlib.sha256(_numbers(weights)).hexdigest()[:32]


def encode_block(network: Network, weights: Tensor, metadata: BlockMetadata) -> bytes:
    """A block with one peer's weights (T,): equal models give equal blocks in every process.

    Written here because the library writes metadata in the order of a hash map and takes ten times as long.
    """
    text = _header(network, metadata)
    return b"".join((len(text).to_bytes(8, "little"), text, _numbers(weights)))


def header_bytes(network: Network) -> int:
    """The length of the longest header of its blocks."""
    most = 10**MAX_DIGITS - 1
    return len(_header(network, BlockMetadata("b" * 59, "Q" * 52, most, most, (ONE,) * len(network.shapes))))


def _header(network: Network, metadata: BlockMetadata) -> bytes:
    texts = {"creator": metadata.creator, "session": metadata.session, "step": str(metadata.step)}
    if metadata.rows:
        texts["rows"] = str(metadata.rows)
    if metadata.mix:
        texts["mix"] = ",".join(map(str, metadata.mix))
    text = f'{{"__metadata__":{_json(texts)},{_json_of_tensors(network)[1:]}'.encode()
    return text + b" " * (-len(text) % 8)  # aligns the numbers


@cache
def _json_of_tensors(network: Network) -> str:
    tensors: dict[str, Any] = {}
    end = 0
    for name, shape in network.shapes.items():
        start, end = end, end + 4 * math.prod(shape)
        tensors[name] = {"dtype": "F32", "shape": shape, "data_offsets": (start, end)}
    return _json(tensors)


def decode_block(network: Network, block: bytes) -> DecodedModel:
    """Decode a block from an untrusted peer.

    Raises PortError: OVERSIZE, MALFORMED (no safetensors, other metadata), SHAPE (other names, shapes or types of
    tensors), NOT_FINITE.
    """
    if len(block) > max(MAX_BLOCK, max_bytes(network)):
        raise PortError(Reason.OVERSIZE, f"{len(block)} bytes")
    metadata = _parse_metadata(_parse_header(block).get("__metadata__"), len(network.shapes))
    weights = _parse_weights(network, block)
    if not all_finite(weights):
        raise PortError(Reason.NOT_FINITE)
    return DecodedModel(weights, weights_digest(weights), metadata)


def max_bytes(network: Network) -> int:
    """No valid block of this network is larger."""
    return 8 + MAX_HEADER + 4 * network.size


def all_finite(weights: Tensor) -> bool:
    """NumPy, because PyTorch needs four operations for it, which cost more than averaging two models."""
    return bool(np.isfinite(weights.numpy()).all())


def _numbers(weights: Tensor) -> memoryview:
    """Little-endian float32, in the order of the flat vector."""
    return np.ascontiguousarray(weights.numpy(), "<f4").data.cast("B")


def _parse_header(block: bytes) -> dict[str, Any]:
    size = int.from_bytes(block[:8], "little")
    if not 0 < size <= min(MAX_HEADER, len(block) - 8):
        raise PortError(Reason.MALFORMED, "invalid header size")
    try:
        header = from_json(block[8 : 8 + size])
    except (ValueError, RecursionError) as error:
        raise PortError(Reason.MALFORMED, "the header is not JSON") from error
    if not isinstance(header, dict):
        raise PortError(Reason.MALFORMED, "the header is not a JSON object")
    return header


def _parse_metadata(metadata: object, tensors: int) -> BlockMetadata:
    if isinstance(metadata, dict) and NEEDED <= metadata.keys() <= KNOWN:
        if all(isinstance(value, str) for value in metadata.values()):
            mix = metadata["mix"].split(",", tensors) if "mix" in metadata else []
            numbers = [metadata["step"], metadata.get("rows", "0"), *mix]
            if all(map(_is_number, numbers)):
                step, rows, *shares = map(int, numbers)
                if not mix or is_mix(shares, tensors):
                    return BlockMetadata(metadata["session"], metadata["creator"], step, rows, tuple(shares))
    raise PortError(Reason.MALFORMED, "invalid metadata")


def _is_number(text: str) -> bool:
    """Whether it is an integer as ``encode_block`` writes it, so that equal facts have equal bytes."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and (text == "0" or text[0] != "0")


def _parse_weights(network: Network, block: bytes) -> Tensor:
    try:
        tensors = safetensors.torch.load(block)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that torch does not have
        raise PortError(Reason.MALFORMED, str(error)) from error
    shapes = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    if shapes != {name: (torch.float32, shape) for name, shape in network.shapes.items()}:
        raise PortError(Reason.SHAPE)
    return torch.cat([tensors[name].flatten() for name in network.shapes])
