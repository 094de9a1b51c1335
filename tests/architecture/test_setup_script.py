"""What `scripts/setup` passes from pip's configuration to uv."""

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "uv_install.py"))
BEST = ["--index-strategy", "unsafe-best-match"]


@pytest.mark.parametrize(
    ("listed", "options", "environment"),
    [
        ("", [], {}),
        ("global.index-url='https://mirror/simple'", ["--index-url", "https://mirror/simple"], {}),
        (
            "global.extra-index-url='file:///a file:///b'",
            ["--extra-index-url", "file:///a", "--extra-index-url", "file:///b"],
            {},
        ),
        ("global.find-links='\\n/a\\n/b'", ["--find-links", "/a", "--find-links", "/b"], {}),
        ("global.constraint='/c.txt'", ["--constraints", "/c.txt"], {}),
        ("install.trusted-host='mirror'", ["--allow-insecure-host", "mirror"], {}),
        (":env:.cert='/ca.pem'\n:env:.timeout='9'", [], {"SSL_CERT_FILE": "/ca.pem", "UV_HTTP_TIMEOUT": "9"}),
        (":env:.disable-pip-version-check='1'\nglobal.quiet='2'\ndownload.no-binary=':all:'", [], {}),
    ],
)
def test_uv_gets_what_pip_is_configured_with(listed: str, options: list[str], environment: dict[str, str]) -> None:
    assert SCRIPT["uv_settings"](listed) == (BEST + options, environment)


def test_the_environment_wins_over_files_as_in_pip() -> None:
    listed = ":env:.index-url='https://env'\nglobal.index-url='https://global'\ninstall.index-url='https://install'"
    assert SCRIPT["uv_settings"](listed) == ([*BEST, "--index-url", "https://env"], {})
    without = listed.partition("\n")[2]
    assert SCRIPT["uv_settings"](without) == ([*BEST, "--index-url", "https://install"], {})


@pytest.mark.parametrize(
    "listed", ["global.no-index='true'", "install.require-hashes='true'", ":env:.proxy='http://p'"]
)
def test_what_uv_does_not_know_is_left_to_pip(listed: str) -> None:
    assert SCRIPT["uv_settings"](listed) is None
