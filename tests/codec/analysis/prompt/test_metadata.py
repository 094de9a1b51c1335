"""codec.analysis.prompt.metadata: prompts that generators store in pictures, chunk by chunk."""

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from codec.analysis.prompt.metadata import read_prompt
from codec.analysis.prompt.parameters import Parameters, split_parameters
from codec.analysis.prompt.text_bounds import MAX_PROMPT_LENGTH, FoundPrompt, PromptSource, clean_text, parse_json
from codec.image_io import load_picture
from codec.image_metadata import Metadata

SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model hash: abc, Model: some-model"
SHORT_SETTINGS = "Sampler: Euler, Seed: 1, Size: 8x8"
A1111 = f"a red fox, (snow:1.2),\nmasterpiece\nNegative prompt: blurry,\nlow quality\n{SETTINGS}"

A1111_PARTS = Parameters("a red fox, (snow:1.2),\nmasterpiece", "blurry,\nlow quality", SETTINGS)
NAMES = [
    "parameters", "prompt", "Comment", "Description", "Software", "Dream", "sd-metadata", "invokeai_metadata",
    "exif:Model",
]  # fmt: skip
FIELDS = [
    "prompt", "image", "inputs", "class_type", "positive", "text", "v4_prompt", "caption", "base_caption",
    "sui_image_params", "positive_prompt", "1", "2",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)


def png(**chunks: str) -> Metadata:
    info = PngImagePlugin.PngInfo()
    for name, text in chunks.items():
        info.add_text(name.replace("__", "-"), text)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG", pnginfo=info)
    return load_picture(Image.open(file)).metadata


def with_exif(kind: str, comment: bytes | None = None, **tags: str) -> Metadata:
    exif = Image.Exif()
    for name, text in tags.items():
        exif[ExifTags.Base[name]] = text
    if comment is not None:
        # Pillow writes no EXIF block into a PNG whose main directory is empty.
        exif[ExifTags.Base.Software] = "generator"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind, exif=exif)
    return load_picture(Image.open(file)).metadata


def metadata(**texts: str) -> Metadata:
    return Metadata({name.replace("__", "-"): text for name, text in texts.items()})


class TestSplitParameters:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (A1111, A1111_PARTS),
            (A1111.replace("\n", "\r\n"), A1111_PARTS),
            (f"a fox\n{SETTINGS}", Parameters("a fox", "", SETTINGS)),
            ("a fox", Parameters("a fox")),
            ("a fox\nNegative prompt: cats", Parameters("a fox", "cats")),
            (f"Negative prompt: cats\n{SETTINGS}", Parameters("", "cats", SETTINGS)),
            (SETTINGS, Parameters("", "", SETTINGS)),
            (f"a fox\n{SETTINGS}\nTemplate: a __animal__", Parameters("a fox", "", SETTINGS)),
            (f"a fox\n{SHORT_SETTINGS}", Parameters("a fox", "", SHORT_SETTINGS)),
            ("style: oil, a fox", Parameters("style: oil, a fox")),
            ("a sign: Negative prompt: none", Parameters("a sign: Negative prompt: none")),
            ("", Parameters("")),
        ],
    )  # fmt: skip
    def test_three_parts(self, text: str, expected: Parameters) -> None:
        assert split_parameters(text) == expected


class TestGenerators:
    @pytest.mark.parametrize(
        ("chunks", "text", "source"),
        [
            ({"parameters": A1111}, "a red fox, snow, masterpiece", "automatic1111"),
            ({"parameters": f"{{red|blue}} fox\n{SETTINGS}"}, "{red|blue} fox", "automatic1111"),
            ({"parameters": "füchse im 雪"}, "füchse im 雪", "automatic1111"),
            ({"parameters": json.dumps({"prompt": "a fox", "negative_prompt": "x"})}, "a fox", "fooocus"),
            ({"parameters": json.dumps({"sui_image_params": {"prompt": "a fox"}})}, "a fox", "swarmui"),
            ({"invokeai_metadata": json.dumps({"positive_prompt": "a fox"})}, "a fox", "invokeai"),
            ({"sd__metadata": json.dumps({"image": {"prompt": "a fox"}})}, "a fox", "invokeai"),
            ({"sd__metadata": json.dumps({"image": {"prompt": [{"prompt": "a", "weight": 1}, {"prompt": "fox"}]}})},
             "a fox", "invokeai"),
            ({"Dream": '"a \\"red\\" fox" -s50 -W512'}, 'a "red" fox', "invokeai"),
            ({"Dream": "a well-known fox -s 50"}, "a well-known fox", "invokeai"),
            ({"Comment": json.dumps({"prompt": "a fox", "uc": "x"})}, "a fox", "novelai"),
            ({"Comment": json.dumps({"v4_prompt": {"caption": {"base_caption": "a fox"}}})}, "a fox", "novelai"),
            ({"Software": "NovelAI", "Description": "a fox"}, "a fox", "novelai"),
            ({"prompt": "{red|blue} fox"}, "{red|blue} fox", "easydiffusion"),
            ({"prompt": "[[red]] fox"}, "red fox", "easydiffusion"),
            ({"prompt": "[1girl], fox"}, "1girl, fox", "easydiffusion"),
        ],
    )  # fmt: skip
    def test_text_chunks(self, chunks: dict[str, str], text: str, source: str) -> None:
        assert read_prompt(png(**chunks)) == FoundPrompt(text, PromptSource(source))

    @pytest.mark.parametrize(
        "chunks",
        [
            {},
            {"parameters": SETTINGS},
            {"parameters": json.dumps({"prompt": ["a"]})},
            {"Description": "made with a scanner", "Software": "scan", "Comment": "hello"},
            {"prompt": "[1]"},
            {"prompt": "[]"},
            {"prompt": '["a", "b'},
            {"prompt": json.dumps({"1": 2})},
            {"prompt": "[" * 100_000},
            {"prompt": '{"1": {"class_type": "CLIPTextEncode", "inputs": {"te'},
            {"prompt": '[{"a": ' * 5000},
            {"prompt": "[" * 5000 + "]" * 5000},
            {"parameters": '{"prompt":' * 100_000},
            {"sd-metadata": json.dumps({"image": {"prompt": [1, None, {"prompt": 3}]}})},
            {"sd-metadata": json.dumps({"image": [1]})},
            {"Comment": json.dumps({"v4_prompt": {"caption": [1]}})},
            {"Dream": ""},
        ],
        ids=lambda chunks: str(chunks)[:40],
    )
    def test_no_prompt_is_found_in_other_metadata(self, chunks: dict[str, str]) -> None:
        assert read_prompt(Metadata(chunks)) is None

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
    @pytest.mark.parametrize(
        "comment",
        [
            b"UNICODE\0" + A1111.encode("utf-16-be"),
            b"UNICODE\0" + A1111.encode("utf-16-le"),
            b"UNICODE\0" + A1111.encode("utf-16"),
            b"ASCII\0\0\0" + A1111.encode(),
            b"\0" * 8 + A1111.encode(),
            b"JIS\0\0\0\0\0" + A1111.encode("iso2022_jp"),
            A1111.encode(),
        ],
        ids=["utf-16-be", "utf-16-le", "utf-16 with mark", "ascii", "undefined", "jis", "no code"],
    )
    def test_user_comments(self, kind: str, comment: bytes) -> None:
        found = read_prompt(with_exif(kind, comment))
        assert found == FoundPrompt("a red fox, snow, masterpiece", PromptSource.AUTOMATIC1111)

    @pytest.mark.parametrize(
        "text",
        ["Screenshot", "Created with GIMP on a Mac", "OLYMPUS DIGITAL CAMERA", "SONY DSC",
         "File written by Adobe Photoshop",
         "Copyright 2019 by some one here", "DCIM\\100MEDIA\\DJI_0001.JPG", "cof_soft", "mode=a; iso=100; wb=auto; x=1",
         "CREATOR: gd-jpeg v1.0 (using IJG JPEG v80), quality = 90"],
    )  # fmt: skip
    def test_what_cameras_and_programs_write_is_not_a_prompt(self, text: str) -> None:
        assert read_prompt(with_exif("JPEG", b"ASCII\0\0\0" + text.encode())) is None
        assert read_prompt(with_exif("JPEG", ImageDescription=text)) is None

    @pytest.mark.parametrize(
        ("text", "prompt"),
        [
            ("<https://s.mj.run/abc> a fox --ar 3:2 --no cats, dogs --v 6", "a fox"),
            ("a fox:: in snow::2 --style raw", "a fox, in snow"),
            ("a fox Job ID: 0f3a5c1e-2b4d-4e6f-8a9b-1c2d3e4f5a6b", "a fox"),
            ("a well-known fox --chaos 20", "a well-known fox"),
        ],
    )
    def test_midjourneys_options_and_job_are_cut(self, text: str, prompt: str) -> None:
        assert read_prompt(png(Description=text)) == FoundPrompt(prompt, PromptSource.MIDJOURNEY)

    def test_parameters_in_one_line(self) -> None:
        found = read_prompt(with_exif("JPEG", ImageDescription=A1111.replace("\n", " ")))
        assert found == FoundPrompt("a red fox, snow, masterpiece", PromptSource.AUTOMATIC1111)

    def test_draw_things_description(self) -> None:
        text = "a fox\n-blurry\nSteps: 8, Sampler: Euler A, Guidance Scale: 7.0, Seed: 1, Size: 512x512"
        assert read_prompt(with_exif("JPEG", ImageDescription=text)) == FoundPrompt("a fox", PromptSource.DRAW_THINGS)

    def test_invokeais_graph(self) -> None:
        graph = {"nodes": {"positive_prompt:x1": {"type": "string", "value": "a fox"}, "neg": {"prompt": "x"}}}
        assert read_prompt(png(invokeai_graph=json.dumps(graph))) == FoundPrompt("a fox", PromptSource.INVOKEAI)

    def test_comfyuis_webp(self) -> None:
        graph = {"1": {"class_type": "KSampler", "inputs": {"seed": 1, "positive": ["2", 0]}},
                 "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox"}}}  # fmt: skip
        found = read_prompt(with_exif("WEBP", Model="prompt:" + json.dumps(graph), Make="workflow:{}"))
        assert found == FoundPrompt("a fox", PromptSource.COMFYUI)

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20) | VALUES.map(json.dumps), max_size=4))
    def test_any_texts_give_a_clean_prompt_or_none(self, texts: dict[str, str]) -> None:
        found = read_prompt(Metadata(texts))
        assert found is None or found.text == clean_text(found.text) != ""


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("  a \t\r\n fox\x00\x07 ", "a fox"),
            ("a\u202efox\ufeff", "afox"),
            ("a\ud800 fox", "a fox"),
            ("cafe\u0301", "café"),
            ("👩\u200d🚀", "👩\u200d🚀"),
            ("a\u2028fox\u00a0runs", "a fox runs"),
            ("", ""),
        ],
    )
    def test_clean(self, text: str, expected: str) -> None:
        assert clean_text(text) == expected

    @given(st.text(st.characters(codec=None)))
    def test_clean_text_is_stable_and_can_be_sent(self, text: str) -> None:
        cleaned = clean_text(text)
        assert clean_text(cleaned) == cleaned
        cleaned.encode()

    def test_length_is_bounded(self) -> None:
        assert len(clean_text("fox " * 10_000)) <= MAX_PROMPT_LENGTH
        assert clean_text("x" * 100_000) == "x" * MAX_PROMPT_LENGTH

    @pytest.mark.parametrize("text", ["", "{", "nul", "9" * 5000, "[" * 200_000, '{"a":' * 200_000, " " * (5 << 20)])
    def test_invalid_json_is_none(self, text: str) -> None:
        assert parse_json(text) is None


def test_metadata_without_exif_is_upright() -> None:
    assert metadata(parameters="a").orientation == 1
    assert with_exif("JPEG", Software="x").texts["exif:Software"] == "x"
