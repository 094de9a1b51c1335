"""The wheel holds everything that runs, and runs outside the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: One file of each kind that is no Python module.
DATA = (
    "codec/tables/text-1.npz",
    "layercast/samples/01.png",
    "layercast/samples/01.arrival",
    "receiver/rendering/settings/policies/mini.json",
    "receiver/rendering/weights/mini/model_index.json",
    "receiver/rendering/weights/mini/unet/diffusion_pytorch_model.safetensors",
    "receiver/rendering/weights/mini/memory/pictures.msgpack",
    "receiver/viewer/static/index.html",
    "receiver/viewer/static/export.html",
)

BUILD = """
import sys
from setuptools import build_meta
print(build_meta.build_wheel(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the tracked files so that nothing else slips in and no folder is left behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(ROOT / name, source / name) if source.stat().st_dev == ROOT.stat().st_dev else _copy(name, source)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=source, capture_output=True, text=True, check=True
    )
    return out / built.stdout.splitlines()[-1]


def _copy(name: str, target: Path) -> None:
    (target / name).write_bytes((ROOT / name).read_bytes())


def test_it_holds_all_modules_and_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = [path.parent.name for path in ROOT.glob("*/py.typed")]
    modules = {str(path.relative_to(ROOT)) for package in packages for path in (ROOT / package).rglob("*.py")}
    assert {*modules, *DATA, *(f"{package}/py.typed" for package in packages)} <= names
    assert not [name for name in names if name.startswith(("tests/", "training/"))]


@pytest.mark.slow
def test_the_demo_runs_from_it(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-P", "-m", "layercast", "demo", "--headless", "--out", "out", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)
    code = "import layercast; print(layercast.__file__)"
    where = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(site)
