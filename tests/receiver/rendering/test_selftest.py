from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from codec.layers import Layer, Priors
from layercast_common.errors import UsageError
from receiver.rendering.backends.benchmark_records import record_performance, recorded_performance
from receiver.rendering.backends.choice import with_performance
from receiver.rendering.engine.direct import render
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.fingerprint import describe_mismatch, fingerprint, revision_of, split_revision
from receiver.rendering.models.model import Model
from receiver.rendering.selftest import TOLERANCES, PerformanceCheck, check_performances, fastest
from receiver.rendering.settings.performance import Performance

COMMIT = "0123456789abcdef0123456789abcdef01234567"

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERCAST_CACHE", str(tmp_path / "cache"))


def last(model: Model, priors: Priors) -> torch.Tensor:
    return torch.from_numpy(np.array(list(render(priors, 1, model=model))[-1].image, np.int16))


def test_a_sound_model_agrees_with_itself(mini: Model) -> None:
    (way,) = check_performances(mini, [Performance.PLAIN])
    assert way.agrees
    assert (way.difference, way.repeats, way.dtype) == (0.0, True, "float32")


def test_half_precision_stays_within_its_tolerance(mini: Model, mini_folder: Path, priors: Priors) -> None:
    half = load_model(mini_folder, "cpu", dtype="bfloat16", performance="plain", settings=mini.settings)
    assert (last(half, priors) - last(mini, priors)).float().abs().mean() <= TOLERANCES["bfloat16"]


def test_a_model_that_never_draws_the_same_twice_does_not_agree(mini: Model) -> None:
    class Shaky:
        def __init__(self) -> None:
            self.config = mini.unet.config

        def __call__(self, sample: torch.Tensor, *inputs: object, **named: object) -> tuple[torch.Tensor]:
            return (mini.unet(sample, *inputs, **named)[0] + torch.randn_like(sample),)

    (way,) = check_performances(replace(mini, unet=Shaky()), [Performance.PLAIN])
    assert not way.agrees
    assert not way.repeats


@pytest.mark.parametrize(("dtype", "agrees"), [("float16", True), ("float32", False)])
def test_rounding_in_a_batch_is_no_fault(dtype: str, *, agrees: bool) -> None:
    """Kernels for another batch size add in another order: one value of a thousand may be far out, not the mean."""
    way = PerformanceCheck(
        performance="graphs", dtype=dtype, repeats=True, tolerance=4.0, batch_mean=0.3, batch_difference=9.0
    )
    assert way.agrees is agrees
    assert not replace(way, batch_mean=6.0).agrees
    assert not replace(way, batch_difference=60.0).agrees


def test_a_single_value_that_is_far_out_is_no_fault(mini: Model) -> None:
    class Rounding:
        """Another result for batches: what half precision does to a few values, as far as it can go."""

        def __init__(self) -> None:
            self.config = mini.unet.config

        def __call__(self, sample: torch.Tensor, *inputs: object, **named: object) -> tuple[torch.Tensor]:
            output = mini.unet(sample, *inputs, **named)[0]
            if len(sample) > 1:
                output = output + 2e-3 * torch.sin(1e4 * output)
            return (output,)

    (way,) = check_performances(replace(mini, unet=Rounding()), [Performance.PLAIN])
    assert way.agrees
    assert 0 < way.batch_mean < 0.05


def test_neighbours_that_mix_in_a_batch_are_a_fault(mini: Model) -> None:
    class Mixing:
        def __init__(self) -> None:
            self.config = mini.unet.config

        def __call__(self, sample: torch.Tensor, *inputs: object, **named: object) -> tuple[torch.Tensor]:
            return (mini.unet(sample, *inputs, **named)[0].roll(1, dims=0),)

    (way,) = check_performances(replace(mini, unet=Mixing()), [Performance.PLAIN])
    assert not way.agrees


@needs_openvino
def test_openvino_draws_the_same_pictures_at_every_size_and_level(mini: Model, priors: Priors) -> None:
    converted = with_performance(mini, "openvino")
    assert converted.performance is Performance.OPENVINO
    tall = replace(priors, canvas=(48, 64))
    for state in (priors, tall.only([Layer.SEMANTIC])):
        assert (last(converted, state) - last(mini, state)).abs().max() <= 1


def test_the_fastest_way_that_agrees_wins() -> None:
    ways = [
        PerformanceCheck(performance="plain", repeats=True, step_s=2.0, tolerance=0.5),
        PerformanceCheck(performance="openvino", repeats=True, step_s=1.0, tolerance=0.5, difference=9.0),
        PerformanceCheck(performance="compiled", step_s=0.5, problem="no compiler"),
    ]
    assert fastest(ways) is Performance.PLAIN
    assert fastest([*ways, replace(ways[1], difference=0.1)]) is Performance.OPENVINO
    assert fastest([]) is Performance.PLAIN


def test_the_result_of_a_check_is_stored(tmp_path: Path) -> None:
    assert recorded_performance("abc") is Performance.PLAIN
    record_performance("abc", Performance.OPENVINO, {"openvino": 0.1})
    assert recorded_performance("abc") is Performance.OPENVINO
    next((tmp_path / "cache").rglob("check.json")).write_text("{")
    assert recorded_performance("abc") is Performance.PLAIN


@pytest.mark.parametrize(("performance", "message"), [("warp", "use one of auto"), ("graphs", "need a CUDA device")])
def test_impossible_performances_are_refused(mini: Model, performance: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_performance(mini, performance)


def test_low_memory_draws_the_same(mini_folder: Path, mini: Model, priors: Priors) -> None:
    small = load_model(mini_folder, "cpu", dtype="float32", performance="low-memory", settings=mini.settings)
    assert (last(small, priors) - last(mini, priors)).abs().max() <= 1


def test_controlnets_run_plainly(controlled: Model) -> None:
    assert with_performance(controlled, "auto").performance is Performance.PLAIN
    with pytest.raises(UsageError, match="ControlNets do not run on openvino"):
        with_performance(controlled, "openvino")


def test_weights_have_fingerprints(mini: Model, sd15: Model, mini_folder: Path) -> None:
    assert mini.fingerprint != sd15.fingerprint
    assert fingerprint([mini_folder / "unet"]) == fingerprint([mini_folder / "unet"])
    assert load_model(mini_folder, "cpu").fingerprint == mini.fingerprint


@pytest.mark.parametrize(
    ("meant", "name", "revision", "expected"),
    [
        ("mini", "mini", None, None),
        ("sd15", "mini", None, "made for the model sd15 and is rendered with mini"),
        ("sd15", "sd15", COMMIT, None),
        ("sd15@0123456", "sd15", COMMIT, None),
        ("sd15@0123456", "sd15@0123456", COMMIT, None),
        ("sd15@9999999", "sd15", COMMIT, "rendered with revision 0123456"),
        ("sd15@9999999", "sd15", None, "rendered with revision unknown"),
        ("owner/model@1", "owner/other", None, "made for the model owner/model@1"),
    ],
)
def test_another_model_is_reported(meant: str, name: str, revision: str | None, expected: str | None) -> None:
    line = describe_mismatch(meant, name, revision)
    assert line is None if expected is None else expected in str(line)


def test_revisions_are_read_from_folder_names(tmp_path: Path) -> None:
    folder = tmp_path / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    assert revision_of(folder) == COMMIT
    assert revision_of(tmp_path) is None
    assert split_revision("a/b@1f") == ("a/b", "1f")
    assert split_revision("mini") == ("mini", None)
