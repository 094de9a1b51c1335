import pytest

from receiver.rendering.output.previews import preview_due


@pytest.mark.parametrize(
    ("done", "steps", "news", "expected"),
    [
        (1, 8, False, False),
        (2, 8, False, True),
        (3, 8, False, False),
        (4, 8, False, True),
        # A new layer is shown after the next step, but not before the first preview.
        (1, 8, True, False),
        (3, 8, True, True),
        # After the last step there is the final frame.
        (8, 8, True, False),
        (2, 2, False, False),
    ],
)
def test_when_previews_are_due(done: int, steps: int, *, news: bool, expected: bool) -> None:
    assert preview_due(done, steps, (2, 4), layers_changed=news) is expected
