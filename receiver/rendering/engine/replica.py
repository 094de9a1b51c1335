"""One engine as a replica of a Ray Serve deployment: pictures in, frames streamed back. Loads ray."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future

from ray import serve

from codec.layers import Priors
from receiver.rendering.frames import Frame
from receiver.rendering.settings.settings import Tuning


class EngineReplica:
    """An engine with its model, on a worker of the cluster."""

    def __init__(self, model: str, device: str, performance: str, tuning: Tuning | None) -> None:
        from receiver.rendering import Engine, load_model

        self._engine = Engine(load_model(model, device, performance=performance, tuning=tuning))

    @serve.multiplexed(max_num_models_per_replica=256)  # type: ignore[untyped-decorator]
    async def picture(self, key: str) -> str:
        """Tells Serve which replica has which picture under way, so that its later layers come here, too."""
        return key

    async def draw(self, key: str, priors: Priors, seed: int, steps: int | None, session: str) -> AsyncIterator[Frame]:
        """The frames of a picture; ends early if newer layers took its place. The engine's own errors come out."""
        await self.picture(serve.get_multiplexed_model_id())
        loop = asyncio.get_running_loop()
        frames: asyncio.Queue[Frame | None] = asyncio.Queue()

        def put(frame: Frame | None) -> None:
            loop.call_soon_threadsafe(frames.put_nowait, frame)

        def end(_: "Future[Frame]") -> None:
            put(None)

        drawing = self._engine.submit(key, priors, seed, put, steps, session=session)
        drawing.add_done_callback(end)
        try:
            while (frame := await frames.get()) is not None:
                yield frame
            if not drawing.cancelled():
                drawing.result()
        finally:
            # Whoever wanted it is gone.
            drawing.cancel()

    def process(self) -> int:
        """The worker's process, for those who look after it."""
        import os

        return os.getpid()
