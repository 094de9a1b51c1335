"""Texts that are nested too deeply are errors as any other damage is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.rate_distortion.files import read_results
from evaluation.simulation.scenario.loading import load_scenario
from layercast.commands.options.defaults import read_defaults
from layercast_common.errors import ModelFilesError, UsageError
from layercast_common.nested_text import parse_json, parse_toml
from receiver.permissions import Permissions
from receiver.rendering.model_files.recognition import family_of, zeroes_empty_prompts

DEEP = "[" * 100_000


def test_deep_texts() -> None:
    for parse, text in ((parse_json, DEEP), (parse_json, DEEP.encode()), (parse_toml, f"a = {DEEP}")):
        with pytest.raises(ValueError, match="nested too deeply"):
            parse(text)  # type: ignore[arg-type]
    assert (parse_json('{"a": [1]}'), parse_toml("a = [1]")) == ({"a": [1]}, {"a": [1]})
    with pytest.raises(json.JSONDecodeError):
        parse_json("{")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("scenario.toml", load_scenario),
        ("tokens.toml", Permissions.load),
        ("results.json", read_results),
        ("config.toml", lambda path: read_defaults({"LAYERCAST_CONFIG": str(path)})),
    ],
)
def test_readers(name: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / name).write_text(DEEP if name.endswith("json") else f"a = {DEEP}")
    with pytest.raises((UsageError, ModelFilesError), match=name):
        read(tmp_path / name)


def test_models(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    for name in ("unet/config.json", "model_index.json"):
        (tmp_path / name).write_text(DEEP)
    assert family_of(tmp_path) is None
    assert zeroes_empty_prompts(tmp_path)
