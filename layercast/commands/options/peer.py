"""Options of commands that connect to a peer: link, certificates, ICE servers, packet signing."""

import argparse
import ssl as tls
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.token import add_token, token_of
from layercast_common.errors import StorageError, UsageError

if TYPE_CHECKING:
    from protocol.wire.seals import SharedKey

#: The forms of addresses, for the help of commands.
ADDRESSES = """\
addresses:
  ws://HOST:PORT, wss://HOST:PORT                    WebSockets
  webrtc+http://HOST:PORT, webrtc+https://HOST:PORT  WebRTC data channels; the address is the signalling server
  mqtt://[USER@]BROKER[:PORT]/STREAM, mqtts://...    MQTT broker; its password is in LAYERCAST_MQTT_PASSWORD"""


def add_connecting(parser: argparse.ArgumentParser) -> None:
    """Add the options of connecting to a receiver."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--trust", type=Path, metavar="PEM", help="trust the certificates in this file (default: the system's)"
    )
    group.add_argument(
        "--no-proxy",
        action="store_true",
        help="connect without the proxy of the environment (ALL_PROXY, HTTPS_PROXY), which is for ws:// and wss://",
    )
    _add_ice_server(group)
    _add_shared_key(parser)


def add_listening(parser: argparse.ArgumentParser) -> None:
    """Add the options of accepting connections."""
    group = parser.add_argument_group("connection")
    group.add_argument("--certificate", type=Path, metavar="PEM", help="server certificate for wss:// and https")
    group.add_argument("--key", type=Path, metavar="PEM", help="its key, unless it is in the same file")
    group.add_argument(
        "--trust", type=Path, metavar="PEM", help="trust these certificates of a broker (default: the system's)"
    )
    _add_ice_server(group)
    _add_shared_key(parser)


def add_link(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the options of link emulation."""
    group = parser.add_argument_group("emulated link" if default else "link")
    group.add_argument(
        "--link",
        metavar="PROFILE",
        default=default,
        help="emulate a link: gsm, lora-sf7, lora-sf9, iridium, nb-iot, acoustic, lte-m or fast"
        + (" (default: %(default)s)" if default else ""),
    )
    group.add_argument("--rate", type=float, metavar="BIT/S", help="emulate a link of this rate")


def shared_key_of(options: argparse.Namespace) -> "SharedKey | None":
    """Return the key that packets are signed with; None if none is given.

    Raises:
        StorageError: its file cannot be read.
        UsageError: the key is too short.
    """
    secret = token_of(options, name="shared-key")
    if secret is None:
        return None
    from protocol.wire.seals import SharedKey

    return SharedKey(secret.encode())


def trust_of(options: argparse.Namespace) -> tls.SSLContext | None:
    """Return the certificates to trust; None for the system's.

    Raises:
        StorageError: the file cannot be read.
        UsageError: the file contains no certificates.
    """
    if options.trust is None:
        return None
    try:
        return tls.create_default_context(cafile=str(options.trust))
    except tls.SSLError as error:
        raise UsageError(f"{options.trust} contains no certificates: {_reason(error)}") from error
    except OSError as error:
        raise StorageError.of(error, options.trust, "cannot be read") from error


def certificate_of(options: argparse.Namespace) -> tls.SSLContext | None:
    """Return the server certificate; None if none is given.

    Raises:
        StorageError: a file cannot be read.
        UsageError: the files contain no certificate with its key, or there is a --key without a --certificate.
    """
    if options.certificate is None:
        if options.key is not None:
            raise UsageError("--key needs a --certificate; name its file, too")
        return None
    context = tls.create_default_context(tls.Purpose.CLIENT_AUTH)
    files = f"{options.certificate}" + (f" and {options.key}" if options.key else "")
    try:
        context.load_cert_chain(options.certificate, options.key)
    except tls.SSLError as error:
        raise UsageError(f"no certificate with its key in {files}: {_reason(error)}") from error
    except OSError as error:
        raise StorageError.of(error, files, "cannot be read") from error
    return context


def _add_shared_key(parser: argparse.ArgumentParser) -> None:
    add_token(parser, "sign packets with this secret where there is no TLS; both sides need it", name="shared-key")


def _add_ice_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--ice-server",
        action="append",
        default=[],
        metavar="URL",
        help="for WebRTC between networks: stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT; may be repeated",
    )


def _reason(error: tls.SSLError) -> str:
    return error.reason or str(error)
