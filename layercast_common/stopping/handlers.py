"""Installs what ends the `layercast` command after SIGTERM or Ctrl-C, and the exit codes."""

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

from layercast_common.stopping import unfinished
from layercast_common.stopping.processes import kill_descendants
from layercast_common.stopping.watchdog import ADD, PATIENCE, REMOVE, WatchdogPipes, watch

#: Exit codes: those that a shell reports for a command that a signal ended.
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM

_started = False
_stopped = threading.Event()
_messages: int | None = None
_watchdog = 0


class Terminated(KeyboardInterrupt):
    """SIGTERM has arrived. What handles Ctrl-C handles it, too."""


def start() -> None:
    """Let SIGTERM raise `Terminated` in the main thread, and start the watchdog; for the main thread of a program.

    Does nothing on Windows, or if a program that embeds this one handles SIGTERM itself. If the system allows no
    further process, signals still end the program, but not while a library keeps the main thread busy.
    """
    global _started
    if _started or not hasattr(os, "fork") or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    _started = True
    with contextlib.suppress(OSError):
        _start_watchdog()
    signal.signal(signal.SIGTERM, _raise_terminated)


def be_patient(seconds: float) -> None:
    """Let the first SIGTERM wait longer, from now on, such as for pictures in progress.

    Args:
        seconds: how much longer; 0 for no longer.
    """
    _send(PATIENCE + repr(float(seconds)).encode() + b"\0")


def note_stop() -> None:
    """Note that a signal has stopped the program; see `is_stopped`."""
    _stopped.set()


def is_stopped() -> bool:
    """Return whether a signal has stopped the program, so that it should call `end` instead of returning."""
    return _stopped.is_set()


def end(code: int) -> NoReturn:
    """End the process now, with its child processes and unfinished files.

    Libraries' threads and their own clean-up at the end of the interpreter, which may take seconds, are left out.

    Args:
        code: the exit code.
    """
    kill_descendants(os.getpid(), spare=_watchdog)
    unfinished.remove_all()
    os._exit(code)


def _raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    note_stop()
    raise Terminated


def _start_watchdog() -> None:
    """Start the watchdog and the thread that obeys it.

    Raises:
        OSError: the system has no descriptors or no process left.
    """
    global _messages, _watchdog
    signals, messages, orders = os.pipe(), os.pipe(), os.pipe()
    command = os.getpid()
    try:
        _watchdog = os.fork()
    except OSError:
        for end in (*signals, *messages, *orders):
            os.close(end)
        raise
    if _watchdog == 0:
        try:
            watch(command, WatchdogPipes(signals=signals[0], messages=messages[0], orders=orders[1]))
        finally:
            os._exit(0)
    for end in (signals[0], messages[0], orders[1]):
        os.close(end)
    os.set_blocking(signals[1], False)
    signal.set_wakeup_fd(signals[1], warn_on_full_buffer=False)
    _messages = messages[1]
    unfinished.on_change(lambda name, present: _send((ADD if present else REMOVE) + os.fsencode(name) + b"\0"))
    threading.Thread(target=_obey, args=(orders[0],), name="end of the process", daemon=True).start()


def _send(message: bytes) -> None:
    """Send the watchdog a message; nothing happens if it does not run."""
    if _messages is not None:
        with contextlib.suppress(OSError):
            os.write(_messages, message)


def _obey(orders: int) -> None:
    """End the process when the watchdog says so."""
    order = os.read(orders, 1)
    if order:
        with contextlib.suppress(OSError):
            os.write(2, b"layercast: stopped\n")
        end(128 + order[0])
