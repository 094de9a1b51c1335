"""The watchdog: a small process that sees to it that a command ends after SIGTERM or Ctrl-C.

Python runs its signal handlers between two instructions of the main thread; a library may keep that thread for seconds,
and some keep the whole interpreter, so that no other thread runs either. The interpreter's handler in C, however,
writes the signal's number into a pipe at once. The watchdog reads that pipe.
"""

import contextlib
import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from layercast_common.stopping.processes import kill_descendants
from layercast_common.stopping.timing import StopTiming
from layercast_common.stopping.unfinished import remove

#: How long the command's own thread may take to end the process, in seconds; then the watchdog kills it.
LAST_WAIT = 0.4

#: Messages of the command: a letter, a text, a zero byte.
ADD, REMOVE, PATIENCE = b"+", b"-", b"p"

_SHOW_CURSOR = b"\x1b[?25h"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogPipes:
    """File descriptors of the watchdog.

    Attributes:
        signals: numbers of signals arrive here; closed once the command has ended.
        messages: messages of the command arrive here.
        orders: here the watchdog writes the number of the signal for which the command's thread is to end it.
    """

    signals: int
    messages: int
    orders: int


def watch(command: int, pipes: WatchdogPipes) -> None:
    """Watch a process until it has ended, then remove the unfinished files that it has left.

    Args:
        command: its process id.
        pipes: the connections to it.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text("layercast-stop", encoding="ascii")
    terminal = os.isatty(2)
    _close_all_but({pipes.signals, pipes.messages, pipes.orders}, keep_errors=terminal)
    timing, mailbox = StopTiming(), _Mailbox()
    kill_at: float | None = None
    while True:
        now = time.monotonic()
        wait = timing.left(now) if kill_at is None else max(0.0, kill_at - now)
        readable, _, _ = select.select([pipes.signals, pipes.messages], [], [], wait)
        if pipes.messages in readable:
            mailbox.read(os.read(pipes.messages, 1 << 16))
            timing.patience = mailbox.patience
        if pipes.signals in readable:
            numbers = os.read(pipes.signals, 1 << 10)
            if not numbers:
                break
            for byte in numbers:
                timing.add(byte, time.monotonic())
        now = time.monotonic()
        with contextlib.suppress(OSError):
            if kill_at is not None and now >= kill_at:
                # The first process of a container cannot be killed from within; then this is tried again.
                kill_at = now + 1
                kill_descendants(command, spare=os.getpid())
                os.kill(command, signal.SIGKILL)
            elif kill_at is None and timing.left(now) == 0:
                kill_at = now + LAST_WAIT
                os.write(pipes.orders, bytes([timing.number]))
    mailbox.drain(pipes.messages)
    for name in mailbox.unfinished:
        remove(name)
    if terminal and timing.deadline is not None:
        os.write(2, _SHOW_CURSOR)


class _Mailbox:
    """The messages of the command.

    Attributes:
        unfinished: its unfinished files and scratch folders.
        patience: see `StopTiming`.
    """

    def __init__(self) -> None:
        self.unfinished: set[str] = set()
        self.patience = 0.0
        self._rest = b""

    def read(self, data: bytes) -> None:
        """Take in a part of the messages."""
        *messages, self._rest = (self._rest + data).split(b"\0")
        for message in messages:
            match message[:1]:
                case b"+":
                    self.unfinished.add(os.fsdecode(message[1:]))
                case b"-":
                    self.unfinished.discard(os.fsdecode(message[1:]))
                case _:
                    self.patience = float(message[1:])

    def drain(self, pipe: int) -> None:
        """Read what is left. A process that the command has forked may still hold the other end."""
        os.set_blocking(pipe, False)
        with contextlib.suppress(BlockingIOError):
            while data := os.read(pipe, 1 << 16):
                self.read(data)


def _close_all_but(kept: set[int], *, keep_errors: bool) -> None:
    """Close the descriptors that were inherited: readers of the command's output wait until every copy is closed."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1) if keep_errors else (0, 1, 2):
        os.dup2(nothing, standard)
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/fd"):  # noqa: PTH208
            if int(name) > 2 and int(name) not in kept:
                with contextlib.suppress(OSError):
                    os.close(int(name))
