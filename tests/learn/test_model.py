"""The network: stacked peers compute what each would alone."""

import pytest
import torch
from tests.learn.small import close, network, weights
from torch.nn import Linear, ReLU, Sequential
from torch.nn.functional import cross_entropy

from learnae.errors import InputError, PortError
from learnae.learn.averaging import average
from learnae.learn.cache import BlockMetadata
from learnae.learn.losses import loss
from learnae.learn.model import count_correct, create_network
from learnae.learn.network import Network
from learnae.learn.serialization import decode_block, encode_block, max_bytes, weights_digest
from learnae.messages.wire import MAX_BLOCK, MAX_MODEL
from learnae.session.settings import ModelSettings


def as_torch(net: Network, flat: torch.Tensor) -> Sequential:
    """The same network made of torch's own modules."""
    linears = [Linear(i, o) for i, o in zip(net.widths, net.widths[1:], strict=False)]
    layers = [layer for linear in linears for layer in (linear, ReLU())][:-1]
    module = Sequential(*layers)
    module.load_state_dict(net.tensors(flat))
    return module


def test_stacked_peers_compute_what_torchs_own_modules_compute_one_by_one() -> None:
    net, rows = network(), torch.randn(3, 5, 28, generator=torch.Generator().manual_seed(1))
    flats = [weights(net, seed) for seed in range(3)]
    logits = net.logits(net.stacked(torch.stack(flats)), rows)
    for mine, flat, x in zip(logits, flats, rows, strict=True):
        assert close(mine, as_torch(net, flat)(x))


def test_the_default_network_has_the_papers_size_and_a_block_of_25_kb() -> None:
    net = create_network(ModelSettings())
    assert net.widths == (28, 64, 64, 2)
    assert net.size == 28 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2
    assert len(encode_block(net, weights(net), BlockMetadata("b" * 59, "Q" * 52, 10))) < 26_000


def test_tensors_lie_in_the_order_of_their_names_even_beyond_ten_layers() -> None:
    names = list(network(*[4] * 6).shapes)
    assert names == sorted(names)
    assert names[:4] == ["0.bias", "0.weight", "10.bias", "10.weight"]


@pytest.mark.parametrize("hidden", [(), (8, 6), (4,) * 6])
def test_stacking_and_flattening_are_inverse(hidden: tuple[int, ...]) -> None:
    net = create_network(ModelSettings(hidden=hidden))
    stacked = torch.stack([weights(net, seed) for seed in range(3)])
    assert torch.equal(net.flat(net.stacked(stacked)), stacked)


def test_initial_weights_are_uniform_within_one_over_the_root_of_the_inputs() -> None:
    net = create_network(ModelSettings())
    for name, tensor in net.tensors(weights(net)).items():
        bound = (28 if name.startswith("0") else 64) ** -0.5
        assert tensor.abs().max() <= bound
        if tensor.dim() == 2:
            assert tensor.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


def test_the_same_seed_gives_the_same_initial_weights() -> None:
    net = network()
    assert torch.equal(weights(net, 1), weights(net, 1))
    assert not torch.equal(weights(net, 1), weights(net, 2))


def test_initial_weights_and_averages_have_the_same_bits_on_every_processor() -> None:
    """The session's id and ``audit --replay`` depend on it; run with ATEN_CPU_CAPABILITY=default for another one."""
    net = network(64, 64)
    one, other = weights(net, 1), weights(net, 2)
    assert weights_digest(one) == "28eaef8ea57425ed0d9ef1674ae747e8"
    assert weights_digest(average(one, other)) == "0352a505e9b23d6498e859558eca2c1f"


def test_the_loss_is_the_sum_of_each_peers_mean_cross_entropy() -> None:
    dice = torch.Generator().manual_seed(1)
    logits, labels = torch.randn(3, 5, 2, generator=dice), torch.randint(0, 2, (3, 5), generator=dice)
    alone = sum(cross_entropy(one, y) for one, y in zip(logits, labels, strict=True))
    assert loss("cross-entropy", logits, labels).item() == pytest.approx(float(alone))


def test_correct_rows_are_counted_per_peer() -> None:
    logits = torch.tensor([[[2.0, 1.0], [0.0, 3.0]], [[2.0, 1.0], [9.0, 3.0]]])
    assert count_correct(logits, torch.tensor([[0, 1], [1, 1]])).tolist() == [2, 0]


def test_the_average_is_half_of_each_and_the_same_from_both_sides() -> None:
    net = network()
    one, other = weights(net, 1), weights(net, 2)
    assert close(average(one, other), (one + other) / 2)
    assert torch.equal(average(one, other), average(other, one))


def test_the_average_of_huge_finite_weights_is_finite() -> None:
    huge = torch.full((3,), torch.finfo(torch.float32).max)
    assert torch.isfinite(average(huge, huge)).all()
    assert average(huge, -huge).tolist() == [0, 0, 0]


def test_a_network_whose_weights_would_exceed_64_mib_is_refused() -> None:
    refused = r"model.hidden = \[4096, 4096\] makes models of 67,.* bytes, over 64 MiB: use fewer units"
    with pytest.raises(InputError, match=refused):
        create_network(ModelSettings(hidden=(4096, 4096)))


def test_a_network_of_so_many_tensors_that_no_model_of_it_would_be_accepted_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"makes 1202 tensors, whose names and shapes take over 64 KiB of a model: use"
    ):
        create_network(ModelSettings(hidden=(1,) * 600))


@pytest.mark.parametrize("hidden", [(512, 512), (10,) * 100])
def test_no_block_of_a_network_is_larger_than_the_limit_for_what_is_fetched(hidden: tuple[int, ...]) -> None:
    net = create_network(ModelSettings(hidden=hidden))
    block = encode_block(net, weights(net), BlockMetadata("b" * 59, "Q" * 52, 10**8))
    assert len(block) <= max_bytes(net) <= MAX_MODEL
    assert torch.equal(decode_block(net, block).weights, weights(net))
    with pytest.raises(PortError, match="oversize"):
        decode_block(net, bytes(max(max_bytes(net), MAX_BLOCK) + 1))


def test_a_layer_without_units_is_refused() -> None:
    with pytest.raises(InputError, match="each layer needs one unit or more"):
        create_network(ModelSettings(hidden=(8, 0)))
