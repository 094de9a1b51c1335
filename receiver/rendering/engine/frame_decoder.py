"""Decode the frames that are due in batches; a full memory costs time, but no picture. Loads no torch until used."""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from receiver.rendering.engine.attempts import attempt, make_room
from receiver.rendering.engine.batching import BatchLimit
from receiver.rendering.engine.delivery import Count, FrameDelivery
from receiver.rendering.engine.requests import Request

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model
    from receiver.rendering.output.drafts import FrameDraft

_log = logging.getLogger(__name__)

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

    def draw(self, due: Sequence[Due]) -> None:
        """Decode the frames that are due; those of one size and kind share a pass."""
        groups: dict[tuple[object, ...], list[Due]] = {}
        for request, draft in due:
            if draft.pixels is not None:
                self._delivery.put(request, draft.recipe, draft.pixels)
            else:
                groups.setdefault(draft.group, []).append((request, draft))
        for group in groups.values():
            size = max(1, self._limit.size)
            for start in range(0, len(group), size):
                self._decode(group[start : start + size])

    def _decode(self, batch: Sequence[Due]) -> None:
        started = time.perf_counter()
        tiles = self._limit.size == 0
        pixels, error = attempt(lambda: self._pixels(batch, tiles=tiles))
        full = make_room(self._model, error)
        if full and not tiles:
            self._limit.shrink(len(batch))
        if full and len(batch) == 1 and not tiles:
            pixels, error = attempt(lambda: self._pixels(batch, tiles=True))
        self._count(decoding_s=time.perf_counter() - started)
        if pixels is not None:
            self._limit.record_pass()
            for (request, draft), picture in zip(batch, pixels, strict=True):
                self._delivery.put(request, draft.recipe, picture)
        elif len(batch) > 1:
            for one in batch:
                self._decode([one])
        elif error is not None:
            self._give_up(*batch[0], error)

    def _pixels(self, batch: Sequence[Due], *, tiles: bool) -> list[NDArray[np.uint8]]:
        import torch

        from receiver.rendering.output.decoding import decode_pixels

        latents = torch.cat([draft.latents for _, draft in batch if draft.latents is not None])
        return decode_pixels(self._model, latents, final=batch[0][1].recipe.final, tiles=tiles)

    def _give_up(self, request: Request, draft: "FrameDraft", error: Exception) -> None:
        if draft.recipe.final:
            self._delivery.fail(request, error)
        else:
            _log.warning("a preview of %r is left out: %s", request.key, error)
