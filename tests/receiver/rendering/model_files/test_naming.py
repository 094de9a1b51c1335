from pathlib import Path

import pytest

from layercast_common.errors import UnknownModelError, UsageError
from receiver.rendering.model_files.naming import find_entry
from receiver.rendering.model_files.registry import REGISTRY, SD15, SDXL
from receiver.rendering.settings.additions import Lora
from tests.support.hubs import COMMIT


@pytest.mark.parametrize(
    ("hub_id", "name"),
    [
        ("stabilityai/sd-turbo", "sd-turbo"),
        (SDXL, "sdxl"),
        (SD15, "sd15"),
        ("runwayml/stable-diffusion-v1-5", "sd15"),
        ("Tongyi-MAI/Z-Image-Turbo", "z-image"),
    ],
)
def test_a_registered_models_own_hub_id_keeps_its_entry(hub_id: str, name: str, tmp_path: Path) -> None:
    entry = find_entry(hub_id)
    assert (entry.settings, entry.adapters, entry.vae, entry.loras) == (
        REGISTRY[name].settings,
        REGISTRY[name].adapters,
        REGISTRY[name].vae,
        (),
    )
    assert entry.base == hub_id
    assert name in entry.reason
    assert find_entry(f"{hub_id}@1a2b").revision == "1a2b"
    snapshot = tmp_path / f"models--{hub_id.replace('/', '--')}" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    cached = find_entry(snapshot)
    assert (cached.base, cached.settings) == (snapshot, REGISTRY[name].settings)
    assert COMMIT[:12] in cached.reason


def test_a_typo_or_a_path_is_not_taken_for_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    with pytest.raises(UnknownModelError, match="there is no folder models/typo"):
        find_entry("models/typo")
    with pytest.raises(UnknownModelError, match=r"there is no file civ/dream\.safetensors"):
        find_entry("civ/dream.safetensors")
    with pytest.raises(UnknownModelError, match=r"\.ckpt can run code"):
        find_entry("civ/dream.ckpt")
    with pytest.raises(UnknownModelError, match="did you mean sd15-lcm"):
        find_entry("sd15-lmc")
    assert find_entry("someone/some-model").base == "someone/some-model"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("style.safetensors", Lora("style.safetensors")),
        ("style.safetensors:0.8", Lora("style.safetensors", None, 0.8)),
        ("a/folder:-1", Lora("a/folder", None, -1.0)),
        ("ByteDance/Hyper-SD/x-lora.safetensors:0.5", Lora("ByteDance/Hyper-SD", "x-lora.safetensors", 0.5)),
        ("owner/name/sd15/x.safetensors", Lora("owner/name", "sd15/x.safetensors")),
        ("C:\\loras\\x.safetensors", Lora("C:\\loras\\x.safetensors")),
        ("./a/b/c.safetensors", Lora("./a/b/c.safetensors")),
        ("/a/b/c.safetensors:1.5", Lora("/a/b/c.safetensors", None, 1.5)),
    ],
)
def test_loras_are_read_from_options(text: str, expected: Lora) -> None:
    assert Lora.parse(text) == expected


@pytest.mark.parametrize("text", ["", ":", ":1", "x.safetensors:3", "x.safetensors:nan"])
def test_a_lora_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"style\.safetensors:0\.8"):
        Lora.parse(text)
