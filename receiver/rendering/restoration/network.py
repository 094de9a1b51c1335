"""The network that estimates what a plane leaves open of a coefficient, from the coefficient's surroundings."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from receiver.rendering.restoration.features import FEATURES, LEVELS, MOST_PLANE

#: Coefficients of a place, orientation by orientation, in each Y, Cb, Cr; of the finest level, luma alone.
ESTIMATED = 9


@dataclass(frozen=True, slots=True)
class NetworkForm:
    """Sizes of the network.

    Attributes:
        widths: of the inner layers of the estimator of each level, from the finest.
    """

    widths: tuple[tuple[int, ...], ...] = ((192, 96), (288, 160), (288, 160), (288, 160), (256, 128))


class Estimator(nn.Module):
    """Estimates the coefficients of a level's place."""

    #: What features are on the mean, and how far from that they usually are.
    mean: Tensor
    deviation: Tensor

    #: How far coefficients usually are from where a plane puts them: luma and chroma, by the last bit plane.
    spread: Tensor

    def __init__(self, widths: tuple[int, ...], estimated: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.register_buffer("spread", torch.ones(2, MOST_PLANE + 1))
        sizes = (FEATURES, *widths)
        self.inner = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, widths, strict=False))
        self.last = nn.Linear(sizes[-1], estimated)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, shown: Tensor) -> Tensor:
        """Features (N, FEATURES) -> how far coefficients (N, 9 or 3) are from where the plane puts them, in spreads."""
        x = (shown - self.mean) / self.deviation
        for layer in self.inner:
            x = F.silu(layer(x))
        y: Tensor = self.last(x)
        return y

    def spreads(self, luma: float, chroma: float) -> Tensor:
        """The usual distances where this level is known down to planes `luma` and `chroma`: (9 or 3,)."""
        mixed = []
        for row, place in enumerate((luma, chroma)):
            place = min(max(place, 0.0), MOST_PLANE - 0.01)
            below = int(place)
            mixed.append(torch.lerp(self.spread[row, below], self.spread[row, below + 1], place - below))
        pattern = [0, 1, 1] * 3 if self.last.out_features == ESTIMATED else [0] * 3
        return torch.stack(mixed)[pattern]


class RestorationNetwork(nn.Module):
    """An estimator for each level, from the finest. Untrained, they leave all where the plane puts it."""

    def __init__(self, form: NetworkForm) -> None:
        super().__init__()
        self.form = form
        self.estimators = nn.ModuleList(
            Estimator(widths, ESTIMATED if place else ESTIMATED // 3)
            for place, widths in enumerate(form.widths[:LEVELS])
        )

    @property
    def by_level(self) -> list[Estimator]:
        """The estimators, from that of the finest level."""
        return [estimator for estimator in self.estimators if isinstance(estimator, Estimator)]
