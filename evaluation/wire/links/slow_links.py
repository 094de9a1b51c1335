"""What slow links to a receiver process have in common, and the one through a bottleneck in user space."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from evaluation.wire.links.bottleneck import Bottleneck

#: Opens a way to the receiver's address, and returns the address to connect to.
Reach = AbstractAsyncContextManager[str]

#: What an open link gives: the command prefix of the receiver process, the address that it listens on, and a function
#: that opens the way to it.
OpenLink = tuple[Sequence[str], str, Callable[[str], Reach]]

#: Makes a link of a rate (bit/s) and a one-way delay (s).
SlowLink = Callable[[float, float], AbstractAsyncContextManager[OpenLink]]


@contextlib.asynccontextmanager
async def link_through_proxy(rate: float, delay: float) -> AsyncIterator[OpenLink]:
    """Make a link through a `Bottleneck` in user space."""

    @contextlib.asynccontextmanager
    async def reach(url: str) -> AsyncIterator[str]:
        async with Bottleneck(url, rate=rate, delay=delay) as bottleneck:
            yield bottleneck.url

    yield (), "ws://127.0.0.1:0", reach
