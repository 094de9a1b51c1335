import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from layercast_common.errors import MissingModelError, ModelFilesError, StorageError, UnknownModelError
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.downloads import Download, check_disk_space
from receiver.rendering.model_files.fetching import fetch_model, plan_fetch
from receiver.rendering.model_files.files import find_files
from receiver.rendering.model_files.hub_errors import explain_hub_error
from receiver.rendering.model_files.listing import list_models
from receiver.rendering.settings.additions import Lora
from receiver.rendering.settings.tuning import Tuning
from tests.support.hubs import ADAPTERS, BASE, COMMIT, LORA, TAESD, serve

#: Repositories that the hub refuses.
ERRORS = {
    "someone/gated": (403, "GatedRepo"),
    "someone/disabled": (403, ""),
    "someone/busy": (503, ""),
    f"{BASE}-old": (404, "RevisionNotFound"),
}


@pytest.fixture(autouse=True)
def hub(cache: Path, repositories: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub on loopback; yields the list of requested files."""
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    with serve(repositories, ERRORS) as (address, asked):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield asked


def test_fetched_models_load(hub: list[str]) -> None:
    fetched = fetch_model("sd15")
    assert fetched.folder.name == COMMIT
    assert fetched.revisions[BASE] == COMMIT
    assert len(fetched.revisions) == 5
    assert load_model("sd15", "cpu", dtype="float32").adapters
    assert f"{BASE}/unet/config.json" in hub
    assert "madebyollin/taesd/config.json" in hub
    assert {info.name for info in list_models() if info.present} >= {"sd15"}


def test_cached_files_are_not_fetched_again(hub: list[str]) -> None:
    fetch_model("sd15")
    count = len(hub)
    fetch_model("sd15-lcm")
    assert hub[count:] == ["latent-consistency/lcm-lora-sdv1-5/pytorch_lora_weights.safetensors"]


def test_unknown_names_on_the_hub() -> None:
    with pytest.raises(UnknownModelError, match="someone/nothing"):
        fetch_model("someone/nothing")
    with pytest.raises(UnknownModelError, match="use one of mini"):
        fetch_model("sd16")


def test_a_repository_that_is_no_model(repositories: dict[str, Path]) -> None:
    with pytest.raises(ModelFilesError, match="safetensors"):
        fetch_model("madebyollin/taesd")


def test_local_folders_are_checked(mini_folder: Path, tmp_path: Path) -> None:
    assert fetch_model(mini_folder).folder == mini_folder
    with pytest.raises(ModelFilesError, match=r"unet/config\.json"):
        fetch_model(tmp_path)


def test_a_revision_can_be_requested(hub: list[str]) -> None:
    fetch_model("sd15")
    assert load_model(f"sd15@{COMMIT[:7]}", "cpu", dtype="float32").revision == COMMIT


def test_another_revision_is_used_with_a_warning(hub: list[str], caplog: pytest.LogCaptureFixture) -> None:
    fetch_model("sd15")
    assert load_model("sd15@0000000", "cpu", dtype="float32").revision == COMMIT
    assert "revision 0000000" in caplog.text


def test_a_disk_that_is_too_small_is_reported_before_anything_is_fetched(tmp_path: Path) -> None:
    huge = Download("someone/model", COMMIT, ("unet/x.safetensors",), 10**18, 10**18)
    with pytest.raises(MissingModelError, match="free some space"):
        check_disk_space([huge], tmp_path / "not" / "there" / "yet")
    check_disk_space([Download("someone/model", COMMIT, (), 10**18, 0)], tmp_path)


def test_without_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MissingModelError, match="connection"):
        fetch_model("sd15")


def test_only_files_that_are_loaded_are_fetched(
    hub: list[str], repositories: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    useless = {
        BASE: (
            "v1-5-pruned.safetensors",
            "v1-5-pruned-emaonly.safetensors",
            "unet/diffusion_pytorch_model.non_ema.safetensors",
        ),
        TAESD: ("taesd_decoder.safetensors",),
    }
    written = [repositories[hub_id] / name for hub_id, names in useless.items() for name in names]
    for path in written:
        path.write_bytes(bytes(1000))
    try:
        plan = plan_fetch("sd15")
        fetch_model("sd15")
    finally:
        for path in written:
            path.unlink()
    assert not [name for name in hub if name.split("/", 2)[2] in {n for names in useless.values() for n in names}]
    assert sum(download.skipped for download in plan.downloads) >= 4000
    assert plan.size == plan.missing > 0


def test_a_plan_downloads_nothing(hub: list[str], cache: Path) -> None:
    plan = plan_fetch("sd15")
    assert {download.hub_id for download in plan.downloads} == {BASE, TAESD, *ADAPTERS.values()}
    assert (hub, list(cache.rglob("*.safetensors"))) == ([], [])


def test_loras_and_autoencoders_are_fetched_with_a_model(hub: list[str]) -> None:
    tuning = Tuning(loras=(Lora(LORA, None, 0.5),), vae=TAESD)
    fetch_model("sd15", tuning)
    assert f"{LORA}/pytorch_lora_weights.safetensors" in hub
    files = find_files("sd15", tuning)
    assert [lora.weight for lora in files.loras] == [0.5]
    with pytest.raises(ModelFilesError, match=r"has no file other\.safetensors"):
        plan_fetch("sd15", Tuning(loras=(Lora(LORA, "other.safetensors"),)))


@pytest.mark.parametrize(
    ("name", "kind", "messages"),
    [
        ("someone/gated", MissingModelError, ("accept its licence at", "someone/gated", "HF_TOKEN")),
        ("someone/busy", MissingModelError, ("answers 503", "HF_ENDPOINT", "try again later")),
        ("someone/nothing", UnknownModelError, ("check the spelling", "HF_TOKEN")),
        (f"{BASE}-old@123", UnknownModelError, ("has no revision 123", "/commits/main")),
    ],
)
def test_what_the_hub_refuses_is_said_with_the_way_out(
    name: str, kind: type[Exception], messages: tuple[str, ...]
) -> None:
    with pytest.raises(kind) as caught:
        fetch_model(name)
    assert [message for message in messages if message not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_a_gated_model_with_a_token_names_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_something")
    with pytest.raises(MissingModelError, match="account of your token"):
        fetch_model("someone/gated")


def test_offline_mode_is_named(monkeypatch: pytest.MonkeyPatch, hub: list[str]) -> None:
    fetch_model("sd15")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    count = len(hub)
    assert fetch_model("sd15").folder.name == COMMIT
    with pytest.raises(MissingModelError, match="HF_HUB_OFFLINE is set"):
        fetch_model("sd15-lcm")
    assert len(hub) == count


def test_a_cache_that_cannot_be_written_is_a_storage_error() -> None:
    error = explain_hub_error(OSError(errno.ENOSPC, "No space left on device"), BASE)
    assert isinstance(error, StorageError)
    assert error.errno == errno.ENOSPC
