"""`docs/configuration.md` has every option, and every environment variable that is read."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.configuration import END, PAGE, page_with, render

ROOT = PAGE.parents[1]
PACKAGES = ("layercast_common", "codec", "protocol", "sender", "receiver", "evaluation", "layercast", "training")

#: Variables by the way they are named or read.
VARIABLE = re.compile(
    r"\b(LAYERCAST_[A-Z_]*[A-Z]|HF_[A-Z_]+|XDG_[A-Z_]+|NUMBA_[A-Z_]+|RAY_ADDRESS|TORCH_INDEX)\b"
    r'|environ(?:\.get\(|\.setdefault\(|\[)"([A-Z_]+)"'
    r"|\$\{(PYTHON|PLATFORMS)\b"
)

#: Names that the code builds from parts: `docker/broker-access.sh` for each user, options for each token.
BUILT = {
    "LAYERCAST_RECEIVER_PASSWORD",
    "LAYERCAST_WATCHER_PASSWORD",
    *(f"LAYERCAST_{name}{file}" for name in ("TOKEN", "SHARED_KEY", "HTTP_TOKEN") for file in ("", "_FILE")),
}

#: Read by libraries and by Docker Compose, and named here because people need them.
FOREIGN = {"HF_HUB_OFFLINE", "COMPOSE_PROFILES"}

#: Placeholders in comments.
PLACEHOLDERS = {"LAYERCAST_NAME", "LAYERCAST_NAME_FILE"}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")
    yield from (ROOT / "tests" / "support").glob("*.py")
    yield from (path for folder in ("docker", "scripts", ".ci") for path in (ROOT / folder).iterdir())
    yield ROOT / "docker-compose.yml"


def variables_of(text: str) -> set[str]:
    return {name for match in VARIABLE.finditer(text) for name in match.groups() if name}


def test_the_options_are_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(render()), (
        "run python -m tests.architecture.configuration --write"
    )


def test_every_environment_variable_is_listed() -> None:
    read = set().union(*(variables_of(path.read_text(encoding="utf-8")) for path in sources())) - PLACEHOLDERS
    by_hand = PAGE.read_text(encoding="utf-8").split(END)[1]
    cells = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|", by_hand, re.MULTILINE)
    listed = {name for cell in cells for name in re.findall(r"[A-Z_]+", cell)}
    assert listed - FOREIGN - BUILT <= read
    assert read <= listed
