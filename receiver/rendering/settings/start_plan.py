"""Where a run begins: from noise, or from a picture that is there already, mixed with some noise.

A picture is there already when the level before is finished, or when bit planes have come. A strength says how much of
the run is done again, as in SDEdit (arXiv 2108.01073) and diffusers' img2img pipelines: 1 begins from noise, 0.3 redoes
the last three tenths of the steps.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from codec.layers import Layer
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.wavelet.plane import Plane

#: Least strength that a user can ask for.
MIN_STRENGTH = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPlan:
    """Strengths at which runs begin.

    Attributes:
        layers: after the level before was finished, by the layer that arrived; a layer that is not named begins from
            noise. If several arrived, the largest counts.
        planes: pairs of a last bit plane, see `coarse_plane`, and the strength for pictures that are known down to it,
            in rising order; between them the strength is interpolated. Empty if planes are no starting picture.

    Raises:
        UsageError: a strength is not above 0 and at most 1.
    """

    layers: Mapping[Layer, float] = field(default_factory=dict)
    planes: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for strength in (*self.layers.values(), *(strength for _, strength in self.planes)):
            if not 0 < strength <= 1:
                raise UsageError(f"a starting strength is above 0 and at most 1, not {strength:g}")

    def after(self, changed: Collection[Layer]) -> float:
        """Return the strength for a picture whose level before is finished, if these layers arrived since."""
        return max((self.layers.get(layer, 1.0) for layer in changed), default=1.0)

    def for_plane(self, plane: "Plane") -> float:
        """Return the strength for a picture whose coefficients are known."""
        if not self.planes:
            return 1.0
        known, strengths = zip(*self.planes, strict=True)
        return float(np.interp(coarse_plane(plane), known, strengths))

    @classmethod
    def constant(cls, strength: float) -> "StartPlan":
        """Return the plan that begins every run at one strength if a picture is there; 1 always begins from noise.

        Raises:
            UsageError: the strength is out of range.
        """
        if not MIN_STRENGTH <= strength <= 1:
            raise UsageError(f"a starting strength is a number from {MIN_STRENGTH:g} to 1, not {strength:g}")
        return cls(layers=dict.fromkeys(Layer, strength), planes=((0.0, strength),) if strength < 1 else ())


#: For models without measured strengths. A colour adapter acts until late in a run, lines settle earlier, new words
#: change everything. The planes 9, 8, 7 and 6 are those of about 160, 330, 655 and 1,300 bytes for 512x512.
USUAL_STARTS = StartPlan(
    layers={Layer.STRUCTURE: 0.8, Layer.TEXTURE: 0.6, Layer.DETAIL: 0.3},
    planes=((5.0, 0.15), (6.0, 0.2), (7.0, 0.3), (8.0, 0.45), (9.0, 0.6), (11.0, 1.0)),
)

#: Every run begins from noise.
FROM_NOISE = StartPlan()


def coarse_plane(plane: "Plane") -> float:
    """Return the mean last bit plane of luma without the three finest levels, which are sent last.

    It is counted as for a canvas of 512x512: on other canvases the same picture has other planes.
    """
    from codec.wavelet.transform import texture_plane

    _, height, width = plane.last_plane.shape
    mean = float(plane.last_plane[0, : -(-height // 8), : -(-width // 8)].mean())
    return mean + texture_plane(512, 512) - texture_plane(width, height)


def plane_cells(plane: "Plane") -> int:
    """Return the side of the cells, in pixels of a canvas of 512, whose averages a plane determines well: 8 to 64.

    Halving the step of the coefficients about halves the size of the cells.
    """
    return int(2 ** np.clip(round(coarse_plane(plane)) - 2, 3, 6))
