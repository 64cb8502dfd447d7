"""``ports.Chain`` on a real EVM: any node by its RPC URL, or one in this process.

    node = http_node("http://127.0.0.1:8545", chain_id=31337)   # or Node(local.LocalEvm(alloc), chain_id)
    chain = EvmChain(node, wallet)                              # a wallet of adapters/keystore.py

``rpc`` queries a node and checks its answers, ``chain`` is the port, ``dpoid`` the contract, ``export`` reads a chain
into records.  ``local`` is the node in this process; it is not imported here, because py-evm takes a second and raises
Python's recursion limit.
"""

from learnae.adapters.evm.chain import EvmChain
from learnae.adapters.evm.export import export, export_since
from learnae.adapters.evm.rpc import Node, http_node

__all__ = ["EvmChain", "Node", "export", "export_since", "http_node"]
