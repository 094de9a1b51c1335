"""Tokens, without their standing in the list of processes or in a shell's history."""

import argparse
import os
from pathlib import Path

from layercast_common.errors import UsageError

#: The largest file that may hold a token, in bytes.
MAX_FILE = 4096


def add_token(parser: argparse.ArgumentParser, about: str, *, name: str = "token") -> None:
    """`--NAME` and `--NAME-file`.

    Args:
        parser: where to add them.
        about: what the token is for.
        name: the option; the environment variables LAYERCAST_NAME and LAYERCAST_NAME_FILE stand for it.
    """
    group = parser.add_mutually_exclusive_group()
    variable = _variable(name)
    group.add_argument(
        f"--{name}",
        metavar="TOKEN",
        help=f"{about}; better in a file or the variable {variable}, where nobody else on this machine sees it",
    )
    group.add_argument(
        f"--{name}-file", type=Path, metavar="FILE", help=f"the same, in a file (or the variable {variable}_FILE)"
    )


def token_of(options: argparse.Namespace, *, name: str = "token") -> str | None:
    """The token that the options give, else the environment; None if nothing does.

    Raises:
        UsageError: its file cannot be read, or holds none.
    """
    given: str | None = getattr(options, name.replace("-", "_"))
    path: Path | None = getattr(options, f"{name.replace('-', '_')}_file")
    if given is None and path is None:
        variable = _variable(name)
        given = os.environ.get(variable) or None
        named = os.environ.get(f"{variable}_FILE")
        path = Path(named) if given is None and named else None
    return given if path is None else _read(path)


def _variable(name: str) -> str:
    return f"LAYERCAST_{name.upper().replace('-', '_')}"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            token = file.read(MAX_FILE).decode().strip()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} holds no text, and a token is one") from error
    if not token or "\n" in token:
        raise UsageError(f"{path} must hold a token, and nothing else")
    return token
