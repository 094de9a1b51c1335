"""The live channel as server-sent events.

Plain HTTP passes proxies that do not support WebSocket upgrades, and browsers have the client built in. Events carry
the URLs of images, not the images, so a browser fetches the newest one when it is ready.
"""

from collections.abc import AsyncGenerator

from layercast_common.http.seats import Seat
from layercast_common.http.sse import EventStream, format_event
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.options import ViewerOptions
from receiver.viewer.schema import AboutView
from receiver.viewer.views import state_json


def live_stream(options: ViewerOptions, broadcaster: Broadcaster, seat: Seat) -> EventStream:
    """Build the response for one watcher.

    It sends the event `state` with all pictures, then `changes` with the changed ones, until the broadcaster closes.
    Heartbeats are empty `changes`: pages see them, unlike comments, and notice a dead connection.

    Args:
        options: the viewer's options.
        broadcaster: the state.
        seat: the watcher's seat.
    """

    def event(name: str, since: int) -> bytes:
        return format_event(name, _state(options, broadcaster, since))

    async def events() -> AsyncGenerator[bytes, None]:
        with broadcaster.watching() as watcher:
            yield event("state", watcher.advance())
            while await watcher.changed():
                yield event("changes", watcher.advance())

    return EventStream(events(), heartbeat=lambda: event("changes", broadcaster.history.version), seat=seat)


def full_state(options: ViewerOptions, broadcaster: Broadcaster) -> bytes:
    """Return all pictures as JSON."""
    return _state(options, broadcaster, 0)


def _state(options: ViewerOptions, broadcaster: Broadcaster, since: int) -> bytes:
    about = AboutView(
        now=round(options.clock(), 3),
        address=options.address,
        archive=options.library is not None,
        controls=options.controls().names,
        speed=options.speed,
        note=options.note(),
    )
    return state_json(broadcaster.history, about, since=since)
