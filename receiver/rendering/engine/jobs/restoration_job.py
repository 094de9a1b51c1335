"""A job that restores: one final frame from the wavelet plane, without denoising."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codec.layers import EdgeMap, Priors
from codec.wavelet.plane import Plane
from receiver.rendering.engine.render_method import RenderMethod
from receiver.rendering.models.model import Model
from receiver.rendering.output.drafts import FrameDraft
from receiver.rendering.output.finishing import FrameRecipe


class RestorationJob:
    """A picture that is restored from its plane: a `RenderJob`.

    Attributes:
        method: how the job renders.
        run: None, because nothing is denoised.
        priors: the layers received so far, with a plane.
        shown: whether the job has produced its frame.
    """

    method: Final = RenderMethod.RESTORE
    run: Final = None

    def __init__(self, model: Model, priors: Priors, *, clock: Callable[[], float]) -> None:
        """Do nothing yet.

        Args:
            model: the model whose restoration network is used; without a network the inverse transform is the picture.
            priors: the layers received so far, with a plane.
            clock: returns seconds.
        """
        self.priors = priors
        self.shown = False
        self._model = model
        self._clock = clock
        self._started = clock()

    def update(self, priors: Priors) -> int:
        """Replace the layers; return 0, the number of denoising steps that are kept."""
        self.priors = priors
        return 0

    @property
    def shape(self) -> tuple[int, ...]:
        """No dimensions: restorations never share a UNet pass with denoising runs."""
        return ()

    @property
    def to_frame(self) -> int:
        """Steps until the first frame; 0 once the job has produced it."""
        return 0 if self.shown else 1

    def finished_picture(self) -> None:
        """Return None: a restoration starts from its plane alone."""

    def draft_frame(self, *, small: bool = False) -> FrameDraft:
        """Restore the picture.

        Args:
            small: ignored, because the only frame is final.
        """
        del small
        plane = self.priors.plane
        assert plane is not None
        structure = self.priors.structure
        picture = self._restore(plane, structure if isinstance(structure, EdgeMap) else None)
        self.shown = True
        recipe = FrameRecipe(
            canvas=self.priors.canvas,
            layers=self.priors.layers,
            step=1,
            steps=1,
            final=True,
            started=self._started,
            clock=self._clock,
        )
        return FrameDraft(recipe=recipe, pixels=picture)

    def _restore(self, plane: Plane, lines: EdgeMap | None) -> NDArray[np.uint8]:
        restorer = self._model.restoration
        return plane.to_image() if restorer is None else restorer.restore(plane, lines)
