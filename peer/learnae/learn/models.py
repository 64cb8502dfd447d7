"""The models that LEARNAE ships, beside ``mlp``: factories of ``torch.nn.Module``, registered like anybody's."""

import math

import torch
from torch import Tensor, nn

from learnae.errors import InputError
from learnae.learn.network import ModelView

MAX_CHANNELS = 4  # of an image whose channels come last
HEADS = 4  # of attention


def logistic(view: ModelView) -> nn.Module:
    """Logistic regression: one linear layer."""
    return nn.Linear(view.features, view.classes)


def cnn(view: ModelView) -> nn.Module:
    """A small convolutional network for images: layers of 3x3 filters, as many as model.hidden says, and pooling.

    Rows are (height, width), (height, width, up to 4 channels) or (channels, height, width).
    """
    if len(view.shape) not in (2, 3):
        raise InputError(
            f'model.kind = "cnn" needs images, but each row has the shape {view.shape}: use "mlp", or images of shape '
            "(rows, height, width) in an .npz file"
        )
    image = _Image(view.shape)
    channels, size = image.channels, min(image.sides)
    layers: list[nn.Module] = [image]
    for width in view.hidden:
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        if size >= 2:
            layers.append(nn.MaxPool2d(2))
        channels, size = width, max(1, size // 2)
    height, width = (_halved(side, min(image.sides), len(view.hidden)) for side in image.sides)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * height * width, view.classes))


def transformer(view: ModelView) -> nn.Module:
    """A small transformer for sequences: a layer of attention per width in model.hidden, which must all be equal.

    Rows are (steps, numbers per step); in a row of one dimension each number is a step.
    """
    return _Transformer(view)


class _Image(nn.Module):
    """Rows as (B, channels, height, width)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.last = len(shape) == 3 and shape[2] <= MAX_CHANNELS
        self.sides = shape[:2] if self.last or len(shape) == 2 else shape[1:]
        self.channels = 1 if len(shape) == 2 else shape[2] if self.last else shape[0]

    def forward(self, x: Tensor) -> Tensor:
        return x.movedim(-1, 1) if self.last else x.unsqueeze(1) if x.dim() == 3 else x


def _halved(side: int, smallest: int, times: int) -> int:
    for _ in range(times):
        side, smallest = (side // 2, smallest // 2) if smallest >= 2 else (side, smallest)
    return side


class _Transformer(nn.Module):
    def __init__(self, view: ModelView) -> None:
        super().__init__()
        width = view.hidden[0] if view.hidden else 0
        if width < HEADS or width % HEADS or set(view.hidden) != {width}:
            raise InputError(
                f"model.hidden = {list(view.hidden)}: a transformer needs equal widths that {HEADS} divides, such as "
                "[32, 32]"
            )
        steps, numbers = (*view.shape, 1)[:2] if len(view.shape) == 1 else (view.shape[0], math.prod(view.shape[1:]))
        self.read = nn.Linear(numbers, width)
        self.place = nn.Parameter(torch.randn(steps, width) * 0.02)
        self.blocks = nn.Sequential(*(_Attention(width) for _ in view.hidden))
        self.classify = nn.Linear(width, view.classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.read(x.reshape(len(x), len(self.place), -1)) + self.place
        logits: Tensor = self.classify(self.blocks(tokens).mean(1))
        return logits


class _Attention(nn.Module):
    """A layer of a transformer, written out: ``vmap`` has no rule for PyTorch's own attention on processors."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        parts = self.project(self.before(x)).unflatten(-1, (3, HEADS, -1)).movedim(-3, 0)  # (3, B, steps, heads, D)
        query, key, value = parts.transpose(2, 3)
        weights = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]), -1)
        x = x + self.join((weights @ value).transpose(1, 2).flatten(2))
        out: Tensor = x + self.feed(self.after(x))
        return out
