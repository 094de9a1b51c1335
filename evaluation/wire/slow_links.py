"""Slow links to a receiver process: sockets behind a bottleneck in user space, or network interfaces of the kernel."""

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from evaluation.wire.bottleneck import Bottleneck

#: Opens a way to the receiver's address, and returns the address to connect to.
Reach = AbstractAsyncContextManager[str]

#: Makes a link of a rate (bit/s) and a one-way delay (s). Returns the command prefix of the receiver process, the
#: address that it listens on, and a function that opens the way to it.
SlowLink = Callable[[float, float], AbstractAsyncContextManager[tuple[Sequence[str], str, Callable[[str], Reach]]]]

#: Size of the token bucket of an interface, in bytes: it must hold a whole frame.
BURST = 1600

#: Numbers of network namespaces and their addresses, different in every process.
_numbers = itertools.count()


def kernel_missing() -> str | None:
    """Return why links of network interfaces are not available here; None if they are."""
    if os.geteuid() != 0:
        return "only root may create network interfaces"
    if shutil.which("ip") is None or shutil.which("tc") is None:
        return "the commands ip and tc are not installed"
    try:
        name = f"layercast-{os.getpid()}-try"
        _command("ip", "netns", "add", name)
        _command("ip", "netns", "del", name)
    except OSError as error:
        return str(error)
    return None


def netem_missing() -> str | None:
    """Return why the kernel cannot delay and lose packets by netem; None if it can. Needs root."""
    name = f"layercast-{os.getpid()}-netem"
    try:
        _command("ip", "netns", "add", name)
        try:
            _command("tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms")
        finally:
            _command("ip", "netns", "del", name)
    except OSError as error:
        return str(error)
    return None


@contextlib.asynccontextmanager
async def link_through_proxy(
    rate: float, delay: float
) -> AsyncIterator[tuple[Sequence[str], str, Callable[[str], Reach]]]:
    """Make a link through a `Bottleneck` in user space."""

    @contextlib.asynccontextmanager
    async def reach(url: str) -> AsyncIterator[str]:
        async with Bottleneck(url, rate=rate, delay=delay) as bottleneck:
            yield bottleneck.url

    yield (), "ws://127.0.0.1:0", reach


@contextlib.asynccontextmanager
async def link_through_interfaces(
    rate: float, delay: float
) -> AsyncIterator[tuple[Sequence[str], str, Callable[[str], Reach]]]:
    """Make a link of two network interfaces in two namespaces, each with a token bucket; needs root on Linux.

    A delay needs the kernel's netem, see `netem_missing`.
    """
    number = (16 * os.getpid() + next(_numbers)) % 65536
    name, near, far = f"layercast-{number}", f"lc{number}n", f"lc{number}f"
    here, there = (f"10.213.{number // 64 % 256}.{4 * (number % 64) + end}" for end in (1, 2))
    bucket = ("root", "handle", "1:", "tbf", "rate", f"{rate:.0f}bit", "burst", f"{BURST}", "limit", "400000")
    _command("ip", "netns", "add", name)
    try:
        _command("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        _command("ip", "addr", "add", f"{here}/30", "dev", near)
        _command("ip", "link", "set", near, "up")
        _command("ip", "-n", name, "addr", "add", f"{there}/30", "dev", far)
        _command("ip", "-n", name, "link", "set", far, "up")
        _command("tc", "qdisc", "add", "dev", near, *bucket)
        _command("tc", "-n", name, "qdisc", "add", "dev", far, *bucket)
        if delay:
            netem = ("parent", "1:1", "handle", "10:", "netem", "delay", f"{delay * 1000:.0f}ms", "limit", "10000")
            _command("tc", "qdisc", "add", "dev", near, *netem)
            _command("tc", "-n", name, "qdisc", "add", "dev", far, *netem)

        @contextlib.asynccontextmanager
        async def reach(url: str) -> AsyncIterator[str]:
            yield url

        yield ("ip", "netns", "exec", name), f"ws://{there}:0", reach
    finally:
        _command("ip", "netns", "del", name)


def _command(*words: str) -> None:
    done = subprocess.run(  # noqa: S603 - fixed arguments
        words,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(f"{' '.join(words[:4])} ...: {done.stderr.strip()}")
