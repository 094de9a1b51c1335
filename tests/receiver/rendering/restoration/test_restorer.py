"""Restoration of planes: sizes, consistency with the plane, files of the network, features."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch

from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, to_channels
from layercast_common.errors import ModelFilesError
from receiver.rendering.restoration.features import FEATURES, LEVELS, MAX_PLANE, features, level_maps, mean_planes
from receiver.rendering.restoration.network import NetworkForm, RestorationNetwork
from receiver.rendering.restoration.restorer import Restorer, save_restoration

TINY = NetworkForm(((8, 6),) * LEVELS)


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


@pytest.mark.parametrize("shade", [0, 60, 128, 255])
def test_flat_pictures_stay_flat(shade: int) -> None:
    coefficients = forward(to_channels(np.full((96, 64, 3), shade, np.uint8)))
    for last in (10, 7):
        plane = Plane.of(coefficients, np.full(coefficients.shape, last, np.int8))
        restored = Restorer(tiny(trained=True)).restore(plane)
        assert np.ptp(restored, axis=(0, 1)).max() <= 1


def test_untrained_network_leaves_the_picture_as_it_is() -> None:
    plane = plane_of(101, 67, last=6)
    assert np.abs(Restorer(tiny(trained=False)).restore(plane).astype(int) - plane.to_image()).max() <= 1


def test_network_is_the_same_after_saving_to_half_precision(tmp_path: Path) -> None:
    network = tiny(trained=True).half().float()
    save_restoration(network, tmp_path)
    plane = plane_of(64, 64, last=6)
    assert (Restorer.load(tmp_path).restore(plane) == Restorer(network).restore(plane)).all()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"_class_name": "Other"}'])
def test_broken_files_raise_model_files_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    save_restoration(tiny(trained=False), tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFilesError, match="restoration"):
        Restorer.load(tmp_path)


def test_mean_planes_of_each_level_at_any_size() -> None:
    for size in ((1, 1), (20, 9), (512, 512), (1100, 40)):
        assert (mean_planes(plane_of(*size, last=3)) == 3).all()
    plane = plane_of(512, 512, last=3)
    planes = plane.last_plane.copy()
    planes[0, 256:, :] = 15
    planes[0, :256, 256:] = 15
    means = mean_planes(Plane.of(plane.to_coefficients(), planes))
    assert means[0, 0] == MAX_PLANE
    assert (means[0, 1:] == 3).all()
    assert (means[1] == 3).all()


def test_features_of_turned_pictures_differ_only_in_their_order() -> None:
    plane = plane_of(64, 64, last=4)
    turned = Plane.of(np.swapaxes(plane.to_coefficients(), 1, 2), plane.last_plane)
    rows, columns = np.arange(16), np.arange(15, -1, -1)
    of_plane = features(level_maps(plane, plane.to_coefficients())[1], rows, columns)
    of_turned = features(level_maps(turned, turned.to_coefficients())[1], columns, rows)
    assert of_plane.shape == (16, FEATURES)
    window = of_turned[:, :64].reshape(-1, 8, 8).swapaxes(1, 2).reshape(-1, 64)
    assert np.abs(of_plane[:, :64] - window).max() < 1e-3
    assert np.isfinite(of_plane).all()


def test_a_picture_without_known_chroma_stays_grey() -> None:
    plane = plane_of(64, 64, last=5)
    coefficients = plane.to_coefficients()
    coefficients[1:] = 0
    grey = Plane.of(coefficients, plane.last_plane)
    restored = Restorer(tiny(trained=True)).restore(grey)
    assert (restored == restored[..., :1]).all()
    assert (restored != grey.to_image()).any()
