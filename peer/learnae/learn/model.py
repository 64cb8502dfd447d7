"""The network of a session, and what its logits are worth."""

from functools import lru_cache

from torch import Tensor
from torch.nn import functional

from learnae import plugins
from learnae.errors import InputError
from learnae.learn.datasets.dataset import CLASSES, FEATURES
from learnae.learn.mlp import Mlp, mlp
from learnae.learn.module_network import ModuleNetwork
from learnae.learn.network import ModelView, Network
from learnae.messages.wire import MAX_BLOCK
from learnae.plugins import Kind
from learnae.session.settings import ModelSettings

HEADER_BYTES = 1024  # a block's metadata
HEADER_BYTES_PER_TENSOR = 96  # name, shape and offsets


@lru_cache(8)
def create_network(
    settings: ModelSettings, features: int = FEATURES, classes: int = CLASSES, shape: tuple[int, ...] = ()
) -> Network:
    """``shape``: of a row.  InputError: the model cannot be used, or its weights do not fit into one IPFS block."""
    view = ModelView(features, classes, shape or (features,), settings.hidden)
    factory = plugins.plugin(Kind.MODELS, settings.kind)
    network: Network = mlp(view) if factory is mlp else ModuleNetwork(settings.kind, view, factory)
    block = 4 * network.size + HEADER_BYTES + HEADER_BYTES_PER_TENSOR * len(network.shapes)
    if block > MAX_BLOCK:
        own = isinstance(network, Mlp)
        name = f"model.hidden = {list(settings.hidden)}" if own else f'model.kind = "{plugins.shown(settings.kind)}"'
        raise InputError(f"{name} makes blocks of {block} bytes, over 1 MiB: use fewer units")
    return network


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy: the mean over a peer's rows (P, B), summed over peers, which keeps their gradients independent."""
    return functional.cross_entropy(logits.transpose(1, 2), labels, reduction="sum") / labels.shape[1]


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Rows classified correctly (P,), from logits (P, B, C) and labels (P, B)."""
    return (logits.argmax(2) == labels).sum(1)
