"""Training command of the restoration network: four steps on generated pictures."""

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch

from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels, top_plane
from receiver.rendering.restoration.restorer import Restorer
from training.data.tiles import HELD_OUT_PERCENT, is_held_out
from training.restoration import train as restoration
from training.restoration.coding import prefix_planes
from training.restoration.data import VALIDATION_PERCENT


def _sheet(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    picture = np.full((1024, 1024, 3), random.integers(0, 256, 3), np.uint8)
    for _ in range(12):
        x, y, radius = (int(value) for value in random.integers(20, 400, 3))
        cv2.circle(picture, (2 * x, 2 * y), radius, tuple(int(value) for value in random.integers(0, 256, 3)), -1)
    return Image.fromarray(picture)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a training sheet and a validation sheet."""
    (tmp_path / "sheets").mkdir()
    names = (name for name in (f"{n}.webp" for n in itertools.count()) if not is_held_out(name, HELD_OUT_PERCENT))
    kept = {True: "", False: ""}
    while not all(kept.values()):
        name = next(names)
        kept[is_held_out(f"restoration/{name}", VALIDATION_PERCENT)] = name
    rows = []
    for seed, name in enumerate(kept.values()):
        _sheet(seed).save(tmp_path / "sheets" / name, quality=80)
        row = {"sheet": name, "box": [0, 0, 512, 512], "subject": None, "style": "", "categories": []}
        rows.append(json.dumps(row))
    (tmp_path / "tiles.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


def test_restoration_is_trained_and_written(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    restoration.main(["--data", str(data), "--out", str(out), "--threads", "1", "--device", "cpu", "--smoke"])
    last = json.loads((out / "restoration.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert last["step"] == 4
    assert abs(last["psnr_7"]) < 0.1
    # A second run finds the budget spent and has nothing to do.
    restoration.main(["--data", str(data), "--out", str(out), "--threads", "1", "--device", "cpu", "--smoke"])
    channels = to_channels(np.asarray(_sheet(2).resize((128, 96)), np.uint8))
    ended = prefix_planes((96, 128), torch.tensor([6.0]), torch.tensor([0.4]), torch.tensor([False]))
    planes = ended[0].numpy().astype(np.int8)
    assert planes.max() == top_plane(128, 96) + 1
    restored = Restorer.load(out / "restoration").restore(Plane.of(forward(channels), planes))
    assert restored.shape == (96, 128, 3)
