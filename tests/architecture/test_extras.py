"""What runs with which extras: `scripts/demo` installs only `render`, so nothing that the demo loads needs another."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: Import names of the extras' packages that differ from their distributions' names.
MODULES = {
    "python-socks": "python_socks",
    "controlnet-aux": "controlnet_aux",
}

#: Modules that need another extra by their purpose; they are loaded only where it is asked for.
OF_EXTRAS = (
    "evaluation.",
    "layercast.notebook.widget",
    "protocol.transports.mqtt.",
    "protocol.transports.webrtc.",
    "receiver.rendering.cluster.replica",
)

#: Imports every module of the packages; prints those that miss a package.
PROGRAM = """
import importlib, json, sys

root, missing, names = json.loads(sys.argv[1])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            frame = sys._getframe(1)
            while frame.f_code.co_filename.startswith("<frozen importlib"):
                frame = frame.f_back
            # Other libraries load some of these packages if they are installed.
            file = frame.f_code.co_filename
            if file.startswith(root) and "site-packages" not in file:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
found = {}
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        found[name] = str(error)
print(json.dumps(found))
"""


def packages_beside(kept: str) -> list[str]:
    """Return the import names of the packages that neither the project itself nor the extra `kept` installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    own = {name_of(line) for line in (*project["dependencies"], *extras[kept])}
    others = {name_of(line) for extra in extras.values() for line in extra} - own - {"layercast"}
    return sorted(MODULES.get(name, name.replace("-", "_")) for name in others)


def name_of(requirement: str) -> str:
    """Return the distribution that a requirement names."""
    return next(
        iter(requirement.replace("[", " ").replace(">", " ").replace("~", " ").replace("=", " ").split())
    ).lower()


def test_the_demo_and_all_commands_load_with_the_extra_render_alone() -> None:
    pytest.importorskip("torch")
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("layercast", "receiver", "sender", "protocol", "codec")
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__main__.py"
    ]
    names = [name for name in names if not f"{name}.".startswith(OF_EXTRAS)]
    command = [sys.executable, "-c", PROGRAM, json.dumps([str(ROOT), packages_beside("render"), names])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {}
