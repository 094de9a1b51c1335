"""A receiver in its own process, so that its memory can be measured, and that it can run in another network namespace.

async with Receiving() as receiving:
    ... send to receiving.url ...
    (await receiving.look()).resident
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from layercast_common.errors import DisconnectedError
from protocol.connection.events import OfferReceived, PictureDone, ReceiverEvent, SectionReceived
from protocol.transports.addresses import open_listener
from protocol.transports.base import Transport
from protocol.wire.limits import Limits
from receiver.options import Security
from receiver.server import Server

#: The most sessions, in total and per address.
MANY = 4096

#: The most arrivals kept.
REMEMBERED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A snapshot of a receiver.

    Attributes:
        resident: its resident memory, in bytes.
        sessions: the number of open sessions.
        done: the number of complete pictures.
        arrivals: recent arrivals: the time in seconds of this machine's monotonic clock, and ("offer", picture_id),
            ("done", picture_id), or, for a plain listener, ("packet", size).
        sections: recent sections: the time as above, the picture's id, and the section's index.
    """

    resident: int
    sessions: int
    done: int
    arrivals: tuple[tuple[float, str, int], ...]
    sections: tuple[tuple[float, int, int], ...] = ()


class Receiving:
    """The receiver process. Use it as `async with`; leaving the block ends it.

    Args:
        listen: the address to listen on.
        plain: whether it only receives packets, without the protocol.
        within: a command prefix, such as `("ip", "netns", "exec", NAME)`.
    """

    def __init__(self, listen: str = "ws://127.0.0.1:0", *, plain: bool = False, within: Sequence[str] = ()) -> None:
        self._command = [*within, sys.executable, "-m", __name__, listen, *(["--plain"] if plain else [])]
        self.url = ""

    async def __aenter__(self) -> "Receiving":
        """Start the process, and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        self.url = json.loads(await self._process.stdout.readline())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Terminate the process."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def look(self) -> Look:
        """Take a snapshot."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        seen = json.loads(await self._process.stdout.readline())
        return Look(**seen | {name: tuple(map(tuple, seen[name])) for name in ("arrivals", "sections")})


def raise_file_limit() -> None:
    """Raise the limit of open sockets to the maximum for this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Counts:
    """The arrivals at the receiver."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.arrivals: deque[tuple[float, str, int]] = deque(maxlen=REMEMBERED)
        self.sections: deque[tuple[float, int, int]] = deque(maxlen=REMEMBERED)

    def record(self, what: str, which: int) -> None:
        self.kinds[what] += 1
        self.arrivals.append((time.monotonic(), what, which))

    def on_event(self, event: ReceiverEvent) -> None:
        if isinstance(event, OfferReceived):
            self.record("offer", event.picture_id)
        elif isinstance(event, SectionReceived):
            self.sections.append((time.monotonic(), event.picture_id, event.index))
        elif isinstance(event, PictureDone):
            self.record("done", event.picture_id)

    async def receive(self, transport: Transport) -> None:
        with contextlib.suppress(DisconnectedError):
            while True:
                self.record("packet", len(await transport.recv()))


async def _receive(listen: str, *, plain: bool) -> None:
    raise_file_limit()
    counts = _Counts()
    if plain:
        listener = await open_listener(listen, counts.receive)
        await _answer(listener.url, counts, None)
        return
    limits = Limits(sessions=MANY, sessions_per_address=MANY)
    async with Server(listen, on_event=counts.on_event, security=Security(limits=limits)) as server:
        await _answer(server.url, counts, server)


async def _answer(url: str, counts: _Counts, server: Server | None) -> None:
    """Write the address, and then a snapshot for every line read."""
    _write(url)
    while await asyncio.to_thread(sys.stdin.readline):
        gc.collect()
        _write(
            asdict(
                Look(
                    resident=_resident_bytes(),
                    sessions=len(server.sessions) if server else 0,
                    done=counts.kinds["done"],
                    arrivals=tuple(counts.arrivals),
                    sections=tuple(counts.sections),
                )
            )
        )


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _write(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("listen")
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    asyncio.run(_receive(options.listen, plain=options.plain))
