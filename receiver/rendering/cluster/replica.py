"""One engine as a replica of a Ray Serve deployment: pictures in, frames streamed back. Loads ray."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import Future

from ray import serve

from codec.layers import Priors
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.settings.tuning import Tuning


class EngineReplica:
    """An engine with its model, on a worker of the cluster."""

    def __init__(self, model: str, device: str, performance: str, tuning: Tuning | None) -> None:
        from receiver.rendering.loader import load_model

        self._engine = Engine(load_model(model, device, performance=performance, tuning=tuning))

    @serve.multiplexed(max_num_models_per_replica=256)  # type: ignore[untyped-decorator]
    async def picture(self, key: str) -> str:
        """Register a picture with this replica, so that Serve routes its later layers here."""
        return key

    async def draw(self, key: str, priors: Priors, seed: int, steps: int | None, session: str) -> AsyncIterator[Frame]:
        """Stream the frames of a picture. The stream ends early if a newer call of the same key replaces this one.

        Raises:
            RenderError: the engine refuses or fails to render the picture.
            UsageError: a number of steps outside its range.
        """
        await self.picture(serve.get_multiplexed_model_id())
        loop = asyncio.get_running_loop()
        frames: asyncio.Queue[Frame | None] = asyncio.Queue()

        def put(frame: Frame | None) -> None:
            loop.call_soon_threadsafe(frames.put_nowait, frame)

        def end(_: "Future[Frame]") -> None:
            put(None)

        result = self._engine.submit(key, priors, seed, put, steps, session=session)
        result.add_done_callback(end)
        try:
            while (frame := await frames.get()) is not None:
                yield frame
            if not result.cancelled():
                result.result()
        finally:
            # The caller has gone or has its final frame: drop what is left.
            result.cancel()

    def process(self) -> int:
        """Return the process id of this worker, for monitoring."""
        return os.getpid()
