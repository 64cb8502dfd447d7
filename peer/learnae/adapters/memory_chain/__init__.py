"""``ports.Chain`` in memory: a chain with an EVM's accounts, blocks, gas and nonces, but without an EVM."""

from learnae.adapters.memory_chain.chain import EPOCH, MemoryChain, pay_gas
from learnae.adapters.memory_chain.port import MemoryChainPort

__all__ = ["EPOCH", "MemoryChain", "MemoryChainPort", "pay_gas"]
