"""The restoration network. It estimates the unknown part of coefficients from their surroundings."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from receiver.rendering.restoration.features import FEATURES, LEVELS, MAX_PLANE

#: Coefficients of a place, by orientation, each Y, Cb, Cr. At the finest level only the three of luma are estimated.
ESTIMATED = 9


@dataclass(frozen=True, slots=True)
class NetworkForm:
    """Layer sizes of the network.

    Attributes:
        widths: widths of the inner layers of each level's estimator, from the finest level.
    """

    widths: tuple[tuple[int, ...], ...] = ((128, 64), (256, 128), (288, 160), (288, 160), (256, 128))


class Estimator(nn.Module):
    """Estimator of the coefficients of a level's places."""

    #: Mean and standard deviation of the features, (FEATURES,) each.
    mean: Tensor
    deviation: Tensor

    #: Typical distances of coefficients from decoded values, (2, MAX_PLANE + 1): luma and chroma, by last bit plane.
    spread: Tensor

    def __init__(self, widths: tuple[int, ...], estimated: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("deviation", torch.ones(FEATURES))
        self.register_buffer("spread", torch.ones(2, MAX_PLANE + 1))
        sizes = (FEATURES, *widths)
        self.inner = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, widths, strict=False))
        self.last = nn.Linear(sizes[-1], estimated)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, shown: Tensor) -> Tensor:
        """Estimate distances of coefficients from their decoded values, in spreads: (N, FEATURES) -> (N, 9 or 3)."""
        x = (shown - self.mean) / self.deviation
        for layer in self.inner:
            x = F.silu(layer(x))
        y: Tensor = self.last(x)
        return y

    def spreads(self, luma: float, chroma: float) -> Tensor:
        """Return the typical distances if the level is known down to planes `luma` and `chroma`: (9 or 3,)."""
        mixed = []
        for row, place in enumerate((luma, chroma)):
            place = min(max(place, 0.0), MAX_PLANE - 0.01)
            below = int(place)
            mixed.append(torch.lerp(self.spread[row, below], self.spread[row, below + 1], place - below))
        pattern = [0, 1, 1] * 3 if self.last.out_features == ESTIMATED else [0] * 3
        return torch.stack(mixed)[pattern]


class RestorationNetwork(nn.Module):
    """One estimator per level, from the finest. An untrained network does not change the coefficients."""

    def __init__(self, form: NetworkForm) -> None:
        super().__init__()
        self.form = form
        self.estimators = nn.ModuleList(
            Estimator(widths, ESTIMATED if place else ESTIMATED // 3)
            for place, widths in enumerate(form.widths[:LEVELS])
        )

    @property
    def by_level(self) -> list[Estimator]:
        """The estimators, from the finest level."""
        return [estimator for estimator in self.estimators if isinstance(estimator, Estimator)]
