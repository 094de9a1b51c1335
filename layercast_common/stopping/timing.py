"""Decides when a command that was asked to stop is ended. Pure: the time is passed in."""

import signal

#: How long a command may take to end by itself after SIGTERM or Ctrl-C, in seconds.
GRACE = 1.4

#: Signals that follow each other faster are one request: `timeout` and some wrappers send each signal twice.
REPEAT = 0.25


class StopTiming:
    """The signals that a command has received, and when it is ended.

    Attributes:
        patience: how much longer than `GRACE` the first SIGTERM waits, in seconds, such as for pictures in progress.
        deadline: when the command is ended; None if nothing asks for it.
        number: the last signal.
    """

    def __init__(self) -> None:
        self.patience = 0.0
        self.deadline: float | None = None
        self.number: int = signal.SIGTERM
        self._last: float | None = None
        self._patient = False

    def add(self, number: int, now: float) -> None:
        """Take a signal into account; all but SIGINT and SIGTERM are ignored.

        The first one gives the command its time. The next one ends it at once, or starts the grace if the command was
        finishing its work.
        """
        if number not in (signal.SIGINT, signal.SIGTERM):
            return
        if self._last is not None and number == self.number and now - self._last < REPEAT:
            return
        self._last, self.number = now, number
        if self.deadline is None and number == signal.SIGTERM and self.patience > 0:
            self._patient = True
            self.deadline = now + self.patience + GRACE
        elif self.deadline is None or self._patient:
            self._patient = False
            self.deadline = min(now + GRACE, self.deadline or now + GRACE)
        else:
            self.deadline = now

    def left(self, now: float) -> float | None:
        """Return the seconds until the command is ended, at least 0; None if nothing asks for it."""
        return None if self.deadline is None else max(0.0, self.deadline - now)
