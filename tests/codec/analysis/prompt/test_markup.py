"""codec.analysis.prompt.markup: what is cut from found prompts, and what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.analysis.prompt.markup import strip_markup
from codec.analysis.prompt.text_bounds import PromptSource


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a paper boat:1.3) on a pond <lora:add_detail:0.75> <lyco:soft:1>, BREAK autumn leaves, [blurry]",
         "a paper boat on a pond, autumn leaves, blurry"),
        ("((a fox)), [[snow]], (deep:1.21) ice", "a fox, snow, deep ice"),
        ("((a fox:1.2), snow:0.8)", "a fox, snow"),
        ("fox \\(animal\\), snow", "fox (animal), snow"),
        ("a [cat:dog:0.3] sleeps", "a dog sleeps"),
        ("a [cat:dog:0.8] sleeps", "a cat sleeps"),
        ("a [red:10] fox, [big::12] ears", "a red fox, big ears"),
        ("[cow|horse] in a field", "cow horse in a field"),
        ("a fox AND snow, AND_SO, bANDs", "a fox, snow, AND_SO, bANDs"),
        ("a fox, embedding:good:1.1, (embedding:other.pt:1.2)", "a fox"),
        ("<hypernet:x:1><lora:a b c:1:1:lbw=XYZ> a fox", "a fox"),
        ("<random:red|blue> fox <segment:face>", "red fox"),
        ("{red|blue} fox", "{red|blue} fox"),
        ("a fox :) and 3 < 4", "a fox :) and 3 < 4"),
        ("(a fox, snow", "a fox, snow"),
        ("at 10:30, a clock (time: noon)", "at 10:30, a clock time: noon"),
        ("", ""),
    ],
)  # fmt: skip
def test_webui_markup(text: str, expected: str) -> None:
    assert strip_markup(text, PromptSource.AUTOMATIC1111) == expected


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        (PromptSource.NOVELAI, "{{a fox}}, [snow], 1.5::ice::, -1::fog ::", "a fox, snow, ice, fog"),
        (PromptSource.NOVELAI, "a fox (small)", "a fox (small)"),
        (
            PromptSource.INVOKEAI,
            "fox++ in (deep snow)1.3, ice-- and well-known",
            "fox in deep snow, ice and well-known",
        ),
        (PromptSource.MIDJOURNEY, "a fox (small) [tag] AND snow", "a fox (small) [tag] AND snow"),
        (PromptSource.DESCRIPTION, "a fox (small) <lora:x:1>", "a fox (small)"),
    ],
)
def test_each_program_has_markup_of_its_own(source: PromptSource, text: str, expected: str) -> None:
    assert strip_markup(text, source) == expected


def test_weights_can_be_kept() -> None:
    text = "(a fox:1.3) <lora:x:1>, BREAK [snow]"
    assert strip_markup(text, PromptSource.COMFYUI, keep_weights=True) == "(a fox:1.3), [snow]"


@given(st.text("ab()[]{}<>:|\\,.1+- \n") | st.text(), st.sampled_from(PromptSource), st.booleans())
def test_any_text_gives_a_text_that_is_not_longer(text: str, source: PromptSource, keep: bool) -> None:
    stripped = strip_markup(text, source, keep_weights=keep)
    # A break becomes a comma and a space.
    assert len(stripped) <= len(text) + text.count("AND") + text.count("BREAK")
