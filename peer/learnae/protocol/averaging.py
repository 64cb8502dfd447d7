"""Averaging rules (section 1.1): in which shares a peer mixes its model with a remote one.

A rule names one or more mixes; the peer keeps the one that scores best on its own validation rows.  A mix is the share
of the remote model, in parts of ``ONE``: one for the whole model, or one per tensor.  The block of an average contains
these integers, so that a peer that has both parents can compute it again, bit for bit.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from learnae.plugins import Kind, PluginError, WrongTypeReturned, call, described, first_line, plain, plugin
from learnae.protocol.types import Score

ONE = 1 << 16
HALF = ONE // 2
MAX_MIXES = 64  # of one attempt
LIMIT = ONE // 16  # of a weight, so that neither model counts for nothing

Mix = tuple[int, ...]
MEAN: Mix = (HALF,)


class AveragingView:
    """What a rule depends on.  ``scores``: of the local and the remote model on the peer's own validation rows."""

    def __init__(
        self,
        tensors: tuple[str, ...],
        local_rows: int,
        remote_rows: int,
        scores: Callable[[], tuple[Score, Score]],
    ) -> None:
        self.tensors = tensors  # names, such as 0.bias and 0.weight
        self.local_rows = local_rows  # training rows of this peer
        self.remote_rows = remote_rows  # of the creator of the remote model, as it says
        self._scores = scores  # computed when a rule asks for them

    @property
    def local(self) -> Score:
        return self._both[0]

    @property
    def remote(self) -> Score:
        return self._both[1]

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the tensors without their last parts, such as 0 and 2."""
        return tuple(dict.fromkeys(map(_layer, self.tensors)))

    def mix_of(self, layers: Iterable[str]) -> Mix:
        """The mean in these layers, and the local model in the others."""
        chosen = set(layers)
        return tuple(HALF if _layer(name) in chosen else 0 for name in self.tensors)

    @cached_property
    def _both(self) -> tuple[Score, Score]:
        return self._scores()


def mean(view: AveragingView) -> list[Mix]:
    """The mean of both models, as in the paper."""
    return [MEAN]


def by_score(view: AveragingView) -> list[Mix]:
    """Each model weighs what it scores on the peer's own validation rows."""
    local, remote = view.local, view.remote
    return [_weighted(local.correct * remote.total, remote.correct * local.total)]


def by_rows(view: AveragingView) -> list[Mix]:
    """Each model weighs as many training rows as its creator says that it has, as in FedAvg."""
    return [_weighted(view.local_rows, view.remote_rows)]


def line_search(view: AveragingView) -> list[Mix]:
    """The best of five mixes on the line between both models."""
    return [(ONE * eighths // 8,) for eighths in (4, 2, 6, 1, 7)]


def layerwise(view: AveragingView) -> list[Mix]:
    """The best of the mean of all layers, of each layer alone, and of all but one."""
    layers = view.layers
    others = [view.mix_of(set(layers) - {layer}) for layer in layers]
    alone = [view.mix_of([layer]) for layer in layers]
    return list(dict.fromkeys([MEAN, *others, *alone])) if len(layers) > 1 else [MEAN]


def averaging_rule(reference: str) -> Callable[[AveragingView], list[Mix]]:
    """Raises InputError: no such plug-in.  The function raises PluginError."""
    function = plugin(Kind.AVERAGING, reference)

    def rule(view: AveragingView) -> list[Mix]:
        answer = call(reference, function, view)
        shares = call(reference, _plain, answer) if isinstance(answer, list | tuple) else []
        mixes = [(mix,) if type(mix) is int else mix for mix in shares]
        if not 0 < len(mixes) <= MAX_MIXES or not all(is_mix(mix, len(view.tensors)) for mix in mixes):
            error = (
                f"returned {described(answer)}: return a list of up to {MAX_MIXES} mixes, each of ints from 0 to {ONE}"
            )
            wrong = PluginError if isinstance(answer, list | tuple) else WrongTypeReturned
            raise wrong(reference, first_line(function), error)
        return [tuple(mix) for mix in mixes]

    return rule


def is_mix(mix: Any, tensors: int) -> bool:
    """Whether these are shares of a remote model: one for all of its tensors, or one each."""
    shares = isinstance(mix, list | tuple) and all(type(share) is int and 0 <= share <= ONE for share in mix)
    return shares and len(mix) in (1, tensors) and any(mix)


def _plain(mixes: Iterable[Any]) -> list[Any]:
    """With Python numbers for those of NumPy."""
    return [list(map(plain, mix)) if isinstance(mix, list | tuple) else plain(mix) for mix in mixes]


def _weighted(local: int, remote: int) -> Mix:
    share = ONE * remote // (local + remote) if local + remote else HALF
    return (min(ONE - LIMIT, max(LIMIT, share)),)


def _layer(tensor: str) -> str:
    return tensor.rpartition(".")[0]
