"""Restoration of planes: sizes, consistency with the plane, files of the network, inputs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch

from codec.layers import EdgeMap
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from layercast_common.errors import ModelFilesError
from receiver.rendering.restoration.inputs import (
    CONDITIONS,
    FIRST_STAGE_FEATURES,
    MAX_PLANE,
    STAGE_FEATURES,
    PlaneInputs,
    in_steps,
    network_inputs,
)
from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork, without_pattern
from receiver.rendering.restoration.restorer import Restorer, draw_lines, save_restoration
from tests.support.models import build_restoration

TINY = NetworkForm((8, 6, 6, 6), (1, 1, 1, 1), (1, 1, 1), 5)


def plane_of(width: int, height: int, last: int) -> Plane:
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows % 256, columns % 256, (rows * columns) % 256], -1).astype(np.uint8)
    coefficients = forward(to_channels(picture))
    return Plane.of(coefficients, np.full(coefficients.shape, last, np.int8))


def tiny(*, trained: bool) -> RestorationNetwork:
    torch.manual_seed(0)
    network = RestorationNetwork(TINY)
    if trained:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(0, 0.3)
    return network


@pytest.mark.parametrize("size", [(1, 1), (5, 90), (64, 64), (101, 67)])
def test_any_size_is_restored_and_agrees_with_the_plane(size: tuple[int, int]) -> None:
    plane = plane_of(*size, last=5)
    restorer = Restorer(tiny(trained=True))
    restored = restorer.restore(plane)
    assert restored.shape == (size[1], size[0], 3)
    assert restored.dtype == np.uint8
    again = Plane.of(restorer.restore_coefficients(plane), plane.last_plane)
    assert (again.magnitudes == plane.magnitudes).all()
    assert (again.signs == plane.signs).all()


def test_untrained_network_leaves_the_picture_as_it_is() -> None:
    plane = plane_of(101, 67, last=6)
    assert np.abs(Restorer(tiny(trained=False)).restore(plane).astype(int) - plane.to_image()).max() <= 1


def test_network_is_nearly_the_same_after_saving(tmp_path: Path) -> None:
    network = build_restoration()
    save_restoration(network, tmp_path)
    plane = plane_of(64, 64, last=6)
    assert (Restorer.load(tmp_path).restore(plane) == Restorer(network).restore(plane)).all()
    rough = tiny(trained=True)
    save_restoration(rough, tmp_path)
    for name, value in Restorer.load(tmp_path).network.state_dict().items():
        wanted = rough.state_dict()[name]
        assert (value - wanted).abs().max() <= wanted.abs().max() / 250


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"_class_name": "Other"}'])
def test_broken_files_raise_model_files_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    save_restoration(tiny(trained=False), tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFilesError, match="restoration"):
        Restorer.load(tmp_path)


def inputs_of(plane: Plane) -> PlaneInputs:
    def tensor(array: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(array[None].astype(np.float32))

    steps = in_steps(tensor(plane.magnitudes), tensor(plane.signs))
    return network_inputs(tensor(plane.to_coefficients()), steps, tensor(plane.last_plane), None)


@pytest.mark.parametrize("size", [(1, 1), (20, 9), (512, 512), (1100, 40)])
def test_inputs_at_any_size(size: tuple[int, int]) -> None:
    inputs = inputs_of(plane_of(*size, last=5))
    assert inputs.shape == (size[1], size[0])
    assert inputs.condition.shape == (1, CONDITIONS)
    assert (inputs.condition == -1).all()
    tall, wide = (side + -side % 32 for side in inputs.shape)
    for stage, channels in enumerate((FIRST_STAGE_FEATURES, STAGE_FEATURES, STAGE_FEATURES, STAGE_FEATURES)):
        assert inputs.stages[stage].shape == (1, channels, tall >> (stage + 2), wide >> (stage + 2))


def test_the_condition_is_the_mean_plane_of_each_level() -> None:
    plane = plane_of(512, 512, last=5)
    planes = plane.last_plane.copy()
    planes[0, 256:, :] = 15
    planes[0, :256, 256:] = 15
    luma, chroma = inputs_of(Plane.of(plane.to_coefficients(), planes)).condition.reshape(2, -1) * 3 + 8
    assert float(luma[0]) == MAX_PLANE
    assert (luma[1:] == 5).all()
    assert (chroma == 5).all()


def test_bands_are_shown_where_they_are_in_the_picture() -> None:
    channels = np.zeros((3, 64, 64), np.float32)
    channels[:, 40:48, 8:16] = 100
    plane = Plane.of(forward(channels), np.zeros((3, 64, 64), np.int8))
    for place, stage in enumerate(inputs_of(plane).stages[:2]):
        seen = stage[0, -12:-3].abs().sum(0)
        rows, columns = np.nonzero(seen.numpy() == float(seen.max()))
        side = 16 >> place
        assert np.abs(rows / side - 44 / 64).min() < 0.2
        assert np.abs(columns / side - 12 / 64).min() < 0.2


def test_lines_are_part_of_what_the_network_sees() -> None:
    plane, restorer = plane_of(101, 67, last=7), Restorer(tiny(trained=True))
    grid = np.zeros((9, 13), np.bool_)
    grid[4] = True
    lines = EdgeMap(grid, plane.canvas)
    assert draw_lines(lines).shape == (17, 26)
    assert (restorer.restore(plane, lines) != restorer.restore(plane)).any()


def test_a_pattern_on_the_grid_of_the_network_is_removed() -> None:
    torch.manual_seed(0)
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(96.0), indexing="ij")
    shapes = (rows / 8 - columns / 16 + 20 * ((rows - 60) ** 2 + (columns - 40) ** 2 < 900))[None, None]
    pattern = torch.randn(1, 1, 8, 8).repeat(1, 1, 16, 12)
    pattern -= pattern.mean()
    coarse, fine = (torch.full((1, CONDITIONS), (plane - 8) / 3) for plane in (8.0, 5.0))
    cleaned = without_pattern(shapes + pattern, coarse)
    assert (cleaned - without_pattern(shapes, coarse)).abs().max() < 1e-4
    assert (without_pattern(shapes, coarse) - shapes).abs().mean() < 0.5
    assert torch.equal(without_pattern(shapes + pattern, fine), shapes + pattern)


def test_a_picture_without_known_chroma_stays_grey() -> None:
    plane = plane_of(64, 64, last=5)
    coefficients = plane.to_coefficients()
    coefficients[1:] = 0
    grey = Plane.of(coefficients, plane.last_plane)
    restored = Restorer(tiny(trained=True)).restore(grey)
    assert (restored == restored[..., :1]).all()
    assert (restored != grey.to_image()).any()
