"""codec.encoder.options: invalid options are refused when the object is created."""

import math
from pathlib import Path
from typing import Any

import pytest

from codec.encoder.options import EncodeOptions, Order
from layercast_common.errors import UsageError


def test_the_defaults_are_valid() -> None:
    options = EncodeOptions()
    assert (options.structure, options.order, options.model) == (None, Order.PAPER, "mini")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"structure": "soup"}, "no structure is called 'soup'; there are canny, pidinet"),
        ({"structure": "openpose", "keypoints": Path("b")}, "give one of them"),
        ({"order": "alphabetical"}, "no order of layers is called 'alphabetical'; there are paper, cheapest"),
        ({"texture": "soup"}, "no form of texture is called 'soup'; there are planes, grid"),
        ({"texture": "planes", "nested": True}, "bit planes refine themselves"),
        ({"order": "fidelity", "nested": True}, "bit planes refine themselves"),
        ({"order": "fidelity", "texture": "grid"}, "choose another order"),
        ({"budget": 600, "bpp": 0.1}, "give one of them"),
        ({"bpp": 0.0}, "a positive number of bits per pixel, not 0"),
        ({"bpp": math.nan}, "not nan"),
        ({"bpp": math.inf}, "not inf"),
        ({"budget": 0}, "a positive number of bytes, not 0"),
        ({"canvas": (100, 100)}, "multiple of 64"),
        ({"captioner": "parrot"}, "no captioner is called 'parrot'"),
        ({"seed": -1}, "a seed is 0 to"),
        ({"model": ""}, "a model's name has 1 to"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EncodeOptions(**options)
