import pytest

from receiver.rendering.model_files.hub import choose_files

SD15 = [
    ".gitattributes",
    "README.md",
    "model_index.json",
    "v1-5-pruned.ckpt",
    "v1-5-pruned.safetensors",
    "scheduler/scheduler_config.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.non_ema.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
    "safety_checker/model.safetensors",
]


SHARDED = [
    "text_encoder/model-00001-of-00001.fp32.safetensors",
    "text_encoder/config.json",
    "text_encoder/model-00001-of-00002.safetensors",
    "text_encoder/model-00002-of-00002.safetensors",
    "text_encoder/model.safetensors.index.json",
]


@pytest.mark.parametrize(
    ("names", "parts", "pickle", "expected"),
    [
        (SD15, ["unet"], False, ["unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors"]),
        (SD15, ["vae"], False, ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"]),
        (SD15, ["tokenizer"], False, ["tokenizer/merges.txt", "tokenizer/vocab.json"]),
        (["config.json", "diffusion_pytorch_model.bin"], [""], False, ["config.json"]),
        (["config.json", "diffusion_pytorch_model.bin"], [""], True, ["config.json", "diffusion_pytorch_model.bin"]),
        (
            [
                "config.json",
                "diffusion_pytorch_model.bin",
                "diffusion_pytorch_model.safetensors",
                "taesd_decoder.safetensors",
            ],
            [""],
            True,
            ["config.json", "diffusion_pytorch_model.safetensors"],
        ),
        (SD15, [""], False, ["model_index.json"]),
        (SHARDED, ["text_encoder"], False, SHARDED[1:]),
        (SD15, ["t2iadapter_canny"], True, []),
    ],
)
def test_choice_of_files_to_fetch(names: list[str], parts: list[str], *, pickle: bool, expected: list[str]) -> None:
    assert choose_files(names, parts, pickle=pickle) == expected


def test_the_variant_that_will_be_loaded_is_fetched() -> None:
    fetched = choose_files(SD15, ["unet", "vae"], half=False)
    assert "unet/diffusion_pytorch_model.safetensors" in fetched
    assert "unet/diffusion_pytorch_model.fp16.safetensors" not in fetched
    configs = choose_files(SD15, ["unet", "tokenizer"], weights=False)
    assert configs == ["tokenizer/merges.txt", "tokenizer/vocab.json", "unet/config.json"]
