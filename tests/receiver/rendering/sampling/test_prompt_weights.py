import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.rendering.sampling.prompt_weights import read_weights, to_compel, without_weights


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red house", [("a red house", 1)]),
        ("a (red) house", [("a ", 1), ("red", 1.1), (" house", 1)]),
        ("((red))", [("red", 1.21)]),
        ("[red]", [("red", 1 / 1.1)]),
        ("[[red]]", [("red", 1 / 1.21)]),
        ("[(red)]", [("red", 1)]),
        ("(red:1.3) house", [("red", 1.3), (" house", 1)]),
        ("(red : 0.5)", [("red ", 0.5)]),
        ("(red)1.3 house", [("red", 1.3), (" house", 1)]),
        ("(red)++", [("red", 1.21)]),
        ("(red)-- house", [("red", 0.81), (" house", 1)]),
        ("(a (b:2) c:0.5)", [("a ", 0.5), ("b", 1), (" c", 0.5)]),
        ("red++ house", [("red++ house", 1)]),
        (r"\(red\) house", [(r"\(red\) house", 1)]),
        ("a sad face :(", [(r"a sad face :\(", 1)]),
        ("a) b]", [(r"a\) b\]", 1)]),
        ("(a [b)", [(r"\(a \[b\)", 1)]),
        ("time 12:30 (noon)", [("time 12:30 ", 1), ("noon", 1.1)]),
        ("", []),
    ],
)
def test_both_notations_are_read(prompt: str, expected: list[tuple[str, float]]) -> None:
    found = [(piece.text, piece.weight) for piece in read_weights(prompt)]
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected])


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a ((red)) house", "a (red)1.21 house"),
        ("[red ]house", "(red)0.909091 house"),
        ("(red:1.3)", "(red)1.3"),
        ("red++ (x)", "red++ (x)1.1"),
        ("plain", "plain"),
    ],
)
def test_weights_in_compels_notation(prompt: str, expected: str) -> None:
    assert to_compel(prompt) == expected


def test_the_words_alone() -> None:
    assert without_weights(r"a ((red:1.2)) [big] \(x\) house") == "a red big (x) house"


@given(st.text(alphabet="()[]:.\\ ab12+-", max_size=60))
def test_any_text_is_read(prompt: str) -> None:
    pieces = read_weights(prompt)
    assert all(piece.weight >= -1e9 for piece in pieces)
    letters = [letter for letter in prompt if letter in "ab"]
    assert [letter for piece in pieces for letter in piece.text if letter in "ab"] == letters
    to_compel(prompt)


def test_deep_nesting_is_text() -> None:
    assert without_weights("(" * 5000 + "a" + ")" * 5000).count("a") == 1
