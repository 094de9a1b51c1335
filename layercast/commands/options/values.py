"""Parses values of options."""

import contextlib
import ipaddress
import re

from layercast_common.errors import UsageError


def host_and_port(address: str) -> tuple[str, int]:
    """Parse "HOST:PORT", such as 127.0.0.1:8080 or [::1]:8080.

    Raises:
        UsageError: the address has another form.
    """
    host, colon, port = address.rpartition(":")
    with contextlib.suppress(ValueError):
        if colon and host and 0 <= int(port) <= 65535:
            return host.removeprefix("[").removesuffix("]"), int(port)
    raise UsageError(f"an address is HOST:PORT, such as 127.0.0.1:8080, not {address!r}")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a host name or address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def byte_count(text: str) -> int | None:
    """Parse a size such as 500MB, 1.5 GiB or 2TB, and return bytes; None for "all".

    Raises:
        UsageError: the size has another form. A number without a unit is refused: as bytes it would be a tiny limit.
    """
    if text == "all":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])(i?)B", text)
    if found is None or not float(found[1]):
        raise UsageError(f"a size is a number with MB, GB or TB, such as 500MB, or all; not {text!r}")
    unit: int = (1024 if found[3] else 1000) ** (2 + "MGT".index(found[2]))
    return round(float(found[1]) * unit)
