"""WebRTC addresses: `webrtc+http://host:port/path`, or `webrtc+https://`, of the receiver's signalling endpoint.

The packets themselves travel from host to host, encrypted, over UDP. Without STUN or TURN servers the candidates are
the hosts' own addresses, which suffices within one network and discloses nothing to servers outside. WebRTC suits links
from 50 kbit/s and browsers: an idle connection costs 0.7 kbit/s.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from typing import Any

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from uvicorn import Server

from layercast_common.errors import ConnectError, DisconnectedError, UsageError
from layercast_common.http.server import quiet_server
from layercast_common.sockets.listener import LimitedListener, open_listener_socket
from layercast_common.tasks import start_task
from layercast_common.urls import Address, bracketed, dialled, parse_address
from protocol.transports.base import DialOptions, Handler, Listener, ListenOptions, listen_refusal
from protocol.transports.webrtc.data_channels import DataChannelTransport
from protocol.transports.webrtc.signalling import REQUEST_SECONDS, build_app, request_answer

#: How long the two ends may take to find a network path to each other, in seconds.
OPEN_SECONDS = 10.0

#: The most connections that may be opening at a time, in total and from one address.
MAX_OPENING, MAX_OPENING_PER_ADDRESS = 32, 8

#: The most signalling requests at a time.
MAX_REQUESTS = 128

_PORTS = {"webrtc+http": 80, "webrtc+https": 443}
_EXAMPLE = "webrtc+http://127.0.0.1:8767"

_log = logging.getLogger(__name__)


async def connect(url: str, options: DialOptions) -> DataChannelTransport:
    """Open data channels to a receiver; see `addresses.open_transport`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    connection = RTCPeerConnection(_configuration(options.ice_servers))
    transport = DataChannelTransport(connection, address.host)
    try:
        await connection.setLocalDescription(await connection.createOffer())
        answer = await request_answer(address, connection.localDescription.sdp, token=options.token, ssl=options.ssl)
        try:
            await _accept(connection, answer, "answer")
        except ValueError as error:
            raise ConnectError(f"{address.public} answers, but is no layercast receiver") from error
        async with asyncio.timeout(OPEN_SECONDS):
            await transport.opened()
    except (TimeoutError, DisconnectedError) as error:
        await transport.close()
        raise ConnectError(
            f"{address.public} answers, but there is no network path for data between the two machines; "
            "in different networks they need a STUN or TURN server (--ice-server)"
        ) from error
    except BaseException:
        await transport.close()
        raise
    return transport


async def listen(url: str, handler: Handler, options: ListenOptions) -> "WebRtcListener":
    """Listen for offers; port 0 takes a free one; see `addresses.open_listener`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    if (address.scheme == "webrtc+https") != (options.ssl is not None):
        raise UsageError(f"{url}: webrtc+https:// needs a certificate, and webrtc+http:// takes none")
    listener = await open_listener_socket(
        address.host, address.port, most=MAX_REQUESTS, refusal=partial(listen_refusal, address)
    )
    return WebRtcListener(address, listener, handler, options)


class WebRtcListener(Listener):
    """A signalling endpoint with its HTTP server, and the connections opened over it.

    Args:
        address: the address to listen on.
        listener: the bound socket.
        handler: serves each sender.
        options: how to listen.
    """

    def __init__(self, address: Address, listener: LimitedListener, handler: Handler, options: ListenOptions) -> None:
        self.url = f"{address.scheme}://{bracketed(dialled(address.host))}:{listener.getsockname()[1]}{address.path}"
        self._handler = handler
        self._configuration = _configuration(options.ice_servers)
        self._open: dict[asyncio.Task[None], DataChannelTransport] = {}
        self._opening: Counter[str] = Counter()
        self._server = quiet_server(build_app(address.path or "/", self._answer, options), listener, ssl=options.ssl)
        self._on_failure = options.on_failure
        self._serving = start_task(self._guard(self._server.serve(sockets=[listener])), name="signalling server")
        self._request_timeouts = start_task(self._guard(_drop_slow(self._server)), name="signalling timeouts")

    async def close(self) -> None:
        """See `Listener.close`."""
        self._request_timeouts.cancel()
        self._server.should_exit = True
        _abort_requests(self._server)
        await asyncio.gather(self._serving, self._request_timeouts, return_exceptions=True)
        await asyncio.gather(*(transport.close() for transport in self._open.values()))
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a background task; if it fails, log the error, stop the server and call `on_failure`."""
        try:
            await work
        except Exception as error:
            _log.exception("the signalling server at %s failed", self.url)
            self._server.should_exit = True
            if self._on_failure is not None:
                self._on_failure(error)

    async def _answer(self, offer: str, peer: str) -> str | None:
        if self._opening.total() >= MAX_OPENING or self._opening[peer] >= MAX_OPENING_PER_ADDRESS:
            return None
        connection = RTCPeerConnection(self._configuration)
        transport = DataChannelTransport(connection, peer)
        self._opening[peer] += 1
        try:
            await _accept(connection, offer, "offer")
            await connection.setLocalDescription(await connection.createAnswer())
        except BaseException:
            self._end_opening(peer)
            await transport.close()
            raise
        task = start_task(self._serve(transport), name=f"handler of {peer}")
        self._open[task] = transport
        task.add_done_callback(self._open.pop)
        return connection.localDescription.sdp

    def _end_opening(self, peer: str) -> None:
        self._opening[peer] -= 1
        # Removes entries of 0.
        self._opening += Counter()

    async def _serve(self, transport: DataChannelTransport) -> None:
        try:
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await transport.opened()
            finally:
                self._end_opening(transport.peer)
            await self._handler(transport)
        except (TimeoutError, DisconnectedError):
            _log.info("no network path to %s was found", transport.peer)
        except Exception:
            _log.exception("serving %s failed", transport.peer)
        finally:
            await transport.close()


async def _accept(connection: RTCPeerConnection, sdp: str, kind: str) -> None:
    """Apply the peer's description.

    Args:
        connection: the connection.
        sdp: the description.
        kind: "offer" or "answer".

    Raises:
        ValueError: the description is malformed, or has other media than one data channel.
    """
    media = [line for line in sdp.splitlines() if line.startswith("m=")]
    if len(media) != 1 or not media[0].startswith("m=application "):
        raise ValueError("the description has other media than one data channel")
    try:
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=kind))
    except Exception as error:
        # The parser fails on malformed text with many kinds of exception, assertions included.
        raise ValueError("the description is malformed") from error


def _configuration(ice_servers: tuple[str, ...]) -> RTCConfiguration:
    """Parse STUN and TURN servers as users write them, `turn:user:password@host:3478`."""
    servers = []
    for url in ice_servers:
        scheme, colon, rest = url.partition(":")
        if scheme not in ("stun", "turn", "turns") or not rest:
            raise UsageError("an ICE server is written stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT")
        account, _, host = rest.rpartition("@")
        user, _, password = account.partition(":")
        servers.append(RTCIceServer(urls=f"{scheme}{colon}{host}", username=user or None, credential=password or None))
    return RTCConfiguration(iceServers=servers)


async def _drop_slow(server: Server) -> None:
    """Abort connections whose request takes too long; the server has no timeout for it."""
    since: dict[Any, float] = {}
    while True:
        now = time.monotonic()
        since = {one: since.get(one, now) for one in server.server_state.connections}
        for connection, began in since.items():
            if now - began > REQUEST_SECONDS:
                _abort(connection)
        await asyncio.sleep(1.0)


def _abort_requests(server: Server) -> None:
    for connection in list(server.server_state.connections):
        _abort(connection)


def _abort(connection: Any) -> None:
    if connection.transport is not None:
        connection.transport.abort()
