"""The models of a run in one process that cannot be computed again bit by bit on every processor: ``models/<cid>``.

These are trained and forged models.  An average of two models has the same bits on every processor, so averages are
computed again from these (``runs.replay``).
"""

from collections.abc import Mapping
from pathlib import Path

from learnae.errors import InputError
from learnae.messages.wire import MAX_MODEL, cid_of
from learnae.protocol.types import Cid

MODELS, SUFFIX = "models", ".safetensors"
MAX_BYTES = 64 << 20  # of a run, which may be one model; the others are computed again by who can


def write_models(run: Path, blocks: Mapping[Cid, bytes]) -> None:
    written = 0
    for cid, block in blocks.items():
        written += len(block)
        if written > MAX_BYTES:
            break
        (run / MODELS).mkdir(exist_ok=True)
        (run / MODELS / f"{cid}{SUFFIX}").write_bytes(block)


def read_models(run: Path) -> dict[Cid, bytes]:
    """Raises InputError: a block is not the one that its name promises."""
    blocks = {}
    for path in sorted((run / MODELS).glob(f"*{SUFFIX}")):
        block = path.read_bytes() if path.is_file() and path.stat().st_size <= MAX_MODEL else b""
        cid = Cid(path.name.removesuffix(SUFFIX))
        if cid_of(block) != cid:
            raise InputError(f"{path} is damaged: remove it, and its model will be computed again")
        blocks[cid] = block
    return blocks
