"""Defaults of options from environment variables and from a configuration file.

An option on the command line comes first, then its variable, then the file, then the command's own default.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from layercast_common.errors import StorageError, UsageError
from layercast_common.nested_text import parse_toml

#: The options that have a default outside the command line, by their names in the file, with their variables.
VARIABLES = {"to": "LAYERCAST_TO", "link": "LAYERCAST_LINK", "model": "LAYERCAST_MODEL"}

#: The commands that take them from there, with the options that each has.
COMMANDS = {
    "demo": ("link", "model"),
    "encode": ("model",),
    "receive": ("model",),
    "send": ("to", "link", "model"),
    "watch": ("to", "link", "model"),
}

#: The largest configuration file, in bytes.
MAX_FILE = 65536


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the configuration file: LAYERCAST_CONFIG, or layercast/config.toml in the user's configuration folder."""
    if named := environment.get("LAYERCAST_CONFIG"):
        return Path(named)
    folder = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "layercast" / "config.toml"


def read_defaults(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the defaults that variables and the configuration file set.

    Raises:
        StorageError: the file cannot be read, or is missing although LAYERCAST_CONFIG names it.
        UsageError: the file is not TOML, or has a name or value that is not known.
    """
    path = config_path(environment)
    defaults = _read_file(path) if path.exists() or environment.get("LAYERCAST_CONFIG") else {}
    return defaults | {name: value for name, variable in VARIABLES.items() if (value := environment.get(variable))}


def defaults_of(command: str, defaults: Mapping[str, str]) -> dict[str, str]:
    """Return those defaults that are options of a command."""
    return {name: defaults[name] for name in COMMANDS.get(command, ()) if name in defaults}


def receiver_of(to: str | None) -> str:
    """Return the receiver's URL.

    Raises:
        UsageError: there is none.
    """
    if to is None:
        raise UsageError(
            f'name the receiver: --to ws://HOST:PORT, the variable {VARIABLES["to"]}, or to = "ws://HOST:PORT" in '
            f"{config_path()}"
        )
    return to


def _read_file(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
    except OSError as error:
        raise StorageError.of(error, path, "cannot be read") from error
    try:
        if len(text) > MAX_FILE:
            raise UsageError(f"{path} is larger than {MAX_FILE} bytes")
        values = parse_toml(text.decode())
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    for name, value in values.items():
        if name not in VARIABLES or not isinstance(value, str):
            raise UsageError(f"{path}: {name} is no setting; there are {', '.join(VARIABLES)}, each a text")
    return values
