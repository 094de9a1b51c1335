"""Proxies of the environment (`ALL_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, ...) or the system, for WebSockets."""

from urllib.request import getproxies, proxy_bypass

from websockets.exceptions import InvalidProxy

from layercast_common.errors import ConnectError, LayercastError, MissingExtraError, UsageError
from layercast_common.urls import Address, bracketed, public_url

#: The schemes in `getproxies` that are for a WebSocket, the best first (RFC 6455, section 4.1); "all" is `ALL_PROXY`.
_SCHEMES = {"wss": ("wss", "socks", "https", "all"), "ws": ("ws", "socks", "https", "http", "all")}


def proxy_for(address: Address) -> str | None:
    """Return the URL of the proxy for an address; None if there is none, or the address is this machine or its link."""
    if address.is_loopback or "%" in address.host or proxy_bypass(f"{bracketed(address.host)}:{address.port}"):
        return None
    proxies = getproxies()
    found = next((proxies[scheme] for scheme in _SCHEMES[address.scheme] if proxies.get(scheme)), None)
    return found if found is None or "://" in found else f"http://{found}"


def proxy_error(proxy: str | None, url: str, error: Exception) -> LayercastError:
    """Return the error for a connection to `url` that failed at its proxy."""
    shown = public_url(proxy or "")
    if isinstance(error, ImportError):
        return MissingExtraError(f"the proxy {shown} of the environment (--no-proxy connects without it)", "proxy")
    if isinstance(error, OSError | TimeoutError):
        reason = getattr(error, "strerror", None) or "it does not answer"
        return ConnectError(f"the proxy {shown} cannot be reached ({reason}); --no-proxy connects to {url} without it")
    if isinstance(error, InvalidProxy):
        return UsageError(f"the proxy {shown} of the environment cannot be used: {error}; --no-proxy does without it")
    return ConnectError(f"the proxy {shown} does not connect to {url}: {error}; --no-proxy does without it")
