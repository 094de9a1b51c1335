"""Slow links of the kernel's network interfaces, in network namespaces: its own TCP over its own token buckets.

    sender's namespace              a namespace of its own                 receiver's namespace
    interface --token bucket--> interface --delay--> interface             interface
    and back, likewise

The delay is netem's where the kernel has it, and else that of `delaying.py`, which forwards frames between the two
inner interfaces. Nothing else uses the link: no IPv6, no address resolution.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluation.wire.links.slow_links import OpenLink

#: Bytes of the header of an Ethernet frame, which a token bucket counts.
FRAME_HEADER = 14

#: The largest IP packet of an interface, in bytes; Ethernet's.
MTU = 1500

#: Numbers of links, different in every process.
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class _Names:
    """Names and addresses of one link: namespaces, interfaces from the sender to the receiver, and both ends."""

    middle: str
    far: str
    interfaces: tuple[str, str, str, str]
    here: str
    there: str

    @classmethod
    def new(cls) -> "_Names":
        number = (16 * os.getpid() + next(_numbers)) % 65536
        here, there = (f"10.213.{number // 64 % 256}.{4 * (number % 64) + end}" for end in (1, 2))
        near, left, right, far = (f"lc{number}{letter}" for letter in "nlrf")
        return cls(f"layercast-{number}m", f"layercast-{number}", (near, left, right, far), here, there)


def kernel_missing() -> str | None:
    """Return why links of network interfaces are not available here; None if they are."""
    if os.geteuid() != 0:
        return "only root may create network interfaces"
    if shutil.which("ip") is None or shutil.which("tc") is None:
        return "the commands ip and tc are not installed"
    return _failure(lambda _name: None)


def netem_missing() -> str | None:
    """Return why the kernel cannot delay packets by netem; None if it can. Needs root."""
    return _failure(lambda name: _command("tc", "-n", name, *_netem("lo", "root", 0.001)))


def bucket_bytes(mtu: int = MTU) -> int:
    """Return the size of an interface's token bucket, in bytes: it must hold a whole frame."""
    return mtu + FRAME_HEADER


@contextlib.asynccontextmanager
async def link_through_interfaces(rate: float, delay: float, *, mtu: int = MTU) -> AsyncIterator[OpenLink]:
    """Make a link of network interfaces, with a token bucket in each direction; needs root on Linux.

    Args:
        rate: the rate of each direction, in bit/s.
        delay: the delay of each direction, in seconds.
        mtu: the largest IP packet, in bytes. The bucket has this size: so much passes at once after a pause.
    """
    names = _Names.new()
    near, left, right, far = names.interfaces
    bucket = ("rate", f"{rate:.0f}bit", "burst", f"{bucket_bytes(mtu)}", "limit", "400000")
    with contextlib.ExitStack() as stack:
        for namespace in (names.middle, names.far):
            _command("ip", "netns", "add", namespace)
            stack.callback(_command, "ip", "netns", "del", namespace)
        _command("ip", "link", "add", near, "type", "veth", "peer", "name", left, "netns", names.middle)
        _command(
            "ip", "-n", names.middle, "link", "add", right, "type", "veth", "peer", "name", far, "netns", names.far
        )
        ends = (("", near), (names.middle, left), (names.middle, right), (names.far, far))
        for namespace, interface in ends:
            _ip(namespace, "link", "set", interface, "mtu", f"{mtu}")
            # Otherwise the kernel announces IPv6 addresses over the slow link. An interface without IPv6 refuses this.
            with contextlib.suppress(OSError):
                _ip(namespace, "link", "set", interface, "addrgenmode", "none")
            _ip(namespace, "link", "set", interface, "up")
        hardware = {interface: _hardware_address(namespace, interface) for namespace, interface in ends}
        for namespace, interface, own, other, peer in (
            ("", near, names.here, names.there, far),
            (names.far, far, names.there, names.here, near),
        ):
            _ip(namespace, "addr", "add", f"{own}/30", "dev", interface, "noprefixroute")
            # CUBIC sends without pauses, where BBR spreads segments at a rate that is too low at first.
            _ip(namespace, "route", "add", f"{other}/32", "dev", interface, "src", own, "congctl", "cubic")
            _ip(namespace, "neigh", "add", other, "lladdr", hardware[peer], "dev", interface, "nud", "permanent")
            _tc(namespace, "qdisc", "add", "dev", interface, "root", "handle", "1:", "tbf", *bucket)
        in_kernel = bool(delay) and netem_missing() is None
        if in_kernel:
            for interface in (left, right):
                _tc(names.middle, *_netem(interface, "root", delay))
        stack.enter_context(_forwarding(names.middle, left, right, 0.0 if in_kernel else delay))

        @contextlib.asynccontextmanager
        async def reach(url: str) -> AsyncIterator[str]:
            yield url

        yield ("ip", "netns", "exec", names.far), f"ws://{names.there}:0", reach


@contextlib.contextmanager
def _forwarding(namespace: str, left: str, right: str, delay: float) -> Iterator[None]:
    """Forward frames between two interfaces of a namespace, in a process of its own."""
    process = subprocess.Popen(  # noqa: S603 - fixed arguments
        [
            *("ip", "netns", "exec", namespace),
            *(sys.executable, "-m", "evaluation.wire.links.delaying", left, right, f"{delay}"),
        ],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise OSError("the process that delays packets did not start")
        yield
    finally:
        process.terminate()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _failure(attempt: Callable[[str], object]) -> str | None:
    """Return why an attempt in a new namespace fails; None if it works."""
    name = f"layercast-{os.getpid()}-try"
    try:
        _command("ip", "netns", "add", name)
        try:
            attempt(name)
        finally:
            _command("ip", "netns", "del", name)
    except OSError as error:
        return str(error)
    return None


def _netem(interface: str, parent: str, delay: float) -> tuple[str, ...]:
    return ("qdisc", "add", "dev", interface, parent, "netem", "delay", f"{delay * 1000:.0f}ms", "limit", "10000")


def _hardware_address(namespace: str, interface: str) -> str:
    return _ip(namespace, "-o", "link", "show", interface).split("link/ether ")[1].split()[0]


def _ip(namespace: str, *words: str) -> str:
    """Run `ip` in a namespace; in that of this process if its name is empty."""
    return _command("ip", *(("-n", namespace) if namespace else ()), *words)


def _tc(namespace: str, *words: str) -> None:
    _command("tc", *(("-n", namespace) if namespace else ()), *words)


def _command(*words: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed arguments
        words,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(f"{' '.join(words[:6])} ...: {done.stderr.strip()}")
    return done.stdout
