"""The live channel: server-sent events (WHATWG HTML, section 9.2).

Plain HTTP passes proxies that know nothing of WebSocket upgrades, and browsers have the client built in. Pictures
travel by address, so that a browser fetches the newest one when it is ready for it.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import StreamingResponse
from starlette.types import Send

from receiver.permissions import Permissions
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.schema import state_json

STATIC = Path(__file__).parent / "static"

#: Longest silence on the live channel, in seconds; proxies commonly cut a connection after 60 s without a byte.
BEAT = 10.0


@dataclass(frozen=True, slots=True)
class ViewerConfig:
    """What the application shows, and to whom.

    Attributes:
        board: the state.
        clock: the clock that the events' times were taken from, in seconds.
        address: where senders send to, for the page to tell; None if unknown.
        origins: origins besides the page's own host that may open the live channel.
        names: the names that the page goes by, besides localhost and numbers; in lower case.
        permissions: who may watch and read the metrics; everyone if None.
        metrics: gives the metrics as text, and its media type.
        condition: how the receiver is, for `/healthz`; "ok" while it takes pictures.
    """

    board: Broadcaster
    clock: Callable[[], float]
    address: str | None
    origins: Collection[str] = ()
    names: Collection[str] = ()
    permissions: Permissions | None = None
    metrics: Callable[[], tuple[bytes, str]] | None = None
    condition: Callable[[], str] = lambda: "ok"

    def state(self, since: int = 0) -> bytes:
        """The pictures that changed after version `since`, as JSON."""
        return state_json(self.board.history, since=since, now=self.clock(), address=self.address)


class LiveStream(StreamingResponse):
    """First the event `state` with every picture, then `changes` with those that changed, until the board closes."""

    def __init__(self, setting: ViewerConfig, address: str) -> None:
        # X-Accel-Buffering and no-transform: nginx and compressing proxies must not hold back what is live.
        headers = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
        super().__init__((), media_type="text/event-stream", headers=headers)
        self._setting = setting
        self._address = address

    async def stream_response(self, send: Send) -> None:
        """Write to one watcher at its own pace: `send` returns when the connection takes more."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        name = b"state"
        with self._setting.board.watching(self._address) as watcher:
            more = True
            while more:
                data = self._setting.state(watcher.news())
                body = b"event: %s\ndata: %s\n\n" % (name, data)
                await send({"type": "http.response.body", "body": body, "more_body": True})
                name = b"changes"
                more = await watcher.changed(BEAT)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
