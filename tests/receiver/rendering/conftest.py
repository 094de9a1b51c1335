from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

# Before torch, which reads the environment variable that this package sets.
import receiver.rendering  # noqa: F401  isort: skip
import torch

from codec.layers import ColorMap, EdgeMap, Priors, Semantic, Skeleton
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from receiver.rendering.loader import load_model
from receiver.rendering.models.model import Model
from receiver.rendering.restoration.restorer import Restorer
from receiver.rendering.settings.settings import flow_settings
from tests.support.hubs import write_repositories
from tests.support.models import build_restoration, build_tiny_model
from tests.support.pictures import draw_picture

CANVAS = (64, 64)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def mini_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-mini", "mini")


@pytest.fixture(scope="session")
def sd15_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-sd15", "sd15")


@pytest.fixture(scope="session")
def mini(mini_folder: Path) -> Model:
    """A tiny model of `mini`'s kind, with fixed steps that do not depend on the real one's settings."""
    settings = replace(flow_settings(CANVAS[0]), steps=8, previews=(2, 4))
    return load_model(mini_folder, "cpu", dtype="float32", settings=settings)


@pytest.fixture(scope="session")
def sd15(sd15_folder: Path) -> Model:
    """A tiny model of Stable Diffusion's kind, with literal prompts as in stock pipelines."""
    model = load_model(sd15_folder, "cpu", dtype="float32")
    return replace(model, settings=replace(model.settings, weighted_prompts=False))


@pytest.fixture(scope="session")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tiny model with ControlNets."""
    folder = build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-controlnet", "controlnet")
    model = load_model(folder, "cpu", dtype="float32")
    return replace(model, settings=replace(model.settings, weighted_prompts=False))


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tiny model of Stable Diffusion XL's kind."""
    folder = build_tiny_model(tmp_path_factory.mktemp("models") / "tiny-sdxl", "sdxl")
    return load_model(folder, "cpu", dtype="float32")


@pytest.fixture(scope="session")
def priors() -> Priors:
    """A small picture with a prompt, edges and colours."""
    random = np.random.default_rng(5)
    return Priors(
        CANVAS,
        Semantic("a red house by the lake"),
        EdgeMap(random.random((16, 16)) < 0.2, CANVAS),
        ColorMap(random.integers(0, 256, (2, 2, 3), dtype=np.uint8), CANVAS),
    )


@pytest.fixture(scope="session")
def plane() -> Plane:
    """A small picture's coefficients, known down to bit plane 4: texture and detail."""
    coefficients = forward(to_channels(draw_picture(*CANVAS)))
    return Plane.of(coefficients, np.full(coefficients.shape, 4, np.int8))


@pytest.fixture(scope="session")
def planes(plane: Plane) -> Priors:
    """The small picture with a prompt and bit planes."""
    return Priors(CANVAS, Semantic("a red house by the lake"), texture=ColorMap(plane.colors(16), CANVAS), plane=plane)


@pytest.fixture(scope="session")
def restoring(mini: Model) -> Model:
    """The tiny model of `mini`'s kind with a restoration network."""
    return replace(mini, restoration=Restorer(build_restoration()))


@pytest.fixture(scope="session")
def skeleton() -> Skeleton:
    return Skeleton((tuple((4.0 + 3 * point, 60.0 - 3 * point) for point in range(18)),), CANVAS)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches of the hub and of layercast, in place of this machine's."""
    folder = tmp_path / "hub"
    folder.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("LAYERCAST_CACHE", str(tmp_path / "layercast"))
    return folder


@pytest.fixture(scope="session")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_repositories(tmp_path_factory.mktemp("repositories"))
