from pathlib import Path

import pytest

from receiver.rendering.model_files.fingerprint import fingerprint


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERCAST_CACHE", str(tmp_path / "cache"))


def test_a_fingerprint_reads_whole_files(tmp_path: Path) -> None:
    weights = tmp_path / "unet" / "model.safetensors"
    weights.parent.mkdir()
    content = bytearray(6_000_000)
    weights.write_bytes(content)
    before = fingerprint([weights.parent])
    assert fingerprint([weights.parent]) == before
    content[5_000_000] = 1
    weights.write_bytes(content)
    assert fingerprint([weights.parent]) != before


def test_a_digest_is_recorded_once_per_file(tmp_path: Path) -> None:
    weights = tmp_path / "unet" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(bytes(6_000_000))
    before = fingerprint([weights.parent])
    (record,) = (tmp_path / "cache" / "digests").glob("*.json")
    record.write_text("{")
    assert fingerprint([weights.parent]) == before


def test_the_hubs_own_hashes_are_used(tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"large")
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "model.safetensors").symlink_to(blob)
    before = fingerprint([tmp_path / "unet"])
    blob.write_bytes(b"other")
    # The hub's name for the content is believed.
    assert fingerprint([tmp_path / "unet"]) == before


def test_files_and_factors_count(tmp_path: Path) -> None:
    lora = tmp_path / "style.safetensors"
    lora.write_bytes(b"x")
    assert fingerprint([lora]) != fingerprint([])
    assert len({fingerprint([lora], [weight]) for weight in (0.5, 1.0)} | {fingerprint([lora])}) == 3
