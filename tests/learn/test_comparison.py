"""The distance of two results is relative to what the training changed."""

import pytest
import torch
from torch import Tensor

from learnae.errors import PortError
from learnae.learn.cache import BlockMetadata
from learnae.learn.comparison import relative_difference
from learnae.learn.mlp import Mlp
from learnae.learn.serialization import encode_block

NETWORK = Mlp((3, 2))
BASE = torch.ones(NETWORK.size)


def block(weights: Tensor) -> bytes:
    return encode_block(NETWORK, weights, BlockMetadata("session", "peer", 1))


def test_a_difference_is_a_share_of_the_change() -> None:
    trained, other = BASE + 0.5, BASE + 0.501
    assert relative_difference(NETWORK, block(BASE), block(trained), block(other)) == pytest.approx(0.002, rel=1e-3)
    assert relative_difference(NETWORK, None, block(trained), block(other)) == pytest.approx(0.001 / 1.5, rel=1e-3)


def test_equal_models_do_not_differ_even_if_nothing_changed() -> None:
    assert relative_difference(NETWORK, block(BASE), block(BASE), block(BASE)) == 0
    assert relative_difference(NETWORK, block(BASE), block(BASE), block(BASE + 1)) == float("inf")


def test_a_block_that_is_no_model_is_refused() -> None:
    with pytest.raises(PortError):
        relative_difference(NETWORK, None, block(BASE), b"no model")
