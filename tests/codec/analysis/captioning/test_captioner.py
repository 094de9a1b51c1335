"""codec.analysis.captioning.captioner: a toy-sized BLIP and BLIP-2 with random weights, from a folder to a sentence."""

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from codec.analysis.captioning.captioner import MAX_TOKENS, Captioner, caption, is_ready
from layercast_common.errors import MissingExtraError, MissingModelError, ModelFilesError

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

WORDS = ["a", "cat", "dog", "on", "grass"]
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
PICTURE = Image.new("RGB", (50, 40), (200, 30, 30))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    path: Path = tmp_path_factory.mktemp("blip")
    text = {
        "vocab_size": len(MARKS + WORDS),
        "bos_token_id": 5,
        "eos_token_id": 3,
        "pad_token_id": 0,
        "sep_token_id": 3,
    }
    config = transformers.BlipConfig(
        text_config=SIZES | text | {"encoder_hidden_size": 16, "projection_dim": 16, "max_position_embeddings": 80},
        vision_config=SIZES | {"image_size": 32, "patch_size": 16, "projection_dim": 16},
    )
    tokenizer = transformers.BertTokenizerFast({word: at for at, word in enumerate(MARKS + WORDS)}, bos_token="[DEC]")
    processor = transformers.BlipProcessor(BlipImageProcessorPil(size={"height": 32, "width": 32}), tokenizer)
    save(path, transformers.BlipForConditionalGeneration, config, processor, list(range(len(MARKS))))
    return path


@pytest.fixture(scope="module")
def folder2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tokenizers import Tokenizer, models
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    path: Path = tmp_path_factory.mktemp("blip2")
    vocabulary = ["<pad>", "<s>", "</s>", "<unk>", *WORDS, "<image>"]
    text = {"model_type": "opt", "vocab_size": 10, "hidden_size": 16, "ffn_dim": 32, "num_hidden_layers": 1}
    ids = {"num_attention_heads": 2, "word_embed_proj_dim": 16, "max_position_embeddings": 128, "pad_token_id": 0}
    config = transformers.Blip2Config(
        vision_config=SIZES | {"image_size": 32, "patch_size": 16},
        qformer_config=SIZES | {"encoder_hidden_size": 16, "vocab_size": 10, "cross_attention_frequency": 1},
        text_config=text | ids | {"bos_token_id": 1, "eos_token_id": 2},
        num_query_tokens=4,
        image_token_index=9,
    )
    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    images = BlipImageProcessorPil(size={"height": 32, "width": 32})
    processor = transformers.Blip2Processor(images, tokenizer, num_query_tokens=4)
    save(path, transformers.Blip2ForConditionalGeneration, config, processor, [0, 1, 2, 3, 9])
    return path


def save(path: Path, kind: Any, config: Any, processor: Any, marks: list[int]) -> None:
    torch.manual_seed(7)
    model = kind(config)
    # Random weights would mostly repeat the marks; without weight in the (tied) embedding these never win over words.
    with torch.no_grad():
        model.get_input_embeddings().weight[marks] = 0
    model.save_pretrained(path)
    processor.save_pretrained(path)


@pytest.mark.parametrize(("captioner", "name"), [(Captioner.BLIP, "folder"), (Captioner.BLIP2, "folder2")])
def test_a_caption_is_deterministic(captioner: Captioner, name: str, request: pytest.FixtureRequest) -> None:
    weights = request.getfixturevalue(name)
    text = caption(PICTURE, captioner, weights=weights, device="cpu")
    assert 1 <= len(text.split()) <= MAX_TOKENS
    assert set(text.split()) <= set(WORDS)
    assert text == caption(PICTURE, captioner, weights=weights, device="cpu")


def test_a_damaged_folder_is_a_model_files_error(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(ModelFilesError, match="holds no blip model that can be loaded"):
        caption(PICTURE, weights=tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody/has-this-model", r"run 'hf download nobody/has-this-model' .*--captioner none"),
        ("/no/such/folder", r"there is no folder /no/such/folder .*--captioner none"),
    ],
)
def test_absent_weights_name_the_way_out(name: str, message: str) -> None:
    with pytest.raises(MissingModelError, match=message) as caught:
        caption(PICTURE, weights=name, device="cpu", fetch=False)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError, match=r"lacks files of the captioner blip; .*--captioner none"):
        caption(PICTURE, weights=tmp_path, device="cpu")


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
