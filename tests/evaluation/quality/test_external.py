"""Figures by commands and by trained networks."""

import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation.protocols import PROTOCOLS
from evaluation.quality.external import CommandFigure, parse_command_figure
from evaluation.quality.figures import figure_of
from evaluation.quality.learned import NEEDED, NOT_MEASURED, find_learned
from evaluation.quality.reference import Reference
from layercast_common.errors import LayercastError, UsageError

BLACK, GRAY = np.zeros((16, 24, 3), np.uint8), np.full((16, 24, 3), 40, np.uint8)


def command(code: str) -> CommandFigure:
    return CommandFigure("mine", (sys.executable, "-c", code))


def test_the_command_gets_both_pictures_and_a_file() -> None:
    figure = command(
        "import sys, numpy; from PIL import Image; a, b = (numpy.asarray(Image.open(p)).mean() for p in sys.argv[1:3]);"
        "open(sys.argv[3], 'w').write(str(b - a)); print('something else: 7')"
    )
    assert Reference(BLACK, {"mine": figure}).measure(GRAY, ("psnr", "mine"))["mine"] == 40


def test_a_number_may_be_printed() -> None:
    assert command("print('threshold 3'); print('score: -1.5e1')")(GRAY, BLACK) == -15


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print('no figure here')", "gave no number"),
        ("", "gave no number"),
        ("import sys; sys.exit('out of order')", "failed with exit code 1: out of order"),
    ],
)
def test_commands_that_fail(code: str, message: str) -> None:
    with pytest.raises(LayercastError, match=message):
        command(code)(GRAY, BLACK)


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(LayercastError, match="cannot be started"):
        CommandFigure("mine", ("/no/such/program",))(GRAY, BLACK)


def test_names_and_commands() -> None:
    figure = parse_command_figure("Butteraugli-:butteraugli_main --pnorm '3 4'")
    assert figure == CommandFigure("butteraugli-", ("butteraugli_main", "--pnorm", "3 4"))
    about = figure_of(figure.name)
    assert (about.label, about.less_is_better) == ("butteraugli", True)
    for text in ("vmaf", "vmaf:", ":x", "a b:x", "vmaf:'x", "psnr:x", "gmsd-:x"):
        with pytest.raises(UsageError):
            parse_command_figure(text)


def test_every_figure_that_cannot_be_measured_has_a_reason(tmp_path: Path) -> None:
    names = {name.removesuffix("-") for name in NEEDED} | set(NOT_MEASURED)
    found, reasons = find_learned(None)
    assert found == []
    assert set(reasons) == names
    assert "--weights" in reasons["lpips"]
    (tmp_path / "clip").mkdir()
    found, reasons = find_learned(tmp_path)
    assert found == []
    assert "has no checkpoints/alexnet" in reasons["lpips"]
    assert {name for protocol in PROTOCOLS.values() for name in protocol.figures} - {"psnr", "ms_ssim_rgb"} <= names


def test_clip_similarity_of_a_real_model(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        projection_dim=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    transformers.CLIPVisionModelWithProjection(config).save_pretrained(tmp_path / "clip")
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(tmp_path / "clip")
    (figure,), _ = find_learned(tmp_path)
    noise = np.random.default_rng(1).integers(0, 256, BLACK.shape).astype(np.uint8)
    assert figure(noise, noise) == pytest.approx(1, abs=1e-4)
    assert figure(BLACK, noise) < 0.9999
    assert figure.identity() == find_learned(tmp_path)[0][0].identity()


@pytest.mark.parametrize("name", ["lpips-", "dists-"])
def test_networks_of_torchmetrics(tmp_path: Path, name: str) -> None:
    """Random weights in files of the right names: nothing is downloaded, and equal pictures have no distance."""
    pytest.importorskip("torchmetrics")
    models = pytest.importorskip("torchvision").models
    import torch

    file = tmp_path / NEEDED[name][1]
    file.parent.mkdir()
    torch.save((models.alexnet() if name == "lpips-" else models.vgg16()).state_dict(), file)
    (figure,), _ = find_learned(tmp_path)
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    assert figure(picture, picture) == pytest.approx(0, abs=1e-5)
    assert figure(picture, 255 - picture) > 1e-4
