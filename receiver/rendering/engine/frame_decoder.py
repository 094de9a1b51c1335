"""Decode the frames that are due in batches; a full memory costs time, but no picture. Loads no torch until used.

On a CUDA device the engine's thread does not wait for the pixels: it goes on with the next step while the device
decodes, and the threads that finish frames wait instead. Only one decoding is under way at a time, so that a picture
that arrives does not wait for many steps of others.
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from receiver.rendering.engine.attempts import attempt, make_room
from receiver.rendering.engine.batching import BatchLimit
from receiver.rendering.engine.delivery import Count, FrameDelivery
from receiver.rendering.engine.requests import Request

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model
    from receiver.rendering.output.decoding import PendingPixels
    from receiver.rendering.output.drafts import FrameDraft

#: A frame that is due, with the request of its picture.
Due = tuple[Request, "FrameDraft"]


class FrameDecoder:
    """Decodes frames and hands their pixels over. Use it in the engine's thread."""

    def __init__(self, model: "Model", delivery: FrameDelivery, count: Count, batch: int) -> None:
        """Decode up to `batch` frames in one pass, and hand them to `delivery`."""
        self._model = model
        self._delivery = delivery
        self._count = count
        # 0 stands for less than a whole picture: tiles.
        self._limit = BatchLimit(batch, least=0)
        self._under_way: PendingPixels | None = None

    def draw(self, due: Sequence[Due]) -> None:
        """Decode the frames that are due; those of one size and kind share a pass."""
        groups: dict[tuple[object, ...], list[Due]] = {}
        for request, draft in due:
            if draft.pixels is not None:
                self._delivery.put(request, draft.recipe, partial(_known, draft.pixels))
            else:
                groups.setdefault(draft.group, []).append((request, draft))
        for group in groups.values():
            size = max(1, self._limit.size)
            for start in range(0, len(group), size):
                self._decode(group[start : start + size])

    def _decode(self, batch: Sequence[Due]) -> None:
        started = time.perf_counter()
        tiles = self._limit.size == 0
        pending, error = attempt(lambda: self._begin(batch, tiles=tiles))
        full = make_room(self._model, error)
        if full and not tiles:
            self._limit.shrink(len(batch))
        if full and len(batch) == 1 and not tiles:
            pending, error = attempt(lambda: self._begin(batch, tiles=True))
        self._count(decoding_s=time.perf_counter() - started)
        if pending is not None:
            self._limit.record_pass()
            self._under_way = pending
            for number, (request, draft) in enumerate(batch):
                self._delivery.put(request, draft.recipe, partial(self._take, pending, number))
        elif len(batch) > 1:
            for one in batch:
                self._decode([one])
        elif error is not None:
            self._give_up(*batch[0], error)

    def _begin(self, batch: Sequence[Due], *, tiles: bool) -> "PendingPixels":
        import torch

        from receiver.rendering.output.decoding import begin_decoding

        before, self._under_way = self._under_way, None
        if before is not None:
            before.wait()
        latents = torch.cat([draft.latents for _, draft in batch if draft.latents is not None])
        return begin_decoding(self._model, latents, final=batch[0][1].recipe.final, tiles=tiles)

    def _take(self, pending: "PendingPixels", number: int) -> NDArray[np.uint8]:
        """Wait for a picture; called in the thread that delivers it.

        Raises:
            NotFiniteError: it is not finite.
        """
        pixels, error = attempt(lambda: pending.take(number))
        if make_room(self._model, error):
            pixels, error = attempt(lambda: pending.take(number, tiles=True))
        if pixels is None:
            assert error is not None
            raise error
        return pixels

    def _give_up(self, request: Request, draft: "FrameDraft", error: Exception) -> None:
        if draft.recipe.final:
            self._delivery.fail(request, error)
        else:
            self._delivery.leave_out(request, error)


def _known(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels
