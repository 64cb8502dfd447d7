"""A model on IPFS: one raw block of safetensors with metadata ``{session, creator, step}``.  Never pickle.

Blocks come from strangers.  Sizes are bounded before anything is parsed, and what is not exactly as expected is refused
with the reason by which it is counted; nothing of a refused block is used.
"""

import hashlib
import json
import math
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata, Decoded
from learnae.learn.model import Mlp
from learnae.messages.wire import MAX_BLOCK

MAX_HEADER = 1 << 16  # bytes of JSON
MAX_STEP_DIGITS = 9


def digest(weights: Tensor) -> str:
    """32 hexadecimal digits of the SHA-256 of the tensors alone, in the order of their names.

    A copy under another creator's name has another CID and the same digest.
    """
    return hashlib.sha256(_bytes(weights)).hexdigest()[:32]


def dump(network: Mlp, weights: Tensor, stamp: BlockMetadata) -> bytes:
    """A block of one peer's weights (T,): the same model is the same block in every process.

    Written here, because the library writes metadata in the order of a hash map and takes ten times as long.
    """
    header: dict[str, Any] = {
        "__metadata__": {"creator": stamp.creator, "session": stamp.session, "step": str(stamp.step)}
    }
    end = 0
    for name, shape in network.shapes.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    return len(text).to_bytes(8, "little") + text + _bytes(weights)


def _bytes(weights: Tensor) -> bytes:
    """Little-endian singles, in the order of the flat vector."""
    return weights.numpy().astype("<f4", copy=False).tobytes()


def load(network: Mlp, block: bytes) -> Decoded:
    """Decode a stranger's block.

    Raises PortError: OVERSIZE, MALFORMED (no safetensors, other metadata), SHAPE (other names, shapes or types of
    tensors), NOT_FINITE.
    """
    if len(block) > MAX_BLOCK:
        raise PortError(Reason.OVERSIZE, f"{len(block)} bytes")
    stamp = _stamp(_header(block).get("__metadata__"))
    weights = _weights(network, block)
    if not torch.isfinite(weights).all():
        raise PortError(Reason.NOT_FINITE)
    return Decoded(weights, digest(weights), stamp)


def _header(block: bytes) -> dict[str, Any]:
    size = int.from_bytes(block[:8], "little")
    if not 0 < size <= min(MAX_HEADER, len(block) - 8):
        raise PortError(Reason.MALFORMED, "header size")
    try:
        header = json.loads(block[8 : 8 + size].decode())
    except (ValueError, RecursionError) as error:
        raise PortError(Reason.MALFORMED, "header is no JSON") from error
    if not isinstance(header, dict):
        raise PortError(Reason.MALFORMED, "header is no object")
    return header


def _stamp(metadata: object) -> BlockMetadata:
    match metadata:
        case {"session": str(session), "creator": str(creator), "step": str(step), **rest} if not rest:
            if step.isascii() and step.isdigit() and len(step) <= MAX_STEP_DIGITS:
                return BlockMetadata(session, creator, int(step))
    raise PortError(Reason.MALFORMED, "metadata")


def _weights(network: Mlp, block: bytes) -> Tensor:
    try:
        found = safetensors.torch.load(block)
    except (SafetensorError, KeyError) as error:  # KeyError: a type torch does not have
        raise PortError(Reason.MALFORMED, str(error)) from error
    shapes = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in found.items()}
    if shapes != {name: (torch.float32, shape) for name, shape in network.shapes.items()}:
        raise PortError(Reason.SHAPE)
    return torch.cat([found[name].flatten() for name in network.shapes])
