from collections.abc import Iterator
from pathlib import Path

import pytest

from layercast_common.errors import MissingModelError, ModelFilesError, UnknownModelError
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.downloads import Download, check_disk_space
from receiver.rendering.model_files.fetching import fetch_model
from receiver.rendering.model_files.listing import list_models
from tests.support.hubs import BASE, COMMIT, serve


@pytest.fixture(autouse=True)
def hub(cache: Path, repositories: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub on loopback; yields the list of requested files."""
    with serve(repositories) as (address, asked):
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
