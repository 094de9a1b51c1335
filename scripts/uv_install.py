"""Run `uv pip install` with the indexes that pip is configured to use. Ends with 3 if uv cannot do what pip would.

uv reads neither pip's configuration files nor PIP_*. `pip config list` says what they hold.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

#: Settings of pip that uv has as options or reads from variables, and those that do not change what is installed.
OPTIONS = {
    "constraint": "--constraints",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "index-url": "--index-url",
    "trusted-host": "--allow-insecure-host",
}
VARIABLES = {"cert": "SSL_CERT_FILE", "default-timeout": "UV_HTTP_TIMEOUT", "timeout": "UV_HTTP_TIMEOUT"}
IGNORED = {"disable-pip-version-check", "no-color", "no-input", "progress-bar", "quiet", "root-user-action", "verbose"}

#: Sections of pip's configuration, the weakest first.
PRECEDENCE = ("global", "install", ":env:")

#: The exit code that asks for pip.
USE_PIP = 3


def uv_settings(listed: str) -> tuple[list[str], dict[str, str]] | None:
    """Return options and environment for uv from the text of `pip config list`; None if uv lacks a setting."""
    settings: dict[str, tuple[int, list[str]]] = {}
    for line in listed.splitlines():
        name, found, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if found and section in PRECEDENCE and key not in IGNORED:
            chosen = PRECEDENCE.index(section), str(ast.literal_eval(value)).split()
            settings[key] = max(settings.get(key, chosen), chosen)
    # As pip does: the best version of all indexes, not of the first that knows the name.
    arguments, environment = ["--index-strategy", "unsafe-best-match"], {}
    for key, (_, words) in settings.items():
        if key in OPTIONS:
            arguments += [part for word in words for part in (OPTIONS[key], word)]
        elif key in VARIABLES:
            environment[VARIABLES[key]] = words[0]
        else:
            return None
    return arguments, environment


def main() -> int:
    """Run uv with this process's arguments; return its exit code, or `USE_PIP`."""
    uv = Path(sys.executable).with_name("uv")
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    settings = uv_settings(listed.stdout) if listed.returncode == 0 else None
    if settings is None or not uv.exists():
        return USE_PIP
    options, environment = settings
    if "--index-url" in sys.argv and "--index-url" in options:
        place = options.index("--index-url")
        del options[place : place + 2]
    command = [str(uv), "pip", "install", "--python", sys.executable, *options, *sys.argv[1:]]
    return subprocess.run(command, env=os.environ | environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
