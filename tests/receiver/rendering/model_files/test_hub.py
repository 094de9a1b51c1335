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


@pytest.mark.parametrize(
    ("names", "parts", "pickle", "expected"),
    [
        (SD15, ["unet"], False, ["unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors"]),
        (SD15, ["vae"], False, ["vae/config.json", "vae/diffusion_pytorch_model.safetensors"]),
        (SD15, ["tokenizer"], False, ["tokenizer/merges.txt", "tokenizer/vocab.json"]),
        (["config.json", "diffusion_pytorch_model.bin"], [""], False, ["config.json"]),
        (["config.json", "diffusion_pytorch_model.bin"], [""], True, ["config.json", "diffusion_pytorch_model.bin"]),
        (["config.json", "a.bin", "a.safetensors"], [""], True, ["a.safetensors", "config.json"]),
        (SD15, ["t2iadapter_canny"], True, []),
    ],
)
def test_choice_of_files_to_fetch(names: list[str], parts: list[str], *, pickle: bool, expected: list[str]) -> None:
    assert choose_files(names, parts, pickle=pickle) == expected
