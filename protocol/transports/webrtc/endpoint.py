"""Packets over WebRTC: `webrtc+http://host:port/path`, or `webrtc+https://`. The address is that of the receiver's
signalling endpoint; the packets themselves go from host to host, encrypted, by UDP.

Candidates are the hosts' own addresses unless STUN or TURN servers are named: right within one network, and nobody
outside is told of it. Meant for links from 50 kbit/s and for browsers: an idle connection alone costs 0.7 kbit/s.
"""

import asyncio
import logging
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from layercast_common.errors import ConnectError, DisconnectedError, ListenError, UsageError
from layercast_common.http.server import open_socket, quiet_server
from layercast_common.urls import Address, bracketed, parse_address
from protocol.transports.base import DialOptions, Handler, Listener, ListenOptions
from protocol.transports.webrtc.data_channels import DataChannelTransport
from protocol.transports.webrtc.signalling import REQUEST_SECONDS, ask, build_app

if TYPE_CHECKING:
    from uvicorn import Server

#: How long the two ends may take to find a way to each other, in seconds.
OPEN_SECONDS = 10.0

#: Connections that may be looking for their way at a time, and those of one address among them.
MAX_OPENING, MAX_OPENING_PER_ADDRESS = 32, 8

_PORTS = {"webrtc+http": 80, "webrtc+https": 443}
_EXAMPLE = "webrtc+http://127.0.0.1:8767"

_log = logging.getLogger("protocol.webrtc")


async def connect(url: str, options: DialOptions) -> DataChannelTransport:
    """Open data channels to a receiver; see `addresses.open_transport`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    connection = RTCPeerConnection(_configuration(options.ice_servers))
    transport = DataChannelTransport(connection, address.host)
    try:
        await connection.setLocalDescription(await connection.createOffer())
        answer = await ask(address, connection.localDescription.sdp, token=options.token, ssl=options.ssl)
        try:
            await _accept(connection, answer, "answer")
        except ValueError as error:
            raise ConnectError(f"{address.public} answers, but is no layercast receiver") from error
        async with asyncio.timeout(OPEN_SECONDS):
            await transport.opened()
    except (TimeoutError, DisconnectedError) as error:
        await transport.close()
        raise ConnectError(
            f"{address.public} answers, but there is no way for data between the two machines; "
            "in different networks they need a STUN or TURN server (--ice-server)"
        ) from error
    except BaseException:
        await transport.close()
        raise
    return transport


async def listen(url: str, handler: Handler, options: ListenOptions) -> "WebRtcListener":
    """Wait for senders' offers, port 0 for a free one; see `addresses.open_listener`."""
    address = parse_address(url, _PORTS, _EXAMPLE)
    if (address.scheme == "webrtc+https") != (options.ssl is not None):
        raise UsageError(f"{url}: webrtc+https:// needs a certificate, and webrtc+http:// takes none")
    try:
        listener = await open_socket(address.host, address.port, option="--listen")
    except ListenError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise ListenError(
            f"cannot listen on port {address.port} of {address.host} ({reason}); take another, or any free one: "
            f"{address.scheme}://{bracketed(address.host)}:0"
        ) from error
    return WebRtcListener(address, listener, handler, options)


class WebRtcListener(Listener):
    """A signalling endpoint with its HTTP server, and the connections that came of it."""

    def __init__(self, address: Address, listener: socket.socket, handler: Handler, options: ListenOptions) -> None:
        self.url = f"{address.scheme}://{bracketed(address.host)}:{listener.getsockname()[1]}{address.path}"
        self._handler = handler
        self._configuration = _configuration(options.ice_servers)
        self._open: dict[asyncio.Task[None], DataChannelTransport] = {}
        self._opening: Counter[str] = Counter()
        self._server = quiet_server(build_app(address.path or "/", self._answer, options), ssl=options.ssl)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="signalling")
        self._watching = asyncio.create_task(_drop_slow(self._server), name="slow signalling")

    async def close(self) -> None:
        """See `Listener.close`."""
        self._watching.cancel()
        self._server.should_exit = True
        _hang_up(self._server)
        await asyncio.gather(self._serving, self._watching, return_exceptions=True)
        await asyncio.gather(*(transport.close() for transport in self._open.values()))
        await asyncio.gather(*self._open, return_exceptions=True)

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
            self._note_opened(peer)
            await transport.close()
            raise
        task = asyncio.create_task(self._serve(transport), name=f"data channels of {peer}")
        self._open[task] = transport
        task.add_done_callback(self._open.pop)
        return str(connection.localDescription.sdp)

    def _note_opened(self, peer: str) -> None:
        self._opening[peer] -= 1
        # An address that is done keeps no entry.
        self._opening += Counter()

    async def _serve(self, transport: DataChannelTransport) -> None:
        try:
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await transport.opened()
            finally:
                self._note_opened(transport.peer)
            await self._handler(transport)
        except (TimeoutError, DisconnectedError):
            _log.info("no way for data to %s was found", transport.peer)
        finally:
            await transport.close()


async def _accept(connection: Any, sdp: str, kind: str) -> None:
    """Take the far side's description.

    Raises:
        ValueError: it is none, or of more than a data channel.
    """
    media = [line for line in sdp.splitlines() if line.startswith("m=")]
    if len(media) != 1 or not media[0].startswith("m=application "):
        raise ValueError("a description of something else than one data channel")
    try:
        await connection.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=kind))
    except Exception as error:
        # The parser is strict in its own ways: asserts, missing keys, whatever a stranger's text runs into.
        raise ValueError("no description that we understand") from error


def _configuration(ice_servers: tuple[str, ...]) -> Any:
    """STUN and TURN servers as users write them, `turn:user:password@host:3478`."""
    servers = []
    for url in ice_servers:
        scheme, colon, rest = url.partition(":")
        if scheme not in ("stun", "turn", "turns") or not rest:
            raise UsageError("an ICE server is written stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT")
        account, _, host = rest.rpartition("@")
        user, _, password = account.partition(":")
        servers.append(RTCIceServer(urls=f"{scheme}{colon}{host}", username=user or None, credential=password or None))
    return RTCConfiguration(iceServers=servers)


async def _drop_slow(server: "Server") -> None:
    """Cut connections that take longer for a request than any honest one; the server itself waits for ever."""
    since: dict[Any, float] = {}
    while True:
        now = time.monotonic()
        since = {one: since.get(one, now) for one in server.server_state.connections}
        for connection, began in since.items():
            if now - began > REQUEST_SECONDS:
                _cut(connection)
        await asyncio.sleep(1.0)


def _hang_up(server: "Server") -> None:
    for connection in list(server.server_state.connections):
        _cut(connection)


def _cut(connection: Any) -> None:
    if connection.transport is not None:
        connection.transport.abort()
