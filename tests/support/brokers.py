"""A real mosquitto broker for one test: on a free port, without earlier state."""

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Debian installs it in a folder that is only on root's path.
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Mosquitto:
    """A broker that can be killed and restarted.

    Args:
        folder: for its settings.
        settings: further lines of them.
        anonymous: whether users need no name.
    """

    def __init__(self, folder: Path, settings: str = "", *, anonymous: bool = True) -> None:
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        self._config.write_text(
            # Run as the current user: otherwise root's broker becomes another user that cannot read a test's files.
            f"user {getpass.getuser()}\n"
            f"listener {self.port} 127.0.0.1\nallow_anonymous {str(anonymous).lower()}\n{settings}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker, and wait until it answers."""
        assert MOSQUITTO is not None
        command = [MOSQUITTO, "-c", str(self._config)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(3000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
                return
            assert self._process.poll() is None, "mosquitto ended at once"
            time.sleep(0.02)
        raise AssertionError("mosquitto does not answer")

    def kill(self) -> None:
        """Kill the broker, so that it can neither send nor save anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def mosquitto(folder: Path, settings: str = "", *, anonymous: bool = True) -> Iterator[Mosquitto]:
    """Yield a running broker."""
    broker = Mosquitto(folder, settings, anonymous=anonymous)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
