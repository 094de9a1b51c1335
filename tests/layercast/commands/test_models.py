import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.layercast.conftest import Run

Fails = Callable[..., str]


def test_the_list_names_every_model_and_whether_it_is_here(run: Run, place: Path) -> None:
    models = {model["name"]: model for model in json.loads(run("models", "list", "--json").out)["models"]}
    assert {"mini", "sd15", "sd15-lcm"} <= set(models)
    assert models["sd15"]["folder"] is None
    assert not models["sd15"]["present"]
    table = run("models", "list").out
    assert all(name in table for name in models)


def test_a_working_model_passes_the_check(run: Run, tiny_model: Path, place: Path) -> None:
    facts = json.loads(run("models", "check", tiny_model, "--device", "cpu", "--performance", "plain", "--json").out)
    assert (facts["device"], facts["model"]) == ("cpu", str(tiny_model))
    assert facts["ways"][0]["agrees"]
    assert facts["ways"][0]["performance"] == "plain"
    assert facts["fastest"] in {way["performance"] for way in facts["ways"]}
    assert f"{tiny_model} works: loaded in" in run("models", "check", tiny_model, "--performance", "plain").err


def test_a_model_is_listed_with_the_reason_of_its_settings(run: Run, tiny_model: Path, place: Path) -> None:
    (model,) = json.loads(run("models", "list", tiny_model, "--json").out)["models"]
    assert (model["present"], model["steps"]) == (True, 4)
    assert "flow matching" in model["recognised"]
    assert "flow matching" in run("models", "list", tiny_model).err
    (known,) = json.loads(run("models", "list", "stabilityai/sd-turbo", "--json").out)["models"]
    assert (known["steps"], known["present"]) == (4, False)
    assert "sd-turbo" in known["recognised"]


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (("check", "sd15"), 1, "layercast models fetch sd15"),
        (("check", "sd16"), 1, "no model is called 'sd16'"),
        (("fetch", "sd16"), 1, "no model is called 'sd16'"),
        (("list", "civ/dream.ckpt"), 1, "can run code"),
        (("fetch", "mini", "--lora", "x.safetensors:9"), 2, "style.safetensors:0.8"),
        (("fetch", "mini", "--lora", "x.safetensors"), 1, "no LoRA at x.safetensors"),
    ],
)
def test_a_model_that_cannot_be_had_fails(
    fails: Fails, place: Path, line: tuple[str, ...], code: int, message: str
) -> None:
    assert message in fails(code, "models", *line)


def test_a_report_measures_a_device_part_by_part(run: Run, tiny_model: Path, place: Path) -> None:
    """The CPU's branch, on a tiny model: the same command as on the first day with a GPU."""
    file = place / "reports" / "out.json"
    outcome = run("models", "check", tiny_model, "--device", "cpu", "--report", file, "--json")
    report = json.loads(file.read_text())
    assert json.loads(outcome.out) == {"schema": 1} | report
    parts = report["parts"]
    assert set(parts) == {
        "device", "batches", "graphs", "passes, plain", "passes in a thread, plain", "speed, plain", "speed, 4 steps",
        "stock pipeline", "level starts", "full memory",
    }  # fmt: skip
    assert not [figures for figures in parts.values() if "error" in figures]
    assert parts["batches"]["again_the_same"]
    assert parts["batches"]["in_a_batch_of_3"]["most"] <= 1
    assert parts["graphs"]["skipped"]
    assert parts["full memory"]["skipped"]
    speed = parts["speed, plain"]
    assert 0 < speed["first_frame_ms"] <= speed["whole_ms"]
    assert speed["pictures_per_second"] > 0
    assert speed["seconds"]["stepping"] > 0
    stock = parts["stock pipeline"]
    assert min(stock["stock_ms"], stock["plain_ms"], parts["passes, plain"]["2_ms"]) > 0
    assert stock["plain_from_stock"]["mean"] < 1
    assert stock["float32_from_stock"]["mean"] < 1
    assert {"plain_from_float32", "stock_from_float32"} <= set(stock)
    for kind in ("colour grid", "bit planes"):
        noise, level = (parts["level starts"][kind][way] for way in ("from noise", "from the level before"))
        assert noise.keys() == level.keys()
        assert level["all"]["passes"] < noise["all"]["passes"]
    assert "detail" in parts["level starts"]["bit planes"]["from noise"]
