"""A receiver in a process of its own: its memory can be told from its senders', and it may sit behind another network.

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
from protocol.transports.addresses import open_listener
from protocol.transports.base import Transport
from protocol.wire.limits import Limits
from receiver.server import OfferReceived, PictureDone, ReceiverEvent, Server

#: Sessions that it takes, from wherever.
MANY = 4096

#: Arrivals that are remembered.
REMEMBERED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a receiver looks like.

    Attributes:
        resident: its memory, in bytes.
        sessions: how many are open.
        done: pictures that are complete.
        arrivals: when something came lately, in seconds of this machine's steady clock, and what: ("offer", image),
            ("done", image), or, of a plain listener, ("packet", size).
    """

    resident: int
    sessions: int
    done: int
    arrivals: tuple[tuple[float, str, int], ...]


class Receiving:
    """The process. Use it as `async with`; afterwards it is gone.

    Args:
        listen: where it listens.
        plain: whether it only takes packets, and answers none.
        within: a command to run it by, such as `("ip", "netns", "exec", NAME)`.
    """

    def __init__(self, listen: str = "ws://127.0.0.1:0", *, plain: bool = False, within: Sequence[str] = ()) -> None:
        self._command = [*within, sys.executable, "-m", __name__, listen, *(["--plain"] if plain else [])]
        self.url = ""

    async def __aenter__(self) -> "Receiving":
        """Start it, and wait until it listens."""
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
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def look(self) -> Look:
        """How it is at this moment."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        seen = json.loads(await self._process.stdout.readline())
        return Look(**seen | {"arrivals": tuple((at, what, which) for at, what, which in seen["arrivals"])})


def raise_file_limit() -> None:
    """Allow this process as many open sockets as it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Counts:
    """What came."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.arrivals: deque[tuple[float, str, int]] = deque(maxlen=REMEMBERED)

    def note(self, what: str, which: int) -> None:
        self.kinds[what] += 1
        self.arrivals.append((time.monotonic(), what, which))

    def note_event(self, event: ReceiverEvent) -> None:
        if isinstance(event, OfferReceived):
            self.note("offer", event.picture_id)
        elif isinstance(event, PictureDone):
            self.note("done", event.picture_id)

    async def take(self, transport: Transport) -> None:
        with contextlib.suppress(DisconnectedError):
            while True:
                self.note("packet", len(await transport.recv()))


async def _receive(listen: str, *, plain: bool) -> None:
    raise_file_limit()
    counts = _Counts()
    if plain:
        listener = await open_listener(listen, counts.take)
        await _answer(listener.url, counts, None)
        return
    limits = Limits(sessions=MANY, sessions_per_address=MANY)
    async with Server(listen, on_event=counts.note_event, limits=limits) as intake:
        await _answer(intake.url, counts, intake)


async def _answer(url: str, counts: _Counts, intake: Server | None) -> None:
    """Tell the address, and then how we are for every line that comes."""
    _tell(url)
    while await asyncio.to_thread(sys.stdin.readline):
        gc.collect()
        _tell(
            asdict(
                Look(
                    resident=_resident_bytes(),
                    sessions=len(intake.sessions) if intake else 0,
                    done=counts.kinds["done"],
                    arrivals=tuple(counts.arrivals),
                )
            )
        )


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("listen")
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    asyncio.run(_receive(options.listen, plain=options.plain))
