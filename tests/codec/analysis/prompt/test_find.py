"""codec.analysis.prompt.find: the order of sources, prompts by name and level, and errors."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image, PngImagePlugin

from codec.analysis.prompt.find import find_prompt
from codec.analysis.prompt.prompt_files import MAX_PROMPTS_SIZE
from codec.analysis.prompt.text_bounds import MAX_PROMPT_LENGTH, FoundPrompt, PromptSource
from codec.image_io import LoadedPicture, load_picture
from layercast_common.errors import PromptError, UsageError

LEVELS = {"short": "a fox", "medium": "a red fox", "long": "a red fox in deep snow"}


@pytest.fixture
def picture(tmp_path: Path) -> LoadedPicture:
    """Load a picture that has every source of a prompt: metadata, a sidecar, and a folder and a file of prompts."""
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "from metadata")
    Image.new("RGB", (16, 16), "navy").save(tmp_path / "fox.png", pnginfo=info)
    (tmp_path / "fox.txt").write_text("from the sidecar\n")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "fox.txt").write_text("from the folder")
    (tmp_path / "prompts.json").write_text(json.dumps({"fox.png": "from the file"}))
    return load_picture(tmp_path / "fox.png")


class TestOrder:
    def test_each_source_wins_over_the_next(self, picture: LoadedPicture, tmp_path: Path) -> None:
        def found(**given: object) -> FoundPrompt:
            return find_prompt(picture, captioner="none", **given)  # type: ignore[arg-type]

        folder, file = tmp_path / "prompts", tmp_path / "prompts.json"
        assert found(given=" given \n", prompts=folder) == FoundPrompt("given", PromptSource.GIVEN)
        assert found(prompts=folder) == FoundPrompt("from the folder", PromptSource.PROMPTS)
        assert found(prompts=file) == FoundPrompt("from the file", PromptSource.PROMPTS)
        assert found() == FoundPrompt("from the sidecar", PromptSource.SIDECAR)
        (tmp_path / "fox.txt").write_text(" \n")
        assert found() == FoundPrompt("from metadata", PromptSource.AUTOMATIC1111)
        assert find_prompt(LoadedPicture(picture.image), captioner="none") == FoundPrompt(
            "a very dark low-contrast picture, mostly navy blue", PromptSource.MEASURED, 1.0
        )

    def test_a_long_text_is_cut_to_the_limit(self, picture: LoadedPicture) -> None:
        assert len(find_prompt(picture, given="x" * 9000).text) == MAX_PROMPT_LENGTH

    def test_a_sidecar_may_start_with_a_byte_order_mark(self, picture: LoadedPicture, tmp_path: Path) -> None:
        (tmp_path / "fox.txt").write_bytes("\ufeffein Füchslein".encode())
        assert find_prompt(picture).text == "ein Füchslein"


class TestSidecars:
    """A text file beside the picture, which the user did not ask for."""

    @pytest.mark.parametrize(
        ("content", "text", "note"),
        [
            ("une cigogne près du café".encode("cp1252"), "une cigogne près du café", "is not UTF-8"),
            ("ein Füchslein".encode("utf-16"), "ein Füchslein", "is not UTF-8"),
            ("雪の狐".encode(), "雪の狐", None),
            (b"\x00\x01\x02\xff" * 9, "from metadata", "is left out"),
            ("огонь и лёд".encode("cp1251"), "from metadata", "is left out"),
            (b"a fox <lora:detail:0.8>, AND so on", "a fox, so on", None),
            (b"a man (left) AND a woman", "a man (left) AND a woman", None),
            (b"(a fox:1.3)\nNegative prompt: x\nSteps: 20, Sampler: Euler, CFG scale: 7", "a fox", None),
        ],
    )
    def test_texts(self, picture: LoadedPicture, tmp_path: Path, content: bytes, text: str, note: str | None) -> None:
        (tmp_path / "fox.txt").write_bytes(content)
        found = find_prompt(picture, captioner="none")
        assert found.text == text
        assert [note in line for line in found.notes if note] == [True] * bool(note)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_an_unreadable_sidecar_costs_a_note(self, picture: LoadedPicture, tmp_path: Path) -> None:
        (tmp_path / "fox.txt").chmod(0)
        found = find_prompt(picture, captioner="none")
        assert found.text == "from metadata"
        assert "cannot be read" in found.notes[0]

    def test_a_fifo_beside_the_picture_is_not_opened(self, picture: LoadedPicture, tmp_path: Path) -> None:
        (tmp_path / "fox.txt").unlink()
        os.mkfifo(tmp_path / "fox.txt")
        assert find_prompt(picture, captioner="none").text == "from metadata"

    def test_weights_stay_if_they_are_wanted(self, picture: LoadedPicture, tmp_path: Path) -> None:
        (tmp_path / "fox.txt").write_text("(a fox:1.3)\nSteps: 20, Sampler: Euler, CFG scale: 7")
        assert find_prompt(picture, captioner="none", keep_weights=True).text == "(a fox:1.3)"
        assert find_prompt(picture, given="(a fox:1.3) <lora:x:1>").text == "(a fox:1.3) <lora:x:1>"


@pytest.mark.parametrize(("stored", "asked"), [("NFC", "NFD"), ("NFD", "NFC")])
class TestSpellingsOfNames:
    """A name has its letters in one piece (NFC) or taken apart (NFD), as macOS stores them."""

    def named(self, folder: Path, form: Literal["NFC", "NFD"]) -> LoadedPicture:
        file = folder / unicodedata.normalize(form, "renard_é.png")
        Image.new("RGB", (16, 16)).save(file)
        return load_picture(file)

    def test_sidecars(self, tmp_path: Path, stored: Literal["NFC", "NFD"], asked: Literal["NFC", "NFD"]) -> None:
        (tmp_path / unicodedata.normalize(stored, "renard_é.txt")).write_text("a fox")
        assert find_prompt(self.named(tmp_path, asked), captioner="none").text == "a fox"

    @pytest.mark.parametrize("suffix", ["txt", "json"])
    def test_folders(
        self, tmp_path: Path, stored: Literal["NFC", "NFD"], asked: Literal["NFC", "NFD"], suffix: str
    ) -> None:
        (tmp_path / "prompts").mkdir()
        text = "a fox" if suffix == "txt" else '"a fox"'
        (tmp_path / "prompts" / unicodedata.normalize(stored, f"renard_é.{suffix}")).write_text(text)
        assert find_prompt(self.named(tmp_path, asked), prompts=tmp_path / "prompts").text == "a fox"

    def test_json(self, tmp_path: Path, stored: Literal["NFC", "NFD"], asked: Literal["NFC", "NFD"]) -> None:
        names = {unicodedata.normalize(stored, "renard_é.png"): "a fox"}
        (tmp_path / "prompts.json").write_text(json.dumps(names))
        assert find_prompt(self.named(tmp_path, asked), prompts=tmp_path / "prompts.json").text == "a fox"


class TestNamedPrompts:
    @pytest.mark.parametrize(
        ("entry", "level", "expected"),
        [
            (LEVELS, "short", "a fox"),
            (LEVELS, "long", "a red fox in deep snow"),
            (LEVELS, None, "a red fox"),
            ({"brief": "a fox", "full": "a red fox"}, None, "a fox"),
            ("a fox", "long", "a fox"),
        ],
    )
    @pytest.mark.parametrize("form", ["folder", "by name", "by stem"])
    def test_levels(
        self, picture: LoadedPicture, tmp_path: Path, form: str, entry: object, level: str | None, expected: str
    ) -> None:
        if form == "folder":
            prompts = tmp_path / "levels"
            prompts.mkdir()
            (prompts / "fox.json").write_text(json.dumps(entry))
        else:
            prompts = tmp_path / "levels.json"
            prompts.write_text(json.dumps({"fox.png" if form == "by name" else "fox": entry, "other.png": "x"}))
        assert find_prompt(picture, prompts=prompts, level=level) == FoundPrompt(expected, PromptSource.PROMPTS)

    def test_an_unknown_level_lists_the_known_ones(self, picture: LoadedPicture, tmp_path: Path) -> None:
        (tmp_path / "prompts.json").write_text(json.dumps({"fox.png": LEVELS}))
        with pytest.raises(PromptError, match=r"no level 'tiny'; it has short, medium, long$"):
            find_prompt(picture, prompts=tmp_path / "prompts.json", level="tiny")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b'{"cat.png": "a cat"}', "has no prompt for fox.png"),
            (b'["a fox"]', "does not map"),
            (b"{", "is not JSON"),
            (b"[" * 200_000, "is not JSON"),
            (b"\xff\xfe", "is not JSON"),
            (b'{"fox.png": 3}', "neither a text nor an object"),
            (b'{"fox.png": {}}', "neither a text nor an object"),
            (b'{"fox.png": {"short": 3}}', "neither a text nor an object"),
            (b'{"fox.png": " "}', "is blank"),
            (b" " * (MAX_PROMPTS_SIZE + 1), "larger than 16 MiB"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_bad_files_are_refused(self, picture: LoadedPicture, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "prompts.json").write_bytes(content)
        with pytest.raises(PromptError, match=message) as caught:
            find_prompt(picture, prompts=tmp_path / "prompts.json")
        assert "\n" not in str(caught.value)

    def test_bad_folders_are_refused(self, picture: LoadedPicture, tmp_path: Path) -> None:
        (tmp_path / "prompts" / "fox.txt").write_bytes(b"\xff\xfe\xfd")
        with pytest.raises(PromptError, match="is not text in UTF-8"):
            find_prompt(picture, prompts=tmp_path / "prompts")
        (tmp_path / "prompts" / "fox.txt").unlink()
        with pytest.raises(PromptError, match=r"neither fox\.txt nor fox\.json"):
            find_prompt(picture, prompts=tmp_path / "prompts")
        with pytest.raises(PromptError, match="there are no prompts at"):
            find_prompt(picture, prompts=tmp_path / "absent")
        with pytest.raises(PromptError, match="has no name to look up"):
            find_prompt(LoadedPicture(picture.image), prompts=tmp_path / "prompts")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_an_unreadable_file_is_refused(self, picture: LoadedPicture, tmp_path: Path) -> None:
        (tmp_path / "prompts.json").chmod(0)
        with pytest.raises(PromptError, match="cannot be read"):
            find_prompt(picture, prompts=tmp_path / "prompts.json")


def test_blank_texts_and_unknown_captioners_are_refused(picture: LoadedPicture) -> None:
    with pytest.raises(PromptError, match="the given prompt is blank"):
        find_prompt(picture, given=" \n")
    with pytest.raises(UsageError, match="no captioner is called 'clip'"):
        find_prompt(picture, captioner="clip")
