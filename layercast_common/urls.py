"""URLs as users write them: `scheme://[user[:password]@]host[:port][/path][?query]`."""

import contextlib
import ipaddress
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from layercast_common.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A parsed URL.

    Attributes:
        scheme, host, port: the endpoint to connect to or to listen on.
        path: the path with its leading slash; "" if there is none.
        query: the query parameters by name.
        user, password: the credentials; None where the URL has none.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: dict[str, str]
    user: str | None
    password: str | None

    @property
    def public(self) -> str:
        """The URL without the password, for logs and messages."""
        user = f"{self.user}@" if self.user is not None else ""
        query = "?" + "&".join(f"{name}={value}" if value else name for name, value in self.query.items())
        return f"{self.scheme}://{user}{bracketed(self.host)}:{self.port}{self.path}{query if self.query else ''}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"


def parse_address(url: str, ports: dict[str, int], example: str) -> Address:
    """Parse a URL.

    Args:
        url: the URL.
        ports: the allowed schemes, each with its default port.
        example: a valid URL, for the error text.

    Raises:
        UsageError: the URL is malformed, or its scheme is not allowed.
    """
    refusal = f"'{public_url(url)}' is not an address; give one like {example}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(refusal) from error
    if parts.scheme not in ports or not host:
        raise UsageError(refusal)
    return Address(
        scheme=parts.scheme,
        # The zone of a link-local IPv6 address comes after "%25" (RFC 6874); many people write "%".
        host=host.replace("%25", "%", 1) if ":" in host else host,
        port=ports[parts.scheme] if port is None else port,
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def public_url(url: str) -> str:
    """Return a URL without its password. Malformed URLs lose theirs as well."""
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    name, _, _ = user.partition(":")
    return f"{scheme}{mark}{name}{at}{host}{slash}{path}"


def bracketed(host: str) -> str:
    """Return a host as URLs write it: IPv6 addresses in brackets, "%" before a zone as "%25"."""
    return f"[{host.replace('%', '%25', 1)}]" if ":" in host else host


def dialled(host: str) -> str:
    """Return the host under which this machine reaches a listening address: "localhost" for all interfaces."""
    try:
        return "localhost" if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host
