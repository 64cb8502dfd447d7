"""The network of a session, and how many rows it classifies correctly."""

from functools import lru_cache

from torch import Tensor

from learnae import plugins
from learnae.errors import InputError
from learnae.learn.datasets.dataset import CLASSES, FEATURES
from learnae.learn.mlp import Mlp, mlp
from learnae.learn.module_network import ModuleNetwork
from learnae.learn.network import ModelView, Network
from learnae.learn.serialization import MAX_HEADER, header_bytes, max_bytes
from learnae.messages.wire import MAX_MODEL
from learnae.plugins import Kind
from learnae.session.settings import ModelSettings


@lru_cache(8)
def create_network(
    settings: ModelSettings, features: int = FEATURES, classes: int = CLASSES, shape: tuple[int, ...] = ()
) -> Network:
    """``shape``: of a row.  InputError: the model cannot be used, or it is too large."""
    view = ModelView(features, classes, shape or (features,), settings.hidden)
    factory = plugins.plugin(Kind.MODELS, settings.kind)
    network: Network = mlp(view) if factory is mlp else ModuleNetwork(settings.kind, view, factory)
    own = isinstance(network, Mlp)
    name = f"model.hidden = {list(settings.hidden)}" if own else f'model.kind = "{plugins.shown(settings.kind)}"'
    if header_bytes(network) > MAX_HEADER:
        raise InputError(
            f"{name} makes {len(network.shapes)} tensors, whose names and shapes take over 64 KiB of a model: "
            "use fewer layers"
        )
    if max_bytes(network) > MAX_MODEL:
        raise InputError(f"{name} makes models of {4 * network.size:,} bytes, over 64 MiB: use fewer units")
    return network


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Rows classified correctly (P,), from logits (P, B, C) and labels (P, B)."""
    return (logits.argmax(2) == labels).sum(1)
