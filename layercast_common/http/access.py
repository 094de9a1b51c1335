"""Access checks for HTTP servers: host names, origins, bearer tokens. Pure functions on header values."""

import ipaddress
from collections.abc import Collection
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def host_allowed(host: str, names: Collection[str]) -> bool:
    """Return whether a request's Host header names this server.

    This stops DNS rebinding: a foreign site can point its own name at this machine and then read our answers. It cannot
    do so with an IP address or with "localhost", which are always allowed.

    Args:
        host: the Host header.
        names: the server's host names, in lower case.
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
    """Return whether a request's origin is allowed: the server's own, one of the list, or no web page.

    Args:
        origin: the Origin header; browsers omit it where page and server have the same origin.
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
    """Return the token of an Authorization header; empty if there is none. The token may be percent-encoded."""
    scheme, _, token = authorization.partition(" ")
    return unquote(token.strip()) if scheme.lower() == "bearer" else ""
