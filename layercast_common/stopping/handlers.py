"""Installs what ends the `layercast` command after SIGTERM or Ctrl-C, and the exit codes."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
    """Start the watchdog, and let SIGTERM raise `Terminated` in the main thread, which must be the caller's.

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
    signal.signal(signal.SIGTERM, _raise_stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raise_stop)


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


def end_if_importing(number: int, frame: FrameType | None) -> None:
    """End the program at once if a signal arrives within an import; only in a program that has called `start`.

    An error in the middle of an import may crash the process: libraries in C++ let it pass where none is allowed. An
    import has nothing to clean up.

    Args:
        number: the signal.
        frame: where the main thread is.
    """
    while _started and frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            _write_stopped()
            end(128 + number)
        frame = frame.f_back


@contextmanager
def default_interrupts() -> Iterator[None]:
    """Leave Ctrl-C to Python within the block: `asyncio.run` replaces only Python's own handler by one for tasks."""
    if signal.getsignal(signal.SIGINT) is not _raise_stop:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _raise_stop)


def _raise_stop(number: int, frame: FrameType | None) -> NoReturn:
    note_stop()
    end_if_importing(number, frame)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


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
        _write_stopped()
        end(128 + order[0])


def _write_stopped() -> None:
    with contextlib.suppress(OSError):
        os.write(2, b"layercast: stopped\n")
