"""When a sender repeats HELLO and sends PING over one transport."""

import math

from protocol.connection.states import State
from protocol.recovery.path import NetworkPath
from protocol.sending.handshake import SenderHandshake

#: On a lossy link, an unanswered PING is repeated after the keepalive interval divided by this.
PING_RETRY_DIVISOR = 6

#: How often a broadcaster repeats HELLO while it has something to send, in seconds.
BROADCAST_HELLO_SECONDS = 10.0


class ProbeTimers:
    """The times of the next HELLO and PING.

    Args:
        handshake: the handshake over the transport.
        path: the link.
        keepalive: idle time after which to send PING, in seconds.
        now: the current time, in seconds.

    Attributes:
        keepalive: as above; WELCOME changes it.
        last_ping_at: when PING was last sent, in seconds.
    """

    def __init__(self, handshake: SenderHandshake, path: NetworkPath, *, keepalive: float, now: float) -> None:
        self.keepalive = keepalive
        self.last_ping_at = now
        self._handshake = handshake
        self._path = path

    def hello_at(self, state: State, open_pictures: int) -> float:
        """Return when to repeat HELLO: on a lossy link until WELCOME, on a broadcast for receivers that join late."""
        if self._path.one_way:
            return self._handshake.sent_at + BROADCAST_HELLO_SECONDS if open_pictures else math.inf
        if state not in (State.GREETING, State.RESUMING) or self._path.reliable:
            return math.inf
        return self._handshake.retry_at()

    def ping_at(self, state: State, last_received_at: float) -> float:
        """Return when to send PING: after an idle keepalive interval, sooner if the last PING may be lost."""
        if self._path.one_way or state is not State.READY:
            return math.inf
        unanswered = self.last_ping_at > last_received_at
        retry = unanswered and not self._path.reliable and not self._path.loss_detector.bytes_in_flight
        interval = self.keepalive / PING_RETRY_DIVISOR if retry else self.keepalive
        return max(last_received_at, self.last_ping_at) + interval
