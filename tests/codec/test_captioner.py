"""codec.analysis.captioner: a real BLIP of toy size, with random weights, from a folder to a sentence."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from codec.analysis.captioner import MAX_TOKENS, Captioner, caption, is_ready
from layercast_errors import MissingExtraError, MissingModelError, ModelFilesError

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "cat", "dog", "on", "grass"]
PICTURE = Image.new("RGB", (50, 40), (200, 30, 30))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    path: Path = tmp_path_factory.mktemp("blip")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": len(WORDS), "bos_token_id": 5, "eos_token_id": 3, "pad_token_id": 0, "sep_token_id": 3}
    config = transformers.BlipConfig(
        text_config=sizes | text | {"encoder_hidden_size": 16, "projection_dim": 16, "max_position_embeddings": 80},
        vision_config=sizes | {"image_size": 32, "patch_size": 16, "projection_dim": 16},
    )
    torch.manual_seed(7)
    transformers.BlipForConditionalGeneration(config).save_pretrained(path)
    tokenizer = transformers.BertTokenizerFast({word: at for at, word in enumerate(WORDS)})
    images = BlipImageProcessorPil(size={"height": 32, "width": 32})
    transformers.BlipProcessor(images, tokenizer).save_pretrained(path)
    return path


def test_a_caption_is_words_of_the_model_and_always_the_same(folder: Path) -> None:
    text = caption(PICTURE, weights=folder, device="cpu")
    assert 1 <= len(text.split()) <= MAX_TOKENS
    assert set(text.split()) <= set(WORDS)
    assert text == caption(PICTURE, weights=folder, device="cpu")


def test_a_damaged_folder_is_a_model_files_error(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ModelFilesError, match="holds no blip model that can be loaded"):
        caption(PICTURE, weights=tmp_path, device="cpu")


def test_absent_weights_name_the_way_out(tmp_path: Path) -> None:
    for weights in (tmp_path, "nobody/has-this-model"):
        with pytest.raises(MissingModelError, match=r"run 'hf download .*--captioner none") as caught:
            caption(PICTURE, weights=weights, device="cpu", fetch=False)
        assert "\n" not in str(caught.value)


def test_readiness_looks_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not is_ready(Captioner.BLIP)
    snapshot = tmp_path / "models--Salesforce--blip-image-captioning-base" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("1")
    assert is_ready(Captioner.BLIP)
    assert not is_ready(Captioner.BLIP2)


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"captioning with blip2 .*layercast\[render\]"):
        caption(PICTURE, Captioner.BLIP2, weights="another", device="cpu")
