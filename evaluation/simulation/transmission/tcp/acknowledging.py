"""When TCP acknowledges data by a segment of its own: the rules of Linux for small, pushed segments."""

import asyncio
from collections.abc import Callable

#: How long an acknowledgement waits for data to travel with, in seconds (Linux TCP_DELACK_MIN).
DELAY = 0.04


class Acknowledger:
    """Decides when data that has arrived is acknowledged without data of our own.

    In a dialogue the first segment waits for an answer, and a second one ends the wait. Outside of it every segment is
    acknowledged at once. A dialogue begins when data leaves soon after data came, and ends when a wait was in vain.

    Args:
        acknowledge: sends an acknowledgement.
    """

    def __init__(self, acknowledge: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._acknowledge = acknowledge
        # The handshake of HTTP was a dialogue.
        self._in_dialogue = True
        self._wait: asyncio.TimerHandle | None = None
        self._last_arrival = -DELAY

    def on_arrival(self) -> None:
        """Note that data arrived in order."""
        self._last_arrival = self._loop.time()
        if self._in_dialogue and self._wait is None:
            self._wait = self._loop.call_later(DELAY, self._on_timeout)
        else:
            self._send()

    def on_disorder(self) -> None:
        """Note that data arrived twice, after a gap, or filled one: the other end must know at once."""
        self._in_dialogue = False
        self._send()

    def on_departure(self) -> None:
        """Note that data leaves: the acknowledgement travels with it."""
        self.close()
        if self._loop.time() - self._last_arrival < DELAY:
            self._in_dialogue = True

    def close(self) -> None:
        """Stop waiting."""
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _on_timeout(self) -> None:
        self._in_dialogue = False
        self._send()

    def _send(self) -> None:
        self.close()
        self._acknowledge()
