"""Whom a small HTTP server of ours answers: which names it goes by, and which pages may ask on a browser's behalf."""

import ipaddress
from collections.abc import Collection
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_allowed(host: str, names: Collection[str]) -> bool:
    """Whether a request for that host is meant for us.

    A page of any site can have its own name point to this machine, and then read what we answer it (DNS rebinding). It
    cannot do so with a number or with the name localhost, which are allowed always.

    Args:
        host: the Host header.
        names: the names that we go by, in lower case.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    name = name.rstrip(".").lower()
    if name == "localhost" or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_allowed(origin: str | None, host: str, allowed: Collection[str]) -> bool:
    """Whether a page of that origin may ask: one of the same host, or of the list, or no page at all.

    Args:
        origin: the Origin header; browsers leave it out where page and address are of the same origin.
        host: the Host header.
        allowed: further origins, such as "https://show.example".
    """
    if origin is None or origin in allowed:
        return True
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname:
        return False
    named = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    same = {f"{named}:{port or default}"} | ({named} if port in (None, default) else set())
    return host.lower() in same


def bearer_token(authorization: str) -> str:
    """The token of an Authorization header; empty if it holds none. Percent signs let it hold any text."""
    scheme, _, token = authorization.partition(" ")
    return unquote(token.strip()) if scheme.lower() == "bearer" else ""
