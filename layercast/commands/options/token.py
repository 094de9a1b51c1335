"""Options for tokens and other secrets, and for the permissions of a receiver.

A secret may be given in a file or an environment variable, so that it is not in the process list or the shell history.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from layercast_common.errors import StorageError, UsageError

if TYPE_CHECKING:
    from receiver.permissions import Permissions

#: The largest file that may contain a token, in bytes.
MAX_FILE = 4096

#: The token of docker/example.env in earlier versions.
EXAMPLE_TOKEN = "choose-a-long-one"  # noqa: S105


def add_token(parser: argparse.ArgumentParser, about: str, *, name: str = "token") -> None:
    """Add `--NAME` and `--NAME-file`.

    Args:
        parser: the parser.
        about: what the token is for.
        name: the option; the environment variables LAYERCAST_NAME and LAYERCAST_NAME_FILE are its defaults.
    """
    group = parser.add_mutually_exclusive_group()
    variable = _variable(name)
    group.add_argument(
        f"--{name}",
        metavar="TOKEN" if name.endswith("token") else "SECRET",
        help=f"{about}; a file or the variable {variable} hides it from other users of this machine",
    )
    group.add_argument(
        f"--{name}-file", type=Path, metavar="FILE", help=f"read it from a file (or the variable {variable}_FILE)"
    )


def token_of(options: argparse.Namespace, *, name: str = "token") -> str | None:
    """Return the token from the options, else from the environment; None if neither has one.

    Raises:
        StorageError: its file cannot be read.
        UsageError: its file does not contain exactly one token, or it is the token of an example.
    """
    given: str | None = getattr(options, name.replace("-", "_"))
    path: Path | None = getattr(options, f"{name.replace('-', '_')}_file")
    if given is None and path is None:
        variable = _variable(name)
        given = os.environ.get(variable) or None
        file = os.environ.get(f"{variable}_FILE")
        path = Path(file) if given is None and file else None
    token = given if path is None else _read(path)
    if token == EXAMPLE_TOKEN:
        raise UsageError(
            f"the {name} is the one of an example, which others know; choose another: openssl rand -hex 24"
        )
    return token


def add_permissions(parser: argparse.ArgumentParser) -> None:
    """Add the token that senders need, and `--permissions`."""
    add_token(parser, "token that senders need; without it anyone may send")
    parser.add_argument(
        "--permissions",
        type=Path,
        metavar="TOML",
        help="in place of one token: which tokens may send which streams, view pictures, and read the metrics",
    )


def permissions_of(options: argparse.Namespace) -> "Permissions | None":
    """Return who may send and view; None if everyone may.

    Raises:
        StorageError: a file cannot be read.
        UsageError: the permissions are not valid, or a token is given besides.
    """
    from receiver.permissions import Permissions

    token = token_of(options)
    if options.permissions is not None:
        if token is not None:
            raise UsageError("--permissions and --token exclude each other; add the token to the permissions file")
        return Permissions.load(options.permissions)
    return None if token is None else Permissions.of_token(token)


def _variable(name: str) -> str:
    return f"LAYERCAST_{name.upper().replace('-', '_')}"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_FILE).decode().strip()
    except OSError as error:
        raise StorageError.of(error, path) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file and cannot hold a token") from error
    if not token or "\n" in token:
        raise UsageError(f"{path} must contain one token and nothing else")
    return token
