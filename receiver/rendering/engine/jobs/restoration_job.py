"""A job that restores: one final frame from a wavelet plane, received or retrieved, without denoising."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import EdgeMap, Priors, Size
from receiver.rendering.engine.render_method import RenderMethod
from receiver.rendering.models.model import Model
from receiver.rendering.output.drafts import FrameDraft
from receiver.rendering.output.finishing import FrameRecipe


class RestorationJob:
    """A picture that is restored from its plane: a `RenderJob`.

    Attributes:
        method: how the job renders.
        run: None, because nothing is denoised.
        priors: the layers received so far.
        shown: whether the job has produced its frame.
    """

    method: Final = RenderMethod.RESTORE
    run: Final = None

    def __init__(self, model: Model, priors: Priors, *, seed: int, clock: Callable[[], float]) -> None:
        """Do nothing yet.

        Args:
            model: the model whose restoration network is used; without a network the inverse transform is the picture.
            priors: the layers received so far, for which `render_method` is RESTORE.
            seed: chooses among retrieved pictures.
            clock: returns seconds.
        """
        self.priors = priors
        self.shown = False
        self._model = model
        self._seed = seed
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
        picture = self._restore(self.priors) if self.priors.plane is not None else self._recall()
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

    def _restore(self, priors: Priors) -> NDArray[np.uint8]:
        assert priors.plane is not None
        restorer, lines = self._model.restoration, priors.structure
        if restorer is None:
            return priors.plane.to_image()
        return restorer.restore(priors.plane, lines if isinstance(lines, EdgeMap) else None)

    def _recall(self) -> NDArray[np.uint8]:
        """Restore the picture that the model retrieves for a prompt, in the middle of the canvas."""
        assert self._model.retrieval is not None
        found = self._model.retrieval.choose(self.priors, self._seed)
        assert found is not None
        picture = _filling(self._restore(found.priors), self.priors.canvas)
        return np.ascontiguousarray(picture[:, ::-1]) if found.mirrored else picture


def _filling(picture: NDArray[np.uint8], canvas: Size) -> NDArray[np.uint8]:
    """Crop a picture around its middle and scale it, so that it fills a canvas: (H, W, 3) uint8."""
    height, width = picture.shape[:2]
    scale = max(canvas[0] / width, canvas[1] / height)
    columns, rows = (
        max(1, min(side, round(pixels / scale))) for side, pixels in ((width, canvas[0]), (height, canvas[1]))
    )
    top, left = (height - rows) // 2, (width - columns) // 2
    cut = picture[top : top + rows, left : left + columns]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, canvas, interpolation=interpolation), np.uint8)
