import json
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, LCMScheduler, T2IAdapter

from codec.layers import Priors
from layercast_common.errors import MissingModelError, ModelFilesError, StorageError, UnknownModelError, UsageError
from receiver.rendering.engine.direct import render
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.files import RESTORATION_FOLDER, find_files
from receiver.rendering.model_files.listing import list_models
from receiver.rendering.models.model import Model
from receiver.rendering.restoration.restorer import Restorer, save_restoration
from receiver.rendering.settings.additions import Lora
from receiver.rendering.settings.settings import Condition, diffusion_settings, flow_settings
from receiver.rendering.settings.tuning import Tuning
from tests.support.hubs import ADAPTERS, BASE, LORA, LORA_MODULE, TAESD, as_pickle, fill_cache
from tests.support.models import build_parts, build_restoration


@pytest.fixture
def copy(mini_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, for tests that break it."""
    return Path(shutil.copytree(mini_folder, tmp_path / "copy"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_local_folder_is_loaded(mini: Model, mini_folder: Path, sd15: Model) -> None:
    assert set(mini.adapters) == {Condition.EDGES, Condition.COLORS}
    assert set(sd15.adapters) == {Condition.EDGES, Condition.COLORS, Condition.SKELETON}
    assert load_model(mini_folder, "cpu").settings == flow_settings(64)
    assert sd15.settings == replace(diffusion_settings(64), weighted_prompts=False)
    assert (mini.pixels_per_latent, mini.size_multiple) == (8, 32)
    assert (sd15.pixels_per_latent, sd15.size_multiple) == (8, 64)
    assert mini.preview_vae is mini.vae
    assert isinstance(mini.vae, AutoencoderTiny)


def test_a_restoration_network_is_part_of_a_models_folder(mini: Model, copy: Path, planes: Priors) -> None:
    assert mini.restoration is None
    network = build_restoration()
    save_restoration(network, copy / RESTORATION_FOLDER)
    loaded = load_model(copy, "cpu")
    assert loaded.restoration is not None
    assert planes.plane is not None
    assert np.array_equal(loaded.restoration.restore(planes.plane), Restorer(network).restore(planes.plane))
    assert loaded.fingerprint != mini.fingerprint
    save_restoration(build_restoration(seed=1), copy / RESTORATION_FOLDER)
    assert load_model(copy, "cpu").fingerprint not in (mini.fingerprint, loaded.fingerprint)


def test_a_broken_restoration_network_is_named(copy: Path) -> None:
    (copy / RESTORATION_FOLDER).mkdir()
    with pytest.raises(ModelFilesError, match="restoration"):
        load_model(copy, "cpu")


@pytest.mark.parametrize("name", ["sd15", "sd15-lcm", "someone/some-model"])
def test_a_missing_model_names_the_command_that_fetches_it(cache: Path, name: str) -> None:
    with pytest.raises(MissingModelError, match=f"layercast models fetch {name}$"):
        load_model(name)


@pytest.mark.parametrize("name", ["sd16", "", "./no/such/folder", "/no/such/folder", "a/b/c", "../x"])
def test_an_unknown_model_lists_the_known_ones(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownModelError, match="mini, sd15, sd15-lcm"):
        load_model(name)


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("unet/config.json", "unet/config.json"),
        ("unet/diffusion_pytorch_model.safetensors", r"unet/\*\.safetensors"),
        ("vae/diffusion_pytorch_model.safetensors", r"vae/\*\.safetensors"),
        ("text_encoder/model.safetensors", r"text_encoder/\*\.safetensors"),
        ("tokenizer/tokenizer_config.json", "tokenizer/tokenizer_config.json"),
        ("scheduler/scheduler_config.json", "scheduler/scheduler_config.json"),
        ("t2iadapter_color/diffusion_pytorch_model.safetensors", "t2iadapter_color"),
    ],
)
def test_a_missing_part_is_named(copy: Path, gone: str, named: str) -> None:
    (copy / gone).unlink()
    with pytest.raises(ModelFilesError, match=named):
        load_model(copy, "cpu")


@pytest.mark.parametrize(
    "broken",
    [
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer.json",
        "scheduler/scheduler_config.json",
        "t2iadapter_structure/config.json",
        "t2iadapter_structure/diffusion_pytorch_model.safetensors",
    ],
)
@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff" * 40], ids=["empty", "bare", "noise"])
def test_a_broken_part_is_named(copy: Path, broken: str, content: bytes) -> None:
    (copy / broken).write_bytes(content)
    with pytest.raises(ModelFilesError, match=broken.split("/")[0]) as caught:
        load_model(copy, "cpu")
    assert "\n" not in str(caught.value)


def test_parts_of_two_models_do_not_fit(copy: Path, sd15_folder: Path) -> None:
    shutil.rmtree(copy / "t2iadapter_structure")
    adapter = T2IAdapter(in_channels=1, channels=[4, 4, 4], num_res_blocks=1, adapter_type="full_adapter")
    adapter.save_pretrained(copy / "t2iadapter_structure")
    with pytest.raises(ModelFilesError, match=r"edges adapter gives \[4, 4, 4\] channels, but its unet takes \[8, 16"):
        load_model(copy, "cpu")


def edit_json(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_an_unknown_scheduler_is_named(copy: Path) -> None:
    edit_json(copy / "scheduler" / "scheduler_config.json", lambda config: config.update(_class_name="Magic"))
    with pytest.raises(ModelFilesError, match="'Magic'"):
        load_model(copy, "cpu")


def test_half_precision_files_are_loaded(copy: Path, mini: Model) -> None:
    for part in ("unet", "vae", "text_encoder"):
        (weights,) = (copy / part).glob("*.safetensors")
        weights.rename(weights.with_name(weights.name.replace(".safetensors", ".fp16.safetensors")))
    loaded = load_model(copy, "cpu", dtype="float32")
    assert torch.equal(loaded.unet.conv_in.weight, mini.unet.conv_in.weight)


def test_number_formats(mini_folder: Path, priors: Priors) -> None:
    model = load_model(mini_folder, "cpu", dtype="bfloat16")
    assert model.unet.dtype == torch.bfloat16
    assert list(render(priors, 1, model=model, steps=2))[-1].final
    assert load_model(mini_folder, "cpu").dtype == torch.float32
    with pytest.raises(UsageError, match="float7"):
        load_model(mini_folder, dtype="float7")
    with pytest.raises(UsageError, match="--device"):
        load_model(mini_folder, "warp drive")


def test_a_hub_model_in_the_cache_is_loaded(cache: Path, mini_folder: Path) -> None:
    fill_cache(cache, {"someone/some-model": mini_folder})
    assert load_model("someone/some-model", "cpu").settings == flow_settings(64)


def test_half_a_download_is_no_model(cache: Path, repositories: dict[str, Path]) -> None:
    fill_cache(cache, repositories)
    next(cache.glob("models--stable*/snapshots/*/unet/*.safetensors")).unlink()
    with pytest.raises(MissingModelError, match="fetch sd15"):
        load_model("sd15")


def test_registered_models_come_from_several_repositories(cache: Path, repositories: dict[str, Path]) -> None:
    fill_cache(cache, {hub_id: folder for hub_id, folder in repositories.items() if hub_id != LORA})
    model = load_model("sd15", "cpu", dtype="float32")
    assert set(model.adapters) == set(Condition) - {Condition.TILE}
    assert isinstance(model.preview_vae, AutoencoderTiny)
    assert model.vae is not model.preview_vae
    assert model.settings.native == 512
    listed = {info.name: info for info in list_models()}
    assert listed["sd15"].present
    assert listed["sd15"].folder
    assert not listed["sd15-lcm"].present


def test_adapters_are_borrowed_by_models_made_from_stable_diffusion(
    cache: Path, repositories: dict[str, Path], tmp_path: Path
) -> None:
    bare = Path(shutil.copytree(repositories[BASE], tmp_path / "bare"))
    fill_cache(cache, repositories)
    assert find_files(bare).adapters == {}
    edit_json(
        bare / "unet" / "config.json",
        lambda config: config.update(block_out_channels=[320, 640, 1280, 1280], cross_attention_dim=768),
    )
    assert set(find_files(bare).adapters) == set(Condition) - {Condition.TILE}


def test_a_model_without_adapters_logs_a_warning(copy: Path, priors: Priors, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "receiver")
    shutil.rmtree(copy / "t2iadapter_color")
    shutil.rmtree(copy / "t2iadapter_structure")
    model = load_model(copy, "cpu", dtype="float32")
    assert "no adapter for edges: it ignores that layer" in caplog.text
    assert "no adapter for colours: it follows that layer only roughly" in caplog.text
    assert list(render(priors, 1, model=model, steps=1))[-1].final


def test_trusted_pickles_are_converted_once(cache: Path, repositories: dict[str, Path], tmp_path: Path) -> None:
    fill_cache(cache, repositories)
    first = load_model("sd15", "cpu", dtype="float32")
    for hub_id in ADAPTERS.values():
        kept = tmp_path / "layercast" / "adapters" / hub_id.replace("/", "--")
        assert (kept / "diffusion_pytorch_model.safetensors").is_file()
    for pickle in cache.rglob("*.bin"):
        pickle.unlink()
    again = load_model("sd15", "cpu", dtype="float32")
    for condition in set(Condition) - {Condition.TILE}:
        before, after = first.adapters[condition].state_dict(), again.adapters[condition].state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_cache_that_cannot_be_written_is_a_storage_error(
    cache: Path, repositories: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_cache(cache, repositories)
    (tmp_path / "file").touch()
    monkeypatch.setenv("LAYERCAST_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="cannot be created"):
        load_model("sd15", "cpu", dtype="float32")


def test_other_pickles_are_refused(copy: Path, cache: Path, repositories: dict[str, Path]) -> None:
    as_pickle(copy / "t2iadapter_color")
    with pytest.raises(ModelFilesError, match="t2iadapter_color"):
        load_model(copy, "cpu")
    folders = {hub_id: folder for hub_id, folder in repositories.items() if hub_id != TAESD}
    fill_cache(cache, folders)
    assert find_files("sd15").preview_vae is None


def test_a_lora_is_fused(cache: Path, repositories: dict[str, Path]) -> None:
    fill_cache(cache, repositories)
    plain, fused = (load_model(name, "cpu", dtype="float32") for name in ("sd15", "sd15-lcm"))
    assert isinstance(fused.scheduler, LCMScheduler)
    assert isinstance(fused.vae, AutoencoderTiny)
    before, after = (model.unet.state_dict()[f"{LORA_MODULE}.weight"] for model in (plain, fused))
    # Rank 2, alpha 4: twice the product of 0.25 and 0.5 over two ranks.
    assert torch.allclose(after - before, torch.full_like(before, 0.5), atol=1e-6)
    assert plain.unet.state_dict().keys() == fused.unet.state_dict().keys()


def test_the_base_repository_is_the_published_one() -> None:
    assert BASE == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert build_parts("sd15")["scheduler"].config.beta_end == 0.012


def test_tuning_changes_a_models_settings(mini_folder: Path, priors: Priors) -> None:
    wishes = Tuning(guidance=3.0, negative_prompt="blur", weights={Condition.EDGES: 0.3})
    model = load_model(mini_folder, "cpu", dtype="float32", tuning=wishes)
    assert (model.settings.guidance, model.settings.negative_prompt) == (3.0, "blur")
    assert (model.settings.weights[Condition.EDGES], model.settings.weights[Condition.COLORS]) == (0.3, 1.0)
    assert list(render(priors, 1, model=model, steps=1))[-1].final
    assert Tuning().apply(model.settings) == model.settings


@pytest.mark.parametrize(
    "wishes",
    [
        Tuning(guidance=-1),
        Tuning(guidance=1e9),
        Tuning(guidance=float("nan")),
        Tuning(weights={Condition.EDGES: 3.0}),
        Tuning(clip_skip=-1),
        Tuning(clip_skip=12),
        Tuning(guidance_rescale=1.5),
        Tuning(adapter_conditioning_factor=2.0),
        Tuning(loras=(Lora("x"),) * 17),
    ],
)
def test_tuning_out_of_range_is_refused(wishes: Tuning) -> None:
    with pytest.raises(UsageError):
        wishes.apply(flow_settings(64))
