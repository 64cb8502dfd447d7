"""The fee pool of a session (``contracts/FeePool.sol``): part of the genesis block of the session's own chain."""

import json
from functools import cache
from typing import Any

from learnae import resources
from learnae.protocol.blockchain import (
    DEPOSIT_GAS,
    POOL,
    REPORT_GAS,
    WITHDRAWAL_GAS,
    Deposit,
    PoolCall,
    PoolTerms,
    Report,
)
from learnae.protocol.types import Address


def gas_limit(call: PoolCall) -> int:
    if isinstance(call, Deposit):
        return DEPOSIT_GAS
    return REPORT_GAS if isinstance(call, Report) else WITHDRAWAL_GAS


def genesis_contracts(terms: PoolTerms | None) -> dict[Address, bytes]:
    """The code of the contracts that the genesis block has, by address."""
    return {POOL: runtime_code(terms)} if terms else {}


def runtime_code(terms: PoolTerms) -> bytes:
    code = bytearray.fromhex(_artefact()["runtime"][2:])
    values = {"fee": terms.fee, "stake": terms.stake, "places": terms.places, "window": terms.window}
    for name, offsets in _artefact()["immutables"].items():
        for offset in offsets:
            code[offset : offset + 32] = values[name].to_bytes(32)
    return bytes(code)


@cache
def _artefact() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(resources.FEE_POOL.read_text(encoding="utf-8"))
    return content
