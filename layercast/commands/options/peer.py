"""Arguments of commands that talk to a far side: where it is, whom to trust, and which certificate to show."""

import argparse
import ssl as tls
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.commands.options.token import add_token, token_of
from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from protocol.wire.seals import SharedKey

#: What an address may look like, for the help of commands.
ADDRESSES = """\
addresses:
  ws://HOST:PORT, wss://HOST:PORT                    WebSockets
  webrtc+http://HOST:PORT, webrtc+https://HOST:PORT  WebRTC data channels; the address is where they are arranged
  mqtt://[USER@]BROKER[:PORT]/STREAM, mqtts://...    through a broker; its password in LAYERCAST_MQTT_PASSWORD"""


def add_dialling(parser: argparse.ArgumentParser) -> None:
    """What it takes to connect."""
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--trust", type=Path, metavar="PEM", help="trust the certificates in this file (default: the system's)"
    )
    _add_ice_server(group)
    _add_shared_key(parser)


def add_listening(parser: argparse.ArgumentParser) -> None:
    """What it takes to be connected to."""
    group = parser.add_argument_group("connection")
    group.add_argument("--certificate", type=Path, metavar="PEM", help="the certificate to show at wss:// and https")
    group.add_argument("--key", type=Path, metavar="PEM", help="its key, unless it is in the same file")
    group.add_argument(
        "--trust", type=Path, metavar="PEM", help="trust these certificates of a broker (default: the system's)"
    )
    _add_ice_server(group)
    _add_shared_key(parser)


def shared_key_of(options: argparse.Namespace) -> "SharedKey | None":
    """The key that packets are signed with; None if none was given.

    Raises:
        UsageError: it cannot be read, or is too short.
    """
    secret = token_of(options, name="shared-key")
    if secret is None:
        return None
    from protocol.wire.seals import SharedKey

    return SharedKey(secret.encode())


def trust_of(options: argparse.Namespace) -> tls.SSLContext | None:
    """The certificates to trust; None for the system's.

    Raises:
        UsageError: they cannot be read.
    """
    if options.trust is None:
        return None
    try:
        return tls.create_default_context(cafile=str(options.trust))
    except OSError as error:
        raise UsageError(f"no certificates to trust in {options.trust}: {_reason(error)}") from error


def certificate_of(options: argparse.Namespace) -> tls.SSLContext | None:
    """The certificate to show; None if none was given.

    Raises:
        UsageError: it cannot be read, or its key is missing.
    """
    if options.certificate is None:
        if options.key is not None:
            raise UsageError("--key belongs to a --certificate; name that, too")
        return None
    context = tls.create_default_context(tls.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.certificate, options.key)
    except OSError as error:
        files = f"{options.certificate}" + (f" and {options.key}" if options.key else "")
        raise UsageError(f"no certificate with its key in {files}: {_reason(error)}") from error
    return context


def _add_shared_key(parser: argparse.ArgumentParser) -> None:
    add_token(parser, "sign packets with this secret, the same on both sides, where there is no TLS", name="shared-key")


def _add_ice_server(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--ice-server",
        action="append",
        default=[],
        metavar="URL",
        help="for WebRTC between networks: stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT; may be repeated",
    )


def _reason(error: OSError) -> str:
    return (error.reason if isinstance(error, tls.SSLError) else error.strerror) or str(error)
