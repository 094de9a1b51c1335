"""Edit the layers of a stream without rendering; every function returns a new stream.

    stream = substitute_prompt(stream, "red fox", "grey wolf")
    stream = replace_texture(stream, "dusk.jpg")
    stream = erase(stream, [Rectangle(300, 40, 120, 200)])

Layers that an edit does not change keep their bytes. Bit planes are the picture itself: recolouring and erasing change
them, too; other words, lines or colours replace them by lines and colours, from which the edited picture is drawn. The
edits follow "Stable Diffusion is a Natural Cross-Modal Decoder for Layered AI-generated Image Compression" (arXiv
2412.12982): edits of structure, of texture, and of both to erase an object.
"""

from codec.editing.erasing import erase
from codec.editing.prompt import replace_prompt, substitute_prompt
from codec.editing.recoloring import Adjust, Paint, Recoloring, parse_recoloring, recolor
from codec.editing.regions import Mask, Rectangle, Region, load_mask, parse_rectangle
from codec.editing.sections import replace_seed
from codec.editing.transfer import Donor, replace_structure, replace_texture

__all__ = [
    "Adjust",
    "Donor",
    "Mask",
    "Paint",
    "Recoloring",
    "Rectangle",
    "Region",
    "erase",
    "load_mask",
    "parse_recoloring",
    "parse_rectangle",
    "recolor",
    "replace_prompt",
    "replace_seed",
    "replace_structure",
    "replace_texture",
    "substitute_prompt",
]
